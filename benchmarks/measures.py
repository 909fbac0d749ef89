"""The measures: what runs in one round, and what is recorded."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Final

import duckdb
import psycopg

import empty_project
from bench_data import Data, Sizes, one_more_day, without_content
from profile_of_build import profile
from project import Project
from results import Round
from sparkify.loaders.schema import STAGING
from timing import Cost


@dataclass(frozen=True)
class Bench:
    """The folder, data and project of a run."""

    folder: Path
    data: Data
    project: Project

    @property
    def sizes(self) -> Sizes:
        """Numbers of records."""
        return self.data.sizes

    @cached_property
    def code(self) -> str:
        """A hash of the measured project."""
        return self.project.code()

    def round(
        self,
        measure: str,
        costs: Mapping[str, Cost],
        notes: Mapping[str, Any] | None = None,
    ) -> Round:
        """Return a round with the costs of its programs."""
        return Round(
            measure,
            self.sizes.events,
            {name: cost.as_json() for name, cost in costs.items()},
            notes or {},
            code=self.code,
        )

    def kept_warehouse(self, events: int) -> Path:
        """Return a built warehouse with a number of events. Build it if necessary."""
        kept = self._kept(events)
        if not kept.exists():
            self.build_new(self.data.events(events))
            self.keep_warehouse(events)
        return kept

    def keep_warehouse(self, events: int) -> None:
        """Keep the current warehouse, so that later measures can copy it."""
        for old in self.folder.glob(f"warehouse_{events}_*.duckdb"):
            old.unlink()  # built by another version of the project
        self.project.warehouse.rename(self._kept(events))

    def _kept(self, events: int) -> Path:
        return self.folder / f"warehouse_{events}_{self.code}.duckdb"

    def build_new(self, data: Path) -> Cost:
        """Load and build a new warehouse from a folder."""
        self.project.delete_warehouse()
        return self.project.build("duckdb", "--data", str(data))

    def delete(self, events: int) -> None:
        """Delete data and the warehouses built from them. New files would differ."""
        self.data.delete(events)
        for kept in self.folder.glob(f"warehouse_{events}_*.duckdb"):
            kept.unlink()

    def by_hand(self, data: Path, *scripts: str) -> Cost:
        """Run hand-written SQL scripts on a folder, with the project's memory limit."""
        limit = ("--memory-limit", self.project.memory_limit)
        folder = self.project.root / "benchmarks" / "by_hand"
        paths = [folder / script for script in scripts]
        log = "_".join(path.stem for path in paths)
        return self.project.benchmark(
            log, "run_sql.py", data, self.hand_made, *paths, *limit
        )

    def same_rows(self, other: Path, schema: str = "main") -> dict[str, Any]:
        """Return row counts by table of the warehouse and of a schema of another file.

        Raises SparkifyError if rows differ.
        """
        compared = self.project.benchmark(
            *("same_rows", "same_rows.py", self.project.warehouse, other),
            *("--memory-limit", self.project.memory_limit, "--schema", schema),
        )
        found: dict[str, Any] = json.loads(compared.lines[-1][1])
        return found

    @property
    def hand_made(self) -> Path:
        """The database file of the hand-written scripts."""
        return self.folder / "by_hand.duckdb"

    def delete_hand_made(self) -> None:
        """Delete that file."""
        self.hand_made.unlink(missing_ok=True)


def build(bench: Bench) -> Round:
    """Load and build, compared with hand-written scripts and with parsing only."""
    events = bench.sizes.events
    data = bench.data.events(events)
    costs = {"project": bench.build_new(data)}
    notes: dict[str, Any] = {
        "profile": profile(costs["project"], bench.project.nodes("duckdb")),
        "megabytes": _size(data) / 1e6,
        "warehouse_megabytes": bench.project.warehouse.stat().st_size / 1e6,
        "raw_megabytes": _raw_megabytes(bench.project.warehouse),
    }
    for name, script, same in (
        ("limit", "events.sql", "same_rows"),
        ("kept", "kept_events.sql", "kept_same_rows"),
    ):
        costs[name] = bench.by_hand(data, "cleaned.sql", script, "star.sql")
        notes[same] = bench.same_rows(bench.hand_made)
    costs["parse"] = bench.by_hand(data, "parse.sql")
    bench.delete_hand_made()
    bench.keep_warehouse(events)
    return bench.round("build", costs, notes)


