"""The physical design: the check of it, and the simulation that argues for it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import duckdb
import pytest
import redshift_connector

import physical_design
import simulate_distribution
from physical_design import Found, Wanted, faults_of
from redshift_stand_in import StandIn
from simulate_distribution import FILTERS, KEYS, QUESTIONS, SORTS, Cluster, Question
from warehouses import PROJECT, Warehouse, environment, make_warehouse

SONGPLAYS = Wanted("analytics", "songplays", "start_time", ("start_time",))
USERS = Wanted("analytics", "users", "all", ("user_id",))
GOOD = {
    SONGPLAYS: Found(
        "songplays", "KEY(start_time)", "start_time", 1, 6820, 1.02, 0.0, 0.0
    ),
    USERS: Found("users", "ALL", "user_id", 1, 97, None, 0.0, 0.0),
}


def found(wanted: Wanted, **changes: Any) -> Found:
    return Found(**(vars(GOOD[wanted]) | changes))


@pytest.mark.parametrize("wanted", GOOD, ids=lambda wanted: wanted.table)
def test_a_table_that_lies_as_its_model_says_has_no_fault(wanted: Wanted) -> None:
    assert list(faults_of(wanted, GOOD[wanted])) == []


@pytest.mark.parametrize(
    ("wanted", "changes", "statement", "is_design"),
    [
        (SONGPLAYS, {"diststyle": "EVEN"}, "alter distkey start_time", True),
        (SONGPLAYS, {"diststyle": "KEY(user_id)"}, "alter distkey start_time", True),
        (SONGPLAYS, {"diststyle": "AUTO(KEY(start_time))"}, "alter distkey", True),
        (USERS, {"diststyle": "KEY(user_id)"}, "alter diststyle all", True),
        (USERS, {"diststyle": "AUTO(ALL)"}, "alter diststyle all", True),
        (USERS, {"sort": "level"}, "alter compound sortkey (user_id)", True),
        (USERS, {"sort_count": 2}, "alter compound sortkey (user_id)", True),
        (USERS, {"sort": "AUTO(SORTKEY)"}, "alter compound sortkey (user_id)", True),
        (SONGPLAYS, {"unsorted": 5.01}, "vacuum full", False),
        (SONGPLAYS, {"statistics_off": 10.01}, "analyze", False),
        (SONGPLAYS, {"skew": 2.01}, "alter diststyle even", False),
    ],
)
def test_a_fault_has_the_statement_that_mends_it(
    wanted: Wanted, changes: dict[str, Any], statement: str, *, is_design: bool
) -> None:
    (fault,) = faults_of(wanted, found(wanted, **changes))
    assert statement in fault.statement
    assert f'"analytics"."{wanted.table}"' in fault.statement
    assert fault.is_design == is_design


def test_what_is_left_to_redshift_may_be_anything() -> None:
    wanted = Wanted("analytics", "report", "auto", ())
    for style in ("AUTO(ALL)", "AUTO(EVEN)", "AUTO(KEY(a))"):
        there = Found("report", style, "AUTO(SORTKEY)", 0, 1, 1.0, 0.0, 0.0)
        assert list(faults_of(wanted, there)) == []


def test_the_values_reach_the_query_quoted() -> None:
    assert "in ('it''s')" in physical_design.question({"it's"})


TABLES = """
create schema analytics;
create table analytics.int_events distkey (session_id) sortkey (start_time)
as select 1 as session_id, current_date as start_time;
create table analytics.songplays distkey (start_time) sortkey (start_time)
as select current_date as start_time;
create table analytics.time distkey (start_time) sortkey (start_time)
as select current_date as start_time;
create table analytics.users diststyle all sortkey (user_id) as select 1 as user_id;
create table analytics.songs diststyle all sortkey (song_id) as select 1 as song_id;
create table analytics.artists diststyle {artists} as select 1 as artist_id
"""


@pytest.fixture(scope="module")
def shared(
    stand_in: StandIn, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Warehouse]:
    """The warehouse of this file, where dbt finds what it parsed before."""
    made = make_warehouse(tmp_path_factory.mktemp("design"), "redshift", "", stand_in)
    with environment(made.variables):
        yield made


@pytest.fixture
def redshift(shared: Warehouse, stand_in: StandIn) -> Warehouse:
    """An empty warehouse that commands in this process take as theirs."""
    with stand_in.databases.connect(shared.database) as connection:
        connection.execute("drop schema if exists analytics cascade")
    return shared


def run(stand_in: StandIn, warehouse: Warehouse, script: str) -> None:
    """Run statements through the stand-in, one by one."""
    with redshift_connector.connect(
        host=stand_in.host,
        port=stand_in.port,
        user=stand_in.user,
        password=stand_in.password,
        database=warehouse.database,
        ssl=False,
    ) as connection:
        connection.autocommit = True
        cursor = connection.cursor()
        for statement in script.split(";"):
            cursor.execute(statement)


def test_the_check_passes_on_tables_as_the_models_ask(
    stand_in: StandIn, redshift: Warehouse, capsys: pytest.CaptureFixture[str]
) -> None:
    artists = "all sortkey (artist_id)"
    run(stand_in, redshift, TABLES.format(artists=artists))
    assert physical_design.main([]) == 0
    said = capsys.readouterr().out
    assert "All tables lie as their models ask" in said


def test_the_check_tells_a_table_that_was_made_wrong(
    stand_in: StandIn, redshift: Warehouse, capsys: pytest.CaptureFixture[str]
) -> None:
    run(stand_in, redshift, TABLES.format(artists="even"))
    with stand_in.databases.connect(redshift.database) as connection:
        connection.execute(
            "insert into redshift.health (relid, unsorted, stats_off) values"
            " ('analytics.users'::regclass, 30, 40)"
        )
    assert physical_design.main([]) == 1
    said = capsys.readouterr().out
    assert "artists: dist is EVEN, not ALL" in said
    assert 'alter table "analytics"."artists" alter diststyle all;' in said
    assert (
        'alter table "analytics"."artists" alter compound sortkey (artist_id);' in said
    )
    assert 'vacuum full "analytics"."users";' in said
    assert 'analyze "analytics"."users";' in said
    assert said.count(";\n") == 4


def test_an_empty_warehouse_is_one_sentence_and_status_2(
    redshift: Warehouse, capsys: pytest.CaptureFixture[str]
) -> None:
    del redshift
    assert physical_design.main([]) == 2
    said = capsys.readouterr().err
    assert said.startswith("error: svv_table_info shows no table")
    assert len(said.splitlines()) == 2


def test_a_warehouse_out_of_reach_is_one_sentence_and_status_2(
    stand_in: StandIn, redshift: Warehouse, capsys: pytest.CaptureFixture[str]
) -> None:
    del redshift
    stand_in.pause()
    try:
        assert physical_design.main([]) == 2
    finally:
        stand_in.resume()
    said = capsys.readouterr().err
    assert said.startswith("error: dbt could not ask Redshift: ")
    assert len(said.splitlines()) == 2


@pytest.mark.parametrize("warehouse", ["duckdb"], indirect=True)
def test_another_engine_is_one_sentence_and_status_2(
    warehouse: Warehouse, capsys: pytest.CaptureFixture[str]
) -> None:
    del warehouse
    assert physical_design.main([]) == 2
    said = capsys.readouterr().err
    assert said.startswith("error: The target test is on duckdb, ")


EVEN_ENOUGH = 1.2
SLICES = 8


@pytest.fixture(scope="module")
def cluster(sample_warehouse: Warehouse) -> Iterator[Cluster]:
    with duckdb.connect(str(sample_warehouse.path), read_only=True) as connection:
        yield Cluster(connection, "analytics")


def chosen(setting: str) -> str:
    """Give the dist or sort of songplays."""
    model = (PROJECT / "models/marts/core/songplays.sql").read_text(encoding="utf-8")
    (column,) = re.findall(rf"{setting} = '(\w+)'", model)
    return str(column)


def test_the_chosen_key_moves_least_of_those_that_spread_evenly(
    cluster: Cluster,
) -> None:
    spread = [key for key in KEYS if cluster.skew(key, SLICES) < EVEN_ENOUGH]
    moved = {
        key: sum(cluster.moved_by(each, key, SLICES) for each in QUESTIONS.values())
        for key in spread
    }
    assert min(moved, key=lambda key: moved[key]) == chosen("dist")
    assert cluster.moved_by_join(chosen("dist"), "start_time", 1, SLICES) == 0


def test_keys_of_few_users_and_of_songs_do_not_spread_evenly(cluster: Cluster) -> None:
    """Most plays have no song, and all these would lie on one slice."""
    assert cluster.skew("user_id", SLICES) > EVEN_ENOUGH
    assert cluster.skew("song_id", SLICES) > SLICES / 2


def test_the_chosen_sort_reads_least_of_a_day_and_of_a_week(cluster: Cluster) -> None:
    for name in ("day", "week"):
        read = {
            sort: cluster.read_share(sort, *FILTERS[name], cluster.plays // 256)
            for sort in SORTS
        }
        assert min(read, key=lambda sort: read[sort]) == chosen("sort")


def test_a_key_whose_rows_are_known_is_counted_right(tmp_path: Path) -> None:
    """Eight plays: one user has all but one, and no play has a song."""
    with duckdb.connect(str(tmp_path / "star.duckdb")) as connection:
        connection.execute(
            "create schema analytics;"
            " create table analytics.songplays as select"
            " 'p' || number as songplay_id, number // 7 as user_id, 'free' as level,"
            " timestamp '2018-11-01' + to_days(number) as start_time,"
            " null::varchar as song_id, now() as loaded_at from range(8) as _(number);"
            " create table analytics.users as select number as user_id, 'F' as gender"
            " from range(2) as _(number);"
            " create table analytics.songs as select 'SO1' as song_id;"
            ' create table analytics."time" as select start_time'
            " from analytics.songplays"
        )
        small = Cluster(connection, "analytics")
        assert (small.plays, small.users, small.songs, small.moments) == (8, 2, 1, 8)
        assert small.skew("song_id", 4) == 4
        assert small.skew("user_id", 4) >= 7 / 2
        assert small.skew("even", 4) == 1
        assert small.moved_by_join("user_id", "user_id", 2, 4) == 0
        assert small.moved_by_join("even", "song_id", 1, 4) == 3
        by_level = Question("level", "user_id")
        assert small.moved_by(by_level, "song_id", 4) == 2
        assert small.moved_by(by_level, "user_id", 4) in (1, 2)
        assert small.moved_by(Question("song_id"), "song_id", 4) == 0
        assert small.read_share("start_time", *FILTERS["day"], 1) == 2 / 8
        assert small.read_share("songplay_id", *FILTERS["user"], 4) == 1


def test_the_simulation_writes_the_tables_of_a_star(
    sample_warehouse: Warehouse, capsys: pytest.CaptureFixture[str]
) -> None:
    assert simulate_distribution.main(["--star", str(sample_warehouse.path)]) == 0
    said = capsys.readouterr().out
    assert said.startswith("### ")
    assert said.count("| start_time |") == 5


@pytest.mark.long(
    guard="tests/test_physical_design.py"
    "::test_the_simulation_writes_the_tables_of_a_star"
)
def test_the_simulation_runs_from_events_to_tables(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert simulate_distribution.main(["--events", "1000"]) == 0
    said = capsys.readouterr().out
    assert said.startswith("### 8")
    assert said.count("| start_time |") == 5


def test_a_star_that_is_missing_is_one_sentence_and_status_2(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert simulate_distribution.main(["--star", str(tmp_path / "no.duckdb")]) == 2
    assert len(capsys.readouterr().err.splitlines()) == 2
