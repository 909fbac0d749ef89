"""Test that the benchmarks run and compare equal rows. No test checks the speed."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import psycopg
import pytest

import report
import row_by_row
import run
import run_sql
import same_rows
from bench_data import Data, Sizes
from conftest import only_duckdb
from measures import MEASURES
from results import Results, Round
from timing import Cost, timed
from warehouses import PROJECT, Builder

EVENTS = 2_000
BY_HAND = (
    "tests/commands/test_benchmarks.py::test_script_by_hand_makes_same_rows[duckdb]"
)


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder of generated data, in which some plays are repeated."""
    made = Data(tmp_path_factory.mktemp("bench"), Sizes(EVENTS)).events(EVENTS)
    repeat_plays(made)
    return made


@only_duckdb
def test_script_by_hand_makes_same_rows(
    builder: Builder, data: Path, tmp_path: Path
) -> None:
    builder.load(data)
    builder.build("--select", "+path:models/marts/core")
    folder = PROJECT / "benchmarks" / "by_hand"
    by_hand = tmp_path / "by_hand.duckdb"
    for script in ("events.sql", "kept_events.sql"):
        scripts = [str(folder / name) for name in ("cleaned.sql", script, "star.sql")]
        assert run_sql.main([str(data), str(by_hand), *scripts]) == 0
        found = same_rows.compare(builder.warehouse.path, by_hand, "main", "1GB")
        for table in found.values():
            assert table["rows"] == table["other_rows"] > 0
            assert table["differing"] == 0


