"""dbt-redshift builds the same star, with keys and grants as Redshift has them."""

from __future__ import annotations

import csv
import io
from argparse import Namespace
from collections.abc import Callable
from contextlib import closing
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml

import bootstrap
from conftest import (
    PROJECT,
    TABLES,
    Warehouse,
    assert_table_is_the_oracles,
    make_warehouse,
)
from loaders.postgres import PostgresWarehouse
from oracle import Star, answers, build_star, read_folder
from redshift_stand_in import StandIn


@cache
def star_of(data: Path) -> Star:
    return build_star(read_folder(data))


@pytest.fixture(scope="module")
def redshift(
    stand_in: StandIn,
    postgres_server: str,
    sample_data: Path,
    tmp_path_factory: pytest.TempPathFactory,
) -> Warehouse:
    """The sample, built by dbt-redshift."""
    made = make_warehouse(tmp_path_factory.mktemp("redshift"), "redshift", "", stand_in)
    fill(made, postgres_server, sample_data)
    for command in (["build"], ["compile", "--select", "resource_type:analysis"]):
        done = made.dbt(*command)
        assert done.returncode == 0, done.stdout + done.stderr
    return made


def fill(warehouse: Warehouse, postgres_server: str, data: Path) -> None:
    """Load records past the stand-in, as its PostgreSQL takes them."""
    target = {
        "host": postgres_server,
        "user": warehouse.stand_in.user if warehouse.stand_in else "",
        "dbname": warehouse.database,
    }
    options = Namespace(
        data=str(data),
        log_data="log_data",
        song_data="song_data",
        max_rejects=1000,
        reset=False,
        dry_run=False,
    )
    with closing(PostgresWarehouse(target)) as raw:
        bootstrap.run(raw, "redshift", options)


@pytest.mark.parametrize("table", TABLES)
def test_a_table_is_the_oracles(
    redshift: Warehouse, sample_data: Path, table: str
) -> None:
    assert_table_is_the_oracles(redshift, star_of(sample_data), table)


QUESTIONS = sorted(path.stem for path in (PROJECT / "analyses").glob("*.sql"))
FIXTURES = [
    (test["name"], fixture)
    for path in sorted((PROJECT / "models").rglob("*.yml"))
    for test in yaml.safe_load(path.read_text(encoding="utf-8")).get("unit_tests", [])
    for fixture in (*test["given"], test["expect"])
]


@pytest.mark.parametrize(("name", "fixture"), FIXTURES)
def test_a_fixture_has_a_row_without_null(name: str, fixture: dict[str, Any]) -> None:
    """Or dbt-redshift refuses it: it takes the types from that row."""
    rows = fixture["rows"]
    if isinstance(rows, str):
        lines = csv.DictReader(io.StringIO(rows))
        rows = [{key: text or None for key, text in row.items()} for row in lines]
    assert not rows or any(None not in row.values() for row in rows), name


@pytest.mark.parametrize("question", QUESTIONS)
def test_an_analysis_has_the_oracles_answer(
    redshift: Warehouse, sample_data: Path, question: str
) -> None:
    compiled = next((redshift.folder / "target/compiled").rglob(f"{question}.sql"))
    found = redshift.query(compiled.read_text(encoding="utf-8"))
    assert found == [tuple(row) for row in answers(star_of(sample_data))[question].rows]


def test_rows_lie_as_the_models_say(redshift: Warehouse) -> None:
    rows = redshift.query(
        'select "table", diststyle, sortkey1 from svv_table_info'
        " where \"schema\" = 'analytics'"
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
    """Give what is declared about the tables of the star, by the name of each key."""
    rows = warehouse.query(
        "select conname from pg_constraint"
        " where right(conname, 3) in ('_pk', '_fk') and contype in ('p', 'f')"
    )
    return {str(name) for (name,) in rows}


KEYS = {
    "artists_artist_id_pk",
    "songplays_artist_id_fk",
    "songplays_song_id_fk",
    "songplays_songplay_id_pk",
    "songplays_start_time_fk",
    "songplays_user_id_fk",
    "songs_artist_id_fk",
    "songs_song_id_pk",
    "time_start_time_pk",
    "users_user_id_pk",
}


def test_keys_that_the_tests_proved_are_declared(redshift: Warehouse) -> None:
    assert keys_of(redshift) >= KEYS


def test_keys_are_declared_nowhere_else(
    built_warehouse: Callable[[str, str], Warehouse],
) -> None:
    assert keys_of(built_warehouse("postgres", "sample")) == set()


def test_views_do_not_hold_the_tables_they_read(redshift: Warehouse) -> None:
    """A reset drops them, and the next build finds the new ones."""
    views = redshift.query(
        "select view_name from pg_get_late_binding_view_cols() cols(view_schema name,"
        " view_name name, col_name name, col_type varchar, col_num int)"
        " where view_schema = 'analytics'"
    )
    assert {str(name) for (name,) in views} == {"int_events", "stg_events", "stg_songs"}


@pytest.mark.parametrize(
    "command", [["docs", "generate"], ["source", "freshness"], ["test"]], ids=" ".join
)
def test_a_command_of_dbt_runs(redshift: Warehouse, command: list[str]) -> None:
    done = redshift.dbt(*command)
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_analysts_may_read_the_marts_and_nothing_else(
    redshift: Warehouse, stand_in: StandIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    with stand_in.databases.connect(redshift.database) as connection:
        connection.execute("create group analysts")
    monkeypatch.setenv("SPARKIFY_ANALYSTS", "analysts")
    done = redshift.dbt("run", "--select", "+users")
    assert done.returncode == 0, done.stdout + done.stderr
    rows = redshift.query(
        "select table_name, privilege_type from information_schema.table_privileges"
        " where grantee = 'analysts'"
    )
    assert {(str(a), str(b)) for a, b in rows} == {("users", "SELECT")}
