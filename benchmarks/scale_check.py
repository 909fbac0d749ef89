"""Hold the formulas of scale.py to measurements on generated events, and on real logs.

Each measurement takes seconds at the sizes here. DuckDB and Parquet stand in for
Redshift: what is counted (rows, files, blocks) is so on any engine that is laid out
like it, what is weighed (bytes of a row) is only like it.
"""

from __future__ import annotations

import gzip
import io
import json
import shutil
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, Final, cast
from unittest.mock import patch

import duckdb

import compact
import generate_events
import scale
from loaders import NewFile
from loaders.bookkeeping import Quarantine
from loaders.redshift_statements import manifest_text
from records import EVENTS
from simulate_distribution import Cluster
from sources import Folder, S3Prefix

EVENTS_A_DAY: Final = 2_000
LATE_DAYS: Final = 7
"""How late the late events of a night are: whole weeks have all days of the week."""
SLICES: Final = (2, 8, 32)
ZONE_SLICES: Final = 4
ZONE_ROWS: Final = 100
"""Rows of a block in the simulation, so that a small table has many."""
SELECTED: Final = ("+path:models/marts/core", "+sessions", "+user_level_history")
BIG: Final = ("int_event_versions", "songplays")
READERS: Final = (
    *("int_event_versions", "songplays", "users", "time", "sessions"),
    "user_level_history",
)


@dataclass(frozen=True)
class Check:
    """What a formula says and what was measured; `within` is how far off it may be.

    Where it is ``at_most``, the formula is a bound: less was measured, or no more.
    """

    formula: str
    at: str
    says: float
    measured: float
    within: float
    at_most: bool = False

    @property
    def off(self) -> float:
        """Give by what share of the measurement the formula is off."""
        return self.says / self.measured - 1

    @property
    def holds(self) -> bool:
        """Tell whether it is off by no more than it claims."""
        return -self.within <= self.off and (self.at_most or self.off <= self.within)


