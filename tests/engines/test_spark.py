"""Loading and building on Spark: reading, commits, table versions and Java."""

from __future__ import annotations

import fcntl
import gzip
import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from conftest import Load, only_spark, require_spark
from drawn_lines import assert_read_as_the_rules
from file_forms import COMPRESSED, FILES, FORMS, NAMES
from raw_lines import event, lines_of, song
from sparkify.loaders.spark import session as spark_session
from sparkify.loaders.spark.lake import Lake
from sparkify.raw.rules import EVENTS, SONGS, RawTable
from warehouses import PROJECT, Builder, Warehouse, make_warehouse, write_source

BOOTSTRAP = [sys.executable, str(PROJECT / "scripts" / "bootstrap.py")]


def in_python(table: RawTable, values: list[str | None]) -> tuple[Any, ...]:
    """Return a record's values by the rules, in the types that Spark must return."""
    types = {"bigint": int, "integer": int, "double precision": float}
    return tuple(
        value
        if value is None or kind.startswith("varchar")
        else types.get(kind, Decimal)(value)
        for value, kind in zip(
            values, (c.kind.sql_type for c in table.columns), strict=True
        )
    )


def read_without_rules(warehouse: Warehouse, table: RawTable) -> int:
    """Count the records that Spark's parser read without the rules."""
    ((count,),) = warehouse.query(
        f"select count(*) from lake.{table.name}"
        " where folder like '%-parser' and loaded_at is not null"
    )
    return int(count)


# --- Reading -------------------------------------------------------------------------


PLAIN = [
    *(event(song=text) for text in ("", "é\u2028\x7f", "\\/\t", "1", "a b", "\ufeff")),
    *(event(length=number) for number in (0, 1.5, 246.30812, 999999.99999999, -7)),
    *(event(registration=number) for number in (0, 1540919166796.0, 1.125)),
    *(event(userId=user) for user in ("", "39", 39, 10**17)),
    *(event(session=session, item=-5) for session in (-1, 10**17)),
]
"""Lines that Spark's parser reads without the rules."""
DRAWN = "tests/engines/test_spark.py::test_drawn_lines_are_read_like_the_rules"


@only_spark
@pytest.mark.parametrize(
    "examples", [1, pytest.param(6, marks=pytest.mark.long(guard=f"{DRAWN}[1-spark]"))]
)
def test_drawn_lines_are_read_like_the_rules(
    tmp_path_factory: pytest.TempPathFactory, warehouse: Warehouse, examples: int
) -> None:
    @settings(
        max_examples=examples,
        deadline=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
        database=None,
    )
    @given(
        st.lists(lines_of(EVENTS), min_size=100, max_size=150),
        st.lists(lines_of(SONGS), min_size=50, max_size=100),
    )
    def compare(events: list[bytes], songs: list[bytes]) -> None:
        root = tmp_path_factory.mktemp("data")
        zero = song(artist_latitude=-0.0, duration=-0.0)
        lines = {EVENTS: [*events, *PLAIN], SONGS: [*songs, zero]}
        assert_read_as_the_rules(warehouse, root, lines, in_python, exactly)
        read_by_spark = sum(read_without_rules(warehouse, table) for table in lines)
        assert read_by_spark >= len(PLAIN)

    compare()


def exactly(row: tuple[Any, ...]) -> list[str]:
    """Return texts that are equal for values of equal type and value, at any scale."""
    return [repr(v.normalize() if isinstance(v, Decimal) else v) for v in row]


