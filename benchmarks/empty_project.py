"""A dbt project of empty nodes, to measure dbt's own time."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path


def make(folder: Path, counts: Mapping[str, int]) -> Path:
    """Write a project with a number of nodes per kind, at least one model.

    Return its folder. The kinds are dbt's: model, seed, test, unit_test.
    """
    models = max(counts.get("model", 0), 1)
    project = {
        "name": "empty",
        "version": "1.0.0",
        "config-version": 2,
        "profile": "sparkify",
        "flags": {"send_anonymous_usage_stats": False},
        "models": {"empty": {"+materialized": "table"}},
    }
    files = {"dbt_project.yml": json.dumps(project)}
    for number in range(models):
        files[f"models/model_{number}.sql"] = "select 1 as id\n"
    for number in range(counts.get("seed", 0)):
        files[f"seeds/seed_{number}.csv"] = "id\n1\n"
    for number in range(counts.get("test", 0)):
        of_model = f"{{{{ ref('model_{number % models}') }}}}"
        files[f"tests/test_{number}.sql"] = f"select id from {of_model} where id <> 1\n"
    unit_tests = [
        {
            "name": f"unit_test_{number}",
            "model": f"model_{number % models}",
            "given": [],
            "expect": {"rows": [{"id": 1}]},
        }
        for number in range(counts.get("unit_test", 0))
    ]
    if unit_tests:
        files["models/unit_tests.yml"] = json.dumps({"unit_tests": unit_tests})
    for name, text in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if not path.exists() or path.read_text(encoding="utf-8") != text:
            path.write_text(text, encoding="utf-8")
    return folder
