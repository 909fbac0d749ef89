"""External tables over JSON in S3, as far as a query's answer shows them.

A table of PostgreSQL holds what the files say, with the hidden column "$path". Before a
statement runs, it is filled again if files changed.
"""

from __future__ import annotations

import gzip
import json
import threading
from dataclasses import dataclass, field
from typing import Final

import psycopg
from psycopg import sql as pg

from redshift_stand_in.copy import literal, quoted
from redshift_stand_in.copy_options import CopyOptions, unquoted
from redshift_stand_in.copy_source import CopySource, split
from redshift_stand_in.copy_values import (
    Column,
    NumberText,
    RefusedValueError,
    convert,
)
from redshift_stand_in.database import Databases
from redshift_stand_in.errors import RefusedStatementError
from redshift_stand_in.proxy import Session
from redshift_stand_in.rewrite import fold, rewrite
from sparkify.redshift_lint.tokens import Token, closing, tokens_of, without_blanks

SERDES: Final = ("org.openx.data.jsonserde.JsonSerDe",)
HIDDEN: Final = ("_", ".", "#")
"""How the names of files begin that Spectrum does not read."""


@dataclass
class ExternalTable:
    """An external table and what its files were when it was filled."""

    name: list[str]
    location: str
    role: str
    columns: list[Column]
    files: tuple[tuple[str, str], ...] | None = None
    writes_seen: int = -1
    problem: str = ""
    lock: threading.Lock = field(default_factory=threading.Lock)


