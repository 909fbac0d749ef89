"""Break each rule of the models once: one of dbt's own tests must fail each time."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

from mutations import Mutation, mutate
from recorded import record
from warehouses import QUICK, Builder, Done, Warehouse, copy_of

MUTATIONS = [
    Mutation(
        "only NextSong is a play",
        "models/marts/core/songplays.sql",
        "events.page = 'NextSong'",
        "events.page is not null",
        "only_next_song_is_a_play",
    ),
    Mutation(
        "plays of unknown songs are kept",
        "models/marts/core/songplays.sql",
        "left join matches",
        "inner join matches",
        "plays_without_user_or_song_are_kept",
    ),
    Mutation(
        "plays without a user are kept",
        "models/marts/core/songplays.sql",
        "events.page = 'NextSong'",
        "events.page = 'NextSong' and events.user_id is not null",
        "plays_without_user_or_song_are_kept",
    ),
    Mutation(
        "the artist must match too",
        "models/intermediate/int_song_candidates.sql",
        "            and events.artist_name = songs.artist_name\n",
        "",
        "candidate_matches_title_and_artist_of_play",
    ),
    Mutation(
        "a duration is not a condition",
        "models/intermediate/int_song_candidates.sql",
        "where events.page",
        "where events.duration_seconds = songs.duration_seconds and events.page",
        "candidate_matches_title_and_artist_of_play",
    ),
    Mutation(
        "the nearest duration wins",
        "models/marts/core/songplays.sql",
        "seconds_apart asc nulls last,",
        "",
        "nearest_duration_then_smallest_song_id_wins",
    ),
    Mutation(
        "then the smallest song_id",
        "models/marts/core/songplays.sql",
        "by_code_point('song_id') }} asc",
        "by_code_point('song_id') }} desc",
        "nearest_duration_then_smallest_song_id_wins",
    ),
    Mutation(
        "one row per play",
        "models/marts/core/songplays.sql",
        "where precedence = 1",
        "where precedence >= 1",
        "nearest_duration_then_smallest_song_id_wins",
    ),
    Mutation(
        "the key is session and item",
        "models/intermediate/int_event_versions.sql",
        "generate_surrogate_key(['session_id', 'item_in_session'])",
        "generate_surrogate_key(['session_id', 'start_time'])",
        "songplay_id_hashes_session_and_item",
    ),
    Mutation(
        "an event has one record",
        "models/intermediate/int_event_versions.sql",
        "_in_session\n            order by",
        "_in_session, page\n            order by",
        "later_record_of_event_wins_on_any_page",
    ),
    Mutation(
        "the later record wins",
        "models/intermediate/int_event_versions.sql",
        "repeated_claims.start_time desc",
        "repeated_claims.start_time asc",
        "later_record_of_event_wins_on_any_page",
    ),
    Mutation(
        "no tie is broken by load time",
        "models/intermediate/int_event_versions.sql",
        "repeated_claims.start_time desc,",
        "repeated_claims.start_time desc, repeated_claims.loaded_at desc,",
        "records_at_equal_time_are_ranked_by_content",
    ),
    Mutation(
        "text compares by code point",
        "macros/dialects/by_code_point.sql",
        "duckdb__by_code_point(text) -%}\n{{ text }}",
        "duckdb__by_code_point(text) -%}\nlower({{ text }})",
        "most_frequent_then_shortest_then_first_name_wins",
    ),
    Mutation(
        "the latest level counts",
        "models/marts/core/users.sql",
        "order by last_seen_at desc",
        "order by last_seen_at asc",
        "latest_event_decides_all_user_attributes",
    ),
    Mutation(
        "the session breaks ties of a user",
        "models/intermediate/int_user_days.sql",
        "start_time, session_id, item_in_session\n        ) as next",
        "start_time, item_in_session\n        ) as next",
        "last_event_at_a_moment_decides_level",
    ),
    Mutation(
        "users are not only listeners",
        "models/intermediate/int_user_days.sql",
        "where user_id is not null",
        "where user_id is not null and page = 'NextSong'",
        "any_page_counts_and_null_users_are_excluded",
    ),
    Mutation(
        "an empty user is null",
        "models/staging/stg_events.sql",
        "cast({{ clean_text('userid') }} as bigint)",
        "cast(coalesce({{ clean_text('userid') }}, '0') as bigint)",
        "empty_user_id_is_null_others_are_integers",
    ),
    Mutation(
        "durations are exact",
        "models/staging/stg_events.sql",
        "cast(round(length, 5) as",
        "cast(round(length, 0) as",
        "duration_is_exact_decimal_with_five_places",
    ),
    Mutation(
        "start_time is UTC",
        "macros/dialects/timestamp_of_milliseconds.sql",
        "epoch_ms({{ milliseconds }})",
        "(epoch_ms({{ milliseconds }}) - interval 8 hours)",
        "start_time_is_utc_to_the_millisecond",
    ),
    Mutation(
        "start_time has milliseconds",
        "macros/dialects/timestamp_of_milliseconds.sql",
        "epoch_ms({{ milliseconds }})",
        "date_trunc('second', epoch_ms({{ milliseconds }}))",
        "start_time_is_utc_to_the_millisecond",
    ),
    Mutation(
        "twice encoded text is repaired",
        "macros/clean_text.sql",
        "{{ trim_white_space(repaired_text(column)) }}",
        "null",
        "doubly_encoded_text_is_repaired",
    ),
    Mutation(
        "the entire value is repaired",
        "macros/repaired_text.sql",
        "')+$'",
        "')'",
        "text_without_exact_repair_is_unchanged",
    ),
    Mutation(
        "outer white space is removed",
        "macros/clean_text.sql",
        "{{ trim_white_space(column) }}",
        "{{ column }}",
        "text_is_trimmed_and_empty_text_becomes_null",
    ),
    Mutation(
        "empty text is null",
        "macros/clean_text.sql",
        "nullif(",
        "coalesce(",
        "text_is_trimmed_and_empty_text_becomes_null",
    ),
    Mutation(
        "year 0 is unknown",
        "models/staging/stg_songs.sql",
        "nullif(year, 0)",
        "year",
        "year_zero_becomes_null",
    ),
    Mutation(
        "the latest year wins",
        "models/marts/core/songs.sql",
        "year desc nulls last",
        "year asc nulls last",
        "known_year_then_latest_year_wins",
    ),
    Mutation(
        "the most frequent name wins",
        "models/marts/core/artists.sql",
        "name_frequency desc,",
        "",
        "most_frequent_then_shortest_then_first_name_wins",
    ),
    Mutation(
        "a record counts once for a name",
        "models/marts/core/artists.sql",
        "        max(loaded_at) as loaded_at\n\n    from songs\n\n    group by\n",
        "        loaded_at\n\n    from songs\n\n    group by\n        loaded_at,\n",
        "repeated_delivery_does_not_inflate_name_count",
    ),
    Mutation(
        "a row with a location wins",
        "models/marts/core/artists.sql",
        "case when artist_location is null then 1 else 0 end asc,",
        "",
        "artist_row_with_location_then_coordinates_wins",
    ),
    Mutation(
        "an artist has the values of one row",
        "models/marts/core/artists.sql",
        "        artist_latitude,\n        artist_longitude,\n        loaded_at,\n",
        "        min(artist_latitude) over (partition by artist_id)"
        "            as artist_latitude,\n"
        "        artist_longitude,\n        loaded_at,\n",
        "artist_row_with_location_then_coordinates_wins",
    ),
    Mutation(
        "the week is ISO",
        "models/marts/core/time.sql",
        "cast(extract(week from start_time) as integer)",
        "cast(strftime(start_time, '%U') as integer)",
        "week_and_weekday_are_iso_at_year_end",
    ),
    Mutation(
        "Sunday is 7",
        "macros/dialects/iso_weekday.sql",
        "extract(isodow",
        "extract(dow",
        "week_and_weekday_are_iso_at_year_end",
    ),
    Mutation(
        "time has one row per start_time",
        "models/marts/core/time.sql",
        "group by start_time",
        "group by start_time, songplay_id",
        "week_and_weekday_are_iso_at_year_end",
    ),
    Mutation(
        "the view has each play once",
        "models/marts/listening/plays.sql",
        "on located_plays.user_id = users.user_id",
        "on located_plays.level = users.level",
        "view_keeps_plays_without_user_or_song",
    ),
]


def failed_tests(done: Done) -> list[str]:
    """Return the names of failed nodes, or dbt's error if it stopped."""
    if done.result.exception is not None:
        return [str(done.result.exception)]
    return [name for name, how in done.statuses.items() if how in ("fail", "error")]


