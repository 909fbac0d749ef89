"""The command bootstrap: loaded files, rejected records and messages."""

from __future__ import annotations

import gzip
import os
import re
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

import bootstrap
from conftest import Load, only_duckdb, without_spark
from drawn_lines import assert_read_as_the_rules
from file_forms import COMPRESSED, FILES, FORMS, NAMES
from raw_lines import event, lines_of, song
from sparkify.raw.rules import EVENTS, SONGS, RawTable
from sparkify.shared import project
from sparkify.shared.progress import progress
from warehouses import PROJECT, Warehouse, write_source


def items(warehouse: Warehouse) -> list[tuple[Any, ...]]:
    return warehouse.query(
        "select source_path, iteminsession from raw.staging_events order by 1, 2"
    )


# --- Files ---------------------------------------------------------------------------


@without_spark
def test_files_of_all_forms_and_names_are_read(
    warehouse: Warehouse, load: Load, tmp_path: Path
) -> None:
    """Includes empty files, and an uncompressed file named .gz."""
    files = {name: event(item=0) + b"\n" + event(item=1) for name in NAMES}
    for form, content in FORMS.items():
        for name in FILES:
            zipped = name.startswith("zipped")
            files[f"{form}/{name}"] = gzip.compress(content) if zipped else content
    for name, compress in COMPRESSED.items():
        files[name] = compress(FORMS["newline at end"])
    files["plain.json.gz"] = FORMS["CRLF"]
    empty = {"empty.json": b"", "empty.json.gz": b""}
    assert load(write_source(tmp_path / "data", files | empty)) == 0
    expected = [(f"log_data/{name}", item) for name in files for item in (0, 1)]
    assert sorted(items(warehouse)) == sorted(expected)
    assert warehouse.query("select * from raw.rejected_records") == []
    history = warehouse.query("select path, loaded_count from raw.load_history")
    counts = dict.fromkeys(files, 2) | dict.fromkeys(empty, 0)
    assert dict(history) == {f"log_data/{name}": n for name, n in counts.items()}