@only_spark
def test_files_of_all_forms_and_names_are_read(
    warehouse: Warehouse, load: Load, tmp_path: Path
) -> None:
    """Spark itself skips some of these names, and reads others as patterns."""
    names = [*NAMES, "_hidden.json", "100%.json", "a%20b.json", "ü.json", "x.GZ.json"]
    files = {name: event(item=0) + b"\n" + event(item=1) for name in names}
    for form, content in FORMS.items():
        for file in FILES:
            zipped = file.startswith("zipped")
            files[f"{form}/{file}"] = gzip.compress(content) if zipped else content
    for name, compress in COMPRESSED.items():
        files[name] = compress(FORMS["newline at end"])
    files["padded.json.gz"] = gzip.compress(FORMS["CRLF"]) + bytes(512)
    files["plain.json.gz"] = FORMS["CRLF"]
    assert load(write_source(tmp_path / "my data", files | {"empty.json": b""})) == 0
    assert sorted(
        warehouse.query("select source_path, iteminsession from raw.staging_events")
    ) == sorted((f"log_data/{name}", item) for name in files for item in (0, 1))
    assert warehouse.query("select * from raw.rejected_records") == []
    assert read_without_rules(warehouse, EVENTS) > 20


@only_spark
def test_ambiguous_lines_are_read_by_rules(
    warehouse: Warehouse, load: Load, tmp_path: Path
) -> None:
    lines = [
        "\u2028".encode() + event(item=0),
        event(item=1, song="\ud83c"),
        event(item=2, song="x").replace(b"x", b"\xed\xa0\xbc"),
        event(item=3, song='\\"' * 400_000),
        event(item=4, song="\ud83c\udfb5"),
        b'{"sessionId": 1, "itemInSession": 5, "ts": 5}',
    ]
    assert load(write_source(tmp_path / "data", {"a.json": b"\n".join(lines)})) == 0
    assert warehouse.query(
        "select line_number, reason from raw.rejected_records order by 1"
    ) == [
        (1, "not JSON"),
        (2, "song contains half of a surrogate pair"),
        (3, "not UTF-8"),
        (4, "song is longer than 1024 bytes"),
    ]
    assert warehouse.query(
        "select iteminsession, song from raw.staging_events order by 1"
    ) == [(4, "\U0001f3b5"), (5, None)]


@only_spark
def test_many_small_files_become_few_files(
    warehouse: Warehouse, load: Load, tmp_path: Path
) -> None:
    files = {f"{n // 100}/{n}.json": event(item=n) for n in range(1500)}
    assert load(write_source(tmp_path / "data", files)) == 0
    assert warehouse.query("select count(*) from raw.staging_events") == [(1500,)]
    assert read_without_rules(warehouse, EVENTS) == 1500
    parts = list((warehouse.lake / "raw" / "staging_events").rglob("*.parquet"))
    assert len(parts) == 1


# --- Commits -------------------------------------------------------------------------


