"""What several test files need: warehouses of their own, built as a user would."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import duckdb
import pytest

import bootstrap
import build
import generate_events

PROJECT = Path(__file__).parent.parent
PROFILE = """\
sparkify:
  target: test
  outputs:
    test: {{type: duckdb, path: '{path}', schema: analytics, threads: 2}}
"""


@dataclass(frozen=True)
class Warehouse:
    """A DuckDB warehouse in a folder of its own, with a profile that names it."""

    folder: Path

    @property
    def path(self) -> Path:
        return self.folder / "warehouse.duckdb"

    @property
    def environment(self) -> dict[str, str]:
        others = {name: v for name, v in os.environ.items() if name != "DBT_TARGET"}
        return others | {
            "DBT_PROFILES_DIR": str(self.folder),
            "DBT_TARGET": "test",
            "DBT_TARGET_PATH": str(self.folder / "target"),
            "DBT_LOG_PATH": str(self.folder / "logs"),
        }

    def query(self, sql: str) -> list[tuple[Any, ...]]:
        with duckdb.connect(str(self.path), read_only=True) as connection:
            return connection.execute(sql).fetchall()

    def dbt(
        self, *arguments: str, project: Path = PROJECT
    ) -> subprocess.CompletedProcess[str]:
        command = [str(Path(sys.executable).parent / "dbt"), "--quiet", *arguments]
        return subprocess.run(
            command,
            cwd=project,
            env=self.environment,
            capture_output=True,
            text=True,
            check=False,
        )


def make_warehouse(folder: Path) -> Warehouse:
    folder.mkdir(parents=True, exist_ok=True)
    warehouse = Warehouse(folder)
    profile = PROFILE.format(path=warehouse.path)
    (folder / "profiles.yml").write_text(profile, encoding="utf-8")
    return warehouse


@pytest.fixture
def warehouse(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Warehouse:
    """An empty warehouse that commands in this process take as theirs."""
    made = make_warehouse(tmp_path / "warehouse")
    for name in ("DBT_PROFILES_DIR", "DBT_TARGET"):
        monkeypatch.setenv(name, made.environment[name])
    return made


Load = Callable[..., int]


@pytest.fixture
def load(warehouse: Warehouse) -> Load:
    """The bootstrap command, on the empty warehouse."""
    del warehouse

    def run(data: Path | str, *arguments: str) -> int:
        return bootstrap.main(["--data", str(data), *arguments])

    return run


def write_source(
    root: Path,
    logs: dict[str, bytes] | None = None,
    songs: dict[str, bytes] | None = None,
) -> Path:
    """Write files of log_data and song_data below a root, and give the root."""
    for part, files in (("log_data", logs or {}), ("song_data", songs or {})):
        (root / part).mkdir(parents=True, exist_ok=True)
        for name, content in files.items():
            path = root / part / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)
    return root


def built(folder: Path, data: Path, load_arguments: Sequence[str] = ()) -> Warehouse:
    """Load data into a new warehouse and run dbt build on it, as a user would."""
    made = make_warehouse(folder)
    script = [sys.executable, str(PROJECT / "scripts" / "bootstrap.py")]
    loading = subprocess.run(
        [*script, "--data", str(data), *load_arguments],
        env=made.environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert loading.returncode == 0, loading.stderr
    for command in (["build"], ["compile", "--select", "resource_type:analysis"]):
        done = made.dbt(*command)
        assert done.returncode == 0, done.stdout + done.stderr
    return made


@pytest.fixture(scope="session")
def sample_data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The sample that ``make build`` takes, dirty records and all."""
    folder = tmp_path_factory.mktemp("sample") / "data"
    assert generate_events.main(["--out", str(folder), *build.SAMPLE_ARGUMENTS]) == 0
    return folder


@pytest.fixture(scope="session")
def real_data() -> Path:
    """The folder of real data that REAL_DATA names."""
    named = os.environ.get("REAL_DATA")
    if not named:
        pytest.skip("REAL_DATA names no folder of real data")
    return Path(named)


@pytest.fixture(scope="session")
def sample_warehouse(
    tmp_path_factory: pytest.TempPathFactory, sample_data: Path
) -> Warehouse:
    return built(tmp_path_factory.mktemp("sample_warehouse"), sample_data)


@pytest.fixture(scope="session")
def real_warehouse(
    tmp_path_factory: pytest.TempPathFactory, real_data: Path
) -> Warehouse:
    return built(tmp_path_factory.mktemp("real_warehouse"), real_data)
