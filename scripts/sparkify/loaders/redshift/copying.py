"""The raw tables in Redshift: COPY reads S3, a load is one batch of the Data API."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from functools import cached_property, partial
from itertools import groupby
from operator import attrgetter
from typing import Any

from sparkify.errors import SparkifyError, printable
from sparkify.loaders import (
    LoadedFile,
    LoadOptions,
    LoadResult,
    NewFile,
    tables_of,
)
from sparkify.loaders.bookkeeping import Quarantine, Rejection
from sparkify.loaders.redshift import statements as sql
from sparkify.loaders.redshift.compact import Compaction
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
from sparkify.quoting import quote_identifier, quote_redshift_literal
from sparkify.raw.extra_keys import sentences
from sparkify.raw.reader import Record, read_records
from sparkify.raw.rules import RawTable
from sparkify.raw.sources import S3Prefix, Source, compression_of


class CopyWarehouse:
    """The raw tables in Redshift, filled by COPY."""

    is_external = False

    def __init__(self, target: Mapping[str, Any]) -> None:
        """Take the profile's target, with the options of the command."""
        address = address_of(target)
        self.api = DataApi(address, float(target.get("timeout") or TIMEOUT_MINUTES))
        self.warehouse = repr(sorted(address.where.items()))
        self.role = setting("ROLE")
        compact = str(target.get("compact") or setting("COMPACT"))
        place = compact or str(target.get("manifest") or setting("MANIFEST"))
        self.is_compact = bool(compact)
        self.place = _place(place) if place else None
        self._seen: str | None = None
        self._moments: dict[tuple[str, str], str] = {}

    @cached_property
    def grant_to(self) -> str:
        """The user as whom dbt logs in, if that is another one than here; '' if not."""
        if self.api.address.asks_for_user:
            return self.api.user_of_identity()
        return self.api.address.grant_to

    def close(self) -> None:
        """Let go of nothing: the Data API holds no connection."""

    def history(self) -> Sequence[LoadedFile]:
        """List what is loaded; nothing where there are no raw tables yet."""
        self._seen, self._moments = "", {}
        if not self._exists():
            return []
        rows = self.api.rows(f"{sql.history_statement()} order by loaded_at")
        self._moments = {(row[1], row[2]): row[6] for row in rows}
        self._seen = rows[-1][6] if rows else ""
        return [LoadedFile(*row[:6]) for row in rows]

    def _exists(self) -> bool:
        """Tell whether there are raw tables, of the kind that this run is for."""
        kinds = dict(self.api.rows(sql.kinds_statement()))
        if "load_history" not in kinds:
            return False
        if ("view" in kinds.values()) != self.is_external:
            raise SparkifyError(
                "The raw tables of this warehouse are"
                f" {'copies' if self.is_external else 'views on files in S3'}.",
                "Start over with --reset, or"
                f" {'leave --external out' if self.is_external else 'add --external'}.",
            )
        return True

    def create_tables(self) -> None:
        """Create the raw tables that are missing."""
        try:
            self.api.run([Step(text) for text in self.create_statements()])
        except FailedStatementError:
            if not self._exists():  # else another command created them just now
                raise

    def create_statements(self) -> list[str]:
        """Give the statements that create the raw tables, and let dbt build."""
        create = sql.create_statements()
        if not self.api.address.asks_for_user:
            return create + sql.grants(RAW, self.grant_to)
        database = self.api.address.where["Database"]
        is_known = bool(self.api.rows(sql.user_statement(self.grant_to)))
        return create + sql.rights_statements(
            self.grant_to, database, is_known=is_known
        )

    def _let_identity_build(self) -> None:
        """Let the user of an IAM identity build, if another one loaded before."""
        if self.api.address.asks_for_user:
            database = self.api.address.where["Database"]
            if not self.api.rows(sql.may_build_statement(self.grant_to, database)):
                self.create_tables()

    def reset(self) -> None:
        """Drop the raw tables."""
        drop = f"drop schema if exists {quote_identifier(RAW)} cascade"
        self.api.run([Step(drop)])
        self._seen, self._moments = "", {}

    def count_rows(self, schema: str, tables: Iterable[str]) -> dict[str, int]:
        """Count the rows of tables that exist."""
        names = list(tables)
        return dict(self.api.rows(sql.count_statement(schema, names))) if names else {}

    def statements(self, source: Source, files: Sequence[NewFile]) -> Sequence[str]:
        """Give the SQL of a load in which no record is refused, for --dry-run."""
        if not files:
            return self.create_statements()
        load = self._prepare(source, files, LoadOptions(max_rejects=0))
        return [*self.create_statements(), *(step.sql for step in load.steps())]

    def load(
        self, source: Source, files: Sequence[NewFile], options: LoadOptions
    ) -> LoadResult:
        """Load files in one transaction, with history and rejects, or nothing."""
        load = self._prepare(source, files, options)
        if not self._moments:
            self.create_tables()
        self._let_identity_build()
        if load.is_compact:
            return self._load_compacted(load, options)
        result = self._load_copied(load)
        check_nothing_moved(load, may_grow=load.place is not None)
        options.on_file(sum(new.file.size for new in load.files))
        return result

    def _prepare(
        self, source: Source, files: Sequence[NewFile], options: LoadOptions
    ) -> Load:
        """Find out how a load is done. Raises SparkifyError if it cannot be."""
        if self._seen is None:
            self.history()
        if not isinstance(source, S3Prefix) and not self.is_compact:
            raise SparkifyError(
                f"Redshift's COPY reads S3, and {source.root} is a folder.",
                "Name an s3:// address with --data, or a place in S3 where its records"
                " may be written with --compact s3://bucket/prefix.",
            )
        place = self.place
        whole_loads: dict[str, list[str]] = {}
        if not self.is_external:
            files, whole_loads = self._with_whole_loads(source, files)
        if place is None and not self.is_external:
            assert isinstance(source, S3Prefix)  # noqa: S101 -- for the type checker
            for table in tables_of(files):
                _check_prefix(source, table, files)
        if self.is_compact and place:
            region = place.region()
        else:
            region = source.region() if isinstance(source, S3Prefix) else ""
            if place and place.region() != region:
                raise SparkifyError(
                    f"{place.root} is in {place.region()}, and the data in {region}.",
                    f"Name a place of {region} with --manifest.",
                )
        return Load(
            source=source,
            files=tuple(files),
            seen=self._seen or "",
            place=place,
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
        """Add the files that came in one load with an earlier version of these.

        COPY does not tell a record's file, so such a load is replaced as a whole.
        """
        found = list(files)
        whole_loads: dict[str, list[str]] = {}
        for table in tables_of([new for new in files if new.replaces]):
            mine = {new.file.path for new in files if new.table == table}
            moments = {
                self._moments[table.name, new.file.path]
                for new in files
                if new.table == table and new.replaces
            }
            listed = ", ".join(map(quote_redshift_literal, sorted(moments)))
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
                for (name, path), moment in self._moments.items()
                if name == table.name and moment in whole and path not in mine
            }
            here = {file.path: file for file in source.list_part(table.part).files}
            gone = sorted(others - set(here))
            if gone:
                raise SparkifyError(
                    f"A new version can't replace its rows alone: {gone[0]} came with"
                    f" the earlier one, and is not in {source.root} any more.",
                    "Put it back, or start over with --reset and --compact.",
                )
            found += [NewFile(table, here[p], replaces=True) for p in sorted(others)]
            if whole:
                whole_loads[table.name] = whole
            if others:
                print(
                    f"{len(others):,} more files of {table.part} are loaded again: they"
                    " came together with an earlier version, and COPY tells no record's"
                    " file."
                )
        return found, whole_loads

    def _load_compacted(self, load: Load, options: LoadOptions) -> LoadResult:
        quarantine = Quarantine(load.max_rejects)
        place = load.place
        assert place is not None  # noqa: S101 -- for the type checker
        work = [Compaction(table, place, load.id) for table in tables_of(load.files)]
        parts = {
            compaction.table.name: compaction.run(
                load.source,
                load.of_table(compaction.table),
                quarantine,
                options.on_file,
            )
            for compaction in work
        }
        rejections = quarantine.rejections
        load.write_lists(parts, rejections)
        remarks = sentences(compaction.extra for compaction in work)
        return replace(self._run(load, load.steps(rejections)), remarks=remarks)

    def _load_copied(self, load: Load) -> LoadResult:
        """Load by COPY alone: at first as if all records were good."""
        load.write_lists({}, ())
        steps = load.steps()
        try:
            return self._run(load, steps)
        except FailedStatementError as error:
            if not steps[error.index].sql.startswith("copy "):
                raise
            # The Data API need not tell the query of a statement that failed.
            query = error.query_ids[error.index]
            refused = self._refusals(load, [query]) if query else []
            if query and not refused:
                raise
            if refused and not load.max_rejects:
                _refuse_all(refused, load.max_rejects)
            rejections, taken = self._try_out(load)
            if not rejections:
                raise
        _refuse_all(rejections, load.max_rejects)
        load.write_lists({}, rejections)
        return self._run(load, load.steps(rejections, taken), "-rejects")

    def _run(self, load: Load, steps: Sequence[Step], suffix: str = "") -> LoadResult:
        """Run a load's batch, and read in the history what came of it."""
        size = sum(len(step.sql.encode()) for step in steps)
        if len(steps) > sql.MAX_STATEMENTS or size > MAX_BATCH_BYTES:
            raise SparkifyError(
                "The list of files and rejects is too long for statements.",
                "Name a place in S3 for it with --manifest s3://bucket/prefix.",
            )
        self.api.run(steps, f"sparkify-{load.id}{suffix}")
        ((files, loaded, rejected),) = self.api.rows(sql.result_statement(load.id))
        if not files:
            raise SparkifyError(
                "Redshift ran the load, but the history does not have it.",
                "Repeat the command; what is loaded is not loaded again.",
            )
        return LoadResult(int(files), int(loaded), int(rejected))

    def _try_out(self, load: Load) -> tuple[list[Rejection], dict[str, int]]:
        """Copy into tables that nobody keeps, to learn which records are refused."""
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
        taken = {
            table: int(self.api.result(finished, index)[0][0])
            for table, index in counts.items()
        }
        return self._refusals(load, copies), taken

    def _refusals(self, load: Load, query_ids: Sequence[int]) -> list[Rejection]:
        """Ask which lines COPY refused, and look them up in their files.

        The reason is in our own words where a rule of ours refuses the line too.
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
                    f"COPY refuses line {line} of {name}, a file that is not known here"
                    f" ({column} {message}).",
                    "Nothing was loaded: mend the file, or load with --compact.",
                )
            reason = f"{column} {message}".strip()
            reasons.setdefault(new, {}).setdefault(int(line), []).append(reason)
        return [
            rejection
            for new, lines in reasons.items()
            for rejection in _look_up(load.source, new, lines)
        ]


def _place(address: str) -> S3Prefix:
    if not address.startswith("s3://"):
        raise SparkifyError(
            f"{address} is no place in S3.", "Write s3://bucket/prefix."
        )
    return S3Prefix(address)


def _check_prefix(source: S3Prefix, table: RawTable, files: Sequence[NewFile]) -> None:
    """See that COPY may take all of a prefix. Raises SparkifyError if it may not."""
    listing = source.list_part(table.part)
    mine = {new.file.path for new in files if new.table == table}
    compressions = {compression_of(path) for path in mine}
    here = {file.path for file in listing.files}
    if here != mine or listing.skipped or len(compressions) > 1:
        raise SparkifyError(
            f"Not all that lies below {source.root}/{table.part} is new and of one"
            " kind, so COPY needs a list of files.",
            "Name a place in S3 for that list with --manifest s3://bucket/prefix.",
        )


def check_nothing_moved(load: Load, *, may_grow: bool) -> None:
    """See that Redshift read what was listed: it takes whatever lies there by then.

    ``may_grow`` if it takes none but the listed files.
    """
    for table in tables_of(load.files):
        mine = {new.file.path: new.file for new in load.of_table(table)}
        for file in load.source.list_part(table.part).files:
            if file != mine.get(file.path, file):
                raise SparkifyError(
                    f"{file.path} changed while it was loaded.",
                    "Repeat the command: it is loaded again, in its new version.",
                )
            if not may_grow and file.path not in mine:
                raise SparkifyError(
                    f"{file.path} arrived while its prefix was loaded, and may be"
                    " loaded.",
                    "Start over with --reset, and name a place for a list of files"
                    " with --manifest, which makes COPY take just those.",
                )


def _refuse_all(rejections: Sequence[Rejection], limit: int) -> None:
    """Count rejections. Raises SparkifyError if there are more than the limit."""
    if len(rejections) > limit:
        first = rejections[0]
        raise SparkifyError(
            f"More than {limit} records were refused, the first in"
            f" {printable(first.path)}, line {first.line}"
            f" ({printable(first.reason)}): {printable(first.raw[:200])}",
            "Nothing was loaded: mend the files, or allow more with --max-rejects.",
        )


def _look_up(
    source: Source, new: NewFile, refusals: Mapping[int, Sequence[str]]
) -> Iterable[Rejection]:
    """Find refused records in a file, by a line of each, as the quarantine shows them.

    Of several records on a line the one is taken that a rule of ours refuses likewise.
    """
    table, path = new.table, new.file.path
    names = [column.name for column in table.columns]
    with source.fetch([new.file], lambda _: None) as (local,):
        records = partial(read_records, table, local, path, has_arrays=False)
        starts = sorted({record.line for record in records()})
        reasons: dict[int, list[str]] = {}
        for line, given in refusals.items():
            place = bisect_right(starts, line)
            reasons.setdefault(starts[place - 1] if place else line, []).extend(given)
        for line, group in groupby(records(), attrgetter("line")):
            if line in reasons:
                here = list(group)
                for given in reasons.pop(line)[: len(here)]:
                    record = min(here, key=partial(_unlikeness, given))
                    here.remove(record)
                    values = dict(zip(names, record.values or (), strict=False))
                    yield Rejection(
                        table.name,
                        path,
                        line,
                        record.reason or given,
                        record.text or str(values),
                    )
        for line, (given, *_) in reasons.items():
            yield Rejection(table.name, path, line, given, "")


def _unlikeness(given: str, record: Record) -> tuple[bool, ...]:
    """Rank a record by how little its reason is like one that COPY gave.

    COPY's begins with the column, if it is for one, and ours with "not" if not.
    """
    column, _, _ = given.lower().partition(" ")
    reason = record.reason.lower()
    return (
        not reason.startswith(f"{column} "),
        not reason.startswith("not "),
        not reason,
    )
