"""Load the raw tables of PostgreSQL: DuckDB reads the files, COPY writes the rows."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any, Final

import duckdb
import psycopg

from sparkify.loaders import LoadedFile, LoadOptions, LoadResult, NewFile, tables_of
from sparkify.loaders.bookkeeping import load_time
from sparkify.loaders.duckdb.loader import temporary_records
from sparkify.loaders.postgres import server
from sparkify.loaders.schema import RAW, STAGING, TABLES, create_statements, raw
from sparkify.raw.rules import RawTable
from sparkify.raw.sources import Source
from sparkify.shared.errors import SparkifyError
from sparkify.shared.quoting import quote_identifier, quote_literal

COPIED_BYTES: Final = 1 << 20
FETCHED_ROWS: Final = 1000
CONNECT_SECONDS: Final = 10
LOCK: Final = 7_277_543
"""Arbitrary key of the advisory lock that serializes the loads of a database."""


def open_loader(target: dict[str, Any]) -> PostgresLoader:
    """Return the loader of a target. Start the project's server if it is the host."""
    if server.SOCKET_VARIABLE in str(target["as_written"].get("host")):
        target = target | {"host": server.start()}
    return PostgresLoader(target)


@contextmanager
def _translate_errors() -> Iterator[None]:
    """Raise SparkifyError instead of an error of psycopg."""
    try:
        yield
    except psycopg.OperationalError as error:
        raise SparkifyError(
            f"PostgreSQL cannot be reached: {_reason(error)}.",
            "Start the server, or fix the target in profiles.yml.",
        ) from error
    except psycopg.Error as error:
        raise SparkifyError(
            f"PostgreSQL failed: {_reason(error)}.",
            "Nothing was loaded. Fix the cause and run the command again.",
        ) from error


def _reason(error: psycopg.Error) -> str:
    lines = str(error).strip().splitlines() or [type(error).__name__]
    return lines[0].rstrip(".")


