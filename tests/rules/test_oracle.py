"""Tests of the oracle: small cases with results worked out by hand."""

from __future__ import annotations

import dataclasses
import gzip
import os
import random
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from oracle import (
    Artist,
    RawEvent,
    RawRecords,
    RawSong,
    Reject,
    Song,
    Songplay,
    Star,
    Time,
    User,
    answers,
    build_star,
    read_folder,
)
from oracle.cleaning import clean_text, round_half_away
from oracle.reading import exact
from oracle.star import start_time
from raw_records import EVENT, SONG
from same_records import assert_same_result
from sparkify.raw.rules import EVENTS, SONGS

# ------------------------------------------------------------------------- helpers

EVENT_JSON = {
    "artist": '"Elena"',
    "auth": '"Logged In"',
    "firstName": '"Lily"',
    "gender": '"F"',
    "itemInSession": "5",
    "lastName": '"Koch"',
    "length": "269.58322",
    "level": '"paid"',
    "location": '"Chicago, IL"',
    "method": '"PUT"',
    "page": '"NextSong"',
    "registration": "1541048010796.0",
    "sessionId": "818",
    "song": '"Setanta matins"',
    "status": "200",
    "ts": "1542837407796",
    "userAgent": '"Mozilla"',
    "userId": '"15"',
}
SONG_JSON = {
    "num_songs": "1",
    "artist_id": '"AR1"',
    "artist_latitude": "49.8",
    "artist_longitude": "15.47",
    "artist_location": '"Dubai"',
    "artist_name": '"Elena"',
    "song_id": '"SO1"',
    "title": '"Setanta matins"',
    "duration": "269.58322",
    "year": "0",
}


def to_line(fields: dict[str, str]) -> str:
    """Return a JSON object of values that are already JSON."""
    return "{" + ",".join(f'"{key}":{value}' for key, value in fields.items()) + "}"


def event_line(**changes: str) -> str:
    """Return a line of the logs; a change to '' removes the key."""
    fields = {**EVENT_JSON, **changes}
    return to_line({key: value for key, value in fields.items() if value})


def song_line(**changes: str) -> str:
    """Return a line of the catalogue; a change to '' removes the key."""
    fields = {**SONG_JSON, **changes}
    return to_line({key: value for key, value in fields.items() if value})


def folder(root: Path, events: str | bytes = "", songs: str | bytes = "") -> Path:
    """Write a folder with one file of logs and one of the catalogue."""
    for part, content in (("log_data", events), ("song_data", songs)):
        (root / part).mkdir()
        written = content.encode() if isinstance(content, str) else content
        (root / part / "a.json").write_bytes(written)
    return root


def read_one(root: Path, events: str | bytes = "", songs: str = "") -> Any:
    """Return the only record, or the reason why it is rejected.

    The loaders must return the same, so each case here tests both.
    """
    for table, text in ((EVENTS, events), (SONGS, songs)):
        if text:
            line = text if isinstance(text, bytes) else text.encode()
            assert_same_result(table, line)
    records = read_folder(folder(root, events, songs))
    found: list[Any] = [*records.events, *records.songs]
    found += [reject.reason for reject in records.rejects]
    assert len(found) == 1
    return found[0]


def stored(root: Path, key: str, value: str) -> Any:
    """Return the stored value of a key, or the reason why its record is rejected."""
    if key in EVENT_JSON:
        keys, found = [*EVENT_JSON], read_one(root, event_line(**{key: value}))
    else:
        keys, found = [*SONG_JSON], read_one(root, songs=song_line(**{key: value}))
    return found if isinstance(found, str) else found[keys.index(key)]


event = EVENT._replace
song = SONG._replace
at = datetime.fromisoformat


def seeded(seed: int) -> random.Random:
    """Return a random generator that repeats its numbers."""
    return random.Random(seed)  # noqa: S311 -- it shuffles


def star_of(*records: RawEvent | RawSong) -> Star:
    """Return the star, which must not change if records are reversed and doubled."""
    events = [record for record in records if isinstance(record, RawEvent)]
    songs = [record for record in records if isinstance(record, RawSong)]
    star = build_star(RawRecords(events, songs, []))
    doubled = RawRecords((events * 2)[::-1], (songs * 2)[::-1], [])
    assert build_star(doubled) == star
    return star


# ----------------------------------------------------------------- reading: files


def test_line_is_read_into_all_columns(tmp_path: Path) -> None:
    records = read_folder(folder(tmp_path, event_line(), song_line()))
    assert records == RawRecords([EVENT], [SONG], [])


def test_lines_end_at_lf_and_blanks_count(tmp_path: Path) -> None:
    good = event_line()
    content = f"\r\n{good}\r\n \t\v\f\n[]\n\n{good}"
    records = read_folder(folder(tmp_path, content))
    assert records.events == [EVENT, EVENT]
    assert records.rejects == [
        Reject("staging_events", "log_data/a.json", 4, "not a JSON object", "[]")
    ]


@pytest.mark.parametrize(
    ("content", "count"),
    [("", 0), ("\ufeff\r\n", 0), (f"\ufeff{event_line()}\n\ufeff{event_line()}", 2)],
    ids=["empty file", "only a mark", "marks of file and line"],
)
def test_byte_order_mark_is_not_a_record(
    tmp_path: Path, content: str, count: int
) -> None:
    records = read_folder(folder(tmp_path, content))
    assert records == RawRecords([EVENT] * count, [], [])


def test_gzip_is_detected_by_content_not_name(tmp_path: Path) -> None:
    line = event_line().encode()
    folder(tmp_path, events=gzip.compress(b"\xef\xbb\xbf" + line))
    (tmp_path / "log_data" / "plain.json.gz").write_bytes(line)
    assert read_folder(tmp_path).events == [EVENT, EVENT]


