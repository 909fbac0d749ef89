"""The law: the star depends on the set of raw records, not on their history.

A course is a group of histories in one warehouse. Each history is an example.
``make law`` runs LAW_COURSES courses of LAW_WIDTH histories.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

import pytest

import bootstrap
from conftest import without_spark
from histories import Course, courses, read_course, text_of
from law import BUILT_BY_ADDING, CASES, FIND_AGAIN, WHOLE, follow
from mutations import Mutation, mutate
from raw_lines import event, song
from recorded import record
from warehouses import (
    NO_TESTS,
    QUICK,
    Builder,
    Warehouse,
    assert_the_star_is_the_oracles,
    write_source,
)

COURSES: Final = {"duckdb": 2, "postgres": 1}
LONG_COURSES: Final = {"duckdb": 5, "postgres": 2}
WIDTH: Final = int(os.environ.get("LAW_WIDTH", "40"))
SEED: Final = int(os.environ.get("LAW_SEED", "1"))
ON_POSTGRES: Final = ("a_file_in_a_new_version", FIND_AGAIN)
"""Cases in ``make test`` on PostgreSQL too: a full refresh, and an incremental run."""


def holds(
    builder: Builder, course: Course, data: Path, *, at_once: bool = False
) -> bool:
    try:
        follow(builder, course, data, at_once=at_once)
    except AssertionError:
        return False
    return True


def reduced(builder: Builder, course: Course, data: Path) -> Course:
    """Reduce a course that breaks the law to a part that still breaks it."""

    def smaller(course: Course) -> Iterator[Course]:
        for one in course.histories if len(course.histories) > 1 else []:
            yield replace(
                course, histories=[one], rewriter=None if course.rewriter is None else 0
            )
        (first, *_) = course.histories
        for load, files in enumerate(first):
            for file in files:
                fewer = [other for other in files if other is not file]
                lines = [
                    replace(file, lines=file.lines[:n] + file.lines[n + 1 :])
                    for n in range(len(file.lines) if len(file.lines) > 1 else 0)
                ]
                for files_left in [fewer, *([*fewer, line] for line in lines)]:
                    changed = [*first[:load], files_left, *first[load + 1 :]]
                    yield replace(course, histories=[changed])
        for load, build in enumerate(course.builds):
            if build != "none":
                builds = [*course.builds[:load], "none", *course.builds[load + 1 :]]
                yield replace(course, builds=builds)

    for candidate in smaller(course):
        if not holds(builder, candidate, data):
            return reduced(builder, candidate, data)
    return course


def increments(builder: Builder) -> int:
    """Count the incremental builds of songplays."""
    ((count,),) = builder.warehouse.query(
        "select count(*) - count(distinct generation) from analytics_builds.songplays"
    )
    return int(count)


@without_spark
def test_star_does_not_depend_on_history(
    builder: Builder,
    tmp_path: Path,
    tell: Callable[[str], None],
    pytestconfig: pytest.Config,
) -> None:
    """Records are late, repeated, replaced or invalid; builds are left out or cut."""
    data = tmp_path / "data"
    loads = []
    added = 0
    is_long = pytestconfig.getoption("--long")
    counts = LONG_COURSES if is_long else COURSES
    # Only one process at a time can write to a DuckDB file.
    at_once = is_long and builder.warehouse.engine != "duckdb"
    count = os.environ.get("LAW_COURSES", counts[builder.warehouse.engine])
    for course in courses(int(count), WIDTH, SEED):
        if not holds(builder, course, data, at_once=at_once):
            found = text_of(reduced(builder, course, data))
            pytest.fail(f"The law is broken. Save this in tests/law_cases:\n{found}")
        loads.append(len(course.builds))
        record(
            "law",
            engine=builder.warehouse.engine,
            what=f"histories, {WIDTH} in a warehouse, seed {SEED}",
            tried=WIDTH,
            held=WIDTH,
            loads=len(course.builds),
            stars_compared=1 + sum(build in WHOLE for build in course.builds[:-1]),
            increments=increments(builder),
        )
        added += increments(builder)
    builder.build(QUICK)  # finds no new record
    assert_the_star_is_the_oracles(builder, data)
    tell(
        f"The law held on {builder.warehouse.engine}: {len(loads) * WIDTH:,}"
        f" histories in {len(loads)} courses, {sum(loads)} loads, {added} increments."
    )
    assert added > len(loads)


BOUNDED: Final = {
    "int_event_versions": "start_time",
    "songplays": "start_time",
    "time": "start_time",
    "int_user_days": "event_date",
}


@pytest.mark.parametrize("engine", ["redshift"])
def test_deletes_of_increment_are_bounded_by_sort_key(
    built_warehouse: Callable[[str, str], Warehouse], engine: str
) -> None:
    """Redshift skips the blocks outside the bounds."""
    warehouse = built_warehouse(engine, "grown")
    assert warehouse.stand_in is not None
    statements = [
        text for text in warehouse.stand_in.statements if warehouse.database in text
    ]
    for table, sort in BOUNDED.items():
        delete = re.compile(rf'\bdelete from \S*"{table}"\s+where ')
        found = [text for text in statements if delete.search(text)]
        bound = re.compile(
            rf"\nand {sort} between '[^']+' and '[^']+'(;|$)", re.MULTILINE
        )
        assert found, table
        assert [text for text in found if not bound.search(text)] == [], table


NAMED_CASE = "tests/rules/test_law.py::test_law_holds_in_named_case"


def named_case(engine: str, case: Path) -> Any:
    """Return parameters of the test, which is long for most cases except on DuckDB."""
    guard = f"{NAMED_CASE}[duckdb-{case.stem}]"
    short = engine == "duckdb" or (engine == "postgres" and case.stem in ON_POSTGRES)
    marks = [] if short else [pytest.mark.long(guard=guard)]
    return pytest.param(engine, case, id=f"{engine}-{case.stem}", marks=marks)


@pytest.mark.parametrize(
    ("warehouse", "case"),
    [
        named_case(engine, case)
        for engine in ("duckdb", "postgres", "redshift")
        for case in CASES
    ],
    indirect=["warehouse"],
)
def test_law_holds_in_named_case(builder: Builder, tmp_path: Path, case: Path) -> None:
    follow(builder, read_course(case), tmp_path / "data")
    record("cases", engine=builder.warehouse.engine, what="cases", tried=1, held=1)


def on_duckdb_and_postgres(test: Callable[..., None]) -> Callable[..., None]:
    """Run a test on DuckDB, and as a long test on PostgreSQL."""
    long = pytest.mark.long(guard=f"tests/rules/test_law.py::{test.__name__}[duckdb]")
    engines = ["duckdb", pytest.param("postgres", marks=long)]
    mark = pytest.mark.parametrize("warehouse", engines, indirect=True)
    decorated: Callable[..., None] = mark(test)
    return decorated


@on_duckdb_and_postgres
def test_reset_leaves_no_rows_of_earlier_data(builder: Builder, tmp_path: Path) -> None:
    one = write_source(tmp_path / "one", {"a.json": event()}, {"s.json": song()})
    other = write_source(tmp_path / "other", {"a.json": event(2)}, {"s.json": song()})
    builder.load(one)
    builder.build(QUICK)
    assert bootstrap.main(["--data", str(other), "--reset", "--yes"]) == 0
    done = builder.dbt("build", *NO_TESTS, QUICK)
    assert_the_star_is_the_oracles(builder, other)
    why = ": full refresh, because a raw file was replaced or the raw tables were recre"
    assert done.stdout.count(why) == len(BUILT_BY_ADDING)
    assert "full refresh" not in builder.dbt("build", *NO_TESTS, QUICK).stdout


@on_duckdb_and_postgres
def test_changed_model_is_refreshed_fully(builder: Builder, tmp_path: Path) -> None:
    """Earlier rows have the values of the changed SQL too."""
    data = write_source(tmp_path / "data", {"a.json": event(userId="7", level="free")})
    builder.load(data)
    builder.build(QUICK)
    level = "        max(level) as level,"
    upper = "        upper(max(level)) as level,"
    model = "models/intermediate/int_user_days.sql"
    mutate(builder, Mutation("", model, level, upper, ""))
    done = builder.dbt("build", *NO_TESTS, QUICK)
    assert done.returncode == 0, done.stdout
    rows = builder.warehouse.query("select user_id, level from analytics.users")
    assert rows == [(7, "FREE")]
    reason = "int_user_days: full refresh, because its SQL or configuration, or that of"
    assert reason in done.stdout