@pytest.mark.long(guard=BY_HAND)
def test_run_measures_compares_rows_and_writes_page(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "work"
    repeat_plays(Data(folder, Sizes(EVENTS)).events(EVENTS))
    arguments = ["--events", str(EVENTS), "--runs", "1", "--folder", str(folder)]
    arguments += ["--out", str(tmp_path / "out"), "--only", "build,songs"]
    assert run.main(arguments) == 0, capsys.readouterr().err
    results = Results(folder / "results.jsonl")
    (build,) = results.last("build")
    # A repeated play adds no row: the later record replaces the earlier one.
    for table in [
        *build.notes["same_rows"].values(),
        *build.notes["kept_same_rows"].values(),
    ]:
        assert table["rows"] == table["other_rows"] > 0
        assert table["differing"] == 0
    assert all(cost["wall"] > 0 < cost["peak"] for cost in build.costs.values())
    profile = build.notes["profile"]
    total = build.costs["project"]["wall"]
    assert sum(profile["phases"].values()) == pytest.approx(total, abs=0.01)
    assert all(seconds > 0 for seconds in profile["phases"].values())
    assert profile["nodes"]["model songplays"] > 0
    page = (tmp_path / "out" / "results.md").read_text(encoding="utf-8")
    table = page.split("## Terms")[0].splitlines()
    assert sum(line.startswith("| ") for line in table) == len(report.ROWS) + 1
    assert page.count("not measured |") == sum(
        row.measure not in ("build", "songs") for row in report.ROWS
    )
    assert (tmp_path / "out" / "results.svg").read_text("utf-8").startswith("<svg")
    # The second run measures nothing.
    capsys.readouterr()
    assert run.main(arguments) == 0
    assert capsys.readouterr().out == ""


def repeat_plays(data: Path) -> None:
    """Add a file that repeats plays of the data, every second one later and changed."""
    first = min((data / "log_data").rglob("*.json"))
    events = [json.loads(line) for line in first.read_text("utf-8").splitlines()]
    plays = [event for event in events if event["page"] == "NextSong"]
    assert len(plays) > 1
    for number, play in enumerate(plays):
        if number % 2:
            play |= {"ts": play["ts"] + 1, "location": " elsewhere ", "song": "other"}
    (data / "log_data" / "again.json").write_text(
        "\n".join(json.dumps(play) for play in plays), encoding="utf-8"
    )


def round_of(measure: str, **walls: float) -> Round:
    """Return a round with these wall-clock seconds and the notes of a measure."""
    costs = {name: {"wall": w, "cpu": w, "peak": 1e9} for name, w in walls.items()}
    same = {"time": {"rows": 1, "other_rows": 1, "differing": 0}}
    notes: dict[str, Any] = {"same_rows": same, "kept_same_rows": same}
    notes |= {"files": 15, "counts": {"model": 1}}
    notes |= {"warehouse_megabytes": 3.0, "raw_megabytes": 2.0}
    if measure in ("large", "postgres", "spark"):
        notes["events"] = {"large": 50, "base": 10, "project": 1000, "rows": 100}
        notes["events"] |= {"few": 1, "script": 1000}
    return Round(measure, 10_000, costs, notes, "a machine", {"dbt": "1"}, "2020-01-01")


ROUNDS = {
    "build": {"project": 15.0, "limit": 10.0, "kept": 12.0, "parse": 5.0},
    "large": {"large": 60.0, "base": 10.0},
    "day": {"long": 14.0, "short": 10.0},
    "nothing": {"project": 11.0, "dbt": 10.0},
    "songs": {"start": 1.0, "many": 4.0, "one": 2.0},
    "sample": {"project": 8.0, "empty": 4.0, "parse": 2.0, "start": 1.0},
    "postgres": {"few": 4.9, "project": 10.0, "rows": 49.0},
    "spark": {"few": 11.0, "project": 12.0, "script": 10.0},
}
FIGURES = [
    *(1.5, 1.2, 1.25, 3.0, 1.0, 1.5),
    *(1.2, 1.0, 1.4, 11.0, 3.0, 2.0),
    *(49.0, 100.0, 1.2, 1.1),
]
MET = [
    *(True, None, True, None, True, None),
    *(True, None, False, True, True, None),
    *(True, None, True, None),
]


def test_every_measure_is_on_page_with_its_bar() -> None:
    assert ROUNDS.keys() == MEASURES.keys()
    rounds = {name: [round_of(name, **walls)] for name, walls in ROUNDS.items()}
    assert {row.measure for row in report.ROWS} == set(MEASURES)
    figures = [row.figure(rounds[row.measure][0]) for row in report.ROWS]
    assert figures == pytest.approx(FIGURES)
    assert [row.is_met(rounds[row.measure]) for row in report.ROWS] == MET
    page = report.page(rounds)
    assert page.count("**not met**") == MET.count(False)
    assert "not measured" not in page


def test_bar_is_not_met_if_rows_differ() -> None:
    build = round_of("build", project=1.0, limit=10.0, kept=11.0, parse=5.0)
    build.notes["same_rows"]["time"]["differing"] = 1
    assert report.ROWS[0].is_met([build]) is False
    assert "**the rows differ**" in report.table(
        {name: [build] if name == "build" else [] for name in MEASURES}
    )


def test_rounds_are_kept_by_measure_size_and_project(tmp_path: Path) -> None:
    results = Results(tmp_path / "results.jsonl")
    for events, code in ((10, "a"), (20, "a"), (20, "b"), (20, "b")):
        results.add(Round("build", events, {}, code=code))
    assert len(results.of("build", 20, "b")) == len(results.last("build")) == 2
    results.delete("build", 20)
    assert len(results.all()) == 1
    results.add(Round("build", 10, {}, code="a"))
    assert len(results.of("build", 10, "a")) == 2


def test_process_is_timed_with_its_output(tmp_path: Path) -> None:
    work = "import time; print('started'); time.sleep(0.2); b = bytearray(10 ** 8)"
    cost = timed([sys.executable, "-c", work], tmp_path, {}, tmp_path / "log")
    assert isinstance(cost, Cost)
    assert 0 < cost.moment_of("started") < cost.wall - 0.2
    assert cost.peak > 10**8


def test_row_by_row_loads_every_play(tmp_path: Path, postgres_server: str) -> None:
    data = Data(tmp_path, Sizes(200)).events(200)
    postgres = f"host={postgres_server} user=postgres"
    with psycopg.connect(f"{postgres} dbname=postgres", autocommit=True) as server:
        server.execute("create database row_by_row")
    assert row_by_row.main([str(data), f"{postgres} dbname=row_by_row"]) == 0
    lines = [
        json.loads(line)
        for path in (data / "log_data").rglob("*.json")
        for line in path.read_text("utf-8").splitlines()
    ]
    plays = [line for line in lines if line["page"] == "NextSong"]
    with psycopg.connect(f"{postgres} dbname=row_by_row") as database:
        for table, count in (
            ("songplays", len(plays)),
            ("time", len({play["ts"] for play in plays})),
            ("users", len({play["userId"] for play in plays})),
            ("songs", Sizes(200).songs),
        ):
            found = database.execute(f"select count(*) from {table}".encode())
            assert found.fetchall() == [(count,)], table
