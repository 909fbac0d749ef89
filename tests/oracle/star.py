"""The five tables as a pure function of the set of raw records (decision 0002)."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from hashlib import md5
from typing import NamedTuple, TypeAlias

from oracle.cleaning import clean_duration, clean_text, clean_user, clean_year
from oracle.reading import RawEvent, RawRecords, RawSong

# --------------------------------------------------------------- rows of the star


class Songplay(NamedTuple):
    """One row per NextSong event."""

    songplay_id: str
    start_time: datetime
    user_id: int | None
    level: str | None
    song_id: str | None
    artist_id: str | None
    session_id: int
    location: str | None
    user_agent: str | None
    item_in_session: int
    song_title: str | None
    artist_name: str | None
    duration_seconds: Decimal | None


class User(NamedTuple):
    """One row per user of the app."""

    user_id: int
    first_name: str | None
    last_name: str | None
    gender: str | None
    level: str | None
    last_seen_at: datetime


class Song(NamedTuple):
    """One row per song of the catalogue."""

    song_id: str
    title: str | None
    artist_id: str
    year: int | None
    duration: Decimal | None


class Artist(NamedTuple):
    """One row per artist of the catalogue."""

    artist_id: str
    name: str | None
    location: str | None
    latitude: float | None
    longitude: float | None


class Time(NamedTuple):
    """One row per distinct start_time of songplays."""

    start_time: datetime
    hour: int
    day: int
    week: int
    month: int
    year: int
    weekday: int


class Table(NamedTuple):
    """One table: column names, and rows sorted by the key."""

    columns: tuple[str, ...]
    rows: list[tuple[object, ...]]


@dataclass(frozen=True)
class Star:
    """The five tables, each sorted by its key, which is the first column."""

    songplays: list[Songplay]
    users: list[User]
    songs: list[Song]
    artists: list[Artist]
    time: list[Time]

    def tables(self) -> dict[str, Table]:
        """Return the five tables by name, with column names."""
        return {
            "songplays": Table(Songplay._fields, list(self.songplays)),
            "users": Table(User._fields, list(self.users)),
            "songs": Table(Song._fields, list(self.songs)),
            "artists": Table(Artist._fields, list(self.artists)),
            "time": Table(Time._fields, list(self.time)),
        }


# ----------------------------------------------------------------- cleaned records


class Event(NamedTuple):
    """A cleaned event. The columns after ts are in the tie order of decision 0002."""

    session_id: int
    item_in_session: int
    ts: int
    artist_name: str | None
    auth: str | None
    first_name: str | None
    gender: str | None
    last_name: str | None
    duration_seconds: Decimal | None
    level: str | None
    location: str | None
    method: str | None
    page: str | None
    registered_at: float | None
    song_title: str | None
    status: int | None
    user_agent: str | None
    user_id: int | None


class CatalogueRow(NamedTuple):
    """A cleaned row of the catalogue."""

    num_songs: int | None
    artist_id: str
    latitude: float | None
    longitude: float | None
    location: str | None
    artist_name: str | None
    song_id: str
    title: str | None
    duration: Decimal | None
    year: int | None


def clean_event(raw: RawEvent) -> Event:
    """Clean every column of an event."""
    return Event(
        session_id=raw.session_id,
        item_in_session=raw.item_in_session,
        ts=raw.ts,
        artist_name=clean_text(raw.artist),
        auth=clean_text(raw.auth),
        first_name=clean_text(raw.first_name),
        gender=clean_text(raw.gender),
        last_name=clean_text(raw.last_name),
        duration_seconds=clean_duration(raw.length),
        level=clean_text(raw.level),
        location=clean_text(raw.location),
        method=clean_text(raw.method),
        page=clean_text(raw.page),
        registered_at=raw.registration,
        song_title=clean_text(raw.song),
        status=raw.status,
        user_agent=clean_text(raw.user_agent),
        user_id=clean_user(raw.user_id),
    )


def clean_id(text: str) -> str:
    """Clean a song_id or artist_id; raise ValueError for one that 0001 rejects."""
    cleaned = clean_text(text)
    if cleaned is None:
        raise ValueError(f"The id {text!r} is only white space.")
    return cleaned


def clean_song(raw: RawSong) -> CatalogueRow:
    """Clean every column of a catalogue row."""
    return CatalogueRow(
        num_songs=raw.num_songs,
        artist_id=clean_id(raw.artist_id),
        latitude=raw.artist_latitude,
        longitude=raw.artist_longitude,
        location=clean_text(raw.artist_location),
        artist_name=clean_text(raw.artist_name),
        song_id=clean_id(raw.song_id),
        title=clean_text(raw.title),
        duration=clean_duration(raw.duration),
        year=clean_year(raw.year),
    )


# --------------------------------------------------------------------------- ties

Rank: TypeAlias = tuple[object, ...]
"""The smallest rank wins. Python compares text by code point."""


def nulls_last(value: object) -> Rank:
    """Return a sort key: values ascending, then nulls."""
    return (True,) if value is None else (False, value)


def event_rank(event: Event) -> Rank:
    """Rank the records with the same key: latest ts, then content."""
    content = event[Event._fields.index("ts") + 1 :]
    return (-event.ts, *map(nulls_last, content))


def winning_events(events: Iterable[Event]) -> list[Event]:
    """Return the current event of each session_id and item_in_session, on any page."""
    winner_last = sorted(events, key=event_rank, reverse=True)
    return list({(e.session_id, e.item_in_session): e for e in winner_last}.values())


# ---------------------------------------------------------------------- songplays

EPOCH = datetime(1970, 1, 1, tzinfo=UTC).replace(tzinfo=None)

Catalogue: TypeAlias = Mapping[tuple[str, str], list[CatalogueRow]]


def surrogate_key(*values: object) -> str:
    """Return the hash of values that are not null: dbt_utils.generate_surrogate_key."""
    key = "-".join(map(str, values))
    return md5(key.encode(), usedforsecurity=False).hexdigest()


def start_time(ts: int) -> datetime:
    """Return milliseconds since 1970 as a UTC time without a time zone."""
    return EPOCH + timedelta(milliseconds=ts)


def by_title_and_name(catalogue: Iterable[CatalogueRow]) -> Catalogue:
    """Return catalogue rows by title and artist name, both not null."""
    index: defaultdict[tuple[str, str], list[CatalogueRow]] = defaultdict(list)
    for row in catalogue:
        if row.title is not None and row.artist_name is not None:
            index[row.title, row.artist_name].append(row)
    return index


def distance(one: Decimal | None, other: Decimal | None) -> Decimal | None:
    """Return the difference of two durations, null if one is null."""
    return None if one is None or other is None else abs(one - other)


def match(event: Event, index: Catalogue) -> CatalogueRow | None:
    """Return the catalogue row of a play: nearest duration, song_id, artist_id."""
    if event.song_title is None or event.artist_name is None:
        return None

    def rank(row: CatalogueRow) -> Rank:
        apart = distance(event.duration_seconds, row.duration)
        return (nulls_last(apart), row.song_id, row.artist_id)

    candidates = index.get((event.song_title, event.artist_name), [])
    return min(candidates, key=rank, default=None)


def make_songplay(event: Event, song: CatalogueRow | None) -> Songplay:
    """Return the songplay of an event and its catalogue row, if it has one."""
    return Songplay(
        songplay_id=surrogate_key(event.session_id, event.item_in_session),
        start_time=start_time(event.ts),
        user_id=event.user_id,
        level=event.level,
        song_id=None if song is None else song.song_id,
        artist_id=None if song is None else song.artist_id,
        session_id=event.session_id,
        location=event.location,
        user_agent=event.user_agent,
        item_in_session=event.item_in_session,
        song_title=event.song_title,
        artist_name=event.artist_name,
        duration_seconds=event.duration_seconds,
    )


def build_songplays(
    events: Iterable[Event], catalogue: Iterable[CatalogueRow]
) -> list[Songplay]:
    """Return one row per NextSong event, matched or not."""
    index = by_title_and_name(catalogue)
    songplays = [
        make_songplay(event, match(event, index))
        for event in events
        if event.page == "NextSong"
    ]
    return sorted(songplays, key=lambda play: play.songplay_id)


# -------------------------------------------------------------------------- users


def recency(event: Event) -> tuple[int, int, int]:
    """Return the sort key of an event by time."""
    return (event.ts, event.session_id, event.item_in_session)


def build_users(events: Iterable[Event]) -> list[User]:
    """Return one row per user of any page, from the user's latest event."""
    latest = {
        event.user_id: event
        for event in sorted(events, key=recency)
        if event.user_id is not None
    }
    return [
        User(
            user_id,
            event.first_name,
            event.last_name,
            event.gender,
            event.level,
            start_time(event.ts),
        )
        for user_id, event in sorted(latest.items())
    ]


