#!/usr/bin/env python3
"""Run the analyses, and print, write or check their answers."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from sparkify.analyses.asking import ask, check, wanted, write_all
from sparkify.dbt.profile import read_target
from sparkify.loaders import require_data
from sparkify.shared.answers import table
from sparkify.shared.errors import without_traceback
from sparkify.shared.project import PROJECT

EXPECTED: Final = PROJECT / "seeds" / "expected"


@without_traceback
def main(argv: Sequence[str] | None = None) -> int:
    """Run the command. Return 1 if an answer differs from the expected one."""
    parser = argparse.ArgumentParser(description=__doc__)
    add = parser.add_argument
    add("--target", help="target of profiles.yml (default: dbt's default target)")
    add("--only", metavar="NAMES", help="comma-separated names of analyses")
    add("--vars", metavar="YAML", help="variables, as in dbt's --vars")
    add("--csv", metavar="FOLDER", type=Path, help="also write each answer as CSV")
    add("--check", action="store_true", help="only compare with the expected answers")
    add(
        "--expected",
        metavar="FOLDER",
        type=Path,
        default=EXPECTED,
        help="folder of the expected answers (default: seeds/expected, for the sample)",
    )
    options = parser.parse_args(argv)
    names = wanted(options.only)
    target = read_target(options.target)
    require_data(target)
    if options.check:
        return int(check(names, target["name"], options.expected) > 0)
    found = ask(names, target["name"], options.vars)
    where_all_is = (
        f" (all in {options.csv})" if options.csv else " (all with CSV=folder)"
    )
    print("\n\n".join(table(answer, where_all_is) for answer in found))
    if options.csv:
        write_all(found, options.csv)
    return 0


if __name__ == "__main__":
    sys.exit(main())
