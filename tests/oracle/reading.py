"""Raw records, read from the files of a folder and checked: decision 0001."""

from __future__ import annotations

import bz2
import codecs
import gzip
import json
import os
import re
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from math import isinf
from pathlib import Path
from typing import Any, NamedTuple, TypeAlias, cast

from oracle.cleaning import clean_text, round_half_away, trim

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

# --------------------------------------------------------------------------- values


class RawEvent(NamedTuple):
    """One accepted record of the logs, not cleaned, in the raw table's column order."""

    artist: str | None
    auth: str | None
    first_name: str | None
    gender: str | None
    item_in_session: int
    last_name: str | None
    length: Decimal | None
    level: str | None
    location: str | None
    method: str | None
    page: str | None
    registration: float | None
    session_id: int
    song: str | None
    status: int | None
    ts: int
    user_agent: str | None
    user_id: str | None


class RawSong(NamedTuple):
    """One accepted record of the catalogue, not cleaned, in raw column order."""

    num_songs: int | None
    artist_id: str
    artist_latitude: float | None
    artist_longitude: float | None
    artist_location: str | None
    artist_name: str | None
    song_id: str
    title: str | None
    duration: Decimal | None
    year: int | None


class Reject(NamedTuple):
    """One rejected record with the first reason that applies."""

    part: str
    path: str
    line_number: int
    reason: str
    raw_text: str


@dataclass(frozen=True)
class RawRecords:
    """All records of a folder, accepted or rejected."""

    events: list[RawEvent]
    songs: list[RawSong]
    rejects: list[Reject]
    file_counts: Mapping[str, int] = field(default_factory=dict, compare=False)
    """Number of files by raw table."""


class Number(str):
    """A JSON number as it is written."""

    __slots__ = ()


class RejectedError(Exception):
    """A record breaks a rule; the message is the reason."""


# ------------------------------------------------- reasons, in the order of checking

NOT_UTF8 = "not UTF-8"
NOT_JSON = "not JSON"
NOT_AN_OBJECT = "not a JSON object"
DUPLICATE_KEY = 'duplicate key "{}"'

# A reason of a column begins with the name of the column.
MISSING = "is missing"
NOT_TEXT = "is not text"
NUL = "contains a NUL character"
HALF_A_PAIR = "contains half of a surrogate pair"
TOO_LONG = "is longer than 1024 bytes"
NOT_AN_INTEGER = "is not an integer"
NOT_A_NUMBER = "is not a number"
NOT_A_USER = "is neither empty nor an integer"
OUT_OF_RANGE = "is out of range"

# ------------------------------------------------------------------ rules for values

JsonObject: TypeAlias = dict[str, object]
Rule: TypeAlias = Callable[[object], object]
"""Returns the stored value of a JSON value, or raises RejectedError."""

MAX_TEXT_BYTES = 1024
MAX_USER_DIGITS = 18
INTEGER = (-(2**31), 2**31 - 1)
BIGINT = (-(2**63), 2**63 - 1)
TIME = (0, 253_402_300_799_999)
"""Milliseconds, 1970-01-01 to the end of 9999."""
SECONDS_LIMIT = Decimal(10_000_000)
MAX_DEPTH = 100
MAX_EXPONENT_DIGITS = 12

INTEGER_FORM = re.compile(r"-?[0-9]+")
NUMBER_FORM = re.compile(r"-?[0-9]+(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?")
SURROGATE = re.compile("[\ud800-\udfff]")


def text(value: object) -> str | None:
    """Accept null, a string, or a number as it is written, of at most 1,024 bytes."""
    if value is None:
        return None
    if not isinstance(value, str):
        raise RejectedError(NOT_TEXT)
    if "\0" in value:
        raise RejectedError(NUL)
    if SURROGATE.search(value):
        raise RejectedError(HALF_A_PAIR)
    check_length(value)
    return str(value)


