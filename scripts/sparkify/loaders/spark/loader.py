"""The raw layer in a lake of Parquet: Spark parses the files, each of them once."""

from __future__ import annotations

import re
import uuid
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Final

from sparkify.errors import SparkifyError
from sparkify.loaders import (
    LoadedFile,
    LoadOptions,
    LoadResult,
    NewFile,
    tables_of,
)
from sparkify.loaders.bookkeeping import Quarantine, batches, book, load_time
from sparkify.loaders.schema import HISTORY, RAW, REJECTED, STAGING
from sparkify.loaders.spark import session
from sparkify.loaders.spark.lake import COMMITTED, RECORDS, Lake
from sparkify.quoting import quote_identifier, quote_literal
from sparkify.raw.extra_keys import ExtraKeys, sentences
from sparkify.raw.reader import count_lines, read_records, suits_parser
from sparkify.raw.rules import (
    MAX_TEXT_BYTES,
    TEXT,
    Kind,
    RawTable,
    plain_line,
)
from sparkify.raw.sources import Source

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

LAKE: Final = "lake"
"""The schema of the tables that lie below the views of the schema raw."""

PARTITIONS_IN_CATALOGUE: Final = "spark.sql.hive.manageFilesourcePartitions"

CAREFUL_LINES: Final = 200_000

MAX_PLAIN_BYTES: Final = 16 << 10
"""Longer lines are left to the rules: a pattern takes a stack for what it repeats."""

HALF_OF_PAIR: Final = r"\\u[dD][89a-fA-F]"
"""Escapes of surrogates, of which Spark's parser takes halves too."""


def open_warehouse(target: dict[str, Any]) -> SparkWarehouse:
    """Open the lake of the profile's target."""
    return SparkWarehouse(target)


@contextmanager
def _told_plainly() -> Iterator[None]:
    """Say what Spark could not do, in place of a traceback."""
    from py4j.protocol import Py4JError
    from pyspark.errors import PySparkException

    try:
        yield
    except (PySparkException, Py4JError) as error:
        reason = str(error).strip().splitlines()[0].rstrip(".")
        raise SparkifyError(
            f"Spark stopped: {reason}.",
            "Nothing of this run was loaded; mend the cause and repeat the command.",
        ) from error


class SparkWarehouse:
    """The raw tables in a lake, which one process at a time may write."""

    def __init__(self, target: dict[str, Any]) -> None:
        """Take the profile's target; Spark is started when it is needed."""
        self.target = target
        self.lake = Lake(session.lake_of(target))

    @property
    def session(self) -> SparkSession:
        """The session on the lake. Waits for another process that has one."""
        return session.start(self.target)

    def close(self) -> None:
        """Leave the session to what follows: it ends with the process."""

    def history(self) -> Sequence[LoadedFile]:
        """List what is loaded; nothing where there are no raw tables yet."""
        columns = (
            *("source", "table_name", "path"),
            *("size_bytes", "version", "rejected_count"),
        )
        return [
            LoadedFile(*(row[column] for column in columns))
            for row in self.lake.history()
        ]

    def statements(self, source: Source, files: Sequence[NewFile]) -> Sequence[str]:
        """Give the SQL of a load; the view lines has the lines of a batch of files."""
        del source
        reads = [read_statement(table) for table in tables_of(files)]
        return [*create_statements(self.lake), *reads]

    def reset(self) -> None:
        """Drop the raw tables."""
        session = self.session
        with _told_plainly():
            self.lake.remove()
            for schema in (RAW, LAKE):
                session.sql(f"drop schema if exists {_quoted(schema)} cascade")

    def count_rows(self, schema: str, tables: Iterable[str]) -> dict[str, int]:
        """Count the rows of tables that exist."""
        session = self.session
        with _told_plainly():
            return {
                table: session.sql(
                    f"select count(*) from {_quoted(schema)}.{_quoted(table)}"
                ).collect()[0][0]
                for table in tables
            }

    def create_tables(self) -> None:
        """Create the raw tables that are missing."""
        session = self.session
        with _told_plainly():
            self._create(session)

    def load(
        self, source: Source, files: Sequence[NewFile], options: LoadOptions
    ) -> LoadResult:
        """Load files in one commit, with history and rejects, or nothing."""
        session = self.session
        with _told_plainly():
            result = _Load(session, self.lake, source, options).run(files)
            self._create(session)
            return result

    def _create(self, session: SparkSession) -> None:
        self.lake.make_folders()
        # A folder is a partition once it is there: no entry of the catalogue's could be
        # made in one step with the commit.
        session.conf.set(PARTITIONS_IN_CATALOGUE, "false")
        for statement in create_statements(self.lake):
            session.sql(statement)
        session.conf.unset(PARTITIONS_IN_CATALOGUE)
        for table in (*RECORDS, "commits"):
            session.catalog.refreshTable(f"{LAKE}.{table}")


