"""Report the differences between two builds, in tables and in answers."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Final

from tabulate import tabulate

from sparkify.shared.answers import Answer, written

MAX_REPORTED: Final = 5
"""Maximum number of reported values per answer. Others are counted."""


def report(
    differences: Sequence[dict[str, Any]], schemas: str, *, markdown: bool
) -> str:
    """Return a table of row counts, then the differences of each column.

    ``differences`` has one dictionary per table, as the macro compare_builds logs it.
    ``schemas`` names the two compared schemas.
    """
    header = ("table", "rows before", "rows now", "added", "removed", "changed")
    counts = ("before", "after", "added", "gone", "changed")
    rows = [
        [found["table"], *(f"{found[name] or 0:,}" for name in counts)]
        for found in differences
    ]
    lines = [note for found in differences for note in notes(found)]
    return "\n".join(
        [
            f"Changes in the data ({schemas}):",
            "",
            tabulate(
                rows,
                header,
                tablefmt="github" if markdown else "simple",
                colalign=("left", *["right"] * len(counts)),
                disable_numparse=True,
            ),
            "",
            *(f"- {note}" for note in lines or ["No value changed."]),
        ]
    )


def notes(found: dict[str, Any]) -> list[str]:
    """Return sentences on one table: new and removed columns, types, examples."""
    table, before, after = found["table"], found["types_before"], found["types_after"]
    if not before:
        return [f"{table} is new."]
    if not found["key"]:
        return [f"{table} has no key: rows were counted, not compared."]
    return [
        *(f"{table}.{name} is new." for name in after if name not in before),
        *(f"{table}.{name} is removed." for name in before if name not in after),
        *(
            f"{table}.{name}: type {before[name]} -> {after[name]}; values were not"
            " compared."
            for name in after
            if before.get(name, after[name]) != after[name]
        ),
        *(
            f"{table}.{name}: {column['changed']:,}"
            f" {'value' if column['changed'] == 1 else 'values'} changed: "
            + "; ".join(
                f"{', '.join(found['key'])} {row['key']}:"
                f" {_value(row['before'])} -> {_value(row['after'])}"
                for row in column["examples"]
            )
            for name, column in found["columns"].items()
        ),
    ]


def _value(value: str | None) -> str:
    return "null" if value is None else value


def answer_differences(before: Answer | None, after: Answer | None) -> Iterator[str]:
    """Yield the differences between two answers, value by value."""
    if after is None:
        yield "fails with the changes."
        return
    if before is None:
        yield "is new, or failed before."
        return
    if before.names != after.names:
        yield f"columns {', '.join(before.names)} -> {', '.join(after.names)}"
        return
    if len(before.rows) != len(after.rows):
        yield f"{len(before.rows):,} rows -> {len(after.rows):,} rows"
    found = [
        f"{f'row {number}, ' if len(after.rows) > 1 else ''}{name}"
        f" {written(old) or 'null'} -> {written(new) or 'null'}"
        for number, (row, row_now) in enumerate(
            zip(before.rows, after.rows, strict=False), start=1
        )
        for name, old, new in zip(after.names, row, row_now, strict=True)
        if old != new
    ]
    yield from found[:MAX_REPORTED]
    if len(found) > MAX_REPORTED:
        yield f"{len(found) - MAX_REPORTED:,} more values differ."
