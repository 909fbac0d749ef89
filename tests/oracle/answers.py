"""The answers to the analytics team's questions."""

from __future__ import annotations

from collections.abc import Callable

from oracle import quality, what, when, who
from oracle.measures import Answer, Evidence, evidence_of
from oracle.reading import RawRecords

QUESTIONS: tuple[Callable[[Evidence], Answer], ...] = (
    what.most_played_songs,
    what.most_played_artists,
    what.most_played_catalogue_songs,
    what.most_played_catalogue_artists,
    what.songs_the_catalogue_lacks,
    what.repeated_songs,
    what.longest_songs,
    what.top_song_by_hour,
    what.top_song_by_location,
    what.top_songs_by_level,
    when.plays_by_hour,
    when.plays_by_weekday,
    when.plays_by_hour_and_weekday,
    when.plays_by_day,
    when.plays_by_week,
    when.plays_by_location,
    when.plays_by_state,
    when.plays_by_region,
    when.plays_by_device,
    who.plays_by_level,
    who.plays_by_gender,
    who.most_active_users,
    who.new_and_returning_listeners,
    who.quiet_users,
    who.users_by_level,
    who.level_changes,
    who.upgrades_by_week,
    who.plays_before_an_upgrade,
    who.sessions_by_level,
    who.sessions_by_user,
    who.longest_sessions,
    who.what_a_user_heard_in_a_session,
    who.who_listened_to_a_song,
    quality.catalogue_coverage,
    quality.catalogue_coverage_by_week,
    quality.error_pages,
    quality.what_was_loaded,
    quality.why_records_were_rejected,
)
"""The questions in the order of docs/questions.md; a name is that of the analysis."""


def answers(records: RawRecords) -> dict[str, Answer]:
    """Return the answer to each question, by the name of its analysis."""
    evidence = evidence_of(records)
    return {question.__name__: question(evidence) for question in QUESTIONS}
