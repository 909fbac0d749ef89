"""The sample follows its options and has the traits of the real data."""

from __future__ import annotations

import gzip
import hashlib
import json
import re
from collections import Counter, defaultdict
from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise
from operator import itemgetter
from pathlib import Path
from typing import Any

import pytest

import generate_events
from oracle.cleaning import clean_text, repair
from oracle.reading import read_folder
from sparkify.sample import writer

Record = dict[str, Any]

DAY = 86_400_000
SMALL = ("--events", "300", "--users", "12", "--songs", "60", "--days", "4")
PAGES = {
    *("NextSong", "Home", "Help", "About", "Error", "Login", "Logout", "Settings"),
    *("Save Settings", "Upgrade", "Submit Upgrade", "Downgrade", "Submit Downgrade"),
}


def made(folder: Path, *arguments: str) -> Path:
    assert generate_events.main([*arguments, "--out", str(folder)]) == 0
    return folder


def bytes_of(folder: Path) -> dict[str, bytes]:
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def digest(folder: Path) -> str:
    total = hashlib.sha256()
    for path, content in bytes_of(folder).items():
        total.update(f"{path} {len(content)}\n".encode())
        total.update(content)
    return total.hexdigest()


@dataclass(frozen=True)
class Sample:
    """A clean sample, read by Python's json module only."""

    folder: Path
    log_files: list[Path]
    lines: list[str]
    events: list[Record]
    plays: list[Record]
    songs: list[Record]
    catalogue: dict[Any, list[Record]]
    matches: list[tuple[Record, list[Record]]]
    visits: dict[Any, list[Record]]
    by_user: dict[Any, list[Record]]
    by_artist: dict[Any, list[Record]]


def read_sample(folder: Path) -> Sample:
    log_files = sorted((folder / "log_data").rglob("*.json"))
    texts = (path.read_text(encoding="ascii") for path in log_files)
    lines = [line for text in texts for line in text.split("\n")]
    events: list[Record] = [json.loads(line) for line in lines]
    plays = [event for event in events if event["page"] == "NextSong"]
    song_files = sorted((folder / "song_data").rglob("*.json"))
    songs = [json.loads(path.read_text(encoding="ascii")) for path in song_files]
    catalogue = grouped(songs, match_key)
    candidates = [
        (play, catalogue.get((text(play["song"]), text(play["artist"])), []))
        for play in plays
    ]
    return Sample(
        folder=folder,
        log_files=log_files,
        lines=lines,
        events=events,
        plays=plays,
        songs=songs,
        catalogue=catalogue,
        matches=[(play, found) for play, found in candidates if found],
        visits=grouped(events, itemgetter("sessionId")),
        by_user=grouped([e for e in events if e["userId"]], itemgetter("userId")),
        by_artist=grouped(songs, itemgetter("artist_id")),
    )


def grouped(
    records: list[Record], key: Callable[[Record], Any]
) -> dict[Any, list[Record]]:
    groups = defaultdict(list)
    for record in records:
        groups[key(record)].append(record)
    return dict(groups)


def match_key(song: Record) -> tuple[str | None, str | None]:
    return text(song["title"]), text(song["artist_name"])


def text(value: str | float | None) -> str | None:
    return clean_text(None if value is None else str(value))


