#!/usr/bin/env python3
"""Compare all values of the five tables of two DuckDB files, except loaded_at."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import duckdb

from sparkify.shared.errors import without_traceback
from sparkify.shared.quoting import quote_identifier, quote_literal

TABLES: Final = ("songplays", "users", "songs", "artists", "time")
EXCLUDED: Final = ("loaded_at",)
"""Columns that the hand-written scripts do not fill."""


@without_traceback
def main(argv: Sequence[str] | None = None) -> int:
    """Print row counts by table as JSON. Return 1 if rows differ, otherwise 0."""
    parser = argparse.ArgumentParser(description=__doc__)
    add = parser.add_argument
    add("project", type=Path, help="the warehouse that dbt built")
    add("other", type=Path, help="the file that is compared with it")
    add("--schema", default="main", help="its schema (default: %(default)s)")
    add("--memory-limit", default="3GB", help="DuckDB's (default: %(default)s)")
    options = parser.parse_args(argv)
    found = compare(
        options.project, options.other, options.schema, options.memory_limit
    )
    print(json.dumps(found))
    return 0 if all(table["differing"] == 0 for table in found.values()) else 1


def compare(
    project: Path, other: Path, schema: str, memory_limit: str
) -> dict[str, dict[str, int]]:
    """Return row counts by table: of both files, and of rows that only one has."""
    with duckdb.connect() as connection:
        connection.execute(f"set memory_limit = {quote_literal(memory_limit)}")
        # DuckDB spills to disk beside the file, not in the working directory.
        spilled = quote_literal(f"{other}.compared")
        connection.execute(f"set temp_directory = {spilled}")
        for name, path in (("project", project), ("other", other)):
            connection.execute(
                f"attach {quote_literal(str(path))} as {name} (read_only)"
            )
        return {table: _compare(connection, table, schema) for table in TABLES}


def _compare(
    connection: duckdb.DuckDBPyConnection, table: str, schema: str
) -> dict[str, int]:
    here = f"project.analytics.{quote_identifier(table)}"
    there = f"other.{quote_identifier(schema)}.{quote_identifier(table)}"
    names = [
        row[0]
        for row in connection.execute(f"describe {here}").fetchall()
        if row[0] not in EXCLUDED
    ]
    columns = ", ".join(map(quote_identifier, names))
    counts = [
        _number(connection, f"select count(*) from {name}") for name in (here, there)
    ]
    differing = sum(
        _number(
            connection,
            f"select count(*) from (select {columns} from {one}"
            f" except all select {columns} from {two})",
        )
        for one, two in ((here, there), (there, here))
    )
    return {"rows": counts[0], "other_rows": counts[1], "differing": differing}


def _number(connection: duckdb.DuckDBPyConnection, query: str) -> int:
    return int(connection.execute(query).fetchall()[0][0])


if __name__ == "__main__":
    sys.exit(main())
