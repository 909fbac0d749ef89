"""The recipes of CONTRIBUTING lead where they say, and CI does what it says."""

from __future__ import annotations

import importlib
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import duckdb
import pytest
import yaml

from test_changed import LEFT_OUT
from test_star import BUILDERS
from warehouses import PROJECT, Warehouse

PAGE = (PROJECT / "CONTRIBUTING.md").read_text(encoding="utf-8")
CHECK_USERS = """
import sys
from pathlib import Path
from oracle import build_star, read_folder
for user in build_star(read_folder(Path(sys.argv[1]))).users:
    print(user.user_id, user.last_session_id)
"""


def recipe(name: str) -> list[tuple[str, str]]:
    """Give the steps of a recipe: diffs to apply and commands to run."""
    section = PAGE.split(f"\n## {name}\n")[1].split("\n## ")[0]
    return re.findall(r"```(diff|sh)\n(.*?)```", section, re.DOTALL)


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A copy of the project, to be changed."""
    return shutil.copytree(PROJECT, tmp_path / "copy", ignore=LEFT_OUT)


@pytest.fixture
def follow(
    project: Path, built_warehouse: Callable[[str, str], Warehouse]
) -> Callable[[str], str]:
    """Follow a recipe in the copy, on the sample that was built; give what it said."""
    warehouse = built_warehouse("duckdb", "sample")
    good = warehouse.folder / "target/last_good/test"
    good.mkdir(parents=True, exist_ok=True)
    shutil.copy(warehouse.folder / "target/manifest.json", good)
    # The environment of this run serves the copy, too.
    make = f"make VENV={Path(sys.executable).parent.parent} ENVIRONMENT_IS_GOOD=yes"

    def follow(name: str) -> str:
        said = ""
        for kind, text in recipe(name):
            command = ["git", "apply", "-"]
            if kind == "sh":
                command = ["bash", "-ec", text.replace("make", make)]
            done = subprocess.run(
                command,
                cwd=project,
                env=warehouse.environment,
                input=text,
                capture_output=True,
                text=True,
                check=False,
            )
            assert done.returncode == 0, f"{text}\n{done.stdout}\n{done.stderr}"
            said += done.stdout
        return said

    return follow


def test_a_column_is_added(
    follow: Callable[[str], str],
    project: Path,
    built_warehouse: Callable[[str, str], Warehouse],
    sample_data: Path,
) -> None:
    said = follow("Add a column")
    assert "- users.last_session_id is new." in said
    told = subprocess.run(
        [sys.executable, "-c", CHECK_USERS, str(sample_data)],
        cwd=project,
        env=os.environ | {"PYTHONPATH": f"{project}/tests:{project}/scripts"},
        capture_output=True,
        text=True,
        check=True,
    )
    expected = [tuple(map(int, line.split())) for line in told.stdout.splitlines()]
    place = built_warehouse("duckdb", "sample").path
    with duckdb.connect(str(place), read_only=True) as connection:
        found = connection.execute(
            "select user_id, last_session_id from analytics_changed.users"
        ).fetchall()
    assert len(found) > 0
    assert sorted(found) == sorted(expected)


def test_a_question_is_added(follow: Callable[[str], str]) -> None:
    said = follow("Add a question")
    assert "1 of 1 answers are as expected." in said


def test_every_engine_has_the_parts_that_the_recipe_names() -> None:
    section = PAGE.split("\n## Add an engine\n")[1]
    parts = re.findall(r"^\| `([^`]+)` \|", section, re.MULTILINE)
    assert len(parts) == 7
    profile = yaml.safe_load((PROJECT / "profiles.example.yml").read_text("utf-8"))
    targets = profile["sparkify"]["outputs"].values()
    for engine in BUILDERS:
        for part in parts:
            assert (PROJECT / part.replace("ENGINE", engine)).exists(), part
        assert engine in {target["type"] for target in targets}
        assert callable(importlib.import_module(f"loaders.{engine}").open_warehouse)
        assert (
            engine in (PROJECT / "docs/engines.md").read_text(encoding="utf-8").lower()
        )


def test_the_hooks_before_a_commit_are_the_linters_of_make() -> None:
    page = yaml.safe_load((PROJECT / ".pre-commit-config.yaml").read_text("utf-8"))
    (repository,) = page["repos"]
    assert repository["repo"] == "local"
    makefile = (PROJECT / "Makefile").read_text(encoding="utf-8")
    for hook in repository["hooks"]:
        assert f"\n{hook['entry'].removeprefix('make ')}: " in makefile
    done = subprocess.run(
        [str(Path(sys.executable).parent / "pre-commit"), "validate-config"],
        cwd=PROJECT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout
