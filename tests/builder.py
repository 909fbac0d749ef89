"""Loading and building a warehouse many times over, in one process."""

from __future__ import annotations

import gc
from pathlib import Path
from typing import Any

import psycopg
import pytest
from dbt.adapters.duckdb.connections import DuckDBConnectionManager
from dbt.cli.main import dbtRunner

import bootstrap
from conftest import (
    LISTENING,
    PROJECT,
    TABLES,
    Warehouse,
    assert_table_is_the_oracles,
    put_into_bucket,
)
from oracle import build_listening, build_star, read_folder
from redshift_stand_in import StandIn

WHERE = ("--project-dir", str(PROJECT))
NO_TESTS = ("--exclude-resource-type", "test", "--exclude-resource-type", "unit_test")


class Builder:
    """Loads and builds a warehouse in this process; dbt's parse is paid for once."""

    def __init__(self, warehouse: Warehouse) -> None:
        """Take a warehouse, whatever is in it."""
        self.warehouse = warehouse
        self.manifest: Any = None
        self.close()

    def empty(self) -> None:
        if self.warehouse.engine == "duckdb":
            self.warehouse.path.unlink(missing_ok=True)
            return
        if self.warehouse.stand_in is not None:
            here = self.warehouse.stand_in
            self._empty_bucket(here)
            with here.databases.connect(self.warehouse.database) as own_connection:
                for schema in ("analytics", "raw"):
                    own_connection.execute(f"drop schema if exists {schema} cascade")
            return
        if self.warehouse.engine == "spark":
            # To generate code and to compile it takes longer than to run it this once.
            for name, value in {
                "wholeStage": "false",
                "factoryMode": "NO_CODEGEN",
            }.items():
                self.warehouse.session.conf.set(f"spark.sql.codegen.{name}", value)
            self.warehouse.empty_lake()
            return
        with psycopg.connect(
            host=self.warehouse.server,
            user="postgres",
            dbname=self.warehouse.database,
            autocommit=True,
        ) as connection:
            connection.execute("drop schema if exists analytics, raw cascade")

    def _empty_bucket(self, stand_in: StandIn) -> None:
        put_into_bucket(stand_in, self.bucket, Path("no-such-folder"))
        s3 = stand_in.s3()
        for page in s3.get_paginator("list_objects_v2").paginate(Bucket=self.bucket):
            for found in page.get("Contents", []):
                s3.delete_object(Bucket=self.bucket, Key=found["Key"])
        for part in ("log_data", "song_data"):  # as an empty folder is there too
            s3.put_object(Bucket=self.bucket, Key=f"data/{part}/.keep", Body=b"")

    @property
    def bucket(self) -> str:
        """The bucket that stands for a folder where the engine reads S3 alone."""
        return self.warehouse.database.replace("_", "-")

    def load(self, data: Path) -> None:
        source = ["--data", str(data)]
        if self.warehouse.stand_in is not None:
            here = put_into_bucket(self.warehouse.stand_in, self.bucket, data)
            source = ["--data", f"{here}/data", "--compact", f"{here}/parts"]
        assert bootstrap.main(source) == 0

    def close(self) -> None:
        """Let go of the database that dbt keeps open, which no fork may inherit."""
        DuckDBConnectionManager.close_all_connections()  # type: ignore[no-untyped-call]
        gc.collect()

    def parse(self) -> None:
        self.manifest = dbtRunner().invoke(["--quiet", "parse", *WHERE]).result

    def build(self, *arguments: str) -> None:
        if self.manifest is None:
            self.parse()
        done: Any = dbtRunner(manifest=self.manifest).invoke(
            ["--quiet", "build", *WHERE, *NO_TESTS, *arguments]
        )
        self.close()
        assert done.success, done.exception or [
            result.message for result in done.result if result.status == "error"
        ]


def assert_the_star_is_the_oracles(builder: Builder, data: Path) -> None:
    records = read_folder(data)
    star = build_star(records)
    for table in TABLES:
        assert_table_is_the_oracles(builder.warehouse, star, table)
    listening = build_listening(records, star)
    for table in LISTENING:
        assert_table_is_the_oracles(builder.warehouse, listening, table)


@pytest.fixture
def builder(warehouse: Warehouse, monkeypatch: pytest.MonkeyPatch) -> Builder:
    """A builder of an empty warehouse."""
    monkeypatch.setenv("DBT_TARGET_PATH", str(warehouse.folder / "target"))
    monkeypatch.setenv("DBT_LOG_PATH", str(warehouse.folder / "logs"))
    return Builder(warehouse)
