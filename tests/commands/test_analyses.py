"""Test the analyses: questions, expected answers, printed tables, the command."""

from __future__ import annotations

import re
import subprocess
import sys
from datetime import date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
import yaml

import analyses
import expected_answers
import questions_page
from oracle import answers, read_folder
from oracle.answers import QUESTIONS as ORACLES
from oracle.measures import evidence_of
from oracle.who import what_a_user_heard_in_a_session, who_listened_to_a_song
from sparkify.analyses import asking
from sparkify.analyses.asking import LOADS
from sparkify.analyses.differences import MAX_REPORTED, differences
from sparkify.shared.answers import (
    NOTHING,
    Answer,
    Column,
    read_csv,
    table,
    write_csv,
    written,
)
from warehouses import PROJECT, Builder, Warehouse, copy_of, environment

QUESTIONS = sorted((PROJECT / "analyses").glob("*.sql"))
BAD = "\N{REPLACEMENT CHARACTER}"
NOON = datetime(2018, 11, 21, 12, 0, 0, 796_000)  # noqa: DTZ001 -- UTC without a zone


def described(path: Path) -> dict[str, Any]:
    """Return the entry of an analysis in the yml beside it."""
    text = path.with_suffix(".yml").read_text(encoding="utf-8")
    (found,) = yaml.safe_load(text)["analyses"]
    assert found["name"] == path.stem
    return dict(found)


# ------------------------------------------------------------- questions and columns


def test_analysis_opens_with_its_question() -> None:
    for path in QUESTIONS:
        text = path.read_text(encoding="utf-8")
        opening = " ".join(re.sub(r"^{# |#}.*", "", text, flags=re.DOTALL).split())
        question = described(path)["description"].strip()
        assert question.endswith("?"), path.stem
        assert opening.startswith(question), path.stem


def test_analysis_sorts_text_by_code_point() -> None:
    """An analysis has at most one order by."""
    for path in QUESTIONS:
        text = path.read_text(encoding="utf-8")
        assert len(re.findall(r"^order by", text, re.MULTILINE)) <= 1, path.stem
        texts = "|".join(
            column["name"]
            for column in described(path)["columns"]
            if column["data_type"] == "varchar"
        )
        if texts:
            assert not re.search(rf"\b({texts}) (asc|desc)", text), path.stem


def test_analysis_describes_columns_of_its_answer(sample_data: Path) -> None:
    found = answers(read_folder(sample_data))
    assert {path.stem for path in QUESTIONS} == set(found)
    for path in QUESTIONS:
        names = tuple(c["name"] for c in described(path)["columns"])
        assert names == found[path.stem].columns


def test_questions_page_lists_every_analysis() -> None:
    text = questions_page.PAGE.read_text(encoding="utf-8")
    assert text == questions_page.page(), "run make expected"
    assert all(f"](../analyses/{path.name})" in text for path in QUESTIONS)
    assert len(QUESTIONS) == len(ORACLES) >= 24


# ---------------------------------------------------------------- expected answers


def test_expected_answers_are_those_of_oracle(
    sample_data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "obsolete.csv").touch()
    command = ["--data", str(sample_data), "--out", str(tmp_path)]
    assert expected_answers.main(command) == 0
    assert f"Wrote {len(QUESTIONS)} answers" in capsys.readouterr().out
    new = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    committed = {path.name: path.read_bytes() for path in analyses.EXPECTED.iterdir()}
    assert committed == new, "run make expected"
    assert all(len(read_csv(path)[1]) > 0 for path in analyses.EXPECTED.iterdir())


# ----------------------------------------------------------------------- differences


COLUMNS = (
    Column("song_title", "varchar"),
    Column("play_count", "bigint"),
    Column("hours", "numeric(18, 2)"),
    Column("played_at", "timestamp"),
    Column("play_date", "date"),
    Column("is_matched", "boolean"),
)
GOOD = ('a, "b"\nc', 1, Decimal("1.50"), NOON, NOON.date(), True)
NULLS = (None,) * len(GOOD)


def answer_of(*rows: tuple[object, ...]) -> Answer:
    return Answer("x", "What?", COLUMNS, rows)


@pytest.fixture
def expected(tmp_path: Path) -> Path:
    """Write the expected answer: a row of values and a row of nulls."""
    write_csv(tmp_path / "x.csv", [column.name for column in COLUMNS], [GOOD, NULLS])
    return tmp_path / "x.csv"


def test_equal_answer_has_no_differences(expected: Path) -> None:
    assert differences(answer_of(GOOD, NULLS), expected) == []


