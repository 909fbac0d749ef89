"""Write benchmarks/results.md: the figures of all measures and their bars."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any, Final

from plot import Bar, draw
from results import Results, Round

GIGABYTE: Final = 1e9
TIMES: Final = "\u00d7"
WITH_TESTS: Final = ("build",)
"""Measures whose profile lists the slowest tests."""


@dataclass(frozen=True)
class Row:
    """A row of the table: a figure per round of a measure, and its bar.

    ``limit`` is the maximum of the figure, or the minimum if ``at_least``.
    """

    measure: str
    title: str
    figure: Callable[[Round], float]
    unit: str = TIMES
    limit: float | None = None
    at_least: bool = False
    has_equal_rows: Callable[[Round], bool] = lambda _: True

    def is_met(self, rounds: Sequence[Round]) -> bool | None:
        """Return whether the median meets the bar, or None without a bar."""
        if self.limit is None:
            return None
        value = median(map(self.figure, rounds))
        within = value >= self.limit if self.at_least else value <= self.limit
        return within and all(map(self.has_equal_rows, rounds))


def time_ratio(one: Round, program: str, other: str) -> float:
    """Return the elapsed time of a program, divided by that of another."""
    return one.costs[program]["wall"] / one.costs[other]["wall"]


def ratio_per_event(one: Round, program: str, other: str) -> float:
    """Return the ratio of elapsed times per event, if numbers of events differ."""
    counts = one.notes["events"]
    return time_ratio(one, program, other) * float(counts[other] / counts[program])


def fixed_ratio(one: Round, other: str) -> float:
    """Return the ratio per event if a build took as long as one of few events."""
    counts = one.notes["events"]
    return time_ratio(one, "few", other) * float(counts[other] / counts["project"])


def same_rows(one: Round, name: str = "same_rows") -> bool:
    """Return whether two warehouses have equal rows, and every table has some."""
    tables = one.notes[name].values()
    return all(t["differing"] == 0 and t["rows"] > 0 for t in tables)


def songs(one: Round) -> float:
    """Return the ratio of two load times, without the start of the command."""
    start = one.costs["start"]["wall"]
    return (one.costs["many"]["wall"] - start) / (one.costs["one"]["wall"] - start)


ROWS: Final = (
    Row(
        "build",
        "load, build and test {n} events, compared with the script by hand",
        lambda one: time_ratio(one, "project", "limit"),
        limit=3,
        has_equal_rows=same_rows,
    ),
    Row(
        "build",
        "the script by hand with kept data, compared with the one without",
        lambda one: time_ratio(one, "kept", "limit"),
        has_equal_rows=lambda one: same_rows(one, "kept_same_rows"),
    ),
    Row(
        "build",
        "load, build and test, compared with the script by hand with kept data",
        lambda one: time_ratio(one, "project", "kept"),
        limit=1.45,
    ),
    Row(
        "build",
        "the same, compared with DuckDB parsing the JSON only",
        lambda one: time_ratio(one, "project", "parse"),
    ),
    Row(
        "build",
        "its peak memory",
        lambda one: one.costs["project"]["peak"] / GIGABYTE,
        unit="GB",
        limit=4,
    ),
    Row(
        "build",
        "size of the warehouse, compared with its raw tables",
        lambda one: one.notes["warehouse_megabytes"] / one.notes["raw_megabytes"],
    ),
    Row(
        "large",
        "time per event of {5n} events, compared with {n}, same memory limit",
        lambda one: ratio_per_event(one, "large", "base"),
        limit=1.3,
    ),
    Row(
        "large",
        "its peak memory",
        lambda one: one.costs["large"]["peak"] / GIGABYTE,
        unit="GB",
    ),
    Row(
        "day",
        "one more day ({n/100} events) after {n} events, compared with {n/10}",
        lambda one: time_ratio(one, "long", "short"),
        limit=1.25,
    ),
    Row(
        "nothing",
        "nothing new to load after {n} events, `TESTS=changed`",
        lambda one: one.costs["project"]["wall"],
        unit="s",
        limit=12,
        has_equal_rows=same_rows,
    ),
    Row(
        "songs",
        "load {songs} song files of one record, compared with one file of all",
        songs,
        limit=3,
    ),
    Row(
        "sample",
        "warm `dbt build` of the sample, compared with as many empty nodes",
        lambda one: time_ratio(one, "project", "empty"),
    ),
    Row(
        "postgres",
        "PostgreSQL, {n/10} events: times as fast as row by row",
        lambda one: 1 / ratio_per_event(one, "project", "rows"),
        limit=12,
        at_least=True,
    ),
    Row(
        "postgres",
        "the same, if the build took as long as {n/5000} events",
        lambda one: 1 / fixed_ratio(one, "rows"),
    ),
    Row(
        "spark",
        "Spark, {n/5} events, compared with a plain PySpark script",
        lambda one: time_ratio(one, "project", "script"),
        limit=2.5,
    ),
    Row(
        "spark",
        "the same, if the build took as long as {n/5000} events",
        lambda one: fixed_ratio(one, "script"),
    ),
)

PROGRAMS: Final = {
    ("build", "project"): "`scripts/build.py`: load, build, all tests",
    ("build", "limit"): "by hand: `events.sql`, `star.sql`",
    ("build", "kept"): "by hand: `kept_events.sql`, `star.sql`",
    ("build", "parse"): "by hand: `parse.sql`",
    ("large", "large"): "`scripts/build.py`, five times the events",
    ("large", "base"): "`scripts/build.py`",
    ("day", "long"): "`scripts/build.py --tests changed`, long history",
    ("day", "short"): "`scripts/build.py --tests changed`, a tenth of it",
    ("nothing", "project"): "`scripts/build.py` again",
    ("nothing", "dbt"): "`dbt build` again",
    ("songs", "start"): "`scripts/bootstrap.py --help`: start of the command",
    ("songs", "many"): "`scripts/bootstrap.py`, a file per song",
    ("songs", "one"): "`scripts/bootstrap.py`, one file",
    ("sample", "project"): "`dbt build --full-refresh` of the sample",
    ("sample", "empty"): "`dbt build` of as many empty nodes",
    ("sample", "parse"): "`dbt parse` of the project",
    ("sample", "start"): "`dbt --version`: start of Python and dbt",
    ("postgres", "few"): "`scripts/build.py --target postgres`, few events",
    ("postgres", "project"): "`scripts/build.py --target postgres`",
    ("postgres", "rows"): "`benchmarks/row_by_row.py`",
    ("spark", "few"): "`scripts/build.py --target spark`, few events",
    ("spark", "project"): "`scripts/build.py --target spark`",
    ("spark", "script"): "`benchmarks/pyspark_limit.py`",
}
"""Commands by measure and program, in the order of the page."""

INTRODUCTION: Final = """\
# How fast it is

