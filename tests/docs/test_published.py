"""docs/published.md says what other ways give on the course's data: it is made so."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path

from oracle import evidence_of, read_folder
from oracle.reading import (
    EVENT_RULES,
    SONG_RULES,
    RefusedError,
    find_files,
    judge,
    read_texts,
)
from published import RIGHT, WRONG, counted, page, right_of
from warehouses import PROJECT

PAGE = PROJECT / "docs" / "published.md"


def test_the_page_says_what_the_real_data_give(real_data: Path) -> None:
    written = page(real_data)
    if os.environ.get("WRITE_PUBLISHED"):
        PAGE.write_text(written, encoding="utf-8")
    assert PAGE.read_text(encoding="utf-8") == written


def test_each_wrong_variant_differs_on_sample_too(
    sample_data: Path, tmp_path: Path
) -> None:
    """On the records that are not refused: the small queries can read no others."""
    for part, rules in (("log_data", EVENT_RULES), ("song_data", SONG_RULES)):
        (tmp_path / part).mkdir()
        with (tmp_path / part / "all.json").open("wb") as good:
            for path in find_files(sample_data / part):
                for text in read_texts(path):
                    with suppress(RefusedError):
                        judge(text, rules)
                        good.write(text.content + b"\n")
    right = right_of(evidence_of(read_folder(tmp_path)))
    found = counted(tmp_path)
    assert {way.table for way in WRONG} == set(RIGHT) == set(right)
    same = [w.why for w, n in zip(WRONG, found, strict=True) if n == right[w.table]]
    assert same == []


def test_the_page_tells_every_way() -> None:
    text = PAGE.read_text(encoding="utf-8")
    for way in WRONG:
        assert f"| {way.table} | {way.why} | {way.printed} |" in text
