"""What is Redshift's own in building the star: keys, grants, views, other commands.

That the star is the oracle's is in test_star.py.
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
    """The sample and what came to it, loaded by COPY and built by dbt-redshift."""
    return built_warehouse("redshift", "grown")


def has_a_row_without_null(fixture: dict[str, Any]) -> bool:
    rows = fixture["rows"]
    if isinstance(rows, str):
        lines = csv.DictReader(io.StringIO(rows))
        rows = [{key: text or None for key, text in row.items()} for row in lines]
    return not rows or any(None not in row.values() for row in rows)


def test_each_fixture_has_a_row_without_null() -> None:
    """Or dbt-redshift refuses it: it takes the types from that row."""
    fixtures = [
        (test["name"], fixture.get("input", "expect"), has_a_row_without_null(fixture))
        for path in sorted((PROJECT / "models").rglob("*.yml"))
        for test in yaml.safe_load(path.read_text("utf-8")).get("unit_tests", [])
        for fixture in (*test["given"], test["expect"])
    ]
    assert len(fixtures) > 50
    assert [(name, part) for name, part, is_good in fixtures if not is_good] == []


def test_rows_lie_as_the_models_say(redshift: Warehouse) -> None:
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
    """Return what is declared about the tables of the star, by the name of each key."""
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


def test_a_build_without_tests_leaves_no_keys(redshift: Warehouse) -> None:
    """The build before declared them, and nothing has proved them since."""
    assert keys_of(redshift) == set()


def test_keys_are_declared_on_no_other_engine(sample_warehouse: Warehouse) -> None:
    found = sample_warehouse.query(
        "select table_name, constraint_type from duckdb_constraints()"
        " where constraint_type in ('PRIMARY KEY', 'FOREIGN KEY')"
        " and schema_name like 'analytics%'"
    )
    assert found == []


@pytest.mark.long(
    guard="tests/engines/test_redshift_models.py::test_keys_are_declared_on_no_other_engine"
)
def test_keys_are_not_declared_on_postgres(
    built_warehouse: Callable[[str, str], Warehouse],
) -> None:
    assert keys_of(built_warehouse("postgres", "grown")) == set()


def test_views_do_not_hold_the_tables_they_read(redshift: Warehouse) -> None:
    """A reset drops them, and the next build finds the new ones."""
    views = redshift.query(
        "select view_name from pg_get_late_binding_view_cols() cols(view_schema name,"
        " view_name name, col_name name, col_type varchar, col_num int)"
        " where view_schema like 'analytics%'"
    )
    names = {"days", "int_events", "int_song_candidates", "user_weeks"}
    names |= {"plays", "stg_events", "stg_songs"}
    assert {str(name) for (name,) in views} == names


def test_each_text_of_a_view_has_a_width(redshift: Warehouse) -> None:
    """Sorts and hashes take memory by it, and by it a contract is compared."""
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
def test_a_command_of_dbt_runs(redshift: Warehouse, command: list[str]) -> None:
    done = Builder(redshift).dbt(*command)
    assert done.returncode == 0, done.stdout


# --- A warehouse that tests may change ------------------------------------------------


def load(warehouse: Warehouse, data: Path) -> None:
    """Put data into a bucket, and load what is new there by manifests."""
    assert warehouse.stand_in is not None
    place = put_into_bucket(warehouse.stand_in, warehouse.bucket, data)
    options = ["--data", f"{place}/data", "--manifest", f"{place}/manifests"]
    with environment(warehouse.variables):
        assert bootstrap.main(options) == 0


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small sample."""
    folder = tmp_path_factory.mktemp("small") / "data"
    arguments = ["--events", "300", "--days", "3", "--songs", "40"]
    assert generate_events.main(["--out", str(folder), *arguments]) == 0
    return folder


@pytest.fixture(scope="module")
def small(
    stand_in: StandIn, data: Path, tmp_path_factory: pytest.TempPathFactory
) -> Builder:
    """A builder of a small warehouse that is loaded and not built."""
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
    before = len(stand_in.statements)
    done = small.dbt("run", "--select", "+users")
    assert done.returncode == 0, done.stdout
    rows = small.warehouse.query(
        "select table_name, privilege_type from information_schema.table_privileges"
        " where grantee = 'analysts'"
    )
    assert {(str(a), str(b)) for a, b in rows} == {("users", "SELECT")}
    statements = stand_in.statements[before:]
    granted = [sql for sql in statements if "grant usage" in sql]
    assert len(granted) == 1
    # After the last model: models side by side would change one row of the catalogue.
    at = statements.index(granted[0])
    assert not any("create" in sql for sql in statements[at:])


def test_builds_of_two_models_run_concurrently(
    small: Builder, stand_in: StandIn
) -> None:
    """An insert locks its table until the commit, so each model has its own notes."""
    done = small.dbt("run", "--select", "+users", "+songplays")
    assert done.returncode == 0, done.stdout
    with stand_in.databases.connect(small.warehouse.database) as settings:
        database = f'alter database "{small.warehouse.database}"'
        settings.execute(f"{database} set lock_timeout = '5s'")
        with stand_in.databases.connect(small.warehouse.database) as other:
            other.autocommit = False
            other.execute("lock table analytics_builds.users in exclusive mode")
            beside = small.dbt("run", "--select", "songplays")
            waits = small.dbt("run", "--select", "users")
            other.rollback()
        settings.execute(f"{database} reset lock_timeout")
    assert beside.returncode == 0, beside.stdout
    assert waits.returncode == 1
    assert "lock timeout" in waits.stdout


