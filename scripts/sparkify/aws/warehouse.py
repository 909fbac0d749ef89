"""Create, change, describe and delete a warehouse in AWS."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from sparkify.aws.facts import Serverless, redshift_facts, spark_facts
from sparkify.aws.parameters import all_parameters
from sparkify.aws.stack import (
    NEVER_CREATED,
    ROLLED_BACK,
    STUCK,
    ChangeSet,
    Stack,
    State,
    describe,
)
from sparkify.aws.templates import read_template
from sparkify.shared.errors import SparkifyError
from sparkify.shared.project import ENVIRONMENT, delete_variable, save_variable

DATA_TYPES: Final = (
    "AWS::RedshiftServerless::Namespace",
    "AWS::Redshift::Cluster",
    "AWS::Glue::Database",
)


@dataclass(frozen=True)
class Engine:
    """An engine's template and stack, and the stack's outputs for .env."""

    name: str
    template: str
    stack: str
    variables: str
    outputs: tuple[str, ...]

    def variable(self, output: str) -> str:
        """Return the name of an output's variable in .env."""
        return f"{self.variables}{output.upper()}"


REDSHIFT: Final = Engine(
    name="redshift",
    template="redshift",
    stack="sparkify",
    variables="SPARKIFY_REDSHIFT_",
    outputs=(
        *("Host", "Port", "Database", "User", "Cluster", "Workgroup", "Region"),
        *("Role", "Secret", "Manifest"),
    ),
)
SPARK: Final = Engine(
    name="spark",
    template="emr",
    stack="sparkify-spark",
    variables="SPARKIFY_SPARK_",
    outputs=("Application", "Role", "Lake", "Region"),
)
ENGINES: Final = {engine.name: engine for engine in (REDSHIFT, SPARK)}


def up(
    stack: Stack,
    engine: Engine,
    given: Mapping[str, str],
    rpu_hours: int | None,
    *,
    sure: bool,
) -> None:
    """Create or change the stack, and save its endpoint in .env.

    ``given`` contains the parameters to change, by name. ``rpu_hours`` is the daily
    limit of a serverless warehouse, or None to keep it. ``sure`` deletes tables without
    a question. Raises SparkifyError if the stack cannot be changed.
    """
    text, template = read_template(engine.template)
    state, parameters = _read_state_and_parameters(stack, template, given, rpu_hours)
    is_new = state is None or state.is_empty
    if state is not None and state.status == ROLLED_BACK:
        print(
            f"An earlier attempt to create the stack {stack.name} failed:"
            f" {describe(stack.last_cause(state))}. Deleting its empty remains."
        )
        stack.delete(state)
    print(
        f"Comparing {stack.name} in {stack.region} with infra/{engine.template}.yaml."
    )
    plan = stack.plan(text, parameters, is_new=is_new)
    if plan is None:
        print("There is nothing to change.")
    else:
        _ask_about_losses(stack, plan, sure=sure)
        verb = "Creating" if is_new else "Changing"
        print(f"{verb} the stack, which takes several minutes.")
        state = stack.apply(plan)
    if state is None:
        raise SparkifyError(
            f"The stack {stack.name} no longer exists.", "Run up again."
        )
    outputs = dict(state.outputs)
    if "Workgroup" in outputs:
        serverless = Serverless(stack.region)
        outputs["Secret"] = serverless.secret(stack.name)
        serverless.limit(outputs["WorkgroupArn"], rpu_hours)
    _print_facts(stack, engine, state)
    _save_outputs(engine, outputs)
    if engine is REDSHIFT:
        _print_next_step(parameters)


def preview(
    stack: Stack, engine: Engine, given: Mapping[str, str], rpu_hours: int | None
) -> None:
    """Print what ``up`` would change. Raises SparkifyError as ``up`` does."""
    text, template = read_template(engine.template)
    state, parameters = _read_state_and_parameters(stack, template, given, rpu_hours)
    print(f"The stack {stack.name} in {stack.region} would have these parameters:")
    for name, value in parameters.items():
        print(f"  {name:<17} {value}")
    if state is not None and state.status == ROLLED_BACK:
        print("The remains of a failed attempt would be deleted first.")
        return
    is_new = state is None or state.is_empty
    plan = stack.plan(text, parameters, is_new=is_new)
    if plan is None:
        print("There is nothing to change.")
        return
    stack.discard(plan, is_new=is_new)
    print("These resources would change:")
    for change in plan.changes:
        action = "Replace" if change.is_replaced else change.action
        print(f"  {action:<8} {change.name:<18} {change.type}")


def _read_state_and_parameters(
    stack: Stack,
    template: Mapping[str, Any],
    given: Mapping[str, str],
    rpu_hours: int | None,
) -> tuple[State | None, dict[str, str]]:
    """Return the state of the stack, and all parameters with their new values."""
    state = _wait_for_state(stack)
    previous = {} if state is None or state.is_empty else state.parameters
    parameters = all_parameters(template, given, previous)
    is_serverless = parameters.get("Provisioned") == "false"
    if rpu_hours is not None and (rpu_hours < 1 or not is_serverless):
        raise SparkifyError(
            f"--rpu-hours {rpu_hours} has no effect.",
            "Use a positive integer, and only with a serverless warehouse.",
        )
    return state, parameters


