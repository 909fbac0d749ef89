"""Read a raw file as a sequence of JSON values, each with its line number.

docs/decisions/0001 defines separators, arrays, and the end of text that is not JSON.
"""

from __future__ import annotations

import bz2
import gzip
import json
import os
import re
import sys
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from io import TextIOWrapper
from pathlib import Path
from typing import IO, Any, Final, cast

from sparkify.raw.extra_keys import ExtraKeys
from sparkify.raw.rules import (
    BLANKS,
    PARSER,
    NotJsonError,
    RawTable,
    RejectedRecordError,
    check_record,
)
from sparkify.shared.errors import unreadable

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

_CHUNK: Final = 1 << 18
_READ_ERRORS: Final = (OSError, EOFError, zlib.error, zstd.ZstdError)
_COMPRESSIONS: Final[dict[bytes, tuple[str, Callable[..., Any]]]] = {
    b"\x1f\x8b": (".gz", gzip.open),
    b"BZh": (".bz2", bz2.open),
    b"\x28\xb5\x2f\xfd": (".zst", zstd.open),
}
"""Usual suffix and opening function of a compressed file, by its first bytes."""

SUFFIXES: Final = tuple(suffix for suffix, _ in _COMPRESSIONS.values())
_SMALLEST_GZIP: Final = 18

_BETWEEN: Final = re.compile(f"[{BLANKS}\ufeff]*")
_BETWEEN_ELEMENTS: Final = re.compile(f"[{BLANKS}\ufeff,]*")
_ARRAY: Final = re.compile(r"\[[ \t\n\r]*")
_INDENT: Final = re.compile(r"[ \t]*")
_END_OF_LINE: Final = re.compile(r"[ \t\v\f]*(?:[\n\r]|\Z)")
_END_OF_ELEMENT: Final = re.compile(rf"[{BLANKS}]*(?:[,\]]|\Z)")
_LINE_BREAK: Final = re.compile(r"[\n\r]")
_END_ON_LINE: Final = re.compile(r"(?<=\})[ \t]*(?=\{)|(?=[\n\r])")
_NEXT_VALUE: Final = re.compile(r"[\n\r]([ \t]*)(?=[\[{\]])")


@dataclass(frozen=True)
class Record:
    """A record of a file: its values, or its text and the reason for rejection.

    ``line`` is its first line, from 1. ``values`` are in the order of
    ``table.columns``, None for a rejected record.
    """

    line: int
    values: list[str | None] | None
    reason: str = ""
    text: str = ""


def suits_parser(path: str, shown: str) -> bool:
    """Return whether an engine's parser can read a file: plain text, or gzip as .gz.

    Some parsers fail on zero bytes after gzip data, which tar and block devices add.
    gzip data itself ends with a size other than zero. Raises SparkifyError if the file
    cannot be read.
    """
    try:
        kind, _ = _compression_of(path)
        if kind == ".gz" and Path(path).stat().st_size >= _SMALLEST_GZIP:
            with Path(path).open("rb") as file:
                file.seek(-4, os.SEEK_END)
                if file.read() == bytes(4):
                    return False
    except OSError as error:
        raise unreadable(shown, error) from error
    suffix = Path(path).suffix.lower()
    return kind in ("", ".gz") and kind == (suffix if suffix in SUFFIXES else "")


def count_lines(path: str, shown: str) -> int:
    """Return the number of lines of a file, including blank lines.

    Raises SparkifyError if the file cannot be read.
    """
    lines, last = 0, b"\n"
    try:
        with _open(path) as file:
            while chunk := file.read(_CHUNK):
                lines += chunk.count(b"\n")
                last = chunk[-1:]
    except _READ_ERRORS as error:
        raise unreadable(shown, error) from error
    return lines + (last != b"\n")


def read_records(
    table: RawTable,
    path: str,
    shown: str,
    extra: ExtraKeys | None = None,
    *,
    has_arrays: bool = True,
) -> Iterator[Record]:
    """Yield the records of a file. ``shown`` is its path in error messages.

    ``extra`` counts the unknown keys of accepted records. Without ``has_arrays``, an
    array is one record, which is rejected, as in COPY. Raises SparkifyError if the file
    cannot be read, for example because a gzip stream is broken.
    """
    look = extra.look if extra else None
    try:
        with _open(path) as file:
            form = _form_of(file)
            for line, text, value in _Sequence(file, form).values(has_arrays):
                try:
                    _check_text(text, value, form)
                    yield Record(line, check_record(table, value, look))
                except RejectedRecordError as reason:
                    shown = _shown(text.rstrip(BLANKS), form)
                    yield Record(line, None, str(reason), shown)
    except _READ_ERRORS as error:
        raise unreadable(shown, error) from error


