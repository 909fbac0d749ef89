"""The answer to a question: its rows, as a table for people, and as a file of CSV."""

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

MOST_ROWS: Final = 24
"""A table shows so many: the hours of a day."""
WIDEST: Final = 40
"""Text is cut to so many places of a terminal."""
NARROWEST: Final = 12
"""A column's name is broken into lines only beyond so many places."""
NOTHING: Final = "–"  # noqa: RUF001 -- a dash stands for null
Row = tuple[object, ...]


@dataclass(frozen=True)
class Column:
    """A column of an answer; its type is that of the yml beside the analysis."""

    name: str
    data_type: str


@dataclass(frozen=True)
class Answer:
    """What an analysis gave, in its order."""

    name: str
    question: str
    columns: tuple[Column, ...]
    rows: tuple[Row, ...]

    @property
    def names(self) -> list[str]:
        """The names of the columns."""
        return [column.name for column in self.columns]


# ------------------------------------------------------------------------ as a file


def written(value: object) -> str:
    """Write a value as a field of CSV: null is empty, all else is what it is."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, datetime):
        is_whole = value.microsecond % 1000 == 0
        return value.isoformat(" ", "milliseconds" if is_whole else "microseconds")
    if isinstance(value, Decimal):
        return format(value, "f")
    if isinstance(value, date):
        return value.isoformat()
    return str(value)


def write_csv(path: Path, names: Sequence[str], rows: Sequence[Row]) -> None:
    """Write rows as RFC 4180 says, in UTF-8, with a line of names before them."""
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(names)
        writer.writerows([written(value) for value in row] for row in rows)


def read_csv(path: Path) -> tuple[list[str], list[list[str]]]:
    """Read the names and the rows of such a file."""
    with path.open(encoding="utf-8", newline="") as file:
        names, *rows = csv.reader(file)
    return names, rows


# ----------------------------------------------------------------------- for people


def table(answer: Answer, where_all_is: str) -> str:
    """Draw an answer under its question; a long one is cut, and says where all is."""
    shown = [
        [_shown(value, name) for value, name in zip(row, answer.names, strict=True)]
        for row in answer.rows[:MOST_ROWS]
    ]
    columns = [
        _column(name, [row[place] for row in shown], _is_number(answer.rows, place))
        for place, name in enumerate(answer.names)
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
    """Draw a column: its name, over several lines where it is long, a rule, cells."""
    words = name.split("_")
    narrowest = min(len(name), NARROWEST)
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
    if _width(text) <= WIDEST:
        return text
    while _width(text) > WIDEST - 1:
        text = text[:-1]
    return f"{text}…"


def _is_number(rows: Sequence[Row], place: int) -> bool:
    kinds = {type(row[place]) for row in rows} - {type(None)}
    return bool(kinds) and kinds <= {int, float, Decimal}


def _width(text: str) -> int:
    """Count the places that a text takes in a terminal."""
    return sum(
        0 if unicodedata.combining(c) else 1 + (unicodedata.east_asian_width(c) in "WF")
        for c in text
    )
