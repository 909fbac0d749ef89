"""Loads of Redshift against the stand-in: records, rejects, reruns and errors."""

from __future__ import annotations

import gzip
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any, Final

import boto3
import pytest
import redshift_connector
from botocore import endpoint

import bootstrap
import generate_events
from conftest import Load, only_duckdb
from file_forms import COMPRESSED, FORMS, indented
from oracle import read_folder
from raw_lines import event, song
from recorded import record
from redshift_stand_in import StandIn
from redshift_stand_in.proxy import CONFLICT
from sparkify.loaders.redshift import compact, copying, data_api
from sparkify.raw import reader
from sparkify.raw.rules import (
    EVENTS,
    SONGS,
    RawTable,
    RejectedRecordError,
    check_record,
)
from sparkify.raw.sources import S3Prefix
from warehouses import (
    PARTS,
    PROJECT,
    Warehouse,
    documented_rights,
    make_warehouse,
    write_source,
)

STAGING = "s3://staging/of mine"
WAYS = {
    "manifest": ["--manifest", STAGING],
    "prefix": [],
    "compact": ["--compact", STAGING],
    "external": ["--external"],
}
COPIED = ("manifest", "prefix", "compact")
SCHEMAS: Final = (
    "analytics, analytics_intermediate, analytics_staging, raw, raw_external"
)


def long(guard: str) -> pytest.MarkDecorator:
    """Return the mark of a long case, which a case in this file guards."""
    return pytest.mark.long(guard=f"tests/loaders/test_redshift_loader.py::{guard}")


def by_way(test: str, kept: str, *others: str) -> pytest.MarkDecorator:
    """Parametrise a test by way to load; the other ways run only with --long."""
    ways = (pytest.param(way, marks=long(f"{test}[{kept}]")) for way in others)
    return pytest.mark.parametrize("way", [kept, *ways])


@dataclass(frozen=True)
class Redshift:
    """An empty Redshift warehouse, and the bucket of its source."""

    warehouse: Warehouse
    stand_in: StandIn
    bucket: str

    @property
    def data(self) -> str:
        return f"s3://{self.bucket}"

    def load(self, *arguments: str) -> int:
        return bootstrap.main(["--data", self.data, *arguments])

    def put(self, folder: Path) -> None:
        """Copy a folder's files into the bucket."""
        for path in (p for part in PARTS for p in (folder / part).rglob("*.json*")):
            self.write(path.relative_to(folder).as_posix(), path.read_bytes())

    def write(self, key: str, content: bytes) -> None:
        self.stand_in.buckets.put(self.bucket, key, content)

    def query(self, sql: str) -> list[tuple[Any, ...]]:
        return self.warehouse.query(sql)

    def records(self, table: RawTable) -> list[tuple[Any, ...]]:
        columns = ", ".join(f'"{c.name.lower()}"' for c in table.columns)
        return in_order(self.query(f"select {columns} from raw.{table.name}"))

    def counts(self) -> tuple[int, int, int]:
        """Return the number of files in the history, of records, and of rejects."""
        ((files,),) = self.query("select count(*) from raw.load_history")
        ((events,),) = self.query("select count(*) from raw.staging_events")
        ((songs,),) = self.query("select count(*) from raw.staging_songs")
        ((rejects,),) = self.query("select count(*) from raw.rejected_records")
        return files, events + songs, rejects

    def start(self, *arguments: str) -> subprocess.Popen[str]:
        """Start the command in another process."""
        return subprocess.Popen(
            [
                sys.executable,
                str(PROJECT / "scripts/bootstrap.py"),
                "--data",
                self.data,
                *arguments,
            ],
            env=self.warehouse.environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )


def in_order(rows: list[tuple[Any, ...]]) -> list[tuple[Any, ...]]:
    return sorted((tuple(row) for row in rows), key=repr)


@pytest.fixture(scope="module")
def shared(
    stand_in: StandIn, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Warehouse, str]:
    """Make the warehouse of this file; return it with the text of its profile."""
    folder = tmp_path_factory.mktemp("loader")
    made = make_warehouse(folder, "redshift", stand_in=stand_in)
    return made, (folder / "profiles.yml").read_text(encoding="utf-8")


@pytest.fixture
def redshift(
    stand_in: StandIn,
    shared: tuple[Warehouse, str],
    monkeypatch: pytest.MonkeyPatch,
) -> Redshift:
    """Make an empty warehouse that commands in this process use."""
    warehouse, profile = shared
    (warehouse.folder / "profiles.yml").write_text(profile, encoding="utf-8")
    for name, value in warehouse.environment.items():
        monkeypatch.setenv(name, value)
    # botocore's own five attempts wait half a minute in total.
    monkeypatch.setattr(endpoint, "time", SimpleNamespace(sleep=lambda _: None))
    with stand_in.databases.connect(warehouse.database) as connection:
        connection.execute(f"drop schema if exists {SCHEMAS} cascade".encode())
    for bucket in (warehouse.bucket, "staging"):
        stand_in.buckets.make(bucket)
        stand_in.buckets.empty(bucket)
    return Redshift(warehouse, stand_in, warehouse.bucket)


