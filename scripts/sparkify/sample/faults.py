"""Add invalid records, repeated events and unusual file formats to the sample.

docs/decisions/0001 defines which records are rejected, and why. In lines, a byte that
is not UTF-8 is a lone surrogate (Python's surrogateescape).
"""

import json
import struct
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sparkify.sample.catalogue import Song, compact_json
from sparkify.sample.names import Dice

Record = dict[str, Any]

# First session id of added records. An invalid record that a loader accepts is a new
# play in the star schema.
FIRST_DIRTY_SESSION = 900_000_001
LINES_BETWEEN = 7
LINES_PER_FILE = 10
BAD_BYTE = "\udcff"

_TOO_LONG = "\u00e9" * 513  # 513 characters, 1,026 bytes

INVALID_EVENT_VALUES: tuple[tuple[str, object], ...] = (
    ("artist", ["Two", "Names"]),
    ("song", True),
    ("song", "Cut\0Short"),
    ("song", "Half \ud83d"),
    ("song", _TOO_LONG),
    ("location", _TOO_LONG),
    ("sessionId", None),
    ("sessionId", "the first"),
    ("sessionId", 2**63),
    ("itemInSession", 1.5),
    ("itemInSession", 2**31),
    ("ts", None),
    ("ts", "yesterday"),
    ("ts", -1),
    ("ts", 253_402_300_800_000),
    ("status", {"code": 200}),
    ("length", "3:12"),
    ("length", 10_000_000),
    ("length", float("nan")),
    ("registration", "in May"),
    ("userId", "visitor"),
)
INVALID_SONG_VALUES: tuple[tuple[str, object], ...] = (
    ("song_id", None),
    ("artist_id", "  "),
    ("title", ["A", "B"]),
    ("year", "nineteen"),
    ("year", 2**31),
    ("duration", "long"),
    ("artist_latitude", "north"),
)


@dataclass(frozen=True, slots=True)
class FileForm:
    """A valid format of a file."""

    is_gzipped: bool = False
    has_bom: bool = False
    line_end: str = "\n"
    ends_with_newline: bool = False


PLAIN = FileForm()


class FaultInjector:
    """Returns lines to add to every second log file."""

    def __init__(self, day_count: int) -> None:
        """Prepare the lines for logs of a number of days."""
        self._day_count = day_count
        self._file_number = -1
        self._line_count = 0
        self._room = 0
        self._session = FIRST_DIRTY_SESSION
        self._template = ""
        self._kept = ""
        invalid = _invalid_events()
        self.invalid_count = len(invalid)
        waiting = [self._as_new_event(make) for make in invalid + _ODD_EVENTS]
        waiting += [lambda _: "", lambda _: " \t", *_REPEATS, self._repeat_kept]
        self._waiting = waiting[::-1]

    def open_file(self) -> FileForm:
        """Return the format of the next file. Short samples combine formats."""
        self._file_number += 1
        self._room = 0 if self._file_number % 2 else LINES_PER_FILE
        odd = [number % self._day_count == self._file_number for number in range(1, 5)]
        return FileForm(
            is_gzipped=odd[0],
            has_bom=odd[1],
            line_end="\r\n" if odd[2] else "\n",
            ends_with_newline=odd[3],
        )

    def lines_after(self, line: str) -> list[str]:
        """Return at most one line to add after an event."""
        self._line_count += 1
        is_play = '"NextSong"' in line
        if is_play or not self._template:
            self._template = line
        is_due = is_play and self._line_count >= LINES_BETWEEN
        if not (is_due and self._room and self._waiting):
            return []
        self._line_count = 0
        self._room -= 1
        return [self._next_line()]

    def remaining_lines(self) -> list[str]:
        """Return all other lines, made from the last play."""
        return [self._next_line() for _ in range(len(self._waiting))]

    def _next_line(self) -> str:
        self._kept = self._kept or self._template
        return self._waiting.pop()(json.loads(self._template))

    def _as_new_event(self, make: Callable[[Record], str]) -> Callable[[Record], str]:
        def new_event(event: Record) -> str:
            self._session += 1
            return make({**event, "sessionId": self._session, "itemInSession": 0})

        return new_event

    def _repeat_kept(self, _: Record) -> str:
        """Return the event of the first added line, unchanged."""
        return self._kept


