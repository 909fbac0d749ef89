"""A load with COPY: its manifests in S3 and its batch of statements."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from sparkify.loaders import NewFile, tables_of
from sparkify.loaders.bookkeeping import Rejection
from sparkify.loaders.redshift import statements as sql
from sparkify.loaders.redshift.compact import json_lines
from sparkify.loaders.redshift.statements import Origin, Step
from sparkify.loaders.schema import raw
from sparkify.raw.rules import RawTable
from sparkify.raw.sources import S3Prefix, Source, compression_of
from sparkify.shared.quoting import quote_identifier

COMPRESSIONS: Final = {"": "", ".gz": "gzip", ".bz2": "bzip2", ".zst": "zstd"}
"""COPY's names of compressions by file suffix."""


@dataclass(frozen=True)
class Load:
    """The files and options of a load.

    ``seen`` is the time of the latest load when this load was planned. Lists of files
    are written to ``staging``, or are SQL literals if it is None.
    """

    source: Source
    files: tuple[NewFile, ...]
    seen: str
    staging: S3Prefix | None
    is_compact: bool
    region: str
    role: str
    max_rejects: int
    warehouse: str
    whole_loads: Mapping[str, Sequence[str]] = field(default_factory=dict)
    """Times of earlier loads whose rows this load replaces, by table."""

    @property
    def id(self) -> str:
        """A hash of files and options, so that a repeated load has the same id."""
        staging = self.staging.root if self.staging else ""
        hashed = (
            self.source.root,
            [
                (n.table.name, n.table.part, n.replaces, tuple(n.file))
                for n in self.files
            ],
            (self.seen, staging, self.is_compact, self.role, self.max_rejects),
            self.warehouse,
        )
        return hashlib.sha256(repr(hashed).encode()).hexdigest()[:32]

    def of_table(self, table: RawTable) -> list[NewFile]:
        """Return the files of a table."""
        return [new for new in self.files if new.table == table]

    def origins(self, table: RawTable) -> list[Origin]:
        """Return the origins of a table, one per compression."""
        if self.is_compact:
            parts = self._listed(table, ".gz")
            return [Origin(parts, True, "gzip", self.region, "auto")]  # noqa: FBT003 -- in field order
        suffixes = {compression_of(new.file.path) for new in self.of_table(table)}
        return [
            Origin(
                self._listed(table, suffix)
                if self.staging
                else f"{self.source.root}/{table.part}/",
                self.staging is not None,
                COMPRESSIONS[suffix],
                self.region,
                sql.json_option(table),
            )
            for suffix in sorted(suffixes)
        ]

    def _listed(self, table: RawTable, suffix: str) -> str:
        assert self.staging is not None  # noqa: S101 -- for the type checker
        return self.staging.address(f"{self.id}/{table.name}{suffix}.manifest")

    def steps(
        self,
        rejections: Sequence[Rejection] = (),
        expected: Mapping[str, int] | None = None,
    ) -> list[Step]:
        """Return the batch.

        ``rejections`` are the known rejected records. ``expected`` is the number of
        records that COPY accepted in the trial, by table. Without it, COPY fails at the
        first record that it rejects.
        """
        tables = tables_of(self.files)
        steps = sql.opening(self.id, self.seen)
        steps += self.fill(sql.NEW_FILES, sql.FILES_COLUMNS, self.file_rows())
        if rejections:
            rows = reject_rows(rejections)
            steps += self.fill(sql.NEW_REJECTS, sql.REJECTS_COLUMNS, rows)
        for table in tables:
            rejected = sum(r.table == table.name for r in rejections)
            steps += self.copies(table, rejected + 1 if expected else 0)
            if expected:
                condition = f"count(*) = {expected[table.name]}"
                name = "copy_accepted_as_in_the_trial"
                steps.append(
                    Step(
                        sql.guard(condition, name, sql.copied(table.name)),
                        "The files changed while they were loaded.",
                        "Nothing was loaded. Run the command again.",
                    )
                )
        steps += map(Step, self._delete_previous_versions())
        for table in tables:
            steps.append(Step(sql.accept_statement(table, checked=self.is_compact)))
            if not self.is_compact:
                steps.append(Step(sql.quarantine_statement(table)))
        if rejections:
            steps.append(Step(sql.reject_statement()))
        steps.append(self.limit())
        parts = {table.name: f"{self.source.root}/{table.part}" for table in tables}
        first = {table.name: self.of_table(table)[0].file.path for table in tables}
        steps.append(Step(sql.history_insert(parts, first, counted=self.is_compact)))
        return steps

    def limit(self) -> Step:
        """Return the step that fails if more records are rejected than allowed."""
        return Step(
            sql.guard(
                f"count(*) <= {self.max_rejects}",
                "few_enough_records_are_refused",
                f"{raw('rejected_records')}\n"
                f"where loaded_at = (select loaded_at from {sql.THIS_LOAD})",
            ),
            f"More than {self.max_rejects} records were rejected, some by rules that"
            " COPY does not check.",
            "Nothing was loaded. Use --compact to see their files and lines, or allow"
            " more with --max-rejects.",
        )

    def copies(self, table: RawTable, max_errors: int) -> list[Step]:
        """Return the steps that copy a table's files into its temporary table."""
        columns = [column.name for column in table.columns]
        columns += ["source_path"] if self.is_compact else []
        into = sql.copied(table.name)
        return [
            Step(sql.landing_statement(table)),
            *(
                Step(sql.copy_statement(into, columns, origin, self.role, max_errors))
                for origin in self.origins(table)
            ),
        ]

    def _delete_previous_versions(self) -> list[str]:
        statements = []
        for table, moments in self.whole_loads.items():
            statements += sql.delete_loads_statements(table, moments)
        replaced = [new for new in self.files if new.replaces]
        if replaced:
            names = [table.name for table in tables_of(replaced)]
            statements += sql.delete_files_statements(names)
        return statements

    def fill(
        self, table: str, columns: Mapping[str, str], rows: Sequence[Mapping[str, Any]]
    ) -> list[Step]:
        """Return the steps that create a temporary table with rows.

        With ``staging``, COPY reads the rows from its files.
        """
        steps = [Step(sql.side_table(table, columns))]
        if self.staging:
            address = self.staging.address(f"{self.id}/{table}.json")
            origin = Origin(address, False, "", self.region, "auto")  # noqa: FBT003 -- in field order
            into = quote_identifier(table)
            return [*steps, Step(sql.copy_statement(into, columns, origin, self.role))]
        values = [list(row.values()) for row in rows]
        return steps + [Step(text) for text in sql.insert_statements(table, values)]

    def file_rows(self) -> list[dict[str, Any]]:
        """Return the rows of the temporary table of new files."""
        return [
            {
                "table_name": new.table.name,
                "path": new.file.path,
                "size_bytes": new.file.size,
                "version": new.file.version,
                "is_new_version": new.replaces,
            }
            for new in self.files
        ]

    def write_lists(
        self, parts: Mapping[str, list[str]], rejections: Sequence[Rejection]
    ) -> None:
        """Write manifests and lists to ``staging``, if it is set.

        ``parts`` contains the addresses of compacted files, by table. Raises
        SparkifyError if a file cannot be written.
        """
        if self.staging is None:
            return
        self._write(f"{sql.NEW_FILES}.json", json_lines(self.file_rows()))
        if rejections:
            rows = json_lines(reject_rows(rejections))
            self._write(f"{sql.NEW_REJECTS}.json", rows)
        for table in tables_of(self.files):
            for origin in self.origins(table):
                addresses = parts.get(table.name) or [
                    f"{self.source.root}/{new.file.path}"
                    for new in self.of_table(table)
                    if COMPRESSIONS[compression_of(new.file.path)] == origin.compression
                ]
                name = origin.address.rpartition("/")[2]
                self._write(name, sql.manifest_text(addresses).encode())

    def _write(self, name: str, content: bytes) -> None:
        assert self.staging is not None  # noqa: S101 -- for the type checker
        self.staging.write(f"{self.id}/{name}", io.BytesIO(content))


def reject_rows(rejections: Iterable[Rejection]) -> list[dict[str, Any]]:
    """Return the rows of rejected records, with texts cut to the columns' lengths."""
    return [
        {
            "table_name": r.table,
            "path": r.path or None,
            "line_number": r.line or None,
            "reason": cut(r.reason, sql.MAX_REASON_BYTES),
            "raw_text": cut(r.raw, sql.MAX_RAW_BYTES),
        }
        for r in rejections
    ]


def cut(text: str, size: int) -> str:
    """Return the beginning of a text, at most ``size`` bytes of UTF-8."""
    return text.encode()[:size].decode(errors="ignore")
