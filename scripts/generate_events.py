#!/usr/bin/env python3
"""Write a made-up Sparkify bucket: user logs, song catalogue and JSONPaths file.

The sample looks like the real data, down to its faults (docs/decisions/0001 and 0002),
and the same seed gives the same bytes on every machine.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from datetime import date
from pathlib import Path
from typing import NoReturn

from sparkify.errors import SparkifyError, without_traceback
from sparkify.sample.visits import Plan
from sparkify.sample.writer import Options, write_sample

EARLIEST, LATEST = date(1971, 1, 1), date(9000, 1, 1)
DEFAULTS = Options(Path())


class _Parser(argparse.ArgumentParser):
    """A parser whose errors are one sentence, without the usage before it."""

    def error(self, message: str) -> NoReturn:
        """Raise SparkifyError."""
        raise SparkifyError(f"{message}.", f"See {self.prog} --help.")


def parse_arguments(argv: Sequence[str] | None) -> Options:
    """Read the command line. Raises SparkifyError if it is wrong."""
    parser = _Parser(
        prog="generate_events.py",
        description="Write a made-up Sparkify bucket: log_data/, song_data/ and "
        "log_json_path.json. The same seed gives the same bytes on every machine.",
        epilog="Example: generate_events.py --seed 7 --events 100000 --out data/sample",
        allow_abbrev=False,
    )
    for name, kind, default, text in (
        ("seed", int, DEFAULTS.seed, "another seed makes another sample"),
        ("events", _positive, DEFAULTS.plan.events, "number; --dirty adds to it"),
        (
            "users",
            _positive,
            DEFAULTS.users,
            "users of the app; in a small sample not all come",
        ),
        ("songs", _positive, DEFAULTS.songs, "songs of the catalogue, one file each"),
        ("days", _positive, DEFAULTS.plan.days, "days of logs, one file each"),
    ):
        parser.add_argument(
            f"--{name}",
            type=kind,
            default=default,
            metavar="N",
            help=f"{text} (default: {default})",
        )
    parser.add_argument(
        "--start",
        type=_day,
        default=DEFAULTS.plan.start,
        metavar="YYYY-MM-DD",
        help="first day of the logs, UTC (default: %(default)s)",
    )
    parser.add_argument(
        "--match-share",
        type=_share,
        default=DEFAULTS.plan.match_share,
        metavar="SHARE",
        help="share of plays whose song is in the catalogue (default: %(default)s)",
    )
    parser.add_argument(
        "--dirty",
        action="store_true",
        help="add records that a loader must refuse, events delivered again, and files "
        "of odd form; they come on top of --events and --songs",
    )
    parser.add_argument(
        "--out",
        type=Path,
        required=True,
        metavar="DIR",
        help="folder to write, new or empty",
    )
    parser.add_argument(
        "--force",
        action="store_true",
        help="replace the sample in DIR: log_data, song_data and log_json_path.json "
        "there are removed, and nothing else",
    )
    values = parser.parse_args(argv)
    plan = Plan(values.events, values.start, values.days, values.match_share)
    if plan.days > (LATEST - plan.start).days:
        raise SparkifyError(
            f"The logs would not end by {LATEST}.", "Take fewer --days."
        )
    return Options(
        seed=values.seed,
        plan=plan,
        users=values.users,
        songs=values.songs,
        is_dirty=values.dirty,
        out=values.out,
        is_forced=values.force,
    )


def _positive(text: str) -> int:
    if not (text.isdecimal() and int(text) > 0):
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number above 0")
    return int(text)


def _share(text: str) -> float:
    try:
        share = float(text)
    except ValueError:
        share = -1.0
    if not 0 <= share <= 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number from 0 to 1")
    return share


def _day(text: str) -> date:
    try:
        day = date.fromisoformat(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is not a day YYYY-MM-DD") from None
    if not EARLIEST <= day < LATEST:
        raise argparse.ArgumentTypeError(f"{text} is not from {EARLIEST} to {LATEST}")
    return day


@without_traceback
def main(argv: Sequence[str] | None = None) -> int:
    """Write the sample that the command line asks for; return the exit status."""
    options = parse_arguments(argv)
    try:
        summary = write_sample(options)
    except OSError as error:
        raise SparkifyError(
            f"The sample could not be written: {error}.",
            "Make room, or name another folder with --out.",
        ) from error
    print(summary.sentence(options.out))
    return 0


if __name__ == "__main__":
    sys.exit(main())
