"""Faults of S3 and the network: a load succeeds, or reports them in two sentences.

The proxy microburst injects faults between boto3 and the stand-in, in the form that AWS
has. After each fault the same command runs again without it.
"""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any, Final

import pytest
from aiohttp import web
from botocore import endpoint
from microburst.app import make_app
from microburst.core.pipeline import Microburst
from microburst.detection import rest_operations

import bootstrap
from conftest import Load, only_duckdb
from raw_lines import event, song
from recorded import record
from redshift_stand_in import StandIn
from sparkify.raw import sources
from sparkify.shared.errors import SparkifyError
from warehouses import (
    QUICK,
    Builder,
    Warehouse,
    assert_the_star_is_the_oracles,
    put_into_bucket,
    write_source,
)

BUCKET: Final = "faults"
KEY: Final = "data/log_data/latest.json"
"""The object that gets new versions."""

USUAL_TIMEOUT: Final = sources.READ_TIMEOUT
SHORT_TIMEOUT: Final = 0.5
READERS: Final = ("duckdb", "postgres", "spark", "redshift")

READING: Final[dict[str, dict[str, Any]]] = {
    "throttled (SlowDown, 503)": {"error": {"code": "SlowDown", "status": 503}},
    "an internal error (500)": {"error": {"code": "InternalError", "status": 500}},
    "a reset connection": {"reset": True},
    "no answer in time": {"timeout_ms": 1000},
    "a body cut off": {"response": {"abort_frac": 0.5}},
    "a body shorter than its length": {
        "response": {"set_headers": {"Content-Length": "100000"}}
    },
    "a body that ends early, of no length": {"response": {"truncate_frac": 0.5}},
    "bytes that were changed on the way": {"response": {"corrupt_bytes": 3}},
}
LISTING: Final = {
    name: READING[name]
    for name in (
        "throttled (SlowDown, 503)",
        "a reset connection",
        "no answer in time",
        "a body cut off",
        "a body that ends early, of no length",
    )
}
SILENT: Final = ("no answer in time", "a body shorter than its length")
"""Faults that a reader detects only by its timeout."""

OF_S3: Final = [
    (operation, what, {"service": "s3", "operation": operation, **rule})
    for operation, rules in (("GetObject", READING), ("ListObjectsV2", LISTING))
    for what, rule in rules.items()
]
ONE: Final = [fault for fault in OF_S3 if fault[:2] == ("GetObject", "a body cut off")]

# The proxy classifies requests by botocore's model of S3, which clients alter. It reads
# its own model here, before conftest makes all sessions share one.
rest_operations("s3")


@dataclass
class Proxy:
    """microburst in front of an AWS server, in its own thread."""

    upstream: str
    url: str = ""
    core: Microburst = field(init=False)

    def __post_init__(self) -> None:
        """Create the fault engine."""
        self.core = Microburst(self.upstream, resign=False)

    def set(self, *rules: dict[str, Any]) -> None:
        """Replace the faults."""
        self.core.fired.clear()
        self.core.engine.set_rules(list(rules))

    @property
    def fired(self) -> int:
        """Return the number of faulty responses since ``set``."""
        return len(self.core.fired)

    @contextmanager
    def running(self) -> Iterator[Proxy]:
        loop = asyncio.new_event_loop()
        runner = web.AppRunner(make_app(self.core))
        loop.run_until_complete(runner.setup())
        site = web.TCPSite(runner, "127.0.0.1", 0)
        loop.run_until_complete(site.start())
        self.url = "http://{}:{}".format(*runner.addresses[0][:2])
        thread = threading.Thread(target=loop.run_forever, daemon=True)
        thread.start()
        try:
            yield self
        finally:
            asyncio.run_coroutine_threadsafe(runner.cleanup(), loop).result(30)
            loop.call_soon_threadsafe(loop.stop)
            thread.join()
            loop.close()


@pytest.fixture(scope="module")
def proxy(stand_in: StandIn) -> Iterator[Proxy]:
    with Proxy(stand_in.endpoint_url).running() as started:
        yield started