def large(bench: Bench) -> Round:
    """Build five times the events with the same memory limit."""
    sizes = bench.sizes
    base = bench.build_new(bench.data.events(sizes.events))
    bench.project.delete_warehouse()
    # Saves a third of the disk space.
    bench.delete(sizes.events)
    five_times = bench.build_new(bench.data.events(sizes.large))
    notes = {
        "events": {"base": sizes.events, "large": sizes.large},
        "profile": profile(five_times, bench.project.nodes("duckdb")),
        "warehouse_megabytes": bench.project.warehouse.stat().st_size / 1e6,
    }
    bench.project.delete_warehouse()
    bench.delete(sizes.large)
    return bench.round("large", {"large": five_times, "base": base}, notes)


def day(bench: Bench) -> Round:
    """Add one day to a long history, compared with a short one."""
    sizes, file = bench.sizes, bench.data.next_day()
    costs, profiles = {}, {}
    for name, events in (("long", sizes.events), ("short", sizes.short)):
        data = bench.data.events(events)
        bench.project.copy_warehouse(bench.kept_warehouse(events))
        with one_more_day(data, file):
            costs[name] = bench.project.build(
                "duckdb", "--data", str(data), tests="changed"
            )
        costs[name].moment_of(f"{sizes.day:,} new")  # raises if none was added
        profiles[name] = profile(costs[name], bench.project.nodes("duckdb"))
    bench.project.delete_warehouse()
    notes = {"events": {"long": sizes.events, "short": sizes.short}}
    return bench.round("day", costs, notes | {"profile": profiles["long"]})


def nothing(bench: Bench) -> Round:
    """Run a build without new files, and plain ``dbt build``.

    Files of zeros with the same sizes and times replace the source's files. If the
    build read them, the star would differ.
    """
    events = bench.sizes.events
    data = bench.data.events(events)
    kept = bench.kept_warehouse(events)
    bench.project.copy_warehouse(kept)
    # After this build, both measured builds have nothing to do.
    bench.project.build("duckdb", "--data", str(data))
    with without_content(data):
        costs = {
            "project": bench.project.build(
                "duckdb", "--data", str(data), tests="changed"
            ),
            "dbt": bench.project.dbt("duckdb", "build"),
        }
    costs["project"].moment_of(" 0 files to load")
    notes = {"same_rows": bench.same_rows(kept, "analytics")}
    bench.project.delete_warehouse()
    return bench.round("nothing", costs, notes)


def songs(bench: Bench) -> Round:
    """Load a catalogue with one file per song, compared with one file."""
    many, one = bench.data.song_files()
    costs = {"start": bench.project.script("start", "bootstrap.py", "--help")}
    for name, data in (("many", many), ("one", one)):
        bench.project.delete_warehouse()
        costs[name] = bench.project.script(
            *(f"songs_{name}", "bootstrap.py", "--target", "duckdb"),
            *("--data", str(data)),
        )
    bench.project.delete_warehouse()
    return bench.round("songs", costs, {"files": bench.sizes.song_files})


