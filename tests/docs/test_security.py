"""Test each promise about secrets, quoting, dependencies and statistics.

Other files test SQL in values and file names (test_dirty.py), rights of the templates'
roles (test_infra.py) and access to .env (test_warehouse.py).
"""

from __future__ import annotations

import os
import re
import shutil
import socket
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import duckdb
import psycopg
import pytest
import yaml
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from moto.server import ThreadedMotoServer

import bootstrap
from raw_lines import event, song
from sparkify.loaders import open_loader
from sparkify.shared.quoting import (
    quote_identifier,
    quote_literal,
    quote_redshift_literal,
)
from warehouses import PROJECT, Builder, Warehouse, environment, make_warehouse

TEXTS = st.text(
    st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=40
) | st.lists(
    st.sampled_from(
        ["'", '"', "`", "\\", "--", "/*", "*/", ";", "$$", "$1", "%s", "\n"]
    )
).map("".join)
MAX_NAME = 63  # bytes of a name in PostgreSQL
SETTINGS = settings(
    max_examples=200,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)


# --- Quoting -------------------------------------------------------------------------


@SETTINGS
@given(TEXTS, TEXTS)
@example("'; drop table t; --", 'a" from t; --')
@example("\\'", '""')
def test_duckdb_names_and_literals_cannot_be_escaped(text: str, name: str) -> None:
    name = name or "x"
    sql = f"select {quote_literal(text)} as {quote_identifier(name)}"
    assert len(duckdb.extract_statements(sql)) == 1
    found = duckdb.sql(sql)
    assert found is not None
    assert (found.columns, found.fetchall()) == ([name], [(text,)])


@SETTINGS
@given(TEXTS, TEXTS)
@example("'; drop table t; --", 'a" from t; --')
@example("\\'", '""')
def test_postgresql_names_and_literals_cannot_be_escaped(
    server: psycopg.Connection[tuple[str]], text: str, name: str
) -> None:
    """Redshift literals are checked too: old PostgreSQL reads backslashes alike.

    A binary query with two statements fails.
    """
    name = name.encode()[:MAX_NAME].decode(errors="ignore") or "x"
    sql = f"select {quote_literal(text)} as {quote_identifier(name)}"
    found = server.execute(sql.encode(), binary=True)
    assert found.description
    assert (found.description[0].name, found.fetchall()) == (name, [(text,)])
    server.execute("set local standard_conforming_strings = off")
    server.execute("set local escape_string_warning = off")
    literal = f"select {quote_redshift_literal(text)}".encode()
    assert server.execute(literal, binary=True).fetchall() == [(text,)]
    server.rollback()


@pytest.fixture
def server(postgres_server: str) -> Iterator[psycopg.Connection[tuple[str]]]:
    """Yield a connection to PostgreSQL."""
    with psycopg.connect(
        host=postgres_server, user="postgres", dbname="postgres", client_encoding="utf8"
    ) as connection:
        yield connection


def test_nul_and_empty_name_are_rejected() -> None:
    for quote in (quote_identifier, quote_literal, quote_redshift_literal):
        with pytest.raises(ValueError, match=r"NUL|identifier"):
            quote("a\0b")
    with pytest.raises(ValueError, match="identifier"):
        quote_identifier("")


def test_schema_and_table_names_are_quoted(tmp_path: Path) -> None:
    schema, table = 'an"alytics"; drop schema raw; --', "t'; select 1; --"
    path = tmp_path / "warehouse.duckdb"
    with duckdb.connect(str(path)) as connection:
        relation = ".".join(
            '"' + part.replace('"', '""') + '"' for part in (schema, table)
        )
        connection.execute(f"create schema {relation.rsplit('.', 1)[0]}")
        connection.execute(f"create table {relation} as select 1")
    warehouse = open_loader({"type": "duckdb", "path": str(path)})
    assert warehouse.count_rows(schema, [table]) == {table: 1}
    warehouse.close()


# --- Secrets -------------------------------------------------------------------------


