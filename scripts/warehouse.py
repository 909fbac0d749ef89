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
from typing import Final

from sparkify.aws.facts import RPU_HOURS
from sparkify.aws.parameters import given_parameters
from sparkify.aws.stack import Stack
from sparkify.aws.templates import read_template
from sparkify.aws.warehouse import ENGINES, down, preview, status, up
from sparkify.shared.errors import SparkifyError, without_traceback
from sparkify.shared.project import ENVIRONMENT, load_environment, saved_variables

NAME: Final = re.compile("(?=.{3,40}$)[a-z][a-z0-9]*(-[a-z0-9]+)*")
"""Name of a stack, and of its workgroup or cluster."""


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
        stack = Stack(name, options.region)
        if options.dry_run:
            preview(stack, engine, given, options.rpu_hours)
        else:
            up(stack, engine, given, options.rpu_hours, sure=options.yes)
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


if __name__ == "__main__":
    sys.exit(main())
