#!/usr/bin/env python3
"""Create, describe or delete the warehouse in AWS.

The warehouse is a CloudFormation stack from infra/redshift.yaml, or from infra/emr.yaml
with --engine spark. docs/infrastructure.md lists its resources and its cost.
"""

from __future__ import annotations

import argparse
import os
import re
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from sparkify.aws.facts import RPU_HOURS, Serverless, redshift_facts, spark_facts
from sparkify.aws.parameters import all_parameters, given_parameters
from sparkify.aws.stack import (
    NEVER_MADE,
    ROLLED_BACK,
    STUCK,
    Plan,
    Stack,
    State,
    describe,
)
from sparkify.aws.templates import read_template
from sparkify.dbt_profile import (
    ENVIRONMENT,
    delete_variable,
    load_environment,
    save_variable,
    saved_variables,
)
from sparkify.errors import SparkifyError, without_traceback

HOLDS_DATA: Final = (
    "AWS::RedshiftServerless::Namespace",
    "AWS::Redshift::Cluster",
    "AWS::Glue::Database",
)
NAME: Final = re.compile("(?=.{3,40}$)[a-z][a-z0-9]*(-[a-z0-9]+)*")
"""Name of a stack, and of its workgroup or cluster."""


@dataclass(frozen=True)
class Engine:
    """The template of an engine's stack, and the outputs that are saved in .env."""

    name: str
    template: str
    stack: str
    variables: str
    outputs: tuple[str, ...]

    def variable(self, output: str) -> str:
        """Return the name of the .env variable of an output."""
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


@without_traceback
def main(argv: Sequence[str] | None = None) -> int:
    """Run the command. Return 0 if the stack has the wanted state or is deleted."""
    options = _parser().parse_args(argv)
    engine = ENGINES[options.engine]
    name = options.stack or engine.stack
    if not NAME.fullmatch(name):
        raise SparkifyError(
            f"{name!r} is not a valid stack name.",
            "Use 3 to 40 lowercase letters, digits and single hyphens, starting with a"
            " letter.",
        )
    in_shell = {k: v for k, v in os.environ.items() if k.startswith(engine.variables)}
    load_environment()
    if options.command == "up":
        _, template = read_template(engine.template)
        given = given_parameters(template, vars(options))
        up(Stack(name, options.region), engine, given, options)
        if not options.dry_run:
            _warn_of_shell(in_shell)
    elif options.command == "status":
        status(Stack(name, options.region), engine)
    else:
        down(Stack(name, options.region), engine, sure=options.yes)
    return 0


def _parser() -> argparse.ArgumentParser:
    shared = argparse.ArgumentParser(add_help=False)
    add = shared.add_argument
    add("--engine", choices=ENGINES, default="redshift", help="(default: %(default)s)")
    names = " or ".join(engine.stack for engine in ENGINES.values())
    add("--stack", metavar="NAME", help=f"name of the stack (default: {names})")
    add("--region", help="AWS region (default: AWS_REGION, or that of AWS_PROFILE)")
    sure = argparse.ArgumentParser(add_help=False)
    sure.add_argument("--yes", action="store_true", help="delete without a question")
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    commands = parser.add_subparsers(dest="command", required=True)
    create = commands.add_parser(
        "up",
        parents=[shared, sure],
        help="create or change the stack; options that are not set stay unchanged",
    )
    commands.add_parser("status", parents=[shared], help="describe the stack")
    commands.add_parser("down", parents=[shared, sure], help="delete the stack")
    add = create.add_argument
    add("--data", metavar="S3", help="s3://bucket/prefix of the raw JSON")
    add("--manifest", metavar="S3", help="s3://bucket/prefix for manifests, or none")
    add("--lake", metavar="S3", help="spark: s3://bucket/prefix that jobs may write")
    add("--address", metavar="CIDR", help="range that may connect, or none")
    switch = argparse.BooleanOptionalAction
    add("--external", action=switch, help="grant rights for external tables")
    add("--provisioned", action=switch, help="a cluster, not a serverless workgroup")
    add("--snapshot", action=switch, help="keep a snapshot when the stack is deleted")
    add(
        "--rpu-hours",
        type=int,
        metavar="N",
        help=f"serverless: maximum RPU-hours per day (default: {RPU_HOURS})",
    )
    add(
        "--set",
        action="append",
        default=[],
        metavar="NAME=VALUE",
        help="any other parameter of the template",
    )
    add("--dry-run", action="store_true", help="print the changes, change nothing")
    return parser


