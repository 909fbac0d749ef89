"""Break what adds to the tables once each: a named case of the law must notice."""

from __future__ import annotations

from pathlib import Path

import pytest

from conftest import only_duckdb
from histories import read_course
from recorded import record
from test_law import CASES, holds
from test_mutations import Mutation, mutate
from warehouses import Builder

VERSIONS = "models/intermediate/int_event_versions.sql"
STRATEGY = "macros/incremental/get_incremental_replace_changed_sql.sql"
CHANGED_KEYS = "macros/incremental/changed_keys.sql"
STRETCHES = "models/marts/listening/user_level_history.sql"
MUTATIONS = [
    Mutation(
        "the watermark is what all models before have reached",
        "macros/incremental/build_basis.sql",
        "reached | min",
        "reached | max",
        "a_build_of_the_rest_alone",
    ),
    Mutation(
        "what was made of a replaced event goes",
        CHANGED_KEYS,
        "where loaded_at > {{ watermark() }}",
        "where loaded_at > {{ watermark() }} and is_current",
        "what_a_run_must_find_again",
    ),
    Mutation(
        "a replaced event is looked for where it was",
        STRATEGY,
        "~ changed ~ ') as changed'",
        "~ 'select ' ~ bound ~ ' from ' ~ arguments.temp_relation ~ ') as changed'",
        "what_a_run_must_find_again",
    ),
    Mutation(
        "songs that come late are matched",
        "models/marts/core/songplays.sql",
        "or new_songs.title is not null",
        "",
        "what_a_run_must_find_again",
    ),
    Mutation(
        "a late event is no user's latest",
        "models/marts/core/users.sql",
        "or events.start_time >= known_users.last_seen_at",
        "or events.loaded_at > {{ watermark() }}",
        "what_a_run_must_find_again",
    ),
    Mutation(
        "a user whose latest event was lost is judged anew",
        "models/marts/core/users.sql",
        "        or changed_users.has_lost_events = 1\n",
        "",
        "what_a_run_must_find_again",
    ),
    Mutation(
        "a version that lost is kept",
        VERSIONS,
        "where precedence = 1 or is_known",
        "where precedence = 1",
        "what_a_run_must_find_again",
    ),
    Mutation(
        "a version that lost is above the watermark",
        VERSIONS,
        "when precedence > 1 and was_current",
        "when precedence < 1 and was_current",
        "what_a_run_must_find_again",
    ),
    Mutation(
        "an event is judged with what was known of it",
        VERSIONS,
        "known_versions as (select * from {{ this }})",
        "known_versions as (select * from {{ this }} where not is_current)",
        "what_a_run_must_find_again",
    ),
    Mutation(
        "a moment that another play still has stays",
        "models/marts/core/time.sql",
        "where loaded_at > {{ watermark() }}",
        "where loaded_at > {{ watermark() }} and is_current",
        "what_a_run_must_find_again",
    ),
    Mutation(
        "a change at the end of a stretch may take the end away",
        STRETCHES,
        "changed_users.changed_at > known_stretches.valid_from",
        "changed_users.changed_at >= known_stretches.valid_from",
        "what_a_run_must_find_again",
    ),
    Mutation(
        "a stretch that goes on has the plays before the change",
        STRETCHES,
        "coalesce(plays_until_the_change.play_count, 0)",
        "0",
        "what_a_run_must_find_again",
    ),
    Mutation(
        "what follows a stretch that goes on is told by its level",
        STRETCHES,
        "interrupted_stretches.level,",
        "cast(null as varchar(1024)) as level,",
        "a_level_that_changed_before",
    ),
    Mutation(
        "stretches before the first change stay",
        STRETCHES,
        "and known_stretches.valid_from <= interrupted_stretches.valid_from",
        "and known_stretches.valid_from = interrupted_stretches.valid_from",
        "a_level_that_changed_before",
    ),
    Mutation(
        "a file in a new version makes all new",
        "models/intermediate/int_builds.sql",
        "max(case when is_new_version then loaded_at end),",
        "",
        "a_file_in_a_new_version",
    ),
]


@only_duckdb
@pytest.mark.parametrize("mutation", MUTATIONS, ids=lambda mutation: mutation.rule)
def test_a_broken_increment_breaks_the_law_in_a_named_case(
    builder: Builder, tmp_path: Path, mutation: Mutation
) -> None:
    """Follow the case that is named as the killer; if that holds, all the others."""
    mutate(builder, mutation)
    cases = sorted(CASES, key=lambda case: case.stem != mutation.killer)
    broken = next(
        (
            case.stem
            for case in cases
            if not holds(builder, read_course(case), tmp_path / "data")
        ),
        "no case",
    )
    assert broken == mutation.killer, f"{broken} notices: name it as the killer."
    record(
        "mutations",
        engine="duckdb",
        what="what adds to the tables, noticed by a named case of the law",
        tried=1,
        caught=1,
    )
