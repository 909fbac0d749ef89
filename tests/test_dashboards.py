"""The dashboards: drawn from the sample, compared with the warehouse, opened."""

from __future__ import annotations

import html
import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import duckdb
import pytest
import yaml

import chromium
import dashboard
import redshift_sql
from conftest import empty_warehouse
from warehouses import (
    PROJECT,
    Builder,
    Warehouse,
    copy_of,
    environment,
    make_warehouse,
)

BOARDS = [path.stem for path in dashboard.boards()]
# What a mark of a chart says of itself is what this asks of the warehouse.
VALUES = {
    ("overview", "by_day"): "select count(*) from analytics.plays"
    " group by play_date, level",
    ("overview", "top_songs"): "select count(*) from analytics.plays"
    " where song_title is not null group by song_title, artist_name"
    " order by count(*) desc limit 10",
    ("overview", "top_artists"): "select count(*) from analytics.plays"
    " where artist_name is not null group by artist_name"
    " order by count(*) desc limit 10",
    ("overview", "by_region"): "select count(*) from analytics.plays"
    " group by census_region, level",
    ("listeners", "by_day"): "select count(distinct user_id) from analytics.plays"
    " where user_id is not null group by play_date, level",
    ("listeners", "devices"): "select count(*) from analytics.plays"
    " group by device_family, level",
    ("listeners", "changes_by_week"): "select count(*)"
    " from analytics.user_level_history where is_upgrade or is_downgrade"
    " group by date_trunc('week', valid_from), is_upgrade",
    ("quality", "reasons"): "select count(*) from raw.rejected_records"
    " group by reason order by count(*) desc limit 15",
}
HEADLINES = {
    ("overview", "plays"): "select count(*) from analytics.songplays",
    (
        "overview",
        "listeners",
    ): "select count(distinct user_id) from analytics.songplays",
    ("listeners", "users"): "select count(*) from analytics.users",
    ("listeners", "upgrades"): "select count(*) from analytics.user_level_history"
    " where is_upgrade",
    ("listeners", "sessions"): "select count(*) from analytics.sessions",
    ("quality", "files"): "select count(*) from raw.load_history",
    ("quality", "quarantined"): "select count(*) from raw.rejected_records",
}


TOLD = "tests/test_dashboards.py::test_a_chart_shows_what_the_warehouse_holds"
"""The test in ``make test`` that looks at the values of a drawn board."""


@pytest.fixture(scope="module")
def target_path() -> Iterator[Path]:
    """A target path in the project, which is where dct takes one."""
    parent = PROJECT / "target"
    parent.mkdir(exist_ok=True)
    with TemporaryDirectory(prefix="test_dashboards-", dir=parent) as folder:
        yield Path(folder)


@pytest.fixture(scope="module")
def warehouse(
    sample_warehouse: Warehouse, tmp_path_factory: pytest.TempPathFactory
) -> Warehouse:
    """A copy of the sample's warehouse: the command opens it for writing."""
    return copy_of(sample_warehouse, tmp_path_factory.mktemp("boards") / "warehouse")


def variables_of(warehouse: Warehouse, target_path: Path) -> dict[str, str]:
    """Return the environment variables of the command on a warehouse."""
    place = {"DBT_TARGET_PATH": str(target_path.relative_to(PROJECT))}
    return warehouse.variables | dashboard.QUIET | place


def draw(warehouse: Warehouse, target_path: Path, out: Path, *formats: str) -> Path:
    """Draw the boards of a warehouse in this process, and return their folder."""
    options = [text for kind in formats for text in ("--format", kind)]
    with environment(variables_of(warehouse, target_path)):
        assert dashboard.main(["render", "--out", str(out), *options]) == 0
    return out


def write_run_results(warehouse: Warehouse, to: Path) -> list[str]:
    """Write what a dbt build leaves behind in which one test failed; list the tests."""
    text = (warehouse.folder / "target" / "manifest.json").read_text(encoding="utf-8")
    manifest = json.loads(text)
    tests = [
        name
        for name, node in (manifest["nodes"] | manifest["unit_tests"]).items()
        if node["resource_type"] in ("test", "unit_test")
    ]
    failed = "test.sparkify.assert_every_raw_record_is_accounted_for"
    results = [
        {"unique_id": name, "status": "fail" if name == failed else "pass"}
        for name in tests
    ]
    run = {
        "args": {"which": "build", "target": "test"},
        "metadata": {"generated_at": "2018-12-01T08:30:00Z"},
        "results": results,
    }
    to.write_text(json.dumps(run), encoding="utf-8")
    return tests


@pytest.fixture(scope="module")
def drawn(
    warehouse: Warehouse, target_path: Path, tmp_path_factory: pytest.TempPathFactory
) -> Path:
    """The folder of the dashboards of the sample."""
    write_run_results(warehouse, target_path / "run_results.json")
    return draw(warehouse, target_path, tmp_path_factory.mktemp("drawn"), "html")


