"""External schemas and tables over JSON in S3.

PostgreSQL stores a copy of the records with the hidden column "$path". If files
changed, the copy is loaded again before a statement runs.
"""

from __future__ import annotations

import gzip
import json
import threading
from dataclasses import dataclass, field
from typing import Final

import psycopg
from psycopg import sql as pg

from redshift_stand_in.copy_options import CopyOptions, unquoted
from redshift_stand_in.copy_source import CopySource, split
from redshift_stand_in.copy_values import Column, NumberText, RefusedValueError, convert
from redshift_stand_in.database import Databases
from redshift_stand_in.errors import RefusedStatementError, not_imitated
from redshift_stand_in.proxy import Session
from redshift_stand_in.rewrite import fold, rewrite
from sparkify.redshift_lint.tokens import Token, closing, tokens_of, without_blanks
from sparkify.shared.quoting import quote_identifier, quote_redshift_literal

SERDES: Final = ("org.openx.data.jsonserde.JsonSerDe",)
HIDDEN: Final = ("_", ".", "#")
"""Prefixes of file names that Spectrum ignores."""


@dataclass
class ExternalTable:
    """An external table, and its files at its last load: keys and ETags."""

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
            )
        if kind == "schema":
            self._create_schema(session, tokens)
        elif kind == "table":
            self._create_table(session, tokens)
        else:
            raise not_imitated(f"CREATE EXTERNAL {kind.upper()}")

    def _create_schema(self, session: Session, tokens: list[Token]) -> None:
        words = [token.word for token in tokens]
        index = 6 if words[3:6] == ["if", "not", "exists"] else 3
        name = fold(tokens[index].text)
        if words[index + 1 : index + 4] != ["from", "data", "catalog"]:
            raise RefusedStatementError("0A000", "only FROM DATA CATALOG is imitated")
        role_index = words.index("iam_role") + 1
        role = self.source.default_role
        if words[role_index] != "default":
            role = unquoted(tokens[role_index].text)
        exists = "if not exists " if index == 6 else ""
        session.run(f"create schema {exists}{quote_identifier(name)}")
        database = unquoted(tokens[words.index("database") + 1].text)
        values = ", ".join(map(quote_redshift_literal, (name, database)))
        session.run(
            f"insert into redshift.external_schemas values ({values})"
            " on conflict do nothing"
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
            raise RefusedStatementError("0A000", "only openx' JSON SerDe is imitated")
        role = self.roles.get((session.database, name[0]))
        if role is None:
            raise RefusedStatementError(
                "3F000", f'schema "{name[0]}" is not an external schema'
            )
        full_name = ".".join(map(quote_identifier, name))
        columns = " ".join(token.text for token in tokens[bracket : end + 1])
        session.run(rewrite(f"create table {full_name} {columns}"))
        session.run(f'alter table {full_name} add "$path" varchar(1024)')
        location = unquoted(tokens[end + 1 + rest.index("location") + 1].text)
        relation = f"{quote_redshift_literal(full_name)}::regclass"
        session.run(f"insert into redshift.external_tables values ({relation})")
        found = self._columns(session.database, full_name)
        tables = self.tables.setdefault(session.database, [])
        tables[:] = [table for table in tables if table.name != name]
        tables.append(ExternalTable(name, location, role, found))

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
        """Load external tables whose files changed. Raises RefusedStatementError."""
        for table in self.tables.get(session.database, []):
            writes = self.source.buckets.writes
            if writes != table.writes_seen:
                self._load_changes(session, table)
                table.writes_seen = writes
            if table.problem:
                raise RefusedStatementError("XX000", table.problem)

    def _load_changes(self, session: Session, table: ExternalTable) -> None:
        with table.lock:
            options = CopyOptions(table.name, [], table.location, json="auto")
            self.source.role_of(CopyOptions([], [], "", role=table.role), "Spectrum")
            bucket, prefix = split(table.location)
            if self.source.buckets.region_of(bucket) != self.source.buckets.region:
                raise RefusedStatementError(
                    "XX000", f"{bucket} is not in the region of the warehouse"
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
                return  # the table was dropped
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
    """Return the values of a record, with names in any case. Raises _ScanError."""
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
