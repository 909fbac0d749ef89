"""The rules for raw records, which every loader follows.

docs/decisions/0001-what-a-raw-record-must-contain.md lists the rules and their reasons.
Loaders create the raw tables from ``RAW_TABLES`` and read files with
``reader.read_records``. If every line of a file matches ``plain_line`` (fast-path
lines), an engine's own parser returns the same values and may read it.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Decimal, DecimalException
from typing import Any, Final

from sparkify.raw.cleaning import WHITE_SPACE, clean_text

MAX_TEXT_BYTES: Final = 1024
MAX_MOMENT: Final = 253_402_300_799_999
"""Last millisecond of the year 9999, in milliseconds since 1970."""

MAX_USER_DIGITS: Final = 18
MAX_DEPTH: Final = 100
"""Maximum nesting of a record. Python's own limit depends on the caller's stack."""

BLANKS: Final = " \t\n\v\f\r"
"""White space that is ignored around a record."""

SECONDS_PLACES: Final = Decimal("0.00000001")
SECONDS_LIMIT: Final = 10_000_000


class RejectedRecordError(ValueError):
    """A record breaks a rule. The message is the reason for the quarantine."""


class NumberText(str):
    """The text of a JSON number."""

    __slots__ = ()


Check = Callable[[Any], "str | None"]
"""Returns the text to store for a parsed JSON value, or raises RejectedRecordError."""


@dataclass(frozen=True)
class Kind:
    """A kind of value: its SQL type, its check, and its pattern in a fast-path line."""

    sql_type: str
    check: Check
    plain: str


@dataclass(frozen=True)
class Column:
    """A column of a raw table, named after its JSON key.

    ``identifies`` means that a record without a value is rejected.
    """

    name: str
    kind: Kind
    identifies: bool = False


@dataclass(frozen=True)
class RawTable:
    """A raw table and its folder in the source."""

    name: str
    part: str
    columns: tuple[Column, ...]


_DIGITS: Final = re.compile(r"-?[0-9]+")
_MAX_INTEGER_LENGTH: Final = len(str(-(2**63)))
_NUMBER: Final = re.compile(r"-?[0-9]+(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?")
_USER: Final = re.compile(rf"[{WHITE_SPACE}]*(?:-?([0-9]+)[{WHITE_SPACE}]*)?")


def check_text(value: object) -> str | None:
    """Return a string or a number as text. Raises RejectedRecordError otherwise."""
    if value is None:
        return None
    if not isinstance(value, str):
        raise RejectedRecordError("is not text")
    if "\0" in value:
        raise RejectedRecordError("contains a NUL character")
    try:
        size = len(value) if value.isascii() else len(value.encode())
    except UnicodeEncodeError:
        raise RejectedRecordError("contains half of a surrogate pair") from None
    if size > MAX_TEXT_BYTES:
        raise RejectedRecordError(f"is longer than {MAX_TEXT_BYTES} bytes")
    return str(value)


def check_name(value: object) -> str | None:
    """Return text, or None if it is blank after cleaning."""
    text = check_text(value)
    return text if text and clean_text(text) else None


def check_integer(low: int, high: int) -> Check:
    """Return a check for integers from low to high, inclusive."""

    def check(value: object) -> str | None:
        if value is None:
            return None
        if not isinstance(value, str) or not _DIGITS.fullmatch(value):
            raise RejectedRecordError("is not an integer")
        digits = value
        if len(value) > _MAX_INTEGER_LENGTH:
            # Python does not parse integers with thousands of digits.
            digits = value.lstrip("-").lstrip("0")[: _MAX_INTEGER_LENGTH + 1] or "0"
            digits = f"-{digits}" if value.startswith("-") else digits
        number = int(digits)
        if not low <= number <= high:
            raise RejectedRecordError("is out of range")
        return str(number)

    return check


def number_text(value: object) -> str:
    """Return the text of a number or of a string that contains a number.

    Raises RejectedRecordError for another value.
    """
    if not isinstance(value, str) or not _NUMBER.fullmatch(value):
        raise RejectedRecordError("is not a number")
    return str(value)


def exact_number(text: str) -> Decimal:
    """Return a number without rounding.

    Decimal rejects exponents of more than 18 digits. With such an exponent, a number is
    zero, nearly zero, or out of range. Raises RejectedRecordError if out of range.
    """
    try:
        return Decimal(text)
    except DecimalException:
        if math.isinf(float(text)):
            raise RejectedRecordError("is out of range") from None
    digits = text.lower().partition("e")[0]
    nearly_zero = Decimal("-1e-99" if text.startswith("-") else "1e-99")
    return nearly_zero if digits.strip("-0.") else Decimal(0)


def check_moment_with_point(value: object) -> str | None:
    """Return milliseconds since 1970 as text. They may have decimal places."""
    if value is None:
        return None
    text = number_text(value)
    if not 0 <= exact_number(text) <= MAX_MOMENT:
        raise RejectedRecordError("is out of range")
    return repr(float(text) + 0.0)


def check_degrees(value: object) -> str | None:
    """Return a finite number as text. Raises RejectedRecordError otherwise."""
    if value is None:
        return None
    number = float(number_text(value)) + 0.0
    if number in (float("inf"), float("-inf")):
        raise RejectedRecordError("is out of range")
    return repr(number)


def check_seconds(value: object) -> str | None:
    """Return seconds as text, rounded half away from zero to eight places."""
    if value is None:
        return None
    number = exact_number(number_text(value))
    if number.copy_abs() < SECONDS_LIMIT:
        number = number.quantize(SECONDS_PLACES, ROUND_HALF_UP) + 0
    if number.copy_abs() >= SECONDS_LIMIT:
        raise RejectedRecordError("is out of range")
    return f"{number:f}"


def check_user(value: object) -> str | None:
    """Return a user id as text: an integer or blank, including white space."""
    if value is None:
        return None
    match = _USER.fullmatch(value) if isinstance(value, str) else None
    if not match:
        raise RejectedRecordError("is neither empty nor an integer")
    text = check_text(value)
    if len(match[1] or "") > MAX_USER_DIGITS:
        raise RejectedRecordError("is out of range")
    return text


_PLAIN: Final = r'[^"\\\x00-\x1f]*'
_ESCAPE: Final = (
    r'\\(?:["\\/bfnrt]|u(?:000[1-9a-fA-F]|00[1-9a-fA-F][0-9a-fA-F]'
    r"|0[1-9a-fA-F][0-9a-fA-F]{2}|[1-9a-fA-F][0-9a-fA-F]{3}))"
)
_STRING: Final = f'"{_PLAIN}(?:{_ESCAPE}{_PLAIN})*"'
_INTEGER_18: Final = r"(?:0|-?[1-9][0-9]{0,17})"
_INTEGER_9: Final = r"(?:0|-?[1-9][0-9]{0,8})"

TEXT: Final = Kind(
    f"varchar({MAX_TEXT_BYTES})", check_text, f"null|{_INTEGER_18}|{_STRING}"
)
NAME: Final = Kind(f"varchar({MAX_TEXT_BYTES})", check_name, r'"[0-9A-Za-z]{1,64}"')
INTEGER: Final = Kind("integer", check_integer(-(2**31), 2**31 - 1), _INTEGER_9)
INTEGER_OR_NULL: Final = Kind(INTEGER.sql_type, INTEGER.check, f"null|{_INTEGER_9}")
BIGINT: Final = Kind("bigint", check_integer(-(2**63), 2**63 - 1), _INTEGER_18)
MOMENT: Final = Kind("bigint", check_integer(0, MAX_MOMENT), r"[0-9]{1,14}")
MOMENT_WITH_POINT: Final = Kind(
    "double precision", check_moment_with_point, r"null|[0-9]{1,13}(?:\.[0-9]{1,3})?"
)
SECONDS: Final = Kind(
    "numeric(15, 8)", check_seconds, r"null|-?[0-9]{1,6}(?:\.[0-9]{1,8})?"
)
DEGREES: Final = Kind(
    "double precision", check_degrees, r"null|-?[0-9]{1,3}(?:\.[0-9]{1,17})?"
)
USER: Final = Kind(
    f"varchar({MAX_TEXT_BYTES})",
    check_user,
    r'null|(?:0|[1-9][0-9]{0,17})|"[0-9]{0,18}"',
)

EVENTS: Final = RawTable(
    "staging_events",
    "log_data",
    (
        Column("artist", TEXT),
        Column("auth", TEXT),
        Column("firstName", TEXT),
        Column("gender", TEXT),
        Column("itemInSession", INTEGER, identifies=True),
        Column("lastName", TEXT),
        Column("length", SECONDS),
        Column("level", TEXT),
        Column("location", TEXT),
        Column("method", TEXT),
        Column("page", TEXT),
        Column("registration", MOMENT_WITH_POINT),
        Column("sessionId", BIGINT, identifies=True),
        Column("song", TEXT),
        Column("status", INTEGER_OR_NULL),
        Column("ts", MOMENT, identifies=True),
        Column("userAgent", TEXT),
        Column("userId", USER),
    ),
)
SONGS: Final = RawTable(
    "staging_songs",
    "song_data",
    (
        Column("num_songs", INTEGER_OR_NULL),
        Column("artist_id", NAME, identifies=True),
        Column("artist_latitude", DEGREES),
        Column("artist_longitude", DEGREES),
        Column("artist_location", TEXT),
        Column("artist_name", TEXT),
        Column("song_id", NAME, identifies=True),
        Column("title", TEXT),
        Column("duration", SECONDS),
        Column("year", INTEGER_OR_NULL),
    ),
)
RAW_TABLES: Final = (EVENTS, SONGS)


class NotJsonError(ValueError):
    """A text is not JSON. ``position`` is the index of the first wrong character."""

    def __init__(self, position: int) -> None:
        """Set the index. For text that ends too early, it is the text's length."""
        super().__init__("not JSON")
        self.position = position


