"""Check that Java is installed for Spark."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path
from typing import Final

from sparkify.shared.errors import SparkifyError

OLDEST: Final = 17
"""The oldest version for pyspark 4: https://spark.apache.org/docs/latest/."""


def require_java() -> None:
    """Raise SparkifyError if Java in JAVA_HOME or PATH is missing or too old."""
    home = os.environ.get("JAVA_HOME")
    java = str(Path(home, "bin", "java")) if home else shutil.which("java")
    found = _version(java) if java else None
    if found is None:
        where = f"in JAVA_HOME ({home})" if home else "on the PATH"
        wrong = f"Spark needs Java {OLDEST} or newer, which was not found {where}."
    elif found < OLDEST:
        wrong = f"Spark needs Java {OLDEST} or newer, but {java} is Java {found}."
    else:
        return
    raise SparkifyError(
        wrong,
        "Install it (on Debian: apt install default-jre-headless), or set JAVA_HOME.",
    )


def _version(java: str) -> int | None:
    """Return the major version from ``java -version``, which writes 8 as 1.8."""
    try:
        output = subprocess.run(
            [java, "-version"], capture_output=True, text=True, check=True
        ).stderr
    except (OSError, subprocess.CalledProcessError):
        return None
    match = re.search(r'version "(?:1\.)?(\d+)', output)
    return int(match[1]) if match else None