class _Load:
    """One load: what it has in hand until it is committed."""

    def __init__(
        self, session: SparkSession, lake: Lake, source: Source, options: LoadOptions
    ) -> None:
        self.session = session
        self.lake = lake
        self.source = source
        self.options = options
        self.load = uuid.uuid4().hex
        self.by_parser = f"{self.load}-parser"
        self.by_rules = f"{self.load}-rules"
        self.quarantine = Quarantine(options.max_rejects)
        self.extra: dict[str, ExtraKeys] = {}
        self.loaded: dict[tuple[str, str], int] = {}
        self.folders: dict[tuple[str, str], str] = {}

    def run(self, files: Sequence[NewFile]) -> LoadResult:
        self.extra = {table.name: ExtraKeys(table) for table in tables_of(files)}
        self.lake.make_folders()
        self.lake.remove_leftovers()
        self.loaded_at = load_time(self.lake.latest())
        try:
            self._read(files)
            rejections = self.quarantine.rejections
            rows = book(self.source, files, self.loaded, rejections, self.loaded_at)
            self._write_rejections(rows["rejected_records"])
            folders = [self.folders[new.table.name, new.file.path] for new in files]
            history = zip(rows["load_history"], folders, strict=True)
            self.lake.commit(self.load, [(*row, folder) for row, folder in history])
        except BaseException:
            self.lake.remove_leftovers()
            raise
        return LoadResult(
            len(files),
            sum(self.loaded.values()),
            len(rejections),
            sentences(self.extra.values()),
        )

    def _read(self, files: Sequence[NewFile]) -> None:
        for table in tables_of(files):
            mine = [new for new in files if new.table == table]
            lines = {}
            for batch in batches(mine):
                with self.source.fetch(
                    [new.file for new in batch], self.options.on_file
                ) as local:
                    lines.update(self._parse(table, batch, local))
            found = self._found(table)
            odd = []
            for new in mine:
                key = table.name, new.file.path
                if found.get(new.file.path, 0) == lines[new.file.path]:
                    self.folders[key] = self.by_parser
                    self.loaded[key] = lines[new.file.path]
                else:
                    self.folders[key] = self.by_rules
                    odd.append(new)
            self._read_carefully(table, odd)

    def _parse(
        self, table: RawTable, batch: Sequence[NewFile], local: Sequence[str]
    ) -> dict[str, int]:
        """Let Spark read a batch; count each file's lines, -1 if none is for Spark."""
        lines: dict[str, int] = {}
        names: list[tuple[str, str]] = []
        for new, name in zip(batch, local, strict=True):
            count = count_lines(name, new.file.path)
            lines[new.file.path] = count if _suits_parser(name, new.file.path) else -1
            if lines[new.file.path] > 0:
                names.append((name, new.file.path))
        if names:
            uris = [(_uri(name), path) for name, path in names]
            session = self.session
            session.createDataFrame(
                uris, "uri string, path string"
            ).createOrReplaceTempView("files")
            session.read.option("lineSep", "\n").text(
                [name for name, _ in names]
            ).selectExpr("value", "_metadata.file_path as uri").createOrReplaceTempView(
                "lines"
            )
            session.sql(
                read_statement(table),
                args={
                    "plain": java_pattern(table),
                    "half_of_pair": HALF_OF_PAIR,
                    "loaded_at": self.loaded_at.isoformat(sep=" "),
                },
            ).write.mode("append").parquet(self._place(table, self.by_parser))
        return lines

    def _place(self, table: RawTable, folder: str) -> str:
        return str(self.lake.partition(table.name, folder))

    def _found(self, table: RawTable) -> dict[str, int]:
        """Give how many records Spark read of each file, but of files with odd lines.

        These hold a line that is not plain. A file of which another number of lines was
        read than it has is odd too.
        """
        if not self.lake.partition(table.name, self.by_parser).exists():
            return {}
        rows = (
            self.session.read.parquet(self._place(table, self.by_parser))
            .groupBy("source_path")
            .agg({"*": "count", "loaded_at": "count"})
            .toDF("source_path", "lines", "records")
            .filter("lines = records")
            .select("source_path", "lines")
            .collect()
        )
        return {row[0]: row[1] for row in rows}

    def _read_carefully(self, table: RawTable, files: Sequence[NewFile]) -> None:
        """Read files by the rules."""
        rows: list[tuple[Any, ...]] = []
        for batch in batches(files):
            with self.source.fetch(
                [new.file for new in batch], lambda _: None
            ) as local:
                for new, name in zip(batch, local, strict=True):
                    path = new.file.path
                    self.loaded[table.name, path] = 0
                    for record in read_records(
                        table, name, path, self.extra[table.name]
                    ):
                        if record.values is None:
                            self.quarantine.refuse(table, path, record)
                            continue
                        rows.append(
                            (*_values(table, record.values), self.loaded_at, path)
                        )
                        self.loaded[table.name, path] += 1
                        if len(rows) >= CAREFUL_LINES:
                            self._write(table, rows)
                            rows = []
        self._write(table, rows)

    def _write(self, table: RawTable, rows: list[tuple[Any, ...]]) -> None:
        if rows:
            schema = _columns(STAGING[table.name])
            self.session.createDataFrame(rows, schema).coalesce(1).write.mode(
                "append"
            ).parquet(self._place(table, self.by_rules))

    def _write_rejections(self, rows: Sequence[tuple[Any, ...]]) -> None:
        if rows:
            place = self.lake.partition("rejected_records", self.by_rules)
            data = self.session.createDataFrame(list(rows), _columns(REJECTED))
            data.coalesce(1).write.parquet(str(place))