Charts = dict[str, str]


@pytest.fixture(scope="module")
def boards(drawn: Path) -> dict[str, Charts]:
    """What the file of each board holds of its charts."""
    return {
        board: charts_of((drawn / f"{board}.html").read_text(encoding="utf-8"))
        for board in BOARDS
    }


def charts_of(dom: str) -> Charts:
    """Return the drawing of each chart, by its name."""
    parts = dom.split('<g class="dbt-chart"')[1:]
    charts = {}
    for part in parts:
        found = re.search(r'data-chart-id="([^"]+)"', part)
        assert found is not None
        charts[found[1]] = part
    return charts


def texts(chart: str) -> list[str]:
    """List the texts that a chart shows."""
    found = re.findall(r"<text.*?</text>", chart, re.DOTALL)
    plain = (html.unescape(re.sub(r"<[^>]+>", "", text)).strip() for text in found)
    # The foot of the page follows its last chart.
    return [text for text in plain if text and not text.startswith("Data as of")]


def marks(chart: str) -> list[int]:
    """List the numbers that the marks of a chart stand for, each mark once."""
    drawn = r'data-dct-role="\w+" aria-label="([^"]*; [A-Z][A-Za-z ]*: ([\d,]+))[;"]'
    found = dict(re.findall(drawn, chart))
    return sorted(int(number.replace(",", "")) for number in found.values())


def test_no_chart_of_a_board_is_empty(boards: dict[str, Charts]) -> None:
    for board, charts in boards.items():
        planned = yaml.safe_load((dashboard.CHARTS / f"{board}.yml").read_text("utf-8"))
        assert sorted(charts) == sorted(planned["charts"])
        for name, chart in charts.items():
            kind = planned["charts"][name]["type"]
            if kind in ("kpi", "table"):
                shown = texts(chart)
                assert len(shown) > 1, name
                assert not {"—", "nan", "None"} & set(shown), name
            else:
                drawn = re.findall(r'data-dct-role="\w+" aria-label', chart)
                assert len(drawn) > 1, name
                assert planned["charts"][name]["title"] in texts(chart)


def test_a_chart_shows_what_the_warehouse_holds(
    boards: dict[str, Charts], warehouse: Warehouse
) -> None:
    for (board, chart), sql in VALUES.items():
        expected = sorted(row[0] for row in warehouse.query(sql))
        assert marks(boards[board][chart]) == expected, (board, chart)


def test_a_headline_is_the_count_of_the_warehouse(
    boards: dict[str, Charts], warehouse: Warehouse
) -> None:
    for (board, chart), sql in HEADLINES.items():
        ((expected,),) = warehouse.query(sql)
        assert texts(boards[board][chart])[0] == f"{expected:,}", (board, chart)


def test_every_hour_of_every_weekday_is_on_the_heat_map(
    boards: dict[str, Charts],
) -> None:
    chart = boards["overview"]["by_hour"]
    assert len(re.findall(r'aria-roledescription="rect mark" ', chart)) == 24 * 7


def test_the_tests_of_dbt_are_on_the_board_the_failed_ones_first(
    warehouse: Warehouse, boards: dict[str, Charts], tmp_path: Path
) -> None:
    count = len(write_run_results(warehouse, tmp_path / "run_results.json"))
    shown = texts(boards["quality"]["tests"])
    said = f"{count - 1} of {count} passed on the target test, 2018-12-01 08:30 UTC"
    assert said in shown
    table = shown[shown.index("Failed") + 1 :]
    assert table[0] == "several tables"
    assert table[3] == "1"


OPENED = "tests/test_dashboards.py::test_a_browser_shows_what_the_file_holds[overview]"


@pytest.mark.parametrize(
    "board",
    [
        board
        if board == "overview"
        else pytest.param(board, marks=pytest.mark.long(guard=OPENED))
        for board in BOARDS
    ],
)
def test_a_browser_shows_what_the_file_holds(
    board: str, drawn: Path, boards: dict[str, Charts], tmp_path: Path
) -> None:
    page = chromium.open_page(drawn / f"{board}.html", tmp_path)
    assert page.requests == []
    shown = charts_of(page.dom)
    assert list(shown) == list(boards[board])
    for name, chart in boards[board].items():
        assert (marks(shown[name]), texts(shown[name])) == (marks(chart), texts(chart))


def test_the_index_leads_to_every_board_and_picture(drawn: Path) -> None:
    page = (drawn / "index.html").read_text(encoding="utf-8")
    names = [f"{board}.{kind}" for board in BOARDS for kind in dashboard.FORMATS]
    assert sorted(re.findall(r'(?:href|src)="([^"]+)"', page)) == sorted(names)
    for board in BOARDS:
        assert (drawn / f"{board}.html").stat().st_size > 50_000


