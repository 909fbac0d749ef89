#!/usr/bin/env python3
"""Draw the dashboards of charts/ to files, or serve them with filters."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from sparkify.boards.drawing import FORMATS, prepare, render, serve
from sparkify.dbt.profile import read_target
from sparkify.loaders import require_data
from sparkify.loaders.spark import session as spark_session
from sparkify.shared.errors import without_traceback
from sparkify.shared.project import PROJECT

OUT: Final = PROJECT / "target" / "dashboard"
PORT: Final = 8081  # dbt docs serve uses 8080


@without_traceback
def main(argv: Sequence[str] | None = None) -> int:
    """Run the command. Return 1 if dct could not serve the dashboards."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("command", choices=("render", "serve"))
    parser.add_argument(
        "--target", help="target of profiles.yml (default: the one built last)"
    )
    parser.add_argument("--out", type=Path, default=OUT, help="folder to write to")
    parser.add_argument(
        "--format",
        choices=FORMATS,
        action="append",
        help="format to draw, may be repeated (default: all)",
    )
    parser.add_argument("--port", type=int, default=PORT, help="port to serve on")
    options = parser.parse_args(argv)
    target = read_target(options.target)
    require_data(target)  # may start the project's PostgreSQL server
    if target["type"] == "spark":
        spark_session.stop()  # dct starts another, and a lake allows one
    environment = prepare(target)
    if options.command == "serve":
        return serve(options.port, environment)
    render(options.out.resolve(), options.format or FORMATS, environment)
    return 0


if __name__ == "__main__":
    sys.exit(main())
