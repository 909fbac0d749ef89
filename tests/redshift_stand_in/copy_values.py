"""Convert JSON values to column values as COPY does."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import ROUND_DOWN, ROUND_HALF_UP, Decimal
from typing import Any

from redshift_stand_in.copy_options import CopyOptions

RANGES = {"smallint": 15, "integer": 31, "bigint": 63}
NAMES = {
    "smallint": "Short",
    "integer": "Integer",
    "bigint": "Long",
    "numeric": "Decimal",
}
TEXTS = ("character varying", "character", "text")
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
FLOAT = r"[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?"
MOMENT = r"\d{4}-\d{2}-\d{2}(?:[ T]\d{2}:\d{2}(?::\d{2}(?:\.\d{1,6})?)?)?"


class NumberText(str):
    """A JSON number in its original notation."""

    __slots__ = ()


@dataclass(frozen=True)
class Column:
    """A column of a table."""

    name: str
    kind: str
    length: int = 0
    precision: int = 0
    scale: int = 0
    is_required: bool = False

    @classmethod
    def of(
        cls, name: str, kind: str, modifier: int, *, is_required: bool = False
    ) -> Column:
        """Return a column, with length or precision from PostgreSQL's type modifier."""
        size = modifier - 4
        if size < 0:
            return cls(name, kind, is_required=is_required)
        if kind == "numeric":
            precision, scale = size >> 16 & 0xFFFF, size & 0x7FF
            return cls(name, kind, 0, precision, scale, is_required)
        return cls(name, kind, size, is_required=is_required)

    @property
    def shown_type(self) -> str:
        short = {"character varying": "varchar", "double precision": "float8"}
        return short.get(self.kind, self.kind)[:10]

    @property
    def shown_length(self) -> str:
        if self.kind == "numeric":
            return f"{self.precision},{self.scale}"
        return str(self.length) if self.length else ""


class RefusedValueError(ValueError):
    """A value does not fit its column. Arguments: code, message, position."""


def convert(column: Column, value: Any, options: CopyOptions) -> str | None:
    """Return a value in PostgreSQL's text format. Raises RefusedValueError."""
    text = _text(value)
    if text is not None:
        text = _null_or_text(column, text, options)
    if text is None:
        if column.is_required:
            raise RefusedValueError(1213, "Missing data for not-null field", 0)
        return None
    return _CONVERSIONS.get(column.kind, _moment)(column, text, options)


def _text(value: Any) -> str | None:
    if value is None:
        return None
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return str(value)
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def _null_or_text(column: Column, text: str, options: CopyOptions) -> str | None:
    if options.null_as is not None and text == options.null_as:
        return None
    is_text = column.kind in TEXTS
    if not text:
        return None if not is_text or "emptyasnull" in options.switches else text
    if not text.strip(" "):
        return None if not is_text or "blanksasnull" in options.switches else text
    return text


def _string(column: Column, text: str, options: CopyOptions) -> str:
    if "\0" in text:
        raise RefusedValueError(1220, "Field contains a NUL byte", text.index("\0"))
    try:
        size = len(text.encode())
    except UnicodeEncodeError as error:
        message = "String contains invalid or unsupported UTF8 codepoints"
        raise RefusedValueError(1220, message, error.start) from None
    if column.length and size > column.length:
        if "truncatecolumns" not in options.switches:
            raise RefusedValueError(
                1204, "String length exceeds DDL length", column.length
            )
        text = text.encode()[: column.length].decode(errors="ignore")
    return text


def _digit(column: Column, text: str, position: int) -> RefusedValueError:
    shown = text[position : position + 1]
    kind = NAMES[column.kind]
    message = f"Invalid digit, Value '{shown}', Pos {position}, Type: {kind}"
    return RefusedValueError(1207, message, position)


def _integer(column: Column, text: str, _: CopyOptions) -> str:
    match = re.match(r"[+-]?\d*", text)
    if not match or match[0] != text or not text.lstrip("+-"):
        raise _digit(column, text, match.end() if match else 0)
    number = int(text)
    limit = 2 ** RANGES[column.kind]
    if not -limit <= number < limit:
        raise RefusedValueError(1222, f"Integer overflow, Value '{text}'", 0)
    return str(number)


def _decimal(column: Column, text: str, options: CopyOptions) -> str:
    """Convert a DECIMAL. COPY accepts no exponent here."""
    match = re.match(r"[+-]?\d*(?:\.\d*)?", text)
    if not match or match[0] != text or not re.search(r"\d", text):
        raise _digit(column, text, match.end() if match else 0)
    places = Decimal(1).scaleb(-column.scale)
    rounding = ROUND_HALF_UP if "roundec" in options.switches else ROUND_DOWN
    number = Decimal(text)
    integer_digits = column.precision - column.scale
    if abs(number) >= Decimal(10) ** integer_digits:
        raise RefusedValueError(1204, f"Overflow for {column.shown_length}", 0)
    number = number.quantize(places, rounding)
    if abs(number) >= Decimal(10) ** integer_digits:
        raise RefusedValueError(1204, f"Overflow for {column.shown_length}", 0)
    return f"{number:f}"


def _float(_: Column, text: str, __: CopyOptions) -> str:
    if not re.fullmatch(FLOAT, text.strip()):
        raise RefusedValueError(1208, f"Invalid float value '{text}'", 0)
    return text.strip()


def _boolean(_: Column, text: str, __: CopyOptions) -> str:
    known = {"t": "t", "true": "t", "y": "t", "yes": "t", "1": "t"}
    known |= {"f": "f", "false": "f", "n": "f", "no": "f", "0": "f"}
    if text.lower() not in known:
        raise RefusedValueError(1210, f"Invalid boolean value '{text}'", 0)
    return known[text.lower()]


def _moment(column: Column, text: str, options: CopyOptions) -> str:
    if options.time_format.startswith("epoch") and column.kind != "date":
        if not re.fullmatch(r"-?\d+", text):
            raise RefusedValueError(1206, "Invalid timestamp format or value", 0)
        unit = 1000 if options.time_format == "epochmillisecs" else 1
        moment = EPOCH + timedelta(milliseconds=int(text) * 1000 // unit)
        return moment.replace(tzinfo=None).isoformat(" ")
    if not re.fullmatch(MOMENT, text) or not _is_moment(text):
        code = 1205 if column.kind == "date" else 1206
        kind = "Date" if column.kind == "date" else "timestamp"
        raise RefusedValueError(code, f"Invalid {kind} format or value", 0)
    return text


def _is_moment(text: str) -> bool:
    try:
        datetime.fromisoformat(text)
    except ValueError:
        return False
    return True


_CONVERSIONS: dict[str, Callable[[Column, str, CopyOptions], str]] = {
    **dict.fromkeys(TEXTS, _string),
    **dict.fromkeys(RANGES, _integer),
    "numeric": _decimal,
    "double precision": _float,
    "real": _float,
    "boolean": _boolean,
}
