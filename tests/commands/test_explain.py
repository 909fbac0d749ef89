"""Test ``make explain``: deciding rules, files and lines, and values of metrics."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing, contextmanager
from decimal import Decimal
from pathlib import Path
from types import SimpleNamespace
from typing import Final

import duckdb
import pytest

import explain
from parity_cases import CASES
from raw_lines import event, song
from sparkify.explain import choices, places
from sparkify.explain.asking import Warehouse as Asked
from sparkify.explain.choices import Rule, deciding, ranked
from sparkify.explain.figures import explain_figure
from sparkify.explain.records import EPOCH, Record, cleaned, moment
from sparkify.explain.rows import explain_row
from sparkify.raw.reader import read_records
from sparkify.raw.rules import EVENTS, SONGS
from sparkify.raw.sources import SourceFile
from warehouses import (
    PROJECT,
    Builder,
    Warehouse,
    copy_of,
    environment,
    make_warehouse,
    write_source,
)

DAY: Final = 1_542_240_000_000
"""15 November 2018 in UTC, in milliseconds."""


def play(session: int, item: int, **others: object) -> bytes:
    given: dict[str, object] = {
        "ts": DAY + item,
        "userId": "7",
        "level": "free",
        "firstName": "Ann",
        "page": "NextSong",
    }
    return event(session, item, **(given | others))


LOGS: Final = {
    "a.json": b"\n".join(
        [
            play(1, 0, song="Late", artist="x", level="paid"),
            b"not a record",
            play(1, 0, ts=DAY + 9, song="Late", artist="x"),
            play(1, 1, song="Tie", artist="a"),
            play(1, 1, song="Tie", artist="B"),
            play(1, 2, song="Near", artist="N", length=100.0),
            play(1, 3, song="Same", artist="S", length=100.0),
            play(1, 4, song="Unknown", artist="N"),
            play(1, 5, song="Near", artist="another"),
            play(1, 6, artist="N"),
            play(1, 7, song="Twice", artist="T"),
            play(1, 8, level="paid"),
            play(2, 0, ts=DAY + 50, firstName="Eve", userId="8"),
            play(3, 0, ts=DAY + 50, firstName="Eva", userId="8"),
            play(3, 1, ts=DAY + 60, userId="", level="paid", page="Home"),
            play(4, 0, page="NextSong"),
            play(4, 0, ts=DAY + 90, page="Home"),
        ]
    ),
    "array.json": b"[\n" + play(1, 7, song="Twice", artist="T") + b"]",
    "gone.json": play(5, 0, ts=DAY - 1, userId="9"),
}
CATALOGUE: Final[list[tuple[str, str, str, dict[str, object]]]] = [
    ("SOnear1", "Near", "N", {"duration": 99.0}),
    ("SOnear2", "Near", "N", {"duration": 100.5}),
    ("SOsame2", "Same", "S", {"duration": 101.0}),
    ("SOsame1", "Same", "S", {"duration": 99.0}),
    ("SOyear", "b", "Y", {"year": 1999, "artist_id": "ARy"}),
    ("SOyear", "a", "Y", {"year": 0, "artist_id": "ARy"}),
    ("SOlater", "a", "Y", {"year": 1999, "artist_id": "ARy"}),
    ("SOlater", "b", "Y", {"year": 2001, "artist_id": "ARy"}),
    ("SO'q\\1", "q", "Often", {"artist_id": "ARoften"}),
    ("SOq2", "q", "Often", {"artist_id": "ARoften", "artist_location": "L"}),
    ("SOq3", "q", "Rare", {"artist_id": "ARoften"}),
    ("SOs1", "s", "Long name", {"artist_id": "ARshort"}),
    ("SOs2", "s", "Short", {"artist_id": "ARshort"}),
]


@pytest.fixture(scope="module")
def builder(tmp_path_factory: pytest.TempPathFactory) -> Builder:
    """Return the builder of a small warehouse of the cases above."""
    warehouse = make_warehouse(tmp_path_factory.mktemp("explain"))
    songs = b"\n".join(
        song(key, title=title, artist_name=name, **others)
        for key, title, name, others in CATALOGUE
    )
    data = write_source(warehouse.folder / "data", LOGS, {"songs.json": songs})
    builder = Builder(warehouse)
    builder.load(data)
    builder.build()
    (data / "log_data" / "gone.json").unlink()
    return builder


@pytest.fixture
def asked(builder: Builder) -> Iterator[Asked]:
    """Yield that warehouse as the command queries it."""
    with environment(builder.warehouse.variables):
        yield Asked("test", builder.manifest)
        builder.close()


def key_of(builder: Builder, session: int, item: int) -> str:
    (row,) = builder.warehouse.query(
        "select songplay_id from analytics_intermediate.int_events"
        f" where session_id = {session} and item_in_session = {item}"
    )
    return str(row[0])


# ------------------------------------------------------------------------------- rows


@pytest.mark.parametrize(
    ("item", "expected"),
    [
        (0, ["The deciding rule: later ts.", "log_data/a.json 3 ", "a.json 1 "]),
        (1, ["The deciding rule: same ts, then artist_name."]),
        (2, ["The deciding rule: nearer duration.", "SOnear2", "0.50000"]),
        (3, ["The deciding rule: same distance, then smaller song_id.", "SOsame1"]),
        (4, ["No song matches: no song of the catalogue has the title 'Unknown'."]),
        (5, ["title 'Near', but of another artist (N), not another."]),
        (6, ["No song matches: the log names no title."]),
        (7, ["have the same values", "log_data/array.json 2 "]),
    ],
)
def test_plays_name_their_records_and_song(
    builder: Builder, asked: Asked, item: int, expected: list[str]
) -> None:
    explained = explain_row(asked, "songplays", key_of(builder, 1, item))
    for text in [*expected, "The rules in Python return the same values"]:
        assert text in " ".join(explained.split()), explained


@pytest.mark.parametrize(
    ("table", "key", "expected"),
    [
        ("users", "7", ["later ts", "level free paid"]),
        ("users", "8", ["same ts, then larger session_id.", "Eva", "Eve"]),
        ("users", "9", ["There is no other one.", "unknown: file deleted or changed"]),
        ("sessions", "3", ["The deciding rule: has a user_id.", "page Home"]),
        ("songs", "SOyear", ["The deciding rule: has a year."]),
        ("songs", "SOlater", ["The deciding rule: later year.", "songs.json 8 "]),
        ("songs", "SO'q\\1", ["The song has 1 raw record."]),
        ("artists", "ARoften", ["on more rows of the catalogue.", "has a location"]),
        ("artists", "ARshort", ["same number of rows, then fewer characters."]),
    ],
)
def test_rows_name_the_rule_that_decided(
    asked: Asked, table: str, key: str, expected: list[str]
) -> None:
    explained = explain_row(asked, table, key)
    for text in [*expected, "The rules in Python return the same values"]:
        assert text in " ".join(explained.split()), explained


TEXTS: Final = {
    *("artist_name", "auth", "first_name", "gender", "last_name", "level", "location"),
    *("method", "page", "song_title", "user_agent"),
}
EMPTY: Final[Record] = dict.fromkeys(
    [
        *choices.CONTENT,
        *("session_id", "item_in_session", "seconds_apart", "row_count"),
        *("song_id", "title", "artist_id", "latitude", "longitude", "year", "duration"),
    ]
) | {"start_time": EPOCH}
DECIDING: Final[list[tuple[tuple[Rule, ...], str, object, object]]] = [
    (choices.EVENT, "start_time", moment(2), moment(1)),
    *((choices.EVENT, name, "B", "a") for name in choices.CONTENT if name in TEXTS),
    (choices.EVENT, "duration_seconds", Decimal(9), Decimal(10)),
    (choices.EVENT, "registered_at", moment(1), moment(2)),
    (choices.EVENT, "status", 200, 404),
    (choices.EVENT, "user_id", 7, None),
    (choices.USER, "session_id", 10, 9),
    (choices.USER, "item_in_session", 10, 9),
    (choices.SESSION, "item_in_session", 10, 9),
    (choices.SESSION_USER, "user_id", 7, None),
    (choices.CANDIDATE, "seconds_apart", Decimal(9), None),
    (choices.CANDIDATE, "song_id", "SOB", "SOa"),
    (choices.CANDIDATE, "artist_id", "ARB", "ARa"),
    (choices.SONG, "year", 1999, None),
    (choices.SONG, "year", 2001, 1999),
    (choices.SONG, "title", "B", "a"),
    (choices.SONG, "artist_id", "B", "a"),
    (choices.SONG, "duration", Decimal(9), Decimal(10)),
    (choices.ARTIST_NAME, "artist_name", "long", None),
    (choices.ARTIST_NAME, "row_count", 10, 9),
    (choices.ARTIST_NAME, "artist_name", "bb", "aaa"),
    (choices.ARTIST_NAME, "artist_name", "B", "a"),
    (choices.ARTIST_ROW, "location", "L", None),
    (choices.ARTIST_ROW, "location", "B", "a"),
    (choices.ARTIST_ROW, "latitude", 9.0, 10.0),
    (choices.ARTIST_ROW, "longitude", -1.0, 1.0),
    (choices.ARTIST_ROW, "song_id", "SOB", "SOa"),
]


@pytest.mark.parametrize(("rules", "name", "wins", "loses"), DECIDING)
def test_one_attribute_alone_decides(
    rules: tuple[Rule, ...], name: str, wins: object, loses: object
) -> None:
    winner, loser = EMPTY | {name: wins}, EMPTY | {name: loses}
    assert ranked([loser, winner], rules) == [winner, loser]
    assert deciding(winner, loser, rules) != choices.EQUAL


def test_rows_with_both_coordinates_win() -> None:
    half = EMPTY | {"latitude": 1.0, "song_id": "SOa"}
    both = EMPTY | {"latitude": 2.0, "longitude": 2.0, "song_id": "SOb"}
    assert ranked([half, both], choices.ARTIST_ROW) == [both, half]
    assert deciding(both, half, choices.ARTIST_ROW) == "has both coordinates"


def test_every_rule_decides_in_a_test() -> None:
    decided = {
        (rules, deciding(EMPTY | {name: wins}, EMPTY | {name: loses}, rules))
        for rules, name, wins, loses in DECIDING
    }
    tried = {says for _, says in decided} | {"has both coordinates"}
    known = [
        *(choices.EVENT, choices.USER, choices.SESSION, choices.SESSION_USER),
        *(choices.CANDIDATE, choices.SONG, choices.ARTIST_NAME, choices.ARTIST_ROW),
    ]
    assert {rule.says for rules in known for rule in rules} == tried


def test_rules_in_python_equal_models_on_sample(
    sample_warehouse: Warehouse, sample_data: Path
) -> None:
    events, songs = (
        [
            cleaned(table, dict(zip(names, read.values, strict=True)))
            for path in sorted((sample_data / table.part).rglob("*.json*"))
            for read in read_records(table, str(path), path.name)
            if read.values is not None
        ]
        for table in (EVENTS, SONGS)
        for names in [[column.name for column in table.columns]]
    )
    latest = firsts(events, ("session_id", "item_in_session"), choices.EVENT)
    users = firsts([e for e in latest if e["user_id"]], ("user_id",), choices.USER)
    for query, made in (
        (
            "select session_id, item_in_session, level from analytics.songplays",
            [e for e in latest if e["page"] == "NextSong"],
        ),
        ("select user_id, first_name, level, last_seen_at from analytics.users", users),
        (
            "select song_id, title, artist_id, year, duration from analytics.songs",
            firsts(songs, ("song_id",), choices.SONG),
        ),
    ):
        names = query.split(" from ")[0].removeprefix("select ").split(", ")
        renamed = {"last_seen_at": "start_time"}
        rows = {tuple(r[renamed.get(name, name)] for name in names) for r in made}
        assert rows == set(sample_warehouse.query(query))
        assert len(rows) > 90


def firsts(
    records: Iterable[Record], key: tuple[str, ...], rules: tuple[Rule, ...]
) -> list[Record]:
    """Return the record of each key that ranks first."""
    of_key = defaultdict(list)
    for record in records:
        of_key[tuple(record[name] for name in key)].append(record)
    return [ranked(same, rules)[0] for same in of_key.values()]


# ---------------------------------------------------------------------------- figures


@pytest.mark.parametrize(
    ("metric", "day", "expected"),
    [
        ("plays", "2018-11-15", ["plays on 2018-11-15 is 11.", "log_data/a.json "]),
        ("listeners", "2018-11-15", ["is 2.", "count(distinct user_id)"]),
        (
            "listening_hours",
            "2018-11-15",
            ["listening_seconds plays 11 200.00000 200.00000"],
        ),
        ("paid_share", "2018-11-15", ["is 0.0909", "level = 'paid'"]),
        ("plays", "2018-11-14", ["plays on 2018-11-14 is 1."]),
    ],
)
def test_explained_metric_equals_rules_in_python(
    asked: Asked, metric: str, day: str, expected: list[str]
) -> None:
    explained = " ".join(explain_figure(asked, metric, day).split())
    for text in [*expected, "The rules in Python return the same values"]:
        assert text in explained, explained


@pytest.mark.parametrize(
    ("metric", "expected"),
    [
        ("weekly_listeners", ["in the week from 2018-11-12 is 3.", "user_week_id"]),
        ("sessions", ["sessions on 2018-11-15 is 4.", "by session_id: 1, 2, 3, 4."]),
        ("matched_plays", ["is 2.", "The rules in Python count only plays"]),
        ("paying_users", ["The rules in Python count only"]),
    ],
)
def test_other_figures_have_no_rules_in_python(
    asked: Asked, metric: str, expected: list[str]
) -> None:
    explained = " ".join(explain_figure(asked, metric, "2018-11-15").split())
    for text in expected:
        assert text in explained, explained


@pytest.mark.long(
    guard="tests/commands/test_explain.py::test_page_shows_output_of_command"
)
def test_every_metric_can_be_explained(builder: Builder, asked: Asked) -> None:
    for metric in builder.manifest.metrics.values():
        assert " is " in explain_figure(asked, metric.name, "2018-11-15")


@pytest.mark.long(
    guard="tests/commands/test_explain.py::test_page_shows_output_of_command"
)
@pytest.mark.parametrize("engine", ["postgres", "redshift", "spark"])
def test_each_engine_explains_parity_cases(
    built_warehouse: Callable[[str, str], Warehouse], engine: str
) -> None:
    grown = Builder(built_warehouse(engine, "grown"))
    grown.parse()
    tied = CASES["collation"].number
    with environment(grown.warehouse.variables):
        asked = Asked("test", grown.manifest)
        explained = [
            explain_row(asked, "songplays", key_of(grown, tied, 900)),
            *(
                explain_row(asked, table, key)
                for table, key in [
                    *(("users", str(tied)), ("sessions", str(tied))),
                    *(("songs", "SOcollation"), ("artists", "ARcollation")),
                ]
            ),
            *(
                explain_figure(asked, metric, "2018-11-15")
                for metric in ("plays", "listening_hours", "paid_share")
            ),
        ]
    grown.close()
    for text in explained:
        assert "The rules in Python return the same values" in text, text
        assert re.search(r"\.json +\d+", text), text
    assert "The deciding rule: same ts, then artist_name." in explained[0]


# ----------------------------------------------------------------------------- errors


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (
            ["songs", "--key", "SOnone"],
            "songs has no song_id SOnone.\nKeys of songs are",
        ),
        (["users", "--key", "x' or 1"], "users has no user_id x' or 1.\n"),
        (["time", "--key", "1"], "There is no explanation of a table time.\nName one"),
        (["--metric", "play", "--day", "2018-11-15"], "There is no metric play.\nName"),
        (["--metric", "plays", "--day", "15"], "15 is not a day.\nType it so: DAY="),
        (
            ["users"],
            "Name a table and a key, or a metric and a day.\nType make explain",
        ),
    ],
)
def test_unknown_name_or_day_is_reported(
    builder: Builder,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    arguments: list[str],
    expected: str,
) -> None:
    monkeypatch.setattr(
        explain,
        "Warehouse",
        lambda target, on_query: Asked(target, builder.manifest, on_query),
    )
    with environment(builder.warehouse.variables):
        assert explain.main(arguments) == 2
    printed = capsys.readouterr()
    assert printed.err.startswith(f"error: {expected}")
    assert printed.out == ""
    builder.close()


def test_records_newer_than_build_are_reported(
    builder: Builder, tmp_path: Path
) -> None:
    copy = copy_of(builder.warehouse, tmp_path / "warehouse")
    with closing(duckdb.connect(str(copy.path))) as connection:
        connection.execute("update raw.staging_events set ts = ts + 86400000")
    with environment(copy.variables):
        asked = Asked("test", builder.manifest)
        explained = explain_row(asked, "users", "7")
        figure = explain_figure(asked, "plays", "2018-11-15")
    Builder(copy).close()
    assert "The rules in Python return other values than the warehouse has" in explained
    assert "The value of the rules in Python differs" in figure


# -------------------------------------------------------------------------- docs page


def test_page_shows_output_of_command(
    builder: Builder,
    sample_warehouse: Warehouse,
    sample_data: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    @contextmanager
    def fetch(files: list[SourceFile], _: object) -> Iterator[list[str]]:
        yield [str(sample_data / file.path) for file in files]

    monkeypatch.setattr(places, "open_source", lambda _: SimpleNamespace(fetch=fetch))
    page = (PROJECT / "docs" / "explain.md").read_text(encoding="utf-8")
    blocks = re.findall(
        r"^make explain ([^\n]*)\n```\n\n```text\n(.*?)\n```",
        page,
        re.MULTILINE | re.DOTALL,
    )
    assert len(blocks) == 3
    # dbt opens the file for writing, which locks it.
    copy = copy_of(sample_warehouse, tmp_path / "sample")
    with environment(copy.variables):
        asked = Asked("test", builder.manifest)
        for command, shown in blocks:
            values = dict(re.findall(r"(\w+)=(\S+)", command))
            explained = (
                explain_figure(asked, values["METRIC"], values["DAY"])
                if "METRIC" in values
                else explain_row(asked, command.split()[0], values["KEY"])
            )
            assert explained == shown
    builder.close()
