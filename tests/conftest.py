"""What several test files need: warehouses of their own, and what runs side by side."""

from __future__ import annotations

import os
import re
import shutil
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Final

import pytest
from botocore.loaders import create_loader
from filelock import FileLock
from xdist.remote import Producer
from xdist.scheduler import LoadScopeScheduling

import bootstrap
from parity_cases import write_parity_cases
from redshift_stand_in import StandIn, start_stand_in
from sparkify.loaders.postgres import server as local_postgres
from sparkify.loaders.spark import java
from sparkify.sample.folder import SAMPLE
from sparkify.sample.writer import write_sample
from sparkify.shared.errors import SparkifyError
from warehouses import (
    ENGINES,
    NO_UNIT_TESTS,
    Builder,
    Warehouse,
    build_grown,
    build_sample,
    make_warehouse,
)

ELSEWHERE: Final = "America/Los_Angeles"
"""Where all tests run: a time zone with summer time, behind UTC."""

os.environ["TZ"] = ELSEWHERE
time.tzset()

only_duckdb = pytest.mark.parametrize("warehouse", ["duckdb"], indirect=True)
only_postgres = pytest.mark.parametrize("warehouse", ["postgres"], indirect=True)
only_spark = pytest.mark.parametrize("warehouse", ["spark"], indirect=True)
# Spark takes seconds a load: tests/engines/test_spark.py tries all such cases in one.
without_spark = pytest.mark.parametrize(
    "warehouse", [engine for engine in ENGINES if engine != "spark"], indirect=True
)


# --- Which tests run, and where -------------------------------------------------------

LONGEST: Final = ("spark", "redshift", "law", "readme", "redshift_loader", "dashboards")
"""The groups that take minutes: who runs groups side by side begins with them."""
ENGINE_OF: Final = {
    "one_name": "metrics",
    "redshift_models": "redshift",
    "spark": "spark",
    "spark_builds": "spark",
}
"""The files all of whose tests share what is slow to make on one engine."""
GUARDS: Final = pytest.StashKey[dict[str, str]]()
"""By the name of each long test, the test in ``make test`` that looks at the same."""
KEPT: Final = pytest.StashKey[set[str]]()
"""The names of the tests in ``make test``."""


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add --long, which ``make test-all`` gives."""
    parser.addoption("--long", action="store_true", help="run the long tests too")


def group_of(nodeid: str) -> str:
    """Name the tests that one process runs: those of a file, or of a slow engine."""
    path, _, name = nodeid.partition("::")
    file = Path(path).stem.removeprefix("test_")
    if file in ENGINE_OF:
        return ENGINE_OF[file]
    slow = {"redshift", "spark"} & set(re.split(r"[\[\]-]", name)[1:])
    return slow.pop() if slow else file


class GroupScheduling(LoadScopeScheduling):  # type: ignore[misc]
    """Gives whole groups to each process.

    xdist 3.8's own ``loadgroup`` writes the group where pytest 9.2 no longer reads it.
    """

    def _split_scope(self, nodeid: str) -> str:
        return group_of(nodeid)


def pytest_xdist_make_scheduler(
    config: pytest.Config, log: Producer
) -> GroupScheduling:
    """Make what gives tests to processes."""
    return GroupScheduling(config, log)


def state_of_the_lake(test: pytest.Item) -> int:
    """Return the order of a test among those that share the lake on Spark.

    First come the tests on the sample, then those on real data, then those that empty
    the lake: each change of its content is a whole build.
    """
    if group_of(test.nodeid) != "spark":
        return 0
    if "warehouse" in getattr(test, "fixturenames", ()):
        return 2
    return int("spark-real" in test.nodeid)


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(
    config: pytest.Config, items: list[pytest.Item]
) -> None:
    """Leave out the long tests unless they are asked for; put the rest in order.

    With several processes (``make test``) each takes whole groups, the longest first.
    Tests on Spark are in the order of what their shared lake has.
    """
    marks = {test.nodeid: test.get_closest_marker("long") for test in items}
    config.stash[GUARDS] = {
        name: mark.kwargs["guard"] for name, mark in marks.items() if mark
    }
    config.stash[KEPT] = {name for name, mark in marks.items() if not mark}
    if not config.getoption("--long"):
        config.hook.pytest_deselected(items=[t for t in items if marks[t.nodeid]])
        items[:] = [test for test in items if not marks[test.nodeid]]
    place = {group: number for number, group in enumerate(LONGEST)}
    if "PYTEST_XDIST_WORKER" in os.environ:
        items.sort(key=lambda test: place.get(group_of(test.nodeid), len(LONGEST)))
    items.sort(key=state_of_the_lake)


@pytest.fixture
def tell(record_property: Callable[[str, object], None]) -> Callable[[str], None]:
    """A function that has a text printed where the run ends, whoever ran the test."""
    return lambda text: record_property("report", text)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Print the reports of the tests."""
    for reports in terminalreporter.stats.values():
        for report in reports:
            if getattr(report, "when", "") == "call":
                for name, text in report.user_properties:
                    if name == "report":
                        terminalreporter.write_line(str(text))


