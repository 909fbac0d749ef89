"""Explain a row of the warehouse: its raw records and the deciding rules."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from sparkify.explain import choices
from sparkify.explain.asking import Claims, Warehouse, literal
from sparkify.explain.choices import Rule, deciding, ranked
from sparkify.explain.records import Record
from sparkify.explain.words import attributes, counted, shown, table
from sparkify.shared.errors import SparkifyError, printable

MAX_EVENTS: Final = 1000
"""Maximum number of events of a user or session that are read, latest first."""
MAX_SHOWN: Final = 10
DIFFERENT: Final = (
    "The rules in Python return other values than the warehouse has: {names}. Raw"
    " records have arrived since the last build: make build TARGET={target}."
)


def explain_row(warehouse: Warehouse, name: str, key: str) -> str:
    """Return the explanation of a row, by its table and its key.

    Raises SparkifyError if the table or the row does not exist.
    """
    if name not in EXPLAINED:
        raise SparkifyError(
            f"There is no explanation of a table {printable(name)}.",
            f"Name one of: {', '.join(EXPLAINED)}.",
        )
    column, pattern, explain = EXPLAINED[name]
    rows = []
    if re.fullmatch(pattern, key):
        value = literal(key) if pattern in (_HASH, _TEXT) else key
        rows = warehouse.rows(
            f"select * from {{{{ ref('{name}') }}}} where {column} = {value}"
        )
    if not rows:
        keys = warehouse.rows(
            f"select {column} from {{{{ ref('{name}') }}}} order by {column} limit 3"
        )
        examples = ", ".join(shown(row[column]) for row in keys) or "none, it is empty"
        raise SparkifyError(
            f"{name} has no {column} {printable(key) or 'without a value'}.",
            f"Keys of {name} are, for example: {examples}. Type:"
            f" make explain {name} KEY={column}",
        )
    (row,) = rows
    parts = explain(warehouse, row)
    columns = {name: row[name] for name in row if name != "loaded_at"}
    return "\n\n".join(
        [f"{name}, {column} {printable(key)}", attributes(columns), *parts]
    )


def explain_songplay(warehouse: Warehouse, row: Record) -> list[str]:
    """Explain a play by its records and its song."""
    key = (row["session_id"], row["item_in_session"])
    claims = warehouse.claims_of_events([key])
    order = ranked(claims.records, choices.EVENT)
    play = order[0]
    parts = [
        f"The event is number {key[1]} of session {key[0]}.",
        *_ranking("The event has", claims, choices.EVENT),
    ]
    song, about_song = _song_of(warehouse, play)
    names = ("start_time", "user_id", "level", "location", "user_agent", "song_title")
    other = _differing(play, row, names)
    if (song or {}).get("song_id") != row["song_id"]:
        other.append("song_id")
    if play["page"] != "NextSong":
        other.append("page")
    return [*parts, *about_song, *_comparison(warehouse, other)]


def _song_of(warehouse: Warehouse, play: Record) -> tuple[Record | None, list[str]]:
    """Return the matched song of a play, if any, and the explanation."""
    title, artist = play["song_title"], play["artist_name"]
    if title is None or artist is None:
        absent = "title" if title is None else "artist"
        return None, [f"No song matches: the log names no {absent}."]
    claims = warehouse.songs(title=title)
    named = f"the title {shown(title)!r}"
    if not claims.records:
        return None, [f"No song matches: no song of the catalogue has {named}."]
    of_artist = [
        number
        for number, record in enumerate(claims.records)
        if record["artist_name"] == artist
    ]
    if not of_artist:
        others = Counter(record["artist_name"] for record in claims.records)
        names = ", ".join(shown(name) for name, _ in others.most_common(3))
        rows = counted(len(claims.records), "row")
        return None, [
            (
                f"No song matches: {rows} of the catalogue"
                f" with {named}, but of another artist ({names}), not {shown(artist)}."
            )
        ]
    candidates = Claims(
        [
            claims.records[number]
            | {"seconds_apart": _apart(play, claims.records[number])}
            for number in of_artist
        ],
        [claims.places[number] for number in of_artist],
    )
    first = ranked(candidates.records, choices.CANDIDATE)[0]
    columns = ("song_id", "artist_id", "duration", "seconds_apart")
    return first, _ranking(
        "The title and artist have", candidates, choices.CANDIDATE, columns
    )


def _apart(play: Record, song: Record) -> Any:  # noqa: ANN401 -- a Decimal or null
    lengths = (play["duration_seconds"], song["duration"])
    return None if None in lengths else abs(lengths[0] - lengths[1])


def explain_user(warehouse: Warehouse, row: Record) -> list[str]:
    """Explain a user by the latest event, with previous values of attributes."""
    names = ("first_name", "last_name", "gender", "level")
    events = warehouse.rows(
        "select session_id, item_in_session, start_time, page,"
        f" {', '.join(names)}, count(*) over () as event_count"
        f" from {{{{ ref('int_events') }}}} where user_id = {row['user_id']}"
        " order by start_time desc, session_id desc, item_in_session desc"
        f" limit {MAX_EVENTS}"
    )
    order = ranked(events, choices.USER)
    latest = order[0]
    changes = []
    for name in names:
        earlier = next((e for e in order if e[name] != latest[name]), None)
        changes.append(
            {
                "attribute": name,
                "value": latest[name],
                "value before it": earlier and earlier[name],
                "last seen with it": earlier and earlier["start_time"],
            }
        )
    claims = warehouse.claims_of_events(
        [(latest["session_id"], latest["item_in_session"])]
    )
    winner = ranked(claims.records, choices.EVENT)[0]
    made = winner | {"last_seen_at": winner["start_time"]}
    other = _differing(made, row, (*names, "last_seen_at"))
    event_count = counted(int(latest["event_count"]), "event")
    return [
        (
            f"The latest of {event_count} decides every"
            f" attribute: {_event(latest)}. {_deciding_rule(order, choices.USER)}"
        ),
        table(changes),
        *_ranking("The event has", claims, choices.EVENT),
        *_comparison(warehouse, other),
    ]


def explain_session(warehouse: Warehouse, row: Record) -> list[str]:
    """Explain a session by the events that decide its user and its level."""
    events = warehouse.rows(
        "select session_id, item_in_session, start_time, page, user_id, level,"
        " count(*) over () as event_count"
        f" from {{{{ ref('int_events') }}}} where session_id = {row['session_id']}"
        f" order by start_time desc, item_in_session desc limit {MAX_EVENTS}"
    )
    by_user = ranked(events, choices.SESSION_USER)
    by_level = ranked(events, choices.SESSION)
    keys = {(e["session_id"], e["item_in_session"]) for e in (by_user[0], by_level[0])}
    claims = warehouse.claims_of_events(sorted(keys))
    made = {"user_id": by_user[0]["user_id"], "level": by_level[0]["level"]}
    return [
        f"The session has {counted(int(events[0]['event_count']), 'event')}.",
        (
            f"The latest event with a user decides user_id: {_event(by_user[0])}."
            f" {_deciding_rule(by_user, choices.SESSION_USER)}"
        ),
        (
            f"The latest event decides level: {_event(by_level[0])}."
            f" {_deciding_rule(by_level, choices.SESSION)}"
        ),
        "The raw records of these events:",
        _records(claims, [""] * len(claims.records), _EVENT_COLUMNS),
        *_comparison(warehouse, _differing(made, row, tuple(made))),
    ]


def explain_song(warehouse: Warehouse, row: Record) -> list[str]:
    """Explain a song by its rows of the catalogue."""
    claims = warehouse.songs(song_id=row["song_id"])
    song = ranked(claims.records, choices.SONG)[0]
    names = ("title", "artist_id", "year", "duration")
    return [
        *_ranking("The song has", claims, choices.SONG, ("song_id", *names)),
        *_comparison(warehouse, _differing(song, row, names)),
    ]


def explain_artist(warehouse: Warehouse, row: Record) -> list[str]:
    """Explain an artist by its names, and the rows with the winning name."""
    claims = warehouse.songs(artist_id=row["artist_id"])
    once = {
        tuple(record.items()): (record, place)
        for record, place in zip(claims.records, claims.places, strict=True)
    }
    counts = Counter(record["artist_name"] for record, _ in once.values())
    names: list[Record] = [
        {"artist_name": name, "row_count": count} for name, count in counts.items()
    ]
    order = ranked(names, choices.ARTIST_NAME)
    name = order[0]["artist_name"]
    of_name = Claims(
        [record for record, _ in once.values() if record["artist_name"] == name],
        [place for record, place in once.values() if record["artist_name"] == name],
    )
    artist = ranked(of_name.records, choices.ARTIST_ROW)[0]
    columns = ("song_id", "location", "latitude", "longitude")
    other = _differing(artist | {"name": name}, row, ("name", *columns[1:]))
    return [
        (
            f"The catalogue has {counted(len(once), 'row')} of this artist"
            f" with {counted(len(names), 'name')}."
            f" {_deciding_rule(order, choices.ARTIST_NAME)}"
        ),
        table(
            [
                named | {"loses by": _losing_rule(order[0], named, choices.ARTIST_NAME)}
                for named in order[:MAX_SHOWN]
            ]
        ),
        *_ranking("This name has", of_name, choices.ARTIST_ROW, columns),
        *_comparison(warehouse, other),
    ]


# ------------------------------------------------------------------------- sentences

_EVENT_COLUMNS: Final = ("start_time", "page", "user_id", "level")


def _ranking(
    has: str,
    claims: Claims,
    rules: Sequence[Rule],
    columns: Sequence[str] = _EVENT_COLUMNS,
) -> list[str]:
    """Return the number of records and the deciding rule, then a table of them."""
    order = ranked(claims.records, rules)
    lost_by = [_losing_rule(order[0], record, rules) for record in claims.records]
    sentence = f"{has} {counted(len(order), 'raw record')}."
    if len(order) > 1:
        sentence += f" {_deciding_rule(order, rules)}"
    return [sentence, _records(claims, lost_by, columns, rules)]


def _records(
    claims: Claims,
    lost_by: Sequence[str],
    columns: Sequence[str],
    rules: Sequence[Rule] = choices.EVENT,
) -> str:
    """Return a table of records with file and line, the winner first."""
    numbers = sorted(
        range(len(claims.records)),
        key=lambda number: tuple(rule.key(claims.records[number]) for rule in rules),
    )
    drawn = table(
        [
            claims.places[number]._asdict()
            | {column: claims.records[number][column] for column in columns}
            | ({"loses by": lost_by[number]} if any(lost_by) else {})
            for number in numbers[:MAX_SHOWN]
        ]
    )
    left = len(numbers) - MAX_SHOWN
    return f"{drawn}\n  … {counted(left, 'more record')}" if left > 0 else drawn


def _losing_rule(winner: Record, record: Record, rules: Sequence[Rule]) -> str:
    return "" if record is winner else deciding(winner, record, rules)


def _deciding_rule(order: Sequence[Record], rules: Sequence[Rule]) -> str:
    """Return a sentence on the rule that ranks the first record over the second."""
    if len(order) == 1:
        return "There is no other one."
    rule = deciding(order[0], order[1], rules)
    if rule == choices.EQUAL:
        return "The first two have the same values, so it does not matter which wins."
    return f"The deciding rule: {rule}."


def _event(event: Mapping[str, Any]) -> str:
    return (
        f"number {event['item_in_session']} of session {event['session_id']},"
        f" {shown(event['start_time'])}, page {shown(event['page'])}"
    )


def _differing(made: Record, row: Record, names: Sequence[str]) -> list[str]:
    """Return the attributes in which a record differs from the warehouse row."""
    return [name for name in names if not _equal(made[name], row[name])]


def _equal(made: object, found: object) -> bool:
    """Return whether values are equal. dbt returns a double as a decimal."""
    if isinstance(made, float) and found is not None:
        return made == float(str(found))
    return made == found


def _comparison(warehouse: Warehouse, names: Sequence[str]) -> list[str]:
    """Return a sentence on whether Python and the warehouse differ."""
    if not names:
        return ["The rules in Python return the same values from these raw records."]
    return [DIFFERENT.format(names=", ".join(names), target=warehouse.target)]


_HASH: Final = "[0-9a-f]{32}"
_INTEGER: Final = r"-?[0-9]{1,19}"
_TEXT: Final = r"(?s:.{1,1024})"
_Explain = Callable[[Warehouse, Record], list[str]]
EXPLAINED: Final[dict[str, tuple[str, str, _Explain]]] = {
    "songplays": ("songplay_id", _HASH, explain_songplay),
    "users": ("user_id", _INTEGER, explain_user),
    "songs": ("song_id", _TEXT, explain_song),
    "artists": ("artist_id", _TEXT, explain_artist),
    "sessions": ("session_id", _INTEGER, explain_session),
}
"""Key column, pattern of a key and explaining function, by table."""
