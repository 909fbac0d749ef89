"""What the first ten of the analytics team's questions come to, from the star."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction
from math import floor
from typing import TypeAlias, TypeVar

from oracle.star import Rank, Songplay, Star, User, nulls_last

TOP = 10

Group = TypeVar("Group")
Plays: TypeAlias = list[Songplay]


@dataclass(frozen=True)
class Answer:
    """The answer to one question: column names, and rows in the order asked for."""

    columns: tuple[str, ...]
    rows: list[tuple[object, ...]]


# ------------------------------------------------------------------------ measures


def group_by(
    plays: Iterable[Songplay], group: Callable[[Songplay], Group]
) -> dict[Group, Plays]:
    """Put plays into groups; a null is a group."""
    groups: defaultdict[Group, Plays] = defaultdict(list)
    for play in plays:
        groups[group(play)].append(play)
    return dict(groups)


def listener_count(plays: Plays) -> int:
    """Count distinct users; plays without a user add none."""
    return len({play.user_id for play in plays} - {None})


def two_places(value: Fraction) -> Decimal:
    """Round an exact value half away from zero to two places."""
    hundredths = floor(abs(value) * 100 + Fraction(1, 2))
    return Decimal(hundredths if value >= 0 else -hundredths).scaleb(-2)


def percent(part: int, whole: int) -> Decimal | None:
    """Say how many in a hundred; null of nothing."""
    return two_places(Fraction(100 * part, whole)) if whole else None


def listening_hours(plays: Plays) -> Decimal | None:
    """Add up durations in hours; null ones count nothing, none at all is null."""
    durations = [
        Fraction(play.duration_seconds)
        for play in plays
        if play.duration_seconds is not None
    ]
    return two_places(sum(durations, Fraction()) / 3600) if durations else None


def by_count(plays: Plays, *then: object) -> Rank:
    """Order by play_count, most first, then by values, nulls last."""
    return (-len(plays), *map(nulls_last, then))


# ----------------------------------------------------------------------- questions


def most_played_songs(star: Star) -> Answer:
    """Rank the songs that are played most, by the log's own text."""
    groups = group_by(star.songplays, lambda p: (p.song_title, p.artist_name))
    ranked = sorted(groups.items(), key=lambda item: by_count(item[1], *item[0]))
    return Answer(
        ("song_title", "artist_name", "play_count", "listener_count"),
        [
            (title, artist, len(plays), listener_count(plays))
            for (title, artist), plays in ranked[:TOP]
        ],
    )


def most_played_artists(star: Star) -> Answer:
    """Rank the artists that are played most, by the log's own text."""
    groups = group_by(star.songplays, lambda p: p.artist_name)
    ranked = sorted(groups.items(), key=lambda item: by_count(item[1], item[0]))
    return Answer(
        ("artist_name", "play_count", "song_count", "listener_count"),
        [
            (
                artist,
                len(plays),
                len({play.song_title for play in plays} - {None}),
                listener_count(plays),
            )
            for artist, plays in ranked[:TOP]
        ],
    )


def users_by_id(star: Star) -> dict[int | None, User]:
    """Index the users dimension."""
    return {user.user_id: user for user in star.users}


def most_active_users(star: Star) -> Answer:
    """Rank the users who listen most, with their current level."""
    users = users_by_id(star)
    known = [play for play in star.songplays if play.user_id is not None]
    groups = group_by(known, lambda p: p.user_id)
    ranked = sorted(groups.items(), key=lambda item: by_count(item[1], item[0]))
    rows: list[tuple[object, ...]] = []
    for user_id, plays in ranked[:TOP]:
        user = users[user_id]
        rows.append(
            (
                user_id,
                user.first_name,
                user.last_name,
                user.level,
                len(plays),
                listening_hours(plays),
            )
        )
    return Answer(
        (
            "user_id",
            "first_name",
            "last_name",
            "level",
            "play_count",
            "listening_hours",
        ),
        rows,
    )


def shares(star: Star, column: str, group: Callable[[Songplay], str | None]) -> Answer:
    """Count plays and listeners of each group, with its share of all plays."""
    groups = group_by(star.songplays, group)
    ranked = sorted(groups.items(), key=lambda item: by_count(item[1], item[0]))
    return Answer(
        (column, "play_count", "listener_count", "play_percent"),
        [
            (
                value,
                len(plays),
                listener_count(plays),
                percent(len(plays), len(star.songplays)),
            )
            for value, plays in ranked
        ],
    )


def plays_by_level(star: Star) -> Answer:
    """Share out plays by the level that the user had then."""
    return shares(star, "level", lambda p: p.level)


def plays_by_gender(star: Star) -> Answer:
    """Share out plays by the user's gender; null is no user, or no gender known."""
    genders = {user_id: user.gender for user_id, user in users_by_id(star).items()}
    return shares(star, "gender", lambda p: genders.get(p.user_id))


def by_moment(star: Star, column: str, group: Callable[[Songplay], object]) -> Answer:
    """Count plays and listeners of each part of time that has plays, in its order."""
    groups = group_by(star.songplays, group)
    ranked = sorted(groups.items(), key=lambda item: nulls_last(item[0]))
    return Answer(
        (column, "play_count", "listener_count"),
        [(value, len(plays), listener_count(plays)) for value, plays in ranked],
    )


def plays_by_hour(star: Star) -> Answer:
    """Count plays by hour of the day, in UTC."""
    return by_moment(star, "hour", lambda p: p.start_time.hour)


def plays_by_weekday(star: Star) -> Answer:
    """Count plays by weekday, 1 for Monday to 7 for Sunday."""
    return by_moment(star, "weekday", lambda p: p.start_time.isoweekday())


def plays_by_day(star: Star) -> Answer:
    """Count plays by day, in UTC."""
    return by_moment(star, "play_date", lambda p: p.start_time.date())


def plays_by_location(star: Star) -> Answer:
    """Rank the places where people listen most; an unknown place is one."""
    groups = group_by(star.songplays, lambda p: p.location)
    ranked = sorted(groups.items(), key=lambda item: by_count(item[1], item[0]))
    return Answer(
        ("location", "play_count", "listener_count"),
        [
            (location, len(plays), listener_count(plays))
            for location, plays in ranked[:TOP]
        ],
    )


def catalogue_coverage(star: Star) -> Answer:
    """Say which share of plays the catalogue knows."""
    plays = len(star.songplays)
    matched = sum(play.song_id is not None for play in star.songplays)
    return Answer(
        ("play_count", "matched_play_count", "matched_percent"),
        [(plays, matched, percent(matched, plays))],
    )


QUESTIONS: tuple[Callable[[Star], Answer], ...] = (
    most_played_songs,
    most_played_artists,
    most_active_users,
    plays_by_level,
    plays_by_hour,
    plays_by_weekday,
    plays_by_day,
    plays_by_location,
    plays_by_gender,
    catalogue_coverage,
)


def answers(star: Star) -> dict[str, Answer]:
    """Answer all ten questions, by the name of the analysis."""
    return {question.__name__: question(star) for question in QUESTIONS}
