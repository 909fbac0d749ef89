#!/usr/bin/env python3
"""Stop the project's own PostgreSQL server."""

from __future__ import annotations

import sys

from sparkify.loaders.postgres.server import stop
from sparkify.shared.errors import without_traceback


@without_traceback
def main() -> int:
    """Run the command. Return 0."""
    print("PostgreSQL is stopped." if stop() else "PostgreSQL is not running.")
    return 0


if __name__ == "__main__":
    sys.exit(main())
