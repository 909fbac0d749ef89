"""With ``tests: changed``, tests look at what changed since all of them passed."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import duckdb
import pytest
from dbt.cli.main import dbtRunner

from conftest import WHERE, only_duckdb
from raw_lines import event, song
from warehouses import ENGINES, Builder, Warehouse, write_source

CHANGED: Final = ("--vars", "tests: changed")
MISSING: Final = "assert_every_next_song_event_is_one_songplay"
DOUBLED: Final = "unique_songplays_songplay_id"
NARROWED: Final = (
    MISSING,
    DOUBLED,
    "assert_every_raw_record_is_accounted_for",
    "assert_every_songplay_is_once_among_the_plays",
    "dbt_utils_unique_combination_of_columns_int_event_versions_session_id__item_in_session",
    "relationships_songplays_start_time__start_time__ref_time_",
    "unique_time_start_time",
)
LOSE: Final = "delete from analytics.songplays where session_id = {}"
DOUBLE: Final = (
    "insert into analytics.songplays"
    " select * from analytics.songplays where session_id = {}"
)


def write_into(warehouse: Warehouse, sql: str) -> None:
    """Change the star behind dbt's back."""
    with duckdb.connect(str(warehouse.path)) as connection:
        connection.execute(sql)


def play(session: int) -> bytes:
    return event(session, page="NextSong", userId=str(session), level="free")


def add_to(data: Path, session: int) -> Path:
    """Let a log arrive that has one play."""
    return write_source(data, {f"{session}.json": play(session)})


def failed(builder: Builder, *command: str) -> set[str]:
    """Run dbt on all, without its unit tests; name the tests that failed."""
    arguments = ["--quiet", *command, *WHERE]
    if command[0] != "run":
        arguments += ["--exclude-resource-type", "unit_test"]
    done: Any = dbtRunner(manifest=builder.manifest).invoke(arguments)
    builder.close()
    assert done.exception is None, done.exception
    return {
        result.node.name
        for result in done.result
        if result.status not in ("success", "pass", "skipped", "no-op")
    }


@only_duckdb
def test_what_changed_since_all_tests_passed_is_tested_and_nothing_before_it(
    builder: Builder, tmp_path: Path
) -> None:
    data = write_source(tmp_path / "data", {"1.json": play(1)}, {"s.json": song()})
    builder.parse()
    builder.load(data)
    # Not all tests: what passed now is not yet known to be right.
    a_test = "accepted_values_songplays_level__free__paid"
    assert failed(builder, "build", "--exclude", f"{a_test}*") == set()
    write_into(builder.warehouse, LOSE.format(1))
    assert MISSING in failed(builder, "test", *CHANGED)

    assert failed(builder, "build", "--full-refresh", *CHANGED) == set()
    write_into(builder.warehouse, LOSE.format(1))
    assert MISSING not in failed(builder, "test", *CHANGED)
    assert MISSING in failed(builder, "test")

    builder.load(add_to(data, 2))
    assert failed(builder, "run") == set()
    write_into(builder.warehouse, DOUBLE.format(2))
    for _ in range(2):
        assert {MISSING, DOUBLED} <= failed(builder, "test", *CHANGED)

    # A file in a new version: all is built anew, and so all of it is tested.
    write_source(data, {"1.json": play(1) + b"\n" + play(3)})
    builder.load(data)
    assert failed(builder, "run") == set()
    write_into(builder.warehouse, LOSE.format(2))
    assert MISSING in failed(builder, "test", *CHANGED)
    assert failed(builder, "build", "--full-refresh") == set()
    assert failed(builder, "test", *CHANGED) == set()


@pytest.mark.parametrize("engine", [*ENGINES, "redshift"])
def test_each_engine_knows_what_is_tested(
    built_warehouse: Callable[[str, str], Warehouse], engine: str
) -> None:
    warehouse = built_warehouse(engine, "sample")
    done = warehouse.dbt("test", "--select", *NARROWED, *CHANGED)
    assert done.returncode == 0, done.stdout
    compiled = warehouse.folder / "target" / "run" / "sparkify"
    for name in NARROWED:
        (path,) = compiled.rglob(f"{name[:30]}*.sql")
        assert "as untested" in path.read_text(encoding="utf-8"), name


def test_other_values_of_the_variable_are_refused(sample_warehouse: Warehouse) -> None:
    done = sample_warehouse.dbt("test", "--vars", "tests: some")
    assert done.returncode != 0
    assert "The variable tests is all or changed, and not 'some'." in done.stdout