@pytest.fixture(scope="session")
def clean_data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Write a sample without dirty records."""
    folder = tmp_path_factory.mktemp("clean") / "data"
    arguments = ["--events", "500", "--days", "4", "--songs", "60"]
    assert generate_events.main(["--out", str(folder), *arguments]) == 0
    return folder


def assert_contains(redshift: Redshift, folder: Path) -> None:
    """Compare the raw tables with the records that the oracle reads in a folder."""
    expected = read_folder(folder)
    assert len(expected.events) > 0
    assert redshift.records(EVENTS) == in_order([tuple(r) for r in expected.events])
    assert redshift.records(SONGS) == in_order([tuple(r) for r in expected.songs])


@contextmanager
def locked_table(redshift: Redshift) -> Iterator[None]:
    """Lock a table that the load needs, in another transaction."""
    here = redshift.stand_in
    with redshift_connector.connect(
        host=here.host,
        port=here.port,
        user=here.user,
        password=here.password,
        database=redshift.warehouse.database,
        ssl=False,
    ) as connection:
        connection.cursor().execute('lock "raw".staging_events')
        yield
        connection.rollback()


def wait_for(start: str, redshift: Redshift, seen: int) -> None:
    """Wait for a statement that starts so, after the first ``seen`` statements."""
    deadline = time.monotonic() + 60
    while not any(s.startswith(start) for s in redshift.stand_in.statements[seen:]):
        assert time.monotonic() < deadline
        time.sleep(0.02)


# --- Loaded records ------------------------------------------------------------------


@pytest.mark.parametrize("way", WAYS)
def test_all_records_arrive_once_and_later_files_alone(
    redshift: Redshift,
    clean_data: Path,
    tmp_path: Path,
    way: str,
    capsys: pytest.CaptureFixture[str],
) -> None:
    redshift.put(clean_data)
    assert redshift.load(*WAYS[way]) == 0
    assert_contains(redshift, clean_data)
    files = [p for part in PARTS for p in (clean_data / part).rglob("*.json*")]
    assert redshift.counts()[0] == len(files)
    assert redshift.query(
        "select sum(loaded_count), sum(rejected_count) from raw.load_history"
    ) == [(redshift.counts()[1], 0)]
    assert len(redshift.query("select distinct loaded_at from raw.staging_events")) == 1
    assert redshift.load(*WAYS[way]) == 0
    assert capsys.readouterr().out.endswith("Nothing new to load.\n")

    more = tmp_path / "more"
    shutil.copytree(clean_data, more)
    write_source(more, {"2099/11/day.json": event(session=10**9)})
    redshift.put(more)
    assert redshift.load(*WAYS["manifest" if way == "prefix" else way]) == 0
    assert_contains(redshift, more)
    history = redshift.query(
        "select path, loaded_count, rejected_count from raw.load_history"
        " order by loaded_at desc limit 1"
    )
    assert history == [("log_data/2099/11/day.json", 1, 0)]
    moments = redshift.query("select distinct loaded_at from raw.load_history")
    assert len(moments) == 2


@by_way("test_real_data_is_loaded", "manifest", "prefix", "compact", "external")
def test_real_data_is_loaded(redshift: Redshift, real_data: Path, way: str) -> None:
    redshift.put(real_data)
    assert redshift.load(*WAYS[way]) == 0
    assert_contains(redshift, real_data)
    assert redshift.counts()[2] == 0


ODD_NAMES: Final = (
    "it's.json",
    'quote".json',
    "a b.json",
    "ü ♫.json",
    "semi;drop table x;--.json",
    "year=2018/x.json",
    "$files%20:name.json",
    "back\\slash.json",
    "LOUD.JSON",
)


@pytest.mark.parametrize("way", ["manifest", "compact", "external"])
def test_s3_key_may_have_any_name(redshift: Redshift, way: str) -> None:
    for number, name in enumerate(ODD_NAMES):
        redshift.write(f"log_data/{name}", event(item=number))
    redshift.write("song_data/s.json", song())
    counts = len(ODD_NAMES) + 1, len(ODD_NAMES) + 1, 0
    assert redshift.load(*WAYS[way]) == 0
    assert redshift.counts() == counts
    paths = redshift.query("select path from raw.load_history where path like 'log%'")
    assert {path for (path,) in paths} == {f"log_data/{name}" for name in ODD_NAMES}
    assert redshift.load(*WAYS[way]) == 0
    assert redshift.counts() == counts


def test_odd_names_load_without_manifest(redshift: Redshift) -> None:
    names = ["it's.json", "back\\slash.json", "ü $1 :a.json", "semi;--.json"]
    for number, name in enumerate(names):
        redshift.write(f"log_data/{name}", event(item=number))
    redshift.write("song_data/s.json", song())
    assert redshift.load() == 0
    paths = redshift.query("select path from raw.load_history where path like 'log%'")
    assert sorted(paths) == sorted((f"log_data/{name}",) for name in names)


def test_gzipped_and_plain_files_load_together(redshift: Redshift) -> None:
    redshift.write("log_data/a.json", event(item=0))
    redshift.write("log_data/b.json.gz", gzip.compress(event(item=1)))
    redshift.write("song_data/s.json.gz", gzip.compress(song()))
    assert redshift.load("--manifest", STAGING) == 0
    assert redshift.counts() == (3, 3, 0)


def test_local_folder_needs_compaction(
    redshift: Redshift, clean_data: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert bootstrap.main(["--data", str(clean_data)]) == 2
    assert "COPY reads from S3" in capsys.readouterr().err
    assert bootstrap.main(["--data", str(clean_data), "--compact", STAGING]) == 0
    assert_contains(redshift, clean_data)


def test_parts_are_one_or_multiple_of_four(
    redshift: Redshift, clean_data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    size = sum(p.stat().st_size for p in (clean_data / "log_data").rglob("*.json"))
    monkeypatch.setattr(compact, "PART_BYTES", size // 3)
    assert compact.part_count(size // 3) == 1
    assert compact.part_count(size) == 4
    redshift.put(clean_data)
    assert redshift.load("--compact", STAGING) == 0
    assert_contains(redshift, clean_data)
    names = [key.rpartition("/")[2] for key in objects_of(redshift)]
    parts = [name for name in names if name.endswith(".json.gz")]
    logs = [name for name in parts if name.startswith("staging_events")]
    assert 1 < len(logs) <= 4
    assert sum(name.startswith("staging_songs") for name in parts) == 1


def objects_of(redshift: Redshift) -> list[str]:
    return [key for key, _ in redshift.stand_in.buckets.objects("staging")]


def test_partial_load_of_prefix_needs_manifest(
    redshift: Redshift, capsys: pytest.CaptureFixture[str]
) -> None:
    redshift.write("log_data/a.json", event())
    redshift.write("song_data/s.json", song())
    assert redshift.load() == 0
    redshift.write("log_data/b.json", event(item=1))
    assert redshift.load() == 2
    output = capsys.readouterr().err
    assert "COPY needs a manifest" in output
    assert "--manifest s3://" in output
    assert redshift.counts() == (2, 2, 0)
    assert redshift.load("--manifest", STAGING) == 0
    assert redshift.counts() == (3, 3, 0)


def test_file_arriving_during_copy_is_reported(
    redshift: Redshift,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    redshift.write("log_data/a.json", event())
    redshift.write("song_data/s.json", song())
    run = data_api.DataApi.run

    def run_and_write(*arguments: Any) -> Any:
        done = run(*arguments)
        if len(arguments) > 2:
            redshift.write("log_data/late.json", event(item=1))
        return done

    monkeypatch.setattr(data_api.DataApi, "run", run_and_write)
    assert redshift.load() == 2
    assert "log_data/late.json was added while" in capsys.readouterr().err


# --- External -------------------------------------------------------------------------


def test_external_records_appear_once_file_is_recorded(
    redshift: Redshift, capsys: pytest.CaptureFixture[str]
) -> None:
    redshift.write("log_data/a.json", event(item=0))
    redshift.write("song_data/s.json", song())
    assert redshift.load("--external") == 0
    redshift.write("log_data/b.json", event(item=1))
    redshift.write("log_data/it's ü.json", event(item=2))
    redshift.write("log_data/bad.json", event(item=7, ts=-1))
    assert len(redshift.records(EVENTS)) == 1
    assert redshift.load("--external") == 0
    found = redshift.query(
        "select e.iteminsession, e.source_path, e.loaded_at = h.loaded_at"
        " from raw.staging_events e inner join raw.load_history h"
        " on e.source_path = h.path order by 1"
    )
    assert found == [
        (0, "log_data/a.json", True),
        (1, "log_data/b.json", True),
        (2, "log_data/it's ü.json", True),
    ]
    assert redshift.query(
        "select path, line_number, reason from raw.rejected_records"
    ) == [("log_data/bad.json", None, "ts is out of range")]
    history = redshift.query(
        "select path, loaded_count, rejected_count from raw.load_history"
        " where path like 'log%' order by loaded_at, path"
    )
    assert history == [
        ("log_data/a.json", 1, 0),
        ("log_data/b.json", 1, 0),
        ("log_data/bad.json", 0, 1),
        ("log_data/it's ü.json", 1, 0),
    ]
    assert redshift.load("--external") == 0
    assert capsys.readouterr().out.endswith("Nothing new to load.\n")
    redshift.write("log_data/bad.json", event(item=7))
    assert redshift.load("--external") == 0
    assert redshift.counts() == (5, 5, 0)
    assert redshift.query("select path from raw.load_history where is_new_version") == [
        ("log_data/bad.json",)
    ]


def test_external_load_from_other_region_is_rejected(
    redshift: Redshift,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Spectrum reads only its own region. Each query would fail."""
    small(redshift)
    objects = objects_of(redshift)
    monkeypatch.setattr(S3Prefix, "region", lambda _: "eu-west-1")
    for arguments in (["--external"], ["--external", "--dry-run"]):
        assert redshift.load(*arguments) == 2
        output = capsys.readouterr().err
        assert "is in eu-west-1, but the warehouse is in us-west-2" in output
    assert redshift.warehouse.raw_tables() == []
    assert objects_of(redshift) == objects


