#!/usr/bin/env python3
"""Write the oracle's answers, which the analyses must return, as CSV files."""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import questions_page
from analyses import EXPECTED
from oracle import answers, read_folder
from sparkify.sample.folder import SAMPLE
from sparkify.sample.writer import write_sample
from sparkify.shared.answers import write_csv


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command."""
    parser = argparse.ArgumentParser(description=__doc__)
    add = parser.add_argument
    add("--data", type=Path, help="folder of data (default: a new sample)")
    add("--out", type=Path, default=EXPECTED, help="(default: seeds/expected)")
    options = parser.parse_args(argv)
    with tempfile.TemporaryDirectory() as folder:
        if options.data is None:
            options.data = Path(folder) / "sample"
            write_sample(replace(SAMPLE, out=options.data))
        count = write(options.data, options.out)
        if options.out == EXPECTED:
            questions_page.write()
    print(f"Wrote {count} answers of the oracle to {options.out}.")
    return 0


def write(data: Path, out: Path) -> int:
    """Replace the answers in ``out`` with those for ``data``; return their number."""
    out.mkdir(parents=True, exist_ok=True)
    for path in out.glob("*.csv"):
        path.unlink()
    found = answers(read_folder(data))
    for name, answer in found.items():
        write_csv(out / f"{name}.csv", answer.columns, answer.rows)
    return len(found)


if __name__ == "__main__":
    sys.exit(main())
