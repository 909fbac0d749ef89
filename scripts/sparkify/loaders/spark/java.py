"""Find a Java that Spark runs on."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path
from typing import Final

from sparkify.errors import SparkifyError

OLDEST: Final = 17
"""What pyspark 4 asks for: https://spark.apache.org/docs/latest/."""


def require_java() -> None:
    """Raise SparkifyError if JAVA_HOME or the PATH lead to no Java, or an old one."""
    home = os.environ.get("JAVA_HOME")
    java = str(Path(home, "bin", "java")) if home else shutil.which("java")
    found = _version(java) if java else None
    if found is None:
        where = f"in JAVA_HOME ({home})" if home else "on the PATH"
        wrong = f"Spark needs Java {OLDEST} or newer, and there is none {where}."
    elif found < OLDEST:
        wrong = f"Spark needs Java {OLDEST} or newer, and {java} is Java {found}."
    else:
        return
    raise SparkifyError(
        wrong,
        "Install one (on Debian: apt install default-jre-headless) or set JAVA_HOME to"
        " one.",
    )


def _version(java: str) -> int | None:
    """Give the major version that ``java -version`` tells: 8 is written 1.8."""
    try:
        said = subprocess.run(
            [java, "-version"], capture_output=True, text=True, check=True
        ).stderr
    except (OSError, subprocess.CalledProcessError):
        return None
    match = re.search(r'version "(?:1\.)?(\d+)', said)
    return int(match[1]) if match else None
