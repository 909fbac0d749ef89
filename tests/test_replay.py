"""``bootstrap.py --replay``: what the rules take today leaves quarantine, once."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import bootstrap
import careful_reader
import loaders.duckdb
import loaders.spark
from conftest import Load, without_spark
from loaders.bookkeeping import Rejection
from raw_lines import event, lines_of, song
from records import EVENTS, RawTable, RefusedRecordError, check_record
from replay import judge
from test_mutations import QUICK
from warehouses import Builder, Warehouse, assert_the_star_is_the_oracles, write_source

Refuses = Callable[[dict[str, Any]], bool]


@contextmanager
def stricter_rules(refuses: Refuses) -> Iterator[None]:
    """Refuse more records than the rules do: to leave this is the fix of a rule."""

    def check(table: RawTable, record: Any, on_record: Any) -> list[str | None]:
        if isinstance(record, dict) and refuses(record):
            raise RefusedRecordError("too strict")
        return check_record(table, record, on_record)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(careful_reader, "check_record", check)
        # What the engines' parsers may read is nothing then.
        patch.setattr(loaders.duckdb, "plain_line", lambda _: "^$")
        patch.setattr(loaders.spark, "java_pattern", lambda _: r"\A\z")
        yield


def replay(*arguments: str) -> int:
    return bootstrap.main(["--replay", *arguments])


HISTORY = (
    "select path, loaded_count, rejected_count, is_new_version, loaded_at"
    " from raw.load_history order by 1"
)
REASONS = "select path, line_number, reason from raw.rejected_records order by 1, 2"


def test_what_passes_leaves_quarantine_once(
    warehouse: Warehouse, load: Load, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    odd = [event(1, 3, song='it\'s "odd" \\ é'), event(1, 4), b"\xff", b"{"]
    odd += [event(1, 5, level="odd", userId="me") + event(1, 6, level="odd")]
    root = write_source(
        tmp_path / "data",
        {
            "a.json": b"\n".join([event(1, 0), event(1, 1, level="odd"), *odd]),
            "it's.json": event(2, level="odd") + b"\r\n",
            "whole.json": event(3),
        },
        {"s.json": song(year=7) + b"\n" + song("SO2", duration=1.25, year=7)},
    )
    with stricter_rules(
        lambda record: any(
            (record.get("level") == "odd", record.get("song"), record.get("year"))
        )
    ):
        assert load(root) == 0
    assert [row[2] for row in warehouse.query(REASONS)] == [
        "too strict",
        "too strict",
        "not UTF-8",
        "not JSON",
        *["too strict"] * 5,
    ]
    before = warehouse.query(HISTORY)
    first = before[0][-1]
    capsys.readouterr()

    assert replay("--dry-run") == 0
    assert "9 quarantined records again: 6 would be loaded, 3 are still refused." in (
        capsys.readouterr().out
    )
    assert warehouse.query(HISTORY) == before

    assert replay() == 0
    said = capsys.readouterr().out
    assert "9 quarantined records again: 6 passed and are loaded, 3 are still" in said
    assert "Of 1 the text in quarantine is not the record as it came" in said
    assert warehouse.query(REASONS) == [
        ("log_data/a.json", 5, "not UTF-8"),
        ("log_data/a.json", 6, "not JSON"),
        ("log_data/a.json", 7, "userId is neither empty nor a whole number"),
    ]
    assert warehouse.query(
        "select source_path, sessionid, iteminsession, song,"
        f" loaded_at > timestamp '{first}' as is_new"
        " from raw.staging_events order by 2, 3"
    ) == [
        ("log_data/a.json", 1, 0, None, False),
        ("log_data/a.json", 1, 1, None, True),
        ("log_data/a.json", 1, 3, 'it\'s "odd" \\ é', True),
        ("log_data/a.json", 1, 4, None, False),
        ("log_data/a.json", 1, 6, None, True),
        ("log_data/it's.json", 2, 0, None, True),
        ("log_data/whole.json", 3, 0, None, False),
    ]
    songs = "select song_id, year from raw.staging_songs order by 1"
    assert warehouse.query(songs) == [("SO1", 7), ("SO2", 7)]
    after = warehouse.query(HISTORY)
    assert [(*row[:-1], row[-1] > first) for row in after] == [
        ("log_data/a.json", 5, 3, False, True),
        ("log_data/it's.json", 1, 0, False, True),
        ("log_data/whole.json", 1, 0, False, False),
        ("song_data/s.json", 2, 0, False, True),
    ]
    assert replay() == 0
    assert "3 quarantined records again: none of them passes" in capsys.readouterr().out
    assert warehouse.query(HISTORY) == after


@without_spark
def test_a_new_version_of_a_file_replaces_what_was_replayed(
    warehouse: Warehouse, load: Load, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    root = write_source(tmp_path / "data", {"a.json": event(1) + b"\n" + event(2)})
    with stricter_rules(lambda record: record["sessionId"] == "2"):
        assert load(root) == 0
    assert replay() == 0
    assert replay() == 0
    assert "Nothing is in quarantine" in capsys.readouterr().out
    assert load(root) == 0
    assert "Nothing new to load." in capsys.readouterr().out
    (root / "log_data" / "a.json").write_bytes(event(9))
    assert load(root) == 0
    assert warehouse.query("select sessionid from raw.staging_events") == [(9,)]
    assert warehouse.query("select loaded_count from raw.load_history") == [(1,)]


@pytest.mark.parametrize(
    "warehouse",
    [
        "duckdb",
        pytest.param(
            "postgres",
            marks=pytest.mark.long(
                guard="tests/test_replay.py::"
                "test_a_build_after_a_replay_gives_the_oracles_star[duckdb]"
            ),
        ),
    ],
    indirect=True,
)
def test_a_build_after_a_replay_gives_the_oracles_star(
    builder: Builder, sample_data: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The build adds what was replayed: without a full refresh."""
    with stricter_rules(
        lambda record: (
            record.get("userId") == "7"
            or str(record.get("sessionId"))[-1:] == "5"
            or record.get("year") == "0"
        )
    ):
        assert (
            bootstrap.main(["--data", str(sample_data), "--max-rejects", "9999"]) == 0
        )
    builder.build(QUICK)
    capsys.readouterr()
    assert replay() == 0
    assert "40 are still refused." in capsys.readouterr().out
    counts = "assert_every_raw_record_is_accounted_for"
    done = builder.dbt("build", QUICK, "--select", "resource_type:model", counts)
    assert done.statuses[counts] == "pass"
    assert "full refresh" not in done.stdout
    assert_the_star_is_the_oracles(builder, sample_data)


@without_spark
def test_a_replay_of_an_empty_warehouse_says_that_there_is_nothing(
    warehouse: Warehouse, capsys: pytest.CaptureFixture[str]
) -> None:
    assert replay() == 0
    assert "Nothing is in quarantine" in capsys.readouterr().out
    assert warehouse.raw_tables() == []


@settings(
    max_examples=500,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(st.one_of(lines_of(EVENTS), st.binary(max_size=60)))
def test_the_text_in_quarantine_passes_only_if_the_record_does(
    tmp_path: Path, content: bytes
) -> None:
    """A text that is not the record as it came is refused, and counted as such."""
    path = tmp_path / "a.json"
    path.write_bytes(b"\n" + content)
    records = list(careful_reader.read_records(EVENTS, str(path), "a.json"))
    refused = [record for record in records if record.values is None]
    found = judge(
        Rejection(EVENTS.name, "a.json", x.line, x.reason, x.text) for x in refused
    )
    assert (found.tried, found.passed, found.renamed) == (len(refused), {}, [])
    assert found.altered >= sum(x.reason.startswith("not UTF-8") for x in refused)
