"""The raw layer in DuckDB: DuckDB parses the files, each of them once."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from datetime import datetime
from typing import Any, Final

import duckdb

from sparkify.dbt_profile import PROJECT
from sparkify.errors import SparkifyError, unreadable
from sparkify.loaders import (
    LoadedFile,
    LoadOptions,
    LoadResult,
    NewFile,
    tables_of,
)
from sparkify.loaders.bookkeeping import Quarantine, batches, book, load_time
from sparkify.loaders.duckdb.file import open_file
from sparkify.loaders.schema import RAW, TABLES, create_statements, raw
from sparkify.quoting import quote_identifier, quote_literal
from sparkify.raw.extra_keys import ExtraKeys, sentences
from sparkify.raw.reader import count_lines, read_records, suits_parser
from sparkify.raw.rules import MAX_TEXT_BYTES, TEXT, RawTable, plain_line
from sparkify.raw.sources import Source

CAREFUL_LINES: Final = 10_000
SMALL_FILE: Final = 1 << 16
"""Bytes of a file up to which DuckDB takes longer to open it than to parse it."""


@contextmanager
def _told_plainly() -> Iterator[None]:
    """Say what DuckDB could not do, in place of a traceback."""
    try:
        yield
    except duckdb.Error as error:
        reason = str(error).splitlines()[0].rstrip(".!")
        raise SparkifyError(
            f"DuckDB stopped: {reason}.",
            "Nothing of this run was loaded; mend the cause and repeat the command.",
        ) from error


def open_warehouse(target: dict[str, Any]) -> DuckDBWarehouse:
    """Open the database file that the profile's target names."""
    return DuckDBWarehouse(target)


class DuckDBWarehouse:
    """The raw tables in a DuckDB file, which one process at a time may write."""

    def __init__(self, target: dict[str, Any]) -> None:
        """Take the profile's target; the file is opened when it is needed."""
        self.path = PROJECT / str(target["path"])
        self.settings: dict[str, Any] = target.get("settings") or {}
        self._connection: duckdb.DuckDBPyConnection | None = None
        self._was_there = True

    @property
    def connection(self) -> duckdb.DuckDBPyConnection:
        """The open database. Waits for another process that has it open."""
        if self._connection is None:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            self._connection = open_file(str(self.path))
            for name, value in self.settings.items():
                self._connection.execute(
                    f"set {quote_identifier(name)} = {quote_literal(str(value))}"
                )
            self._connection.execute("set preserve_insertion_order = false")
        return self._connection

    def close(self) -> None:
        """Close the file."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    @_told_plainly()
    def history(self) -> Sequence[LoadedFile]:
        """List what is loaded; nothing where there are no raw tables yet."""
        self._was_there = self.path.exists()
        if not self._was_there:
            return []
        exists = self._rows(
            "select 1 from information_schema.tables where table_schema = $1"
            " and table_name = 'load_history'",
            [RAW],
        )
        if not exists:
            return []
        return [
            LoadedFile(*row)
            for row in self._rows(
                "select source, table_name, path, size_bytes, version, rejected_count"
                f" from {raw('load_history')}"
            )
        ]

    def statements(self, source: Source, files: Sequence[NewFile]) -> Sequence[str]:
        """Give the SQL of a load; $files and $paths are the files of a batch."""
        del source
        reads = [read_statement(table, LINES_OF_FILES) for table in tables_of(files)]
        return [*create_statements(), *reads]

    @_told_plainly()
    def reset(self) -> None:
        """Drop the raw tables."""
        self.connection.execute(
            f"drop schema if exists {quote_identifier(RAW)} cascade"
        )

    @_told_plainly()
    def count_rows(self, schema: str, tables: Iterable[str]) -> dict[str, int]:
        """Count the rows of tables that exist."""
        return {
            table: self._rows(
                "select count(*) from"
                f" {quote_identifier(schema)}.{quote_identifier(table)}"
            )[0][0]
            for table in tables
        }

    @_told_plainly()
    def create_tables(self) -> None:
        """Create the raw tables that are missing."""
        for statement in create_statements():
            self.connection.execute(statement)

    @_told_plainly()
    def load(
        self, source: Source, files: Sequence[NewFile], options: LoadOptions
    ) -> LoadResult:
        """Load files in one transaction, with history and rejects, or nothing."""
        was_there = self._was_there
        self._rows("select 1")  # opens the file, or waits for who holds it
        if not was_there and self.history():
            raise SparkifyError(
                f"Another load made and filled {self.path} at the same moment.",
                "Repeat the command; what is loaded is not loaded again.",
            )
        careful: set[str] = set()
        while True:
            self.connection.execute("begin transaction")
            try:
                result = _Load(self.connection, source, options, careful).run(files)
                self.connection.execute("commit")
            except _ParserError as error:
                self._roll_back()
                careful |= error.paths
            except BaseException:
                self._roll_back()
                raise
            else:
                return result

    def _roll_back(self) -> None:
        """Undo the transaction, if what ended it has not done so."""
        with suppress(duckdb.Error):
            self.connection.execute("rollback")

    def _rows(self, query: str, values: list[Any] | None = None) -> list[Any]:
        return self.connection.execute(query, values or []).fetchall()


class _ParserError(Exception):
    """DuckDB's parser gave up on files, which the common reader may be able to read."""

    def __init__(self, paths: set[str]) -> None:
        super().__init__(*sorted(paths))
        self.paths = paths


