#!/usr/bin/env python3
"""Draw the star schema in README.md from the models' yml: columns, keys, references."""

from __future__ import annotations

import argparse
import re
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from sparkify.shared.errors import SparkifyError, without_traceback
from sparkify.shared.project import PROJECT

BEGIN = "<!-- star: drawn by `make star` from the tests -->"
END = "<!-- end of star -->"
TABLES = ("songplays", "users", "songs", "artists", "time")


@without_traceback
def main(argv: Sequence[str] | None = None) -> int:
    """Run the command. With --check, return 1 if the diagram is out of date."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="only check, do not write")
    options = parser.parse_args(argv)
    readme = PROJECT / "README.md"
    text = readme.read_text(encoding="utf-8")
    updated = with_drawing(text, draw(read_models(PROJECT / "models/marts/core")))
    if options.check:
        if updated != text:
            print("The diagram in README.md is out of date. Run make star.")
        return int(updated != text)
    readme.write_text(updated, encoding="utf-8")
    print("Updated the diagram in README.md.")
    return 0


def read_models(folder: Path) -> dict[str, Any]:
    """Return the yml of the star schema's models, by table."""
    models = {}
    for table in TABLES:
        text = (folder / f"{table}.yml").read_text(encoding="utf-8")
        models[table] = yaml.safe_load(text)["models"][0]
    return models


def draw(models: Mapping[str, Any]) -> str:
    """Return an entity relationship diagram in Mermaid."""
    lines = ["```mermaid", "erDiagram"]
    for table, model in models.items():
        lines += [f"    {line}" for line in _relationships(table, model)]
    for table, model in models.items():
        lines.append(f"    {table} {{")
        lines += [
            f"        {_column(column)}"
            for column in model["columns"]
            if column["name"] != "loaded_at"
        ]
        lines.append("    }")
    return "\n".join([*lines, "```"])


def _tests(column: Mapping[str, Any]) -> dict[str, Any]:
    tests: dict[str, Any] = {}
    for test in column.get("data_tests", ()):
        tests |= {test: {}} if isinstance(test, str) else test
    return tests


def _relationships(table: str, model: Mapping[str, Any]) -> Iterator[str]:
    for column in model["columns"]:
        tests = _tests(column)
        if "relationships" in tests:
            target = tests["relationships"]["arguments"]["to"]
            to = re.sub(r"ref\('(\w+)'\)", r"\1", target)
            one = "||" if "not_null" in tests else "|o"
            yield f"{to} {one}--o{{ {table} : {column['name']}"


def _column(column: Mapping[str, Any]) -> str:
    tests = _tests(column)
    kind = column["data_type"].split("(")[0].replace(" ", "_")
    keys = [
        key
        for key, test in (("PK", "unique"), ("FK", "relationships"))
        if test in tests
    ]
    return f"{kind} {column['name']} {', '.join(keys)}".rstrip()


def with_drawing(text: str, drawing: str) -> str:
    """Return a text with a diagram between the marks.

    Raises SparkifyError if a mark is missing.
    """
    head, begin, rest = text.partition(BEGIN)
    _, end, tail = rest.partition(END)
    if not begin or not end:
        raise SparkifyError(
            "README.md has no marks for the diagram.", f"Add {BEGIN} and {END} to it."
        )
    return f"{head}{begin}\n{drawing}\n{end}{tail}"


if __name__ == "__main__":
    sys.exit(main())
