"""Fixtures that several test files share, and the order in which tests run."""

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

TIME_ZONE: Final = "America/Los_Angeles"
"""Time zone of all tests: behind UTC, with daylight saving time."""

os.environ["TZ"] = TIME_ZONE
time.tzset()

only_duckdb = pytest.mark.parametrize("warehouse", ["duckdb"], indirect=True)
only_postgres = pytest.mark.parametrize("warehouse", ["postgres"], indirect=True)
only_spark = pytest.mark.parametrize("warehouse", ["spark"], indirect=True)
# A load on Spark takes seconds: tests/engines/test_spark.py has these cases in one.
without_spark = pytest.mark.parametrize(
    "warehouse", [engine for engine in ENGINES if engine != "spark"], indirect=True
)


# --- Which tests run, and where -------------------------------------------------------

LONGEST: Final = ("spark", "redshift", "law", "readme", "redshift_loader", "dashboards")
"""Groups that take minutes. Several processes start with them."""
GROUP_OF_FILE: Final = {
    "one_name": "metrics",
    "redshift_models": "redshift",
    "spark": "spark",
    "spark_builds": "spark",
}
"""The group of each file whose tests all need the same slow engine."""
GUARDS: Final = pytest.StashKey[dict[str, str]]()
"""The test in ``make test`` that covers the same rule, by name of each long test."""
KEPT: Final = pytest.StashKey[set[str]]()
"""Names of the tests in ``make test``."""


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the option --long, which ``make test-all`` uses."""
    parser.addoption("--long", action="store_true", help="run the long tests too")


def group_of(nodeid: str) -> str:
    """Return the group of a test: its file or its slow engine. One process runs it."""
    path, _, name = nodeid.partition("::")
    file = Path(path).stem.removeprefix("test_")
    if file in GROUP_OF_FILE:
        return GROUP_OF_FILE[file]
    slow = {"redshift", "spark"} & set(re.split(r"[\[\]-]", name)[1:])
    return slow.pop() if slow else file


class GroupScheduling(LoadScopeScheduling):  # type: ignore[misc]
    """Assigns whole groups to processes.

    pytest 9.2 does not read the group that xdist 3.8's own ``loadgroup`` writes.
    """

    def _split_scope(self, nodeid: str) -> str:
        return group_of(nodeid)


def pytest_xdist_make_scheduler(
    config: pytest.Config, log: Producer
) -> GroupScheduling:
    """Return the scheduler that assigns groups to processes."""
    return GroupScheduling(config, log)


def lake_order(test: pytest.Item) -> int:
    """Return the order of a test by the content that it needs in the lake on Spark.

    0: the sample, or another engine. 1: real data. 2: a lake that the test empties.
    Each change of content costs a full build.
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
    """Deselect the long tests unless --long is given, and sort the others.

    With several processes (``make test``) the longest groups run first.
    """
    marks = {test.nodeid: test.get_closest_marker("long") for test in items}
    config.stash[GUARDS] = {
        name: mark.kwargs["guard"] for name, mark in marks.items() if mark
    }
    config.stash[KEPT] = {name for name, mark in marks.items() if not mark}
    if not config.getoption("--long"):
        config.hook.pytest_deselected(items=[t for t in items if marks[t.nodeid]])
        items[:] = [test for test in items if not marks[test.nodeid]]
    order = {group: number for number, group in enumerate(LONGEST)}
    if "PYTEST_XDIST_WORKER" in os.environ:
        items.sort(key=lambda test: order.get(group_of(test.nodeid), len(LONGEST)))
    items.sort(key=lake_order)


