"""When and where music is played, and on what: by day and hour, place and device."""

from __future__ import annotations

import csv
from calendar import day_name
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

from oracle.cleaning import trim
from oracle.measures import (
    TOP,
    Answer,
    Evidence,
    Row,
    by_count,
    group_by,
    listener_count,
    listening_hours,
    measures_by,
    monday_of,
    shares_by,
)
from oracle.star import Songplay

WEEKDAYS = (
    *("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"),
)
STATES = Path(__file__).parents[2] / "seeds" / "look_ups" / "us_states.csv"
DEVICES = {
    "Windows": "Windows",
    "iPad": "iPad",
    "iPhone": "iPhone",
    "Android": "Android",
    "Macintosh": "Mac",
    "Linux": "Linux",
}
"""What a user agent may name, and the device it then is; the first one counts."""


# ---------------------------------------------------------------------------- when


def plays_by_hour(evidence: Evidence) -> Answer:
    """Count plays by hour of the day, in UTC."""
    return measures_by(evidence, "hour", lambda play: play.start_time.hour)


def plays_by_weekday(evidence: Evidence) -> Answer:
    """Count plays by weekday, 1 for Monday to 7 for Sunday."""
    answer = measures_by(evidence, "weekday", lambda play: play.start_time.isoweekday())
    names = dict(enumerate(day_name, start=1))
    return Answer(
        ("weekday", "weekday_name", *answer.columns[1:]),
        [(day, names[int(str(day))], *measures) for day, *measures in answer.rows],
    )


def plays_by_day(evidence: Evidence) -> Answer:
    """Count plays by day, in UTC."""
    return measures_by(evidence, "play_date", lambda play: play.start_time.date())


def plays_by_week(evidence: Evidence) -> Answer:
    """Count plays by week, which begins on Monday, in UTC."""
    return measures_by(
        evidence, "week_start_date", lambda play: monday_of(play.start_time)
    )


def plays_by_hour_and_weekday(evidence: Evidence) -> Answer:
    """Count plays: a row per hour, a column per weekday, and all days together."""
    rows: list[Row] = []
    by_hour = group_by(evidence.plays, lambda play: play.start_time.hour)
    for hour, plays in sorted(by_hour.items()):
        days = [play.start_time.weekday() for play in plays]
        rows.append((hour, *(days.count(day) for day in range(7)), len(days)))
    columns = (f"{weekday}_play_count" for weekday in WEEKDAYS)
    return Answer(("hour", *columns, "play_count"), rows)


# --------------------------------------------------------------------------- where


class State(NamedTuple):
    """A state of the USA; a territory is in no region of the census."""

    code: str
    name: str
    region: str | None


@lru_cache
def states() -> dict[str, State]:
    """Read the states that the project knows."""
    with STATES.open(encoding="utf-8", newline="") as file:
        return {
            row["state_code"]: State(
                row["state_code"], row["state"], row["census_region"] or None
            )
            for row in csv.DictReader(file)
        }


def state_of(play: Songplay) -> State | None:
    """Find the first state that the place of a play names after its last comma."""
    if play.location is None or "," not in play.location:
        return None
    named = play.location.rpartition(",")[2].split("-")[0]
    return states().get(trim(named))


def plays_by_location(evidence: Evidence) -> Answer:
    """Rank the places where people listen most; an unknown place is one."""
    groups = group_by(evidence.plays, lambda play: play.location)
    ranked = sorted(groups.items(), key=lambda item: by_count(item[1], item[0]))
    return Answer(
        ("location", "play_count", "listener_count", "listening_hours"),
        [
            (location, len(plays), listener_count(plays), listening_hours(plays))
            for location, plays in ranked[:TOP]
        ],
    )


def plays_by_state(evidence: Evidence) -> Answer:
    """Rank all states by plays; no state is one."""
    groups = group_by(evidence.plays, state_of)

    def code(state: State | None) -> str | None:
        return None if state is None else state.code

    ranked = sorted(groups.items(), key=lambda item: by_count(item[1], code(item[0])))
    return Answer(
        ("state_code", "state", "play_count", "listener_count", "listening_hours"),
        [
            (
                code(state),
                None if state is None else state.name,
                len(plays),
                listener_count(plays),
                listening_hours(plays),
            )
            for state, plays in ranked
        ],
    )


def plays_by_region(evidence: Evidence) -> Answer:
    """Share out plays by region of the census; none is one."""

    def region(play: Songplay) -> str | None:
        state = state_of(play)
        return None if state is None else state.region

    return shares_by(evidence, "census_region", region)


# ------------------------------------------------------------------------- on what


def device_of(play: Songplay) -> str | None:
    """Return the device that a user agent names."""
    if play.user_agent is None:
        return None
    agent = play.user_agent
    return next((device for name, device in DEVICES.items() if name in agent), "Other")


def plays_by_device(evidence: Evidence) -> Answer:
    """Share out plays by device."""
    return shares_by(evidence, "device_family", device_of)
