#!/usr/bin/env python3
"""Write the star schema and the listening marts to Parquet or CSV files."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final

import duckdb

from sparkify.dbt.profile import read_target
from sparkify.dbt.run import run_dbt, show
from sparkify.shared.answers import write_csv
from sparkify.shared.errors import SparkifyError, without_traceback
from sparkify.shared.progress import progress
from sparkify.shared.quoting import quote_literal

TABLES: Final = (
    *("songplays", "users", "songs", "artists", "time"),
    *("plays", "sessions", "user_level_history", "user_weeks"),
)
FORMATS: Final = ("parquet", "csv")


@without_traceback
def main(argv: Sequence[str] | None = None) -> int:
    """Run the command. Return 0 if every table was written."""
    parser = argparse.ArgumentParser(description=__doc__)
    add = parser.add_argument
    add("--out", type=Path, required=True, help="folder to write to")
    add("--format", choices=FORMATS, default="parquet", help="default: parquet")
    add("--target", help="target of profiles.yml (default: dbt's default target)")
    options = parser.parse_args(argv)
    target = str(read_target(options.target)["name"])
    try:
        options.out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise SparkifyError(
            f"{options.out} cannot be written: {str(error.strerror).lower()}.",
            "Name another folder.",
        ) from error
    manifest = run_dbt("parse", target=target, to="read the project").result
    with progress("export", "tables", len(TABLES)) as bar:
        for name in TABLES:
            found = read(name, target, manifest)
            path = options.out / f"{name}.{options.format}"
            columns = manifest.nodes[f"model.sparkify.{name}"].columns
            write(found, path, {key: columns[key].data_type for key in columns})
            bar.update()
            print(f"  {path}  {len(found.rows):,} rows")
    return 0


def read(table: str, target: str, manifest: Any) -> Any:  # noqa: ANN401 -- dbt's own
    """Return all rows of a table, as an agate table.

    Raises SparkifyError if it cannot be read.
    """
    return show(
        f"select * from {{{{ ref('{table}') }}}}",
        manifest=manifest,
        target=target,
        to=f"read {table}",
        advice=f"Run make build TARGET={target}.",
    )


def write(found: Any, path: Path, types: dict[str, str]) -> None:  # noqa: ANN401 -- as above
    """Write an agate table. In Parquet, columns have the types of the contract."""
    names = list(found.column_names)
    rows = [tuple(row.values()) for row in found.rows]
    if path.suffix == ".csv":
        write_csv(path, names, rows)
        return
    with TemporaryDirectory() as folder, closing(duckdb.connect()) as connection:
        text = Path(folder) / "rows.csv"
        write_csv(text, names, rows)
        connection.execute(
            f"copy (from read_csv({quote_literal(str(text))}, columns = {types},"
            " header = true, auto_detect = false, delim = ',', quote = '\"',"
            " escape = '\"', new_line = '\\r\\n'))"
            f" to {quote_literal(str(path))} (format parquet)"
        )


if __name__ == "__main__":
    sys.exit(main())