def test_files_are_found_by_suffix_unless_hidden(tmp_path: Path) -> None:
    logs = folder(tmp_path) / "log_data"
    names = ["2018/11/b.json", "A/B/C/c.json.gz", ".d.json", ".e/f.json", "g.txt"]
    for name in [*names, "h.json.bak", "i.JSON", "_j.json"]:
        (logs / name).parent.mkdir(parents=True, exist_ok=True)
        (logs / name).write_bytes(b"?")
    assert [reject.path for reject in read_folder(tmp_path).rejects] == [
        "log_data/2018/11/b.json",
        "log_data/A/B/C/c.json.gz",
        "log_data/_j.json",
        "log_data/i.JSON",
    ]


def test_folder_names_can_be_set(tmp_path: Path) -> None:
    folder(tmp_path, songs=song_line())
    (tmp_path / "log_data").rename(tmp_path / "plays")
    (tmp_path / "song_data").rename(tmp_path / "music")
    assert read_folder(tmp_path, logs="plays", songs="music").songs == [SONG]


def test_missing_folder_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="log_data is not a folder"):
        read_folder(tmp_path)


def test_rejects_are_ordered_by_part_path_line(tmp_path: Path) -> None:
    folder(tmp_path, "1\n2", "3")
    (tmp_path / "log_data" / "Z.json").write_bytes(b"4")
    rejects = read_folder(tmp_path).rejects
    assert [reject.raw_text for reject in rejects] == ["4", "1", "2", "3"]
    assert rejects[-1].part == "staging_songs"


# ----------------------------------------------------------------- reading: lines


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        (b'{"artist":"\xff"}', "not UTF-8"),
        (b'{"artist":"\xed\xa0\x80"}', "not UTF-8"),
        (b'{"artist":"\xc0\x80"}', "not UTF-8"),
        (b"\xff\xfe{}", "not UTF-8 but UTF-16"),
        (b'{"artist":"a\x00b"}', "not JSON"),
        (b'{"artist":"a\tb"}', "not JSON"),
        (b"{", "not JSON"),
        (b"{'artist':1}", "not JSON"),
        (b'{"artist":1,}', "not JSON"),
        (b'{"x":NaN}', "not JSON"),
        (b'{"x":[Infinity]}', "not JSON"),
        (b'{"x":{"y":-Infinity}}', "not JSON"),
        (b'{"x":01}', "not JSON"),
        (b'{"x":+1}', "not JSON"),
        (b'{"x":1.}', "not JSON"),
        (b'{"x":.5}', "not JSON"),
        (b'{"x":0x1F}', "not JSON"),
        (b'{"x":True}', "not JSON"),
        ('{"x":\u0661}'.encode(), "not JSON"),
        (b'{"x":"\\x41"}', "not JSON"),
        (b'{"x":"\\u12 4"}', "not JSON"),
        (b"{\x0b}", "not JSON"),
        (b"\xc2\xa0{}", "not JSON"),
        ("\u00a0{}".encode(), "not JSON"),
        pytest.param(b"[" * 1_000_000, "not JSON", id="deep array"),
        pytest.param(
            b'{"x":' * 100_000 + b"1" + b"}" * 100_000, "not JSON", id="deep object"
        ),
        (b"[]", "not a JSON object"),
        (b'"{}"', "not a JSON object"),
        (b"null", "not a JSON object"),
        (b'[{"a":1,"a":1}]', 'duplicate key "a"'),
        (b'{"a":1,"a":1', "not JSON"),
        (b'{"a":1,"b":1,"b":2,"a":3}', 'duplicate key "b"'),
        (b'{"a":1,"\\u0061":1}', 'duplicate key "a"'),
        (b'{"x":[{"y":{"k":1,"k":1}}]}', 'duplicate key "k"'),
        (b'{"\\ud800":1,"\\ud800":1}', 'duplicate key "\\ud800"'),
        (b"{}", "itemInSession is missing"),
    ],
)
def test_line_that_breaks_a_rule_is_rejected(
    tmp_path: Path, line: bytes, reason: str
) -> None:
    assert read_one(tmp_path, line) == reason


@pytest.mark.parametrize(
    ("rest", "reasons"),
    [
        ("//", ["not JSON"]),
        ("{}", ["itemInSession is missing"]),
        ("{}{", ["itemInSession is missing", "not JSON"]),
    ],
)
def test_text_after_record_in_line_is_read(
    tmp_path: Path, rest: str, reasons: list[str]
) -> None:
    records = read_folder(folder(tmp_path, event_line() + rest))
    assert records.events == [EVENT]
    assert [reject.reason for reject in records.rejects] == reasons


@pytest.mark.parametrize(
    "line",
    [
        pytest.param(event_line(x='[{"k":1},{"k":1,"x":2}]'), id="key in two objects"),
        pytest.param(f" \t{event_line()}\t \r", id="blanks around the object"),
        pytest.param(
            event_line(Artist="true", x=r'"\ud800\u0000"', y="1" * 10_000),
            id="undeclared keys",
        ),
        pytest.param(event_line(x='"' + "é" * 5_000_000 + '"'), id="ten megabytes"),
    ],
)
def test_unusual_valid_line_is_read(tmp_path: Path, line: str) -> None:
    assert read_one(tmp_path, line) == EVENT


def test_missing_key_is_null(tmp_path: Path) -> None:
    optional = set(EVENT_JSON) - {"sessionId", "itemInSession", "ts"}
    found = read_one(tmp_path, event_line(**dict.fromkeys(optional, "")))
    assert [value for value in found if value is not None] == [5, 818, 1542837407796]


def test_raw_text_of_reject_shows_invalid_bytes(tmp_path: Path) -> None:
    records = read_folder(folder(tmp_path, b"\xe9\xc3\xa9\\\r\n"))
    assert records.rejects[0].raw_text == "\\xe9é\\"


def test_first_bad_column_in_table_order_is_named(tmp_path: Path) -> None:
    line = event_line(userId="true", ts="-1", itemInSession="", sessionId="")
    assert read_one(tmp_path, line) == "itemInSession is missing"


