#!/usr/bin/env python3
"""Load new raw files, build and test the models with dbt, and print a summary."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Mapping, Sequence
from contextlib import closing
from typing import Any

import bootstrap
from changed import good_build, keep_good_build
from sparkify.changed_code import ChangedCode
from sparkify.dbt_profile import read_target, save_variable
from sparkify.dbt_run import run_dbt
from sparkify.errors import without_traceback
from sparkify.loaders import LoadResult, open_warehouse
from sparkify.loaders.redshift.errors import CONFLICT, is_conflict
from sparkify.loaders.schema import RAW, STAGING, TABLES
from sparkify.progress import progress
from sparkify.sample.folder import make_sample

SAMPLE_TARGET = "sample"
OWN_DATA_TARGET = "duckdb"
WARNING = "warning: "
STAR = ("songplays", "users", "songs", "artists", "time")


@without_traceback
def main(argv: Sequence[str] | None = None) -> int:
    """Run the command. Return 0 if loading, building and testing succeeded."""
    parser = argparse.ArgumentParser(description=__doc__)
    add = parser.add_argument
    add("--data", help="a folder, or s3://bucket/prefix (default: sample data)")
    add(
        "--target",
        help=f"target of profiles.yml (default: {SAMPLE_TARGET} without --data,"
        f" {OWN_DATA_TARGET} with it)",
    )
    add(
        "--tests",
        choices=["all", "changed"],
        default="all",
        help="in the large tables, test all rows (default), or only rows changed since"
        " the tests last passed",
    )
    bootstrap.add_source_arguments(parser)
    bootstrap.add_engine_arguments(parser)
    options = parser.parse_args(
        argv, argparse.Namespace(dry_run=False, reload_quarantined=False)
    )
    name = options.target or (OWN_DATA_TARGET if options.data else SAMPLE_TARGET)
    target = read_target(name)
    given = bootstrap.engine_options(options)
    if not options.data:
        options.data = str(make_sample())
    with closing(open_warehouse(target, given)) as warehouse:
        loaded = bootstrap.run(warehouse, name, options)
    if save_variable("DBT_TARGET", name):
        print(f"Set DBT_TARGET={name} in .env: plain dbt commands now use this target.")
    outcome = build(name, tests=options.tests)
    if outcome.success:
        keep_good_build(name)
    with closing(open_warehouse(target, given)) as warehouse:
        raw_rows = warehouse.count_rows(RAW, TABLES)
        built = {name: outcome.built[name] for name in STAR if name in outcome.built}
        star_rows = {
            name: warehouse.count_rows(schema, [table])[table]
            for name, (schema, table) in built.items()
        }
    print(summary(name, loaded, raw_rows, star_rows, outcome))
    return 0 if outcome.success else 1


class Outcome:
    """The result of dbt build: built models, test counts, failures and warnings.

    ``built`` maps a model to the schema and the name of its table.
    """

    def __init__(self) -> None:
        """Start without results."""
        self.success = False
        self.built: dict[str, tuple[str, str]] = {}
        self.tests = 0
        self.passed = 0
        self.failed: list[str] = []
        self.warnings: list[str] = []
        self.has_conflict = False

    def add(self, result: Any) -> None:  # noqa: ANN401 -- dbt's own, untyped
        """Add the nodes of a result of dbtRunner."""
        self.success = bool(result.success)
        for node in getattr(result.result, "results", ()):
            if str(node.node.resource_type) in ("test", "unit_test"):
                self.tests += 1
                self.passed += node.status == "pass"
            elif node.status == "success":
                self.built[node.node.name] = node.node.schema, node.node.alias
            if node.status in ("error", "fail"):
                self.failed.append(node.node.name)
            if node.status == "error" and is_conflict(str(node.message)):
                self.has_conflict = True


def build(target: str, *, tests: str = "all") -> Outcome:
    """Build and test the models. Raises SparkifyError if dbt could not run.

    ``tests`` is the variable that macros/incremental/tested_through.sql reads. Unit
    tests depend on code only, so they are skipped if no code changed.
    """
    outcome = Outcome()
    # dbt build writes the manifest.
    parsed = run_dbt("--no-write-json", "parse", target=target, to="build").result
    code = ChangedCode(good_build(target) / "manifest.json", parsed)
    given = {"tests": tests, "changed_macros": code.macros}
    options = ["--vars", json.dumps(given)]
    print("Building and testing the models (dbt build) ...")
    if not code.is_tested:
        options += ["--exclude-resource-type", "unit_test"]
        print("No code changed since the last good build: unit tests are skipped.")
    with progress("dbt build", "nodes") as bar:

        def on_event(event: Any) -> None:  # noqa: ANN401 -- dbt's own, untyped
            if event.info.name == "NodeFinished":
                bar.update()
            # Logged by macros/report_warnings.sql.
            if event.info.name == "JinjaLogInfo" and event.data.msg.startswith(WARNING):
                outcome.warnings.append(event.data.msg.removeprefix(WARNING))

        outcome.add(
            run_dbt(
                *("build", *options),
                target=target,
                to="build",
                manifest=parsed,
                on_event=on_event,
            )
        )
    return outcome


def summary(
    target: str,
    loaded: LoadResult,
    raw_rows: Mapping[str, int],
    star_rows: Mapping[str, int],
    outcome: Outcome,
) -> str:
    """Return a table of counts, then the failures or the next commands to try."""
    records = sum(raw_rows[table] for table in STAGING)
    quarantined = raw_rows["rejected_records"]
    lines = [
        ("files", raw_rows["load_history"], f"{loaded.files:,} new"),
        ("records", records, f"{loaded.loaded:,} new"),
        ("in quarantine", quarantined, f"{loaded.rejected:,} new"),
        *((table, count, "rows") for table, count in star_rows.items()),
        ("tests passed", outcome.passed, f"of {outcome.tests:,}"),
    ]
    if outcome.warnings:
        lines.append(("warnings", len(outcome.warnings), "listed below"))
    table = "\n".join(
        f"  {name:<14}{count:>12,}  {note}" for name, count, note in lines
    )
    if outcome.warnings:
        table = "\n".join([table, "", "Warnings:", *outcome.warnings])
    if outcome.has_conflict:
        return (
            f"\n{table}\n\n{CONFLICT}, and Redshift stopped this run.\nRun make build"
            f" again, or only the failed and skipped nodes: dbt retry --target {target}"
        )
    if not outcome.success:
        names = ", ".join(outcome.failed)
        return (
            f"\n{table}\n\nBuild failed: {names}.\nFix them and run make build again."
        )
    commands = [
        ". .venv/bin/activate",
        "dbt show --inline \"select * from {{ ref('songplays') }}\"",
        "dbt docs generate && dbt docs serve",
    ]
    if quarantined:
        commands.insert(
            2,
            'dbt show --inline "select path, line_number, reason from'
            " {{ source('raw', 'rejected_records') }}\"",
        )
    next_steps = "\n  ".join(commands)
    return f"\n{table}\n\nThe target {target} is built. Next, try:\n  {next_steps}"


if __name__ == "__main__":
    sys.exit(main())
