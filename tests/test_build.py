"""The command behind ``make build``: what it says and how it ends."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

import dbt_profile
from raw_lines import event, song
from warehouses import PROJECT, Warehouse, make_warehouse, write_source


def run_build(
    warehouse: Warehouse, data: Path, *arguments: str
) -> subprocess.CompletedProcess[str]:
    """Run the command in a process of its own, with a .env of its own."""
    script = (
        "import sys; from pathlib import Path; import build, dbt_profile;"
        f"dbt_profile.ENVIRONMENT = Path({str(warehouse.folder / '.env')!r});"
        "sys.exit(build.main(sys.argv[1:]))"
    )
    options = ["--target", "test", "--data", str(data), *arguments]
    return subprocess.run(
        [sys.executable, "-c", script, *options],
        cwd=PROJECT / "scripts",
        env=warehouse.environment,
        capture_output=True,
        text=True,
        check=False,
    )


def test_a_build_ends_with_what_there_is_and_a_second_finds_nothing_new(
    tmp_path: Path,
) -> None:
    warehouse = make_warehouse(tmp_path / "warehouse")
    play = event(page="NextSong", userId="1", level="free", gender="F", song="a")
    data = write_source(
        tmp_path / "data", {"a.json": play + b"\nbad"}, {"s.json": song()}
    )
    first = run_build(warehouse, data)
    assert first.returncode == 0, first.stdout + first.stderr
    for line in (
        "files                    2  2 new",
        "records                  2  2 new",
        "in quarantine            1  1 new",
        "songplays                1  rows",
        "artists                  1  rows",
    ):
        assert line in first.stdout
    assert "rejected_records" in first.stdout.split("Look at next")[1]
    assert (warehouse.folder / ".env").read_text() == "DBT_TARGET=test\n"
    second = run_build(warehouse, data)
    assert second.returncode == 0
    assert "Nothing new to load." in second.stdout
    assert "records                  2  0 new" in second.stdout


def test_a_build_with_a_failed_test_says_so_and_ends_with_1(tmp_path: Path) -> None:
    warehouse = make_warehouse(tmp_path / "warehouse")
    play = event(page="NextSong", userId="1", level="gold")
    data = write_source(tmp_path / "data", {"a.json": play}, {"s.json": song()})
    done = run_build(warehouse, data)
    assert done.returncode == 1
    assert "accepted_values_users_level__free__paid" in done.stdout
    assert "Not all is well" in done.stdout
    assert "Traceback" not in done.stdout + done.stderr


def test_a_build_of_an_unknown_folder_ends_with_2(tmp_path: Path) -> None:
    done = run_build(make_warehouse(tmp_path / "warehouse"), tmp_path / "nowhere")
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
