"""Read the dashboards of charts/, and change their layout for pages and phones."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from copy import deepcopy
from pathlib import Path
from typing import Any, Final

import yaml

from sparkify.shared.project import PROJECT

CHARTS: Final = PROJECT / "charts"
FIRST: Final = "overview"
PHONE_WIDTH: Final = 400  # pixels
PHONE_COLUMNS: Final = 4
"""Number of table columns that fit on a phone."""
PHONE_STYLES: Final[dict[str, dict[str, Any]]] = {
    "bar": {"style": {"axis_x": {"labels": {"max_width": 130}}}},
    "heatmap": {"style": {"axis_x": {"labels": {"angle": -90, "font": {"size": 9}}}}},
    "kpi": {"style": {"label": {"overflow": "wrap-two"}}},
}


def boards() -> list[Path]:
    """Return the files of the dashboards, the overview first.

    A file without ``rows`` is a shared part.
    """
    return sorted(
        (path for path in CHARTS.glob("*.yml") if "rows" in read_board(path)),
        key=lambda path: (path.stem != FIRST, path.stem),
    )


def drawn_boards() -> list[Path]:
    """Return the dashboards without the tag ``choice``, which have to be served."""
    return [
        path for path in boards() if "choice" not in read_board(path).get("tags", [])
    ]


def read_board(path: Path) -> dict[str, Any]:
    """Return the content of a dashboard file."""
    board: dict[str, Any] = yaml.safe_load(path.read_text(encoding="utf-8"))
    return board


def whole_board(path: Path) -> dict[str, Any]:
    """Return a dashboard merged with the files that it extends."""
    board = read_board(path)
    base = read_board(CHARTS / "meta.yml")
    if "extends" in board:
        base = _merged(base, read_board(CHARTS / board.pop("extends")))
    return _merged(base, board)


def unfiltered_queries(board: Mapping[str, Any]) -> dict[str, str]:
    """Return SQL by name of a merged dashboard's queries, without filters.

    The SQL still contains `ref` and `source`.
    """
    queries = {
        name: query if isinstance(query, str) else query["sql"]
        for name, query in board["queries"].items()
    }

    def expanded(sql: str) -> str:
        sql = re.sub(r"{{ filter\(.*?\) }}", "1 = 1", sql)
        return re.sub(
            r"{{ queries\.(\w+) }}",
            lambda found: f"({expanded(queries[found[1]])}) as {found[1]}",
            sql,
        )

    return {name: expanded(sql) for name, sql in queries.items()}


def headlines(board: str) -> Iterator[tuple[str, str, str]]:
    """Yield dashboard title, label and SQL of each headline figure.

    The SQL has no filters. It still contains `ref` and `source`.
    """
    planned = whole_board(CHARTS / f"{board}.yml")
    queries = unfiltered_queries(planned)
    for chart in planned["charts"].values():
        if chart["type"] == "kpi":
            sql = f"select {chart['value']} from ({queries[chart['query']]})"
            yield planned["title"], chart["label"], f"{sql} as headline"


def _merged(base: Mapping[str, Any], own: Mapping[str, Any]) -> dict[str, Any]:
    """Return two mappings merged recursively. Values of the second one win."""
    both = dict(base) | dict(own)
    for key in base.keys() & own.keys():
        if isinstance(base[key], dict) and isinstance(own[key], dict):
            both[key] = _merged(base[key], own[key])
    return both


def static_board(board: Mapping[str, Any]) -> dict[str, Any]:
    """Return a dashboard for a page without a server: no filters and no links."""
    charts = {
        name: {key: value for key, value in chart.items() if key != "link"}
        for name, chart in board["charts"].items()
    }
    variables = {
        name: {**variable, "visible": False}
        for name, variable in board.get("variables", {}).items()
    }
    return {**board, "charts": charts, "variables": variables}


def phone_board(board: Mapping[str, Any]) -> dict[str, Any]:
    """Return a dashboard in one column of a phone's width, with two KPIs per row."""
    board = deepcopy(board)
    kinds = {name: chart["type"] for name, chart in board["charts"].items()}
    charts = {
        name: _merged(chart, PHONE_STYLES.get(chart["type"], {}))
        for name, chart in board["charts"].items()
    }
    for chart in charts.values():
        columns = chart.get("style", {}).get("columns", {})
        for name in list(columns)[PHONE_COLUMNS:]:
            columns[name] = {**columns[name], "visible": False}
    rows = list(_in_one_column(board["rows"], kinds))
    return {**board, "charts": charts, "width": PHONE_WIDTH, "rows": rows}


def _in_one_column(rows: Sequence[Any], kinds: Mapping[str, str]) -> Iterator[Any]:
    """Yield the rows of a layout, each in one column."""
    for row in rows:
        if isinstance(row, str):
            yield row
            continue
        about = {
            key: value
            for key, value in row.items()
            if key not in ("rows", "cols", "width")
        }
        inner = row.get("cols", row.get("rows", []))
        if all(kinds.get(str(item)) == "kpi" for item in inner):
            pairs = [{"cols": list(inner[i : i + 2])} for i in range(0, len(inner), 2)]
            within: list[Any] = list(pairs)
        else:
            within = list(_in_one_column(inner, kinds))
        if about:
            yield {**about, "rows": within}
        else:
            yield from within
