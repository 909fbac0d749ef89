"""Progress on long work: a bar where a terminal watches, elsewhere a line at times."""

from __future__ import annotations

import sys
from typing import Any

from tqdm import tqdm

SECONDS_BETWEEN_LINES = 30.0


SHOWN = "{desc}: {percentage:3.0f}%|{bar}| {n_fmt}/{total_fmt}{unit} [{elapsed}]"
"""How far it is, and for how long: what is left is not known."""


def progress(what: str, unit: str, total: int | None = None) -> tqdm[Any]:
    """Return a progress bar; where no terminal watches it is silent for half a minute.

    Bytes are shown in larger units.
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
