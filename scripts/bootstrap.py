#!/usr/bin/env python3
"""Create the raw tables and load the raw JSON that they do not hold yet."""

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
LOOK_FOR_GARBAGE = 100_000
"""Objects made between two looks for garbage. What thousands of files are listed in,
and what dbt knows after that, lives to the end: Python would look at it in vain."""


@dataclass(frozen=True)
class Plan:
    """What a load would do.

    ``known`` counts the files that stay as they are loaded, ``again`` those in ``new``
    that are loaded again although they did not change. ``left_alone`` names the files
    that are not JSON.
    """

    new: tuple[NewFile, ...]
    known: int
    again: int
    left_alone: tuple[str, ...]


def count_of_rejects(text: str) -> int:
    """Read a whole number from 0 on. Raises ArgumentTypeError for anything else."""
    if not re.fullmatch("[0-9]{1,18}", text):
        raise argparse.ArgumentTypeError(f"{text!r} is no whole number from 0 on")
    return int(text)


def add_source_arguments(parser: argparse.ArgumentParser) -> None:
    """Add what says which records are loaded."""
    add = parser.add_argument
    add("--log-data", default=EVENTS.part, help="name of the part with the logs")
    add("--song-data", default=SONGS.part, help="name of the part with the catalogue")
    add(
        "--max-rejects",
        type=count_of_rejects,
        default=MAX_REJECTS,
        metavar="N",
        help="load nothing if more records are refused (default: %(default)s)",
    )
    add("--reset", action="store_true", help="drop the raw tables and start over")
    add("--yes", action="store_true", help="do not ask before --reset")


def add_engine_arguments(parser: argparse.ArgumentParser) -> None:
    """Add what only some engines know; ``open_warehouse`` refuses it for others."""
    add = parser.add_argument
    place = "s3://bucket/prefix"
    add("--manifest", metavar=place, help="where the lists of files for COPY may lie")
    add("--compact", metavar=place, help="merge small files there before COPY")
    add("--external", action="store_true", help="leave the records in S3, copy nothing")
    add("--timeout", type=minutes, metavar="MINUTES", help="how long a load may take")


def minutes(text: str) -> float:
    """Read minutes above 0. Raises ArgumentTypeError for anything else."""
    if not re.fullmatch(r"[0-9]{1,6}(\.[0-9]{1,6})?", text) or not float(text):
        raise argparse.ArgumentTypeError(f"{text!r} is no number of minutes above 0")
    return float(text)


def engine_options(options: argparse.Namespace) -> dict[str, Any]:
    """Give the options of engines that were set."""
    names = ("manifest", "compact", "external", "timeout")
    return {name: getattr(options, name) for name in names if getattr(options, name)}


@without_traceback
def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; 0 if the raw tables hold all that the source has."""
    parser = argparse.ArgumentParser(description=__doc__)
    add = parser.add_argument
    what = parser.add_mutually_exclusive_group(required=True)
    what.add_argument("--data", help="a folder, or s3://bucket/prefix")
    what.add_argument(
        "--sample",
        action="store_true",
        help="load the sample data of make build, generated on first use",
    )
    add("--target", help="target of profiles.yml (default: the one that dbt takes)")
    add(
        "--reload-quarantined",
        action="store_true",
        help="load again the files that have records in quarantine, after a rule was"
        " fixed",
    )
    add("--dry-run", action="store_true", help="print what would be done, do nothing")
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
    """Load what is new, or say what would be loaded. Raises SparkifyError."""
    gc.set_threshold(LOOK_FOR_GARBAGE)
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
            print(f"The raw tables of target {target} would be dropped before.")
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
    """Find what the source has and the history has not.

    ``reload`` adds the loaded files that have records in quarantine. Raises
    SparkifyError.
    """
    known = {(file.table, file.path): file for file in history}
    filled_from = {file.table: file.source for file in history}
    new: list[NewFile] = []
    left_alone: list[str] = []
    unchanged = again = 0
    for table in tables:
        here = f"{source.root}/{table.part}"
        before = filled_from.get(table.name, here)
        if before != here:
            raise SparkifyError(
                f"Target {target} was filled from {before}, not {here}.",
                "Go on with that source, name another target with --target, or start"
                " over with --reset.",
            )
        listing = source.list_part(table.part)
        seen = [name for name in listing.left_alone if not is_hidden(name)]
        if seen and not listing.files:
            raise SparkifyError(
                f"None of the {len(seen):,} files of {here} can be read, as"
                f" {printable(seen[0])}: their names do not end in {SUFFIXES}.",
                "Name files of JSON so, or name another source with --data.",
            )
        left_alone.extend(listing.left_alone)
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
    return Plan(tuple(new), unchanged, again, tuple(left_alone))


def _reset(warehouse: Warehouse, target: str, *, sure: bool) -> None:
    if not sure:
        if not sys.stdin.isatty():
            raise SparkifyError(
                f"--reset would drop the raw tables of target {target}.",
                "Add --yes to do so without being asked.",
            )
        answer = input(f"Drop the raw tables of target {target}? [y/N] ")
        if answer.strip().lower() not in ("y", "yes"):
            raise SparkifyError("Nothing was dropped.", "Answer y to go on.")
    warehouse.reset()
    print(f"Dropped the raw tables of target {target}.")


def _say(plan: Plan, source: Source) -> None:
    size = sum(new.file.size for new in plan.new) / 1e6
    replaced = sum(new.replaces for new in plan.new) - plan.again
    print(
        f"{source.root}: {len(plan.new):,} files to load ({size:,.1f} MB),"
        f" {replaced:,} of them in a new version; {plan.known:,} are loaded already."
    )
    if plan.again:
        print(
            f"{plan.again:,} of them are loaded again, because records of theirs are in"
            " quarantine."
        )
    if plan.left_alone:
        first = printable(plan.left_alone[0])
        print(
            f"{len(plan.left_alone):,} other files are left alone, since their names do"
            f" not end in {SUFFIXES}, begin with a dot, or lead back to a folder around"
            f" them: {first}" + (", ..." if len(plan.left_alone) > 1 else "")
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
        f"Loaded {result.loaded:,} records of {result.files:,} files;"
        f" {result.rejected:,} are in quarantine (raw.rejected_records)."
    )
    for remark in result.remarks:
        print(remark)
    return result


if __name__ == "__main__":
    sys.exit(main())