# -------------------------------------------------------------------------- songs


def song_rank(row: CatalogueRow) -> Rank:
    """Rank the rows of one song: with a year, latest year, then content."""
    return (
        row.year is None,
        -(row.year or 0),
        nulls_last(row.title),
        row.artist_id,
        nulls_last(row.duration),
    )


def build_songs(catalogue: Iterable[CatalogueRow]) -> list[Song]:
    """Return one song per song_id, all its values from one row."""
    best_last = sorted(catalogue, key=song_rank, reverse=True)
    best = {row.song_id: row for row in best_last}
    return [
        Song(song_id, row.title, row.artist_id, row.year, row.duration)
        for song_id, row in sorted(best.items())
    ]


# ------------------------------------------------------------------------ artists


def artist_name(rows: set[CatalogueRow]) -> str | None:
    """Return an artist's name: not null, on most rows, shortest, first.

    Rows that are equal in every cleaned column count once.
    """
    counts = Counter(row.artist_name for row in rows)

    def rank(name: str | None) -> Rank:
        return (name is None, -counts[name], len(name or ""), nulls_last(name))

    return min(counts, key=rank)


def artist_rank(row: CatalogueRow) -> Rank:
    """Rank the rows with an artist's name: with a location, with both coordinates."""
    return (
        row.location is None,
        row.latitude is None or row.longitude is None,
        row.song_id,
        nulls_last(row.location),
        nulls_last(row.latitude),
        nulls_last(row.longitude),
    )


