#!/usr/bin/env python3
"""Put the dbt packages of packages.yml into dbt_packages/.

They come from dbt's package hub. Where the hub can't be reached, the stand-ins of
scripts/offline/ take their place, and one line says so.
"""

import argparse
import hashlib
import os
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path

import requests
import yaml

from sparkify.dbt_profile import PROJECT
from sparkify.errors import SparkifyError, without_traceback

STAND_INS = PROJECT / "scripts" / "offline"
HUB = "https://hub.getdbt.com/"
SECONDS_TO_CONNECT, SECONDS_TO_ANSWER = 3, 5


def read_packages(text: str) -> list[str]:
    """Return the packages that a packages.yml names, like dbt-labs/dbt_utils.

    Raises SparkifyError where the text is no packages.yml of hub packages.
    """
    try:
        return [str(entry["package"]) for entry in yaml.safe_load(text)["packages"]]
    except yaml.YAMLError as error:
        reason = " ".join(str(error).split())
    except (KeyError, TypeError):
        reason = "it needs a list `packages:` whose entries each name a `package:`"
    raise SparkifyError(f"packages.yml can't be read: {reason}.", "Mend that file.")


def is_there(folder: Path, *, as_stand_in: bool) -> bool:
    """Tell whether a folder holds a package: our stand-in (by its version) or not."""
    settings = folder / "dbt_project.yml"
    return settings.exists() and as_stand_in == (
        "-stand-in" in settings.read_text("utf-8")
    )


def why_unreachable(package: str) -> str | None:
    """Ask the hub for a package as dbt does, and return what prevents an answer.

    dbt itself would try for minutes where a network swallows what it is sent.
    """
    hub = os.environ.get("DBT_PACKAGE_HUB_URL") or HUB
    limits = (SECONDS_TO_CONNECT, SECONDS_TO_ANSWER)
    try:
        with requests.get(f"{hub}api/v1/{package}.json", timeout=limits) as answer:
            status = answer.status_code
    except requests.RequestException as error:
        return f"{hub}, {type(error).__name__}"
    # An unknown package is for dbt to explain; any other refusal comes from the way.
    if status in {requests.codes.ok, requests.codes.not_found}:
        return None
    return f"{hub}, HTTP status {status}"


def run_dbt_deps(project: Path) -> str | None:
    """Run `dbt deps`, and return what the network prevented, if anything.

    Raises SparkifyError for every other failure, like versions that don't agree.
    """
    # dbt takes three seconds to import, and this is the only step that needs it.
    from dbt.cli.main import dbtRunner
    from dbt_common.exceptions import ConnectionError as NetworkError

    quietly = ["--log-level", "none", "--no-send-anonymous-usage-stats"]
    result = dbtRunner().invoke([*quietly, "deps", "--project-dir", str(project)])
    if result.success:
        return None
    reason = " ".join(str(result.exception).split()).rstrip(".")
    if isinstance(result.exception, NetworkError):
        return reason.partition(": ")[2].partition(" (Caused by")[0]
    raise SparkifyError(f"`dbt deps` failed: {reason}.", "Mend packages.yml.")


def lay_stand_ins(folders: list[Path], obstacle: str) -> str:
    """Lay a stand-in where the real package isn't there, and return what was done.

    Raises SparkifyError for a package that has no stand-in.
    """
    missing = [folder for folder in folders if not is_there(folder, as_stand_in=False)]
    preface = f"The hub of dbt packages can't be reached ({obstacle})"
    for folder in missing:
        if not (STAND_INS / folder.name).exists():
            wrong = f"{preface}, and {folder.name} has no stand-in."
            raise SparkifyError(wrong, "Run `make packages` once it can.")
        shutil.rmtree(folder, ignore_errors=True)
        shutil.copytree(STAND_INS / folder.name, folder)
    if not missing:
        return f"{preface}: kept the packages that are there."
    names = ", ".join(folder.name for folder in missing)
    once = "run `make packages` once it can"
    return f"{preface}: laid our own stand-in for {names}; {once}."


def install(project: Path) -> str:
    """Install the packages of a dbt project, and return what there is to say.

    A stamp with the digest of packages.yml tells what is there already. Only `dbt deps`
    leaves a digest: after a stand-in the next run asks the hub again.
    """
    try:
        text = (project / "packages.yml").read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        wrong = f"packages.yml can't be read: {error}."
        raise SparkifyError(wrong, "Mend that file.") from error
    packages = read_packages(text)
    installed = project / "dbt_packages"
    folders = [installed / package.rpartition("/")[2] for package in packages]
    stamp, digest = installed / ".installed", hashlib.sha256(text.encode()).hexdigest()
    said = ""

    is_current = stamp.exists() and stamp.read_text() == digest
    if not (is_current and all(is_there(f, as_stand_in=False) for f in folders)):
        had_stand_in = any(is_there(f, as_stand_in=True) for f in folders)
        obstacle = next(filter(None, map(why_unreachable, packages)), None)
        obstacle = obstacle or run_dbt_deps(project)
        if obstacle:
            said, digest = lay_stand_ins(folders, obstacle), ""
        elif had_stand_in:
            said = "The hub of dbt packages can be reached again: no stand-in is left."
    installed.mkdir(exist_ok=True)
    stamp.write_text(digest)
    return said


@without_traceback
def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; 0 if each package, or its stand-in, is in place."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--project-dir", type=Path, default=PROJECT)
    if said := install(parser.parse_args(argv).project_dir):
        print(said)
    return 0


if __name__ == "__main__":
    sys.exit(main())
