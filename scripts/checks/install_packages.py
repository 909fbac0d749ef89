#!/usr/bin/env python3
"""Install the dbt packages of packages.yml with `dbt deps`.

If dbt's package hub does not respond, a stand-in from scripts/offline/ is copied to
dbt_packages/ instead, and a message is printed.
"""

from __future__ import annotations

import argparse
import os
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import requests

from sparkify.shared.errors import SparkifyError, without_traceback
from sparkify.shared.project import PROJECT

STAND_IN: Final = PROJECT / "scripts" / "offline" / "dbt_utils"
HUB: Final = "https://hub.getdbt.com/"
SECONDS: Final = (3, 5)
"""Timeouts to connect and to read. dbt itself would retry for minutes."""


@without_traceback
def main(argv: Sequence[str] | None = None) -> int:
    """Run the command. Return 0 if dbt_utils or its stand-in is in dbt_packages/."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--project-dir", type=Path, default=PROJECT)
    project = parser.parse_args(argv).project_dir
    obstacle = why_unreachable() or run_dbt_deps(project)
    if obstacle:
        folder = project / "dbt_packages" / "dbt_utils"
        if not folder.exists():
            shutil.copytree(STAND_IN, folder)
        print(
            f"The dbt package hub does not respond ({obstacle}). dbt_packages/ contains"
            f" {_kind(folder)} of dbt_utils. Run `make packages` to try again."
        )
    return 0


def _kind(folder: Path) -> str:
    settings = (folder / "dbt_project.yml").read_text(encoding="utf-8")
    return "a stand-in" if "-stand-in" in settings else "an earlier version"


def why_unreachable() -> str | None:
    """Return why the hub does not respond, or None if it does."""
    hub = os.environ.get("DBT_PACKAGE_HUB_URL") or HUB
    try:
        with requests.get(f"{hub}api/v1/index.json", timeout=SECONDS) as answer:
            status = answer.status_code
    except requests.RequestException as error:
        return f"{hub}, {type(error).__name__}"
    return None if status == requests.codes.ok else f"{hub}, HTTP status {status}"


def run_dbt_deps(project: Path) -> str | None:
    """Run `dbt deps`. Return the network error that prevented it, or None.

    Raises SparkifyError for every other failure, for example conflicting versions.
    """
    from dbt.cli.main import dbtRunner
    from dbt_common.exceptions import ConnectionError as NetworkError

    quietly = ["--log-level", "none", "--no-send-anonymous-usage-stats"]
    result = dbtRunner().invoke([*quietly, "deps", "--project-dir", str(project)])
    if result.success:
        return None
    reason = " ".join(str(result.exception).split()).rstrip(".")
    if isinstance(result.exception, NetworkError):
        return reason.partition(": ")[2].partition(" (Caused by")[0]
    raise SparkifyError(f"`dbt deps` failed: {reason}.", "Fix packages.yml.")


if __name__ == "__main__":
    sys.exit(main())
