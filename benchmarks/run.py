#!/usr/bin/env python3
"""Measure the project and the programs it is compared with. Write the results.

In a round, all programs of a measure run one after the other. Rounds are saved, so an
interrupted run continues.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from bench_data import Data, Sizes
from measures import MEASURES, Bench
from project import Project
from report import write_report
from results import Results
from sparkify.shared.errors import SparkifyError, without_traceback
from sparkify.shared.project import PROJECT

RUNS: Final = {"build": 3, "postgres": 3, "spark": 3, "large": 1}
"""Number of rounds of a measure by default. Other measures have five."""


@without_traceback
def main(argv: Sequence[str] | None = None) -> int:
    """Run the command. Return 0."""
    parser = argparse.ArgumentParser(description=__doc__)
    add = parser.add_argument
    add(
        "--events",
        type=int,
        default=10_000_000,
        metavar="N",
        help="events of the main measure; other sizes are in proportion"
        " (default: %(default)s, for which the bars are defined)",
    )
    add(
        "--only",
        default=",".join(MEASURES),
        metavar="NAME,...",
        help="measures to run (default: %(default)s)",
    )
    add("--runs", type=int, metavar="N", help="rounds of each (default: 5, 3 or 1)")
    add("--again", action="store_true", help="delete earlier rounds of these measures")
    add("--memory-limit", default="3GB", help="DuckDB's (default: %(default)s)")
    add(
        "--folder",
        type=Path,
        default=PROJECT / "data" / "benchmarks",
        help="folder for data and results; 10 million events need about 5 GB,"
        " and the large measure 35 GB",
    )
    add(
        "--out",
        type=Path,
        default=PROJECT / "benchmarks",
        help="folder for results.md and results.svg",
    )
    add("--report", action="store_true", help="only write the report of earlier rounds")
    options = parser.parse_args(argv)
    names = options.only.split(",")
    for name in names:
        if name not in MEASURES:
            raise SparkifyError(
                f"There is no measure {name}.", f"There are: {', '.join(MEASURES)}."
            )
    folder = options.folder.resolve()
    results = Results(folder / "results.jsonl")
    if not options.report:
        sizes = Sizes(options.events)
        folder.mkdir(parents=True, exist_ok=True)
        if options.again:
            for name in names:
                results.delete(name, sizes.events)
        bench = Bench(
            folder, Data(folder, sizes), Project(folder, options.memory_limit)
        )
        measure(
            bench, results, {name: options.runs or RUNS.get(name, 5) for name in names}
        )
    write_report(results, options.out)
    return 0


def measure(bench: Bench, results: Results, runs: dict[str, int]) -> None:
    """Run the missing rounds of each measure."""
    for name, wanted in runs.items():
        done = len(results.of(name, bench.sizes.events, bench.code))
        for number in range(done, wanted):
            print(f"{name}: round {number + 1} of {wanted} ...", flush=True)
            new = MEASURES[name](bench)
            results.add(new)
            costs = (f"{who} {cost['wall']:.1f} s" for who, cost in new.costs.items())
            print(f"  {', '.join(costs)}", flush=True)


if __name__ == "__main__":
    sys.exit(main())
