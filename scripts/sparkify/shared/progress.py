"""Show the progress of long operations, as a bar or as lines."""

from __future__ import annotations

import sys
from typing import Any

from tqdm import tqdm

SECONDS_BETWEEN_LINES = 30.0
SHOWN = "{desc}: {percentage:3.0f}%|{bar}| {n_fmt}/{total_fmt}{unit} [{elapsed}]"
"""Progress and elapsed time, without an estimate of the remaining time."""


def progress(what: str, unit: str, total: int | None = None) -> tqdm[Any]:
    """Return a progress bar. Without a terminal it prints a line every 30 seconds.

    The unit "B" (bytes) is scaled to kB, MB or GB.
    """
    watched = sys.stderr.isatty()
    return tqdm(
        desc=what,
        unit=unit if unit == "B" else f" {unit}",
        unit_scale=unit == "B",
        bar_format=SHOWN if total else None,
        total=total,
        leave=False,
        delay=0 if watched else SECONDS_BETWEEN_LINES,
        mininterval=0.1 if watched else SECONDS_BETWEEN_LINES,
    )
