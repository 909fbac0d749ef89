"""Load the raw tables of DuckDB. Its parser reads each file once."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager, suppress
from datetime import datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final

import duckdb

from sparkify.loaders import LoadedFile, LoadOptions, LoadResult, NewFile, tables_of
from sparkify.loaders.bookkeeping import Quarantine, batches, load_time, record_load
from sparkify.loaders.duckdb.file import open_file
from sparkify.loaders.schema import RAW, TABLES, create_statements, raw
from sparkify.raw.extra_keys import ExtraKeys, sentences
from sparkify.raw.reader import count_lines, read_records, suits_parser
from sparkify.raw.rules import MAX_TEXT_BYTES, TEXT, RawTable, plain_line
from sparkify.raw.sources import Source
from sparkify.shared.errors import SparkifyError, unreadable
from sparkify.shared.project import PROJECT
from sparkify.shared.quoting import quote_identifier, quote_literal

LINES_PER_INSERT: Final = 10_000
SMALL_FILE: Final = 1 << 16
"""Bytes. DuckDB opens a smaller file more slowly than it parses it."""


@contextmanager
def _translate_errors() -> Iterator[None]:
    """Raise SparkifyError instead of an error of DuckDB."""
    try:
        yield
    except duckdb.Error as error:
        reason = str(error).splitlines()[0].rstrip(".!")
        raise SparkifyError(
            f"DuckDB failed: {reason}.",
            "Nothing was loaded. Fix the cause and run the command again.",
        ) from error


def open_loader(target: dict[str, Any]) -> DuckDBLoader:
    """Return the loader of a target."""
    return DuckDBLoader(target)


class DuckDBLoader:
    """The raw tables in a DuckDB file, which only one process at a time can open."""

    def __init__(self, target: dict[str, Any]) -> None:
        """Set the path and the settings. The file is opened on first use."""
        self.path = PROJECT / str(target["path"])
        self.settings: dict[str, Any] = target.get("settings") or {}
        self._connection: duckdb.DuckDBPyConnection | None = None
        self._existed = True

    @property
    def connection(self) -> duckdb.DuckDBPyConnection:
        """The open connection. The first use waits for other processes."""
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

    @_translate_errors()
    def history(self) -> Sequence[LoadedFile]:
        """Return the loaded files, none if the raw tables do not exist."""
        self._existed = self.path.exists()
        if not self._existed:
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
        """Return the SQL of a load. $files and $paths are the files of a batch."""
        del source
        reads = [read_statement(table, LINES_OF_FILES) for table in tables_of(files)]
        return [*create_statements(), *reads]

    @_translate_errors()
    def reset(self) -> None:
        """Drop the raw tables."""
        self.connection.execute(
            f"drop schema if exists {quote_identifier(RAW)} cascade"
        )

    @_translate_errors()
    def count_rows(self, schema: str, tables: Iterable[str]) -> dict[str, int]:
        """Return the number of rows of each table. All tables must exist."""
        return {
            table: self._rows(
                "select count(*) from"
                f" {quote_identifier(schema)}.{quote_identifier(table)}"
            )[0][0]
            for table in tables
        }

    @_translate_errors()
    def create_tables(self) -> None:
        """Create missing raw tables."""
        for statement in create_statements():
            self.connection.execute(statement)

    @_translate_errors()
    def load(
        self, source: Source, files: Sequence[NewFile], options: LoadOptions
    ) -> LoadResult:
        """Load files, history and rejected records in one transaction."""
        existed = self._existed
        self._rows("select 1")  # Wait until the file can be opened.
        if not existed and self.history():
            raise SparkifyError(
                f"Another load created and filled {self.path} at the same time.",
                "Run the command again. Loaded files are not loaded twice.",
            )
        by_rules: set[str] = set()
        while True:
            self.connection.execute("begin transaction")
            try:
                result = _Load(self.connection, source, options, by_rules).run(files)
                self.connection.execute("commit")
            except _ParserError as error:
                self._roll_back()
                by_rules |= error.paths
            except BaseException:
                self._roll_back()
                raise
            else:
                return result

    def _roll_back(self) -> None:
        """Roll back the transaction, if it is still open."""
        with suppress(duckdb.Error):
            self.connection.execute("rollback")

    def _rows(self, query: str, values: list[Any] | None = None) -> list[Any]:
        return self.connection.execute(query, values or []).fetchall()


@contextmanager
def temporary_records(
    source: Source, files: Sequence[NewFile], options: LoadOptions
) -> Iterator[tuple[duckdb.DuckDBPyConnection, Path, LoadResult]]:
    """Load files into a temporary database, for another engine's loader.

    Yields the connection, the database's folder, and the result of the load. Deletes
    the folder at the end. Raises SparkifyError as ``DuckDBLoader.load`` does.
    """
    with (
        TemporaryDirectory(prefix="sparkify-") as folder,
        closing(DuckDBLoader({"path": f"{folder}/records.duckdb"})) as records,
    ):
        result = records.load(source, files, options)
        yield records.connection, Path(folder), result


class _ParserError(Exception):
    """DuckDB's parser failed on files, which read_records may be able to read."""

    def __init__(self, paths: set[str]) -> None:
        super().__init__(*sorted(paths))
        self.paths = paths


