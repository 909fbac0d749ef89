"""Break what adds to the tables once each: a named case of the law must notice.

``make mutations`` tries all of them, ``make test`` a sample.
"""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from conftest import only_duckdb
from histories import read_course
from recorded import record
from test_law import CASES, holds
from test_mutations import Mutation
from warehouses import PROJECT, Builder

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
    ),
    Mutation(
        "what was made of a replaced event goes",
        CHANGED_KEYS,
        "where loaded_at > {{ watermark() }}",
        "where loaded_at > {{ watermark() }} and is_current",
    ),
    Mutation(
        "a replaced event is looked for where it was",
        STRATEGY,
        "~ changed ~ ') as changed'",
        "~ 'select ' ~ bound ~ ' from ' ~ arguments.temp_relation ~ ') as changed'",
    ),
    Mutation(
        "songs that come late are matched",
        "models/marts/core/songplays.sql",
        "or new_songs.title is not null",
        "",
    ),
    Mutation(
        "a late event is no user's latest",
        "models/marts/core/users.sql",
        "or events.start_time >= known_users.last_seen_at",
        "or events.loaded_at > {{ watermark() }}",
    ),
    Mutation(
        "a user whose latest event was lost is judged anew",
        "models/marts/core/users.sql",
        "        or changed_users.has_lost_events = 1\n",
        "",
    ),
    Mutation(
        "a version that lost is kept",
        VERSIONS,
        "where precedence = 1 or is_known",
        "where precedence = 1",
    ),
    Mutation(
        "a version that lost is above the watermark",
        VERSIONS,
        "when precedence > 1 and was_current",
        "when precedence < 1 and was_current",
    ),
    Mutation(
        "an event is judged with what was known of it",
        VERSIONS,
        "known_versions as (select * from {{ this }})",
        "known_versions as (select * from {{ this }} where not is_current)",
    ),
    Mutation(
        "a moment that another play still has stays",
        "models/marts/core/time.sql",
        "where loaded_at > {{ watermark() }}",
        "where loaded_at > {{ watermark() }} and is_current",
    ),
    Mutation(
        "a change at the end of a stretch may take the end away",
        STRETCHES,
        "changed_users.changed_at > known_stretches.valid_from",
        "changed_users.changed_at >= known_stretches.valid_from",
    ),
    Mutation(
        "a stretch that goes on has the plays before the change",
        STRETCHES,
        "coalesce(plays_until_the_change.play_count, 0)",
        "0",
    ),
    Mutation(
        "what follows a stretch that goes on is told by its level",
        STRETCHES,
        "interrupted_stretches.level,",
        "cast(null as varchar(1024)) as level,",
    ),
    Mutation(
        "stretches before the first change stay",
        STRETCHES,
        "and known_stretches.valid_from <= interrupted_stretches.valid_from",
        "and known_stretches.valid_from = interrupted_stretches.valid_from",
    ),
    Mutation(
        "a file in a new version makes all new",
        "models/intermediate/int_builds.sql",
        "max(case when is_new_version then loaded_at end),",
        "",
    ),
]
SAMPLE = MUTATIONS if os.environ.get("RECORD_RUNS") else MUTATIONS[1:3]


@only_duckdb
@pytest.mark.parametrize("mutation", SAMPLE, ids=lambda mutation: mutation.rule)
def test_a_broken_increment_breaks_the_law_in_a_named_case(
    builder: Builder,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    mutation: Mutation,
) -> None:
    project = tmp_path / "project"
    for part in ("models", "macros", "tests", "analyses", "seeds", "dbt_packages"):
        if (PROJECT / part).exists():
            shutil.copytree(PROJECT / part, project / part)
    for name in ("dbt_project.yml", "packages.yml"):
        shutil.copy(PROJECT / name, project)
    path = project / mutation.file
    text = path.read_text(encoding="utf-8")
    assert mutation.old in text
    path.write_text(text.replace(mutation.old, mutation.new, 1), encoding="utf-8")
    monkeypatch.setattr("builder.WHERE", ("--project-dir", str(project)))
    data = tmp_path / "data"
    courses = (read_course(case) for case in CASES)
    caught = not all(holds(builder, course, data) for course in courses)
    assert caught, "no case of the law notices"
    record(
        "mutations",
        engine="duckdb",
        what="what adds to the tables, noticed by a named case of the law",
        tried=1,
        caught=1,
    )
