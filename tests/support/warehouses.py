"""Make, load, build and compare warehouses in the process of the tests."""

from __future__ import annotations

import contextlib
import gc
import hashlib
import io
import json
import os
import shutil
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import duckdb
import psycopg
import pytest
import yaml
from dbt.adapters.duckdb.connections import DuckDBConnectionManager
from dbt.cli.main import dbtRunner
from dbt.contracts.graph.manifest import Manifest

import bootstrap
from oracle import Listening, Star, build_listening, build_star, read_folder
from redshift_stand_in import StandIn
from sparkify.loaders import open_loader
from sparkify.loaders.spark import session as spark_session

PROJECT: Final = Path(__file__).parents[2]
ENGINES: Final = ("duckdb", "postgres", "spark")
BUILDERS: Final = (*ENGINES, "redshift")
TABLES: Final = ("songplays", "users", "songs", "artists", "time")
LISTENING: Final = ("plays", "sessions", "user_level_history")
PARTS: Final = ("log_data", "song_data")
NO_UNIT_TESTS: Final = ("--exclude-resource-type", "unit_test")
NO_TESTS: Final = ("--exclude-resource-type", "test", *NO_UNIT_TESTS)
QUICK: Final = "--no-write-json"
"""dbt then writes no manifest, which takes a third of its time."""
DROP_SCHEMAS: Final = (
    "drop schema if exists analytics, analytics_builds, analytics_intermediate,"
    " analytics_staging, raw cascade"
)
PROFILE: Final = """\
sparkify:
  target: elsewhere
  outputs:
    elsewhere: {{type: duckdb, path: "{elsewhere}", schema: analytics, threads: 1}}
    test: {{type: {engine}, {location}, schema: analytics, threads: 2}}
"""
"""The default target is not the target of the tests, as users may have it."""
QUICK_JAVA: Final = (
    "-XX:TieredStopAtLevel=1 -XX:ReservedCodeCacheSize=512m"
    " -Dderby.system.durability=test -XX:-UsePerfData"
)
"""Java options for runs of a few minutes: one compiler tier, no synced writes.

With one tier, the default code cache is five times smaller. When the cache is full,
Java stops compiling, and Spark takes many times as long or stops.
"""
QUICK_SPARK: Final = {
    "spark.sql.codegen.wholeStage": "false",
    "spark.sql.codegen.factoryMode": "NO_CODEGEN",
}
"""Generating and compiling code takes longer than one run without it."""


