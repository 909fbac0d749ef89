"""Read a raw file by the rules: a sequence of JSON values, each with its line.

What stands between values, what an array stands for and how much of a file is refused
where it is not JSON: docs/decisions/0001.
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

from sparkify.errors import unreadable
from sparkify.raw.extra_keys import ExtraKeys
from sparkify.raw.rules import (
    BLANKS,
    PARSER,
    NotJsonError,
    RawTable,
    RefusedRecordError,
    check_record,
)

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
"""By a file's first bytes: the suffix that is usual for it, and what opens it."""

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
    """A record of a file: its values, or its text and the reason why it is refused."""

    line: int
    values: list[str | None] | None
    reason: str = ""
    text: str = ""


def suits_parser(path: str, shown: str) -> bool:
    """Tell whether an engine's parser may read a file: text, or gzip that is named so.

    Not every parser takes zero bytes after the end of gzip, as tar and block devices
    leave them; the end itself is the size of a text. Raises SparkifyError if the file
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
    """Count a file's lines, blank ones too, without looking into them.

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
    """Read a file's records; ``shown`` is the path that errors name.

    ``extra`` counts the keys of its records that no column takes. Without
    ``has_arrays``, an array is one record, which is refused, as by COPY. Raises
    SparkifyError if the file cannot be read, as when a gzip stream is broken.
    """
    look = extra.look if extra else None
    try:
        with _open(path) as file:
            form = _form_of(file)
            for line, text, value in _Sequence(file, form).values(has_arrays):
                try:
                    _check_text(text, value, form)
                    yield Record(line, check_record(table, value, look))
                except RefusedRecordError as reason:
                    shown = _shown(text.rstrip(BLANKS), form)
                    yield Record(line, None, str(reason), shown)
    except _READ_ERRORS as error:
        raise unreadable(shown, error) from error


class _Sequence:
    """A sequence of JSON values in a file, of which a part is in memory at a time."""

    def __init__(self, file: IO[bytes], form: str) -> None:
        errors = "surrogateescape" if form == "utf-8" else "replace"
        self.file = TextIOWrapper(file, form, errors, newline="")
        self.text = ""
        self.place = 0
        self.line = 1
        self.indent = 0
        self.is_whole = False
        self._after_scalar = _END_OF_LINE

    def values(self, has_arrays: bool) -> Iterator[tuple[int, str, Any]]:  # noqa: FBT001 -- as read_records has it
        """Yield the line, the text and the value of each record.

        The value is a NotJsonError where the text is not JSON.
        """
        array = 0  # The line on which the array begins whose elements are read.
        while self._skip(_BETWEEN_ELEMENTS if array else _BETWEEN):
            if array and self.text[self.place] == "]":
                array = 0
                self._after_scalar = _END_OF_LINE
                self._move(self.place + 1)
            elif has_arrays and self._is_array_of_records():
                if array:
                    yield array, "[", NotJsonError(1)
                array = self.line
                self._after_scalar = _END_OF_ELEMENT
                self._move(self.place + 1)
            else:
                line = self.line
                yield line, *self._take()
        if array:
            yield array, "[", NotJsonError(1)

    def _skip(self, between: re.Pattern[str]) -> bool:
        """Pass over what is between values, and tell whether there is a value."""
        end = self._end_of(between)
        self._move(end)
        return end < len(self.text)

    def _is_array_of_records(self) -> bool:
        if self.text[self.place] != "[":
            return False
        end = self._end_of(_ARRAY)
        return self.text.startswith("{", end)

    def _end_of(self, pattern: re.Pattern[str]) -> int:
        """Return where a run of characters ends that begins here."""
        while True:
            match = pattern.match(self.text, self.place)
            end = match.end() if match else self.place
            if end < len(self.text) or self.is_whole:
                return end
            self._grow()

    def _take(self) -> tuple[str, Any]:
        """Return the text and the value that begins here, and pass over it."""
        while True:
            value: Any
            try:
                value, end = PARSER.read(self.text, self.place)
                is_cut = False
                if self.text[self.place] not in "{[":
                    after = self._after_scalar.match(self.text, end)
                    if not after:
                        raise NotJsonError(end)  # noqa: TRY301 -- as if read() did
                    is_cut = after.end() == len(self.text)
            except NotJsonError as error:
                value, end = error, self._end_of_fault(error.place)
                is_cut = end == len(self.text)
            if not is_cut or self.is_whole:
                break
            self._grow()
        text = self.text[self.place : end]
        self._move(end)
        return text, value

    def _end_of_fault(self, place: int) -> int:
        """Return how far the text is refused that is not JSON at a place.

        A fault on the first line of a record ends with that line, or before the next
        record on it. A fault further down ends before the next line that begins a value
        and is not indented more. It is the length of the text in memory if not known.
        """
        text = self.text
        if not self.is_whole and not _LINE_BREAK.search(text, place):
            return len(text)  # A token may be cut: only whole lines can be judged.
        if not _LINE_BREAK.search(text, self.place, place):
            end = _END_ON_LINE.search(text, max(place, self.place + 1))
            return end.start() if end else len(text)
        for next_value in _NEXT_VALUE.finditer(text, self.place):
            if len(next_value[1]) <= self.indent:
                return next_value.start()
        return len(text)

    def _move(self, end: int) -> None:
        """Pass over text, and count its lines."""
        text, start = self.text, self.place
        last = max(text.rfind("\n", start, end), text.rfind("\r", start, end))
        if last >= 0:
            self.line += text.count("\n", start, end)
            match = _INDENT.match(text, last + 1)
            self.indent = match.end() - last - 1 if match else 0
        self.place = end

    def _grow(self) -> None:
        """Read on, as much as is left at least: so all is read in linear time."""
        left = self.text[self.place :]
        more = self.file.read(max(_CHUNK, len(left)))
        self.text, self.place, self.is_whole = left + more, 0, not more


def _form_of(file: IO[bytes]) -> str:
    """Tell by a byte order mark whether a file is in UTF-16, UTF-32 or else UTF-8."""
    form = json.detect_encoding(file.read(4))
    file.seek(0)
    return form if form in ("utf-16", "utf-32") else "utf-8"


def _check_text(text: str, value: object, form: str) -> None:
    """See that a text is JSON in UTF-8. Raises RefusedRecordError if it is not."""
    if form != "utf-8":
        raise RefusedRecordError(f"not UTF-8 but {form.upper()}")
    try:
        text.encode()
    except UnicodeEncodeError:  # A byte that surrogateescape decoded.
        raise RefusedRecordError("not UTF-8") from None
    if isinstance(value, NotJsonError):
        raise RefusedRecordError(str(value))


def _shown(text: str, form: str) -> str:
    """Return a text as the quarantine shows it: bytes that are not UTF-8 as escapes."""
    errors = "surrogateescape" if form == "utf-8" else "strict"
    shown = text.encode(form, errors).decode(errors="backslashreplace")
    return shown.replace("\0", "\\x00")


def _compression_of(path: str) -> tuple[str, Callable[[str], Any]]:
    """Tell by its first bytes how a file is compressed, and what opens it."""
    with Path(path).open("rb") as file:
        start = file.read(4)
    for magic, compression in _COMPRESSIONS.items():
        if start.startswith(magic):
            return compression
    return "", lambda name: Path(name).open("rb")


def _open(path: str) -> IO[bytes]:
    _, opener = _compression_of(path)
    return cast("IO[bytes]", opener(path))
