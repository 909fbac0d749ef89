"""A copy of the project to measure, and the commands that users run."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from sparkify.loaders.postgres.server import SOCKET_VARIABLE, server_of
from sparkify.shared.project import PROJECT
from timing import Cost, timed

PARTS: Final = (
    *("analyses", "benchmarks", "dbt_packages", "macros", "models", "scripts", "seeds"),
    *("tests", "dbt_project.yml", "packages.yml"),
)
MEASURED: Final = (
    *("macros", "models", "scripts", "seeds", "tests/generic", "dbt_project.yml"),
    *("packages.yml", "profiles.yml"),
)
"""The copied files that influence the speed."""

BIN: Final = Path(sys.executable).parent


class Project:
    """A copy of the project, with its own warehouse and profile."""

    def __init__(self, folder: Path, memory_limit: str) -> None:
        """Copy the project. Keep dbt's files of an earlier copy."""
        self.folder = folder
        self.memory_limit = memory_limit
        self.root = folder / "project"
        self.warehouse = folder / "warehouse.duckdb"
        self.logs = folder / "logs"
        self._server_variables: dict[str, str] = {}
        for name in PARTS:
            target = self.root / name
            if (PROJECT / name).is_dir():
                shutil.rmtree(target, ignore_errors=True)
                # Files keep their times, so that dbt parses only changed files.
                shutil.copytree(
                    PROJECT / name,
                    target,
                    ignore=shutil.ignore_patterns("__pycache__"),
                )
            else:
                shutil.copy2(PROJECT / name, target)
        shutil.copy2(PROJECT / "profiles.example.yml", self.root / "profiles.yml")

    def code(self) -> str:
        """Return a hash of the measured files."""
        digest = hashlib.sha256()
        for name in MEASURED:
            part = self.root / name
            for path in sorted(part.rglob("*")) if part.is_dir() else [part]:
                if path.suffix in (".py", ".sql", ".yml", ".csv"):
                    digest.update(str(path.relative_to(self.root)).encode())
                    digest.update(path.read_bytes())
        return digest.hexdigest()[:12]

    def build(self, target: str, *arguments: str, tests: str = "all") -> Cost:
        """Run ``scripts/build.py``: load new files, build and test.

        dbt parses changed files first, which is not part of the cost.
        """
        self.dbt(target, "parse")
        script = self.root / "scripts" / "build.py"
        command: list[str | Path] = [sys.executable, script, "--target", target]
        command += [*arguments, "--tests", tests]
        return self._timed(f"build_{target}", command, target)

    def script(self, log: str, name: str, *arguments: str) -> Cost:
        """Run one of the project's scripts."""
        script = self.root / "scripts" / name
        return self._timed(log, [sys.executable, script, *arguments])

    def benchmark(self, log: str, name: str, *arguments: str | Path) -> Cost:
        """Run one of the scripts of this folder."""
        script = self.root / "benchmarks" / name
        return self._timed(log, [sys.executable, script, *arguments])

    def dbt(self, target: str, *arguments: str, folder: Path | None = None) -> Cost:
        """Run dbt on a target, in this project or another folder."""
        options = ["--target", target]
        options += ["--project-dir", str(folder)] if folder else []
        return self._timed(
            f"dbt_{arguments[0]}",
            [BIN / "dbt", "--quiet", *arguments, *options],
            f"{target}_of_{folder.name}" if folder else target,
        )

    def start_of_dbt(self) -> Cost:
        """Start dbt without a task."""
        return self._timed("dbt_version", [BIN / "dbt", "--version"])

    def _timed(
        self, log: str, command: Sequence[str | Path], target: str = "duckdb"
    ) -> Cost:
        # With one folder for two targets, dbt would parse all files each time.
        output = {"DBT_TARGET_PATH": str(self._target_path(target))}
        return timed(
            command, self.root, self.environment | output, self.logs / f"{log}.txt"
        )

    def _target_path(self, target: str) -> Path:
        return self.root / "target" / target

    @property
    def environment(self) -> dict[str, str]:
        """Environment of all commands. It allows compiled Python files."""
        ours = ("DBT_", "SPARKIFY_", "PYTHONDONTWRITEBYTECODE")
        others = {
            name: v for name, v in os.environ.items() if not name.startswith(ours)
        }
        return others | {
            "DBT_PROFILES_DIR": str(self.root),
            "DBT_SEND_ANONYMOUS_USAGE_STATS": "false",
            "PYTHONPATH": str(self.root / "scripts"),
            "SPARKIFY_DUCKDB": str(self.warehouse),
            "SPARKIFY_MEMORY_LIMIT": self.memory_limit,
            "SPARKIFY_LAKE": str(self.folder / "lake"),
            **self._server_variables,
        }

    def delete_warehouse(self) -> None:
        """Delete the DuckDB warehouse."""
        for path in self.folder.glob("warehouse.duckdb*"):
            shutil.rmtree(path) if path.is_dir() else path.unlink()

    def copy_warehouse(self, path: Path) -> None:
        """Copy a kept warehouse."""
        self.delete_warehouse()
        shutil.copyfile(path, self.warehouse)

    def nodes(self, target: str) -> list[dict[str, Any]]:
        """Return the results of the last build by node (run_results.json)."""
        path = self._target_path(target) / "run_results.json"
        results: list[dict[str, Any]] = json.loads(path.read_text(encoding="utf-8"))[
            "results"
        ]
        return results

    @contextmanager
    def postgres(self) -> Iterator[str]:
        """Run a PostgreSQL server. Yields the folder of its socket."""
        server = server_of(self.root / "data" / "postgres")
        try:
            socket = str(server.get_postmaster_info().socket_dir)
            self._server_variables = {SOCKET_VARIABLE: socket}
            yield socket
        finally:
            self._server_variables = {}
            server.stop()
