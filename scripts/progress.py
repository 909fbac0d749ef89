"""Progress on long work: a bar where a terminal watches, elsewhere a line at times."""

from __future__ import annotations

import sys
from typing import Any

from tqdm import tqdm

SECONDS_BETWEEN_LINES = 30.0


def progress(what: str, unit: str, total: int | None = None) -> tqdm[Any]:
    """Give a progress bar; where no terminal watches it is silent for half a minute."""
    watched = sys.stderr.isatty()
    return tqdm(
        desc=what,
        unit=f" {unit}",
        total=total,
        leave=False,
        delay=0 if watched else SECONDS_BETWEEN_LINES,
        mininterval=0.1 if watched else SECONDS_BETWEEN_LINES,
    )
