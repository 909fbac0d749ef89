#!/usr/bin/env python3
"""Create the warehouse in AWS, look at it, or delete it.

It is a CloudFormation stack of infra/redshift.yaml, or of infra/emr.yaml with
--engine spark. What it is made of and what it costs: docs/infrastructure.md.
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
    forget,
    load_environment,
    remember,
    remembered,
)
from sparkify.errors import SparkifyError, without_traceback

HOLDS_DATA: Final = (
    "AWS::RedshiftServerless::Namespace",
    "AWS::Redshift::Cluster",
    "AWS::Glue::Database",
)
NAME: Final = re.compile("(?=.{3,40}$)[a-z][a-z0-9]*(-[a-z0-9]+)*")
"""A stack's name, which is that of the workgroup or cluster too."""


@dataclass(frozen=True)
class Engine:
    """What an engine's stack is made from, and which of its outputs .env remembers."""

    name: str
    template: str
    stack: str
    variables: str
    outputs: tuple[str, ...]

    def variable(self, output: str) -> str:
        """Give the name of the variable that remembers an output."""
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
    """Run the command; 0 if the stack is as it was asked for, or is gone."""
    options = _parser().parse_args(argv)
    engine = ENGINES[options.engine]
    name = options.stack or engine.stack
    if not NAME.fullmatch(name):
        raise SparkifyError(
            f"{name!r} is no name for a stack.",
            "Give 3 to 40 small letters, digits and single hyphens, a letter first.",
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
    add("--region", help="region of AWS (default: AWS_REGION, or that of AWS_PROFILE)")
    sure = argparse.ArgumentParser(add_help=False)
    sure.add_argument("--yes", action="store_true", help="delete without a question")
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    commands = parser.add_subparsers(dest="command", required=True)
    create = commands.add_parser(
        "up",
        parents=[shared, sure],
        help="create it, or change it; what is not named stays as it is",
    )
    commands.add_parser("status", parents=[shared], help="say how it is")
    commands.add_parser("down", parents=[shared, sure], help="delete it")
    add = create.add_argument
    add("--data", metavar="S3", help="s3://bucket/prefix of the raw JSON")
    add("--manifest", metavar="S3", help="where the bootstrap may write; or none")
    add("--lake", metavar="S3", help="spark: s3://bucket/prefix that jobs may write")
    add("--address", metavar="CIDR", help="who may connect, as 203.0.113.7/32; or none")
    switch = argparse.BooleanOptionalAction
    add("--external", action=switch, help="with rights for external tables")
    add("--provisioned", action=switch, help="a cluster, not a serverless workgroup")
    add("--snapshot", action=switch, help="keep a snapshot when it is deleted")
    add(
        "--rpu-hours",
        type=int,
        metavar="N",
        help=f"serverless: most RPU-hours a day (default: {RPU_HOURS})",
    )
    add(
        "--set",
        action="append",
        default=[],
        metavar="NAME=VALUE",
        help="any other parameter of the template",
    )
    add(
        "--dry-run", action="store_true", help="print what would change, change nothing"
    )
    return parser


# --- up ------------------------------------------------------------------------------


def up(
    stack: Stack,
    engine: Engine,
    given: Mapping[str, str],
    options: argparse.Namespace,
) -> None:
    """Create or change the stack, and write to .env where it is."""
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
            f"The stack {stack.name} could not be created before, and holds nothing."
            f" {describe(stack.last_cause(state))}. Taking it away."
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
        print(f"{'Creating' if is_new else 'Changing'} it, which takes minutes.")
        state = stack.apply(plan)
    if state is None:
        raise SparkifyError(f"The stack {stack.name} is gone.", "Run up again.")
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
    """Give the stack once AWS is not at work on it. Raises SparkifyError if stuck."""
    state = stack.state()
    if state is not None and state.is_moving:
        stack.wait(state)
        state = stack.state()
    if state is not None and state.status in STUCK:
        raise SparkifyError(
            f"The stack {stack.name} is {state.status}."
            f" {describe(stack.last_cause(state))}.",
            "Run scripts/warehouse.py down, or mend it in the AWS console.",
        )
    return state


def _check_limit(rpu_hours: int | None, parameters: Mapping[str, str]) -> None:
    is_serverless = parameters.get("Provisioned") == "false"
    if rpu_hours is not None and (rpu_hours < 1 or not is_serverless):
        raise SparkifyError(
            f"--rpu-hours {rpu_hours} limits nothing.",
            "Give a whole number from 1 on, for a serverless warehouse alone.",
        )


def _print_plan(
    stack: Stack, state: State | None, text: str, parameters: Mapping[str, str]
) -> None:
    print(f"The stack {stack.name} in {stack.region} would have these parameters:")
    for name, value in parameters.items():
        print(f"  {name:<17} {value}")
    if state is not None and state.status == ROLLED_BACK:
        print("Before that, what is left of a try that failed would be taken away.")
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
            f"This deletes {', '.join(lost)} of the stack {stack.name}, with all tables"
            " in it.",
            sure=sure,
        )
    except SparkifyError:
        stack.discard(plan, is_new=False)
        raise


