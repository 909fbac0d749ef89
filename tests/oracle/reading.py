"""What a raw record must hold: decision 0001, from a folder's bytes to raw values."""

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
from pathlib import Path
from typing import Any, NamedTuple, TypeAlias, cast

from oracle.cleaning import clean_text, round_half_away, trim

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

# --------------------------------------------------------------------------- values


class RawEvent(NamedTuple):
    """One accepted line of the logs, stored but not cleaned; columns in raw order."""

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
    """One accepted line of the catalogue, stored but not cleaned; in raw order."""

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
    """One line that breaks a rule, with the first reason that applies."""

    part: str
    path: str
    line_number: int
    reason: str
    raw_text: str


@dataclass(frozen=True)
class RawRecords:
    """Every raw record of a folder: accepted, or rejected with its reason."""

    events: list[RawEvent]
    songs: list[RawSong]
    rejects: list[Reject]
    file_counts: Mapping[str, int] = field(default_factory=dict, compare=False)
    """How many files there are of each part."""


class Number(str):
    """A JSON number as it is written."""

    __slots__ = ()


class RefusedError(Exception):
    """A record breaks a rule; the text is the reason."""


# ------------------------------------------------- reasons, in the order of checking

NOT_UTF8 = "not UTF-8"
NOT_JSON = "not JSON"
NOT_AN_OBJECT = "not a JSON object"
TWICE = 'duplicate key "{}"'

# Of a column, whose name stands before.
MISSING = "is missing"
NOT_TEXT = "is not text"
NUL = "contains a NUL character"
HALF_A_PAIR = "contains half of a surrogate pair"
TOO_LONG = "is longer than 1024 bytes"
NOT_WHOLE = "is not an integer"
NOT_A_NUMBER = "is not a number"
NOT_A_USER = "is neither empty nor an integer"
OUT_OF_RANGE = "is out of range"

# ------------------------------------------------------------------ rules for values

JsonObject: TypeAlias = dict[str, object]
Rule: TypeAlias = Callable[[object], object]
"""A rule takes a JSON value, gives the stored value, or raises RefusedError."""

MAX_TEXT_BYTES = 1024
MAX_USER_DIGITS = 18
INTEGER = (-(2**31), 2**31 - 1)
BIGINT = (-(2**63), 2**63 - 1)
MOMENT = (0, 253_402_300_799_999)
"""Milliseconds, 1970-01-01 to the end of 9999."""
SECONDS_LIMIT = Decimal(10_000_000)
MAX_DEPTH = 100
MAX_EXPONENT_DIGITS = 12

WHOLE_FORM = re.compile(r"-?[0-9]+")
NUMBER_FORM = re.compile(r"-?[0-9]+(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?")
SURROGATE = re.compile("[\ud800-\udfff]")


def text(value: object) -> str | None:
    """Accept null, a string, or a number as it is written, that fits the column."""
    if value is None:
        return None
    if not isinstance(value, str):
        raise RefusedError(NOT_TEXT)
    if "\0" in value:
        raise RefusedError(NUL)
    if SURROGATE.search(value):
        raise RefusedError(HALF_A_PAIR)
    check_length(value)
    return str(value)


def check_length(value: str) -> None:
    """Refuse what does not fit 1,024 bytes of UTF-8."""
    if len(value) * 4 <= MAX_TEXT_BYTES:
        return
    if len(value.encode("utf-8", errors="surrogatepass")) > MAX_TEXT_BYTES:
        raise RefusedError(TOO_LONG)


def name_of_a_thing(value: object) -> str:
    """Take text of which something is left when it is cleaned."""
    if value is None or (isinstance(value, str) and clean_text(value) is None):
        raise RefusedError(MISSING)
    return cast("str", text(value))


def written(value: object, form: re.Pattern[str], problem: str) -> str | None:
    """Accept null, or a number or a string, if it is written in this form."""
    if value is None:
        return None
    if not isinstance(value, str) or not form.fullmatch(value):
        raise RefusedError(problem)
    return value


