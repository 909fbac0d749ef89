"""docs/questions.md: all questions, and what one answer looks like."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path
from typing import Final

import yaml

from analyses import ANALYSES, EXPECTED
from oracle.answers import QUESTIONS
from sparkify.answers import Answer, Column, read_csv, table
from sparkify.dbt_profile import PROJECT

PAGE: Final = PROJECT / "docs" / "questions.md"
SHOWN: Final = "most_active_users"
HEADINGS: Final = {
    "what": "What is played",
    "when": "When, where, and on what",
    "who": "Who listens",
    "quality": "What the data are like",
}
"""The oracle's modules, and what stands over their questions."""

TEXT: Final = """\
# The questions of the analytics team

Made by `make expected`. {count} questions, each one file in `analyses/` that opens with
the question in plain words, and beside it a yml that says what each column is. They
read the marts `plays`, `sessions` and `user_level_history`, which join the star for
them, and give the same rows in the same order on every engine.

```sh
make analyses                    # all of them, on the target that was built last
make analyses ONLY=plays_by_day,plays_by_hour TARGET=postgres
make analyses CSV=data/answers   # each to a file of CSV in that folder as well
make analyses CHECK=1            # compare them with what is expected
```

One question by dbt itself, and two that take variables:

```sh
dbt show --select plays_by_region --limit -1
make analyses ONLY=what_a_user_heard_in_a_session VARS='{{user_id: 8, session_id: 520}}'
make analyses ONLY=who_listened_to_a_song VARS='{{song_title: Paint My Map}}'
```

An answer, about the sample:

```text
{answer}
```
{lists}
## What is expected

`seeds/expected` holds the answers about the sample, one file each. They come from the
oracle (`tests/oracle`), plain Python that was written from the questions and knows no
SQL. `CHECK=1` compares value by value: columns, types, order, nulls and every decimal.
For data of your own the oracle writes them, and the check is told where they are:

```sh
make expected DATA=folder EXPECTED=data/expected
make analyses CHECK=1 EXPECTED=data/expected
```

## Add a question

1. Write `analyses/<name>.sql`. It opens with the question, reads the marts, and ends in
   one `order by` that leaves no tie open; text is ordered by `by_code_point`. Columns
   name their units. A limit is a rank in a step before, since `dbt show` adds its own.
2. Write `analyses/<name>.yml`: the question as its description, and each column with
   its `data_type` and meaning.
3. Answer it in Python, in `tests/oracle`, from the words of the question, with a small
   case that you worked out by hand in `tests/rules/test_answers.py`.
4. Run `make expected` and `make analyses ONLY=<name> CHECK=1`.
"""


def described(name: str) -> Answer:
    """Give the expected answer about the sample, as text, with what the yml says."""
    (found,) = yaml.safe_load((ANALYSES / f"{name}.yml").read_text(encoding="utf-8"))[
        "analyses"
    ]
    columns = tuple(Column(c["name"], c["data_type"]) for c in found["columns"])
    _, rows = read_csv(EXPECTED / f"{name}.csv")
    return Answer(
        name=name,
        question=" ".join(found["description"].split()),
        columns=columns,
        rows=tuple(
            tuple(_value(text, c) for text, c in zip(row, columns, strict=True))
            for row in rows
        ),
    )


def _value(text: str, column: Column) -> object:
    if not text:
        return None
    if column.data_type.startswith("numeric"):
        return Decimal(text)
    return int(text) if column.data_type in ("bigint", "integer") else text


def page() -> str:
    """Write the page."""
    lists: list[str] = []
    for module, heading in HEADINGS.items():
        lists += ["", f"## {heading}", ""]
        for question in QUESTIONS:
            if question.__module__ == f"oracle.{module}":
                name = question.__name__
                link = f"[{name}](../analyses/{name}.sql)"
                lists.append(f"- {described(name).question} {link}")
    return TEXT.format(
        count=len(QUESTIONS),
        answer=table(described(SHOWN), ""),
        lists="\n".join([*lists, ""]),
    )


def write(path: Path = PAGE) -> None:
    """Write the page to its place."""
    path.write_text(page(), encoding="utf-8")