def _values(table: RawTable, texts: Sequence[str | None]) -> list[Any]:
    """Turn a record's texts into values of Python that Spark takes."""
    return [
        None if text is None else _PYTHON[column.kind.sql_type](text)
        for text, column in zip(texts, table.columns, strict=True)
    ]


_TYPES: Final = {"double precision": "double", "timestamp": "timestamp_ntz"}
_PYTHON: Final[dict[str, type[Any]]] = {
    "bigint": int,
    "integer": int,
    "double precision": float,
    "numeric(15, 8)": Decimal,
    TEXT.sql_type: str,
}


def _spark_type(sql_type: str) -> str:
    """Give what Spark calls a type; its text has no length."""
    return _TYPES.get(sql_type, re.sub(r"^varchar.*", "string", sql_type))


def _quoted(name: str) -> str:
    return quote_identifier(name, "`")


def _columns(columns: dict[str, str]) -> str:
    return ", ".join(
        f"{_quoted(name)} {_spark_type(kind)}" for name, kind in columns.items()
    )


def _literal(text: str) -> str:
    return quote_literal(text, escapes=True)


def _suits_parser(local: str, path: str) -> bool:
    """Tell whether Spark can be given a file's name: it expands patterns."""
    if not re.fullmatch(r"[\w ./=@+,~-]+", local, re.ASCII):
        return False
    return suits_parser(local, path)


def _uri(local: str) -> str:
    """Give what Spark calls a file whose name suits it."""
    return "file:" + local.replace(" ", "%20")


def java_pattern(table: RawTable) -> str:
    """Give the Java pattern of lines that need no check, with keys in any order.

    It is that of ``plain_line``, but Java's ``$`` also matches before a last line
    break, and Java repeats a group by calling itself unless it does so possessively.
    """
    pattern = rf"\A{plain_line(table)[1:-1]}\z"
    return pattern.replace(")*", ")*+").replace("]*", "]*+")