`make bench` measures, and writes this page and its plot. Each measurement is a process
from its start to its end, on generated data. In a round, the programs of a measure run
one after the other, and a ratio is computed within the round. The table has the median
and the range of the rounds. A bar is met if the median meets it.
"""

NOTES: Final = """\
## Terms
- *By hand*: SQL scripts in `by_hand`, without tests. Their comments list the omitted
  features. They build the same rows: each round compares all values of the five tables.
- *Kept data*: the raw records, each line checked, and the cleaned events for later
  incremental runs. This script has no load history and no quarantine.
- dbt has parsed the project before the measurement, as in every build but the first.
- *Peak memory*: memory of the largest process. DuckDB's memory limit is 3 GB, also for
  scripts.
- *Row by row*: fewer events are inserted, and the time per event is extrapolated.
- *Few events*: the time of a build that does not depend on the number of events. It
  contains the start of the engine, Python and dbt, and queries that find almost
  nothing.
- *Nothing new*: files of zeros with the same sizes and times replace the source's
  files. The five tables are then compared with those of the earlier build.
- Song loads are compared without the start of the command.
"""
SHOWN_SECONDS: Final = 0.1
"""Nodes that took less time are not listed."""


def write_report(results: Results, folder: Path) -> None:
    """Write results.md and results.svg into a folder."""
    rounds = {row.measure: results.last(row.measure) for row in ROWS}
    bars = [
        Bar(title(row, rounds[row.measure]), *_share_of_limit(row, rounds[row.measure]))
        for row in ROWS
        if row.limit is not None and rounds[row.measure]
    ]
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "results.svg").write_text(draw(bars), encoding="utf-8")
    (folder / "results.md").write_text(page(rounds), encoding="utf-8")


def page(rounds: dict[str, list[Round]]) -> str:
    """Return the text of results.md."""
    parts = [
        INTRODUCTION,
        table(rounds),
        "![Each measure as a share of its bar](results.svg)\n",
        NOTES,
        "## Programs\n" + cost_table(rounds),
        *(profiles(name, rounds[name]) for name in rounds if rounds[name]),
        "## Machine and versions\n" + machines(rounds),
    ]
    return "\n".join(part for part in parts if part)


def title(row: Row, rounds: Sequence[Round]) -> str:
    """Return the title of a row, with the numbers of events of its rounds."""
    n = rounds[0].events if rounds else 10_000_000
    sizes = {
        "{n}": n,
        "{5n}": 5 * n,
        "{n/10}": n // 10,
        "{n/100}": n // 100,
        "{n/5000}": n // 5000,
        "{n/5}": n // 5,
        "{songs}": max(n * 3 // 2000, 1),
    }
    text = row.title
    for name, number in sizes.items():
        text = text.replace(name, f"{number:,}")
    return text


def table(rounds: dict[str, list[Round]]) -> str:
    """Return the table of measures, one row each."""
    lines = [
        "| measure | bar | median | range | rounds | |",
        "|---|---:|---:|---:|---:|---|",
    ]
    for row in ROWS:
        mine = rounds[row.measure]
        sign = "≥" if row.at_least else "≤"
        bar = f"{sign} {row.limit:g} {row.unit}" if row.limit else "reported"
        if not mine:
            lines.append(f"| {title(row, mine)} | {bar} | | | 0 | not measured |")
            continue
        figures = sorted(map(row.figure, mine))
        met = {True: "met", False: "**not met**", None: ""}[row.is_met(mine)]
        if not all(map(row.has_equal_rows, mine)):
            met = "**the rows differ**"
        lines.append(
            f"| {title(row, mine)} | {bar} | {median(figures):.2f} {row.unit}"
            f" | {figures[0]:.2f} to {figures[-1]:.2f} | {len(mine)} | {met} |"
        )
    return "\n".join(lines) + "\n"


def cost_table(rounds: dict[str, list[Round]]) -> str:
    """Return the time and memory of each program."""
    lines = [
        "| measure | program | events | seconds | range | processor seconds | peak |",
        "|---|---|---:|---:|---:|---:|---:|",
    ]
    for (measure, program), command in PROGRAMS.items():
        mine = rounds.get(measure) or []
        if not mine:
            continue
        walls = sorted(one.costs[program]["wall"] for one in mine)
        cpu = median(one.costs[program]["cpu"] for one in mine)
        peak = max(one.costs[program]["peak"] for one in mine) / GIGABYTE
        lines.append(
            f"| {measure} | {command} | {_events(mine[0], program)}"
            f" | {median(walls):.2f} | {walls[0]:.2f} to {walls[-1]:.2f}"
            f" | {cpu:.2f} | {peak:.2f} GB |"
        )
    return "\n".join(lines) + "\n"


def _events(one: Round, program: str) -> str:
    if one.measure in ("songs", "sample"):
        return ""
    counts = one.notes.get("events", {})
    return f"{counts.get(program, one.events):,}"


def profiles(measure: str, rounds: Sequence[Round]) -> str:
    """Return the last round's time by phase and node, empty without a profile."""
    notes = rounds[-1].notes
    if "profile" not in notes:
        return _sample(rounds[-1]) if measure == "sample" else ""
    found: dict[str, Any] = notes["profile"]
    total = sum(found["phases"].values())
    lines = [f"## Where the time goes: {measure}", "| phase | seconds | share |"]
    lines.append("|---|---:|---:|")
    for name, seconds in found["phases"].items():
        lines.append(f"| {name} | {seconds:.2f} | {seconds / total:.0%} |")
    lines += ["", "dbt's nodes by kind, in seconds summed over its threads:", ""]
    lines += ["| kind | nodes | seconds |", "|---|---:|---:|"]
    for name, seconds in found["kinds"].items():
        lines.append(f"| {name} | {found['counts'][name]} | {seconds:.2f} |")
    lines += ["", "| model | seconds |", "|---|---:|"]
    lines += _named(found, "model ")
    if measure in WITH_TESTS:
        lines += ["", "<details><summary>Tests of at least 0.1 s</summary>", ""]
        lines += ["| test | seconds |", "|---|---:|"]
        lines += _named(found, "test ", "unit_test ")
        lines += ["", "</details>"]
    return "\n".join(lines) + "\n"