def _ask(what: str, *, sure: bool) -> None:
    """Go on if the user wants to. Raises SparkifyError if not, or if none is there."""
    if sure:
        return
    if not sys.stdin.isatty():
        raise SparkifyError(what, "Add --yes to do so without being asked.")
    if input(f"{what} Go on? [y/N] ").strip().lower() not in ("y", "yes"):
        raise SparkifyError("Nothing was changed.", "Answer y to go on.")


def _remember(engine: Engine, outputs: Mapping[str, str]) -> None:
    for output in engine.outputs:
        if outputs.get(output):
            remember(engine.variable(output), outputs[output])
        else:
            forget(engine.variable(output))
    print(
        f"{ENVIRONMENT.name} says where it is ({engine.variables}...), but no password."
    )


def _warn_of_shell(in_shell: Mapping[str, str]) -> None:
    """Name the variables of the shell that .env says otherwise: the shell's win."""
    written = remembered()
    others = [
        name for name, value in in_shell.items() if written.get(name, "") != value
    ]
    if others:
        print(
            f"Your shell says otherwise of {', '.join(others)}, and wins over"
            f" {ENVIRONMENT.name}: unset what it says."
        )


def _say_next(parameters: Mapping[str, str]) -> None:
    data = "/".join(filter(None, (parameters["DataBucket"], parameters["DataPrefix"])))
    print(f"Next: make build TARGET=redshift DATA=s3://{data}")
    if not parameters["Address"]:
        print(
            "Port 5439, which dbt needs, is reached from its own network alone: run dbt"
            " there, or run up again with --address and your own range."
        )


# --- status and down -----------------------------------------------------------------


def status(stack: Stack, engine: Engine) -> None:
    """Print how the warehouse is, how large, and what it costs."""
    state = stack.state()
    if state is None or state.status == NEVER_MADE:
        print(f"There is no stack {stack.name} in {stack.region}.")
        return
    _print_facts(stack, engine, state)
    if state.status in (ROLLED_BACK, *STUCK):
        print(f"It is not whole. {describe(stack.last_cause(state))}.")


def _print_facts(stack: Stack, engine: Engine, state: State) -> None:
    lines = [("stack", f"{stack.name} in {stack.region}, {state.status}")]
    if state.outputs:
        facts = spark_facts if engine is SPARK else redshift_facts
        lines += facts(stack, state)
    for name, value in lines:
        print(f"  {name:<10} {value}")


def down(stack: Stack, engine: Engine, *, sure: bool) -> None:
    """Delete the stack after a question, and say what stays."""
    state = stack.state()
    if state is None:
        print(f"There is no stack {stack.name} in {stack.region}: nothing to delete.")
        return
    what = "all tables in it" if engine is REDSHIFT else "the names of its tables"
    _ask(
        f"This deletes the stack {stack.name} in {stack.region}, with {what}.",
        sure=sure,
    )
    if state.is_moving:
        stack.wait(state)
    if stack.state() is not None:
        stack.delete(state)
    first, *others = engine.outputs
    if forget(engine.variable(first), state.outputs.get(first, "")):
        for output in others:
            forget(engine.variable(output))
    print(f"The stack {stack.name} is deleted. What stays:")
    for line in what_stays(engine, state):
        print(f"  {line}")


def what_stays(engine: Engine, state: State) -> list[str]:
    """Say what a deleted stack leaves behind, some of which costs."""
    parameters: Mapping[str, Any] = state.parameters
    stays = [f"the raw files in the bucket {parameters['DataBucket']}"]
    if engine is SPARK:
        return [*stays, f"the lake's files in the bucket {parameters['LakeBucket']}"]
    if parameters["ManifestBucket"]:
        stays.append(f"the manifests in the bucket {parameters['ManifestBucket']}")
    stays.append("the logs in CloudWatch, under /aws/redshift")
    if parameters["ExternalDatabase"]:
        stays.append(f"Glue's database {parameters['ExternalDatabase']}")
    if parameters["FinalSnapshot"] == "Snapshot":
        stays.append("a snapshot of the tables, which costs until you delete it")
    return stays


if __name__ == "__main__":
    sys.exit(main())
