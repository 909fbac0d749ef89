"""What several test files need: warehouses of their own, built as a user would."""

from __future__ import annotations

import hashlib
import json
import os
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import duckdb
import psycopg
import pytest
import yaml
from botocore.loaders import create_loader

import bootstrap
import build
import generate_events
import java
import local_postgres
import spark_session
from errors import SparkifyError
from loaders import open_warehouse
from oracle import Listening, Star
from redshift_stand_in import StandIn, start_stand_in

pytest_plugins = ["builder"]

LONGEST = (
    *("readme", "sample_redshift", "sample_spark", "spark_builds", "redshift_loader"),
    *("law", "mutations", "law_redshift", "parity_spark", "parity_redshift"),
    *("dashboards", "engines", "kill"),
)
"""The groups that take minutes: who runs groups side by side begins with them."""


def group_of(test: pytest.Item) -> str:
    """Name the tests that share what is slow to make: a file's, or those of an engine.

    Several files share the sample on Redshift and on Spark, which take a minute.
    """
    file = test.path.stem.removeprefix("test_")
    slow = {"redshift", "spark"} & set(re.split(r"[\[\]-]", test.name)[1:])
    if slow and file in ("star", "changed", "repaired_text", "untested"):
        file = "sample"
    return {"redshift_models": "sample_redshift", "spark": "sample_spark"}.get(
        file, "_".join([file, *slow])
    )


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Let processes that run tests side by side (``make test``) take whole groups."""
    if "PYTEST_XDIST_WORKER" not in os.environ:
        return
    for test in items:
        test.add_marker(pytest.mark.xdist_group(group_of(test)))
    place = {group: number for number, group in enumerate(LONGEST)}
    items.sort(key=lambda test: place.get(group_of(test), len(LONGEST)))


@pytest.fixture
def tell(record_property: Callable[[str, object], None]) -> Callable[[str], None]:
    """A function that has a text printed where the run ends, whoever ran the test."""
    return lambda text: record_property("told", text)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Print what the tests told of."""
    for reports in terminalreporter.stats.values():
        for report in reports:
            if getattr(report, "when", "") == "call":
                for name, text in report.user_properties:
                    if name == "told":
                        terminalreporter.write_line(str(text))


PROJECT = Path(__file__).parent.parent
ENGINES = ("duckdb", "postgres", "spark")
TABLES = ("songplays", "users", "songs", "artists", "time")
LISTENING = ("plays", "sessions", "user_level_history")
PROFILE = """\
sparkify:
  target: test
  outputs:
    test: {{type: {engine}, {place}, schema: analytics, threads: 2}}
"""


QUICK_JAVA = (
    "-XX:TieredStopAtLevel=1 -XX:ReservedCodeCacheSize=512m -XX:+UseSerialGC"
    " -Dderby.system.durability=test"
)
"""What makes Java quick where it works for minutes: it compiles once, syncs nothing.

Where it compiles once, its room for code is a fifth of what it is else; once that is
full, Java compiles no more, and Spark takes many times as long, or stops.
"""

only_duckdb = pytest.mark.parametrize("warehouse", ["duckdb"], indirect=True)
# Spark takes seconds a load: tests/test_spark.py tries all such cases in one.
without_spark = pytest.mark.parametrize(
    "warehouse", [engine for engine in ENGINES if engine != "spark"], indirect=True
)
only_spark = pytest.mark.parametrize("warehouse", ["spark"], indirect=True)
only_postgres = pytest.mark.parametrize("warehouse", ["postgres"], indirect=True)


