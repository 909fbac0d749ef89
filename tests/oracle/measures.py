"""What answers are made of: groups, counts, shares and hours, and orders."""

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
    """The answer to one question: column names, and rows in the order asked for."""

    columns: tuple[str, ...]
    rows: list[Row]


@dataclass(frozen=True)
class Evidence:
    """What a question can be answered from."""

    records: RawRecords
    events: list[Event]
    star: Star

    @property
    def plays(self) -> Plays:
        """All plays."""
        return self.star.songplays

    @property
    def plays_of_users(self) -> Plays:
        """All plays with a user."""
        return [play for play in self.plays if play.user_id is not None]

    @property
    def matched_plays(self) -> Plays:
        """The plays whose song the catalogue has."""
        return [play for play in self.plays if play.song_id is not None]

    @property
    def users(self) -> dict[int | None, User]:
        """The users of the app, by their key."""
        return {user.user_id: user for user in self.star.users}


def evidence_of(records: RawRecords) -> Evidence:
    """Derive what questions are answered from."""
    return Evidence(
        records=records,
        events=winning_events(map(clean_event, records.events)),
        star=build_star(records),
    )


def group_by(
    members: Iterable[Member], group: Callable[[Member], Group]
) -> dict[Group, list[Member]]:
    """Put things into groups; a null is a group."""
    groups: defaultdict[Group, list[Member]] = defaultdict(list)
    for member in members:
        groups[group(member)].append(member)
    return dict(groups)


def listener_count(plays: Plays) -> int:
    """Count distinct users; plays without a user add none."""
    return len({play.user_id for play in plays} - {None})


def song_count(plays: Plays) -> int:
    """Count distinct titles of the log; a null is none."""
    return len({play.song_title for play in plays} - {None})


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


def minutes(length: timedelta) -> Fraction:
    """Return a length of time in minutes, exactly."""
    return Fraction(length // timedelta(microseconds=1), 60_000_000)


def monday_of(moment: datetime) -> date:
    """Return the Monday of a moment's week."""
    return moment.date() - timedelta(days=moment.weekday())


def by_count(members: Sequence[object], *then: object) -> Rank:
    """Order by number, most first, then by values, nulls last."""
    return (-len(members), *map(nulls_last, then))


def measures_by(
    evidence: Evidence, column: str, group: Callable[[Songplay], Hashable]
) -> Answer:
    """Count plays, listeners and hours of each group that has plays, in its order."""
    groups = group_by(evidence.plays, group)
    ranked = sorted(groups.items(), key=lambda item: nulls_last(item[0]))
    return Answer(
        (column, "play_count", "listener_count", "listening_hours"),
        [
            (value, len(plays), listener_count(plays), listening_hours(plays))
            for value, plays in ranked
        ],
    )


def shares_by(
    evidence: Evidence, column: str, group: Callable[[Songplay], str | None]
) -> Answer:
    """Count the same, with each group's share of all plays; the biggest is first."""
    groups = group_by(evidence.plays, group)
    ranked = sorted(groups.items(), key=lambda item: by_count(item[1], item[0]))
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
            for value, plays in ranked
        ],
    )
