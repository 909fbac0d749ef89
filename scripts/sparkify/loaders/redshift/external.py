"""The raw layer as views on files that stay in S3, which Redshift Spectrum reads.

A load books the files and counts their records, and copies none. A view shows the
records of booked files alone, with the moment of their load, so the models and the law
hold as for copies.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from sparkify.errors import SparkifyError
from sparkify.loaders import LoadOptions, LoadResult, NewFile, tables_of
from sparkify.loaders.redshift import statements as sql
from sparkify.loaders.redshift.copying import CopyWarehouse, check_nothing_moved
from sparkify.loaders.redshift.load import Load
from sparkify.loaders.redshift.statements import (
    NEW_FILES,
    THIS_LOAD,
    Step,
    names_of,
)
from sparkify.loaders.schema import RAW, STAGING, raw
from sparkify.quoting import quote_identifier
from sparkify.quoting import quote_redshift_literal as quote_literal
from sparkify.raw.rules import RawTable
from sparkify.raw.sources import Source

SCHEMA: Final = "raw_external"
CATALOGUE: Final = "sparkify"
"""The database of AWS Glue's catalogue that knows the external tables."""


class ExternalWarehouse(CopyWarehouse):
    """Raw views on JSON in S3, and tables for what was booked."""

    is_external = True

    def create_statements(self) -> list[str]:
        """Give the statements that create what belongs to no source."""
        copies = {raw(table) for table in STAGING}
        return [
            statement
            for statement in super().create_statements()
            if not any(
                f"create table if not exists {name} " in statement for name in copies
            )
        ]

    def statements(self, source: Source, files: Sequence[NewFile]) -> Sequence[str]:
        """Give the SQL of a load, for --dry-run."""
        if not files:
            return self.create_statements()
        load = self._prepare(source, files, LoadOptions(max_rejects=0))
        self._check_region(load)
        return [
            *self.create_statements(),
            *external_statements(load),
            *self._grants(),
            *(step.sql for step in steps_of(load)),
        ]

    def load(
        self, source: Source, files: Sequence[NewFile], options: LoadOptions
    ) -> LoadResult:
        """Book files in one transaction, with counts and rejects, or nothing."""
        hidden = [f.file.path for f in files if "/_" in f"/{f.file.path}"]
        if hidden:
            raise SparkifyError(
                f"Redshift Spectrum reads no name that begins with _: {hidden[0]}.",
                "Give it another name, or copy the records without --external.",
            )
        load = self._prepare(source, files, options)
        self._check_region(load)
        if not self._moments:
            self.create_tables()
        self._let_identity_build()
        known = self._known()
        for statement in external_statements(load):
            name = next((t for t in known if f"{external(t)} " in statement), "")
            if not (name and statement.startswith("create external table")):
                self.api.run_alone(statement)
        if self.grant_to:
            self.api.run([Step(text) for text in self._grants()])
        result = self._run(load, steps_of(load))
        check_nothing_moved(load, may_grow=True)
        options.on_file(sum(new.file.size for new in files))
        return result

    def _grants(self) -> list[str]:
        user = self.grant_to
        return [*sql.grants(SCHEMA, user)[:-1], *sql.grants(RAW, user)]

    def reset(self) -> None:
        """Drop the raw views and what was booked; the files stay."""
        for table in self._known():
            self.api.run_alone(f"drop table {external(table)}")
        super().reset()

    def _known(self) -> list[str]:
        """List the external tables; none where their schema was never made."""
        rows = self.api.rows(
            "select distinct tablename from svv_external_columns"
            f" where schemaname = {quote_literal(SCHEMA)}"
        )
        return sorted(set(STAGING) & {name for (name,) in rows})

    def _check_region(self, load: Load) -> None:
        """See that Spectrum can read the source. Raises SparkifyError if it can't."""
        here = self.api.region
        if load.region and load.region != here:
            raise SparkifyError(
                f"{load.source.root} is in {load.region} and the warehouse in {here}:"
                " Redshift Spectrum reads buckets of its own region alone.",
                f"Leave --external out, or name a copy of the data in {here}.",
            )


