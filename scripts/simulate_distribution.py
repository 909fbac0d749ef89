#!/usr/bin/env python3
"""Simulate how a cluster would spread songplays over its slices, for each possible key.

Builds the star from generated events in DuckDB, then counts, for each candidate key,
the rows on the fullest slice, the rows that the questions in analyses/ would move
between slices, and the blocks that a filter would read. No cluster is asked. What
follows from the numbers is in docs/decisions/0006.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import duckdb

from dbt_profile import PROJECT
from errors import SparkifyError, without_traceback

EVENTS: Final = (10_000, 100_000, 1_000_000)
SLICES: Final = (2, 8, 32)
KEYS: Final = ("start_time", "songplay_id", "session_id", "user_id", "song_id", "even")
SORTS: Final = ("start_time", "user_id", "songplay_id")
BLOCK_ROWS: Final = 1024 * 1024 // 8
"""Timestamps in a block of 1 MB, before it is compressed."""
FINER: Final = 256
"""Blocks of a table that is so big that it has this many."""


@dataclass(frozen=True)
class Question:
    """What a query in analyses/ groups by, what it counts once, and whom it joins."""

    groups: str
    distinct: str = ""
    joins_time: bool = False


QUESTIONS: Final = {
    "most_active_users": Question("user_id"),
    "most_played_artists": Question("artist_name", "song_title, user_id"),
    "most_played_songs": Question("song_title, artist_name", "user_id"),
    "plays_by_day": Question("cast(start_time as date)", "user_id"),
    "plays_by_gender": Question("gender", "user_id"),
    "plays_by_hour": Question("hour(start_time)", "user_id", joins_time=True),
    "plays_by_level": Question("level", "user_id"),
    "plays_by_location": Question("location", "user_id"),
    "plays_by_weekday": Question("isodow(start_time)", "user_id", joins_time=True),
}
"""All questions but catalogue_coverage, which counts and moves nothing."""

MIDDLE: Final = "select date_trunc('day', median(start_time)) from plays"
FILTERS: Final = {
    "day": ("start_time", f"start_time - ({MIDDLE}) between '0 days' and '1 day'"),
    "week": ("start_time", f"start_time - ({MIDDLE}) between '0 days' and '7 days'"),
    "user": (
        "user_id",
        "user_id = (select mode(user_id) from plays where user_id is not null)",
    ),
}
"""The column that a filter looks at, and the rows that it wants."""


def slice_of(key: str, slices: int) -> str:
    """Give the SQL of the slice that holds a play.

    Rows of one key lie together, and so do all that have none.
    """
    if key == "even":
        return f"position % {slices}"
    return f"coalesce(hash({key}), 0) % {slices}"


class Cluster:
    """The plays of a star, as a cluster would hold them."""

    def __init__(self, connection: duckdb.DuckDBPyConnection, schema: str) -> None:
        """Take a connection to a star in DuckDB; nothing is written to its file."""
        self.connection = connection
        connection.execute(
            "create or replace temp table plays as select songplays.*, users.gender,"
            " row_number() over (order by songplays.loaded_at, songplay_id) as position"
            f" from {schema}.songplays left join {schema}.users using (user_id)"
        )
        self.plays = self._count("plays")
        self.users = self._count(f"{schema}.users")
        self.songs = self._count(f"{schema}.songs")
        self.moments = self._count(f'{schema}."time"')

    def _value(self, query: str) -> float:
        row = self.connection.execute(query).fetchone()
        return float(row[0]) if row else 0.0

    def _count(self, rows: str) -> int:
        return int(self._value(f"select count(*) from {rows}"))

    def skew(self, key: str, slices: int) -> float:
        """Give by how many times its even share the fullest slice is filled."""
        fullest = self._value(
            "select max(row_count) from (select count(*) as row_count from plays"
            f" group by {slice_of(key, slices)})"
        )
        return fullest * slices / self.plays

    def moved_by_join(self, key: str, column: str, rows: int, slices: int) -> int:
        """Count the rows that a join moves to a table of ``rows`` that lies by its key.

        The cheaper of two ways: plays go where their match lies, or the other table
        goes to every slice.
        """
        if key == column:
            return 0
        there, here = slice_of(column, slices), slice_of(key, slices)
        plays = self._count(f"plays where {here} != {there}")
        return min(plays, rows * (slices - 1))

    def moved_by(self, question: Question, key: str, slices: int) -> int:
        """Count the rows that a question moves: by a join with time, then as groups.

        Each slice groups its own plays and sends the groups on; what is counted once
        makes groups finer, unless all plays of it lie on one slice.
        """
        joined = 0
        if question.joins_time:
            joined = self.moved_by_join(key, "start_time", self.moments, slices)
        if key == question.groups:
            return joined
        columns = question.groups
        if question.distinct not in ("", key):
            columns += f", {question.distinct}"
        # A join that moves plays leaves them on the slice of their start_time.
        place = slice_of("start_time" if joined else key, slices)
        return joined + self._count(f"(select distinct {place}, {columns} from plays)")

    def read_share(self, sort: str, column: str, wanted: str, rows: int) -> float:
        """Give the share of blocks of so many rows that a filter has to read.

        Of each block a cluster knows the smallest and the largest value.
        """
        return self._value(
            f"with wanted as (select min({column}) as low, max({column}) as high from"
            f" plays where {wanted}), numbered as (select {column}, (row_number() over"
            f" (order by {sort}, songplay_id) - 1) // {rows} as block from plays),"
            f" blocks as (select min({column}) as low, max({column}) as high from"
            " numbered group by block) select count(*) filter (where blocks.low <="
            " wanted.high and blocks.high >= wanted.low) / count(*) from blocks cross"
            " join wanted"
        )


def build_star(folder: Path, events: int) -> Path:
    """Make a star of generated events in a new folder, and give its DuckDB file.

    Users and catalogue grow with the events, the catalogue up to that of the bucket.
    Raises SparkifyError if a step fails.
    """
    shutil.copy(PROJECT / "profiles.example.yml", folder / "profiles.yml")
    star = folder / "star.duckdb"
    environment = os.environ | {
        "DBT_PROFILES_DIR": str(folder),
        "DBT_TARGET": "duckdb",
        "SPARKIFY_DUCKDB": str(star),
    }
    data = str(folder / "data")
    users = str(max(100, events // 80))
    songs = str(min(14_896, max(700, events // 20)))
    generate = [str(PROJECT / "scripts/generate_events.py"), "--out", data]
    generate += ["--events", str(events), "--users", users, "--songs", songs]
    load = [str(PROJECT / "scripts/bootstrap.py"), "--data", data]
    run = [str(Path(sys.executable).parent / "dbt"), "--quiet", "run"]
    run += ["--select", "+path:models/marts/core"]
    run += ["--target-path", str(folder / "target")]
    for command in (generate, load, run):
        done = subprocess.run(
            [sys.executable, *command],
            cwd=PROJECT,
            env=environment,
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:
            lines = (done.stderr or done.stdout).strip().splitlines() or ["no reason"]
            raise SparkifyError(
                f"{Path(command[0]).name} failed: {lines[0]}.", "Mend it and run again."
            )
    return star


def markdown(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Write a table whose first column is text and whose others are numbers."""
    lines = [head, ["---", *["---:"] * (len(head) - 1)], *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def percent(part: float, whole: float = 1) -> str:
    """Write a share in percent."""
    return f"{100 * part / whole:,.0f} %"


def skew_table(cluster: Cluster) -> str:
    """Write how full the fullest slice is, for each key and number of slices."""
    return markdown(
        ["fullest slice, times its share", *(f"{count} slices" for count in SLICES)],
        [
            [key, *(f"{cluster.skew(key, count):.2f}" for count in SLICES)]
            for key in KEYS
        ],
    )


def join_table(cluster: Cluster, slices: int) -> str:
    """Write the rows that joins move where the other table lies by its key."""
    joins = {
        "time": ("start_time", cluster.moments),
        "users": ("user_id", cluster.users),
        "songs": ("song_id", cluster.songs),
    }
    return markdown(
        [f"rows moved by a join, {slices} slices", *joins],
        [
            [
                key,
                *(
                    percent(cluster.moved_by_join(key, *join, slices), cluster.plays)
                    for join in joins.values()
                ),
            ]
            for key in KEYS
        ],
    )


def question_table(cluster: Cluster, slices: int) -> str:
    """Write the rows that questions move, dimensions but time being everywhere."""
    rows = []
    for key in KEYS:
        moved = [cluster.moved_by(each, key, slices) for each in QUESTIONS.values()]
        shares = [percent(count, cluster.plays) for count in (*moved, sum(moved))]
        rows.append([key, *shares])
    head = [f"rows moved, {slices} slices", *QUESTIONS, "together"]
    return markdown(head, rows)


def block_table(cluster: Cluster) -> str:
    """Write the share of blocks that filters read, for each sort key."""
    sizes = (BLOCK_ROWS, max(1, cluster.plays // FINER))
    blocks = [-(-cluster.plays // size) for size in sizes]
    head = ["blocks read", *(f"{name} of {n}" for n in blocks for name in FILTERS)]
    return markdown(
        head,
        [
            [
                sort,
                *(
                    percent(cluster.read_share(sort, column, wanted, size))
                    for size in sizes
                    for column, wanted in FILTERS.values()
                ),
            ]
            for sort in SORTS
        ],
    )


def report(cluster: Cluster) -> str:
    """Write all tables of one star; rows moved are in percent of its plays."""
    title = (
        f"### {cluster.plays:,} plays, {cluster.moments:,} moments,"
        f" {cluster.users:,} users, {cluster.songs:,} songs"
    )
    tables = [
        skew_table(cluster),
        join_table(cluster, SLICES[-1]),
        *(question_table(cluster, slices) for slices in SLICES[1:]),
        block_table(cluster),
    ]
    return "\n\n".join([title, *tables])


@without_traceback
def main(argv: Sequence[str] | None = None) -> int:
    """Run the command: Markdown on standard output."""
    parser = argparse.ArgumentParser(description=__doc__)
    add = parser.add_argument
    add("--events", type=int, nargs="+", default=EVENTS, help="sizes to simulate")
    add("--star", type=Path, help="a star in DuckDB to take instead")
    options = parser.parse_args(argv)
    if options.star:
        print(report_of(options.star))
        return 0
    for events in options.events:
        with tempfile.TemporaryDirectory() as folder:
            print(report_of(build_star(Path(folder), events)), end="\n\n")
    return 0


def report_of(star: Path) -> str:
    """Write all tables of a DuckDB file's star. Raises SparkifyError without one."""
    try:
        with duckdb.connect(str(star), read_only=True) as connection:
            return report(Cluster(connection, "analytics"))
    except duckdb.Error as error:
        reason = str(error).splitlines()[0].rstrip(".")
        raise SparkifyError(
            f"{star} holds no star: {reason}.", "Make one: make build DATA=..."
        ) from error


if __name__ == "__main__":
    sys.exit(main())
