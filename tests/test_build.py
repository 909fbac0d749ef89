"""The command behind ``make build``: what it says and how it ends."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from dbt.contracts.graph.manifest import Manifest

import build
import dbt_profile
from changed_code import ChangedCode
from dbt_run import run_dbt
from raw_lines import event, song
from warehouses import (
    NO_UNIT_TESTS,
    PROJECT,
    Builder,
    environment,
    make_warehouse,
    write_source,
)


def test_builds_end_with_what_there_is_and_what_failed(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    warehouse = make_warehouse(tmp_path / "warehouse")
    remembered = tmp_path / ".env"
    monkeypatch.setattr(dbt_profile, "ENVIRONMENT", remembered)
    # Unit tests take half the time, and read nothing of the warehouse.
    left_out = {"build": NO_UNIT_TESTS}
    monkeypatch.setattr(
        build, "run_dbt", lambda *a, **k: run_dbt(*a, *left_out.get(a[0], ()), **k)
    )
    play = event(page="NextSong", userId="1", level="free", gender="F", song="a")
    data = write_source(
        tmp_path / "data", {"a.json": play + b"\nbad"}, {"s.json": song()}
    )
    command = ["--target", "test", "--data", str(data)]
    with environment(warehouse.variables):
        assert build.main(command) == 0
    said = capfd.readouterr()
    for line in (
        "files                    2  2 new",
        "records                  2  2 new",
        "in quarantine            1  1 new",
        "songplays                1  rows",
        "artists                  1  rows",
    ):
        assert line in said.out
    assert "rejected_records" in said.out.split("Look at next")[1]
    assert remembered.read_text() == "DBT_TARGET=test\n"
    manifest = (warehouse.folder / "target/manifest.json").read_bytes()
    good = warehouse.folder / "target/last_good/test/manifest.json"
    assert good.read_bytes() == manifest
    assert not ChangedCode(good, Manifest.from_dict(json.loads(manifest))).is_tested

    other = json.loads(manifest)
    other["macros"]["macro.sparkify.clean_text"]["macro_sql"] = "as it was before"
    good.write_text(json.dumps(other))
    write_source(data, {"b.json": event(userId="2", level="gold", session=9)})
    with environment(warehouse.variables):
        assert build.main(command) == 1
    said = capfd.readouterr()
    assert "records                  3  1 new" in said.out
    assert "in quarantine            1  0 new" in said.out
    assert "accepted_values_users_level__free__paid" in said.out
    assert "Not all is well" in said.out
    for model in ("int_event_versions", "songplays"):
        assert (
            f"{model}: full refresh, because a macro changed (clean_text)." in said.out
        )
    assert "Traceback" not in said.out + said.err
    assert json.loads(good.read_bytes()) == other
    Builder(warehouse).close()


def test_a_build_of_an_unknown_folder_ends_with_2(tmp_path: Path) -> None:
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
    assert done.stderr.startswith("error: There is no folder ")
    assert len(done.stderr.splitlines()) == 2


def test_the_target_is_remembered_beside_what_else_is_in_the_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / ".env"
    monkeypatch.setattr(dbt_profile, "ENVIRONMENT", path)
    path.write_text("AWS_PROFILE=mine\nDBT_TARGET=sample\n")
    assert dbt_profile.remember("DBT_TARGET", "duckdb")
    assert not dbt_profile.remember("DBT_TARGET", "duckdb")
    assert path.read_text() == "AWS_PROFILE=mine\nDBT_TARGET=duckdb\n"
