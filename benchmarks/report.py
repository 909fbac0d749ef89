"""benchmarks/results.md: what was measured, against its bars. Written from results."""

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
"""Measures whose profile names each test; of others there is the sum."""


@dataclass(frozen=True)
class Row:
    """A line of the table: a figure of each round of a measure, and its bar.

    ``limit`` is the most that the figure may be, or the least if ``at_least``.
    """

    measure: str
    title: str
    figure: Callable[[Round], float]
    unit: str = TIMES
    limit: float | None = None
    at_least: bool = False
    holds: Callable[[Round], bool] = lambda _: True

    def is_met(self, rounds: Sequence[Round]) -> bool | None:
        """Return whether the median meets the bar, or None without a bar."""
        if self.limit is None:
            return None
        value = median(map(self.figure, rounds))
        within = value >= self.limit if self.at_least else value <= self.limit
        return within and all(map(self.holds, rounds))


def wall(one: Round, who: str, than: str) -> float:
    """Return how many times as long one takes as the other."""
    return one.costs[who]["wall"] / one.costs[than]["wall"]


def per_event(one: Round, who: str, than: str) -> float:
    """Return the ratio of what an event costs, where the numbers of events differ."""
    counts = one.notes["events"]
    return wall(one, who, than) * float(counts[than] / counts[who])


def if_free(one: Round, than: str) -> float:
    """Return the ratio of a build of few events, as if it were the one of many."""
    counts = one.notes["events"]
    return wall(one, "few", than) * float(counts[than] / counts["project"])


def same_rows(one: Round, name: str = "same_rows") -> bool:
    """Return whether two warehouses held the same rows, and held some."""
    tables = one.notes[name].values()
    return all(t["differing"] == 0 and t["rows"] > 0 for t in tables)


def songs(one: Round) -> float:
    """Return the ratio of two loads, without what the command's start takes."""
    start = one.costs["start"]["wall"]
    return (one.costs["many"]["wall"] - start) / (one.costs["one"]["wall"] - start)


ROWS: Final = (
    Row(
        "build",
        "load, build and test {n} events, against the script by hand without tests",
        lambda one: wall(one, "project", "limit"),
        limit=3,
        holds=same_rows,
    ),
    Row(
        "build",
        "the script by hand, with all that the design keeps, against without",
        lambda one: wall(one, "kept", "limit"),
        holds=lambda one: same_rows(one, "kept_same_rows"),
    ),
    Row(
        "build",
        "load, build and test, against the script by hand with all that",
        lambda one: wall(one, "project", "kept"),
        limit=1.45,
    ),
    Row(
        "build",
        "the same, against DuckDB only parsing that JSON",
        lambda one: wall(one, "project", "parse"),
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
        "size of the warehouse, against its raw tables alone",
        lambda one: one.notes["warehouse_megabytes"] / one.notes["raw_megabytes"],
    ),
    Row(
        "large",
        "cost per event at {5n} events, against {n}, with the same memory limit",
        lambda one: per_event(one, "large", "base"),
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
        "one more day ({n/100} events) on {n} in history, against on {n/10}",
        lambda one: wall(one, "long", "short"),
        limit=1.25,
    ),
    Row(
        "nothing",
        "nothing new to load, {n} in history, `TESTS=changed`",
        lambda one: one.costs["project"]["wall"],
        unit="s",
        limit=12,
        holds=same_rows,
    ),
    Row(
        "songs",
        "load {songs} song files of one record, against the same records in one file",
        songs,
        limit=3,
    ),
    Row(
        "sample",
        "warm `dbt build` of the sample, against as many empty nodes",
        lambda one: wall(one, "project", "empty"),
    ),
    Row(
        "postgres",
        "PostgreSQL: how much faster than row by row, {n/10} events",
        lambda one: 1 / per_event(one, "project", "rows"),
        limit=12,
        at_least=True,
    ),
    Row(
        "postgres",
        "the same, if so many events took no longer than {n/5000}",
        lambda one: 1 / if_free(one, "rows"),
    ),
    Row(
        "spark",
        "Spark, {n/5} events, against a plain PySpark script",
        lambda one: wall(one, "project", "script"),
        limit=2.5,
    ),
    Row(
        "spark",
        "the same, if so many events took no longer than {n/5000}",
        lambda one: if_free(one, "script"),
    ),
)

