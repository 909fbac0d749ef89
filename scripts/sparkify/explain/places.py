"""The file and the line of a raw record."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any, Final, NamedTuple

from sparkify.explain.records import Record, cleaned
from sparkify.raw.reader import read_records
from sparkify.raw.rules import RawTable
from sparkify.raw.sources import SourceFile, open_source
from sparkify.shared.errors import SparkifyError, printable

MOST_FILES: Final = 20
"""So many files are read again for one explanation."""

MOST_BYTES: Final = 100_000_000
"""A file with more bytes is not read again."""

NO_FILE: Final = "not kept by this loader"


class Place(NamedTuple):
    """The file of a record as far as it is known, and its line or why there is none."""

    file: str
    line: str


def find_places(
    table: RawTable,
    records: Sequence[Record],
    paths: Sequence[str | None],
    files: Mapping[str, Mapping[str, Any]],
) -> list[Place]:
    """Return the place of each record, in order.

    ``paths`` has the file of each record. ``files`` has, for each path, the row of
    raw.load_history. A file is read again, by the rules of a load.
    """
    found: dict[int, Place] = {}
    by_file: dict[str, list[int]] = defaultdict(list)
    for number, path in enumerate(paths):
        if path is None:
            found[number] = Place(NO_FILE, "")
        else:
            by_file[path].append(number)
    for count, (path, numbers) in enumerate(by_file.items()):
        file = files.get(path)
        if file is None or count >= MOST_FILES or file["size_bytes"] > MOST_BYTES:
            lines = dict.fromkeys(numbers, "not searched")
        else:
            lines = _lines_in(table, file, {n: records[n] for n in numbers})
        for number in numbers:
            found[number] = Place(printable(path), lines[number])
    return [found[number] for number in range(len(paths))]


def _lines_in(
    table: RawTable, file: Mapping[str, Any], wanted: Mapping[int, Record]
) -> dict[int, str]:
    """Return the line of each wanted record of a file; equal records share lines."""
    lines: dict[int, list[int]] = {number: [] for number in wanted}
    listed = SourceFile(file["path"], int(file["size_bytes"]), file["version"])
    names = [column.name for column in table.columns]
    try:
        source = open_source(_root(file["source"], file["path"]))
        with source.fetch([listed], lambda _: None) as (path,):
            for read in read_records(table, path, listed.path):
                if read.values is None:
                    continue
                record = cleaned(table, dict(zip(names, read.values, strict=True)))
                for number, other in wanted.items():
                    if record == other:
                        lines[number].append(read.line)
    except SparkifyError:
        return dict.fromkeys(wanted, "unknown: file deleted or changed")
    return {
        number: ", ".join(map(str, of)) or "unknown" for number, of in lines.items()
    }


def _root(source: str, path: str) -> str:
    """Return the folder or prefix below which a path is.

    A source ends with the part that the path begins with, such as log_data.
    """
    above, below = source.split("/"), path.split("/")
    for count in range(1, len(below)):
        if above[-count:] == below[:count]:
            return "/".join(above[:-count]) or "/"
    return source
