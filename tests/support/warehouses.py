"""Warehouses for tests: made, loaded and built in this process, and compared."""

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
"""Nothing reads what dbt would write of the manifest, a third of its time."""
DROP_SCHEMAS: Final = (
    "drop schema if exists analytics, analytics_builds, analytics_intermediate,"
    " analytics_staging, raw cascade"
)
PROFILE: Final = """\
sparkify:
  target: elsewhere
  outputs:
    elsewhere: {{type: duckdb, path: "{elsewhere}", schema: analytics, threads: 1}}
    test: {{type: {engine}, {place}, schema: analytics, threads: 2}}
"""
"""As users have it: the default target is not the one that a test builds."""
QUICK_JAVA: Final = (
    "-XX:TieredStopAtLevel=1 -XX:ReservedCodeCacheSize=512m"
    " -Dderby.system.durability=test -XX:-UsePerfData"
)
"""What makes Java quick where it works for minutes: it compiles once, syncs nothing.

Where it compiles once, its room for code is a fifth of what it is else; once that is
full, Java compiles no more, and Spark takes many times as long, or stops.
"""
QUICK_SPARK: Final = {
    "spark.sql.codegen.wholeStage": "false",
    "spark.sql.codegen.factoryMode": "NO_CODEGEN",
}
"""To generate code and to compile it takes longer than to run it this once."""


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
    def bucket(self) -> str:
        """The bucket that replaces a folder, for an engine that reads only S3."""
        return self.database.replace("_", "-")

    @property
    def lake(self) -> Path:
        """The lake of a warehouse in Spark."""
        return self.folder / "lake"

    def place(self) -> str:
        """Return the keys of the profile that say where the warehouse is."""
        if self.engine == "spark":
            keys = yaml.safe_load(
                (PROJECT / "profiles.example.yml")
                .read_text(encoding="utf-8")
                .replace("{{ env_var('SPARKIFY_LAKE', 'data/lake') }}", str(self.lake))
            )["sparkify"]["outputs"]["spark"]
            del keys["type"], keys["schema"], keys["threads"]
            java = "spark.driver.extraJavaOptions"
            keys["server_side_parameters"] |= QUICK_SPARK
            keys["server_side_parameters"][java] += f" {QUICK_JAVA}"
            return json.dumps(keys)[1:-1]
        example = yaml.safe_load((PROJECT / "profiles.example.yml").read_text())
        if self.engine == "duckdb":
            keys = example["sparkify"]["outputs"]["duckdb"]
            del keys["type"], keys["schema"], keys["threads"]
            keys |= {"path": str(self.path), "module_paths": [str(PROJECT / "scripts")]}
            keys["settings"] = {"memory_limit": "80%"}
            return json.dumps(keys)[1:-1]
        if self.stand_in is not None:
            here = self.stand_in
            own = example["sparkify"]["outputs"]["redshift"]
            names = ("retries", "drop_without_cascade", "allow_concurrent_drops")
            # By IAM, each connection would read all of botocore's endpoints first: half
            # the time of a build. The commands of the README connect so.
            return (
                f"method: database, sslmode: disable, password: '{here.password}',"
                f" cluster_id: {here.cluster}, region: {here.region},"
                f" host: {here.host}, port: {here.port}, user: {here.user},"
                f" dbname: {self.database},"
                f" {json.dumps({name: own[name] for name in names})[1:-1]}"
            )
        return (
            f"host: '{self.server}', port: 5432, user: postgres, password: '',"
            f" dbname: {self.database}"
        )

    @property
    def variables(self) -> dict[str, str]:
        """The environment variables that lead a command to this warehouse."""
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
        """The environment of a command on this warehouse in another process."""
        return os.environ | self.variables

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
        open_loader(self.target).reset()
        for (schema,) in self.query("show schemas like 'analytics*'"):
            self.query(f"drop schema {schema} cascade")

    def query(self, sql: str) -> list[tuple[Any, ...]]:
        """Return the rows of a query; names are quoted as PostgreSQL does."""
        if self.engine == "duckdb":
            with duckdb.connect(str(self.path), read_only=True) as connection:
                return connection.execute(sql).fetchall()
        if self.stand_in is not None:
            return self.stand_in.query(self.database, sql)
        if self.engine == "spark":
            rows = self.session.sql(sql.replace('"', "`")).collect()
            return [tuple(row) for row in rows]
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

    def dbt(self, *arguments: str, project: Path = PROJECT) -> Done:
        """Run a command of dbt in this process, parsed afresh."""
        return Builder(self, project).dbt(*arguments, parse=True)


