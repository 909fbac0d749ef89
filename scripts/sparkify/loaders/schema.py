"""The four raw tables: names, columns, and the statements that make them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from sparkify.quoting import quote_identifier
from sparkify.raw.rules import RAW_TABLES

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
    """Give a raw table's quoted name."""
    return f"{quote_identifier(RAW)}.{quote_identifier(table)}"


def create_statements(fold: Callable[[str], str] = str) -> list[str]:
    """Give the statements that create the schema and the tables that are missing.

    ``fold`` turns a column's name into that of an engine that tells case apart.
    """
    statements = [f"create schema if not exists {quote_identifier(RAW)}"]
    for table, columns in TABLES.items():
        lines = ",\n".join(
            f"    {quote_identifier(fold(name))} {kind}"
            for name, kind in columns.items()
        )
        statements.append(f"create table if not exists {raw(table)} (\n{lines}\n)")
    return statements
