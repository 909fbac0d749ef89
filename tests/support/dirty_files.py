"""Dirty source files for tests of the loaders, reproducible by seed.

Lines are valid or broken records. Some file names contain special characters.
"""

from __future__ import annotations

import gzip
import json
import random
from collections.abc import Callable
from pathlib import Path
from typing import Final

from raw_lines import event, song

MUTATIONS: Final = 150
LONG_LINE: Final = 10_000_000
LINES_PER_FILE: Final = 25

Make = Callable[..., bytes]

VALUES: Final[tuple[object, ...]] = (
    *(None, True, [], {}, [1], {"a": {"b": None}}, "", " ", "\t\n\x0b\x0c\r", "null"),
    *(0, -0.0, 1, -1, 1.5, 1e300, -1e300, 1e-320, 10**400, 2**31, 2**63, -(2**63) - 1),
    *("0", "-0", "007", "+1", "1_000", "1e3", "0x10", "١", "1.", ".5", "1e99999999999"),  # noqa: RUF001 -- a digit of another script
    *("NaN", "Infinity", "-inf", "a\0b", "\ud83d", "\udfb5", "\ud83c\udfb5", "\ufffe"),
    *("x" * 1024, "x" * 1025, "é" * 512, "é" * 513, "9" * 18, "9" * 19, "9" * 5000),
    *(-1, 253_402_300_799_999, 253_402_300_800_000, 1541105830796.0, "1541105830796"),
    *("'; drop table raw.staging_events; --", '"', "\\", "$1", "%s", "{{ 1 / 0 }}"),
    *("\\N", "\\.", "a\tb", "a,b", "\u2028", "\x1b[31m", "\x7f", "Ã\x83Â©", "\ufeff"),
    *("\u00a0", "\u00a07\u200b", "Ã\x82Â\xa0", "\u180e"),
)
"""Replacements for the values of a record."""

BROKEN: Final = (
    *(b"{", b"}", b"[]", b"null", b"1", b'"text"', b"{}", b"[{}]", b"{]", b"\xff"),
    *(b"\x00", b"{\x00}", b"\xef\xbb\xbf{}", b"\xfe\xff\x00{", b"\xed\xa0\x80", b"-"),
    *(b"NaN", b'{"ts": NaN}', b'{"ts": Infinity}', b"{'ts': 1}", b"{ts: 1}", b"{},"),
    *(b'{"a": 1} {"a": 1}', b"/* */ {}", b'{"a": "\x01"}', b'{"a": "\\x41"}'),
    *(b"[" * 100_000, b"[" * 101 + b"]" * 101, b'{"a":' * 5000 + b"1" + b"}" * 5000),
)

NAMES: Final = (
    *("it's.json", 'quote".json', "*.json", "[a-z].json", "{a,b}.json", "a b .json"),
    *("new\nline.json", "tab\t.json", "cr\r.json", "\x1b[31mred.json"),
    *("back\\slash.json", "a..b.json", "x/...json/..a/b.json"),
    *("%2e%2e%2fpasswd.json", "-rf.json", "~.json"),
    *("; drop table raw.staging_events; --.json", "$(id).json", "`id`.json"),
    *("$files.json", "{{ 1 / 0 }}.json", "{% raw %}.json", "%s.json", "_hidden.json"),
    *("#.json", "?.json", "year=2018/month=__HIVE_DEFAULT_PARTITION__/a.json"),
    *("folder=x/a.json", "nul.json", "ü ♫ 🎵.json", "a\u0308.json", "\u202egpj.json"),
    *("LOUD.json", "a:b@c+d,e=f.json", "x" * 250 + ".json"),
    *("/".join(["d" * 200] * 5) + "/deep.json", "zip.json.gz"),
)


def numbered_song(number: int = 1, **others: object) -> bytes:
    """Return a line of the catalogue, with the signature of ``event``."""
    return json.dumps(json.loads(song(f"SO{number}")) | others).encode()