# --- up ------------------------------------------------------------------------------


def up(
    stack: Stack,
    engine: Engine,
    given: Mapping[str, str],
    options: argparse.Namespace,
) -> None:
    """Create or change the stack, and save its endpoint in .env."""
    text, template = read_template(engine.template)
    state = _settled(stack)
    is_new = state is None or state.is_empty
    before = {} if state is None or is_new else state.parameters
    parameters = all_parameters(template, given, before)
    _check_limit(options.rpu_hours, parameters)
    if options.dry_run:
        _print_plan(stack, state, text, parameters)
        return
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
        _ask_about_losses(stack, plan, sure=options.yes)
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
        serverless.limit(outputs["WorkgroupArn"], options.rpu_hours)
    _print_facts(stack, engine, state)
    _remember(engine, outputs)
    if engine is REDSHIFT:
        _say_next(parameters)


def _settled(stack: Stack) -> State | None:
    """Return the state of the stack after any running operation has ended.

    Raises SparkifyError if the stack is stuck.
    """
    state = stack.state()
    if state is not None and state.is_moving:
        stack.wait(state)
        state = stack.state()
    if state is not None and state.status in STUCK:
        raise SparkifyError(
            f"The stack {stack.name} is {state.status}."
            f" {describe(stack.last_cause(state))}.",
            "Run scripts/warehouse.py down, or fix it in the AWS console.",
        )
    return state


def _check_limit(rpu_hours: int | None, parameters: Mapping[str, str]) -> None:
    is_serverless = parameters.get("Provisioned") == "false"
    if rpu_hours is not None and (rpu_hours < 1 or not is_serverless):
        raise SparkifyError(
            f"--rpu-hours {rpu_hours} has no effect.",
            "Use a positive integer, and only with a serverless warehouse.",
        )


def _print_plan(
    stack: Stack, state: State | None, text: str, parameters: Mapping[str, str]
) -> None:
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


def _ask_about_losses(stack: Stack, plan: Plan, *, sure: bool) -> None:
    lost = [c.name for c in plan.changes if c.loses_content and c.type in HOLDS_DATA]
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
    """Ask the user to continue. Raises SparkifyError if not, or without a terminal."""
    if sure:
        return
    if not sys.stdin.isatty():
        raise SparkifyError(what, "Add --yes to continue without a question.")
    if input(f"{what} Continue? [y/N] ").strip().lower() not in ("y", "yes"):
        raise SparkifyError("Nothing was changed.", "Answer y to continue.")


def _remember(engine: Engine, outputs: Mapping[str, str]) -> None:
    for output in engine.outputs:
        if outputs.get(output):
            save_variable(engine.variable(output), outputs[output])
        else:
            delete_variable(engine.variable(output))
    print(
        f"Saved the endpoint in {ENVIRONMENT.name} ({engine.variables}...), without a"
        " password."
    )


def _warn_of_shell(in_shell: Mapping[str, str]) -> None:
    """Print the shell variables that override different values in .env."""
    written = saved_variables()
    others = [
        name for name, value in in_shell.items() if written.get(name, "") != value
    ]
    if others:
        print(
            f"Variables of your shell override {ENVIRONMENT.name}:"
            f" {', '.join(others)}. Unset them."
        )


def _say_next(parameters: Mapping[str, str]) -> None:
    data = "/".join(filter(None, (parameters["DataBucket"], parameters["DataPrefix"])))
    print(f"Next: make build TARGET=redshift DATA=s3://{data}")
    if not parameters["Address"]:
        print(
            "dbt needs port 5439, which is only reachable from the warehouse's network."
            " Run dbt there, or run up again with --address and your own range."
        )


# --- status and down -----------------------------------------------------------------


def status(stack: Stack, engine: Engine) -> None:
    """Print the state, the size and the cost of the warehouse."""
    state = stack.state()
    if state is None or state.status == NEVER_MADE:
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
    if state.is_moving:
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
    """Return what a deleted stack leaves behind. Some of it has a cost."""
    parameters: Mapping[str, Any] = state.parameters
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


if __name__ == "__main__":
    sys.exit(main())