def _wait_for_state(stack: Stack) -> State | None:
    """Return the state of the stack after its running operation, if any.

    Raises SparkifyError if the stack is stuck.
    """
    state = stack.state()
    if state is not None and state.is_changing:
        stack.wait(state)
        state = stack.state()
    if state is not None and state.status in STUCK:
        raise SparkifyError(
            f"The stack {stack.name} is {state.status}."
            f" {describe(stack.last_cause(state))}.",
            "Run scripts/warehouse.py down, or fix it in the AWS console.",
        )
    return state


def _ask_about_losses(stack: Stack, plan: ChangeSet, *, sure: bool) -> None:
    lost = [c.name for c in plan.changes if c.loses_content and c.type in DATA_TYPES]
    if not lost:
        return
    try:
        _ask(
            f"This deletes {', '.join(lost)} of the stack {stack.name}, with all its"
            " tables.",
            sure=sure,
        )
    except SparkifyError:
        stack.discard(plan, is_new=False)
        raise


def _ask(what: str, *, sure: bool) -> None:
    """Ask the user to continue. Raises SparkifyError without a yes or a terminal."""
    if sure:
        return
    if not sys.stdin.isatty():
        raise SparkifyError(what, "Add --yes to continue without a question.")
    if input(f"{what} Continue? [y/N] ").strip().lower() not in ("y", "yes"):
        raise SparkifyError("Nothing was changed.", "Answer y to continue.")


def _save_outputs(engine: Engine, outputs: Mapping[str, str]) -> None:
    for output in engine.outputs:
        if outputs.get(output):
            save_variable(engine.variable(output), outputs[output])
        else:
            delete_variable(engine.variable(output))
    print(
        f"Saved the endpoint in {ENVIRONMENT.name} ({engine.variables}...), without a"
        " password."
    )


def _print_next_step(parameters: Mapping[str, str]) -> None:
    data = "/".join(filter(None, (parameters["DataBucket"], parameters["DataPrefix"])))
    print(f"Next: make build TARGET=redshift DATA=s3://{data}")
    if not parameters["Address"]:
        print(
            "dbt needs port 5439, which is only reachable from the warehouse's network."
            " Run dbt there, or run up again with --address and your own range."
        )


def status(stack: Stack, engine: Engine) -> None:
    """Print the state, the size and the cost of the warehouse."""
    state = stack.state()
    if state is None or state.status == NEVER_CREATED:
        print(f"The stack {stack.name} does not exist in {stack.region}.")
        return
    _print_facts(stack, engine, state)
    if state.status in (ROLLED_BACK, *STUCK):
        print(f"The stack is incomplete. {describe(stack.last_cause(state))}.")


def _print_facts(stack: Stack, engine: Engine, state: State) -> None:
    lines = [("stack", f"{stack.name} in {stack.region}, {state.status}")]
    if state.outputs:
        facts = spark_facts if engine is SPARK else redshift_facts
        lines += facts(stack, state)
    for name, value in lines:
        print(f"  {name:<10} {value}")


def down(stack: Stack, engine: Engine, *, sure: bool) -> None:
    """Delete the stack after a question, and print what remains."""
    state = stack.state()
    if state is None:
        print(f"The stack {stack.name} does not exist in {stack.region}.")
        return
    what = "all its tables" if engine is REDSHIFT else "the names of its tables"
    _ask(
        f"This deletes the stack {stack.name} in {stack.region}, with {what}.",
        sure=sure,
    )
    if state.is_changing:
        stack.wait(state)
    if stack.state() is not None:
        stack.delete(state)
    first, *others = engine.outputs
    if delete_variable(engine.variable(first), state.outputs.get(first, "")):
        for output in others:
            delete_variable(engine.variable(output))
    print(f"The stack {stack.name} is deleted. These remain:")
    for line in remains(engine, state):
        print(f"  {line}")


def remains(engine: Engine, state: State) -> list[str]:
    """Return descriptions of the objects that remain after a stack is deleted."""
    parameters = state.parameters
    stays = [f"the raw files in the bucket {parameters['DataBucket']}"]
    if engine is SPARK:
        return [*stays, f"the lake's files in the bucket {parameters['LakeBucket']}"]
    if parameters["ManifestBucket"]:
        stays.append(f"the manifests in the bucket {parameters['ManifestBucket']}")
    stays.append("the logs in CloudWatch, under /aws/redshift")
    if parameters["ExternalDatabase"]:
        stays.append(f"the Glue database {parameters['ExternalDatabase']}")
    if parameters["FinalSnapshot"] == "Snapshot":
        stays.append("a snapshot of the tables, which has a cost until you delete it")
    return stays
