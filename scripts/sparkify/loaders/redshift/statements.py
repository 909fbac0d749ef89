"""The SQL of a load on Redshift: pure functions from values to statements.

Every statement is one that the Database Developer Guide documents; which page says what
stands in docs/redshift.md.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from sparkify.loaders.schema import RAW, TABLES, raw
from sparkify.quoting import quote_identifier
from sparkify.quoting import quote_redshift_literal as quote_literal
from sparkify.raw.cleaning import WHITE_SPACE
from sparkify.raw.rules import (
    DEGREES,
    MAX_MOMENT,
    MAX_USER_DIGITS,
    MOMENT,
    MOMENT_WITH_POINT,
    NAME,
    RAW_TABLES,
    USER,
    Column,
    RawTable,
)

NEW_FILES: Final = "new_files"
NEW_REJECTS: Final = "new_rejects"
THIS_LOAD: Final = "this_load"

MAX_STATEMENTS: Final = 40
MAX_STATEMENT_BYTES: Final = 100_000
MAX_COPY_ERRORS: Final = 100_000
MAX_RAW_BYTES: Final = 65_535
MAX_REASON_BYTES: Final = 1024
MAX_FILE_NAME: Final = 256
"""Characters of a file name in sys_load_error_detail."""

MAX_FINITE: Final = "cast('{}1.7976931348623157e308' as double precision)"

LENGTHS: Final = {
    "source": 4096,
    "table_name": 64,
    "path": 4096,
    "source_path": 4096,
    "version": 256,
    "load_id": 64,
    "reason": MAX_REASON_BYTES,
    "raw_text": MAX_RAW_BYTES,
}
"""Bytes of the texts that bookkeeping writes: a bare varchar has 256."""

DESIGN: Final = {
    "staging_events": "distkey (sessionid) sortkey (loaded_at)",
    "staging_songs": "distkey (song_id) sortkey (loaded_at)",
    "load_history": "diststyle even sortkey (loaded_at)",
    "rejected_records": "diststyle even sortkey (loaded_at)",
}
"""Where rows lie, and why: docs/redshift.md."""

FILES_COLUMNS: Final = {
    "table_name": "varchar(64)",
    "path": "varchar(4096)",
    "size_bytes": "bigint",
    "version": "varchar(256)",
    "is_new_version": "boolean",
}
REJECTS_COLUMNS: Final = {
    "table_name": "varchar(64)",
    "path": "varchar(4096)",
    "line_number": "bigint",
    "reason": f"varchar({MAX_REASON_BYTES})",
    "raw_text": f"varchar({MAX_RAW_BYTES})",
}


@dataclass(frozen=True)
class Step:
    """A statement of a batch, and what it means if that one fails."""

    sql: str
    wrong: str = ""
    advice: str = ""


@dataclass(frozen=True)
class Origin:
    """What a COPY reads: a prefix, or a manifest, and how its files are written."""

    address: str
    is_manifest: bool
    compression: str
    region: str
    json: str


def copied(table: str) -> str:
    """Give the quoted name of the temporary table that COPY fills."""
    return quote_identifier(f"copied_{table}")


def names(columns: Iterable[str]) -> str:
    """List quoted column names, in lower case as Redshift keeps them."""
    return ", ".join(quote_identifier(name.lower()) for name in columns)


def into(table: str) -> str:
    """Give the head of an insert into a raw table, all columns in their order."""
    return f"insert into {raw(table)} ({names(TABLES[table])})"


def create_statements() -> list[str]:
    """Give the statements that create what is missing."""
    statements = [f"create schema if not exists {quote_identifier(RAW)}"]
    identify = {
        (table.name, column.name)
        for table in RAW_TABLES
        for column in table.columns
        if column.identifies
    }
    for table, columns in TABLES.items():
        lines = ",\n".join(
            f"    {quote_identifier(name.lower())} {_type(name, kind)}"
            + (" not null" if (table, name) in identify else "")
            for name, kind in columns.items()
        )
        statements.append(
            f"create table if not exists {raw(table)} (\n{lines}\n)\n{DESIGN[table]}"
        )
    return statements


def grants(schema: str, user: str) -> list[str]:
    """Let a user read a schema, if one is named.

    A quoted name keeps its capitals by the setting alone.
    """
    if not user:
        return []
    to = f"{quote_identifier(schema)} to {quote_identifier(user)}"
    keep_case = "set enable_case_sensitive_identifier to true"
    return [
        *([] if user == user.lower() else [keep_case]),
        f"grant usage on schema {to}",
        f"grant select on all tables in schema {to}",
    ]


def user_statement(user: str) -> str:
    """Give the query of whether there is a user."""
    return f"select usename from pg_user where usename = {quote_literal(user)}"


def may_build_statement(user: str, database: str) -> str:
    """Give the query that has a row if a user may read raw tables and make schemas."""
    return f"""{user_statement(user)}