def read_statement(table: RawTable) -> str:
    """Give the query that reads the lines of a batch of files.

    Its parameters are :plain and :half_of_pair, which are patterns, and :loaded_at; the
    views lines and files have the lines and what their files are called. A line that is
    not plain becomes a row without loaded_at, which marks its file as odd.
    """
    names = [_quoted(column.name) for column in table.columns]
    structure = ", ".join(
        f"{name} {_spark_type(column.kind.sql_type)}"
        for name, column in zip(names, table.columns, strict=True)
    )
    columns = ",\n".join(
        f"    record.{name}{_positive_zero(column.kind)} as {name}"
        for name, column in zip(names, table.columns, strict=True)
    )
    lengths = ", ".join(
        f"coalesce(octet_length(record.{name}), 0)"
        for name, column in zip(names, table.columns, strict=True)
        if column.kind is TEXT
    )
    width = len(table.columns)
    return f"""with
plain_lines as (
    select /*+ broadcast(files) */
        files.path,
        case
            when octet_length(lines.value) > {MAX_PLAIN_BYTES} then null
            when not is_valid_utf8(lines.value) then null
            when contains(lines.value, '\\\\u') and lines.value rlike :half_of_pair
                then null
            when lines.value rlike :plain then lines.value
        end as value
    from lines
    inner join files on lines.uri = files.uri
),
records as (
    select
        path,
        json_object_keys(value) as keys,
        from_json(
            value,
            {_literal(structure + ", _corrupt_record string")},
            map('mode', 'PERMISSIVE', 'columnNameOfCorruptRecord', '_corrupt_record')
        ) as record
    from plain_lines
)
select /*+ rebalance */
{columns},
    case
        when
            record is not null
            and record._corrupt_record is null
            and size(keys) = {width}
            and size(array_distinct(keys)) = {width}
            and greatest({lengths}) <= {MAX_TEXT_BYTES}
            then cast(:loaded_at as timestamp_ntz)
    end as loaded_at,
    path as source_path
from records"""


def _positive_zero(kind: Kind) -> str:
    return " + 0.0D" if kind.sql_type == "double precision" else ""


def create_statements(lake: Lake) -> list[str]:
    """Give the statements that create the raw tables: views on what is committed."""
    statements = [
        f"create schema if not exists {_quoted(schema)}" for schema in (RAW, LAKE)
    ]
    columns = {**STAGING, "rejected_records": REJECTED}
    statements.extend(
        f"create table if not exists {_below(table)}"
        f" ({_columns(columns[table])}, folder string)"
        " using parquet partitioned by (folder)"
        f" location {_literal(str(lake.folder(table)))}"
        for table in RECORDS
    )
    statements.append(
        f"create table if not exists {_below('commits')} ({_columns(COMMITTED)})"
        f" using json location {_literal(str(lake.commits))}"
    )
    history = ", ".join(map(_quoted, HISTORY))
    latest = f"""(
    select
        {", ".join(map(_quoted, COMMITTED))},
        row_number() over (
            partition by table_name, path order by loaded_at desc
        ) as recency
    from {_below("commits")}
)"""
    statements.append(
        f"create or replace view {_quoted(RAW)}.load_history as\n"
        f"select {history}\nfrom {latest}\nwhere recency = 1"
    )
    for table in RECORDS:
        names = ",\n    ".join(f"records.{_quoted(name)}" for name in columns[table])
        path = "source_path" if table in STAGING else "path"
        statements.append(
            f"create or replace view {_quoted(RAW)}.{_quoted(table)} as\n"
            f"select\n    {names}\nfrom {_below(table)} as records\n"
            f"left semi join {latest} as history\n    on\n"
            "        history.recency = 1\n"
            "        and history.folder = records.folder\n"
            f"        and history.path = records.{path}"
        )
    return statements


def _below(table: str) -> str:
    return f"{_quoted(LAKE)}.{_quoted(table)}"
