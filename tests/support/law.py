"""Run a course of loads and builds, and compare the tables after complete builds."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path
from typing import Final

from histories import Course, files_of
from warehouses import (
    NO_TESTS,
    PROJECT,
    QUICK,
    Builder,
    assert_the_star_is_the_oracles,
)

CASES: Final = sorted((PROJECT / "tests" / "law_cases").glob("*.json"))
FIND_AGAIN: Final = "what_a_run_must_find_again"
"""The case that detects most mutations of incremental models."""

BUILT_BY_ADDING = (
    *("int_event_versions", "songplays", "time", "sessions", "int_user_days", "users"),
)
"""The incremental models."""
WHOLE = ("whole", "both")
PARTS_OF_A_BUILD = {
    "half": ("stg_events", "int_event_versions"),
    "rest": (*BUILT_BY_ADDING[1:], "user_level_history"),
}


def arrive(builder: Builder, course: Course, load: int, data: Path) -> None:
    """Write the files of one load of a course, and load them."""
    for part in ("log_data", "song_data"):
        (data / part).mkdir(parents=True, exist_ok=True)
    for name, content in files_of(course, load).items():
        (data / name).write_bytes(content)
    builder.load(data)


def build_beside(builder: Builder) -> None:
    """Build in another process, and in this one until the other ends.

    Either may fail, because both replace views and tables under the same names.
    """
    dbt = str(Path(sys.executable).with_name("dbt"))
    with subprocess.Popen(
        [dbt, "--quiet", "build", *NO_TESTS, "--project-dir", str(PROJECT)],
        env=builder.warehouse.environment
        | {"DBT_TARGET_PATH": str(builder.warehouse.folder / "beside")},
        stdout=subprocess.DEVNULL,
    ) as other:
        while other.poll() is None:
            builder.dbt("build", *NO_TESTS, QUICK)


def follow(
    builder: Builder, course: Course, data: Path, *, at_once: bool = False
) -> None:
    """Run a course that ends in a complete build; compare each complete build.

    If ``at_once``, two processes build where the course says ``both`` and at the end.
    """
    shutil.rmtree(data, ignore_errors=True)
    builder.empty()
    for load, build in enumerate(course.builds):
        arrive(builder, course, load, data)
        if build == "half" or (build == "rest" and {*WHOLE} & {*course.builds[:load]}):
            builder.build(QUICK, "--select", *PARTS_OF_A_BUILD[build])
        if build == "empty":
            done = builder.dbt("build", "--empty", *NO_TESTS, QUICK)
            assert done.returncode == 0, done.stdout
        is_last = load == len(course.builds) - 1
        if at_once and (build == "both" or is_last):
            build_beside(builder)
        if build in WHOLE or is_last:
            builder.build(QUICK)
            assert_the_star_is_the_oracles(builder, data)
