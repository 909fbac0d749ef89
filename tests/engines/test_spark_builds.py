"""Table versions (decision 7), interrupted builds and the law on Spark."""

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
"""Builds the grown data on Spark and compares a table."""
A_LAW_CASE = (
    f"tests/rules/test_law.py::test_law_holds_in_named_case[duckdb-{FIND_AGAIN}]"
)
"""Runs the same increments by the strategy of the other engines."""

USERS = ("--select", "users")
STATEMENTS = 12
"""The approximate number of statements that build the table users."""
SWITCH = r"(create|alter) view analytics\.users "


@contextmanager
def before_each_statement(act: Callable[[str], None]) -> Iterator[None]:
    """Call a function with each statement of dbt before the statement runs."""
    # Spark may be missing.
    cursors = importlib.import_module("dbt.adapters.spark.session").Cursor
    execute = cursors.execute

    def execute_after(cursor: object, sql: str, *parameters: Any) -> None:
        act(re.sub(r"/\*.*?\*/", "", sql, flags=re.DOTALL).strip())
        execute(cursor, sql, *parameters)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(cursors, "execute", execute_after)
        yield


def versions_of_users(warehouse: Warehouse) -> list[str]:
    """List the versions of the table users, oldest first."""
    names = warehouse.query("show tables in analytics_versions like 'users__*'")
    return sorted(name for _, name, _ in names)


def read_users(warehouse: Warehouse) -> tuple[int, tuple[str, ...]]:
    """Return the number of users that a query finds, and the versions it reads."""
    files = warehouse.query("select input_file_name() from analytics.users")
    return len(files), tuple({Path(file).parent.name for (file,) in files})


def test_reader_sees_one_complete_version(
    built_warehouse: Callable[[str, str], Warehouse],
) -> None:
    """Also during a build, a killed build and two concurrent builds."""
    warehouse = built_warehouse("spark", "grown")
    builder = Builder(warehouse)
    users, (first,) = read_users(warehouse)
    open_query = warehouse.session.sql("select * from analytics.users")
    seen = []

    with before_each_statement(lambda _: seen.append(read_users(warehouse))):
        builder.build(*USERS)
    _, (second,) = read_users(warehouse)
    assert set(seen) == {(users, (first,)), (users, (second,))}
    assert seen == sorted(seen)
    assert open_query.count() == users
    assert versions_of_users(warehouse) == [first, second]

    def kill(statement: str) -> None:
        if re.match(SWITCH, statement):
            raise RuntimeError("This build was killed.")

    with (
        before_each_statement(kill),
        pytest.raises(AssertionError, match="This build was killed"),
    ):
        builder.build(*USERS)
    assert read_users(warehouse) == (users, (second,))
    *_, partial = versions_of_users(warehouse)

    def build_concurrently(statement: str) -> None:
        if re.match(SWITCH, statement):
            later = f"users__{datetime.now(UTC):%Y%m%dt%H%M%S%f}"
            version = f"analytics_versions.{later}"
            for other in (
                f"create table {version} as select * from analytics.users",
                f"alter view analytics.users as select * from {version}",
            ):
                warehouse.query(other)

    with before_each_statement(build_concurrently):
        builder.build(*USERS)
    third, later = versions_of_users(warehouse)[-2:]
    assert read_users(warehouse) == (users, (third,))
    assert versions_of_users(warehouse) == [second, partial, third, later]
    builder.build(*USERS)
    assert versions_of_users(warehouse)[:2] == [third, later]
    builder.build(*USERS)
    assert len(versions_of_users(warehouse)) == 2
    assert read_users(warehouse) == (users, (versions_of_users(warehouse)[-1],))


@pytest.mark.long(
    guard="tests/engines/test_spark_builds.py::test_reader_sees_one_complete_version"
)
def test_build_after_killed_build_is_correct(
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
        count, (rebuilt,) = read_users(warehouse)
        assert (count, version < rebuilt) == (users, True)
        record(
            "kill",
            engine="spark",
            what="build, killed between two statements",
            tried=1,
            right_after_the_next_command=1,
        )


def test_unknown_table_format_is_clear_error(
    built_warehouse: Callable[[str, str], Warehouse], monkeypatch: pytest.MonkeyPatch
) -> None:
    builder = Builder(built_warehouse("spark", "grown"))
    monkeypatch.setenv("SPARKIFY_TABLE_FORMAT", "hudi")
    done = builder.dbt("build", *NO_TESTS, *USERS)
    assert done.returncode == 1
    error = "SPARKIFY_TABLE_FORMAT must be parquet, iceberg or delta, not 'hudi'."
    assert error in str(done.result.exception)


@pytest.mark.long(guard=A_LAW_CASE)
def test_law_holds_for_increments_by_merge(
    built_warehouse: Callable[[str, str], Warehouse], tmp_path: Path
) -> None:
    """DuckDB runs the statement for Iceberg and Delta, and Spark parses it."""
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
