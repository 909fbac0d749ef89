#!/usr/bin/env python3
"""Write the tables of docs/scale.md: what the formulas say, and how far off they are.

Measures on generated events of two sizes, and on the real logs if a folder is named,
and keeps what it found in scale.json. Each table stands between two marks on the page.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Final

import duckdb

import scale
import scale_check
from dbt_profile import PROJECT
from errors import SparkifyError, without_traceback
from scale import NODES, PRICES, ROW_BYTES, SIZES
from scale_check import Check, Where
from simulate_distribution import markdown

PAGE: Final = PROJECT / "docs" / "scale.md"
FOUND: Final = PROJECT / "benchmarks" / "scale.json"
EVENTS: Final = (20_000, 100_000)
PART: Final = 3_000_000
"""Bytes of a part, so that a small sample has several."""
NEWER: Final = {"ra3.xlplus": "rg.xlarge", "ra3.16xlarge": "rg.12xlarge"}
"""The newer node type with as many vCPUs and slices."""
SERVERLESS: Final = (8, 1.0)
"""RPUs, and hours a day, that a small warehouse is at work."""
LARGE: Final = 1e9
"""Events from which on an hour a day of the fewest RPUs is not to be thought of."""
SPARK_RATE: Final = 1_000.0
"""Events that a vCPU of Spark does in a second: supposed, for none was measured."""
KEPT_DAYS: Final = 396
"""Thirteen months, so that a month can be compared with the one a year before."""
MONTH_DAYS: Final = 31


def bytes_of(size: float) -> str:
    """Write bytes in the unit that leaves one to three digits."""
    for unit, width in (("PB", 1e15), ("TB", 1e12), ("GB", 1e9), ("MB", 1e6)):
        if size >= width:
            return f"{size / width:,.3g} {unit}"
    return f"{size:,.0f} B"


def count_of(count: float) -> str:
    """Write a count to three digits, in words where it is large."""
    for word, width in (("trillion", 1e12), ("billion", 1e9), ("million", 1e6)):
        if count >= width:
            return f"{float(f'{count / width:.3g}'):g} {word}"
    return f"{float(f'{count:.3g}'):,.0f}"


def dollars_of(amount: float) -> str:
    """Write dollars to three digits, a small amount to the cent."""
    if amount < 0.01:  # noqa: PLR2004 -- a cent
        return "under $0.01"
    if amount < 100:  # noqa: PLR2004 -- cents matter below
        return f"${amount:,.2f}"
    return f"${float(f'{amount:.3g}'):,.0f}"


def overview() -> str:
    """Write what a warehouse of each size is, does each night, and costs."""
    lines: dict[str, list[str]] = {}

    def add(name: str, value: str) -> None:
        lines.setdefault(name, []).append(value)

    for size in SIZES.values():
        node, nodes = scale.cluster(size)
        slices = nodes * node.slices
        stored = sum(scale.table_bytes(size, node, nodes).values())
        night = scale.night(size, node, nodes)
        night_json = scale.json_bytes(night.events)
        raw = scale.json_bytes(size.events)
        month = scale.nodes_month(node.name, nodes)
        add("users", count_of(size.users))
        add("songs", count_of(size.songs))
        add("JSON in S3", bytes_of(raw))
        add("the same gzipped", bytes_of(scale.gzip_bytes(size.events)))
        add("in the warehouse", bytes_of(stored))
        add("nodes", f"{nodes} {node.name}")
        add("slices", f"{slices}")
        add("songplays on a slice", count_of(scale.rows(size)["songplays"] / slices))
        fullest = scale.fullest_slice(scale.rows(size)["songplays"], slices)
        add("fullest slice, over its share", f"{fullest - 1:.2%}")
        add("a night's events", count_of(night.events))
        add("a night's JSON", bytes_of(night_json))
        files = scale.copy_files(night_json, slices)
        add("files for COPY, 64 MB of JSON at most", f"{files:,}")
        add("their manifest", bytes_of(scale.manifest_bytes(files, 80)))
        add("rows that a night writes", count_of(night.rows))
        add("bytes that it adds", bytes_of(night.added_bytes))
        add("bytes that it reads to find changes", bytes_of(night.read_bytes))
        reading = night.read_bytes / node.io / nodes
        add("at the nodes' full rate", f"{reading / 60:,.1f} min")
        add("nodes, a month", dollars_of(month))
        add("managed storage", dollars_of(scale.storage_month(stored)))
        add("JSON in S3, a month", dollars_of(scale.s3_month(raw)))
        total = month + scale.storage_month(stored) + scale.s3_month(raw)
        add("**together, a month**", f"**{dollars_of(total)}**")
    rows = [[name, *values] for name, values in lines.items()]
    return markdown(["events in three years", *SIZES], rows)


def tables() -> str:
    """Write the rows and bytes of each table."""
    counts = [scale.rows(size) for size in SIZES.values()]
    weights = [scale.table_bytes(size, *scale.cluster(size)) for size in SIZES.values()]
    return markdown(
        ["table", "bytes a row", *(f"rows, {name}" for name in SIZES), *SIZES],
        [
            [
                f"`{table}`",
                f"{width:g}",
                *(count_of(count[table]) for count in counts),
                *(bytes_of(weight[table]) for weight in weights),
            ]
            for table, width in ROW_BYTES.items()
        ],
    )


def late() -> str:
    """Write the share of blocks that a night looks at, by how old the oldest row is."""
    sizes = list(SIZES.values())
    cells = []
    for oldest in (1, 7, 30, 365):
        cells.append([f"{oldest} days" if oldest > 1 else "1 day"])
        for size in sizes:
            node, nodes = scale.cluster(size)
            blocks = scale.blocks_a_slice(
                scale.rows(size)["songplays"], 8.0, nodes * node.slices
            )
            share = scale.block_share(size.days, oldest, blocks)
            cells[-1].append(f"{share:.2%}")
    return markdown(["oldest event of the night", *SIZES], cells)


def clocks() -> str:
    """Write the rows of `time`, on a clock of milliseconds and on one of seconds."""
    cells = []
    for name, size in SIZES.items():
        plays = size.events * scale.PLAY_SHARE
        by_tick = [scale.moments(plays, size.days, tick) for tick in (1, 1_000)]
        cells.append([name, count_of(plays), *map(count_of, by_tick)])
    head = ["events", "plays", "rows of `time`, milliseconds", "whole seconds"]
    return markdown(head, cells)


def other_costs() -> str:
    """Write what the changes of the design cost in a month, one by one and together."""
    lines: dict[str, list[str]] = {}

    def add(name: str, value: str) -> None:
        lines.setdefault(name, []).append(value)

    for size in SIZES.values():
        node, count = scale.cluster(size, MONTH_DAYS)
        full, full_count = scale.cluster(size)
        kept = scale.Size(size.events * KEPT_DAYS / size.days, size.songs, KEPT_DAYS)
        old_plays = scale.rows(size)["songplays"] - scale.rows(kept)["songplays"]
        changed = {
            "nodes that read a month's plays in a minute, RG": scale.nodes_month(
                NEWER[node.name], count
            ),
            "managed storage of thirteen months": scale.storage_month(
                sum(scale.table_bytes(kept, node, count).values())
            ),
            "older plays as Parquet in S3": scale.s3_month(
                old_plays * ROW_BYTES["songplays"]
            ),
            "JSON gzipped in S3": scale.s3_month(scale.gzip_bytes(size.events)),
            f"nights on Spark, if a vCPU does {SPARK_RATE:,.0f} events a second": (
                scale.spark_month(size.night_events, SPARK_RATE)
            ),
        }
        add("these nodes", f"{count} {NEWER[node.name]}")
        for name, dollars in changed.items():
            add(name, dollars_of(dollars))
        add("**together**", f"**{dollars_of(sum(changed.values()))}**")
        year = size.events * scale.PLAY_SHARE * 365 / size.days * scale.QUESTION_BYTES
        newer = scale.nodes_month(NEWER[full.name], full_count)
        add("RG in place of the RA3 nodes of the first table", dollars_of(newer))
        add(
            "one question about a year by Spectrum",
            dollars_of(scale.spectrum_scan(year)),
        )
        add(
            f"serverless, {SERVERLESS[0]} RPUs at work {SERVERLESS[1]:g} h a day",
            dollars_of(scale.serverless_month(*SERVERLESS))
            if size.events < LARGE
            else "not at this size",
        )
    rows = [[name, *values] for name, values in lines.items()]
    return markdown(["a month", *SIZES], rows)


def prices() -> str:
    """Write the prices."""
    return markdown(
        ["price", "dollars", "per", "region", "source", "as of"],
        [
            [name, f"{p.dollars:g}", p.unit, p.region, p.source, p.dated]
            for name, p in PRICES.items()
        ],
    )


def nodes() -> str:
    """Write the node types."""
    return markdown(
        ["node", "slices", "GB a second", "nodes", "dollars an hour"],
        [
            [
                node.name,
                f"{node.slices}",
                f"{node.io / 1e9:g}",
                f"{node.fewest} to {node.most}",
                f"{PRICES[node.name].dollars:g}",
            ]
            for node in NODES
        ],
    )


def checks(found: Iterable[Check]) -> str:
    """Write what each formula says and what was measured."""
    return markdown(
        ["formula", "at", "says", "measured", "off by", "claims"],
        [
            [
                check.formula,
                check.at,
                _number(check.says),
                _number(check.measured),
                f"{check.off:+.1%}",
                f"{'at most, ' if check.at_most else ''}{check.within:.0%}",
            ]
            for check in found
        ],
    )


def _number(value: float) -> str:
    return f"{value:,.0f}" if value >= 1_000 else f"{value:.4g}"  # noqa: PLR2004


def filled(text: str, found: Sequence[Check]) -> str:
    """Give the page with its tables, each between its two marks, written anew.

    Raises SparkifyError if the page lacks a mark.
    """
    parts: dict[str, Callable[[], str]] = {
        "overview": overview,
        "nodes": nodes,
        "tables": tables,
        "late": late,
        "clocks": clocks,
        "other-costs": other_costs,
        "prices": prices,
        "checks": lambda: checks(found),
    }
    for name, write in parts.items():
        begin, end = f"<!-- {name} -->", f"<!-- end of {name} -->"
        before, _, rest = text.partition(begin)
        _, found_end, after = rest.partition(end)
        if not found_end:
            raise SparkifyError(
                f"{PAGE.name} has no place for the table {name}.",
                f"Write {begin} and {end} where it belongs.",
            )
        text = f"{before}{begin}\n{write()}\n{end}{after}"
    return text


def kept() -> list[Check]:
    """Read what the last run found."""
    return [Check(**each) for each in json.loads(FOUND.read_text("utf-8"))]


def measure(folder: Path, events: int) -> Iterator[Check]:
    """Measure everything on generated events, in a new folder.

    Raises SparkifyError if a load or a build fails.
    """
    folder.mkdir()
    data = scale_check.generate(folder / "data", events)
    yield from scale_check.check_logs(data, "generated")
    yield from scale_check.check_parts(data, PART)
    shutil.copy(PROJECT / "profiles.example.yml", folder / "profiles.yml")
    where = Where(folder / "star.duckdb", folder / "target" / "compiled")
    environment = os.environ | {
        "DBT_PROFILES_DIR": str(folder),
        "DBT_TARGET": "duckdb",
        "DBT_TARGET_PATH": str(folder / "target"),
        "SPARKIFY_DUCKDB": str(where.star),
    }

    def run(*command: str) -> None:
        done = subprocess.run(
            [sys.executable, *command],
            cwd=PROJECT,
            env=environment,
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:
            lines = (done.stderr or done.stdout).strip().splitlines() or ["no reason"]
            raise SparkifyError(
                f"{Path(command[0]).name} failed: {lines[0]}.", "Mend it and run again."
            )

    def load() -> None:
        run("scripts/bootstrap.py", "--data", str(data))

    def build() -> None:
        dbt = str(Path(sys.executable).parent / "dbt")
        run(dbt, "--quiet", "run", "--select", *scale_check.SELECTED)

    yield from scale_check.check_night(data, load, build, where)
    with duckdb.connect(str(where.star), read_only=True) as star:
        yield from scale_check.check_star(star)


@without_traceback
def main(argv: Sequence[str] | None = None) -> int:
    """Measure, keep what was found and write the page; 1 if a formula does not hold."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--real", type=Path, help="a folder with the real logs")
    options = parser.parse_args(argv)
    found = list(scale_check.check_manifest())
    if options.real:
        found += scale_check.check_logs(options.real, "real")
    with tempfile.TemporaryDirectory() as folder:
        for events in EVENTS:
            found += measure(Path(folder, str(events)), events)
    found.sort(key=lambda check: check.formula)
    lines = ",\n".join(json.dumps(asdict(check)) for check in found)
    FOUND.write_text(f"[\n{lines}\n]\n", "utf-8")
    PAGE.write_text(filled(PAGE.read_text("utf-8"), found), "utf-8")
    wrong = [check for check in found if not check.holds]
    for check in wrong:
        print(f"{check.formula} ({check.at}) is off by {check.off:+.1%}.")
    print(f"{len(found) - len(wrong)} of {len(found)} checks hold: {PAGE}")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
