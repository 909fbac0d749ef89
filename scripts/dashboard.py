#!/usr/bin/env python3
"""Draw the dashboards of charts/ into a folder, or serve them with their filters."""

from __future__ import annotations

import argparse
import html
import json
import os
import sqlite3
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any, Final

import yaml

from dbt_profile import PROJECT, profiles_folder, read_target
from dbt_run import run_dbt
from errors import SparkifyError, without_traceback
from loaders import open_warehouse

CHARTS: Final = PROJECT / "charts"
OUT: Final = PROJECT / "target" / "dashboard"
TESTS_VARIABLE: Final = "SPARKIFY_TEST_RESULTS"
"""Where dbt_charts.yml finds what dbt's tests said: a file of SQLite."""
FORMATS: Final = ("html", "png")
PORT: Final = 8081  # dbt docs serve takes 8080
QUIET: Final = {
    "DO_NOT_TRACK": "1",  # dct and dbt report usage statistics otherwise
    "DCT_NO_WORKSPACE_GUARD": "1",
}


@without_traceback
def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; 1 if a chart could not be drawn."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("command", choices=("render", "serve"))
    parser.add_argument(
        "--target", help="target of profiles.yml (default: the one built last)"
    )
    parser.add_argument("--out", type=Path, default=OUT, help="folder of what is drawn")
    parser.add_argument(
        "--format",
        choices=FORMATS,
        action="append",
        help="what to draw, may be repeated (default: all)",
    )
    parser.add_argument("--port", type=int, default=PORT, help="where it is served")
    options = parser.parse_args(argv)
    environment = prepare(options.target)
    if options.command == "serve":
        return serve(options.port, environment)
    return render(options.out.resolve(), options.format or FORMATS, environment)


def boards() -> list[Path]:
    """List the boards; what begins with _ is shared by some, and meta.yml by all."""
    return [
        path
        for path in sorted(CHARTS.glob("*.yml"))
        if not path.stem.startswith("_") and path.stem != "meta"
    ]


def prepare(name: str | None) -> dict[str, str]:
    """See to what dct reads beside the boards, and give its environment.

    dct looks up a model's table in dbt's manifest, which must be of the same target.
    Raises SparkifyError.
    """
    target = read_target(name)
    # This starts the project's own server, if that is what the target names.
    with closing(open_warehouse(target)) as warehouse:
        if not warehouse.history():
            raise SparkifyError(
                f"Nothing is loaded into the target {target['name']}.",
                "Fill it by make build, or name another by TARGET=.",
            )
    os.environ |= QUIET | {"DBT_TARGET": target["name"]}
    folder = _target_path()
    _parse(target["name"], folder)
    results = folder / "test_results.sqlite"
    write_tests(folder, results)
    return {
        **os.environ,
        "DBT_PROFILES_DIR": str(profiles_folder().resolve()),
        TESTS_VARIABLE: str(results.relative_to(PROJECT)),
    }


def _target_path() -> Path:
    """Give dbt's target path, which dct takes only below the project."""
    folder = (PROJECT / os.environ.get("DBT_TARGET_PATH", "target")).resolve()
    if not folder.is_relative_to(PROJECT):
        raise SparkifyError(
            f"DBT_TARGET_PATH names {folder}, which is outside of the project.",
            "The dashboards need one in the project: unset it.",
        )
    os.environ["DBT_TARGET_PATH"] = str(folder.relative_to(PROJECT))
    return folder


def _parse(target: str, folder: Path) -> None:
    """Let dbt write the manifest of a target."""
    run_dbt("parse", "--target-path", str(folder), target=target, to="read the project")


def write_tests(folder: Path, to: Path) -> None:
    """Write what the tests of dbt's latest build or test run said, per table.

    Other commands of dbt leave no tests behind: then what was written before stays.
    """
    try:
        run = json.loads((folder / "run_results.json").read_text(encoding="utf-8"))
    except OSError:
        run = {"args": {}, "results": [], "metadata": {"generated_at": ""}}
    if run["args"].get("which") not in ("build", "test") and to.exists():
        return
    manifest = json.loads((folder / "manifest.json").read_text(encoding="utf-8"))
    arguments, ran_at = run["args"], str(run["metadata"]["generated_at"])
    about = (ran_at[:16].replace("T", " "), arguments.get("target") or "default")
    with closing(sqlite3.connect(to)) as connection, connection:
        connection.execute("drop table if exists tests")
        connection.execute(
            "create table tests (tested text, tests integer, passed integer,"
            " failed integer, ran_at text, target_name text)"
        )
        connection.executemany(
            "insert into tests values (?, ?, ?, ?, ?, ?)",
            [(*row, *about) for row in _count_tests(run["results"], manifest)],
        )


