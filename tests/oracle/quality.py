"""What the data are like: loads, refusals, the catalogue's share, pages of the app."""

from __future__ import annotations

from oracle.measures import (
    Answer,
    Evidence,
    Row,
    by_count,
    group_by,
    monday_of,
    percent,
)

# ----------------------------------------------------------------- what was loaded


def what_was_loaded(evidence: Evidence) -> Answer:
    """Count files, records and refusals of each raw table that has files."""
    records = evidence.records
    accepted = {
        "staging_events": len(records.events),
        "staging_songs": len(records.songs),
    }
    rejects = group_by(records.rejects, lambda reject: reject.part)
    rows: list[Row] = []
    for table, files in sorted(records.file_counts.items()):
        if files:
            loaded, rejected = accepted[table], len(rejects.get(table, []))
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
    groups = group_by(evidence.records.rejects, lambda r: (r.part, r.reason))
    ranked = sorted(groups.items(), key=lambda item: by_count(item[1], *item[0]))
    return Answer(
        ("table_name", "reason", "record_count", "file_count"),
        [
            (*why, len(rejects), len({reject.path for reject in rejects}))
            for why, rejects in ranked
        ],
    )


# ------------------------------------------------------------ what the catalogue has


def catalogue_coverage(evidence: Evidence) -> Answer:
    """Say which share of plays the catalogue knows."""
    plays, matched = len(evidence.plays), len(evidence.matched_plays)
    return Answer(
        ("play_count", "matched_play_count", "matched_percent"),
        [(plays, matched, percent(matched, plays))],
    )


def catalogue_coverage_by_week(evidence: Evidence) -> Answer:
    """Say the same of each week."""
    rows: list[Row] = []
    weeks = group_by(evidence.plays, lambda play: monday_of(play.start_time))
    for week, plays in sorted(weeks.items()):
        matched = sum(play.song_id is not None for play in plays)
        rows.append((week, len(plays), matched, percent(matched, len(plays))))
    return Answer(
        ("week_start_date", "play_count", "matched_play_count", "matched_percent"), rows
    )


# ---------------------------------------------------------------- pages of the app


def error_pages(evidence: Evidence) -> Answer:
    """Count what was opened by page, and how often the status was 400 or more."""
    rows: list[tuple[int, Row]] = []
    groups = group_by(evidence.events, lambda event: event.page)
    ranked = sorted(groups.items(), key=lambda item: by_count(item[1], item[0]))
    for page, events in ranked:
        users = len({event.user_id for event in events} - {None})
        errors = sum((event.status or 0) >= 400 for event in events)
        share = percent(errors, len(events))
        rows.append((-errors, (page, len(events), users, errors, share)))
    return Answer(
        ("page", "event_count", "user_count", "error_count", "error_percent"),
        [row for _, row in sorted(rows, key=lambda item: item[0])],
    )