@dataclass
class Case:
    """A warehouse that reads a bucket through the proxy, and the bucket's source."""

    builder: Builder
    stand_in: StandIn
    proxy: Proxy
    data: Path
    capsys: pytest.CaptureFixture[str]
    days: int = 0

    @property
    def warehouse(self) -> Warehouse:
        return self.builder.warehouse

    def load(self) -> int:
        arguments = ["--data", f"s3://{BUCKET}/data"]
        if self.warehouse.engine == "redshift":
            arguments += ["--compact", f"s3://{BUCKET}/parts"]
        return bootstrap.main(arguments)

    def add_files(self) -> None:
        """Add a log and a song file, and a new version of latest.json."""
        self.days += 1
        day = self.days
        logs = {
            f"{day}.json": event(day, userId=str(day)),
            "latest.json": event(1000 + day, level="paid"),
        }
        write_source(self.data, logs, {f"{day}.json": song(f"SO{day}")})
        put_into_bucket(self.stand_in, BUCKET, self.data)

    def rewrite(self, content: bytes) -> None:
        """Replace latest.json in the folder and in the bucket."""
        write_source(self.data, {"latest.json": content})
        self.stand_in.s3().put_object(Bucket=BUCKET, Key=KEY, Body=content)

    def loaded(self) -> list[tuple[Any, ...]]:
        """Return path, version and session of the loaded files, sorted."""
        if "load_history" not in self.warehouse.raw_tables():
            return []
        return self.warehouse.query(
            "select path, version, sessionid from raw.load_history"
            " left join raw.staging_events"
            " on staging_events.source_path = load_history.path"
            " order by 1, 3"
        )

    def expected(self) -> list[tuple[str, str, int | None]]:
        """Return the same for the files in the bucket."""
        sessions = {f"log_data/{n}.json": n for n in range(1, self.days + 1)}
        pages = self.stand_in.s3().get_paginator("list_objects_v2")
        found = pages.paginate(Bucket=BUCKET, Prefix="data/")
        versions = {
            item["Key"].removeprefix("data/"): item["ETag"].strip('"')
            for page in found
            for item in page["Contents"]
        }
        latest = json.loads((self.data / "log_data" / "latest.json").read_bytes())
        sessions["log_data/latest.json"] = latest["sessionId"]
        return sorted(
            (path, version, sessions.get(path)) for path, version in versions.items()
        )

    def assert_reported(self) -> str:
        """Assert that an error of two sentences was printed; return it."""
        output = self.capsys.readouterr().err
        assert output.startswith("error: ")
        assert len(output.splitlines()) == 2, output
        return output

    def assert_rerun_loads_all(self) -> None:
        """Assert that the command without faults loads the bucket."""
        self.proxy.set()
        assert self.load() == 0
        assert self.loaded() == self.expected()
        self.capsys.readouterr()


@pytest.fixture
def aws(
    proxy: Proxy, stand_in: StandIn, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Proxy]:
    """Route S3 through the proxy, and empty the bucket."""
    for name, value in stand_in.environment.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("AWS_ENDPOINT_URL", proxy.url)
    monkeypatch.setattr(sources, "pause", lambda _: None)
    # botocore's own five attempts wait half a minute in total.
    monkeypatch.setattr(endpoint, "time", SimpleNamespace(sleep=lambda _: None))
    put_into_bucket(stand_in, BUCKET, Path("no-such-folder"))
    s3 = stand_in.s3()
    for page in s3.get_paginator("list_objects_v2").paginate(Bucket=BUCKET):
        for found in page.get("Contents", []):
            s3.delete_object(Bucket=BUCKET, Key=found["Key"])
    yield proxy
    proxy.set()


