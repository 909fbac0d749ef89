#!/usr/bin/env python3
"""Create the raw tables and load new and changed JSON files into them."""

from __future__ import annotations

import argparse
import gc
import re
import sys
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from typing import Any

from sparkify.dbt_profile import read_target
from sparkify.errors import SparkifyError, printable, without_traceback
from sparkify.loaders import (
    LoadedFile,
    LoadOptions,
    LoadResult,
    NewFile,
    Warehouse,
    open_warehouse,
)
from sparkify.progress import progress
from sparkify.raw.rules import EVENTS, SONGS, RawTable
from sparkify.raw.sources import SUFFIXES, Source, is_hidden, open_source
from sparkify.sample.folder import make_sample

MAX_REJECTS = 1000
GC_THRESHOLD = 100_000
"""Objects between two runs of the garbage collector. File listings and dbt's manifest
live until the end, so the collector would scan them without effect."""


@dataclass(frozen=True)
class Plan:
    """The files that a load would read.

    ``known`` counts loaded files without changes. ``again`` counts the files in ``new``
    that did not change but are loaded again. ``skipped`` contains the names of the
    files that are not JSON.
    """

    new: tuple[NewFile, ...]
    known: int
    again: int
    skipped: tuple[str, ...]


def count_of_rejects(text: str) -> int:
    """Parse a non-negative integer. Raises ArgumentTypeError for anything else."""
    if not re.fullmatch("[0-9]{1,18}", text):
        raise argparse.ArgumentTypeError(f"{text!r} is not a non-negative integer")
    return int(text)


def add_source_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options that select the records to load."""
    add = parser.add_argument
    add("--log-data", default=EVENTS.part, help="folder of the logs in --data")
    add("--song-data", default=SONGS.part, help="folder of the catalogue in --data")
    add(
        "--max-rejects",
        type=count_of_rejects,
        default=MAX_REJECTS,
        metavar="N",
        help="load nothing if more records are rejected (default: %(default)s)",
    )
    add("--reset", action="store_true", help="drop the raw tables and start over")
    add("--yes", action="store_true", help="do not ask before --reset")


def add_engine_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of single engines. ``open_warehouse`` rejects them for others."""
    add = parser.add_argument
    prefix = "s3://bucket/prefix"
    add("--manifest", metavar=prefix, help="S3 prefix for the manifests of COPY")
    add("--compact", metavar=prefix, help="merge small files there before COPY")
    add("--external", action="store_true", help="read the records in S3, without COPY")
    add("--timeout", type=minutes, metavar="MINUTES", help="maximum time of a load")


def minutes(text: str) -> float:
    """Parse a positive number of minutes. Raises ArgumentTypeError otherwise."""
    if not re.fullmatch(r"[0-9]{1,6}(\.[0-9]{1,6})?", text) or not float(text):
        raise argparse.ArgumentTypeError(
            f"{text!r} is not a positive number of minutes"
        )
    return float(text)


def engine_options(options: argparse.Namespace) -> dict[str, Any]:
    """Return the engine options that are set, by name."""
    names = ("manifest", "compact", "external", "timeout")
    return {name: getattr(options, name) for name in names if getattr(options, name)}


@without_traceback
def main(argv: Sequence[str] | None = None) -> int:
    """Run the command. Return 0 if the raw tables contain all files of the source."""
    parser = argparse.ArgumentParser(description=__doc__)
    add = parser.add_argument
    what = parser.add_mutually_exclusive_group(required=True)
    what.add_argument("--data", help="a folder, or s3://bucket/prefix")
    what.add_argument(
        "--sample",
        action="store_true",
        help="load the sample data of make build, generated on first use",
    )
    add("--target", help="target of profiles.yml (default: dbt's default target)")
    add(
        "--reload-quarantined",
        action="store_true",
        help="reload the files with records in quarantine, after a rule was fixed",
    )
    add("--dry-run", action="store_true", help="print the statements, change nothing")
    add_source_arguments(parser)
    add_engine_arguments(parser)
    options = parser.parse_args(argv)
    if options.sample:
        options.data = str(make_sample())
    target = read_target(options.target)
    with closing(open_warehouse(target, engine_options(options))) as warehouse:
        run(warehouse, target["name"], options)
    return 0


