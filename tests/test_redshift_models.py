"""What is Redshift's own in building the star: keys, grants, views, a day more.

That the star is the oracle's is in test_star.py.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

import bootstrap
import generate_events
from oracle import build_star, read_folder
from redshift_stand_in import StandIn
from warehouses import (
    PROJECT,
    TABLES,
    Warehouse,
    assert_table_is_the_oracles,
    make_warehouse,
    put_into_bucket,
)


@pytest.fixture(scope="module")
def redshift(built_warehouse: Callable[[str, str], Warehouse]) -> Warehouse:
    """The sample, loaded by COPY and built by dbt-redshift."""
    return built_warehouse("redshift", "sample")


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
    names = {"days", "int_events", "plays", "stg_events", "stg_songs"}
    assert {str(name) for (name,) in views} == names


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


@pytest.fixture
def small(
    stand_in: StandIn, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Warehouse:
    """An empty warehouse that commands in this process take as theirs."""
    made = make_warehouse(tmp_path / "warehouse", "redshift", stand_in=stand_in)
    for name, value in made.environment.items():
        monkeypatch.setenv(name, value)
    return made


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """A small sample."""
    folder = tmp_path / "data"
    arguments = ["--events", "1000", "--days", "5", "--songs", "60"]
    assert generate_events.main(["--out", str(folder), *arguments]) == 0
    return folder


def load(warehouse: Warehouse, stand_in: StandIn, data: Path) -> None:
    """Put data into a bucket, and load what is new there."""
    place = put_into_bucket(stand_in, warehouse.database.replace("_", "-"), data)
    options = ["--data", f"{place}/data", "--manifest", f"{place}/manifests"]
    assert bootstrap.main(options) == 0


def test_a_key_that_a_test_disproves_is_taken_back(
    stand_in: StandIn, small: Warehouse, data: Path
) -> None:
    load(small, stand_in, data)
    alone = ("--indirect-selection", "cautious", "--select")
    assert small.dbt("build", *alone, "+songs", "+artists").returncode == 0
    assert "songs_artist_id_fk" in keys_of(small)
    with stand_in.databases.connect(small.database) as connection:
        connection.execute("delete from analytics.artists")
    assert small.dbt("test", *alone, "songs", "artists").returncode == 1
    assert keys_of(small) & KEYS == {"artists_artist_id_pk", "songs_song_id_pk"}


def test_a_day_more_comes_to_the_star_and_nothing_comes_twice(
    stand_in: StandIn,
    small: Warehouse,
    data: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """The whole way: bootstrap, build, nothing to do, one day more, build."""
    *_, last = sorted((data / "log_data").rglob("*.json"))
    later = last.read_bytes()
    last.unlink()

    def load_and_build() -> None:
        load(small, stand_in, data)
        done = small.dbt("build")
        assert done.returncode == 0, done.stdout + done.stderr
        star = build_star(read_folder(data))
        for table in TABLES:
            assert_table_is_the_oracles(small, star, table)

    load_and_build()
    load_and_build()
    assert "Nothing new to load." in capsys.readouterr().out
    last.write_bytes(later)
    load_and_build()
    assert keys_of(small) >= KEYS