def whole_number(value: object, lowest: int, highest: int) -> int | None:
    """Accept null, or digits alone with at most a leading minus, within a range."""
    digits = written(value, WHOLE_FORM, NOT_WHOLE)
    if digits is None:
        return None
    significant = digits.lstrip("-").lstrip("0")
    if len(significant) > len(str(highest)):
        raise RefusedError(OUT_OF_RANGE)
    number = int(significant or "0") * (-1 if digits.startswith("-") else 1)
    if not lowest <= number <= highest:
        raise RefusedError(OUT_OF_RANGE)
    return number


def integer(value: object) -> int | None:
    """Take a whole number that fits an integer column."""
    return whole_number(value, *INTEGER)


def bigint(value: object) -> int | None:
    """Take a whole number that fits a bigint column."""
    return whole_number(value, *BIGINT)


def moment(value: object) -> int | None:
    """Take milliseconds since 1970 as a whole number, up to the end of 9999."""
    return whole_number(value, *MOMENT)


def number(value: object) -> str | None:
    """Accept null, or a number, or a string of that form."""
    return written(value, NUMBER_FORM, NOT_A_NUMBER)


def exact(digits: str) -> Decimal:
    """Read a number of the number form without any rounding.

    No line is long enough to outweigh an exponent of more than MAX_EXPONENT_DIGITS,
    and Decimal can't hold it: the number is zero, endless, or next to zero.
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


def moment_with_a_point(value: object) -> float | None:
    """Accept null, or a number in the range of a moment."""
    digits = number(value)
    if digits is None:
        return None
    if not MOMENT[0] <= exact(digits) <= MOMENT[1]:
        raise RefusedError(OUT_OF_RANGE)
    return float(digits) + 0.0


def seconds(value: object) -> Decimal | None:
    """Accept null, or a number of a size below 10,000,000; round to eight places.

    The size is measured again after rounding: numeric(15, 8) could not hold
    10,000,000.
    """
    digits = number(value)
    if digits is None:
        return None
    size = exact(digits)
    if size.copy_abs() >= SECONDS_LIMIT:
        raise RefusedError(OUT_OF_RANGE)
    rounded = round_half_away(size, places=8)
    if rounded.copy_abs() >= SECONDS_LIMIT:
        raise RefusedError(OUT_OF_RANGE)
    return rounded


def degrees(value: object) -> float | None:
    """Accept null, or a number that is finite as a double; a zero has no sign."""
    digits = number(value)
    if digits is None:
        return None
    angle = float(digits) + 0.0
    if angle in (float("inf"), float("-inf")):
        raise RefusedError(OUT_OF_RANGE)
    return angle


def user(value: object) -> str | None:
    """Accept null, or nothing, or a whole number of at most 18 digits, as written.

    White space may stand around it if the column can still hold the whole.
    """
    if value is None:
        return None
    if not isinstance(value, str):
        raise RefusedError(NOT_A_USER)
    digits = value if isinstance(value, Number) else trim(value)
    if digits and not WHOLE_FORM.fullmatch(digits):
        raise RefusedError(NOT_A_USER)
    check_length(value)
    if len(digits.lstrip("-")) > MAX_USER_DIGITS:
        raise RefusedError(OUT_OF_RANGE)
    return str(value)


def required(rule: Rule) -> Rule:
    """Refuse null or missing where a column identifies the record."""

    def check(value: object) -> object:
        if value is None:
            raise RefusedError(MISSING)
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
    "registration": moment_with_a_point,
    "sessionId": required(bigint),
    "song": text,
    "status": integer,
    "ts": required(moment),
    "userAgent": text,
    "userId": user,
}

SONG_RULES: dict[str, Rule] = {
    "num_songs": integer,
    "artist_id": name_of_a_thing,
    "artist_latitude": degrees,
    "artist_longitude": degrees,
    "artist_location": text,
    "artist_name": text,
    "song_id": name_of_a_thing,
    "title": text,
    "duration": seconds,
    "year": integer,
}


def apply_rules(record: JsonObject, rules: dict[str, Rule]) -> list[Any]:
    """Check column by column, in the raw table's order; a missing key is null."""
    stored = []
    for column, rule in rules.items():
        try:
            stored.append(rule(record.get(column)))
        except RefusedError as problem:
            reason = f"{column} {problem}"
            raise RefusedError(reason) from None
    return stored