class PostgresLoader:
    """The raw tables in a PostgreSQL database."""

    def __init__(self, target: dict[str, Any]) -> None:
        """Set the target. The connection is opened on first use."""
        self.target = target
        self._connection: psycopg.Connection[Any] | None = None

    @property
    def connection(self) -> psycopg.Connection[Any]:
        """The open connection. The first use waits for other loads to end."""
        if self._connection is None:
            target = self.target
            self._connection = psycopg.connect(
                host=target.get("host"),
                port=target.get("port", 5432),
                user=target.get("user"),
                password=target.get("password") or target.get("pass"),
                dbname=target.get("dbname") or target.get("database"),
                sslmode=target.get("sslmode", "prefer"),
                connect_timeout=CONNECT_SECONDS,
                client_encoding="utf8",
                autocommit=True,
            )
            if not self._rows("select pg_try_advisory_lock(%s)", [LOCK])[0][0]:
                print(f"Waiting for another load of {target.get('dbname')} ...")
                self._rows("select pg_advisory_lock(%s)::text", [LOCK])
        return self._connection

    def close(self) -> None:
        """Close the connection."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    @_translate_errors()
    def create_tables(self) -> None:
        """Create missing raw tables."""
        with self.connection.transaction():
            self._run_all([*create_statements(str.lower), *_index_statements()])

    @_translate_errors()
    def history(self) -> Sequence[LoadedFile]:
        """Return the loaded files, none if the raw tables do not exist."""
        with self.connection.transaction():
            if not self._rows("select to_regclass('raw.load_history')::text")[0][0]:
                return []
            columns = "source, table_name, path, size_bytes, version, rejected_count"
            rows = self._rows(f"select {columns} from {raw('load_history')}")
        return [LoadedFile(*row) for row in rows]

    def statements(self, source: Source, files: Sequence[NewFile]) -> Sequence[str]:
        """Return the SQL of a load. COPY reads the records from memory."""
        del source
        copies = [copy_statement(table.name) for table in tables_of(files)]
        return [*create_statements(str.lower), *copies, *_index_statements()]

    @_translate_errors()
    def reset(self) -> None:
        """Drop the raw tables."""
        with self.connection.transaction():
            self._run(f"drop schema if exists {quote_identifier(RAW)} cascade")

    @_translate_errors()
    def count_rows(self, schema: str, tables: Iterable[str]) -> dict[str, int]:
        """Return the number of rows of each table. All tables must exist."""
        with self.connection.transaction():
            return {
                table: self._rows(
                    "select count(*) from"
                    f" {quote_identifier(schema)}.{quote_identifier(table)}"
                )[0][0]
                for table in tables
            }

    @_translate_errors()
    def load(
        self, source: Source, files: Sequence[NewFile], options: LoadOptions
    ) -> LoadResult:
        """Load files, history and rejected records in one transaction.

        DuckDB reads the files into a temporary database, by the same rules.
        """
        with (
            temporary_records(source, files, options) as (records, folder, result),
            self.connection.transaction(),
        ):
            self._run_all(create_statements(str.lower))
            loaded_at = self._next_load_time()
            for table in tables_of(files):
                of_table = [new for new in files if new.table == table]
                self._delete_previous_versions(
                    table, [new.file.path for new in of_table if new.replaces]
                )
            for name in TABLES:
                self._copy(records, name, loaded_at, folder)
            # Indexing all rows at once is faster than row by row.
            self._run_all(_index_statements())
        return result

    def _copy(
        self,
        records: duckdb.DuckDBPyConnection,
        table: str,
        loaded_at: datetime,
        folder: Path,
    ) -> None:
        """Copy the rows of a table, as CSV unless a text contains an end mark."""
        rows = (
            f"select * replace ({quote_literal(str(loaded_at))}::timestamp as"
            f" loaded_at) from {raw(table)}"
        )
        if table not in STAGING or _has_end_marks(records, table):
            with self.connection.cursor().copy(copy_statement(table)) as copy:
                result = records.execute(rows)
                while batch := result.fetchmany(FETCHED_ROWS):
                    for row in batch:
                        copy.write_row(row)
            return
        path = folder / f"{table}.csv"
        options = "(format csv, header false)"
        records.execute(f"copy ({rows}) to {quote_literal(str(path))} {options}")
        statement = f"{copy_statement(table)} (format csv)"
        with self.connection.cursor().copy(statement) as copy, path.open("rb") as csv:
            while chunk := csv.read(COPIED_BYTES):
                copy.write(chunk)
        path.unlink()

    def _next_load_time(self) -> datetime:
        latest = self._rows(f"select max(loaded_at) from {raw('load_history')}")
        return load_time(latest[0][0])

    def _delete_previous_versions(self, table: RawTable, paths: list[str]) -> None:
        """Delete the previous versions of files."""
        if not paths:
            return
        self._run(f"delete from {raw(table.name)} where source_path = any(%s)", [paths])
        for name in ("load_history", "rejected_records"):
            self._run(
                f"delete from {raw(name)} where table_name = %s and path = any(%s)",
                [table.name, paths],
            )

    def _run(self, statement: str, values: Sequence[Any] | None = None) -> None:
        self.connection.execute(statement.encode(), values)

    def _run_all(self, statements: Iterable[str]) -> None:
        for statement in statements:
            self._run(statement)

    def _rows(self, query: str, values: Sequence[Any] | None = None) -> list[Any]:
        return self.connection.execute(query.encode(), values).fetchall()


def _has_end_marks(records: duckdb.DuckDBPyConnection, table: str) -> bool:
    r"""Return whether a text contains ``\.``.

    PostgreSQL before version 18 may read it as the end of the CSV, even in quotes.
    """
    texts = [name for name, kind in TABLES[table].items() if kind.startswith("varchar")]
    has_mark = " or ".join(f"contains({quote_identifier(t)}, '\\.')" for t in texts)
    query = f"select count(*) from {raw(table)} where {has_mark}"
    return bool(records.execute(query).fetchall()[0][0])


def _index_statements() -> list[str]:
    """Return the statements that create missing indexes on source_path."""
    return [
        f"create index if not exists {quote_identifier(f'{table}_of_file')}"
        f" on {raw(table)} (source_path)"
        for table in STAGING
    ]


def copy_statement(table: str) -> str:
    """Return the COPY statement of a raw table, with columns in schema order."""
    columns = ", ".join(quote_identifier(name.lower()) for name in TABLES[table])
    return f"copy {raw(table)} ({columns}) from stdin"
