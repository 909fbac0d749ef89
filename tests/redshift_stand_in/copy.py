"""COPY of JSON from S3, as Redshift documents it."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from redshift_stand_in.copy_options import CopyOptions, read_copy
from redshift_stand_in.copy_source import CopySource, Record, records_of
from redshift_stand_in.copy_values import (
    Column,
    RefusedValueError,
    convert,
)
from redshift_stand_in.database import Databases
from redshift_stand_in.errors import RefusedStatementError
from redshift_stand_in.proxy import Answer, Session

COLUMNS = """\
select a.attname, format_type(a.atttypid, null), a.atttypmod, a.attnotnull,
    a.attidentity <> '' or a.attgenerated <> '', c.oid
from pg_attribute as a inner join pg_class as c on c.oid = a.attrelid
where c.oid = to_regclass({table}) and a.attnum > 0 and not a.attisdropped
order by a.attnum"""

Read = Callable[[Any, Column], Any]


@dataclass
class Tally:
    """What a COPY has done so far."""

    query_id: int
    table_id: int
    started: datetime = field(default_factory=lambda: datetime.now(UTC))
    lines: list[str] = field(default_factory=list)
    errors: list[tuple[Any, ...]] = field(default_factory=list)
    files: list[tuple[str, int, int]] = field(default_factory=list)


class Copier:
    """Runs COPY statements in sessions of the proxy."""

    def __init__(self, source: CopySource, databases: Databases, caller: str) -> None:
        self.source = source
        self.databases = databases
        self.caller = caller

    def run(self, session: Session, sql: str) -> None:
        """Run a COPY. Raises RefusedStatementError; what was refused is on record."""
        options = read_copy(sql)
        columns, table_id = self._columns(session, options)
        query_id = int(_one(session.ask("select nextval('redshift.query_ids')")))
        session.copy_id = query_id
        tally = Tally(query_id, table_id)
        status = "aborted"
        try:
            self._load(session, options, columns, tally)
            status = "completed"
        finally:
            self._record(session, options, tally, status)
        session.ask(
            f"select set_config('redshift.last_copy_id', '{query_id}', false),"
            f" set_config('redshift.last_copy_count', '{len(tally.lines)}', false)"
        )

    def _columns(
        self, session: Session, options: CopyOptions
    ) -> tuple[list[Column], int]:
        name = ".".join(quoted(part) for part in options.table)
        answer = session.ask(COLUMNS.format(table=literal(name)))
        if not answer.rows:
            raise RefusedStatementError(
                "42P01",
                answer.error
                or f"Cannot COPY into nonexistent table {options.table[-1]}",
                "",
            )
        known = {str(row[0]): _column(row) for row in answer.rows if row[4] == "f"}
        for wanted in options.columns:
            if wanted not in known:
                raise RefusedStatementError(
                    "42703",
                    f'column "{wanted}" of relation "{options.table[-1]}"'
                    " does not exist",
                    "",
                )
        columns = [known[each] for each in options.columns] or list(known.values())
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
            body = self.source.read(role, url)
            records = records_of(body, options)
            count = self._load_file(url, records, options, (columns, read), tally)
            tally.files.append((url, len(body), count))
        if "noload" in options.switches:
            tally.lines.clear()
            return
        names = ", ".join(quoted(column.name) for column in columns)
        table = ".".join(quoted(part) for part in options.table)
        data = "".join(tally.lines).encode()
        answer = session.ask(f"copy {table} ({names}) from stdin", data)
        if answer.error:
            raise RefusedStatementError("XX000", answer.error, "")

    def _load_file(
        self,
        url: str,
        records: Iterable[Record],
        options: CopyOptions,
        how: tuple[list[Column], Read],
        tally: Tally,
    ) -> int:
        columns, read = how
        line = 0
        for record in records:
            line = record.line
            try:
                tally.lines.append(_line(record, columns, read, options))
            except _RecordError as error:
                tally.errors.append((url, record.line, *error.args, record.raw[:1024]))
                if len(tally.errors) >= max(1, options.max_errors):
                    raise RefusedStatementError(
                        "XX000",
                        f"Load into table '{options.table[-1]}' failed.  Check"
                        " 'sys_load_error_detail' system table for details.",
                        "",
                    ) from None
        return line

    def _mapping(self, role: str, options: CopyOptions, columns: list[Column]) -> Read:
        """Return how a column's value is found in a record."""
        if options.json == "auto ignorecase":
            return lambda record, column: record.get(column.name)
        if options.json == "auto":
            return lambda record, column: record.get(column.name)
        if not options.json.startswith("s3://"):
            raise RefusedStatementError(
                "22023", f"Invalid JSON option '{options.json}'", ""
            )
        try:
            paths = json.loads(self.source.read(role, options.json))["jsonpaths"]
        except KeyError:
            # The documentation: without that name, COPY takes 'auto'.
            options.json = "auto"
            return lambda record, column: record.get(column.name)
        if len(paths) != len(columns):
            raise RefusedStatementError(
                "XX000",
                "Number of jsonpaths and the number of columns should match. JSONPath"
                f" size: {len(paths)}, Number of columns in table or column list:"
                f" {len(columns)}",
                "",
            )
        steps = {
            column.name: _steps(path)
            for column, path in zip(columns, paths, strict=True)
        }
        return lambda record, column: _follow(record, steps[column.name])

    def _record(
        self, session: Session, options: CopyOptions, tally: Tally, status: str
    ) -> None:
        """Write the system tables by our own connection, which no rollback undoes."""
        started = tally.started.replace(tzinfo=None)
        ended = datetime.now(UTC).replace(tzinfo=None)
        who = (100, tally.query_id, 0, session.pid, session.database)
        with self.databases.connect(session.database) as connection:
            with connection.cursor() as cursor:
                cursor.executemany(
                    "insert into redshift.load_errors values ("
                    + ", ".join(["%s"] * 17)
                    + ")",
                    [
                        (
                            *who,
                            tally.table_id,
                            started,
                            url[:256],
                            line,
                            name,
                            kind,
                            length,
                            position,
                            code,
                            reason[:512],
                            raw,
                            value[:1024],
                        )
                        for (
                            (url, line, name, kind, length),
                            (position, code, reason, value, raw),
                        ) in ((error[:5], error[5:]) for error in tally.errors)
                    ],
                )
                cursor.executemany(
                    "insert into redshift.load_detail values (%s, %s, %s, %s, %s, %s)",
                    [
                        (100, tally.query_id, url[:256], size, count, ended)
                        for url, size, count in tally.files
                    ],
                )
            size = sum(each[1] for each in tally.files)
            connection.execute(
                "insert into redshift.load_history values ("
                + ", ".join(["%s"] * 20)
                + ")",
                (
                    *who,
                    status,
                    ".".join(options.table),
                    started,
                    ended,
                    int((ended - started).total_seconds() * 1e6),
                    options.source,
                    "json",
                    len(tally.lines) if status == "completed" else 0,
                    size,
                    len(tally.files),
                    size,
                    len(tally.files),
                    size,
                    len(tally.errors),
                    None,
                ),
            )


