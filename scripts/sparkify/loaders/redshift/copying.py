"""Load the raw tables of Redshift with COPY, in one batch of the Data API."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from functools import cached_property, partial
from itertools import groupby
from operator import attrgetter
from typing import Any

from sparkify.loaders import LoadedFile, LoadOptions, LoadResult, NewFile, tables_of
from sparkify.loaders.bookkeeping import Rejection
from sparkify.loaders.redshift import statements as sql
from sparkify.loaders.redshift.compact import write_parts
from sparkify.loaders.redshift.data_api import (
    MAX_BATCH_BYTES,
    TIMEOUT_MINUTES,
    DataApi,
    address_of,
    setting,
)
from sparkify.loaders.redshift.errors import FailedStatementError
from sparkify.loaders.redshift.load import Load
from sparkify.loaders.redshift.statements import Step
from sparkify.loaders.schema import RAW, raw
from sparkify.raw.reader import Record, read_records
from sparkify.raw.rules import RawTable
from sparkify.raw.sources import S3Prefix, Source, compression_of
from sparkify.shared.errors import SparkifyError, printable
from sparkify.shared.quoting import quote_identifier, quote_redshift_literal


class CopyLoader:
    """The raw tables in Redshift, loaded with COPY."""

    is_external = False

    def __init__(self, target: Mapping[str, Any]) -> None:
        """Set the profile's target, which includes the command's options."""
        address = address_of(target)
        self.api = DataApi(address, float(target.get("timeout") or TIMEOUT_MINUTES))
        self.warehouse = repr(sorted(address.where.items()))
        self.role = setting("ROLE")
        compact = str(target.get("compact") or setting("COMPACT"))
        prefix = compact or str(target.get("manifest") or setting("MANIFEST"))
        self.is_compact = bool(compact)
        self.staging = _staging(prefix) if prefix else None
        self._seen: str | None = None
        self._load_times: dict[tuple[str, str], str] = {}

    @cached_property
    def grant_to(self) -> str:
        """The database user of dbt, if it differs from the Data API's user, or ''."""
        if self.api.address.asks_for_user:
            return self.api.user_of_identity()
        return self.api.address.grant_to

    def close(self) -> None:
        """Do nothing: the Data API is connectionless."""

    def history(self) -> Sequence[LoadedFile]:
        """Return the loaded files, none if the raw tables do not exist."""
        self._seen, self._load_times = "", {}
        if not self._exists():
            return []
        rows = self.api.rows(f"{sql.history_statement()} order by loaded_at")
        self._load_times = {(row[1], row[2]): row[6] for row in rows}
        self._seen = rows[-1][6] if rows else ""
        return [LoadedFile(*row[:6]) for row in rows]

    def _exists(self) -> bool:
        """Return whether the raw tables exist.

        Raises SparkifyError if they are views and --external is not set, or vice versa.
        """
        kinds = dict(self.api.rows(sql.kinds_statement()))
        if "load_history" not in kinds:
            return False
        if ("view" in kinds.values()) != self.is_external:
            raise SparkifyError(
                "The raw tables of this warehouse are"
                f" {'copies' if self.is_external else 'views on files in S3'}.",
                "Start over with --reset, or"
                f" {'omit --external' if self.is_external else 'add --external'}.",
            )
        return True

    def create_tables(self) -> None:
        """Create missing raw tables."""
        try:
            self.api.run([Step(text) for text in self.create_statements()])
        except FailedStatementError:
            if not self._exists():  # Another command may have created them.
                raise

    def create_statements(self) -> list[str]:
        """Return the statements that create the raw tables and grant rights to dbt."""
        create = sql.create_statements()
        if not self.api.address.asks_for_user:
            return create + sql.grants(RAW, self.grant_to)
        database = self.api.address.where["Database"]
        is_known = bool(self.api.rows(sql.user_statement(self.grant_to)))
        return create + sql.rights_statements(
            self.grant_to, database, is_known=is_known
        )

    def _let_identity_build(self) -> None:
        """Grant rights to the IAM identity's user if it does not have them."""
        if self.api.address.asks_for_user:
            database = self.api.address.where["Database"]
            if not self.api.rows(sql.may_build_statement(self.grant_to, database)):
                self.create_tables()

    def reset(self) -> None:
        """Drop the raw tables."""
        drop = f"drop schema if exists {quote_identifier(RAW)} cascade"
        self.api.run([Step(drop)])
        self._seen, self._load_times = "", {}

    def count_rows(self, schema: str, tables: Iterable[str]) -> dict[str, int]:
        """Return the number of rows of each table. All tables must exist."""
        names = list(tables)
        return dict(self.api.rows(sql.count_statement(schema, names))) if names else {}

    def statements(self, source: Source, files: Sequence[NewFile]) -> Sequence[str]:
        """Return the SQL of a load without rejected records, for --dry-run."""
        if not files:
            return self.create_statements()
        load = self._prepare(source, files, LoadOptions(max_rejects=0))
        return [*self.create_statements(), *(step.sql for step in load.steps())]

    def load(
        self, source: Source, files: Sequence[NewFile], options: LoadOptions
    ) -> LoadResult:
        """Load files, history and rejected records in one transaction."""
        load = self._prepare(source, files, options)
        if not self._load_times:
            self.create_tables()
        self._let_identity_build()
        if load.is_compact:
            return self._load_compacted(load, options)
        result = self._load_copied(load)
        check_unchanged(load, may_grow=load.staging is not None)
        options.on_file(sum(new.file.size for new in load.files))
        return result

    def _prepare(
        self, source: Source, files: Sequence[NewFile], options: LoadOptions
    ) -> Load:
        """Return a load. Raises SparkifyError if its data cannot be read from S3."""
        if self._seen is None:
            self.history()
        if not isinstance(source, S3Prefix) and not self.is_compact:
            raise SparkifyError(
                f"COPY reads from S3, but {source.root} is a folder.",
                "Use an s3:// address with --data, or an S3 prefix for its records with"
                " --compact s3://bucket/prefix.",
            )
        staging = self.staging
        whole_loads: dict[str, list[str]] = {}
        if not self.is_external:
            files, whole_loads = self._with_whole_loads(source, files)
        if staging is None and not self.is_external:
            assert isinstance(source, S3Prefix)  # noqa: S101 -- for the type checker
            for table in tables_of(files):
                _check_prefix(source, table, files)
        if self.is_compact and staging:
            region = staging.region()
        else:
            region = source.region() if isinstance(source, S3Prefix) else ""
            if staging and staging.region() != region:
                raise SparkifyError(
                    f"{staging.root} is in {staging.region()}, but the data is in"
                    f" {region}.",
                    f"Name an S3 prefix in {region} with --manifest.",
                )
        return Load(
            source=source,
            files=tuple(files),
            seen=self._seen or "",
            staging=staging,
            is_compact=self.is_compact,
            region=region,
            role=self.role,
            max_rejects=options.max_rejects,
            warehouse=self.warehouse,
            whole_loads=whole_loads,
        )

    def _with_whole_loads(
        self, source: Source, files: Sequence[NewFile]
    ) -> tuple[list[NewFile], dict[str, list[str]]]:
        """Add the files that were loaded together with a previous version of a file.

        COPY does not store the file of a record, so all files of such a load are
        reloaded. Return all files, and the times of the replaced loads by table. Raises
        SparkifyError if an added file no longer exists.
        """
        found = list(files)
        whole_loads: dict[str, list[str]] = {}
        for table in tables_of([new for new in files if new.replaces]):
            paths = {new.file.path for new in files if new.table == table}
            load_times = {
                self._load_times[table.name, new.file.path]
                for new in files
                if new.table == table and new.replaces
            }
            listed = ", ".join(map(quote_redshift_literal, sorted(load_times)))
            whole = [
                row[0]
                for row in self.api.rows(
                    f"select distinct cast(loaded_at as varchar(32)) from"
                    f" {raw(table.name)}\nwhere source_path is null"
                    f" and loaded_at in ({listed}) order by 1"
                )
            ]
            others = {
                path
                for (name, path), loaded_at in self._load_times.items()
                if name == table.name and loaded_at in whole and path not in paths
            }
            by_path = {file.path: file for file in source.list_part(table.part).files}
            lost = sorted(others - set(by_path))
            if lost:
                raise SparkifyError(
                    f"{lost[0]} has to be reloaded, because it was loaded together with"
                    " the previous version of a changed file, but it is no longer in"
                    f" {source.root}.",
                    "Restore it, or start over with --reset and --compact.",
                )
            found += [NewFile(table, by_path[p], replaces=True) for p in sorted(others)]
            if whole:
                whole_loads[table.name] = whole
            if others:
                print(
                    f"{len(others):,} more files of {table.part} are reloaded, because"
                    " they were loaded together with a previous version and COPY does"
                    " not store the file of a record."
                )
        return found, whole_loads

    def _load_compacted(self, load: Load, options: LoadOptions) -> LoadResult:
        assert load.staging is not None  # noqa: S101 -- for the type checker
        parts, rejections, read = write_parts(
            load.source, load.files, options, load.staging, load.id
        )
        load.write_lists(parts, rejections)
        result = self._run(load, load.steps(rejections))
        return replace(result, remarks=read.remarks)

    def _load_copied(self, load: Load) -> LoadResult:
        """Load with COPY. If it fails, find rejected records in a trial and reload."""
        load.write_lists({}, ())
        steps = load.steps()
        try:
            return self._run(load, steps)
        except FailedStatementError as error:
            if not steps[error.index].sql.startswith("copy "):
                raise
            # The Data API may not return the query id of a failed statement.
            query = error.query_ids[error.index]
            rejected = self._rejections(load, [query]) if query else []
            if query and not rejected:
                raise
            if rejected and not load.max_rejects:
                _check_limit(rejected, load.max_rejects)
            rejections, counts = self._try_out(load)
            if not rejections:
                raise
        _check_limit(rejections, load.max_rejects)
        load.write_lists({}, rejections)
        return self._run(load, load.steps(rejections, counts), "-rejects")

    def _run(self, load: Load, steps: Sequence[Step], suffix: str = "") -> LoadResult:
        """Run the batch of a load, and return the counts from the load history."""
        size = sum(len(step.sql.encode()) for step in steps)
        if len(steps) > sql.MAX_STATEMENTS or size > MAX_BATCH_BYTES:
            raise SparkifyError(
                "The list of files and rejected records is too long for SQL.",
                "Name an S3 prefix for it with --manifest s3://bucket/prefix.",
            )
        self.api.run(steps, f"sparkify-{load.id}{suffix}")
        ((files, loaded, rejected),) = self.api.rows(sql.result_statement(load.id))
        if not files:
            raise SparkifyError(
                "Redshift ran the load, but it is not in raw.load_history.",
                "Run the command again. Loaded files are not loaded twice.",
            )
        return LoadResult(int(files), int(loaded), int(rejected))

    def _try_out(self, load: Load) -> tuple[list[Rejection], dict[str, int]]:
        """Copy into temporary tables.

        Return the rejected records, and the number of accepted records by table.
        """
        tables = tables_of(load.files)
        steps: list[Step] = []
        counts: dict[str, int] = {}
        for table in tables:
            steps += load.copies(table, sql.MAX_COPY_ERRORS)
            counts[table.name] = len(steps)
            steps.append(Step(f"select count(*) from {sql.copied(table.name)}"))
        finished = self.api.run(steps)
        copies = [
            number
            for step, number in zip(steps, finished.query_ids, strict=True)
            if step.sql.startswith("copy ")
        ]
        accepted = {
            table: int(self.api.result(finished, index)[0][0])
            for table, index in counts.items()
        }
        return self._rejections(load, copies), accepted

    def _rejections(self, load: Load, query_ids: Sequence[int]) -> list[Rejection]:
        """Return the records that COPY rejected, with the text from their files.

        The reason is from the project's rules, or from COPY if they accept the record.
        """
        rows = self.api.rows(sql.errors_statement(query_ids))
        by_address = {
            f"{load.source.root}/{new.file.path}"[: sql.MAX_FILE_NAME]: new
            for new in load.files
        }
        reasons: dict[NewFile, dict[int, list[str]]] = {}
        for name, line, column, message in rows:
            new = by_address.get(name)
            if new is None:
                raise SparkifyError(
                    f"COPY rejected line {line} of {name}, which is not one of the"
                    f" listed files ({column} {message}).",
                    "Nothing was loaded. Fix the file, or load with --compact.",
                )
            reason = f"{column} {message}".strip()
            reasons.setdefault(new, {}).setdefault(int(line), []).append(reason)
        return [
            rejection
            for new, lines in reasons.items()
            for rejection in _look_up(load.source, new, lines)
        ]


