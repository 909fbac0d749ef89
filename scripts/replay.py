r"""Try quarantined records again, by the rules of today.

Quarantine keeps a record's text, so a record that the rules take today can be loaded
without its file. Where the text is not the record as it came (bytes that are no UTF-8
and NUL are shown as ``\xNN``, and Redshift cuts long texts), it is no JSON, and so
cannot pass by mistake: no JSON text holds a backslash before an x, and none lacks its
last brace.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from typing import Final

from loaders import ReplayResult
from loaders.bookkeeping import Rejection
from records import RAW_TABLES, RefusedRecordError, read_record

CHUNK: Final = 1000
"""Records that a replay has in hand at a time: each may be of many megabytes."""

_TABLES: Final = {table.name: table for table in RAW_TABLES}


@dataclass(frozen=True)
class Passed:
    """A record that leaves quarantine: where it came from, and its values as texts."""

    path: str
    line: int
    digest: str
    values: list[str | None]


@dataclass
class Judgement:
    """What the rules of today say of quarantined records."""

    passed: dict[str, list[Passed]] = field(default_factory=dict)
    """By raw table."""

    renamed: list[Rejection] = field(default_factory=list)
    """Those that are refused for another reason than before, which they bear here."""

    tried: int = 0
    altered: int = 0

    @property
    def result(self) -> ReplayResult:
        """Count what was tried, what passed, and what can only come in its file."""
        loaded = sum(len(records) for records in self.passed.values())
        return ReplayResult(self.tried, loaded, self.altered)

    def files(self) -> Counter[tuple[str, str]]:
        """Count the records that passed by table and path."""
        return Counter(
            (table, record.path)
            for table, records in self.passed.items()
            for record in records
        )


def digest(text: str) -> str:
    """Return what tells records of one line apart, as SQL's md5() does."""
    return hashlib.md5(text.encode(), usedforsecurity=False).hexdigest()


def judge(rejections: Iterable[Rejection]) -> Judgement:
    """Read quarantined records by the rules."""
    found = Judgement()
    for rejection in rejections:
        found.tried += 1
        try:
            values = read_record(_TABLES[rejection.table], rejection.raw.encode())
        except RefusedRecordError as reason:
            if _is_altered(rejection):
                found.altered += 1
            elif str(reason) != rejection.reason:
                found.renamed.append(replace(rejection, reason=str(reason)))
        else:
            key = digest(rejection.raw)
            passed = Passed(rejection.path, rejection.line, key, values)
            found.passed.setdefault(rejection.table, []).append(passed)
    return found


def _is_altered(rejection: Rejection) -> bool:
    """Tell whether a text is not the record as it came: its reason stays as it is."""
    return rejection.reason.startswith("not UTF-8") or "\\x00" in rejection.raw