@pytest.fixture
def tell(record_property: Callable[[str, object], None]) -> Callable[[str], None]:
    """Return a function that prints a text at the end of the run, from any process."""
    return lambda text: record_property("report", text)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Print the texts that tests passed to ``tell``."""
    for reports in terminalreporter.stats.values():
        for report in reports:
            if getattr(report, "when", "") == "call":
                for name, text in report.user_properties:
                    if name == "report":
                        terminalreporter.write_line(str(text))


# --- Data -----------------------------------------------------------------------------


@pytest.fixture(scope="session")
def shared_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder that all processes of this run share."""
    folder = tmp_path_factory.getbasetemp()
    return folder.parent if "PYTEST_XDIST_WORKER" in os.environ else folder


@pytest.fixture(scope="session")
def sample_data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Write the sample of ``make build``, dirty records included."""
    folder = tmp_path_factory.mktemp("sample") / "data"
    write_sample(replace(SAMPLE, out=folder))
    return folder


@pytest.fixture(scope="session")
def grown_data(sample_data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Write the sample, and the crafted cases on which engines differ."""
    folder = tmp_path_factory.mktemp("grown") / "data"
    shutil.copytree(sample_data, folder)
    write_parity_cases(folder)
    return folder


@pytest.fixture(scope="session")
def real_data() -> Path:
    """Return the folder of real data that REAL_DATA names."""
    named = os.environ.get("REAL_DATA")
    if not named:
        pytest.skip("REAL_DATA names no folder of real data")
    return Path(named)


# --- Servers --------------------------------------------------------------------------


@pytest.fixture(scope="session")
def postgres_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Start a PostgreSQL server, and return the folder of its socket."""
    server = local_postgres.server_of(tmp_path_factory.mktemp("postgres") / "data")
    yield str(server.get_postmaster_info().socket_dir)
    server.stop()


@pytest.fixture(scope="session", autouse=True)
def one_loader() -> Iterator[None]:
    """Read botocore's service definitions once, not for each session."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("botocore.session.create_loader", cache(create_loader))
        yield


@pytest.fixture(scope="session")
def stand_in(postgres_server: str) -> Iterator[StandIn]:
    """Start the stand-in for Amazon Redshift and AWS services."""
    with start_stand_in(postgres_server) as started:
        yield started


@pytest.fixture(scope="session")
def spark_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder of the one Spark warehouse of all tests: Java starts slowly."""
    require_spark()
    return tmp_path_factory.mktemp("spark")


def require_spark() -> None:
    """Skip the test if Java or Spark is not installed."""
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
    """Make an empty warehouse that commands in this process use."""
    made = empty_warehouse(request.param, tmp_path / "warehouse", request)
    for name, value in made.variables.items():
        monkeypatch.setenv(name, value)
    return made


@pytest.fixture
def builder(warehouse: Warehouse) -> Builder:
    """Return a builder of an empty warehouse."""
    return Builder(warehouse)


def empty_warehouse(
    engine: str, folder: Path, request: pytest.FixtureRequest
) -> Warehouse:
    """Make an empty warehouse. On Spark, empty the one lake that all tests share."""
    if engine == "spark":
        lake = make_warehouse(request.getfixturevalue("spark_folder"), engine)
        for known in [known for known in BUILT if known[0] == engine]:
            del BUILT[known]
        lake.empty_lake()
        return lake
    server = request.getfixturevalue("postgres_server") if engine == "postgres" else ""
    here = request.getfixturevalue("stand_in") if engine == "redshift" else None
    return make_warehouse(folder, engine, server, here)


Load = Callable[..., int]


@pytest.fixture
def load(warehouse: Warehouse) -> Load:
    """Return the bootstrap command for the empty warehouse."""
    del warehouse

    def run(data: Path | str, *arguments: str) -> int:
        return bootstrap.main(["--data", str(data), *arguments])

    return run


@pytest.fixture(scope="session")
def sample_warehouse(shared_folder: Path, sample_data: Path) -> Warehouse:
    """Build the sample in DuckDB once for all processes. Tests must not change it."""
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
    """Return a function that builds grown or real data once on an engine."""

    def build(engine: str, data: str) -> Warehouse:
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

    return build
