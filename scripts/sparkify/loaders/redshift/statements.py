"""Build the SQL of a load on Redshift.

docs/redshift.md lists the pages of the Database Developer Guide on the statements.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from sparkify.loaders.schema import RAW, TABLES, raw
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
from sparkify.shared.quoting import quote_identifier
from sparkify.shared.quoting import quote_redshift_literal as quote_literal

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
"""Bytes of text columns. A varchar without a length has 256."""

DESIGN: Final = {
    "staging_events": "distkey (sessionid) sortkey (loaded_at)",
    "staging_songs": "distkey (song_id) sortkey (loaded_at)",
    "load_history": "diststyle even sortkey (loaded_at)",
    "rejected_records": "diststyle even sortkey (loaded_at)",
}
"""Dist and sort keys. docs/redshift.md explains them."""

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
    """A statement of a batch, with what is wrong and what to do if it fails."""

    sql: str
    wrong: str = ""
    advice: str = ""


@dataclass(frozen=True)
class Origin:
    """The source of a COPY: a prefix or a manifest, and the format of its files."""

    address: str
    is_manifest: bool
    compression: str
    region: str
    json: str


def copied(table: str) -> str:
    """Return the quoted name of the temporary table that COPY fills."""
    return quote_identifier(f"copied_{table}")


def names(columns: Iterable[str]) -> str:
    """Return quoted column names in lower case, as Redshift stores them."""
    return ", ".join(quote_identifier(name.lower()) for name in columns)


def into(table: str) -> str:
    """Return the beginning of an insert into a raw table, columns in schema order."""
    return f"insert into {raw(table)} ({names(TABLES[table])})"


def create_statements() -> list[str]:
    """Return the statements that create the raw schema and its tables if missing."""
    statements = [f"create schema if not exists {quote_identifier(RAW)}"]
    identifying = {
        (table.name, column.name)
        for table in RAW_TABLES
        for column in table.columns
        if column.identifies
    }
    for table, columns in TABLES.items():
        lines = ",\n".join(
            f"    {quote_identifier(name.lower())} {_type(name, kind)}"
            + (" not null" if (table, name) in identifying else "")
            for name, kind in columns.items()
        )
        statements.append(
            f"create table if not exists {raw(table)} (\n{lines}\n)\n{DESIGN[table]}"
        )
    return statements


def grants(schema: str, user: str) -> list[str]:
    """Return the statements that let a user read a schema, or [] without a user.

    Without the setting, even quoted names lose their capitals.
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
    """Return a query that has a row if a user exists."""
    return f"select usename from pg_user where usename = {quote_literal(user)}"


def may_build_statement(user: str, database: str) -> str:
    """Return a query that has a row if a user may read raw and create schemas."""
    return f"""{user_statement(user)}
and has_schema_privilege(usename, {quote_literal(RAW)}, 'usage')
and has_database_privilege(usename, {quote_literal(database)}, 'create')"""


def rights_statements(user: str, database: str, *, is_known: bool) -> list[str]:
    """Return the statements that let the user of an IAM identity build.

    They create the user unless ``is_known``. ``dbt docs generate`` and ``make
    check-design`` read svv_table_info.
    """
    name = quote_identifier(user)
    keep_case, *read = grants(RAW, user)
    create = [] if is_known else [f"create user {name} password disable"]
    return [
        keep_case,
        *create,
        *read,
        f"grant create on database {quote_identifier(database)} to {name}",
        f"grant select on svv_table_info to {name}",
    ]


def _type(name: str, kind: str) -> str:
    return f"varchar({LENGTHS[name]})" if kind == "varchar" else kind


def kinds_statement() -> str:
    """Return a query for the name and kind (table or view) of each raw table."""
    schema = quote_literal(RAW)
    return f"""select cast(tablename as varchar(128)), cast('table' as varchar(5))
from pg_tables
where schemaname = {schema}
union all
select cast(viewname as varchar(128)), cast('view' as varchar(5))
from pg_views
where schemaname = {schema}"""


def history_statement() -> str:
    """Return a query for the loaded files, with the time of each load as text."""
    return (
        "select source, table_name, path, size_bytes, version, rejected_count,"
        f" cast(loaded_at as varchar(32)) as loaded_at from {raw('load_history')}"
    )