@dataclass(frozen=True)
class Warehouse:
    """A warehouse with its own folder, which contains its profile."""

    folder: Path
    engine: str
    server: str = ""
    stand_in: StandIn | None = None

    @property
    def path(self) -> Path:
        """Return the file of a DuckDB warehouse."""
        return self.folder / "warehouse.duckdb"

    @property
    def database(self) -> str:
        """Return the database of a PostgreSQL or Redshift warehouse."""
        return "test_" + hashlib.md5(str(self.folder).encode()).hexdigest()  # noqa: S324

    @property
    def bucket(self) -> str:
        """Return the bucket that replaces a folder of data on Redshift."""
        return self.database.replace("_", "-")

    @property
    def lake(self) -> Path:
        """Return the lake of a Spark warehouse."""
        return self.folder / "lake"

    def location(self) -> str:
        """Return the keys of the profile that locate the warehouse, as YAML."""
        example = (PROJECT / "profiles.example.yml").read_text(encoding="utf-8")
        lake = "{{ env_var('SPARKIFY_LAKE', 'data/lake') }}"
        profile = yaml.safe_load(example.replace(lake, str(self.lake)))["sparkify"]
        keys = profile["outputs"][self.engine]
        if self.engine in ("duckdb", "spark"):
            del keys["type"], keys["schema"], keys["threads"]
            if self.engine == "duckdb":
                keys["path"] = str(self.path)
                keys["module_paths"] = [str(PROJECT / "scripts")]
                keys["settings"] = {"memory_limit": "80%"}
            else:
                parameters = keys["server_side_parameters"]
                parameters |= QUICK_SPARK
                parameters["spark.driver.extraJavaOptions"] += f" {QUICK_JAVA}"
            return json.dumps(keys)[1:-1]
        if self.stand_in is not None:
            here = self.stand_in
            names = ("retries", "drop_without_cascade", "allow_concurrent_drops")
            # With IAM, each connection first reads all of botocore's endpoints, half
            # the time of a build. The commands of the README use IAM.
            return (
                f"method: database, sslmode: disable, password: '{here.password}',"
                f" cluster_id: {here.cluster}, region: {here.region},"
                f" host: {here.host}, port: {here.port}, user: {here.user},"
                f" dbname: {self.database},"
                f" {json.dumps({name: keys[name] for name in names})[1:-1]}"
            )
        return (
            f"host: '{self.server}', port: 5432, user: postgres, password: '',"
            f" dbname: {self.database}"
        )

    @property
    def variables(self) -> dict[str, str]:
        """Return the environment variables that select this warehouse."""
        found = {}
        if self.stand_in is not None:
            found = dict(self.stand_in.environment)
            found["SPARKIFY_REDSHIFT_ROLE"] = self.stand_in.role_arn
        return found | {
            "DBT_PROFILES_DIR": str(self.folder),
            "DBT_TARGET": "test",
            "DBT_TARGET_PATH": str(self.folder / "target"),
            "DBT_LOG_PATH": str(self.folder / "logs"),
            "DBT_LOG_LEVEL_FILE": "none",
        }

    @property
    def environment(self) -> dict[str, str]:
        """Return the environment of another process that uses this warehouse."""
        return os.environ | self.variables

    @property
    def target(self) -> dict[str, Any]:
        """Return the target of the profile."""
        profile = yaml.safe_load((self.folder / "profiles.yml").read_text("utf-8"))
        target: dict[str, Any] = profile["sparkify"]["outputs"]["test"]
        return target

    @property
    def session(self) -> Any:
        """Return this process's session on the lake of a Spark warehouse."""
        return spark_session.start(self.target)

    def empty_lake(self) -> None:
        """Drop everything in the lake of a Spark warehouse."""
        open_loader(self.target).reset()
        for (schema,) in self.query("show schemas like 'analytics*'"):
            self.query(f"drop schema {schema} cascade")

    def query(self, sql: str) -> list[tuple[Any, ...]]:
        """Return the rows of a query; double quotes enclose names."""
        if self.engine == "duckdb":
            with duckdb.connect(str(self.path), read_only=True) as connection:
                return connection.execute(sql).fetchall()
        if self.stand_in is not None:
            return self.stand_in.query(self.database, sql)
        if self.engine == "spark":
            rows = self.session.sql(sql.replace('"', "`")).collect()
            return [tuple(row) for row in rows]
        with connect_postgres(self.server, self.database) as other_connection:
            return other_connection.execute(sql.encode()).fetchall()

    def raw_tables(self) -> list[str]:
        """Return the sorted names of the raw tables, [] before the first load."""
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

    def dbt(self, *arguments: str, project: Path = PROJECT) -> Done:
        """Run a dbt command in this process, with a new parse."""
        return Builder(self, project).dbt(*arguments, parse=True)


@contextlib.contextmanager
def environment(variables: dict[str, str]) -> Iterator[None]:
    """Set environment variables within a context."""
    with pytest.MonkeyPatch.context() as patch:
        for name, value in variables.items():
            patch.setenv(name, value)
        yield


def connect_postgres(server: str, database: str) -> psycopg.Connection[Any]:
    return psycopg.connect(
        host=server, user="postgres", dbname=database, autocommit=True
    )


def make_warehouse(
    folder: Path,
    engine: str = "duckdb",
    server: str = "",
    stand_in: StandIn | None = None,
) -> Warehouse:
    """Make an empty warehouse; ``server`` is the folder of PostgreSQL's socket."""
    folder.mkdir(parents=True, exist_ok=True)
    warehouse = Warehouse(folder, engine, server, stand_in)
    if stand_in is not None:
        stand_in.create_database(warehouse.database)
    if engine == "postgres":
        with connect_postgres(server, "postgres") as connection:
            connection.execute(f"create database {warehouse.database}".encode())
    profile = PROFILE.format(
        engine=engine,
        location=warehouse.location(),
        elsewhere=folder / "elsewhere.duckdb",
    )
    (folder / "profiles.yml").write_text(profile, encoding="utf-8")
    return warehouse