@contextlib.contextmanager
def environment(variables: dict[str, str]) -> Iterator[None]:
    """Set environment variables for a while."""
    with pytest.MonkeyPatch.context() as patch:
        for name, value in variables.items():
            patch.setenv(name, value)
        yield


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
    profile = PROFILE.format(
        engine=engine, place=warehouse.place(), elsewhere=folder / "elsewhere.duckdb"
    )
    (folder / "profiles.yml").write_text(profile, encoding="utf-8")
    return warehouse


def copy_of(warehouse: Warehouse, folder: Path) -> Warehouse:
    """Copy a warehouse in DuckDB, with what dbt knows of it, into a new folder."""
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
    """Return the actions of docs/redshift.md's policies: to load, and to build."""
    page = (PROJECT / "docs" / "redshift.md").read_text(encoding="utf-8")
    policies = [json.loads(text.split("```")[0]) for text in page.split("```json")[1:]]
    return [
        {action for statement in policy["Statement"] for action in statement["Action"]}
        for policy in policies
    ]


def put_into_bucket(stand_in: StandIn, bucket: str, data: Path) -> str:
    """Copy log_data and song_data below data/ in a bucket, and return its address."""
    s3 = stand_in.s3()
    stand_in.buckets.make(bucket)
    for part in PARTS:
        for path in sorted((data / part).rglob("*.json*")):
            key = f"data/{path.relative_to(data).as_posix()}"
            # As S3 does, a client's upload notes a checksum of what it holds.
            s3.put_object(Bucket=bucket, Key=key, Body=path.read_bytes())
    return f"s3://{bucket}"


# --- Loading and building -------------------------------------------------------------


@dataclass(frozen=True)
class Done:
    """How a command of dbt ended in this process."""

    returncode: int
    stdout: str
    result: Any = field(repr=False)

    @property
    def statuses(self) -> dict[str, str]:
        """The status of each node that ran, by its name."""
        return {
            found.node.name: str(found.status)
            for found in getattr(self.result.result, "results", None) or []
        }


_MANIFESTS: dict[str, tuple[str, bytes]] = {}
"""What dbt made of the project, by engine: the database it is for, and its bytes."""


def write_into(warehouse: Warehouse, sql: str) -> None:
    """Change the star behind dbt's back."""
    with duckdb.connect(str(warehouse.path)) as connection:
        connection.execute(sql)


