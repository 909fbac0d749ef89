"""The raw layer in PostgreSQL: records go in by COPY, each line parsed once."""

from __future__ import annotations

import uuid
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from typing import Any, Final

import psycopg

import local_postgres
from careful_reader import read_records
from errors import SparkifyError
from extra_keys import ExtraKeys, sentences
from loaders import (
    LoadedFile,
    LoadOptions,
    LoadResult,
    NewFile,
    ReplayResult,
    tables_of,
)
from loaders.bookkeeping import Quarantine, Rejection, book, load_time
from loaders.schema import RAW, STAGING, TABLES, create_statements, raw
from quoting import quote_identifier
from records import RawTable
from replay import CHUNK, Judgement, judge
from sources import Source

BATCH_FILES: Final = 1024
CONNECT_SECONDS: Final = 10
LOCK: Final = 7_277_543
"""The advisory lock that serialises the loads of one database: a number of our own."""


def open_warehouse(target: dict[str, Any]) -> PostgresWarehouse:
    """Open the database of the profile's target, on the project's own server if so."""
    if local_postgres.SOCKET_VARIABLE in str(target["as_written"].get("host")):
        target = target | {"host": local_postgres.start()}
    return PostgresWarehouse(target)


@contextmanager
def _told_plainly() -> Iterator[None]:
    """Say what PostgreSQL could not do, in place of a traceback."""
    try:
        yield
    except psycopg.OperationalError as error:
        raise SparkifyError(
            f"PostgreSQL cannot be reached: {_reason(error)}.",
            "Start the server, or mend the target in profiles.yml.",
        ) from error
    except psycopg.Error as error:
        raise SparkifyError(
            f"PostgreSQL stopped: {_reason(error)}.",
            "Nothing of this run was loaded; mend the cause and repeat the command.",
        ) from error


def _reason(error: psycopg.Error) -> str:
    lines = str(error).strip().splitlines() or [type(error).__name__]
    return lines[0].rstrip(".")


