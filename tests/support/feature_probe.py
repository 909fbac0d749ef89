"""A small dbt project that tries dbt's features on an engine."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any, Final

FEATURES: Final = {
    "contracts": "a model is rejected if a column's type differs from the contract.",
    "not null enforced": "a null in a column of that constraint fails the build.",
    "primary key enforced": "a duplicate key fails the build.",
    "foreign key enforced": "a row without its key in the other table fails the build.",
    "unit tests": "a right unit test passes, and a wrong one fails.",
    "data tests": "a right data test passes, and a wrong one fails.",
    "stored failures": "`store_failures` keeps the rows of a failing test in a table.",
    "views": "a model may be a view.",
    "seeds": "a CSV file becomes a table.",
    "snapshots": "`dbt snapshot` keeps the versions of a row.",
    "catalogue": "`dbt docs generate` lists each table's columns with their types.",
    "comments kept": "`persist_docs` writes descriptions of tables or columns into the"
    " database.",
    "source freshness": "`dbt source freshness` reports the age of a source.",
    "grants": "`grants:` allows others to read a table.",
}
FILES: Final = {
    "dbt_project.yml": """\
name: probe
profile: sparkify
flags: {send_anonymous_usage_stats: false}
""",
    "seeds/people.csv": "id,name\n1,Ann\n2,Bob\n",
    "models/numbers.sql": "select 1 as id,"
    " cast('2020-01-01' as timestamp) as loaded_at",
    "models/contract_wrong.sql": "select 1 as id",
    "models/null_wrong.sql": "select id from {{ ref('numbers') }} where id = 1"
    " union all select cast(null as integer) as id",
    "models/key_parent.sql": "select 1 as id",
    "models/key_wrong.sql": "select 1 as id union all select 1 as id",
    "models/foreign_wrong.sql": "select 7 as id",
    "models/a_view.sql": "{{ config(materialized='view') }}"
    " select id from {{ ref('numbers') }}",
    "models/granted.sql": "{{ config(grants={'select': ['public']}) }} select 1 as id",
    "models/probe.yml": """\
models:
  - name: numbers
    description: Description of the table.
    config: {materialized: table, persist_docs: {relation: true, columns: true}}
    columns:
      - name: id
        description: Description of the column.
        data_tests:
          - not_null
          - accepted_values: {name: data_right, arguments: {values: [1], quote: false}}
          - accepted_values:
              name: data_wrong
              arguments: {values: [7], quote: false}
              config: {store_failures: true}
  - name: contract_wrong
    config: {materialized: table, contract: {enforced: true}}
    columns: [{name: id, data_type: bigint}]
  - name: null_wrong
    config: {materialized: table, contract: {enforced: true}}
    columns: [{name: id, data_type: integer, constraints: [{type: not_null}]}]
  - name: key_parent
    config: {materialized: table, contract: {enforced: true}}
    columns: [{name: id, data_type: integer, constraints: [{type: primary_key}]}]
  - name: key_wrong
    config: {materialized: table, contract: {enforced: true}}
    columns: [{name: id, data_type: integer, constraints: [{type: primary_key}]}]
  - name: foreign_wrong
    config: {materialized: table, contract: {enforced: true}}
    columns:
      - name: id
        data_type: integer
        constraints:
          - {type: foreign_key, to: ref('key_parent'), to_columns: [id]}
  - name: granted
    config: {materialized: table}
sources:
  - name: made
    schema: analytics
    tables:
      - name: numbers
        config:
          loaded_at_field: loaded_at
          freshness: {warn_after: {count: 1, period: day}}
unit_tests:
  - name: unit_right
    model: a_view
    given: [{input: ref('numbers'), rows: [{id: 3}]}]
    expect: {rows: [{id: 3}]}
  - name: unit_wrong
    model: a_view
    given: [{input: ref('numbers'), rows: [{id: 3}]}]
    expect: {rows: [{id: 4}]}
snapshots:
  - name: kept
    relation: ref('people')
    config: {strategy: check, unique_key: id, check_cols: [name], schema: analytics}
""",
}


def write_project(folder: Path) -> None:
    """Write the project's files."""
    for name, text in FILES.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")


def statuses(*arguments: str) -> dict[str, str]:
    """Run a dbt command; return the status of each node by name."""
    from dbt.cli.main import dbtRunner  # noqa: PLC0415 -- slow import

    done = dbtRunner().invoke(["--quiet", "--log-level-file", "debug", *arguments])
    results: Any = getattr(done.result, "results", None) or []
    return {result.node.name: str(result.status) for result in results}


def read(target: Path, name: str) -> Any:
    """Return the JSON of a file that dbt wrote, or {} if it does not exist."""
    path = target / name
    return json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}


def main(target: Path, logs: Path) -> dict[str, str]:
    """Run the probe on the profile's target; return "yes" or "no" for each feature."""
    first = statuses("seed")
    built = statuses("run")
    tested = statuses("test", "--exclude", "null_wrong", "key_wrong", "foreign_wrong")
    failures = statuses(
        "show",
        "--inline",
        "select * from {{ target.schema }}_dbt_test__audit.data_wrong",
    )
    kept = statuses("snapshot")
    fresh = statuses("source", "freshness")
    statuses("docs", "generate")
    catalogue = read(target, "catalog.json").get("nodes", {})
    numbers = catalogue.get("model.probe.numbers", {})
    columns = {name.lower(): c for name, c in numbers.get("columns", {}).items()}
    comments = [
        kind
        for kind, comment in (
            ("tables", numbers.get("metadata", {}).get("comment")),
            ("columns", columns.get("id", {}).get("comment")),
        )
        if comment
    ]
    log = (logs / "dbt.log").read_text(encoding="utf-8").lower()
    keys_are_accepted = built.get("key_parent") == "success"
    found = {
        "contracts": built.get("contract_wrong") == "error",
        "not null enforced": built.get("null_wrong") == "error",
        "primary key enforced": keys_are_accepted and built.get("key_wrong") == "error",
        "foreign key enforced": keys_are_accepted
        and built.get("foreign_wrong") == "error",
        "unit tests": (tested.get("unit_right"), tested.get("unit_wrong"))
        == ("pass", "fail"),
        "data tests": (tested.get("data_right"), tested.get("data_wrong"))
        == ("pass", "fail"),
        "stored failures": "success" in failures.values(),
        "views": built.get("a_view") == "success",
        "seeds": first.get("people") == "success",
        "snapshots": kept.get("kept") == "success",
        "catalogue": all(columns.get(c, {}).get("type") for c in ("id", "loaded_at")),
        "source freshness": "warn" in fresh.values(),
        "grants": built.get("granted") == "success" and "grant select on" in log,
    }
    result = {feature: "yes" if works else "no" for feature, works in found.items()}
    return result | {"comments kept": ", ".join(comments) or "no"}


if __name__ == "__main__":
    folders = (os.environ["DBT_TARGET_PATH"], os.environ["DBT_LOG_PATH"])
    os.environ["DBT_LOG_LEVEL_FILE"] = "debug"
    found = main(*map(Path, folders))
    print(json.dumps(found))
