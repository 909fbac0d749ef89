"""The tables on every engine equal the oracle's, row by row and value by value.

The grown data are the sample and the cases in which engines differ.
``warehouses.build_grown`` adds the cases by an incremental run.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from pathlib import Path

import pytest

from oracle import (
    Answer,
    Listening,
    Star,
    answers,
    build_listening,
    build_star,
    read_folder,
)
from warehouses import (
    BUILDERS,
    LISTENING,
    PROJECT,
    TABLES,
    Builder,
    Warehouse,
    assert_table_is_the_oracles,
)

QUESTIONS = sorted(path.stem for path in (PROJECT / "analyses").glob("*.sql"))
REJECTS = "why_records_were_rejected"
LONG = {
    (engine, "real"): pytest.mark.long(
        guard=f"tests/rules/test_star.py::test_quarantine_is_the_oracles[{engine}-grown]"
    )
    for engine in ("spark", "redshift")
}
CASES = [
    pytest.param(
        (engine, data), id=f"{engine}-{data}", marks=LONG.get((engine, data), ())
    )
    for data in ("grown", "real")
    for engine in BUILDERS
]


@pytest.fixture(params=[pytest.param(("duckdb", "sample"), id="duckdb-sample"), *CASES])
def case(request: pytest.FixtureRequest) -> tuple[Warehouse, Path]:
    """Return a built warehouse, and the folder of its data."""
    engine, data = request.param
    folder: Path = request.getfixturevalue(f"{data}_data")
    if data == "sample":
        return request.getfixturevalue("sample_warehouse"), folder
    return request.getfixturevalue("built_warehouse")(engine, data), folder


@cache
def star_of(data: Path) -> Star:
    return build_star(read_folder(data))


@cache
def answers_of(data: Path) -> dict[str, Answer]:
    return answers(read_folder(data))


@cache
def listening_of(data: Path) -> Listening:
    return build_listening(read_folder(data), star_of(data))


@pytest.mark.parametrize("table", TABLES)
def test_table_has_rows_and_values_of_oracle(
    case: tuple[Warehouse, Path], table: str
) -> None:
    warehouse, data = case
    assert_table_is_the_oracles(warehouse, star_of(data), table)
    assert len(star_of(data).tables()[table].rows) > 0


@pytest.mark.parametrize("table", [*LISTENING, "user_weeks"])
def test_mart_has_rows_and_values_of_oracle(
    case: tuple[Warehouse, Path], table: str
) -> None:
    warehouse, data = case
    assert_table_is_the_oracles(warehouse, listening_of(data), table)
    assert len(listening_of(data).tables()[table].rows) > 0


@pytest.mark.parametrize("table", TABLES)
def test_columns_of_the_brief_come_first(
    sample_warehouse: Warehouse, table: str
) -> None:
    brief = {
        "songplays": "songplay_id start_time user_id level song_id artist_id session_id"
        " location user_agent",
        "users": "user_id first_name last_name gender level",
        "songs": "song_id title artist_id year duration",
        "artists": "artist_id name location latitude longitude",
        "time": "start_time hour day week month year weekday",
    }[table].split()
    columns = [
        row[0]
        for row in sample_warehouse.query(
            "select column_name from information_schema.columns where table_schema ="
            f" 'analytics' and table_name = '{table}' order by ordinal_position"
        )
    ]
    assert columns[: len(brief)] == brief


def test_quarantine_is_the_oracles(case: tuple[Warehouse, Path]) -> None:
    warehouse, data = case
    found = warehouse.query(
        "select table_name, path, line_number, reason, raw_text"
        " from raw.rejected_records"
    )
    assert sorted(found) == sorted(tuple(r) for r in read_folder(data).rejects)


def test_every_file_is_in_history_with_counts(case: tuple[Warehouse, Path]) -> None:
    warehouse, data = case
    records = read_folder(data)
    ((files, loaded, rejected),) = warehouse.query(
        "select count(*), sum(loaded_count), sum(rejected_count) from raw.load_history"
    )
    parts = ("log_data", "song_data")
    assert files == sum(len(list((data / part).rglob("*.json*"))) for part in parts)
    assert loaded == len(records.events) + len(records.songs)
    assert rejected == len(records.rejects)


@pytest.mark.parametrize("question", QUESTIONS)
def test_analysis_has_the_oracles_answer(
    case: tuple[Warehouse, Path], question: str
) -> None:
    warehouse, data = case
    compiled = next((warehouse.folder / "target/compiled").rglob(f"{question}.sql"))
    found = warehouse.query(compiled.read_text(encoding="utf-8"))
    expected = answers_of(data)[question].rows
    assert found == expected
    assert [list(map(type, row)) for row in found] == [
        list(map(type, row)) for row in expected
    ]
    # The course data have no invalid record.
    is_empty = question == REJECTS and not read_folder(data).rejects
    assert len(found) > 0 or is_empty


def test_every_analysis_has_an_answer_of_the_oracle(sample_data: Path) -> None:
    assert sorted(answers_of(sample_data)) == QUESTIONS


@pytest.mark.parametrize(
    "engine",
    [
        "postgres",
        *(
            pytest.param(engine, marks=LONG[engine, "real"])
            for engine in ("spark", "redshift")
        ),
    ],
)
def test_unit_tests_pass_on_engine(
    engine: str, built_warehouse: Callable[[str, str], Warehouse]
) -> None:
    """On DuckDB, the build of the sample runs them."""
    builder = Builder(built_warehouse(engine, "grown"))
    done = builder.dbt("test", "--select", "test_type:unit")
    assert done.returncode == 0, done.stdout
    assert len(done.statuses) > 20
