"""Draw the dashboards of charts/ with dbt Charts (dct), or serve them."""

from __future__ import annotations

import csv
import html
import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryFile
from typing import Any, Final

import yaml

from sparkify.boards.layout import (
    boards,
    drawn_boards,
    phone_board,
    read_board,
    static_board,
    whole_board,
)
from sparkify.dbt.profile import profiles_folder
from sparkify.dbt.run import run_dbt
from sparkify.shared.errors import SparkifyError
from sparkify.shared.progress import progress
from sparkify.shared.project import PROJECT

FORMATS: Final = ("html", "png", "csv")
PHONE: Final = "_phone"
"""Suffix of the name of a dashboard's phone version."""
SECONDS_BETWEEN_CHECKS: Final = 0.2
QUIET: Final = {
    "DO_NOT_TRACK": "1",  # no usage statistics of dct and dbt
    "DCT_NO_WORKSPACE_GUARD": "1",
}


def prepare(target: Mapping[str, Any]) -> dict[str, str]:
    """Write dbt's manifest of a target, and return the environment for dct.

    dct finds a model's table in the manifest. Raises SparkifyError if dbt cannot read
    the project.
    """
    os.environ |= QUIET | {"DBT_TARGET": target["name"]}
    folder = _target_path()
    run_dbt(
        *("parse", "--target-path", str(folder)),
        target=target["name"],
        to="read the project",
    )
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


def render(out: Path, formats: Sequence[str], environment: Mapping[str, str]) -> None:
    """Draw every dashboard in every format, and an index page.

    Raises SparkifyError if a chart could not be drawn.
    """
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
                write_csv(path.with_suffix(".json"), read_board(path), out / path.stem)
    (out / "index.html").write_text(index(), encoding="utf-8")
    print(f"\nThe dashboards are drawn. Open {out / 'index.html'} in a browser.")


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
        TemporaryFile() as log,
        progress(f"draw {kind}", "dashboards", len(drawn)) as bar,
        subprocess.Popen(
            command, cwd=PROJECT, env=dict(environment), stdout=log, stderr=log
        ) as process,
    ):
        while process.poll() is None:
            time.sleep(SECONDS_BETWEEN_CHECKS)
            bar.update(sum(path.exists() for path in drawn) - bar.n)
        log.seek(0)
        output = log.read().decode(errors="replace").rstrip()
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
    """Return the HTML index of the dashboards. Phones get links to phone versions."""
    items = []
    for path in drawn_boards():
        title = html.escape(read_board(path)["title"])
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