def external(table: str) -> str:
    """Give an external table's quoted name."""
    return f"{quote_identifier(SCHEMA)}.{quote_identifier(table)}"


def external_statements(load: Load) -> list[str]:
    """Give what no transaction may hold: external schema, tables, and their views."""
    role = quote_literal(load.role) if load.role else "default"
    schema = quote_identifier(SCHEMA)
    statements = [
        f"""create external schema if not exists {schema}
from data catalog
database {quote_literal(CATALOGUE)}
iam_role {role}
create external database if not exists"""
    ]
    for table in tables_of(load.files):
        columns = ",\n".join(
            f"    {quote_identifier(c.name.lower())} {c.kind.sql_type}"
            for c in table.columns
        )
        address = f"{load.source.root}/{table.part}/"
        create = f"""create external table {external(table.name)} (
{columns}
)
row format serde 'org.openx.data.jsonserde.JsonSerDe'
stored as textfile
location {quote_literal(address)}"""
        statements += [create, view_statement(table, load.source.root)]
    return statements


def _on_path(table: RawTable, root: str, files: str) -> str:
    """Give the condition that joins records to a list of files."""
    return (
        f"{quote_literal(table.name)} = {files}.table_name\n"
        f'        and records."$path" = {quote_literal(f"{root}/")} || {files}.path'
    )


def view_statement(table: RawTable, root: str) -> str:
    """Give the view that looks like the table of copies."""
    columns = ",\n".join(
        f"    records.{quote_identifier(column.name.lower())}"
        for column in table.columns
    )
    return f"""create or replace view {raw(table.name)} as
select
{columns},
    history.loaded_at,
    history.path as source_path
from {external(table.name)} as records
inner join {raw("load_history")} as history
    on {_on_path(table, root, "history")}
where {sql.refusal(table)} is null
with no schema binding"""


def steps_of(load: Load) -> list[Step]:
    """Give the batch that books files."""
    tables = tables_of(load.files)
    is_again = any(new.replaces for new in load.files)
    return [
        *sql.opening(load.id, load.seen),
        *load.fill(NEW_FILES, sql.FILES_COLUMNS, load.file_rows()),
        *(map(Step, sql.forget_files_statements([])) if is_again else ()),
        *(Step(quarantine_statement(table, load.source.root)) for table in tables),
        load.limit(),
        *(Step(book_statement(table, load.source.root)) for table in tables),
    ]


def quarantine_statement(table: RawTable, root: str) -> str:
    """Book the records that a rule refuses, with their file; Spectrum tells no line."""
    return f"""{sql.into("rejected_records")}
select
    {quote_literal(table.name)},
    {NEW_FILES}.path,
    cast(null as bigint),
    {sql.refusal(table)},
    {sql.side_by_side(table)},
    {THIS_LOAD}.load_id,
    {THIS_LOAD}.loaded_at
from {external(table.name)} as records
inner join {NEW_FILES}
    on {_on_path(table, root, NEW_FILES)}
cross join {THIS_LOAD}
where {sql.refusal(table)} is not null"""


def book_statement(table: RawTable, root: str) -> str:
    """Book the files of a table with the counts of their records."""
    return f"""{sql.into("load_history")}
with
counted as (
    select
        {NEW_FILES}.path,
        count(*) as record_count,
        sum(case when {sql.refusal(table)} is null then 0 else 1 end) as refused_count
    from {external(table.name)} as records
    inner join {NEW_FILES}
        on {_on_path(table, root, NEW_FILES)}
    group by {NEW_FILES}.path
)
select
    {quote_literal(f"{root}/{table.part}")},
    {names_of(NEW_FILES, sql.FILES_COLUMNS)},
    coalesce(counted.record_count - counted.refused_count, 0),
    coalesce(counted.refused_count, 0),
    {THIS_LOAD}.load_id,
    {THIS_LOAD}.loaded_at
from {NEW_FILES}
cross join {THIS_LOAD}
left join counted on {NEW_FILES}.path = counted.path
where {NEW_FILES}.table_name = {quote_literal(table.name)}"""
