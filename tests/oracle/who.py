"""Users, their levels and their sessions."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from fractions import Fraction

from oracle.measures import (
    TOP,
    Answer,
    Evidence,
    Plays,
    Row,
    by_count,
    events_by_user,
    group_by,
    listening_hours,
    minutes,
    monday_of,
    ranked_groups,
    shares_by,
    two_places,
)
from oracle.star import Event, Rank, Songplay, nulls_last, recency, start_time
from oracle.what import SONG, song_of, songs_by_plays

QUIET_DAYS = 7
NAMES = ("user_id", "first_name", "last_name")


def names_of(evidence: Evidence, user_id: int | None) -> Row:
    """Return user_id, first name and last name of a user."""
    user = evidence.users[user_id]
    return (user_id, user.first_name, user.last_name)


# --------------------------------------------------------------------------- users


def most_active_users(evidence: Evidence) -> Answer:
    """Rank users by plays, with their current level."""
    ranked = ranked_groups(evidence.plays_of_users, lambda play: play.user_id)
    return Answer(
        (*NAMES, "level", "play_count", "listening_hours"),
        [
            (
                *names_of(evidence, user_id),
                evidence.users[user_id].level,
                len(plays),
                listening_hours(plays),
            )
            for user_id, plays in ranked[:TOP]
        ],
    )


def plays_by_level(evidence: Evidence) -> Answer:
    """Count plays by the user's level at the time of the play."""
    return shares_by(evidence, "level", lambda play: play.level)


def plays_by_gender(evidence: Evidence) -> Answer:
    """Count plays by the user's gender; null means no user or an unknown gender."""

    def gender(play: Songplay) -> str | None:
        user = evidence.users.get(play.user_id)
        return None if user is None else user.gender

    return shares_by(evidence, "gender", gender)


def quiet_users(evidence: Evidence) -> Answer:
    """Return users whose last play is at least seven days before the last of all."""
    columns = (*NAMES, "level", "last_played_at", "quiet_day_count", "play_count")
    if not evidence.plays:
        return Answer(columns, [])
    last_day = max(play.start_time for play in evidence.plays).date()
    rows: list[tuple[int, int | None, Row]] = []
    groups = group_by(evidence.plays_of_users, lambda play: play.user_id)
    for user_id, plays in groups.items():
        last_played = max(play.start_time for play in plays)
        quiet = (last_day - last_played.date()).days
        if quiet >= QUIET_DAYS:
            names = (*names_of(evidence, user_id), evidence.users[user_id].level)
            rows.append((-quiet, user_id, (*names, last_played, quiet, len(plays))))
    return Answer(columns, [row for *_, row in sorted(rows)])


def new_and_returning_listeners(evidence: Evidence) -> Answer:
    """Count the listeners of each week, with and without plays in an earlier week."""
    rows: list[Row] = []
    known: set[int | None] = set()
    weeks = group_by(evidence.plays_of_users, lambda play: monday_of(play.start_time))
    for week, plays in sorted(weeks.items()):
        listeners = {play.user_id for play in plays}
        new = listeners - known
        rows.append((week, len(listeners), len(new), len(listeners) - len(new)))
        known |= listeners
    return Answer(
        (
            *("week_start_date", "listener_count"),
            *("new_listener_count", "returning_listener_count"),
        ),
        rows,
    )


# -------------------------------------------------------------------------- levels


@dataclass(frozen=True)
class Period:
    """A period in which a user had one level."""

    user_id: int
    level: str | None
    started_at: datetime
    is_current: bool
    play_count: int
    previous: Period | None

    def is_change(self, previous_level: str, level: str) -> bool:
        """Return whether the period began with this change of level."""
        change = (self.previous.level if self.previous else None, self.level)
        return change == (previous_level, level)

    @property
    def is_upgrade(self) -> bool:
        return self.is_change("free", "paid")

    @property
    def is_downgrade(self) -> bool:
        return self.is_change("paid", "free")


