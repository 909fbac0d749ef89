"""The page docs/published.md: row counts that public versions of the warehouse print.

Each variant is a query on the raw records. The page compares its result on the given
data with the oracle's.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Final

import duckdb

from oracle import Evidence, evidence_of, read_folder
from oracle.cleaning import clean_text
from oracle.measures import group_by, listening_hours

PLAYS: Final = "from events where page = 'NextSong'"
JOINED: Final = """\
from events inner join songs on {condition} where page = 'NextSong'"""
BOTH: Final = "song = title and artist = artist_name"
PEAK: Final = """\
select hour || ' h, ' || format('{:,}', count(*)) || ' plays'
from (select hour(epoch_ms(ts)) as hour %s)
group by hour order by count(*) desc, hour limit 1"""
LEVEL: Final = """\
select count(*) from (
    select %s as level, max_by(level, ts) as latest
    from events where userId != '' group by userId
) where level != latest"""
COLUMNS: Final = "userId, firstName, lastName, gender, level"


@dataclass(frozen=True)
class Variant:
    """A table, a way to fill it, the query, and the figures that others print."""

    table: str
    why: str
    query: str
    printed: str = "-"


def count(rest: str) -> str:
    """Return a query that counts rows."""
    return f"select count(*) {rest}"


def joined(condition: str) -> str:
    """Return a query that counts the rows of plays joined to the catalogue."""
    return count(JOINED.format(condition=condition))


WRONG: Final = (
    Variant(
        "songplays",
        "inner join on title and artist: plays without a catalogue song are dropped",
        joined(BOTH),
        "333",
    ),
    Variant(
        "songplays",
        "the same, and the durations must be equal",
        joined(f"{BOTH} and length = duration"),
        "319",
    ),
    Variant(
        "songplays",
        "the same, and they may differ by two seconds",
        joined(f"{BOTH} and abs(length - duration) <= 2"),
        "320",
    ),
    Variant(
        "songplays",
        "matched through `artists`, which has one name per artist and loses the others",
        """\
select count(*) from events inner join songs on song = title
inner join (
    select artist_id, min(artist_name) as name from songs group by artist_id
) as artists on songs.artist_id = artists.artist_id and artist = name
where page = 'NextSong'""",
        "309",
    ),
    Variant(
        "songplays",
        "inner join on title and artist, run twice without a key: each row twice",
        f"select 2 * count(*) {JOINED.format(condition=BOTH)}",
        "666",
    ),
    Variant(
        "songplays",
        "inner join on the title only: other artists' songs match, and a play repeats",
        joined("song = title"),
        "1,144",
    ),
    Variant(
        "songplays",
        "inner join on the artist only: a row for each song of the artist",
        joined("artist = artist_name"),
        "9,957",
    ),
    Variant(
        "songplays",
        "left join on the title only",
        count("from events left join songs on song = title where page = 'NextSong'"),
        "7,154",
    ),
    Variant(
        "songplays",
        "left join on the title only, all pages",
        count("from events left join songs on song = title"),
        "8,390",
    ),
    Variant("songplays", "no filter on the page", count("from events"), "8,056"),
    Variant(
        "users",
        "one row per user and level, from plays",
        count(f"from (select distinct {COLUMNS} {PLAYS})"),
        "104",
    ),
    Variant(
        "users",
        "one row per user and level, from all pages",
        count(f"from (select distinct {COLUMNS} from events where userId != '')"),
        "105",
    ),
    Variant(
        "users",
        "the same, with rows for the empty user",
        count(f"from (select distinct {COLUMNS} from events)"),
        "107",
    ),
    Variant(
        "users",
        "one row per user who played a song",
        f"select count(distinct userId) {PLAYS}",
        "96",
    ),
    Variant(
        "users with a wrong level",
        "`MIN(level)`, which is `free` for a user who was ever `free`",
        LEVEL % "min(level)",
    ),
    Variant(
        "users with a wrong level",
        "the level of the first event, by `ON CONFLICT DO NOTHING`",
        LEVEL % "min_by(level, ts)",
    ),
    Variant(
        "artists",
        "distinct over all five columns: an id with several names or locations repeats",
        """\
select count(*) from (
    select distinct artist_id, artist_name, artist_location, artist_latitude,
        artist_longitude
    from songs
)""",
        "10,025",
    ),
    Variant("time", "from all pages", "select count(distinct ts) from events", "8,023"),
    Variant(
        "time",
        "from the matched plays only",
        f"select count(distinct ts) {JOINED.format(condition=BOTH)}",
        "333, 319",
    ),
    Variant(
        "hours listened",
        "durations in an unscaled `NUMERIC`, which rounds to whole seconds",
        f"select round(sum(cast(length as numeric(18, 0))) / 3600, 2) {PLAYS}",
    ),
    Variant(
        "peak hour",
        "inner join on the artist only: some plays are missing, others repeat",
        PEAK % JOINED.format(condition="artist = artist_name"),
    ),
    Variant(
        "peak hour",
        "inner join on title and artist: the few matched plays decide",
        PEAK % JOINED.format(condition=BOTH),
    ),
    Variant(
        "peak hour",
        "`start_time` in California's local time",
        f"""\
