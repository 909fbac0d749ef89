"""The Spark session of this process, on one lake at a time.

Its settings are those of the profile's target, so that dbt starts the same session
without us, and takes ours where there is one.
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

from sparkify.dbt_profile import PROJECT
from sparkify.errors import SparkifyError
from sparkify.loaders.spark.java import require_java

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

STOP_SECONDS: Final = 30
TEMPORARY: Final = "tmp"
"""The folder below a lake for temporary files of Spark and Java (profiles.yml)."""


@dataclass
class _Running:
    """The session that runs, the lake it is on, and the lock that it holds there."""

    session: SparkSession
    lake: Path
    lock: IO[bytes]


_running: list[_Running] = []


def lake_of(target: dict[str, Any]) -> Path:
    """Give the lake's root of a profile's target. Raises SparkifyError."""
    name = target.get("name")
    if target.get("method") != "session":
        raise SparkifyError(
            f"The target {name} is a Spark server, through which nothing is loaded.",
            "Load with a target whose method is session, where the lake's folder is.",
        )
    folder = (target.get("server_side_parameters") or {}).get("spark.sql.warehouse.dir")
    if not folder or "://" in folder:
        raise SparkifyError(
            f"The target {name} keeps its lake in no folder of this machine.",
            "Set SPARKIFY_LAKE (spark.sql.warehouse.dir) to a folder.",
        )
    return (PROJECT / str(folder)).parent


def start(target: dict[str, Any]) -> SparkSession:
    """Give the session on a target's lake, started if it does not run.

    It runs until the process ends, since it takes seconds to start. Waits for another
    process that has a session on the lake; raises SparkifyError if there is no Java, no
    Spark, or if a program that heeds no lock holds the lake.
    """
    lake = lake_of(target)
    if _running and _running[0].lake == lake:
        return _running[0].session
    stop()
    require_java()
    try:
        # Only those who use it have it.
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
    with contextlib.chdir(PROJECT), _quiet(lake):
        try:
            session = builder.getOrCreate()
            _running.append(_Running(session, lake, lock))
            session.sql("show schemas").collect()
            _remove_halves(session, lake)
        except Exception as error:
            stop()
            raise _unstarted(lake, error) from error
    return session


@atexit.register
def stop() -> None:
    """End the session and its Java, if one runs, and release the lake.

    Also runs at the end of the process. Deletes the temporary files of Spark and Java.
    """
    while _running:
        from pyspark import SparkContext

        running = _running.pop()
        gateway = SparkContext._gateway  # noqa: SLF001 -- there is no public way to end Java
        # Java ends when its input ends, even if Spark no longer answers.
        with contextlib.suppress(Exception):
            running.session.stop()
            gateway.shutdown()
        if gateway is not None:
            gateway.proc.stdin.close()
            try:
                gateway.proc.wait(STOP_SECONDS)
            except subprocess.TimeoutExpired:
                gateway.proc.kill()
        SparkContext._gateway = SparkContext._jvm = None  # noqa: SLF001 -- as above
        if running.lake.exists():
            _empty(running.lake / TEMPORARY)
        running.lock.close()


def _empty(folder: Path) -> None:
    """Make a folder, or delete what a process left there that was killed.

    The folder itself stays for dbt, whose Java expects it.
    """
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()


def hold(lake: Path) -> IO[bytes]:
    """Wait until no other process holds a lake; it is held until the file is closed."""
    lock = (lake / "lock").open("wb")
    waiting = False
    while True:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if not waiting:
                print(f"Waiting for the process that holds {lake} ...")
                waiting = True
            time.sleep(0.2)
        else:
            return lock


def _remove_halves(session: SparkSession, lake: Path) -> None:
    """Delete the files of versions that killed builds began (decision 7).

    The catalogue does not know them. A folder has the name of its table.
    """
    for schema in lake.glob("warehouse/*_versions.db"):
        name = schema.name.removesuffix(".db")
        known = {row[1] for row in session.sql(f"show tables in `{name}`").collect()}
        for folder in schema.iterdir():
            if folder.name not in known:
                shutil.rmtree(folder)


@contextlib.contextmanager
def _quiet(lake: Path) -> Iterator[None]:
    """Let Java, while it starts, take a file for its standard error, and keep it."""
    before = os.dup(2)
    with (lake / "spark.log").open("wb") as log:
        os.dup2(log.fileno(), 2)
    try:
        yield
    finally:
        os.dup2(before, 2)
        os.close(before)


def _unstarted(lake: Path, error: Exception) -> SparkifyError:
    log = lake / "spark.log"
    said = str(error) + log.read_text(encoding="utf-8", errors="replace")
    if "Another instance of Derby" in said:
        return SparkifyError(
            f"Another program has {lake} open.",
            "Wait until dbt, or what else reads it, has ended, and repeat the command.",
        )
    reason = str(error).strip().splitlines()[0].rstrip(".")
    return SparkifyError(f"Spark cannot be started: {reason}.", f"Look into {log}.")