def copy_of(warehouse: Warehouse, folder: Path) -> Warehouse:
    """Copy a DuckDB warehouse and its target folder into a new folder."""
    copy = make_warehouse(folder)
    shutil.copy(warehouse.path, copy.path)
    shutil.copytree(warehouse.folder / "target", copy.folder / "target")
    return copy


# --- Data -----------------------------------------------------------------------------


def write_source(
    root: Path,
    logs: dict[str, bytes] | None = None,
    songs: dict[str, bytes] | None = None,
) -> Path:
    """Write files of log_data and song_data below a root, and return the root."""
    for part, files in zip(PARTS, (logs or {}, songs or {}), strict=True):
        (root / part).mkdir(parents=True, exist_ok=True)
        for name, content in files.items():
            path = root / part / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)
    return root


def documented_rights() -> list[set[str]]:
    """Return the actions of the policies in docs/redshift.md: to load, to build."""
    page = (PROJECT / "docs" / "redshift.md").read_text(encoding="utf-8")
    policies = [json.loads(text.split("```")[0]) for text in page.split("```json")[1:]]
    return [
        {action for statement in policy["Statement"] for action in statement["Action"]}
        for policy in policies
    ]


def put_into_bucket(stand_in: StandIn, bucket: str, data: Path) -> str:
    """Copy log_data and song_data to data/ in a bucket; return the bucket's address."""
    s3 = stand_in.s3()
    stand_in.buckets.make(bucket)
    for part in PARTS:
        for path in sorted((data / part).rglob("*.json*")):
            key = f"data/{path.relative_to(data).as_posix()}"
            # An upload by a client stores a checksum of the content, as in S3.
            s3.put_object(Bucket=bucket, Key=key, Body=path.read_bytes())
    return f"s3://{bucket}"


# --- Loading and building -------------------------------------------------------------


@dataclass(frozen=True)
class Done:
    """The result of a dbt command in this process."""

    returncode: int
    stdout: str
    result: Any = field(repr=False)

    @property
    def statuses(self) -> dict[str, str]:
        """Return the status of each node that ran, by name."""
        return {
            found.node.name: str(found.status)
            for found in getattr(self.result.result, "results", None) or []
        }


_MANIFESTS: dict[str, tuple[str, bytes]] = {}
"""The parsed project by engine: the name of its database, and the manifest."""


def write_into(warehouse: Warehouse, sql: str) -> None:
    """Change a DuckDB warehouse without dbt."""
    with duckdb.connect(str(warehouse.path)) as connection:
        connection.execute(sql)


