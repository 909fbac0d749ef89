"""Test the README: its commands run in a fresh copy, and its figures are right."""

from __future__ import annotations

import argparse
import importlib
import json
import os
import re
import shlex
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import closing, suppress
from pathlib import Path
from typing import Any

import click
import pytest
from dbt.cli.main import cli

import build
import draw_star
from cloudformation_stand_in import REGION as STACK_REGION
from cloudformation_stand_in import start_cloudformation
from project_copies import LEFT_OUT
from redshift_stand_in import StandIn
from sparkify.builds.build import Outcome
from sparkify.loaders import LoadResult, open_loader
from sparkify.loaders.schema import RAW, STAGING, TABLES
from warehouses import PROJECT, Builder, Warehouse, copy_of

README = (PROJECT / "README.md").read_text(encoding="utf-8")
PAGES = ("docs/infrastructure.md", "docs/loading.md")
"""Pages whose commands run after those of the README."""
COMMANDS = [
    block
    for text in (README, *((PROJECT / page).read_text("utf-8") for page in PAGES))
    for block in re.findall(r"```sh\n(.*?)```", text, re.DOTALL)
]
COMMANDS.sort(key=lambda block: "TARGET=" in block or "warehouse.py" in block)
PRINTED = re.findall(r"```text\n(.*?)```", README, re.DOTALL)
PLAIN = next(block for block in COMMANDS if block.startswith("pip install"))
NOT_RUN_HERE = ("make test\n", PLAIN)  # `make test` runs this test. PLAIN has its own.


@pytest.fixture
def redshift(stand_in: StandIn, sample_data: Path) -> dict[str, str]:
    """Return the environment of a Redshift stand-in with the README's buckets."""
    client = stand_in.s3()
    for bucket in ("udacity-dend", "my-bucket"):
        client.create_bucket(
            Bucket=bucket,
            CreateBucketConfiguration={"LocationConstraint": stand_in.region},
        )
    for path in sorted(p for p in sample_data.rglob("*") if p.is_file()):
        key = path.relative_to(sample_data).as_posix()
        client.put_object(Bucket="udacity-dend", Key=key, Body=path.read_bytes())
    stand_in.create_database("readme")
    return stand_in.environment | {
        "SPARKIFY_REDSHIFT_HOST": stand_in.host,
        "SPARKIFY_REDSHIFT_PORT": str(stand_in.port),
        "SPARKIFY_REDSHIFT_DATABASE": "readme",
        "SPARKIFY_REDSHIFT_CLUSTER": stand_in.cluster,
        "SPARKIFY_REDSHIFT_REGION": stand_in.region,
        "SPARKIFY_REDSHIFT_USER": stand_in.user,
        "SPARKIFY_REDSHIFT_ROLE": stand_in.role_arn,
        # These override the values that warehouse.py wrote to .env.
        "SPARKIFY_REDSHIFT_WORKGROUP": "",
        "SPARKIFY_REDSHIFT_SECRET": "",
    }


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


def assert_serves_docs(folder: Path, environment: dict[str, str], block: str) -> None:
    port = free_port()
    block = block.replace("docs serve", f"docs serve --no-browser --port {port}")
    with subprocess.Popen(
        ["bash", "-ec", f"{block.strip()} & trap 'kill $!' TERM; wait"],
        cwd=folder,
        env=environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    ) as server:
        try:
            for _ in range(300):
                try:
                    url = f"http://127.0.0.1:{port}/manifest.json"
                    with urllib.request.urlopen(url, timeout=5) as answer:
                        served = answer.read()
                except OSError:
                    time.sleep(0.1)
                else:
                    assert b"songplays" in served
                    return
            pytest.fail("dbt docs serve did not answer within 30 seconds")
        finally:
            server.terminate()


@pytest.fixture
def stacks(redshift: dict[str, str]) -> Iterator[dict[str, str]]:
    """Yield the environment of a CloudFormation that has no stacks."""
    with start_cloudformation() as server:
        yield {
            name: text
            for name, text in redshift.items()
            if not name.startswith("SPARKIFY_")
        } | {"AWS_ENDPOINT_URL": server.endpoint, "AWS_REGION": STACK_REGION}