and has_schema_privilege(usename, {quote_literal(RAW)}, 'usage')
and has_database_privilege(usename, {quote_literal(database)}, 'create')"""


def rights_statements(user: str, database: str, *, is_known: bool) -> list[str]:
    """Let the user of an IAM identity build, and make it if it never logged in.

    The view is what ``dbt docs generate`` and ``make check-design`` read.
    """
    name = quote_identifier(user)
    keep_case, *read = grants(RAW, user)
    make = [] if is_known else [f"create user {name} password disable"]
    return [
        keep_case,
        *make,
        *read,
        f"grant create on database {quote_identifier(database)} to {name}",
        f"grant select on svv_table_info to {name}",
    ]


def _type(name: str, kind: str) -> str:
    return f"varchar({LENGTHS[name]})" if kind == "varchar" else kind


def kinds_statement() -> str:
    """Give the query of what the raw schema has: names, and if table or view."""
    schema = quote_literal(RAW)
    return f"""select cast(tablename as varchar(128)), cast('table' as varchar(5))
from pg_tables
where schemaname = {schema}
union all
select cast(viewname as varchar(128)), cast('view' as varchar(5))
from pg_views
where schemaname = {schema}"""


def history_statement() -> str:
    """Give the query of what is loaded, with the moment of each file's load."""
    return (
        "select source, table_name, path, size_bytes, version, rejected_count,"
        f" cast(loaded_at as varchar(32)) as loaded_at from {raw('load_history')}"
    )


def latest_load() -> str:
    """Give the expression of the latest load's moment, as a text, '' before any."""
    return "coalesce(cast(max(loaded_at) as varchar(32)), '')"


def guard(condition: str, name: str, source: str) -> str:
    """Give a query that fails, by a division by zero, unless an aggregate holds.

    Redshift has no statement that raises an error outside of a stored procedure.
    """
    holds = f"case when {condition} then 1 else 0 end"
    return f"select 1 / {holds} as {quote_identifier(name)} from {source}"


def opening(load_id: str, seen: str) -> list[Step]:
    """Begin a load: alone, on the history that was seen, at one moment.

    The lock comes first: a transaction sees what was committed before its first query,
    which here begins when the lock is there ("Isolation levels in Amazon Redshift").
    """
    history = raw("load_history")
    unchanged = f"{latest_load()} = {quote_literal(seen)}"
    return [
        Step(f"lock {history}"),
        Step(
            guard(unchanged, "no_other_load_came_between", history),
            "Another load was committed while this one was prepared.",
            "Nothing of this run was loaded; repeat the command to load what is left.",
        ),
        Step(
            f"""create temporary table {THIS_LOAD} as
select
    cast({quote_literal(load_id)} as varchar(64)) as load_id,
    greatest(
        sysdate, coalesce(dateadd(microsecond, 1, max(loaded_at)), sysdate)
    ) as loaded_at
from {history}"""
        ),
    ]


def side_table(table: str, columns: Mapping[str, str]) -> str:
    """Give the statement that makes a temporary table."""
    lines = ",\n".join(f"    {quote_identifier(n)} {t}" for n, t in columns.items())
    return f"create temporary table {quote_identifier(table)} (\n{lines}\n)"


def landing_statement(table: RawTable) -> str:
    """Give the temporary table that COPY fills; it refuses null where a rule does."""
    columns = {
        column.name.lower(): column.kind.sql_type
        + (" not null" if column.identifies else "")
        for column in table.columns
    }
    return side_table(
        f"copied_{table.name}", columns | {"source_path": "varchar(4096)"}
    )


def copy_statement(
    into: str, columns: Iterable[str], origin: Origin, role: str, max_errors: int = 0
) -> str:
    """Give a COPY; it fails at its ``max_errors``-th refusal, or else at the first."""
    lines = [
        f"copy {into} ({names(columns)})",
        f"from {quote_literal(origin.address)}",
        f"iam_role {quote_literal(role) if role else 'default'}",
        f"region {quote_literal(origin.region)}" if origin.region else "",
        f"format as json {quote_literal(origin.json)}",
        origin.compression,
        "manifest" if origin.is_manifest else "",
        "roundec",
        f"maxerror {min(max_errors, MAX_COPY_ERRORS)}" if max_errors else "",
        "compupdate off",
        "statupdate off",
    ]
    return "\n".join(line for line in lines if line)


