"""Compare how the loaders and the oracle read the text of a raw record."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from decimal import Decimal
from typing import Any, Final

from oracle import reading as oracle
from sparkify.raw.rules import EVENTS, SONGS, RawTable, RejectedRecordError, read_record

RULES: Final = {EVENTS.name: oracle.EVENT_RULES, SONGS.name: oracle.SONG_RULES}


def same(text: str | None, value: object) -> bool:
    """Return whether a text, cast to the type of the oracle's value, equals it."""
    for kind in (Decimal, float, int):
        if isinstance(value, kind):
            return text is not None and kind(text) == value
    return text == value


def result_of(
    read: Callable[..., Sequence[object]], *arguments: object
) -> Sequence[Any] | str:
    """Return the values of a record, or the reason why it is rejected."""
    try:
        return read(*arguments)
    except (RejectedRecordError, oracle.RejectedError) as reason:
        return str(reason)


def assert_same_result(table: RawTable, line: bytes) -> None:
    expected = result_of(oracle.read_record, line, RULES[table.name])
    found = result_of(read_record, table, line)
    if isinstance(expected, str) or isinstance(found, str):
        assert found == expected
    else:
        assert len(found) == len(expected)
        assert all(map(same, found, expected)), (found, expected)
