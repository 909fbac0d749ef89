"""The sample data of `make build`, generated on first use."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import generate_events
from dbt_profile import PROJECT
from errors import SparkifyError

SAMPLE: Final = PROJECT / "data" / "sample"
SAMPLE_ARGUMENTS: Final = ("--dirty",)


def make_sample() -> Path:
    """Return the folder of the sample data, which is generated if it is missing."""
    if not SAMPLE.exists():
        print("Generating the sample data.")
        if generate_events.main(["--out", str(SAMPLE), *SAMPLE_ARGUMENTS]) != 0:
            raise SparkifyError("The sample data could not be made.", "See above.")
    return SAMPLE
