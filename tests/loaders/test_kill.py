"""SIGKILL at random moments of a load and build: a rerun repairs the warehouse.

``pytest --long`` kills more often, and ``make kill`` KILLS times on each engine. The
command runs in a fork that has the parsed project, so that a kill interrupts its work.
"""

from __future__ import annotations

import os
import random
import shutil
import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final

import pytest

from conftest import without_spark
from oracle import read_folder
from recorded import record
from warehouses import QUICK, Builder, assert_the_star_is_the_oracles

KILLS: Final = 2
LONG_KILLS: Final = 5
KILLS_PER_WAREHOUSE: Final = 5
LOADS: Final = 3
SHORTEST_SECONDS: Final = 2.0
"""Minimum seconds of a first load and build."""
NEW_VERSION_PROBABILITY: Final = 0.2
RAW: Final = ["load_history", "rejected_records", "staging_events", "staging_songs"]


def start(builder: Builder, data: Path, *, builds: bool = True) -> int:
    """Start the command in a fork; return the process ID.

    First close what other tests left open: a fork does not have its threads.
    """
    builder.close()
    child = os.fork()
    if child == 0:
        status = 1
        try:
            builder.load(data)
            if builds:
                builder.build(QUICK)
            status = 0
        finally:
            os._exit(status)
    return child


def run(builder: Builder, data: Path) -> float:
    """Run the command to its end; return its seconds."""
    started_at = time.monotonic()
    _, status = os.waitpid(start(builder, data), 0)
    assert status == 0
    return time.monotonic() - started_at


def run_and_kill(builder: Builder, data: Path, seconds: float) -> bool:
    """Kill the command after some seconds; return whether it was still running."""
    child = start(builder, data)
    time.sleep(seconds)
    os.kill(child, signal.SIGKILL)
    _, status = os.waitpid(child, 0)
    return os.WIFSIGNALED(status)


@without_spark
def test_command_after_kill_matches_the_oracle(
    builder: Builder,
    sample_data: Path,
    tmp_path: Path,
    tell: Callable[[str], None],
    pytestconfig: pytest.Config,
) -> None:
    """More files arrive before each command, sometimes one in a new version."""
    usual = LONG_KILLS if pytestconfig.getoption("--long") else KILLS
    kills = int(os.environ.get("KILLS", usual))
    rng = random.Random(kills)  # noqa: S311 -- not for security
    files = sorted(path for path in sample_data.rglob("*.json*") if path.is_file())
    data = tmp_path / "data"
    builder.parse()
    built = sorted(
        node.alias
        for node in builder.manifest.nodes.values()
        if node.resource_type in ("model", "seed")
    )
    killed = 0
    for number in range(kills):
        turn = number % KILLS_PER_WAREHOUSE
        if turn == 0:
            builder.empty()
            shutil.rmtree(data, ignore_errors=True)
            for part in ("log_data", "song_data"):
                (data / part).mkdir(parents=True)
            rng.shuffle(files)
            seconds = SHORTEST_SECONDS
        for path in files[turn::KILLS_PER_WAREHOUSE]:
            copy = data / path.relative_to(sample_data)
            copy.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(path, copy)
            os.utime(copy)
        logs = sorted((data / "log_data").rglob("*.json*"))
        if len(logs) > 1 and rng.random() < NEW_VERSION_PROBABILITY:
            one, other = rng.sample(logs, 2)
            one.write_bytes(other.read_bytes())
        was_running = run_and_kill(builder, data, rng.uniform(0, seconds))
        killed += was_running
        seconds = run(builder, data)
        assert_the_star_is_the_oracles(builder, data)
        assert builder.warehouse.raw_tables() == RAW
        tables = builder.warehouse.query(
            "select table_name from information_schema.tables"
            " where table_schema like 'analytics%'"
            " and table_schema != 'analytics_builds' order by table_name"
        )
        assert sorted(name for (name,) in tables) == built
        record(
            "kill",
            engine=builder.warehouse.engine,
            what="load and build of the sample",
            tried=1,
            killed_while_it_ran=int(was_running),
            right_after_the_next_command=1,
        )
    assert killed >= kills // 2
    tell(
        f"{builder.warehouse.engine}: {killed} of {kills} commands were killed"
        " while they ran; the next command repaired each."
    )


@without_spark
def test_concurrent_loads_load_every_record_once(
    builder: Builder, sample_data: Path
) -> None:
    """They wait for each other; on DuckDB, some ask to run the command again."""
    running = [start(builder, sample_data, builds=False) for _ in range(LOADS)]
    statuses = [os.waitpid(child, 0)[1] for child in running]
    assert 0 in statuses
    if builder.warehouse.engine == "postgres":
        assert set(statuses) == {0}
    builder.load(sample_data)
    star = read_folder(sample_data)
    for table, expected in (("events", star.events), ("songs", star.songs)):
        ((count,),) = builder.warehouse.query(
            f"select count(*) from raw.staging_{table}"
        )
        assert count == len(expected) > 0
    loads = builder.warehouse.query("select distinct load_id from raw.load_history")
    assert len(loads) == 1
    record(
        "bootstraps",
        engine=builder.warehouse.engine,
        what="loads of one warehouse at the same moment",
        tried=LOADS,
        loaded_or_found_all_loaded=statuses.count(0),
        asked_to_repeat=LOADS - statuses.count(0),
    )
