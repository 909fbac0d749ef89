"""Builds on Redshift: keys, grants, views and dbt commands.

test_star.py compares the tables with the oracle's.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import redshift_connector
import yaml
from redshift_connector.core import Connection

import bootstrap
import build
import generate_events
from redshift_stand_in import StandIn
from redshift_stand_in.proxy import CONCURRENT, CONFLICT
from sparkify.builds.build import Outcome
from sparkify.loaders import LoadResult
from sparkify.loaders.schema import TABLES as RAW_TABLES
from warehouses import (
    NO_UNIT_TESTS,
    PROJECT,
    Builder,
    Warehouse,
    assert_the_star_is_the_oracles,
    documented_rights,
    environment,
    make_warehouse,
    put_into_bucket,
)


@pytest.fixture(scope="module")
def redshift(built_warehouse: Callable[[str, str], Warehouse]) -> Warehouse:
    """Return the grown data, loaded by COPY and built by dbt-redshift."""
    return built_warehouse("redshift", "grown")


def has_a_row_without_null(fixture: dict[str, Any]) -> bool:
    rows = fixture["rows"]
    if isinstance(rows, str):
        lines = csv.DictReader(io.StringIO(rows))
        rows = [{key: text or None for key, text in row.items()} for row in lines]
    return not rows or any(None not in row.values() for row in rows)


def test_each_fixture_has_a_row_without_null() -> None:
    """dbt-redshift reads the types from that row, and rejects a fixture without it."""
    fixtures = [
        (test["name"], fixture.get("input", "expect"), has_a_row_without_null(fixture))
        for path in sorted((PROJECT / "models").rglob("*.yml"))
        for test in yaml.safe_load(path.read_text("utf-8")).get("unit_tests", [])
        for fixture in (*test["given"], test["expect"])
    ]
    assert len(fixtures) > 50
    assert [(name, part) for name, part, is_good in fixtures if not is_good] == []


def test_tables_have_physical_design_of_models(redshift: Warehouse) -> None:
    rows = redshift.query(
        'select "table", diststyle, sortkey1 from svv_table_info'
        " where \"schema\" like 'analytics%'"
    )
    assert {(str(a), str(b), str(c)) for a, b, c in rows} >= {
        ("int_event_versions", "KEY(session_id)", "start_time"),
        ("songplays", "KEY(start_time)", "start_time"),
        ("time", "KEY(start_time)", "start_time"),
        ("users", "ALL", "user_id"),
        ("songs", "ALL", "song_id"),
        ("artists", "ALL", "artist_id"),
    }


def keys_of(warehouse: Warehouse) -> set[str]:
    """Return the names of the declared primary and foreign keys."""
    rows = warehouse.query(
        "select conname from pg_constraint"
        " where right(conname, 3) in ('_pk', '_fk') and contype in ('p', 'f')"
    )
    return {str(name) for (name,) in rows}


KEYS = {
    "artists_artist_id_pk",
    "songplays_artist_id_fk",
    "songplays_song_id_fk",
    "songs_artist_id_fk",
    "songs_song_id_pk",
    "songplays_songplay_id_pk",
    "songplays_start_time_fk",
    "songplays_user_id_fk",
    "time_start_time_pk",
    "users_user_id_pk",
}
STAR = ("--select", "+songplays", "+users", "+songs", "+artists", "+time")


def test_build_without_tests_drops_keys(redshift: Warehouse) -> None:
    """The previous build declared them, and no test has checked them since."""
    assert keys_of(redshift) == set()


def test_keys_are_not_declared_on_duckdb(sample_warehouse: Warehouse) -> None:
    found = sample_warehouse.query(
        "select table_name, constraint_type from duckdb_constraints()"
        " where constraint_type in ('PRIMARY KEY', 'FOREIGN KEY')"
        " and schema_name like 'analytics%'"
    )
    assert found == []


@pytest.mark.long(
    guard="tests/engines/test_redshift_models.py::test_keys_are_not_declared_on_duckdb"
)
def test_keys_are_not_declared_on_postgres(
    built_warehouse: Callable[[str, str], Warehouse],
) -> None:
    assert keys_of(built_warehouse("postgres", "grown")) == set()


def test_views_do_not_depend_on_their_tables(redshift: Warehouse) -> None:
    """A reset drops the tables, and the views then read the new ones."""
    views = redshift.query(
        "select view_name from pg_get_late_binding_view_cols() cols(view_schema name,"
        " view_name name, col_name name, col_type varchar, col_num int)"
        " where view_schema like 'analytics%'"
    )
    names = {"days", "int_events", "int_song_candidates", "user_weeks"}
    names |= {"plays", "stg_events", "stg_songs"}
    assert {str(name) for (name,) in views} == names


def test_text_columns_of_views_have_a_width(redshift: Warehouse) -> None:
    """Redshift allocates memory for sorts by the width, and contracts compare it."""
    bare = redshift.query(
        "select view_name, col_name from pg_get_late_binding_view_cols()"
        " cols(view_schema name, view_name name, col_name name, col_type varchar,"
        " col_num int) where col_type in ('text', 'character varying')"
    )
    assert bare == []


@pytest.mark.parametrize(
    "command",
    [
        ["docs", "generate"],
        ["source", "freshness"],
        ["test", "--select", "users,test_type:unit"],
    ],
    ids=" ".join,
)
def test_dbt_command_succeeds(redshift: Warehouse, command: list[str]) -> None:
    done = Builder(redshift).dbt(*command)
    assert done.returncode == 0, done.stdout


# --- A warehouse that tests change ----------------------------------------------------


def load(warehouse: Warehouse, data: Path) -> None:
    """Copy data into a bucket, and load its new files by manifests."""
    assert warehouse.stand_in is not None
    bucket = put_into_bucket(warehouse.stand_in, warehouse.bucket, data)
    options = ["--data", f"{bucket}/data", "--manifest", f"{bucket}/manifests"]
    with environment(warehouse.variables):
        assert bootstrap.main(options) == 0


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Write a small sample."""
    folder = tmp_path_factory.mktemp("small") / "data"
    arguments = ["--events", "300", "--days", "3", "--songs", "40"]
    assert generate_events.main(["--out", str(folder), *arguments]) == 0
    return folder


