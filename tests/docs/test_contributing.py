"""Test the recipes of CONTRIBUTING.md and the pre-commit hooks."""

from __future__ import annotations

import importlib
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

from project_copies import CONTRIBUTING, LEFT_OUT, keep_good_build, recipe
from warehouses import BUILDERS, PROJECT, Warehouse, copy_of

CHECK_USERS = """
import sys
from pathlib import Path
from oracle import build_star, read_folder
for user in build_star(read_folder(Path(sys.argv[1]))).users:
    print(user.user_id, user.last_session_id)
"""

MAKEFILE = (PROJECT / "Makefile").read_text(encoding="utf-8")
APPLIES = "tests/docs/test_contributing.py::test_recipe_diffs_apply_to_project"


def steps(kind: str) -> list[str]:
    """Return each step of one kind, "sh" or "diff", from all recipes."""
    return re.findall(rf"```{kind}\n(.*?)```", CONTRIBUTING, re.DOTALL)


def run(text: str, *command: str, folder: Path, variables: dict[str, str]) -> str:
    """Run a command with a text as its input, and return its output."""
    done = subprocess.run(
        command,
        cwd=folder,
        env=os.environ | variables,
        input=text,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, f"{text}\n{done.stdout}\n{done.stderr}"
    return done.stdout


def test_recipe_commands_are_in_makefile() -> None:
    lines = [line for text in steps("sh") for line in text.splitlines()]
    commands = [line.split()[1:] for line in lines if line.startswith("make ")]
    assert len(commands) == 6
    for target, *variables in commands:
        assert re.search(rf"^{target}: ", MAKEFILE, re.MULTILINE)
        for variable in variables:
            assert f"$({variable.partition('=')[0]})" in MAKEFILE


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """Return a copy of the project that the test changes."""
    return shutil.copytree(PROJECT, tmp_path / "copy", ignore=LEFT_OUT)


def test_recipe_diffs_apply_to_project(project: Path) -> None:
    """All diffs go to one copy, because some continue an earlier one."""
    diffs = steps("diff")
    assert len(diffs) == 7
    for text in diffs:
        run(text, "git", "apply", "-", folder=project, variables={})


@pytest.fixture
def built(sample_warehouse: Warehouse, tmp_path: Path) -> Warehouse:
    """Return a copy of the sample's warehouse with the files of a good build."""
    warehouse = copy_of(sample_warehouse, tmp_path / "warehouse")
    keep_good_build(warehouse)
    return warehouse


@pytest.fixture
def follow(project: Path, built: Warehouse) -> Callable[[str], str]:
    """Return a function that follows a recipe in the copy, and returns its output."""
    # The copy uses the virtual environment of this run.
    make = f"make VENV={Path(sys.executable).parent.parent} ENVIRONMENT_IS_GOOD=yes"

    def follow(name: str) -> str:
        output = ""
        for kind, text in recipe(name):
            command = ["git", "apply", "-"]
            if kind == "sh":
                command = ["bash", "-ec", text.replace("make", make)]
            output += run(text, *command, folder=project, variables=built.variables)
        return output

    return follow


@pytest.mark.long(guard=APPLIES)
def test_recipe_adds_a_column(
    follow: Callable[[str], str], project: Path, built: Warehouse, sample_data: Path
) -> None:
    assert "- users.last_session_id is new." in follow("Add a column")
    printed = run(
        *("", sys.executable, "-c", CHECK_USERS, str(sample_data)),
        folder=project,
        variables={
            "PYTHONPATH": f"{project}/tests/support:{project}/tests:{project}/scripts"
        },
    )
    expected = [tuple(map(int, line.split())) for line in printed.splitlines()]
    found = built.query("select user_id, last_session_id from analytics_changed.users")
    assert len(found) > 0
    assert sorted(found) == sorted(expected)


@pytest.mark.long(guard=APPLIES)
def test_recipe_adds_a_question(follow: Callable[[str], str]) -> None:
    assert "1 of 1 answers are as expected." in follow("Add a question")


def test_every_engine_has_each_part_of_recipe() -> None:
    section = CONTRIBUTING.split("\n## Add an engine\n")[1]
    parts = re.findall(r"^\| `([^`]+)` \|", section, re.MULTILINE)
    assert len(parts) == 7
    profile = yaml.safe_load((PROJECT / "profiles.example.yml").read_text("utf-8"))
    targets = profile["sparkify"]["outputs"].values()
    for engine in BUILDERS:
        for part in parts:
            assert (PROJECT / part.replace("ENGINE", engine)).exists(), part
        assert engine in {target["type"] for target in targets}
        assert callable(
            importlib.import_module(f"sparkify.loaders.{engine}.loader").open_loader
        )
        assert (
            engine in (PROJECT / "docs/engines.md").read_text(encoding="utf-8").lower()
        )


def test_pre_commit_hooks_are_make_targets() -> None:
    page = yaml.safe_load((PROJECT / ".pre-commit-config.yaml").read_text("utf-8"))
    (repository,) = page["repos"]
    assert repository["repo"] == "local"
    for hook in repository["hooks"]:
        assert f"\n{hook['entry'].removeprefix('make ')}: " in MAKEFILE
    done = subprocess.run(
        [str(Path(sys.executable).parent / "pre-commit"), "validate-config"],
        cwd=PROJECT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout
