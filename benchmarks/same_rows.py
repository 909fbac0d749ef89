#!/usr/bin/env python3
"""Compare the five tables of two DuckDB files, value for value, but for loaded_at."""

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
BESIDE: Final = ("loaded_at",)
"""What no hand-written script fills: when a record was loaded."""


@without_traceback
def main(argv: Sequence[str] | None = None) -> int:
    """Print rows and differences of each table as JSON; 0 if all rows are the same."""
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
    """Return of each table its rows here and there, and the rows that only one has."""
    with duckdb.connect() as connection:
        connection.execute(f"set memory_limit = {quote_literal(memory_limit)}")
        # What needs more goes to disk, and not where the command happens to be run.
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
        if row[0] not in BESIDE
    ]
    columns = ", ".join(map(quote_identifier, names))
    counts = [
        _number(connection, f"select count(*) from {place}") for place in (here, there)
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
