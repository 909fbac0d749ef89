"""Run MetricFlow queries in this process."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest
from dbt_metricflow.cli import main as mf
from dbt_metricflow.cli.cli_configuration import CLIConfiguration

from warehouses import Builder, Warehouse, environment

Rows = list[dict[str, str]]


def run_mf(warehouse: Warehouse, commands: list[list[str]]) -> None:
    """Run mf commands on one parse of the project, without the check for updates."""
    configuration = CLIConfiguration()
    with environment(warehouse.variables), pytest.MonkeyPatch.context() as patch:
        patch.chdir(warehouse.folder)
        patch.setattr(f"{mf.__name__}.UpdateChecker.check", lambda *_: None)
        for command in commands:
            try:
                mf.cli(command, standalone_mode=False, obj=configuration)
            except SystemExit as end:
                if end.code:
                    raise
    Builder(warehouse).close()


def rows_of(path: Path) -> Rows:
    with path.open(encoding="utf-8", newline="") as lines:
        return list(csv.DictReader(lines))