def batches(builder: Builder) -> Iterator[list[Mutation]]:
    """Yield lists of mutations that one run of dbt tests, each in its own model.

    A unit test reads only the SQL of its own model, and macros. A mutation whose killer
    is a unit test of the mutated model can share a run with others of this kind.
    """
    models = {node.name: node for node in builder.manifest.nodes.values()}
    own = {
        test.name: models[test.model].original_file_path
        for test in builder.manifest.unit_tests.values()
    }
    rest = list(MUTATIONS)
    while rest:
        batch = [rest.pop(0)]
        for other in list(rest) if own.get(batch[0].killer) == batch[0].file else []:
            is_own = own.get(other.killer) == other.file
            if is_own and other.file not in {mutation.file for mutation in batch}:
                batch.append(other)
                rest.remove(other)
        yield batch


def test_every_mutation_of_a_rule_is_caught(
    sample_warehouse: Warehouse, tmp_path: Path, tell: Callable[[str], None]
) -> None:
    """Run a mutation's killer. If it passes, build all models and run all tests."""
    builder = Builder(copy_of(sample_warehouse, tmp_path / "sample"))
    killers = sorted({mutation.killer for mutation in MUTATIONS})
    unmutated = builder.dbt("test", QUICK, "--select", *killers)
    assert set(unmutated.statuses) >= set(killers)
    assert failed_tests(unmutated) == []
    failures: dict[str, list[str]] = {}
    for number, batch in enumerate(batches(builder)):
        builder.parse()
        for mutation in batch:
            mutate(builder, mutation, parse=False)
        killers = sorted(mutation.killer for mutation in batch)
        failed = failed_tests(builder.dbt("test", QUICK, "--select", *killers))
        for mutation in batch:
            failures[mutation.rule] = [
                name for name in failed if len(batch) == 1 or name == mutation.killer
            ]
            if failures[mutation.rule]:
                continue
            mutate(builder, mutation)
            copy = copy_of(sample_warehouse, tmp_path / f"{number}_{mutation.killer}")
            everything = Builder(copy, manifest=builder.manifest)
            done = everything.dbt("build", QUICK, "--full-refresh", "--fail-fast")
            failures[mutation.rule] = failed_tests(done)
    score = sum(map(bool, failures.values()))
    tell(f"Mutations caught by dbt's tests: {score} of {len(failures)}")
    for rule, failed in sorted(failures.items()):
        tell(f"  {rule:<35} {failed[0] if failed else 'NOT CAUGHT'}")
    assert [rule for rule, failed in failures.items() if not failed] == []
    others = {
        mutation.rule: failures[mutation.rule]
        for mutation in MUTATIONS
        if failures[mutation.rule] != [mutation.killer]
    }
    assert others == {}, "The killer passed. Name one of these tests instead."
    record(
        "mutations",
        engine="duckdb",
        what="a rule of the models, noticed by dbt's tests",
        tried=len(failures),
        caught=score,
    )
