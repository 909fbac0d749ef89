"""Test that boards, metrics and answers of the same name have the same value."""

from __future__ import annotations

import csv
import re
from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import duckdb
import pytest
import yaml

from mf_queries import rows_of, run_mf
from sparkify.boards import layout
from warehouses import PROJECT, Warehouse, copy_of

EXPECTED: Final = PROJECT / "seeds" / "expected"
ANSWER_COLUMNS: Final = {
    "play_count": "plays",
    "matched_play_count": "matched_plays",
    "listener_count": "listeners",
    "new_listener_count": "new_listeners",
    "session_count": "sessions",
    "upgrade_count": "upgrades",
    "downgrade_count": "downgrades",
}
"""The metric of each count in an analysis."""
DIMENSIONS: Final = {
    "play_date": "metric_time__day",
    "week_start_date": "metric_time__week",
    "month": "metric_time__month",
    "level": "play__level",
    "hour": "play__hour_of_day",
    "weekday": "play__weekday",
    "gender": "play__gender",
    "census_region": "play__census_region",
    "device_family": "play__device_family",
    "location": "play__location",
    "state": "play__state",
    "artist_name": "play__artist_name",
}
LABELS: Final = {"weekday_name", "state_code"}
"""Columns that repeat a dimension of the same row."""
TIME_LENGTH: Final = {"play_date": 10, "week_start_date": 10, "month": 7}
ROUNDING: Final = 0.0051
"""Largest difference: an analysis rounds to two decimal places."""

Key = tuple[str, ...]


@dataclass(frozen=True)
class Figure:
    """The values of one metric by its dimensions, from one source."""

    source: str
    name: str
    dimensions: Key
    values: Mapping[Key, float]


def metric_names() -> set[str]:
    """Return the names of all metrics."""
    models = [
        yaml.safe_load(path.read_text("utf-8"))
        for path in (PROJECT / "models" / "marts").rglob("*.yml")
    ]
    return {
        metric["name"]
        for content in models
        for part in (content, *content.get("models", []))
        for metric in part.get("metrics", [])
    }


def figures_of(
    source: str, columns: list[str], rows: list[list[Any]], names: set[str]
) -> Iterator[Figure]:
    """Yield a figure per column with a known name. The columns before it are keys."""
    named = [ANSWER_COLUMNS.get(column, column) for column in columns]
    first = next((n for n, name in enumerate(named) if name in names), len(named))
    keys = [n for n in range(first) if columns[n] not in LABELS]
    dimensions = tuple(columns[n] for n in keys)
    if not DIMENSIONS.keys() >= set(dimensions):
        return
    for n, name in enumerate(named):
        if name in names:
            values = {
                tuple(written(columns[k], row[k]) for k in keys): float(row[n] or 0)
                for row in rows
            }
            yield Figure(source, name, dimensions, values)


def written(dimension: str, value: object) -> str:
    """Return the value of a dimension as text that is the same in each source."""
    text = "" if value is None else str(value)
    return text[: TIME_LENGTH.get(dimension, len(text))]


def answers(names: set[str]) -> Iterator[Figure]:
    """Yield the figures of the expected answers."""
    for path in sorted(EXPECTED.glob("*.csv")):
        with path.open(encoding="utf-8", newline="") as file:
            columns, *rows = csv.reader(file)
        yield from figures_of(f"answer {path.stem}", columns, rows, names)


def boards(warehouse: Warehouse, names: set[str]) -> Iterator[Figure]:
    """Yield the figures of the boards without filters.

    The headline of the board weekly is of the last week.
    """
    with duckdb.connect(str(warehouse.path), read_only=True) as connection:
        for path in layout.boards():
            board = layout.whole_board(path)
            for name, sql in layout.unfiltered_queries(board).items():
                asked = connection.execute(in_duckdb(sql))
                columns = [column[0] for column in asked.description or ()]
                rows = [list(row) for row in asked.fetchall()]
                if (path.stem, name) == ("weekly", "headline"):
                    ((last,),) = connection.execute(
                        "select max(date_trunc('week', play_date)) from analytics.plays"
                    ).fetchall()
                    columns, rows = ["week_start_date", *columns], [[last, *rows[0]]]
                yield from figures_of(f"board {path.stem}", columns, rows, names)


def in_duckdb(sql: str) -> str:
    """Return the SQL of a board with the names of DuckDB's tables."""
    sql = re.sub(r"{{ ref\('(\w+)'\) }}", r"analytics.\1", sql)
    sql = re.sub(r"{{ source\('raw', '(\w+)'\) }}", r"raw.\1", sql)
    return re.sub(r"{{ source\('builds', '(\w+)'\) }}", r"analytics_builds.\1", sql)


def metrics(
    warehouse: Warehouse, asked: Mapping[Key, set[str]], folder: Path
) -> Iterator[Figure]:
    """Yield the figures that mf returns for metrics by dimensions."""
    files = {dimensions: folder / f"{n}.csv" for n, dimensions in enumerate(asked)}
    commands = []
    for dimensions, names in asked.items():
        by = ",".join(DIMENSIONS[name] for name in dimensions)
        commands.append(
            ["query", "--metrics", ",".join(sorted(names))]
            + (["--group-by", by] if by else [])
            + ["--csv", str(files[dimensions])]
        )
    run_mf(warehouse, commands)
    for dimensions, path in files.items():
        for name in asked[dimensions]:
            values = {
                tuple(written(d, row[DIMENSIONS[d]]) for d in dimensions): float(
                    row[name] or 0
                )
                for row in rows_of(path)
            }
            yield Figure("metric", name, dimensions, values)


@pytest.mark.filterwarnings("ignore:setDaemon:DeprecationWarning")
def test_same_name_has_same_value_everywhere(
    sample_warehouse: Warehouse, tmp_path: Path
) -> None:
    """A missing row is 0: a board shows days without plays, a metric does not."""
    warehouse = copy_of(sample_warehouse, tmp_path / "warehouse")
    profile = warehouse.folder / "profiles.yml"
    text = profile.read_text("utf-8").replace("target: elsewhere", "target: test")
    profile.write_text(text, encoding="utf-8")
    (warehouse.folder / "dbt_project.yml").write_bytes(
        (PROJECT / "dbt_project.yml").read_bytes()
    )
    names = metric_names()
    found = [*answers(names), *boards(warehouse, names)]
    asked: dict[Key, set[str]] = defaultdict(set)
    for figure in found:
        asked[figure.dimensions].add(figure.name)
    by_name: dict[tuple[str, Key], list[Figure]] = defaultdict(list)
    for figure in [*metrics(warehouse, asked, tmp_path), *found]:
        by_name[figure.name, figure.dimensions].append(figure)
    assert len(by_name) > 40
    for name in ("plays", "upgrades", "match_rate"):
        assert by_name[name, ("week_start_date",)] or by_name[name, ()]
    plays = {figure.source for figure in by_name["plays", ()]}
    assert plays >= {"metric", "board overview", "answer catalogue_coverage"}
    for (name, dimensions), (metric, *others) in by_name.items():
        for figure in others:
            expected = {key: metric.values.get(key, 0) for key in figure.values}
            about = f"{name} by {dimensions}: {figure.source}"
            assert figure.values == pytest.approx(expected, abs=ROUNDING), about