def generate(folder: Path, events: int) -> Path:
    """Write a sample of so many events, 2,000 a day, and give its folder."""
    options = {
        "--events": events,
        "--days": max(events // EVENTS_A_DAY, LATE_DAYS + 2),
        "--users": events // 100,
        "--songs": events // 20,
        "--out": folder,
    }
    words = [str(word) for pair in options.items() for word in pair]
    generate_events.main(words)
    return folder


def log_files(folder: Path) -> list[Path]:
    """List the files of the logs, the earliest first."""
    return sorted((folder / "log_data").rglob("*.json"))


def check_logs(folder: Path, name: str) -> Iterator[Check]:
    """Check what the logs of a folder weigh and hold."""
    files = log_files(folder)
    content = [path.read_bytes() for path in files]
    size = sum(len(each.splitlines()) for each in content)
    events = float(size)
    at = f"{name}, {size:,} events"
    measured = sum(map(len, content))
    yield Check("bytes of JSON", at, scale.json_bytes(events), measured, 0.03)
    zipped = len(gzip.compress(b"\n".join(content), 6, mtime=0))
    yield Check("bytes gzipped", at, scale.gzip_bytes(events), zipped, 0.05)
    pattern = str(folder / "log_data/**/*.json").replace("'", "''")
    plays, sessions, *moments = _row(
        duckdb.connect(),
        "select count(*) filter (page = 'NextSong'), count(distinct sessionid),"
        " count(distinct ts) filter (page = 'NextSong'),"
        " count(distinct ts // 1000) filter (page = 'NextSong'),"
        " count(distinct ts // 60000) filter (page = 'NextSong')"
        f" from read_json('{pattern}', format = 'newline_delimited')",
    )
    yield Check("plays", at, events * scale.PLAY_SHARE, plays, 0.03)
    said = events / scale.EVENTS_PER_SESSION
    yield Check("sessions", at, said, sessions, 0.02, at_most=True)
    for tick, found in zip((1, 1_000, 60_000), moments, strict=True):
        yield Check(
            f"moments of a clock of {tick:,} ms",
            at,
            scale.moments(plays, len(files), tick),
            found,
            0.06,
        )


def check_manifest() -> Iterator[Check]:
    """Check the size of manifests."""
    for files in (1, 1_000):
        addresses = [
            f"s3://bucket/parts/{number:08}.json.gz" for number in range(files)
        ]
        said = scale.manifest_bytes(files, len(addresses[0]))
        written = len(manifest_text(addresses).encode())
        yield Check("bytes of a manifest", f"{files:,} files", said, written, 0.0)


class Drawer:
    """A place for parts that only counts their bytes."""

    def __init__(self) -> None:
        """Begin with none."""
        self.sizes: list[int] = []

    def write(self, path: str, content: IO[bytes]) -> str:
        """Take a part."""
        self.sizes.append(content.seek(0, io.SEEK_END))
        return path


def check_parts(folder: Path, part: int) -> Iterator[Check]:
    """Check how many parts `compact.py` makes of the logs, each of ``part`` bytes."""
    source = Folder(str(folder))
    found = [
        NewFile(EVENTS, file, replaces=False)
        for file in source.list_part(EVENTS.part).files
    ]
    size = sum(new.file.size for new in found)
    drawer = Drawer()
    # A small part, for a small sample.
    with patch.object(compact, "PART_BYTES", part):
        wanted = compact.part_count(size)
        place = cast("S3Prefix", drawer)
        work = compact.Compaction(EVENTS, place, "parts")
        work.run(source, found, Quarantine(0), lambda: None)
    at = f"{len(found)} files, parts of {part / 1e6:.1f} MB"
    said = scale.copy_files(size, compact.PARTS_MULTIPLE, part)
    yield Check("parts for 4 slices", at, said, wanted, 0.0)
    parts = scale.compacted_parts(len(found), size / len(found), size / wanted)
    yield Check("parts that end with a file", at, parts, len(drawer.sizes), 0.15)


def check_star(star: duckdb.DuckDBPyConnection) -> Iterator[Check]:
    """Check how a star's plays lie on slices and in blocks, and what its rows weigh."""
    plays, days = _row(
        star,
        "select count(*), count(distinct start_time::date) from analytics.songplays",
    )
    at = f"{plays:,} plays"
    simulated = Cluster(star, "analytics")
    for slices in SLICES:
        said = scale.fullest_slice(plays, slices)
        fill = simulated.skew("start_time", slices)
        yield Check("fullest slice", f"{at}, {slices} slices", said, fill, 0.06)
    for oldest in (1, LATE_DAYS):
        share, blocks = zone_map_share(star, oldest)
        said = scale.block_share(days, oldest, blocks / ZONE_SLICES)
        where = f"{at}, {days} days, {blocks:,} blocks, oldest {oldest} d"
        yield Check("share of blocks looked at", where, said, share, 0.25)
    for table, weight in scale.ROW_BYTES.items():
        count, size = parquet_bytes(star, table)
        yield Check(f"bytes of {table}", f"{count:,} rows", count * weight, size, 0.35)


def zone_map_share(star: duckdb.DuckDBPyConnection, oldest: int) -> tuple[float, int]:
    """Give the share of blocks that a bounded delete looks at, and how many there are.

    Each slice has its rows in order; of each block the first and last value are known.
    """
    touched, blocks = _row(
        star,
        "with numbered as (select start_time, hash(start_time) % "
        f"{ZONE_SLICES} as slice, (row_number() over (partition by hash(start_time) % "
        f"{ZONE_SLICES} order by start_time) - 1) // {ZONE_ROWS} as block"
        " from analytics.songplays), blocks as (select max(start_time) as high"
        " from numbered group by slice, block), bound as (select"
        f" max(start_time)::date + 1 - interval {oldest} day as low"
        " from analytics.songplays) select count(*) filter (high >= low), count(*)"
        " from blocks cross join bound",
    )
    return touched / blocks, blocks


def parquet_bytes(star: duckdb.DuckDBPyConnection, table: str) -> tuple[int, int]:
    """Give a table's rows and bytes in Parquet, sorted as Redshift would have it."""
    schema = "raw" if table.startswith("staging") else "analytics"
    order = {
        "staging_events": "loaded_at, ts",
        "staging_songs": "loaded_at",
        "sessions": "started_at",
        "user_level_history": "valid_from",
        "users": "user_id",
        "songs": "song_id",
        "artists": "artist_id",
    }.get(table, "start_time")
    name = f'{schema}."{table}"'
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "table.parquet")
        star.execute(
            f"copy (select * from {name} order by {order}) to '{path}'"
            " (format parquet, compression zstd, dictionary_size_limit 1)"
        )
        (count,) = _row(star, f"select count(*) from {name}")
        return count, path.stat().st_size


