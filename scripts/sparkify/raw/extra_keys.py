"""Count unknown keys of records. They are ignored and reported."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any, Final

from sparkify.raw.rules import RawTable
from sparkify.shared.errors import printable

MAX_KEYS: Final = 1000
"""Maximum number of counted keys. Some sources use values as keys."""

MAX_NAMED: Final = 10
MAX_LENGTH: Final = 60


class ExtraKeys:
    """Counts the records with each unknown key, for one table."""

    def __init__(self, table: RawTable) -> None:
        """Start with no unknown keys."""
        self.part = table.part
        self.known = frozenset(column.name for column in table.columns)
        self.records: Counter[str] = Counter()
        self.is_cut = False

    def look(self, record: Mapping[str, Any]) -> None:
        """Count the unknown keys of an accepted record."""
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
        """Return a sentence with the keys, most frequent first, or ''."""
        if not self.records:
            return ""
        ranked = sorted(self.records.items(), key=lambda item: (-item[1], item[0]))
        named = [
            f"{printable(name)} ({count:,}{'' if number else _noun(count)})"
            for number, (name, count) in enumerate(ranked[:MAX_NAMED])
        ]
        more = len(ranked) - len(named)
        amount = f"{'more than ' if self.is_cut else ''}{len(ranked):,}"
        return (
            f"Ignored {amount} unknown {'key' if len(ranked) == 1 else 'keys'} in"
            f" {self.part}: {', '.join(named)}"
            + (f", and {more:,} more." if more else ".")
        )


def _noun(count: int) -> str:
    return " record" if count == 1 else " records"


def sentences(found: Iterable[ExtraKeys]) -> tuple[str, ...]:
    """Return the sentences of tables with unknown keys."""
    return tuple(filter(None, (extra.sentence() for extra in found)))
