"""The one place where a name or a value becomes part of an SQL text."""

from __future__ import annotations


def quote_identifier(name: str) -> str:
    """Quote a name. Raises ValueError for what no engine takes as one."""
    if not name or "\0" in name:
        raise ValueError(f"{name!r} is no identifier")
    return '"' + name.replace('"', '""') + '"'


def quote_literal(value: str) -> str:
    """Quote a text value. Raises ValueError for a NUL, which no engine takes."""
    if "\0" in value:
        raise ValueError("a literal holds a NUL character")
    return "'" + value.replace("'", "''") + "'"