def check_length(value: str) -> None:
    """Raise RejectedError for a text of more than 1,024 bytes of UTF-8."""
    if len(value.encode("utf-8", errors="surrogatepass")) > MAX_TEXT_BYTES:
        raise RejectedError(TOO_LONG)


def identifier(value: object) -> str:
    """Accept a text that is not empty after cleaning."""
    if value is None or (isinstance(value, str) and clean_text(value) is None):
        raise RejectedError(MISSING)
    return cast("str", text(value))


def matching(value: object, form: re.Pattern[str], problem: str) -> str | None:
    """Accept null, or a number or a string that matches a form."""
    if value is None:
        return None
    if not isinstance(value, str) or not form.fullmatch(value):
        raise RejectedError(problem)
    return value


def integer_within(value: object, lowest: int, highest: int) -> int | None:
    """Accept null, or digits in a range with an optional leading minus."""
    digits = matching(value, INTEGER_FORM, NOT_AN_INTEGER)
    if digits is None:
        return None
    significant = digits.lstrip("-").lstrip("0")
    if len(significant) > len(str(highest)):
        raise RejectedError(OUT_OF_RANGE)
    number = int(significant or "0") * (-1 if digits.startswith("-") else 1)
    if not lowest <= number <= highest:
        raise RejectedError(OUT_OF_RANGE)
    return number


def integer(value: object) -> int | None:
    """Accept null or an integer of 4 bytes."""
    return integer_within(value, *INTEGER)


def bigint(value: object) -> int | None:
    """Accept null or an integer of 8 bytes."""
    return integer_within(value, *BIGINT)


def time(value: object) -> int | None:
    """Accept null, or an integer of milliseconds from 1970 to the end of 9999."""
    return integer_within(value, *TIME)


def number(value: object) -> str | None:
    """Accept null, a number, or a numeric string."""
    return matching(value, NUMBER_FORM, NOT_A_NUMBER)


def exact(digits: str) -> Decimal:
    """Return a number in NUMBER_FORM without rounding.

    Decimal does not support an exponent of more than MAX_EXPONENT_DIGITS digits, and
    no line is long enough to offset it. The result is zero, infinite or almost zero.
    """
    mantissa, _, exponent = digits.lower().partition("e")
    if len(exponent.lstrip("+-").lstrip("0")) <= MAX_EXPONENT_DIGITS:
        return Decimal(digits)
    sign = 1 if mantissa.startswith("-") else 0
    if not mantissa.strip("-0."):
        return Decimal(0)
    if exponent.startswith("-"):
        return Decimal((sign, (1,), -(10**MAX_EXPONENT_DIGITS)))
    return Decimal("-Infinity" if sign else "Infinity")


def decimal_time(value: object) -> float | None:
    """Accept null, or a number of milliseconds from 1970 to the end of 9999."""
    digits = number(value)
    if digits is None:
        return None
    if not TIME[0] <= exact(digits) <= TIME[1]:
        raise RejectedError(OUT_OF_RANGE)
    return float(digits) + 0.0


def seconds(value: object) -> Decimal | None:
    """Accept null, or a number whose absolute value is below 10,000,000.

    Round it to eight places. The rounded number must be below 10,000,000 too, because
    the column is a numeric(15, 8).
    """
    digits = number(value)
    if digits is None:
        return None
    unrounded = exact(digits)
    if unrounded.copy_abs() >= SECONDS_LIMIT:
        raise RejectedError(OUT_OF_RANGE)
    rounded = round_half_away(unrounded, places=8)
    if rounded.copy_abs() >= SECONDS_LIMIT:
        raise RejectedError(OUT_OF_RANGE)
    return rounded


def degrees(value: object) -> float | None:
    """Accept null, or a number that is finite as a double; zero has no sign."""
    digits = number(value)
    if digits is None:
        return None
    angle = float(digits) + 0.0
    if isinf(angle):
        raise RejectedError(OUT_OF_RANGE)
    return angle


