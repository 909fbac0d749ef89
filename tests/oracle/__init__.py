"""An independent implementation of the rules, with which tests compare the warehouse.

It derives the tables from raw JSON by decisions 0001 and 0002. It is plain Python
without SQL, and it imports nothing of scripts/.
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
