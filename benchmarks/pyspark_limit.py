#!/usr/bin/env python3
"""Write the five tables as Parquet with plain PySpark, directly from the JSON.

The project on Spark is compared with this script. It declares schemas, reads the logs
once, broadcasts the catalogue, and caches both. It has no raw tables, load history,
quarantine, incremental loads, tests or text repair. It ranks the records of an event by
time only.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Final

from sparkify.shared.errors import without_traceback

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession

SETTINGS: Final = {
    "spark.master": "local[2]",
    "spark.driver.memory": "2g",
    "spark.driver.host": "localhost",
    "spark.driver.bindAddress": "127.0.0.1",
    "spark.sql.session.timeZone": "UTC",
    "spark.sql.shuffle.partitions": "4",
    "spark.sql.files.openCostInBytes": "64k",
    "spark.sql.sources.parallelPartitionDiscovery.parallelism": "4",
    "spark.ui.enabled": "false",
    "spark.ui.showConsoleProgress": "false",
}
"""Memory and small tasks, as in the project."""

EVENT: Final = """
    artist string, firstName string, gender string, itemInSession int,
    lastName string, length decimal(13, 5), level string, location string,
    page string, sessionId bigint, song string, ts bigint, userAgent string,
    userId string
"""
SONG: Final = """
    artist_id string, artist_latitude double, artist_location string,
    artist_longitude double, artist_name string, duration decimal(13, 5),
    song_id string, title string, year int
"""
MONTH: Final = ("start_year", "start_month")
"""Partition columns of songplays and time."""

EVENTS: Final = """
select
    sessionId as session_id,
    itemInSession as item_in_session,
    timestamp_millis(ts) as start_time,
    cast(nullif(userId, '') as bigint) as user_id,
    page = 'NextSong' as is_play,
    {level}, {firstName} as first_name, {lastName} as last_name, {gender},
    {location}, {userAgent} as user_agent, {song} as song_title,
    {artist} as artist_name,
    length as duration_seconds
from logs
"""
LATEST_EVENTS: Final = """
select * except (precedence)
from (
    select
        events.*,
        row_number() over (
            partition by session_id, item_in_session order by start_time desc
        ) as precedence
    from events
)
where precedence = 1
"""
CATALOGUE: Final = """
select
    song_id, {title}, artist_id, {artist_name}, {artist_location}, artist_latitude,
    artist_longitude, nullif(year, 0) as year, duration
from song_files
"""
SONGS: Final = """
select song_id, title, artist_id, year, duration
from (
    select
        *,
        row_number() over (
            partition by song_id
            order by
                year desc nulls last, title nulls last, artist_id, duration nulls last
        ) as precedence
    from catalogue
)
where precedence = 1
"""
ARTISTS: Final = """
select
    artist_id,
    artist_name as name,
    artist_location as location,
    artist_latitude as latitude,
    artist_longitude as longitude
from (
    select
        *,
        row_number() over (
            partition by artist_id
            order by
                artist_name is null, name_frequency desc, length(artist_name),
                artist_name, artist_location is null,
                artist_latitude is null or artist_longitude is null, song_id
        ) as precedence
    from (
        select
            *,
            count(*) over (partition by artist_id, artist_name) as name_frequency
        from (select distinct * from catalogue)
    )
)
where precedence = 1
"""
USERS: Final = """
select user_id, latest.*
from (
    select
        user_id,
        max_by(
            struct(first_name, last_name, gender, level, start_time as last_seen_at),
            struct(start_time, session_id, item_in_session)
        ) as latest
    from events
    where user_id is not null
    group by user_id
)
"""
SONGPLAYS: Final = """
select
    md5(concat_ws('-', session_id, item_in_session)) as songplay_id,
    start_time, user_id, level,
    nearest.song_id, nearest.artist_id,
    session_id, location, user_agent, item_in_session, song_title, artist_name,
    duration_seconds,
    year(start_time) as start_year,
    month(start_time) as start_month
from (
    select /*+ broadcast(candidates) */
        events.*,
        array_min(
            transform(
                found,
                song -> struct(
                    abs(song.duration - duration_seconds), song.song_id, song.artist_id
                )
            )
        ) as nearest
    from events
    left join (
        select
            title,
            artist_name as name,
            collect_list(struct(duration, song_id, artist_id)) as found
        from catalogue
        group by title, artist_name
    ) as candidates
        on song_title = title and artist_name = name
    where is_play
)
"""
TIME: Final = """
select
    start_time,
    hour(start_time) as hour,
    day(start_time) as day,
    weekofyear(start_time) as week,
    month(start_time) as month,
    year(start_time) as year,
    weekday(start_time) + 1 as weekday,
    year(start_time) as start_year,
    month(start_time) as start_month
from (select distinct start_time from events where is_play)
"""


@without_traceback
def main(argv: Sequence[str] | None = None) -> int:
    """Write the five tables and return 0."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path, help="folder with the data")
    parser.add_argument("out", type=Path, help="folder for the tables")
    options = parser.parse_args(argv)
    from pyspark.sql import SparkSession

    builder = SparkSession.builder
    for name, value in SETTINGS.items():
        builder = builder.config(name, value)
    spark = builder.getOrCreate()
    spark.sparkContext.setLogLevel("ERROR")
    read(spark, options.folder)
    for name, query in (("songs", SONGS), ("artists", ARTISTS), ("users", USERS)):
        write(spark.sql(query), options.out / name)
    for name, query in (("songplays", SONGPLAYS), ("time", TIME)):
        write(spark.sql(query), options.out / name, MONTH)
    spark.stop()
    return 0


def read(spark: SparkSession, folder: Path) -> None:
    """Create cached views of the events, deduplicated, and of the catalogue."""
    logs = spark.read.schema(EVENT).option("recursiveFileLookup", value=True)
    logs.json(f"{folder}/log_data").createOrReplaceTempView("logs")
    files = spark.read.schema(SONG).option("recursiveFileLookup", value=True)
    files.json(f"{folder}/song_data").createOrReplaceTempView("song_files")
    texts = ("level", "firstName", "lastName", "gender", "location", "userAgent")
    events = spark.sql(EVENTS.format(**cleaned(*texts, "song", "artist"))).cache()
    events.createOrReplaceTempView("events")
    keys = events.groupBy("session_id", "item_in_session").count()
    if not keys.where("count > 1").isEmpty():
        # Ranking all events with all columns takes longer than this check.
        spark.sql(LATEST_EVENTS).cache().createOrReplaceTempView("events")
    names = cleaned("title", "artist_name", "artist_location")
    catalogue = spark.sql(CATALOGUE.format(**names))
    catalogue.cache().createOrReplaceTempView("catalogue")


def cleaned(*columns: str) -> dict[str, str]:
    """Return an SQL expression per column: trimmed text, null if it is empty."""
    white = r"' \u0009\u000a\u000b\u000c\u000d'"  # Spark has no \v and \f
    aliased = {"firstName", "lastName", "userAgent", "song", "artist"}
    return {
        column: f"nullif(trim(both {white} from {column}), '')"
        + ("" if column in aliased else f" as {column}")
        for column in columns
    }


def write(table: DataFrame, folder: Path, partitions: Sequence[str] = ()) -> None:
    """Write a table as Parquet."""
    table.write.partitionBy(*partitions).parquet(str(folder))


if __name__ == "__main__":
    sys.exit(main())
