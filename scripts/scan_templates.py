#!/usr/bin/env python3
"""Scan the templates in infra/ with checkov, in every form that they can take.

Checkov leaves out a resource whose condition is false, so a template as it is written
would be scanned in one form alone. A finding needs a reason beside its resource, under
``Metadata: checkov: skip:``.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from errors import SparkifyError, without_traceback
from templates import read_template, resolve

DATA: Final = {"DataBucket": "raw-data", "DataPrefix": "sparkify"}
OPEN: Final = {"Address": "203.0.113.7/32"}
EXTRAS: Final = {
    "ManifestBucket": "scratch",
    "ManifestPrefix": "manifests",
    "ExternalDatabase": "sparkify",
    "FinalSnapshot": "Snapshot",
}
YOUR_NETWORK: Final = {
    "VpcId": "vpc-0123",
    "SubnetIds": "subnet-0a,subnet-0b,subnet-0c",
}
PROVISIONED: Final = {"Provisioned": "true"}
FORMS: Final[Mapping[tuple[str, str], Mapping[str, str]]] = {
    ("redshift", "serverless"): DATA,
    ("redshift", "serverless-open"): DATA | OPEN | EXTRAS,
    ("redshift", "serverless-in-your-network"): DATA | OPEN | YOUR_NETWORK,
    ("redshift", "provisioned"): DATA | PROVISIONED,
    ("redshift", "provisioned-open"): DATA | PROVISIONED | OPEN | EXTRAS,
    ("redshift", "provisioned-in-your-network"): DATA | PROVISIONED | YOUR_NETWORK,
    ("emr", "whole-bucket"): {
        "DataBucket": "raw-data",
        "LakeBucket": "scratch",
        "LakePrefix": "lake",
    },
    ("emr", "prefix"): DATA | {"LakeBucket": "scratch", "LakePrefix": "lake"},
}


@without_traceback
def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; 0 if every finding has its reason, 1 if one has none."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("checkov", type=Path, help="the command checkov")
    options = parser.parse_args(argv)
    resources = 0
    with tempfile.TemporaryDirectory(prefix="sparkify-") as folder:
        for (name, form), values in FORMS.items():
            template = resolve(read_template(name)[1], values)
            resources += len(template["Resources"])
            Path(folder, f"{name}-{form}.json").write_text(json.dumps(template))
        scanned, unexplained = scan(options.checkov, Path(folder))
    if scanned != resources:
        raise SparkifyError(
            f"{options.checkov} scanned {scanned} of {resources} resources.",
            "Find out which it cannot read before its silence is taken for consent.",
        )
    for finding in unexplained:
        print(finding)
    return 1 if unexplained else 0


def scan(checkov: Path, folder: Path) -> tuple[int, list[str]]:
    """Run checkov over a folder of templates, without the network.

    Gives how many resources it saw, and what it found. Raises SparkifyError if it does
    not run.
    """
    command = [str(checkov), "--directory", str(folder), "--framework"]
    command += ["cloudformation", "--skip-download", "--output", "json"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        report = json.loads(done.stdout)
        return int(report["summary"]["resource_count"]), findings(report)
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise SparkifyError(
            f"{checkov} did not give a report: {error}.", "Run make lint-infra."
        ) from None


def findings(report: Mapping[str, Any]) -> list[str]:
    """Give what checkov found, and the skips that name no reason, as lines."""
    results = report["results"]
    no_reason = [
        check
        for check in results["skipped_checks"]
        if not check["check_result"].get("suppress_comment")
    ]
    return sorted(
        f"{Path(check['file_path']).stem}: {check['resource']}: {check['check_id']},"
        f" {check['check_name']}"
        for check in (*results["failed_checks"], *no_reason)
    )


if __name__ == "__main__":
    sys.exit(main())
