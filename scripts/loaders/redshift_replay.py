"""Quarantined records that pass today, loaded on Redshift as one batch.

What COPY refused beside records whose file it does not tell stays: their file's rows
could not be told from others when a new version of it comes.
"""

from __future__ import annotations

import io
import uuid
from collections.abc import Mapping, Sequence
from typing import Any, Final

from compact import json_lines
from errors import SparkifyError
from loaders import ReplayResult
from loaders import redshift_statements as sql
from loaders.bookkeeping import Rejection
from loaders.redshift_data_api import DataApi
from loaders.redshift_statements import THIS_LOAD, Origin, Step
from loaders.schema import STAGING, raw
from quoting import quote_identifier
from quoting import quote_redshift_literal as quote_literal
from records import RAW_TABLES, RawTable
from replay import Judgement, digest, judge
from sources import S3Prefix

MAX_ROW_BYTES: Final = 60_000
"""The Data API gives no row of more than 64 KB ("Packet for query is too large")."""

RENAMED: Final = "renamed"


def run(
    api: DataApi, seen: str, place: S3Prefix | None, role: str, *, dry_run: bool
) -> ReplayResult:
    """Load what passes, on top of a history that was seen, or only count it.

    Many records travel as files in a place, few as statements. Raises SparkifyError.
    """
    rows = api.rows(quarantine_statement())
    found = judge(Rejection(*row) for row in rows)
    ((total,),) = api.rows(f"select count(*) from {raw('rejected_records')}")
    hidden = int(total) - found.tried
    if not dry_run and (found.passed or found.renamed):
        load_id = uuid.uuid4().hex
        batch = steps(found, load_id, seen, place, role)
        if len(batch) > sql.MAX_STATEMENTS:
            raise SparkifyError(
                "The records that pass are too many for statements.",
                "Name a place in S3 for them with --manifest s3://bucket/prefix.",
            )
        if place:
            write_lists(found, place, load_id)
        api.run(batch)
    return found.result + ReplayResult(tried=hidden, altered=hidden)


def quarantine_statement() -> str:
    """Give the query of the records that can be tried: those with a file and a line."""
    copied = "\n    union all\n".join(
        f"""    select distinct
        cast({quote_literal(table)} as varchar(64)) as table_name,
        loaded_at
    from {raw(table)}
    where source_path is null"""
        for table in STAGING
    )
    size = "\n        + ".join(
        f"octet_length(rejected.{name})" for name in ("raw_text", "reason", "path")
    )
    return f"""with
copied as (
{copied}
)
select
    rejected.table_name,
    rejected.path,
    rejected.line_number,
    rejected.reason,
    rejected.raw_text
from {raw("rejected_records")} as rejected
left join copied
    on rejected.table_name = copied.table_name
        and rejected.loaded_at = copied.loaded_at
where copied.loaded_at is null
    and rejected.line_number is not null
    and {size} <= {MAX_ROW_BYTES}
order by 1, 2, 3"""


def replayed(table: str) -> str:
    """Give the name of the temporary table of a raw table's records."""
    return f"replayed_{table}"


def lists_of(found: Judgement) -> dict[str, tuple[dict[str, str], list[list[Any]]]]:
    """Give the temporary tables of a replay: their columns and rows."""
    place = {
        "path": "varchar(4096)",
        "line_number": "bigint",
        "digest": "varchar(32)",
    }
    lists = {
        replayed(table.name): (
            {c.name.lower(): c.kind.sql_type for c in table.columns} | place,
            [[*r.values, r.path, r.line, r.digest] for r in found.passed[table.name]],
        )
        for table in RAW_TABLES
        if found.passed.get(table.name)
    }
    if found.renamed:
        lists[RENAMED] = (
            {"table_name": "varchar(64)"}
            | place
            | {"reason": f"varchar({sql.MAX_REASON_BYTES})"},
            [
                [
                    *(r.table, r.path, r.line, digest(r.raw)),
                    r.reason[: sql.MAX_REASON_BYTES // 4],
                ]
                for r in found.renamed
            ],
        )
    return lists


def steps(
    found: Judgement, load_id: str, seen: str, place: S3Prefix | None, role: str
) -> list[Step]:
    """Give the batch."""
    batch = sql.opening(load_id, seen)
    for name, (columns, rows) in lists_of(found).items():
        batch.append(Step(sql.side_table(name, columns)))
        if place:
            address = place.address(f"{load_id}/{name}.json")
            origin = Origin(address, False, "", place.region(), "auto")  # noqa: FBT003 -- as the fields stand
            into = quote_identifier(name)
            batch.append(Step(sql.copy_statement(into, columns, origin, role)))
        else:
            batch += map(Step, sql.insert_statements(name, rows))
    for table in RAW_TABLES:
        if found.passed.get(table.name):
            batch += map(Step, take_statements(table))
    if found.renamed:
        batch.append(Step(rename_statement()))
    return batch


def write_lists(found: Judgement, place: S3Prefix, load_id: str) -> None:
    """Write what the batch copies. Raises SparkifyError if a file cannot be written."""
    for name, (columns, rows) in lists_of(found).items():
        lines = [_present(dict(zip(columns, row, strict=True))) for row in rows]
        place.write(f"{load_id}/{name}.json", io.BytesIO(json_lines(lines)))


def _present(row: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in row.items() if value is not None}


def take_statements(table: RawTable) -> Sequence[str]:
    """Take a table's records out of quarantine, and move the counts in the history."""
    columns = sql.names(column.name for column in table.columns)
    taken = replayed(table.name)
    of_table = quote_literal(table.name)
    return (
        f"""insert into {raw(table.name)} ({columns}, "loaded_at", "source_path")
select {columns}, {THIS_LOAD}.loaded_at, {taken}.path
from {taken}
cross join {THIS_LOAD}""",
        f"""delete from {raw("rejected_records")}
using {taken}
where rejected_records.table_name = {of_table}
    and rejected_records.path = {taken}.path
    and rejected_records.line_number = {taken}.line_number
    and md5(rejected_records.raw_text) = {taken}.digest""",
        f"""update {raw("load_history")}
set
    loaded_count = coalesce(loaded_count, 0) + passed.record_count,
    rejected_count = rejected_count - passed.record_count,
    load_id = passed.load_id,
    loaded_at = passed.loaded_at
from (
    select
        {taken}.path,
        {THIS_LOAD}.load_id,
        {THIS_LOAD}.loaded_at,
        count(*) as record_count
    from {taken}
    cross join {THIS_LOAD}
    group by 1, 2, 3
) as passed
where load_history.table_name = {of_table} and load_history.path = passed.path""",
    )


def rename_statement() -> str:
    """Give other records in quarantine today's reason."""
    return f"""update {raw("rejected_records")}
set reason = {RENAMED}.reason
from {RENAMED}
where rejected_records.table_name = {RENAMED}.table_name
    and rejected_records.path = {RENAMED}.path
    and rejected_records.line_number = {RENAMED}.line_number
    and md5(rejected_records.raw_text) = {RENAMED}.digest"""