select hour || ' h, ' || format('{{:,}}', count(*)) || ' plays'
from (select hour(epoch_ms(ts) - interval 8 hour) as hour {PLAYS})
group by hour order by count(*) desc, hour limit 1""",
    ),
)
EVENTS: Final = """\
create table events as select * from read_json($files, format = 'newline_delimited',
columns = {artist: 'varchar', firstName: 'varchar', gender: 'varchar',
itemInSession: 'integer', lastName: 'varchar', length: 'decimal(12, 5)',
level: 'varchar', page: 'varchar', sessionId: 'bigint', song: 'varchar',
ts: 'bigint', userId: 'varchar'})"""
SONGS: Final = """\
create table songs as select * from read_json($files, format = 'newline_delimited',
columns = {artist_id: 'varchar', artist_latitude: 'double',
artist_longitude: 'double', artist_location: 'varchar', artist_name: 'varchar',
song_id: 'varchar', title: 'varchar', duration: 'decimal(12, 5)'})"""
RIGHT: Final = {
    "songplays": "one row per `NextSong` event",
    "users": "one row per user of the app, from all pages",
    "users with a wrong level": "the level of the latest event",
    "artists": "one row per id",
    "time": "the distinct start times of songplays",
    "hours listened": "durations with five decimal places, as in the logs",
    "peak hour": "all plays, in UTC",
}
"""The correct content of each table; the oracle computes the figures."""


def right_of(evidence: Evidence) -> dict[str, str]:
    """Return the oracle's figure for each key of RIGHT."""
    hours = group_by(evidence.plays, lambda play: play.start_time.hour)
    peak = min(hours, key=lambda hour: (-len(hours[hour]), hour))
    return {
        "songplays": f"{len(evidence.plays):,}",
        "users": f"{len(evidence.star.users):,}",
        "users with a wrong level": "0",
        "artists": f"{len(evidence.star.artists):,}",
        "time": f"{len(evidence.star.time):,}",
        "hours listened": f"{listening_hours(evidence.plays):,}",
        "peak hour": f"{peak} h, {len(hours[peak]):,} plays",
    }


def counted(data: Path) -> list[str]:
    """Return the results of WRONG on a folder of data, in its order."""
    with duckdb.connect() as connection:
        for statement, part in ((EVENTS, "log_data"), (SONGS, "song_data")):
            files = {"files": str(data / part / "**" / "*.json")}
            connection.execute(statement, files)
        found = [connection.execute(v.query).fetchall()[0][0] for v in WRONG]
    return [value if isinstance(value, str) else f"{value:,}" for value in found]


HEAD: Final = """\
# The course's data: what others print, and what is right

Many public repositories build this warehouse from the same data, `s3://udacity-dend`,
and print different row counts. This page explains them. Each variant of a table is a
query in `tests/support/published.py`. `make published REAL_DATA=folder` runs the
queries on the raw records and writes this page. If the data are present, a test
compares the page with the queries.

The queries ran on {events} events in {log_files} log files, all of the bucket, and on
{songs} songs in {song_files} files, a part of the bucket's 14,896. So a count that
depends on the logs only is equal to the published one. A count that depends on the
catalogue is smaller. The published count is from the whole catalogue, which was not
available here.

| table | how it is filled | others print | result here | right here |
|---|---|---|---|---|
"""
TAIL: Final = """
One version prints a peak hour of 17 h with 10,050 plays, more than all plays. A join
must have repeated plays. It is not known which join.

What follows:

- **Most plays match no song.** {matched} of {plays} plays have the title and artist of
  one of these {songs} songs. An inner join drops all other plays. Counts of its result
  (users, start times, the peak hour) describe only the matched plays. Here `songplays`
  keeps every play, and `song_id` is null for a play without a match.
- **The key of users is the user, not user and level.** {changing} users change their
  level. With a row per user and level, they are counted twice, and a join repeats their
  plays. Here `users` has the latest level, `songplays` the level at the play, and
  `user_level_history` all levels with their periods.
- **A duration is not a key.** Logs and catalogue contain different recordings of the
  same song. Here the duration only decides between several songs of one title and
  artist.
- **The data do not contain local time.** `ts` is in milliseconds, in UTC. A database
  that converts it to its own time zone changes the peak hour.
- **Text is repaired.** {repaired} plays have a title or artist that is UTF-8 encoded
  twice (`Caf\u00c3\u0083\u00c2\u00a9` for `Caf\u00e9`).

The right figures are the oracle's (`tests/oracle`), in plain Python. `make test
REAL_DATA=folder` compares each value of the warehouse with the oracle, on every engine.
"""


def page(data: Path) -> str:
    """Return the page about a folder of data."""
    records = read_folder(data)
    evidence = evidence_of(records)
    right = right_of(evidence)
    lines: list[str] = []
    results = list(zip(WRONG, counted(data), strict=True))
    for table, how in RIGHT.items():
        lines += [
            f"| {table} | {variant.why} | {variant.printed} | {found} | |"
            for variant, found in results
            if variant.table == table
        ]
        lines.append(f"| {table} | **{how}** | | | **{right[table]}** |")
    levels = group_by(
        (event for event in evidence.events if event.user_id is not None),
        lambda event: event.user_id,
    )
    numbers = {
        "events": len(records.events),
        "log_files": records.file_counts["staging_events"],
        "songs": len(records.songs),
        "song_files": records.file_counts["staging_songs"],
        "plays": len(evidence.plays),
        "matched": len(evidence.matched_plays),
        "changing": sum(len({e.level for e in of}) > 1 for of in levels.values()),
        "repaired": sum(
            raw.page == "NextSong"
            and any(
                text and clean_text(text) != text for text in (raw.song, raw.artist)
            )
            for raw in records.events
        ),
    }
    shown = {name: f"{number:,}" for name, number in numbers.items()}
    return HEAD.format(**shown) + "\n".join(lines) + "\n" + TAIL.format(**shown)
