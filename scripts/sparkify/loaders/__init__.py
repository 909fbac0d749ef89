"""Load the raw tables, with one folder per engine and one interface.

A folder has the name of a dbt adapter's type. Its ``loader.py`` has the function
``open_loader(target)``, which returns a ``Loader`` for the profile's target, and may
have ``OPTIONS``, the command options that only this engine has.
"""

from __future__ import annotations

import importlib
from collections.abc import Iterable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol

from sparkify.raw.rules import RawTable
from sparkify.raw.sources import OnFile, Source, SourceFile
from sparkify.shared.errors import SparkifyError


class LoadedFile(NamedTuple):
    """The columns of raw.load_history that the next load needs."""

    source: str
    table: str
    path: str
    size: int
    version: str
    rejected: int


class NewFile(NamedTuple):
    """A file to load into a table. ``replaces`` is true if it was loaded before."""

    table: RawTable
    file: SourceFile
    replaces: bool


@dataclass(frozen=True)
class LoadOptions:
    """Options of a load. ``on_file`` receives the size of each file in bytes."""

    max_rejects: int
    on_file: OnFile = lambda _: None


@dataclass(frozen=True)
class LoadResult:
    """The number of files, loaded records and rejected records of a load.

    ``remarks`` are sentences to print.
    """

    files: int = 0
    loaded: int = 0
    rejected: int = 0
    remarks: tuple[str, ...] = ()


class Loader(Protocol):
    """Loads the raw tables of one warehouse."""

    def history(self) -> Sequence[LoadedFile]:
        """Return the loaded files, none if the raw tables do not exist."""

    def create_tables(self) -> None:
        """Create missing raw tables."""

    def load(
        self, source: Source, files: Sequence[NewFile], options: LoadOptions
    ) -> LoadResult:
        """Load files, history and rejected records in one transaction.

        Creates missing raw tables. Prints a line if it waits for another process.
        Raises SparkifyError, with nothing loaded, if a file cannot be read or more than
        ``options.max_rejects`` records are rejected.
        """

    def statements(self, source: Source, files: Sequence[NewFile]) -> Sequence[str]:
        """Return the SQL that ``load`` would run, for --dry-run."""

    def reset(self) -> None:
        """Drop the raw tables."""

    def count_rows(self, schema: str, tables: Iterable[str]) -> dict[str, int]:
        """Return the number of rows of each table. All tables must exist."""

    def close(self) -> None:
        """Close the connection."""


def tables_of(files: Sequence[NewFile]) -> list[RawTable]:
    """Return the raw tables of files, each once."""
    return list({new.table.name: new.table for new in files}.values())


def open_loader(
    target: dict[str, Any], options: Mapping[str, Any] | None = None
) -> Loader:
    """Return the loader of a dbt target.

    Raises SparkifyError if its engine has no loader or does not support an option.
    """
    engine = str(target["type"])
    try:
        module = importlib.import_module(f"sparkify.loaders.{engine}.loader")
    except ModuleNotFoundError as error:
        raise SparkifyError(
            f"The engine {engine} has no loader.",
            "Choose another target of profiles.yml.",
        ) from error
    for name in options or {}:
        if name not in getattr(module, "OPTIONS", ()):
            raise SparkifyError(
                f"The engine {engine} does not support --{name}.",
                "Omit it, or choose another target with --target.",
            )
    loader: Loader = module.open_loader(target | dict(options or {}))
    return loader


def require_data(target: dict[str, Any]) -> None:
    """Raise SparkifyError if no file was ever loaded into a target's warehouse."""
    name = target["name"]
    with closing(open_loader(target)) as loader:
        if not loader.history():
            raise SparkifyError(
                f"The warehouse of target {name} is empty.",
                f"Run make build TARGET={name}, or name another target.",
            )
