"""Break each rule of incremental runs once: a named case of the law must fail."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from functools import cache
from pathlib import Path

import pytest

from histories import read_course
from law import BUILT_BY_ADDING, CASES, FIND_AGAIN, PARTS_OF_A_BUILD, arrive
from mutations import Mutation, mutate
from recorded import record
from warehouses import (
    NO_TESTS,
    QUICK,
    Builder,
    Warehouse,
    assert_the_star_is_the_oracles,
    make_warehouse,
)

VERSIONS = "models/intermediate/int_event_versions.sql"
USER_DAYS = "models/intermediate/int_user_days.sql"
SONGPLAYS = "models/marts/core/songplays.sql"
SESSIONS = "models/marts/listening/sessions.sql"
STRATEGY = "macros/incremental/get_incremental_replace_changed_sql.sql"
CHANGED_KEYS = "macros/incremental/changed_keys.sql"
AFFECTED = "macros/incremental/affected.sql"
KNOWN = "macros/incremental/arrived_or_known.sql"
MUTATIONS = [
    Mutation(
        "the watermark is the minimum of the upstream models",
        "macros/incremental/plan_of_build.sql",
        "reached | min",
        "reached | max",
        "a_build_of_the_rest_alone",
    ),
    Mutation(
        "rows of a superseded version are deleted",
        CHANGED_KEYS,
        "where loaded_at > {{ watermark() }}",
        "where loaded_at > {{ watermark() }} and is_current",
        FIND_AGAIN,
    ),
    Mutation(
        "the bounds of the delete include the old rows",
        STRATEGY,
        "~ changed ~ ') as changed'",
        "~ 'select ' ~ bound ~ ' from ' ~ arguments.temp_relation ~ ') as changed'",
        FIND_AGAIN,
    ),
    Mutation(
        "rows of affected keys are deleted before the insert",
        STRATEGY,
        "where {{ key }} in (select",
        "where {{ key }} not in (select",
        FIND_AGAIN,
    ),
    Mutation(
        "a record above the watermark affects its keys",
        AFFECTED,
        "where loaded_at > {{ watermark() }}",
        "where loaded_at < {{ watermark() }}",
        FIND_AGAIN,
    ),
    Mutation(
        "a late song affects the plays of its title",
        SONGPLAYS,
        "['int_event_versions', 'int_song_candidates']",
        "['int_event_versions']",
        FIND_AGAIN,
    ),
    Mutation(
        "an event affects its play",
        SONGPLAYS,
        "['int_event_versions', 'int_song_candidates']",
        "['int_song_candidates']",
        FIND_AGAIN,
    ),
    Mutation(
        "all imports have one restriction",
        SONGPLAYS,
        "affected(ref('int_song_candidates'), changes)",
        "affected(ref('int_song_candidates'), ['int_song_candidates'])",
        "a_play_that_comes_after_its_song",
    ),
    Mutation(
        "a play with a new match affects its session",
        SESSIONS,
        "['int_event_versions', 'songplays']",
        "['int_event_versions']",
        FIND_AGAIN,
    ),
    Mutation(
        "a superseded version affects the day of its user",
        USER_DAYS,
        "affected(ref('int_events'))",
        "affected(ref('int_events'), ['int_events'])",
        "an_event_that_moves_to_another_day",
    ),
    Mutation(
        "a superseded version affects its start_time",
        "models/marts/core/time.sql",
        "affected(ref('songplays'))",
        "affected(ref('songplays'), ['songplays'])",
        FIND_AGAIN,
    ),
    Mutation(
        "a superseded version is kept",
        VERSIONS,
        "where precedence = 1 or is_known",
        "where precedence = 1",
        FIND_AGAIN,
    ),
    Mutation(
        "a superseded version is above the watermark",
        VERSIONS,
        "when precedence > 1 and was_current",
        "when precedence < 1 and was_current",
        FIND_AGAIN,
    ),
    Mutation(
        "a new version is ranked with the known versions",
        KNOWN,
        "from {{ this }} as known",
        "from (select * from {{ this }} where not is_current) as known",
        FIND_AGAIN,
    ),
    Mutation(
        "a replaced file causes a full refresh",
        "macros/incremental/state_of_raw.sql",
        "max(case when is_new_version then loaded_at end),",
        "",
        "a_file_in_a_new_version",
    ),
]


INCREMENTAL = (*BUILT_BY_ADDING, "user_level_history")
"""The incremental models, and the one table that depends only on them."""
COMPARED = ("songplays", "users", "time", "sessions", "user_level_history")


@pytest.fixture(scope="module")
def begun(tmp_path_factory: pytest.TempPathFactory) -> Callable[[Path], Warehouse]:
    """Return a function that builds the first load of a case, once per case."""

    @cache
    def begin(case: Path) -> Warehouse:
        folder = tmp_path_factory.mktemp("begun")
        builder = Builder(make_warehouse(folder))
        course = read_course(case)
        assert course.builds[0] == "whole"
        arrive(builder, course, 0, folder / "data")
        builder.build(QUICK)
        shutil.copy(builder.warehouse.path, folder / "begun.duckdb")
        shutil.copytree(folder / "data", folder / "begun")
        return builder.warehouse

    return begin


def breaks(begun: Warehouse, mutation: Mutation, case: Path) -> bool:
    """Return whether the increments of a case differ from the oracle's tables."""
    data = begun.folder / "data"
    shutil.rmtree(data)
    shutil.copytree(begun.folder / "begun", data)
    shutil.copy(begun.folder / "begun.duckdb", begun.path)
    builder = Builder(begun)
    mutate(builder, mutation, seen=False)
    course = read_course(case)
    for load, build in enumerate(course.builds[1:], start=1):
        arrive(builder, course, load, data)
        if build == "none":
            continue
        models = PARTS_OF_A_BUILD.get(build, INCREMENTAL)
        done = builder.dbt("build", *NO_TESTS, QUICK, "--select", *models)
        if done.returncode != 0:
            return True
        if build == "whole":
            try:
                assert_the_star_is_the_oracles(builder, data, COMPARED)
            except AssertionError:
                return True
    return False


@pytest.mark.long(
    guard=f"tests/rules/test_law.py::test_law_holds_in_named_case[duckdb-{FIND_AGAIN}]"
)
def test_unbroken_increments_of_cases_are_correct(
    begun: Callable[[Path], Warehouse],
) -> None:
    """Without a mutation, no case fails."""
    no_change = Mutation("", VERSIONS, "select", "select", "")
    killers = {mutation.killer for mutation in MUTATIONS}
    for case in CASES:
        if case.stem in killers:
            assert not breaks(begun(case), no_change, case), case.stem


@pytest.mark.parametrize("mutation", MUTATIONS, ids=lambda mutation: mutation.rule)
def test_broken_increment_fails_in_named_case(
    begun: Callable[[Path], Warehouse], mutation: Mutation
) -> None:
    """Run the killer's case first, then the others until one fails."""
    cases = sorted(CASES, key=lambda case: case.stem != mutation.killer)
    broken = next(
        (case.stem for case in cases if breaks(begun(case), mutation, case)), "no case"
    )
    assert broken == mutation.killer, f"{broken} fails: name it as the killer."
    record(
        "mutations",
        engine="duckdb",
        what="what adds to the tables, noticed by a named case of the law",
        tried=1,
        caught=1,
    )