@pytest.fixture(scope="module")
def small(
    stand_in: StandIn, data: Path, tmp_path_factory: pytest.TempPathFactory
) -> Builder:
    """Load the small sample, and return a builder of its warehouse."""
    folder = tmp_path_factory.mktemp("small")
    made = make_warehouse(folder, "redshift", stand_in=stand_in)
    load(made, data)
    return Builder(made)


def test_analysts_may_read_marts_only(
    small: Builder, stand_in: StandIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    with stand_in.databases.connect(small.warehouse.database) as connection:
        connection.execute("create group analysts")
    monkeypatch.setenv("SPARKIFY_ANALYSTS", "analysts")
    start = len(stand_in.statements)
    done = small.dbt("run", "--select", "+users")
    assert done.returncode == 0, done.stdout
    rows = small.warehouse.query(
        "select table_name, privilege_type from information_schema.table_privileges"
        " where grantee = 'analysts'"
    )
    assert {(str(a), str(b)) for a, b in rows} == {("users", "SELECT")}
    statements = stand_in.statements[start:]
    granted = [sql for sql in statements if "grant usage" in sql]
    assert len(granted) == 1
    # Grants of concurrent models would update the same row of the catalogue.
    after_last_model = statements[statements.index(granted[0]) :]
    assert not any("create" in sql for sql in after_last_model)


def test_builds_of_two_models_run_concurrently(
    small: Builder, stand_in: StandIn
) -> None:
    """An insert locks its table until the commit: each model has its own build log."""
    done = small.dbt("run", "--select", "+users", "+songplays")
    assert done.returncode == 0, done.stdout
    with stand_in.databases.connect(small.warehouse.database) as settings:
        database = f'alter database "{small.warehouse.database}"'
        settings.execute(f"{database} set lock_timeout = '5s'")
        with stand_in.databases.connect(small.warehouse.database) as other:
            other.autocommit = False
            other.execute("lock table analytics_builds.users in exclusive mode")
            unlocked = small.dbt("run", "--select", "songplays")
            locked = small.dbt("run", "--select", "users")
            other.rollback()
        settings.execute(f"{database} reset lock_timeout")
    assert unlocked.returncode == 0, unlocked.stdout
    assert locked.returncode == 1
    assert "lock timeout" in locked.stdout


def log_in(warehouse: Warehouse, **cluster: Any) -> Connection:
    """Connect by IAM, as dbt does."""
    assert warehouse.stand_in is not None
    return redshift_connector.connect(
        iam=True,
        iam_disable_cache=True,
        host=warehouse.stand_in.host,
        port=warehouse.stand_in.port,
        region=warehouse.stand_in.region,
        database=warehouse.database,
        user="",
        password="",
        **cluster,
    )


@pytest.fixture
def serverless(
    data: Path, stand_in: StandIn, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Warehouse:
    """Load a workgroup with the administrator's secret, to build by an assumed role."""
    name = f"IAMR:{tmp_path.name}-Role"
    monkeypatch.setattr(stand_in.credentials, "identity", name)
    monkeypatch.setenv("SPARKIFY_REDSHIFT_SECRET", stand_in.secret_arn)
    made = make_warehouse(tmp_path, "redshift", stand_in=stand_in)
    profile = tmp_path / "profiles.yml"
    text = profile.read_text(encoding="utf-8")
    for old, new in (
        ("method: database, sslmode: disable", "method: iam, is_serverless: true"),
        (
            f"cluster_id: {stand_in.cluster}",
            f"serverless_work_group: {stand_in.workgroup}",
        ),
    ):
        assert old in text
        text = text.replace(old, new)
    profile.write_text(text, encoding="utf-8")
    load(made, data)
    return made


def test_iam_identity_may_build_after_its_load(
    serverless: Warehouse,
    data: Path,
    stand_in: StandIn,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Before the load, the identity is a user without rights."""
    _, builds = documented_rights()
    actions: set[str] = set()
    cluster = {"is_serverless": True, "serverless_work_group": stand_in.workgroup}
    for name in (stand_in.credentials.identity, "IAM:tester"):
        monkeypatch.setattr(stand_in.credentials, "identity", name)
        load(serverless, data)  # finds no new file
        stand_in.actions.clear()
        with environment(stand_in.environment), log_in(serverless, **cluster) as opened:
            cursor = opened.cursor()
            schema = f"of_{name.rpartition(':')[2].replace('-', '_')}"
            cursor.execute(f"create schema {schema}")
            songs = 'select * from "raw".staging_songs'
            cursor.execute(f"create table {schema}.songs as {songs}")
        actions |= stand_in.actions
    stand_in.actions.clear()
    cluster = {"cluster_identifier": stand_in.cluster, "db_user": stand_in.user}
    with environment(stand_in.environment), log_in(serverless, **cluster):
        actions |= stand_in.actions
    # Sent because the host name is not AWS's own. The client ignores a rejection.
    assert actions == builds | {"redshift:DescribeCustomDomainAssociations"}


@pytest.mark.long(
    guard="tests/engines/test_redshift_models.py"
    "::test_iam_identity_may_build_after_its_load"
)
def test_serverless_build_needs_no_other_grant(
    serverless: Warehouse, stand_in: StandIn
) -> None:
    done = Builder(serverless).dbt("run", "--select", "stg_songs", "songs")
    assert done.returncode == 0, done.stdout
    owners = serverless.query(
        "select distinct tableowner from pg_tables where schemaname = 'analytics'"
    )
    assert owners == [(stand_in.credentials.identity,)]


def test_each_build_declares_keys_again(small: Builder, stand_in: StandIn) -> None:
    done = small.dbt("build", *NO_UNIT_TESTS, *STAR)
    assert done.returncode == 0, done.stdout
    assert keys_of(small.warehouse) >= KEYS
    with stand_in.databases.connect(small.warehouse.database) as connection:
        connection.execute("delete from analytics.artists")
    tables = ("songs", "artists", "songplays")
    done = small.dbt("test", *NO_UNIT_TESTS, "--select", *tables)
    assert done.returncode == 1
    unproven = {"songplays_artist_id_fk", "songs_artist_id_fk"}
    assert keys_of(small.warehouse) & KEYS == KEYS - unproven
    start = len(stand_in.statements)
    # A key that refers to a table would prevent its replacement.
    done = small.dbt("run", "--select", "songs")
    assert done.returncode == 0, done.stdout
    assert keys_of(small.warehouse) == set()
    sent = "\n".join(stand_in.statements[start:])
    assert sent.rindex("drop constraint") < sent.index("create  table")


def test_build_reports_write_conflict(small: Builder, stand_in: StandIn) -> None:
    """Redshift has two messages for a conflict."""
    done = small.dbt("run", "--select", "+users", "songs")
    assert done.returncode == 0, done.stdout
    with stand_in.databases.connect(small.warehouse.database) as connection:
        connection.execute(
            "update analytics_builds.users set built_through = '1970-01-01'"
        )
    strategy = f'delete from "{small.warehouse.database}"."analytics"."users"'
    note = f'insert into "{small.warehouse.database}"."analytics_builds"."users"'
    for part, reason in ((note, CONFLICT), (strategy, CONCURRENT)):
        stand_in.conflicts[:] = [(part, reason)]
        start = len(stand_in.statements)
        outcome = Outcome()
        outcome.add(small.dbt("run", "--select", "users").result)
        assert (outcome.success, len(outcome.errors)) == (False, 1)
        assert stand_in.conflicts == []
        # dbt does not retry it on a new connection, which lacks the temporary table.
        assert sum(part in sql for sql in stand_in.statements[start:]) == 1
        raw_rows = dict.fromkeys((*RAW_TABLES, "load_history"), 0)
        summary = build.summary("redshift", LoadResult(), raw_rows, {}, outcome)
        conflict = "Serialization conflict: another transaction changed the same tables"
        assert conflict in summary
        assert "dbt retry --target redshift" in summary


@pytest.mark.long(
    guard="tests/loaders/test_redshift_loader.py"
    "::test_all_records_arrive_once_and_later_files_alone[manifest]"
)
def test_build_without_new_files_changes_nothing(
    stand_in: StandIn, data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    made = make_warehouse(tmp_path / "warehouse", "redshift", stand_in=stand_in)
    builder = Builder(made)
    for _ in range(2):
        load(made, data)
        builder.build(tests=NO_UNIT_TESTS)
        assert_the_star_is_the_oracles(builder, data)
        assert keys_of(made) >= KEYS
    assert "Nothing new to load." in capsys.readouterr().out
