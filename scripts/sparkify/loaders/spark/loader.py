"""Load the raw tables of a Parquet lake. Spark's parser reads each file once."""

from __future__ import annotations

import re
import uuid
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from decimal import Decimal
from operator import itemgetter
from typing import TYPE_CHECKING, Any, Final

from sparkify.loaders import LoadedFile, LoadOptions, LoadResult, NewFile, tables_of
from sparkify.loaders.bookkeeping import Quarantine, batches, load_time, record_load
from sparkify.loaders.schema import HISTORY, RAW, REJECTED, STAGING
from sparkify.loaders.spark import session
from sparkify.loaders.spark.lake import COMMITTED, RECORDS, Lake
from sparkify.raw.extra_keys import ExtraKeys, sentences
from sparkify.raw.reader import count_lines, read_records, suits_parser
from sparkify.raw.rules import MAX_TEXT_BYTES, TEXT, Kind, RawTable, plain_line
from sparkify.raw.sources import Source
from sparkify.shared.errors import SparkifyError
from sparkify.shared.quoting import quote_identifier, quote_literal

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

LAKE: Final = "lake"
"""Schema of the tables from which the views in the schema raw read."""

PARTITIONS_IN_CATALOGUE: Final = "spark.sql.hive.manageFilesourcePartitions"

LINES_PER_INSERT: Final = 200_000

MAX_PLAIN_BYTES: Final = 16 << 10
"""Bytes of a line for Java's patterns, which recurse for repetitions."""

HALF_OF_PAIR: Final = r"\\u[dD][89a-fA-F]"
"""Pattern of a surrogate's escape. Spark's parser also accepts unpaired surrogates."""


def open_loader(target: dict[str, Any]) -> SparkLoader:
    """Return the loader of a target."""
    return SparkLoader(target)


@contextmanager
def _translate_errors() -> Iterator[None]:
    """Raise SparkifyError instead of an error of Spark."""
    from py4j.protocol import Py4JError
    from pyspark.errors import PySparkException

    try:
        yield
    except (PySparkException, Py4JError) as error:
        reason = str(error).strip().splitlines()[0].rstrip(".")
        raise SparkifyError(
            f"Spark failed: {reason}.",
            "Nothing was loaded. Fix the cause and run the command again.",
        ) from error


class SparkLoader:
    """The raw tables in a lake, which only one process at a time can use."""

    def __init__(self, target: dict[str, Any]) -> None:
        """Set the target. Spark is started on first use."""
        self.target = target
        self.lake = Lake(session.lake_of(target))

    @property
    def session(self) -> SparkSession:
        """The Spark session. The first use waits for other processes to end."""
        return session.start(self.target)

    def close(self) -> None:
        """Do nothing: the session is reused until the process ends."""

    def history(self) -> Sequence[LoadedFile]:
        """Return the loaded files, none if the raw tables do not exist."""
        values = itemgetter(
            "source", "table_name", "path", "size_bytes", "version", "rejected_count"
        )
        return [LoadedFile(*values(row)) for row in self.lake.history()]

    def statements(self, source: Source, files: Sequence[NewFile]) -> Sequence[str]:
        """Return the SQL of a load. The view ``lines`` has the lines of a batch."""
        del source
        reads = [read_statement(table) for table in tables_of(files)]
        return [*create_statements(self.lake), *reads]

    def reset(self) -> None:
        """Drop the raw tables."""
        session = self.session
        with _translate_errors():
            self.lake.remove()
            for schema in (RAW, LAKE):
                session.sql(f"drop schema if exists {_quoted(schema)} cascade")

    def count_rows(self, schema: str, tables: Iterable[str]) -> dict[str, int]:
        """Return the number of rows of each table. All tables must exist."""
        session = self.session
        with _translate_errors():
            return {
                table: session.sql(
                    f"select count(*) from {_quoted(schema)}.{_quoted(table)}"
                ).collect()[0][0]
                for table in tables
            }

    def create_tables(self) -> None:
        """Create missing raw tables."""
        session = self.session
        with _translate_errors():
            self._create(session)

    def load(
        self, source: Source, files: Sequence[NewFile], options: LoadOptions
    ) -> LoadResult:
        """Load files, history and rejected records in one commit."""
        session = self.session
        with _translate_errors():
            result = _Load(session, self.lake, source, options).run(files)
            self._create(session)
            return result

    def _create(self, session: SparkSession) -> None:
        self.lake.make_folders()
        # Find partitions by their folders. A commit could not create catalogue entries.
        session.conf.set(PARTITIONS_IN_CATALOGUE, "false")
        for statement in create_statements(self.lake):
            session.sql(statement)
        session.conf.unset(PARTITIONS_IN_CATALOGUE)
        for table in (*RECORDS, "commits"):
            session.catalog.refreshTable(f"{LAKE}.{table}")


