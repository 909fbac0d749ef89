"""Find and keep the artifacts of a target's last good build and its changes."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from sparkify.shared.project import PROJECT


def target_path() -> Path:
    """Return dbt's target folder."""
    return PROJECT / os.environ.get("DBT_TARGET_PATH", "target")


def good_build(target: str) -> Path:
    """Return the folder with the manifest of a target's last good build."""
    return target_path() / "last_good" / target


def changed_build(target: str) -> Path:
    """Return the folder with the artifacts of a target's last ``make changed``."""
    return target_path() / "changed" / target / "built"


def keep_good_build(target: str) -> None:
    """Keep the manifest of the current build. Delete outdated changes."""
    folder = good_build(target)
    folder.mkdir(parents=True, exist_ok=True)
    shutil.copy(target_path() / "manifest.json", folder / "manifest.json")
    shutil.rmtree(changed_build(target), ignore_errors=True)