def run(warehouse: Warehouse, target: str, options: argparse.Namespace) -> LoadResult:
    """Load new and changed files, or only list them. Raises SparkifyError."""
    gc.set_threshold(GC_THRESHOLD)
    source = open_source(options.data)
    tables = [
        replace(EVENTS, part=options.log_data.strip("/")),
        replace(SONGS, part=options.song_data.strip("/")),
    ]
    history = () if options.reset else warehouse.history()
    plan = make_plan(history, source, tables, target, reload=options.reload_quarantined)
    _say(plan, source)
    if options.dry_run:
        if options.reset:
            print(f"The raw tables of target {target} would be dropped first.")
        _print_plan(warehouse, source, plan)
        return LoadResult()
    if options.reset:
        _reset(warehouse, target, sure=options.yes)
    return _load(warehouse, source, plan, options.max_rejects)


def make_plan(
    history: Sequence[LoadedFile],
    source: Source,
    tables: Sequence[RawTable],
    target: str,
    *,
    reload: bool = False,
) -> Plan:
    """Compare the files of the source with the load history.

    ``reload`` adds the loaded files that have records in quarantine. Raises
    SparkifyError if the target was loaded from another source, or if a part has files
    but no JSON files.
    """
    known = {(file.table, file.path): file for file in history}
    filled_from = {file.table: file.source for file in history}
    new: list[NewFile] = []
    skipped: list[str] = []
    unchanged = again = 0
    for table in tables:
        here = f"{source.root}/{table.part}"
        before = filled_from.get(table.name, here)
        if before != here:
            raise SparkifyError(
                f"Target {target} was loaded from {before}, not {here}.",
                "Use that source, name another target with --target, or start over with"
                " --reset.",
            )
        listing = source.list_part(table.part)
        seen = [name for name in listing.skipped if not is_hidden(name)]
        if seen and not listing.files:
            raise SparkifyError(
                f"None of the {len(seen):,} files in {here} can be read, for example"
                f" {printable(seen[0])}: their names do not end in {SUFFIXES}.",
                "Rename the JSON files, or name another source with --data.",
            )
        skipped.extend(listing.skipped)
        for file in listing.files:
            loaded = known.get((table.name, file.path))
            is_known = loaded is not None and (loaded.size, loaded.version) == (
                file.size,
                file.version,
            )
            if loaded and is_known and not (reload and loaded.rejected):
                unchanged += 1
            else:
                new.append(NewFile(table, file, replaces=loaded is not None))
                again += is_known
    return Plan(tuple(new), unchanged, again, tuple(skipped))


def _reset(warehouse: Warehouse, target: str, *, sure: bool) -> None:
    if not sure:
        if not sys.stdin.isatty():
            raise SparkifyError(
                f"--reset would drop the raw tables of target {target}.",
                "Add --yes to drop them without a question.",
            )
        answer = input(f"Drop the raw tables of target {target}? [y/N] ")
        if answer.strip().lower() not in ("y", "yes"):
            raise SparkifyError("Nothing was dropped.", "Answer y to drop them.")
    warehouse.reset()
    print(f"Dropped the raw tables of target {target}.")


def _say(plan: Plan, source: Source) -> None:
    size = sum(new.file.size for new in plan.new) / 1e6
    replaced = sum(new.replaces for new in plan.new) - plan.again
    print(
        f"{source.root}: {len(plan.new):,} files to load ({size:,.1f} MB),"
        f" {replaced:,} of them in a new version; {plan.known:,} already loaded."
    )
    if plan.again:
        print(
            f"{plan.again:,} of them are reloaded, because they have records in"
            " quarantine."
        )
    if plan.skipped:
        first = printable(plan.skipped[0])
        print(
            f"Skipped {len(plan.skipped):,} files that do not end in {SUFFIXES}, are"
            f" hidden, or link to a parent folder: {first}"
            + (", ..." if len(plan.skipped) > 1 else "")
        )


def _print_plan(warehouse: Warehouse, source: Source, plan: Plan) -> None:
    for statement in warehouse.statements(source, plan.new):
        print(f"{statement};\n")
    for new in plan.new:
        verb = "replace" if new.replaces else "load"
        print(f"{verb}  {new.table.name}  {printable(new.file.path)}")


def _load(
    warehouse: Warehouse, source: Source, plan: Plan, max_rejects: int
) -> LoadResult:
    if not plan.new:
        warehouse.create_tables()
        print("Nothing new to load.")
        return LoadResult()
    size = sum(new.file.size for new in plan.new)
    with progress("load", "B", size) as bar:
        result = warehouse.load(source, plan.new, LoadOptions(max_rejects, bar.update))
    print(
        f"Loaded {result.loaded:,} records from {result.files:,} files;"
        f" {result.rejected:,} records are in quarantine (raw.rejected_records)."
    )
    for remark in result.remarks:
        print(remark)
    return result


if __name__ == "__main__":
    sys.exit(main())