def test_column_order_is_not_order_in_line(tmp_path: Path) -> None:
    fields = {**EVENT_JSON, "userId": "true", "artist": "true"}
    line = to_line(dict(reversed(fields.items())))
    assert read_one(tmp_path, line) == "artist is not text"


def test_song_columns_are_checked_in_table_order(tmp_path: Path) -> None:
    line = song_line(song_id="", artist_id="null", year='"x"', title="[]")
    assert read_one(tmp_path, songs=line) == "artist_id is missing"


@pytest.mark.parametrize(
    ("column", "reason"),
    [
        ("artist", "artist is longer than 1024 bytes"),
        ("ts", "ts is out of range"),
        ("length", "length is out of range"),
        ("registration", "registration is out of range"),
        ("userId", "userId is longer than 1024 bytes"),
    ],
)
def test_number_of_ten_megabytes_is_rejected(
    tmp_path: Path, column: str, reason: str
) -> None:
    assert stored(tmp_path, column, "9" * 10_000_000) == reason


@pytest.mark.parametrize(
    ("column", "start", "expected"),
    [
        ("duration", "1.4", Decimal("1.44444444")),
        ("artist_latitude", "0.1", 0.1111111111111111),
    ],
)
def test_hundred_thousand_decimals_are_rounded(
    tmp_path: Path, column: str, start: str, expected: object
) -> None:
    assert stored(tmp_path, column, start + start[-1] * 99_999) == expected


# ---------------------------------------------------------------- reading: values


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("null", None),
        ('""', ""),
        ('" a "', " a "),
        ("1.50", "1.50"),
        ("-0", "-0"),
        ("1E+3", "1E+3"),
        (r'"\ud83d\ude00"', "\U0001f600"),
        (r'"\u0001\u007f\u0085"', "\x01\x7f\x85"),
        ('"' + "a" * 1024 + '"', "a" * 1024),
        ('"' + "é" * 512 + '"', "é" * 512),
        ('"' + "\U0001f600" * 256 + '"', "\U0001f600" * 256),
        ("true", "artist is not text"),
        ("[]", "artist is not text"),
        ('{"a":1}', "artist is not text"),
        (r'"a\u0000"', "artist contains a NUL character"),
        (r'"\ud83d"', "artist contains half of a surrogate pair"),
        (r'"\ude00\ud83d"', "artist contains half of a surrogate pair"),
        (r'"\u0000\ud83d"', "artist contains a NUL character"),
        ('"' + "a" * 1024 + r'\ud83d"', "artist contains half of a surrogate pair"),
        ('"' + "a" * 1025 + '"', "artist is longer than 1024 bytes"),
        ('"' + "é" * 513 + '"', "artist is longer than 1024 bytes"),
        ('"' + " " * 1025 + '"', "artist is longer than 1024 bytes"),
    ],
)
def test_text_is_string_or_number_as_written(
    tmp_path: Path, value: str, expected: str | None
) -> None:
    assert stored(tmp_path, "artist", value) == expected


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ('" SO1 "', " SO1 "),
        ("17", "17"),
        ('"\u00a0"', "song_id is missing"),
        ("null", "song_id is missing"),
        ('""', "song_id is missing"),
        (r'" \t\n\u000b\f\r"', "song_id is missing"),
        ("false", "song_id is not text"),
        (r'" \u0000"', "song_id contains a NUL character"),
    ],
)
def test_id_is_more_than_white_space(tmp_path: Path, value: str, expected: str) -> None:
    assert stored(tmp_path, "song_id", value) == expected


NOT_INTEGER = "status is not an integer"


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("null", None),
        ("200", 200),
        ("-0", 0),
        ('"-0"', 0),
        ('"007"', 7),
        ('"-007"', -7),
        ('"' + "0" * 5000 + '9"', 9),
        ("2147483647", 2147483647),
        ("-2147483648", -2147483648),
        ("2147483648", "status is out of range"),
        ("-2147483649", "status is out of range"),
        ("1" * 5000, "status is out of range"),
        ("200.0", NOT_INTEGER),
        ("2e2", NOT_INTEGER),
        ("true", NOT_INTEGER),
        ("[200]", NOT_INTEGER),
        ('""', NOT_INTEGER),
        ('" 200"', NOT_INTEGER),
        (r'"200\n"', NOT_INTEGER),
        ('"+200"', NOT_INTEGER),
        ('"-"', NOT_INTEGER),
        ('"--2"', NOT_INTEGER),
        ('"2_00"', NOT_INTEGER),
        ('"\u0662"', NOT_INTEGER),
        ('"\u00b2"', NOT_INTEGER),
    ],
)
def test_integer_is_digits_with_optional_minus(
    tmp_path: Path, value: str, expected: int | str | None
) -> None:
    assert stored(tmp_path, "status", value) == expected


@pytest.mark.parametrize(
    ("column", "value", "expected"),
    [
        ("sessionId", "9223372036854775807", 2**63 - 1),
        ("sessionId", "9223372036854775808", "sessionId is out of range"),
        ("sessionId", "-9223372036854775809", "sessionId is out of range"),
        ("sessionId", "null", "sessionId is missing"),
        ("sessionId", '""', "sessionId is not an integer"),
        ("itemInSession", "-2147483648", -(2**31)),
        ("itemInSession", "2147483648", "itemInSession is out of range"),
        ("itemInSession", "null", "itemInSession is missing"),
        ("ts", '"0"', 0),
        ("ts", "null", "ts is missing"),
        ("ts", "", "ts is missing"),
        ("ts", "-1", "ts is out of range"),
        ("ts", "253402300800000", "ts is out of range"),
        ("ts", "1542837407796.0", "ts is not an integer"),
    ],
)
def test_event_key_columns_are_required_and_in_range(
    tmp_path: Path, column: str, value: str, expected: int | str
) -> None:
    assert stored(tmp_path, column, value) == expected


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("null", None),
        ("1540919166796.0", 1540919166796.0),
        ('"1540919166796.5"', 1540919166796.5),
        ("1.5e12", 1.5e12),
        ("-0.0", 0.0),
        ("253402300799999", 253402300799999.0),
        ("253402300799999.001", "registration is out of range"),
        ("-1e-400", "registration is out of range"),
        ("1e99999999999999999999", "registration is out of range"),
        ("-1e-99999999999999999999", "registration is out of range"),
        ("1e-99999999999999999999", 0.0),
        ('""', "registration is not a number"),
        ("true", "registration is not a number"),
    ],
)
def test_decimal_time_is_in_range_of_times(
    tmp_path: Path, value: str, expected: float | str | None
) -> None:
    assert stored(tmp_path, "registration", value) == expected