def _staging(address: str) -> S3Prefix:
    if not address.startswith("s3://"):
        raise SparkifyError(
            f"{address} is not an S3 address.", "Use s3://bucket/prefix."
        )
    return S3Prefix(address)


def _check_prefix(source: S3Prefix, table: RawTable, files: Sequence[NewFile]) -> None:
    """Raise SparkifyError unless COPY can load a prefix without a manifest."""
    listing = source.list_part(table.part)
    paths = {new.file.path for new in files if new.table == table}
    compressions = {compression_of(path) for path in paths}
    listed = {file.path for file in listing.files}
    if listed != paths or listing.skipped or len(compressions) > 1:
        raise SparkifyError(
            f"{source.root}/{table.part} contains files that are already loaded, not"
            " JSON, or in another compression, so COPY needs a manifest.",
            "Name an S3 prefix for it with --manifest s3://bucket/prefix.",
        )


def check_unchanged(load: Load, *, may_grow: bool) -> None:
    """Raise SparkifyError if a file changed or, unless ``may_grow``, was added.

    Redshift reads the files that exist when it runs. ``may_grow`` is for loads that
    read only listed files.
    """
    for table in tables_of(load.files):
        planned = {new.file.path: new.file for new in load.of_table(table)}
        for file in load.source.list_part(table.part).files:
            if file != planned.get(file.path, file):
                raise SparkifyError(
                    f"{file.path} changed while it was loaded.",
                    "Run the command again to load its new version.",
                )
            if not may_grow and file.path not in planned:
                raise SparkifyError(
                    f"{file.path} was added while its prefix was loaded, and may be"
                    " loaded without being in the history.",
                    "Start over with --reset and with --manifest s3://bucket/prefix, so"
                    " that COPY loads listed files only.",
                )


