"""Report errors of commands: a sentence on the problem, one on the solution."""

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
    """An error that the user can fix."""

    def __init__(self, wrong: str, advice: str) -> None:
        """Join a sentence on the problem and a sentence on the solution."""
        super().__init__(f"{wrong}\n{advice}")


def printable(text: str) -> str:
    """Return a text with control characters escaped for a terminal."""
    return "".join(
        c if c.isprintable() else c.encode("unicode_escape").decode() for c in text
    )


def unreadable(path: str, error: Exception) -> SparkifyError:
    """Return an error for a file that cannot be read, with the reason."""
    reason = getattr(error, "strerror", None) or str(error).rstrip(".")
    return SparkifyError(
        f"{printable(path)} cannot be read: {printable(reason)}.",
        "Fix or remove the file. Nothing was loaded.",
    )


def without_traceback(command: Callable[P, int]) -> Callable[P, int]:
    """Return a command that prints SparkifyError and returns 2, and 130 on Ctrl-C."""

    @wraps(command)
    def run(*args: P.args, **kwargs: P.kwargs) -> int:
        for stream in (sys.stdout, sys.stderr):
            if isinstance(stream, TextIOWrapper):  # The locale may lack characters.
                stream.reconfigure(errors="backslashreplace")
        try:
            return command(*args, **kwargs)
        except SparkifyError as error:
            print(f"error: {error}", file=sys.stderr)
            return FAILURE
        except KeyboardInterrupt:
            print("\nInterrupted. Completed steps are kept.", file=sys.stderr)
            return INTERRUPTED

    return run
