"""Plays by time, location and device."""

from __future__ import annotations

from calendar import day_name

from oracle.listening import device_family, state_of
from oracle.measures import (
    TOP,
    Answer,
    Evidence,
    Row,
    group_by,
    listener_count,
    listening_hours,
    measures_by,
    monday_of,
    ranked_groups,
    shares_by,
)
from oracle.star import Songplay

# --------------------------------------------------------------------------- times


def plays_by_hour(evidence: Evidence) -> Answer:
    """Count plays by hour of the day, in UTC."""
    return measures_by(evidence, "hour", lambda play: play.start_time.hour)


def plays_by_weekday(evidence: Evidence) -> Answer:
    """Count plays by weekday, 1 for Monday to 7 for Sunday."""
    answer = measures_by(evidence, "weekday", lambda play: play.start_time.isoweekday())
    return Answer(
        ("weekday", "weekday_name", *answer.columns[1:]),
        [(day, day_name[int(str(day)) - 1], *rest) for day, *rest in answer.rows],
    )


def plays_by_day(evidence: Evidence) -> Answer:
    """Count plays by day, in UTC."""
    return measures_by(evidence, "play_date", lambda play: play.start_time.date())


def plays_by_week(evidence: Evidence) -> Answer:
    """Count plays by week from Monday, in UTC."""
    return measures_by(
        evidence, "week_start_date", lambda play: monday_of(play.start_time)
    )


def plays_by_hour_and_weekday(evidence: Evidence) -> Answer:
    """Count plays by hour of the day, in UTC, with a column per weekday and a total."""
    rows: list[Row] = []
    by_hour = group_by(evidence.plays, lambda play: play.start_time.hour)
    for hour, plays in sorted(by_hour.items()):
        days = [play.start_time.weekday() for play in plays]
        rows.append((hour, *(days.count(day) for day in range(7)), len(days)))
    columns = (f"{weekday.lower()}_play_count" for weekday in day_name)
    return Answer(("hour", *columns, "play_count"), rows)


# ----------------------------------------------------------------------- locations


def plays_by_location(evidence: Evidence) -> Answer:
    """Rank locations by plays; null is a location."""
    ranked = ranked_groups(evidence.plays, lambda play: play.location)
    return Answer(
        ("location", "play_count", "listener_count", "listening_hours"),
        [
            (location, len(plays), listener_count(plays), listening_hours(plays))
            for location, plays in ranked[:TOP]
        ],
    )


def plays_by_state(evidence: Evidence) -> Answer:
    """Rank all states by plays; null is a state."""

    def code_and_name(play: Songplay) -> tuple[str | None, str | None]:
        state = state_of(play.location)
        return (None, None) if state is None else (state.code, state.name)

    return Answer(
        ("state_code", "state", "play_count", "listener_count", "listening_hours"),
        [
            (*state, len(plays), listener_count(plays), listening_hours(plays))
            for state, plays in ranked_groups(evidence.plays, code_and_name)
        ],
    )


def plays_by_region(evidence: Evidence) -> Answer:
    """Count plays by census region; null is a region."""

    def region(play: Songplay) -> str | None:
        state = state_of(play.location)
        return None if state is None else state.region

    return shares_by(evidence, "census_region", region)


# ------------------------------------------------------------------------- devices


def plays_by_device(evidence: Evidence) -> Answer:
    """Count plays by device."""
    return shares_by(
        evidence, "device_family", lambda play: device_family(play.user_agent)
    )
