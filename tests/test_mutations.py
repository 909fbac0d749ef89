"""Break each rule of the models once: dbt's own tests must turn red every time."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from recorded import record
from warehouses import PROJECT, Warehouse, make_warehouse

SHARDS = 2


@dataclass(frozen=True)
class Mutation:
    """A change to one file of the project that breaks a rule."""

    rule: str
    file: str
    old: str
    new: str


MUTATIONS = [
    Mutation(
        "only NextSong is a play",
        "models/marts/core/songplays.sql",
        "events.page = 'NextSong'",
        "events.page is not null",
    ),
    Mutation(
        "plays of unknown songs stay",
        "models/marts/core/songplays.sql",
        "left join matches",
        "inner join matches",
    ),
    Mutation(
        "plays of nobody stay",
        "models/marts/core/songplays.sql",
        "events.page = 'NextSong'",
        "events.page = 'NextSong' and events.user_id is not null",
    ),
    Mutation(
        "the artist must match too",
        "models/marts/core/songplays.sql",
        "            and named_plays.artist_name = songs.artist_name\n",
        "",
    ),
    Mutation(
        "a duration is no condition",
        "models/marts/core/songplays.sql",
        "and named_plays.artist_name = songs.artist_name",
        "and named_plays.artist_name = songs.artist_name"
        " and named_plays.duration_seconds = songs.duration_seconds",
    ),
    Mutation(
        "the nearest duration wins",
        "models/marts/core/songplays.sql",
        "abs(named_plays.duration_seconds - songs.duration_seconds)\n"
        "                asc nulls last,",
        "",
    ),
    Mutation(
        "then the smallest song_id",
        "models/marts/core/songplays.sql",
        "{{ by_code_point('songs.song_id') }} asc",
        "{{ by_code_point('songs.song_id') }} desc",
    ),
    Mutation(
        "one row per play",
        "models/marts/core/songplays.sql",
        "where precedence = 1",
        "where precedence >= 1",
    ),
    Mutation(
        "the key is session and item",
        "models/intermediate/int_event_versions.sql",
        "generate_surrogate_key(['session_id', 'item_in_session'])",
        "generate_surrogate_key(['session_id', 'start_time'])",
    ),
    Mutation(
        "an event has one record",
        "models/intermediate/int_event_versions.sql",
        "session_id, item_in_session\n            order by",
        "session_id, item_in_session, page\n            order by",
    ),
    Mutation(
        "the later record wins",
        "models/intermediate/int_event_versions.sql",
        "start_time desc",
        "start_time asc",
    ),
    Mutation(
        "no tie is broken by load time",
        "models/intermediate/int_event_versions.sql",
        "start_time desc,",
        "start_time desc, loaded_at desc,",
    ),
    Mutation(
        "text compares by code point",
        "macros/dialects/by_code_point.sql",
        "duckdb__by_code_point(text) -%}\n{{ text }}",
        "duckdb__by_code_point(text) -%}\nlower({{ text }})",
    ),
    Mutation(
        "the latest level counts",
        "models/marts/core/users.sql",
        "order by start_time desc",
        "order by start_time asc",
    ),
    Mutation(
        "ties of a user follow the session",
        "models/marts/core/users.sql",
        "session_id desc, ",
        "",
    ),
    Mutation(
        "users are not only listeners",
        "models/marts/core/users.sql",
        "where user_id is not null",
        "where user_id is not null and page = 'NextSong'",
    ),
    Mutation(
        "the empty user is nobody",
        "models/staging/stg_events.sql",
        "cast({{ clean_text('userid') }} as bigint)",
        "cast(coalesce({{ clean_text('userid') }}, '0') as bigint)",
    ),
    Mutation(
        "durations are exact",
        "models/staging/stg_events.sql",
        "cast(round(length, 5) as",
        "cast(round(length, 0) as",
    ),
    Mutation(
        "start_time is UTC",
        "macros/dialects/timestamp_of_milliseconds.sql",
        "epoch_ms({{ milliseconds }})",
        "(epoch_ms({{ milliseconds }}) - interval 8 hours)",
    ),
    Mutation(
        "start_time has milliseconds",
        "macros/dialects/timestamp_of_milliseconds.sql",
        "epoch_ms({{ milliseconds }})",
        "date_trunc('second', epoch_ms({{ milliseconds }}))",
    ),
    Mutation(
        "twice encoded text is repaired",
        "macros/clean_text.sql",
        "{{ trim_white_space(repaired_text(column)) }}",
        "null",
    ),
    Mutation(
        "a value is repaired as a whole",
        "macros/repaired_text.sql",
        "')+$'",
        "')'",
    ),
    Mutation(
        "outer white space goes",
        "macros/clean_text.sql",
        "{{ trim_white_space(column) }}",
        "{{ column }}",
    ),
    Mutation(
        "empty text is null",
        "macros/clean_text.sql",
        "nullif({{ trim_white_space(column) }}, '')",
        "{{ trim_white_space(column) }}",
    ),
    Mutation(
        "year 0 is unknown",
        "models/staging/stg_songs.sql",
        "nullif(year, 0)",
        "year",
    ),
    Mutation(
        "the latest year wins",
        "models/marts/core/songs.sql",
        "year desc nulls last",
        "year asc nulls last",
    ),
    Mutation(
        "the most frequent name wins",
        "models/marts/core/artists.sql",
        "name_frequency desc,",
        "",
    ),
    Mutation(
        "a record counts once for a name",
        "models/marts/core/artists.sql",
        "        max(loaded_at) as loaded_at\n\n    from songs\n\n    group by\n",
        "        loaded_at\n\n    from songs\n\n    group by\n        loaded_at,\n",
    ),
    Mutation(
        "a row with a location wins",
        "models/marts/core/artists.sql",
        "case when artist_location is null then 1 else 0 end asc,",
        "",
    ),
    Mutation(
        "an artist is one whole row",
        "models/marts/core/artists.sql",
        "        artist_latitude,\n        artist_longitude,\n        loaded_at,\n",
        "        min(artist_latitude) over (partition by artist_id)"
        "            as artist_latitude,\n"
        "        artist_longitude,\n        loaded_at,\n",
    ),
    Mutation(
        "the week is ISO",
        "models/marts/core/time.sql",
        "cast(extract(week from start_time) as integer)",
        "cast(strftime(start_time, '%U') as integer)",
    ),
    Mutation(
        "Sunday is 7",
        "macros/dialects/iso_weekday.sql",
        "extract(isodow",
        "extract(dow",
    ),
    Mutation(
        "time has one row per moment",
        "models/marts/core/time.sql",
        "group by songplays.start_time",
        "group by songplays.start_time, songplays.songplay_id",
    ),
    Mutation(
        "the view has each play once",
        "models/marts/listening/plays.sql",
        "on located_plays.user_id = users.user_id",
        "on located_plays.level = users.level",
    ),
]

# Runs in a process of its own, which pays dbt's start once: builds the project after
# each mutation, undoes it, and prints for each the tests that failed.
WORKER = """
import json, sys
from pathlib import Path
from dbt.cli.main import dbtRunner
project, mutations = Path(sys.argv[1]), json.loads(sys.argv[2])
caught = []
for file, old, new in [(None, None, None), *mutations]:
    if file:
        path = project / file
        text = path.read_text()
        assert text.count(old) >= 1, (file, old)
        path.write_text(text.replace(old, new, 1))
    result = dbtRunner().invoke(
        ["--quiet", "build", "--fail-fast", "--exclude-resource-type", "saved_query"]
    )
    if result.exception:
        caught.append([str(result.exception)])
    else:
        bad = [r for r in result.result if r.status in ("fail", "error")]
        caught.append([f"{r.node.name} ({r.status})" for r in bad])
    if file:
        path.write_text(text)