# ----------------------------------------------------------------- rules for records


class FaultError(Exception):
    """Text is not JSON; the argument is the first place that is wrong."""


class StrictParser:
    """JSON by RFC 8259: no NaN, no Infinity; remembers keys that stand twice."""

    def __init__(self) -> None:
        """Make the decoder, which keeps numbers as they are written."""
        self.repeated_keys: list[str] = []
        self.constants: list[str] = []
        self.decoder = json.JSONDecoder(
            object_pairs_hook=self.make_object,
            parse_int=Number,
            parse_float=Number,
            parse_constant=self.constants.append,
        )

    def make_object(self, pairs: list[tuple[str, object]]) -> JsonObject:
        """Build an object and note its first repeated key, at any depth."""
        made = dict(pairs)
        if len(made) < len(pairs):
            seen: set[str] = set()
            for key, _ in pairs:
                if key in seen:
                    self.repeated_keys.append(key)
                    break
                seen.add(key)
        return made

    def value_at(self, text: str, start: int) -> tuple[object, int]:
        """Read the value that begins at a place; give it and its end, or FaultError."""
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
            wrong += forbidden_places(text, start, stop)
        if wrong:
            raise FaultError(min(wrong))
        return value, end

    def parse(self, text: str) -> JsonObject:
        """Read the text of one JSON object, or raise RefusedError."""
        try:
            value, end = self.value_at(text, 0)
        except FaultError:
            raise RefusedError(NOT_JSON) from None
        if end < len(text):
            raise RefusedError(NOT_JSON)
        if not isinstance(value, dict):
            raise RefusedError(NOT_AN_OBJECT)
        if self.repeated_keys:
            raise RefusedError(TWICE.format(printable(self.repeated_keys[0])))
        return value


def forbidden_places(text: str, start: int, stop: int) -> Iterator[int]:
    """Yield the places of brackets that are too deep and of constants JSON lacks."""
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
    """Write half of a surrogate pair as an escape, so that a reason is UTF-8."""
    return key.encode("utf-8", errors="backslashreplace").decode("utf-8")


PARSER = StrictParser()


def read_record(text: bytes, rules: dict[str, Rule]) -> list[Any]:
    """Read the text of one record; raise RefusedError with the first reason."""
    try:
        decoded = text.strip(BLANKS).decode("utf-8")
    except UnicodeDecodeError:
        raise RefusedError(NOT_UTF8) from None
    return apply_rules(PARSER.parse(decoded), rules)


# ------------------------------------------------------------------- rules for files