SECRETS = {
    "AWS_ACCESS_KEY_ID": "AKIASENTINEL0000KEY0",
    "AWS_SECRET_ACCESS_KEY": "sentinel/secret+of/aws",
    "AWS_SESSION_TOKEN": "sentinel-token-of-a-session",
    "SENTINEL_PASSWORD": "sentinel-password-in-the-environment",
}
WRITTEN_PASSWORD = "sentinel-password-in-the-profile"  # noqa: S105 -- a sentinel
PROFILE_WITH_SECRETS = """\
    written: {type: postgres, host: 127.0.0.1, port: 9, user: me, dbname: db,
      password: %s, schema: analytics, threads: 1}
    asked: {type: postgres, host: 127.0.0.1, port: 9, user: me, dbname: db,
      password: "{{ env_var('SENTINEL_PASSWORD') }}", schema: analytics, threads: 1}
    cluster: {type: redshift, method: iam, cluster_id: mine, region: us-west-2,
      host: mine.abc.us-west-2.redshift.amazonaws.com, port: 5439, user: me,
      dbname: dev, schema: analytics, threads: 1}
"""
SITECUSTOMIZE = """\
import os, socket
connect = socket.socket.connect
def connect_and_note(self, address):
    if self.family != socket.AF_UNIX:
        with open(os.environ["CONNECTIONS"], "a") as file:
            print(address, file=file)
    return connect(self, address)
look_up = socket.getaddrinfo
def look_up_and_note(host, *others, **more):
    with open(os.environ["CONNECTIONS"], "a") as file:
        print(host, file=file)
    return look_up(host, *others, **more)
socket.socket.connect, socket.getaddrinfo = connect_and_note, look_up_and_note
"""


def assert_no_secret(folder: Path, output: str, *files: str) -> None:
    """Check that the output and the folder, which has these files, have no secret."""
    written = {
        path: path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file() and path.name != "profiles.yml"
    }
    assert {*files} <= {path.name for path in written}
    for secret in (*SECRETS.values(), WRITTEN_PASSWORD):
        assert secret not in output
        assert [p for p, text in written.items() if secret.encode() in text] == []


@pytest.fixture
def secretive(tmp_path: Path) -> Warehouse:
    """Return an empty warehouse whose profile has more targets, with passwords."""
    warehouse = make_warehouse(tmp_path / "warehouse")
    profile = warehouse.folder / "profiles.yml"
    more = PROFILE_WITH_SECRETS % WRITTEN_PASSWORD
    profile.write_text(profile.read_text() + more, encoding="utf-8")
    return warehouse


def variables_with_secrets(warehouse: Warehouse, endpoint: str) -> dict[str, str]:
    """Return the environment variables of a command that reads S3 at an endpoint."""
    return (
        warehouse.variables
        | SECRETS
        | {
            "AWS_ENDPOINT_URL": endpoint,
            "AWS_REGION": "us-west-2",
            "AWS_MAX_ATTEMPTS": "1",
            "HOME": str(warehouse.folder),
        }
    )


@pytest.fixture(scope="module")
def s3() -> Iterator[str]:
    """Yield the endpoint of an S3 server that contains a source."""
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    endpoint = f"http://{host}:{port}"
    bucket = boto3.resource(
        "s3",
        endpoint_url=endpoint,
        region_name="us-west-2",
        aws_access_key_id="x",
        aws_secret_access_key="x",  # noqa: S106 -- not a secret
    ).Bucket("secrets")
    bucket.create(CreateBucketConfiguration={"LocationConstraint": "us-west-2"})
    bucket.put_object(Key="in/log_data/a.json", Body=event() + b"\nbad")
    bucket.put_object(Key="in/song_data/s.json", Body=song())
    yield endpoint
    server.stop()


LOAD = ("--data", "s3://secrets/in")
UNREACHABLE = {"AWS_ENDPOINT_URL": "http://127.0.0.1:9"}


