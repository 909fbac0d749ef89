#!/usr/bin/env python3
"""Look every locked package up in a database of known vulnerabilities."""

from __future__ import annotations

import argparse
import json
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from sparkify.dbt_profile import PROJECT
from sparkify.errors import SparkifyError, without_traceback

REQUIREMENTS: Final = PROJECT / "requirements"
TIMEOUT_SECONDS: Final = 15


@without_traceback
def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; 0 if no vulnerability is known, 1 if one is."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("pip_audit", type=Path, help="the command pip-audit")
    options = parser.parse_args(argv)
    locks = sorted(REQUIREMENTS.glob("*.txt"))
    packages = [
        package
        for part in parts({pin for lock in locks for pin in pins(lock)})
        for package in audit(options.pip_audit, part)
    ]
    if all("skip_reason" in package for package in packages):
        raise _NO_ANSWER  # a mirror of an index answers, but knows no vulnerabilities
    found = sorted(line for package in packages for line in vulnerabilities(package))
    for line in found:
        print(line)
    if not found:
        print(f"None is known of {len(packages):,} locked packages.")
    return 1 if found else 0


def pins(lock: Path) -> set[tuple[str, str]]:
    """Give the packages of a locked file: names and versions."""
    text = lock.read_text(encoding="utf-8")
    return set(re.findall(r"^([\w.-]+)(?:\[[^]]*\])?==([^\s;]+)", text, re.MULTILINE))


def parts(packages: Iterable[tuple[str, str]]) -> list[str]:
    """Split packages into requirements that name each package once at most."""
    found: list[dict[str, str]] = []
    for name, version in sorted(packages):
        part = next((part for part in found if name not in part), None)
        if part is None:
            part = {}
            found.append(part)
        part[name] = version
    return ["".join(f"{n}=={v}\n" for n, v in part.items()) for part in found]


def audit(pip_audit: Path, requirements: str) -> list[Mapping[str, Any]]:
    """Look packages up; give pip-audit's report on each.

    Raises SparkifyError if there is none, as where no database can be reached.
    """
    command = [str(pip_audit), "--disable-pip", "--no-deps", "--format", "json"]
    command += ["--timeout", str(TIMEOUT_SECONDS), "--progress-spinner", "off"]
    with tempfile.NamedTemporaryFile("w", prefix="sparkify-", suffix=".txt") as file:
        file.write(requirements)
        file.flush()
        try:
            done = subprocess.run(
                [*command, "--requirement", file.name],
                capture_output=True,
                text=True,
                check=False,
            )
            report: list[Mapping[str, Any]] = json.loads(done.stdout)["dependencies"]
        except OSError as error:
            raise SparkifyError(
                f"{pip_audit} does not run: {error}.", "Run make audit: it installs it."
            ) from None
        except ValueError:
            if "ConnectionError" in done.stderr or "Could not connect" in done.stderr:
                raise _NO_ANSWER from None
            last = (done.stderr.strip().splitlines() or ["it said nothing"])[-1]
            raise SparkifyError(
                f"pip-audit gave no report: {last.rstrip('.')}.",
                "Mend that, and repeat.",
            ) from None
    return report


_NO_ANSWER: Final = SparkifyError(
    "The packages were not audited: no database of vulnerabilities could be reached.",
    "Run make audit again where https://pypi.org answers.",
)


def vulnerabilities(package: Mapping[str, Any]) -> list[str]:
    """Give what is known of a package, a line each, or that it was not looked up."""
    name = f"{package['name']} {package.get('version', '')}".strip()
    if "skip_reason" in package:
        return [f"{name}: was not looked up: {package['skip_reason']}"]
    return [
        f"{name}: {known['id']}, mended in"
        f" {', '.join(known['fix_versions']) or 'no version yet'}"
        for known in package["vulns"]
    ]


if __name__ == "__main__":
    sys.exit(main())
