"""Open a DuckDB file, which only one process at a time can open."""

from __future__ import annotations

import re
import sys
import time
from pathlib import Path
from typing import Any, Final

import duckdb

from sparkify.shared.errors import SparkifyError

LOCK_SECONDS: Final = 60.0


def open_file(
    path: str, config: dict[str, Any] | None = None
) -> duckdb.DuckDBPyConnection:
    """Return a connection. Wait up to LOCK_SECONDS for another process.

    Raises SparkifyError if another process still has the file open, or if the file
    cannot be opened.
    """
    deadline = time.monotonic() + LOCK_SECONDS
    is_waiting = False
    while True:
        try:
            return duckdb.connect(path, config=config or {})
        except duckdb.Error as error:
            reason = str(error).splitlines()[0].rstrip(".!")
            if "Could not set lock" not in reason:
                raise SparkifyError(
                    f"{path} cannot be opened: {reason}.",
                    "Load the sample: python scripts/bootstrap.py --sample."
                    if not Path(path).expanduser().exists()
                    else "Name another file in profiles.yml, or move this file.",
                ) from error
            named = re.search(r"held in (.*?\bPID \d+\)?)", reason)
            holder = named[1] if named else "another process"
            if time.monotonic() > deadline:
                raise SparkifyError(
                    f"{path} is still open in {holder}.",
                    "Close it there (in a notebook, shut down the kernel) and run the"
                    " command again.",
                ) from error
            if not is_waiting:
                print(
                    f"Waiting up to {LOCK_SECONDS:.0f} seconds for {holder}, which has"
                    f" {path} open ...",
                    file=sys.stderr,
                )
                is_waiting = True
            time.sleep(0.2)
