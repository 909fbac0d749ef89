"""The bootstrap: what it loads, what it refuses, and what it says."""

from __future__ import annotations

import gzip
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import duckdb
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from moto.server import ThreadedMotoServer

from conftest import Load, only_duckdb, without_spark
from raw_lines import event, lines_of, song
from records import EVENTS, RAW_TABLES, SONGS, RefusedRecordError, read_record
from warehouses import Warehouse, write_source


def items(warehouse: Warehouse) -> list[tuple[Any, ...]]:
    return warehouse.query(
        "select source_path, iteminsession from raw.staging_events order by 1, 2"
    )


# --- Files ---------------------------------------------------------------------------


FORMS = {
    "no newline at end": b"\n".join([event(item=0), event(item=1)]),
    "newline at end": b"\n".join([event(item=0), event(item=1), b""]),
    "CRLF": b"\r\n".join([event(item=0), event(item=1), b""]),
    "BOM": b"\xef\xbb\xbf" + b"\n".join([event(item=0), event(item=1)]),
    "blank lines": b"\n \t\n" + event() + b"\n\n\r\n" + event(item=1) + b"\n\n",
    "blanks": event(item=0) + b"\n" + b"  " + event(item=1) + b"\t",
}
FILES = ["plain.json", "zipped.json.gz", "zipped.json"]
NAMES = [
    "it's.json",
    'quote".json',
    "*.json",
    "[a].json",
    "{a,b}.json",
    "a b.json",
    "ü ♫.json",
    "semi;drop table x;--.json",
    "year=2018/x.json",
    "back\\slash.json",
    "new\nline.json",
    "$files.json",
    "LOUD.JSON",
]


@without_spark
@pytest.mark.parametrize("content", FORMS.values(), ids=FORMS.keys())
@pytest.mark.parametrize("name", FILES)
def test_a_file_is_read_right(
    warehouse: Warehouse, load: Load, tmp_path: Path, name: str, content: bytes
) -> None:
    if name.startswith("zipped"):
        content = gzip.compress(content)
    root = write_source(tmp_path / "data", {name: content})
    assert load(root) == 0
    path = f"log_data/{name}"
    assert items(warehouse) == [(path, 0), (path, 1)]
    assert warehouse.query("select * from raw.rejected_records") == []


@pytest.mark.parametrize("name", ["empty.json", "empty.json.gz"])
def test_an_empty_file_is_loaded_with_no_record(
    warehouse: Warehouse, load: Load, tmp_path: Path, name: str
) -> None:
    assert load(write_source(tmp_path / "data", {name: b""})) == 0
    history = warehouse.query("select path, loaded_count from raw.load_history")
    assert history == [(f"log_data/{name}", 0)]


def test_a_plain_file_that_is_named_as_zipped_is_read(
    warehouse: Warehouse, load: Load, tmp_path: Path
) -> None:
    root = write_source(tmp_path / "data", {"plain.json.gz": event()})
    assert load(root) == 0
    assert items(warehouse) == [("log_data/plain.json.gz", 0)]


@without_spark
@pytest.mark.parametrize("name", NAMES)
def test_a_file_may_have_any_name(
    warehouse: Warehouse, load: Load, tmp_path: Path, name: str
) -> None:
    root = write_source(tmp_path / "data", {name: event(), "other.json": event(item=1)})
    assert load(root) == 0
    assert sorted(items(warehouse)) == sorted(
        [(f"log_data/{name}", 0), ("log_data/other.json", 1)]
    )