NOT_NUMBER = "length is not a number"
NOT_IN_RANGE = "length is out of range"


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("null", "None"),
        ("269.58322", "269.58322000"),
        ('"2.6958322E+2"', "269.58322000"),
        ("0.000000005", "1E-8"),
        ("0.0000000049999", "0E-8"),
        ("-0.000000005", "-1E-8"),
        ("-0.000000004", "0E-8"),
        ("-0", "0E-8"),
        ('"007.5"', "7.50000000"),
        ("9999999.999999994", "9999999.99999999"),
        ("-9999999", "-9999999.00000000"),
        ("1e-99999999999999999999", "0E-8"),
        ("0e99999999999999999999", "0E-8"),
        ("0.00001e11", "1000000.00000000"),
        ("9999999.999999995", NOT_IN_RANGE),
        ("10000000", NOT_IN_RANGE),
        ("-10000000", NOT_IN_RANGE),
        ("1e99999999999999999999", NOT_IN_RANGE),
        ('""', NOT_NUMBER),
        ('" 1"', NOT_NUMBER),
        ('"1."', NOT_NUMBER),
        ('".5"', NOT_NUMBER),
        ('"+1"', NOT_NUMBER),
        ('"1_000"', NOT_NUMBER),
        ('"NaN"', NOT_NUMBER),
        ('"Infinity"', NOT_NUMBER),
        ('"\u0661.5"', NOT_NUMBER),
        ("false", NOT_NUMBER),
    ],
)
def test_seconds_are_rounded_half_away_from_zero(
    tmp_path: Path, value: str, expected: str
) -> None:
    assert str(stored(tmp_path, "length", value)) == expected


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("null", None),
        ("-36.5", -36.5),
        ('"1.5e1"', 15.0),
        ("720", 720.0),
        ("1e-400", 0.0),
        ("1e400", "artist_latitude is out of range"),
        ('"-1e400"', "artist_latitude is out of range"),
        ('"inf"', "artist_latitude is not a number"),
        ('""', "artist_latitude is not a number"),
        ("true", "artist_latitude is not a number"),
    ],
)
def test_degrees_are_finite(
    tmp_path: Path, value: str, expected: float | str | None
) -> None:
    assert stored(tmp_path, "artist_latitude", value) == expected


@pytest.mark.parametrize("column", ["registration", "artist_latitude"])
def test_negative_zero_loses_its_sign(tmp_path: Path, column: str) -> None:
    assert str(stored(tmp_path, column, "-0.0")) == "0.0"


NOT_USER = "userId is neither empty nor an integer"


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("null", None),
        ('""', ""),
        (r'" \t\n\u000b\f\r"', " \t\n\v\f\r"),
        ('" 15 "', " 15 "),
        ("15", "15"),
        ("-0", "-0"),
        ('"007"', "007"),
        ('"-15"', "-15"),
        ("-999999999999999999", "-999999999999999999"),
        ("1000000000000000000", "userId is out of range"),
        ('"0000000000000000015"', "userId is out of range"),
        ("15.0", NOT_USER),
        ('"15.0"', NOT_USER),
        ('"1 5"', NOT_USER),
        ('"x"', NOT_USER),
        ('"\u00a0"', "\u00a0"),
        ('"\u0661"', NOT_USER),
        (r'"7\u0000"', NOT_USER),
        ("true", NOT_USER),
        ("{}", NOT_USER),
        ('"' + " " * 1025 + '"', "userId is longer than 1024 bytes"),
    ],
)
def test_user_id_is_empty_or_an_integer(
    tmp_path: Path, value: str, expected: str | None
) -> None:
    assert stored(tmp_path, "userId", value) == expected


def test_number_is_read_without_rounding() -> None:
    assert exact("0." + "0" * 50 + "1e50") == Decimal("0.1")
    assert exact("0." + "0" * 50 + "1E+51") == 1
    assert exact("-1e-99999999999999") < 0
    assert exact("-0.0e99999999999999") == 0


# ------------------------------------------------------------------------ cleaning


@pytest.mark.parametrize(
    ("text", "cleaned"),
    [
        (None, None),
        ("", None),
        (" \t\n\v\f\r", None),
        ("\r\n Elena \v\f\t", "Elena"),
        ("\u00a0Elena\u2003", "Elena"),
        ("\x1cElena\x85", "\x1cElena"),
        # The patterns of the real logs.
        ("Bj\u00c3\u0083\u00c2\u00b6rk", "Björk"),
        ("\u00c3\u0082\u00c2\u00bf", "\u00bf"),
        # Repair comes first: the last byte of an encoded "à" is a no-break space.
        (" \u00c3\u0083\u00c2\u00a0 ", "à"),
        # The Euro sign, E2 82 AC, is above U+00FF.
        ("\u00c3\u00a2\u00c2\u0082\u00c2\u00ac", "\u20ac"),
        # An emoji, F0 9F 98 80.
        ("\u00c3\u00b0\u00c2\u009f\u00c2\u0098\u00c2\u0080", "\U0001f600"),
        # Encoded once.
        ("\u00c3\u00b6", "\u00c3\u00b6"),
        # Correct text.
        ("Björk", "Björk"),
        ("\u20ac", "\u20ac"),
        # One character is not encoded twice.
        ("\u00c3\u0083\u00c2\u00b6 ö", "\u00c3\u0083\u00c2\u00b6 ö"),
        ("\u00c3\u0083\u00c2\u00b6 \u20ac", "\u00c3\u0083\u00c2\u00b6 \u20ac"),
        # Inner bytes C0 80, an overlong form, and ED A0 80, half a pair.
        ("\u00c3\u0080\u00c2\u0080", "\u00c3\u0080\u00c2\u0080"),
        (
            "\u00c3\u00ad\u00c2\u00a0\u00c2\u0080",
            "\u00c3\u00ad\u00c2\u00a0\u00c2\u0080",
        ),
        # Inner bytes F4 90 80 80, above U+10FFFF.
        (
            "\u00c3\u00b4\u00c2\u0090\u00c2\u0080\u00c2\u0080",
            "\u00c3\u00b4\u00c2\u0090\u00c2\u0080\u00c2\u0080",
        ),
        # Encoded three times: repair undoes two.
        (
            "\u00c3\u0083\u00c2\u0083\u00c3\u0082\u00c2\u00b6",
            "\u00c3\u00b6",
        ),
    ],
)
def test_text_is_repaired_trimmed_and_nulled(
    text: str | None, cleaned: str | None
) -> None:
    assert clean_text(text) == cleaned


