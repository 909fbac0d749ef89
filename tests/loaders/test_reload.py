"""``bootstrap.py --reload-quarantined`` after a rule was fixed."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from conftest import Load
from raw_lines import event, song
from sparkify.loaders.duckdb import loader as duckdb_loader
from sparkify.loaders.spark import loader as spark_loader
from sparkify.raw import reader
from sparkify.raw.rules import RawTable, RejectedRecordError, check_record
from warehouses import Warehouse, write_source


@contextmanager
def stricter_rules() -> Iterator[None]:
    """Reject records of the level "odd" within the context."""

    def check(table: RawTable, record: Any, on_record: Any) -> list[str | None]:
        if isinstance(record, dict) and record.get("level") == "odd":
            raise RejectedRecordError("too strict")
        return check_record(table, record, on_record)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(reader, "check_record", check)
        # No line may be left to the engines' own parsers.
        patch.setattr(duckdb_loader, "plain_line", lambda _: "^$")
        patch.setattr(spark_loader, "java_pattern", lambda _: r"\A\z")
        yield


HISTORY = (
    "select path, loaded_count, rejected_count, is_new_version"
    " from raw.load_history order by 1"
)
REASONS = "select path, line_number, reason from raw.rejected_records order by 1, 2"


def test_fixed_rule_reloads_quarantined_files(
    warehouse: Warehouse, load: Load, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    root = write_source(
        tmp_path / "data",
        {
            "a.json": event(1, level="odd") + b"\n" + event(1, 1) + b"\n{",
            "it's.json": event(2, level="odd") + b"\r\n",
            "whole.json": event(3),
        },
        {"s.json": song()},
    )
    with stricter_rules():
        assert load(root) == 0
    rejected = [
        ("log_data/a.json", 1, "too strict"),
        ("log_data/a.json", 3, "not JSON"),
        ("log_data/it's.json", 1, "too strict"),
    ]
    assert warehouse.query(REASONS) == rejected
    assert load(root) == 0
    assert "Nothing new to load." in capsys.readouterr().out
    assert load(root, "--reload-quarantined", "--dry-run") == 0
    assert warehouse.query(REASONS) == rejected
    capsys.readouterr()
    assert load(root, "--reload-quarantined") == 0
    output = capsys.readouterr().out
    assert "2 files to load" in output
    assert "0 of them in a new version; 2 already loaded." in output
    assert "2 of them are reloaded, because they have records in" in output
    assert warehouse.query(REASONS) == [("log_data/a.json", 3, "not JSON")]
    assert warehouse.query(HISTORY) == [
        ("log_data/a.json", 2, 1, True),
        ("log_data/it's.json", 1, 0, True),
        ("log_data/whole.json", 1, 0, False),
        ("song_data/s.json", 1, 0, False),
    ]
    assert warehouse.query(
        "select sessionid, iteminsession from raw.staging_events order by 1, 2"
    ) == [(1, 0), (1, 1), (2, 0), (3, 0)]
