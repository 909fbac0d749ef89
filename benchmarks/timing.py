"""Measure the time, processor time and peak memory of a process."""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from sparkify.shared.errors import SparkifyError

PEAK_UNIT: Final = 1 if sys.platform == "darwin" else 1024
"""Bytes in a unit of ru_maxrss (getrusage(2); macOS counts bytes)."""


@dataclass(frozen=True)
class Cost:
    """The cost of a process and the child processes that it waited for.

    Elapsed seconds, processor seconds, and peak bytes of the largest process.
    ``lines`` are the printed lines, each with the seconds since the start.
    """

    wall: float
    cpu: float
    peak: int
    lines: tuple[tuple[float, str], ...] = field(default=(), repr=False)

    def as_json(self) -> dict[str, float]:
        """Return seconds, processor seconds and peak bytes."""
        wall, cpu = round(self.wall, 3), round(self.cpu, 3)
        return {"wall": wall, "cpu": cpu, "peak": self.peak}

    def moment_of(self, *words: str) -> float:
        """Return the seconds until a line with one of these words. Raise if none."""
        for seconds, line in self.lines:
            if any(word in line for word in words):
                return seconds
        raise SparkifyError(
            f"The output of a measured command does not contain {words[0]!r}.",
            "If the output has new words, change benchmarks/, which reads them.",
        )


def timed(
    command: Sequence[str | Path],
    folder: Path,
    environment: Mapping[str, str],
    log: Path,
) -> Cost:
    """Run a command in a folder and return its cost.

    Its output is written to a log. Raises SparkifyError if the command fails.
    """
    words = [str(word) for word in command]
    lines = []
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("w", encoding="utf-8") as kept:
        start = time.perf_counter()
        process = subprocess.Popen(
            words,
            cwd=folder,
            env={**environment, "PYTHONUNBUFFERED": "1"},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        if process.stdout is None:  # never, it is a pipe
            raise AssertionError
        for line in process.stdout:
            lines.append((time.perf_counter() - start, line.rstrip()))
            kept.write(line)
        # Popen.wait does not return the cost of the process.
        _, status, used = os.wait4(process.pid, 0)
        wall = time.perf_counter() - start
        process.returncode = os.waitstatus_to_exitcode(status)
        process.stdout.close()
    if process.returncode != 0:
        raise SparkifyError(
            f"A measured command failed: {shlex.join(words)}.",
            f"Its last lines: {' / '.join(line for _, line in lines[-3:])} ({log}).",
        )
    peak = used.ru_maxrss * PEAK_UNIT
    return Cost(wall, used.ru_utime + used.ru_stime, peak, tuple(lines))
