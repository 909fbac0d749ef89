"""Test ``make build``: its output, its exit status and the saved target."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from dbt.contracts.graph.manifest import Manifest

import build
from raw_lines import event, song
from sparkify.builds import build as dbt_build
from sparkify.builds.changed_code import ChangedCode
from sparkify.dbt.run import run_dbt
from sparkify.shared import project
from warehouses import (
    NO_UNIT_TESTS,
    PROJECT,
    Builder,
    Warehouse,
    environment,
    make_warehouse,
    write_into,
    write_source,
)

LATE = "assert_event_times_are_plausible"


def test_builds_end_with_row_counts_and_failures(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    warehouse = make_warehouse(tmp_path / "warehouse")
    env_file = tmp_path / ".env"
    monkeypatch.setattr(project, "ENVIRONMENT", env_file)
    # Unit tests take half the time and do not read the warehouse.
    options = {"build": NO_UNIT_TESTS}
    monkeypatch.setattr(
        dbt_build, "run_dbt", lambda *a, **k: run_dbt(*a, *options.get(a[0], ()), **k)
    )
    play = event(page="NextSong", userId="1", level="free", gender="F", song="a")
    data = write_source(
        tmp_path / "data", {"a.json": play + b"\nbad"}, {"s.json": song()}
    )
    command = ["--target", "test", "--data", str(data)]
    with environment(warehouse.variables):
        assert build.main(command) == 0
    printed = capfd.readouterr()
    for line in (
        "files                    2  2 new",
        "records                  2  2 new",
        "in quarantine            1  1 new",
        "songplays                1  rows",
        "artists                  1  rows",
    ):
        assert line in printed.out
    assert "rejected_records" in printed.out.split("Next, try")[1]
    assert env_file.read_text() == "DBT_TARGET=test\n"
    manifest = (warehouse.folder / "target/manifest.json").read_bytes()
    good = warehouse.folder / "target/last_good/test/manifest.json"
    assert good.read_bytes() == manifest
    assert not ChangedCode(good, Manifest.from_dict(json.loads(manifest))).is_tested

    other = json.loads(manifest)
    other["macros"]["macro.sparkify.clean_text"]["macro_sql"] = "an earlier version"
    good.write_text(json.dumps(other))
    # An unknown level, gender and page, and a time in seconds: four warnings, no error.
    unknown = [
        event(userId="2", level="PAID", gender="f", page="Radio", session=9),
        event(userId="2", level="PAID", page="NextSong", session=9, itemInSession=2),
        event(userId="2", level="free", session=10, ts=1541106106),
    ]
    write_source(data, {"b.json": b"\n".join(unknown)})
    with environment(warehouse.variables):
        assert build.main(command) == 0
    printed = capfd.readouterr()
    assert "songplays                2  rows" in printed.out
    assert "warnings                 4  listed below" in printed.out
    listing = "List the rows: dbt show --limit -1 --select"
    for line in (
        f'gender_is_known: gender "f", row_count 1. {listing} gender_is_known',
        f'level_is_known: level "PAID", row_count 2. {listing} level_is_known',
        f'page_is_known: page "Radio", row_count 1. {listing} page_is_known',
    ):
        assert line in printed.out
    assert f'{LATE}: source_path "log_data/b.json", loaded_at ' in printed.out
    assert "event_count 1, first_start_time 1970-01-18 20:05:06.106" in printed.out
    for model in ("int_event_versions", "songplays"):
        refresh = f"{model}: full refresh, because a macro changed (clean_text)."
        assert refresh in printed.out
    assert good.read_bytes() != json.dumps(other).encode()

    good.unlink()
    Builder(warehouse).close()
    write_into(warehouse, "update raw.load_history set loaded_count = loaded_count + 1")
    options["build"] = ("--select", "assert_every_raw_record_is_accounted_for")
    with environment(warehouse.variables):
        assert build.main(command) == 1
    printed = capfd.readouterr()
    assert "records                  5  0 new" in printed.out
    assert "in quarantine            1  0 new" in printed.out
    assert "Build failed: assert_every_raw_record_is_accounted_for.\n" in printed.out
    assert "Traceback" not in printed.out + printed.err
    assert not good.exists()
    Builder(warehouse).close()


@pytest.mark.long(
    guard="tests/commands/test_build.py::test_builds_end_with_row_counts_and_failures"
)
@pytest.mark.parametrize("engine", ["postgres", "redshift", "spark"])
def test_each_engine_reports_rows_of_warnings(
    built_warehouse: Callable[[str, str], Warehouse], engine: str
) -> None:
    builder = Builder(built_warehouse(engine, "grown"))
    logged = ("--log-level-file", "info")
    done = builder.dbt("test", *logged, "--select", LATE, "page_is_known")
    assert done.returncode == 0, done.stdout
    assert done.statuses[LATE] == done.statuses["page_is_known"] == "warn"
    log = (builder.warehouse.folder / "logs" / "dbt.log").read_text(encoding="utf-8")
    assert re.search(rf"warning: {LATE}: source_path .*, event_count \d+, first_", log)
    assert re.search(r'warning: page_is_known: page ".*", row_count \d', log)


def test_build_of_unknown_folder_returns_2(tmp_path: Path) -> None:
    done = subprocess.run(
        [
            *(sys.executable, "scripts/build.py"),
            *("--target", "test", "--data", str(tmp_path / "nowhere")),
        ],
        cwd=PROJECT,
        env=make_warehouse(tmp_path / "warehouse").environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 2
    assert done.stderr.startswith("error: The folder ")
    assert len(done.stderr.splitlines()) == 2


def test_target_is_saved_beside_other_settings(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / ".env"
    monkeypatch.setattr(project, "ENVIRONMENT", path)
    path.write_text("AWS_PROFILE=mine\nDBT_TARGET=sample\n")
    assert project.save_variable("DBT_TARGET", "duckdb")
    assert not project.save_variable("DBT_TARGET", "duckdb")
    assert path.read_text() == "AWS_PROFILE=mine\nDBT_TARGET=duckdb\n"