def test_copied_and_external_loads_cannot_mix(
    redshift: Redshift, capsys: pytest.CaptureFixture[str]
) -> None:
    redshift.write("log_data/a.json", event())
    redshift.write("song_data/s.json", song())
    for arguments, kind in (([], "copies"), (["--external"], "views on files")):
        assert redshift.load("--reset", "--yes", *arguments) == 0
        other = [] if arguments else ["--external"]
        capsys.readouterr()
        assert redshift.load(*other) == 2
        assert f"raw tables of this warehouse are {kind}" in capsys.readouterr().err


def test_name_ignored_by_spectrum_is_reported(
    redshift: Redshift, capsys: pytest.CaptureFixture[str]
) -> None:
    redshift.write("log_data/_a.json", event())
    redshift.write("song_data/s.json", song())
    assert redshift.load("--external") == 2
    assert "begin with _: log_data/_a.json" in capsys.readouterr().err


# --- Reload after a rule was fixed ----------------------------------------------------


@pytest.mark.parametrize("way", ["manifest", "compact"])
def test_fixed_rule_reloads_quarantined_files(
    redshift: Redshift,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    way: str,
) -> None:
    redshift.write("log_data/a.json", event() + b"\n" + event(item=1, userId="me"))
    redshift.write("log_data/b.json", event(2))
    redshift.write("song_data/s.json", song())

    def check(table: RawTable, record: Any, on_record: Any) -> list[str | None]:
        if record.get("sessionId") == "1":
            raise RejectedRecordError("too strict")
        return check_record(table, record, on_record)

    with monkeypatch.context() as patch:
        patch.setattr(reader, "check_record", check)
        assert redshift.load(*WAYS[way]) == 0
    is_compact = way == "compact"
    assert redshift.counts() == ((3, 2, 2) if is_compact else (3, 3, 1))
    capsys.readouterr()
    assert redshift.load(*WAYS[way], "--reload-quarantined") == 0
    output = capsys.readouterr().out
    assert "1 of them are reloaded, because they have records in" in output
    assert redshift.counts() == (3, 3, 1)
    versions = "select path, is_new_version from raw.load_history order by 1"
    assert redshift.query(versions) == [
        ("log_data/a.json", True),
        ("log_data/b.json", not is_compact),
        ("song_data/s.json", False),
    ]


