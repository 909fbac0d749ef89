"""Keys of records that no column takes: counted while the records are read."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any, Final

from sparkify.errors import printable
from sparkify.raw.rules import RawTable

MAX_KEYS: Final = 1000
"""Keys counted one by one: some sources make a key of every value."""

MAX_NAMED: Final = 10
MAX_LENGTH: Final = 60


class ExtraKeys:
    """Counts, for one table, the records that bring each key that it does not know."""

    def __init__(self, table: RawTable) -> None:
        """Begin with nothing."""
        self.part = table.part
        self.known = frozenset(column.name for column in table.columns)
        self.records: Counter[str] = Counter()
        self.is_cut = False

    def look(self, record: Mapping[str, Any]) -> None:
        """Count the keys of a record that is loaded."""
        if record.keys() <= self.known:
            return
        for key in record:
            if key not in self.known:
                name = key if len(key) <= MAX_LENGTH else f"{key[:MAX_LENGTH]}..."
                if name in self.records or len(self.records) < MAX_KEYS:
                    self.records[name] += 1
                else:
                    self.is_cut = True

    def sentence(self) -> str:
        """Name the keys, those of most records first; '' without any."""
        if not self.records:
            return ""
        ranked = sorted(self.records.items(), key=lambda item: (-item[1], item[0]))
        named = [
            f"{printable(name)} ({count:,}{'' if number else _noun(count)})"
            for number, (name, count) in enumerate(ranked[:MAX_NAMED])
        ]
        more = len(ranked) - len(named)
        amount = f"{'More than ' if self.is_cut else ''}{len(ranked):,}"
        return (
            f"{amount} {'key' if len(ranked) == 1 else 'keys'} of {self.part} that no"
            f" column takes: {', '.join(named)}"
            + (f", and {more:,} more." if more else ".")
        )


def _noun(count: int) -> str:
    return " record" if count == 1 else " records"


def sentences(found: Iterable[ExtraKeys]) -> tuple[str, ...]:
    """Give what there is to say."""
    return tuple(filter(None, (extra.sentence() for extra in found)))