@pytest.mark.parametrize(
    ("position", "value", "reported"),
    [
        (0, None, 'Row 1, song_title: expected a, "b"\nc, found null.'),
        (1, 2, "Row 1, play_count: expected 1, found 2."),
        (1, "1", "play_count is bigint in the yml; found '1'."),
        (1, Decimal(1), "play_count is bigint in the yml; found Decimal('1')."),
        (1, True, "play_count is bigint in the yml; found True."),
        (2, Decimal("1.51"), "Row 1, hours: expected 1.50, found 1.51."),
        (2, Decimal("1.5"), "hours is numeric(18, 2) in the yml; found"),
        (2, 1.5, "hours is numeric(18, 2) in the yml; found 1.5."),
        (3, NOON.replace(microsecond=0), "expected 2018-11-21 12:00:00.796, found"),
        (4, NOON, "play_date is date in the yml; found"),
        (4, date(2018, 11, 22), "expected 2018-11-21, found 2018-11-22."),
        (5, False, "expected true, found false."),
    ],
)
def test_different_value_or_type_is_reported(
    position: int, value: object, reported: str, expected: Path
) -> None:
    changed = (*GOOD[:position], value, *GOOD[position + 1 :])
    found = differences(answer_of(changed, NULLS), expected)
    assert reported in "\n".join(found)


def test_empty_text_differs_from_null(expected: Path) -> None:
    empty = ("", *NULLS[1:])
    assert differences(answer_of(GOOD, empty), expected) == [
        "Row 2, song_title: expected null, found no text."
    ]


def test_different_row_order_is_reported(expected: Path) -> None:
    assert differences(answer_of(NULLS, GOOD), expected) != []


def test_missing_and_extra_rows_are_reported(expected: Path) -> None:
    (missing,) = differences(answer_of(GOOD), expected)
    assert missing.startswith("Row 2 is missing; expected ")
    (more,) = differences(answer_of(GOOD, NULLS, GOOD), expected)
    assert more.startswith("Row 3 is not expected; found a, ")


def test_list_of_many_differences_is_cut(expected: Path) -> None:
    reported = differences(answer_of(GOOD, NULLS, *[GOOD] * 1000), expected)
    assert len(reported) == MAX_REPORTED + 1
    assert reported[-1] == "… 995 more differences"


def test_other_columns_and_missing_file_are_reported(expected: Path) -> None:
    turned = Answer("x", "What?", COLUMNS[::-1], ())
    (reported,) = differences(turned, expected)
    assert reported.startswith("The columns are is_matched, play_date,")
    (reported,) = differences(turned, expected.with_name("y.csv"))
    assert reported.startswith("The file of the expected answer, ")


# ---------------------------------------------------------------------------- tables


def test_printed_table_has_aligned_columns() -> None:
    columns = (
        Column("session_id", "bigint"),
        Column("song_title", "varchar"),
        Column("most_plays_in_a_session_count", "bigint"),
        Column("listening_hours", "numeric(18, 2)"),
    )
    rows: tuple[tuple[object, ...], ...] = (
        (1234, "音楽", 1234, Decimal("1234.50")),
        (5, None, 7, None),
        (6, "e\u0301\n", 8, Decimal("0.05")),
    )
    drawn = table(Answer("x", "What is played?", columns, rows), "").splitlines()
    assert drawn == [
        "What is played?  [x]",
        "",
        "                            most plays",
        "                          in a session     listening",
        "  session id  song title         count         hours",
        "  ──────────  ──────────  ────────────  ────────────",
        "        1234  音楽               1,234      1,234.50",
        f"           5  {NOTHING}                      7             {NOTHING}",
        f"           6  e\u0301{BAD}                     8          0.05",
    ]


def test_long_text_is_cut() -> None:
    found = Answer("x", "What?", (Column("song_title", "varchar"),), (("x" * 41,),))
    assert table(found, "").splitlines()[-1] == "  " + "x" * 39 + "…"


def test_long_table_is_cut() -> None:
    columns = (Column("hour", "integer"),)
    rows = tuple((number,) for number in range(111))
    lines = table(Answer("x", "When?", columns, rows), " (all)").splitlines()
    assert lines[-2:] == ["    23", "  … 87 more rows (all)"]
    assert "1 more row (" in table(Answer("x", "When?", columns, rows[:25]), " (all)")
    assert "more" not in table(Answer("x", "When?", columns, rows[:24]), " (all)")
    assert table(Answer("x", "When?", columns, ()), "").endswith("(no rows)")


def test_csv_file_follows_rfc_4180(tmp_path: Path) -> None:
    path = tmp_path / "x.csv"
    write_csv(path, ["a", "b"], [('x,"y"\né', None), ("z", Decimal("1E+3"))])
    assert path.read_bytes() == 'a,b\r\n"x,""y""\né",\r\nz,1000\r\n'.encode()
    assert read_csv(path) == (["a", "b"], [['x,"y"\né', ""], ["z", "1000"]])


# ----------------------------------------------------------------------- the command


@pytest.fixture(scope="module")
def warehouse(
    sample_warehouse: Warehouse, tmp_path_factory: pytest.TempPathFactory
) -> Warehouse:
    """Return a copy of the sample's warehouse, which dbt opens for writing."""
    return copy_of(sample_warehouse, tmp_path_factory.mktemp("asked") / "warehouse")


def run(warehouse: Warehouse, *arguments: str) -> int:
    """Run the command in this process, and return its exit status."""
    with environment(warehouse.variables):
        code = analyses.main(arguments)
    Builder(warehouse).close()
    return code


