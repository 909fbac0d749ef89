"""Load the raw tables as views on files in S3, which Redshift Spectrum reads.

A load writes the history of the files and counts their records, without copying them.
A view contains only the records of files in the history, with the time of their load.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from sparkify.loaders import LoadOptions, LoadResult, NewFile, tables_of
from sparkify.loaders.redshift import statements as sql
from sparkify.loaders.redshift.copying import CopyLoader, check_unchanged
from sparkify.loaders.redshift.load import Load
from sparkify.loaders.redshift.statements import NEW_FILES, THIS_LOAD, Step, names_of
from sparkify.loaders.schema import RAW, STAGING, raw
from sparkify.raw.rules import RawTable
from sparkify.raw.sources import Source
from sparkify.shared.errors import SparkifyError
from sparkify.shared.quoting import quote_identifier
from sparkify.shared.quoting import quote_redshift_literal as quote_literal

SCHEMA: Final = "raw_external"
CATALOGUE: Final = "sparkify"
"""The AWS Glue database of the external tables."""


class ExternalLoader(CopyLoader):
    """Raw views on JSON in S3, with tables for history and quarantine."""

    is_external = True

    def create_statements(self) -> list[str]:
        """Return the statements that create history and quarantine."""
        copies = tuple(f"create table if not exists {raw(table)} " for table in STAGING)
        statements = super().create_statements()
        return [text for text in statements if not text.startswith(copies)]

    def statements(self, source: Source, files: Sequence[NewFile]) -> Sequence[str]:
        """Return the SQL of a load without rejected records, for --dry-run."""
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
        """Write history and rejected records of files in one transaction."""
        hidden = [f.file.path for f in files if "/_" in f"/{f.file.path}"]
        if hidden:
            raise SparkifyError(
                f"Redshift Spectrum ignores names that begin with _: {hidden[0]}.",
                "Rename the file, or copy the records without --external.",
            )
        load = self._prepare(source, files, options)
        self._check_region(load)
        if not self._load_times:
            self.create_tables()
        self._let_identity_build()
        known = tuple(f"create external table {external(t)} " for t in self._known())
        for statement in external_statements(load):
            if not statement.startswith(known):
                self.api.run_alone(statement)
        if self.grant_to:
            self.api.run([Step(text) for text in self._grants()])
        result = self._run(load, steps_of(load))
        check_unchanged(load, may_grow=True)
        options.on_file(sum(new.file.size for new in files))
        return result

    def _grants(self) -> list[str]:
        user = self.grant_to
        return [*sql.grants(SCHEMA, user)[:-1], *sql.grants(RAW, user)]

    def reset(self) -> None:
        """Drop the raw views, history and quarantine, but not the files."""
        for table in self._known():
            self.api.run_alone(f"drop table {external(table)}")
        super().reset()

    def _known(self) -> list[str]:
        """Return the names of the existing external tables."""
        rows = self.api.rows(
            "select distinct tablename from svv_external_columns"
            f" where schemaname = {quote_literal(SCHEMA)}"
        )
        return sorted(set(STAGING) & {name for (name,) in rows})

    def _check_region(self, load: Load) -> None:
        """Raise SparkifyError if the source is in another region than the warehouse."""
        home = self.api.region
        if load.region and load.region != home:
            raise SparkifyError(
                f"{load.source.root} is in {load.region}, but the warehouse is in"
                f" {home}. Redshift Spectrum only reads buckets in its own region.",
                f"Omit --external, or use a copy of the data in {home}.",
            )


def external(table: str) -> str:
    """Return the quoted name of an external table."""
    return f"{quote_identifier(SCHEMA)}.{quote_identifier(table)}"


def external_statements(load: Load) -> list[str]:
    """Return the statements for external schema, tables and views.

    They are not allowed in a transaction.
    """
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
    """Return the condition that joins records to a list of files."""
    return (
        f"{quote_literal(table.name)} = {files}.table_name\n"
        f'        and records."$path" = {quote_literal(f"{root}/")} || {files}.path'
    )


def view_statement(table: RawTable, root: str) -> str:
    """Return the statement for a view with the columns of the raw table."""
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
where {sql.rejection_reason(table)} is null
with no schema binding"""


def steps_of(load: Load) -> list[Step]:
    """Return the batch that writes history and rejected records."""
    tables = tables_of(load.files)
    has_replaced = any(new.replaces for new in load.files)
    return [
        *sql.opening(load.id, load.seen),
        *load.fill(NEW_FILES, sql.FILES_COLUMNS, load.file_rows()),
        *(map(Step, sql.delete_files_statements([])) if has_replaced else ()),
        *(Step(quarantine_statement(table, load.source.root)) for table in tables),
        load.limit(),
        *(Step(history_insert(table, load.source.root)) for table in tables),
    ]


def quarantine_statement(table: RawTable, root: str) -> str:
    """Return the insert of rejected records, with file and a null line number."""
    return f"""{sql.into("rejected_records")}
select
    {quote_literal(table.name)},
    {NEW_FILES}.path,
    cast(null as bigint),
    {sql.rejection_reason(table)},
    {sql.values_as_text(table)},
    {THIS_LOAD}.load_id,
    {THIS_LOAD}.loaded_at
from {external(table.name)} as records
inner join {NEW_FILES}
    on {_on_path(table, root, NEW_FILES)}
cross join {THIS_LOAD}
where {sql.rejection_reason(table)} is not null"""


def history_insert(table: RawTable, root: str) -> str:
    """Return the insert of a table's files into the history, with record counts."""
    reason = sql.rejection_reason(table)
    return f"""{sql.into("load_history")}
with
counted as (
    select
        {NEW_FILES}.path,
        count(*) as record_count,
        sum(case when {reason} is null then 0 else 1 end) as rejected_count
    from {external(table.name)} as records
    inner join {NEW_FILES}
        on {_on_path(table, root, NEW_FILES)}
    group by {NEW_FILES}.path
)
select
    {quote_literal(f"{root}/{table.part}")},
    {names_of(NEW_FILES, sql.FILES_COLUMNS)},
    coalesce(counted.record_count - counted.rejected_count, 0),
    coalesce(counted.rejected_count, 0),
    {THIS_LOAD}.load_id,
    {THIS_LOAD}.loaded_at
from {NEW_FILES}
cross join {THIS_LOAD}
left join counted on {NEW_FILES}.path = counted.path
where {NEW_FILES}.table_name = {quote_literal(table.name)}"""