def test_load_prints_and_writes_no_secret(
    secretive: Warehouse,
    s3: str,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    """Some loads succeed and some fail. dbt makes no connection."""
    reached = []
    connect = socket.socket.connect

    def connect_and_note(self: socket.socket, address: Any) -> None:
        if self.family != socket.AF_UNIX:
            reached.append(address)
        connect(self, address)

    monkeypatch.setattr(socket.socket, "connect", connect_and_note)
    monkeypatch.delenv("DO_NOT_TRACK", raising=False)
    with environment(variables_with_secrets(secretive, s3)):
        assert bootstrap.main([*LOAD, "--dry-run"]) == 0
        assert bootstrap.main([*LOAD]) == 0
        assert bootstrap.main(["--data", "s3://missing/in"]) == 2
        with environment(UNREACHABLE):
            assert bootstrap.main([*LOAD]) == 2
            for target in ("written", "asked", "cluster"):
                assert bootstrap.main([*LOAD, "--target", target]) == 2
        assert reached
        reached.clear()
        builder = Builder(secretive)
        done = builder.dbt("--log-level-file", "debug", "docs", "generate")
        assert done.returncode == 0, done.stdout
        assert reached == []
    output = "".join(capfd.readouterr()) + done.stdout
    assert_no_secret(secretive.folder, output, "dbt.log")


@pytest.mark.long(
    guard="tests/docs/test_security.py::test_load_prints_and_writes_no_secret"
)
def test_no_secret_is_printed_and_no_statistics_sent(
    secretive: Warehouse, s3: str
) -> None:
    """Some commands succeed and some fail, including those of dbt and dct."""
    folder = secretive.folder
    (folder / "guard").mkdir()
    (folder / "guard" / "sitecustomize.py").write_text(SITECUSTOMIZE)
    connections = folder / "connections.txt"
    variables = os.environ | variables_with_secrets(secretive, s3)
    variables |= {"PYTHONPATH": str(folder / "guard"), "CONNECTIONS": str(connections)}
    variables.pop("DO_NOT_TRACK", None)
    output = ""

    def run(*command: str, **more: str) -> int:
        nonlocal output
        done = subprocess.run(
            [sys.executable, *command],
            cwd=PROJECT,
            env=variables | more,
            capture_output=True,
            text=True,
            check=False,
        )
        output += f"\n$ {command} {done.stdout}{done.stderr}"
        assert "Traceback" not in done.stdout + done.stderr
        return done.returncode

    load = ("scripts/bootstrap.py", *LOAD)
    assert run(*load, "--dry-run") == 0
    assert run(*load) == 0
    assert run("scripts/bootstrap.py", "--data", "s3://missing/in") == 2
    assert run(*load, **UNREACHABLE) == 2
    assert run("scripts/warehouse.py", "status", **UNREACHABLE) == 2
    for target in ("written", "asked", "cluster"):
        assert run(*load, "--target", target, **UNREACHABLE) == 2
    assert connections.read_text()

    connections.unlink()
    dbt = [str(Path(sys.executable).parent / "dbt"), "--log-level-file", "debug"]
    assert run(*dbt, "docs", "generate") == 0, output
    assert run(str(Path(sys.executable).parent / "dct"), "docs") == 0
    assert not connections.exists()
    for target in ("written", "asked"):
        variables["DBT_TARGET_PATH"] = str(folder / target)
        assert run(*dbt, "debug", "--target", target) == 1, output[-2000:]
    assert "connection to server at" in output
    assert_no_secret(folder, output, "dbt.log", "manifest.json")


def test_usage_statistics_of_tools_are_off() -> None:
    """Dbt Charts reads DO_NOT_TRACK first, then dbt's flag."""
    project = yaml.safe_load((PROJECT / "dbt_project.yml").read_text(encoding="utf-8"))
    assert project["flags"]["send_anonymous_usage_stats"] is False
    makefile = (PROJECT / "Makefile").read_text(encoding="utf-8")
    assert re.search(r"^export DO_NOT_TRACK := 1$", makefile, re.MULTILINE)


def test_existing_profile_becomes_private(tmp_path: Path) -> None:
    for name in ("Makefile", "profiles.example.yml"):
        shutil.copy(PROJECT / name, tmp_path)
    profile = tmp_path / "profiles.yml"
    for _ in range(2):
        subprocess.run(["make", "-B", "profiles.yml"], cwd=tmp_path, check=True)
        assert stat.S_IMODE(profile.stat().st_mode) == 0o600
        profile.chmod(0o644)


# --- Dependencies --------------------------------------------------------------------


LOCKS = sorted((PROJECT / "requirements").glob("*.txt"))


@pytest.mark.parametrize("lock", LOCKS, ids=lambda path: path.stem)
def test_each_requirement_has_one_version_and_its_hashes(lock: Path) -> None:
    text = lock.read_text(encoding="utf-8").replace("\\\n", " ")
    lines = [line.partition("#")[0].rstrip() for line in text.splitlines()]
    lines = [line for line in lines if line]
    if lock.stem == "overrides":
        assert lines == ['dbt-core-experimental-parser ; sys_platform == "never"']
        return
    assert len(lines) > 0
    form = (
        r"[a-z0-9][\w.-]*(\[[\w,-]+\])?==[\w.+!]+( ; [^;#]+?)?"
        r"( +--hash=sha256:[0-9a-f]{64})+"
    )
    assert [line for line in lines if not re.fullmatch(form, line)] == []