class _Load:
    """One load: what it has in hand until it is committed."""

    def __init__(
        self,
        connection: duckdb.DuckDBPyConnection,
        source: Source,
        options: LoadOptions,
        careful: set[str],
    ) -> None:
        self.connection = connection
        self.source = source
        self.options = options
        self.careful = careful
        self.quarantine = Quarantine(options.max_rejects)
        self.extra: dict[str, ExtraKeys] = {}
        self.loaded: dict[tuple[str, str], int] = {}

    def run(self, files: Sequence[NewFile]) -> LoadResult:
        self.extra = {table.name: ExtraKeys(table) for table in tables_of(files)}
        for statement in create_statements():
            self.connection.execute(statement)
        self.loaded_at = _next_load_time(self.connection)
        for table in tables_of(files):
            mine = [new for new in files if new.table.name == table.name]
            self._forget(table, [new.file.path for new in mine if new.replaces])
            for batch in batches(mine):
                self._read_batch(table, batch)
        rejections = self.quarantine.rejections
        rows = book(self.source, files, self.loaded, rejections, self.loaded_at)
        for name, lines in rows.items():
            self._append(name, lines)
        return LoadResult(
            len(files),
            sum(self.loaded.values()),
            len(rejections),
            sentences(self.extra.values()),
        )

    def _forget(self, table: RawTable, paths: list[str]) -> None:
        """Delete the earlier version of files."""
        if not paths:
            return
        self.connection.execute(
            f"delete from {raw(table.name)} where source_path in (select unnest($1))",
            [paths],
        )
        for of_files in ("load_history", "rejected_records"):
            self.connection.execute(
                f"delete from {raw(of_files)}"
                " where table_name = $1 and path in (select unnest($2))",
                [table.name, paths],
            )

    def _read_batch(self, table: RawTable, batch: list[NewFile]) -> None:
        """Let DuckDB parse a batch, and read by the rules what holds odd lines."""
        with self.source.fetch(
            [new.file for new in batch], self.options.on_file
        ) as local:
            of_path = {
                new.file.path: name for new, name in zip(batch, local, strict=True)
            }
            small, large, odd = [], [], []
            for new in batch:
                path = new.file.path
                if new.file.size <= SMALL_FILE:
                    small.append(path)
                elif self._suits_parser(of_path[path], path):
                    large.append(path)
                else:
                    odd.append(path)
            lines: dict[str, int] = {}
            if small:
                lines |= self._parse_lines(table, {p: of_path[p] for p in small})
                odd += [path for path in small if path not in lines]
            if large:
                local_names = [of_path[path] for path in large]
                # Counted while DuckDB, which does not need Python, parses.
                with ThreadPoolExecutor(max_workers=1) as beside:
                    counts = beside.map(count_lines, local_names, large)
                    self._parse_files(table, local_names, large)
                    lines |= zip(large, counts, strict=True)
            odd += self._take_back(table, lines)
            for path in sorted(odd):
                self._read_carefully(table, of_path[path], path)

    def _suits_parser(self, local: str, path: str) -> bool:
        """Tell whether DuckDB can be given a file's name: it expands patterns."""
        if path in self.careful or not re.fullmatch(r"[\w ./:=@+,~-]+", local):
            return False
        return suits_parser(local, path)

    def _parse_lines(self, table: RawTable, local: dict[str, str]) -> dict[str, int]:
        """Parse small files, read here; give the lines of each that is UTF-8."""
        lines: list[str] = []
        paths: list[str] = []
        count: dict[str, int] = {}
        for path, name in local.items():
            try:
                text = _content(name).decode()
            except UnicodeDecodeError:
                continue
            except OSError as error:
                raise unreadable(path, error) from error
            of_file = text.removesuffix("\n").split("\n") if text else []
            count[path] = len(of_file)
            lines += of_file
            paths += [path] * len(of_file)
        self.connection.execute(
            read_statement(table, LINES_GIVEN),
            {"lines": lines, "paths": paths, "loaded_at": self.loaded_at},
        )
        return count

    def _parse_files(self, table: RawTable, local: list[str], paths: list[str]) -> None:
        try:
            self.connection.execute(
                read_statement(table, LINES_OF_FILES),
                {"files": local, "paths": paths, "loaded_at": self.loaded_at},
            )
        except duckdb.Error as error:
            of_file = dict(zip(local, paths, strict=True))
            named = max((f for f in local if f in str(error)), key=len, default=None)
            # An error of decompression names no file.
            gave_up = [named] if named else [f for f in local if f.endswith(".gz")]
            if not gave_up:
                raise
            raise _ParserError({of_file[name] for name in gave_up}) from error

    def _take_back(self, table: RawTable, lines: dict[str, int]) -> list[str]:
        """Delete what was read of files that the parser did not read as plain lines.

        ``lines`` has the number of lines of each file that it read. Such a file holds a
        line that is not plain, or another number of lines than there are rows: blank
        lines give none, and at some sizes of a file DuckDB 2.0.0 drops a last line that
        no newline ends.
        """
        odd_files = [
            path
            for (path,) in self.connection.execute(
                f"""select files.path
                from (
                    select
                        unnest($2::varchar[]) as path,
                        unnest($3::bigint[]) as line_count
                ) as files
                left join {raw(table.name)} as records
                    on
                        files.path = records.source_path
                        and (records.loaded_at is null or records.loaded_at = $1)
                group by files.path, files.line_count
                having
                    files.line_count != count(records.source_path)
                    or count(records.source_path) != count(records.loaded_at)""",
                [self.loaded_at, list(lines), list(lines.values())],
            ).fetchall()
        ]
        for path, count in lines.items():
            self.loaded[table.name, path] = count
        for path in odd_files:
            del self.loaded[table.name, path]
        if odd_files:
            self.connection.execute(
                f"delete from {raw(table.name)}"
                " where source_path in (select unnest($1))"
                " and (loaded_at is null or loaded_at = $2)",
                [odd_files, self.loaded_at],
            )
        return odd_files

    def _read_carefully(self, table: RawTable, local: str, path: str) -> None:
        rows: list[list[str | None]] = []
        self.loaded[table.name, path] = 0
        for record in read_records(table, local, path, self.extra[table.name]):
            if record.values is None:
                self.quarantine.refuse(table, path, record)
                continue
            rows.append(record.values)
            if len(rows) >= CAREFUL_LINES:
                self._insert(table, path, rows)
                rows = []
        self._insert(table, path, rows)

    def _insert(self, table: RawTable, path: str, rows: list[list[str | None]]) -> None:
        if rows:
            self.loaded[table.name, path] += len(rows)
            paths = [path] * len(rows)
            _insert(self.connection, table, rows, paths, self.loaded_at)

    def _append(self, table: str, rows: Sequence[tuple[Any, ...]]) -> None:
        """Insert rows of a load."""
        if not rows:
            return
        kinds = TABLES[table].values()
        values, taken = [], []
        for number, (kind, *column) in enumerate(zip(kinds, *rows, strict=True), 1):
            # What all rows share is given once: lists of many values take their time.
            is_list = number == 1 or len(set(column)) > 1
            values.append(
                f"unnest(${number}::{kind}[])" if is_list else f"${number}::{kind}"
            )
            taken.append(column if is_list else column[0])
        self.connection.execute(
            f"insert into {raw(table)} select {', '.join(values)}", taken
        )


