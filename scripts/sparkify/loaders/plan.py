"""Find the files of a source that a load must read."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sparkify.loaders import LoadedFile, NewFile
from sparkify.raw.rules import RawTable
from sparkify.raw.sources import SUFFIXES, Source, is_hidden
from sparkify.shared.errors import SparkifyError, printable


@dataclass(frozen=True)
class Plan:
    """The files that a load would read.

    ``known`` counts the loaded files that did not change. ``again`` counts the files in
    ``new`` that did not change. ``skipped`` contains the names of other files.
    """

    new: tuple[NewFile, ...]
    known: int
    again: int
    skipped: tuple[str, ...]


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
    SparkifyError if the target was loaded from another source, or if no file of a part
    is JSON.
    """
    known = {(file.table, file.path): file for file in history}
    sources = {file.table: file.source for file in history}
    new: list[NewFile] = []
    skipped: list[str] = []
    unchanged = again = 0
    for table in tables:
        address = f"{source.root}/{table.part}"
        previous = sources.get(table.name, address)
        if previous != address:
            raise SparkifyError(
                f"Target {target} was loaded from {previous}, not {address}.",
                "Use that source, name another target with --target, or start over with"
                " --reset.",
            )
        listing = source.list_part(table.part)
        rest = [name for name in listing.skipped if not is_hidden(name)]
        if rest and not listing.files:
            raise SparkifyError(
                f"None of the {len(rest):,} files in {address} can be read, for example"
                f" {printable(rest[0])}: their names do not end in {SUFFIXES}.",
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
