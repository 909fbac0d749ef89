"""Loading and building on PostgreSQL: the server, the lock, statements, indexes."""

from __future__ import annotations

import shutil
import threading
from pathlib import Path

import psycopg
import pytest

import stop_postgres
from conftest import Load, only_postgres
from raw_lines import event, song
from sparkify.loaders.postgres import server as local_postgres
from sparkify.loaders.postgres.loader import LOCK
from sparkify.shared import project
from warehouses import QUICK, Builder, Warehouse, connect_postgres, write_source


@only_postgres
def test_second_bootstrap_waits_for_the_first(
    warehouse: Warehouse, load: Load, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    root = write_source(tmp_path / "data", {"a.json": event()})
    holder = connect_postgres(warehouse.server, warehouse.database)
    holder.execute("select pg_advisory_lock(%s)", [LOCK])
    threading.Timer(1, holder.close).start()
    assert load(root) == 0
    output = capsys.readouterr().out
    assert f"Waiting for another load of {warehouse.database}" in output
    assert warehouse.query("select count(*) from raw.staging_events") == [(1,)]


@only_postgres
def test_dry_run_prints_statements_and_changes_nothing(
    warehouse: Warehouse, load: Load, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    root = write_source(tmp_path / "data", {"a.json": event()})
    assert load(root, "--dry-run") == 0
    output = capsys.readouterr().out
    assert 'copy "raw"."staging_events" ("artist", "auth", "firstname"' in output
    assert warehouse.raw_tables() == []


@only_postgres
def test_raw_table_with_other_columns_is_clear_error(
    warehouse: Warehouse, load: Load, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with connect_postgres(warehouse.server, warehouse.database) as connection:
        connection.execute("create schema raw")
        connection.execute("create table raw.staging_events (a int)")
    assert load(write_source(tmp_path / "data", {"a.json": event()})) == 2
    error = capsys.readouterr().err
    assert error.startswith("error: PostgreSQL failed: ")
    assert len(error.splitlines()) == 2
    assert warehouse.raw_tables() == ["staging_events"]


@only_postgres
def test_unreachable_server_is_clear_error(
    warehouse: Warehouse, load: Load, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    profile = warehouse.folder / "profiles.yml"
    text = profile.read_text(encoding="utf-8")
    profile.write_text(text.replace(warehouse.server, "/nowhere"), encoding="utf-8")
    assert load(write_source(tmp_path / "data", {"a.json": event()})) == 2
    error = capsys.readouterr().err
    assert error.startswith("error: PostgreSQL cannot be reached: ")
    assert len(error.splitlines()) == 2


@only_postgres
def test_tables_have_index_and_statistics(builder: Builder, tmp_path: Path) -> None:
    builder.load(write_source(tmp_path / "data", {"a.json": event()}))
    builder.build(QUICK)
    rows = builder.warehouse.query(
        "select tablename, indexdef from pg_indexes"
        " where schemaname in ('analytics', 'analytics_intermediate')"
    )
    indexed = {(table, text.partition("(")[2].rstrip(")")) for table, text in rows}
    assert indexed == {
        ("int_event_versions", "start_time"),
        ("int_user_days", "event_date"),
        ("songplays", "start_time"),
        ("users", "user_id"),
        ("songs", "song_id"),
        ("artists", "artist_id"),
        ("time", "start_time"),
        ("sessions", "started_at"),
        ("user_level_history", "valid_from"),
    }
    without_statistics = builder.warehouse.query(
        "select relname from pg_class"
        " where relnamespace in"
        " ('analytics'::regnamespace, 'analytics_intermediate'::regnamespace)"
        " and relkind = 'r' and reltuples < 0"
    )
    assert without_statistics == []


@only_postgres
def test_text_that_could_end_a_copy_is_loaded(
    warehouse: Warehouse, load: Load, tmp_path: Path
) -> None:
    texts = ["\\.", "a\n\\.\nb", 'a"b,\\N', "\t"]
    lines = [event(1, item, song=text) for item, text in enumerate(texts)]
    files = {"a.json": b"\n".join(lines)}
    assert load(write_source(tmp_path / "data", files, {"s.json": song()})) == 0
    query = "select song from raw.staging_events order by iteminsession"
    assert warehouse.query(query) == [(text,) for text in texts]


def test_own_server_is_started_found_and_stopped(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    environment = tmp_path / ".env"
    monkeypatch.setattr(local_postgres, "DATA", tmp_path / "data" / "postgres")
    monkeypatch.setattr(project, "ENVIRONMENT", environment)
    monkeypatch.setenv(local_postgres.SOCKET_VARIABLE, "")
    assert not local_postgres.stop()
    assert local_postgres.start() == local_postgres.start()
    variable, _, socket = environment.read_text().strip().partition("=")
    assert variable == local_postgres.SOCKET_VARIABLE
    with connect_postgres(socket, "postgres") as connection:
        assert connection.execute("select 1").fetchall() == [(1,)]
    assert stop_postgres.main() == 0
    with pytest.raises(psycopg.OperationalError):
        connect_postgres(socket, "postgres")
    shutil.rmtree(local_postgres.DATA)
    with connect_postgres(local_postgres.start(), "postgres") as connection:
        assert connection.execute("show wal_level").fetchall() == [("minimal",)]
    local_postgres.server_of(local_postgres.DATA).stop()
    assert capsys.readouterr().out == "PostgreSQL is stopped.\n"
