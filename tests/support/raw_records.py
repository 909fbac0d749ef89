"""An event and a song in the oracle's types, from which tests derive others."""

from __future__ import annotations

from decimal import Decimal
from typing import Final

from oracle import RawEvent, RawSong

EVENT: Final = RawEvent(
    artist="Elena",
    auth="Logged In",
    first_name="Lily",
    gender="F",
    item_in_session=5,
    last_name="Koch",
    length=Decimal("269.58322000"),
    level="paid",
    location="Chicago, IL",
    method="PUT",
    page="NextSong",
    registration=1541048010796.0,
    session_id=818,
    song="Setanta matins",
    status=200,
    ts=1542837407796,
    user_agent="Mozilla",
    user_id="15",
)
SONG: Final = RawSong(
    num_songs=1,
    artist_id="AR1",
    artist_latitude=49.8,
    artist_longitude=15.47,
    artist_location="Dubai",
    artist_name="Elena",
    song_id="SO1",
    title="Setanta matins",
    duration=Decimal("269.58322000"),
    year=0,
)
