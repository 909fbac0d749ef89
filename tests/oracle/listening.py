"""The listening marts, by the descriptions of their models and columns.

Events are sorted by (`ts`, `session_id`, `item_in_session`) in every function.
"""

from __future__ import annotations

import csv
from calendar import day_name
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal
from functools import cache
from itertools import groupby
from pathlib import Path
from typing import Final, NamedTuple

from oracle.cleaning import trim
from oracle.measures import events_by_user, group_by, monday_of
from oracle.reading import RawRecords
from oracle.star import (
    Event,
    Songplay,
    Star,
    Table,
    User,
    build_star,
    clean_event,
    make_time,
    recency,
    start_time,
    surrogate_key,
    winning_events,
)

END_OF_CALENDAR: Final = date(2243, 10, 16)
US_STATES = Path(__file__).parents[2] / "seeds" / "look_ups" / "us_states.csv"


class Play(NamedTuple):
    """One row per songplay, with the attributes of user, time, location and device."""

    songplay_id: str
    start_time: datetime
    play_date: date
    hour: int
    day: int
    week: int
    month: int
    year: int
    weekday: int
    weekday_name: str
    user_id: int | None
    first_name: str | None
    last_name: str | None
    gender: str | None
    level: str | None
    session_id: int
    item_in_session: int
    song_title: str | None
    artist_name: str | None
    duration_seconds: Decimal | None
    song_id: str | None
    artist_id: str | None
    is_matched: bool
    location: str | None
    city: str | None
    state_code: str | None
    state: str | None
    census_region: str | None
    device_family: str | None


class Session(NamedTuple):
    """One row per session of the app."""

    session_id: int
    user_id: int | None
    level: str | None
    started_at: datetime
    ended_at: datetime
    event_count: int
    play_count: int
    matched_play_count: int
    listening_seconds: Decimal


class UserLevel(NamedTuple):
    """One row per user and period with one level."""

    user_level_id: str
    user_id: int
    level: str | None
    previous_level: str | None
    valid_from: datetime
    valid_to: datetime | None
    is_current: bool
    is_upgrade: bool
    is_downgrade: bool
    play_count: int


class UserWeek(NamedTuple):
    """One row per user and week, at most 105 weeks up to the last week with plays."""

    user_week_id: str
    user_id: int
    week_start_date: date
    level_at_start: str | None
    level_at_end: str | None
    play_count: int
    listening_seconds: Decimal
    has_plays: bool
    had_plays_before: bool
    is_first_with_plays: bool
    first_play_week: date | None


@dataclass(frozen=True)
class Listening:
    """The listening marts, each sorted by its key, which is the first column."""

    plays: list[Play]
    sessions: list[Session]
    user_level_history: list[UserLevel]
    user_weeks: list[UserWeek]

    def tables(self) -> dict[str, Table]:
        """Return the marts by name, with column names."""
        return {
            "plays": Table(Play._fields, list(self.plays)),
            "sessions": Table(Session._fields, list(self.sessions)),
            "user_level_history": Table(
                UserLevel._fields, list(self.user_level_history)
            ),
            "user_weeks": Table(UserWeek._fields, list(self.user_weeks)),
        }


class State(NamedTuple):
    """A state of the USA; the region of a territory is null."""

    code: str
    name: str
    region: str | None


@cache
def us_states() -> Mapping[str, State]:
    """Return the states by code."""
    with US_STATES.open(encoding="utf-8", newline="") as lines:
        states = [
            State(row["state_code"], row["state"], row["census_region"] or None)
            for row in csv.DictReader(lines)
        ]
    return {state.code: state for state in states}


# -------------------------------------------------------------------------- plays


def city_and_code(location: str | None) -> tuple[str | None, str | None]:
    """Return city and state code; of `City, NY-NJ` these are `City` and `NY`."""
    if location is None or "," not in location:
        return location, None
    city, _, states = location.rpartition(",")
    return trim(city) or None, trim(states.split("-")[0])


def state_of(location: str | None) -> State | None:
    """Return the state of a location, null if its code is unknown."""
    _, code = city_and_code(location)
    return us_states().get(code or "")


def device_family(user_agent: str | None) -> str | None:
    """Return the device of a user agent: the first of the words that it contains."""
    if user_agent is None:
        return None
    for word in ("Windows", "iPad", "iPhone", "Android", "Macintosh", "Linux"):
        if word in user_agent:
            return "Mac" if word == "Macintosh" else word
    return "Other"


def make_play(play: Songplay, user: User | None) -> Play:
    """Return the row of a songplay and its user."""
    moment = make_time(play.start_time)
    city, _ = city_and_code(play.location)
    state = state_of(play.location)
    return Play(
        songplay_id=play.songplay_id,
        start_time=play.start_time,
        play_date=play.start_time.date(),
        hour=moment.hour,
        day=moment.day,
        week=moment.week,
        month=moment.month,
        year=moment.year,
        weekday=moment.weekday,
        weekday_name=day_name[moment.weekday - 1],
        user_id=play.user_id,
        first_name=None if user is None else user.first_name,
        last_name=None if user is None else user.last_name,
        gender=None if user is None else user.gender,
        level=play.level,
        session_id=play.session_id,
        item_in_session=play.item_in_session,
        song_title=play.song_title,
        artist_name=play.artist_name,
        duration_seconds=play.duration_seconds,
        song_id=play.song_id,
        artist_id=play.artist_id,
        is_matched=play.song_id is not None,
        location=play.location,
        city=city,
        state_code=None if state is None else state.code,
        state=None if state is None else state.name,
        census_region=None if state is None else state.region,
        device_family=device_family(play.user_agent),
    )


