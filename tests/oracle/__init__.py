"""An independent judge of the warehouse.

Plain Python that derives the five tables from raw JSON by the written rules (design,
section 3; decisions 0001 and 0002), without SQL and without reading the project's
models, macros or scripts.
"""

from __future__ import annotations

from oracle.answers import answers
from oracle.listening import Listening, build_listening
from oracle.measures import Answer, Evidence, evidence_of
from oracle.reading import RawEvent, RawRecords, RawSong, Reject, read_folder
from oracle.star import Artist, Song, Songplay, Star, Table, Time, User, build_star

__all__ = [
    "Answer",
    "Artist",
    "Evidence",
    "Listening",
    "RawEvent",
    "RawRecords",
    "RawSong",
    "Reject",
    "Song",
    "Songplay",
    "Star",
    "Table",
    "Time",
    "User",
    "answers",
    "build_listening",
    "build_star",
    "evidence_of",
    "read_folder",
]