def build_artists(catalogue: Iterable[CatalogueRow]) -> list[Artist]:
    """Return one artist per artist_id, from one of the rows with the artist's name."""
    rows: defaultdict[str, set[CatalogueRow]] = defaultdict(set)
    for row in catalogue:
        rows[row.artist_id].add(row)
    artists = []
    for artist_id, candidates in sorted(rows.items()):
        name = artist_name(candidates)
        named = [row for row in candidates if row.artist_name == name]
        best = min(named, key=artist_rank)
        artists.append(
            Artist(artist_id, name, best.location, best.latitude, best.longitude)
        )
    return artists


# --------------------------------------------------------------------------- time


def make_time(moment: datetime) -> Time:
    """Return the parts of a time: ISO week, weekday from 1 for Monday to 7."""
    return Time(
        start_time=moment,
        hour=moment.hour,
        day=moment.day,
        week=moment.isocalendar().week,
        month=moment.month,
        year=moment.year,
        weekday=moment.isoweekday(),
    )


def build_time(songplays: Iterable[Songplay]) -> list[Time]:
    """Return one row per distinct start_time of songplays."""
    return [make_time(moment) for moment in sorted({p.start_time for p in songplays})]


# ----------------------------------------------------------------------- the star


def build_star(records: RawRecords) -> Star:
    """Return the five tables of the accepted raw records."""
    events = winning_events(map(clean_event, records.events))
    catalogue = [clean_song(raw) for raw in records.songs]
    songplays = build_songplays(events, catalogue)
    return Star(
        songplays=songplays,
        users=build_users(events),
        songs=build_songs(catalogue),
        artists=build_artists(catalogue),
        time=build_time(songplays),
    )
