"""Merge many small JSON files into a few gzipped files, and check each record.

COPY needs minutes to open thousands of small objects. Here DuckDB reads them by the
rules of raw records. The written parts contain only accepted records, each with the
path of its file.
"""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterator, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any, Final

import duckdb

from sparkify.loaders import LoadOptions, LoadResult, NewFile, tables_of
from sparkify.loaders.bookkeeping import Rejection
from sparkify.loaders.duckdb.loader import temporary_records
from sparkify.loaders.schema import raw
from sparkify.raw.rules import RawTable
from sparkify.raw.sources import S3Prefix, Source
from sparkify.shared.quoting import quote_identifier, quote_literal

PART_BYTES: Final = 64 << 20
"""Bytes of uncompressed JSON in a part, about 8 MB gzipped. AWS recommends 1 MB to 1 GB
per gzipped file."""

PARTS_MULTIPLE: Final = 4
"""The number of parts is a multiple of this, so that slices load equal shares."""


def part_count(size: int) -> int:
    """Return the number of parts for a size in bytes: 1 or a multiple of 4."""
    if size <= PART_BYTES:
        return 1
    parts = -(-size // PART_BYTES)
    return -(-parts // PARTS_MULTIPLE) * PARTS_MULTIPLE


def write_parts(
    source: Source,
    files: Sequence[NewFile],
    options: LoadOptions,
    staging: S3Prefix,
    folder: str,
) -> tuple[dict[str, list[str]], list[Rejection], LoadResult]:
    """Write the accepted records of files to parts in a folder of an S3 prefix.

    Return the addresses of the parts by table, the rejected records, and DuckDB's
    result. Raises SparkifyError if a file cannot be read, a part cannot be written, or
    too many records are rejected.
    """
    with temporary_records(source, files, options) as (records, local_folder, result):
        parts: dict[str, list[str]] = {}
        for table in tables_of(files):
            size = sum(new.file.size for new in files if new.table == table)
            parts[table.name] = [
                _upload(staging, f"{folder}/{table.name}-{number:05}.json.gz", part)
                for number, part in enumerate(
                    _parts(records, table, part_count(size), local_folder)
                )
            ]
        rejected = records.execute(
            "select table_name, path, line_number, reason, raw_text"
            f" from {raw('rejected_records')}"
        ).fetchall()
    return parts, [Rejection(*row) for row in rejected], result


def _parts(
    connection: duckdb.DuckDBPyConnection, table: RawTable, count: int, folder: Path
) -> Iterator[Path]:
    """Write the records of a table to files, one at a time, and yield their paths.

    Numbers are strings, which COPY reads without rounding.
    """
    path = folder / f"{table.name}.json.gz"
    columns = ", ".join(
        f"{quote_identifier(name)}::varchar as {quote_identifier(name.lower())}"
        for name in [*(column.name for column in table.columns), "source_path"]
    )
    ((first, last),) = connection.execute(
        f"select min(rowid), max(rowid) from {raw(table.name)}"
    ).fetchall()
    if first is None:  # A manifest must name at least one file.
        path.write_bytes(gzip.compress(b""))
        yield path
        return
    ends = [first + (last - first + 1) * part // count for part in range(count + 1)]
    for start, end in pairwise(ends):
        rows = f"select {columns} from {raw(table.name)}"
        connection.execute(
            f"copy ({rows} where rowid >= {start} and rowid < {end})"
            f" to {quote_literal(str(path))} (format json, compression gzip)"
        )
        if path.stat().st_size:
            yield path
    path.unlink()


def _upload(staging: S3Prefix, name: str, part: Path) -> str:
    with part.open("rb") as content:
        return staging.write(name, content)


def json_lines(rows: Sequence[dict[str, Any]]) -> bytes:
    """Return rows as UTF-8 lines of JSON."""
    return b"".join(
        json.dumps(row, ensure_ascii=False).encode() + b"\n" for row in rows
    )
