"""Generate the sample data of `make build` on first use."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from sparkify.sample.writer import Options, write_sample
from sparkify.shared.errors import SparkifyError
from sparkify.shared.project import PROJECT

SAMPLE: Final = Options(PROJECT / "data" / "sample", is_dirty=True)


def make_sample() -> Path:
    """Return the folder of the sample data. Generate it if it does not exist.

    Raises SparkifyError if it cannot be written.
    """
    if not SAMPLE.out.exists():
        print("Generating the sample data.")
        try:
            write_sample(SAMPLE)
        except OSError as error:
            raise SparkifyError(
                f"The sample data could not be written: {error}.",
                f"Free 10 MB of disk space in {SAMPLE.out.parent}.",
            ) from error
    return SAMPLE.out