WHO: Final = {
    ("build", "project"): "`scripts/build.py`: load, build, all tests",
    ("build", "limit"): "by hand: `events.sql`, `star.sql`",
    ("build", "kept"): "by hand: `kept_events.sql`, `star.sql`",
    ("build", "parse"): "by hand: `parse.sql`",
    ("large", "large"): "`scripts/build.py`, five times the events",
    ("large", "base"): "`scripts/build.py`",
    ("day", "long"): "`scripts/build.py --tests changed` on the long history",
    ("day", "short"): "`scripts/build.py --tests changed` on a tenth of it",
    ("nothing", "project"): "`scripts/build.py` again",
    ("nothing", "dbt"): "`dbt build` again",
    ("songs", "start"): "`scripts/bootstrap.py --help`: the command's start",
    ("songs", "many"): "`scripts/bootstrap.py`, a file per song",
    ("songs", "one"): "`scripts/bootstrap.py`, one file",
    ("sample", "project"): "`dbt build --full-refresh` of the sample",
    ("sample", "empty"): "`dbt build` of as many empty nodes",
    ("sample", "parse"): "`dbt parse` of the project",
    ("sample", "start"): "`dbt --version`: the start of Python and dbt",
    ("postgres", "few"): "`scripts/build.py --target postgres`, few events",
    ("postgres", "project"): "`scripts/build.py --target postgres`",
    ("postgres", "rows"): "`benchmarks/row_by_row.py`",
    ("spark", "few"): "`scripts/build.py --target spark`, few events",
    ("spark", "project"): "`scripts/build.py --target spark`",
    ("spark", "script"): "`benchmarks/pyspark_limit.py`",
}
"""What each contender runs, in the order of the page."""

INTRODUCTION: Final = """\
# How fast it is

`make bench` measures, and writes this page and its plot. Each measurement is a whole
process, from start to end, on generated data. In a round, the programs of a measure run
one after the other, and a ratio is computed within the round. The table has the median
and the range of the rounds. A bar is met if the median meets it.
"""

NOTES: Final = """\
## Terms
- *By hand*: SQL scripts in `by_hand`, which say what they leave out. They build the
  same rows: each round compares all five tables, value by value.
- *What the design keeps*: the raw records, each line checked, and the cleaned events
  for later incremental runs. That script has no tests, no history of loads and no
  quarantine.
- dbt has parsed the project before the measurement, as in every build but the first.
- *Peak memory* is that of the largest process. DuckDB's memory limit is 3 GB, also for
  scripts.
- *Row by row*: fewer events are inserted, and the time per event is extrapolated.
- *Few events*: the time of a build that does not depend on the number of events. It
  contains the start of the engine, Python and dbt, and queries that find almost
  nothing.
- *Nothing new*: files of zeros with the same sizes and times replace the source's
  files. The five tables are then compared with those of the earlier build.
- Loads of songs are compared without the time in which the command starts.
"""
SHOWN_SECONDS: Final = 0.1
"""Nodes that took less are not listed."""


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
    """Write the page."""
    parts = [
        INTRODUCTION,
        table(rounds),
        "![Each measure as a share of its bar](results.svg)\n",
        NOTES,
        "## What was run\n" + costs(rounds),
        *(profiles(name, rounds[name]) for name in rounds if rounds[name]),
        "## Machine and versions\n" + places(rounds),
    ]
    return "\n".join(part for part in parts if part)


