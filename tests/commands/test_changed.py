"""Test ``make changed`` and ``make diff``: a change against the last good build."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import changed
from project_copies import LEFT_OUT, keep_good_build
from redshift_stand_in import StandIn
from sparkify.builds.artifacts import good_build
from sparkify.builds.differences import notes
from sparkify.dbt import run as dbt_run
from warehouses import (
    NO_TESTS,
    PROJECT,
    Builder,
    Warehouse,
    copy_of,
    environment,
    make_warehouse,
    write_into,
)

CHANGED_COLUMNS = """
    select
        user_id,
        case when user_id = 2 then 'Renamed' else first_name end as first_name,
        last_name,
        last_name as family_name,
"""
COLUMNS = """
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
    """Drop a user, rename another, add a column, and move the table to a new schema.

    A unit test of plays, which is downstream, fails.
    """
    plays = project / "models/marts/listening/plays.yml"
    expected = "11,2018,Sunday,F,true"
    assert expected in plays.read_text()
    plays.write_text(plays.read_text().replace(expected, "11,2018,Monday,F,true"))
    model = project / "models/marts/core/users.sql"
    head, tail = model.read_text().rsplit(COLUMNS, 1)
    assert head.startswith("{{ config(")
    head = head.replace("{{ config(", "{{ config(schema = 'extra', ", 1)
    tail = tail.replace("where recency = 1", "where recency = 1 and user_id != 3")
    model.write_text(head + CHANGED_COLUMNS + tail)
    description = model.with_suffix(".yml")
    column = "\n      - name: gender\n"
    assert column in description.read_text()
    description.write_text(
        description.read_text().replace(column, NEW_COLUMN + column.lstrip("\n"), 1)
    )


@pytest.fixture
def copy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a copy of the project in which the command runs dbt."""
    folder = shutil.copytree(PROJECT, tmp_path / "copy", ignore=LEFT_OUT)
    monkeypatch.setattr(dbt_run, "PROJECT", folder)
    return folder


def assert_change_is_reported(
    warehouse: Warehouse, copy: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    """Change the copy of the project, and check the output of both commands."""
    keep_good_build(warehouse)
    users = "select * from analytics.users order by user_id"
    builds = "select count(*) from analytics_builds.users"
    previous = warehouse.query(users), warehouse.query(builds)
    capfd.readouterr()
    with environment(warehouse.variables):
        assert changed.main(["build"]) == 0
        out, err = capfd.readouterr()
        assert out == "Nothing changed since the last good build.\n", err
        assert changed.main(["diff"]) == 2
        assert capfd.readouterr().err.startswith(
            "error: The changes have not been built.\n"
        )

        change_users(copy)
        assert changed.main(["build"]) == 1
        printed = capfd.readouterr()
        assert "analytics_changed: building plays, users" in printed.out
        assert "relationships_songplays_user_id__user_id__ref_users_" in printed.out
        assert "view_keeps_plays_without_user_or_song." in printed.out
        assert changed.main(["diff", "--markdown"]) == 0
    lines = [" ".join(line.split()) for line in capfd.readouterr().out.splitlines()]
    count = len(previous[0])
    assert f"| users | {count} | {count - 1} | 0 | 1 | 1 |" in lines
    assert "- users.family_name is new." in lines
    (name,) = [name for user, name, *_ in previous[0] if user == 2]
    renamed = "first_name: 1 value changed: {} -> Renamed"
    assert "- users." + renamed.format(f"user_id 2: {name}") in lines
    assert any(line.startswith("| plays |") and "| 0 |" in line for line in lines)
    assert f"- Listeners, Users: {count} -> {count - 1}" in lines
    assert any(line.startswith("- plays_by_gender: row ") for line in lines)
    Builder(warehouse).close()
    assert (warehouse.query(users), warehouse.query(builds)) == previous
    tables = "select table_name from information_schema.tables where table_schema ="
    assert warehouse.query(f"{tables} 'analytics_changed_extra'") == [("users",)]
    assert warehouse.query(f"{tables} 'analytics_extra'") == []


def test_effect_of_change_is_reported(
    sample_warehouse: Warehouse,
    tmp_path: Path,
    copy: Path,
    capfd: pytest.CaptureFixture[str],
) -> None:
    warehouse = copy_of(sample_warehouse, tmp_path / "warehouse")
    write_into(
        warehouse,
        "create schema analytics_changed_extra;"
        " create table analytics_changed_extra.left_over as select 1 as id",
    )
    assert_change_is_reported(warehouse, copy, capfd)


def test_model_in_schema_to_be_dropped_is_rejected(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    warehouse = make_warehouse(tmp_path)
    with environment(warehouse.variables):
        state = good_build("test")
        state.mkdir(parents=True)
        node = {"name": "plays", "schema": "analytics_changed"}
        (state / "manifest.json").write_text(json.dumps({"nodes": {"plays": node}}))
        assert changed.main(["build"]) == 2
    assert capfd.readouterr().err == (
        "error: plays is in the schema analytics_changed, which make changed would"
        " drop.\nConfigure another schema for it.\n"
    )


@pytest.mark.long(
    guard="tests/commands/test_changed.py::test_effect_of_change_is_reported"
)
def test_effect_of_change_is_reported_on_redshift(
    stand_in: StandIn,
    sample_data: Path,
    tmp_path: Path,
    copy: Path,
    capfd: pytest.CaptureFixture[str],
) -> None:
    warehouse = make_warehouse(tmp_path / "warehouse", "redshift", stand_in=stand_in)
    builder = Builder(warehouse)
    builder.load(sample_data)
    done = builder.dbt("build", *NO_TESTS, parse=True)
    assert done.returncode == 0, done.stdout
    assert_change_is_reported(warehouse, copy, capfd)


def test_change_without_good_build_is_an_error(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "scripts/changed.py", "build"],
        env=make_warehouse(tmp_path).environment,
        cwd=PROJECT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 2
    assert done.stderr == (
        "error: Target test has no good build to compare with.\n"
        "Run make build TARGET=test.\n"
    )


def test_notes_name_new_removed_and_retyped_columns() -> None:
    types = {"id": "bigint", "level": "varchar"}
    found = {"table": "a", "key": ["id"], "columns": {}, "types_before": types}
    assert notes(found | {"types_after": types | {"x": "date"}}) == ["a.x is new."]
    assert notes(found | {"types_after": {"id": "bigint"}}) == ["a.level is removed."]
    assert notes(found | {"types_after": types | {"level": "text"}}) == [
        "a.level: type varchar -> text; values were not compared."
    ]
    assert notes(found | {"types_before": {}, "types_after": types}) == ["a is new."]
    assert notes(found | {"key": [], "types_after": types}) == [
        "a has no key: rows were counted, not compared."
    ]
