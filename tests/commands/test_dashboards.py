"""Test the dashboards against the warehouse of the sample, and in a browser."""

from __future__ import annotations

import csv
import html
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
from sparkify.boards import layout
from sparkify.boards.drawing import QUIET
from warehouses import PROJECT, Builder, Warehouse, copy_of, environment, make_warehouse

BOARDS = [path.stem for path in layout.boards()]
DRAWN = [path.stem for path in layout.drawn_boards()]
DAYS_OF_DATA = (
    "(select unnest(generate_series(min(play_date), max(play_date), interval 1 day))"
    " as date_day from analytics.plays)"
)
BY_DAY = (
    f"{DAYS_OF_DATA} cross join"
    " (select distinct level as at_level from analytics.plays)"
    " left join analytics.plays on play_date = date_day"
    " and level is not distinct from at_level group by date_day, at_level"
)
# Each query returns the values of the marks of a chart.
VALUES = {
    ("overview", "by_day"): f"select count(songplay_id) from {BY_DAY}",
    ("overview", "top_songs"): "select count(*) from analytics.plays"
    " where song_title is not null group by song_title, artist_name"
    " order by count(*) desc limit 10",
    ("overview", "top_artists"): "select count(*) from analytics.plays"
    " where artist_name is not null group by artist_name"
    " order by count(*) desc limit 10",
    ("overview", "by_region"): "select count(*) from analytics.plays"
    " group by census_region, level",
    ("listeners", "by_day"): f"select count(distinct user_id) from {BY_DAY}",
    ("listeners", "devices"): "select count(*) from analytics.plays"
    " group by device_family, level",
    ("listeners", "changes_by_week"): "select count(is_upgrade)"
    " from (select distinct date_trunc('week', date_day) as week"
    f" from {DAYS_OF_DATA}) cross join (values (true), (false)) as kinds (kind)"
    " left join (select * from analytics.user_level_history"
    " where is_upgrade or is_downgrade)"
    " on week = date_trunc('week', valid_from) and kind = is_upgrade"
    " group by week, kind",
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
    ("listeners", "paying_users"): "select count(*) from analytics.users"
    " where level = 'paid'",
    ("quality", "files"): "select count(*) from raw.load_history",
    ("quality", "quarantined"): "select count(*) from raw.rejected_records",
}


LATER_BUILD = """
insert into analytics_builds.test_results
select
    'later',
    timestamp '2100-01-02 08:30:00',
    table_name,
    test_type,
    test_name,
    case when test_name = 'assert_every_raw_record_is_accounted_for' then 'fail'
        when test_name like 'accepted_values_plays%' then 'warn' else 'pass' end,
    0
from analytics_builds.test_results
"""
"""Insert a later build, in which one test failed and one warned."""
CHARTS_OF_BUILDS = {
    *("latest_load", "by_load", "table_rows"),
    *("tests", "unwell", "all_well", "test_history"),
}
GUARD = "tests/commands/test_dashboards.py::test_charts_show_values_of_warehouse"


@pytest.fixture(scope="module")
def target_path() -> Iterator[Path]:
    """Yield a target path inside the project, as dct requires."""
    parent = PROJECT / "target"
    parent.mkdir(exist_ok=True)
    with TemporaryDirectory(prefix="test_dashboards-", dir=parent) as folder:
        yield Path(folder)


@pytest.fixture(scope="module")
def warehouse(
    sample_warehouse: Warehouse, tmp_path_factory: pytest.TempPathFactory
) -> Warehouse:
    """Return a copy of the sample's warehouse, which the command opens for writing."""
    return copy_of(sample_warehouse, tmp_path_factory.mktemp("boards") / "warehouse")


def variables_of(warehouse: Warehouse, target_path: Path) -> dict[str, str]:
    """Return the environment variables of the command on a warehouse."""
    target = {"DBT_TARGET_PATH": str(target_path.relative_to(PROJECT))}
    return warehouse.variables | QUIET | target


def draw(warehouse: Warehouse, target_path: Path, out: Path, *formats: str) -> Path:
    """Draw the boards of a warehouse in this process, and return their folder."""
    options = [text for kind in formats for text in ("--format", kind)]
    with environment(variables_of(warehouse, target_path)):
        assert dashboard.main(["render", "--out", str(out), *options]) == 0
    return out


@pytest.fixture(scope="module")
def drawn(
    warehouse: Warehouse, target_path: Path, tmp_path_factory: pytest.TempPathFactory
) -> Path:
    """Return the folder of the sample's dashboards."""
    with duckdb.connect(str(warehouse.path)) as connection:
        connection.execute(LATER_BUILD)
    return draw(warehouse, target_path, tmp_path_factory.mktemp("drawn"), "html")


Charts = dict[str, str]


