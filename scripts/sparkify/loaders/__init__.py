"""The raw tables, one folder per engine behind one small interface.

A folder has the name of the dbt adapter's type. Its ``loader.py`` has a function
``open_warehouse(target)``, which accepts the profile's target and returns a
``Warehouse``. Options that other engines do not have are listed in ``OPTIONS``.
"""

from __future__ import annotations

import importlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol

from sparkify.errors import SparkifyError
from sparkify.raw.rules import RawTable
from sparkify.raw.sources import OnFile, Source, SourceFile


class LoadedFile(NamedTuple):
    """A row of raw.load_history, as far as the next load needs it."""

    source: str
    table: str
    path: str
    size: int
    version: str
    rejected: int


class NewFile(NamedTuple):
    """A file to load into a table.

    ``replaces`` is true if the file is loaded already, in another version or by rules
    that have changed since.
    """

    table: RawTable
    file: SourceFile
    replaces: bool


@dataclass(frozen=True)
class LoadOptions:
    """What a user may set about a load."""

    max_rejects: int
    on_file: OnFile = lambda _: None


@dataclass(frozen=True)
class LoadResult:
    """What a load did: files, records loaded and records refused.

    ``remarks`` are sentences on what was loaded, for people.
    """

    files: int = 0
    loaded: int = 0
    rejected: int = 0
    remarks: tuple[str, ...] = ()


class Warehouse(Protocol):
    """The raw tables of one warehouse."""

    def history(self) -> Sequence[LoadedFile]:
        """List what is loaded; nothing where there are no raw tables yet."""

    def create_tables(self) -> None:
        """Create the raw tables that are missing."""

    def load(
        self, source: Source, files: Sequence[NewFile], options: LoadOptions
    ) -> LoadResult:
        """Load files in one transaction, with history and rejects, or nothing.

        Creates the raw tables if they are missing. Raises SparkifyError if a file
        cannot be read or more than ``options.max_rejects`` records are refused.
        """

    def statements(self, source: Source, files: Sequence[NewFile]) -> Sequence[str]:
        """Give the SQL that ``load`` would run, for --dry-run."""

    def reset(self) -> None:
        """Drop the raw tables."""

    def count_rows(self, schema: str, tables: Iterable[str]) -> dict[str, int]:
        """Count the rows of tables that exist."""

    def close(self) -> None:
        """Let go of the warehouse."""


def tables_of(files: Sequence[NewFile]) -> list[RawTable]:
    """List the raw tables that files are for."""
    return list({new.table.name: new.table for new in files}.values())


def open_warehouse(
    target: dict[str, Any], options: Mapping[str, Any] | None = None
) -> Warehouse:
    """Open the raw layer of a dbt target, with options that its engine knows.

    Raises SparkifyError if there is no loader for it, or an option is unknown to it.
    """
    engine = str(target["type"])
    try:
        module = importlib.import_module(f"sparkify.loaders.{engine}.loader")
    except ModuleNotFoundError as error:
        raise SparkifyError(
            f"There is no loader for the engine {engine}.",
            "Choose another target of profiles.yml.",
        ) from error
    for name in options or {}:
        if name not in getattr(module, "OPTIONS", ()):
            raise SparkifyError(
                f"The engine {engine} has no --{name}.",
                "Leave it out, or choose another target with --target.",
            )
    warehouse: Warehouse = module.open_warehouse(target | dict(options or {}))
    return warehouse