@dataclass(frozen=True)
class Warehouse:
    """A warehouse with a folder of its own, and a profile there that names it."""

    folder: Path
    engine: str
    server: str = ""
    stand_in: StandIn | None = None

    @property
    def path(self) -> Path:
        """The file of a warehouse in DuckDB."""
        return self.folder / "warehouse.duckdb"

    @property
    def database(self) -> str:
        """The database of a warehouse in PostgreSQL or Redshift."""
        return "test_" + hashlib.md5(str(self.folder).encode()).hexdigest()  # noqa: S324

    @property
    def lake(self) -> Path:
        """The lake of a warehouse in Spark."""
        return self.folder / "lake"

    def place(self) -> str:
        """Give the keys of the profile that say where the warehouse is."""
        if self.engine == "spark":
            keys = yaml.safe_load(
                (PROJECT / "profiles.example.yml")
                .read_text(encoding="utf-8")
                .replace("{{ env_var('SPARKIFY_LAKE', 'data/lake') }}", str(self.lake))
            )["sparkify"]["outputs"]["spark"]
            del keys["type"], keys["schema"], keys["threads"]
            java = "spark.driver.extraJavaOptions"
            keys["server_side_parameters"][java] += f" {QUICK_JAVA}"
            return json.dumps(keys)[1:-1]
        if self.engine == "duckdb":
            return f"path: '{self.path}'"
        if self.stand_in is not None:
            here = self.stand_in
            # By IAM, each connection would read all of botocore's endpoints first: half
            # the time of a build. The commands of the README connect so.
            return (
                f"method: database, sslmode: disable, password: '{here.password}',"
                f" cluster_id: {here.cluster}, region: {here.region},"
                f" host: {here.host}, port: {here.port}, user: {here.user},"
                f" dbname: {self.database}"
            )
        return (
            f"host: '{self.server}', port: 5432, user: postgres, password: '',"
            f" dbname: {self.database}"
        )

    @property
    def environment(self) -> dict[str, str]:
        others = {name: v for name, v in os.environ.items() if name != "DBT_TARGET"}
        if self.stand_in is not None:
            others |= self.stand_in.environment
            others["SPARKIFY_REDSHIFT_ROLE"] = self.stand_in.role_arn
        return others | {
            "DBT_PROFILES_DIR": str(self.folder),
            "DBT_TARGET": "test",
            "DBT_TARGET_PATH": str(self.folder / "target"),
            "DBT_LOG_PATH": str(self.folder / "logs"),
        }

    @property
    def target(self) -> dict[str, Any]:
        """The target of the profile."""
        profile = yaml.safe_load((self.folder / "profiles.yml").read_text("utf-8"))
        target: dict[str, Any] = profile["sparkify"]["outputs"]["test"]
        return target

    @property
    def session(self) -> Any:
        """The session of this process on the lake of a warehouse in Spark."""
        return spark_session.start(self.target)

    def empty_lake(self) -> None:
        """Leave nothing in the lake of a warehouse in Spark."""
        open_warehouse(self.target).reset()
        for schema in ("analytics", "analytics_versions"):
            self.query(f"drop schema if exists {schema} cascade")

    def query(self, sql: str) -> list[tuple[Any, ...]]:
        if self.engine == "duckdb":
            with duckdb.connect(str(self.path), read_only=True) as connection:
                return connection.execute(sql).fetchall()
        if self.stand_in is not None:
            return self.stand_in.query(self.database, sql)
        if self.engine == "spark":
            return [tuple(row) for row in self.session.sql(_for_spark(sql)).collect()]
        with psycopg.connect(
            host=self.server, user="postgres", dbname=self.database
        ) as other_connection:
            return other_connection.execute(sql.encode()).fetchall()

    def raw_tables(self) -> list[str]:
        """List the tables in the schema raw; none where there is no warehouse yet."""
        if self.engine == "duckdb" and not self.path.exists():
            return []
        if self.engine == "spark":
            found = self.query("show schemas like 'raw'")
            tables = self.query("show tables in raw") if found else []
            return sorted(row[1] for row in tables)
        rows = self.query(
            "select table_name from information_schema.tables"
            " where table_schema = 'raw' order by table_name"
        )
        return [row[0] for row in rows]

    def dbt(
        self, *arguments: str, project: Path = PROJECT
    ) -> subprocess.CompletedProcess[str]:
        if self.engine == "spark":
            spark_session.stop()
        command = [str(Path(sys.executable).parent / "dbt"), "--quiet", *arguments]
        return subprocess.run(
            command,
            cwd=project,
            env=self.environment,
            capture_output=True,
            text=True,
            check=False,
        )


def _for_spark(sql: str) -> str:
    """Give a query with names quoted as Spark does."""
    return sql.replace('"', "`")


def make_warehouse(
    folder: Path,
    engine: str = "duckdb",
    server: str = "",
    stand_in: StandIn | None = None,
) -> Warehouse:
    """Make an empty warehouse; a server is the folder of its socket."""
    folder.mkdir(parents=True, exist_ok=True)
    warehouse = Warehouse(folder, engine, server, stand_in)
    if stand_in is not None:
        stand_in.create_database(warehouse.database)
    if engine == "postgres":
        with psycopg.connect(
            host=server, user="postgres", dbname="postgres", autocommit=True
        ) as connection:
            connection.execute(f"create database {warehouse.database}".encode())
    profile = PROFILE.format(engine=engine, place=warehouse.place())
    (folder / "profiles.yml").write_text(profile, encoding="utf-8")
    return warehouse