@only_spark
def test_killed_load_is_invisible_and_then_deleted(
    warehouse: Warehouse, load: Load, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = write_source(tmp_path / "data", {"a.json": event(1) + b"\nx"})
    assert load(root) == 0
    write_source(tmp_path / "data", {"a.json": event(2) + b"\ny", "b.json": event(3)})
    with monkeypatch.context() as killed:
        killed.setattr(Lake, "commit", lambda *_: (_ for _ in ()).throw(SystemExit))
        killed.setattr(Lake, "remove_leftovers", lambda _: None)
        with pytest.raises(SystemExit):
            load(root)
    folder = warehouse.lake / "raw" / "staging_events"
    assert len(list(folder.glob("folder=*"))) > 1
    sessions = "select sessionid from raw.staging_events order by 1"
    texts = "select raw_text from raw.rejected_records"
    warehouse.session.catalog.refreshTable("lake.staging_events")
    assert warehouse.query(sessions) == [(1,)]
    assert load(root) == 0
    assert warehouse.query(sessions) == [(2,), (3,)]
    assert warehouse.query(texts) == [("y",)]
    assert len(list((warehouse.lake / "raw" / "commits").iterdir())) == 2
    loads = {path.name.partition("-")[0] for path in folder.glob("folder=*")}
    assert len(loads) == 2


@only_spark
def test_dry_run_prints_statements_and_changes_nothing(
    warehouse: Warehouse, load: Load, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    root = write_source(tmp_path / "data", {"a.json": event()}, {"s.json": song()})
    assert load(root, "--dry-run") == 0
    output = capsys.readouterr().out
    assert "create or replace view `raw`.`staging_events`" in output
    assert "inner join files on lines.uri = files.uri" in output
    assert "load  staging_events  log_data/a.json" in output
    assert warehouse.raw_tables() == []


def test_second_process_waits_for_the_lake(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with (tmp_path / "lock").open("wb") as other:
        fcntl.flock(other, fcntl.LOCK_EX)
        timer = threading.Timer(1, lambda: fcntl.flock(other, fcntl.LOCK_UN))
        timer.start()
        spark_session.hold(tmp_path).close()
    assert f"another process that uses {tmp_path}" in capsys.readouterr().out


# --- Tables --------------------------------------------------------------------------


def files_of(lake: Path, table: str) -> list[Path]:
    """List the files of all versions of a table."""
    schema = lake / "warehouse/analytics_versions.db"
    return sorted(schema.glob(f"{table}__2*/*.parquet"))


def test_large_tables_are_sorted_in_large_files(
    built_warehouse: Callable[[str, str], Warehouse],
) -> None:
    lake = built_warehouse("spark", "grown").lake
    for table in ("songplays", "users"):
        files = files_of(lake, table)
        versions = {file.parent for file in files}
        assert 0 < len(files) <= 2 * len(versions)
    with duckdb.connect() as connection:
        for file in files_of(lake, "songplays"):
            start_times = connection.read_parquet(str(file)).project("start_time")
            assert start_times.fetchall() == start_times.order("start_time").fetchall()


def test_spark_leaves_nothing_in_the_project(
    built_warehouse: Callable[[str, str], Warehouse],
) -> None:
    lake = built_warehouse("spark", "grown").lake
    assert {path.name for path in lake.iterdir()} >= {"raw", "warehouse", "metastore"}
    for name in ("metastore_db", "derby.log", "spark-warehouse"):
        assert not (PROJECT / name).exists()
        assert not Path(name).exists()


def java_files(folder: Path) -> list[str]:
    """List the temporary files of Spark and Java in a folder."""
    found = re.compile(r"blockmgr-|artifacts-|.*_resources$|liblz4|snappy|spark-|hive")
    return sorted(path.name for path in folder.iterdir() if found.match(path.name))


def test_temporary_files_are_in_the_lake(
    built_warehouse: Callable[[str, str], Warehouse],
) -> None:
    warehouse = built_warehouse("spark", "grown")
    system = warehouse.session._jvm.java.lang.System  # noqa: SLF001 -- there is no public access
    assert system.getProperty("java.io.tmpdir") == str(warehouse.lake / "tmp")
    assert java_files(warehouse.lake / "tmp")


@pytest.mark.long(
    guard="tests/engines/test_spark.py::test_temporary_files_are_in_the_lake"
)
@pytest.mark.parametrize("interrupt", [False, True], ids=["error", "Ctrl-C"])
def test_temporary_files_are_deleted_at_the_end(
    tmp_path: Path, *, interrupt: bool
) -> None:
    require_spark()
    warehouse = make_warehouse(tmp_path / "warehouse", "spark")
    root = write_source(tmp_path / "data", {"a.json": event() + b"\nx"})
    own = tmp_path / "tmp"
    own.mkdir()
    # Background jobs of a shell and their children ignore Ctrl-C by default.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    with subprocess.Popen(
        [*BOOTSTRAP, "--data", str(root), "--max-rejects", "0"],
        env=warehouse.environment | {"TMPDIR": str(own)},
        stderr=subprocess.PIPE,
        start_new_session=True,
    ) as load:
        temporary = warehouse.lake / "tmp"
        while interrupt and load.poll() is None:
            if temporary.exists() and java_files(temporary):
                os.killpg(load.pid, signal.SIGINT)
                break
            time.sleep(0.1)
        output = load.communicate()[1].decode()
    assert load.returncode == (130 if interrupt else 2), output
    assert "Traceback" not in output
    assert list(own.iterdir()) == []
    assert list(temporary.iterdir()) == []
    running = subprocess.run(["ps", "-eo", "args"], capture_output=True, check=True)
    assert str(warehouse.lake).encode() not in running.stdout


@pytest.mark.long(
    guard="tests/engines/test_spark_builds.py::test_reader_sees_one_complete_version"
)
@only_spark
def test_killed_build_leaves_no_files(builder: Builder, tmp_path: Path) -> None:
    """A kill leaves files of a version that the catalogue does not know."""
    warehouse = builder.warehouse
    played = event(page="NextSong", userId="1", level="free", ts=1541105830796)
    builder.load(
        write_source(tmp_path / "data", {"a.json": played}, {"s.json": song()})
    )
    builder.build()
    count = "select count(*) from analytics.songplays"
    rows = warehouse.query(count)
    (version,) = {file.parent for file in files_of(warehouse.lake, "songplays")}
    tables = version.parent
    spark_session.stop()
    with subprocess.Popen(
        [Path(sys.executable).parent / "dbt", "--quiet", "run"],
        cwd=PROJECT,
        env=warehouse.environment,
        start_new_session=True,
    ) as build:
        try:
            while build.poll() is None and not {*tables.glob("songplays__*")} - {
                version
            }:
                time.sleep(0.02)
            assert build.poll() is None
        finally:
            os.killpg(build.pid, signal.SIGKILL)
    (tables / "songplays__20000101t000000000000").mkdir()
    assert warehouse.query(count) == rows
    assert [path.name for path in tables.glob("songplays__*")] == [version.name]
    builder.build()
    assert warehouse.query(count) == rows


# --- Java and profiles ---------------------------------------------------------------


@pytest.mark.parametrize(
    ("java", "wrong"),
    [
        (None, "not found in JAVA_HOME"),
        ("echo 'openjdk version \"1.8.0_302\"' >&2", "bin/java is Java 8."),
        ("echo 'openjdk version \"11\" 2018-09-25' >&2", "bin/java is Java 11."),
        ("exit 1", "not found in JAVA_HOME"),
    ],
    ids=["none", "8", "11", "broken"],
)
def test_old_java_is_clear_error(tmp_path: Path, java: str | None, wrong: str) -> None:
    if java:
        (tmp_path / "bin").mkdir()
        (tmp_path / "bin" / "java").write_text(f"#!/bin/sh\n{java}\n")
        (tmp_path / "bin" / "java").chmod(0o755)
    done = subprocess.run(
        [sys.executable, str(PROJECT / "scripts" / "checks" / "java.py")],
        env=os.environ
        | {"JAVA_HOME": str(tmp_path), "PYTHONPATH": str(PROJECT / "scripts")},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 2
    assert done.stderr.startswith("error: Spark needs Java 17 or newer, ")
    assert wrong in done.stderr
    assert len(done.stderr.splitlines()) == 2


def test_load_without_java_is_clear_error(tmp_path: Path) -> None:
    require_spark()
    root = write_source(tmp_path / "data", {"a.json": event()})
    example = (PROJECT / "profiles.example.yml").read_text(encoding="utf-8")
    (tmp_path / "profiles.yml").write_text(example, encoding="utf-8")
    variables = {
        "JAVA_HOME": str(tmp_path),
        "DBT_PROFILES_DIR": str(tmp_path),
        "SPARKIFY_LAKE": str(tmp_path / "lake"),
    }
    for target, wrong in (
        ("spark", "Spark needs Java 17 or newer"),
        ("spark_thrift", "spark_thrift is a Spark server, which cannot load files"),
    ):
        done = subprocess.run(
            [*BOOTSTRAP, "--data", str(root), "--target", target],
            env=os.environ | variables,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 2
        assert wrong in done.stderr
        assert len(done.stderr.splitlines()) == 2
    assert not (tmp_path / "lake" / "raw").exists()