@pytest.fixture(scope="module", params=[1, 2, 3], ids="seed {}".format)
def sample(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Sample:
    """Write and read a sample of the default size."""
    folder = tmp_path_factory.mktemp("sample") / "data"
    return read_sample(made(folder, "--seed", str(request.param)))


@pytest.fixture(scope="module")
def dirty(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Write a sample of the default size with dirty files."""
    return made(tmp_path_factory.mktemp("dirty") / "data", "--dirty")


# --- Files ----------------------------------------------------------------------------


def test_same_seed_writes_same_bytes(tmp_path: Path) -> None:
    first = made(tmp_path / "1", *SMALL, "--seed", "7", "--dirty")
    second = made(tmp_path / "2", *SMALL, "--seed", "7", "--dirty")
    assert bytes_of(first) == bytes_of(second)


def test_other_seed_writes_other_bytes(tmp_path: Path) -> None:
    first = made(tmp_path / "1", *SMALL, "--seed", "7")
    second = made(tmp_path / "2", *SMALL, "--seed", "8")
    assert bytes_of(first) != bytes_of(second)


def test_seed_writes_same_bytes_on_every_machine(tmp_path: Path) -> None:
    """After an intended change of the generator, update the digest."""
    small = made(tmp_path / "data", *SMALL, "--seed", "7", "--dirty")
    assert digest(small) == (
        "4670c57bb1ed067eee0f3795c13cc0e51a7b83876651d70db1cec65f28c48618"
    )


@pytest.mark.parametrize(
    ("events", "users", "days"), [(1, 1, 1), (7, 2, 3), (1_000, 3, 1), (2_500, 40, 9)]
)
def test_sample_has_requested_number_of_events(
    tmp_path: Path, events: int, users: int, days: int
) -> None:
    sizes = ("--events", str(events), "--users", str(users), "--days", str(days))
    sample = read_sample(made(tmp_path / "data", *sizes, "--songs", "3"))
    assert len(sample.events) == events
    assert len(sample.songs) == 3
    assert len(sample.log_files) <= days
    ids = {int(event["userId"]) for event in sample.events if event["userId"]}
    assert ids <= set(range(1, users + 1))


def test_sample_has_layout_of_the_bucket(sample: Sample) -> None:
    paths = list(bytes_of(sample.folder))
    logs = [path for path in paths if path.startswith("log_data/")]
    songs = [path for path in paths if path.startswith("song_data/")]
    assert logs == [
        f"log_data/2018/11/2018-11-{day:02}-events.json" for day in range(1, 31)
    ]
    assert len(songs) == 700
    for path in songs:
        assert re.fullmatch(
            r"song_data/([A-Z])/([A-Z])/([A-Z])/TR\1\2\3[A-Z0-9]{13}\.json", path
        )
    assert set(paths) == {*logs, *songs, "log_json_path.json"}
    jsonpaths = json.loads((sample.folder / "log_json_path.json").read_text("ascii"))
    assert jsonpaths == {"jsonpaths": [f"$['{key}']" for key in sample.events[0]]}


def test_no_file_ends_in_a_newline(sample: Sample) -> None:
    for content in bytes_of(sample.folder).values():
        assert content
        assert not content.endswith(b"\n")


def test_records_have_form_of_real_files(sample: Sample) -> None:
    for line, event in zip(sample.lines, sample.events, strict=True):
        assert list(event) == sorted(event)
        assert json.dumps(event, separators=(",", ":")) == line
        assert isinstance(event["ts"], int)
        assert event["userId"] == "" or re.search(r'"registration":\d{13}\.0,', line)
        assert round(event["length"] or 0, 5) == (event["length"] or 0)
    for song in sample.songs:
        assert list(song) == sorted(song)
        assert round(song["duration"], 5) == song["duration"]
        assert re.fullmatch(r"SO[A-Z0-9]{16}", song["song_id"])
        assert re.fullmatch(r"AR[A-Z0-9]{16}", song["artist_id"])


def test_file_has_events_of_its_day_in_order(sample: Sample) -> None:
    for number, path in enumerate(sample.log_files):
        lines = path.read_text(encoding="ascii").split("\n")
        times = [json.loads(line)["ts"] for line in lines]
        assert times == sorted(times)
        assert {time // DAY for time in times} == {1_541_030_400_000 // DAY + number}


def test_start_and_days_set_the_log_dates(tmp_path: Path) -> None:
    folder = made(tmp_path / "data", *SMALL, "--start", "2020-12-30")
    assert [path.name[:10] for path in read_sample(folder).log_files] == [
        "2020-12-30",
        "2020-12-31",
        "2021-01-01",
        "2021-01-02",
    ]


# --- Events ---------------------------------------------------------------------------


def test_session_and_item_identify_an_event(sample: Sample) -> None:
    for events in sample.visits.values():
        assert [event["itemInSession"] for event in events] == list(range(len(events)))
        assert len({event["userId"] for event in events} - {""}) <= 1


def test_pages_have_their_usual_share_method_and_status(sample: Sample) -> None:
    count = Counter(event["page"] for event in sample.events)
    assert set(count) == PAGES
    assert 0.82 < count["NextSong"] / len(sample.events) < 0.88
    ways = {(e["page"], e["method"], e["status"]) for e in sample.events}
    assert len(ways) == len(PAGES)
    assert ("NextSong", "PUT", 200) in ways
    assert ("Home", "GET", 200) in ways
    assert ("Error", "GET", 404) in ways
    assert {page for page, _, status in ways if status == 307} == {
        *("Login", "Logout", "Save Settings", "Submit Upgrade", "Submit Downgrade")
    }
    for event in sample.events:
        is_play = event["page"] == "NextSong"
        assert all(
            (event[key] is not None) == is_play for key in ("artist", "song", "length")
        )


def test_activity_varies_by_hour_and_weekday(sample: Sample) -> None:
    hours = Counter(event["ts"] // 3_600_000 % 24 for event in sample.events)
    assert sum(hours[hour] for hour in range(14, 20)) > 2 * sum(
        hours[hour] for hour in range(6)
    )
    # 1970 began on a Thursday; 2018-11 has four Saturdays and four Sundays.
    days = Counter((event["ts"] // DAY + 3) % 7 for event in sample.events)
    assert max(days[5], days[6]) < min(days[day] for day in range(1, 5))


def test_activity_of_songs_and_users_is_skewed(sample: Sample) -> None:
    songs = Counter((play["song"], play["artist"]) for play in sample.plays)
    assert songs.most_common(1)[0][1] > 20
    assert sum(count == 1 for count in songs.values()) > 1_000
    users = Counter(play["userId"] for play in sample.plays).most_common()
    assert sum(count for _, count in users[:10]) > len(sample.plays) / 4
    levels = Counter(play["level"] for play in sample.plays)
    assert levels["paid"] > levels["free"] > 0


@pytest.mark.parametrize("share", ["0", "0.05", "0.5", "1"])
def test_match_share_sets_share_of_matching_plays(tmp_path: Path, share: str) -> None:
    sample = read_sample(made(tmp_path / "data", "--match-share", share))
    actual = len(sample.matches) / len(sample.plays)
    assert abs(actual - float(share)) < (0.01 if 0 < float(share) < 1 else 1e-9)


# --- Traits of the real logs ----------------------------------------------------------


def test_non_ascii_text_in_logs_is_encoded_twice(sample: Sample) -> None:
    for key in ("song", "artist", "firstName"):
        texts = [e[key] for e in sample.events if isinstance(e[key], str)]
        assert any(repair(value) != value for value in texts if not value.isascii())
    titles = {str(play["song"]) for play in sample.plays}
    assert any("\u00c3\u0083\u00c2" in title for title in titles)
    assert any("\u00c3\u00a2\u00c2\u0080\u00c2\u0099" in title for title in titles)
    assert any(title.endswith("\u00c3\u0083\u00c2\u00a0") for title in titles)
    assert any(not title.isascii() and repair(title) == title for title in titles)
    assert any(ord(max(repair(title))) > 0xFF for title in titles)


def test_some_plays_match_only_when_text_is_cleaned(sample: Sample) -> None:
    exact = {(song["title"], song["artist_name"]) for song in sample.songs}
    repaired = [
        play
        for play, _ in sample.matches
        if (play["song"], play["artist"]) not in exact
    ]
    assert any(not str(play["song"]).isascii() for play in repaired)
    assert any(not str(play["artist"]).isascii() for play in repaired)
    assert any(play["song"] != str(play["song"]).strip(" ") for play in repaired)
    assert any("\u2019" in (text(play["song"]) or "") for play in repaired)
    assert any((text(play["song"]) or "").endswith("\u00e0") for play in repaired)


def test_logged_out_events_have_no_user(sample: Sample) -> None:
    logged_out = [event for event in sample.events if event["userId"] == ""]
    assert len(logged_out) > 50
    empty = ("firstName", "lastName", "gender", "location", "registration", "userAgent")
    for event in sample.events:
        is_logged_out = event["userId"] == ""
        assert event["auth"] == ("Logged Out" if is_logged_out else "Logged In")
        assert all((event[key] is None) == is_logged_out for key in empty)
        assert event["level"] in ("free", "paid")
        assert event["gender"] in ("F", "M", None)


def test_levels_change_also_twice(sample: Sample) -> None:
    changes = Counter[tuple[str, str]]()
    twice = 0
    for events in sample.by_user.values():
        levels = [event["level"] for event in events]
        steps = [step for step in pairwise(levels) if step[0] != step[1]]
        changes.update(steps)
        twice += len(steps) >= 2 and levels[0] == "free"
    assert changes["free", "paid"] >= 3
    assert changes["paid", "free"] >= 3
    assert twice >= 1


def test_events_of_one_user_may_share_a_time(sample: Sample) -> None:
    within, across, deciding = 0, 0, set()
    for user, events in sample.by_user.items():
        for one, other in pairwise(events):
            if one["ts"] != other["ts"]:
                continue
            is_within = one["sessionId"] == other["sessionId"]
            within += is_within
            across += not is_within
            if one["level"] != other["level"] and other is events[-1]:
                deciding.add((user, is_within))
    assert within > 5
    assert across > 1
    # The order of items decides one user's level, the order of sessions another's.
    assert {is_within for _, is_within in deciding} == {True, False}


def test_session_numbers_do_not_follow_time(sample: Sample) -> None:
    assert list(sample.visits) != sorted(sample.visits)


def test_one_user_never_plays(sample: Sample) -> None:
    assert len(sample.by_user) == 100
    listeners = {play["userId"] for play in sample.plays}
    assert len(set(sample.by_user) - listeners) >= 1


def test_digits_only_text_is_a_number(sample: Sample) -> None:
    for records, keys in (
        (sample.plays, ("song", "artist", "location")),
        (sample.songs, ("title", "artist_name", "artist_location")),
    ):
        for key in keys:
            values = [record[key] for record in records]
            assert any(isinstance(value, int) for value in values), key
            assert not any(isinstance(v, str) and v.isdecimal() for v in values), key
    assert any(isinstance(play["song"], int) for play, _ in sample.matches)
    assert any(isinstance(play["artist"], int) for play, _ in sample.matches)


def test_titles_have_blanks_control_characters_and_quotes(sample: Sample) -> None:
    for titles in (
        [str(play["song"]) for play in sample.plays],
        [str(song["title"]) for song in sample.songs],
    ):
        assert any(title != title.strip(" ") for title in titles)
        assert any("\x19" in title for title in titles)
        assert any('"' in title and "\\" in title for title in titles)


# --- Traits of the real catalogue -----------------------------------------------------


def test_several_songs_have_one_title_and_artist(sample: Sample) -> None:
    groups = [group for group in sample.catalogue.values() if len(group) > 1]
    durations = [sorted(song["duration"] for song in group) for group in groups]
    assert any(found[0] == found[-1] for found in durations)
    assert any(len(set(found)) == len(found) for found in durations)


def test_songs_of_one_title_are_by_different_artists(sample: Sample) -> None:
    artists = defaultdict(set)
    for title, artist in sample.catalogue:
        artists[title].add(artist)
    played = {play["song"] for play, _ in sample.matches}
    assert any(len(names) > 2 and title in played for title, names in artists.items())


def test_some_plays_differ_in_length_from_song(sample: Sample) -> None:
    is_equal = [
        any(song["duration"] == play["length"] for song in songs)
        for play, songs in sample.matches
    ]
    assert sum(is_equal) > 20
    assert len(is_equal) - sum(is_equal) > 20
    between = [
        play
        for play, songs in sample.matches
        if len({abs(song["duration"] - play["length"]) for song in songs}) < len(songs)
    ]
    assert any(play["length"] == 205 for play in between)


def test_artists_have_several_names_and_locations(sample: Sample) -> None:
    names = [Counter(s["artist_name"] for s in a) for a in sample.by_artist.values()]
    assert sum(len(counter) > 1 for counter in names) >= 3
    assert any(len(counter) > 2 and max(counter.values()) == 1 for counter in names)
    assert any(len(counter) > 2 and max(counter.values()) > 1 for counter in names)
    locations = [
        {(song["artist_location"], song["artist_latitude"]) for song in songs}
        for songs in sample.by_artist.values()
    ]
    assert sum(len(found) > 1 for found in locations) >= 2
    assert any(len({latitude for _, latitude in found}) > 2 for found in locations)


def test_locations_and_years_may_be_unknown(sample: Sample) -> None:
    songs = sample.songs
    known = Counter(
        (
            {None: "null", "": "empty"}.get(song["artist_location"], "name"),
            song["artist_latitude"] is not None,
        )
        for song in songs
    )
    assert {
        *(("null", False), ("null", True), ("empty", False)),
        *(("name", False), ("name", True)),
    } <= set(known)
    for song in songs:
        is_unknown = song["artist_latitude"] is None
        assert (song["artist_longitude"] is None) == is_unknown
    assert 0.2 < sum(song["year"] == 0 for song in songs) / len(songs) < 0.4
    assert len({song["song_id"] for song in songs}) == len(songs)


# --- Dirty samples --------------------------------------------------------------------


def test_dirty_sample_contains_the_clean_sample(dirty: Path, tmp_path: Path) -> None:
    clean = read_sample(made(tmp_path / "clean"))
    contents = bytes_of(dirty)
    lines = Counter(
        line.strip(b"\r")
        for path, content in contents.items()
        if path.startswith("log_data/")
        for line in unzipped(content).removeprefix(b"\xef\xbb\xbf").split(b"\n")
    )
    assert not Counter(line.encode() for line in clean.lines) - lines
    untouched = bytes_of(clean.folder)
    same = [path for path in untouched if contents.get(path) == untouched[path]]
    assert sum(path.startswith("song_data/") for path in same) == 700
    assert sum(path.startswith("log_data/") for path in same) > 20


def unzipped(content: bytes) -> bytes:
    return gzip.decompress(content) if content.startswith(b"\x1f\x8b") else content


def test_dirty_sample_has_every_rejection_reason(dirty: Path) -> None:
    rejects = read_folder(dirty).rejects
    assert 20 <= len(rejects) <= 40
    assert len({reject.path for reject in rejects if "log_data" in reject.path}) >= 3
    reasons = {reject.reason for reject in rejects}
    for reason in (
        "not UTF-8",
        "not JSON",
        "not a JSON object",
        'duplicate key "userId"',
        *("sessionId is missing", "itemInSession is missing", "ts is missing"),
        *("song_id is missing", "artist_id is missing"),
        *("artist is not text", "title is not text"),
        "song contains a NUL character",
        "song contains half of a surrogate pair",
        "song is longer than 1024 bytes",
        *("ts is not an integer", "year is not an integer"),
        *("length is not a number", "duration is not a number"),
        "userId is neither empty nor an integer",
        *("ts is out of range", "year is out of range", "length is out of range"),
    ):
        assert reason in reasons
    texts = [reject.raw_text for reject in rejects]
    assert any(value.endswith(",}") for value in texts)
    assert any("NaN" in value for value in texts)
    assert any(value.startswith('{"artist"') and "}" not in value for value in texts)


def test_summary_counts_invalid_records(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = made(tmp_path / "data", *SMALL, "--dirty")
    printed = capsys.readouterr()
    size = sum(len(content) for content in bytes_of(folder).values())
    assert printed.out == (
        f"Wrote 300 events in 5 log files and 75 song files, "
        f"{len(read_folder(folder).rejects)} invalid records: "
        f"{size:,} bytes in {folder}\n"
    )
    assert printed.err == ""


def test_dirty_sample_has_unusual_files(dirty: Path) -> None:
    files = bytes_of(dirty)
    for part in ("log_data", "song_data"):
        contents = {path: files[path] for path in files if path.startswith(part)}
        zipped = [path for path in contents if path.endswith(".json.gz")]
        assert len(zipped) == 1
        assert gzip.decompress(contents[zipped[0]]).startswith(b'{"artist')
        assert zipped[0].removesuffix(".gz") not in contents
        assert any(c.startswith(b"\xef\xbb\xbf{") for c in contents.values())
        assert any(b"}\r\n" in content for content in contents.values())
        assert any(content.endswith(b"\n") for content in contents.values())
        assert b"" in contents.values()
    assert any(b"\n\n" in unzipped(content) for content in files.values())
    assert any("\u00fc".encode() in content for content in files.values())


def test_events_are_delivered_again(dirty: Path) -> None:
    files = bytes_of(dirty)
    paths_of = defaultdict(set)
    for path, content in files.items():
        if path.startswith("log_data/"):
            for line in unzipped(content).splitlines():
                paths_of[line].add(path)
    counts = [len(paths) for line, paths in paths_of.items() if len(line) > 2]
    assert counts.count(2) == 1

    versions = defaultdict(list)
    for event in dict.fromkeys(read_folder(dirty).events):
        versions[event.session_id, event.item_in_session].append(event)
    pairs = [sorted(found, key=lambda e: e.ts) for found in versions.values()]
    repeated = [(found[0], found[-1]) for found in pairs if len(found) > 1]
    assert any(one.ts == other.ts and one.song != other.song for one, other in repeated)
    assert any(
        one.ts < other.ts and other.page == "NextSong" for one, other in repeated
    )
    assert any(
        one.page == "NextSong" and other.page == "Home" for one, other in repeated
    )


def test_songs_are_delivered_again(dirty: Path) -> None:
    songs = read_folder(dirty).songs
    versions = defaultdict(list)
    for song in songs:
        versions[song.song_id].append(song)
    repeated = [found for found in versions.values() if len(found) > 1]
    assert any(found[0] == found[1] for found in repeated)
    assert any(found[0].year != found[1].year for found in repeated)
    assert len(versions) == 700


def test_valid_records_have_usual_values(dirty: Path) -> None:
    for event in read_folder(dirty).events:
        assert event.level in ("free", "paid")
        assert event.gender in ("F", "M", None)
        assert event.page in PAGES
        assert event.auth in ("Logged In", "Logged Out")
        assert event.method in ("GET", "PUT")
        assert (event.length is None) == (event.page != "NextSong")


@pytest.mark.parametrize("days", ["1", "2", "40"])
def test_short_sample_has_all_invalid_records(tmp_path: Path, days: str) -> None:
    sizes = ("--events", "30", "--users", "2", "--songs", "1", "--days", days)
    folder = made(tmp_path / "data", *sizes, "--dirty")
    assert len(read_folder(folder).rejects) == 40


# --- The command ----------------------------------------------------------------------


def test_folder_with_files_is_clear_error(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "mine.txt").write_text("mine", encoding="utf-8")
    assert generate_events.main([*SMALL, "--out", str(tmp_path)]) == 2
    assert capsys.readouterr().err == (
        f"error: {tmp_path} is not empty.\n"
        "Name another folder, or add --force to replace the sample in it.\n"
    )
    assert list(bytes_of(tmp_path)) == ["mine.txt"]


def test_force_replaces_only_the_sample(tmp_path: Path) -> None:
    folder = made(tmp_path / "data", *SMALL, "--days", "9", "--dirty")
    (folder / "mine.txt").write_text("mine", encoding="utf-8")
    made(folder, *SMALL, "--force")
    expected = bytes_of(made(tmp_path / "new", *SMALL))
    assert bytes_of(folder) == {**expected, "mine.txt": b"mine"}


def test_empty_folder_is_accepted(tmp_path: Path) -> None:
    assert bytes_of(made(tmp_path, *SMALL))


@pytest.mark.parametrize("step", ["make_users", "put_in_place"])
def test_interrupted_run_leaves_no_files(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(writer, step, interrupt)
    assert generate_events.main([*SMALL, "--out", str(tmp_path / "data")]) == 130
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--events", "0"), "argument --events: '0' is not a positive integer."),
        (("--users", "-3"), "argument --users: '-3' is not a positive integer."),
        (("--seed", "x"), "argument --seed: invalid int value: 'x'."),
        (("--match-share", "5"), "argument --match-share: '5' is not a number from 0"),
        (("--match-share", "nan"), "argument --match-share: 'nan' is not a number"),
        (("--start", "1.11.2018"), "argument --start: '1.11.2018' is not a date"),
        (("--start", "1950-01-01"), "argument --start: 1950-01-01 is not between 1971"),
        (("--days", "99999999999"), "The logs would end after 9000-01-01."),
        (("--event", "5"), "unrecognized arguments: --event 5."),
    ],
)
def test_invalid_argument_is_clear_error(
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    arguments: tuple[str, str],
    message: str,
) -> None:
    out = tmp_path / "data"
    assert generate_events.main(["--out", str(out), *arguments]) == 2
    printed = capsys.readouterr()
    assert printed.err.startswith(f"error: {message}")
    assert len(printed.err.splitlines()) == 2
    assert printed.out == ""
    assert not out.exists()


def test_existing_file_is_clear_error(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").touch()
    for name in ("file", "file/data"):
        assert generate_events.main([*SMALL, "--out", str(tmp_path / name)]) == 2
        assert len(capsys.readouterr().err.splitlines()) == 2


def test_help_names_every_option(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stop:
        generate_events.main(["--help"])
    assert stop.value.code == 0
    shown = capsys.readouterr().out
    for option in (
        *("seed", "events", "users", "songs", "days", "start", "match-share"),
        *("dirty", "out", "force"),
    ):
        assert f"--{option} " in shown