def _count_tests(
    results: Sequence[Mapping[str, Any]], manifest: Mapping[str, Any]
) -> Iterator[tuple[str, int, int, int]]:
    """Count the tests of each table: all, passed (or warned), failed. Failed first."""
    tests: Counter[str] = Counter()
    passed: Counter[str] = Counter()
    nodes = manifest["nodes"] | manifest["unit_tests"]
    for result in results:
        node = nodes.get(result["unique_id"], {})
        if node.get("resource_type") in ("test", "unit_test"):
            tested = _tested(node)
            tests[tested] += 1
            passed[tested] += result["status"] in ("pass", "warn")
    for name in sorted(tests, key=lambda name: (passed[name] - tests[name], name)):
        yield name, tests[name], passed[name], tests[name] - passed[name]
    if not tests:
        yield "nothing yet: run dbt build", 0, 0, 0


def _tested(node: Mapping[str, Any]) -> str:
    """Name the table that a test is of."""
    if node["resource_type"] == "unit_test":
        return str(node["model"])
    on = [node["attached_node"]] if node.get("attached_node") else []
    on = on or node["depends_on"]["nodes"]
    return str(on[0]).rpartition(".")[2] if len(on) == 1 else "several tables"


def render(out: Path, formats: Sequence[str], environment: Mapping[str, str]) -> int:
    """Draw every board in every format, and a page that leads to them."""
    out.mkdir(parents=True, exist_ok=True)
    for kind in formats:
        print(f"Drawing the dashboards as {kind.upper()} ...", flush=True)
        done = _dct(
            "render",
            *map(str, boards()),
            *("--format", kind, "--output", str(out / f"{{stem}}.{kind}")),
            "--no-cache",
            environment=environment,
        )
        if done.returncode != 0:
            raise SparkifyError(
                f"Not every chart could be drawn:\n{done.stdout}{done.stderr}".rstrip(),
                "If tables are missing, run make build; else mend the board.",
            )
    (out / "index.html").write_text(index(), encoding="utf-8")
    print(f"\nThe dashboards are drawn. Open {out / 'index.html'} in a browser.")
    return 0


def index() -> str:
    """Give the page that leads to the boards."""
    items = []
    for path in boards():
        board = yaml.safe_load(path.read_text(encoding="utf-8"))
        title = html.escape(board["title"])
        items.append(
            f'<a href="{path.stem}.html"><h2>{title}</h2>'
            f'<img src="{path.stem}.png" alt="{title}" width="360"></a>'
        )
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        "<title>Sparkify: dashboards</title><style>"
        "body{font-family:system-ui,sans-serif;margin:40px}"
        "main{display:flex;flex-wrap:wrap;gap:40px}"
        "a{color:inherit;text-decoration:none}img{border:1px solid #ccc}"
        "</style></head><body><h1>Sparkify: dashboards</h1>\n<main>\n"
        + "\n".join(items)
        + "\n</main></body></html>\n"
    )


def serve(port: int, environment: Mapping[str, str]) -> int:
    """Serve the boards on this machine until Ctrl-C."""
    names = ", ".join(f"http://localhost:{port}/{path.stem}/" for path in boards())
    print(f"Serving {names}; Ctrl-C ends it.", flush=True)
    return _dct(
        "serve", "--port", str(port), "--no-cache", environment=environment, talks=True
    ).returncode


def _dct(
    *arguments: str, environment: Mapping[str, str], talks: bool = False
) -> subprocess.CompletedProcess[str]:
    command = Path(sys.executable).parent / "dct"
    if not command.exists():
        raise SparkifyError("dbt Charts is not installed.", "Run make dashboard.")
    return subprocess.run(
        [str(command), *arguments],
        cwd=PROJECT,
        env=dict(environment),
        capture_output=not talks,
        text=True,
        check=False,
    )


if __name__ == "__main__":
    sys.exit(main())