class _Load:
    """The state of one load until its commit.

    ``by_rules`` contains the paths of files that DuckDB's parser must not read.
    """

    def __init__(
        self,
        connection: duckdb.DuckDBPyConnection,
        source: Source,
        options: LoadOptions,
        by_rules: set[str],
    ) -> None:
        self.connection = connection
        self.source = source
        self.options = options
        self.by_rules = by_rules
        self.quarantine = Quarantine(options.max_rejects)
        self.extra: dict[str, ExtraKeys] = {}
        self.loaded: dict[tuple[str, str], int] = {}

    def run(self, files: Sequence[NewFile]) -> LoadResult:
        self.extra = {table.name: ExtraKeys(table) for table in tables_of(files)}
        for statement in create_statements():
            self.connection.execute(statement)
        self.loaded_at = _next_load_time(self.connection)
        for table in tables_of(files):
            of_table = [new for new in files if new.table.name == table.name]
            self._delete_previous_versions(
                table, [new.file.path for new in of_table if new.replaces]
            )
            for batch in batches(of_table):
                self._read_batch(table, batch)
        rejections = self.quarantine.rejections
        rows = record_load(self.source, files, self.loaded, rejections, self.loaded_at)
        for name, lines in rows.items():
            self._append(name, lines)
        return LoadResult(
            len(files),
            sum(self.loaded.values()),
            len(rejections),
            sentences(self.extra.values()),
        )

    def _delete_previous_versions(self, table: RawTable, paths: list[str]) -> None:
        """Delete the previous versions of files."""
        if not paths:
            return
        self.connection.execute(
            f"delete from {raw(table.name)} where source_path in (select unnest($1))",
            [paths],
        )
        for name in ("load_history", "rejected_records"):
            self.connection.execute(
                f"delete from {raw(name)}"
                " where table_name = $1 and path in (select unnest($2))",
                [table.name, paths],
            )

    def _read_batch(self, table: RawTable, batch: list[NewFile]) -> None:
        """Load a batch with DuckDB's parser, and fallback files with read_records."""
        with self.source.fetch(
            [new.file for new in batch], self.options.on_file
        ) as local:
            local_of = dict(zip((new.file.path for new in batch), local, strict=True))
            small, large, fallback = [], [], []
            for new in batch:
                path = new.file.path
                if new.file.size <= SMALL_FILE:
                    small.append(path)
                elif self._suits_parser(local_of[path], path):
                    large.append(path)
                else:
                    fallback.append(path)
            lines: dict[str, int] = {}
            if small:
                lines |= self._parse_lines(table, {p: local_of[p] for p in small})
                fallback += [path for path in small if path not in lines]
            if large:
                local_names = [local_of[path] for path in large]
                # Count lines while DuckDB parses, which releases Python's lock.
                with ThreadPoolExecutor(max_workers=1) as executor:
                    counts = executor.map(count_lines, local_names, large)
                    self._parse_files(table, local_names, large)
                    lines |= zip(large, counts, strict=True)
            fallback += self._delete_fallback_files(table, lines)
            for path in sorted(fallback):
                self._read_by_rules(table, local_of[path], path)

    def _suits_parser(self, local: str, path: str) -> bool:
        """Return whether DuckDB can read a file. It expands patterns in file names."""
        if path in self.by_rules or not re.fullmatch(r"[\w ./:=@+,~-]+", local):
            return False
        return suits_parser(local, path)

    def _parse_lines(self, table: RawTable, local: dict[str, str]) -> dict[str, int]:
        """Load small files from memory. Return line counts of UTF-8 files by path."""
        lines: list[str] = []
        paths: list[str] = []
        counts: dict[str, int] = {}
        for path, name in local.items():
            try:
                text = _content(name).decode()
            except UnicodeDecodeError:
                continue
            except OSError as error:
                raise unreadable(path, error) from error
            of_file = text.removesuffix("\n").split("\n") if text else []
            counts[path] = len(of_file)
            lines += of_file
            paths += [path] * len(of_file)
        self.connection.execute(
            read_statement(table, LINES_GIVEN),
            {"lines": lines, "paths": paths, "loaded_at": self.loaded_at},
        )
        return counts

    def _parse_files(self, table: RawTable, local: list[str], paths: list[str]) -> None:
        try:
            self.connection.execute(
                read_statement(table, LINES_OF_FILES),
                {"files": local, "paths": paths, "loaded_at": self.loaded_at},
            )
        except duckdb.Error as error:
            of_file = dict(zip(local, paths, strict=True))
            named = max((f for f in local if f in str(error)), key=len, default=None)
            # A decompression error does not name the file.
            failed = [named] if named else [f for f in local if f.endswith(".gz")]
            if not failed:
                raise
            raise _ParserError({of_file[name] for name in failed}) from error

    def _delete_fallback_files(
        self, table: RawTable, lines: dict[str, int]
    ) -> list[str]:
        """Delete the rows of fallback files and return their paths.

        ``lines`` maps the path of a parsed file to its number of lines. A fallback file
        contains a line that is not a fast-path line (``plain_line``), or has more lines
        than rows. A blank line has no row. At some file sizes, DuckDB 2.0.0 drops a
        last line without a newline.
        """
        fallback_files = [
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
        for path in fallback_files:
            del self.loaded[table.name, path]
        if fallback_files:
            self.connection.execute(
                f"delete from {raw(table.name)}"
                " where source_path in (select unnest($1))"
                " and (loaded_at is null or loaded_at = $2)",
                [fallback_files, self.loaded_at],
            )
        return fallback_files

    def _read_by_rules(self, table: RawTable, local: str, path: str) -> None:
        rows: list[list[str | None]] = []
        self.loaded[table.name, path] = 0
        for record in read_records(table, local, path, self.extra[table.name]):
            if record.values is None:
                self.quarantine.reject(table, path, record)
                continue
            rows.append(record.values)
            if len(rows) >= LINES_PER_INSERT:
                self._insert(table, path, rows)
                rows = []
        self._insert(table, path, rows)

    def _insert(self, table: RawTable, path: str, rows: list[list[str | None]]) -> None:
        if rows:
            self.loaded[table.name, path] += len(rows)
            paths = [path] * len(rows)
            _insert(self.connection, table, rows, paths, self.loaded_at)

    def _append(self, table: str, rows: Sequence[tuple[Any, ...]]) -> None:
        """Insert rows into a table. Values are in the order of its columns."""
        if not rows:
            return
        kinds = TABLES[table].values()
        values, parameters = [], []
        for number, (kind, *column) in enumerate(zip(kinds, *rows, strict=True), 1):
            # Pass a value that all rows share once, because long lists are slow.
            is_list = number == 1 or len(set(column)) > 1
            values.append(
                f"unnest(${number}::{kind}[])" if is_list else f"${number}::{kind}"
            )
            parameters.append(column if is_list else column[0])
        self.connection.execute(
            f"insert into {raw(table)} select {', '.join(values)}", parameters
        )


def _content(path: str) -> bytes:
    """Return the bytes of a small file. A file object would take longer."""
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
    """Insert records and their paths. Texts are in the order of ``table.columns``."""
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
    """Return the statement that inserts lines into a raw table.

    ``lines`` is LINES_OF_FILES or LINES_GIVEN. $paths contains the stored path of each
    of $files, or of each of $lines. $loaded_at is the time of the load. A line that is
    not a fast-path line becomes a row with a null loaded_at, which marks its file as a
    fallback file.
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
