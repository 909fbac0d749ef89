"""Test ``make export``, which writes tables as Parquet and CSV files."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from pathlib import Path

import agate  # type: ignore[import-untyped]
import duckdb
import pytest

import export
from warehouses import Builder, Warehouse, copy_of, environment

TYPES = {
    "key": "varchar",
    "start_time": "timestamp",
    "user_id": "bigint",
    "seconds": "numeric(12, 5)",
    "is_new": "boolean",
}
ROWS = [
    ("a", datetime(2018, 11, 1, 0, 0, 0, 796000), 7, Decimal("1.50000"), True),  # noqa: DTZ001
    ('it\'s, "so"\nand so', None, None, None, False),
    ("ü 🎵 \\", datetime(1970, 1, 1), 2**40, Decimal("0.00001"), True),  # noqa: DTZ001
]


@pytest.mark.parametrize("kind", export.FORMATS)
def test_written_table_has_values_and_types(tmp_path: Path, kind: str) -> None:
    kinds = [agate.Text(), agate.DateTime(), agate.Number(), agate.Number()]
    table = agate.Table(ROWS, list(TYPES), [*kinds, agate.Boolean()])
    path = tmp_path / f"songplays.{kind}"
    export.write(table, path, TYPES)
    options = f", columns = {TYPES}, auto_detect = false, header = true"
    options = options if kind == "csv" else ""
    with duckdb.connect() as connection:
        found = connection.execute(f"select * from read_{kind}('{path}'{options})")
        assert found.fetchall() == ROWS


GUARD = (
    "tests/commands/test_export.py::test_written_table_has_values_and_types[parquet]"
)


@pytest.mark.long(guard=GUARD)
def test_every_table_is_exported(sample_warehouse: Warehouse, tmp_path: Path) -> None:
    warehouse = copy_of(sample_warehouse, tmp_path / "warehouse")
    with environment(warehouse.variables):
        assert export.main(["--out", str(tmp_path / "out")]) == 0
    Builder(warehouse).close()
    with duckdb.connect() as connection:
        for name in export.TABLES:
            path = tmp_path / "out" / f"{name}.parquet"
            found = connection.execute(f"select * from '{path}' order by all")
            expected = f'select * from analytics."{name}" order by all'
            assert found.fetchall() == warehouse.query(expected), name