@pytest.fixture
def case(
    builder: Builder,
    aws: Proxy,
    stand_in: StandIn,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> Case:
    """Return the case of an empty warehouse."""
    return Case(builder, stand_in, aws, tmp_path / "data", capsys)


TIMEOUTS: Final = dict.fromkeys(SILENT, SHORT_TIMEOUT)
"""Seconds until a read times out, by fault."""


def test_reading_survives_a_fault_or_reports_it(
    aws: Proxy, stand_in: StandIn, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each fault occurs for two responses, then for all."""
    logs = {f"{n}.json": event(n) for n in range(3)}
    put_into_bucket(stand_in, BUCKET, write_source(tmp_path / "data", logs))

    def read() -> list[bytes]:
        source = sources.open_source(f"s3://{BUCKET}/data")
        files = source.list_part("log_data").files
        with source.fetch(files, lambda _: None) as paths:
            return [Path(path).read_bytes() for path in paths]

    for operation, what, rule in OF_S3:
        monkeypatch.setattr(sources, "READ_TIMEOUT", TIMEOUTS.get(what, USUAL_TIMEOUT))
        aws.set(rule | {"times": 2})
        assert (read(), aws.fired) == (list(logs.values()), 2), (operation, what)
        aws.set(rule)
        with pytest.raises(SparkifyError):
            read()
        assert aws.fired > 0, (operation, what)


ALL: Final = pytest.mark.long(
    guard="tests/loaders/test_faults.py::test_load_survives_s3_faults_or_reports_them[duckdb-one]"
)


@pytest.mark.parametrize(
    ("warehouse", "faults"),
    [
        *(pytest.param(e, ONE, id=f"{e}-one") for e in READERS if e != "spark"),
        *(pytest.param(e, OF_S3, id=f"{e}-all", marks=ALL) for e in READERS),
    ],
    indirect=["warehouse"],
)
def test_load_survives_s3_faults_or_reports_them(
    case: Case,
    monkeypatch: pytest.MonkeyPatch,
    faults: list[tuple[str, str, dict[str, Any]]],
) -> None:
    """Each fault occurs for two responses, then for a whole command."""
    engine = case.warehouse.engine
    for operation, what, rule in faults:
        monkeypatch.setattr(sources, "READ_TIMEOUT", TIMEOUTS.get(what, USUAL_TIMEOUT))
        case.add_files()
        case.proxy.set(rule | {"times": 2})
        assert (case.load(), case.proxy.fired) == (0, 2), what
        case.assert_rerun_loads_all()

        case.add_files()
        loaded = case.loaded()
        case.proxy.set(rule)
        assert case.load() == 2, what
        assert case.proxy.fired > 0, what
        case.assert_reported()
        assert case.loaded() == loaded, what
        case.assert_rerun_loads_all()
        record(
            "faults",
            engine=engine,
            what=f"{operation}: {what}",
            tried=2,
            succeeded=1,
            reported=1,
            right_after_the_next_command=2,
        )
    if faults is OF_S3:
        case.builder.build(QUICK)
        assert_the_star_is_the_oracles(case.builder, case.data)


def after_listing(monkeypatch: pytest.MonkeyPatch, act: Callable[[], object]) -> None:
    """Call ``act`` once, after the next listing of the logs."""
    list_part = sources.S3Prefix.list_part

    def list_and_act(self: sources.S3Prefix, part: str) -> sources.Listing:
        listing = list_part(self, part)
        if part == "log_data":
            monkeypatch.setattr(sources.S3Prefix, "list_part", list_part)
            act()
        return listing

    monkeypatch.setattr(sources.S3Prefix, "list_part", list_and_act)


CHANGES: Final = pytest.mark.long(
    guard="tests/loaders/test_faults.py::"
    "test_changing_object_is_loaded_completely_or_not[duckdb]"
)


@pytest.mark.parametrize(
    "warehouse",
    [
        "duckdb",
        "redshift",
        pytest.param("postgres", marks=CHANGES),
        pytest.param("spark", marks=CHANGES),
    ],
    indirect=True,
)
def test_changing_object_is_loaded_completely_or_not(
    case: Case, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It changes after listing or between attempts, or is deleted after listing."""
    case.add_files()
    after_listing(monkeypatch, lambda: case.rewrite(event(4000)))
    assert case.load() == 2
    assert "It changed while the command ran" in case.assert_reported()
    assert case.loaded() == []
    case.assert_rerun_loads_all()

    for times, reason in ((1, "It changed while"), (99, "cannot be read completely")):
        case.add_files()
        loaded = case.loaded()
        tag = case.stand_in.s3().head_object(Bucket=BUCKET, Key=KEY)["ETag"]
        rule = READING["a body cut off"] | {"headers": {"if-match": tag}}
        case.proxy.set(rule | {"times": times})
        newer = event(5000 + times)
        with monkeypatch.context() as patch:
            patch.setattr(sources, "pause", lambda _, newer=newer: case.rewrite(newer))
            assert case.load() == 2
        assert case.proxy.fired >= 1
        assert reason in case.assert_reported()
        assert case.loaded() == loaded
        case.assert_rerun_loads_all()

    case.add_files()
    key = f"data/log_data/{case.days}.json"
    s3 = case.stand_in.s3()
    after_listing(monkeypatch, lambda: s3.delete_object(Bucket=BUCKET, Key=key))
    assert case.load() == 2
    assert "It was deleted while the command ran" in case.assert_reported()
    put_into_bucket(case.stand_in, BUCKET, case.data)
    case.assert_rerun_loads_all()
    record(
        "faults",
        engine=case.warehouse.engine,
        what="GetObject: the object changed or was deleted after it was listed",
        tried=4,
        succeeded=0,
        reported=4,
        right_after_the_next_command=4,
    )


@only_duckdb
def test_no_attempt_begins_after_deadline(
    case: Case, monkeypatch: pytest.MonkeyPatch
) -> None:
    case.add_files()
    monkeypatch.setattr(sources, "RETRY_SECONDS", -1)
    case.proxy.set({"operation": "GetObject", "response": {"abort_frac": 0.5}})
    assert case.load() == 2
    assert "cannot be read completely" in case.assert_reported()
    assert case.proxy.fired <= 3  # one attempt at each file
    case.assert_rerun_loads_all()


@pytest.mark.parametrize("warehouse", ["duckdb", "postgres"], indirect=True)
def test_file_changed_while_read_is_not_loaded(
    warehouse: Warehouse,
    load: Load,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    data = write_source(tmp_path / "data", {"a.json": event()}, {"s.json": song()})
    fetch = sources.Folder.fetch

    @contextmanager
    def fetch_and_write(self: sources.Folder, *arguments: Any) -> Iterator[list[str]]:
        with fetch(self, *arguments) as paths:
            yield paths
            with (data / "log_data" / "a.json").open("ab") as file:
                file.write(b"\n" + event(2))

    with monkeypatch.context() as patch:
        patch.setattr(sources.Folder, "fetch", fetch_and_write)
        assert load(data) == 2
    output = capsys.readouterr().err
    assert "log_data/a.json changed while it was read" in output
    assert len(output.splitlines()) == 2
    assert load(data) == 0
    rows = warehouse.query("select sessionid from raw.staging_events order by 1")
    assert rows == [(1,), (2,)]
