"""Copies of the project that tests change, and the recipes in CONTRIBUTING.md."""

from __future__ import annotations

import re
import shutil
from typing import Final

from sparkify.builds import artifacts
from warehouses import PROJECT, Warehouse, environment

LEFT_OUT: Final = shutil.ignore_patterns(".*", "target*", "data", "logs", "__pycache__")
"""Ignores files that a copy of the project does not need."""
CONTRIBUTING: Final = (PROJECT / "CONTRIBUTING.md").read_text(encoding="utf-8")


def keep_good_build(warehouse: Warehouse) -> None:
    """Save the artifacts of the current build, as `make build` does after success."""
    with environment(warehouse.variables):
        artifacts.keep_good_build("test")


def recipe(name: str) -> list[tuple[str, str]]:
    """Return the steps of a recipe: diffs to apply and commands to run."""
    section = CONTRIBUTING.split(f"\n## {name}\n")[1].split("\n## ")[0]
    return re.findall(r"```(diff|sh)\n(.*?)```", section, re.DOTALL)