@pytest.mark.parametrize(
    ("value", "rounded"),
    [
        ("0.000005", "0.00001"),
        ("-0.000005", "-0.00001"),
        ("0.000015", "0.00002"),
        ("0.00000499", "0.00000"),
        ("-0.00000499", "0.00000"),
        ("7", "7.00000"),
    ],
)
def test_rounding_is_half_away_from_zero(value: str, rounded: str) -> None:
    assert f"{round_half_away(Decimal(value), places=5):f}" == rounded


def test_duration_is_rounded_to_eight_places_then_five(tmp_path: Path) -> None:
    folder(
        tmp_path,
        event_line(length="0.000004995"),
        song_line(duration="0.000004994"),
    )
    star = build_star(read_folder(tmp_path))
    assert star.songplays[0].duration_seconds == Decimal("0.00001")
    assert str(star.songs[0].duration) == "0.00000"


# ---------------------------------------------------------------- star: songplays


def test_play_is_one_row_of_songplays() -> None:
    star = star_of(event(), song())
    assert star.songplays == [
        Songplay(
            songplay_id="127d318073ef2aeaf6f74c0e7504f5b7",  # md5 of "818-5"
            start_time=at("2018-11-21 21:56:47.796"),
            user_id=15,
            level="paid",
            song_id="SO1",
            artist_id="AR1",
            session_id=818,
            location="Chicago, IL",
            user_agent="Mozilla",
            item_in_session=5,
            song_title="Setanta matins",
            artist_name="Elena",
            duration_seconds=Decimal("269.58322"),
        )
    ]


def test_tables_have_columns_in_order_of_brief() -> None:
    columns = {name: table.columns for name, table in star_of().tables().items()}
    assert {name: " ".join(names) for name, names in columns.items()} == {
        "songplays": "songplay_id start_time user_id level song_id artist_id "
        "session_id location user_agent item_in_session song_title artist_name "
        "duration_seconds",
        "users": "user_id first_name last_name gender level last_seen_at",
        "songs": "song_id title artist_id year duration",
        "artists": "artist_id name location latitude longitude",
        "time": "start_time hour day week month year weekday",
    }


def test_only_event_of_next_song_is_a_play() -> None:
    star = star_of(
        event(page="Home", item_in_session=1),
        event(page=" NextSong ", item_in_session=2),
        event(page="nextsong", item_in_session=3),
        event(page=None, item_in_session=4),
    )
    assert [play.item_in_session for play in star.songplays] == [2]


def test_play_without_user_keeps_its_row() -> None:
    star = star_of(event(user_id=" "), event(user_id=None, session_id=1))
    assert [play.user_id for play in star.songplays] == [None, None]
    assert star.users == []


@pytest.mark.parametrize(
    ("written", "user_id"), [("007", 7), (" 15\t", 15), ("-0", 0), ("-5", -5)]
)
def test_user_id_of_star_is_an_integer(written: str, user_id: int) -> None:
    star = star_of(event(user_id=written))
    assert star.songplays[0].user_id == user_id
    assert star.users[0].user_id == user_id


def test_start_time_is_utc_to_the_millisecond() -> None:
    assert start_time(0) == at("1970-01-01")
    assert start_time(951782399001) == at("2000-02-28 23:59:59.001")
    assert start_time(253402300799999) == at("9999-12-31 23:59:59.999")


def test_latest_record_of_key_is_the_event() -> None:
    star = star_of(event(ts=2, level="free"), event(ts=1, level="a"))
    assert [(play.start_time, play.level) for play in star.songplays] == [
        (start_time(2), "free")
    ]


def test_current_event_on_other_page_removes_songplay() -> None:
    star = star_of(event(ts=1), event(ts=2, page="Home"))
    assert star.songplays == []
    assert star.time == []
    assert [user.user_id for user in star.users] == [15]


def test_user_of_superseded_event_is_not_a_user() -> None:
    star = star_of(event(ts=1, user_id="1"), event(ts=2, user_id="2"))
    assert [user.user_id for user in star.users] == [2]


