"""``make changed`` and ``make diff``: a change beside the last good build."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

import changed
from warehouses import PROJECT, Warehouse, make_warehouse

LEFT_OUT = shutil.ignore_patterns(".*", "target*", "data", "logs", "__pycache__")
ANEW = """
    select
        user_id,
        case when user_id = 2 then 'Nobody' else first_name end as first_name,
        last_name,
        last_name as family_name,
"""
AS_IT_WAS = """
    select
        user_id,
        first_name,
        last_name,
"""
NEW_COLUMN = """
      - name: family_name
        data_type: varchar
        description: The name of a family.
"""


def change_users(project: Path) -> None:
    """Lose a user, rename another, and add a column."""
    model = project / "models/marts/core/users.sql"
    before, after = model.read_text().rsplit(AS_IT_WAS, 1)
    after = after.replace("where recency = 1", "where recency = 1 and user_id != 3")
    model.write_text(before + ANEW + after)
    description = model.with_suffix(".yml")
    column = "\n      - name: gender\n"
    assert column in description.read_text()
    description.write_text(
        description.read_text().replace(column, NEW_COLUMN + column.lstrip("\n"), 1)
    )


def run(
    project: Path, warehouse: Warehouse, *arguments: str
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, str(project / "scripts/changed.py"), *arguments],
        env=warehouse.environment,
        cwd=project,
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.parametrize("engine", ["duckdb", "redshift"])
def test_what_a_change_does_to_the_data_is_told(
    built_warehouse: Callable[[str, str], Warehouse], tmp_path: Path, engine: str
) -> None:
    warehouse = built_warehouse(engine, "sample")
    project = shutil.copytree(PROJECT, tmp_path / "copy", ignore=LEFT_OUT)
    good = warehouse.folder / "target/last_good/test"
    good.mkdir(parents=True, exist_ok=True)
    shutil.copy(warehouse.folder / "target/manifest.json", good)
    users = "select * from analytics.users order by user_id"
    builds = "select count(*) from analytics.int_builds"
    before = warehouse.query(users), warehouse.query(builds)

    done = run(project, warehouse, "build")
    assert done.stdout == "Nothing changed since the last good build.\n", done.stderr
    done = run(project, warehouse, "diff")
    assert done.returncode == 2
    assert done.stderr.startswith("error: Nothing that changed has been built.\n")

    change_users(project)
    done = run(project, warehouse, "build")
    assert done.returncode == 1
    assert "In the schema analytics_changed: building plays, users" in done.stdout
    assert "relationships_songplays_user_id__user_id__ref_users_" in done.stdout
    done = run(project, warehouse, "diff", "--markdown")
    assert done.returncode == 0
    lines = [" ".join(line.split()) for line in done.stdout.splitlines()]
    count = len(before[0])
    assert f"| users | {count} | {count - 1} | 0 | 1 | 1 |" in lines
    assert "- users.family_name is new." in lines
    assert "- users.first_name: 1 value changed, where user_id is 2." in lines
    assert (warehouse.query(users), warehouse.query(builds)) == before


def test_without_a_good_build_there_is_nothing_to_compare_with(
    tmp_path: Path,
) -> None:
    done = run(PROJECT, make_warehouse(tmp_path), "build")
    assert done.returncode == 2
    assert done.stderr == (
        "error: There is no good build of the target test to compare with.\n"
        "Build it: make build TARGET=test.\n"
    )


def test_notes_name_what_is_new_gone_and_of_another_type() -> None:
    types = {"id": "bigint", "level": "varchar"}
    found = {"table": "a", "key": ["id"], "columns": {}, "types_before": types}
    assert changed.notes(found | {"types_after": types | {"x": "date"}}) == [
        "a.x is new."
    ]
    assert changed.notes(found | {"types_after": {"id": "bigint"}}) == [
        "a.level is gone."
    ]
    assert changed.notes(found | {"types_after": types | {"level": "text"}}) == [
        "a.level was varchar and is text; its values were not compared."
    ]
    assert changed.notes(found | {"types_before": {}, "types_after": types}) == [
        "a is new."
    ]
    assert changed.notes(found | {"key": [], "types_after": types}) == [
        "a has no key: its rows were counted, not compared."
    ]