class _Load:
    """The state of one load until its commit."""

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
            rows = record_load(
                self.source, files, self.loaded, rejections, self.loaded_at
            )
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
            of_table = [new for new in files if new.table == table]
            lines = {}
            for batch in batches(of_table):
                with self.source.fetch(
                    [new.file for new in batch], self.options.on_file
                ) as local:
                    lines.update(self._parse(table, batch, local))
            found = self._found(table)
            fallback = []
            for new in of_table:
                key = table.name, new.file.path
                if found.get(new.file.path, 0) == lines[new.file.path]:
                    self.folders[key] = self.by_parser
                    self.loaded[key] = lines[new.file.path]
                else:
                    self.folders[key] = self.by_rules
                    fallback.append(new)
            self._read_by_rules(table, fallback)

    def _parse(
        self, table: RawTable, batch: Sequence[NewFile], local: Sequence[str]
    ) -> dict[str, int]:
        """Load a batch with Spark's parser.

        Return the line count of each file by path, -1 if Spark cannot read the file.
        """
        lines: dict[str, int] = {}
        names: list[tuple[str, str]] = []
        for new, name in zip(batch, local, strict=True):
            path = new.file.path
            count = count_lines(name, path)
            lines[path] = count if _suits_parser(name, path) else -1
            if lines[path] > 0:
                names.append((name, path))
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
            ).write.mode("append").parquet(self._parquet(table, self.by_parser))
        return lines

    def _parquet(self, table: RawTable, folder: str) -> str:
        return str(self.lake.partition(table.name, folder))

    def _found(self, table: RawTable) -> dict[str, int]:
        """Return the number of records that Spark read, by path.

        Omits files with a line that is not a fast-path line.
        """
        if not self.lake.partition(table.name, self.by_parser).exists():
            return {}
        rows = (
            self.session.read.parquet(self._parquet(table, self.by_parser))
            .groupBy("source_path")
            .agg({"*": "count", "loaded_at": "count"})
            .toDF("source_path", "lines", "records")
            .filter("lines = records")
            .select("source_path", "lines")
            .collect()
        )
        return {row[0]: row[1] for row in rows}

    def _read_by_rules(self, table: RawTable, files: Sequence[NewFile]) -> None:
        """Load fallback files with read_records."""
        rows: list[tuple[Any, ...]] = []
        for batch in batches(files):
            wanted = [new.file for new in batch]
            with self.source.fetch(wanted, lambda _: None) as local:
                for file, name in zip(wanted, local, strict=True):
                    path, extra = file.path, self.extra[table.name]
                    self.loaded[table.name, path] = 0
                    for record in read_records(table, name, path, extra):
                        if record.values is None:
                            self.quarantine.reject(table, path, record)
                            continue
                        values = _values(table, record.values)
                        rows.append((*values, self.loaded_at, path))
                        self.loaded[table.name, path] += 1
                        if len(rows) >= LINES_PER_INSERT:
                            self._write(table, rows)
                            rows = []
        self._write(table, rows)

    def _write(self, table: RawTable, rows: list[tuple[Any, ...]]) -> None:
        if rows:
            schema = _columns(STAGING[table.name])
            self.session.createDataFrame(rows, schema).coalesce(1).write.mode(
                "append"
            ).parquet(self._parquet(table, self.by_rules))

    def _write_rejections(self, rows: Sequence[tuple[Any, ...]]) -> None:
        if rows:
            folder = self.lake.partition("rejected_records", self.by_rules)
            data = self.session.createDataFrame(list(rows), _columns(REJECTED))
            data.coalesce(1).write.parquet(str(folder))


def _values(table: RawTable, texts: Sequence[str | None]) -> list[Any]:
    """Return a record's texts as Python values, in the same order."""
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
    """Return Spark's name of a type. Spark's strings have no length."""
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
    """Return whether Spark can read a file. It expands patterns in file names."""
    if not re.fullmatch(r"[\w ./=@+,~-]+", local, re.ASCII):
        return False
    return suits_parser(local, path)


def _uri(local: str) -> str:
    """Return the URI of a file in Spark's notation."""
    return "file:" + local.replace(" ", "%20")


def java_pattern(table: RawTable) -> str:
    r"""Return the Java pattern of fast-path lines, with keys in any order.

    It is ``plain_line`` with two changes. ``\z`` replaces ``$``, which in Java also
    matches before a final line break. Repetitions are possessive, because Java recurses
    for others.
    """
    pattern = rf"\A{plain_line(table)[1:-1]}\z"
    return pattern.replace(")*", ")*+").replace("]*", "]*+")


def read_statement(table: RawTable) -> str:
    """Return the query that reads the lines of a batch of files.

    :plain and :half_of_pair are patterns, :loaded_at is the time of the load. The view
    ``lines`` has value and uri of each line. The view ``files`` has uri and stored path
    of each file. A line that is not a fast-path line becomes a row with a null
    loaded_at, which marks its file as a fallback file.
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
    """Return the statements that create the raw tables, views on committed records."""
    statements = [
        f"create schema if not exists {_quoted(schema)}" for schema in (RAW, LAKE)
    ]
    columns = {**STAGING, "rejected_records": REJECTED}
    statements.extend(
        f"create table if not exists {_lake_table(table)}"
        f" ({_columns(columns[table])}, folder string)"
        " using parquet partitioned by (folder)"
        f" location {_literal(str(lake.folder(table)))}"
        for table in RECORDS
    )
    statements.append(
        f"create table if not exists {_lake_table('commits')} ({_columns(COMMITTED)})"
        f" using json location {_literal(str(lake.commits))}"
    )
    history = ", ".join(map(_quoted, HISTORY))
    latest = f"""(
    select
        {", ".join(map(_quoted, COMMITTED))},
        row_number() over (
            partition by table_name, path order by loaded_at desc
        ) as recency
    from {_lake_table("commits")}
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
            f"select\n    {names}\nfrom {_lake_table(table)} as records\n"
            f"left semi join {latest} as history\n    on\n"
            "        history.recency = 1\n"
            "        and history.folder = records.folder\n"
            f"        and history.path = records.{path}"
        )
    return statements


def _lake_table(table: str) -> str:
    return f"{_quoted(LAKE)}.{_quoted(table)}"