@pytest.fixture(scope="module")
def boards(drawn: Path) -> dict[str, Charts]:
    """Return the charts of each board, as its file contains them."""
    return {
        board: charts_of((drawn / f"{board}.html").read_text(encoding="utf-8"))
        for board in DRAWN
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


FOOTERS = ("Data as of", "No test of the latest build")


def texts(chart: str) -> list[str]:
    """Return the texts of a chart."""
    found = re.findall(r"<text.*?</text>", chart, re.DOTALL)
    plain = (html.unescape(re.sub(r"<[^>]+>", "", text)).strip() for text in found)
    # The footer of the page follows its last chart.
    return [text for text in plain if text and not text.startswith(FOOTERS)]


def marks(chart: str) -> list[int]:
    """Return the sorted values of the marks of a chart."""
    drawn = r'data-dct-role="\w+" aria-label="([^"]*; [A-Z][A-Za-z ]*: ([\d,]+))[;"]'
    found = dict(re.findall(drawn, chart))
    return sorted(int(number.replace(",", "")) for number in found.values())


def test_no_chart_is_empty(boards: dict[str, Charts]) -> None:
    for board, charts in boards.items():
        planned = yaml.safe_load((layout.CHARTS / f"{board}.yml").read_text("utf-8"))
        left_out = {"nothing", "all_well"}  # shown for empty choices
        assert set(charts) == planned["charts"].keys() - left_out
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


def test_charts_show_values_of_warehouse(
    boards: dict[str, Charts], warehouse: Warehouse
) -> None:
    for (board, chart), sql in VALUES.items():
        expected = sorted(row[0] for row in warehouse.query(sql))
        assert marks(boards[board][chart]) == expected, (board, chart)


def test_headline_is_count_of_warehouse(
    boards: dict[str, Charts], warehouse: Warehouse
) -> None:
    for (board, chart), sql in HEADLINES.items():
        ((expected,),) = warehouse.query(sql)
        assert texts(boards[board][chart])[0] == f"{expected:,}", (board, chart)


def test_heat_map_has_every_hour_and_weekday(boards: dict[str, Charts]) -> None:
    chart = boards["overview"]["by_hour"]
    assert len(re.findall(r'aria-roledescription="rect mark" ', chart)) == 24 * 7


def test_latest_build_and_its_failed_tests_come_first(
    warehouse: Warehouse, boards: dict[str, Charts]
) -> None:
    ((count,),) = warehouse.query(
        "select count(*) from analytics_builds.test_results where build_id = 'later'"
    )
    shown = texts(boards["quality"]["tests"])
    summary = f"{count - 1} of {count} passed in the build of 2100-01-02 08:30 UTC"
    assert summary in shown
    table = shown[shown.index("Failed") + 1 :]
    assert (table[0], table[4]) == ("several tables", "1")
    unwell = texts(boards["quality"]["unwell"])
    assert "assert_every_raw_record_is_accounted_for" in unwell
    assert "warn" in unwell
    history = texts(boards["quality"]["test_history"])
    assert history.count(str(count)) == 3  # tests of both builds, passed of the first
    assert "02 Jan 2100 08:30" in history


OPENED = (
    "tests/commands/test_dashboards.py::test_browser_shows_charts_of_file[overview]"
)


@pytest.mark.parametrize(
    "board",
    [
        board
        if board == "overview"
        else pytest.param(board, marks=pytest.mark.long(guard=OPENED))
        for board in DRAWN
    ],
)
def test_browser_shows_charts_of_file(
    board: str, drawn: Path, boards: dict[str, Charts], tmp_path: Path
) -> None:
    page = chromium.open_page(drawn / f"{board}.html", tmp_path)
    assert page.requests == []
    shown = charts_of(page.dom)
    assert list(shown) == list(boards[board])
    for name, chart in boards[board].items():
        assert (marks(shown[name]), texts(shown[name])) == (marks(chart), texts(chart))


def test_index_links_every_board_overview_first(drawn: Path) -> None:
    page = (drawn / "index.html").read_text(encoding="utf-8")
    found = re.findall(r'(?:href|src)="([^"]+)"', page)
    names = ("{}.html", "{}.png", "{}_phone.png", "{}/")
    assert set(found) == {name.format(board) for board in DRAWN for name in names}
    assert found[0] == "overview.html"
    for board in DRAWN:
        assert (drawn / f"{board}.html").stat().st_size > 50_000


def test_static_board_has_no_filters_or_links(drawn: Path) -> None:
    page = (drawn / "overview.html").read_text(encoding="utf-8")
    assert "Region:" not in page
    assert "/song/?" not in page


def test_phone_board_has_all_charts_in_one_column() -> None:
    for path in layout.drawn_boards():
        board = layout.static_board(layout.whole_board(path))
        phone = layout.phone_board(board)
        assert phone["width"] == layout.PHONE_WIDTH
        assert sorted(charts_in(phone["rows"])) == sorted(charts_in(board["rows"]))
        for row in rows_in(phone["rows"]):
            kinds = {phone["charts"][name]["type"] for name in row.get("cols", [])}
            assert kinds <= {"kpi"}


def rows_in(rows: list[Any]) -> Iterator[dict[str, Any]]:
    """Yield the parts of a layout that contain other parts."""
    for row in rows:
        if isinstance(row, dict):
            yield row
            yield from rows_in([*row.get("rows", []), *row.get("cols", [])])


def charts_in(rows: list[Any]) -> list[str]:
    """Return the names of the charts of a layout."""
    of_parts = [
        name
        for row in rows_in(rows)
        for name in [*row.get("rows", []), *row.get("cols", [])]
    ]
    return [name for name in [*rows, *of_parts] if isinstance(name, str)]


@pytest.mark.long(guard=GUARD)
def test_picture_of_every_board_is_drawn(
    warehouse: Warehouse, target_path: Path, tmp_path: Path
) -> None:
    draw(warehouse, target_path, tmp_path, "png", "csv")
    for board in DRAWN:
        for name in (board, f"{board}_phone"):
            picture = (tmp_path / f"{name}.png").read_bytes()
            assert picture.startswith(b"\x89PNG")
            assert len(picture) > 50_000
    with (tmp_path / "overview" / "by_day.csv").open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    ((plays,),) = warehouse.query("select count(*) from analytics.plays")
    assert sum(int(row["plays"]) for row in rows) == plays


def test_exposure_lists_dependencies_of_its_board() -> None:
    described = yaml.safe_load((PROJECT / "models/_exposures.yml").read_text("utf-8"))
    names = [exposure["name"] for exposure in described["exposures"]]
    assert sorted(names) == sorted(BOARDS)
    for exposure in described["exposures"]:
        sql = "\n".join(board_sql(exposure["name"]))
        calls = re.findall(r"{{ ((?:ref|source)\([^)]*\)) }}", sql)
        assert set(calls) == set(exposure["depends_on"]), exposure["name"]
        board = yaml.safe_load(
            (layout.CHARTS / f"{exposure['name']}.yml").read_text("utf-8")
        )
        assert exposure["label"] == board["title"]


def board_sql(board: str) -> Iterator[str]:
    """Yield the queries of a board and of the board that it extends."""
    planned: dict[str, Any] = yaml.safe_load(
        (layout.CHARTS / f"{board}.yml").read_text("utf-8")
    )
    if "extends" in planned:
        yield from board_sql(Path(planned["extends"]).stem)
    for query in planned["queries"].values():
        yield query if isinstance(query, str) else query["sql"]


def test_redshift_accepts_every_board_query() -> None:
    for sql in (sql for board in BOARDS for sql in board_sql(board)):
        plain = re.sub(r"{{ filter\(.*?\) }}", "1 = 1", sql)
        plain = re.sub(r"{{ queries\.(\w+) }}", r"\1", plain)
        plain = re.sub(r"{{ ref\('(\w+)'\) }}", r'analytics."\1"', plain)
        plain = re.sub(r"{{ source\('(\w+)', '(\w+)'\) }}", r'"\1"."\2"', plain)
        assert "{{" not in plain
        assert redshift_sql.check(plain) == [], plain


@pytest.mark.long(guard=GUARD)
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
    for board in DRAWN:
        page = (folder / f"{board}.html").read_text(encoding="utf-8")
        for name, chart in charts_of(page).items():
            if name not in CHARTS_OF_BUILDS:
                assert marks(chart) == marks(boards[board][name]), name
                assert texts(chart) == texts(boards[board][name]), name


def test_empty_warehouse_is_reported(tmp_path: Path, target_path: Path) -> None:
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
    assert "Run make build" in done.stderr
    assert "Traceback" not in done.stdout + done.stderr


@pytest.mark.long(guard=GUARD)
def test_served_board_applies_filters_and_holds_no_lock(
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
            empty = answer_of(port, "overview/?from_day=2030-01-01")
            front = answer_of(port, "")
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
    assert "No plays match this choice." in empty
    assert charts_of(empty).keys() <= {"nothing"}
    assert "Listening overview" in front


def answer_of(port: int, page: str) -> str:
    """Return a page of the server. Fail if it is not served within two minutes."""
    url = f"http://localhost:{port}/{page}"
    for _ in range(600):
        try:
            with urllib.request.urlopen(url, timeout=60) as answer:
                return str(answer.read(), "utf-8")
        except OSError:
            time.sleep(0.2)
    pytest.fail("the dashboards were not served within two minutes")
