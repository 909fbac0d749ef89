"""Groups, counts, shares, hours and sort orders, which the answers share."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Hashable, Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal
from fractions import Fraction
from math import floor
from typing import TypeAlias, TypeVar

from oracle.reading import RawRecords
from oracle.star import (
    Event,
    Rank,
    Songplay,
    Star,
    User,
    build_star,
    clean_event,
    nulls_last,
    winning_events,
)

TOP = 10

Group = TypeVar("Group", bound=Hashable)
Member = TypeVar("Member")
Plays: TypeAlias = list[Songplay]
Row: TypeAlias = tuple[object, ...]


@dataclass(frozen=True)
class Answer:
    """The answer to one question: column names, and rows in the requested order."""

    columns: tuple[str, ...]
    rows: list[Row]


@dataclass(frozen=True)
class Evidence:
    """The data from which questions are answered."""

    records: RawRecords
    events: list[Event]
    star: Star

    @property
    def plays(self) -> Plays:
        return self.star.songplays

    @property
    def plays_of_users(self) -> Plays:
        return [play for play in self.plays if play.user_id is not None]

    @property
    def matched_plays(self) -> Plays:
        return [play for play in self.plays if play.song_id is not None]

    @property
    def users(self) -> dict[int | None, User]:
        return {user.user_id: user for user in self.star.users}


def evidence_of(records: RawRecords) -> Evidence:
    """Derive the events and the star from the raw records."""
    return Evidence(
        records=records,
        events=winning_events(map(clean_event, records.events)),
        star=build_star(records),
    )


def group_by(
    members: Iterable[Member], group: Callable[[Member], Group]
) -> dict[Group, list[Member]]:
    """Return the members of each group, in the given order; null is a group too."""
    groups: defaultdict[Group, list[Member]] = defaultdict(list)
    for member in members:
        groups[group(member)].append(member)
    return dict(groups)


def ranked_groups(
    members: Iterable[Member], group: Callable[[Member], Group]
) -> list[tuple[Group, list[Member]]]:
    """Return groups and their members: largest first, then by the group's values."""

    def rank(item: tuple[Group, list[Member]]) -> Rank:
        value, found = item
        return by_count(found, *(value if isinstance(value, tuple) else (value,)))

    return sorted(group_by(members, group).items(), key=rank)


def events_by_user(events: Iterable[Event]) -> dict[int, list[Event]]:
    """Return the events of each user, in the given order."""
    users: defaultdict[int, list[Event]] = defaultdict(list)
    for event in events:
        if event.user_id is not None:
            users[event.user_id].append(event)
    return users


def listener_count(plays: Plays) -> int:
    """Return the number of distinct users; null is not a user."""
    return len({play.user_id for play in plays} - {None})


def song_count(plays: Plays) -> int:
    """Return the number of distinct titles of the log; null is not a title."""
    return len({play.song_title for play in plays} - {None})


def two_places(value: Fraction) -> Decimal:
    """Round an exact value half away from zero to two decimal places."""
    hundredths = floor(abs(value) * 100 + Fraction(1, 2))
    return Decimal(hundredths if value >= 0 else -hundredths).scaleb(-2)


def percent(part: int, total: int) -> Decimal | None:
    """Return the part as a percentage of the total, null if the total is 0."""
    return two_places(Fraction(100 * part, total)) if total else None


def listening_hours(plays: Plays) -> Decimal | None:
    """Return the sum of the known durations in hours, null if none is known."""
    durations = [
        Fraction(play.duration_seconds)
        for play in plays
        if play.duration_seconds is not None
    ]
    return two_places(sum(durations, Fraction()) / 3600) if durations else None


def minutes(length: timedelta) -> Fraction:
    """Return an exact number of minutes."""
    return Fraction(length // timedelta(microseconds=1), 60_000_000)


def monday_of(moment: datetime) -> date:
    """Return the Monday of the week of a time in UTC."""
    return moment.date() - timedelta(days=moment.weekday())


def by_count(members: Sequence[object], *values: object) -> Rank:
    """Return a sort key: most members first, then values ascending, nulls last."""
    return (-len(members), *map(nulls_last, values))


def measures_by(
    evidence: Evidence, column: str, group: Callable[[Songplay], Hashable]
) -> Answer:
    """Return plays, listeners and hours of each group, sorted by group."""
    groups = group_by(evidence.plays, group)
    return Answer(
        (column, "play_count", "listener_count", "listening_hours"),
        [
            (value, len(plays), listener_count(plays), listening_hours(plays))
            for value, plays in sorted(groups.items(), key=lambda g: nulls_last(g[0]))
        ],
    )


def shares_by(
    evidence: Evidence, column: str, group: Callable[[Songplay], str | None]
) -> Answer:
    """Return measures_by with each group's percentage of plays, largest group first."""
    return Answer(
        (column, "play_count", "listener_count", "listening_hours", "play_percent"),
        [
            (
                value,
                len(plays),
                listener_count(plays),
                listening_hours(plays),
                percent(len(plays), len(evidence.plays)),
            )
            for value, plays in ranked_groups(evidence.plays, group)
        ],
    )