@pytest.fixture(params=ENGINES)
def warehouse(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest
) -> Warehouse:
    """An empty warehouse that commands in this process take as theirs."""
    server = ""
    folder = tmp_path / "warehouse"
    if request.param == "postgres":
        server = request.getfixturevalue("postgres_server")
    if request.param == "spark":
        folder = request.getfixturevalue("spark_folder")
    here = request.getfixturevalue("stand_in") if request.param == "redshift" else None
    made = make_warehouse(folder, request.param, server, here)
    for name in ("DBT_PROFILES_DIR", "DBT_TARGET"):
        monkeypatch.setenv(name, made.environment[name])
    if here is not None:
        for name, value in here.environment.items():
            monkeypatch.setenv(name, value)
        monkeypatch.setenv("SPARKIFY_REDSHIFT_ROLE", here.role_arn)
    if request.param == "spark":
        made.empty_lake()
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


def built(made: Warehouse, data: Path) -> Warehouse:
    """Load data into a new warehouse and run dbt build on it, as a user would."""
    if made.engine == "spark":
        spark_session.stop()
    script = [sys.executable, str(PROJECT / "scripts" / "bootstrap.py")]
    source = ["--data", str(data)]
    if made.stand_in is not None:
        bucket = put_into_bucket(made.stand_in, made.database.replace("_", "-"), data)
        source = ["--data", f"{bucket}/data", "--compact", f"{bucket}/parts"]
    loading = subprocess.run(
        [*script, *source],
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


def put_into_bucket(stand_in: StandIn, bucket: str, data: Path) -> str:
    """Copy log_data and song_data below data/ in a bucket, and give its address."""
    s3 = stand_in.s3()
    with suppress(s3.exceptions.BucketAlreadyOwnedByYou):
        region = {"LocationConstraint": stand_in.region}
        s3.create_bucket(Bucket=bucket, CreateBucketConfiguration=region)
    for part in ("log_data", "song_data"):
        for path in sorted((data / part).rglob("*.json*")):
            key = f"data/{path.relative_to(data).as_posix()}"
            s3.put_object(Bucket=bucket, Key=key, Body=path.read_bytes())
    return f"s3://{bucket}"


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
def postgres_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The folder of a PostgreSQL server's socket."""
    server = local_postgres.server_of(tmp_path_factory.mktemp("postgres") / "data")
    yield str(server.get_postmaster_info().socket_dir)
    server.stop()


@pytest.fixture(scope="session", autouse=True)
def one_loader() -> Iterator[None]:
    """What botocore reads of AWS's services is read once, not for each session."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("botocore.session.create_loader", cache(create_loader))
        yield


@pytest.fixture(scope="session")
def stand_in(postgres_server: str) -> Iterator[StandIn]:
    """What stands in for Amazon Redshift and the AWS services around it."""
    with start_stand_in(postgres_server) as started:
        yield started


@pytest.fixture(scope="session")
def spark_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of the one warehouse in Spark that tests share: Java starts slowly."""
    require_spark()
    return tmp_path_factory.mktemp("spark")


def require_spark() -> None:
    """Skip a test where there is no Java for Spark."""
    try:
        java.require_java()
    except SparkifyError as error:
        pytest.skip(str(error).splitlines()[0])
    pytest.importorskip("pyspark", reason="make .venv/.spark-installed installs Spark")


BUILT: dict[tuple[str, str], Warehouse] = {}


@pytest.fixture(scope="session")
def built_warehouse(
    tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest
) -> Callable[[str, str], Warehouse]:
    """A function that gives the warehouse of an engine and of sample or real data.

    Other data have a name and a folder of their own.
    """

    def give(engine: str, data: str, folder_of_data: Path | None = None) -> Warehouse:
        if (engine, data) not in BUILT:
            server = ""
            if engine == "postgres":
                server = request.getfixturevalue("postgres_server")
            if engine == "spark":
                require_spark()
            here = None
            if engine == "redshift":
                here = request.getfixturevalue("stand_in")
            folder = tmp_path_factory.mktemp(f"{engine}_{data}")
            empty = make_warehouse(folder, engine, server, here)
            BUILT[engine, data] = built(
                empty, folder_of_data or request.getfixturevalue(f"{data}_data")
            )
        return BUILT[engine, data]

    return give


@pytest.fixture(scope="session")
def sample_warehouse(built_warehouse: Callable[[str, str], Warehouse]) -> Warehouse:
    """The sample in DuckDB."""
    return built_warehouse("duckdb", "sample")


def assert_table_is_the_oracles(
    warehouse: Warehouse, star: Star | Listening, table: str
) -> None:
    """Compare a table with the oracle's: rows, values, and types of values."""
    expected = star.tables()[table]
    columns = ", ".join(expected.columns)
    found = warehouse.query(f'select {columns} from analytics."{table}"')
    found.sort(key=lambda row: row[0])
    assert len(found) == len(expected.rows)
    for row, expected_row in zip(found, expected.rows, strict=True):
        assert row == tuple(expected_row)
        assert [type(v) for v in row] == [type(v) for v in expected_row]