def title(row: Row, rounds: Sequence[Round]) -> str:
    """Return what a row measures, with the numbers of events of its rounds."""
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
    """Return the measures, one row each."""
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
        if not all(map(row.holds, mine)):
            met = "**the rows differ**"
        lines.append(
            f"| {title(row, mine)} | {bar} | {median(figures):.2f} {row.unit}"
            f" | {figures[0]:.2f} to {figures[-1]:.2f} | {len(mine)} | {met} |"
        )
    return "\n".join(lines) + "\n"


def costs(rounds: dict[str, list[Round]]) -> str:
    """Return what each contender cost."""
    lines = [
        "| measure | what | events | seconds | range | of processors | peak |",
        "|---|---|---:|---:|---:|---:|---:|",
    ]
    for (measure, who), what in WHO.items():
        mine = rounds.get(measure) or []
        if not mine:
            continue
        walls = sorted(one.costs[who]["wall"] for one in mine)
        cpu = median(one.costs[who]["cpu"] for one in mine)
        peak = max(one.costs[who]["peak"] for one in mine) / GIGABYTE
        lines.append(
            f"| {measure} | {what} | {_events(mine[0], who)} | {median(walls):.2f}"
            f" | {walls[0]:.2f} to {walls[-1]:.2f} | {cpu:.2f} | {peak:.2f} GB |"
        )
    return "\n".join(lines) + "\n"


def _events(one: Round, who: str) -> str:
    if one.measure in ("songs", "sample"):
        return ""
    counts = one.notes.get("events", {})
    return f"{counts.get(who, one.events):,}"


def profiles(measure: str, rounds: Sequence[Round]) -> str:
    """Return where the time of the last round went, if it has a profile."""
    notes = rounds[-1].notes
    if "profile" not in notes:
        return _sample(rounds[-1]) if measure == "sample" else ""
    found: dict[str, Any] = notes["profile"]
    whole = sum(found["phases"].values())
    lines = [f"## Where the time goes: {measure}", "| phase | seconds | share |"]
    lines.append("|---|---:|---:|")
    for name, seconds in found["phases"].items():
        lines.append(f"| {name} | {seconds:.2f} | {seconds / whole:.0%} |")
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
    """Say what of the sample's build is dbt's own."""
    wall_of = {who: cost["wall"] for who, cost in one.costs.items()}
    counts = one.notes["counts"]
    listed = ", ".join(f"{number} {kind}" for kind, number in counts.items() if number)
    lines = ["## Where the time goes: sample", "| part | seconds |", "|---|---:|"]
    for name, seconds in {
        "start of Python and dbt": wall_of["start"],
        "reading the parsed project": wall_of["parse"] - wall_of["start"],
        f"as many empty nodes ({listed})": wall_of["empty"] - wall_of["start"],
        "the whole": wall_of["project"],
        "of it more than empty nodes": wall_of["project"] - wall_of["empty"],
    }.items():
        lines.append(f"| {name} | {seconds:.2f} |")
    return "\n".join(lines) + "\n"


def places(rounds: dict[str, list[Round]]) -> str:
    """Say on what machine, when and with which versions each measure was run."""
    lines = []
    for name, mine in rounds.items():
        days_of: dict[str, list[str]] = {}
        for one in mine:
            versions = ", ".join(f"{what} {v}" for what, v in one.versions.items())
            days_of.setdefault(f"{one.machine}; {versions}", []).append(one.day)
        for place, days in days_of.items():
            span = " to ".join(dict.fromkeys((min(days), max(days))))
            lines.append(f"- {name}, {span}: {place}")
    return "\n".join(lines) + "\n"


def _share_of_limit(
    row: Row, rounds: Sequence[Round]
) -> tuple[float, float, float, str]:
    """Return median, least and most as shares of the bar, and what to write beside."""
    limit = row.limit or 1.0
    figures = [row.figure(one) for one in rounds]
    shares = sorted(limit / f if row.at_least else f / limit for f in figures)
    sign = "≥" if row.at_least else "≤"
    said = f"{median(figures):.2f} {row.unit} (bar {sign} {limit:g})"
    return median(shares), shares[0], shares[-1], said
