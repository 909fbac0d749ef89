"""Write docs/reliability.md from recorded runs, and test that it is current."""

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
"""Heading of each kind of run, in the order of the page."""

MEANINGS: Final = """\
law: The star is a pure function of the set of raw records. Random histories are drawn:
late, repeated, replaced and broken records in up to four loads, and builds that are
skipped or killed. Many histories share a warehouse. After every complete build, each
value of the star is compared with that of an independent oracle. `make law` draws
10,000 histories.

cases: Histories that broke the law, or might break it, are cases in `tests/law_cases`,
which every test run repeats.

kill: A load and a build are stopped by SIGKILL at a random moment. Then the same
command runs again. The star must equal the oracle's, with no record lost or duplicated
and no table left over. `make kill` kills 50 times on each engine.

bootstraps: Loads of one warehouse start at the same time. One waits for the other, or
asks to repeat the command. Every record is loaded once.

faults: A fault is injected between the clients and S3 or Redshift's Data API. The load
succeeds, or reports the fault in two sentences with exit status 2. Then the same
command runs without the fault, and the result must be right.

dirty: Files with invalid content. Each record is in the star, or in quarantine with
file, line and reason.

mutations: One rule of the models is broken at a time. The tests must fail.
"""

INTRODUCTION: Final = """\
# Reliability tests and their results

`make reliability` runs all tests and writes this page from the results in
[docs/reliability](reliability). `make law` and `make kill` repeat two of them more
often. `make test` runs a short form of each.
"""


def page(runs: list[dict[str, Any]]) -> str:
    """Return the text of the page."""
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
    """Return the table rows of one engine's results."""
    found = []
    for run in runs:
        for what, counts in run["results"].items() if run["engine"] == engine else ():
            results = ", ".join(
                f"{count:,} {name.replace('_', ' ')}"
                for name, count in counts.items()
                if name != "tried"
            )
            cells = (ENGINES[engine], what, f"{counts['tried']:,}", results)
            found.append(f"| {' | '.join(cells)} |")
    return found


def versions(runs: list[dict[str, Any]]) -> list[str]:
    """Return date and versions of each run."""
    return [
        f"- {RUNS[run['run']]}, {ENGINES[run['engine']]}, {run['day']}: "
        + ", ".join(f"{name} {number}" for name, number in run["versions"].items())
        for name in RUNS
        for run in runs
        if run["run"] == name
    ]


def test_reliability_page_matches_recorded_runs() -> None:
    runs = recorded.recorded()
    assert {run["run"] for run in runs} <= set(RUNS)
    text = page(runs)
    if os.environ.get("RECORD_RUNS"):
        pytest.skip("make reliability writes the page once all tests have run")
    if os.environ.get("WRITE_RELIABILITY"):
        PAGE.write_text(text, encoding="utf-8")
    assert PAGE.read_text(encoding="utf-8") == text, "run make reliability"


def test_run_is_recorded_with_sums_and_versions(
    tmp_path: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(recorded, "FOLDER", tmp_path)
    monkeypatch.setattr(recorded, "_OF_THIS_PROCESS", {})
    monkeypatch.delenv("RECORD_RUNS", raising=False)
    recorded.record("kill", engine="duckdb", what="kills", tried=1, repaired=1)
    assert recorded.recorded() == []
    monkeypatch.setenv("RECORD_RUNS", "1")
    for _ in range(2):
        recorded.record("kill", engine="duckdb", what="kills", tried=600, repaired=6)
    (run,) = recorded.recorded()
    assert run["results"] == {"kills": {"tried": 1200, "repaired": 12}}
    assert run["versions"]["duckdb"]
    assert "| DuckDB | kills | 1,200 | 12 repaired |" in page([run])