class PostgresWarehouse:
    """The raw tables in a PostgreSQL database."""

    def __init__(self, target: dict[str, Any]) -> None:
        """Take the profile's target; the connection is made when it is needed."""
        self.target = target
        self._connection: psycopg.Connection[Any] | None = None

    @property
    def connection(self) -> psycopg.Connection[Any]:
        """The open connection, which no other load of the database shares in time."""
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

    @_told_plainly()
    def create_tables(self) -> None:
        """Create the raw tables that are missing."""
        with self.connection.transaction():
            self._create()

    @_told_plainly()
    def history(self) -> Sequence[LoadedFile]:
        """List what is loaded; nothing where there are no raw tables yet."""
        with self.connection.transaction():
            if not self._rows("select to_regclass('raw.load_history')::text")[0][0]:
                return []
            columns = "source, table_name, path, size_bytes, version"
            rows = self._rows(f"select {columns} from {raw('load_history')}")
        return [LoadedFile(*row) for row in rows]

    def statements(self, source: Source, files: Sequence[NewFile]) -> Sequence[str]:
        """Give the SQL of a load; the records follow COPY in memory."""
        del source
        copies = [copy_statement(table.name) for table in tables_of(files)]
        return [*_create_statements(), *copies]

    @_told_plainly()
    def reset(self) -> None:
        """Drop the raw tables."""
        with self.connection.transaction():
            self._run(f"drop schema if exists {quote_identifier(RAW)} cascade")

    @_told_plainly()
    def count_rows(self, schema: str, tables: Iterable[str]) -> dict[str, int]:
        """Count the rows of tables that exist."""
        with self.connection.transaction():
            return {
                table: self._rows(
                    "select count(*) from"
                    f" {quote_identifier(schema)}.{quote_identifier(table)}"
                )[0][0]
                for table in tables
            }

    @_told_plainly()
    def load(
        self, source: Source, files: Sequence[NewFile], options: LoadOptions
    ) -> LoadResult:
        """Load files in one transaction, with history and rejects, or nothing."""
        quarantine = Quarantine(options.max_rejects)
        extra = {table: ExtraKeys(table) for table in tables_of(files)}
        loaded: dict[tuple[str, str], int] = {}
        with self.connection.transaction():
            self._create()
            loaded_at = self._next_load_time()
            for table in tables_of(files):
                mine = [new for new in files if new.table == table]
                self._forget(table, [new.file.path for new in mine if new.replaces])
                with self.connection.cursor().copy(copy_statement(table.name)) as copy:
                    for path, values in _records(
                        source, mine, extra[table], quarantine, options
                    ):
                        copy.write_row((*values, loaded_at, path))
                        key = table.name, path
                        loaded[key] = loaded.get(key, 0) + 1
            rejections = quarantine.rejections
            rows = book(source, files, loaded, rejections, loaded_at)
            for name, lines in rows.items():
                with self.connection.cursor().copy(copy_statement(name)) as copy:
                    for line in lines:
                        copy.write_row(line)
        return LoadResult(
            len(files),
            sum(loaded.values()),
            len(rejections),
            sentences(extra.values()),
        )

    @_told_plainly()
    def replay(self, *, dry_run: bool) -> ReplayResult:
        """Load what passes of quarantine in one transaction, or only count it."""
        if not self.history():
            return ReplayResult()
        result = ReplayResult()
        files: Counter[tuple[str, str]] = Counter()
        with self.connection.transaction():
            loaded_at = self._next_load_time()
            with self.connection.cursor("quarantine") as quarantine:
                columns = "table_name, path, line_number, reason, raw_text"
                rejected = raw("rejected_records")
                quarantine.execute(f"select {columns} from {rejected}".encode())
                while rows := quarantine.fetchmany(CHUNK):
                    found = judge(Rejection(*row) for row in rows)
                    result += found.result
                    if not dry_run:
                        self._take(found, loaded_at)
                        files += found.files()
            if files:
                self._move_counts(files, loaded_at)
        return result

    def _take(self, found: Judgement, loaded_at: datetime) -> None:
        """Take records out of quarantine."""
        for table, passed in found.passed.items():
            with self.connection.cursor().copy(copy_statement(table)) as copy:
                for record in passed:
                    copy.write_row((*record.values, loaded_at, record.path))
            paths = [record.path for record in passed]
            self._run(
                f"delete from {raw('rejected_records')} where table_name = %s and"
                " (path, line_number, md5(raw_text)) in (select unnest(%s::varchar[]),"
                " unnest(%s::bigint[]), unnest(%s::varchar[]))",
                [
                    table,
                    paths,
                    [record.line for record in passed],
                    [record.digest for record in passed],
                ],
            )
        for line in found.renamed:
            self._run(
                f"update {raw('rejected_records')} set reason = %s"
                " where table_name = %s and path = %s and line_number = %s"
                " and raw_text = %s",
                [line.reason, line.table, line.path, line.line, line.raw],
            )

    def _move_counts(
        self, files: Counter[tuple[str, str]], loaded_at: datetime
    ) -> None:
        """Move the counts in the history, and let the next build see that."""
        counts = [(*file, count) for file, count in files.items()]
        self._run(
            f"""update {raw("load_history")} as history
            set
                loaded_count = loaded_count + passed.records,
                rejected_count = rejected_count - passed.records,
                load_id = %s,
                loaded_at = %s
            from
                unnest(%s::varchar[], %s::varchar[], %s::bigint[])
                    as passed (name, file, records)
            where history.table_name = passed.name and history.path = passed.file""",
            [uuid.uuid4().hex, loaded_at, *map(list, zip(*counts, strict=True))],
        )

    def _next_load_time(self) -> datetime:
        latest = self._rows(f"select max(loaded_at) from {raw('load_history')}")
        return load_time(latest[0][0])

    def _create(self) -> None:
        for statement in _create_statements():
            self._run(statement)

    def _forget(self, table: RawTable, paths: list[str]) -> None:
        """Delete the earlier version of files."""
        if not paths:
            return
        self._run(f"delete from {raw(table.name)} where source_path = any(%s)", [paths])
        for of_files in ("load_history", "rejected_records"):
            self._run(
                f"delete from {raw(of_files)} where table_name = %s and path = any(%s)",
                [table.name, paths],
            )

    def _run(self, statement: str, values: Sequence[Any] | None = None) -> None:
        self.connection.execute(statement.encode(), values)

    def _rows(self, query: str, values: Sequence[Any] | None = None) -> list[Any]:
        return self.connection.execute(query.encode(), values).fetchall()


def _records(
    source: Source,
    files: Sequence[NewFile],
    extra: ExtraKeys,
    quarantine: Quarantine,
    options: LoadOptions,
) -> Iterator[tuple[str, list[str | None]]]:
    """Read files' records with the path of each; what is refused goes to quarantine."""
    for start in range(0, len(files), BATCH_FILES):
        batch = files[start : start + BATCH_FILES]
        with source.fetch([new.file for new in batch], options.on_file) as local:
            for new, name in zip(batch, local, strict=True):
                path = new.file.path
                for record in read_records(new.table, name, path, extra):
                    if record.values is not None:
                        yield path, record.values
                    else:
                        quarantine.refuse(new.table, path, record)


def _create_statements() -> list[str]:
    """Give the statements that create the raw tables, with an index to find a file."""
    indexes = [
        f"create index if not exists {quote_identifier(f'{table}_of_file')}"
        f" on {raw(table)} (source_path)"
        for table in STAGING
    ]
    return [*create_statements(str.lower), *indexes]


def copy_statement(table: str) -> str:
    """Give the statement that takes rows of a raw table, all columns in their order."""
    columns = ", ".join(quote_identifier(name.lower()) for name in TABLES[table])
    return f"copy {raw(table)} ({columns}) from stdin"