# --- New versions ---------------------------------------------------------------------


def test_new_version_reloads_all_files_of_its_load(
    redshift: Redshift, capsys: pytest.CaptureFixture[str]
) -> None:
    for number in range(3):
        redshift.write(f"log_data/{number}.json", event(item=number))
    redshift.write("song_data/s.json", song())
    assert redshift.load("--manifest", STAGING) == 0
    redshift.write("log_data/9.json", event(item=9))
    assert redshift.load("--manifest", STAGING) == 0
    redshift.write("log_data/1.json", event(item=1, song="new"))
    assert redshift.load("--manifest", STAGING) == 0
    assert "2 more files of log_data are reloaded" in capsys.readouterr().out
    found = redshift.query(
        "select iteminsession, song from raw.staging_events order by 1"
    )
    assert found == [(0, None), (1, "new"), (2, None), (9, None)]
    again = redshift.query(
        "select path from raw.load_history where is_new_version order by 1"
    )
    assert again == [("log_data/0.json",), ("log_data/1.json",), ("log_data/2.json",)]
    assert redshift.counts() == (5, 5, 0)


def test_load_with_missing_file_is_not_replaced(
    redshift: Redshift, capsys: pytest.CaptureFixture[str]
) -> None:
    for number in range(2):
        redshift.write(f"log_data/{number}.json", event(item=number))
    redshift.write("song_data/s.json", song())
    assert redshift.load() == 0
    redshift.stand_in.s3().delete_object(Bucket=redshift.bucket, Key="log_data/0.json")
    redshift.write("log_data/1.json", event(item=1, song="new"))
    assert redshift.load("--manifest", STAGING) == 2
    assert "log_data/0.json has to be reloaded" in capsys.readouterr().err
    assert redshift.counts() == (3, 3, 0)


def test_new_version_of_compacted_file_is_reloaded_alone(redshift: Redshift) -> None:
    for number in range(2):
        redshift.write(f"log_data/{number}.json", event(item=number) + b"\nbad")
    redshift.write("song_data/s.json", song())
    assert redshift.load("--compact", STAGING) == 0
    assert redshift.counts() == (3, 3, 2)
    redshift.write("log_data/1.json", event(item=1, song="new"))
    assert redshift.load("--compact", STAGING) == 0
    assert redshift.counts() == (3, 3, 1)
    found = redshift.query(
        "select h.path, h.loaded_count, h.is_new_version, e.song"
        " from raw.load_history h inner join raw.staging_events e"
        " on h.path = e.source_path and h.loaded_at = e.loaded_at order by 1"
    )
    assert found == [
        ("log_data/0.json", 1, False, None),
        ("log_data/1.json", 1, True, "new"),
    ]


# --- Bad input ------------------------------------------------------------------------


ACCEPTED_BY_COPY = ("duplicate key ", "is not text")
WITHOUT_A_LINE = (
    ("ts is out of range", 2),
    ("userId is neither empty nor an integer", 1),
    ("artist_id is missing", 1),
)


def test_plain_copy_differs_only_where_documented(
    redshift: Redshift, sample_data: Path
) -> None:
    redshift.put(sample_data)
    assert redshift.load("--manifest", STAGING) == 0
    found = redshift.query(
        "select path, line_number, reason, raw_text from raw.rejected_records"
    )
    reasons = [reason for path, _, reason, _ in found if path is None]
    known = [reason for reason, count in WITHOUT_A_LINE for _ in range(count)]
    assert sorted(reasons) == sorted(known)
    expected = read_folder(sample_data)
    accepted = [
        r for r in expected.rejects if any(p in r.reason for p in ACCEPTED_BY_COPY)
    ]
    assert len(accepted) == 4
    with_a_line = {
        (r.path, r.line_number, r.reason, r.raw_text)
        for r in expected.rejects
        if r not in accepted and r.reason not in dict(WITHOUT_A_LINE)
    }
    assert {row for row in found if row[0]} == with_a_line
    records = len(expected.events) + len(expected.songs)
    assert redshift.counts()[1:] == (records + 4, len(expected.rejects) - 4)