def sample(bench: Bench) -> Round:
    """Rebuild the sample, compared with a project of as many empty nodes."""
    project = bench.project
    if not (project.root / "data" / "sample.duckdb").exists():
        project.build("sample")
    project.dbt("sample", "parse")
    costs = {"project": project.dbt("sample", "build", "--full-refresh")}
    nodes = project.nodes("sample")
    costs["parse"] = project.dbt("sample", "parse")
    costs["start"] = project.start_of_dbt()
    counts = {
        kind: sum(node["unique_id"].startswith(f"{kind}.") for node in nodes)
        for kind in ("model", "seed", "test", "unit_test")
    }
    project.delete_warehouse()
    empty = empty_project.make(bench.folder / "empty", counts)
    project.dbt("duckdb", "parse", folder=empty)
    costs["empty"] = project.dbt("duckdb", "build", folder=empty)
    project.delete_warehouse()
    kinds: dict[str, float] = {}
    for node in nodes:
        kind = node["unique_id"].split(".")[0]
        kinds[kind] = kinds.get(kind, 0.0) + node["execution_time"]
    return bench.round("sample", costs, {"counts": counts, "kinds": kinds})


def postgres(bench: Bench) -> Round:
    """Build on PostgreSQL, compared with inserting row by row."""
    counts = {
        "few": bench.sizes.few,
        "project": bench.sizes.short,
        "rows": bench.sizes.row_by_row,
    }
    data = {name: bench.data.events(count) for name, count in counts.items()}
    costs = {}
    with bench.project.postgres() as socket:
        where = f"host={socket} user=postgres"
        with psycopg.connect(f"{where} dbname=postgres", autocommit=True) as server:
            for name in ("few", "project"):
                server.execute(
                    "drop schema if exists analytics, analytics_builds,"
                    " analytics_intermediate, analytics_staging, raw cascade"
                )
                costs[name] = bench.project.build("postgres", "--data", str(data[name]))
            server.execute("drop database if exists row_by_row")
            server.execute("create database row_by_row")
        costs["rows"] = bench.project.benchmark(
            "row_by_row", "row_by_row.py", data["rows"], f"{where} dbname=row_by_row"
        )
        notes = {
            "events": counts,
            "profile": profile(costs["project"], bench.project.nodes("postgres")),
        }
    shutil.rmtree(bench.project.root / "data" / "postgres")
    return bench.round("postgres", costs, notes)


def spark(bench: Bench) -> Round:
    """Build on Spark, compared with a plain PySpark script."""
    counts = {
        "few": bench.sizes.few,
        "project": bench.sizes.spark,
        "script": bench.sizes.spark,
    }
    data = {name: bench.data.events(count) for name, count in counts.items()}
    costs = {}
    for name in ("few", "project"):
        _delete_lakes(bench)
        costs[name] = bench.project.build("spark", "--data", str(data[name]))
    costs["script"] = bench.project.benchmark(
        *("pyspark", "pyspark_limit.py", data["script"], bench.folder / "by_hand_lake")
    )
    notes = {
        "events": counts,
        "profile": profile(costs["project"], bench.project.nodes("spark")),
    }
    _delete_lakes(bench)
    return bench.round("spark", costs, notes)


def _delete_lakes(bench: Bench) -> None:
    for name in ("lake", "by_hand_lake"):
        shutil.rmtree(bench.folder / name, ignore_errors=True)


MEASURES: Final[Mapping[str, Callable[[Bench], Round]]] = {
    "build": build,
    "day": day,
    "nothing": nothing,
    "songs": songs,
    "sample": sample,
    "postgres": postgres,
    "spark": spark,
    "large": large,
}
"""All measures. The measure that needs most disk space is last."""


def _raw_megabytes(warehouse: Path) -> float:
    """Return the megabytes of the file's blocks that belong to raw tables."""
    with duckdb.connect(str(warehouse), read_only=True) as connection:
        ((block,),) = connection.execute(
            "select block_size from pragma_database_size()"
        ).fetchall()
        blocks = sum(
            connection.execute(
                "select count(distinct block) from (select"
                " unnest(list_append(additional_block_ids, block_id)) as block"
                f" from pragma_storage_info('raw.{table}') where persistent)"
            ).fetchall()[0][0]
            for table in STAGING
        )
    return float(blocks * block / 1e6)


def _size(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*.json"))
