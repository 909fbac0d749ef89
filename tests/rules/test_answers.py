"""The oracle's answers to small cases whose results were worked out by hand."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from decimal import Decimal
from fractions import Fraction
from typing import Any

import pytest

from oracle import Answer, RawEvent, RawRecords, RawSong, Reject, answers, evidence_of
from oracle.measures import percent, two_places
from oracle.who import what_a_user_heard_in_a_session, who_listened_to_a_song
from raw_records import EVENT, SONG

MINUTE, HOUR, DAY = 60_000, 3_600_000, 86_400_000  # milliseconds
# An event's length is 269.58322 s: 0.07 h once, 0.15 h twice, 0.22 h three times.
ONCE, TWICE, THRICE = Decimal("0.07"), Decimal("0.15"), Decimal("0.22")
MEASURES = ("play_count", "listener_count", "listening_hours")


def at(milliseconds: int) -> datetime:
    """Return the time that many milliseconds after 1970-01-01, a Thursday."""
    return datetime(1970, 1, 1) + timedelta(milliseconds=milliseconds)  # noqa: DTZ001 -- UTC, as in the warehouse


def records_of(*records: RawEvent | RawSong) -> RawRecords:
    """Return raw records from events and songs."""
    events = [record for record in records if isinstance(record, RawEvent)]
    songs = [record for record in records if isinstance(record, RawSong)]
    return RawRecords(events, songs, [])


def answer_to(name: str, *records: RawEvent | RawSong) -> Answer:
    """Return an answer; assert that order and duplicates do not change it."""
    given = records_of(*records)
    answer = answers(given)[name]
    doubled = RawRecords((given.events * 2)[::-1], (given.songs * 2)[::-1], [])
    assert answers(doubled)[name] == answer
    return answer


def rows(name: str, *records: RawEvent | RawSong) -> list[tuple[object, ...]]:
    """Return the rows of an answer."""
    return answer_to(name, *records).rows


def plays(*changes: dict[str, Any]) -> list[RawEvent]:
    """Return plays with ascending items, each with its changes."""
    return [
        EVENT._replace(**({"item_in_session": n} | change))
        for n, change in enumerate(changes)
    ]


def test_no_records_answer_every_question() -> None:
    found = answers(records_of())
    assert {name: answer.rows for name, answer in found.items() if answer.rows} == {
        "catalogue_coverage": [(0, 0, None)]
    }
    for name, answer in answers(records_of(EVENT, SONG)).items():
        assert answer.columns == found[name].columns
        assert all(len(row) == len(answer.columns) for row in answer.rows)


# --- Songs and artists ----------------------------------------------------------------


def test_most_played_songs() -> None:
    answer = answer_to(
        "most_played_songs",
        *plays(
            {"song": "b", "artist": "x", "user_id": "1"},
            {"song": "b", "artist": "x", "user_id": "1"},
            {"song": "a", "artist": "y", "user_id": "1"},
            {"song": "a", "artist": "x", "user_id": "2"},
            {"song": "a", "artist": "x ", "user_id": ""},
            {"song": "Z", "artist": "x", "user_id": ""},
            {"song": None, "artist": "x", "user_id": "2"},
        ),
    )
    assert answer == Answer(
        ("song_title", "artist_name", "play_count", "listener_count"),
        [
            ("a", "x", 2, 1),
            ("b", "x", 2, 1),
            ("Z", "x", 1, 0),
            ("a", "y", 1, 1),
            (None, "x", 1, 1),
        ],
    )


def test_most_played_artists() -> None:
    answer = answer_to(
        "most_played_artists",
        *plays(
            {"artist": "y", "song": "a", "user_id": "1"},
            {"artist": "y", "song": "a", "user_id": "2"},
            {"artist": "y", "song": None, "user_id": "2"},
            {"artist": "x", "song": None, "user_id": ""},
            {"artist": None, "song": "a", "user_id": "1"},
        ),
    )
    assert answer == Answer(
        ("artist_name", "play_count", "song_count", "listener_count"),
        [("y", 3, 1, 2), ("x", 1, 0, 0), (None, 1, 1, 1)],
    )


def test_songs_in_and_outside_the_catalogue() -> None:
    records: list[RawEvent | RawSong] = [
        *plays({}, {"user_id": "2"}, {"song": "b"}, {"song": "unknown"}),
        SONG,
        SONG._replace(song_id="SO2", title="b", year=1999, duration=None),
        SONG._replace(song_id="SO3", title="c", duration=Decimal(300)),
        SONG._replace(song_id="SO0", title="d", duration=Decimal(300), artist_id="AR0"),
    ]
    assert rows("most_played_catalogue_songs", *records) == [
        ("SO1", "Setanta matins", "Elena", None, 2, 2),
        ("SO2", "b", "Elena", 1999, 1, 1),
    ]
    assert rows("most_played_catalogue_artists", *records) == [
        ("AR1", "Elena", "Dubai", 3, 2, 2)
    ]
    assert rows("songs_the_catalogue_lacks", *records) == [("unknown", "Elena", 1, 1)]
    assert rows("longest_songs", *records) == [
        ("SO0", "d", "Elena", None, Decimal(300)),
        ("SO3", "c", "Elena", None, Decimal(300)),
        ("SO1", "Setanta matins", "Elena", None, Decimal("269.58322")),
    ]
    assert answer_to("catalogue_coverage", *records) == Answer(
        ("play_count", "matched_play_count", "matched_percent"),
        [(4, 3, Decimal("75.00"))],
    )


def test_repeated_songs() -> None:
    assert rows(
        "repeated_songs",
        *plays(
            {"song": "a", "user_id": "10", "ts": 0},
            {"song": "a", "user_id": "10", "ts": DAY - 1},
            {"song": "a", "user_id": "10", "ts": DAY},
            {"song": "b", "user_id": "2"},
            {"song": "b", "user_id": "2"},
            {"song": "a", "user_id": "2"},
            {"song": "a", "user_id": "2", "artist": "another"},
            {"song": "a", "user_id": ""},
            {"song": "a", "user_id": ""},
        ),
    ) == [
        (10, "Lily", "Koch", "a", "Elena", 3, 2),
        (2, "Lily", "Koch", "b", "Elena", 2, 1),
    ]


def test_top_songs_by_hour_location_and_level() -> None:
    records = plays(
        {"song": "b", "ts": 0, "location": "y"},
        {"song": "b", "ts": DAY, "location": "y", "user_id": ""},
        {"song": "a", "ts": 0, "location": "x"},
        {"song": "c", "ts": 23 * HOUR, "location": "x"},
        {"song": None, "ts": 23 * HOUR, "location": None, "level": "free"},
        {"song": "d", "ts": 0, "location": "y"},
    )
    assert rows("top_song_by_hour", *records) == [
        (0, "b", "Elena", 2, 1),
        (23, "c", "Elena", 1, 1),
    ]
    assert rows("top_song_by_location", *records) == [
        ("x", "a", "Elena", 1, 1),
        ("y", "b", "Elena", 2, 1),
        (None, None, "Elena", 1, 1),
    ]
    assert rows("top_songs_by_level", *records) == [
        ("free", 1, None, "Elena", 1, 1),
        ("paid", 1, "b", "Elena", 2, 1),
        ("paid", 2, "a", "Elena", 1, 1),
        ("paid", 3, "c", "Elena", 1, 1),
    ]


# --- Times and locations --------------------------------------------------------------


def test_plays_by_hour_weekday_day_and_week() -> None:
    records = plays(
        {"ts": 23 * HOUR, "user_id": "1"},  # Thursday 1 January 1970
        {"ts": 47 * HOUR, "user_id": "1"},
        {"ts": 96 * HOUR - 1, "user_id": "2"},  # Sunday 4 January
        {"ts": 96 * HOUR, "user_id": "", "song": "unknown"},  # Monday 5 January
    )
    assert answer_to("plays_by_hour", *records) == Answer(
        ("hour", *MEASURES), [(0, 1, 0, ONCE), (23, 3, 2, THRICE)]
    )
    assert answer_to("plays_by_weekday", *records) == Answer(
        ("weekday", "weekday_name", *MEASURES),
        [
            (1, "Monday", 1, 0, ONCE),
            (4, "Thursday", 1, 1, ONCE),
            (5, "Friday", 1, 1, ONCE),
            (7, "Sunday", 1, 1, ONCE),
        ],
    )
    assert answer_to("plays_by_day", *records) == Answer(
        ("play_date", *MEASURES),
        [
            (date(1970, 1, 1), 1, 1, ONCE),
            (date(1970, 1, 2), 1, 1, ONCE),
            (date(1970, 1, 4), 1, 1, ONCE),
            (date(1970, 1, 5), 1, 0, ONCE),
        ],
    )
    assert answer_to("plays_by_week", *records) == Answer(
        ("week_start_date", *MEASURES),
        [(date(1969, 12, 29), 3, 2, THRICE), (date(1970, 1, 5), 1, 0, ONCE)],
    )
    heat_map = answer_to("plays_by_hour_and_weekday", *records)
    assert heat_map.columns[:2] == ("hour", "monday_play_count")
    assert heat_map.columns[-2:] == ("sunday_play_count", "play_count")
    assert heat_map.rows == [(0, 1, 0, 0, 0, 0, 0, 0, 1), (23, 0, 0, 0, 1, 1, 0, 1, 3)]
    assert rows("catalogue_coverage_by_week", *records, SONG) == [
        (date(1969, 12, 29), 3, 3, Decimal("100.00")),
        (date(1970, 1, 5), 1, 0, Decimal("0.00")),
    ]


def test_plays_by_location_state_and_region() -> None:
    records = plays(
        {"location": "New York-Newark, NY-NJ-PA", "user_id": "1"},
        {"location": "Albany, NY", "user_id": "1"},
        {"location": "Albany, NY", "user_id": ""},
        {"location": "St. Louis, Lac, MO", "user_id": "2"},
        {"location": "Ponce, PR", "user_id": "2"},
        {"location": "Nowhere, ZZ", "user_id": "2"},
        {"location": "Atlantis", "user_id": "2"},
        {"location": "", "user_id": "2"},
    )
    assert answer_to("plays_by_location", *records) == Answer(
        ("location", *MEASURES),
        [
            ("Albany, NY", 2, 1, TWICE),
            ("Atlantis", 1, 1, ONCE),
            ("New York-Newark, NY-NJ-PA", 1, 1, ONCE),
            ("Nowhere, ZZ", 1, 1, ONCE),
            ("Ponce, PR", 1, 1, ONCE),
            ("St. Louis, Lac, MO", 1, 1, ONCE),
            (None, 1, 1, ONCE),
        ],
    )
    assert rows("plays_by_state", *records) == [
        ("NY", "New York", 3, 1, THRICE),
        (None, None, 3, 1, THRICE),
        ("MO", "Missouri", 1, 1, ONCE),
        ("PR", "Puerto Rico", 1, 1, ONCE),
    ]
    # A territory has no census region.
    assert rows("plays_by_region", *records) == [
        (None, 4, 1, Decimal("0.30"), Decimal("50.00")),
        ("Northeast", 3, 1, THRICE, Decimal("37.50")),
        ("Midwest", 1, 1, ONCE, Decimal("12.50")),
    ]


def test_plays_by_device() -> None:
    agents = (
        "Mozilla/5.0 (iPhone; CPU iPhone OS 7_1 like Mac OS X)",
        "Mozilla/5.0 (Linux; Android 4.4)",
        "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_9_4)",
        "Mozilla/5.0 (X11; Linux x86_64)",
        "curl",
        None,
    )
    found = rows("plays_by_device", *plays(*({"user_agent": text} for text in agents)))
    devices = ("Android", "Linux", "Mac", "Other", "iPhone", None)
    share = Decimal("16.67")
    assert found == [(device, 1, 1, ONCE, share) for device in devices]


# --- Users and sessions ---------------------------------------------------------------


def test_most_active_users() -> None:
    answer = answer_to(
        "most_active_users",
        *plays(
            {"user_id": "2", "length": None},
            {"user_id": "10", "length": Decimal(18)},
            {"user_id": "10", "length": None},
            {"user_id": "3", "length": Decimal("17.99999")},
            {"user_id": "", "length": Decimal(18)},
            {"user_id": "", "length": Decimal(18)},
            {"user_id": "", "length": Decimal(18)},
            {"user_id": "3", "page": "Home", "level": "free", "first_name": "Eve"},
        ),
    )
    assert answer == Answer(
        (
            "user_id",
            "first_name",
            "last_name",
            "level",
            "play_count",
            "listening_hours",
        ),
        [
            # 18 s are exactly 0.005 h, which is rounded away from zero to 0.01.
            (10, "Lily", "Koch", "paid", 2, Decimal("0.01")),
            (2, "Lily", "Koch", "paid", 1, None),
            (3, "Eve", "Koch", "free", 1, Decimal("0.00")),
        ],
    )


def test_plays_by_level() -> None:
    answer = answer_to(
        "plays_by_level",
        *plays(
            {"level": "paid", "user_id": "1"},
            {"level": "free", "user_id": "1"},
            {"level": "free", "user_id": ""},
            {"level": None, "user_id": "1"},
        ),
        # The user's current level is not the level of the plays.
        EVENT._replace(
            session_id=1, ts=253402300799999, page="Home", user_id="1", level="x"
        ),
    )
    assert answer == Answer(
        ("level", *MEASURES, "play_percent"),
        [
            ("free", 2, 1, TWICE, Decimal("50.00")),
            ("paid", 1, 1, ONCE, Decimal("25.00")),
            (None, 1, 1, ONCE, Decimal("25.00")),
        ],
    )


def test_plays_by_gender() -> None:
    answer = answer_to(
        "plays_by_gender",
        *plays(
            {"user_id": "1", "gender": "F", "ts": 1},
            {"user_id": "1", "gender": "M", "ts": 2},
            {"user_id": "2", "gender": " "},
            {"user_id": "", "gender": "F"},
            {"user_id": "3", "gender": "F"},
            {"user_id": "4", "gender": "F"},
        ),
    )
    assert answer == Answer(
        ("gender", *MEASURES, "play_percent"),
        [
            ("F", 2, 2, TWICE, Decimal("33.33")),
            ("M", 2, 1, TWICE, Decimal("33.33")),
            (None, 2, 1, TWICE, Decimal("33.33")),
        ],
    )


@pytest.mark.parametrize(
    ("name", "column"),
    [
        ("most_played_songs", "song"),
        ("most_played_artists", "artist"),
        ("most_active_users", "user_id"),
        ("plays_by_location", "location"),
        ("songs_the_catalogue_lacks", "song"),
    ],
)
def test_answer_has_the_top_ten(name: str, column: str) -> None:
    found = rows(name, *plays(*({column: str(n)} for n in range(10, 21))))
    assert [str(row[0]) for row in found] == [str(n) for n in range(10, 20)]


def test_quiet_users_have_no_play_for_seven_days() -> None:
    found = rows(
        "quiet_users",
        *plays(
            {"user_id": "1", "ts": DAY - 1},
            {"user_id": "1", "ts": 5},
            {"user_id": "2", "ts": DAY},
            {"user_id": "3", "ts": 1, "page": "Home"},
            {"user_id": "1", "ts": 9 * DAY, "page": "Home", "level": "free"},
            {"user_id": "", "ts": 7 * DAY},
        ),
    )
    assert found == [(1, "Lily", "Koch", "free", at(DAY - 1), 7, 2)]


def test_listener_is_new_in_first_week_only() -> None:
    found = rows(
        "new_and_returning_listeners",
        *plays(
            {"user_id": "1", "ts": 0},
            {"user_id": "2", "ts": 0, "page": "Home"},
            {"user_id": "2", "ts": 4 * DAY},
            {"user_id": "1", "ts": 5 * DAY},
            {"user_id": "", "ts": 5 * DAY},
        ),
    )
    assert found == [(date(1969, 12, 29), 1, 1, 0), (date(1970, 1, 5), 2, 1, 1)]


def test_levels_past_and_current() -> None:
    records = plays(
        {"user_id": "1", "ts": 0, "level": "free", "page": "Home"},
        {"user_id": "1", "ts": 1, "level": "free"},
        # At equal times, the last event decides the level, and no play precedes it.
        {"user_id": "1", "ts": 2, "level": "free"},
        {"user_id": "1", "ts": 2, "level": "paid", "page": "Submit Upgrade"},
        {"user_id": "1", "ts": 3, "level": "paid"},
        {"user_id": "1", "ts": 5 * DAY, "level": "free"},
        {"user_id": "2", "ts": 4, "level": "paid", "page": "Home"},
        {"user_id": "", "ts": 4, "level": "free"},
        {"user_id": "3", "ts": 5, "level": "free"},
        {"user_id": "3", "ts": 6, "level": None},
        {"user_id": "3", "ts": 7, "level": "paid"},
    )
    assert rows("users_by_level", *records) == [
        ("paid", 2, 3),
        ("free", 1, 2),
        (None, 0, 1),
    ]
    assert rows("level_changes", *records) == [
        (at(2), 1, "Lily", "Koch", "free", "paid"),
        (at(5 * DAY), 1, "Lily", "Koch", "paid", "free"),
    ]
    assert rows("plays_before_an_upgrade", *records) == [
        (1, "Lily", "Koch", at(0), at(2), 1)
    ]
    assert rows("upgrades_by_week", *records) == [
        (date(1969, 12, 29), 1, 0),
        (date(1970, 1, 5), 0, 1),
    ]


def test_upgrade_counts_plays_of_its_own_user() -> None:
    records = plays(
        {"user_id": "1", "ts": 0, "level": "free"},
        {"user_id": "1", "ts": 2, "level": "paid"},
        {"user_id": "2", "ts": 2, "level": "free"},
        {"user_id": "2", "ts": 4, "level": "paid"},
    )
    found = rows("plays_before_an_upgrade", *records)
    assert [(row[0], *row[-3:]) for row in found] == [
        (1, at(0), at(2), 1),
        (2, at(2), at(4), 1),
    ]


def test_sessions() -> None:
    records = plays(
        {"session_id": 1, "ts": 0, "level": "free"},
        {"session_id": 1, "ts": MINUTE},
        {"session_id": 1, "ts": MINUTE, "page": "Logout", "user_id": ""},
        {"session_id": 2, "ts": 5, "page": "Home"},
        {"session_id": 3, "ts": 5, "user_id": "", "level": "free"},
        {"session_id": 9, "ts": 5, "user_id": "2", "level": "free", "page": "Home"},
    )
    assert rows("sessions_by_level", *records) == [
        ("free", 2, 1, Decimal("0.50"), 1, Decimal("0.00")),
        ("paid", 2, 2, Decimal("1.00"), 2, Decimal("0.50")),
    ]
    assert rows("sessions_by_user", *records) == [
        (15, "Lily", "Koch", "paid", 2, 2, Decimal("1.00"), TWICE),
        (2, "Lily", "Koch", "free", 1, 0, Decimal("0.00"), Decimal("0.00")),
    ]
    nothing = Decimal("0.00")
    assert rows("longest_sessions", *records) == [
        (1, 15, "paid", at(0), Decimal("1.00"), 2),
        (3, None, "free", at(5), nothing, 1),
        (2, 15, "paid", at(5), nothing, 0),
        (9, 2, "free", at(5), nothing, 0),
    ]


def test_songs_of_user_and_listeners_of_song() -> None:
    records = records_of(
        *plays(
            {"song": "b", "ts": 7},
            {"song": "a", "ts": 5, "user_id": "2"},
            {"song": "a", "ts": 6, "user_id": "2"},
            {"song": "a", "ts": 9},
            {"song": "a", "ts": 9, "user_id": ""},
            {"song": "c", "ts": 9, "user_id": ""},
            {"song": None, "ts": 9, "user_id": ""},
        )
    )
    found = answers(records)
    length = Decimal("269.58322")
    assert found["what_a_user_heard_in_a_session"].rows == [
        (2, 818, 1, at(5), "a", "Elena", length),
        (2, 818, 2, at(6), "a", "Elena", length),
    ]
    assert found["who_listened_to_a_song"].rows == [
        ("a", "Elena", 2, "Lily", "Koch", "paid", 2, at(6)),
        ("a", "Elena", 15, "Lily", "Koch", "paid", 1, at(9)),
    ]
    evidence = evidence_of(records)
    assert what_a_user_heard_in_a_session(evidence, user_id=15).rows == [
        (15, 818, 0, at(7), "b", "Elena", length),
        (15, 818, 3, at(9), "a", "Elena", length),
    ]
    assert what_a_user_heard_in_a_session(evidence, session_id=7).rows == []
    assert who_listened_to_a_song(evidence, "b").rows == [
        ("b", "Elena", 15, "Lily", "Koch", "paid", 1, at(7))
    ]
    assert who_listened_to_a_song(evidence, "c").rows == []


# --- Pages and loads ------------------------------------------------------------------


def test_error_pages() -> None:
    found = rows(
        "error_pages",
        *plays(
            {"page": "Error", "status": 404},
            {"page": "Error", "status": 399, "user_id": ""},
            {"page": "Help", "status": 400, "user_id": "2"},
            {"page": "Home", "status": None},
            {"page": "About", "status": 200},
            {"page": "About", "status": 307},
        ),
    )
    assert found == [
        ("Error", 2, 1, 1, Decimal("50.00")),
        ("Help", 1, 1, 1, Decimal("100.00")),
        ("About", 2, 1, 0, Decimal("0.00")),
        ("Home", 1, 1, 0, Decimal("0.00")),
    ]


def test_loaded_and_rejected_records() -> None:
    files = {"staging_events": 2, "staging_songs": 1, "nothing": 0}
    rejects = [
        Reject("staging_events", "a", 1, "not JSON", "x"),
        Reject("staging_events", "a", 2, "not JSON", "x"),
        Reject("staging_songs", "b", 1, "not JSON", "x"),
        Reject("staging_events", "c", 1, "ts is missing", "x"),
    ]
    found = answers(RawRecords([EVENT], [SONG], rejects, files))
    assert found["what_was_loaded"].rows == [
        ("staging_events", 2, 1, 3, Decimal("75.00")),
        ("staging_songs", 1, 1, 1, Decimal("50.00")),
    ]
    assert found["why_records_were_rejected"].rows == [
        ("staging_events", "not JSON", 2, 1),
        ("staging_events", "ts is missing", 1, 1),
        ("staging_songs", "not JSON", 1, 1),
    ]


# --- Measures -------------------------------------------------------------------------


def test_shares_are_rounded_half_away_from_zero() -> None:
    assert percent(1, 3) == Decimal("33.33")
    assert percent(1, 800) == Decimal("0.13")  # 0.125
    assert percent(3, 20000) == Decimal("0.02")  # 0.015
    assert percent(0, 7) == Decimal("0.00")
    assert percent(7, 7) == Decimal("100.00")
    assert two_places(Fraction(-1, 200)) == Decimal("-0.01")
    assert str(two_places(Fraction(-1, 201))) == "0.00"
