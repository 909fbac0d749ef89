#!/usr/bin/env python3
"""Build changed models in their own schema, and compare them with the last build."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

from sparkify.boards.layout import headlines
from sparkify.builds.changes import Changes
from sparkify.builds.differences import report
from sparkify.dbt.profile import read_target
from sparkify.shared.errors import without_traceback


@without_traceback
def main(argv: Sequence[str] | None = None) -> int:
    """Run the command. Return 0 if the changes were built and all tests passed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "what", choices=["build", "diff"], help="build the changes, or compare them"
    )
    parser.add_argument("--target", help="target of profiles.yml (default: dbt's own)")
    parser.add_argument(
        "--markdown", action="store_true", help="print the comparison as Markdown"
    )
    options = parser.parse_args(argv)
    changes = Changes(read_target(options.target))
    if options.what == "build":
        return changes.build()
    print(report(changes.differences(), changes.schemas, markdown=options.markdown))
    print("\nChanged answers and dashboard figures:\n")
    for line in changes.consequences(headlines):
        print(f"- {line}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
