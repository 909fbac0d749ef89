"""Test docs/connect.md: descriptions of tables and columns are comments."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import pytest

from warehouses import Builder, Warehouse

DUCKDB_COMMENTS: Final = """
select table_name, null, comment from duckdb_tables() where schema_name = 'analytics'
union all
select view_name, null, comment from duckdb_views() where schema_name = 'analytics'
union all
select table_name, column_name, comment from duckdb_columns()
where schema_name = 'analytics'
"""
POSTGRES_COMMENTS: Final = """
select pg_class.relname, pg_attribute.attname, pg_description.description
from pg_description
inner join pg_class on pg_description.objoid = pg_class.oid
inner join pg_namespace on pg_class.relnamespace = pg_namespace.oid
left join pg_attribute on pg_description.objoid = pg_attribute.attrelid
    and pg_description.objsubid = pg_attribute.attnum
where pg_namespace.nspname = 'analytics'
"""
GUARD: Final = "tests/docs/test_connect.py::test_descriptions_are_comments[duckdb]"


@pytest.mark.parametrize(
    "engine",
    [
        *("duckdb", "redshift"),
        pytest.param("postgres", marks=pytest.mark.long(guard=GUARD)),
    ],
)
def test_descriptions_are_comments(
    request: pytest.FixtureRequest,
    built_warehouse: Callable[[str, str], Warehouse],
    engine: str,
) -> None:
    """Redshift has no comments on columns of late-binding views."""
    if engine == "duckdb":
        warehouse = request.getfixturevalue("sample_warehouse")
    else:
        warehouse = built_warehouse(engine, "grown")
    builder = Builder(warehouse)
    builder.parse()
    expected: dict[tuple[str, str | None], str] = {}
    for node in builder.manifest.nodes.values():
        if "persist_docs" in node.config and node.config.persist_docs:
            expected[node.name, None] = node.description
            if engine == "redshift" and node.config.get("bind") is False:
                continue
            for name, column in node.columns.items():
                expected[node.name, name] = column.description
    rows = warehouse.query(DUCKDB_COMMENTS if engine == "duckdb" else POSTGRES_COMMENTS)
    found = {(table, column): text for table, column, text in rows if text is not None}
    assert found == expected
    assert all(expected.values())
    assert ("songplays", "songplay_id") in expected