@pytest.mark.parametrize(
    ("winner", "loser"),
    [
        # Each pair differs in two columns. The second has the opposite order.
        ({"artist": "A", "auth": "b"}, {"artist": "B", "auth": "a"}),
        ({"auth": "A", "first_name": "b"}, {"auth": "B", "first_name": "a"}),
        ({"first_name": "A", "gender": "M"}, {"first_name": "B", "gender": "F"}),
        ({"gender": "F", "last_name": "b"}, {"gender": "M", "last_name": "a"}),
        (
            {"last_name": "A", "length": Decimal(2)},
            {"last_name": "B", "length": Decimal(1)},
        ),
        (
            {"length": Decimal(9), "level": "paid"},
            {"length": Decimal(10), "level": "free"},
        ),
        ({"level": "free", "location": "b"}, {"level": "paid", "location": "a"}),
        ({"location": "A", "method": "b"}, {"location": "B", "method": "a"}),
        ({"method": "GET", "page": "NextSong"}, {"method": "PUT", "page": "Home"}),
        (
            {"page": "NextSong", "registration": 2.0},
            {"page": "Zoo", "registration": 1.0},
        ),
        ({"registration": 9.0, "song": "b"}, {"registration": 10.0, "song": "a"}),
        ({"song": "A", "status": 307}, {"song": "B", "status": 200}),
        ({"status": 9, "user_agent": "b"}, {"status": 10, "user_agent": "a"}),
        ({"user_agent": "A", "user_id": "2"}, {"user_agent": "B", "user_id": "1"}),
        ({"user_id": "9"}, {"user_id": "10"}),
        # Null and empty come last. Text is compared by code point.
        ({"artist": "\U0001f600"}, {"artist": None}),
        ({"artist": "z"}, {"artist": " "}),
        ({"artist": "Z"}, {"artist": "a"}),
        ({"artist": "\uffff"}, {"artist": "\U0001f600"}),
        ({"length": Decimal(1)}, {"length": None}),
        ({"status": -1}, {"status": None}),
    ],
)
def test_content_breaks_ties_at_equal_time(
    winner: dict[str, Any], loser: dict[str, Any]
) -> None:
    alone = star_of(event(**winner))
    assert star_of(event(**winner), event(**loser)) == alone
    assert star_of(event(**loser), event(**winner)) == alone


# --------------------------------------------------------------------- star: match


def matched(star: Star) -> tuple[str | None, str | None]:
    """Return song_id and artist_id of the only play."""
    (play,) = star.songplays
    return play.song_id, play.artist_id


NO_MATCH = (None, None)
HUNDRED = event(length=Decimal(100))


@pytest.mark.parametrize(
    ("records", "expected"),
    [
        pytest.param([event()], NO_MATCH, id="empty catalogue"),
        pytest.param(
            [event(song="Setanta matins "), song(artist_name=" Elena")],
            ("SO1", "AR1"),
            id="text is compared cleaned",
        ),
        pytest.param(
            [event(artist="Bj\u00c3\u0083\u00c2\u00b6rk"), song(artist_name="Björk")],
            ("SO1", "AR1"),
            id="text is compared repaired",
        ),
        pytest.param([event(), song(title="setanta matins")], NO_MATCH, id="case"),
        pytest.param([event(), song(artist_name="Elena x")], NO_MATCH, id="other name"),
        pytest.param([event(), song(title=None)], NO_MATCH, id="null title"),
        pytest.param([event(), song(artist_name=None)], NO_MATCH, id="null name"),
        pytest.param(
            [event(song="", artist=None), song(title=None, artist_name=" ")],
            NO_MATCH,
            id="null does not match null",
        ),
        pytest.param(
            [event(length=None), song()], ("SO1", "AR1"), id="play without duration"
        ),
        pytest.param(
            [event(), song(duration=Decimal(1))],
            ("SO1", "AR1"),
            id="another duration matches",
        ),
        pytest.param(
            [
                HUNDRED,
                song(song_id="SO1", duration=Decimal("102.1")),
                song(song_id="SO2", duration=Decimal(98)),
                song(song_id="SO3", duration=None),
            ],
            ("SO2", "AR1"),
            id="nearest duration",
        ),
        pytest.param(
            [
                HUNDRED,
                song(song_id="SO1", duration=Decimal(102)),
                song(song_id="SO2", duration=Decimal(98)),
            ],
            ("SO1", "AR1"),
            id="equally near, smallest song_id",
        ),
        pytest.param(
            [
                event(),
                song(song_id="SO1", duration=None),
                song(song_id="SO2", duration=Decimal(9999)),
            ],
            ("SO2", "AR1"),
            id="null duration comes last",
        ),
        pytest.param(
            [
                event(length=None),
                song(song_id="SO2", artist_id="AR1"),
                song(song_id="SO1", artist_id="AR3", duration=Decimal(1)),
                song(song_id="SO1", artist_id="AR2", duration=Decimal(2)),
            ],
            ("SO1", "AR2"),
            id="no durations, smallest ids",
        ),
        pytest.param(
            [
                event(length=Decimal("100.00000400")),
                song(song_id="SO1", duration=Decimal("100.00000100")),
                song(song_id="SO2", duration=Decimal("100.00000400")),
            ],
            ("SO1", "AR1"),
            id="durations have five places",
        ),
    ],
)
def test_play_matches_best_catalogue_row(
    records: list[RawEvent | RawSong], expected: tuple[str | None, str | None]
) -> None:
    assert matched(star_of(*records)) == expected


def test_names_that_dimensions_do_not_keep_match() -> None:
    star = star_of(
        event(),
        song(title="Another", year=2000),
        song(artist_name="Ann", song_id="SO2"),
        song(artist_name="Ann", song_id="SO3"),
        song(year=0),
    )
    assert matched(star) == ("SO1", "AR1")
    assert star.songs[0].title == "Another"
    assert star.artists[0].name == "Ann"


# --------------------------------------------------------------------- star: users


def test_event_on_any_page_makes_a_user() -> None:
    star = star_of(event(ts=1, page="Home"))
    assert star.users == [User(15, "Lily", "Koch", "F", "paid", start_time(1))]
    assert star.songplays == []


def test_latest_event_decides_all_user_attributes() -> None:
    star = star_of(
        event(ts=1),
        event(ts=2, session_id=1, first_name=None, gender=" ", level="free"),
    )
    assert star.users == [User(15, None, "Koch", None, "free", start_time(2))]


@pytest.mark.parametrize(
    ("earlier", "later"),
    [
        ({"ts": 1, "session_id": 9}, {"ts": 2, "session_id": 8}),
        (
            {"session_id": 8, "item_in_session": 9},
            {"session_id": 9, "item_in_session": 8},
        ),
        ({"item_in_session": 9}, {"item_in_session": 10}),
    ],
)
def test_latest_event_is_by_ts_session_item(
    earlier: dict[str, Any], later: dict[str, Any]
) -> None:
    star = star_of(event(level="free", **later), event(level="paid", **earlier))
    assert star.users[0].level == "free"


