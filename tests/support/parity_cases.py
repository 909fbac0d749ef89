"""Crafted records that engines treat differently: dates, text, numbers, order."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from raw_lines import event, song
from warehouses import write_source

FIRST_NUMBER = 900_101
"""First session and user of the cases, above those of the sample."""


def at(text: str) -> int:
    """Return the milliseconds since 1970 of a time in UTC."""
    moment = datetime.fromisoformat(text).replace(tzinfo=UTC)
    return round(moment.timestamp() * 1000)


@dataclass
class Case:
    """Records that share no key with another case."""

    number: int
    events: list[dict[str, Any]] = field(default_factory=list)
    songs: list[dict[str, Any]] = field(default_factory=list)

    def play(self, title: object = None, artist: object = None, **others: Any) -> None:
        """Add a play; its default ``item`` is unique."""
        user = {"userId": str(self.number), "level": "free", "gender": "F"}
        given = {"session": self.number, "item": len(self.events), "page": "NextSong"}
        self.events.append(given | user | {"song": title, "artist": artist} | others)

    def catalogue(self, title: object, artist: object, **others: Any) -> None:
        """Add a song of the catalogue; its default keys are unique."""
        key = f"{self.number}x{len(self.songs)}"
        given = {"song_id": f"SO{key}", "artist_id": f"AR{key}"}
        self.songs.append(given | {"title": title, "artist_name": artist} | others)


def moments(case: Case, *texts: str) -> None:
    for text in texts:
        case.play(ts=at(text))


def collation(case: Case) -> None:
    """Text is sorted by code point: Z before a, unlike in a collation."""
    for name in ("aa", "Zz", "éé", "_z", "-z", "a z", "ÅÅ", "zé"):
        case.catalogue("t", name, artist_id="ARcollation")
    for title in ("b", "B", "ä", "_", "ß", "ss"):
        case.catalogue(title, "x", song_id="SOcollation")
    for key in ("SOtie-b", "SOtieB", "SOtieb", "SOtie_"):
        case.catalogue("Tied", "Tie", song_id=key, duration=5.0)
    case.play("Tied", "Tie", length=5.0)
    for artist in ("a", "B", "é", "_"):
        case.play("t", artist, item=900, ts=7)


def time_zones(case: Case) -> None:
    """Times that are ambiguous, missing or on another day in other time zones."""
    moments(
        case,
        "2018-03-11T09:59:59.999",
        "2018-03-11T10:00:00.000",
        "2018-03-11T02:30:00.001",
        "2018-11-04T08:30:00.500",
        "2018-11-04T09:30:00.500",
        "2018-11-04T01:30:00.500",
        "2018-11-21T00:00:00.000",
        "2018-11-20T23:59:59.999",
        "2018-03-25T01:30:00.000",
        "1970-01-01T00:00:00.001",
    )


def decimal_rounding(case: Case) -> None:
    """Ties round away from zero, although binary floats cannot represent them."""
    for length in (
        *(0.000005, 0.000015, 2.675005, 1.000025, 9999999.99999, 246.30812, -0.000005),
        *("1e-5", "5E-6", "0.00000449", "100.123455", 1e3, 0, None),
    ):
        case.play("Rounded", "Round", length=length)
    for duration in (100.123455, "100.1234549", 0.1, "2e2", -1.5):
        case.catalogue("Rounded", "Round", duration=duration)


def md5_of_text(case: Case) -> None:
    """The key of a play is an MD5 of numbers as text, up to 64 bits."""
    for session in (2**63 - 1, -(2**63), -1, 10**15, 12345):
        for item in (0, -1, 2**31 - 1):
            case.play(session=session, item=item)


def integer_division(case: Case) -> None:
    """Milliseconds are divided into seconds without binary floats."""
    for ts in (0, 1, 999, 1000, 1001, 1541105830796, 2**31 * 1000 + 7, 2**53 % 10**14):
        case.play(ts=ts)
    case.play(ts=253402300799999)


def null_order(case: Case) -> None:
    """Nulls sort last on every engine."""
    case.play(None, None, item=1, ts=7)
    case.play("s", "a", item=1, ts=7)
    case.play("s", None, item=1, ts=7)
    case.play("Nulls", "Null", length=None)
    case.play("Nulls", "Null", length=3.0)
    for number, duration in enumerate((None, 9.0, 2.0)):
        case.catalogue("Nulls", "Null", song_id=f"SOnull{number}", duration=duration)
    for year, duration in ((0, None), (None, 8.0), (1999, None), (1999, 7.0)):
        key = {"song_id": "SOnulls", "artist_id": "ARnulls"}
        case.catalogue(None, None, year=year, duration=duration, **key)
    for latitude, longitude in ((None, 1.0), (2.0, None), (None, None), (-0.0, 0.0)):
        position = {"artist_latitude": latitude, "artist_longitude": longitude}
        case.catalogue("t", "Same", artist_id="ARplaces", **position)


def case_rules(case: Case) -> None:
    """Upper and lower case differ, in every script."""
    artists = ("Queen", "QUEEN", "queen", "İ", "i̇", "\u0131", "straße", "STRASSE", "Σ")
    for artist in artists:
        case.play("One Vision", artist)
    for artist in ("Queen", "İ", "straße", "ς"):
        case.catalogue("One Vision", artist)
    case.play("ONE VISION", "Queen")
    case.play("One Vision", "Queen", page="nextsong")


def trimming(case: Case) -> None:
    """ASCII white space is trimmed at both ends; other blanks stay."""
    titles = ("\t\n\v\f\r x ", " x", "x\r\n", "\u00a0x", "x\u3000", "\u200bx", "x y")
    for title in titles:
        case.play(title, " Trim\t")
    for title in ("x ", "\u00a0x", "x\u3000"):
        case.catalogue(title, "Trim", artist_location=" \t ")
    case.catalogue("x", "Trim", song_id=" SOtrim\t", artist_id="\nARtrim ")
    case.play("", "   ", firstName=" Ann ", lastName="\t", userId=f"\t{case.number} ")


def iso_weeks(case: Case) -> None:
    """The last days of a year may be in week 1 of the next year, or the reverse."""
    moments(
        case,
        *("2018-12-30T23:59:59.999", "2018-12-31T00:00:00", "2019-12-30T12:00:00"),
        *("2020-12-31T12:00:00", "2021-01-01T00:00:00", "2021-01-03T23:59:59.999"),
        *("2021-01-04T00:00:00", "2016-01-03T12:00:00", "2024-12-30T00:00:00"),
        *("2026-12-31T00:00:00", "2027-01-03T12:00:00", "2017-01-01T00:00:00"),
    )


def leap_days(case: Case) -> None:
    """Three of four years that end a century have no leap day."""
    moments(
        case,
        *("1972-02-29T00:00:00", "2000-02-29T12:00:00", "2016-02-29T23:59:59.999"),
        *("2020-02-29T00:00:00", "2100-02-28T23:59:59.999", "2100-03-01T00:00:00"),
        *("2400-02-29T12:00:00", "2019-02-28T12:00:00", "2019-03-01T12:00:00"),
    )


def emoji_and_combining_characters(case: Case) -> None:
    """Text is compared by code point: composed and combining letters differ."""
    family = "\U0001f468\u200d\U0001f469\u200d\U0001f467"
    twice = "\U0001f3b5é".encode().decode("latin-1").encode().decode("latin-1")
    for artist in ("é", "e\u0301", family, "\U0001f1e9\U0001f1ea", twice, "\ufeffx"):
        case.play("Öde", artist)
    for artist in ("é", family, "\U0001f1e9\U0001f1ea", "\U0001f3b5é"):
        case.catalogue("Öde", artist)
    for artist in ("\U0001f3b5\U0001f3b5", "abc", "\uffee\uffee"):
        case.catalogue("t", artist, artist_id="ARemoji")


def long_text(case: Case) -> None:
    """The longest accepted text, and text whose every byte the repair reads."""
    for title in ("Ã\x83Â©" * 128, "Ã" + "x" * 1022, "8" * 1024, "Ã\x83" * 256):
        case.play(title, "é" * 512)
        case.catalogue(title, "é" * 512)


def levels(case: Case) -> None:
    """Levels change within one moment, back, and to null; a null user has no level."""
    for ts, item, level in (
        *((10, 0, "free"), (10, 2, "paid"), (10, 1, "free"), (20, 3, "paid")),
        *((20, 4, "free"), (30, 5, "free"), (40, 6, None), (50, 7, "paid")),
        *((50, 9, "paid"), (60, 8, "free"), (60, 10, "paid"), (70, 11, "free")),
    ):
        page = "NextSong" if item % 2 else "Home"
        case.play(ts=ts, item=item, level=level, page=page)
    case.play(ts=80, item=12, userId="", level="paid", page="Home")
    case.play(ts=80, item=13, userId="", level="free", page="Home")


def places(case: Case) -> None:
    """A location is cut at its last comma, with any text before and after it."""
    for location in (
        *("New York-Newark, NY-NJ-PA", "Washington, DC-VA", "St. Louis, Lac, MO"),
        *("Nowhere, ZZ", "Portland, or", "Atlantis", ",PR", ",", "a,", "a,,GU-x", None),
        *("Öde 🎵 \u00a0,\tMA-NH", "é,́ 🇩🇪, \tRI"),
        *("x,\u00a0CA", "x, CA ", "x, C-A", "x, TX - OK"),
    ):
        case.play(location=location, userAgent=location)
    for agent in ("Windows; Android", "iPhone", "windows", "Linux; Android", '"Linux'):
        case.play(userAgent=agent)


MAKERS = (
    collation,
    time_zones,
    decimal_rounding,
    md5_of_text,
    integer_division,
    null_order,
    case_rules,
    trimming,
    iso_weeks,
    leap_days,
    emoji_and_combining_characters,
    long_text,
    levels,
    places,
)


def make_case(number: int, make: Callable[[Case], None]) -> Case:
    case = Case(number)
    make(case)
    return case


CASES = {
    make.__name__: make_case(number, make)
    for number, make in enumerate(MAKERS, start=FIRST_NUMBER)
}


def write_parity_cases(root: Path) -> None:
    """Write each case to one file in log_data and one in song_data below a root."""
    logs = {
        f"{name}.json": b"\n".join(event(**record) for record in case.events)
        for name, case in CASES.items()
    }
    songs = {
        f"{name}.json": b"\n".join(song(**record) for record in case.songs)
        for name, case in CASES.items()
    }
    write_source(root, logs, songs)
