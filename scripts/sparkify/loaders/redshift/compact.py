"""Merge many small JSON files into a few gzipped files, and check each record.

COPY opens every object, which takes minutes for thousands of small ones. Here they are
read in parallel, and every record is checked by the rules of raw records. The written
files contain only accepted records, each with the path of its file.
"""

from __future__ import annotations

import gzip
import json
import tempfile
from collections.abc import Sequence
from contextlib import ExitStack
from typing import IO, Any, Final

from sparkify.loaders import NewFile
from sparkify.loaders.bookkeeping import Quarantine, batches
from sparkify.raw.extra_keys import ExtraKeys
from sparkify.raw.reader import read_records
from sparkify.raw.rules import RawTable
from sparkify.raw.sources import OnFile, S3Prefix, Source

PART_BYTES: Final = 64 << 20
"""Bytes of uncompressed JSON in a part, about 8 MB gzipped. AWS recommends 1 MB to 1 GB
per gzipped file, and small parts are loaded sooner."""

PARTS_MULTIPLE: Final = 4
"""The number of parts is a multiple, so that a small cluster's slices share evenly."""


def part_count(size: int) -> int:
    """Return the number of parts for a size in bytes: 1 or a multiple of 4."""
    if size <= PART_BYTES:
        return 1
    parts = -(-size // PART_BYTES)
    return -(-parts // PARTS_MULTIPLE) * PARTS_MULTIPLE


class Compaction:
    """The compacted files of one table, written one after another, of similar size."""

    def __init__(self, table: RawTable, staging: S3Prefix, folder: str) -> None:
        """Set the S3 prefix for the files, and a folder below it."""
        self.names = [column.name.lower() for column in table.columns] + ["source_path"]
        self.table = table
        self.staging = staging
        self.folder = folder
        self.addresses: list[str] = []
        self.extra = ExtraKeys(table)
        self._spool: IO[bytes] | None = None
        self._zip: gzip.GzipFile | None = None

    def run(
        self,
        source: Source,
        files: Sequence[NewFile],
        quarantine: Quarantine,
        on_file: OnFile,
    ) -> list[str]:
        """Write the records of files. Return the addresses of the parts.

        Rejected records go to quarantine. Raises SparkifyError if a file cannot be
        read, a part cannot be written, or too many records are rejected.
        """
        total = sum(new.file.size for new in files)
        part_bytes = -(-total // part_count(total))
        with ExitStack() as stack:
            size = 0
            for batch in batches(files):
                with source.fetch([new.file for new in batch], on_file) as local:
                    for new, name in zip(batch, local, strict=True):
                        path = new.file.path
                        for record in read_records(self.table, name, path, self.extra):
                            if record.values is None:
                                quarantine.reject(self.table, path, record)
                            else:
                                self._write(stack, [*record.values, path])
                        size += new.file.size
                        if size >= part_bytes:
                            self._finish()
                            size = 0
            if not self.addresses:  # a manifest must name at least one file
                self._open(stack)
            self._finish()
        return self.addresses

    def _open(self, stack: ExitStack) -> gzip.GzipFile:
        """Return the current part. Open a new one if necessary."""
        if self._zip is None:
            self._spool = stack.enter_context(tempfile.TemporaryFile())  # noqa: SIM115 -- the stack closes it
            self._zip = stack.enter_context(
                gzip.GzipFile("", "wb", 6, self._spool, mtime=0)
            )
        return self._zip

    def _write(self, stack: ExitStack, values: list[str | None]) -> None:
        """Write a record. Numbers are strings, which COPY reads without rounding."""
        record = {
            name: value
            for name, value in zip(self.names, values, strict=True)
            if value is not None
        }
        self._open(stack).write(json.dumps(record, ensure_ascii=False).encode() + b"\n")

    def _finish(self) -> None:
        """Upload the current part, if there is one."""
        if self._zip is None or self._spool is None:
            return
        self._zip.close()
        self._spool.seek(0)
        name = f"{self.folder}/{self.table.name}-{len(self.addresses):05}.json.gz"
        self.addresses.append(self.staging.write(name, self._spool))
        self._spool.close()
        self._spool = self._zip = None


def json_lines(rows: Sequence[dict[str, Any]]) -> bytes:
    """Return rows as UTF-8 lines of JSON."""
    return b"".join(
        json.dumps(row, ensure_ascii=False).encode() + b"\n" for row in rows
    )
