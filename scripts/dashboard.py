#!/usr/bin/env python3
"""Draw the dashboards of charts/ to files, or serve them with filters."""

from __future__ import annotations

import argparse
import csv
import html
import json
import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from copy import deepcopy
from pathlib import Path
from tempfile import TemporaryFile
from typing import Any, Final

import yaml

from sparkify.dbt_profile import PROJECT, profiles_folder, read_target
from sparkify.dbt_run import run_dbt
from sparkify.errors import SparkifyError, without_traceback
from sparkify.loaders import open_warehouse
from sparkify.loaders.spark import session as spark_session
from sparkify.progress import progress

CHARTS: Final = PROJECT / "charts"
OUT: Final = PROJECT / "target" / "dashboard"
FIRST: Final = "overview"
FORMATS: Final = ("html", "png", "csv")
PHONE: Final = "_phone"
"""Suffix of the name of a dashboard's narrow version, with one column."""
PHONE_WIDTH: Final = 400  # pixels
PHONE_COLUMNS: Final = 4
"""Number of table columns that fit on a phone."""
PHONE_STYLES: Final[dict[str, dict[str, Any]]] = {
    "bar": {"style": {"axis_x": {"labels": {"max_width": 130}}}},
    "heatmap": {"style": {"axis_x": {"labels": {"angle": -90, "font": {"size": 9}}}}},
    "kpi": {"style": {"label": {"overflow": "wrap-two"}}},
}
PORT: Final = 8081  # dbt docs serve uses 8080
SECONDS_BETWEEN_LOOKS: Final = 0.2
QUIET: Final = {
    "DO_NOT_TRACK": "1",  # dct and dbt report usage statistics otherwise
    "DCT_NO_WORKSPACE_GUARD": "1",
}


@without_traceback
def main(argv: Sequence[str] | None = None) -> int:
    """Run the command. Return 1 if a chart could not be drawn."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("command", choices=("render", "serve"))
    parser.add_argument(
        "--target", help="target of profiles.yml (default: the one built last)"
    )
    parser.add_argument("--out", type=Path, default=OUT, help="folder to write to")
    parser.add_argument(
        "--format",
        choices=FORMATS,
        action="append",
        help="format to draw, may be repeated (default: all)",
    )
    parser.add_argument("--port", type=int, default=PORT, help="port to serve on")
    options = parser.parse_args(argv)
    environment = prepare(options.target)
    if options.command == "serve":
        return serve(options.port, environment)
    return render(options.out.resolve(), options.format or FORMATS, environment)


def boards() -> list[Path]:
    """Return the files of the dashboards, the overview first.

    Files without rows of charts are shared parts.
    """
    return sorted(
        (path for path in CHARTS.glob("*.yml") if "rows" in _read(path)),
        key=lambda path: (path.stem != FIRST, path.stem),
    )


def drawn_boards() -> list[Path]:
    """Return the dashboards to draw: those that need no choice by the reader."""
    return [path for path in boards() if "choice" not in _read(path).get("tags", [])]


def prepare(name: str | None) -> dict[str, str]:
    """Prepare the warehouse and dbt's manifest, and return the environment for dct.

    dct finds a model's table in the manifest, which must be for the same target. Raises
    SparkifyError if the warehouse is empty.
    """
    target = read_target(name)
    # Starts the project's own PostgreSQL server, if the target uses it.
    with closing(open_warehouse(target)) as warehouse:
        if not warehouse.history():
            raise SparkifyError(
                f"The warehouse of target {target['name']} is empty.",
                f"Run make build TARGET={target['name']}, or name another target.",
            )
    if target["type"] == "spark":
        spark_session.stop()  # dct starts its own session, and a lake allows only one
    os.environ |= QUIET | {"DBT_TARGET": target["name"]}
    folder = _target_path()
    _parse(target["name"], folder)
    profiles = profiles_folder()
    if target["type"] == "duckdb":
        profiles = _write_profile(target, folder / "dct")
    return {**os.environ, "DBT_PROFILES_DIR": str(profiles)}


def _write_profile(target: Mapping[str, Any], folder: Path) -> Path:
    """Write a profile with one DuckDB target, without the plugin that dct rejects.

    Return its folder. A DuckDB target has no password.
    """
    left_out = ("name", "as_written", "module_paths", "plugins")
    output = {key: value for key, value in target.items() if key not in left_out}
    output["path"] = str(PROJECT / output["path"])
    profile = {"target": target["name"], "outputs": {target["name"]: output}}
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "profiles.yml").write_text(
        yaml.safe_dump({"sparkify": profile}), encoding="utf-8"
    )
    return folder


def _target_path() -> Path:
    """Return dbt's target path. Raises SparkifyError outside of the project."""
    folder = (PROJECT / os.environ.get("DBT_TARGET_PATH", "target")).resolve()
    if not folder.is_relative_to(PROJECT):
        raise SparkifyError(
            f"DBT_TARGET_PATH is {folder}, which is outside of the project.",
            "Unset it: dashboards need a target path in the project.",
        )
    os.environ["DBT_TARGET_PATH"] = str(folder.relative_to(PROJECT))
    return folder


