"""Run dbt commands in this process, so that dbt starts only once."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from sparkify.dbt.profile import profiles_folder
from sparkify.shared.answers import Answer, Column
from sparkify.shared.errors import SparkifyError
from sparkify.shared.project import PROJECT


def run_dbt(
    *arguments: str,
    target: str,
    to: str,
    advice: str = "Fix it and run again.",
    manifest: Any = None,  # noqa: ANN401 -- dbt's own, untyped
    on_event: Callable[[Any], None] = lambda _: None,
) -> Any:  # noqa: ANN401 -- dbt's own, untyped
    """Run a dbt command on a target and return the result of dbtRunner.

    ``to`` is the purpose in error messages, for example "build". Raises SparkifyError
    with the advice if dbt cannot run. Failed nodes do not raise: check the result.
    """
    from dbt.cli.main import dbtRunner

    result = dbtRunner(manifest, callbacks=[on_event]).invoke(
        [
            "--quiet",
            *arguments,
            *("--target", target),
            *("--project-dir", str(PROJECT)),
            *("--profiles-dir", str(profiles_folder())),
        ]
    )
    if result.exception is not None:
        reason = " ".join(str(result.exception).split()).rstrip(".")
        raise SparkifyError(f"dbt could not {to}: {reason}.", advice)
    return result


def show(
    sql: str,
    *,
    target: str,
    manifest: Any,  # noqa: ANN401 -- dbt's own, untyped
    to: str,
    advice: str,
) -> Any:  # noqa: ANN401 -- as above
    """Return all rows of a query, which may contain Jinja, as an agate table.

    Raises SparkifyError with the advice if the query fails.
    """
    result = run_dbt(
        *("--log-level", "none", "--no-populate-cache", "--no-write-json"),
        *("show", "--limit", "-1", "--inline", sql),
        manifest=manifest,
        target=target,
        to=to,
        advice=advice,
    )
    (found,) = getattr(result.result, "results", None) or [None]
    if found is None or found.status != "success":
        reason = " ".join(str(getattr(found, "message", "")).split()).rstrip(".")
        raise SparkifyError(f"dbt could not {to}: {reason}.", advice)
    return found.agate_table


def answer_of(result: Any) -> Answer:  # noqa: ANN401 -- dbt's own, untyped
    """Return the answer from a result of ``dbt show``."""
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
