"""Random histories of a warehouse for the law: files by load, and builds."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import cycle
from pathlib import Path
from typing import Any, Final

from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st

from raw_lines import event, song
from recorded import short_objects

FIRST_MOMENT: Final = 1541105830000
DAY = 24 * 3600 * 1000  # milliseconds
MOMENTS_PER_DAY = 2
"""Of the drawn moments, so that an event may move to another day."""

LOADS: Final = 4
BROKEN: Final = (b"{", b"[]", b'{"sessionId": "one"}', b'{"song_id": 1}')

NAMES = st.sampled_from("ab")
PICKS = st.integers(0, 1)
EVENT_LINES = st.fixed_dictionaries(
    {
        "session": PICKS,
        "item": PICKS,
        "moment": st.integers(0, 3),
        "page": st.sampled_from(["NextSong", "NextSong", "NextSong", "Home", None]),
        "user": st.sampled_from(["0", "1", ""]),
        "level": st.sampled_from(["free", "paid"]),
        "song": st.sampled_from(["a", "b", "b\u00a0", None]),
        "artist": NAMES,
        "length": st.sampled_from([None, 1.5, 2, 3]),
        "first_name": st.sampled_from(["Al", "Bo", None]),
    }
)
SONG_LINES = st.fixed_dictionaries(
    {
        "song": PICKS,
        "of": PICKS,
        "title": st.sampled_from(["a", "b", "b\u200b"]),
        "artist": NAMES,
        "year": st.integers(0, 2),
        "length": st.sampled_from([None, 1, 2.5, 3]),
        "location": st.sampled_from([None, "Here", "There"]),
    }
)
LINES = st.one_of(EVENT_LINES, EVENT_LINES, SONG_LINES, st.sampled_from(BROKEN))
FORMS: Final = ("lines", "array", "indented", "one after the other")


@dataclass(frozen=True)
class File:
    """A file that arrives: its name within its history, its lines and its form."""

    name: str
    lines: list[Any]
    form: str = "lines"


FILES = st.builds(
    File, NAMES, st.lists(LINES, min_size=1, max_size=4), st.sampled_from(FORMS)
)
HISTORIES = st.lists(st.lists(FILES, max_size=2), min_size=1, max_size=LOADS)
"""A history: the files that arrive before each load."""

BUILDS = st.sampled_from(["whole", "whole", "none", "half", "rest", "empty", "both"])
SCHEDULES = st.lists(BUILDS, min_size=LOADS, max_size=LOADS)
"""The build after each load. ``empty`` is ``dbt build --empty``, ``both`` is two
concurrent builds."""

COURSES_PER_REWRITE = 5
"""A new version of a file causes a full refresh, which tests no incremental run."""


@dataclass(frozen=True)
class Course:
    """Histories that share a warehouse, and the build after each load.

    Records of different histories are independent, so each history is an example. If
    ``rewrites``, a file name that occurs again in a history is a new version of the
    file. Otherwise this applies only to the history number ``rewriter``.
    """

    histories: list[list[list[File]]]
    builds: list[str]
    rewrites: bool
    rewriter: int | None = None


def courses(count: int, width: int, number: int) -> Iterator[Course]:
    """Draw courses of ``width`` histories from the seed ``number``.

    Each history is one example for hypothesis, which does not repeat examples. It would
    draw few whole courses, and similar ones, because they are large.
    """
    histories = _drawn(HISTORIES, count * width, number)
    schedules = cycle(_drawn(SCHEDULES, count, number))
    for position, start in enumerate(range(0, len(histories), width), start=1):
        group = histories[start : start + width]
        rewriter = None
        if position % COURSES_PER_REWRITE == 0:
            rewriter = next(n for n, history in enumerate(group) if any(history))
            group[rewriter] = rewritten(group[rewriter])
        yield Course(group, next(schedules), rewrites=False, rewriter=rewriter)


def rewritten(history: list[list[File]]) -> list[list[File]]:
    """Return a history whose first file has a new version in the last load."""
    files = [file for load in history for file in load]
    again = [*files[-1].lines, *files[0].lines[:1]]
    loads: list[list[File]] = [[] for _ in range(LOADS)]
    loads[0] = [File("a", files[0].lines, files[0].form)]
    loads[-1] = [File("a", again, files[-1].form)]
    return loads


def _drawn(strategy: st.SearchStrategy[Any], count: int, number: int) -> list[Any]:
    found: list[Any] = []

    @settings(
        max_examples=count,
        deadline=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
        database=None,
    )
    @seed(number)
    @given(strategy)
    def collect(drawn: Any) -> None:
        found.append(drawn)

    collect()
    return found


def files_of(course: Course, load: int) -> dict[str, bytes]:
    """Return the files that arrive before a load, by path below the root."""
    found: dict[str, bytes] = {}
    for number, history in enumerate(course.histories):
        for file in history[load] if load < len(history) else []:
            keeps_name = course.rewrites or number == course.rewriter
            name = f"{number}-{file.name}" + ("" if keeps_name else f"-{load}")
            for part, is_song in (("log_data", False), ("song_data", True)):
                lines = [
                    render(line, number)
                    for line in file.lines
                    if isinstance(line, bytes) or ("title" in line) is is_song
                ]
                if lines:
                    found[f"{part}/{name}.json"] = in_form(lines, file.form)
    return found


def in_form(lines: list[bytes], form: str) -> bytes:
    """Return the content of a file that contains these records."""
    if form == "array":
        return b"[" + b",\n".join(lines) + b"]"
    if form == "one after the other":
        return b"".join(lines)
    if form == "indented":
        lines = [line.replace(b", ", b",\n  ") for line in lines]
    return b"\n".join(lines)


def render(line: Any, number: int) -> bytes:
    """Return a line of a file; other histories do not share its keys and names."""
    if isinstance(line, bytes):
        return line
    if "title" in line:
        return song(
            f"SO{number}-{line['song']}",
            artist_id=f"AR{number}-{line['of']}",
            title=f"{number}{line['title']}",
            artist_name=f"{number}{line['artist']}",
            artist_location=line["location"],
            year=line["year"] and 2000 + line["year"],
            duration=line["length"],
        )
    return event(
        2 * number + line["session"],
        line["item"],
        ts=FIRST_MOMENT
        + 10 * number
        + line["moment"]
        + DAY * (line["moment"] // MOMENTS_PER_DAY),
        page=line["page"],
        userId=line["user"] and str(2 * number + int(line["user"])),
        level=line["level"],
        song=line["song"] and f"{number}{line['song']}",
        artist=f"{number}{line['artist']}",
        length=line["length"],
        firstName=line["first_name"],
    )


def text_of(course: Course) -> str:
    """Return a course as JSON for tests/law_cases, one record per line."""

    def as_json(value: object) -> object:
        return value.decode() if isinstance(value, bytes) else vars(value)

    return short_objects(json.dumps(course, default=as_json, indent=1))


def read_course(path: Path) -> Course:
    """Return the course in a file of ``text_of``; a string is a broken line."""
    found = json.loads(path.read_text(encoding="utf-8"))
    found["histories"] = [
        [
            [
                File(
                    file["name"],
                    [x.encode() if isinstance(x, str) else x for x in file["lines"]],
                    file.get("form", "lines"),
                )
                for file in files
            ]
            for files in history
        ]
        for history in found["histories"]
    ]
    return Course(**found)
