"""Compare an answer with the expected answer, value by value."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from datetime import date, datetime
from decimal import Decimal
from itertools import zip_longest
from pathlib import Path
from typing import Final

from sparkify.shared.answers import Answer, Column, Row, read_csv, written

MAX_REPORTED: Final = 5
"""Maximum number of reported differences per answer. Others are counted."""
KINDS: Final[dict[str, type]] = {
    "bigint": int,
    "integer": int,
    "varchar": str,
    "numeric": Decimal,
    "date": date,
    "timestamp": datetime,
    "boolean": bool,
}


def differences(answer: Answer, expected: Path) -> list[str]:
    """Return the differences between an answer and a CSV file, as sentences."""
    if not expected.exists():
        return [f"The file of the expected answer, {expected}, does not exist."]
    names, rows = read_csv(expected)
    if names != answer.names:
        columns = f"The columns are {', '.join(answer.names)}"
        return [f"{columns}; expected {', '.join(names)}."]
    found = [*_of_types(answer), *_of_rows(answer, rows)]
    reported = found[:MAX_REPORTED]
    if len(found) > MAX_REPORTED:
        reported.append(f"… {len(found) - MAX_REPORTED:,} more differences")
    return reported


def _of_types(answer: Answer) -> Iterator[str]:
    for index, column in enumerate(answer.columns):
        for row in answer.rows:
            value = row[index]
            if value is not None and not is_of_type(value, column):
                kind = column.data_type or "missing"
                yield f"{column.name} is {kind} in the yml; found {value!r}."
                break


def is_of_type(value: object, column: Column) -> bool:
    """Return whether a value has a column's type, including its decimal places."""
    parts = re.fullmatch(r"(\w+)(?:\(\d+, ?(\d+)\))?", column.data_type)
    if parts is None or type(value) is not KINDS.get(parts[1]):
        return False
    if isinstance(value, Decimal):
        return value.as_tuple().exponent == -int(parts[2] or 0)
    return True


def _of_rows(answer: Answer, rows: Sequence[Sequence[str]]) -> Iterator[str]:
    pairs = zip_longest(answer.rows, rows)
    for number, (found, expected) in enumerate(pairs, start=1):
        if found is None:
            yield f"Row {number} is missing; expected {', '.join(expected)}."
        elif expected is None:
            values = ", ".join(map(written, found))
            yield f"Row {number} is not expected; found {values}."
        else:
            yield from _of_values(number, answer.names, found, expected)


def _of_values(
    number: int, names: Sequence[str], found: Row, expected: Sequence[str]
) -> Iterator[str]:
    for name, value, text in zip(names, found, expected, strict=True):
        if (value is None) != (text == "") or written(value) != text:
            yield (
                f"Row {number}, {name}: expected {text or 'null'},"
                f" found {'null' if value is None else written(value) or 'no text'}."
            )
