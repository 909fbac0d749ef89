"""Load the new and changed files of a source, and report their number."""

from __future__ import annotations

import gc
import sys
from dataclasses import dataclass, replace
from typing import Final

from sparkify.loaders import Loader, LoadOptions, LoadResult
from sparkify.loaders.plan import Plan, make_plan
from sparkify.raw.rules import EVENTS, SONGS
from sparkify.raw.sources import SUFFIXES, Source, open_source
from sparkify.shared.errors import SparkifyError, printable
from sparkify.shared.progress import progress

MAX_REJECTS: Final = 1000
GC_THRESHOLD: Final = 100_000
"""Objects between two runs of the garbage collector. By default, it often scans file
listings and dbt's manifest, which it never frees."""


@dataclass(frozen=True)
class Request:
    """The options of a load.

    ``data`` is a folder or s3://bucket/prefix, with the folders ``log_data`` and
    ``song_data``. ``yes`` means that ``reset`` asks no question.
    """

    data: str
    log_data: str = EVENTS.part
    song_data: str = SONGS.part
    max_rejects: int = MAX_REJECTS
    reset: bool = False
    yes: bool = False
    reload_quarantined: bool = False
    dry_run: bool = False


def load_files(loader: Loader, target: str, request: Request) -> LoadResult:
    """Load new and changed files, or list them for a dry run.

    ``target`` is the target's name. Raises SparkifyError if a file cannot be loaded.
    """
    gc.set_threshold(GC_THRESHOLD)
    source = open_source(request.data)
    tables = [
        replace(EVENTS, part=request.log_data.strip("/")),
        replace(SONGS, part=request.song_data.strip("/")),
    ]
    history = () if request.reset else loader.history()
    plan = make_plan(history, source, tables, target, reload=request.reload_quarantined)
    _print_summary(plan, source)
    if request.dry_run:
        if request.reset:
            print(f"The raw tables of target {target} would be dropped first.")
        _print_plan(loader, source, plan)
        return LoadResult()
    if request.reset:
        _reset(loader, target, sure=request.yes)
    return _load(loader, source, plan, request.max_rejects)


def _reset(loader: Loader, target: str, *, sure: bool) -> None:
    if not sure:
        if not sys.stdin.isatty():
            raise SparkifyError(
                f"--reset would drop the raw tables of target {target}.",
                "Add --yes to drop them without a question.",
            )
        answer = input(f"Drop the raw tables of target {target}? [y/N] ")
        if answer.strip().lower() not in ("y", "yes"):
            raise SparkifyError("Nothing was dropped.", "Answer y to drop them.")
    loader.reset()
    print(f"Dropped the raw tables of target {target}.")


def _print_summary(plan: Plan, source: Source) -> None:
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


def _print_plan(loader: Loader, source: Source, plan: Plan) -> None:
    for statement in loader.statements(source, plan.new):
        print(f"{statement};\n")
    for new in plan.new:
        verb = "replace" if new.replaces else "load"
        print(f"{verb}  {new.table.name}  {printable(new.file.path)}")


def _load(loader: Loader, source: Source, plan: Plan, max_rejects: int) -> LoadResult:
    if not plan.new:
        loader.create_tables()
        print("Nothing new to load.")
        return LoadResult()
    size = sum(new.file.size for new in plan.new)
    with progress("load", "B", size) as bar:
        result = loader.load(source, plan.new, LoadOptions(max_rejects, bar.update))
    print(
        f"Loaded {result.loaded:,} records from {result.files:,} files;"
        f" {result.rejected:,} records are in quarantine (raw.rejected_records)."
    )
    for remark in result.remarks:
        print(remark)
    return result
