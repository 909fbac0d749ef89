"""Generate the data of the measures on first use."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path
from typing import Final

import generate_events
from sparkify.shared.errors import SparkifyError

FIRST_DAY: Final = date(2018, 11, 1)
DAYS: Final = 30
NEXT_DAY: Final = FIRST_DAY + timedelta(DAYS)
LATER_SESSIONS: Final = 1_000_000_000
"""Added to the session ids of the next day, because the generator starts at 1."""


@dataclass(frozen=True)
class Sizes:
    """Numbers of records, in proportion to the events of the main measure.

    Docstrings give the numbers for 10 million events.
    """

    events: int

    @property
    def large(self) -> int:
        """Events of the measure with the memory limit: 50 million."""
        return self.events * 5

    @property
    def short(self) -> int:
        """Events of a short history: 1 million."""
        return max(self.events // 10, 1)

    @property
    def day(self) -> int:
        """Events of one more day: 100,000."""
        return max(self.events // 100, 1)

    @property
    def song_files(self) -> int:
        """Song files of one record: 15,000."""
        return max(self.events * 3 // 2000, 1)

    @property
    def row_by_row(self) -> int:
        """Events that are loaded row by row: 100,000."""
        return max(self.events // 100, 1)

    @property
    def spark(self) -> int:
        """Events for Spark: 2 million."""
        return max(self.events // 5, 1)

    @property
    def few(self) -> int:
        """Events of a build whose cost does not depend on their number: 2,000."""
        return max(self.events // 5_000, 1)

    @property
    def users(self) -> int:
        """Users of the app, the same in every history."""
        return min(max(self.events // 500, 20), 20_000)

    @property
    def songs(self) -> int:
        """Songs of the catalogue, the same in every history."""
        return min(max(self.events // 5_000, 50), 2_000)


class Data:
    """Folders of generated data below one folder."""

    def __init__(self, folder: Path, sizes: Sizes) -> None:
        """Set the folder. Existing data is used again."""
        self.folder = folder
        self.sizes = sizes

    def events(self, count: int) -> Path:
        """Return the folder with a number of events in thirty days."""
        name = f"events_{count}"
        _restore(self.folder / name)
        return self._make(name, count, DAYS, FIRST_DAY, self.sizes.songs)

    def next_day(self) -> Path:
        """Return the log file of the day after the history, with new sessions."""
        count = self.sizes.day
        made = self._make(f"day_{count}", count, 1, NEXT_DAY, self.sizes.songs)
        file = self.folder / f"day_{count}.json"
        if not file.exists():
            (log,) = (made / "log_data").rglob("*.json")
            partial = file.with_suffix(".partial")
            partial.write_text(
                re.sub(
                    r'"sessionId":(\d+)',
                    lambda found: f'"sessionId":{int(found[1]) + LATER_SESSIONS}',
                    log.read_text(encoding="utf-8"),
                ),
                encoding="utf-8",
            )
            partial.rename(file)
        return file

    def song_files(self) -> tuple[Path, Path]:
        """Return two folders of the same catalogue: one file per song, and one file."""
        count = self.sizes.song_files
        many = self._make(f"songs_{count}", 1, 1, FIRST_DAY, count)
        one = self.folder / f"songs_{count}_in_one"
        if not one.exists():
            partial = self.folder / f".{one.name}"
            shutil.rmtree(partial, ignore_errors=True)
            shutil.copytree(many / "log_data", partial / "log_data")
            (partial / "song_data").mkdir()
            records = [
                path.read_text(encoding="utf-8")
                for path in sorted((many / "song_data").rglob("*.json"))
            ]
            (partial / "song_data" / "songs.json").write_text(
                "\n".join(records), encoding="utf-8"
            )
            partial.rename(one)
        return many, one

    def delete(self, count: int) -> None:
        """Delete the data with a number of events."""
        shutil.rmtree(self.folder / f"events_{count}", ignore_errors=True)

    def _make(self, name: str, events: int, days: int, start: date, songs: int) -> Path:
        folder = self.folder / name
        if not folder.exists():
            arguments = [
                *(f"--events={events}", f"--days={days}", f"--songs={songs}"),
                *(f"--users={self.sizes.users}", f"--start={start}", f"--out={folder}"),
            ]
            if generate_events.main(arguments) != 0:
                raise SparkifyError(
                    "The data could not be generated.", "Free disk space."
                )
        return folder


@contextmanager
def one_more_day(data: Path, file: Path) -> Iterator[None]:
    """Add the log of one more day to a folder, until the context ends."""
    log = _next_log(data)
    log.parent.mkdir(parents=True, exist_ok=True)
    os.link(file, log)
    try:
        yield
    finally:
        _restore(data)


@contextmanager
def without_content(data: Path) -> Iterator[None]:
    """Replace the files of a folder by zeros, until the context ends.

    Sizes and times are the same. The files are sparse, so they use no disk space.
    """
    aside = _aside(data)
    data.rename(aside)
    try:
        for path in aside.rglob("*.json"):
            status = path.stat()
            empty = data / path.relative_to(aside)
            empty.parent.mkdir(parents=True, exist_ok=True)
            with empty.open("wb") as file:
                file.truncate(status.st_size)
            os.utime(empty, ns=(status.st_atime_ns, status.st_mtime_ns))
        yield
    finally:
        _restore(data)


def _restore(data: Path) -> None:
    """Restore the original files of a folder, also after a killed run."""
    aside = _aside(data)
    if aside.exists():
        shutil.rmtree(data, ignore_errors=True)
        aside.rename(data)
    log = _next_log(data)
    if log.exists():
        log.unlink()
        log.parent.rmdir()


def _aside(data: Path) -> Path:
    return data.with_name(f"{data.name}_aside")


def _next_log(data: Path) -> Path:
    day = NEXT_DAY
    return data / f"log_data/{day.year}/{day.month:02}/{day}-events.json"
