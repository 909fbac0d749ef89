"""How Spark shows a new version of a table (decision 7), and the law on Spark."""

from __future__ import annotations

import importlib
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from conftest import only_spark
from histories import read_course
from law import CASES, FIND_AGAIN, follow
from mutations import Mutation, mutate
from recorded import record
from warehouses import NO_TESTS, Builder, Warehouse, make_warehouse

A_BUILD = (
    "tests/rules/test_star.py::test_table_has_rows_and_values_of_oracle"
    "[spark-grown-songplays]"
)
"""Loads the sample on Spark and more after it, builds, and compares."""
A_LAW_CASE = (
    f"tests/rules/test_law.py::test_the_law_holds_in_a_named_case[duckdb-{FIND_AGAIN}]"
)
"""The same increments, by the strategy of the other engines."""

USERS = ("--select", "users")
STATEMENTS = 12
"""About so many statements build the table users."""
SHOWS = r"(create|alter) view analytics\.users "


@contextmanager
def before_each_statement(act: Callable[[str], None]) -> Iterator[None]:
    """Let a function see each statement of dbt before it runs."""
    # Not everybody has Spark.
    cursors = importlib.import_module("dbt.adapters.spark.session").Cursor
    execute = cursors.execute

    def execute_after(cursor: object, sql: str, *parameters: Any) -> None:
        act(re.sub(r"/\*.*?\*/", "", sql, flags=re.DOTALL).strip())
        execute(cursor, sql, *parameters)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(cursors, "execute", execute_after)
        yield


def versions_of_users(warehouse: Warehouse) -> list[str]:
    """List the versions of the table users, the oldest first."""
    names = warehouse.query("show tables in analytics_versions like 'users__*'")
    return sorted(name for _, name, _ in names)


def read_users(warehouse: Warehouse) -> tuple[int, tuple[str, ...]]:
    """Count the users that a reader finds, and name the versions that he reads."""
    files = warehouse.query("select input_file_name() from analytics.users")
    return len(files), tuple({Path(file).parent.name for (file,) in files})


def test_a_reader_sees_one_whole_version(
    built_warehouse: Callable[[str, str], Warehouse],
) -> None:
    """Also while a build runs, is killed, or runs beside another build."""
    warehouse = built_warehouse("spark", "grown")
    builder = Builder(warehouse)
    users, (first,) = read_users(warehouse)
    began_to_read = warehouse.session.sql("select * from analytics.users")
    seen = []

    with before_each_statement(lambda _: seen.append(read_users(warehouse))):
        builder.build(*USERS)
    _, (second,) = read_users(warehouse)
    assert set(seen) == {(users, (first,)), (users, (second,))}
    assert seen == sorted(seen)
    assert began_to_read.count() == users
    assert versions_of_users(warehouse) == [first, second]

    def kill(statement: str) -> None:
        if re.match(SHOWS, statement):
            raise RuntimeError("This build was killed.")

    with (
        before_each_statement(kill),
        pytest.raises(AssertionError, match="This build was killed"),
    ):
        builder.build(*USERS)
    assert read_users(warehouse) == (users, (second,))
    *_, half = versions_of_users(warehouse)

    def build_beside(statement: str) -> None:
        if re.match(SHOWS, statement):
            later = f"users__{datetime.now(UTC):%Y%m%dt%H%M%S%f}"
            version = f"analytics_versions.{later}"
            for other in (
                f"create table {version} as select * from analytics.users",
                f"alter view analytics.users as select * from {version}",
            ):
                warehouse.query(other)

    with before_each_statement(build_beside):
        builder.build(*USERS)
    third, later = versions_of_users(warehouse)[-2:]
    assert read_users(warehouse) == (users, (third,))
    assert versions_of_users(warehouse) == [second, half, third, later]
    builder.build(*USERS)
    assert versions_of_users(warehouse)[:2] == [third, later]
    builder.build(*USERS)
    assert len(versions_of_users(warehouse)) == 2
    assert read_users(warehouse) == (users, (versions_of_users(warehouse)[-1],))


@pytest.mark.long(
    guard="tests/engines/test_spark_builds.py::test_a_reader_sees_one_whole_version"
)
def test_build_after_a_killed_build_is_right(
    built_warehouse: Callable[[str, str], Warehouse],
) -> None:
    warehouse = built_warehouse("spark", "grown")
    builder = Builder(warehouse)
    users, _ = read_users(warehouse)
    for number in range(STATEMENTS):
        left = iter(range(number))

        def kill(_: str, left: Iterator[int] = left) -> None:
            if next(left, None) is None:
                raise RuntimeError("This build was killed.")

        with before_each_statement(kill):
            builder.dbt("build", *NO_TESTS, *USERS)
        count, (version,) = read_users(warehouse)
        assert count == users
        builder.build(*USERS)
        count, (after,) = read_users(warehouse)
        assert (count, version < after) == (users, True)
        record(
            "kill",
            engine="spark",
            what="build, killed between two statements",
            tried=1,
            right_after_the_next_command=1,
        )


def test_an_unknown_table_format_is_one_sentence(
    built_warehouse: Callable[[str, str], Warehouse], monkeypatch: pytest.MonkeyPatch
) -> None:
    builder = Builder(built_warehouse("spark", "grown"))
    monkeypatch.setenv("SPARKIFY_TABLE_FORMAT", "hudi")
    done = builder.dbt("build", *NO_TESTS, *USERS)
    assert done.returncode == 1
    said = "SPARKIFY_TABLE_FORMAT must be parquet, iceberg or delta, not 'hudi'."
    assert said in str(done.result.exception)


@pytest.mark.long(guard=A_LAW_CASE)
def test_an_increment_by_merge_holds_the_law(
    built_warehouse: Callable[[str, str], Warehouse], tmp_path: Path
) -> None:
    """The statement for Iceberg and Delta, as DuckDB runs it and Spark parses it."""
    builder = Builder(make_warehouse(tmp_path / "warehouse"))
    macro = "{% macro get_incremental_replace_changed_sql(arguments) %}"
    merge = (
        "{{ return(spark__get_merge_sql(arguments.target_relation,"
        " arguments.temp_relation, arguments.unique_key, none, none)) }}"
    )
    strategy = "macros/incremental/get_incremental_replace_changed_sql.sql"
    mutate(builder, Mutation("merge", strategy, macro, macro + merge, ""))
    (case,) = [case for case in CASES if case.stem == FIND_AGAIN]
    follow(builder, read_course(case), tmp_path / "data")
    compiled = builder.warehouse.folder / "target" / "run"
    statements = [
        text[text.index("merge into") :]
        for path in compiled.rglob("*.sql")
        if "merge into" in (text := path.read_text("utf-8"))
    ]
    assert len(statements) > 1
    session = built_warehouse("spark", "grown").session._jsparkSession  # noqa: SLF001 -- there is no public parser
    for statement in statements:
        session.sessionState().sqlParser().parsePlan(statement.replace('"', "`"))


@pytest.mark.long(guard=A_BUILD)
@only_spark
@pytest.mark.parametrize("case", CASES, ids=lambda path: path.stem)
def test_law_holds_on_spark_in_named_case(
    builder: Builder, tmp_path: Path, case: Path
) -> None:
    follow(builder, read_course(case), tmp_path / "data")
    record("cases", engine="spark", what="cases", tried=1, held=1)
