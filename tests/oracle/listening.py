"""The marts of listening, from the rules that their descriptions and columns give.

Plays one by one, sessions and levels event by event in the order in which things
happened: (`ts`, `session_id`, `item_in_session`).
"""

from __future__ import annotations

import csv
from calendar import day_name
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal
from functools import cache
from hashlib import md5
from itertools import pairwise
from pathlib import Path
from typing import Final, NamedTuple

from oracle.cleaning import trim
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
    winning_events,
)

US_STATES = Path(__file__).parents[2] / "seeds" / "look_ups" / "us_states.csv"


class Play(NamedTuple):
    """One row per songplay, with what is asked for."""

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
    """One row per user and period of one level."""

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
    """One row per user and week, in the last 105 weeks of the calendar with plays."""

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
    """The marts of listening, each in the order of its key, the first column."""

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
    """A state of the USA; no region where the Census Bureau has none."""

    name: str
    region: str | None


@cache
def us_states() -> Mapping[str, State]:
    """Read the look-up of states, by their two letters."""
    with US_STATES.open(encoding="utf-8", newline="") as lines:
        return {
            row["state_code"]: State(row["state"], row["census_region"] or None)
            for row in csv.DictReader(lines)
        }


# -------------------------------------------------------------------------- plays


def city_and_code(location: str | None) -> tuple[str | None, str | None]:
    """Cut a location at its last comma; the code is the first one after it."""
    if location is None or "," not in location:
        return location, None
    city, _, states = location.rpartition(",")
    return trim(city) or None, trim(states.split("-")[0])


def device_family(user_agent: str | None) -> str | None:
    """Name the device of a user agent, by the first word of these that it has."""
    if user_agent is None:
        return None
    for word in ("Windows", "iPad", "iPhone", "Android", "Macintosh", "Linux"):
        if word in user_agent:
            return "Mac" if word == "Macintosh" else word
    return "Other"


def make_play(play: Songplay, user: User | None) -> Play:
    """Put beside a songplay who, when, where and on what."""
    moment = make_time(play.start_time)
    city, code = city_and_code(play.location)
    state = us_states().get(code or "")
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
        state_code=None if state is None else code,
        state=None if state is None else state.name,
        census_region=None if state is None else state.region,
        device_family=device_family(play.user_agent),
    )


# ----------------------------------------------------------------------- sessions


def make_session(events: list[Event], plays: list[Songplay]) -> Session:
    """Sum up one session's events, in the order in which they happened."""
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
    """Make one row per session that has an event; events come in their order."""
    plays: defaultdict[int, list[Songplay]] = defaultdict(list)
    for play in songplays:
        plays[play.session_id].append(play)
    sessions: defaultdict[int, list[Event]] = defaultdict(list)
    for event in events:
        sessions[event.session_id].append(event)
    return [
        make_session(happened, plays[session_id])
        for session_id, happened in sorted(sessions.items())
    ]


# ------------------------------------------------------------------------- levels


def user_level_id(event: Event) -> str:
    """Hash the user and the first event of a period, as dbt_utils does."""
    key = f"{event.user_id}-{event.session_id}-{event.item_in_session}"
    return md5(key.encode(), usedforsecurity=False).hexdigest()


def levels_of(user_id: int, events: list[Event]) -> list[UserLevel]:
    """Cut a user's events, in their order, where his level changes.

    Of events of one moment the last one gives the level.
    """
    deciding = [
        event
        for event, following in pairwise([*events, None])
        if event is not None and (following is None or following.ts != event.ts)
    ]
    openings: list[Event] = []
    for event in deciding:
        if not openings or event.level != openings[-1].level:
            openings.append(event)
    rows = []
    before: str | None = None
    for opening, following in pairwise([*openings, None]):
        assert opening is not None
        plays = [
            event
            for event in events
            if event.page == "NextSong"
            and event.ts >= opening.ts
            and (following is None or event.ts < following.ts)
        ]
        rows.append(
            UserLevel(
                user_level_id=user_level_id(opening),
                user_id=user_id,
                level=opening.level,
                previous_level=before,
                valid_from=start_time(opening.ts),
                valid_to=None if following is None else start_time(following.ts),
                is_current=following is None,
                is_upgrade=(before, opening.level) == ("free", "paid"),
                is_downgrade=(before, opening.level) == ("paid", "free"),
                play_count=len(plays),
            )
        )
        before = opening.level
    return rows


def build_user_level_history(events: Iterable[Event]) -> list[UserLevel]:
    """Return the periods of all users. Events are sorted."""
    users: defaultdict[int, list[Event]] = defaultdict(list)
    for event in events:
        if event.user_id is not None:
            users[event.user_id].append(event)
    return sorted(
        row for user_id in users for row in levels_of(user_id, users[user_id])
    )


# -------------------------------------------------------------------------- weeks


END_OF_CALENDAR: Final = date(2243, 10, 16)


def monday_of(moment: datetime) -> date:
    """Return the Monday of a moment's week, in UTC."""
    return moment.date() - timedelta(days=moment.weekday())


def within_calendar(ts: int) -> bool:
    """Return whether the week of a moment begins within the calendar's days."""
    return date(1970, 1, 1) <= monday_of(start_time(ts)) <= END_OF_CALENDAR


def weeks_of(user_id: int, events: list[Event], last: date) -> list[UserWeek]:
    """Go through a user's weeks; events come in their order."""
    rows: list[UserWeek] = []
    play_weeks = {monday_of(start_time(e.ts)) for e in events if e.page == "NextSong"}
    first_play_week = min(play_weeks, default=None)
    week = max(monday_of(start_time(events[0].ts)), last - timedelta(weeks=104))
    while week <= min(last, END_OF_CALENDAR):
        end = week + timedelta(days=7)
        before = [e for e in events if start_time(e.ts).date() < week]
        within = [e for e in events if week <= start_time(e.ts).date() < end]
        plays = [event for event in within if event.page == "NextSong"]
        key = f"{user_id}-{week}"
        rows.append(
            UserWeek(
                user_week_id=md5(key.encode(), usedforsecurity=False).hexdigest(),
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


def build_user_weeks(events: Iterable[Event]) -> list[UserWeek]:
    """Make the weeks of all users; events come in their order."""
    users: defaultdict[int, list[Event]] = defaultdict(list)
    for event in events:
        if event.user_id is not None:
            users[event.user_id].append(event)
    played = [
        event.ts
        for user_events in users.values()
        for event in user_events
        if event.page == "NextSong"
    ]
    if not played:
        return []
    last = max(
        (monday_of(start_time(ts)) for ts in played if within_calendar(ts)),
        default=None,
    )
    if last is None:
        return []
    return sorted(
        row for user_id in users for row in weeks_of(user_id, users[user_id], last)
    )


def build_listening(records: RawRecords, star: Star | None = None) -> Listening:
    """Derive the marts from the accepted raw records, whose star may be there."""
    star = star or build_star(records)
    events = sorted(winning_events(map(clean_event, records.events)), key=recency)
    users = {user.user_id: user for user in star.users}
    return Listening(
        plays=[
            make_play(play, None if play.user_id is None else users.get(play.user_id))
            for play in star.songplays
        ],
        sessions=build_sessions(events, star.songplays),
        user_level_history=build_user_level_history(events),
        user_weeks=build_user_weeks(events),
    )