def latest_load() -> str:
    """Return the expression for the latest load time as text, '' without a load."""
    return "coalesce(cast(max(loaded_at) as varchar(32)), '')"


def guard(condition: str, name: str, source: str) -> str:
    """Return a query that divides by zero unless a condition is true.

    Redshift can raise an error only in a stored procedure.
    """
    divisor = f"case when {condition} then 1 else 0 end"
    return f"select 1 / {divisor} as {quote_identifier(name)} from {source}"


def opening(load_id: str, seen: str) -> list[Step]:
    """Return the first steps: lock the history, check it, set the time of the load.

    ``seen`` is the time of the latest load when this load was planned. The lock is the
    first step, because a transaction sees the data that were committed before its first
    query ("Isolation levels in Amazon Redshift").
    """
    history = raw("load_history")
    unchanged = f"{latest_load()} = {quote_literal(seen)}"
    return [
        Step(f"lock {history}"),
        Step(
            guard(unchanged, "no_other_load_came_between", history),
            "Another load was committed while this load was prepared.",
            "Nothing was loaded. Run the command again to load the remaining files.",
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
    """Return the statement that creates a temporary table."""
    lines = ",\n".join(f"    {quote_identifier(n)} {t}" for n, t in columns.items())
    return f"create temporary table {quote_identifier(table)} (\n{lines}\n)"


def landing_statement(table: RawTable) -> str:
    """Return the statement that creates the temporary table for COPY."""
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
    """Return a COPY that fails at error number ``max_errors``, or at the first if 0."""
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
    """Return the JSON option of COPY. ``auto`` only matches keys in lower case."""
    is_lower = all(column.name.islower() for column in table.columns)
    return "auto" if is_lower else "auto ignorecase"


def insert_statements(table: str, rows: Iterable[Sequence[Any]]) -> list[str]:
    """Return inserts of rows, each of at most MAX_STATEMENT_BYTES."""
    head = f"insert into {quote_identifier(table)} values\n"
    statements: list[str] = []
    lines: list[str] = []
    size = 0
    for row in rows:
        line = "(" + ", ".join(_value(value) for value in row) + ")"
        line_bytes = len(line.encode()) + 2
        if lines and len(head) + size + line_bytes > MAX_STATEMENT_BYTES:
            statements.append(head + ",\n".join(lines))
            lines, size = [], 0
        lines.append(line)
        size += line_bytes
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
    """Return a COPY manifest in which every file is mandatory."""
    entries = [{"url": address, "mandatory": True} for address in addresses]
    return json.dumps({"entries": entries}, ensure_ascii=False)


def delete_loads_statements(table: str, times: Sequence[str]) -> list[str]:
    """Return the statements that delete the loads of a table with given times."""
    listed = ", ".join(map(quote_literal, times))
    of_table = f"table_name = {quote_literal(table)} and loaded_at in ({listed})"
    return [
        f"""delete from {raw(table)}
where source_path is null and loaded_at in ({listed})""",
        f"delete from {raw('rejected_records')} where {of_table}",
    ]


def delete_files_statements(tables: Iterable[str]) -> list[str]:
    """Return the statements that delete the previous versions of the new files."""
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


def accept_statement(table: RawTable, *, checked: bool) -> str:
    """Return the insert of accepted records into the raw table.

    ``checked`` is true if all rules were already checked.
    """
    columns = names(column.name for column in table.columns)
    where = "" if checked else f"\nwhere {rejection_reason(table)} is null"
    return f"""insert into {raw(table.name)} ({columns}, "loaded_at", "source_path")
select {columns}, {THIS_LOAD}.loaded_at, source_path
from {copied(table.name)}
cross join {THIS_LOAD}{where}"""


def quarantine_statement(table: RawTable) -> str:
    """Return the insert of records that COPY accepted and a rule rejects.

    COPY does not store file and line of a record, so the text consists of its values.
    """
    return f"""{into("rejected_records")}
select
    {quote_literal(table.name)},
    cast(null as varchar(1)),
    cast(null as bigint),
    {rejection_reason(table)},
    {values_as_text(table)},
    {THIS_LOAD}.load_id,
    {THIS_LOAD}.loaded_at
from {copied(table.name)}
cross join {THIS_LOAD}
where {rejection_reason(table)} is not null"""


def values_as_text(table: RawTable) -> str:
    """Return the expression for a record's values as one text."""
    return "\n    || ' | ' || ".join(
        f"coalesce(cast({quote_identifier(column.name.lower())} as varchar(1024)), '')"
        for column in table.columns
    )


def rejection_reason(table: RawTable) -> str:
    """Return the expression for the reason to reject a record, or null.

    It checks the rules of docs/decisions/0001 that column types do not enforce.
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
        not_integer = f"{trimmed} !~ '^(-?[0-9]+)?$'"
        too_long = f"length(replace({trimmed}, '-', '')) > {MAX_USER_DIGITS}"
        return [
            (not_integer, "is neither empty nor an integer"),
            (too_long, "is out of range"),
        ]
    return []


def text_of(characters: str) -> str:
    """Return the expression for a text, with its bytes in hex to show white space."""
    return f"from_varbyte(to_varbyte('{characters.encode().hex()}', 'hex'), 'utf8')"


def twice_encoded(character: str) -> str:
    """Return a character as hex of its bytes after it was encoded two more times."""
    once = character.encode().decode("latin-1")
    return once.encode().decode("latin-1").encode().hex()


def reject_statement() -> str:
    """Return the insert of the records in NEW_REJECTS."""
    return f"""{into("rejected_records")}
select {names(REJECTS_COLUMNS)}, {THIS_LOAD}.load_id, {THIS_LOAD}.loaded_at
from {NEW_REJECTS}
cross join {THIS_LOAD}"""


def history_insert(
    sources: Mapping[str, str], first_paths: Mapping[str, str], *, counted: bool
) -> str:
    """Return the insert of a load's files into the history, with record counts.

    ``counted`` is true if the file of each record is known. Otherwise the first file of
    a table has the count of all its files, and the other counts are null. ``sources``
    and ``first_paths`` are by table.
    """
    load_time = f"(select loaded_at from {THIS_LOAD})"
    first = [
        (f"cast({quote_literal(name)} as varchar(64))", quote_literal(path), name)
        for name, path in first_paths.items()
    ]
    loaded = "\n    union all\n".join(
        f"""    select {table} as table_name, coalesce(source_path, {path}) as path,
        count(*) as record_count
    from {raw(name)} where loaded_at = {load_time} group by 2"""
        for table, path, name in first
    )
    rejected = "\n    union all\n".join(
        f"""    select {table} as table_name, coalesce(path, {path}) as path,
        count(*) as record_count
    from {raw("rejected_records")}
    where loaded_at = {load_time} and table_name = {table} group by 2"""
        for table, path, _ in first
    )
    source = " ".join(
        f"when {quote_literal(table)} then {quote_literal(address)}"
        for table, address in sources.items()
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
    """Return a select list of columns, qualified with a table's name."""
    return ",\n    ".join(f"{table}.{name}" for name in columns)


def result_statement(load_id: str) -> str:
    """Return a query for the files, loaded records and rejected records of a load."""
    return (
        "select count(*), coalesce(sum(loaded_count), 0),"
        f" coalesce(sum(rejected_count), 0)\nfrom {raw('load_history')}\n"
        f"where load_id = {quote_literal(load_id)}"
    )


def errors_statement(query_ids: Iterable[int]) -> str:
    """Return a query for COPY's errors: file, line, column and reason."""
    listed = ", ".join(str(int(number)) for number in query_ids)
    return (
        "select trim(file_name), line_number, trim(column_name), trim(error_message)\n"
        f"from sys_load_error_detail\nwhere query_id in ({listed})\norder by 1, 2"
    )


def count_statement(schema: str, tables: Iterable[str]) -> str:
    """Return a query for the names and row counts of tables."""
    return "\nunion all\n".join(
        f"select {quote_literal(table)}, count(*)"
        f" from {quote_identifier(schema)}.{quote_identifier(table)}"
        for table in tables
    )
