"""What every loader writes beside the records: history and quarantine."""

from __future__ import annotations

import uuid
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from sparkify.errors import SparkifyError, printable
from sparkify.loaders import NewFile
from sparkify.raw.reader import Record
from sparkify.raw.rules import RawTable
from sparkify.raw.sources import Source

BATCH_BYTES: Final = 1 << 30
BATCH_FILES: Final = 8192
MAX_SHOWN: Final = 200
"""Characters of a reason in an error: it may name a key of any length."""


@dataclass(frozen=True)
class Rejection:
    """A record for raw.rejected_records."""

    table: str
    path: str
    line: int
    reason: str
    raw: str


@dataclass
class Quarantine:
    """The records that a load refuses, up to a limit."""

    limit: int
    rejections: list[Rejection] = field(default_factory=list)

    def refuse(self, table: RawTable, path: str, record: Record) -> None:
        """Take a record. Raises SparkifyError if there are more than the limit."""
        self.rejections.append(
            Rejection(table.name, path, record.line, record.reason, record.text)
        )
        if len(self.rejections) > self.limit:
            first = self.rejections[0]
            raise SparkifyError(
                f"More than {self.limit} records were refused, the first in"
                f" {printable(first.path)}, line {first.line}"
                f" ({printable(first.reason[:MAX_SHOWN])}).",
                "Nothing was loaded: mend the files, or allow more with --max-rejects.",
            )


def load_time(latest: datetime | None) -> datetime:
    """Give the time of a load, in UTC and later than that of the latest before it."""
    now = datetime.now(UTC).replace(tzinfo=None)
    return max(now, latest + timedelta(microseconds=1)) if latest else now


def book(
    source: Source,
    files: Sequence[NewFile],
    loaded: Mapping[tuple[str, str], int],
    rejections: Sequence[Rejection],
    loaded_at: datetime,
) -> dict[str, list[tuple[Any, ...]]]:
    """Give the rows of a load for raw.load_history and raw.rejected_records.

    ``loaded`` has the number of records loaded by table and path.
    """
    load_id = uuid.uuid4().hex
    rejected = Counter((r.table, r.path) for r in rejections)
    history = [
        (
            f"{source.root}/{new.table.part}",
            new.table.name,
            new.file.path,
            new.file.size,
            new.file.version,
            new.replaces,
            loaded.get((new.table.name, new.file.path), 0),
            rejected.get((new.table.name, new.file.path), 0),
            load_id,
            loaded_at,
        )
        for new in files
    ]
    quarantined = [
        (r.table, r.path, r.line, r.reason, r.raw, load_id, loaded_at)
        for r in rejections
    ]
    return {"load_history": history, "rejected_records": quarantined}


def batches(files: Sequence[NewFile]) -> Iterator[list[NewFile]]:
    """Split files into batches of at most BATCH_BYTES (or one file) and BATCH_FILES."""
    batch: list[NewFile] = []
    size = 0
    for new in files:
        if batch and (size + new.file.size > BATCH_BYTES or len(batch) >= BATCH_FILES):
            yield batch
            batch, size = [], 0
        batch.append(new)
        size += new.file.size
    if batch:
        yield batch