def test_other_files_are_left_alone_and_named(
    warehouse: Warehouse, load: Load, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    files = {"a.json": event(), "notes.txt": b"x", ".hidden.json": event(item=1)}
    assert load(write_source(tmp_path / "data", files)) == 0
    assert items(warehouse) == [("log_data/a.json", 0)]
    said = capsys.readouterr().out
    assert "2 other files are left alone" in said
    assert "log_data/.hidden.json" in said


def test_what_is_no_file_is_left_alone_or_named(
    warehouse: Warehouse, load: Load, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    root = write_source(tmp_path / "data", {"a.json": event()})
    os.mkfifo(root / "log_data" / "pipe.json")
    (root / "log_data" / ".hidden").mkdir()
    (root / "log_data" / ".hidden" / "b.json").write_bytes(event(item=1))
    assert load(root) == 0
    said = capsys.readouterr().out
    assert "2 other files are left alone" in said
    assert items(warehouse) == [("log_data/a.json", 0)]
    (root / "log_data" / "gone.json").symlink_to("nowhere")
    assert load(root) == 2
    assert "log_data/gone.json cannot be read: No such" in capsys.readouterr().err


def test_a_name_that_is_not_utf8_is_one_sentence_and_status_2(
    load: Load, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    root = write_source(tmp_path / "data")
    Path(os.fsdecode(os.fsencode(root) + b"/log_data/\xff.json")).write_bytes(event())
    assert load(root) == 2
    said = capsys.readouterr().err
    assert "log_data/\\udcff.json cannot be read: its name is not UTF-8." in said


@only_duckdb
def test_a_raw_table_of_another_shape_is_one_sentence_and_status_2(
    warehouse: Warehouse, load: Load, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with duckdb.connect(str(warehouse.path)) as connection:
        connection.execute("create schema raw; create table raw.staging_events (a int)")
    assert load(write_source(tmp_path / "data", {"a.json": event()})) == 2
    said = capsys.readouterr().err
    assert said.startswith("error: DuckDB stopped: ")
    assert len(said.splitlines()) == 2
    assert not warehouse.query(
        "select 1 from duckdb_tables() where table_name like 'l%'"
    )


@only_duckdb
def test_a_line_too_long_for_the_parser_is_judged_by_the_rules(
    warehouse: Warehouse, load: Load, tmp_path: Path
) -> None:
    long = event(item=1, song="x" * 40_000_000)
    files = {"a.json": b"\n".join([event(item=0), long, event(item=2)])}
    assert load(write_source(tmp_path / "data", files)) == 0
    assert [item for _, item in items(warehouse)] == [0, 2]
    assert warehouse.query(
        "select line_number, reason, length(raw_text) from raw.rejected_records"
    ) == [(2, "song is longer than 1024 bytes", len(long))]


@pytest.mark.parametrize("size", [1, 16_777_213])
@only_duckdb
def test_no_last_line_is_lost_where_the_parser_drops_it(
    warehouse: Warehouse, load: Load, tmp_path: Path, size: int
) -> None:
    line = event() + b" " * 800 + b"\n"
    content = (line * (size // len(line)) + b"x" * len(line))[:size]
    files = {"a.json": content[:-1] + b"x"}
    assert load(write_source(tmp_path / "data", files)) == 0
    assert warehouse.query("select line_number, reason from raw.rejected_records") == [
        (content.count(b"\n") + 1, "not JSON")
    ]


def test_a_broken_gzip_file_is_named_and_nothing_is_loaded(
    warehouse: Warehouse, load: Load, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    zipped = gzip.compress(b"\n".join(event(item=n) for n in range(1000)))
    files = {"a.json": event(), "b.json.gz": zipped[:-20]}
    assert load(write_source(tmp_path / "data", files)) == 2
    said = capsys.readouterr().err
    assert said.startswith("error: log_data/b.json.gz cannot be read: ")
    assert len(said.splitlines()) == 2
    assert warehouse.raw_tables() == []


# --- Records -------------------------------------------------------------------------


def test_a_bad_line_goes_to_quarantine_and_the_rest_is_loaded(
    warehouse: Warehouse, load: Load, tmp_path: Path
) -> None:
    lines = [
        event(item=0),
        b"",
        b'{"sessionId": 1, ',
        event(item=1, ts="today"),
        event(item=2, sessionId=None),
        event(item=3),
    ]
    root = write_source(
        tmp_path / "data", {"a.json": b"\n".join(lines)}, {"s.json": song(" ")}
    )
    assert load(root) == 0
    assert items(warehouse) == [("log_data/a.json", 0), ("log_data/a.json", 3)]
    assert warehouse.query(
        "select table_name, path, line_number, reason, raw_text"
        " from raw.rejected_records order by 2, 3"
    ) == [
        ("staging_events", "log_data/a.json", 3, "not JSON", lines[2].decode()),
        (
            "staging_events",
            "log_data/a.json",
            4,
            "ts is not a whole number",
            lines[3].decode(),
        ),
        (
            "staging_events",
            "log_data/a.json",
            5,
            "sessionId is missing",
            lines[4].decode(),
        ),
        (
            "staging_songs",
            "song_data/s.json",
            1,
            "song_id is missing",
            song(" ").decode(),
        ),
    ]


def test_digits_only_names_stay_as_they_are_written(
    warehouse: Warehouse, load: Load, tmp_path: Path
) -> None:
    line = event(artist=112, song=1.5, userId=39, location="007")
    assert load(write_source(tmp_path / "data", {"a.json": line})) == 0
    assert warehouse.query(
        "select artist, song, userid, location from raw.staging_events"
    ) == [("112", "1.5", "39", "007")]


CASTS = {
    table: "select "
    + ", ".join(
        f"cast(${n}::varchar as {c.kind.sql_type})"
        for n, c in enumerate(table.columns, 1)
    )
    for table in RAW_TABLES
}


@only_duckdb
@settings(
    max_examples=60,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(st.lists(lines_of(EVENTS), max_size=12), st.lists(lines_of(SONGS), max_size=12))
def test_the_parser_and_the_rules_never_differ(
    tmp_path_factory: pytest.TempPathFactory,
    warehouse: Warehouse,
    load: Load,
    events: list[bytes],
    songs: list[bytes],
) -> None:
    """One line per file, so that DuckDB's parser reads each line that it may read."""
    parts = ((EVENTS, events), (SONGS, songs))
    root = write_source(
        tmp_path_factory.mktemp("data"),
        *({f"{n:03}.json": line for n, line in enumerate(lines)} for _, lines in parts),
    )
    assert load(root, "--reset", "--yes", "--max-rejects", "100") == 0
    connection = duckdb.connect()
    for table, lines in parts:
        expected, refused = [], []
        for number, line in enumerate(lines):
            path = f"{table.part}/{number:03}.json"
            if not line.strip(b" \t\n\v\f\r"):
                continue
            try:
                values = read_record(table, line)
            except RefusedRecordError as reason:
                refused.append((path, 1, str(reason)))
            else:
                ((*cast,),) = connection.execute(CASTS[table], values).fetchall()
                expected.append((path, *cast))
        columns = ", ".join(f'"{c.name}"' for c in table.columns)
        assert (
            warehouse.query(
                f"select source_path, {columns} from raw.{table.name} order by 1"
            )
            == expected
        )
        assert (
            warehouse.query(
                "select path, line_number, reason from raw.rejected_records"
                f" where table_name = '{table.name}' order by 1"
            )
            == refused
        )


def test_too_many_rejects_stop_the_load_with_nothing_loaded(
    warehouse: Warehouse, load: Load, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    root = write_source(tmp_path / "data", {"a.json": event() + b"\nx\ny\n"})
    assert load(root, "--max-rejects", "1") == 2
    said = capsys.readouterr().err
    assert "the first in log_data/a.json, line 2" in said
    assert warehouse.raw_tables() == []
    assert load(root, "--max-rejects", "2") == 0
    assert items(warehouse) == [("log_data/a.json", 0)]


# --- Reruns --------------------------------------------------------------------------


def test_a_second_run_loads_only_what_is_new(
    warehouse: Warehouse, load: Load, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    root = write_source(tmp_path / "data", {"a.json": event(1)}, {"s.json": song()})
    assert load(root) == 0
    ((first,),) = warehouse.query("select max(loaded_at) from raw.load_history")
    write_source(tmp_path / "data", {"b.json": event(2)})
    assert load(root) == 0
    assert load(root) == 0
    assert "Nothing new to load." in capsys.readouterr().out
    rows = warehouse.query(
        f"select sessionid, loaded_at > timestamp '{first}' from raw.staging_events"
        " order by 1"
    )
    assert rows == [(1, False), (2, True)]


def test_a_new_version_of_a_file_replaces_its_rows_and_rejects(
    warehouse: Warehouse, load: Load, tmp_path: Path
) -> None:
    files = {"a.json": event(1) + b"\nx", "b.json": event(2)}
    assert load(write_source(tmp_path / "data", files)) == 0
    root = write_source(tmp_path / "data", {"a.json": event(3) + b"\n" + event(4)})
    assert load(root) == 0
    sessions = warehouse.query("select sessionid from raw.staging_events order by 1")
    assert sessions == [(2,), (3,), (4,)]
    assert warehouse.query("select * from raw.rejected_records") == []
    assert warehouse.query(
        "select path, loaded_count, rejected_count from raw.load_history order by 1"
    ) == [("log_data/a.json", 2, 0), ("log_data/b.json", 1, 0)]


def test_a_bad_new_version_leaves_the_old_one_loaded(
    warehouse: Warehouse, load: Load, tmp_path: Path
) -> None:
    assert load(write_source(tmp_path / "data", {"a.json.gz": event(1)})) == 0
    broken = gzip.compress(event(2))[:-9]
    assert load(write_source(tmp_path / "data", {"a.json.gz": broken})) == 2
    assert warehouse.query("select sessionid from raw.staging_events") == [(1,)]


def test_a_file_that_disappears_stays_loaded(
    warehouse: Warehouse, load: Load, tmp_path: Path
) -> None:
    root = write_source(tmp_path / "data", {"a.json": event(1), "b.json": event(2)})
    assert load(root) == 0
    (root / "log_data" / "a.json").unlink()
    assert load(root) == 0
    assert len(items(warehouse)) == 2


def test_another_source_is_refused_until_the_warehouse_is_reset(
    warehouse: Warehouse, load: Load, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert load(write_source(tmp_path / "one", {"a.json": event(1)})) == 0
    other = write_source(tmp_path / "two", {"a.json": event(2)})
    assert load(other) == 2
    said = capsys.readouterr().err
    assert f"was filled from {tmp_path}/one/log_data, not {tmp_path}/two" in said
    assert load(other, "--reset") == 2
    assert "--yes" in capsys.readouterr().err
    assert warehouse.query("select sessionid from raw.staging_events") == [(1,)]
    assert load(tmp_path / "three", "--reset", "--yes") == 2
    assert load(other, "--reset", "--dry-run") == 0
    assert "would be dropped" in capsys.readouterr().out
    assert warehouse.query("select sessionid from raw.staging_events") == [(1,)]
    assert load(other, "--reset", "--yes") == 0
    assert warehouse.query("select sessionid from raw.staging_events") == [(2,)]


@only_duckdb
def test_a_second_bootstrap_waits_for_the_first(
    warehouse: Warehouse, load: Load, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    holder = "import duckdb, sys; c = duckdb.connect(sys.argv[1]); print(1); input()"
    root = write_source(tmp_path / "data", {"a.json": event()})
    with subprocess.Popen(
        [sys.executable, "-uc", holder, str(warehouse.path)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    ) as process:
        assert process.stdout
        assert process.stdin
        process.stdout.readline()
        timer = threading.Timer(1, process.stdin.close)
        timer.start()
        assert load(root) == 0
    assert (
        f"Waiting for the process that holds {warehouse.path}"
        in capsys.readouterr().out
    )
    assert len(items(warehouse)) == 1


@only_duckdb
def test_a_dry_run_says_what_it_would_do_and_does_nothing(
    warehouse: Warehouse, load: Load, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    root = write_source(tmp_path / "data", {"a.json": event()}, {"s.json": song()})
    assert load(root, "--dry-run") == 0
    said = capsys.readouterr().out
    assert 'create table if not exists "raw"."staging_events"' in said
    assert 'insert into "raw"."staging_songs"' in said
    assert "load  staging_events  log_data/a.json" in said
    assert warehouse.raw_tables() == []


def test_the_parts_may_have_other_names(
    warehouse: Warehouse, load: Load, tmp_path: Path
) -> None:
    root = write_source(tmp_path / "data", {"a.json": event()}, {"s.json": song()})
    (root / "log_data").rename(root / "logs")
    (root / "song_data").rename(root / "catalogue")
    assert load(root, "--log-data", "logs", "--song-data", "catalogue/") == 0
    assert items(warehouse) == [("logs/a.json", 0)]


@pytest.mark.parametrize(
    ("data", "wrong"),
    [
        ("nowhere", "There is no folder "),
        (
            "ftp://host/data",
            "ftp://host/data is neither a folder nor an s3:// address.",
        ),
        ("s3://", "s3:// names no bucket."),
    ],
)
def test_a_source_that_is_none_is_one_sentence_and_status_2(
    warehouse: Warehouse,
    load: Load,
    capsys: pytest.CaptureFixture[str],
    data: str,
    wrong: str,
) -> None:
    assert load(data) == 2
    said = capsys.readouterr().err
    assert said.startswith(f"error: {wrong}")
    assert len(said.splitlines()) == 2
    assert warehouse.raw_tables() == []


def test_a_target_that_is_none_is_one_sentence_and_status_2(
    load: Load, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert load(tmp_path, "--target", "other") == 2
    assert "has no target other" in capsys.readouterr().err


# --- S3 ------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def s3() -> Iterator[str]:
    """A server of moto that speaks S3."""
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


@pytest.fixture
def bucket(s3: str, monkeypatch: pytest.MonkeyPatch) -> Any:
    """An empty bucket, and an environment in which boto3 finds it."""
    for name, value in {
        "AWS_ENDPOINT_URL": s3,
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
        "AWS_REGION": "us-west-2",
        "AWS_DEFAULT_REGION": "us-west-2",
    }.items():
        monkeypatch.setenv(name, value)
    made = boto3.resource("s3").Bucket("sparkify")
    if made.creation_date is None:
        made.create(CreateBucketConfiguration={"LocationConstraint": "us-west-2"})
    made.objects.all().delete()
    return made


def test_a_prefix_in_s3_is_loaded_as_a_folder_is(
    warehouse: Warehouse, load: Load, bucket: Any
) -> None:
    names = ["a.json", "ü it's $x.json", "dir/b.json.gz"]
    for number, name in enumerate(names):
        line = event(number)
        body = gzip.compress(line) if name.endswith("gz") else line + b"\nbad"
        bucket.put_object(Key=f"in/log_data/{name}", Body=body)
    bucket.put_object(Key="in/song_data/s.json", Body=song())
    bucket.put_object(Key="in/song_data_other/s.json", Body=song("SO2"))
    bucket.put_object(Key="in/log_json_path.json", Body=b"{}")
    assert load("s3://sparkify/in/") == 0
    assert warehouse.query(
        "select source_path, sessionid from raw.staging_events order by 2"
    ) == [(f"log_data/{name}", number) for number, name in enumerate(names)]
    assert warehouse.query("select song_id from raw.staging_songs") == [("SO1",)]
    rejected = warehouse.query("select path from raw.rejected_records order by 1")
    assert rejected == [(f"log_data/{name}",) for name in names[:2]]

    assert load("s3://sparkify/in") == 0
    bucket.put_object(Key="in/log_data/a.json", Body=event(7))
    assert load("s3://sparkify/in") == 0
    sessions = warehouse.query("select sessionid from raw.staging_events order by 1")
    assert sessions == [(1,), (2,), (7,)]


@pytest.mark.parametrize(
    ("data", "wrong"),
    [
        ("s3://no-such-bucket/in", "NoSuchBucket"),
        (
            "s3://sparkify/nothing",
            "There is nothing under s3://sparkify/nothing/log_data",
        ),
    ],
)
def test_what_is_not_in_s3_is_one_sentence_and_status_2(
    load: Load, bucket: Any, capsys: pytest.CaptureFixture[str], data: str, wrong: str
) -> None:
    del bucket
    assert load(data) == 2
    said = capsys.readouterr().err
    assert wrong in said
    assert len(said.splitlines()) == 2


def test_s3_without_credentials_is_one_sentence_and_status_2(
    load: Load,
    bucket: Any,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    del bucket
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert load("s3://sparkify/in") == 2
    assert "there are no AWS credentials" in capsys.readouterr().err