def json_option(table: RawTable) -> str:
    """Tell how keys are matched: ``auto`` matches lower case alone."""
    is_lower = all(column.name.islower() for column in table.columns)
    return "auto" if is_lower else "auto ignorecase"


def insert_statements(table: str, rows: Iterable[Sequence[Any]]) -> list[str]:
    """Give the statements that insert rows of values, each below the API's limit."""
    head = f"insert into {quote_identifier(table)} values\n"
    statements: list[str] = []
    lines: list[str] = []
    size = 0
    for row in rows:
        line = "(" + ", ".join(_value(value) for value in row) + ")"
        bytes_of_line = len(line.encode()) + 2
        if lines and len(head) + size + bytes_of_line > MAX_STATEMENT_BYTES:
            statements.append(head + ",\n".join(lines))
            lines, size = [], 0
        lines.append(line)
        size += bytes_of_line
    if lines:
        statements.append(head + ",\n".join(lines))
    return statements


def _value(value: object) -> str:
    if value is None:
        return "null"
    if isinstance(value, bool | int):
        return str(value).lower()
    return quote_literal(str(value))


def manifest_text(addresses: Iterable[str]) -> str:
    """Give a manifest that names each file, none of which may be missing."""
    entries = [{"url": address, "mandatory": True} for address in addresses]
    return json.dumps({"entries": entries}, ensure_ascii=False)


def forget_load_statements(table: str, moments: Sequence[str]) -> list[str]:
    """Delete whole loads of a table, found by their moments."""
    listed = ", ".join(quote_literal(moment) for moment in moments)
    of_table = f"table_name = {quote_literal(table)} and loaded_at in ({listed})"
    return [
        f"""delete from {raw(table)}
where source_path is null and loaded_at in ({listed})""",
        f"delete from {raw('rejected_records')} where {of_table}",
    ]


def forget_files_statements(tables: Iterable[str]) -> list[str]:
    """Delete the earlier versions of the new files."""
    return [
        f"""delete from {raw(table)}
where source_path in (
    select path from {NEW_FILES} where table_name = {quote_literal(table)}
)"""
        for table in tables
    ] + [
        f"""delete from {raw(table)}
using {NEW_FILES}
where {table}.table_name = {NEW_FILES}.table_name and {table}.path = {NEW_FILES}.path"""
        for table in ("rejected_records", "load_history")
    ]


def take_statement(table: RawTable, *, judged: bool) -> str:
    """Move what COPY took into the raw table; ``judged`` if no rule is left to ask."""
    columns = names(column.name for column in table.columns)
    where = "" if judged else f"\nwhere {refusal(table)} is null"
    return f"""insert into {raw(table.name)} ({columns}, "loaded_at", "source_path")
select {columns}, {THIS_LOAD}.loaded_at, source_path
from {copied(table.name)}
cross join {THIS_LOAD}{where}"""


def quarantine_statement(table: RawTable) -> str:
    """Move what COPY took but a rule refuses into quarantine, values side by side.

    COPY does not tell which file and line a record came from.
    """
    return f"""{into("rejected_records")}
select
    {quote_literal(table.name)},
    cast(null as varchar(1)),
    cast(null as bigint),
    {refusal(table)},
    {side_by_side(table)},
    {THIS_LOAD}.load_id,
    {THIS_LOAD}.loaded_at
from {copied(table.name)}
cross join {THIS_LOAD}
where {refusal(table)} is not null"""


def side_by_side(table: RawTable) -> str:
    """Give the expression of a record's values as one text."""
    return "\n    || ' | ' || ".join(
        f"coalesce(cast({quote_identifier(column.name.lower())} as varchar(1024)), '')"
        for column in table.columns
    )


def refusal(table: RawTable) -> str:
    """Give the expression of why a record that COPY took is none, null if it is one.

    These are the rules of docs/decisions/0001 that a column's type does not hold.
    """
    cases = [
        f"        when {condition} then {quote_literal(f'{column.name} {reason}')}"
        for column in table.columns
        for condition, reason in _broken(column)
    ]
    return "case\n" + "\n".join(cases) + "\n    end"