def periods_of(user_id: int, events: list[Event]) -> list[Period]:
    """Return a user's periods. Of events with one ts, the last decides the level."""
    runs: list[tuple[str | None, list[Event]]] = []
    for _, at_once in sorted(group_by(events, lambda event: event.ts).items()):
        level = max(at_once, key=recency).level
        if not runs or runs[-1][0] != level:
            runs.append((level, []))
        runs[-1][1].extend(at_once)
    periods: list[Period] = []
    for level, run in runs:
        periods.append(
            Period(
                user_id=user_id,
                level=level,
                started_at=start_time(min(event.ts for event in run)),
                is_current=run is runs[-1][1],
                play_count=sum(event.page == "NextSong" for event in run),
                previous=periods[-1] if periods else None,
            )
        )
    return periods


def all_periods(evidence: Evidence) -> list[Period]:
    """Return the periods of all users."""
    users = events_by_user(evidence.events)
    return [period for user in users.items() for period in periods_of(*user)]


def users_by_level(evidence: Evidence) -> Answer:
    """Count the users with each level: current users, and all users who ever had it."""
    groups = group_by(all_periods(evidence), lambda period: period.level)
    rows: list[tuple[int, Row]] = []
    for level, periods in groups.items():
        now = sum(period.is_current for period in periods)
        ever = len({period.user_id for period in periods})
        rows.append((-now, (level, now, ever)))
    ranked = sorted(rows, key=lambda item: (item[0], nulls_last(item[1][0])))
    return Answer(
        ("level", "current_user_count", "past_or_current_user_count"),
        [row for _, row in ranked],
    )


def changes(evidence: Evidence) -> list[Period]:
    """Return upgrades and downgrades, sorted by time, then by user."""
    found = [p for p in all_periods(evidence) if p.is_upgrade or p.is_downgrade]
    return sorted(found, key=lambda period: (period.started_at, period.user_id))


def level_changes(evidence: Evidence) -> Answer:
    """Return each upgrade and downgrade with its time, user and levels."""
    return Answer(
        ("changed_at", *NAMES, "previous_level", "level"),
        [
            (
                change.started_at,
                *names_of(evidence, change.user_id),
                change.previous.level,
                change.level,
            )
            for change in changes(evidence)
            if change.previous
        ],
    )


def plays_before_an_upgrade(evidence: Evidence) -> Answer:
    """Count the plays of the free period that each upgrade ended."""
    return Answer(
        (*NAMES, "free_since", "upgraded_at", "play_count"),
        [
            (
                *names_of(evidence, change.user_id),
                change.previous.started_at,
                change.started_at,
                change.previous.play_count,
            )
            for change in changes(evidence)
            if change.previous and change.is_upgrade
        ],
    )


def upgrades_by_week(evidence: Evidence) -> Answer:
    """Count upgrades and downgrades by week."""
    weeks = group_by(changes(evidence), lambda change: monday_of(change.started_at))
    return Answer(
        ("week_start_date", "upgrade_count", "downgrade_count"),
        [
            (
                week,
                sum(change.is_upgrade for change in found),
                sum(change.is_downgrade for change in found),
            )
            for week, found in sorted(weeks.items())
        ],
    )


# ------------------------------------------------------------------------ sessions


@dataclass(frozen=True)
class Session:
    """A session of the app."""

    session_id: int
    user_id: int | None
    level: str | None
    started_at: datetime
    minutes: Fraction
    plays: Plays


def sessions_of(evidence: Evidence) -> list[Session]:
    """Return all sessions, with the last known user and the level of the last event."""
    plays = group_by(evidence.plays, lambda play: play.session_id)
    sessions: list[Session] = []
    groups = group_by(evidence.events, lambda event: event.session_id)
    for session_id, events in groups.items():
        ordered = sorted(events, key=recency)
        users = [event.user_id for event in ordered if event.user_id is not None]
        started, ended = start_time(ordered[0].ts), start_time(ordered[-1].ts)
        sessions.append(
            Session(
                session_id=session_id,
                user_id=users[-1] if users else None,
                level=ordered[-1].level,
                started_at=started,
                minutes=minutes(ended - started),
                plays=plays.get(session_id, []),
            )
        )
    return sessions


