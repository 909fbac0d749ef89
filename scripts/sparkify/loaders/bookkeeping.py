"""Build rows of raw.load_history and raw.rejected_records, and batches of files."""

from __future__ import annotations

import uuid
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from sparkify.loaders import NewFile
from sparkify.raw.reader import Record
from sparkify.raw.rules import RawTable
from sparkify.raw.sources import Source
from sparkify.shared.errors import SparkifyError, printable

BATCH_BYTES: Final = 1 << 30
BATCH_FILES: Final = 8192
MAX_SHOWN: Final = 200
"""Characters of a reason in an error message."""


@dataclass(frozen=True)
class Rejection:
    """A row of raw.rejected_records. ``line`` counts from 1."""

    table: str
    path: str
    line: int
    reason: str
    raw: str


@dataclass
class Quarantine:
    """The rejected records of a load, up to a limit."""

    limit: int
    rejections: list[Rejection] = field(default_factory=list)

    def reject(self, table: RawTable, path: str, record: Record) -> None:
        """Add a record. Raises SparkifyError above the limit."""
        self.rejections.append(
            Rejection(table.name, path, record.line, record.reason, record.text)
        )
        if len(self.rejections) > self.limit:
            first = self.rejections[0]
            raise SparkifyError(
                f"More than {self.limit} records were rejected, the first in"
                f" {printable(first.path)}, line {first.line}"
                f" ({printable(first.reason[:MAX_SHOWN])}).",
                "Nothing was loaded. Fix the files, or allow more with --max-rejects.",
            )


def load_time(latest: datetime | None) -> datetime:
    """Return the current time in UTC, or 1 microsecond after the latest load."""
    now = datetime.now(UTC).replace(tzinfo=None)
    return max(now, latest + timedelta(microseconds=1)) if latest else now


def record_load(
    source: Source,
    files: Sequence[NewFile],
    loaded: Mapping[tuple[str, str], int],
    rejections: Sequence[Rejection],
    loaded_at: datetime,
) -> dict[str, list[tuple[Any, ...]]]:
    """Return the rows of load_history and rejected_records, by table.

    Values are in the order of schema.HISTORY and schema.REJECTED. ``loaded`` maps table
    and path to the number of loaded records.
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
    """Yield batches of one file, or of at most BATCH_FILES files and BATCH_BYTES."""
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
