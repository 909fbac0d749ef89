"""docs/reliability.md says what was tried and what happened: it is made of the runs."""

from __future__ import annotations

import os
from typing import Any, Final

import pytest

import recorded
from warehouses import PROJECT

PAGE: Final = PROJECT / "docs" / "reliability.md"
ENGINES: Final = {
    "duckdb": "DuckDB",
    "postgres": "PostgreSQL",
    "redshift": "Redshift (stand-in)",
    "spark": "Spark",
}
RUNS: Final = {
    "law": "The law",
    "cases": "Named cases of the law",
    "kill": "Killed at any moment",
    "bootstraps": "Two loads at the same moment",
    "faults": "Faults of AWS",
    "dirty": "Dirty input",
    "mutations": "Mutations",
}
"""What is recorded, in the order of the page, and its heading."""

MEANINGS: Final = """\
law: The star is a pure function of the set of raw records. Histories are drawn (late,
repeated, replaced and broken records in up to four loads; builds that are left out or
cut in half), many at once in one warehouse, and after every whole build the star is
compared with an independent oracle's, row by row and value by value. `make law` draws
10,000.

cases: What broke the law, or could, is a case in `tests/law_cases` that every run of
the tests follows.

kill: A load and a build are stopped by SIGKILL at a random moment, then the same
command runs again: the star is the oracle's, no record is lost or doubled, and no table
is left over. `make kill` kills 50 times on each engine.

bootstraps: Loads of one warehouse are started together: one waits for the other, or
says what to do, and every record is there once.

faults: A fault is put between the clients and S3 or Redshift's Data API. The load
succeeds in spite of it, or ends in two sentences and the exit status 2; then the same
command runs again without the fault, and all is right.

dirty: Files that hold what no file should: each record is in the star, or in quarantine
with its file, its line and the reason.

mutations: A rule of the models is broken by hand, one at a time; the tests must notice.
"""

INTRODUCTION: Final = """\
# What was tried, and what happened

Every figure here was written by a run, none by hand: `make law` and `make kill` run at
length, `make reliability` runs the rest and writes this page. `make test` runs a short
form of each, and a test holds this page to what is recorded in
[docs/reliability](reliability).
"""


def page(runs: list[dict[str, Any]]) -> str:
    """Write the page."""
    text = INTRODUCTION
    meanings = dict(part.split(": ", 1) for part in MEANINGS.strip().split("\n\n"))
    for name, heading in RUNS.items():
        mine = [run for run in runs if run["run"] == name]
        if not mine:
            continue
        lines = [
            "| engine | what | tried | what happened |",
            "|---|---|---:|---|",
            *(row for engine in ENGINES for row in rows(mine, engine)),
        ]
        text += f"\n## {heading}\n{meanings[name]}\n\n" + "\n".join(lines) + "\n"
    return text + "\n## Versions\n" + "\n".join(versions(runs)) + "\n"


def rows(runs: list[dict[str, Any]], engine: str) -> list[str]:
    """Return the rows of one engine's results."""
    found = []
    for run in runs:
        for what, counts in run["results"].items() if run["engine"] == engine else ():
            happened = ", ".join(
                f"{count:,} {name.replace('_', ' ')}"
                for name, count in counts.items()
                if name != "tried"
            )
            cells = (ENGINES[engine], what, f"{counts['tried']:,}", happened)
            found.append(f"| {' | '.join(cells)} |")
    return found


def versions(runs: list[dict[str, Any]]) -> list[str]:
    """Say which run was made when, with what."""
    return [
        f"- {RUNS[run['run']]}, {ENGINES[run['engine']]}, {run['day']}: "
        + ", ".join(f"{name} {number}" for name, number in run["versions"].items())
        for name in RUNS
        for run in runs
        if run["run"] == name
    ]


def test_the_page_says_what_the_runs_recorded() -> None:
    runs = recorded.recorded()
    assert {run["run"] for run in runs} <= set(RUNS)
    text = page(runs)
    if os.environ.get("WRITE_RELIABILITY"):
        PAGE.write_text(text, encoding="utf-8")
    assert PAGE.read_text(encoding="utf-8") == text, "make reliability writes it anew"


def test_a_run_is_recorded_with_sums_and_versions(
    tmp_path: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(recorded, "FOLDER", tmp_path)
    monkeypatch.setattr(recorded, "_OF_THIS_PROCESS", {})
    monkeypatch.delenv("RECORD_RUNS", raising=False)
    recorded.record("kill", engine="duckdb", what="kills", tried=1, made_good=1)
    assert recorded.recorded() == []
    monkeypatch.setenv("RECORD_RUNS", "1")
    for _ in range(2):
        recorded.record("kill", engine="duckdb", what="kills", tried=600, made_good=6)
    (run,) = recorded.recorded()
    assert run["results"] == {"kills": {"tried": 1200, "made_good": 12}}
    assert run["versions"]["duckdb"]
    assert "| DuckDB | kills | 1,200 | 12 made good |" in page([run])
