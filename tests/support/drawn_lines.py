"""Compare how an engine's loader reads single lines with the Python rules."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import bootstrap
from sparkify.raw.reader import read_records
from sparkify.raw.rules import RawTable
from warehouses import Warehouse, write_source

Values = list[str | None]


def assert_read_as_the_rules(
    warehouse: Warehouse,
    root: Path,
    lines: Mapping[RawTable, Sequence[bytes]],
    in_engine: Callable[[RawTable, Values], tuple[Any, ...]],
    exactly: Callable[[tuple[Any, ...]], list[str]],
) -> None:
    """Load one line per file, and compare records and rejects with the rules.

    ``in_engine`` returns a record's values in the engine's types. ``exactly`` returns a
    row as texts that are equal for equal values only.
    """
    write_source(
        root,
        *(
            {f"{number:03}.json": line for number, line in enumerate(each)}
            for each in lines.values()
        ),
    )
    options = ("--reset", "--yes", "--max-rejects", "1000")
    assert bootstrap.main(["--data", str(root), *options]) == 0
    for table, each in lines.items():
        expected, rejected = [], []
        for number in range(len(each)):
            path = f"{table.part}/{number:03}.json"
            for record in read_records(table, str(root / path), path):
                if record.values is None:
                    rejected.append((path, record.line, record.reason))
                else:
                    expected.append((path, *in_engine(table, record.values)))
        columns = ", ".join(f'"{c.name}"' for c in table.columns)
        found = warehouse.query(f"select source_path, {columns} from raw.{table.name}")
        assert sorted(map(exactly, found)) == sorted(map(exactly, expected))
        found = warehouse.query(
            "select path, line_number, reason from raw.rejected_records"
            f" where table_name = '{table.name}'"
        )
        assert sorted(found) == sorted(rejected)
