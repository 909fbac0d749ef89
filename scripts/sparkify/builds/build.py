"""Build and test the models with dbt."""

from __future__ import annotations

import json
from typing import Any

from sparkify.builds.artifacts import good_build, keep_good_build
from sparkify.builds.changed_code import ChangedCode
from sparkify.dbt.run import run_dbt
from sparkify.shared.progress import progress

WARNING = "warning: "


class Outcome:
    """The result of dbt build: built models, test counts, failures and warnings.

    ``built`` maps a model to the schema and the name of its table. ``errors`` are the
    messages of the database.
    """

    def __init__(self) -> None:
        """Start without results."""
        self.success = False
        self.built: dict[str, tuple[str, str]] = {}
        self.tests = 0
        self.passed = 0
        self.failed: list[str] = []
        self.warnings: list[str] = []
        self.errors: list[str] = []

    def add(self, result: Any) -> None:  # noqa: ANN401 -- dbt's own, untyped
        """Add the nodes of a result of dbtRunner."""
        self.success = bool(result.success)
        for node in getattr(result.result, "results", ()):
            if str(node.node.resource_type) in ("test", "unit_test"):
                self.tests += 1
                self.passed += node.status == "pass"
            elif node.status == "success":
                self.built[node.node.name] = node.node.schema, node.node.alias
            if node.status in ("error", "fail"):
                self.failed.append(node.node.name)
            if node.status == "error":
                self.errors.append(str(node.message))


def build(target: str, *, tests: str = "all") -> Outcome:
    """Build and test the models. Keep the manifest if all succeeded.

    ``tests`` is the variable that macros/incremental/tested_through.sql reads. Unit
    tests depend on code only, so they are skipped if no code changed. Raises
    SparkifyError if dbt could not run.
    """
    outcome = Outcome()
    # dbt build writes the manifest.
    parsed = run_dbt("--no-write-json", "parse", target=target, to="build").result
    code = ChangedCode(good_build(target) / "manifest.json", parsed)
    given = {"tests": tests, "changed_macros": code.macros}
    options = ["--vars", json.dumps(given)]
    print("Building and testing the models (dbt build) ...")
    if not code.is_tested:
        options += ["--exclude-resource-type", "unit_test"]
        print("No code changed since the last good build: unit tests are skipped.")
    with progress("dbt build", "nodes") as bar:

        def on_event(event: Any) -> None:  # noqa: ANN401 -- dbt's own, untyped
            if event.info.name == "NodeFinished":
                bar.update()
            # Logged by macros/report_warnings.sql.
            if event.info.name == "JinjaLogInfo" and event.data.msg.startswith(WARNING):
                outcome.warnings.append(event.data.msg.removeprefix(WARNING))

        outcome.add(
            run_dbt(
                *("build", *options),
                target=target,
                to="build",
                manifest=parsed,
                on_event=on_event,
            )
        )
    if outcome.success:
        keep_good_build(target)
    return outcome