class ParsedError(Exception):
    """Stops a command that has parsed its arguments."""


def commands_of(block: str) -> Iterator[list[str]]:
    """Yield the commands of a block, each a list of words."""
    text = ""
    for line in block.replace("\\\n", " ").splitlines():
        text += f"{line}\n"
        with suppress(ValueError):  # an open quotation continues
            yield shlex.split(text)
            text = ""
    assert text == "", block


def assert_make_accepts(words: list[str]) -> None:
    """Check that make has the target and that the Makefile reads each variable."""
    environment = {k: v for k, v in os.environ.items() if not k.startswith("MAKE")}
    done = subprocess.run(
        ["make", "--dry-run", *words],
        cwd=PROJECT,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, f"{words}\n{done.stderr}"
    makefile = (PROJECT / "Makefile").read_text(encoding="utf-8")
    for variable in words[1:]:
        assert f"$({variable.partition('=')[0]})" in makefile


def assert_script_accepts(path: str, arguments: list[str]) -> None:
    """Check that a script accepts the arguments. The script is not run."""
    parse = argparse.ArgumentParser.parse_args

    def parse_and_stop(*given: Any) -> None:
        parse(*given)
        raise ParsedError

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(argparse.ArgumentParser, "parse_args", parse_and_stop)
        with pytest.raises((ParsedError, SystemExit)) as stop:
            importlib.import_module(Path(path).stem).main(arguments)
    assert (PROJECT / path).is_file()
    assert getattr(stop.value, "code", 0) == 0, arguments


def assert_dbt_accepts(words: list[str]) -> None:
    """Check that dbt accepts a command. The command is not run."""
    command: click.Command | None = cli
    context = cli.make_context("dbt", [], resilient_parsing=True)
    while isinstance(command, click.Group):
        name, *words = words
        command = command.get_command(context, name)
    assert command is not None, name
    command.make_context(name, words, parent=context)


def test_every_readme_command_is_valid(
    sample_warehouse: Warehouse, tmp_path: Path
) -> None:
    builder = Builder(copy_of(sample_warehouse, tmp_path / "warehouse"))
    found = [words for block in COMMANDS for words in commands_of(block)]
    assert {words[0] for words in found} == {".", "make", "dbt", "python", "pip", "cp"}
    for command, *words in found:
        if command == "make":
            assert_make_accepts(words)
        elif command == "python":
            assert_script_accepts(words[0], words[1:])
        elif command == "dbt" and words[0] == "show":
            done = builder.dbt(*words)
            assert done.returncode == 0, done.stdout
        elif command == "dbt":
            assert_dbt_accepts(words)


@pytest.mark.long(guard="tests/docs/test_readme.py::test_every_readme_command_is_valid")
def test_plain_dbt_commands_work_in_bare_environment(tmp_path: Path) -> None:
    """If the package hub is unreachable, the stand-in is installed instead."""
    project = shutil.copytree(PROJECT, tmp_path / "project", ignore=LEFT_OUT)
    bare = {
        name: os.environ[name]
        for name in ("PIP_INDEX_URL", "LANG")
        if name in os.environ
    }
    bare |= {"HOME": str(tmp_path), "PATH": f"{tmp_path}/bare/bin:/usr/bin:/bin"}
    deps = "dbt deps || PYTHONPATH=scripts python scripts/checks/install_packages.py"
    for command in (
        f"{sys.executable} -m venv {tmp_path}/bare",
        *PLAIN.replace("dbt deps", deps).splitlines(),
        "dbt test",
    ):
        done = subprocess.run(
            ["bash", "-c", command],
            cwd=project,
            env=bare,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, f"{command}\n{done.stdout}{done.stderr}"


def test_readme_shows_build_of_sample(
    sample_warehouse: Warehouse, tmp_path: Path
) -> None:
    copy = copy_of(sample_warehouse, tmp_path / "warehouse")
    text = (copy.folder / "target/manifest.json").read_text(encoding="utf-8")
    manifest = json.loads(text)
    tests = [n for n in manifest["nodes"].values() if n["resource_type"] == "test"]
    outcome = Outcome()
    outcome.success = True
    outcome.tests = outcome.passed = len(tests) + len(manifest["unit_tests"])
    with closing(open_loader(copy.target)) as warehouse:
        raw_rows = warehouse.count_rows(RAW, TABLES)
        star_rows = warehouse.count_rows("analytics", build.STAR)
    loaded = LoadResult(
        files=raw_rows["load_history"],
        loaded=sum(raw_rows[table] for table in STAGING),
        rejected=raw_rows["rejected_records"],
    )
    (printed,) = PRINTED
    assert printed in build.summary("test", loaded, raw_rows, star_rows, outcome)


@pytest.mark.long(guard="tests/docs/test_readme.py::test_every_readme_command_is_valid")
def test_readme_commands_run_in_fresh_copy(
    tmp_path: Path, redshift: dict[str, str], stacks: dict[str, str]
) -> None:
    copy = tmp_path / "copy"
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"],
        cwd=PROJECT,
        capture_output=True,
        text=True,
        check=True,
    )
    for name in filter(None, listed.stdout.split("\0")):
        if (PROJECT / name).is_file():
            (copy / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(PROJECT / name, copy / name)
    cache = os.environ.get("UV_CACHE_DIR", str(Path.home() / ".cache" / "uv"))
    kept = {
        name: v
        for name, v in os.environ.items()
        if name.startswith(("PIP_", "SSL_", "UV_"))
    }
    common = kept | {
        "PATH": os.environ["PATH"],
        "HOME": str(tmp_path),
        "LANG": "C.UTF-8",
        "UV_CACHE_DIR": cache,
    }
    printed = {}
    assert len(COMMANDS) > 5
    for block in COMMANDS:
        if block in NOT_RUN_HERE:
            continue
        if "docs serve" in block:
            assert_serves_docs(copy, common, block)
            continue
        if "TARGET=spark" in block and not shutil.which("java"):
            continue
        done = subprocess.run(
            ["bash", "-ec", block],
            cwd=copy,
            env=common | (stacks if "warehouse.py" in block else redshift),
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, f"{block}\n{done.stdout}\n{done.stderr}"
        printed[block] = done.stdout
    assert PRINTED[0] in printed["make build\n"]


def test_star_diagram_matches_tests(capsys: pytest.CaptureFixture[str]) -> None:
    assert draw_star.main(["--check"]) == 0, capsys.readouterr().out


def test_changed_test_changes_star_diagram() -> None:
    models = draw_star.read_models(PROJECT / "models" / "marts" / "core")
    diagram = draw_star.draw(models)
    assert "time ||--o{ songplays : start_time" in diagram
    assert "users |o--o{ songplays : user_id" in diagram
    columns = models["songplays"]["columns"]
    (column,) = (c for c in columns if c["name"] == "user_id")
    del column["data_tests"]
    assert "users |o--o{ songplays" not in draw_star.draw(models)


def test_every_folder_of_the_map_exists() -> None:
    folders = re.findall(
        r"^\| `([a-z/_]+)` \|", README.split("## Map")[1], re.MULTILINE
    )
    assert len(folders) > 5
    assert [name for name in folders if not (PROJECT / name).is_dir()] == []


def test_readme_has_under_200_lines() -> None:
    assert len(README.splitlines()) < 200


def test_ci_runs_test_command_of_readme() -> None:
    assert set(NOT_RUN_HERE) <= set(COMMANDS)
    ci = (PROJECT / ".ci" / "run").read_text(encoding="utf-8")
    assert "make test " in ci
    workflow = (PROJECT / ".github/workflows/ci.yml").read_text(encoding="utf-8")
    assert "run: make test\n" in workflow