@by_way("test_records_rejected_by_copy_are_quarantined_with_line", "manifest", "prefix")
def test_records_rejected_by_copy_are_quarantined_with_line(
    redshift: Redshift, way: str
) -> None:
    lines = [
        event(item=0),
        b'{"not": json',
        event(item=1, ts=None),
        event(item=2, song="\\ 'quoted' ü"),
        event(item=3, sessionId="x"),
        event(item=4, song="x" * 1025),
    ]
    redshift.write("log_data/a.json", b"\n".join(lines))
    redshift.write("log_data/b.json", event(item=9))
    redshift.write("song_data/s.json", song())
    assert redshift.load(*WAYS[way]) == 0
    found = redshift.query(
        "select path, line_number, reason, raw_text from raw.rejected_records"
        " order by 2"
    )
    assert found == [
        ("log_data/a.json", 2, "not JSON", lines[1].decode()),
        ("log_data/a.json", 3, "ts is missing", lines[2].decode()),
        ("log_data/a.json", 5, "sessionId is not an integer", lines[4].decode()),
        ("log_data/a.json", 6, "song is longer than 1024 bytes", lines[5].decode()),
    ]
    assert redshift.counts() == (3, 4, 4)
    assert redshift.query(
        "select sum(rejected_count) from raw.load_history"
        " where path = 'log_data/a.json'"
    ) == [(4,)]


@pytest.mark.parametrize("way", ["compact", "manifest"])
def test_files_of_other_forms_are_read(redshift: Redshift, way: str) -> None:
    """COPY alone reads neither arrays nor a byte order mark inside a file."""
    files = {f"log_data/{form}.json": content for form, content in FORMS.items()}
    cut = b"".join([event(), event(ts=None), event(ts=-1), b"{"])
    for name, compress in COMPRESSED.items():
        if not name.startswith(("named", "bz2")):
            files[f"log_data/{name}"] = compress(FORMS["newline at end"])
    for path, content in (files | {"log_data/cut.json": cut}).items():
        redshift.write(path, content)
    redshift.write("song_data/s.json", indented(song()))
    assert redshift.load(*WAYS[way]) == 0
    rejected = redshift.query(
        "select path, line_number, reason from raw.rejected_records"
    )
    count = 2 * len(files) + 1
    expected: list[tuple[object, ...]] = [
        ("log_data/cut.json", 1, "not JSON"),
        ("log_data/cut.json", 1, "ts is missing"),
    ]
    if way == "compact":
        expected.append(("log_data/cut.json", 1, "ts is out of range"))
    else:
        expected.append((None, None, "ts is out of range"))
        arrays = [path for path in files if path.startswith("log_data/array")]
        expected += [(path, 1, "not a JSON object") for path in arrays]
        expected.append(("log_data/BOM inside.json", 2, "Invalid JSON"))
        count -= 2 * len(arrays) + 1
    assert sorted(rejected, key=str) == sorted(expected, key=str)
    assert redshift.counts()[1:] == (count + 1, len(expected))


def test_records_rejected_by_rule_only_are_quarantined(
    redshift: Redshift,
) -> None:
    lines = [
        event(item=0, userId=" 7 "),
        event(item=1, ts=-1),
        event(item=2, ts=253402300800000),
        event(item=3, registration=-0.5),
        event(item=4, userId="x7"),
        event(item=5, userId="1" * 19),
        event(item=6, userId="", registration=1540919166796.0),
        event(item=7, userId="\u00a07\u200b"),
    ]
    redshift.write("log_data/a.json", b"\n".join(lines))
    names = ("SO1", " \t", "\u3000", "Ã\x82Â\xa0 ")
    redshift.write("song_data/s.json", b"\n".join(map(song, names)))
    assert redshift.load("--manifest", STAGING) == 0
    found = redshift.query(
        "select table_name, path, line_number, reason from raw.rejected_records"
        " order by 1, 4"
    )
    assert found == [
        ("staging_events", None, None, "registration is out of range"),
        ("staging_events", None, None, "ts is out of range"),
        ("staging_events", None, None, "ts is out of range"),
        ("staging_events", None, None, "userId is neither empty nor an integer"),
        ("staging_events", None, None, "userId is out of range"),
        *[("staging_songs", None, None, "song_id is missing")] * 3,
    ]
    assert redshift.counts() == (2, 4, 8)
    assert redshift.query(
        "select sum(loaded_count), sum(rejected_count) from raw.load_history"
    ) == [(4, 8)]


@pytest.mark.parametrize(
    "way",
    [
        "manifest",
        "compact",
        pytest.param(
            "prefix",
            marks=long("test_more_rejects_than_allowed_load_nothing[manifest]"),
        ),
    ],
)
def test_more_rejects_than_allowed_load_nothing(
    redshift: Redshift, way: str, capsys: pytest.CaptureFixture[str]
) -> None:
    redshift.write("song_data/s.json", song())
    again = (*WAYS[way], "--reset", "--yes", "--max-rejects")
    for bad in (b'{"not": \x1b[2J', event(item=1, ts=-1)):
        redshift.write("log_data/a.json", b"\n".join([event(), bad, bad]))
        for limit in ("0", "1"):
            assert redshift.load(*again, limit) == 2, bad
            output = capsys.readouterr().err
            assert f"More than {limit} records were rejected" in output
            assert len(output.splitlines()) == 2
            assert "\x1b" not in output
            assert redshift.counts() == (0, 0, 0), bad
        assert redshift.load(*again, "2") == 0
        assert redshift.counts() == (2, 2, 2), bad


# --- Reruns load once -----------------------------------------------------------------


def small(redshift: Redshift) -> None:
    redshift.write("log_data/a.json", b"\n".join(event(item=n) for n in range(50)))
    redshift.write("song_data/s.json", song())


def act_before_load(
    monkeypatch: pytest.MonkeyPatch, action: Callable[[], object]
) -> None:
    """Call ``action`` just before the next load submits its batch."""
    run = data_api.DataApi.run

    def act_and_run(*arguments: Any) -> Any:
        if len(arguments) > 2:  # only the batch of the load has a name
            monkeypatch.setattr(data_api.DataApi, "run", run)
            action()
        return run(*arguments)

    monkeypatch.setattr(data_api.DataApi, "run", act_and_run)