def test_all_answers_about_sample_are_as_expected(
    warehouse: Warehouse, capfd: pytest.CaptureFixture[str]
) -> None:
    assert run(warehouse, "--check") == 0
    printed = capfd.readouterr().out
    count = len(QUESTIONS)
    assert f"{count} of {count} answers are as expected.\n" in printed
    assert printed.count("\n") == count + 1


def test_answers_are_printed_or_written_as_requested(
    warehouse: Warehouse,
    sample_data: Path,
    tmp_path: Path,
    capfd: pytest.CaptureFixture[str],
) -> None:
    """The title of the chosen song contains a quote."""
    evidence = evidence_of(read_folder(sample_data))
    title = next(p.song_title for p in evidence.plays if "'" in (p.song_title or ""))
    play = evidence.plays_of_users[0]
    chosen = {
        "user_id": play.user_id,
        "session_id": play.session_id,
        "song_title": title,
    }
    names = "who_listened_to_a_song,what_a_user_heard_in_a_session"
    code = run(
        *(warehouse, "--only", names, "--vars", yaml.safe_dump(chosen)),
        *("--csv", str(tmp_path)),
    )
    printed = capfd.readouterr()
    assert code == 0, printed
    assert re.findall(r"^\w.*\?", printed.out, re.MULTILINE) == [
        "Who listened to song X?",
        "What did user U hear in session S?",
    ]
    for answer in (
        who_listened_to_a_song(evidence, title),
        what_a_user_heard_in_a_session(evidence, play.user_id, play.session_id),
    ):
        assert answer.rows
        path = tmp_path / f"{names.split(',')[answer.columns[0] == 'user_id']}.csv"
        names_found, rows = read_csv(path)
        assert tuple(names_found) == answer.columns
        assert rows == [[written(value) for value in row] for row in answer.rows]


@pytest.fixture
def empty(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Make this process use a warehouse that was never built."""
    (tmp_path / "profiles.yml").write_text(
        "sparkify:\n  target: test\n  outputs:\n    test:"
        f" {{type: duckdb, path: {tmp_path / 'none.duckdb'}, schema: analytics}}\n",
        encoding="utf-8",
    )
    monkeypatch.setenv("DBT_PROFILES_DIR", str(tmp_path))
    monkeypatch.setenv("DBT_TARGET", "test")
    return tmp_path


def test_unbuilt_warehouse_is_reported(
    empty: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert analyses.main([]) == 2
    assert capsys.readouterr().err == (
        "error: The warehouse of target test is empty.\n"
        "Run make build TARGET=test, or name another target.\n"
    )
    assert not (empty / "none.duckdb").exists()


def test_unknown_analysis_is_reported() -> None:
    done = subprocess.run(
        [
            *(sys.executable, str(PROJECT / "scripts" / "analyses.py")),
            *("--only", "plays_by_hour, most_played_song"),
        ],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 2
    error = "error: Analysis most_played_song does not exist.\nUse one of: "
    assert done.stderr.startswith(error)
    assert "most_played_songs" in done.stderr


@pytest.fixture
def as_expected(empty: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a folder of expected answers, and answer alike without dbt."""

    def ask(names: list[str], *_: object) -> list[Answer]:
        return [
            Answer(name, "?", (Column("a", "varchar"),), (("1",),)) for name in names
        ]

    for module in (analyses, asking):
        monkeypatch.setattr(module, "ask", ask)
    monkeypatch.setattr(analyses, "require_data", lambda _: None)
    for name in ("plays_by_day", "plays_by_hour", LOADS):
        write_csv(empty / f"{name}.csv", ["a"], [("1",)])
    return empty


def test_wrong_answer_is_reported_and_command_fails(
    as_expected: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    command = ["--check", "--only", "plays_by_day,plays_by_hour"]
    command += ["--expected", str(as_expected)]
    assert analyses.main(command) == 0
    write_csv(as_expected / "plays_by_day.csv", ["a"], [("2",)])
    assert analyses.main(command) == 1
    assert capsys.readouterr().out.splitlines()[-4:] == [
        "  plays_by_day                        1 rows  DIFFERENT",
        "      Row 1, a: expected 2, found 1.",
        "  plays_by_hour                       1 rows  as expected",
        "1 of 2 answers are as expected.",
    ]


def test_answers_about_other_data_are_not_compared(
    as_expected: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_csv(as_expected / f"{LOADS}.csv", ["a"], [("2",)])
    command = ["--check", "--only", "plays_by_day", "--expected", str(as_expected)]
    assert analyses.main(command) == 2
    wrong, advice, _ = capsys.readouterr().err.split("\n")
    assert wrong.startswith("error: The answers in ")
    assert "are not for the data of target test" in wrong
    assert advice.startswith("Write answers for its data with make expected")


def test_unwritable_folder_is_reported(
    as_expected: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (as_expected / "file").touch()
    command = ["--only", "plays_by_day", "--csv", str(as_expected / "file")]
    assert analyses.main(command) == 2
    assert "file cannot be written: file exists.\n" in capsys.readouterr().err