@dataclass
class Builder:
    """Loads and builds a warehouse in this process; dbt's parse is paid for once."""

    warehouse: Warehouse
    project: Path = PROJECT
    manifest: Any = None

    def empty(self) -> None:
        """Leave nothing in the warehouse."""
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
            with psycopg.connect(
                host=self.warehouse.server,
                user="postgres",
                dbname=self.warehouse.database,
                autocommit=True,
            ) as connection:
                connection.execute(DROP_SCHEMAS)

    def _empty_bucket(self, stand_in: StandIn) -> None:
        bucket = self.warehouse.bucket
        stand_in.buckets.make(bucket)
        stand_in.buckets.empty(bucket)
        for part in PARTS:  # as an empty folder is there too
            stand_in.buckets.put(bucket, f"data/{part}/.keep", b"")

    def load(self, data: Path, *options: str) -> None:
        """Load a folder; Redshift reads it from a bucket."""
        source = ["--data", str(data)]
        if self.warehouse.stand_in is not None:
            here = put_into_bucket(self.warehouse.stand_in, self.warehouse.bucket, data)
            source = ["--data", f"{here}/data", "--compact", f"{here}/parts"]
        with environment(self.warehouse.variables):
            assert bootstrap.main([*source, *options]) == 0

    def close(self) -> None:
        """Close the database that dbt keeps open. A fork must not inherit it."""
        DuckDBConnectionManager.close_all_connections()  # type: ignore[no-untyped-call]
        gc.collect()

    def parse(self) -> None:
        """Parse the project, or take what was parsed of it on the same engine."""
        engine, database = self.warehouse.engine, self.warehouse.database
        if self.project == PROJECT and engine in _MANIFESTS:
            # All databases of the tests have names of one length.
            of, content = _MANIFESTS[engine]
            self.manifest = Manifest.from_msgpack(
                content.replace(of.encode(), database.encode())
            )
            self.manifest.build_flat_graph()
            return
        done = self.dbt("parse", parse=True)
        assert done.returncode == 0, done.stdout
        self.manifest = done.result.result
        gc.freeze()  # Each command collects garbage: it need not look at all of this.
        if self.project == PROJECT:
            _MANIFESTS[engine] = database, self.manifest.to_msgpack()

    def dbt(self, *arguments: str, parse: bool = False) -> Done:
        """Run a command of dbt; ``parse`` has dbt parse the project itself."""
        if self.manifest is None and not parse:
            self.parse()
        said = io.StringIO()
        with environment(self.warehouse.variables), contextlib.redirect_stdout(said):
            result = dbtRunner(None if parse else self.manifest).invoke(
                ["--quiet", *arguments, "--project-dir", str(self.project)]
            )
        self.close()
        if result.exception is not None:
            said.write(str(result.exception))
        return Done(0 if result.success else 1, said.getvalue(), result)

    def build(self, *arguments: str, tests: tuple[str, ...] = NO_TESTS) -> None:
        """Run dbt build, without tests unless they are asked for; it must succeed."""
        done = self.dbt("build", *tests, *arguments)
        assert done.returncode == 0, done.stdout


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


def assert_the_star_is_the_oracles(
    builder: Builder, data: Path, tables: tuple[str, ...] = (*TABLES, *LISTENING)
) -> None:
    """Compare tables with what the oracle makes of the files below a folder."""
    records = read_folder(data)
    star = build_star(records)
    listening = build_listening(records, star)
    for table in tables:
        of = star if table in TABLES else listening
        assert_table_is_the_oracles(builder.warehouse, of, table)


# --- Warehouses that tests share ------------------------------------------------------


def build_sample(warehouse: Warehouse, data: Path, tests: tuple[str, ...] = ()) -> None:
    """Load data and run dbt build with all its tests, as a user would.

    What dbt writes of a parse is in the warehouse's folder, where other commands find
    it; ``tests`` are options that leave out some tests.
    """
    builder = Builder(warehouse)
    builder.load(data)
    done = builder.dbt("build", *tests, parse=True)
    assert done.returncode == 0, done.stdout
    compile_analyses(builder)


def build_grown(warehouse: Warehouse, data: Path, later: Path) -> None:
    """Build data from nothing, compare, add what is in a later folder, build again.

    The first build runs dbt's tests of data. The second is an increment. On Spark each
    build is a full one: there is only the second, with the tests.
    """
    builder = Builder(warehouse)
    builder.load(data)
    adds = warehouse.engine != "spark"
    if adds:
        builder.build(tests=NO_UNIT_TESTS)
        assert_the_star_is_the_oracles(builder, data)
    shutil.copytree(later, data, dirs_exist_ok=True)
    builder.load(data)
    builder.build(tests=NO_TESTS if adds else NO_UNIT_TESTS)
    compile_analyses(builder)


def compile_analyses(builder: Builder) -> None:
    """Write the SQL of all analyses into the target folder of a warehouse."""
    done = builder.dbt("compile", "--select", "resource_type:analysis")
    assert done.returncode == 0, done.stdout
