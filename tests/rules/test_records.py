"""The loaders read and reject raw records like the oracle."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from oracle import reading as oracle
from raw_lines import event, lines_of, song
from same_records import assert_same_result
from sparkify.raw import reader
from sparkify.raw.reader import Record, read_records
from sparkify.raw.rules import EVENTS, SONGS, RawTable

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
    """Draw a line in which one to four short ranges of bytes are replaced."""
    line = draw(lines_of(table))
    for _ in range(draw(st.integers(1, 4))):
        start = draw(st.integers(0, len(line)))
        end = min(len(line), start + draw(st.integers(0, 4)))
        line = line[:start] + draw(SPLICES) + line[end:]
    return line


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
def test_event_is_read_like_the_oracle(line: bytes) -> None:
    assert_same_result(EVENTS, line)


@settings(max_examples=EXAMPLES, deadline=None)
@given(lines_of(SONGS))
@example(song(artist_latitude="1e400"))
@example(song(artist_latitude="-0"))
@example(song(song_id="\u00a0"))
@example(song(song_id="Ã\x82Â\xa0 "))
@example(song(song_id="Ã\x82Â\xa0x"))
@example(song(year=-(2**31) - 1))
def test_song_is_read_like_the_oracle(line: bytes) -> None:
    assert_same_result(SONGS, line)


@settings(max_examples=EXAMPLES, deadline=None)
@given(st.binary(max_size=60))
def test_any_bytes_are_read_or_rejected(line: bytes) -> None:
    assert_same_result(EVENTS, line)


@settings(max_examples=FUZZ_EXAMPLES, deadline=None)
@given(st.sampled_from((EVENTS, SONGS)), st.data())
def test_fuzzed_line_is_read_like_the_oracle(
    table: RawTable, data: st.DataObject
) -> None:
    """FUZZ_EXAMPLES sets the number of lines."""
    assert_same_result(table, data.draw(spliced_lines(table)))


# --- Files: a sequence of JSON values -------------------------------------------------


def written(value: object, form: str) -> str:
    """Write a record on one line or on several."""
    return json.dumps(value, indent=None if form == "lines" else form)


SMALL = {"num_songs": 1, "artist_id": "AR1", "song_id": "SO1", "deep": [{"a": [1]}]}
PIECES = st.one_of(
    st.builds(
        written,
        st.sampled_from([SMALL, [SMALL, SMALL], [SMALL, 1], {"song_id": "}{[],"}]),
        st.sampled_from(["lines", "", "  ", "\t"]),
    ),
    st.sampled_from(["[", "]", "{", "}", ",", "[]", "[[", "1", "12 x", "1,2", "NaN"]),
    st.sampled_from(["\ufeff", "\udcff", "\0", '"', "[Error] x", "[" * 101]),
)
SEPARATORS = st.sampled_from(["\n", "\n", "\r\n", "\r", "", " ", ",", ",\n  ", "\n  "])


@st.composite
def files(draw: st.DrawFn) -> bytes:
    """Draw a file of records in any form, some of them cut or invalid."""
    text = ""
    for piece in draw(st.lists(PIECES, max_size=6)):
        end = draw(st.integers(1, 20 * len(piece)))
        text += piece[:end] + draw(SEPARATORS)
    return text.encode(errors="surrogateescape")


@settings(
    max_examples=EXAMPLES,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(files(), st.sampled_from([1, 3, 16, 1 << 18]))
def test_file_is_split_like_the_oracle(
    tmp_path: Path, content: bytes, chunk: int
) -> None:
    """The size of the chunks does not change the result."""
    path = tmp_path / "a.json"
    path.write_bytes(content)
    expected: list[tuple[int, str]] = []
    for text in oracle.read_texts(path):
        try:
            oracle.judge(text, oracle.SONG_RULES)
            expected.append((text.line, ""))
        except oracle.RejectedError as reason:
            expected.append((text.line, f"{reason}: {oracle.shown(text)}"))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(reader, "_CHUNK", chunk)
        found = list(read_records(SONGS, str(path), "a.json"))
    assert expected == [
        (record.line, record.reason and f"{record.reason}: {record.text}")
        for record in found
    ]


INDENTED = json.dumps(json.loads(song()), indent=2).encode()
FORMS = {
    "one record per line": (b"%b\n%b\n", [1, 2]),
    "lines that end in CR alone": (b"%b\r%b", [1, 1]),
    "an array on one line": (b"[%b, %b]", [1, 1]),
    "an array over several lines": (b"[\n%b,\n%b\n]\n", [2, 3]),
    "records one after the other": (b"%b%b", [1, 1]),
    "arrays": (b"[%b]\n[%b]", [1, 2]),
    "byte order marks inside": (b"\xef\xbb\xbf%b\n\xef\xbb\xbf%b", [1, 2]),
}


def read(path: Path, content: bytes) -> list[Record]:
    path.write_bytes(content)
    return list(read_records(SONGS, str(path), "a.json"))


@pytest.mark.parametrize("form", FORMS)
def test_file_of_each_form_is_read(tmp_path: Path, form: str) -> None:
    content, lines = FORMS[form]
    found = read(tmp_path / "a.json", content % (song(), song("SO2")))
    assert [record.line for record in found if record.values] == lines


def test_invalid_record_over_several_lines_has_one_reason(tmp_path: Path) -> None:
    broken = INDENTED.replace(b'"num_songs": 1', b'"num_songs": ,')
    content = b"\n".join([INDENTED, broken, INDENTED, INDENTED[:-9]])
    found = read(tmp_path / "a.json", content)
    assert [(r.line, r.reason) for r in found] == [
        (1, ""),
        (13, "not JSON"),
        (25, ""),
        (37, "not JSON"),
    ]


def test_truncated_record_affects_no_other_record(tmp_path: Path) -> None:
    content = b"\n".join(
        [song()[:-20], song(), b'{"a": [', song(), song() + b"}}", b"x"]
    )
    found = read(tmp_path / "a.json", content + song() + b"{" + song())
    assert [(r.line, r.reason) for r in found] == [
        (1, "not JSON"),
        (2, ""),
        (3, "not JSON"),
        (4, ""),
        (5, ""),
        (5, "not JSON"),
        (6, "not JSON"),
        (6, "not JSON"),
    ]


def test_utf16_file_is_reported_once_per_record(tmp_path: Path) -> None:
    text = (song() + b"\n" + INDENTED).decode()
    found = read(tmp_path / "a.json", text.encode("utf-16"))
    reason = "not UTF-8 but UTF-16"
    assert [(r.line, r.reason) for r in found] == [(1, reason), (2, reason)]
