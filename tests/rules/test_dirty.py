"""Dirty files: every engine loads or quarantines each line, with the same result."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from conftest import Load, without_spark
from dirty_files import write_dirty_files
from oracle import Listening, Star, build_listening, build_star, read_folder
from oracle.reading import (
    EVENT_RULES,
    SONG_RULES,
    RejectedError,
    find_files,
    judge,
    read_texts,
    shown,
)
from raw_lines import event, song
from recorded import record
from sparkify.raw.extra_keys import MAX_KEYS, ExtraKeys
from sparkify.raw.rules import EVENTS, RAW_TABLES, SONGS, RawTable
from warehouses import (
    QUICK,
    Builder,
    Warehouse,
    assert_table_is_the_oracles,
    write_source,
)

RULES = {EVENTS.name: EVENT_RULES, SONGS.name: SONG_RULES}
SEED = 1
LIMIT = "5000"


@pytest.fixture(scope="module")
def dirty_data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Write dirty files."""
    return write_dirty_files(tmp_path_factory.mktemp("dirty") / "data", SEED)


@cache
def oracle_part(root: Path, table: RawTable) -> tuple[list[Any], list[Any], str]:
    """Return the oracle's records, rejected lines and report of unknown keys.

    Each record follows its file.
    """
    extra = ExtraKeys(table)
    records, rejected = [], []
    for file in find_files(root / table.part):
        path = file.relative_to(root).as_posix()
        for text in read_texts(file):
            try:
                records.append((path, *judge(text, RULES[table.name])))
                extra.look(json.loads(text.content))
            except RejectedError as reason:
                rejected.append((path, text.line, str(reason), shown(text)))
    return sorted(records, key=repr), sorted(rejected), extra.sentence()


def assert_raw_tables_are_the_oracles(warehouse: Warehouse, data: Path) -> None:
    """Compare the raw tables with the oracle's records and rejected lines."""
    for table in RAW_TABLES:
        records, rejected, _ = oracle_part(data, table)
        assert min(len(records), len(rejected)) > 100
        # Only PostgreSQL distinguishes the case of quoted names.
        columns = ", ".join(f'"{column.name.lower()}"' for column in table.columns)
        found = warehouse.query(f"select source_path, {columns} from raw.{table.name}")
        assert sorted(found, key=repr) == records
        quarantine = (
            "select path, line_number, reason, raw_text from raw.rejected_records"
            f" where table_name = '{table.name}'"
        )
        assert sorted(warehouse.query(quarantine)) == rejected
        record(
            "dirty",
            engine=warehouse.engine,
            what=f"lines of {table.part}",
            tried=len(records) + len(rejected),
            loaded=len(records),
            in_quarantine=len(rejected),
        )


@cache
def stars(root: Path) -> tuple[Star, Listening]:
    """Return the oracle's tables for the files."""
    records = read_folder(root)
    star = build_star(records)
    return star, build_listening(records, star)


@pytest.mark.parametrize(
    "warehouse",
    [
        "duckdb",
        "postgres",
        pytest.param(
            "spark",
            marks=pytest.mark.long(
                guard="tests/rules/test_star.py::test_quarantine_is_the_oracles[spark-grown]"
            ),
        ),
    ],
    indirect=True,
)
def test_dirty_line_is_loaded_or_in_quarantine(
    builder: Builder, load: Load, dirty_data: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Spark is slow, so its marts are not compared."""
    warehouse = builder.warehouse
    assert load(dirty_data, "--max-rejects", LIMIT) == 0
    output = capsys.readouterr().out
    assert all(line.isprintable() for line in output.splitlines())
    for table in RAW_TABLES:
        assert oracle_part(dirty_data, table)[-1] in output.splitlines()
    assert_raw_tables_are_the_oracles(warehouse, dirty_data)
    if warehouse.engine != "spark":
        builder.build(QUICK)
        for star in stars(dirty_data):
            for name in star.tables():
                assert_table_is_the_oracles(warehouse, star, name)


@without_spark
def test_unknown_keys_are_counted_and_named(
    load: Load, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A key in another case is unknown. Keys of rejected records are not counted."""
    lines = [event(n, foo=1, **({"userid": 7} if n < 2 else {})) for n in range(3)]
    lines += [event(ts=-1, bar=1), event(9, **{"a\n\x1b[31m": 1})]
    files = {"a.json": lines[0], "b.json": b"\n".join(lines[1:]), "c.json": event(8)}
    assert load(write_source(tmp_path / "data", files, {"s.json": song()})) == 0
    assert capsys.readouterr().out.splitlines()[-1] == (
        "Ignored 3 unknown keys in log_data: foo (3 records), userid (2),"
        " a\\n\\x1b[31m (1)."
    )


def test_many_unknown_keys_are_counted_up_to_limit() -> None:
    extra = ExtraKeys(SONGS)
    assert extra.sentence() == ""
    extra.look({"x" * 100: 1, "title": "T"})
    one = f"Ignored 1 unknown key in song_data: {'x' * 60}... (1 record)."
    assert extra.sentence() == one
    for number in range(2 * MAX_KEYS):
        extra.look({f"key {number}": 1})
    assert len(extra.records) == MAX_KEYS
    sentence = extra.sentence()
    assert sentence.startswith("Ignored more than 1,000 unknown keys in song_data: ")
    assert sentence.endswith(", and 990 more.")


@without_spark
def test_file_content_in_errors_is_printable(
    load: Load, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    twice = event()[:-1] + b', "\\u001b": 1, "\\u001b": 2}'
    root = write_source(tmp_path / "data", {"a\n\x1b[31m.json": twice})
    assert load(root, "--max-rejects", "0") == 2
    error = capsys.readouterr().err
    assert len(error.splitlines()) == 2
    assert "log_data/a\\n\\x1b[31m.json, line 1" in error
    assert "\x1b" not in error