def _content(path: str) -> bytes:
    """Read a small file: there may be thousands, so without file objects."""
    content = b""
    file = os.open(path, os.O_RDONLY)
    try:
        while part := os.read(file, SMALL_FILE):
            content += part
    finally:
        os.close(file)
    return content


def _next_load_time(connection: duckdb.DuckDBPyConnection) -> datetime:
    latest = connection.execute(f"select max(loaded_at) from {raw('load_history')}")
    return load_time(latest.fetchall()[0][0])


def _insert(
    connection: duckdb.DuckDBPyConnection,
    table: RawTable,
    rows: Sequence[Sequence[str | None]],
    paths: Sequence[str],
    loaded_at: datetime,
) -> None:
    """Insert records, given as texts, with the path of each."""
    columns = ", ".join(
        f"cast(unnest(${number}::varchar[]) as {column.kind.sql_type})"
        for number, column in enumerate(table.columns, start=1)
    )
    width = len(table.columns)
    connection.execute(
        f"insert into {raw(table.name)}"
        f" select {columns}, ${width + 1}::timestamp, unnest(${width + 2}::varchar[])",
        [*map(list, zip(*rows, strict=True)), loaded_at, paths],
    )


LINES_GIVEN: Final = "select unnest($lines) as json, unnest($paths) as path"
LINES_OF_FILES: Final = """select objects.json, files.path
    from read_json_objects(
        $files,
        format = 'newline_delimited',
        ignore_errors = true,
        filename = true,
        hive_partitioning = false
    ) as objects
    inner join (select unnest($files) as filename, unnest($paths) as path) as files
        on objects.filename = files.filename"""


