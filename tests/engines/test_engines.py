"""docs/engines.md says what dbt's features do on each engine: it is made from a run."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import pytest

import feature_probe
from conftest import require_spark
from warehouses import PROJECT, Warehouse, make_warehouse

PAGE: Final = PROJECT / "docs" / "engines.md"
NAMES: Final = {
    "duckdb": "DuckDB",
    "postgres": "PostgreSQL",
    "redshift": "Redshift (stand-in)",
    "spark": "Spark",
}
"""Each engine and its heading: to add one takes an entry here."""

INTRODUCTION: Final = """\
# What dbt does on each engine

Made by `make engines` from a run of a small probe project on each engine; a test holds
this page to what a run gives.

"""
STAND_IN: Final = """
The Redshift column is measured on a stand-in: PostgreSQL behind Redshift's own clients.
A cluster enforces `not null`, but no keys.
"""


@pytest.fixture(scope="module")
def features(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Callable[[str], dict[str, str]]:
    """A function that returns what a run of the probe shows of an engine."""
    known: dict[str, dict[str, str]] = {}

    def give(engine: str) -> dict[str, str]:
        if engine not in known:
            others: dict[str, Any] = {}
            if engine == "postgres":
                others["server"] = request.getfixturevalue("postgres_server")
            if engine == "redshift":
                others["stand_in"] = request.getfixturevalue("stand_in")
            if engine == "spark":
                require_spark()
            folder = tmp_path_factory.mktemp(f"probe_{engine}")
            made = make_warehouse(folder / "warehouse", engine, **others)
            known[engine] = probe(made, folder / "project")
        return known[engine]

    return give


def probe(warehouse: Warehouse, project: Path) -> dict[str, str]:
    """Run the probe on a warehouse, in a process of its own."""
    feature_probe.write_project(project)
    for part in ("dialects", "incremental"):
        shutil.copytree(PROJECT / "macros" / part, project / "macros" / part)
    shutil.copytree(PROJECT / "scripts", project / "scripts")
    done = subprocess.run(
        [sys.executable, feature_probe.__file__],
        cwd=project,
        env=warehouse.environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    found: dict[str, str] = json.loads(done.stdout.splitlines()[-1])
    return found


def cells(text: str) -> dict[str, dict[str, str]]:
    """Read the page's table: what each engine's heading has for each feature."""
    rows = [
        [cell.strip() for cell in line.strip("|").split("|")]
        for line in text.splitlines()
        if line.startswith("|") and not line.startswith("|---")
    ]
    heading, *others = rows
    return {
        engine: {row[0]: row[number] for row in others}
        for number, engine in enumerate(heading[1:], start=1)
    }


def page(columns: dict[str, dict[str, str]]) -> str:
    """Write the page."""
    engines = [name for name in NAMES.values() if name in columns]
    lines = [
        f"| | {' | '.join(engines)} |",
        "|---" * (len(engines) + 1) + "|",
        *(
            " | ".join([f"| {feature}", *(columns[e][feature] for e in engines)]) + " |"
            for feature in feature_probe.FEATURES
        ),
    ]
    meanings = [
        f"- *{feature}*: {meaning}"
        for feature, meaning in feature_probe.FEATURES.items()
    ]
    end = STAND_IN if NAMES["redshift"] in engines else ""
    return INTRODUCTION + "\n".join([*lines, "", *meanings]) + "\n" + end


@pytest.mark.long(
    guard="tests/engines/test_engines.py::test_the_page_is_as_it_would_be_written"
)
@pytest.mark.parametrize("engine", NAMES)
def test_the_page_says_what_a_run_gives(
    engine: str, features: Callable[[str], dict[str, str]]
) -> None:
    found = features(engine)
    assert set(found) == set(feature_probe.FEATURES)
    if os.environ.get("WRITE_ENGINES"):
        known = cells(PAGE.read_text(encoding="utf-8")) if PAGE.exists() else {}
        PAGE.write_text(page(known | {NAMES[engine]: found}), encoding="utf-8")
    assert cells(PAGE.read_text(encoding="utf-8"))[NAMES[engine]] == found


def test_the_page_is_as_it_would_be_written() -> None:
    text = PAGE.read_text(encoding="utf-8")
    columns = cells(text)
    assert list(columns) == list(NAMES.values())
    assert text == page(columns)
