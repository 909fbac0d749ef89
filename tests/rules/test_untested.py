"""With ``tests: changed``, tests read the rows that changed since all tests passed."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Final

import pytest

from conftest import only_duckdb
from raw_lines import event, song
from warehouses import (
    NO_UNIT_TESTS,
    QUICK,
    Builder,
    Warehouse,
    copy_of,
    write_into,
    write_source,
)

CHANGED: Final = ("--vars", "tests: changed")
MISSING: Final = "assert_every_next_song_event_is_one_songplay"
DOUBLED: Final = "unique_songplays_songplay_id"
NARROWED: Final = (
    MISSING,
    DOUBLED,
    "assert_every_raw_record_is_accounted_for",
    "assert_plays_has_one_row_per_songplay",
    "dbt_utils_unique_combination_of_columns_int_event_versions_session_id__item_in_session",
    "relationships_songplays_start_time__start_time__ref_time_",
    "unique_time_start_time",
)
LOSE: Final = "delete from analytics.songplays where session_id = {}"
DOUBLE: Final = (
    "insert into analytics.songplays"
    " select * from analytics.songplays where session_id = {}"
)


def play(session: int) -> bytes:
    return event(session, page="NextSong", userId=str(session), level="free")


def add_to(data: Path, session: int) -> Path:
    """Add a log with one play to a source."""
    return write_source(data, {f"{session}.json": play(session)})


def failed(builder: Builder, *command: str) -> set[str]:
    """Run dbt without unit tests; return the names of the nodes that failed."""
    done = builder.dbt(*command, QUICK, *NO_UNIT_TESTS)
    assert done.result.exception is None, done.stdout
    good = ("success", "pass", "skipped", "no-op")
    return {name for name, status in done.statuses.items() if status not in good}


def notices(builder: Builder, *options: str) -> bool:
    """Return whether the test for lost plays fails."""
    return MISSING in failed(builder, "test", "--select", MISSING, *options)


GUARD: Final = "tests/rules/test_untested.py::test_engines_read_untested_rows[duckdb]"


@pytest.mark.long(guard=GUARD)
@only_duckdb
def test_only_changes_since_passed_tests_are_read(
    builder: Builder, tmp_path: Path
) -> None:
    data = write_source(tmp_path / "data", {"1.json": play(1)}, {"s.json": song()})
    builder.parse()
    builder.load(data)
    # Not all tests ran, so all rows stay untested.
    assert failed(builder, "build", "--exclude", "level_is_known") == set()
    write_into(builder.warehouse, LOSE.format(1))
    assert notices(builder, *CHANGED)

    assert failed(builder, "build", "--full-refresh", *CHANGED) == set()
    write_into(builder.warehouse, LOSE.format(1))
    assert not notices(builder, *CHANGED)
    assert notices(builder)

    builder.load(add_to(data, 2))
    builder.build(QUICK)
    write_into(builder.warehouse, DOUBLE.format(2))
    for _ in range(2):
        both = failed(builder, "test", "--select", MISSING, DOUBLED, *CHANGED)
        assert both == {MISSING, DOUBLED}

    # A replaced file: every table is refreshed fully, so all rows are tested.
    write_source(data, {"1.json": play(1) + b"\n" + play(3)})
    builder.load(data)
    builder.build(QUICK)
    write_into(builder.warehouse, LOSE.format(2))
    assert notices(builder, *CHANGED)
    assert failed(builder, "build", "--full-refresh") == set()
    assert failed(builder, "test", "--select", *NARROWED, *CHANGED) == set()


@pytest.mark.parametrize(
    "engine",
    [
        "duckdb",
        *(
            pytest.param(engine, marks=pytest.mark.long(guard=GUARD))
            for engine in ("postgres", "redshift")
        ),
    ],
)
def test_engines_read_untested_rows(
    sample_warehouse: Warehouse,
    built_warehouse: Callable[[str, str], Warehouse],
    tmp_path: Path,
    engine: str,
) -> None:
    """Other values of the variable are rejected."""
    if engine == "duckdb":
        warehouse = copy_of(sample_warehouse, tmp_path / "warehouse")
    else:
        warehouse = built_warehouse(engine, "grown")
    builder = Builder(warehouse)
    done = builder.dbt("test", "--select", *NARROWED, *CHANGED)
    assert done.returncode == 0, done.stdout
    compiled = warehouse.folder / "target" / "run" / "sparkify"
    for name in NARROWED:
        texts = [p.read_text("utf-8") for p in compiled.rglob(f"{name[:30]}*.sql")]
        assert any("as untested_rows" in text for text in texts), name
    done = builder.dbt("test", "--select", MISSING, "--vars", "tests: some")
    assert done.returncode != 0
    assert "The variable tests must be all or changed, not 'some'." in done.stdout