print("caught " + json.dumps(caught))
"""


def run_shard(
    folder: Path, loaded: Warehouse, mutations: list[Mutation]
) -> list[list[str]]:
    """Give, for no mutation and for each, the tests that failed."""
    warehouse = make_warehouse(folder)
    shutil.copy(loaded.path, warehouse.path)
    project = folder / "project"
    for part in ("models", "macros", "tests", "seeds", "dbt_packages"):
        if (PROJECT / part).exists():
            ignored = shutil.ignore_patterns("*.py", "oracle", "__pycache__")
            shutil.copytree(PROJECT / part, project / part, ignore=ignored)
    for part in ("dbt_project.yml", "packages.yml"):
        shutil.copy(PROJECT / part, project)
    changes = json.dumps([(m.file, m.old, m.new) for m in mutations])
    done = subprocess.run(
        [sys.executable, "-c", WORKER, str(project), changes],
        cwd=project,
        env=warehouse.environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    answer = done.stdout.splitlines()[-1].removeprefix("caught ")
    caught: list[list[str]] = json.loads(answer)
    return caught


def test_every_mutation_of_a_rule_turns_the_tests_red(
    sample_warehouse: Warehouse, tmp_path: Path, tell: Callable[[str], None]
) -> None:
    shards = [MUTATIONS[n::SHARDS] for n in range(SHARDS)]
    with ThreadPoolExecutor(SHARDS) as pool:
        answers = pool.map(
            lambda n: run_shard(tmp_path / str(n), sample_warehouse, shards[n]),
            range(SHARDS),
        )
    verdicts: dict[str, list[str]] = {}
    for shard, (unmutated, *caught) in zip(shards, answers, strict=True):
        assert unmutated == []
        verdicts |= {m.rule: c for m, c in zip(shard, caught, strict=True)}
    score = sum(map(bool, verdicts.values()))
    tell(f"Mutations caught by dbt's tests: {score} of {len(verdicts)}")
    for rule, tests in sorted(verdicts.items()):
        tell(f"  {rule:<35} {tests[0] if tests else 'NOT CAUGHT'}")
    assert [rule for rule, tests in verdicts.items() if not tests] == []
    record(
        "mutations",
        engine="duckdb",
        what="a rule of the models, noticed by dbt's tests",
        tried=len(verdicts),
        caught=score,
    )
