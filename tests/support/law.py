"""Follow a course of loads and builds, and compare the star after each whole build."""

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
"""The case of which most mutations of an increment are noticed."""

BUILT_BY_ADDING = (
    *("int_event_versions", "songplays", "time", "sessions", "int_user_days", "users"),
)
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
    """Build in another process, and here until that one ends.

    Each may fail: dbt replaces views and tables under names that both would use.
    """
    command = [
        str(Path(sys.executable).with_name("dbt")),
        "--quiet",
        "build",
        *NO_TESTS,
    ]
    with subprocess.Popen(
        [*command, "--project-dir", str(PROJECT)],
        env=builder.warehouse.environment
        | {"DBT_TARGET_PATH": str(builder.warehouse.folder / "beside")},
        stdout=subprocess.DEVNULL,
    ) as other:
        while other.poll() is None:
            builder.dbt("build", *NO_TESTS, QUICK)


def follow(
    builder: Builder, course: Course, data: Path, *, at_once: bool = False
) -> None:
    """Load and build as a course says, and all in the end; compare each whole build.

    ``at_once`` has two processes build where the course says ``both``, and last.
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
        if build in WHOLE:
            builder.build(QUICK)
            assert_the_star_is_the_oracles(builder, data)
    if course.builds[-1] not in WHOLE:
        builder.build(QUICK)
        assert_the_star_is_the_oracles(builder, data)
