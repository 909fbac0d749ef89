"""Test docs/published.md: results of other implementations on the course's data."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path

from oracle import evidence_of, read_folder
from oracle.reading import (
    EVENT_RULES,
    SONG_RULES,
    RejectedError,
    find_files,
    judge,
    read_texts,
)
from published import RIGHT, WRONG, counted, page, right_of
from warehouses import PROJECT

PAGE = PROJECT / "docs" / "published.md"


def test_published_page_matches_real_data(real_data: Path) -> None:
    written = page(real_data)
    if os.environ.get("WRITE_PUBLISHED"):
        PAGE.write_text(written, encoding="utf-8")
    assert PAGE.read_text(encoding="utf-8") == written


def test_each_wrong_variant_differs_on_sample_too(
    sample_data: Path, tmp_path: Path
) -> None:
    """Only accepted records are compared: the small queries cannot read others."""
    for part, rules in (("log_data", EVENT_RULES), ("song_data", SONG_RULES)):
        (tmp_path / part).mkdir()
        with (tmp_path / part / "all.json").open("wb") as good:
            for path in find_files(sample_data / part):
                for text in read_texts(path):
                    with suppress(RejectedError):
                        judge(text, rules)
                        good.write(text.content + b"\n")
    right = right_of(evidence_of(read_folder(tmp_path)))
    found = counted(tmp_path)
    assert {variant.table for variant in WRONG} == set(RIGHT) == set(right)
    same = [v.why for v, n in zip(WRONG, found, strict=True) if n == right[v.table]]
    assert same == []


def test_published_page_lists_every_variant() -> None:
    text = PAGE.read_text(encoding="utf-8")
    for wrong in WRONG:
        assert f"| {wrong.table} | {wrong.why} | {wrong.printed} |" in text