def log_in(warehouse: Warehouse, **place: Any) -> Connection:
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
        **place,
    )


@pytest.fixture
def serverless(
    data: Path, stand_in: StandIn, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Warehouse:
    """A loaded workgroup: the secret is the administrator's, dbt is an assumed role."""
    name = f"IAMR:{tmp_path.name}-Role"
    monkeypatch.setattr(stand_in.credentials, "identity", name)
    monkeypatch.setenv("SPARKIFY_REDSHIFT_SECRET", stand_in.secret_arn)
    made = make_warehouse(tmp_path, "redshift", stand_in=stand_in)
    profile = tmp_path / "profiles.yml"
    text = profile.read_text(encoding="utf-8")
    for here, there in (
        ("method: database, sslmode: disable", "method: iam, is_serverless: true"),
        (
            f"cluster_id: {stand_in.cluster}",
            f"serverless_work_group: {stand_in.workgroup}",
        ),
    ):
        assert here in text
        text = text.replace(here, there)
    profile.write_text(text, encoding="utf-8")
    load(made, data)
    return made


def test_iam_identity_may_build_after_its_load(
    serverless: Warehouse,
    data: Path,
    stand_in: StandIn,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """It is an ordinary user, who may do nothing before."""
    _, builds = documented_rights()
    asked: set[str] = set()
    place = {"is_serverless": True, "serverless_work_group": stand_in.workgroup}
    for name in (stand_in.credentials.identity, "IAM:tester"):
        monkeypatch.setattr(stand_in.credentials, "identity", name)
        load(serverless, data)  # what the other one loaded is not new
        stand_in.actions.clear()
        with environment(stand_in.environment), log_in(serverless, **place) as opened:
            cursor = opened.cursor()
            schema = f"of_{name.rpartition(':')[2].replace('-', '_')}"
            cursor.execute(f"create schema {schema}")
            songs = 'select * from "raw".staging_songs'
            cursor.execute(f"create table {schema}.songs as {songs}")
        asked |= stand_in.actions
    stand_in.actions.clear()
    place = {"cluster_identifier": stand_in.cluster, "db_user": stand_in.user}
    with environment(stand_in.environment), log_in(serverless, **place):
        asked |= stand_in.actions
    # Sent because the host name is not AWS's own. The client ignores a rejection.
    assert asked == builds | {"redshift:DescribeCustomDomainAssociations"}


@pytest.mark.long(
    guard="tests/engines/test_redshift_models.py"
    "::test_iam_identity_may_build_after_its_load"
)
def test_a_serverless_build_needs_no_step_between(
    serverless: Warehouse, stand_in: StandIn
) -> None:
    done = Builder(serverless).dbt("run", "--select", "stg_songs", "songs")
    assert done.returncode == 0, done.stdout
    owners = serverless.query(
        "select distinct tableowner from pg_tables where schemaname = 'analytics'"
    )
    assert owners == [(stand_in.credentials.identity,)]


def test_keys_are_declared_again_by_each_build(
    small: Builder, stand_in: StandIn
) -> None:
    done = small.dbt("build", *NO_UNIT_TESTS, *STAR)
    assert done.returncode == 0, done.stdout
    assert keys_of(small.warehouse) >= KEYS
    with stand_in.databases.connect(small.warehouse.database) as connection:
        connection.execute("delete from analytics.artists")
    tables = ("songs", "artists", "songplays")
    done = small.dbt("test", *NO_UNIT_TESTS, "--select", *tables)
    assert done.returncode == 1
    gone = {"songplays_artist_id_fk", "songs_artist_id_fk"}
    assert keys_of(small.warehouse) & KEYS == KEYS - gone
    before = len(stand_in.statements)
    # The next build takes them away before it writes, so that a table can be dropped.
    done = small.dbt("run", "--select", "songs")
    assert done.returncode == 0, done.stdout
    assert keys_of(small.warehouse) == set()
    said = "\n".join(stand_in.statements[before:])
    assert said.rindex("drop constraint") < said.index("create  table")


def test_a_build_with_a_conflict_says_so(small: Builder, stand_in: StandIn) -> None:
    """Both of Redshift's messages are reported as a conflict."""
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
        before = len(stand_in.statements)
        outcome = Outcome()
        outcome.add(small.dbt("run", "--select", "users").result)
        assert (outcome.success, len(outcome.errors)) == (False, 1)
        assert stand_in.conflicts == []
        # dbt does not send it again, on a connection that has no temporary table.
        assert sum(part in sql for sql in stand_in.statements[before:]) == 1
        raw_rows = dict.fromkeys((*RAW_TABLES, "load_history"), 0)
        said = build.summary("redshift", LoadResult(), raw_rows, {}, outcome)
        assert (
            "Serialization conflict: another transaction changed the same tables"
            in said
        )
        assert "dbt retry --target redshift" in said


@pytest.mark.long(
    guard="tests/loaders/test_redshift_loader.py"
    "::test_all_records_arrive_once_and_later_files_alone[manifest]"
)
def test_a_build_after_nothing_new_changes_nothing(
    stand_in: StandIn,
    data: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    made = make_warehouse(tmp_path / "warehouse", "redshift", stand_in=stand_in)
    builder = Builder(made)
    for _ in range(2):
        load(made, data)
        builder.build(tests=NO_UNIT_TESTS)
        assert_the_star_is_the_oracles(builder, data)
        assert keys_of(made) >= KEYS
    assert "Nothing new to load." in capsys.readouterr().out