# --- Data -----------------------------------------------------------------------------


@pytest.fixture(scope="session")
def shared_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder that all processes of this run share."""
    folder = tmp_path_factory.getbasetemp()
    return folder.parent if "PYTEST_XDIST_WORKER" in os.environ else folder


@pytest.fixture(scope="session")
def sample_data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The sample that ``make build`` takes, dirty records and all."""
    folder = tmp_path_factory.mktemp("sample") / "data"
    write_sample(replace(SAMPLE, out=folder))
    return folder


@pytest.fixture(scope="session")
def grown_data(sample_data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The sample, to which the crafted cases have come in which engines differ."""
    folder = tmp_path_factory.mktemp("grown") / "data"
    shutil.copytree(sample_data, folder)
    write_parity_cases(folder)
    return folder


@pytest.fixture(scope="session")
def real_data() -> Path:
    """The folder of real data that REAL_DATA names."""
    named = os.environ.get("REAL_DATA")
    if not named:
        pytest.skip("REAL_DATA names no folder of real data")
    return Path(named)


# --- Servers --------------------------------------------------------------------------


@pytest.fixture(scope="session")
def postgres_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The folder of a PostgreSQL server's socket."""
    server = local_postgres.server_of(tmp_path_factory.mktemp("postgres") / "data")
    yield str(server.get_postmaster_info().socket_dir)
    server.stop()


@pytest.fixture(scope="session", autouse=True)
def one_loader() -> Iterator[None]:
    """What botocore reads of AWS's services is read once, not for each session."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("botocore.session.create_loader", cache(create_loader))
        yield


@pytest.fixture(scope="session")
def stand_in(postgres_server: str) -> Iterator[StandIn]:
    """The stand-in for Amazon Redshift and AWS services."""
    with start_stand_in(postgres_server) as started:
        yield started


@pytest.fixture(scope="session")
def spark_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of the one warehouse in Spark that tests share: Java starts slowly."""
    require_spark()
    return tmp_path_factory.mktemp("spark")


def require_spark() -> None:
    """Skip a test where there is no Java for Spark."""
    try:
        java.require_java()
    except SparkifyError as error:
        pytest.skip(str(error).splitlines()[0])
    pytest.importorskip("pyspark", reason="make .venv/.spark-installed installs Spark")


# --- Warehouses -----------------------------------------------------------------------

BUILT: dict[tuple[str, str], Warehouse] = {}


@pytest.fixture(params=ENGINES)
def warehouse(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest
) -> Warehouse:
    """An empty warehouse that commands in this process take as theirs."""
    made = empty_warehouse(request.param, tmp_path / "warehouse", request)
    for name, value in made.variables.items():
        monkeypatch.setenv(name, value)
    return made


@pytest.fixture
def builder(warehouse: Warehouse) -> Builder:
    """A builder of an empty warehouse."""
    return Builder(warehouse)


def empty_warehouse(
    engine: str, folder: Path, request: pytest.FixtureRequest
) -> Warehouse:
    """Make an empty warehouse; all in Spark are one, whose lake is emptied."""
    if engine == "spark":
        lake = make_warehouse(request.getfixturevalue("spark_folder"), engine)
        for known in [known for known in BUILT if known[0] == engine]:
            del BUILT[known]
        lake.empty_lake()
        return lake
    server = here = None
    if engine == "postgres":
        server = request.getfixturevalue("postgres_server")
    if engine == "redshift":
        here = request.getfixturevalue("stand_in")
    return make_warehouse(folder, engine, server or "", here)


Load = Callable[..., int]


@pytest.fixture
def load(warehouse: Warehouse) -> Load:
    """The bootstrap command, on the empty warehouse."""
    del warehouse

    def run(data: Path | str, *arguments: str) -> int:
        return bootstrap.main(["--data", str(data), *arguments])

    return run


@pytest.fixture(scope="session")
def sample_warehouse(shared_folder: Path, sample_data: Path) -> Warehouse:
    """The sample in DuckDB, which all processes read, and none may change."""
    folder = shared_folder / "duckdb_sample"
    with FileLock(shared_folder / "duckdb_sample.lock"):
        if not (folder / "built").exists():
            build_sample(make_warehouse(folder), sample_data)
            (folder / "built").touch()
    return Warehouse(folder, "duckdb")


@pytest.fixture(scope="session")
def built_warehouse(
    tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest
) -> Callable[[str, str], Warehouse]:
    """A function that gives the warehouse of an engine and of grown or real data."""

    def give(engine: str, data: str) -> Warehouse:
        if (engine, data) not in BUILT:
            folder = tmp_path_factory.mktemp(f"{engine}_{data}")
            made = empty_warehouse(engine, folder, request)
            if data == "grown":
                first = shutil.copytree(
                    request.getfixturevalue("sample_data"), folder / "data"
                )
                build_grown(made, first, request.getfixturevalue("grown_data"))
            else:
                build_sample(
                    made, request.getfixturevalue("real_data"), tests=NO_UNIT_TESTS
                )
            BUILT[engine, data] = made
        return BUILT[engine, data]

    return give