def _parse(target: str, folder: Path) -> None:
    """Write the dbt manifest of a target."""
    run_dbt("parse", "--target-path", str(folder), target=target, to="read the project")


def _read(path: Path) -> dict[str, Any]:
    """Return the content of a dashboard file."""
    board: dict[str, Any] = yaml.safe_load(path.read_text(encoding="utf-8"))
    return board


def whole_board(path: Path) -> dict[str, Any]:
    """Return a dashboard merged with the files that it extends."""
    board = _read(path)
    base = _read(CHARTS / "meta.yml")
    if "extends" in board:
        base = _merged(base, _read(CHARTS / board.pop("extends")))
    return _merged(base, board)


def unfiltered_queries(board: Mapping[str, Any]) -> dict[str, str]:
    """Return the SQL of a whole dashboard's queries by name, without its filters.

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


def write_boards(folder: Path) -> list[Path]:
    """Write the dashboards to draw, each in a wide and a phone version.

    Return the paths of the written files.
    """
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    written = []
    for path in drawn_boards():
        board = static_board(whole_board(path))
        for name, version in (
            (path.stem, board),
            (path.stem + PHONE, phone_board(board)),
        ):
            written.append(folder / f"{name}.yml")
            written[-1].write_text(
                yaml.safe_dump(version, sort_keys=False, allow_unicode=True),
                encoding="utf-8",
            )
    return written


def render(out: Path, formats: Sequence[str], environment: Mapping[str, str]) -> int:
    """Draw every dashboard in every format, and an index page."""
    out.mkdir(parents=True, exist_ok=True)
    work = PROJECT / os.environ["DBT_TARGET_PATH"] / "boards"
    written = write_boards(work)
    wide = [path for path in written if not path.stem.endswith(PHONE)]
    for kind in formats:
        print(f"Drawing the dashboards as {kind.upper()} ...", flush=True)
        if kind == "html":
            _render(wide, kind, out / "{stem}.html", environment)
        elif kind == "png":
            _render(written, kind, out / "{stem}.png", environment)
        else:
            _render(wide, "data", work / "{stem}.json", environment)
            for path in wide:
                write_csv(path.with_suffix(".json"), _read(path), out / path.stem)
    (out / "index.html").write_text(index(), encoding="utf-8")
    print(f"\nThe dashboards are drawn. Open {out / 'index.html'} in a browser.")
    return 0


def _render(
    written: Sequence[Path], kind: str, to: Path, environment: Mapping[str, str]
) -> None:
    """Draw dashboards with dct. Raises SparkifyError if a chart could not be drawn.

    The formats share a cache, so each query runs once.
    """
    drawn = [Path(str(to).format(stem=path.stem)) for path in written]
    for path in drawn:
        path.unlink(missing_ok=True)
    command = _dct(
        *("render", *map(str, written), "--format", kind, "--output", str(to)),
        *("--cache", str(written[0].parent / "answers.duckdb")),
    )
    with (
        TemporaryFile() as said,
        progress(f"draw {kind}", "dashboards", len(drawn)) as bar,
        subprocess.Popen(
            command, cwd=PROJECT, env=dict(environment), stdout=said, stderr=said
        ) as process,
    ):
        while process.poll() is None:
            time.sleep(SECONDS_BETWEEN_LOOKS)
            bar.update(sum(path.exists() for path in drawn) - bar.n)
        said.seek(0)
        output = said.read().decode(errors="replace").rstrip()
    if process.returncode != 0:
        target = environment["DBT_TARGET"]
        raise SparkifyError(
            f"Some charts could not be drawn:\n{output}",
            f"The dashboards read target {target}. If a table or column is missing, run"
            f" make build TARGET={target}. Otherwise fix the dashboard.",
        )


def write_csv(data: Path, board: Mapping[str, Any], folder: Path) -> None:
    """Write the rows of each chart of a dashboard as CSV, and its KPIs as one row."""
    folder.mkdir(exist_ok=True)
    answers = json.loads(data.read_text(encoding="utf-8"))["queries"]
    for name, chart in board["charts"].items():
        rows = answers.get(chart.get("query"), {}).get("rows")
        if rows and chart["type"] != "kpi":
            _write_rows(folder / f"{name}.csv", rows)
    headline = {
        chart.get("label", name): answers[chart["query"]]["rows"][0][chart["value"]]
        for name, chart in board["charts"].items()
        if chart["type"] == "kpi"
    }
    _write_rows(folder / "headline.csv", [headline])


def _write_rows(path: Path, rows: Sequence[Mapping[str, Any]]) -> None:
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)


def index() -> str:
    """Return the HTML index of the dashboards. On a phone it links narrow versions."""
    items = []
    for path in drawn_boards():
        title = html.escape(_read(path)["title"])
        items.append(
            f"<section><h2>{title}</h2>"
            f'<a class="wide" href="{path.stem}.html">'
            f'<img src="{path.stem}.png" alt="{title}"></a>'
            f'<a class="phone" href="{path.stem}{PHONE}.png">'
            f'<img src="{path.stem}{PHONE}.png" alt="{title}"></a>'
            f'<p><a href="{path.stem}.html">Dashboard</a> ·'
            f' <a href="{path.stem}{PHONE}.png">Picture for a phone</a> ·'
            f' <a href="{path.stem}/">Numbers as CSV</a></p></section>'
        )
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        "<title>Sparkify: dashboards</title><style>"
        "body{font-family:system-ui,sans-serif;margin:24px}"
        "main{display:flex;flex-wrap:wrap;gap:32px}section{max-width:400px}"
        "img{border:1px solid #ccc;width:100%}.phone{display:none}"
        "@media(max-width:600px){.phone{display:inline}.wide{display:none}}"
        "</style></head><body><h1>Sparkify: dashboards</h1>\n<main>\n"
        + "\n".join(items)
        + "\n</main></body></html>\n"
    )


def serve(port: int, environment: Mapping[str, str]) -> int:
    """Serve the dashboards on localhost until Ctrl-C. Return dct's exit status."""
    names = ", ".join(f"http://localhost:{port}/{path.stem}/" for path in boards())
    print(f"Serving {names}. Press Ctrl-C to stop.", flush=True)
    command = _dct("serve", "--port", str(port), "--no-cache")
    return subprocess.run(
        command, cwd=PROJECT, env=dict(environment), check=False
    ).returncode


def _dct(*arguments: str) -> list[str]:
    """Return a command of dbt Charts. Raises SparkifyError if it is not installed."""
    command = Path(sys.executable).parent / "dct"
    if not command.exists():
        raise SparkifyError("dbt Charts is not installed.", "Run make dashboard.")
    return [str(command), *arguments]


if __name__ == "__main__":
    sys.exit(main())
