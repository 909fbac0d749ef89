"""Write the files of a synthetic Sparkify bucket.

The sample resembles the real data, including its errors (docs/decisions/0001 and 0002).
The same seed writes the same bytes on every machine.
"""

from __future__ import annotations

import json
import os
import shutil
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path
from typing import BinaryIO, Final, NamedTuple, Self

from sparkify.sample.catalogue import (
    Catalogue,
    Jukebox,
    compact_json,
    make_catalogue,
    track_path,
)
from sparkify.sample.faults import (
    PLAIN,
    FaultInjector,
    SongFile,
    dirty_song_files,
    gzip_file,
)
from sparkify.sample.names import Dice
from sparkify.sample.visits import DAY, Scenario, Simulation, make_users
from sparkify.shared.errors import SparkifyError
from sparkify.shared.progress import progress

PARTS = ("song_data", "log_data", "log_json_path.json")
LOG_KEYS = (
    *("artist", "auth", "firstName", "gender", "itemInSession", "lastName", "length"),
    *("level", "location", "method", "page", "registration", "sessionId", "song"),
    *("status", "ts", "userAgent", "userId"),
)

LINES_AT_ONCE = 1_000
DEFAULT_SCENARIO: Final = Scenario(
    events=8_000, start=date(2018, 11, 1), days=30, match_share=0.05
)


@dataclass(frozen=True, slots=True)
class Options:
    """Content and folder of a sample."""

    out: Path
    seed: int = 1
    plan: Scenario = DEFAULT_SCENARIO
    users: int = 100
    songs: int = 700
    is_dirty: bool = False
    is_forced: bool = False


class LogWriter:
    """Writes events to one file per UTC day. A context manager."""

    def __init__(self, folder: Path, dirt: FaultInjector | None) -> None:
        """Set the folder, and an optional source of additional lines."""
        self._folder = folder
        self._dirt = dirt
        self._path = folder
        self._file: BinaryIO | None = None
        self._form = PLAIN
        self._lines: list[str] = []
        self._written = 0
        self.day_end = 0
        self.file_count = 0

    def add(self, ts: int, line: str) -> None:
        """Write an event, which must not be earlier than the previous one."""
        if ts >= self.day_end:
            self._close_file()
            self._open_file(ts)
        self._lines.append(line)
        if self._dirt is not None:
            self._lines += self._dirt.lines_after(line)
        if len(self._lines) > LINES_AT_ONCE:
            self._flush()

    def __enter__(self) -> Self:
        """Return the writer, without an open file."""
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        """Write remaining lines and close the last file. After an error, only close."""
        if kind is None:
            self._lines += [] if self._dirt is None else self._dirt.remaining_lines()
            self._close_file()
        elif self._file is not None:
            self._file.close()

    def _open_file(self, ts: int) -> None:
        self.day_end = ts - ts % DAY + DAY
        self._path = log_path(self._folder, ts)
        self._path.parent.mkdir(parents=True, exist_ok=True)
        self._form = PLAIN if self._dirt is None else self._dirt.open_file()
        self._file = self._path.open("wb")
        self._file.write(b"\xef\xbb\xbf" if self._form.has_bom else b"")
        self._written = 0
        self.file_count += 1

    def _flush(self) -> None:
        if self._file is None:
            return
        end = self._form.line_end
        text = (end if self._written else "") + end.join(self._lines)
        self._file.write(text.encode("utf-8", "surrogateescape"))
        self._written += len(self._lines)
        self._lines.clear()

    def _close_file(self) -> None:
        if self._file is None:
            return
        if self._lines:
            self._flush()
        self._file.write(self._form.line_end.encode() * self._form.ends_with_newline)
        self._file.close()
        if self._form.is_gzipped:
            gzip_file(self._path)


