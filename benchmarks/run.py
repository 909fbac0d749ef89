#!/usr/bin/env python3
"""Measure the project against what it is to be compared with, and write the results.

Each round runs all contenders of a measure, one after the other; ratios are taken
within a round. Rounds are kept, so that a run which was stopped goes on.
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
from sparkify.dbt_profile import PROJECT
from sparkify.errors import SparkifyError, without_traceback

RUNS: Final = {"build": 3, "postgres": 3, "spark": 3, "large": 1}
"""Rounds of a measure unless --runs says how many; of others there are five."""


@without_traceback
def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; 0 when all rounds are measured and written."""
    parser = argparse.ArgumentParser(description=__doc__)
    add = parser.add_argument
    add(
        "--events",
        type=int,
        default=10_000_000,
        metavar="N",
        help="events of the main measure, to which all sizes are in proportion"
        " (default: %(default)s, which are those of the bars)",
    )
    add(
        "--only",
        default=",".join(MEASURES),
        metavar="NAME,...",
        help="measures to run (default: %(default)s)",
    )
    add("--runs", type=int, metavar="N", help="rounds of each (default: 5, 3 or 1)")
    add("--again", action="store_true", help="forget what was measured of these")
    add("--memory-limit", default="3GB", help="DuckDB's (default: %(default)s)")
    add(
        "--folder",
        type=Path,
        default=PROJECT / "data" / "benchmarks",
        help="where data and results are kept; the data take some 5 GB for 10 million"
        " events, and 35 GB for the large measure",
    )
    add(
        "--out",
        type=Path,
        default=PROJECT / "benchmarks",
        help="where results.md and results.svg are written",
    )
    add("--report", action="store_true", help="measure nothing, write what is kept")
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
                results.forget(name, sizes.events)
        bench = Bench(
            folder, Data(folder, sizes), Project(folder, options.memory_limit)
        )
        measure(
            bench, results, {name: options.runs or RUNS.get(name, 5) for name in names}
        )
    write_report(results, options.out)
    return 0


def measure(bench: Bench, results: Results, runs: dict[str, int]) -> None:
    """Measure as many rounds of each measure as are not kept yet."""
    for name, wanted in runs.items():
        done = len(results.of(name, bench.sizes.events, bench.code))
        for number in range(done, wanted):
            print(f"{name}: round {number + 1} of {wanted} ...", flush=True)
            new = MEASURES[name](bench)
            results.add(new)
            told = (f"{who} {cost['wall']:.1f} s" for who, cost in new.costs.items())
            print(f"  {', '.join(told)}", flush=True)


if __name__ == "__main__":
    sys.exit(main())