def _invalid_events() -> list[Callable[[Record], str]]:
    """Return functions that turn a valid event into an invalid line."""
    return [
        lambda event: compact_json(event)[:-60],
        lambda event: compact_json(event)[:-1] + ",}",
        lambda event: compact_json(event).replace('"', "'"),
        lambda event: compact_json(event)[:-1] + ',"userId":"1"}',
        lambda event: json.dumps(compact_json(event)),
        lambda _: "[Error] log rotated\\x00",
        lambda event: compact_json({**event, "song": "?"}).replace("?", BAD_BYTE),
        *(
            lambda event, key=key: compact_json(_without(event, key))
            for key in ("sessionId", "itemInSession", "ts")
        ),
        *(
            lambda event, key=key, value=value: compact_json({**event, key: value})
            for key, value in INVALID_EVENT_VALUES
        ),
    ]


def _without(record: Record, key: str) -> Record:
    return {name: value for name, value in record.items() if name != key}


# Valid events in formats that the app does not write.
_ODD_EVENTS: list[Callable[[Record], str]] = [
    lambda event: json.dumps({**event, "song": "Gr\u00fcne Meile"}, ensure_ascii=False),
    lambda event: compact_json({**event, "userId": int(event["userId"] or 1)}),
    lambda event: compact_json(
        {**event, "ts": str(event["ts"]), "status": str(event["status"])}
    ),
    lambda event: compact_json({**event, "appVersion": {"major": 2}}),
    lambda event: compact_json(dict(reversed(_without(event, "userAgent").items()))),
]

# Repeated events: later, earlier, at the same time, on another page.
_REPEATS: list[Callable[[Record], str]] = [
    lambda event: compact_json(
        {**event, "ts": event["ts"] + 5_000, "song": "Corrected Later", "length": 201.5}
    ),
    lambda event: compact_json(
        {**event, "ts": event["ts"] - 5_000, "song": "Replaced Since"}
    ),
    lambda event: compact_json({**event, "song": "At The Same Time"}),
    lambda event: compact_json(
        {
            **event,
            "ts": event["ts"] + 1_000,
            "artist": None,
            "length": None,
            "method": "GET",
            "page": "Home",
            "song": None,
        }
    ),
]


@dataclass(frozen=True, slots=True)
class SongFile:
    """The content of an additional song file."""

    content: bytes
    is_gzipped: bool = False


def dirty_song_files(dice: Dice, songs: list[Song]) -> tuple[list[SongFile], int]:
    """Return additional song files, and the number of invalid ones."""
    song = songs[-1].record()
    odd_id = "SO" + "".join(dice.pick("XYZ") for _ in range(5)) + "12A80000000"
    new = {**song, "song_id": odd_id}
    invalid = [
        compact_json(_without(new, "song_id")),
        compact_json(new)[:-20],
        *(compact_json({**new, key: value}) for key, value in INVALID_SONG_VALUES),
    ]
    known = [dice.pick(songs).record() for _ in range(5)]
    # The latest year of a song wins.
    newer = {**known[1], "year": 2011}
    accepted = [
        SongFile(compact_json(known[0]).encode()),
        SongFile(compact_json(newer).encode()),
        SongFile(b"\xef\xbb\xbf" + compact_json(known[2]).encode()),
        SongFile(b"\r\n" + compact_json(known[3]).encode() + b"\r\n"),
        SongFile(compact_json(known[4]).encode(), is_gzipped=True),
        SongFile(b""),
    ]
    return [SongFile(text.encode()) for text in invalid] + accepted, len(invalid)


def gzip_file(path: Path) -> None:
    """Replace a file by `NAME.gz`, a gzip file with stored blocks (RFC 1951, 3.2.4).

    The bytes of compressed blocks would depend on the version of zlib.
    """
    size = left = path.stat().st_size
    checksum = 0
    gzipped = path.with_name(path.name + ".gz")
    with path.open("rb") as source, gzipped.open("wb") as target:
        target.write(b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\xff")
        is_last = False
        while not is_last:
            block = source.read(0xFFFF)
            left -= len(block)
            is_last = left == 0
            target.write(struct.pack("<BHH", is_last, len(block), len(block) ^ 0xFFFF))
            target.write(block)
            checksum = zlib.crc32(block, checksum)
        target.write(struct.pack("<II", checksum, size % 2**32))
    path.unlink()
