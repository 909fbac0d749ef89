"""What a raw record must hold: decision 0001, from a folder's bytes to raw values."""

from __future__ import annotations

import gzip
import json
import os
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import IO, Any, NamedTuple, TypeAlias, cast

from oracle.cleaning import clean_text, round_half_away, trim

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
TWICE = 'the key "{}" stands twice'

# Of a column, whose name stands before.
MISSING = "is missing"
NOT_TEXT = "is not text"
NUL = "holds a NUL character"
HALF_A_PAIR = "holds half of a surrogate pair"
TOO_LONG = "is longer than 1024 bytes"
NOT_WHOLE = "is not a whole number"
NOT_A_NUMBER = "is not a number"
NOT_A_USER = "is neither empty nor a whole number"
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
    """Take null, a string, or a number as it is written, that fits the column."""
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
    """Take null, or a number or a string, if it is written in this form."""
    if value is None:
        return None
    if not isinstance(value, str) or not form.fullmatch(value):
        raise RefusedError(problem)
    return value


def whole_number(value: object, lowest: int, highest: int) -> int | None:
    """Take null, or digits alone with at most a leading minus, within a range."""
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
    """Take null, or a number, or a string of that form."""
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
    """Take null, or a number in the range of a moment."""
    digits = number(value)
    if digits is None:
        return None
    if not MOMENT[0] <= exact(digits) <= MOMENT[1]:
        raise RefusedError(OUT_OF_RANGE)
    return float(digits) + 0.0


def seconds(value: object) -> Decimal | None:
    """Take null, or a number of a size below 10,000,000; round to eight places.

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
    """Take null, or a number that is finite as a double; a zero has no sign."""
    digits = number(value)
    if digits is None:
        return None
    angle = float(digits) + 0.0
    if angle in (float("inf"), float("-inf")):
        raise RefusedError(OUT_OF_RANGE)
    return angle


def user(value: object) -> str | None:
    """Take null, or nothing, or a whole number of at most 18 digits, as written.

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


# ------------------------------------------------------------------- rules for lines


class StrictParser:
    """JSON by RFC 8259: no NaN, no Infinity; remembers keys that stand twice."""

    def __init__(self) -> None:
        """Make the decoder, which keeps numbers as they are written."""
        self.repeated_keys: list[str] = []
        self.decoder = json.JSONDecoder(
            object_pairs_hook=self.make_object,
            parse_int=Number,
            parse_float=Number,
            parse_constant=self.refuse_constant,
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

    @staticmethod
    def refuse_constant(constant: str) -> object:
        """Refuse NaN, Infinity and -Infinity, which Python takes and JSON does not."""
        raise ValueError(constant)

    def parse(self, line: str) -> JsonObject:
        """Read one JSON object, or raise RefusedError with the first reason."""
        self.repeated_keys.clear()
        if nested_deeper_than(MAX_DEPTH, line):
            raise RefusedError(NOT_JSON)
        try:
            value = self.decoder.decode(line)
        except ValueError:
            raise RefusedError(NOT_JSON) from None
        if not isinstance(value, dict):
            raise RefusedError(NOT_AN_OBJECT)
        if self.repeated_keys:
            raise RefusedError(TWICE.format(printable(self.repeated_keys[0])))
        return value


def nested_deeper_than(limit: int, line: str) -> bool:
    """Tell whether brackets outside strings are ever open more than limit at a time."""
    open_brackets = 0
    in_string = escaped = False
    for character in line:
        if in_string:
            in_string = escaped or character != '"'
            escaped = character == "\\" and not escaped
        elif character == '"':
            in_string = True
        elif character in "[{":
            open_brackets += 1
            if open_brackets > limit:
                return True
        elif character in "]}":
            open_brackets -= 1
    return False


def printable(key: str) -> str:
    """Write half of a surrogate pair as an escape, so that a reason is UTF-8."""
    return key.encode("utf-8", errors="backslashreplace").decode("utf-8")


PARSER = StrictParser()


def read_record(line: bytes, rules: dict[str, Rule]) -> list[Any]:
    """Read one line as one record; raise RefusedError with the first reason."""
    try:
        decoded = line.strip(BLANKS).decode("utf-8")
    except UnicodeDecodeError:
        raise RefusedError(NOT_UTF8) from None
    return apply_rules(PARSER.parse(decoded), rules)


# ------------------------------------------------------------------- rules for files

GZIP_MARK = b"\x1f\x8b"
BYTE_ORDER_MARK = b"\xef\xbb\xbf"
BLANKS = b" \t\n\v\f\r"


def open_file(path: Path) -> IO[bytes]:
    """Open a file, gzipped or not: its first two bytes tell, not its name."""
    with path.open("rb") as file:
        mark = file.read(2)
    if mark == GZIP_MARK:
        return cast("IO[bytes]", gzip.open(path, "rb"))
    return path.open("rb")


def read_lines(path: Path) -> Iterator[tuple[int, bytes]]:
    """Give the lines that are not blank, numbered from 1, blank ones too.

    A line ends at LF, which is no part of it; a byte order mark is no part of the
    first.
    """
    with open_file(path) as file:
        for line_number, line in enumerate(file, start=1):
            content = line.removesuffix(b"\n")
            if line_number == 1:
                content = content.removeprefix(BYTE_ORDER_MARK)
            if content.strip(BLANKS):
                yield line_number, content


def find_files(folder: Path) -> Iterator[Path]:
    """Give every file named *.json or *.json.gz, at any depth, that is not hidden."""
    if not folder.is_dir():
        problem = f"{folder} is not a folder"
        raise NotADirectoryError(problem)
    for place, folders, names in os.walk(folder):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for name in sorted(names):
            if name.endswith((".json", ".json.gz")) and not name.startswith("."):
                yield Path(place, name)


def read_part(
    root: Path, folder: str, part: str, rules: dict[str, Rule], rejects: list[Reject]
) -> Iterator[list[Any]]:
    """Give every accepted record of one part and add its rejects to the list."""
    for path in find_files(root / folder):
        for line_number, line in read_lines(path):
            try:
                yield read_record(line, rules)
            except RefusedError as problem:
                rejects.append(
                    Reject(
                        part=part,
                        path=path.relative_to(root).as_posix(),
                        line_number=line_number,
                        reason=str(problem),
                        raw_text=line.decode("utf-8", errors="backslashreplace"),
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
