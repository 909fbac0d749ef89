"""How builds add to the star on Spark: decision 7, and the law where a build is cut."""

from __future__ import annotations

import importlib
import os
import random
import re
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import duckdb
import pytest

from conftest import only_spark
from histories import read_course
from raw_lines import event
from recorded import record
from test_law import CASES, follow
from warehouses import Builder, Warehouse, assert_the_star_is_the_oracles, write_source

CUTS = int(os.environ.get("KILLS", "5"))
"""How many builds are cut at random, beside those that are cut at a certain point."""

AN_INCREMENT = (
    "tests/test_star.py::test_a_table_has_the_rows_and_values_of_the_oracle"
    "[spark-grown-songplays]"
)
"""Builds the sample on Spark, adds to it, and compares."""

Data = Callable[..., Path]


def at(month: int, day: int = 1) -> int:
    """Give a moment of 2018 as logs do: in milliseconds."""
    return int(datetime(2018, month, day, tzinfo=UTC).timestamp() * 1000)


def play(item: int, ts: int, **others: object) -> bytes:
    names = {"userId": "1", "level": "free", "song": "a", "artist": "b"}
    return event(1, item, ts=ts, page="NextSong", **(names | others))


@pytest.fixture
def data(tmp_path: Path) -> Data:
    """A function that adds a file of events to a folder of raw data."""

    def add(name: str, *lines: bytes, songs: bytes | None = None) -> Path:
        catalogue = {name: songs} if songs else {}
        return write_source(tmp_path / "data", {name: b"\n".join(lines)}, catalogue)

    return add


def files_of(warehouse: Warehouse, table: str) -> dict[Path, int]:
    """Give the files of a table, shown or not, with the rows that they hold."""
    schema = warehouse.lake / "warehouse/analytics_versions.db"
    with duckdb.connect() as connection:
        return {
            path: connection.read_parquet(str(path)).shape[0]
            for path in schema.glob(f"{table}__2*/**/*.parquet")
        }


def months_of(files: set[Path]) -> list[int]:
    return sorted(int(path.parent.name.removeprefix("start_month=")) for path in files)


@contextmanager
def cut(reached: Callable[[str], bool]) -> Iterator[list[str]]:
    """End a build before a statement, as a kill does: no later one runs, of any model.

    Gives the statements that ran.
    """
    ran: list[str] = []
    dead = threading.Event()
    lock = threading.Lock()
    # Not everybody has Spark.
    cursors = importlib.import_module("dbt.adapters.spark.session").Cursor
    execute = cursors.execute

    def execute_if_alive(cursor: object, sql: str, *parameters: Any) -> None:
        statement = re.sub(r"/\*.*?\*/", "", sql, flags=re.DOTALL).strip()
        with lock:
            if dead.is_set() or reached(statement):
                dead.set()
                raise RuntimeError("This build was cut.")
            ran.append(statement)
        execute(cursor, sql, *parameters)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(cursors, "execute", execute_if_alive)
        yield ran


def build_and_cut(
    builder: Builder, reached: Callable[[str], bool], *arguments: str
) -> None:
    with cut(reached), pytest.raises(AssertionError, match="This build was cut"):
        builder.build(*arguments)


def before_statement(pattern: str) -> Callable[[str], bool]:
    return lambda statement: re.match(pattern, statement) is not None


def after_statements(count: int) -> Callable[[str], bool]:
    left = iter(range(count, -1, -1))
    return lambda _: next(left, 0) == 0


NOTING = r"insert overwrite .*_int_event_versions_\d+t\d+'"
CUT_AT: dict[str, tuple[str, tuple[str, ...]]] = {
    "before a version is shown": ("alter view analytics.int_event_versions ", ()),
    "before it is noted": (NOTING, ()),
    # Built anew, it knows nothing of the plays that were another user's.
    "where it is built anew": (
        NOTING,
        ("--full-refresh", "--select", "int_event_versions"),
    ),
}
THIS = (
    "tests/test_spark_builds.py::"
    "test_a_build_that_is_cut_between_two_statements_is_made_good_by_the_next"
)


@only_spark
@pytest.mark.parametrize(
    "points",
    [
        pytest.param(list(CUT_AT)[:1], id="before a version is shown"),
        pytest.param(
            list(CUT_AT)[1:],
            id="at other points",
            marks=pytest.mark.long(guard=f"{THIS}[before a version is shown-spark]"),
        ),
    ],
)
def test_a_build_that_is_cut_between_two_statements_is_made_good_by_the_next(
    builder: Builder, data: Data, points: list[str]
) -> None:
    """In each load a play goes over to another user.

    So a model that misses the change keeps the play for the user before. The long test
    also cuts KILLS builds anywhere; so does ``make kill``.
    """
    root = data("0.json", *(play(item, at(11, 1 + item)) for item in range(3)))
    builder.load(root)
    builder.build()
    chance = random.Random(CUTS)  # noqa: S311 -- no secret
    cuts = [(before_statement(CUT_AT[name][0]), CUT_AT[name][1]) for name in points]
    if len(points) > 1:
        cuts += [(after_statements(chance.randrange(5, 150)), ()) for _ in range(CUTS)]
    for number, (reached, arguments) in enumerate(cuts, start=1):
        user = str(number + 1)
        moved = play(number % 3, at(11 + number % 2, 5 + number % 20), userId=user)
        root = data(f"{number}.json", moved)
        builder.load(root)
        build_and_cut(builder, reached, *arguments)
        builder.build()
        assert_the_star_is_the_oracles(builder, root)
        record(
            "kill",
            engine="spark",
            what="build, cut between two statements",
            tried=1,
            right_after_the_next_command=1,
        )


@pytest.mark.long(guard=AN_INCREMENT)
@only_spark
@pytest.mark.parametrize("case", CASES, ids=lambda path: path.stem)
def test_the_law_holds_on_spark_in_a_named_case(
    builder: Builder, tmp_path: Path, case: Path
) -> None:
    follow(builder, read_course(case), tmp_path / "data")
    record("cases", engine="spark", what="cases", tried=1, held=1)
