#!/usr/bin/env python3
"""Find SQL that Amazon Redshift rejects, without a cluster.

Without file arguments, the project is compiled for Redshift and checked.
"""

from __future__ import annotations

import argparse
import shutil
import sys
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from sparkify.redshift_lint.constructs import CONSTRUCTS, Construct
from sparkify.redshift_lint.tokens import statements_of, tokens_of, without_blanks
from sparkify.shared.errors import SparkifyError, without_traceback
from sparkify.shared.project import PROJECT

TARGET_PATH: Final = PROJECT / "target-check-redshift"
PROFILE: Final = """\
sparkify:
  target: redshift
  outputs:
    redshift:
      {type: redshift, host: localhost, port: 5439, user: user, password: none,
      dbname: dev, schema: analytics}
"""


@dataclass(frozen=True)
class Finding:
    """A construct that Redshift rejects, and its line."""

    construct: Construct
    line: int


@without_traceback
def main(argv: Sequence[str] | None = None) -> int:
    """Run the command. Return 1 if Redshift would reject something."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "files",
        nargs="*",
        type=Path,
        metavar="file",
        help="SQL without Jinja (default: all models, tests and analyses, compiled)",
    )
    parser.add_argument("--list", action="store_true", help="list known constructs")
    options = parser.parse_args(argv)
    if options.list:
        for construct in CONSTRUCTS:
            print(f"{construct.name}: {construct.reason}.\n    {construct.instead}")
        return 0
    files = options.files or compiled_files()
    count = 0
    for file in files:
        for finding in check(_read(file)):
            count += 1
            construct = finding.construct
            shown = _shown(file)
            print(f"{shown}:{finding.line}: {construct.name}: {construct.reason}.")
            print(f"    {construct.instead}")
    print(f"Checked {len(files)} files. Redshift rejects {count} constructs.")
    return int(count > 0)


def check(sql: str) -> list[Finding]:
    """Return the rejected constructs by line. Strings and comments are ignored."""
    return sorted(_findings(sql), key=lambda finding: finding.line)


def _findings(sql: str) -> Iterator[Finding]:
    for statement in statements_of(tokens_of(sql)):
        tokens = without_blanks(statement)
        for construct in CONSTRUCTS:
            for token in construct.find(tokens):
                yield Finding(construct, token.line)


def compiled_files() -> list[Path]:
    """Compile the project for Redshift, as full refreshes and as incremental runs.

    Return the compiled files. Raises SparkifyError if dbt fails.
    """
    from dbt.cli.main import dbtRunner

    shutil.rmtree(TARGET_PATH, ignore_errors=True)
    with tempfile.TemporaryDirectory() as folder:
        profiles = Path(folder) / "profiles.yml"
        profiles.write_text(PROFILE, encoding="utf-8")
        options = ["--project-dir", str(PROJECT), "--profiles-dir", folder]
        options += ["--target", "redshift"]
        options += ["--no-populate-cache", "--no-introspect"]
        for form, flag in (("full-refresh", "false"), ("incremental", "true")):
            options_of_form = ["--vars", f"assume_incremental: {flag}"]
            options_of_form += ["--target-path", str(TARGET_PATH / form)]
            result = dbtRunner().invoke(
                ["--quiet", "compile", *options, *options_of_form]
            )
            if not result.success:
                raise SparkifyError(
                    "dbt could not compile the project for Redshift.",
                    "Fix the error that dbt printed. If dbt-redshift is missing, run"
                    " make check-redshift.",
                )
    found = sorted(TARGET_PATH.glob("*/compiled/**/*.sql"))
    if not found:
        raise SparkifyError("dbt compiled no SQL.", f"Read the logs in {TARGET_PATH}.")
    return found


def _read(file: Path) -> str:
    try:
        return file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        wrong = f"{file} cannot be read: {reason}."
        raise SparkifyError(wrong, "Name SQL files.") from error


def _shown(file: Path) -> str:
    try:
        return str(file.resolve().relative_to(PROJECT))
    except ValueError:
        return str(file)


if __name__ == "__main__":
    sys.exit(main())
