#!/usr/bin/env python3
"""Run SQL scripts on a new DuckDB file, one after the other.

Scripts can use two variables: ``folder``, the data's folder, and ``plain_event``, a
pattern for lines with an event that all parsers read in the same way.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import duckdb

from sparkify.raw.rules import EVENTS, plain_line
from sparkify.shared.errors import without_traceback
from sparkify.shared.quoting import quote_literal


@without_traceback
def main(argv: Sequence[str] | None = None) -> int:
    """Run all statements and return 0."""
    parser = argparse.ArgumentParser(description=__doc__)
    add = parser.add_argument
    add("folder", type=Path, help="folder with the data")
    add("database", type=Path, help="the new file; replaces an existing one")
    add("scripts", type=Path, nargs="+", help="files with statements")
    add("--memory-limit", default="3GB", help="DuckDB's (default: %(default)s)")
    add("--seconds", action="store_true", help="print how long each statement took")
    options = parser.parse_args(argv)
    options.database.unlink(missing_ok=True)
    with duckdb.connect(str(options.database)) as connection:
        connection.execute(f"set memory_limit = {quote_literal(options.memory_limit)}")
        connection.execute("set preserve_insertion_order = false")
        variables = {"folder": str(options.folder), "plain_event": plain_line(EVENTS)}
        for name, value in variables.items():
            connection.execute(f"set variable {name} = {quote_literal(value)}")
        text = "".join(path.read_text(encoding="utf-8") for path in options.scripts)
        for statement in duckdb.extract_statements(text):
            start = time.perf_counter()
            connection.execute(statement).fetchall()
            if options.seconds:
                print(f"{time.perf_counter() - start:8.2f} {_first_line(statement)}")
    return 0


def _first_line(statement: duckdb.Statement) -> str:
    lines = statement.query.strip().splitlines()
    return next(line for line in lines if not line.startswith("--"))


if __name__ == "__main__":
    sys.exit(main())
