"""The folders and commits of the raw tables in a lake.

A load writes records to its own folders, and its history to one file. Moving that file
to ``raw/commits`` commits the load. The latest history of a file names the folder of
its records.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import Any, Final

from sparkify.loaders.schema import HISTORY, STAGING

RECORDS: Final = (*STAGING, "rejected_records")
COMMITTED: Final = HISTORY | {"folder": "varchar"}
"""Columns of a commit: the history of a file, and the folder of its records."""


class Lake:
    """The folder ``raw`` below a lake's root."""

    def __init__(self, root: Path) -> None:
        """Set the root of the lake. Creates nothing."""
        self.raw = root / "raw"
        self.commits = self.raw / "commits"

    def make_folders(self) -> None:
        """Create missing folders."""
        for name in (*RECORDS, "commits"):
            (self.raw / name).mkdir(parents=True, exist_ok=True)

    def folder(self, table: str) -> Path:
        """Return the folder of a raw table's records."""
        return self.raw / table

    def partition(self, table: str, folder: str) -> Path:
        """Return the path of a Hive partition of a raw table."""
        return self.folder(table) / f"folder={folder}"

    def history(self) -> list[dict[str, Any]]:
        """Return the latest history row of each file, with the columns of COMMITTED."""
        rows: list[dict[str, Any]] = []
        for path in self.commits.glob("*.json"):
            with path.open(encoding="utf-8") as lines:
                rows.extend(json.loads(line) for line in lines)
        rows.sort(key=lambda row: row["loaded_at"])
        return list({(row["table_name"], row["path"]): row for row in rows}.values())

    def latest(self) -> datetime | None:
        """Return the time of the latest load, or None."""
        times = [row["loaded_at"] for row in self.history()]
        return datetime.fromisoformat(max(times)) if times else None

    def commit(self, load: str, rows: Sequence[Sequence[Any]]) -> None:
        """Commit a load by renaming a file. Values are in the order of COMMITTED."""
        uncommitted = self.commits / f".{load}.json"
        with uncommitted.open("w", encoding="utf-8") as file:
            for row in rows:
                record = dict(zip(COMMITTED, row, strict=True))
                file.write(json.dumps(record, default=_timestamp) + "\n")
            file.flush()
            os.fsync(file.fileno())
        uncommitted.rename(self.commits / f"{load}.json")

    def remove_leftovers(self) -> None:
        """Delete the files of loads that ended before their commit."""
        for uncommitted in self.commits.glob(".*"):
            uncommitted.unlink()
        for table in RECORDS:
            for folder in self.folder(table).glob("folder=*"):
                load = folder.name.removeprefix("folder=").partition("-")[0]
                if not (self.commits / f"{load}.json").exists():
                    shutil.rmtree(folder)

    def remove(self) -> None:
        """Delete the raw tables. The rename makes it atomic."""
        if self.raw.exists():
            removed = self.raw.with_name("raw-removed")
            shutil.rmtree(removed, ignore_errors=True)
            self.raw.rename(removed)
            shutil.rmtree(removed)


def _timestamp(value: datetime) -> str:
    return value.isoformat(timespec="microseconds")