LOST: Final = long("test_rerun_after_lost_response_loads_once[manifest-1-0]")


@pytest.mark.parametrize(
    ("way", "times", "status"),
    [
        pytest.param(way, *case, marks=LOST if way in ("prefix", "compact") else ())
        for way in WAYS
        for case in ((1, 0), (9, 2))
    ],
)
def test_rerun_after_lost_response_loads_once(
    redshift: Redshift,
    monkeypatch: pytest.MonkeyPatch,
    way: str,
    times: int,
    status: int,
) -> None:
    small(redshift)
    fail = redshift.stand_in.fail_next
    act_before_load(
        monkeypatch, lambda: fail("BatchExecuteStatement", "lost answer", times)
    )
    assert redshift.load(*WAYS[way]) == status
    redshift.stand_in.faults.waiting.clear()
    # If the first load still runs, the second one reports a conflict.
    for statement in list(redshift.stand_in.data_api.statements.values()):
        assert statement.ended.wait(60)
    assert redshift.load(*WAYS[way]) == 0
    assert redshift.counts() == (2, 51, 0)
    record(
        "faults",
        engine="redshift",
        what="BatchExecuteStatement: a lost answer to a load that did run",
        tried=1,
        succeeded=int(status == 0),
        reported=int(status != 0),
        right_after_the_next_command=1,
    )


