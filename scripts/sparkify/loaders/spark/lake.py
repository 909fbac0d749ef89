"""The files of the raw layer in a lake, and which of them count.

A load writes its records into folders of its own, which nobody looks at until the
load's history, one file, is renamed into ``raw/commits``: that is the commit. A record
counts if it lies in the folder that the latest history of its file names.
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
"""What a commit says of a file: its history, and the folder that has its records."""


class Lake:
    """The folder ``raw`` below a lake's root."""

    def __init__(self, root: Path) -> None:
        """Take the lake's root; nothing is made yet."""
        self.raw = root / "raw"
        self.commits = self.raw / "commits"

    def make_folders(self) -> None:
        """Make the folders that are missing."""
        for name in (*RECORDS, "commits"):
            (self.raw / name).mkdir(parents=True, exist_ok=True)

    def folder(self, table: str) -> Path:
        """Give the folder of a raw table's records."""
        return self.raw / table

    def partition(self, table: str, folder: str) -> Path:
        """Give a folder of records, in the form of a Hive partition."""
        return self.folder(table) / f"folder={folder}"

    def history(self) -> list[dict[str, Any]]:
        """Give the latest history of each file, in the order of the loads."""
        rows: list[dict[str, Any]] = []
        for path in self.commits.glob("*.json"):
            with path.open(encoding="utf-8") as lines:
                rows.extend(json.loads(line) for line in lines)
        rows.sort(key=lambda row: row["loaded_at"])
        return list({(row["table_name"], row["path"]): row for row in rows}.values())

    def latest(self) -> datetime | None:
        """Give the time of the latest load, if there was one."""
        times = [row["loaded_at"] for row in self.history()]
        return datetime.fromisoformat(max(times)) if times else None

    def commit(self, load: str, rows: Sequence[Sequence[Any]]) -> None:
        """Make a load count: one rename, after which all of it is there."""
        unseen = self.commits / f".{load}.json"
        with unseen.open("w", encoding="utf-8") as file:
            for row in rows:
                record = dict(zip(COMMITTED, row, strict=True))
                file.write(json.dumps(record, default=_timestamp) + "\n")
            file.flush()
            os.fsync(file.fileno())
        unseen.rename(self.commits / f"{load}.json")

    def remove_leftovers(self) -> None:
        """Remove what loads left that were stopped before their commit."""
        for unseen in self.commits.glob(".*"):
            unseen.unlink()
        for table in RECORDS:
            for folder in self.folder(table).glob("folder=*"):
                load = folder.name.removeprefix("folder=").partition("-")[0]
                if not (self.commits / f"{load}.json").exists():
                    shutil.rmtree(folder)

    def remove(self) -> None:
        """Remove the raw layer; once the history is gone nothing of it counts."""
        if self.raw.exists():
            gone = self.raw.with_name("raw-removed")
            shutil.rmtree(gone, ignore_errors=True)
            self.raw.rename(gone)
            shutil.rmtree(gone)


def _timestamp(value: datetime) -> str:
    return value.isoformat(timespec="microseconds")
