#!/usr/bin/env python3
"""Run the analyses, and print, write or check their answers."""

from __future__ import annotations

import argparse
import difflib
import sys
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from typing import Any, Final

from sparkify.answers import Answer, Column, table, write_csv
from sparkify.dbt_profile import PROJECT, read_target
from sparkify.dbt_run import run_dbt
from sparkify.differences import differences
from sparkify.errors import SparkifyError, without_traceback
from sparkify.loaders import open_warehouse
from sparkify.progress import progress

ANALYSES: Final = PROJECT / "analyses"
EXPECTED: Final = PROJECT / "seeds" / "expected"
LOADS: Final = "what_was_loaded"
"""The analysis whose answer identifies the loaded data."""
DIFFERENT: Final = 1


@without_traceback
def main(argv: Sequence[str] | None = None) -> int:
    """Run the command. Return 1 if an answer differs from the expected one."""
    parser = argparse.ArgumentParser(description=__doc__)
    add = parser.add_argument
    add("--target", help="target of profiles.yml (default: dbt's default target)")
    add("--only", metavar="NAMES", help="comma-separated names of analyses")
    add("--vars", metavar="YAML", help="variables, as in dbt's --vars")
    add("--csv", metavar="FOLDER", type=Path, help="also write each answer as CSV")
    add("--check", action="store_true", help="only compare with the expected answers")
    add(
        "--expected",
        metavar="FOLDER",
        type=Path,
        default=EXPECTED,
        help="folder of the expected answers (default: seeds/expected, for the sample)",
    )
    options = parser.parse_args(argv)
    names = wanted(options.only)
    target = read_target(options.target)
    require_data(target)
    if options.check:
        return check(names, target["name"], options.expected)
    found = ask(names, target["name"], options.vars)
    where_all_is = (
        f" (all in {options.csv})" if options.csv else " (all with CSV=folder)"
    )
    print("\n\n".join(table(answer, where_all_is) for answer in found))
    if options.csv:
        write_all(found, options.csv)
    return 0


def wanted(only: str | None) -> list[str]:
    """Return the names of the analyses to run, all without ``only``.

    Raises SparkifyError for an unknown name.
    """
    known = sorted(path.stem for path in ANALYSES.glob("*.sql"))
    if only is None:
        return known
    names = [name.strip() for name in only.split(",") if name.strip()]
    for name in names:
        if name not in known:
            near = difflib.get_close_matches(name, known) or known
            raise SparkifyError(
                f"Analysis {name} does not exist.", f"Use one of: {', '.join(near)}."
            )
    return names


def require_data(target: dict[str, Any]) -> None:
    """Raise SparkifyError if no file was ever loaded into a target's warehouse."""
    with closing(open_warehouse(target)) as warehouse:
        if not warehouse.history():
            raise SparkifyError(
                f"The warehouse of target {target['name']} is empty.",
                f"Load and build it: make build TARGET={target['name']}",
            )


def ask(names: Sequence[str], target: str, variables: str | None) -> list[Answer]:
    """Run analyses in one dbt command and return their answers, in order of names.

    Raises SparkifyError if one fails.
    """
    advice = (
        f"If the warehouse is missing or out of date, run make build TARGET={target}."
    )
    with progress("dbt show", "questions", len(names)) as bar:

        def on_event(event: Any) -> None:  # noqa: ANN401 -- dbt's own, untyped
            if event.info.name == "NodeFinished":
                bar.update()

        result = run_dbt(
            *("--log-level", "none", "show", "--select", *names, "--limit", "-1"),
            *(("--vars", variables) if variables else ()),
            target=target,
            to="run the analyses",
            advice=advice,
            on_event=on_event,
        )
    nodes = list(getattr(result.result, "results", None) or ())
    failed = [str(node.message) for node in nodes if node.status != "success"]
    if failed or not result.success:
        reason = " ".join("".join(failed[:1]).split()).rstrip(".")
        raise SparkifyError(
            f"dbt could not run the analyses: {reason or 'see logs/dbt.log'}.", advice
        )
    return sorted(map(answer_of, nodes), key=lambda answer: names.index(answer.name))


def answer_of(result: Any) -> Answer:  # noqa: ANN401 -- dbt's own, untyped
    """Return the answer in a result of ``dbt show``."""
    described = result.node.columns
    return Answer(
        name=result.node.name,
        question=" ".join(result.node.description.split()) or result.node.name,
        columns=tuple(
            Column(name, getattr(described.get(name), "data_type", None) or "")
            for name in result.agate_table.column_names
        ),
        rows=tuple(tuple(row.values()) for row in result.agate_table.rows),
    )


def write_all(found: Sequence[Answer], folder: Path) -> None:
    """Write a CSV file for each answer. Raises SparkifyError if it cannot."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for answer in found:
            write_csv(folder / f"{answer.name}.csv", answer.names, answer.rows)
    except OSError as error:
        reason = str(error.strerror).lower()
        raise SparkifyError(
            f"{folder} cannot be written: {reason}.", "Name another folder."
        ) from error
    print(f"\nWrote {len(found)} CSV files to {folder}.")


def check(names: Sequence[str], target: str, expected: Path) -> int:
    """Print where answers differ from the expected ones. Return 1 if any does.

    Raises SparkifyError if the expected answers are for other data.
    """
    found = {answer.name: answer for answer in ask([*names, LOADS], target, None)}
    if differences(found[LOADS], expected / f"{LOADS}.csv"):
        raise SparkifyError(
            f"The answers in {expected} are not for the data of target {target}:"
            f" {LOADS} differs.",
            "Write answers for its data with make expected DATA=folder EXPECTED=folder,"
            " and name them with --expected.",
        )
    different = 0
    for name in names:
        lines = differences(found[name], expected / f"{name}.csv")
        different += bool(lines)
        rows = len(found[name].rows)
        print(f"  {name:<32}{rows:>5} rows  {'DIFFERENT' if lines else 'as expected'}")
        for line in lines:
            print(f"      {line}")
    print(f"{len(names) - different} of {len(names)} answers are as expected.")
    return DIFFERENT if different else 0


if __name__ == "__main__":
    sys.exit(main())