def _named(found: dict[str, Any], *kinds: str) -> list[str]:
    return [
        f"| {name} | {seconds:.2f} |"
        for name, seconds in found["nodes"].items()
        if name.startswith(kinds) and seconds >= SHOWN_SECONDS
    ]


def _sample(one: Round) -> str:
    """Return how much of the sample's build is the time of dbt itself."""
    wall_of = {program: cost["wall"] for program, cost in one.costs.items()}
    counts = one.notes["counts"]
    listed = ", ".join(f"{number} {kind}" for kind, number in counts.items() if number)
    lines = ["## Where the time goes: sample", "| part | seconds |", "|---|---:|"]
    for name, seconds in {
        "start of Python and dbt": wall_of["start"],
        "reading the parsed project": wall_of["parse"] - wall_of["start"],
        f"as many empty nodes ({listed})": wall_of["empty"] - wall_of["start"],
        "the sample's build": wall_of["project"],
        "difference from empty nodes": wall_of["project"] - wall_of["empty"],
    }.items():
        lines.append(f"| {name} | {seconds:.2f} |")
    return "\n".join(lines) + "\n"


def machines(rounds: dict[str, list[Round]]) -> str:
    """Return the days, machine and versions of each measure."""
    lines = []
    for name, mine in rounds.items():
        days_of: dict[str, list[str]] = {}
        for one in mine:
            versions = ", ".join(f"{what} {v}" for what, v in one.versions.items())
            days_of.setdefault(f"{one.machine}; {versions}", []).append(one.day)
        for machine, days in days_of.items():
            span = " to ".join(dict.fromkeys((min(days), max(days))))
            lines.append(f"- {name}, {span}: {machine}")
    return "\n".join(lines) + "\n"


def _share_of_limit(
    row: Row, rounds: Sequence[Round]
) -> tuple[float, float, float, str]:
    """Return median, minimum and maximum as shares of the bar, and the label."""
    limit = row.limit or 1.0
    figures = [row.figure(one) for one in rounds]
    shares = sorted(limit / f if row.at_least else f / limit for f in figures)
    sign = "≥" if row.at_least else "≤"
    label = f"{median(figures):.2f} {row.unit} (bar {sign} {limit:g})"
    return median(shares), shares[0], shares[-1], label