def user(value: object) -> str | None:
    """Accept null, an empty string, or an integer of at most 18 digits, as written.

    White space may be around it, within the 1,024 bytes of the column.
    """
    if value is None:
        return None
    if not isinstance(value, str):
        raise RejectedError(NOT_A_USER)
    digits = value if isinstance(value, Number) else trim(value)
    if digits and not INTEGER_FORM.fullmatch(digits):
        raise RejectedError(NOT_A_USER)
    check_length(value)
    if len(digits.lstrip("-")) > MAX_USER_DIGITS:
        raise RejectedError(OUT_OF_RANGE)
    return str(value)


def required(rule: Rule) -> Rule:
    """Return the rule without null, for a column that identifies a record."""

    def check(value: object) -> object:
        if value is None:
            raise RejectedError(MISSING)
        return rule(value)

    return check


EVENT_RULES: dict[str, Rule] = {
    "artist": text,
    "auth": text,
    "firstName": text,
    "gender": text,
    "itemInSession": required(integer),
    "lastName": text,
    "length": seconds,
    "level": text,
    "location": text,
    "method": text,
    "page": text,
    "registration": decimal_time,
    "sessionId": required(bigint),
    "song": text,
    "status": integer,
    "ts": required(time),
    "userAgent": text,
    "userId": user,
}

SONG_RULES: dict[str, Rule] = {
    "num_songs": integer,
    "artist_id": identifier,
    "artist_latitude": degrees,
    "artist_longitude": degrees,
    "artist_location": text,
    "artist_name": text,
    "song_id": identifier,
    "title": text,
    "duration": seconds,
    "year": integer,
}


def apply_rules(record: JsonObject, rules: dict[str, Rule]) -> list[Any]:
    """Return the stored values in raw column order; a missing key is null."""
    stored = []
    for column, rule in rules.items():
        try:
            stored.append(rule(record.get(column)))
        except RejectedError as problem:
            raise RejectedError(f"{column} {problem}") from None
    return stored


# ----------------------------------------------------------------- rules for records


class FaultError(Exception):
    """Text is not JSON; the argument is the first wrong position."""


class StrictParser:
    """Parses JSON by RFC 8259 (no NaN, no Infinity) and records repeated keys."""

    def __init__(self) -> None:
        self.repeated_keys: list[str] = []
        self.constants: list[str] = []
        self.decoder = json.JSONDecoder(
            object_pairs_hook=self.make_object,
            parse_int=Number,
            parse_float=Number,
            parse_constant=self.constants.append,
        )

    def make_object(self, pairs: list[tuple[str, object]]) -> JsonObject:
        """Return an object, and record its first repeated key."""
        seen: set[str] = set()
        for key, _ in pairs:
            if key in seen:
                self.repeated_keys.append(key)
                break
            seen.add(key)
        return dict(pairs)

    def value_at(self, text: str, start: int) -> tuple[object, int]:
        """Return the value at a position and its end, or raise FaultError."""
        self.repeated_keys.clear()
        self.constants.clear()
        wrong = []
        try:
            value, end = self.decoder.raw_decode(text, start)
        except json.JSONDecodeError as error:
            wrong = [error.pos]
        except RecursionError:
            wrong = [len(text)]
        stop = wrong[0] if wrong else end
        if (
            wrong
            or self.constants
            or text.count("[", start, stop) + text.count("{", start, stop) > MAX_DEPTH
        ):
            wrong += forbidden_positions(text, start, stop)
        if wrong:
            raise FaultError(min(wrong))
        return value, end

    def parse(self, text: str) -> JsonObject:
        """Return the JSON object that a text is, or raise RejectedError."""
        try:
            value, end = self.value_at(text, 0)
        except FaultError:
            raise RejectedError(NOT_JSON) from None
        if end < len(text):
            raise RejectedError(NOT_JSON)
        if not isinstance(value, dict):
            raise RejectedError(NOT_AN_OBJECT)
        if self.repeated_keys:
            raise RejectedError(DUPLICATE_KEY.format(printable(self.repeated_keys[0])))
        return value


