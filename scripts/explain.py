#!/usr/bin/env python3
"""Explain where a row or a figure of the warehouse comes from."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

from sparkify.dbt.profile import read_target
from sparkify.explain.asking import Warehouse
from sparkify.explain.figures import explain_figure
from sparkify.explain.rows import EXPLAINED, explain_row
from sparkify.shared.errors import SparkifyError, without_traceback
from sparkify.shared.progress import progress

HOW = (
    f"Type make explain TABLE KEY=key with one of {', '.join(EXPLAINED)}, or"
    " make explain METRIC=plays DAY=2018-11-15."
)


@without_traceback
def main(argv: Sequence[str] | None = None) -> int:
    """Run the command. Return 0 if the row or figure exists."""
    parser = argparse.ArgumentParser(description=__doc__)
    add = parser.add_argument
    add("table", nargs="?", help=f"one of {', '.join(EXPLAINED)}")
    add("--key", help="key of a row of the table")
    add("--metric", help="name of a metric (make metrics lists them)")
    add("--day", help="day of the metric, such as 2018-11-15")
    add("--target", help="target of profiles.yml (default: dbt's default target)")
    options = parser.parse_args(argv)
    if bool(options.table and options.key) == bool(options.metric and options.day):
        raise SparkifyError("Name a table and a key, or a metric and a day.", HOW)
    target = str(read_target(options.target)["name"])
    with progress("explain", "queries") as bar:
        warehouse = Warehouse(target, on_query=bar.update)
        if options.table:
            parts = explain_row(warehouse, options.table, options.key)
        else:
            parts = explain_figure(warehouse, options.metric, options.day)
    print(parts)
    return 0


if __name__ == "__main__":
    sys.exit(main())
