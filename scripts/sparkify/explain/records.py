"""Convert raw records to types, and clean their text."""

from __future__ import annotations

import math
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from decimal import ROUND_HALF_UP, Decimal
from typing import Any, Final

from sparkify.raw.cleaning import clean_text
from sparkify.raw.rules import EVENTS, RawTable

Record = dict[str, Any]
"""The cleaned attributes of a raw record, by column of models/staging."""

EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC).replace(tzinfo=None)
_FIVE_PLACES: Final = Decimal("0.00001")


def cleaned(table: RawTable, raw: Mapping[str, Any]) -> Record:
    """Return the cleaned record of a raw row, with column names in any case."""
    values = {name.lower(): value for name, value in raw.items()}
    return event(values) if table is EVENTS else song(values)


def event(raw: Mapping[str, Any]) -> Record:
    """Return a record of the logs: its key, its time, then its content."""
    user = _text(raw["userid"])
    return {
        "session_id": int(raw["sessionid"]),
        "item_in_session": int(raw["iteminsession"]),
        "start_time": moment(int(raw["ts"])),
        "artist_name": _text(raw["artist"]),
        "auth": _text(raw["auth"]),
        "first_name": _text(raw["firstname"]),
        "gender": _text(raw["gender"]),
        "last_name": _text(raw["lastname"]),
        "duration_seconds": _seconds(raw["length"]),
        "level": _text(raw["level"]),
        "location": _text(raw["location"]),
        "method": _text(raw["method"]),
        "page": _text(raw["page"]),
        "registered_at": _decimal_moment(raw["registration"]),
        "song_title": _text(raw["song"]),
        "status": _integer(raw["status"]),
        "user_agent": _text(raw["useragent"]),
        "user_id": None if user is None else int(user),
    }


def song(raw: Mapping[str, Any]) -> Record:
    """Return a record of the catalogue."""
    return {
        "song_id": _text(raw["song_id"]),
        "title": _text(raw["title"]),
        "artist_id": _text(raw["artist_id"]),
        "artist_name": _text(raw["artist_name"]),
        "location": _text(raw["artist_location"]),
        "latitude": _degrees(raw["artist_latitude"]),
        "longitude": _degrees(raw["artist_longitude"]),
        "year": _integer(raw["year"]) or None,
        "duration": _seconds(raw["duration"]),
        "song_count": _integer(raw["num_songs"]),
    }


def moment(milliseconds: int) -> datetime:
    """Return the time in UTC of milliseconds since 1970."""
    return EPOCH + timedelta(milliseconds=milliseconds)


def _text(value: object) -> str | None:
    return None if value is None else clean_text(str(value))


def _integer(value: object) -> int | None:
    return None if value is None else int(str(value))


def _degrees(value: object) -> float | None:
    return None if value is None else float(str(value))


def _seconds(value: object) -> Decimal | None:
    if value is None:
        return None
    return Decimal(str(value)).quantize(_FIVE_PLACES, ROUND_HALF_UP)


def _decimal_moment(value: object) -> datetime | None:
    return None if value is None else moment(math.floor(Decimal(str(value))))
