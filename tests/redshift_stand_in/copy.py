"""COPY of JSON from S3, as Redshift documents it."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from redshift_stand_in.copy_options import CopyOptions, read_copy
from redshift_stand_in.copy_source import CopySource, Record, records_of
from redshift_stand_in.copy_values import Column, RefusedValueError, convert
from redshift_stand_in.database import Databases
from redshift_stand_in.errors import RefusedStatementError
from redshift_stand_in.proxy import Session
from sparkify.shared.quoting import quote_identifier, quote_redshift_literal

COLUMNS = """\
select a.attname, format_type(a.atttypid, null), a.atttypmod, a.attnotnull,
    a.attidentity <> '' or a.attgenerated <> '', c.oid
from pg_attribute as a inner join pg_class as c on c.oid = a.attrelid
where c.oid = to_regclass({table}) and a.attnum > 0 and not a.attisdropped
order by a.attnum"""

Read = Callable[[Any, Column], Any]


@dataclass
class Tally:
    """Lines for PostgreSQL and rejected records of a COPY."""

    table_id: int
    lines: list[str] = field(default_factory=list)
    errors: list[tuple[Any, ...]] = field(default_factory=list)


class Copier:
    """Runs COPY statements in sessions of the proxy."""

    def __init__(self, source: CopySource, databases: Databases, caller: str) -> None:
        self.source = source
        self.databases = databases
        self.caller = caller

    def run(self, session: Session, sql: str) -> None:
        """Run a COPY and record rejected records. Raises RefusedStatementError."""
        options = read_copy(sql)
        columns, table_id = self._columns(session, options)
        reply = session.run("select nextval('redshift.query_ids')")
        session.copy_id = int(str(reply.rows[0][0]))
        tally = Tally(table_id)
        started = datetime.now(UTC).replace(tzinfo=None)
        try:
            self._load(session, options, columns, tally)
        finally:
            self._record(session, tally, started)
        session.ask(
            f"select set_config('redshift.last_copy_id', '{session.copy_id}', false),"
            f" set_config('redshift.last_copy_count', '{len(tally.lines)}', false)"
        )

    def _columns(
        self, session: Session, options: CopyOptions
    ) -> tuple[list[Column], int]:
        """Return the columns that COPY fills, and the table's oid."""
        name = quote_redshift_literal(".".join(map(quote_identifier, options.table)))
        answer = session.ask(COLUMNS.format(table=name))
        if not answer.rows:
            message = f"Cannot COPY into nonexistent table {options.table[-1]}"
            raise RefusedStatementError("42P01", answer.error or message)
        known = {str(row[0]): _column(row) for row in answer.rows if row[4] == "f"}
        for name in options.columns:
            if name not in known:
                raise RefusedStatementError(
                    "42703",
                    f'column "{name}" of relation "{options.table[-1]}" does not exist',
                )
        columns = [known[name] for name in options.columns] or list(known.values())
        return columns, int(str(answer.rows[0][5]))

    def _load(
        self,
        session: Session,
        options: CopyOptions,
        columns: list[Column],
        tally: Tally,
    ) -> None:
        user = self.caller.format(user=session.parameters["user"])
        role = self.source.role_of(options, user)
        self.source.check_bucket(options)
        read = self._mapping(role, options, columns)
        for url in self.source.urls(role, options):
            for record in records_of(self.source.read(role, url), options):
                try:
                    tally.lines.append(_line(record, columns, read, options))
                except _RecordError as error:
                    tally.errors.append((url[:256], record.line, *error.args))
                    if len(tally.errors) >= max(1, options.max_errors):
                        raise RefusedStatementError(
                            "XX000",
                            f"Load into table '{options.table[-1]}' failed.  Check"
                            " 'sys_load_error_detail' system table for details.",
                        ) from None
        if "noload" in options.switches:
            tally.lines.clear()
            return
        names = ", ".join(quote_identifier(column.name) for column in columns)
        table = ".".join(map(quote_identifier, options.table))
        data = "".join(tally.lines).encode()
        session.run(f"copy {table} ({names}) from stdin", data)

    def _mapping(self, role: str, options: CopyOptions, columns: list[Column]) -> Read:
        """Return the function that reads a column's value from a record."""
        if options.json in ("auto", "auto ignorecase"):
            return _by_name
        if not options.json.startswith("s3://"):
            raise RefusedStatementError(
                "22023", f"Invalid JSON option '{options.json}'"
            )
        try:
            paths = json.loads(self.source.read(role, options.json))["jsonpaths"]
        except KeyError:
            options.json = "auto"  # documented for a file without that name
            return _by_name
        if len(paths) != len(columns):
            raise RefusedStatementError(
                "XX000",
                "Number of jsonpaths and the number of columns should match. JSONPath"
                f" size: {len(paths)}, Number of columns in table or column list:"
                f" {len(columns)}",
            )
        steps = {
            column.name: _steps(path)
            for column, path in zip(columns, paths, strict=True)
        }
        return lambda record, column: _follow(record, steps[column.name])

    def _record(self, session: Session, tally: Tally, started: datetime) -> None:
        """Write load errors in another connection, so that no rollback deletes them."""
        copy = (100, session.copy_id, 0, session.pid, session.database)
        with (
            self.databases.connect(session.database) as connection,
            connection.cursor() as cursor,
        ):
            cursor.executemany(
                f"insert into redshift.load_errors values (%s{', %s' * 14})".encode(),
                [(*copy, tally.table_id, started, *error) for error in tally.errors],
            )