def _check_limit(rejections: Sequence[Rejection], limit: int) -> None:
    """Raise SparkifyError if there are more rejected records than the limit."""
    if len(rejections) > limit:
        first = rejections[0]
        raise SparkifyError(
            f"More than {limit} records were rejected, the first in"
            f" {printable(first.path)}, line {first.line}"
            f" ({printable(first.reason)}): {printable(first.raw[:200])}",
            "Nothing was loaded. Fix the files, or allow more with --max-rejects.",
        )


def _look_up(
    source: Source, new: NewFile, rejected: Mapping[int, Sequence[str]]
) -> Iterable[Rejection]:
    """Yield the rejected records of a file. ``rejected`` has COPY's reasons by line.

    In a line with several records, choose the record whose reason is most like COPY's.
    """
    table, path = new.table, new.file.path
    names = [column.name for column in table.columns]
    with source.fetch([new.file], lambda _: None) as (local,):
        records = partial(read_records, table, local, path, has_arrays=False)
        starts = sorted({record.line for record in records()})
        reasons: dict[int, list[str]] = {}
        for line, of_line in rejected.items():
            index = bisect_right(starts, line)
            reasons.setdefault(starts[index - 1] if index else line, []).extend(of_line)
        for line, group in groupby(records(), attrgetter("line")):
            if line in reasons:
                left = list(group)
                for reason in reasons.pop(line)[: len(left)]:
                    record = min(left, key=partial(_unlikeness, reason))
                    left.remove(record)
                    values = dict(zip(names, record.values or (), strict=False))
                    text = record.text or str(values)
                    yield Rejection(
                        table.name, path, line, record.reason or reason, text
                    )
        for line, (reason, *_) in reasons.items():
            yield Rejection(table.name, path, line, reason, "")


def _unlikeness(copy_reason: str, record: Record) -> tuple[bool, ...]:
    """Return a sort key that is smallest for the reason most like COPY's.

    COPY's reason begins with the column that it is about. Without a column, the
    project's reason begins with "not".
    """
    column, _, _ = copy_reason.lower().partition(" ")
    reason = record.reason.lower()
    return (
        not reason.startswith(f"{column} "),
        not reason.startswith("not "),
        not reason,
    )
