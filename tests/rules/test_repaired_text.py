"""Every engine cleans text like the oracle, also text that looks encoded twice."""

from __future__ import annotations

import random

import pytest

from oracle.cleaning import WHITE_SPACE, clean_text
from sparkify.shared.quoting import quote_literal
from warehouses import Builder

ASCII = ("8", "<", ",", "(", "*", "l", "|", "x", "2", " ")
"""Some sequences of these contain, in hex, the marks of text that is encoded twice."""
HIGH = "\x80é§߿ࠀ\ud7ff\ue000\uffff\U00010000🎵\U0010ffffΩÃʂ꺩"
STRAY = ("Ã", "Â", "\x83", "é", "Ω", "\x01")
NO_SPACE = "\x1c\x1f\u180e\u200c\u2060\u2800"
"""Characters that some libraries trim, and this project does not."""

COUNT = 400


def encode_twice(text: str) -> str:
    """Return text whose UTF-8 bytes were read as Latin-1, twice."""
    return text.encode().decode("latin-1").encode().decode("latin-1")


def misleading_texts() -> list[str]:
    dice = random.Random(1)  # noqa: S311 -- not for secrets
    texts = {encode_twice(character) for character in HIGH + WHITE_SPACE}
    texts |= {f"{space}x{space}y{space}{space}" for space in WHITE_SPACE + NO_SPACE}
    while len(texts) < COUNT:
        pieces = [*ASCII, *ASCII, *(encode_twice(character) for character in HIGH)]
        if dice.random() < 0.2:
            pieces += STRAY
        texts.add("".join(dice.choices(pieces, k=dice.randint(1, 8))))
    return sorted(texts)


@pytest.mark.parametrize(
    "warehouse",
    [
        "duckdb",
        "redshift",
        pytest.param(
            "postgres",
            marks=pytest.mark.long(
                guard="tests/rules/test_repaired_text.py::test_cleaning_is_the_oracles[duckdb]"
            ),
        ),
    ],
    indirect=True,
)
def test_cleaning_is_the_oracles(builder: Builder) -> None:
    texts = misleading_texts()
    rows = " union all ".join(
        f"select {number} as number, cast({quote_literal(text)} as varchar(1024)) as x"
        for number, text in enumerate(texts)
    )
    query = "select number, {{ clean_text('x') }} as x from texts"
    done = builder.dbt("compile", "--inline", query)
    assert done.returncode == 0, done.stdout
    found = builder.warehouse.query(
        f"with texts as ({rows}) {done.stdout} order by number"
    )
    expected = [clean_text(text) for text in texts]
    assert [x for _, x in found] == expected
    assert sum(a != b for a, b in zip(texts, expected, strict=True)) > COUNT / 2
