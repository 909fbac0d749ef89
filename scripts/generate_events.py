#!/usr/bin/env python3
"""Generate a synthetic Sparkify bucket: user logs, song catalogue and JSONPaths file.

The sample resembles the real data, including its errors (docs/decisions/0001 and 0002).
The same seed writes the same bytes on every machine.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from datetime import date
from pathlib import Path
from typing import NoReturn

from sparkify.sample.visits import Scenario
from sparkify.sample.writer import Options, write_sample
from sparkify.shared.errors import SparkifyError, without_traceback

EARLIEST, LATEST = date(1971, 1, 1), date(9000, 1, 1)
DEFAULTS = Options(Path())


class _Parser(argparse.ArgumentParser):
    """A parser that reports errors without the usage text."""

    def error(self, message: str) -> NoReturn:
        """Raise SparkifyError."""
        raise SparkifyError(f"{message}.", f"Run {self.prog} --help.")


def parse_arguments(argv: Sequence[str] | None) -> Options:
    """Parse the command line. Raises SparkifyError if it is invalid."""
    parser = _Parser(
        prog="generate_events.py",
        description="Generate a synthetic Sparkify bucket: log_data/, song_data/ and "
        "log_json_path.json. The same seed writes the same bytes on every machine.",
        epilog="Example: generate_events.py --seed 7 --events 100000 --out data/sample",
        allow_abbrev=False,
    )
    for name, kind, default, text in (
        ("seed", int, DEFAULTS.seed, "seed of the random values"),
        ("events", _positive, DEFAULTS.plan.events, "events, without those of --dirty"),
        (
            "users",
            _positive,
            DEFAULTS.users,
            "users; in a small sample some have no events",
        ),
        ("songs", _positive, DEFAULTS.songs, "songs in the catalogue, one file each"),
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
        help="share of plays that match a catalogue song (default: %(default)s)",
    )
    parser.add_argument(
        "--dirty",
        action="store_true",
        help="add invalid records, repeated events and unusual file formats, in "
        "addition to --events and --songs",
    )
    parser.add_argument(
        "--out",
        type=Path,
        required=True,
        metavar="DIR",
        help="new or empty folder to write to",
    )
    parser.add_argument(
        "--force",
        action="store_true",
        help="replace the sample in DIR: delete only its log_data, song_data and "
        "log_json_path.json",
    )
    values = parser.parse_args(argv)
    plan = Scenario(values.events, values.start, values.days, values.match_share)
    if plan.days > (LATEST - plan.start).days:
        raise SparkifyError(f"The logs would end after {LATEST}.", "Use fewer --days.")
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
        raise argparse.ArgumentTypeError(f"{text!r} is not a positive integer")
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
        raise argparse.ArgumentTypeError(f"{text!r} is not a date YYYY-MM-DD") from None
    if not EARLIEST <= day < LATEST:
        raise argparse.ArgumentTypeError(
            f"{text} is not between {EARLIEST} and {LATEST}"
        )
    return day


@without_traceback
def main(argv: Sequence[str] | None = None) -> int:
    """Run the command. Return 0 if the sample was written."""
    options = parse_arguments(argv)
    try:
        summary = write_sample(options)
    except OSError as error:
        raise SparkifyError(
            f"The sample could not be written: {error}.",
            "Free disk space, or name another folder with --out.",
        ) from error
    print(summary.sentence(options.out))
    return 0


if __name__ == "__main__":
    sys.exit(main())