def column_bytes(star: duckdb.DuckDBPyConnection, table: str) -> dict[str, float]:
    """Give the bytes of each column of a row, in Parquet as in `parquet_bytes`."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "table.parquet")
        star.execute(
            f'copy (select * from analytics."{table}" order by start_time) to'
            f" '{path}' (format parquet, compression zstd, dictionary_size_limit 1)"
        )
        found = star.execute(
            "select path_in_schema, sum(total_compressed_size), sum(num_values)"
            f" from parquet_metadata('{path}') group by 1"
        ).fetchall()
    return {name: float(size / count) for name, size, count in found}


def hold_back(data: Path) -> Path:
    """Move the last day, and some events of a week before, into a folder of its own."""
    night = data.parent / f"{data.name}-night"
    night.mkdir()
    *files, last = log_files(data)
    shutil.move(last, night / last.name)
    week_before = files[-LATE_DAYS + 1]
    lines = week_before.read_text("utf-8").split("\n")
    kept = [line for number, line in enumerate(lines) if number % 50]
    week_before.write_text("\n".join(kept), "utf-8")
    (night / "late.json").write_text("\n".join(lines[::50]), "utf-8")
    return night


def check_night(
    data: Path, load: Callable[[], object], build: Callable[[], object], where: Where
) -> Iterator[Check]:
    """Load and build a history, then a night, and check what the night did and read.

    ``load`` loads the folder, ``build`` builds SELECTED.
    """
    night = hold_back(data)
    load()
    build()
    for path in night.iterdir():
        shutil.copy(path, data / "log_data" / path.name)
    load()
    build()
    with duckdb.connect(str(where.star), read_only=True) as star:
        yield from check_written(star)
        yield from check_read(star, where.compiled)


@dataclass(frozen=True)
class Where:
    """Where a build lies: its DuckDB file, and the SQL that dbt compiled for it."""

    star: Path
    compiled: Path


def check_written(star: duckdb.DuckDBPyConnection) -> Iterator[Check]:
    """Check the rows that the last night made, by the load that they bear."""
    (newest,) = _row(star, "select max(loaded_at) from raw.load_history")

    def made(table: str) -> int:
        query = f"select count(*) from {table} where loaded_at = ?"
        return int(star.execute(query, [newest]).fetchall()[0][0])

    events = made("raw.staging_events")
    (history,) = _row(star, "select count(*) from raw.staging_events")
    at = f"{events:,} new on {history - events:,}"
    plays = events * scale.PLAY_SHARE
    sessions = events / scale.EVENTS_PER_SESSION
    for table, said, within, bound in (
        ("int_event_versions", float(events), 0.0, False),
        ("songplays", plays, 0.05, False),
        ("time", plays, 0.05, False),
        ("sessions", sessions, 0.05, True),
        ("users", sessions, 0.05, True),
    ):
        found = made(f'analytics."{table}"')
        yield Check(f"rows made, {table}", at, said, found, within, at_most=bound)


def check_read(star: duckdb.DuckDBPyConnection, compiled: Path) -> Iterator[Check]:
    """Check what the last night's models read of the large tables.

    Each runs once more, with what it was told was new, and its scans are counted.
    """
    star.execute("set threads = 1")
    (history,) = _row(star, "select count(*) from raw.staging_events")
    widths = {table: column_bytes(star, table) for table in BIG}
    total = 0.0
    at = f"{history:,} events"
    for model in READERS:
        (path,) = compiled.rglob(f"{model}.sql")
        for table, count, names in scans(star, path.read_text("utf-8")):
            if table in BIG:
                total += count * sum(widths[table][name] for name in names)
    said = history * scale.NIGHT_SCAN_BYTES
    yield Check("bytes read to find changes", at, said, total, 0.1, at_most=True)
    asked = ("start_time", "user_id", "song_title", "artist_name")
    width = sum(widths["songplays"][name] for name in asked)
    yield Check("bytes of a play in a question", at, scale.QUESTION_BYTES, width, 0.25)


def scans(
    star: duckdb.DuckDBPyConnection, query: str
) -> list[tuple[str, int, set[str]]]:
    """Run a query, and give the table, rows and columns of each scan that it made."""
    ((_, text),) = star.execute(f"explain (analyze, format json) {query}").fetchall()
    found = []

    def walk(node: dict[str, Any]) -> None:
        extra = node.get("extra_info", {})
        if "Table" in extra and node.get("type") == "TABLE_SCAN":
            table = str(extra["Table"]).rpartition(".")[2].strip('"')
            names = extra.get("Projections", [])
            names = {names} if isinstance(names, str) else set(names)
            filters = str(extra.get("Filters", ""))
            names |= {
                name for name in ("page", "loaded_at", "is_current") if name in filters
            }
            found.append((table, int(node["rows_scanned"]), names))
        for child in node.get("children", node.get("operator", [])):
            walk(child)

    walk(json.loads(text))
    return found


def _row(connection: duckdb.DuckDBPyConnection, query: str) -> Sequence[Any]:
    (row,) = connection.execute(query).fetchall()
    return cast("Sequence[Any]", row)