@only_duckdb
def test_files_that_are_not_json_are_skipped(
    warehouse: Warehouse, load: Load, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A broken link is an error, because its file may arrive later."""
    files = {"a.json": event(), "notes.txt": b"x", ".hidden.json": event(item=1)}
    root = write_source(tmp_path / "data", files)
    os.mkfifo(root / "log_data" / "pipe.json")
    (root / "log_data" / ".hidden").mkdir()
    (root / "log_data" / ".hidden" / "b.json").write_bytes(event(item=1))
    assert load(root) == 0
    output = capsys.readouterr().out
    assert "Skipped 4 files" in output
    assert "parent folder: log_data/.hidden/, ..." in output
    assert items(warehouse) == [("log_data/a.json", 0)]
    (root / "log_data" / "a.json").unlink()
    assert load(root, "--reset", "--yes") == 2
    assert "None of the 2 files in " in capsys.readouterr().err
    (root / "log_data" / "gone.json").symlink_to("nowhere")
    assert load(root) == 2
    assert "log_data/gone.json cannot be read: No such" in capsys.readouterr().err


@only_duckdb
def test_linked_folders_are_read_and_loops_end(
    warehouse: Warehouse, load: Load, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    root = write_source(tmp_path / "data", {"a.json": event()})
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "b.json").write_bytes(event())
    logs = root / "log_data"
    (logs / "linked").symlink_to(tmp_path / "other")
    (logs / "loop").symlink_to(".")
    (tmp_path / "other" / "back").symlink_to(logs)
    assert load(root) == 0
    assert items(warehouse) == [("log_data/a.json", 0), ("log_data/linked/b.json", 0)]
    output = capsys.readouterr().out
    assert "Skipped 2 files" in output
    assert "to a parent folder: log_data/loop/, ..." in output


@only_duckdb
def test_utf8_name_is_read_in_any_locale(warehouse: Warehouse, tmp_path: Path) -> None:
    root = write_source(tmp_path / "däta", {"ü ♫.json": event()})
    ascii_only = {"LC_ALL": "C", "PYTHONCOERCECLOCALE": "0", "PYTHONUTF8": "0"}
    done = subprocess.run(
        [sys.executable, PROJECT / "scripts" / "bootstrap.py", "--data", root],
        env=os.environ | warehouse.variables | ascii_only,
        capture_output=True,
        check=False,
        text=True,
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert items(warehouse) == [("log_data/ü ♫.json", 0)]


def test_progress_shows_bytes_without_time_left() -> None:
    with progress("load", "B", 1_000_000) as bar:
        bar.update(250_000)
        assert re.fullmatch(r"load:  25%\|.*\| 250k/1.00MB \[00:0\d\]", str(bar))


def test_env_file_in_utf16_is_clear_error(
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(project, "ENVIRONMENT", tmp_path / ".env")
    (tmp_path / ".env").write_text("A=b", encoding="utf-16")
    assert bootstrap.main(["--data", str(tmp_path)]) == 2
    assert ".env is not UTF-8." in capsys.readouterr().err
    (tmp_path / ".env").write_text("A=b", encoding="utf-8-sig")
    assert project.saved_variables() == {"A": "b"}


@only_duckdb
def test_name_not_in_utf8_is_clear_error(
    load: Load, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    root = write_source(tmp_path / "data")
    Path(os.fsdecode(os.fsencode(root) + b"/log_data/\xff.json")).write_bytes(event())
    assert load(root) == 2
    output = capsys.readouterr().err
    assert "log_data/\\udcff.json cannot be read: its name is not UTF-8." in output


@only_duckdb
def test_raw_table_with_other_columns_is_clear_error(
    warehouse: Warehouse, load: Load, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with duckdb.connect(str(warehouse.path)) as connection:
        connection.execute("create schema raw; create table raw.staging_events (a int)")
    assert load(write_source(tmp_path / "data", {"a.json": event()})) == 2
    output = capsys.readouterr().err
    assert output.startswith("error: DuckDB failed: ")
    assert len(output.splitlines()) == 2
    assert not warehouse.query(
        "select 1 from duckdb_tables() where table_name like 'l%'"
    )


@only_duckdb
def test_line_beyond_parser_limit_is_read_by_rules(
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
def test_last_line_dropped_by_parser_is_loaded(
    warehouse: Warehouse, load: Load, tmp_path: Path, size: int
) -> None:
    line = event() + b" " * 800 + b"\n"
    content = (line * (size // len(line)) + b"x" * len(line))[:size]
    files = {"a.json": content[:-1] + b"x"}
    assert load(write_source(tmp_path / "data", files)) == 0
    assert warehouse.query("select line_number, reason from raw.rejected_records") == [
        (content.count(b"\n") + 1, "not JSON")
    ]


@only_duckdb
def test_large_file_of_any_form_is_read(
    warehouse: Warehouse, load: Load, tmp_path: Path
) -> None:
    """DuckDB itself reads files above 64 KiB; zero bytes after gzip are padding."""
    events = [event(item=item, song=f"{item}" * 200) for item in range(200)]
    lines, array = b"\n".join(events), b"[" + b", ".join(events) + b"]"
    noise = os.urandom(1 << 16).hex().encode()
    gzipped = gzip.compress(b"\n".join([*events, noise]))
    files = {
        "array.json": array,
        "array over lines.json": array.replace(b"}, ", b"},\n"),
        "one after the other.json": b"".join(events),
        "padded.json.gz": gzipped + bytes(512),
        "two members.json.gz": gzip.compress(lines) + gzipped,
    }
    assert load(write_source(tmp_path / "data", files)) == 0
    assert warehouse.query(
        "select path, loaded_count, rejected_count from raw.load_history order by 1"
    ) == [
        ("log_data/array over lines.json", 200, 0),
        ("log_data/array.json", 200, 0),
        ("log_data/one after the other.json", 200, 0),
        ("log_data/padded.json.gz", 200, 1),
        ("log_data/two members.json.gz", 400, 1),
    ]


def test_broken_gzip_file_is_named_and_not_loaded(
    warehouse: Warehouse, load: Load, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """One file is truncated, one has an extra byte."""
    zipped = gzip.compress(event(song=os.urandom(1 << 17).hex()))
    for content in (zipped[:-20], zipped + b"x"):
        files = {"a.json": event(), "b.json.gz": content}
        assert load(write_source(tmp_path / "data", files)) == 2
        output = capsys.readouterr().err
        assert output.startswith("error: log_data/b.json.gz cannot be read: ")
        assert len(output.splitlines()) == 2
        assert warehouse.raw_tables() == []


# --- Records -------------------------------------------------------------------------


def test_bad_lines_are_quarantined_up_to_limit(
    warehouse: Warehouse, load: Load, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Numbers in text columns keep their digits."""
    lines = [
        event(item=0),
        b"",
        b'{"sessionId": 1,',
        event(item=1, ts="today"),
        event(item=2, sessionId=None),
        event(item=3, artist=112, song=1.5, userId=39, location="007"),
    ]
    root = write_source(
        tmp_path / "data",
        {"a.json": b"\n".join(lines), "empty.json.gz": b""},
        {"s.json": song(" ")},
    )
    assert load(root, "--max-rejects", "3") == 2
    assert "the first in log_data/a.json, line 3" in capsys.readouterr().err
    assert warehouse.raw_tables() == []
    assert load(root, "--max-rejects", "4") == 0
    assert items(warehouse) == [("log_data/a.json", 0), ("log_data/a.json", 3)]
    assert warehouse.query(
        "select artist, song, userid, location from raw.staging_events"
        " where iteminsession = 3"
    ) == [("112", "1.5", "39", "007")]
    events, songs = ("staging_events", "log_data/a.json"), "staging_songs"
    assert warehouse.query(
        "select table_name, path, line_number, reason, raw_text"
        " from raw.rejected_records order by 2, 3"
    ) == [
        (*events, 3, "not JSON", lines[2].decode()),
        (*events, 4, "ts is not an integer", lines[3].decode()),
        (*events, 5, "sessionId is missing", lines[4].decode()),
        (songs, "song_data/s.json", 1, "song_id is missing", song(" ").decode()),
    ]


PARSER_TEST = "tests/loaders/test_bootstrap.py::test_duckdb_parser_agrees_with_rules"


@only_duckdb
@pytest.mark.parametrize(
    "examples",
    [20, pytest.param(200, marks=pytest.mark.long(guard=f"{PARSER_TEST}[20-duckdb]"))],
)
def test_duckdb_parser_agrees_with_rules(
    tmp_path_factory: pytest.TempPathFactory,
    warehouse: Warehouse,
    examples: int,
) -> None:
    @settings(
        max_examples=examples, deadline=None, suppress_health_check=list(HealthCheck)
    )
    @given(
        st.lists(lines_of(EVENTS), max_size=40), st.lists(lines_of(SONGS), max_size=40)
    )
    def compare(events: list[bytes], songs: list[bytes]) -> None:
        root = tmp_path_factory.mktemp("data")
        lines = {EVENTS: events, SONGS: songs}
        assert_read_as_the_rules(warehouse, root, lines, in_duckdb, exactly)

    compare()


def in_duckdb(table: RawTable, values: list[str | None]) -> tuple[Any, ...]:
    """Return a record's values by the rules, cast by DuckDB."""
    casts = (
        f"cast(${n}::varchar as {column.kind.sql_type})"
        for n, column in enumerate(table.columns, 1)
    )
    (row,) = duckdb.execute(f"select {', '.join(casts)}", values).fetchall()
    return tuple(row)


def exactly(row: tuple[Any, ...]) -> list[str]:
    """Return texts that are equal for equal values of one type."""
    return list(map(repr, row))


# --- Reruns --------------------------------------------------------------------------


def test_rerun_loads_new_and_changed_files(
    warehouse: Warehouse, load: Load, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A broken version is not loaded; deleted files stay loaded; --reset drops all."""
    sessions = "select sessionid from raw.staging_events order by 1"
    root = tmp_path / "data"
    files = {"a.json.gz": event(1) + b"\nx", "gone.json": event(2)}
    assert load(write_source(root, files, {"s.json": song()})) == 0
    ((first,),) = warehouse.query("select max(loaded_at) from raw.load_history")
    write_source(root, {"b.json": event(3)})
    (root / "log_data" / "gone.json").unlink()
    assert load(root) == 0
    capsys.readouterr()
    assert load(root) == 0
    assert "Nothing new to load." in capsys.readouterr().out
    assert warehouse.query(
        f"select sessionid, loaded_at > timestamp '{first}' from raw.staging_events"
        " order by 1"
    ) == [(1, False), (2, False), (3, True)]

    broken = gzip.compress(event(4))[:-9]
    assert load(write_source(root, {"a.json.gz": broken})) == 2
    assert warehouse.query(sessions) == [(1,), (2,), (3,)]

    assert load(write_source(root, {"a.json.gz": event(5) + b"\n" + event(6)})) == 0
    assert warehouse.query(sessions) == [(2,), (3,), (5,), (6,)]
    assert warehouse.query("select * from raw.rejected_records") == []
    assert warehouse.query(
        "select path, loaded_count, rejected_count from raw.load_history order by 1"
    ) == [
        ("log_data/a.json.gz", 2, 0),
        ("log_data/b.json", 1, 0),
        ("log_data/gone.json", 1, 0),
        ("song_data/s.json", 1, 0),
    ]

    other = write_source(tmp_path / "two", {"a.json": event(7)})
    capsys.readouterr()
    assert load(other) == 2
    output = capsys.readouterr().err
    assert f"was loaded from {root}/log_data, not {other}" in output
    assert load(other, "--reset") == 2
    assert "--yes" in capsys.readouterr().err
    assert load(tmp_path / "three", "--reset", "--yes") == 2
    assert load(other, "--reset", "--dry-run") == 0
    assert "would be dropped" in capsys.readouterr().out
    assert len(warehouse.query(sessions)) == 4
    assert load(other, "--reset", "--yes") == 0
    assert warehouse.query(sessions) == [(7,)]


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
    output = capsys.readouterr().err
    assert f"(PID {process.pid}), which has {warehouse.path} open" in output
    assert len(items(warehouse)) == 1


@only_duckdb
def test_dry_run_prints_plan_and_changes_nothing(
    warehouse: Warehouse, load: Load, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    root = write_source(tmp_path / "data", {"a.json": event()}, {"s.json": song()})
    assert load(root, "--dry-run") == 0
    output = capsys.readouterr().out
    assert 'create table if not exists "raw"."staging_events"' in output
    assert 'insert into "raw"."staging_songs"' in output
    assert "load  staging_events  log_data/a.json" in output
    assert warehouse.raw_tables() == []


PARTS_TEST = "tests/loaders/test_bootstrap.py::test_parts_may_have_other_names[duckdb]"


@pytest.mark.parametrize(
    "warehouse",
    [
        "duckdb",
        "postgres",
        pytest.param("spark", marks=pytest.mark.long(guard=PARTS_TEST)),
    ],
    indirect=True,
)
def test_parts_may_have_other_names(
    warehouse: Warehouse, load: Load, tmp_path: Path
) -> None:
    root = write_source(tmp_path / "data", {"a.json": event()}, {"s.json": song()})
    (root / "log_data").rename(root / "logs")
    (root / "song_data").rename(root / "catalogue")
    assert load(root, "--log-data", "logs", "--song-data", "catalogue/") == 0
    assert items(warehouse) == [("logs/a.json", 0)]


@only_duckdb
def test_unknown_source_or_target_is_named(
    warehouse: Warehouse, load: Load, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for data, wrong in {
        "nowhere": "The folder ",
        "ftp://host/data": "ftp://host/data is neither a folder nor an s3:// address.",
        "s3://": "s3:// has no bucket.",
    }.items():
        assert load(data) == 2, data
        output = capsys.readouterr().err
        assert output.startswith(f"error: {wrong}")
        assert len(output.splitlines()) == 2
        assert warehouse.raw_tables() == []
    assert load(tmp_path, "--target", "other") == 2
    assert "has no target other" in capsys.readouterr().err


# --- S3 ------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def s3() -> Iterator[str]:
    """Start moto's S3 server and return its URL."""
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


@pytest.fixture
def bucket(s3: str, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Empty the bucket, and set the environment in which boto3 finds it."""
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


def test_s3_prefix_is_loaded_like_a_folder(
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


@only_duckdb
def test_missing_bucket_or_prefix_is_named(
    load: Load, bucket: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    del bucket
    for data, wrong in {
        "s3://no-such-bucket/in": "NoSuchBucket",
        "s3://sparkify/no": "There are no objects under s3://sparkify/no/log_data",
    }.items():
        assert load(data) == 2, data
        output = capsys.readouterr().err
        assert wrong in output
        assert len(output.splitlines()) == 2


@only_duckdb
def test_s3_without_credentials_is_clear_error(
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