# ----------------------------------------------------------------------- sessions


def make_session(events: list[Event], plays: list[Songplay]) -> Session:
    """Return the row of one session."""
    users = [event.user_id for event in events if event.user_id is not None]
    return Session(
        session_id=events[0].session_id,
        user_id=users[-1] if users else None,
        level=events[-1].level,
        started_at=start_time(events[0].ts),
        ended_at=start_time(events[-1].ts),
        event_count=len(events),
        play_count=len(plays),
        matched_play_count=sum(play.song_id is not None for play in plays),
        listening_seconds=sum(
            (play.duration_seconds or Decimal(0) for play in plays), Decimal(0)
        ),
    )


def build_sessions(
    events: Iterable[Event], songplays: Iterable[Songplay]
) -> list[Session]:
    """Return one row per session that has an event."""
    plays = group_by(songplays, lambda play: play.session_id)
    sessions = group_by(events, lambda event: event.session_id)
    return [
        make_session(of_session, plays.get(session_id, []))
        for session_id, of_session in sorted(sessions.items())
    ]


# ------------------------------------------------------------------------- levels


def levels_of(user_id: int, events: list[Event]) -> list[UserLevel]:
    """Return a user's periods. Of events with one ts, the last decides the level."""
    deciding = [list(same)[-1] for _, same in groupby(events, lambda event: event.ts)]
    first = [next(run) for _, run in groupby(deciding, lambda event: event.level)]
    rows = []
    previous: str | None = None
    for event, following in zip(first, [*first[1:], None], strict=True):
        plays = [
            play
            for play in events
            if play.page == "NextSong"
            and play.ts >= event.ts
            and (following is None or play.ts < following.ts)
        ]
        rows.append(
            UserLevel(
                user_level_id=surrogate_key(
                    user_id, event.session_id, event.item_in_session
                ),
                user_id=user_id,
                level=event.level,
                previous_level=previous,
                valid_from=start_time(event.ts),
                valid_to=None if following is None else start_time(following.ts),
                is_current=following is None,
                is_upgrade=(previous, event.level) == ("free", "paid"),
                is_downgrade=(previous, event.level) == ("paid", "free"),
                play_count=len(plays),
            )
        )
        previous = event.level
    return rows


def build_user_level_history(users: Mapping[int, list[Event]]) -> list[UserLevel]:
    """Return the periods of all users from their events."""
    return sorted(row for user in users.items() for row in levels_of(*user))


# -------------------------------------------------------------------------- weeks


def weeks_of(user_id: int, events: list[Event], last: date) -> list[UserWeek]:
    """Return one row per week of a user, up to the last week."""
    rows: list[UserWeek] = []
    play_weeks = {monday_of(start_time(e.ts)) for e in events if e.page == "NextSong"}
    first_play_week = min(play_weeks, default=None)
    week = max(monday_of(start_time(events[0].ts)), last - timedelta(weeks=104))
    while week <= min(last, END_OF_CALENDAR):
        end = week + timedelta(days=7)
        before = [e for e in events if start_time(e.ts).date() < week]
        within = [e for e in events if week <= start_time(e.ts).date() < end]
        plays = [event for event in within if event.page == "NextSong"]
        rows.append(
            UserWeek(
                user_week_id=surrogate_key(user_id, week),
                user_id=user_id,
                week_start_date=week,
                level_at_start=before[-1].level if before else None,
                level_at_end=[*before, *within][-1].level,
                play_count=len(plays),
                listening_seconds=sum(
                    (play.duration_seconds or Decimal(0) for play in plays), Decimal(0)
                ),
                has_plays=bool(plays),
                had_plays_before=week - timedelta(weeks=1) in play_weeks,
                is_first_with_plays=week == first_play_week,
                first_play_week=first_play_week,
            )
        )
        week = end
    return rows


def build_user_weeks(users: Mapping[int, list[Event]]) -> list[UserWeek]:
    """Return the weeks of all users from their events."""
    weeks = {
        monday_of(start_time(event.ts))
        for events in users.values()
        for event in events
        if event.page == "NextSong"
    }
    in_calendar = [w for w in weeks if date(1970, 1, 1) <= w <= END_OF_CALENDAR]
    if not in_calendar:
        return []
    last = max(in_calendar)
    return sorted(row for user in users.items() for row in weeks_of(*user, last))


def build_listening(records: RawRecords, star: Star | None = None) -> Listening:
    """Return the listening marts; a given star must be of the same records."""
    star = star or build_star(records)
    events = sorted(winning_events(map(clean_event, records.events)), key=recency)
    users: dict[int | None, User] = {user.user_id: user for user in star.users}
    of_users = events_by_user(events)
    return Listening(
        plays=[make_play(play, users.get(play.user_id)) for play in star.songplays],
        sessions=build_sessions(events, star.songplays),
        user_level_history=build_user_level_history(of_users),
        user_weeks=build_user_weeks(of_users),
    )