class _RecordError(ValueError):
    """A rejected record. Arguments: the last six values of sys_load_error_detail."""


def _by_name(record: Any, column: Column) -> Any:
    return record.get(column.name)


def _line(
    record: Record, columns: list[Column], read: Read, options: CopyOptions
) -> str:
    """Return a record as a line of PostgreSQL's COPY. Raises _RecordError."""
    source = record.value
    error = record.error
    if not error and options.json.startswith("auto") and not isinstance(source, dict):
        error = "Not a JSON object"
    if error:
        raise _RecordError("", "", "", 0, 1216, error)
    if options.json == "auto ignorecase":
        source = {key.lower(): value for key, value in source.items()}
    values = []
    for column in columns:
        try:
            values.append(convert(column, read(source, column), options))
        except RefusedValueError as refused:
            code, reason, position = refused.args
            kind, length = column.shown_type, column.shown_length
            raise _RecordError(
                column.name, kind, length, position, code, reason[:512]
            ) from None
    return "\t".join(map(_escaped, values)) + "\n"


def _escaped(value: str | None) -> str:
    if value is None:
        return r"\N"
    return (
        value.replace("\\", "\\\\")
        .replace("\t", r"\t")
        .replace("\n", r"\n")
        .replace("\r", r"\r")
    )


def _column(row: list[str | None]) -> Column:
    name, kind, modifier, is_required = (str(value) for value in row[:4])
    return Column.of(name, kind, int(modifier), is_required=is_required == "t")


def _steps(path: str) -> list[str | int]:
    """Return the names and array indexes of a JSONPath."""
    pattern = r"\[(?:'([^']*)'|\"([^\"]*)\"|(\d+))\]|\.(\w+)"
    if not re.fullmatch(rf"\$(?:{pattern})+", path):
        raise RefusedStatementError("XX000", f"Invalid JSONPath format: {path}")
    return [
        int(match[3]) if match[3] else next(g for g in match.groups() if g is not None)
        for match in re.finditer(pattern, path)
    ]


def _follow(value: Any, steps: list[str | int]) -> Any:
    for step in steps:
        if isinstance(step, int):
            if not isinstance(value, list) or step >= len(value):
                return None
            value = value[step]
        elif isinstance(value, dict):
            value = value.get(step)
        else:
            return None
    return value