def test_users_are_sorted_by_number() -> None:
    star = star_of(*(event(user_id=u, session_id=int(u)) for u in ("10", "9", "-1")))
    assert [user.user_id for user in star.users] == [-1, 9, 10]


# --------------------------------------------------------------------- star: songs


def test_year_0_of_song_is_null() -> None:
    assert star_of(song()).songs == [
        Song("SO1", "Setanta matins", "AR1", None, Decimal("269.58322"))
    ]


@pytest.mark.parametrize(
    ("winner", "loser"),
    [
        ({"year": -1, "title": "b"}, {"year": 0, "title": "a"}),
        ({"year": 1, "title": "b"}, {"year": None, "title": "a"}),
        ({"year": 2001, "title": "b"}, {"year": 2000, "title": "a"}),
        ({"title": "B", "artist_id": "AR2"}, {"title": "a", "artist_id": "AR1"}),
        ({"title": "a", "artist_id": "AR2"}, {"title": " ", "artist_id": "AR1"}),
        (
            {"artist_id": "AR1", "duration": Decimal(2)},
            {"artist_id": "AR2", "duration": Decimal(1)},
        ),
        ({"duration": Decimal(9)}, {"duration": Decimal(10)}),
        ({"duration": Decimal(9)}, {"duration": None}),
    ],
)
def test_song_has_all_values_of_one_row(
    winner: dict[str, Any], loser: dict[str, Any]
) -> None:
    assert star_of(song(**loser), song(**winner)).songs == star_of(song(**winner)).songs


def test_song_ids_are_compared_cleaned() -> None:
    star = star_of(song(song_id=" SO1\n"), song(year=1999))
    assert [(s.song_id, s.year) for s in star.songs] == [("SO1", 1999)]


# ------------------------------------------------------------------- star: artists


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        # The name on most rows.
        (["A", "Zebra", "Zebra"], "Zebra"),
        # The name with the fewest characters.
        (["AA", "\U0001f600"], "\U0001f600"),
        # The first name by code point.
        (list("zaZbYcXdWe"), "W"),
        # A name that is not null.
        ([None, " ", "A"], "A"),
        ([None], None),
    ],
)
def test_artist_name_is_chosen_by_tie_rules(
    names: list[str | None], expected: str | None
) -> None:
    rows = [song(song_id=f"SO{n}", artist_name=name) for n, name in enumerate(names)]
    assert [artist.name for artist in star_of(*rows).artists] == [expected]


@pytest.mark.parametrize(
    ("others", "expected"),
    [
        # White space, a rounded duration and year 0 do not make another row.
        (
            [
                {"artist_name": "BB "},
                {"artist_name": "BB", "duration": Decimal("269.58322001")},
                {"artist_name": "BB", "year": None},
            ],
            "A",
        ),
        ([{"artist_name": "BB", "num_songs": 2}], "BB"),
    ],
)
def test_equal_rows_count_once_for_artist_name(
    others: list[dict[str, Any]], expected: str
) -> None:
    rows = [{"artist_name": "BB"}, *others, {"artist_name": "A"}]
    assert star_of(*(song(**row) for row in rows)).artists[0].name == expected


@pytest.mark.parametrize(
    ("winner", "loser"),
    [
        (
            {"artist_location": "Z", "artist_latitude": None, "song_id": "SO2"},
            {"artist_location": " ", "song_id": "SO1"},
        ),
        (
            {"artist_location": "Z", "song_id": "SO2"},
            {"artist_location": "A", "artist_longitude": None, "song_id": "SO1"},
        ),
        (
            {"artist_location": "Z", "song_id": "SO2"},
            {"artist_location": "A", "artist_latitude": None, "song_id": "SO1"},
        ),
        (
            {"artist_location": "Z", "song_id": "SO1"},
            {"artist_location": "A", "song_id": "SO2"},
        ),
        (
            {"artist_location": "A", "artist_latitude": 2.0},
            {"artist_location": "B", "artist_latitude": 1.0},
        ),
        (
            {"artist_latitude": 9.0, "artist_longitude": 2.0},
            {"artist_latitude": 10.0, "artist_longitude": 1.0},
        ),
        ({"artist_longitude": 9.0}, {"artist_longitude": 10.0}),
        (
            {"artist_latitude": 9.0, "artist_longitude": None},
            {"artist_latitude": None, "artist_longitude": 1.0},
        ),
    ],
)
def test_artist_has_all_values_of_one_row(
    winner: dict[str, Any], loser: dict[str, Any]
) -> None:
    alone = star_of(song(**winner)).artists
    assert star_of(song(**loser), song(**winner)).artists == alone


def test_smallest_longitude_is_last_artist_tie_break() -> None:
    longitudes = [float(n * 7 % 20) for n in range(20)]
    star = star_of(*(song(artist_longitude=longitude) for longitude in longitudes))
    assert star.artists == [Artist("AR1", "Elena", "Dubai", 49.8, 0.0)]


def test_artist_ids_are_compared_cleaned() -> None:
    star = star_of(song(artist_id=" AR1\n", song_id="SO2"), song())
    assert [artist.artist_id for artist in star.artists] == ["AR1"]
    assert [song.artist_id for song in star.songs] == ["AR1", "AR1"]


def test_artist_row_is_one_with_its_name() -> None:
    star = star_of(
        song(song_id="SO1", artist_name="Other"),
        song(song_id="SO2", artist_location=None, artist_latitude=None),
        song(song_id="SO3", artist_location=None, artist_longitude=None),
    )
    assert star.artists == [Artist("AR1", "Elena", None, None, 15.47)]


# ---------------------------------------------------------------------- star: time


