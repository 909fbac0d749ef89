"""Merge many small JSON files into few gzipped ones, each record judged on the way.

A warehouse that reads S3 by itself opens every object: thousands of tiny ones take it
minutes. Here they are read in parallel, and every record passes the rules of what a raw
record must hold, so what is written holds records alone, each with its file's path.
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
"""Bytes of JSON in a part, as the source has them: some 8 MB gzipped, since AWS
recommends 1 MB to 1 GB for a gzipped file, and a small part is loaded sooner."""

PARTS_MULTIPLE: Final = 4
"""Parts are a multiple of it, so that the slices of a small cluster share evenly."""


def part_count(size: int) -> int:
    """Tell into how many parts so many bytes go: one, or a multiple of four."""
    if size <= PART_BYTES:
        return 1
    parts = -(-size // PART_BYTES)
    return -(-parts // PARTS_MULTIPLE) * PARTS_MULTIPLE


class Compaction:
    """The parts of one table, written one after the other, each of about one size."""

    def __init__(self, table: RawTable, place: S3Prefix, folder: str) -> None:
        """Take where the parts go: a folder of a place."""
        self.names = [column.name.lower() for column in table.columns] + ["source_path"]
        self.table = table
        self.place = place
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
        """Write the files' records, and give the parts' addresses.

        Records that break a rule go to quarantine. Raises SparkifyError if a file
        cannot be read, a part cannot be written, or too many lines are refused.
        """
        total = sum(new.file.size for new in files)
        part_bytes = -(-total // part_count(total))
        with ExitStack() as stack:
            taken = 0
            for batch in batches(files):
                with source.fetch([new.file for new in batch], on_file) as local:
                    for new, name in zip(batch, local, strict=True):
                        path = new.file.path
                        for record in read_records(self.table, name, path, self.extra):
                            if record.values is None:
                                quarantine.refuse(self.table, path, record)
                            else:
                                self._write(stack, [*record.values, path])
                        taken += new.file.size
                        if taken >= part_bytes:
                            self._finish()
                            taken = 0
            if not self.addresses:  # a manifest must name at least one file
                self._open(stack)
            self._finish()
        return self.addresses

    def _open(self, stack: ExitStack) -> gzip.GzipFile:
        """Give the part in hand, a new one if there is none."""
        if self._zip is None:
            self._spool = stack.enter_context(tempfile.TemporaryFile())  # noqa: SIM115 -- the stack closes it
            self._zip = stack.enter_context(
                gzip.GzipFile("", "wb", 6, self._spool, mtime=0)
            )
        return self._zip

    def _write(self, stack: ExitStack, values: list[str | None]) -> None:
        """Write a record; numbers as strings, which COPY reads without rounding."""
        record = {
            name: value
            for name, value in zip(self.names, values, strict=True)
            if value is not None
        }
        self._open(stack).write(json.dumps(record, ensure_ascii=False).encode() + b"\n")

    def _finish(self) -> None:
        """Upload the part in hand, if there is one."""
        if self._zip is None or self._spool is None:
            return
        self._zip.close()
        self._spool.seek(0)
        name = f"{self.folder}/{self.table.name}-{len(self.addresses):05}.json.gz"
        self.addresses.append(self.place.write(name, self._spool))
        self._spool.close()
        self._spool = self._zip = None


def json_lines(rows: Sequence[dict[str, Any]]) -> bytes:
    """Give rows as lines of JSON."""
    return b"".join(
        json.dumps(row, ensure_ascii=False).encode() + b"\n" for row in rows
    )