@dataclass
class Spectrum:
    """The external schemas and tables of each database."""

    source: CopySource
    databases: Databases
    roles: dict[tuple[str, str], str] = field(default_factory=dict)
    tables: dict[str, list[ExternalTable]] = field(default_factory=dict)

    def create(self, session: Session, statement: str) -> None:
        """Run CREATE EXTERNAL SCHEMA or TABLE. Raises RefusedStatementError."""
        tokens = without_blanks(tokens_of(statement))
        kind = tokens[2].word
        if session.is_in_transaction:
            raise RefusedStatementError(
                "25001",
                f"CREATE EXTERNAL {kind.upper()} cannot run inside a transaction block",
                "",
            )
        if kind == "schema":
            self._create_schema(session, tokens)
        elif kind == "table":
            self._create_table(session, tokens)
        else:
            raise _not_imitated(f"CREATE EXTERNAL {kind.upper()}")

    def _create_schema(self, session: Session, tokens: list[Token]) -> None:
        words = [token.word for token in tokens]
        place = 6 if words[3:6] == ["if", "not", "exists"] else 3
        name = fold(tokens[place].text)
        if words[place + 1 : place + 4] != ["from", "data", "catalog"]:
            raise RefusedStatementError(
                "0A000", "only FROM DATA CATALOG is imitated", ""
            )
        after = words.index("iam_role") + 1
        is_default = words[after] == "default"
        role = self.source.default_role if is_default else unquoted(tokens[after].text)
        exists = "if not exists " if place == 6 else ""
        _run(session, f"create schema {exists}{quoted(name)}")
        _run(
            session,
            f"insert into redshift.external_schemas values ({literal(name)},"
            f" {literal(unquoted(tokens[words.index('database') + 1].text))})"
            " on conflict do nothing",
        )
        self.roles[session.database, name] = role

    def _create_table(self, session: Session, tokens: list[Token]) -> None:
        bracket = next(i for i, token in enumerate(tokens) if token.word == "(")
        name = [fold(token.text) for token in tokens[3:bracket] if token.word != "."]
        end = closing(tokens, bracket)
        words = [token.word for token in tokens]
        rest = words[end + 1 :]
        texts = [unquoted(t.text) for t in tokens[end + 1 :] if t.kind == "string"]
        if rest[:3] != ["row", "format", "serde"] or texts[0] not in SERDES:
            raise RefusedStatementError(
                "0A000", "only openx' JSON SerDe is imitated", ""
            )
        role = self.roles.get((session.database, name[0]))
        if role is None:
            raise RefusedStatementError(
                "3F000", f'schema "{name[0]}" is not an external schema', ""
            )
        full_name = ".".join(quoted(part) for part in name)
        columns = " ".join(token.text for token in tokens[bracket : end + 1])
        _run(session, rewrite(f"create table {full_name} {columns}"))
        _run(session, f'alter table {full_name} add "$path" varchar(1024)')
        location = unquoted(tokens[end + 1 + rest.index("location") + 1].text)
        _run(
            session,
            "insert into redshift.external_tables values"
            f" ({literal(full_name)}::regclass, {literal(location)})",
        )
        found = self._columns(session.database, full_name)
        here = self.tables.setdefault(session.database, [])
        here[:] = [table for table in here if table.name != name]
        here.append(ExternalTable(name, location, role, found))

    def _columns(self, database: str, name: str) -> list[Column]:
        with self.databases.connect(database) as connection:
            rows = connection.execute(
                "select attname, format_type(atttypid, null), atttypmod"
                " from pg_attribute where attrelid = %s::regclass and attnum > 0"
                " and attname <> '$path' order by attnum",
                [name],
            ).fetchall()
        return [Column.of(name, kind, modifier) for name, kind, modifier in rows]

    def refresh(self, session: Session) -> None:
        """Fill external tables whose files changed. Raises RefusedStatementError."""
        for table in self.tables.get(session.database, []):
            writes = self.source.buckets.writes
            if writes != table.writes_seen:
                self._look(session, table)
                table.writes_seen = writes
            if table.problem:
                raise RefusedStatementError("XX000", table.problem, "")

    def _look(self, session: Session, table: ExternalTable) -> None:
        """Fill a table if its files are others than before."""
        with table.lock:
            options = CopyOptions(table.name, [], table.location, json="auto")
            self.source.role_of(CopyOptions([], [], "", role=table.role), "Spectrum")
            bucket, prefix = split(table.location)
            if self.source.buckets.region_of(bucket) != self.source.buckets.region:
                raise RefusedStatementError(
                    "XX000", f"{bucket} is not in the region of the warehouse", ""
                )
            files = tuple(
                (key, tag)
                for key, tag in self.source.buckets.objects(bucket, prefix)
                if not key.rpartition("/")[2].startswith(HIDDEN)
            )
            if files != table.files:
                table.problem = ""
                try:
                    self._fill(session.database, table, options, files)
                except _ScanError as error:
                    table.problem = str(error)
                table.files = files

    def _fill(
        self,
        database: str,
        table: ExternalTable,
        options: CopyOptions,
        files: tuple[tuple[str, str], ...],
    ) -> None:
        bucket, _ = split(table.location)
        name = pg.Identifier(*table.name)
        with self.databases.connect(database) as connection, connection.transaction():
            try:
                connection.execute(pg.SQL("delete from {}").format(name))
            except psycopg.errors.UndefinedTable:
                return  # it was dropped
            with connection.cursor().copy(
                pg.SQL("copy {} from stdin").format(name)
            ) as copy:
                for key, _ in files:
                    url = f"s3://{bucket}/{key}"
                    body = self.source.read(table.role, url)
                    if key.endswith(".gz"):
                        body = gzip.decompress(body)
                    for line in body.splitlines():
                        if line.strip():
                            copy.write_row((*_values(table, line, options, url), url))


class _ScanError(Exception):
    """Spectrum cannot read a file."""


def _values(
    table: ExternalTable, line: bytes, options: CopyOptions, url: str
) -> list[str | None]:
    """Read a line: one record, names in any case. Raises _ScanError."""
    try:
        record = json.loads(line, parse_int=NumberText, parse_float=NumberText)
        by_name = {key.lower(): value for key, value in record.items()}
        return [
            convert(column, by_name.get(column.name), options)
            for column in table.columns
        ]
    except RefusedValueError as error:
        raise _ScanError(f"Spectrum Scan Error: {error.args[1]} in {url}") from None
    except (ValueError, AttributeError):
        raise _ScanError(f"Spectrum Scan Error: invalid JSON in {url}") from None


def _not_imitated(what: str) -> RefusedStatementError:
    return RefusedStatementError("0A000", f"{what} is not imitated", "")


def _run(session: Session, sql: str) -> None:
    answer = session.ask(sql)
    if answer.error:
        raise RefusedStatementError("XX000", answer.error, "")