def sessions_by_level(evidence: Evidence) -> Answer:
    """Return plays and minutes of sessions by the level at their end."""
    rows: list[Row] = []
    for level, sessions in ranked_groups(sessions_of(evidence), lambda s: s.level):
        counts = [len(session.plays) for session in sessions]
        total = sum((session.minutes for session in sessions), Fraction())
        number = len(sessions)
        rows.append(
            (
                *(level, number, sum(counts)),
                two_places(Fraction(sum(counts), number)),
                max(counts),
                two_places(total / number),
            )
        )
    return Answer(
        (
            *("level_at_end", "session_count", "play_count", "plays_per_session"),
            *("most_plays_in_a_session", "minutes_per_session"),
        ),
        rows,
    )


def sessions_by_user(evidence: Evidence) -> Answer:
    """Rank users by their number of sessions."""
    known = [s for s in sessions_of(evidence) if s.user_id is not None]
    rows: list[Row] = []
    for user_id, sessions in ranked_groups(known, lambda s: s.user_id)[:TOP]:
        plays = [play for session in sessions for play in session.plays]
        rows.append(
            (
                *names_of(evidence, user_id),
                evidence.users[user_id].level,
                len(sessions),
                len(plays),
                two_places(Fraction(len(plays), len(sessions))),
                listening_hours(plays) or two_places(Fraction()),
            )
        )
    return Answer(
        (
            *(*NAMES, "level", "session_count", "play_count"),
            *("plays_per_session", "listening_hours"),
        ),
        rows,
    )


def longest_sessions(evidence: Evidence) -> Answer:
    """Rank sessions by plays."""
    sessions = sessions_of(evidence)
    ranked = sorted(sessions, key=lambda s: by_count(s.plays, s.session_id))
    return Answer(
        (
            *("session_id", "user_id", "level_at_end", "started_at"),
            *("duration_minutes", "play_count"),
        ),
        [
            (
                *(session.session_id, session.user_id, session.level),
                session.started_at,
                two_places(session.minutes),
                len(session.plays),
            )
            for session in ranked[:TOP]
        ],
    )


# ------------------------------------------------------------- one user, one song


def what_a_user_heard_in_a_session(
    evidence: Evidence, user_id: int | None = None, session_id: int | None = None
) -> Answer:
    """Return the plays of a session, by default of the session with most plays."""
    ranked = ranked_groups(
        (
            play
            for play in evidence.plays_of_users
            if user_id in (None, play.user_id) and session_id in (None, play.session_id)
        ),
        lambda play: (play.user_id, play.session_id),
    )
    return Answer(
        (
            *("user_id", "session_id", "item_in_session", "start_time"),
            *(*SONG, "duration_seconds"),
        ),
        [
            (
                *(play.user_id, play.session_id, play.item_in_session),
                *(play.start_time, *song_of(play), play.duration_seconds),
            )
            for _, plays in ranked[:1]
            for play in sorted(plays, key=lambda play: play.item_in_session)
        ],
    )


def who_listened_to_a_song(
    evidence: Evidence, song_title: str | None = None, artist_name: str | None = None
) -> Answer:
    """Return the listeners of a song, by default of the song with most plays."""
    named = [
        play
        for play in evidence.plays
        if None not in song_of(play)
        and song_title in (None, play.song_title)
        and artist_name in (None, play.artist_name)
    ]
    rows: list[tuple[Rank, Row]] = []
    for song, plays in songs_by_plays(named)[:1]:
        known = [play for play in plays if play.user_id is not None]
        for user_id, played in group_by(known, lambda play: play.user_id).items():
            last = max(play.start_time for play in played)
            level = evidence.users[user_id].level
            names = names_of(evidence, user_id)
            row = (*song, *names, level, len(played), last)
            rows.append((by_count(played, user_id), row))
    return Answer(
        (*SONG, *NAMES, "level", "play_count", "last_played_at"),
        [row for _, row in sorted(rows, key=lambda item: item[0])],
    )
