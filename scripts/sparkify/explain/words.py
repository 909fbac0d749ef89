"""Format sentences and small tables of an explanation."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from tabulate import tabulate

from sparkify.shared.answers import NOTHING, written
from sparkify.shared.errors import printable

MAX_WIDTH = 48
"""Maximum characters of text in a table. Longer text is cut."""


def shown(value: object) -> str:
    """Return a value as printable text, cut if it is long."""
    if value is None:
        return NOTHING
    text = printable(written(value))
    return text if len(text) <= MAX_WIDTH else f"{text[: MAX_WIDTH - 1]}…"


def table(rows: Sequence[Mapping[str, object]]) -> str:
    """Return rows as a table with a header."""
    if not rows:
        return "  (no rows)"
    cells = [[shown(value) for value in row.values()] for row in rows]
    drawn = tabulate(cells, headers=list(rows[0]), disable_numparse=True)
    return "\n".join(f"  {line}".rstrip() for line in drawn.splitlines())


def attributes(row: Mapping[str, object]) -> str:
    """Return one row as a table with one attribute per line."""
    drawn = tabulate(
        [[name, shown(value)] for name, value in row.items()],
        tablefmt="plain",
        disable_numparse=True,
    )
    return "\n".join(f"  {line}".rstrip() for line in drawn.splitlines())


def counted(number: int, noun: str) -> str:
    """Return a number with its noun: 1 record, 2 records."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"
