"""Find the file and the line of raw records."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any, Final, NamedTuple

from sparkify.explain.records import Record, cleaned
from sparkify.raw.reader import read_records
from sparkify.raw.rules import RawTable
from sparkify.raw.sources import SourceFile, open_source
from sparkify.shared.errors import SparkifyError, printable

MAX_FILES: Final = 20
"""Maximum number of files that are read again for one explanation."""
MAX_BYTES: Final = 100_000_000
"""Maximum size of a file that is read again."""
NO_FILE: Final = "not kept by this loader"


class Place(NamedTuple):
    """File and line of a record, or the reason why one is unknown."""

    file: str
    line: str


def find_places(
    table: RawTable,
    records: Sequence[Record],
    paths: Sequence[str | None],
    files: Mapping[str, Mapping[str, Any]],
) -> list[Place]:
    """Return file and line of each record, in order. Reads the files again.

    ``paths`` has the file of each record. ``files`` has the row of raw.load_history by
    path.
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
        if file is None or count >= MAX_FILES or file["size_bytes"] > MAX_BYTES:
            lines = dict.fromkeys(numbers, "not searched")
        else:
            lines = _lines_in(table, file, {n: records[n] for n in numbers})
        for number in numbers:
            found[number] = Place(printable(path), lines[number])
    return [found[number] for number in range(len(paths))]


def _lines_in(
    table: RawTable, file: Mapping[str, Any], wanted: Mapping[int, Record]
) -> dict[int, str]:
    """Return the lines of each wanted record. Equal records share lines."""
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
        number: ", ".join(map(str, found)) or "unknown"
        for number, found in lines.items()
    }


def _root(source: str, path: str) -> str:
    """Return the folder or prefix that contains a path.

    The source ends with the first part of the path, such as log_data.
    """
    above, below = source.split("/"), path.split("/")
    for count in range(1, len(below)):
        if above[-count:] == below[:count]:
            return "/".join(above[:-count]) or "/"
    return source
