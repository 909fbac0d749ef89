"""How a command fails: one sentence on what is wrong, one on what to do."""

from __future__ import annotations

import sys
from collections.abc import Callable
from functools import wraps
from io import TextIOWrapper
from typing import ParamSpec

P = ParamSpec("P")
FAILURE = 2
INTERRUPTED = 130


class SparkifyError(Exception):
    """Something that a user can mend."""

    def __init__(self, wrong: str, advice: str) -> None:
        """Take the sentence on what is wrong and the one on what to do."""
        super().__init__(f"{wrong}\n{advice}")


def printable(text: str) -> str:
    """Give a text from outside so that a terminal shows it, and does nothing else."""
    return "".join(
        c if c.isprintable() else c.encode("unicode_escape").decode() for c in text
    )


def unreadable(path: str, error: Exception) -> SparkifyError:
    """Say that a file cannot be read, and why."""
    reason = getattr(error, "strerror", None) or str(error).rstrip(".")
    return SparkifyError(
        f"{printable(path)} cannot be read: {printable(reason)}.",
        "Mend the file or move it away; nothing of this run was loaded.",
    )


def without_traceback(command: Callable[P, int]) -> Callable[P, int]:
    """Make a command print its error and return 2, and 130 after Ctrl-C."""

    @wraps(command)
    def run(*args: P.args, **kwargs: P.kwargs) -> int:
        for stream in (sys.stdout, sys.stderr):
            if isinstance(stream, TextIOWrapper):  # A locale may lack characters.
                stream.reconfigure(errors="backslashreplace")
        try:
            return command(*args, **kwargs)
        except SparkifyError as error:
            print(f"error: {error}", file=sys.stderr)
            return FAILURE
        except KeyboardInterrupt:
            print("\nStopped; what was finished before stays.", file=sys.stderr)
            return INTERRUPTED

    return run
