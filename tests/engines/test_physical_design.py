"""The check of a cluster's physical design."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import redshift_connector

import physical_design
from physical_design import Found, Wanted, drifts_of
from redshift_stand_in import StandIn
from warehouses import Warehouse, environment, make_warehouse

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
def test_table_as_configured_has_no_drift(wanted: Wanted) -> None:
    assert list(drifts_of(wanted, GOOD[wanted])) == []


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
def test_drift_names_statement_that_fixes_it(
    wanted: Wanted, changes: dict[str, Any], statement: str, *, is_design: bool
) -> None:
    (drift,) = drifts_of(wanted, found(wanted, **changes))
    assert statement in drift.statement
    assert f'"analytics"."{wanted.table}"' in drift.statement
    assert drift.is_design == is_design


def test_automatic_design_has_no_drift() -> None:
    wanted = Wanted("analytics", "report", "auto", ())
    for style in ("AUTO(ALL)", "AUTO(EVEN)", "AUTO(KEY(a))"):
        table = Found("report", style, "AUTO(SORTKEY)", 0, 1, 1.0, 0.0, 0.0)
        assert list(drifts_of(wanted, table)) == []


def test_query_contains_quoted_values() -> None:
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
    """Make the warehouse of this file, so that dbt parses the project once."""
    made = make_warehouse(tmp_path_factory.mktemp("design"), "redshift", "", stand_in)
    with environment(made.variables):
        yield made


@pytest.fixture
def redshift(shared: Warehouse, stand_in: StandIn) -> Warehouse:
    """Empty the warehouse that commands in this process use."""
    with stand_in.databases.connect(shared.database) as connection:
        connection.execute("drop schema if exists analytics cascade")
    return shared


def run(stand_in: StandIn, warehouse: Warehouse, script: str) -> None:
    """Run statements one by one through the stand-in."""
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


def test_check_passes_on_tables_as_configured(
    stand_in: StandIn, redshift: Warehouse, capsys: pytest.CaptureFixture[str]
) -> None:
    run(stand_in, redshift, TABLES.format(artists="all sortkey (artist_id)"))
    assert physical_design.main([]) == 0
    assert "All tables match their models." in capsys.readouterr().out


def test_check_reports_table_with_wrong_keys(
    stand_in: StandIn, redshift: Warehouse, capsys: pytest.CaptureFixture[str]
) -> None:
    run(stand_in, redshift, TABLES.format(artists="even"))
    with stand_in.databases.connect(redshift.database) as connection:
        connection.execute(
            "insert into redshift.health (relid, unsorted, stats_off) values"
            " ('analytics.users'::regclass, 30, 40)"
        )
    assert physical_design.main([]) == 1
    output = capsys.readouterr().out
    assert "artists: dist is EVEN, not ALL" in output
    assert 'alter table "analytics"."artists" alter diststyle all;' in output
    assert (
        'alter table "analytics"."artists" alter compound sortkey (artist_id);'
        in output
    )
    assert 'vacuum full "analytics"."users";' in output
    assert 'analyze "analytics"."users";' in output
    assert output.count(";\n") == 4


def test_empty_warehouse_is_clear_error(
    redshift: Warehouse, capsys: pytest.CaptureFixture[str]
) -> None:
    del redshift
    assert physical_design.main([]) == 2
    error = capsys.readouterr().err
    assert error.startswith("error: svv_table_info has no table")
    assert len(error.splitlines()) == 2


def test_unreachable_warehouse_is_clear_error(
    stand_in: StandIn, redshift: Warehouse, capsys: pytest.CaptureFixture[str]
) -> None:
    del redshift
    stand_in.pause()
    try:
        assert physical_design.main([]) == 2
    finally:
        stand_in.resume()
    error = capsys.readouterr().err
    assert error.startswith("error: dbt could not query Redshift: ")
    assert len(error.splitlines()) == 2


@pytest.mark.parametrize("warehouse", ["duckdb"], indirect=True)
def test_other_engine_is_clear_error(
    warehouse: Warehouse, capsys: pytest.CaptureFixture[str]
) -> None:
    del warehouse
    assert physical_design.main([]) == 2
    error = capsys.readouterr().err
    assert error.startswith("error: The target test is on duckdb, ")