BLANKS = b" \t\n\v\f\r"
BETWEEN_VALUES = BLANKS.decode() + "\ufeff"
FORMS = {
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
    """The text of a record of a file, and its line; why it is refused unread."""

    line: int
    content: bytes
    problem: str = ""


def content_of(path: Path) -> bytes:
    """Read a file, compressed or not: its first bytes tell, not its name."""
    content = path.read_bytes()
    for mark, decompress in COMPRESSIONS.items():
        if content.startswith(mark):
            return decompress(content)
    return content


def read_texts(path: Path) -> Iterator[Text]:
    """Yield the text of each record of a file: decision 0001, section "File"."""
    content = content_of(path)
    form = next((FORMS[mark] for mark in FORMS if content.startswith(mark)), "")
    if not form:
        text = content.decode("utf-8", errors="surrogateescape")
        for place, record, is_alone in split(text):
            line = text.count("\n", 0, place) + 1
            content = record.encode("utf-8", errors="surrogateescape")
            is_text = not SURROGATE.search(record)
            yield Text(line, content, NOT_JSON if is_text and not is_alone else "")
        return
    text = content.decode(form, errors="replace")
    for place, record, _ in split(text):
        line = text.count("\n", 0, place) + 1
        yield Text(line, record.encode(form), f"{NOT_UTF8} but {form.upper()}")


def split(text: str) -> Iterator[tuple[int, str, bool]]:
    """Yield the place and text of each record, whether it is JSON or not.

    The last value is false for a value that may only be alone on its line, and is not.
    """
    place = 0
    open_array: int | None = None
    while True:
        between = BETWEEN_VALUES + ("," if open_array is not None else "")
        while place < len(text) and text[place] in between:
            place += 1
        if place == len(text):
            break
        if open_array is not None and text[place] == "]":
            open_array = None
            place += 1
        elif re.compile(r"\[[ \t\n\r]*\{").match(text, place):
            if open_array is not None:
                yield open_array, "[", True
            open_array = place
            place += 1
        else:
            is_alone = True
            try:
                _, end = PARSER.value_at(text, place)
                among = r"\s*([,\]]|\Z)" if open_array is not None else r"[ \t\v\f]*$"
                rest = re.compile(among, re.ASCII | re.MULTILINE)
                before_cr = rest.match(text.replace("\r", "\n"), end)
                if text[place] not in "{[" and not before_cr:
                    is_alone = False
                    raise FaultError(end)  # noqa: TRY301 -- as if it were found above
            except FaultError as fault:
                end = end_of_fault(text, place, fault.args[0])
            yield place, text[place:end].rstrip(BLANKS.decode()), is_alone
            place = end
    if open_array is not None:
        yield open_array, "[", True


def end_of_fault(text: str, start: int, fault: int) -> int:
    """Return how much is refused of a text that is not JSON from a place on."""
    line_end = r"[\n\r]|\Z"
    first_line_ends = re.compile(line_end).search(text, start)
    assert first_line_ends
    if fault <= first_line_ends.start():
        after = text[max(fault, start + 1) - 1 : first_line_ends.start()]
        next_object = re.search(r"\}[ \t]*\{", after)
        if next_object:
            blanks = re.search(r"[ \t]*\{", next_object[0])
            assert blanks
            return max(fault, start + 1) - 1 + next_object.start() + 1
        return first_line_ends.start()
    line_start = max(text.rfind("\n", 0, start), text.rfind("\r", 0, start)) + 1
    indent = indent_of(text[line_start:start])
    place = first_line_ends.end()
    while place < len(text):
        line = re.compile(line_end).split(text[place:], maxsplit=1)[0]
        width = indent_of(line)
        if line[width : width + 1] in ("{", "[", "]") and width <= indent:
            return place - 1
        place += len(line) + 1
    return len(text)


def indent_of(line: str) -> int:
    """Count the blanks and tabs with which a line begins."""
    return len(line) - len(line.lstrip(" \t"))


def judge(text: Text, rules: dict[str, Rule]) -> list[Any]:
    """Read a record of a file; raise RefusedError with the first reason."""
    if text.problem:
        raise RefusedError(text.problem)
    return read_record(text.content, rules)


def shown(text: Text) -> str:
    """Return a text as the quarantine shows it."""
    return text.content.decode("utf-8", errors="backslashreplace").replace(
        "\0", "\\x00"
    )


def find_files(folder: Path) -> Iterator[Path]:
    """Yield every file that is named as JSON, at any depth, and is not hidden."""
    if not folder.is_dir():
        problem = f"{folder} is not a folder"
        raise NotADirectoryError(problem)
    for place, folders, names in os.walk(folder):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for name in sorted(names):
            if DATA_FILE.fullmatch(name) and not name.startswith("."):
                yield Path(place, name)


def read_part(
    root: Path, folder: str, part: str, rules: dict[str, Rule], rejects: list[Reject]
) -> Iterator[list[Any]]:
    """Yield every accepted record of one part and add its rejects to the list."""
    for path in find_files(root / folder):
        for text in read_texts(path):
            try:
                yield judge(text, rules)
            except RefusedError as problem:
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
    """Read the logs and the catalogue under a folder by decision 0001.

    Rejects come in the order of part, path and line. Raises OSError, EOFError or
    zlib.error on a missing folder or an unreadable file.
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
