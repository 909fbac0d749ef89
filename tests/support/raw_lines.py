"""Lines of raw files for tests: valid and almost valid records."""

from __future__ import annotations

import json

from hypothesis import strategies as st

from sparkify.raw.rules import EVENTS, SONGS, RawTable


def event(session: int = 1, item: int = 0, **others: object) -> bytes:
    """Return a line of a log with all its keys."""
    record: dict[str, object] = dict.fromkeys(c.name for c in EVENTS.columns)
    record |= {"sessionId": session, "itemInSession": item, "ts": 1541105830796}
    return json.dumps(record | {"status": 200} | others).encode()


def song(song_id: str = "SO1", **others: object) -> bytes:
    """Return a line of the catalogue with all its keys."""
    record: dict[str, object] = dict.fromkeys(c.name for c in SONGS.columns)
    record |= {"song_id": song_id, "artist_id": "AR1", "num_songs": 1, "year": 0}
    return json.dumps(record | others).encode()


TEXTS = st.one_of(
    st.text(max_size=20),
    st.sampled_from(
        ["", " ", "\t39 ", "39", "-5", "007", "1e3", "1.50", "NaN", "true"]
    ),
    st.sampled_from(
        ["{}", '{"a":1}', "[1]", "[Untitled]", "a\0b", "x" * 1025, "é" * 512]
    ),
    st.sampled_from(["Ã\x83Â©", "\ud83c\udfb5", "\u2028", "\\", '"', "\x19"]),
)
NUMBERS = st.one_of(
    st.integers(),
    st.integers(-(2**31) - 1, 2**31),
    st.floats(allow_nan=False, allow_infinity=False),
    st.decimals(-(10**7), 10**7, places=5).map(float),
    st.sampled_from([0, -0.0, 1541105830796, 253402300800000, 1e300, 2**63, 10**18]),
)
VALUES = st.one_of(
    st.none(), st.booleans(), TEXTS, NUMBERS, st.just([1]), st.just({"a": {"b": None}})
)


@st.composite
def lines_of(draw: st.DrawFn, table: RawTable) -> bytes:
    """Draw a line that is a valid or an almost valid record."""
    record = json.loads(event() if table is EVENTS else song())
    names = st.sampled_from([*record, "extra", "TS", "Song_id"])
    record |= draw(st.dictionaries(names, VALUES, max_size=3))
    for name in draw(st.lists(st.sampled_from(list(record)), max_size=1)):
        del record[name]
    separators = draw(st.sampled_from([(",", ":"), (", ", ": "), (" ,", " :")]))
    text = json.dumps(
        record, ensure_ascii=draw(st.booleans()), separators=separators
    ).encode(errors="surrogatepass")
    number = draw(st.integers(0, 19))
    defects = {
        0: lambda: text[: draw(st.integers(0, len(text)))],
        1: lambda: text[:-1] + b",}",
        2: lambda: text.replace(b"null", b"NaN", 1),
        3: lambda: text[:-1] + b', "extra": -inf}',
        4: lambda: text[:-1] + b', "ts": 5}',
        5: lambda: text[:-1] + b', "extra": 1, "extra": 2}',
        6: lambda: text.replace(b"a", b"\xff", 1),
        7: lambda: b"[" + text + b"]",
        8: lambda: text + text,
        9: lambda: text.replace(b'"ts"', b'"\\u0074s"', 1),
        10: lambda: b"\x0b" + text,
        11: lambda: text.replace(b"200", b"0200", 1),
    }
    return defects.get(number, lambda: text)().replace(b"\n", b" ").replace(b"\r", b" ")
