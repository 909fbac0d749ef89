"""Run the analyses and check their answers."""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

from sparkify.analyses.differences import differences
from sparkify.dbt.run import answer_of, run_dbt
from sparkify.shared.answers import Answer, write_csv
from sparkify.shared.errors import SparkifyError
from sparkify.shared.progress import progress
from sparkify.shared.project import PROJECT

ANALYSES: Final = PROJECT / "analyses"
LOADS: Final = "what_was_loaded"
"""The analysis whose answer identifies the loaded data."""


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
    """Print differences from the expected answers. Return the number that differ.

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
    return different