@dataclass
class Builder:
    """Loads and builds a warehouse in this process, and parses the project once."""

    warehouse: Warehouse
    project: Path = PROJECT
    manifest: Any = None

    def empty(self) -> None:
        """Delete the content of the warehouse."""
        if self.warehouse.engine == "duckdb":
            self.warehouse.path.unlink(missing_ok=True)
        elif self.warehouse.stand_in is not None:
            self._empty_bucket(self.warehouse.stand_in)
            with self.warehouse.stand_in.databases.connect(
                self.warehouse.database
            ) as own_connection:
                own_connection.execute(DROP_SCHEMAS)
        elif self.warehouse.engine == "spark":
            self.warehouse.empty_lake()
        else:
            with connect_postgres(
                self.warehouse.server, self.warehouse.database
            ) as connection:
                connection.execute(DROP_SCHEMAS)

    def _empty_bucket(self, stand_in: StandIn) -> None:
        bucket = self.warehouse.bucket
        stand_in.buckets.make(bucket)
        stand_in.buckets.empty(bucket)
        for part in PARTS:  # as an empty folder exists
            stand_in.buckets.put(bucket, f"data/{part}/.keep", b"")

    def load(self, data: Path, *options: str) -> None:
        """Load a folder; on Redshift, load its copy in a bucket."""
        source = ["--data", str(data)]
        if self.warehouse.stand_in is not None:
            here = put_into_bucket(self.warehouse.stand_in, self.warehouse.bucket, data)
            source = ["--data", f"{here}/data", "--compact", f"{here}/parts"]
        with environment(self.warehouse.variables):
            assert bootstrap.main([*source, *options]) == 0

    def close(self) -> None:
        """Close the database that dbt keeps open, which a fork must not inherit."""
        DuckDBConnectionManager.close_all_connections()  # type: ignore[no-untyped-call]
        gc.collect()

    def parse(self) -> None:
        """Parse the project, or reuse its manifest from the same engine."""
        engine, database = self.warehouse.engine, self.warehouse.database
        if self.project == PROJECT and engine in _MANIFESTS:
            # The names of all test databases have the same length.
            old, content = _MANIFESTS[engine]
            self.manifest = Manifest.from_msgpack(
                content.replace(old.encode(), database.encode())
            )
            self.manifest.build_flat_graph()
            return
        done = self.dbt("parse", parse=True)
        assert done.returncode == 0, done.stdout
        self.manifest = done.result.result
        gc.freeze()  # Garbage collection in later commands then skips the manifest.
        if self.project == PROJECT:
            _MANIFESTS[engine] = database, self.manifest.to_msgpack()

    def dbt(self, *arguments: str, parse: bool = False) -> Done:
        """Run a dbt command; with ``parse``, dbt parses the project itself."""
        if self.manifest is None and not parse:
            self.parse()
        output = io.StringIO()
        with environment(self.warehouse.variables), contextlib.redirect_stdout(output):
            result = dbtRunner(None if parse else self.manifest).invoke(
                ["--quiet", *arguments, "--project-dir", str(self.project)]
            )
        self.close()
        if result.exception is not None:
            output.write(str(result.exception))
        return Done(0 if result.success else 1, output.getvalue(), result)

    def build(self, *arguments: str, tests: tuple[str, ...] = NO_TESTS) -> None:
        """Run dbt build, by default without tests, and assert that it succeeds."""
        done = self.dbt("build", *tests, *arguments)
        assert done.returncode == 0, done.stdout


def assert_table_is_the_oracles(
    warehouse: Warehouse, star: Star | Listening, table: str
) -> None:
    """Compare the rows of a table with the oracle's: values and their types."""
    expected = star.tables()[table]
    columns = ", ".join(expected.columns)
    found = warehouse.query(f'select {columns} from analytics."{table}"')
    found.sort(key=lambda row: row[0])
    assert len(found) == len(expected.rows)
    for row, expected_row in zip(found, expected.rows, strict=True):
        assert row == tuple(expected_row)
        assert [type(v) for v in row] == [type(v) for v in expected_row]


def assert_the_star_is_the_oracles(
    builder: Builder, data: Path, tables: tuple[str, ...] = (*TABLES, *LISTENING)
) -> None:
    """Compare tables with the oracle's for the files below a folder."""
    records = read_folder(data)
    star = build_star(records)
    listening = build_listening(records, star)
    for table in tables:
        expected = star if table in TABLES else listening
        assert_table_is_the_oracles(builder.warehouse, expected, table)


# --- Warehouses that tests share ------------------------------------------------------


def build_sample(warehouse: Warehouse, data: Path, tests: tuple[str, ...] = ()) -> None:
    """Load data and run dbt build with all tests, as users do.

    dbt's files stay in the target folder for other commands. ``tests`` are options that
    exclude tests.
    """
    builder = Builder(warehouse)
    builder.load(data)
    done = builder.dbt("build", *tests, parse=True)
    assert done.returncode == 0, done.stdout
    compile_analyses(builder)


def build_grown(warehouse: Warehouse, data: Path, later: Path) -> None:
    """Build data, compare, add the files of ``later`` and build again.

    The first build runs the data tests. The second is an incremental run. On Spark all
    builds are full ones, so only the second runs, with the data tests.
    """
    builder = Builder(warehouse)
    builder.load(data)
    is_incremental = warehouse.engine != "spark"
    if is_incremental:
        builder.build(tests=NO_UNIT_TESTS)
        assert_the_star_is_the_oracles(builder, data)
    shutil.copytree(later, data, dirs_exist_ok=True)
    builder.load(data)
    builder.build(tests=NO_TESTS if is_incremental else NO_UNIT_TESTS)
    compile_analyses(builder)


def compile_analyses(builder: Builder) -> None:
    """Compile all analyses into the target folder of a warehouse."""
    done = builder.dbt("compile", "--select", "resource_type:analysis")
    assert done.returncode == 0, done.stdout
