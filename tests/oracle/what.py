"""Songs and artists that are played, as the log and the catalogue name them."""

from __future__ import annotations

from collections.abc import Callable, Hashable

from oracle.measures import (
    TOP,
    Answer,
    Evidence,
    Plays,
    Row,
    group_by,
    listener_count,
    ranked_groups,
    song_count,
)
from oracle.star import Artist, Songplay, nulls_last

SONG = ("song_title", "artist_name")


def song_of(play: Songplay) -> tuple[str | None, str | None]:
    """Return title and artist as the log names them."""
    return (play.song_title, play.artist_name)


def songs_by_plays(plays: Plays) -> list[tuple[tuple[str | None, str | None], Plays]]:
    """Return songs and their plays: most plays first, then by title and artist."""
    return ranked_groups(plays, song_of)


def top_songs(plays: Plays) -> Answer:
    """Return the songs of the log with most plays."""
    return Answer(
        (*SONG, "play_count", "listener_count"),
        [
            (*song, len(played), listener_count(played))
            for song, played in songs_by_plays(plays)[:TOP]
        ],
    )


def most_played_songs(evidence: Evidence) -> Answer:
    """Rank songs of the log by plays."""
    return top_songs(evidence.plays)


def songs_the_catalogue_lacks(evidence: Evidence) -> Answer:
    """Rank songs of the log without a match in the catalogue by plays."""
    return top_songs([play for play in evidence.plays if play.song_id is None])


def most_played_artists(evidence: Evidence) -> Answer:
    """Rank artists of the log by plays."""
    ranked = ranked_groups(evidence.plays, lambda play: play.artist_name)
    return Answer(
        ("artist_name", "play_count", "song_count", "listener_count"),
        [
            (artist, len(plays), song_count(plays), listener_count(plays))
            for artist, plays in ranked[:TOP]
        ],
    )


def artists_of(evidence: Evidence) -> dict[str | None, Artist]:
    """Return the artists of the catalogue by artist_id."""
    return {artist.artist_id: artist for artist in evidence.star.artists}


def most_played_catalogue_songs(evidence: Evidence) -> Answer:
    """Rank songs of the catalogue by matched plays."""
    songs = {song.song_id: song for song in evidence.star.songs}
    artists = artists_of(evidence)
    ranked = ranked_groups(evidence.matched_plays, lambda play: str(play.song_id))
    rows: list[Row] = []
    for song_id, plays in ranked[:TOP]:
        song = songs[song_id]
        artist = artists[song.artist_id]
        counts = (len(plays), listener_count(plays))
        rows.append((song_id, song.title, artist.name, song.year, *counts))
    return Answer(
        ("song_id", "title", "artist_name", "year", "play_count", "listener_count"),
        rows,
    )


def most_played_catalogue_artists(evidence: Evidence) -> Answer:
    """Rank artists of the catalogue by matched plays."""
    artists = artists_of(evidence)
    ranked = ranked_groups(evidence.matched_plays, lambda play: play.artist_id)
    return Answer(
        (
            *("artist_id", "artist_name", "artist_location"),
            *("play_count", "song_count", "listener_count"),
        ),
        [
            (
                artist_id,
                artists[artist_id].name,
                artists[artist_id].location,
                len(plays),
                len({play.song_id for play in plays}),
                listener_count(plays),
            )
            for artist_id, plays in ranked[:TOP]
        ],
    )


def longest_songs(evidence: Evidence) -> Answer:
    """Rank songs of the catalogue by duration, which is not null."""
    artists = artists_of(evidence)
    known = [
        (song.duration, song)
        for song in evidence.star.songs
        if song.duration is not None
    ]
    ranked = sorted(known, key=lambda item: (-item[0], item[1].song_id))
    return Answer(
        ("song_id", "title", "artist_name", "year", "duration_seconds"),
        [
            (
                song.song_id,
                song.title,
                artists[song.artist_id].name,
                song.year,
                duration,
            )
            for duration, song in ranked[:TOP]
        ],
    )


def repeated_songs(evidence: Evidence) -> Answer:
    """Rank pairs of user and song of the log by plays, with at least two plays."""
    ranked = ranked_groups(
        evidence.plays_of_users, lambda play: (play.user_id, *song_of(play))
    )
    repeated = [item for item in ranked if len(item[1]) > 1]
    rows: list[Row] = []
    for (user_id, title, artist), plays in repeated[:TOP]:
        user = evidence.users[user_id]
        days = len({play.start_time.date() for play in plays})
        names = (user_id, user.first_name, user.last_name)
        rows.append((*names, title, artist, len(plays), days))
    return Answer(
        ("user_id", "first_name", "last_name", *SONG, "play_count", "day_count"), rows
    )


def top_songs_within(
    evidence: Evidence, segment: Callable[[Songplay], Hashable], limit: int
) -> list[tuple[object, int, Row]]:
    """Return the most played songs by segment: segment, place, song with counts."""
    segments = group_by(evidence.plays, segment)
    return [
        (value, place, (*song, len(played), listener_count(played)))
        for value, plays in sorted(segments.items(), key=lambda i: nulls_last(i[0]))
        for place, (song, played) in enumerate(songs_by_plays(plays)[:limit], start=1)
    ]


def top_song_by_hour(evidence: Evidence) -> Answer:
    """Return the song with most plays in each hour of the day, in UTC."""
    found = top_songs_within(evidence, lambda play: play.start_time.hour, 1)
    return Answer(
        ("hour", *SONG, "play_count", "listener_count"),
        [(hour, *song) for hour, _, song in found],
    )


def top_song_by_location(evidence: Evidence) -> Answer:
    """Return the song with most plays in each location."""
    found = top_songs_within(evidence, lambda play: play.location, 1)
    return Answer(
        ("location", *SONG, "play_count", "listener_count"),
        [(location, *song) for location, _, song in found],
    )


def top_songs_by_level(evidence: Evidence) -> Answer:
    """Return the three songs with most plays at each level."""
    found = top_songs_within(evidence, lambda play: play.level, 3)
    return Answer(
        ("level", "place", *SONG, "play_count", "listener_count"),
        [(level, place, *song) for level, place, song in found],
    )
