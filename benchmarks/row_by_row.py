#!/usr/bin/env python3
"""Load the JSON into the five tables of PostgreSQL row by row.

It works like the usual loaders of this star schema: a SELECT for the song of each play,
an INSERT per row, a commit per file. For speed, it has no data frames, prepares
statements once, and indexes song titles. It matches title, artist and duration exactly,
repairs no text, and generates the key.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import psycopg

from sparkify.shared.errors import without_traceback

TABLES: Final = """
create table artists (
    artist_id varchar primary key, name varchar, location varchar,
    latitude double precision, longitude double precision
);
create table songs (
    song_id varchar primary key, title varchar, artist_id varchar, year integer,
    duration numeric(13, 5)
);
create index on songs (title);
create table users (
    user_id bigint primary key, first_name varchar, last_name varchar, gender varchar,
    level varchar
);
create table time (
    start_time timestamp primary key, hour integer, day integer, week integer,
    month integer, year integer, weekday integer
);
create table songplays (
    songplay_id bigint generated always as identity primary key, start_time timestamp,
    user_id bigint, level varchar, song_id varchar, artist_id varchar,
    session_id bigint, location varchar, user_agent varchar
)
"""
INSERT_ARTIST: Final = """
insert into artists values (%s, %s, %s, %s, %s) on conflict (artist_id) do nothing
"""
INSERT_SONG: Final = """
insert into songs values (%s, %s, %s, %s, %s) on conflict (song_id) do nothing
"""
INSERT_USER: Final = """
insert into users values (%s, %s, %s, %s, %s)
on conflict (user_id) do update set level = excluded.level
"""
INSERT_TIME: Final = """
insert into time values (%s, %s, %s, %s, %s, %s, %s)
on conflict (start_time) do nothing
"""
SELECT_SONG: Final = """
select songs.song_id, songs.artist_id
from songs
inner join artists on songs.artist_id = artists.artist_id
where songs.title = %s and artists.name = %s and songs.duration = %s
"""
INSERT_PLAY: Final = """
insert into songplays (
    start_time, user_id, level, song_id, artist_id, session_id, location, user_agent
) values (%s, %s, %s, %s, %s, %s, %s, %s)
"""


@without_traceback
def main(argv: Sequence[str] | None = None) -> int:
    """Load all files and return 0."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path, help="folder with the data")
    parser.add_argument("database", help="connection string of an empty database")
    options = parser.parse_args(argv)
    with psycopg.connect(options.database) as connection:
        connection.execute(TABLES)
        connection.commit()
        with connection.cursor() as cursor:
            for part, load in (("song_data", load_song), ("log_data", load_event)):
                for path in sorted((options.folder / part).rglob("*.json")):
                    for record in records(path):
                        load(cursor, record)
                    connection.commit()
    return 0


def records(path: Path) -> Iterator[dict[str, Any]]:
    """Yield the records of a file."""
    with path.open(encoding="utf-8") as lines:
        for line in lines:
            yield json.loads(line)


def load_song(cursor: psycopg.Cursor[Any], song: dict[str, Any]) -> None:
    """Insert a song and its artist."""
    cursor.execute(
        INSERT_ARTIST,
        (
            song["artist_id"],
            text(song["artist_name"]),
            text(song["artist_location"]),
            song["artist_latitude"],
            song["artist_longitude"],
        ),
    )
    cursor.execute(
        INSERT_SONG,
        (
            song["song_id"],
            text(song["title"]),
            song["artist_id"],
            song["year"],
            song["duration"],
        ),
    )


def load_event(cursor: psycopg.Cursor[Any], event: dict[str, Any]) -> None:
    """Insert the play, user and time of an event. Ignore other pages."""
    if event["page"] != "NextSong":
        return
    moment = datetime.fromtimestamp(event["ts"] / 1000, tz=UTC).replace(tzinfo=None)
    calendar = moment.isocalendar()
    cursor.execute(
        INSERT_TIME,
        (
            moment,
            moment.hour,
            moment.day,
            calendar.week,
            moment.month,
            moment.year,
            calendar.weekday,
        ),
    )
    user = int(event["userId"])
    cursor.execute(
        INSERT_USER,
        (
            user,
            text(event["firstName"]),
            text(event["lastName"]),
            event["gender"],
            event["level"],
        ),
    )
    cursor.execute(
        SELECT_SONG, (text(event["song"]), text(event["artist"]), event["length"])
    )
    song_id, artist_id = cursor.fetchone() or (None, None)
    cursor.execute(
        INSERT_PLAY,
        (
            moment,
            user,
            event["level"],
            song_id,
            artist_id,
            event["sessionId"],
            text(event["location"]),
            event["userAgent"],
        ),
    )


def text(value: object) -> str | None:
    """Return a value as text. In the files, names of only digits are numbers."""
    return None if value is None else str(value)


if __name__ == "__main__":
    sys.exit(main())
