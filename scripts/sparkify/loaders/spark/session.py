"""Start and stop the Spark session of this process, on one lake at a time.

Its settings are those of the profile's target. dbt uses this session if it exists.
"""

from __future__ import annotations

import atexit
import contextlib
import fcntl
import os
import shutil
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, Final

from sparkify.loaders.spark.java import require_java
from sparkify.shared.errors import SparkifyError
from sparkify.shared.project import PROJECT

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

STOP_SECONDS: Final = 30
TEMPORARY: Final = "tmp"
"""A lake's folder for temporary files of Spark and Java (profiles.yml)."""


@dataclass
class _Running:
    """A session, its lake, and the lake's lock file."""

    session: SparkSession
    lake: Path
    lock: IO[bytes]


_running: list[_Running] = []
_java: list[subprocess.Popen[bytes]] = []
"""The Java process, even if the start of Spark was interrupted."""


def lake_of(target: dict[str, Any]) -> Path:
    """Return the root folder of a target's lake.

    Raises SparkifyError if the target has no session or no local lake.
    """
    name = target.get("name")
    if target.get("method") != "session":
        raise SparkifyError(
            f"The target {name} is a Spark server, which cannot load files.",
            "Use a target with method: session on the machine that has the lake.",
        )
    folder = (target.get("server_side_parameters") or {}).get("spark.sql.warehouse.dir")
    if not folder or "://" in folder:
        raise SparkifyError(
            f"The lake of target {name} is not a local folder.",
            "Set SPARKIFY_LAKE (spark.sql.warehouse.dir) to a folder.",
        )
    return (PROJECT / str(folder)).parent


def start(target: dict[str, Any]) -> SparkSession:
    """Return the session on a target's lake, and start it if it is not running.

    The session runs until the process ends. Waits if another process has a session on
    the lake. Raises SparkifyError if Java or Spark is missing, or if a program that
    ignores the lock has the lake open.
    """
    lake = lake_of(target)
    if _running and _running[0].lake == lake:
        return _running[0].session
    stop()
    require_java()
    try:
        # Installed for TARGET=spark only.
        from pyspark.sql import SparkSession
    except ModuleNotFoundError as error:
        raise SparkifyError(
            "Spark is not installed.", "Run make build TARGET=spark."
        ) from error
    lake.mkdir(parents=True, exist_ok=True)
    lock = hold(lake)
    _empty(lake / TEMPORARY)
    builder = SparkSession.builder.enableHiveSupport()
    for name, value in target["server_side_parameters"].items():
        builder = builder.config(name, str(value))
    with contextlib.chdir(PROJECT), _log_errors(lake), _record_java():
        try:
            session = builder.getOrCreate()
            _running.append(_Running(session, lake, lock))
            session.sql("show schemas").collect()
            _delete_incomplete_versions(session, lake)
        except BaseException as error:
            if not _running:  # Interrupted while Java or Spark started.
                _end_java(lake)
                lock.close()
            stop()
            if not isinstance(error, Exception):
                raise
            raise _start_error(lake, error) from error
    return session


@atexit.register
def stop() -> None:
    """Stop the session and its Java, delete temporary files and unlock the lake.

    Does nothing without a session. Also runs at the end of the process.
    """
    while _running:
        running = _running.pop()
        with contextlib.suppress(Exception):
            running.session.stop()
        _end_java(running.lake)
        running.lock.close()


def _end_java(lake: Path) -> None:
    """End Java, and delete temporary files of Spark and Java."""
    from pyspark import SparkContext

    gateway = SparkContext._gateway  # noqa: SLF001 -- there is no public way to end Java
    with contextlib.suppress(Exception):
        gateway.shutdown()
    while _java:
        process = _java.pop()
        if gateway is None:  # Java may wait forever if its start was interrupted.
            process.kill()
        # Java ends when its input ends, even if Spark no longer responds.
        if process.stdin:
            process.stdin.close()
        try:
            process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
    SparkContext._gateway = SparkContext._jvm = None  # noqa: SLF001 -- as above
    if lake.exists():
        _empty(lake / TEMPORARY)


@contextlib.contextmanager
def _record_java() -> Iterator[None]:
    """Record the Java process that pyspark starts, before its start is complete."""
    from pyspark import java_gateway

    start_process = java_gateway.Popen

    def start_java(*command: Any, **options: Any) -> subprocess.Popen[bytes]:  # noqa: ANN401 -- as Popen
        _java.append(start_process(*command, **options))
        return _java[-1]

    java_gateway.Popen = start_java
    try:
        yield
    finally:
        java_gateway.Popen = start_process


def _empty(folder: Path) -> None:
    """Create an empty folder, which dbt's Java needs. Delete an existing one."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()


def hold(lake: Path) -> IO[bytes]:
    """Wait for other processes, and lock a lake until the returned file is closed."""
    lock = (lake / "lock").open("wb")
    waiting = False
    while True:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if not waiting:
                print(f"Waiting for another process that uses {lake} ...")
                waiting = True
            time.sleep(0.2)
        else:
            return lock


def _delete_incomplete_versions(session: SparkSession, lake: Path) -> None:
    """Delete versions of killed builds, which are not in the catalogue (decision 7)."""
    for schema in lake.glob("warehouse/*_versions.db"):
        name = schema.name.removesuffix(".db")
        known = {row[1] for row in session.sql(f"show tables in `{name}`").collect()}
        for folder in schema.iterdir():
            if folder.name not in known:
                shutil.rmtree(folder)


@contextlib.contextmanager
def _log_errors(lake: Path) -> Iterator[None]:
    """Redirect standard error to a log while Java starts. Java keeps the log open."""
    standard_error = os.dup(2)
    with (lake / "spark.log").open("wb") as log:
        os.dup2(log.fileno(), 2)
    try:
        yield
    finally:
        os.dup2(standard_error, 2)
        os.close(standard_error)


def _start_error(lake: Path, error: Exception) -> SparkifyError:
    log = lake / "spark.log"
    messages = str(error) + log.read_text(encoding="utf-8", errors="replace")
    if "Another instance of Derby" in messages:
        return SparkifyError(
            f"Another program has {lake} open.",
            "Wait until dbt or the other program has ended, and run the command again.",
        )
    reason = str(error).strip().splitlines()[0].rstrip(".")
    return SparkifyError(f"Spark cannot be started: {reason}.", f"Read {log}.")
