"""Data quality: loads, rejected records, catalogue coverage, error pages."""

from __future__ import annotations

from collections import Counter

from oracle.measures import (
    Answer,
    Evidence,
    Row,
    group_by,
    monday_of,
    percent,
    ranked_groups,
)

# --------------------------------------------------------------------------- loads


def what_was_loaded(evidence: Evidence) -> Answer:
    """Count files, records and rejected records of each raw table with files."""
    records = evidence.records
    accepted = {
        "staging_events": len(records.events),
        "staging_songs": len(records.songs),
    }
    rejects = Counter(reject.part for reject in records.rejects)
    rows: list[Row] = []
    for table, files in sorted(records.file_counts.items()):
        if files:
            loaded, rejected = accepted[table], rejects[table]
            share = percent(rejected, loaded + rejected)
            rows.append((table, files, loaded, rejected, share))
    return Answer(
        (
            *("table_name", "file_count", "record_count"),
            *("rejected_count", "rejected_percent"),
        ),
        rows,
    )


def why_records_were_rejected(evidence: Evidence) -> Answer:
    """Count rejected records by raw table and reason."""
    reasons = ranked_groups(evidence.records.rejects, lambda r: (r.part, r.reason))
    return Answer(
        ("table_name", "reason", "record_count", "file_count"),
        [
            (*reason, len(rejects), len({reject.path for reject in rejects}))
            for reason, rejects in reasons
        ],
    )


# -------------------------------------------------------------- catalogue coverage


def catalogue_coverage(evidence: Evidence) -> Answer:
    """Return the percentage of plays that match a song of the catalogue."""
    plays, matched = len(evidence.plays), len(evidence.matched_plays)
    return Answer(
        ("play_count", "matched_play_count", "matched_percent"),
        [(plays, matched, percent(matched, plays))],
    )


def catalogue_coverage_by_week(evidence: Evidence) -> Answer:
    """Return the percentage of matched plays by week."""
    rows: list[Row] = []
    weeks = group_by(evidence.plays, lambda play: monday_of(play.start_time))
    for week, plays in sorted(weeks.items()):
        matched = sum(play.song_id is not None for play in plays)
        rows.append((week, len(plays), matched, percent(matched, len(plays))))
    return Answer(
        ("week_start_date", "play_count", "matched_play_count", "matched_percent"), rows
    )


# --------------------------------------------------------------------- error pages


def error_pages(evidence: Evidence) -> Answer:
    """Count events, users and errors (status 400 or more) by page, by most errors."""
    rows: list[tuple[int, Row]] = []
    for page, events in ranked_groups(evidence.events, lambda event: event.page):
        users = len({event.user_id for event in events} - {None})
        errors = sum((event.status or 0) >= 400 for event in events)
        share = percent(errors, len(events))
        rows.append((-errors, (page, len(events), users, errors, share)))
    return Answer(
        ("page", "event_count", "user_count", "error_count", "error_percent"),
        [row for _, row in sorted(rows, key=lambda item: item[0])],
    )