def with_each_value(make: Make) -> list[bytes]:
    """Return records with one odd value each, so that each column gets some of them."""
    columns = list(json.loads(make()))
    return [
        make(**{columns[(number + turn) % len(columns)]: value})
        for turn in range(0, len(columns), 4)
        for number, value in enumerate(VALUES)
    ]


def with_odd_keys(make: Make) -> list[bytes]:
    """Return records with unknown, missing, duplicate or misspelled keys."""
    text = make()
    record = json.loads(text)
    spellings = (str.upper, str.lower, " {}".format)
    others = [
        *({k: v for k, v in record.items() if k != key} for key in record),
        *({spell(key): v for key, v in record.items()} for spell in spellings),
    ]
    return [
        *(json.dumps(other).encode() for other in others),
        text[:-1] + b', "ts": 1, "song_id": "SO2"}',
        text[:-1] + b', "deep": {"a": 1, "a": 2}}',
        text[:-1] + b', "\\ud800": 1, "\\ud800": 2}',
        text[:-1] + b', "deep": ' + b"[" * 99 + b"]" * 99 + b"}",
        text[:-1] + b', "deep": ' + b"[" * 100 + b"]" * 100 + b"}",
        text.replace(b"s", b"\\u0073", 1),
        make(foo=1, **{"": 2, "a\nb": 3, "\x1b[31m": 4, "'; drop": 5, "loaded_at": 6}),
        make(foo=1, source_path="elsewhere"),
        make(**{f"key {number}": number for number in range(30)}),
    ]


def in_odd_forms(make: Make) -> list[bytes]:
    """Return records in unusual formatting, and very long ones."""
    text = make()
    return [
        b" \t" + text + b"\r",
        b"\x0b\x0c" + text,
        b"\xc2\xa0" + text,
        text.replace(b'": ', b'" : '),
        text.replace(b'": ', b'":'),
        text + b",",
        b"[" + text + b"]",
        make(filler="x" * LONG_LINE),
        make(**{"x" * LONG_LINE: 1}),
        text[:-1] + b" " * LONG_LINE + b"}",
    ]


def mutated(make: Make, rng: random.Random) -> bytes:
    """Return a record with one to three random byte changes."""
    text = bytearray(make())
    for _ in range(rng.randint(1, 3)):
        at = rng.randrange(len(text))
        new = rng.choice([b"", b"\xff", b'"', b"\\", b"0", b",", b"}", b"\0", b"\xc3"])
        text[at : at + rng.randint(0, 2)] = new
    return bytes(text).replace(b"\n", b" ")


def lines_of_part(make: Make, rng: random.Random) -> list[bytes]:
    """Return all lines for the files of a part, in random order."""
    lines = [
        *with_each_value(make),
        *with_odd_keys(make),
        *in_odd_forms(make),
        *(mutated(make, rng) for _ in range(MUTATIONS)),
        *BROKEN,
        *(make(number) for number in range(2, 100)),
        b"",
        b" \t ",
    ]
    rng.shuffle(lines)
    return lines


def write_dirty_files(root: Path, seed: int) -> Path:
    """Write the files below a root, and return the root."""
    rng = random.Random(seed)  # noqa: S311 -- not for security
    for part, make in (("log_data", event), ("song_data", numbered_song)):
        lines = lines_of_part(make, rng)
        files = [
            lines[n : n + LINES_PER_FILE] for n in range(0, len(lines), LINES_PER_FILE)
        ]
        names = [*NAMES, *(f"{number}.json" for number in range(len(files)))]
        for number, name in enumerate(names):
            path = root / part / name
            path.parent.mkdir(parents=True, exist_ok=True)
            end = rng.choice([b"", b"\n", b"\r\n"])
            content = b"\n".join(files[number % len(files)]) + end
            if number >= len(files):
                content = make(1000 + number) + b"\n" + rng.choice(BROKEN)
            path.write_bytes(
                gzip.compress(content) if name.endswith(".gz") else content
            )
    return root
