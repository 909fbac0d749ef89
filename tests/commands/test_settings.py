"""Test that dbt's settings have their documented effect."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from argparse import Namespace
from pathlib import Path

import pytest
import yaml
from dbt import flags
from dbt.config.renderer import ProfileRenderer
from dbt_common.context import set_invocation_context

from conftest import only_duckdb
from sparkify.dbt.profile import read_target
from sparkify.loaders.duckdb import file as duckdb_file
from warehouses import PROJECT, Builder, Warehouse, copy_of

STORED = "unique_users_user_id"


def test_failures_are_stored_in_separate_schema(
    sample_warehouse: Warehouse, tmp_path: Path
) -> None:
    builder = Builder(copy_of(sample_warehouse, tmp_path / "warehouse"))
    query = "select table_schema from information_schema.tables where table_name = '{}'"
    done = builder.dbt("test", "--select", STORED, "--store-failures")
    assert done.returncode == 0, done.stdout
    found = builder.warehouse.query(query.format(STORED))
    assert found == [("analytics_dbt_test__audit",)]
    assert builder.warehouse.query(query.format("artists")) == [("analytics",)]


@only_duckdb
def test_test_runs_only_with_all_its_tables(builder: Builder) -> None:
    done = builder.dbt("ls", "--select", "+songplays", "--output", "json")
    assert done.returncode == 0, done.stdout
    selected = {json.loads(line)["unique_id"] for line in done.result.result}
    tests = [
        node
        for node in builder.manifest.nodes.values()
        if node.unique_id in selected and node.resource_type == "test"
    ]
    assert len(tests) > 10
    beyond = {test.name for test in tests if set(test.depends_on.nodes) - selected}
    assert beyond == set()


@pytest.mark.parametrize(
    "path", [None, "mine.duckdb", "below/mine.duckdb", "~/mine.duckdb", "/mine.duckdb"]
)
def test_dbt_and_loader_open_same_file(
    path: str | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = (PROJECT / "profiles.example.yml").read_text(encoding="utf-8")
    (tmp_path / "profiles.yml").write_text(text, encoding="utf-8")
    (tmp_path / "models").mkdir()
    monkeypatch.chdir(tmp_path / "models")
    monkeypatch.setenv("DBT_PROFILES_DIR", "..")
    if path:
        monkeypatch.setenv("SPARKIFY_DUCKDB", path)
    else:
        monkeypatch.delenv("SPARKIFY_DUCKDB", raising=False)
    flags.set_from_args(Namespace(profiles_dir=".."), {})
    set_invocation_context(dict(os.environ))
    target = yaml.safe_load(text)["sparkify"]["outputs"]["duckdb"]
    dbt_path = Path(ProfileRenderer({}).render_data(target)["path"]).expanduser()
    assert Path(read_target("duckdb")["path"]) == dbt_path.resolve()
    expected = Path(path or "data/sparkify.duckdb").expanduser()
    assert dbt_path.resolve() == tmp_path / expected


@only_duckdb
def test_dbt_waits_for_file_and_names_its_user(
    builder: Builder, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    path = builder.warehouse.path
    holder = "import duckdb, sys; c = duckdb.connect(sys.argv[1]); print(1); input()"
    query = ("run-operation", "drop_changes", "--vars", "schema_of_changes: none")
    with subprocess.Popen(
        [sys.executable, "-uc", holder, str(path)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    ) as process:
        assert process.stdout
        assert process.stdin
        process.stdout.readline()
        monkeypatch.setattr(duckdb_file, "LOCK_SECONDS", 0.3)
        done = builder.dbt(*query)
        assert done.returncode == 1
        assert f"(PID {process.pid}).\n  Close it there" in done.stdout
        assert "Traceback" not in done.stdout
        monkeypatch.setattr(duckdb_file, "LOCK_SECONDS", 60.0)
        threading.Timer(0.5, process.stdin.close).start()
        done = builder.dbt(*query)
        assert done.returncode == 0, done.stdout
    assert f"(PID {process.pid}), which has {path} open ..." in capfd.readouterr().err
