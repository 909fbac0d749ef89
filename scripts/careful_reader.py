"""Read a file line by line under the rules of what a raw record must hold."""

from __future__ import annotations

import codecs
import gzip
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Final

from errors import unreadable
from extra_keys import ExtraKeys
from records import BLANKS, RawTable, RefusedRecordError, read_record

GZIP_MAGIC: Final = b"\x1f\x8b"
_BLANK: Final = BLANKS.encode()
_CHUNK: Final = 1 << 18
_READ_ERRORS: Final = (OSError, EOFError, zlib.error)


@dataclass(frozen=True)
class Line:
    """A line that holds a record: its values, or the reason why it is refused."""

    number: int
    values: list[str | None] | None
    reason: str
    raw: str


def is_gzip(path: str) -> bool:
    """Tell by its first two bytes whether a file is gzipped."""
    with Path(path).open("rb") as file:
        return file.read(2) == GZIP_MAGIC


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


def read_lines(
    table: RawTable, path: str, shown: str, extra: ExtraKeys | None = None
) -> Iterator[Line]:
    """Read a file's records; ``shown`` is the path that errors name.

    ``extra`` counts the keys of its records that no column takes. Raises
    SparkifyError if the file cannot be read, as when a gzip stream is broken.
    """
    look = extra.look if extra else None
    try:
        with _open(path) as file:
            for number, line in enumerate(file, start=1):
                content = line.removeprefix(codecs.BOM_UTF8) if number == 1 else line
                if not content.strip(_BLANK):
                    continue
                try:
                    values = read_record(table, content, look)
                    yield Line(number, values, "", "")
                except RefusedRecordError as reason:
                    text = content.removesuffix(b"\n").decode(errors="backslashreplace")
                    yield Line(number, None, str(reason), text.replace("\0", "\\x00"))
    except _READ_ERRORS as error:
        raise unreadable(shown, error) from error


def _open(path: str) -> IO[bytes] | gzip.GzipFile:
    if is_gzip(path):
        return gzip.open(path, "rb")
    return Path(path).open("rb")