def forbidden_positions(text: str, start: int, stop: int) -> Iterator[int]:
    """Yield the positions of brackets that are too deep, of NaN and of Infinity."""
    depth = 0
    marks = r'"(?:\\.|[^"\\])*"|[\[{]|[\]}]|NaN|-?Infinity'
    for mark in re.compile(marks).finditer(text, start, stop):
        if mark[0] in ("[", "{"):
            depth += 1
            if depth > MAX_DEPTH:
                yield mark.start()
        elif mark[0] in ("]", "}"):
            depth -= 1
        elif mark[0][0] != '"':
            yield mark.start()


def printable(key: str) -> str:
    """Return a key with each surrogate as an escape, so that a reason is UTF-8."""
    return key.encode("utf-8", errors="backslashreplace").decode("utf-8")


PARSER = StrictParser()


def read_record(text: bytes, rules: dict[str, Rule]) -> list[Any]:
    """Return the stored values of a record, or raise RejectedError."""
    try:
        decoded = text.strip(BLANKS).decode("utf-8")
    except UnicodeDecodeError:
        raise RejectedError(NOT_UTF8) from None
    return apply_rules(PARSER.parse(decoded), rules)


# ------------------------------------------------------------------- rules for files

BLANKS = b" \t\n\v\f\r"
BETWEEN_VALUES = BLANKS.decode() + "\ufeff"
ENCODINGS = {
    codecs.BOM_UTF32_LE: "utf-32",
    codecs.BOM_UTF32_BE: "utf-32",
    codecs.BOM_UTF16_LE: "utf-16",
    codecs.BOM_UTF16_BE: "utf-16",
}
COMPRESSIONS: dict[bytes, Callable[[bytes], bytes]] = {
    b"\x1f\x8b": gzip.decompress,
    b"BZh": bz2.decompress,
    b"\x28\xb5\x2f\xfd": zstd.decompress,
}
DATA_FILE = re.compile(r"(?is).+\.(json|jsonl|ndjson)(\.(gz|bz2|zst))?")


class Text(NamedTuple):
    """The text of a record, its first line number, and why it is rejected unread."""

    line: int
    content: bytes
    problem: str = ""


def content_of(path: Path) -> bytes:
    """Return a file's bytes, decompressed if its first bytes name a compression."""
    content = path.read_bytes()
    for mark, decompress in COMPRESSIONS.items():
        if content.startswith(mark):
            return decompress(content)
    return content


def read_texts(path: Path) -> Iterator[Text]:
    """Yield the text of each record of a file: decision 0001, section "File"."""
    content = content_of(path)
    marked = [ENCODINGS[mark] for mark in ENCODINGS if content.startswith(mark)]
    encoding = marked[0] if marked else "utf-8"
    errors = "replace" if marked else "surrogateescape"
    text = content.decode(encoding, errors)
    for position, record, is_alone in split(text):
        problem = f"{NOT_UTF8} but {encoding.upper()}" if marked else ""
        if not marked and not is_alone and not SURROGATE.search(record):
            problem = NOT_JSON
        line = text.count("\n", 0, position) + 1
        yield Text(line, record.encode(encoding, errors), problem)


def split(text: str) -> Iterator[tuple[int, str, bool]]:
    """Yield the position and text of each record, JSON or not.

    The third value is false for a value that must be the last of its line and is not.
    """
    position = 0
    open_array: int | None = None
    while True:
        between = BETWEEN_VALUES + ("," if open_array is not None else "")
        while position < len(text) and text[position] in between:
            position += 1
        if position == len(text):
            break
        if open_array is not None and text[position] == "]":
            open_array = None
            position += 1
        elif re.compile(r"\[[ \t\n\r]*\{").match(text, position):
            if open_array is not None:
                yield open_array, "[", True
            open_array = position
            position += 1
        else:
            is_alone = True
            try:
                _, end = PARSER.value_at(text, position)
                rest = r"\s*([,\]]|\Z)" if open_array is not None else r"[ \t\v\f]*$"
                last = re.compile(rest, re.ASCII | re.MULTILINE)
                is_last = last.match(text.replace("\r", "\n"), end)
                if text[position] not in "{[" and not is_last:
                    is_alone = False
                    raise FaultError(end)  # noqa: TRY301 -- as value_at raises it
            except FaultError as fault:
                end = end_of_fault(text, position, fault.args[0])
            yield position, text[position:end].rstrip(BLANKS.decode()), is_alone
            position = end
    if open_array is not None:
        yield open_array, "[", True