def test_load_fails_after_concurrent_load(
    redshift: Redshift,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    small(redshift)

    def load_something_else() -> None:
        redshift.write("log_data/b.json", event(item=99))
        assert redshift.load("--manifest", STAGING) == 0

    act_before_load(monkeypatch, load_something_else)
    assert redshift.load("--manifest", STAGING) == 2
    assert "Another load was committed" in capsys.readouterr().err
    assert redshift.counts() == (3, 52, 0)


def test_concurrent_bootstraps_load_once(redshift: Redshift) -> None:
    small(redshift)
    running = [redshift.start(*WAYS["manifest"]) for _ in range(3)]
    output = [process.communicate()[1] for process in running]
    codes = [process.returncode for process in running]
    assert 0 in codes, output
    record(
        "bootstraps",
        engine="redshift",
        what="loads of one warehouse at the same moment",
        tried=len(codes),
        loaded_or_found_all_loaded=codes.count(0),
        asked_to_repeat=len(codes) - codes.count(0),
    )
    for code, error in zip(codes, output, strict=True):
        assert code == 0 or "un the command again" in error
    assert redshift.load(*WAYS["manifest"]) == 0
    assert redshift.counts() == (2, 51, 0)


KILLED: Final = long("test_rerun_after_kill_loads_once[0.3]")


@pytest.mark.parametrize(
    "seconds",
    [0.3, pytest.param(0.0, marks=KILLED), pytest.param(1.0, marks=KILLED)],
)
def test_rerun_after_kill_loads_once(redshift: Redshift, seconds: float) -> None:
    small(redshift)
    seen = len(redshift.stand_in.statements)
    process = redshift.start(*WAYS["manifest"])
    wait_for("lock ", redshift, seen)
    time.sleep(seconds)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    assert redshift.load(*WAYS["manifest"]) == 0
    assert redshift.counts() == (2, 51, 0)


def test_failed_load_runs_again_next_day(redshift: Redshift) -> None:
    """Statements are listed for a day, and tokens are valid for eight hours."""
    small(redshift)
    api = redshift.stand_in.data_api
    for hours in (0, 23, 2):
        api.seconds_later += hours * 3600  # stays so after the test
        redshift.stand_in.conflicts[:] = [(CONFLICT_AT, "Disk Full")]
        assert redshift.load(*WAYS["manifest"]) == 2
        assert redshift.stand_in.conflicts == []
    assert redshift.load(*WAYS["manifest"]) == 0


def test_oversized_batch_needs_manifest(
    redshift: Redshift,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    small(redshift)
    monkeypatch.setattr(copying, "MAX_BATCH_BYTES", 1000)
    assert redshift.load() == 2
    assert "with --manifest s3://bucket/prefix" in capsys.readouterr().err


def test_rejected_records_are_found_without_query_id(
    redshift: Redshift,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(redshift.stand_in.data_api, "tells_failed_queries", False)
    redshift.write("log_data/a.json", event() + b"\n" + event(item=1, ts="x"))
    redshift.write("song_data/s.json", song())
    assert redshift.load("--manifest", STAGING, "--max-rejects", "0") == 2
    assert "log_data/a.json" in capsys.readouterr().err
    assert redshift.load("--manifest", STAGING) == 0
    assert redshift.counts() == (2, 2, 1)


def test_load_after_reset_runs_again(redshift: Redshift) -> None:
    small(redshift)
    assert redshift.load(*WAYS["manifest"]) == 0
    assert redshift.load(*WAYS["manifest"], "--reset", "--yes") == 0
    assert redshift.counts() == (2, 51, 0)


def test_load_works_with_each_login_method(
    redshift: Redshift, monkeypatch: pytest.MonkeyPatch
) -> None:
    here = redshift.stand_in
    profile = redshift.warehouse.folder / "profiles.yml"
    of_cluster = profile.read_text(encoding="utf-8")
    by_iam = of_cluster.replace(f"user: {here.user},", "")
    of_workgroup = by_iam.replace(f"cluster_id: {here.cluster},", "")
    redshift.write("song_data/s.json", song())
    identity = f'to "{here.credentials.identity}"'
    here.databases.ensure_user(here.credentials.identity)
    here.actions.clear()
    for number, (text, name, value) in enumerate(
        (
            (of_cluster, "WORKGROUP", ""),
            (by_iam, "WORKGROUP", ""),
            (of_workgroup, "WORKGROUP", here.workgroup),
            (of_cluster, "SECRET", here.secret_arn),
        )
    ):
        profile.write_text(text, encoding="utf-8")
        redshift.write(f"log_data/{number}.json", event(item=number))
        with monkeypatch.context() as patch:
            patch.setenv(f"SPARKIFY_REDSHIFT_{name}", value)
            way = "--compact" if name == "SECRET" else "--manifest"
            assert redshift.load(way, STAGING) == 0, (text, name)
        assert redshift.counts() == (number + 2, number + 2, 0)
        # The user of the cluster created the tables: others need a grant to load them.
        with here.databases.connect(redshift.warehouse.database) as connection:
            for what in ("schema raw", "all tables in schema raw"):
                connection.execute(f"grant all on {what} {identity}".encode())
    loads, _ = documented_rights()
    unseen = {"CancelStatement", "ExecuteStatement"}  # on Ctrl-C, and --external
    assert here.actions == loads - {f"redshift-data:{name}" for name in unseen}


# --- Failures -------------------------------------------------------------------------


def test_dry_run_prints_statements_without_secrets(
    redshift: Redshift,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    small(redshift)
    secret = "not-to-be-seen"  # noqa: S105 -- a test value
    monkeypatch.setenv("SPARKIFY_REDSHIFT_PASSWORD", secret)
    objects = objects_of(redshift)
    for way in COPIED:
        assert redshift.load("--dry-run", *WAYS[way]) == 0
        output = capsys.readouterr().out
        assert 'copy "copied_staging_events"' in output
        assert 'lock "raw"."load_history"' in output
        for value in (secret, os.environ["AWS_SECRET_ACCESS_KEY"]):
            assert value not in output
        assert redshift.stand_in.password not in output
    assert redshift.warehouse.raw_tables() == []
    assert objects_of(redshift) == objects


@only_duckdb
def test_unsupported_option_is_rejected(
    load: Load, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    data = write_source(tmp_path / "data", {"a.json": event()})
    for option in (["--manifest", "s3://x"], ["--compact", "s3://x"], ["--external"]):
        assert load(data, *option) == 2
        output = capsys.readouterr().err
        assert f"The engine duckdb does not support {option[0]}." in output


def test_two_ways_to_load_are_rejected(
    redshift: Redshift, capsys: pytest.CaptureFixture[str]
) -> None:
    small(redshift)
    for other in (["--manifest", STAGING], ["--external"]):
        assert redshift.load("--compact", STAGING, *other) == 2
        assert f"--compact and {other[0]} cannot be combined" in capsys.readouterr().err


def test_invalid_staging_address_is_reported(
    redshift: Redshift, capsys: pytest.CaptureFixture[str]
) -> None:
    small(redshift)
    for address in ("folder", "s3://", "s3://no-such-bucket-here/x"):
        assert redshift.load("--manifest", address) == 2, address
        assert len(capsys.readouterr().err.splitlines()) == 2, address


def test_staging_in_other_region_is_reported(
    redshift: Redshift, capsys: pytest.CaptureFixture[str]
) -> None:
    small(redshift)
    far = boto3.client("s3", region_name="eu-west-1")
    far.create_bucket(
        Bucket=f"{redshift.bucket}-far",
        CreateBucketConfiguration={"LocationConstraint": "eu-west-1"},
    )
    assert redshift.load("--manifest", f"s3://{redshift.bucket}-far/x") == 2
    assert "is in eu-west-1, but the data is in us-west-2" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("wrong", "advice"),
    [
        ("SPARKIFY_REDSHIFT_ROLE=arn:aws:iam::123456789012:role/none", "the role"),
        ("AWS_PROFILE=unknown", "AWS_PROFILE"),
        ("AWS_ENDPOINT_URL=http://127.0.0.1:9", "AWS_ENDPOINT_URL"),
        ("SPARKIFY_REDSHIFT_WORKGROUP=both", "Set either"),
        ("SPARKIFY_REDSHIFT_SECRET=none", "secret"),
    ],
)
def test_wrong_setting_is_reported(
    redshift: Redshift,
    monkeypatch: pytest.MonkeyPatch,
    wrong: str,
    advice: str,
    capsys: pytest.CaptureFixture[str],
) -> None:
    small(redshift)
    monkeypatch.setenv(*wrong.split("=", 1))
    assert redshift.load("--manifest", STAGING) == 2
    output = capsys.readouterr().err
    assert output.startswith("error: ")
    assert len(output.splitlines()) == 2
    assert advice in output.splitlines()[1]


TRANSIENT: Final = (
    ("BatchExecuteStatement", "throttle", 2),
    ("BatchExecuteStatement", "timeout", 1),
    ("DescribeStatement", "reset", 2),
    ("DescribeStatement", "500", 2),
    ("DescribeStatement", "timeout", 1),
    ("GetStatementResult", "reset", 2),
    ("GetStatementResult", "throttle", 2),
    ("PutObject", "throttle", 2),
    ("PutObject", "reset", 2),
)


def test_transient_fault_is_retried(
    redshift: Redshift, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(data_api, "LONGEST_WAIT", 1)
    small(redshift)
    for number, (operation, how, times) in enumerate(TRANSIENT):
        seconds = 3 if how == "timeout" else 60
        monkeypatch.setattr(data_api, "READ_TIMEOUT", seconds)
        redshift.write(f"log_data/{number}.json", event(item=100 + number))
        redshift.stand_in.fail_next(operation, how, times)
        assert redshift.load("--manifest", STAGING) == 0, (operation, how)
        assert not redshift.stand_in.faults.waiting[operation], (operation, how)
        assert redshift.counts() == (number + 3, number + 52, 0), (operation, how)
        record(
            "faults",
            engine="redshift",
            what=f"{operation}: {how}",
            tried=1,
            succeeded=1,
        )


@pytest.mark.parametrize(
    ("how", "wrong", "advice"),
    [
        ("throttle", "Throttling", "run the command again"),
        ("expired", "ExpiredToken", "Log in again"),
        ("denied", "AccessDenied", "docs/redshift.md"),
    ],
)
def test_permanent_fault_is_reported(
    redshift: Redshift,
    how: str,
    wrong: str,
    advice: str,
    capsys: pytest.CaptureFixture[str],
) -> None:
    small(redshift)
    redshift.stand_in.fail_next("BatchExecuteStatement", how, times=9)
    assert redshift.load("--manifest", STAGING) == 2
    redshift.stand_in.faults.waiting.clear()
    output = capsys.readouterr().err.splitlines()
    assert len(output) == 2
    assert wrong in output[0]
    assert advice in output[1]
    record(
        "faults",
        engine="redshift",
        what=f"BatchExecuteStatement: {how}, for the whole command",
        tried=1,
        reported=1,
    )


def test_paused_cluster_is_reported(
    redshift: Redshift, capsys: pytest.CaptureFixture[str]
) -> None:
    small(redshift)
    redshift.stand_in.pause()
    try:
        assert redshift.load("--manifest", STAGING) == 2
    finally:
        redshift.stand_in.resume()
    output = capsys.readouterr().err.splitlines()
    assert "paused" in output[0]
    assert output[1].startswith("Resume the cluster")


def test_missing_cluster_is_reported(
    redshift: Redshift, capsys: pytest.CaptureFixture[str]
) -> None:
    small(redshift)
    profile = redshift.warehouse.folder / "profiles.yml"
    text = profile.read_text(encoding="utf-8")
    assert redshift.stand_in.cluster in text
    text = text.replace(redshift.stand_in.cluster, "gone-cluster")
    profile.write_text(text, encoding="utf-8")
    assert redshift.load("--manifest", STAGING) == 2
    output = capsys.readouterr().err.splitlines()
    assert output[1].startswith("Check SPARKIFY_REDSHIFT_CLUSTER")
    assert len(output) == 2


def test_role_without_access_is_reported(
    redshift: Redshift,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    small(redshift)
    here = redshift.stand_in
    monkeypatch.setitem(here.roles, here.role_arn, ["s3://elsewhere/"])
    assert redshift.load("--manifest", STAGING) == 2
    output = capsys.readouterr().err.splitlines()
    assert "Access Denied" in output[0]
    assert output[1].startswith("Allow the role")
    assert len(output) == 2


def test_load_is_cancelled_at_its_timeout(
    redshift: Redshift, capsys: pytest.CaptureFixture[str]
) -> None:
    small(redshift)
    assert redshift.load("--manifest", STAGING) == 0
    redshift.write("log_data/b.json", event(item=99))
    with locked_table(redshift):
        assert redshift.load("--manifest", STAGING, "--timeout", "0.02") == 2
        output = capsys.readouterr().err
        assert "did not finish within 0.02 minutes" in output
    assert redshift.counts() == (2, 51, 0)
    assert redshift.load("--manifest", STAGING) == 0
    assert redshift.counts() == (3, 52, 0)


def test_ctrl_c_cancels_statements(redshift: Redshift) -> None:
    small(redshift)
    assert redshift.load("--manifest", STAGING) == 0
    redshift.write("log_data/b.json", event(item=99))
    with locked_table(redshift):
        seen = len(redshift.stand_in.statements)
        process = redshift.start(*WAYS["manifest"])
        wait_for('insert into "raw"."staging_events"', redshift, seen)
        process.send_signal(signal.SIGINT)
        _, error = process.communicate(timeout=60)
    assert process.returncode == 130, error
    assert redshift.counts() == (2, 51, 0)


CONFLICT_AT = 'insert into "raw"."load_history"'


@pytest.mark.parametrize(("times", "seconds"), [(2, 60), (1, 0)])
def test_conflict_with_other_run_is_retried_and_reported(
    redshift: Redshift,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    times: int,
    seconds: int,
) -> None:
    """After error 1023 the batch runs again."""
    status = 0 if seconds else 2
    monkeypatch.setattr(data_api, "CONFLICT_PAUSE", 0.01)
    monkeypatch.setattr(data_api, "CONFLICT_SECONDS", seconds)
    small(redshift)
    redshift.stand_in.conflicts[:] = [(CONFLICT_AT, CONFLICT)] * times
    assert redshift.load("--manifest", STAGING) == status
    output = capsys.readouterr().err.splitlines()
    if status:
        assert "Serialization conflict: another transaction changed" in output[0]
        assert "un the command again" in output[1]
        assert len(output) == 2
    assert redshift.stand_in.conflicts == []
    assert redshift.load("--manifest", STAGING) == 0
    assert redshift.counts() == (2, 51, 0)
    record(
        "faults",
        engine="redshift",
        what="error 1023: another run changed the same tables",
        tried=1,
        succeeded=int(status == 0),
        reported=int(status != 0),
        right_after_the_next_command=1,
    )
