"""dbt's own settings do what dbt documents of them."""

from __future__ import annotations

import json
from pathlib import Path

from conftest import only_duckdb
from warehouses import Builder, Warehouse, copy_of

STORED = "unique_users_user_id"


def test_failures_are_stored_in_a_schema_of_their_own(
    sample_warehouse: Warehouse, tmp_path: Path
) -> None:
    builder = Builder(copy_of(sample_warehouse, tmp_path / "warehouse"))
    tables = (
        "select table_schema from information_schema.tables where table_name = '{}'"
    ).format
    done = builder.dbt("test", "--select", STORED, "--store-failures")
    assert done.returncode == 0, done.stdout
    found = builder.warehouse.query(tables(STORED))
    assert found == [("analytics_dbt_test__audit",)]
    assert builder.warehouse.query(tables("artists")) == [("analytics",)]


@only_duckdb
def test_a_test_is_selected_with_all_its_tables_only(builder: Builder) -> None:
    done = builder.dbt("ls", "--select", "+songplays", "--output", "json")
    assert done.returncode == 0, done.stdout
    selected = {json.loads(line)["unique_id"] for line in done.result.result}
    tests = [
        node
        for node in builder.manifest.nodes.values()
        if node.unique_id in selected and node.resource_type == "test"
    ]
    assert len(tests) > 10
    beyond = {test.name for test in tests if set(test.depends_on.nodes) - selected}
    assert beyond == set()
