#!/usr/bin/env python3
"""Ask the analytics team's questions: run the analyses, and print or compare them."""

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

ANALYSES: Final = PROJECT / "analyses"
EXPECTED: Final = PROJECT / "seeds" / "expected"
LOADS: Final = "what_was_loaded"
"""Its answer tells one set of data from another."""
DIFFERENT: Final = 1


@without_traceback
def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; 1 if an answer is not the expected one."""
    parser = argparse.ArgumentParser(description=__doc__)
    add = parser.add_argument
    add("--target", help="target of profiles.yml (default: the one that dbt takes)")
    add("--only", metavar="NAMES", help="names of analyses, with commas between them")
    add("--vars", metavar="YAML", help="variables of an analysis, as dbt takes them")
    add("--csv", metavar="FOLDER", type=Path, help="write each answer to a file there")
    add("--check", action="store_true", help="compare with expected answers instead")
    add(
        "--expected",
        metavar="FOLDER",
        type=Path,
        default=EXPECTED,
        help="where those are (default: seeds/expected, which are the sample's)",
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
    """List the analyses to run. Raises SparkifyError if there is none of a name."""
    known = sorted(path.stem for path in ANALYSES.glob("*.sql"))
    if only is None:
        return known
    names = [name.strip() for name in only.split(",") if name.strip()]
    for name in names:
        if name not in known:
            near = difflib.get_close_matches(name, known) or known
            raise SparkifyError(
                f"There is no analysis {name}.", f"There is: {', '.join(near)}."
            )
    return names


def require_data(target: dict[str, Any]) -> None:
    """Raise SparkifyError if nothing was ever loaded into a target's warehouse."""
    with closing(open_warehouse(target)) as warehouse:
        if not warehouse.history():
            raise SparkifyError(
                f"The warehouse of target {target['name']} is empty.",
                f"Load and build it first: make build TARGET={target['name']}",
            )


def ask(names: Sequence[str], target: str, variables: str | None) -> list[Answer]:
    """Run analyses in one process of dbt.

    Raises SparkifyError if one cannot be run.
    """
    advice = f"If the warehouse is not built, or of before: make build TARGET={target}"
    result = run_dbt(
        *("--log-level", "none", "show", "--select", *names, "--limit", "-1"),
        *(("--vars", variables) if variables else ()),
        target=target,
        to="answer",
        advice=advice,
    )
    nodes = list(getattr(result.result, "results", None) or ())
    failed = [str(node.message) for node in nodes if node.status != "success"]
    if failed or not result.success:
        reason = " ".join("".join(failed[:1]).split()).rstrip(".")
        raise SparkifyError(
            f"dbt could not answer: {reason or 'see logs/dbt.log'}.", advice
        )
    return sorted(map(answer_of, nodes), key=lambda answer: names.index(answer.name))


def answer_of(result: Any) -> Answer:  # noqa: ANN401 -- dbt's own, untyped
    """Read what dbt shows of an analysis."""
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
    """Write a file for each answer. Raises SparkifyError if the folder is none."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for answer in found:
            write_csv(folder / f"{answer.name}.csv", answer.names, answer.rows)
    except OSError as error:
        reason = str(error.strerror).lower()
        raise SparkifyError(
            f"{folder} cannot be written: {reason}.", "Name another folder."
        ) from error
    print(f"\nWrote {len(found)} files of CSV to {folder}.")


def check(names: Sequence[str], target: str, expected: Path) -> int:
    """Compare answers with the expected ones and say where they differ."""
    found = {answer.name: answer for answer in ask([*names, LOADS], target, None)}
    if differences(found[LOADS], expected / f"{LOADS}.csv"):
        raise SparkifyError(
            f"The answers in {expected} are not of the data that target {target} holds:"
            f" {LOADS} differs.",
            "Name those of its data with --expected; make expected DATA=folder"
            " EXPECTED=folder writes them.",
        )
    different = 0
    for name in names:
        told = differences(found[name], expected / f"{name}.csv")
        different += bool(told)
        rows = len(found[name].rows)
        print(f"  {name:<32}{rows:>5} rows  {'DIFFERENT' if told else 'as expected'}")
        for line in told:
            print(f"      {line}")
    print(f"{len(names) - different} of {len(names)} answers are as expected.")
    return DIFFERENT if different else 0


if __name__ == "__main__":
    sys.exit(main())