@pytest.mark.parametrize(
    ("ts", "row"),
    [
        (
            1542837407796,  # a Wednesday
            Time(at("2018-11-21 21:56:47.796"), 21, 21, 47, 11, 2018, 3),
        ),
        # Sunday 3 January 2021 is in ISO week 53 of 2020.
        (1609632000000, Time(at("2021-01-03"), 0, 3, 53, 1, 2021, 7)),
        # Monday 31 December 2018 is in ISO week 1 of 2019.
        (1546300799999, Time(at("2018-12-31 23:59:59.999"), 23, 31, 1, 12, 2018, 1)),
    ],
)
def test_week_is_iso_and_year_is_calendars(ts: int, row: Time) -> None:
    assert star_of(event(ts=ts)).time == [row]


def test_time_has_one_row_per_start_time() -> None:
    star = star_of(
        event(ts=2000, item_in_session=1),
        event(ts=2000, item_in_session=2),
        event(ts=1000, item_in_session=3),
        event(ts=3000, item_in_session=4, page="Home"),
    )
    assert [row.start_time for row in star.time] == [start_time(1000), start_time(2000)]


# ---------------------------------------------------------------------- star: order


def random_records(rng: random.Random, count: int) -> RawRecords:
    """Return random records with duplicate values in every key."""

    def event_with_ties() -> RawEvent:
        return event(
            session_id=rng.randrange(8),
            item_in_session=rng.randrange(4),
            ts=rng.randrange(3) * 86_400_000,
            page=rng.choice(["NextSong", "Home", " NextSong"]),
            user_id=rng.choice(["", "1", "01", "2", " 3 ", None]),
            level=rng.choice(["free", "paid", None]),
            gender=rng.choice(["F", "M", ""]),
            song=rng.choice(["a", "b ", "", None]),
            artist=rng.choice(["x", "y", None]),
            length=rng.choice([Decimal(1), Decimal("1.000004"), Decimal(3), None]),
        )

    def song_with_ties() -> RawSong:
        return song(
            song_id=rng.choice(["SO1", "SO2", " SO2", "SO3"]),
            artist_id=rng.choice(["AR1", "AR2"]),
            title=rng.choice(["a", "b", None]),
            artist_name=rng.choice(["x", "y", "yy", "", None]),
            duration=rng.choice([Decimal(1), Decimal(2), Decimal("2.000001"), None]),
            year=rng.choice([0, None, 1999, 2000]),
            artist_location=rng.choice(["p", "q", ""]),
            artist_latitude=rng.choice([0.0, 1.0, None]),
            artist_longitude=rng.choice([0.0, 1.0, None]),
        )

    return RawRecords(
        [event_with_ties() for _ in range(count)],
        [song_with_ties() for _ in range(count)],
        [],
    )


@pytest.mark.parametrize("seed", range(20))
def test_star_does_not_depend_on_order_or_duplicates(seed: int) -> None:
    rng = seeded(seed)
    records = random_records(rng, count=60)
    star = build_star(records)
    for _ in range(5):
        events = records.events + rng.choices(records.events, k=20)
        songs = records.songs + rng.choices(records.songs, k=20)
        rng.shuffle(events)
        rng.shuffle(songs)
        again = RawRecords(events, songs, [])
        assert repr(build_star(again)) == repr(star)
        assert answers(again) == answers(records)


def test_star_does_not_depend_on_files(tmp_path: Path) -> None:
    lines = [event_line(itemInSession=str(n % 3), level=f'"{n}"') for n in range(9)]
    one, many = tmp_path / "one", tmp_path / "many"
    one.mkdir()
    many.mkdir()
    folder(one, "\n".join(lines), song_line())
    folder(many, songs=song_line() + "\n" + song_line())
    for number, line in enumerate(reversed(lines)):
        (many / "log_data" / f"{number}.json").write_text(line, "utf-8")
    assert build_star(read_folder(one)) == build_star(read_folder(many))


# ------------------------------------------------------------------- the real data


@pytest.fixture(scope="module")
def real_data() -> Path:
    """Return the folder REAL_DATA of the real logs and catalogue, or skip the test."""
    named = os.environ.get("REAL_DATA")
    if not named:
        pytest.skip("REAL_DATA names no folder of real data")
    if not Path(named, "log_data").is_dir():
        pytest.skip(f"REAL_DATA: {named} contains no folder log_data")
    return Path(named)


def test_real_data_has_the_known_counts(real_data: Path) -> None:
    records = read_folder(real_data)
    star = build_star(records)
    assert records.rejects == []
    assert len(records.events) == 8056
    assert len(records.songs) == 1943
    assert {name: len(table.rows) for name, table in star.tables().items()} == {
        "songplays": 6820,
        "users": 97,
        "songs": 1943,
        "artists": 1809,
        "time": 6813,
    }
    assert len({play.user_id for play in star.songplays}) == 96
    assert None not in {play.user_id for play in star.songplays}
    assert all(play.start_time.microsecond == 796_000 for play in star.songplays)


def test_star_of_real_data_ignores_order(real_data: Path) -> None:
    records = read_folder(real_data)
    rng = seeded(2018)
    events = records.events + records.events[::7]
    songs = records.songs + records.songs[::7]
    rng.shuffle(events)
    rng.shuffle(songs)
    shuffled = dataclasses.replace(records, events=events, songs=songs)
    assert build_star(shuffled) == build_star(records)


def test_workspace_catalogue_has_one_match(real_data: Path) -> None:
    if not (real_data / "song_data_workspace").is_dir():
        pytest.skip(f"REAL_DATA: {real_data} contains no folder song_data_workspace")
    records = read_folder(real_data, songs="song_data_workspace")
    star = build_star(records)
    (play,) = [play for play in star.songplays if play.song_id is not None]
    assert (play.user_id, play.session_id, play.item_in_session) == (15, 818, 5)
    assert play.start_time == at("2018-11-21 21:56:47.796")
    assert play.song_id == "SOZCTXZ12AB0182364"
    assert play.artist_id == "AR5KOSW1187FB35FF4"
    assert answers(records)["catalogue_coverage"].rows == [(6820, 1, Decimal("0.01"))]