def log_path(folder: Path, ts: int) -> Path:
    """Return the log file of the UTC day of `ts`, in milliseconds since 1970."""
    day = datetime.fromtimestamp(ts // 1000, tz=UTC).date()
    return folder / f"{day.year:04}" / f"{day.month:02}" / f"{day}-events.json"


@dataclass(frozen=True, slots=True)
class Summary:
    """Counts of a written sample. `events` excludes the lines of `--dirty`."""

    log_files: int
    song_files: int
    events: int
    invalid: int
    byte_count: int

    def sentence(self, folder: Path) -> str:
        """Return the counts as one line."""
        invalid = f", {self.invalid} invalid records" if self.invalid else ""
        return (
            f"Wrote {self.events:,} events in {self.log_files:,} log files and "
            f"{self.song_files:,} song files{invalid}: "
            f"{self.byte_count:,} bytes in {folder}"
        )


class Written(NamedTuple):
    """Number of written files, and number of invalid records in them."""

    files: int
    invalid: int


def write_songs(folder: Path, options: Options, catalogue: Catalogue) -> Written:
    """Write one file per song. Return the counts."""
    dice = Dice(f"{options.seed}:files")
    songs = dice.shuffled(catalogue.songs)
    files = [SongFile(compact_json(song.record()).encode()) for song in songs]
    invalid = 0
    if options.is_dirty:
        dirty_files, invalid = dirty_song_files(Dice(f"{options.seed}:dirt"), songs)
        files += dirty_files
    for number, file in enumerate(files):
        path = folder / track_path(dice, number)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(file.content)
        if file.is_gzipped:
            gzip_file(path)
    return Written(len(files), invalid)


def write_logs(folder: Path, options: Options, catalogue: Catalogue) -> Written:
    """Write one file per day. Return the counts."""
    plan = options.plan
    dice = Dice(f"{options.seed}:events")
    simulation = Simulation(
        plan=plan,
        dice=dice,
        users=make_users(Dice(f"{options.seed}:users"), options.users, plan.start_ts),
        jukebox=Jukebox(dice, catalogue, plan.match_share),
    )
    dirt = FaultInjector(plan.days) if options.is_dirty else None
    with (
        LogWriter(folder, dirt) as writer,
        progress("write", "events", plan.events) as bar,
    ):
        for ts, line in simulation.events():
            writer.add(ts, line)
            bar.update()
    if dirt is None:
        return Written(writer.file_count, 0)
    # The file of the next day is empty.
    empty = log_path(folder, plan.end_ts)
    empty.parent.mkdir(parents=True, exist_ok=True)
    empty.touch()
    return Written(writer.file_count + 1, dirt.invalid_count)


def write_sample(options: Options) -> Summary:
    """Write a sample and return its counts.

    A temporary folder beside `options.out` is renamed at the end, so an interrupted run
    leaves no partial sample. Raises SparkifyError if the folder is not empty, and
    OSError if a file cannot be written.
    """
    require_free_folder(options)
    out = options.out.resolve()
    out.parent.mkdir(parents=True, exist_ok=True)
    partial = out.parent / f".{out.name}.partial-{os.getpid()}"
    shutil.rmtree(partial, ignore_errors=True)
    try:
        partial.mkdir()
        catalogue = make_catalogue(Dice(f"{options.seed}:songs"), options.songs)
        songs = write_songs(partial / PARTS[0], options, catalogue)
        logs = write_logs(partial / PARTS[1], options, catalogue)
        paths = {"jsonpaths": [f"$['{key}']" for key in LOG_KEYS]}
        (partial / PARTS[2]).write_bytes(json.dumps(paths, indent=4).encode())
        size = sum(path.stat().st_size for path in partial.rglob("*") if path.is_file())
        put_in_place(partial, out)
    finally:
        shutil.rmtree(partial, ignore_errors=True)
    return Summary(
        log_files=logs.files,
        song_files=songs.files,
        events=options.plan.events,
        invalid=logs.invalid + songs.invalid,
        byte_count=size,
    )


def require_free_folder(options: Options) -> None:
    """Raise SparkifyError if the folder is not empty and `--force` is not set."""
    out = options.out
    if out.exists() and not out.is_dir():
        raise SparkifyError(f"{out} is a file.", "Name a folder with --out.")
    if out.is_dir() and any(out.iterdir()) and not options.is_forced:
        raise SparkifyError(
            f"{out} is not empty.",
            "Name another folder, or add --force to replace the sample in it.",
        )


def put_in_place(partial: Path, out: Path) -> None:
    """Replace the parts of an earlier sample by those of a new one."""
    if not out.exists():
        partial.rename(out)
        return
    for part in PARTS:
        target = out / part
        if target.exists():
            target.rename(partial / f"old_{part}")
        (partial / part).rename(target)
