"""The rules of a raw record, as the loaders follow them, are those of the oracle."""

from __future__ import annotations

import os
from decimal import Decimal

from hypothesis import example, given, settings
from hypothesis import strategies as st

from oracle.reading import EVENT_RULES, SONG_RULES, RefusedError
from oracle.reading import read_record as judge
from raw_lines import event, lines_of, song
from records import EVENTS, SONGS, RawTable, RefusedRecordError, read_record

RULES = {EVENTS.name: EVENT_RULES, SONGS.name: SONG_RULES}
EXAMPLES = 1000
FUZZ_EXAMPLES = int(os.environ.get("FUZZ_EXAMPLES", "1000"))
SPLICES = st.one_of(
    st.binary(max_size=3),
    st.sampled_from(
        [b'"', b"\\", b"\\u", b"d83d", b"{", b"}", b"[", b":", b",", b"e9"]
    ),
    st.sampled_from([b"\x00", b"\xef\xbb\xbf", b"\xed\xa0\x80", b"\xc0\x80", b"NaN"]),
    st.sampled_from(
        [b"0", b"-", b".", b"9" * 20, b"null", b"true", b'"ts": ', b"\x0b"]
    ),
)


@st.composite
def spliced_lines(draw: st.DrawFn, table: RawTable) -> bytes:
    """Draw a line in which some places hold other bytes than before."""
    line = draw(lines_of(table))
    for _ in range(draw(st.integers(1, 4))):
        start = draw(st.integers(0, len(line)))
        end = min(len(line), start + draw(st.integers(0, 4)))
        line = line[:start] + draw(SPLICES) + line[end:]
    return line


def same(text: str | None, value: object) -> bool:
    """Tell whether a text that is to be cast stands for a value of the oracle."""
    match value:
        case Decimal():
            return text is not None and Decimal(text) == value
        case float():
            return text is not None and float(text) == value
        case int():
            return text is not None and int(text) == value
        case _:
            return text == value


def verdict_of(table: RawTable, line: bytes) -> list[str | None] | str:
    """Give what the loaders take from a line, or why they refuse it."""
    try:
        return read_record(table, line)
    except RefusedRecordError as reason:
        return str(reason)


def verdict_of_oracle(table: RawTable, line: bytes) -> list[object] | str:
    """Give what the oracle takes from a line, or why it refuses it."""
    try:
        return judge(line, RULES[table.name])
    except RefusedError as reason:
        return str(reason)


def assert_agreed(table: RawTable, line: bytes) -> None:
    expected = verdict_of_oracle(table, line)
    found = verdict_of(table, line)
    if isinstance(expected, str) or isinstance(found, str):
        assert found == expected
    else:
        assert len(found) == len(expected)
        assert all(map(same, found, expected)), (found, expected)


@settings(max_examples=EXAMPLES, deadline=None)
@given(lines_of(EVENTS))
@example(event(length=9999999.999999995))
@example(event(userId="9" * 19))
@example(event(userId=" " * 1025))
@example(event(userId="x" * 1025))
@example(event(userId="\u00a07\u3000"))
@example(event(registration=253402300799999.001))
@example(event(artist=-0.0))
@example(b"[" * 101 + b"]" * 101)
@example(event(extra=[[[["["]]]]))
@example(b'{"a": {"b": 1, "b": 2}, "c": 1, "c": 2')
@example(b'{"extra": ' + b"[" * 99 + b"]" * 99 + b"}")
@example(b'{"extra": ' + b"[" * 100 + b"]" * 100 + b"}")
def test_an_event_is_judged_as_the_oracle_judges_it(line: bytes) -> None:
    assert_agreed(EVENTS, line)


@settings(max_examples=EXAMPLES, deadline=None)
@given(lines_of(SONGS))
@example(song(artist_latitude="1e400"))
@example(song(artist_latitude="-0"))
@example(song(song_id="\u00a0"))
@example(song(song_id="Ã\x82Â\xa0 "))
@example(song(song_id="Ã\x82Â\xa0x"))
@example(song(year=-(2**31) - 1))
def test_a_song_is_judged_as_the_oracle_judges_it(line: bytes) -> None:
    assert_agreed(SONGS, line)


@settings(max_examples=EXAMPLES, deadline=None)
@given(st.binary(max_size=60))
def test_no_bytes_make_the_rules_fail_otherwise_than_by_a_reason(line: bytes) -> None:
    assert_agreed(EVENTS, line)


@settings(max_examples=FUZZ_EXAMPLES, deadline=None)
@given(st.sampled_from((EVENTS, SONGS)), st.data())
def test_a_line_with_bytes_changed_anywhere_is_judged_as_the_oracle_judges_it(
    table: RawTable, data: st.DataObject
) -> None:
    """The fuzz test of the rules; FUZZ_EXAMPLES is its budget."""
    assert_agreed(table, data.draw(spliced_lines(table)))