def _broken(column: Column) -> list[tuple[str, str]]:
    name = quote_identifier(column.name.lower())
    white_space = text_of(WHITE_SPACE)
    trimmed = f"ltrim(rtrim({name}, {white_space}), {white_space})"
    if column.kind is NAME:
        spaces = "|".join(map(twice_encoded, WHITE_SPACE))
        hex_of_name = f"from_varbyte(to_varbyte({name}, 'utf8'), 'hex')"
        is_twice_encoded = f"{hex_of_name} ~ '^({spaces})+$'"
        return [
            (f"{trimmed} = ''", "is missing"),
            (f"{name} like '%Ã%' and {is_twice_encoded}", "is missing"),
        ]
    if column.kind in (MOMENT, MOMENT_WITH_POINT):
        return [(f"not {name} between 0 and {MAX_MOMENT}", "is out of range")]
    if column.kind is DEGREES:
        least, most = MAX_FINITE.format("-"), MAX_FINITE.format("")
        finite = f"not {name} between {least} and {most}"
        return [(finite, "is out of range")]
    if column.kind is USER:
        not_whole = f"{trimmed} !~ '^(-?[0-9]+)?$'"
        too_long = f"length(replace({trimmed}, '-', '')) > {MAX_USER_DIGITS}"
        return [
            (not_whole, "is neither empty nor a whole number"),
            (too_long, "is out of range"),
        ]
    return []


def text_of(characters: str) -> str:
    """Give the expression of a text by its bytes, so that a reader sees them."""
    return f"from_varbyte(to_varbyte('{characters.encode().hex()}', 'hex'), 'utf8')"


def twice_encoded(character: str) -> str:
    """Give the bytes of a character that was encoded twice too often, in hex."""
    once = character.encode().decode("latin-1")
    return once.encode().decode("latin-1").encode().hex()


def reject_statement() -> str:
    """Book the records that are known to be refused."""
    return f"""{into("rejected_records")}
select {names(REJECTS_COLUMNS)}, {THIS_LOAD}.load_id, {THIS_LOAD}.loaded_at
from {NEW_REJECTS}
cross join {THIS_LOAD}"""


def book_statement(
    sources: Mapping[str, str], first_paths: Mapping[str, str], *, counted: bool
) -> str:
    """Book the files of a load with their counts, by table.

    Where COPY can't tell a record's file, a load's first file bears the count of all
    its files of that table, and the others' count is null. ``counted`` if it can tell.
    """
    moment = f"(select loaded_at from {THIS_LOAD})"
    first = [
        (f"cast({quote_literal(name)} as varchar(64))", quote_literal(path), name)
        for name, path in first_paths.items()
    ]
    loaded = "\n    union all\n".join(
        f"""    select {table} as table_name, coalesce(source_path, {path}) as path,
        count(*) as record_count
    from {raw(name)} where loaded_at = {moment} group by 2"""
        for table, path, name in first
    )
    rejected = "\n    union all\n".join(
        f"""    select {table} as table_name, coalesce(path, {path}) as path,
        count(*) as record_count
    from {raw("rejected_records")}
    where loaded_at = {moment} and table_name = {table} group by 2"""
        for table, path, _ in first
    )
    source = " ".join(
        f"when {quote_literal(table)} then {quote_literal(place)}"
        for table, place in sources.items()
    )
    count = "coalesce(loaded.record_count, 0)" if counted else "loaded.record_count"
    return f"""{into("load_history")}
with
loaded as (
{loaded}
),
rejected as (
{rejected}
)
select
    case {NEW_FILES}.table_name {source} end,
    {names_of(NEW_FILES, FILES_COLUMNS)},
    {count},
    coalesce(rejected.record_count, 0),
    {THIS_LOAD}.load_id,
    {THIS_LOAD}.loaded_at
from {NEW_FILES}
cross join {THIS_LOAD}
left join loaded
    on {NEW_FILES}.table_name = loaded.table_name
        and {NEW_FILES}.path = loaded.path
left join rejected
    on {NEW_FILES}.table_name = rejected.table_name
        and {NEW_FILES}.path = rejected.path"""


def names_of(table: str, columns: Iterable[str]) -> str:
    """List the columns of one of several tables."""
    return ",\n    ".join(f"{table}.{name}" for name in columns)


def result_statement(load_id: str) -> str:
    """Give the query of what a load did: files, records loaded, records refused."""
    return (
        "select count(*), coalesce(sum(loaded_count), 0),"
        f" coalesce(sum(rejected_count), 0)\nfrom {raw('load_history')}\n"
        f"where load_id = {quote_literal(load_id)}"
    )


def errors_statement(query_ids: Iterable[int]) -> str:
    """Give the query of what COPY refused: file, line, column and reason."""
    listed = ", ".join(str(int(number)) for number in query_ids)
    return (
        "select trim(file_name), line_number, trim(column_name), trim(error_message)\n"
        f"from sys_load_error_detail\nwhere query_id in ({listed})\norder by 1, 2"
    )


def count_statement(schema: str, tables: Iterable[str]) -> str:
    """Count the rows of tables."""
    return "\nunion all\n".join(
        f"select {quote_literal(table)}, count(*)"
        f" from {quote_identifier(schema)}.{quote_identifier(table)}"
        for table in tables
    )