class _RecordError(ValueError):
    """A rejected record, with its row of sys_load_error_detail."""


def _line(
    record: Record, columns: list[Column], read: Read, options: CopyOptions
) -> str:
    """Return a record as a line of PostgreSQL's own COPY. Raises _RecordError."""
    if record.error:
        raise _RecordError("", "", "", 0, 1216, record.error, "")
    source = record.value
    if options.json.startswith("auto"):
        if not isinstance(source, dict):
            raise _RecordError("", "", "", 0, 1216, "Not a JSON object", "")
        if options.json == "auto ignorecase":
            source = {key.lower(): value for key, value in source.items()}
    values = []
    for column in columns:
        found = read(source, column)
        try:
            values.append(convert(column, found, options))
        except RefusedValueError as error:
            code, reason, position = error.args
            raise _RecordError(
                column.name,
                column.shown_type,
                column.shown_length,
                position,
                code,
                reason,
                str(found).encode("utf-8", "replace").decode().replace("\0", ""),
            ) from None
    return "\t".join(_escaped(value) for value in values) + "\n"


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
    """Read a JSONPath: names by bracket or dot, and places in arrays."""
    pattern = r"\[(?:'([^']*)'|\"([^\"]*)\"|(\d+))\]|\.(\w+)"
    if not re.fullmatch(rf"\$(?:{pattern})+", path):
        raise RefusedStatementError("XX000", f"Invalid JSONPath format: {path}", "")
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


def _one(answer: Answer) -> str:
    if answer.error:
        raise RefusedStatementError("XX000", answer.error, "")
    return str(answer.rows[0][0])


def quoted(name: str) -> str:
    """Quote a name for PostgreSQL."""
    return '"' + name.replace('"', '""') + '"'


def literal(text: str) -> str:
    """Quote a value for a server where a backslash escapes."""
    return "'" + text.replace("\\", "\\\\").replace("'", "''") + "'"