class _Sequence:
    """A sequence of JSON values in a file, which is read in chunks.

    ``text`` is the chunk in memory, ``position`` the current index in it.
    """

    def __init__(self, file: IO[bytes], form: str) -> None:
        errors = "surrogateescape" if form == "utf-8" else "replace"
        self.file = TextIOWrapper(file, form, errors, newline="")
        self.text = ""
        self.position = 0
        self.line = 1
        self.indent = 0
        self.is_at_end = False
        self._after_scalar = _END_OF_LINE

    def values(self, has_arrays: bool) -> Iterator[tuple[int, str, Any]]:  # noqa: FBT001 -- as in read_records
        """Yield the line, the text and the value of each record.

        The value is a NotJsonError if the text is not JSON.
        """
        array = 0  # First line of the current array, 0 outside arrays.
        while self._skip(_BETWEEN_ELEMENTS if array else _BETWEEN):
            if array and self.text[self.position] == "]":
                array = 0
                self._after_scalar = _END_OF_LINE
                self._move(self.position + 1)
            elif has_arrays and self._is_array_of_records():
                if array:
                    yield array, "[", NotJsonError(1)
                array = self.line
                self._after_scalar = _END_OF_ELEMENT
                self._move(self.position + 1)
            else:
                line = self.line
                yield line, *self._read()
        if array:
            yield array, "[", NotJsonError(1)

    def _skip(self, between: re.Pattern[str]) -> bool:
        """Skip the separators between values. Return whether a value follows."""
        end = self._end_of(between)
        self._move(end)
        return end < len(self.text)

    def _is_array_of_records(self) -> bool:
        if self.text[self.position] != "[":
            return False
        end = self._end_of(_ARRAY)
        return self.text.startswith("{", end)

    def _end_of(self, pattern: re.Pattern[str]) -> int:
        """Return the end of a pattern that matches at the current position."""
        while True:
            match = pattern.match(self.text, self.position)
            end = match.end() if match else self.position
            if end < len(self.text) or self.is_at_end:
                return end
            self._grow()

    def _read(self) -> tuple[str, Any]:
        """Return text and value at the current position, and move past them."""
        while True:
            value: Any
            try:
                value, end = PARSER.read(self.text, self.position)
                is_cut = False
                if self.text[self.position] not in "{[":
                    after = self._after_scalar.match(self.text, end)
                    if not after:
                        raise NotJsonError(end)  # noqa: TRY301 -- like PARSER.read
                    is_cut = after.end() == len(self.text)
            except NotJsonError as error:
                value, end = error, self._end_of_fault(error.position)
                is_cut = end == len(self.text)
            if not is_cut or self.is_at_end:
                break
            self._grow()
        text = self.text[self.position : end]
        self._move(end)
        return text, value

    def _end_of_fault(self, position: int) -> int:
        """Return the end of the rejected text, given the position of a JSON error.

        For an error on the first line of a record, it is the end of the line or the
        next record on it. For an error on a later line, it is the next line that begins
        a value and is not indented more. Until it is known, it is the length of the
        text in memory.
        """
        text = self.text
        if not self.is_at_end and not _LINE_BREAK.search(text, position):
            return len(text)  # A token may be cut, so read the line first.
        if not _LINE_BREAK.search(text, self.position, position):
            end = _END_ON_LINE.search(text, max(position, self.position + 1))
            return end.start() if end else len(text)
        for next_value in _NEXT_VALUE.finditer(text, self.position):
            if len(next_value[1]) <= self.indent:
                return next_value.start()
        return len(text)

    def _move(self, end: int) -> None:
        """Move to a later position, and count the lines in between."""
        text, start = self.text, self.position
        last = max(text.rfind("\n", start, end), text.rfind("\r", start, end))
        if last >= 0:
            self.line += text.count("\n", start, end)
            match = _INDENT.match(text, last + 1)
            self.indent = match.end() - last - 1 if match else 0
        self.position = end

    def _grow(self) -> None:
        """Read at least as much text as is left, so the total time is linear."""
        left = self.text[self.position :]
        more = self.file.read(max(_CHUNK, len(left)))
        self.text, self.position, self.is_at_end = left + more, 0, not more


def _form_of(file: IO[bytes]) -> str:
    """Return the encoding of a file by its byte order mark, otherwise UTF-8."""
    form = json.detect_encoding(file.read(4))
    file.seek(0)
    return form if form in ("utf-16", "utf-32") else "utf-8"


def _check_text(text: str, value: object, form: str) -> None:
    """Raise RejectedRecordError if a text is not JSON in UTF-8."""
    if form != "utf-8":
        raise RejectedRecordError(f"not UTF-8 but {form.upper()}")
    try:
        text.encode()
    except UnicodeEncodeError:  # A byte that surrogateescape decoded.
        raise RejectedRecordError("not UTF-8") from None
    if isinstance(value, NotJsonError):
        raise RejectedRecordError(str(value))


def _shown(text: str, form: str) -> str:
    """Return a text for the quarantine, with bytes that are not UTF-8 escaped."""
    errors = "surrogateescape" if form == "utf-8" else "strict"
    shown = text.encode(form, errors).decode(errors="backslashreplace")
    return shown.replace("\0", "\\x00")


def _compression_of(path: str) -> tuple[str, Callable[[str], Any]]:
    """Return suffix and opening function of a file, by its first bytes."""
    with Path(path).open("rb") as file:
        start = file.read(4)
    for magic, compression in _COMPRESSIONS.items():
        if start.startswith(magic):
            return compression
    return "", lambda name: Path(name).open("rb")


def _open(path: str) -> IO[bytes]:
    _, opener = _compression_of(path)
    return cast("IO[bytes]", opener(path))
