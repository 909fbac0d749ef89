"""Test the records that a build writes, and concurrent builds of one warehouse."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import duckdb
import psycopg
import pytest

from raw_lines import event, song
from warehouses import (
    QUICK,
    Builder,
    Warehouse,
    assert_the_star_is_the_oracles,
    copy_of,
    write_source,
)

PLAYS = {"page": "NextSong", "level": "free", "song": "Dúo", "artist": "Ana"}
ON_DUCKDB = pytest.mark.parametrize("warehouse", ["duckdb"], indirect=True)
USERS = ("--select", "+users", "songplays")


def play(item: int, user: int = 7) -> bytes:
    return event(1, item, userId=str(user), **PLAYS)


def grow(builder: Builder, data: Path, number: int) -> None:
    """Load one more file: a play of user 7, and a play of a new user."""
    lines = play(2 * number) + b"\n" + play(2 * number + 1, 100 + number)
    write_source(data, {f"{number}.json": lines}, {"s.json": song()})
    builder.load(data)


LAW = "tests/rules/test_law.py::test_star_does_not_depend_on_history[duckdb]"


@pytest.mark.long(guard=LAW)
@ON_DUCKDB
def test_partial_runs_and_duplicate_keys_cause_full_refresh(
    builder: Builder, tmp_path: Path
) -> None:
    """A run with --empty or --sample neither replaces rows nor hides new ones."""
    data = tmp_path / "data"
    grow(builder, data, 0)
    builder.build("--empty")
    builder.build(QUICK)
    assert_the_star_is_the_oracles(builder, data)

    grow(builder, data, 1)
    for option in (["--empty"], ["--sample", "1 day"]):
        assert builder.dbt("run", *option, *USERS).returncode == 0
    builder.build(QUICK, "--select", "int_event_versions+")
    assert_the_star_is_the_oracles(builder, data)

    for options in (["--empty", "--full-refresh"], ["--empty"]):
        assert builder.dbt("run", *options, "--select", "users").returncode == 0
    assert_is_refreshed(builder, "its last build read no rows (--empty) or a sample")

    users = builder.manifest.nodes["model.sparkify.users"]
    users.columns["first_name"].data_type = "varchar(2048)"
    builder.manifest.build_flat_graph()
    assert_is_refreshed(builder, "its SQL or configuration, or that of an upstream")

    with duckdb.connect(str(builder.warehouse.path)) as connection:
        connection.execute("insert into analytics.users from analytics.users")
    assert builder.dbt("build", "--select", "users").returncode == 1
    assert_is_refreshed(builder, "its user_id was not unique")
    assert_the_star_is_the_oracles(builder, data)
    assert_other_schema_is_built_from_this_one(builder, tmp_path / "state")


def assert_other_schema_is_built_from_this_one(builder: Builder, state: Path) -> None:
    """Use dbt clone, then --defer, which finds no notes of upstream models there."""
    builder.manifest.write(str(state / "manifest.json"))
    other = ("--vars", "schema_of_changes: other", "--state", str(state))
    users = "select user_id, level, last_seen_at from {}.users order by user_id"
    expected = builder.warehouse.query(users.format("analytics"))
    for node in builder.manifest.nodes.values():
        if node.resource_type in ("model", "seed"):
            node.schema = node.schema.replace("analytics", "other")
            node.relation_name = node.relation_name.replace("analytics", "other")
    builder.manifest.build_flat_graph()
    for command in (["clone"], ["run", "--defer", "--select", "users"]):
        done = builder.dbt(*command, *other)
        assert done.returncode == 0, done.stdout
        assert builder.warehouse.query(users.format("other")) == expected


def test_only_build_records_test_results(
    sample_warehouse: Warehouse, tmp_path: Path
) -> None:
    builder = Builder(copy_of(sample_warehouse, tmp_path / "copy"))
    recorded = "select build_id, count(*) from analytics_builds.test_results group by 1"
    previous = builder.warehouse.query(recorded)
    assert len(previous) == 1
    for command in (
        ["test", "--select", "users"],
        ["show", "--inline", "select 1 as one"],
        ["docs", "generate", "--select", "users", "--empty-catalog"],
    ):
        assert builder.dbt(*command, parse=True).returncode == 0
        assert builder.warehouse.query(recorded) == previous
    assert builder.dbt("build", "--select", "users", parse=True).returncode == 0
    assert len(builder.warehouse.query(recorded)) == 2


def assert_is_refreshed(builder: Builder, reason: str) -> None:
    done = builder.dbt("run", "--select", "users")
    assert done.returncode == 0, done.stdout
    assert done.stdout.startswith(f"users: full refresh, because {reason}")


@contextmanager
def connect_to(builder: Builder) -> Iterator[psycopg.Connection]:
    with psycopg.connect(
        host=builder.warehouse.server,
        user="postgres",
        dbname=builder.warehouse.database,
    ) as connection:
        yield connection


@pytest.mark.parametrize("warehouse", ["postgres"], indirect=True)
def test_concurrent_builds_duplicate_no_row(builder: Builder, tmp_path: Path) -> None:
    """The other build is one transaction that writes the same rows first."""
    data = tmp_path / "data"
    grow(builder, data, 0)
    builder.build(QUICK)
    grow(builder, data, 1)
    builder.build(QUICK, "--select", "+songplays", "--exclude", "songplays")
    with connect_to(builder) as other:
        other.execute("create table kept as table analytics_builds.songplays")
        other.execute("create table old as table analytics.songplays")
    builder.build(QUICK, "--select", "songplays")
    with connect_to(builder) as other:
        other.execute("create table made as table analytics.songplays")
        other.execute("create table note as table analytics_builds.songplays")
        other.execute("truncate analytics.songplays, analytics_builds.songplays")
        other.execute("insert into analytics.songplays table old")
        other.execute("insert into analytics_builds.songplays table kept")

    with connect_to(builder) as other, connect_to(builder) as watcher:
        watcher.autocommit = True
        other.execute("lock table analytics_builds.songplays in exclusive mode")
        build = threading.Thread(
            target=builder.build, args=(QUICK, "--select", "songplays")
        )
        build.start()
        waits = "select count(*) from pg_locks where not granted"
        deadline = time.monotonic() + 120
        while watcher.execute(waits).fetchone() == (0,) and build.is_alive():
            assert time.monotonic() < deadline
            time.sleep(0.1)
        assert build.is_alive()
        other.execute("insert into analytics.songplays table made except table old")
        other.execute(
            "insert into analytics_builds.songplays table note except table kept"
        )
        other.commit()
        build.join()
    numbers = "select number from analytics_builds.songplays order by 1"
    assert builder.warehouse.query(numbers) == [(1,), (2,), (3,)]
    builder.build(QUICK)
    assert_the_star_is_the_oracles(builder, data)


@ON_DUCKDB
def test_build_before_first_load_explains_loading(builder: Builder) -> None:
    done = builder.dbt("build")
    assert done.returncode == 1
    assert "The raw tables of target test are empty. Load the sample" in done.stdout
    assert done.stdout.count("ERROR") == 1, done.stdout
