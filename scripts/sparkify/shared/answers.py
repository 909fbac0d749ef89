"""Format the answer of an analysis as a table, or write it as CSV."""

from __future__ import annotations

import csv
import textwrap
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Final

MAX_ROWS: Final = 24
"""Maximum number of printed rows: the hours of a day."""
MAX_WIDTH: Final = 40
"""Maximum width of a printed value, in terminal columns. Longer text is cut."""
MIN_WRAPPED_WIDTH: Final = 12
"""Minimum width at which a column name is wrapped, in terminal columns."""
NOTHING: Final = "–"  # noqa: RUF001 -- a dash for null
Row = tuple[object, ...]


@dataclass(frozen=True)
class Column:
    """A column of an answer, with the type from the yml of the analysis."""

    name: str
    data_type: str


@dataclass(frozen=True)
class Answer:
    """The rows that an analysis returned, in its order."""

    name: str
    question: str
    columns: tuple[Column, ...]
    rows: tuple[Row, ...]

    @property
    def names(self) -> list[str]:
        """The names of the columns."""
        return [column.name for column in self.columns]


# ------------------------------------------------------------------------------ CSV


def written(value: object) -> str:
    """Return a value as a CSV field. Null is the empty string."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, datetime):
        is_exact = value.microsecond % 1000 == 0
        return value.isoformat(" ", "milliseconds" if is_exact else "microseconds")
    if isinstance(value, Decimal):
        return format(value, "f")
    if isinstance(value, date):
        return value.isoformat()
    return str(value)


def write_csv(path: Path, names: Sequence[str], rows: Sequence[Row]) -> None:
    """Write a CSV file (RFC 4180, UTF-8) with a header of column names."""
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(names)
        writer.writerows([written(value) for value in row] for row in rows)


def read_csv(path: Path) -> tuple[list[str], list[list[str]]]:
    """Read a CSV file. Return the column names and the rows."""
    with path.open(encoding="utf-8", newline="") as file:
        names, *rows = csv.reader(file)
    return names, rows


# ---------------------------------------------------------------------------- tables


def table(answer: Answer, where_all_is: str) -> str:
    """Return an answer as a table under its question.

    A long answer is cut after MAX_ROWS rows. Its last line ends with ``where_all_is``.
    """
    shown = [
        [_shown(value, name) for value, name in zip(row, answer.names, strict=True)]
        for row in answer.rows[:MAX_ROWS]
    ]
    columns = [
        _column(name, [row[index] for row in shown], _is_number(answer.rows, index))
        for index, name in enumerate(answer.names)
    ]
    height = max(len(column) for column in columns)
    padded = [[" " * _width(c[0])] * (height - len(c)) + c for c in columns]
    lines = [f"  {'  '.join(cells)}".rstrip() for cells in zip(*padded, strict=True)]
    left = len(answer.rows) - len(shown)
    if not answer.rows:
        lines.append("  (no rows)")
    if left:
        lines.append(
            f"  … {left:,} more {'row' if left == 1 else 'rows'}{where_all_is}"
        )
    return "\n".join([f"{answer.question}  [{answer.name}]", "", *lines])


def _column(name: str, cells: Sequence[str], is_number: bool) -> list[str]:  # noqa: FBT001
    """Return the lines of a column: its wrapped name, a rule and its cells."""
    words = name.split("_")
    narrowest = min(len(name), MIN_WRAPPED_WIDTH)
    width = max(narrowest, *map(_width, [*words, *cells]))
    heading = textwrap.wrap(" ".join(words), width)

    def padded(text: str) -> str:
        blanks = " " * (width - _width(text))
        return blanks + text if is_number else text + blanks

    return [*map(padded, heading), "─" * width, *map(padded, cells)]


def _shown(value: object, name: str) -> str:
    if value is None:
        return NOTHING
    if isinstance(value, Decimal):
        return f"{value:,f}"
    if isinstance(value, int) and name.endswith("_count"):
        return f"{value:,}"
    text = "".join(
        c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in written(value)
    )
    if _width(text) <= MAX_WIDTH:
        return text
    while _width(text) > MAX_WIDTH - 1:
        text = text[:-1]
    return f"{text}…"


def _is_number(rows: Sequence[Row], index: int) -> bool:
    kinds = {type(row[index]) for row in rows} - {type(None)}
    return bool(kinds) and kinds <= {int, float, Decimal}


def _width(text: str) -> int:
    """Return the width of a text in terminal columns."""
    return sum(
        0 if unicodedata.combining(c) else 1 + (unicodedata.east_asian_width(c) in "WF")
        for c in text
    )
