"""The one place where a name or a value becomes part of an SQL text."""

from __future__ import annotations


def quote_identifier(name: str, mark: str = '"') -> str:
    """Quote a name by an engine's mark. Raises ValueError for what no engine takes."""
    if not name or "\0" in name:
        raise ValueError(f"{name!r} is no identifier")
    return mark + name.replace(mark, mark * 2) + mark


def quote_literal(value: str, *, escapes: bool = False) -> str:
    """Quote a text value, for an engine in whose literals a backslash escapes, or not.

    Raises ValueError for a NUL, which no engine takes.
    """
    if "\0" in value:
        raise ValueError("a literal holds a NUL character")
    if escapes:
        value = value.replace("\\", "\\\\").replace("'", "\\'")
    else:
        value = value.replace("'", "''")
    return f"'{value}'"


def quote_redshift_literal(value: str) -> str:
    """Quote a text value for Redshift, where a backslash escapes.

    Its own QUOTE_LITERAL doubles backslash and quote (Database Developer Guide). Raises
    ValueError for a NUL.
    """
    return quote_literal(value.replace("\\", "\\\\"))