@pytest.mark.long(guard=TOLD)
def test_the_picture_of_every_board_is_drawn(
    warehouse: Warehouse, target_path: Path, tmp_path: Path
) -> None:
    draw(warehouse, target_path, tmp_path, "png")
    for board in BOARDS:
        picture = (tmp_path / f"{board}.png").read_bytes()
        assert picture.startswith(b"\x89PNG")
        assert len(picture) > 50_000


def test_an_exposure_says_what_its_board_depends_on() -> None:
    described = yaml.safe_load((PROJECT / "models/_exposures.yml").read_text("utf-8"))
    assert [exposure["name"] for exposure in described["exposures"]] == [
        exposure["name"]
        for exposure in described["exposures"]
        if exposure["name"] in BOARDS
    ]
    assert len(described["exposures"]) == len(BOARDS)
    for exposure in described["exposures"]:
        sql = "\n".join(board_sql(exposure["name"]))
        calls = re.findall(r"{{ ((?:ref|source)\([^)]*\)) }}", sql)
        assert set(calls) == set(exposure["depends_on"]), exposure["name"]


def board_sql(board: str) -> Iterator[str]:
    """Yield the queries of a board, with those that it shares with others."""
    planned: dict[str, Any] = yaml.safe_load(
        (dashboard.CHARTS / f"{board}.yml").read_text("utf-8")
    )
    if "extends" in planned:
        yield from board_sql(Path(planned["extends"]).stem)
    for query in planned["queries"].values():
        yield query if isinstance(query, str) else query["sql"]


def test_redshift_refuses_nothing_of_a_board() -> None:
    for sql in (sql for board in BOARDS for sql in board_sql(board)):
        plain = re.sub(r"{{ (filter)\(.*?\) }}", "1 = 1", sql)
        plain = re.sub(r"{{ queries\.(\w+) }}", r"\1", plain)
        plain = re.sub(r"{{ ref\('(\w+)'\) }}", r'analytics."\1"', plain)
        plain = re.sub(r"{{ source\('(\w+)', '(\w+)'\) }}", r'"\1"."\2"', plain)
        assert "{{" not in plain
        assert redshift_sql.check(plain) == [], plain


@pytest.mark.long(guard=TOLD)
@pytest.mark.parametrize("engine", ["postgres", "redshift", "spark"])
def test_every_engine_draws_the_same_boards(
    engine: str,
    boards: dict[str, Charts],
    target_path: Path,
    tmp_path: Path,
    request: pytest.FixtureRequest,
) -> None:
    other = empty_warehouse(engine, tmp_path / "warehouse", request)
    builder = Builder(other)
    builder.load(request.getfixturevalue("sample_data"))
    builder.build()
    folder = draw(other, target_path, tmp_path / "drawn", "html")
    for board in BOARDS:
        page = (folder / f"{board}.html").read_text(encoding="utf-8")
        for name, chart in charts_of(page).items():
            if name not in ("latest_load", "by_load", "table_rows", "tests"):
                assert marks(chart) == marks(boards[board][name]), name
                assert texts(chart) == texts(boards[board][name]), name


def test_an_empty_warehouse_is_reported_by_the_command(
    tmp_path: Path, target_path: Path
) -> None:
    empty = make_warehouse(tmp_path / "empty")
    done = subprocess.run(
        [sys.executable, "scripts/dashboard.py", "render"],
        cwd=PROJECT,
        env=os.environ | variables_of(empty, target_path),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 2
    assert "Fill it by make build" in done.stderr
    assert "Traceback" not in done.stdout + done.stderr


@pytest.mark.long(guard=TOLD)
def test_a_served_board_takes_its_filters_and_holds_no_lock(
    warehouse: Warehouse, target_path: Path
) -> None:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port = listener.getsockname()[1]
    page = "overview/?level=paid&from_day=2018-11-15"
    with subprocess.Popen(
        [sys.executable, "scripts/dashboard.py", "serve", "--port", str(port)],
        cwd=PROJECT,
        env=os.environ | variables_of(warehouse, target_path),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    ) as server:
        try:
            served = charts_of(answer_of(port, page))
            with duckdb.connect(str(warehouse.path)) as connection:
                row = connection.execute(
                    "select count(*) from analytics.plays"
                    " where level = 'paid' and play_date >= '2018-11-15'"
                ).fetchone()
        finally:
            os.killpg(server.pid, signal.SIGINT)
    assert row is not None
    assert texts(served["plays"])[0] == f"{row[0]:,}"
    assert texts(served["paid_share"])[0] == "100.0%"


def answer_of(port: int, page: str) -> str:
    """Return the answer of a server, once it answers."""
    url = f"http://localhost:{port}/{page}"
    for _ in range(600):
        try:
            with urllib.request.urlopen(url, timeout=60) as answer:
                return str(answer.read(), "utf-8")
        except OSError:
            time.sleep(0.2)
    pytest.fail("the dashboards were not served within two minutes")
