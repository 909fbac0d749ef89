#!/usr/bin/env python3
"""Create the raw tables and load new and changed JSON files into them."""

from __future__ import annotations

import argparse
import re
import sys
from collections.abc import Sequence
from contextlib import closing
from dataclasses import fields
from typing import Any

from sparkify.dbt.profile import read_target
from sparkify.loaders import open_loader
from sparkify.loaders.load import MAX_REJECTS, Request, load_files
from sparkify.raw.rules import EVENTS, SONGS
from sparkify.sample.folder import make_sample
from sparkify.shared.errors import without_traceback


def count_of_rejects(text: str) -> int:
    """Parse a non-negative integer. Raises ArgumentTypeError for anything else."""
    if not re.fullmatch("[0-9]{1,18}", text):
        raise argparse.ArgumentTypeError(f"{text!r} is not a non-negative integer")
    return int(text)


def add_source_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options that select the records to load."""
    add = parser.add_argument
    add("--log-data", default=EVENTS.part, help="folder of the logs in --data")
    add("--song-data", default=SONGS.part, help="folder of the catalogue in --data")
    add(
        "--max-rejects",
        type=count_of_rejects,
        default=MAX_REJECTS,
        metavar="N",
        help="load nothing if more records are rejected (default: %(default)s)",
    )
    add("--reset", action="store_true", help="drop the raw tables and start over")
    add("--yes", action="store_true", help="do not ask before --reset")


def add_engine_arguments(parser: argparse.ArgumentParser) -> None:
    """Add options of single engines. ``open_loader`` rejects them on others."""
    add = parser.add_argument
    prefix = "s3://bucket/prefix"
    add("--manifest", metavar=prefix, help="S3 prefix for the manifests of COPY")
    add("--compact", metavar=prefix, help="merge small files there before COPY")
    add("--external", action="store_true", help="read the records in S3, without COPY")
    add("--timeout", type=minutes, metavar="MINUTES", help="maximum time of a load")


def minutes(text: str) -> float:
    """Parse a positive number of minutes. Raises ArgumentTypeError otherwise."""
    if not re.fullmatch(r"[0-9]{1,6}(\.[0-9]{1,6})?", text) or not float(text):
        raise argparse.ArgumentTypeError(
            f"{text!r} is not a positive number of minutes"
        )
    return float(text)


def engine_options(options: argparse.Namespace) -> dict[str, Any]:
    """Return the engine options that are set, by name."""
    names = ("manifest", "compact", "external", "timeout")
    return {name: getattr(options, name) for name in names if getattr(options, name)}


def load_request(options: argparse.Namespace) -> Request:
    """Return the request from the options of ``add_source_arguments`` and main."""
    given = vars(options)
    names = (field.name for field in fields(Request))
    return Request(**{name: given[name] for name in names if name in given})


@without_traceback
def main(argv: Sequence[str] | None = None) -> int:
    """Run the command. Return 0 if the raw tables contain all files of the source."""
    parser = argparse.ArgumentParser(description=__doc__)
    add = parser.add_argument
    what = parser.add_mutually_exclusive_group(required=True)
    what.add_argument("--data", help="a folder, or s3://bucket/prefix")
    what.add_argument(
        "--sample",
        action="store_true",
        help="load the sample data of make build, generated on first use",
    )
    add("--target", help="target of profiles.yml (default: dbt's default target)")
    add(
        "--reload-quarantined",
        action="store_true",
        help="reload the files with records in quarantine, after a rule was fixed",
    )
    add("--dry-run", action="store_true", help="print the statements, change nothing")
    add_source_arguments(parser)
    add_engine_arguments(parser)
    options = parser.parse_args(argv)
    if options.sample:
        options.data = str(make_sample())
    target = read_target(options.target)
    with closing(open_loader(target, engine_options(options))) as loader:
        load_files(loader, target["name"], load_request(options))
    return 0


if __name__ == "__main__":
    sys.exit(main())
