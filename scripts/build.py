#!/usr/bin/env python3
"""Load new raw files, build and test the models with dbt, and print a summary."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Mapping, Sequence
from contextlib import closing

import bootstrap
from sparkify.builds.build import Outcome, build
from sparkify.dbt.profile import read_target
from sparkify.loaders import LoadResult, open_loader
from sparkify.loaders.load import load_files
from sparkify.loaders.redshift.errors import CONFLICT, is_conflict
from sparkify.loaders.schema import RAW, STAGING, TABLES
from sparkify.sample.folder import make_sample
from sparkify.shared.errors import without_traceback
from sparkify.shared.project import save_variable

SAMPLE_TARGET = "sample"
OWN_DATA_TARGET = "duckdb"
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
    options = parser.parse_args(argv)
    name = options.target or (OWN_DATA_TARGET if options.data else SAMPLE_TARGET)
    target = read_target(name)
    given = bootstrap.engine_options(options)
    if not options.data:
        options.data = str(make_sample())
    with closing(open_loader(target, given)) as loader:
        loaded = load_files(loader, name, bootstrap.load_request(options))
    if save_variable("DBT_TARGET", name):
        print(f"Set DBT_TARGET={name} in .env: plain dbt commands now use this target.")
    outcome = build(name, tests=options.tests)
    with closing(open_loader(target, given)) as loader:
        raw_rows = loader.count_rows(RAW, TABLES)
        built = {name: outcome.built[name] for name in STAR if name in outcome.built}
        star_rows = {
            name: loader.count_rows(schema, [table])[table]
            for name, (schema, table) in built.items()
        }
    print(summary(name, loaded, raw_rows, star_rows, outcome))
    return 0 if outcome.success else 1


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
    if any(map(is_conflict, outcome.errors)):
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
