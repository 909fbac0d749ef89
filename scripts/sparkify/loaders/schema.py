"""Define the raw tables: names, columns, and the statements that create them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from sparkify.raw.rules import RAW_TABLES
from sparkify.shared.quoting import quote_identifier

RAW: Final = "raw"

HISTORY: Final = {
    "source": "varchar",
    "table_name": "varchar",
    "path": "varchar",
    "size_bytes": "bigint",
    "version": "varchar",
    "is_new_version": "boolean",
    "loaded_count": "bigint",
    "rejected_count": "bigint",
    "load_id": "varchar",
    "loaded_at": "timestamp",
}
REJECTED: Final = {
    "table_name": "varchar",
    "path": "varchar",
    "line_number": "bigint",
    "reason": "varchar",
    "raw_text": "varchar",
    "load_id": "varchar",
    "loaded_at": "timestamp",
}
STAGING: Final = {
    table.name: {column.name: column.kind.sql_type for column in table.columns}
    | {"loaded_at": "timestamp", "source_path": "varchar"}
    for table in RAW_TABLES
}
TABLES: Final = STAGING | {"load_history": HISTORY, "rejected_records": REJECTED}


def raw(table: str) -> str:
    """Return the quoted name of a raw table."""
    return f"{quote_identifier(RAW)}.{quote_identifier(table)}"


def create_statements(fold: Callable[[str], str] = str) -> list[str]:
    """Return the statements that create the raw schema and its tables if missing.

    ``fold`` converts column names for an engine with case-sensitive names.
    """
    statements = [f"create schema if not exists {quote_identifier(RAW)}"]
    for table, columns in TABLES.items():
        lines = ",\n".join(
            f"    {quote_identifier(fold(name))} {kind}"
            for name, kind in columns.items()
        )
        statements.append(f"create table if not exists {raw(table)} (\n{lines}\n)")
    return statements
