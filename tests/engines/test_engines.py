"""docs/engines.md lists the results of a probe of dbt's features on each engine."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
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
"""The heading of each engine on the page."""

INTRODUCTION: Final = """\
# What dbt does on each engine

`make engines` runs a small probe project on each engine and writes this page. A test
compares the page with a run.

"""
STAND_IN: Final = """
The Redshift column is measured on a stand-in: PostgreSQL behind Redshift's own clients.
A cluster enforces `not null`, but no keys.
"""


@pytest.fixture
def features(
    engine: str, request: pytest.FixtureRequest, tmp_path: Path
) -> dict[str, str]:
    """Run the probe on an engine; return the result of each feature."""
    others: dict[str, Any] = {}
    if engine == "postgres":
        others["server"] = request.getfixturevalue("postgres_server")
    if engine == "redshift":
        others["stand_in"] = request.getfixturevalue("stand_in")
    if engine == "spark":
        require_spark()
    made = make_warehouse(tmp_path / "warehouse", engine, **others)
    return probe(made, tmp_path / "project")


def probe(warehouse: Warehouse, project: Path) -> dict[str, str]:
    """Run the probe in another process; return the result of each feature."""
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
    """Return the results in the page's table by heading and by feature."""
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
    """Return the text of the page for the results by heading and by feature."""
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


@pytest.mark.long(guard="tests/engines/test_engines.py::test_page_is_up_to_date")
@pytest.mark.parametrize("engine", NAMES)
def test_page_has_results_of_engine(engine: str, features: dict[str, str]) -> None:
    assert set(features) == set(feature_probe.FEATURES)
    if os.environ.get("WRITE_ENGINES"):
        known = cells(PAGE.read_text(encoding="utf-8")) if PAGE.exists() else {}
        PAGE.write_text(page(known | {NAMES[engine]: features}), encoding="utf-8")
    assert cells(PAGE.read_text(encoding="utf-8"))[NAMES[engine]] == features


def test_page_is_up_to_date() -> None:
    text = PAGE.read_text(encoding="utf-8")
    columns = cells(text)
    assert list(columns) == list(NAMES.values())
    assert text == page(columns)