def end_of_fault(text: str, start: int, fault: int) -> int:
    """Return the end of the rejected text that is not JSON and begins at start."""
    line_end = r"[\n\r]|\Z"
    first_line_ends = re.compile(line_end).search(text, start)
    assert first_line_ends
    if fault <= first_line_ends.start():
        searched = re.compile(r"\}[ \t]*\{")
        next_object = searched.search(
            text, max(fault, start + 1) - 1, first_line_ends.start()
        )
        return next_object.start() + 1 if next_object else first_line_ends.start()
    line_start = max(text.rfind("\n", 0, start), text.rfind("\r", 0, start)) + 1
    indent = indent_of(text[line_start:start])
    position = first_line_ends.end()
    while position < len(text):
        line = re.compile(line_end).split(text[position:], maxsplit=1)[0]
        width = indent_of(line)
        if line[width : width + 1] in ("{", "[", "]") and width <= indent:
            return position - 1
        position += len(line) + 1
    return len(text)


def indent_of(line: str) -> int:
    """Return the number of blanks and tabs at the start of a line."""
    return len(line) - len(line.lstrip(" \t"))


def judge(text: Text, rules: dict[str, Rule]) -> list[Any]:
    """Return the stored values of a file's record, or raise RejectedError."""
    if text.problem:
        raise RejectedError(text.problem)
    return read_record(text.content, rules)


def shown(text: Text) -> str:
    """Return a text as the quarantine shows it."""
    return text.content.decode("utf-8", errors="backslashreplace").replace(
        "\0", "\\x00"
    )


def find_files(folder: Path) -> Iterator[Path]:
    """Yield each file with a JSON name at any depth, unless it is hidden."""
    if not folder.is_dir():
        raise NotADirectoryError(f"{folder} is not a folder")
    for parent, folders, names in os.walk(folder):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for name in sorted(names):
            if DATA_FILE.fullmatch(name) and not name.startswith("."):
                yield Path(parent, name)


def read_part(
    root: Path, folder: str, part: str, rules: dict[str, Rule], rejects: list[Reject]
) -> Iterator[list[Any]]:
    """Yield the accepted records of one part, and append its rejects to the list."""
    for path in find_files(root / folder):
        for text in read_texts(path):
            try:
                yield judge(text, rules)
            except RejectedError as problem:
                rejects.append(
                    Reject(
                        part=part,
                        path=path.relative_to(root).as_posix(),
                        line_number=text.line,
                        reason=str(problem),
                        raw_text=shown(text),
                    )
                )


def read_folder(
    root: Path, logs: str = "log_data", songs: str = "song_data"
) -> RawRecords:
    """Return the records of the logs and the catalogue below a folder.

    Rejects are sorted by part, path and line. Raise OSError, EOFError or zlib.error for
    a missing folder or an unreadable file.
    """
    rejects: list[Reject] = []
    events = read_part(root, logs, "staging_events", EVENT_RULES, rejects)
    accepted_events = [RawEvent._make(values) for values in events]
    catalogue = read_part(root, songs, "staging_songs", SONG_RULES, rejects)
    accepted_songs = [RawSong._make(values) for values in catalogue]
    file_counts = {
        "staging_events": sum(1 for _ in find_files(root / logs)),
        "staging_songs": sum(1 for _ in find_files(root / songs)),
    }
    return RawRecords(accepted_events, accepted_songs, sorted(rejects), file_counts)
