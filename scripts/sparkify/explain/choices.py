"""Rank records by the tie rules of docs/decisions/0002."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Final, NamedTuple

from sparkify.explain.records import EPOCH, Record

CONTENT: Final = (
    *("artist_name", "auth", "first_name", "gender", "last_name", "duration_seconds"),
    *("level", "location", "method", "page", "registered_at", "song_title", "status"),
    *("user_agent", "user_id"),
)
EQUAL: Final = "same values"


class Rule(NamedTuple):
    """A tie rule: its name, and a sort key. The smallest key wins."""

    says: str
    key: Callable[[Record], Any]


def _ascending(name: str, says: str) -> Rule:
    """Return a rule: the smallest value of an attribute wins, null last."""
    return Rule(
        says,
        lambda record: (
            record[name] is None,
            0 if record[name] is None else record[name],
        ),
    )


def _descending(name: str, says: str) -> Rule:
    """Return a rule: the largest integer wins, null last."""
    return Rule(says, lambda record: (record[name] is None, -(record[name] or 0)))


def _latest(says: str) -> Rule:
    """Return a rule: the latest record wins."""
    return Rule(says, lambda record: EPOCH - record["start_time"])


EVENT: Final = (
    _latest("later ts"),
    *(_ascending(name, f"same ts, then {name}") for name in CONTENT),
)
"""Rules for the record of an event."""

USER: Final = (
    _latest("later ts"),
    _descending("session_id", "same ts, then larger session_id"),
    _descending("item_in_session", "same ts and session_id, then item_in_session"),
)
"""Rules for the event that decides the attributes of a user."""

SESSION: Final = (
    _latest("later ts"),
    _descending("item_in_session", "same ts, then larger item_in_session"),
)
"""Rules for the event that decides the level of a session."""

SESSION_USER: Final = (
    Rule("has a user_id", lambda record: record["user_id"] is None),
    *SESSION,
)
"""Rules for the event that decides the user of a session."""

CANDIDATE: Final = (
    _ascending("seconds_apart", "nearer duration"),
    _ascending("song_id", "same distance, then smaller song_id"),
    _ascending("artist_id", "same song_id, then smaller artist_id"),
)
"""Rules for the catalogue song of a play."""

SONG: Final = (
    Rule("has a year", lambda record: record["year"] is None),
    _descending("year", "later year"),
    _ascending("title", "same year, then title"),
    _ascending("artist_id", "same title, then artist_id"),
    _ascending("duration", "same artist_id, then shorter duration"),
)
"""Rules for the catalogue row of a song."""

ARTIST_NAME: Final = (
    Rule("has a name", lambda record: record["artist_name"] is None),
    _descending("row_count", "on more rows of the catalogue"),
    Rule(
        "same number of rows, then fewer characters",
        lambda record: len(record["artist_name"] or ""),
    ),
    _ascending("artist_name", "same length, then order of code points"),
)
"""Rules for the name of an artist."""

ARTIST_ROW: Final = (
    Rule("has a location", lambda record: record["location"] is None),
    Rule(
        "has both coordinates",
        lambda record: record["latitude"] is None or record["longitude"] is None,
    ),
    _ascending("song_id", "same completeness, then smaller song_id"),
    _ascending("location", "same song_id, then location"),
    _ascending("latitude", "same location, then latitude"),
    _ascending("longitude", "same latitude, then longitude"),
)
"""Rules for the catalogue row of an artist, among those with that name."""


def ranked(records: Sequence[Record], rules: Sequence[Rule]) -> list[Record]:
    """Return records in the order of rules. The first one wins."""
    return sorted(records, key=lambda record: tuple(rule.key(record) for rule in rules))


def deciding(winner: Record, other: Record, rules: Sequence[Rule]) -> str:
    """Return the name of the first rule that ranks two records differently."""
    for rule in rules:
        if rule.key(winner) != rule.key(other):
            return rule.says
    return EQUAL