class Parser:
    """A strict JSON parser. ``duplicate_key`` is the first one in the last value."""

    def __init__(self) -> None:
        """Create a decoder that keeps the text of numbers."""
        self.duplicate_key: str | None = None
        self.has_constant = False
        self.decoder = json.JSONDecoder(
            object_pairs_hook=self._object,
            parse_int=NumberText,
            parse_float=NumberText,
            parse_constant=self._constant,
        )

    def _constant(self, name: str) -> None:
        """Note NaN or an infinity, which Python accepts but JSON does not."""
        del name
        self.has_constant = True

    def _object(self, pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        keys = dict(pairs)
        if len(keys) < len(pairs) and self.duplicate_key is None:
            names = [key for key, _ in pairs]
            self.duplicate_key = next(
                key for n, key in enumerate(names) if key in names[:n]
            )
        return keys

    def read(self, text: str, start: int) -> tuple[Any, int]:
        """Return the value that begins at index ``start``, and the index of its end.

        Raises NotJsonError if it is not JSON or nested too deep.
        """
        self.duplicate_key, self.has_constant = None, False
        value, wrong = None, None
        try:
            value, end = self.decoder.raw_decode(text, start)
        except json.JSONDecodeError as error:
            end = wrong = error.pos
        except RecursionError:
            end = wrong = len(text)
        brackets = text.count("{", start, end) + text.count("[", start, end)
        if self.has_constant or brackets > MAX_DEPTH:
            wrong = _first_fault(text, start, end, wrong)
        if wrong is not None:
            raise NotJsonError(wrong)
        return value, end


PARSER: Final = Parser()
_MARKS: Final = re.compile(r'"(?:[^"\\]|\\.)*"|[][{}]|NaN|-?Infinity')


def _first_fault(text: str, start: int, end: int, otherwise: int | None) -> int | None:
    """Return the first index that is nested too deep or has NaN or Infinity."""
    depth = 0
    for mark in _MARKS.finditer(text, start, end):
        first = mark[0][0]
        depth += (first in "[{") - (first in "]}")
        if depth > MAX_DEPTH or first in "NI-":
            return mark.start()
    return otherwise


def read_record(table: RawTable, record: bytes) -> list[str | None]:
    """Parse one record. Return its values in the order of ``table.columns``.

    Raises RejectedRecordError with the first reason that applies.
    """
    try:
        text = record.strip(BLANKS.encode()).decode()
    except UnicodeDecodeError:
        raise RejectedRecordError("not UTF-8") from None
    try:
        value, end = PARSER.read(text, 0)
    except NotJsonError as error:
        raise RejectedRecordError(str(error)) from None
    if end < len(text):
        raise RejectedRecordError("not JSON")
    return check_record(table, value)


def check_record(
    table: RawTable,
    record: object,
    on_record: Callable[[Mapping[str, Any]], object] | None = None,
) -> list[str | None]:
    """Return the values of the record that PARSER read last, as texts to cast.

    Values are in the order of ``table.columns``. ``on_record`` is called with an
    accepted record. Raises RejectedRecordError with the first reason that applies.
    """
    if not isinstance(record, dict):
        raise RejectedRecordError("not a JSON object")
    if PARSER.duplicate_key is not None:
        key = PARSER.duplicate_key.encode(errors="backslashreplace").decode()
        raise RejectedRecordError(f'duplicate key "{key}"')
    values = []
    for column in table.columns:
        try:
            value = column.kind.check(record.get(column.name))
        except RejectedRecordError as reason:
            raise RejectedRecordError(f"{column.name} {reason}") from None
        if value is None and column.identifies:
            raise RejectedRecordError(f"{column.name} is missing")
        values.append(value)
    if on_record:
        on_record(record)
    return values


def plain_line(table: RawTable) -> str:
    """Return the RE2 pattern of fast-path lines, with keys in any order.

    A line that matches is an object with only known keys and valid values. A strict
    parser still has to check for missing and duplicate keys.
    """
    keys: dict[str, list[str]] = {}
    for column in table.columns:
        keys.setdefault(column.kind.plain, []).append(column.name)
    pair = "|".join(
        f'(?:{"|".join(names)})": ?(?:{plain})' for plain, names in keys.items()
    )
    return rf'^\{{"(?:{pair})(?:, ?"(?:{pair}))*\}}$'
