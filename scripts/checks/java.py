#!/usr/bin/env python3
"""Check that there is a Java that Spark runs on."""

from __future__ import annotations

import sys

from sparkify.errors import without_traceback
from sparkify.loaders.spark.java import require_java


@without_traceback
def main() -> int:
    """Run the command; it prints nothing where there is one."""
    require_java()
    return 0


if __name__ == "__main__":
    sys.exit(main())