def read_statement(table: RawTable, lines: str) -> str:
    """Give the statement that reads lines into a raw table.

    ``lines`` is LINES_OF_FILES, where $paths is what $files are called, or LINES_GIVEN,
    where it has the path of each of $lines. $loaded_at is a parameter of both: a line
    that is not plain becomes a row without it, which marks its file as odd.
    """
    structure = (
        "{"
        + ", ".join(
            f'"{column.name}": "{column.kind.sql_type.upper()}"'
            for column in table.columns
        )
        + "}"
    )
    columns = ",\n".join(
        f"    record.{quote_identifier(column.name)}" for column in table.columns
    )
    lengths = ", ".join(
        f"strlen(record.{quote_identifier(column.name)})"
        for column in table.columns
        if column.kind is TEXT
    )
    return f"""insert into {raw(table.name)}
with
lines as (
    {lines}
),
records as (
    select
        path,
        strlen(json) as size,
        case
            when regexp_matches(json, {quote_literal(plain_line(table))})
                then try(from_json_strict(json, {quote_literal(structure)}))
        end as record
    from lines
)
select
{columns},
    case
        when
            record is not null
            and (size <= {MAX_TEXT_BYTES} or greatest({lengths}) <= {MAX_TEXT_BYTES})
            then $loaded_at
    end as loaded_at,
    path
from records"""
