"""Quote names and values for SQL text. No other module does this."""

from __future__ import annotations


def quote_identifier(name: str, mark: str = '"') -> str:
    """Quote a name with an engine's quote mark.

    Raises ValueError for an empty name or a NUL, which no engine accepts.
    """
    if not name or "\0" in name:
        raise ValueError(f"{name!r} is not an identifier")
    return mark + name.replace(mark, mark * 2) + mark


def quote_literal(value: str, *, escapes: bool = False) -> str:
    """Quote a text value. ``escapes`` is for engines where a backslash escapes.

    Raises ValueError for a NUL, which no engine accepts.
    """
    if "\0" in value:
        raise ValueError("a literal contains a NUL character")
    if escapes:
        value = value.replace("\\", "\\\\").replace("'", "\\'")
    else:
        value = value.replace("'", "''")
    return f"'{value}'"


def quote_redshift_literal(value: str) -> str:
    """Quote a text value for Redshift, where a backslash escapes.

    Doubles backslashes and quotes, like QUOTE_LITERAL (Database Developer Guide).
    Raises ValueError for a NUL.
    """
    return quote_literal(value.replace("\\", "\\\\"))
