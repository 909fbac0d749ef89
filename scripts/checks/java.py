#!/usr/bin/env python3
"""Check that a Java version for Spark is installed."""

from __future__ import annotations

import sys

from sparkify.loaders.spark.java import require_java
from sparkify.shared.errors import without_traceback


@without_traceback
def main() -> int:
    """Run the command. Return 0 if Java is installed."""
    require_java()
    return 0


if __name__ == "__main__":
    sys.exit(main())
