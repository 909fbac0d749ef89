"""Set a template's parameters from the command line and the existing stack."""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping
from typing import Any, Final

from sparkify.aws.templates import check, defaults
from sparkify.shared.aws import bucket_and_prefix
from sparkify.shared.errors import SparkifyError

GLUE_DATABASE: Final = "sparkify"
"""The AWS Glue database of Redshift's external tables."""

WIDEST: Final = 16
"""Prefix length of the widest range of addresses that --address accepts."""

_LOCATIONS: Final = {"data": "Data", "manifest": "Manifest", "lake": "Lake"}
_SWITCHES: Final = {
    "external": ("ExternalDatabase", {True: GLUE_DATABASE, False: ""}),
    "provisioned": ("Provisioned", {True: "true", False: "false"}),
    "snapshot": ("FinalSnapshot", {True: "Snapshot", False: "Delete"}),
}
_MULTI_NODE_TYPES: Final = ("ra3.4xlarge", "ra3.16xlarge")
_OPTIONS: Final = {"DataBucket": "--data", "LakeBucket": "--lake"}


def given_parameters(
    template: Mapping[str, Any], options: Mapping[str, Any]
) -> dict[str, str]:
    """Return the template parameters that the options set.

    Raises SparkifyError for an invalid value.
    """
    given: dict[str, str] = {}
    for option, name in _LOCATIONS.items():
        address = options[option]
        if address is not None:
            bucket, prefix = s3_location(f"--{option}", address)
            given |= {f"{name}Bucket": bucket, f"{name}Prefix": prefix}
    for option, (name, values) in _SWITCHES.items():
        if options[option] is not None:
            given[name] = values[options[option]]
    if options["address"] is not None:
        given["Address"] = address_range(options["address"])
    for setting in options["set"]:
        name, equals, value = setting.partition("=")
        if not equals:
            raise SparkifyError(f"--set {setting} has no value.", "Use NAME=VALUE.")
        given[name] = value
    for name, value in given.items():
        check(template, name, value)
    return given


def s3_location(option: str, address: str) -> tuple[str, str]:
    """Return bucket and prefix of an ``s3://`` address, or '' and '' for "none".

    Only --manifest accepts "none". Raises SparkifyError for any other address.
    """
    if address == "none" and option == "--manifest":
        return "", ""
    if not address.startswith("s3://"):
        raise SparkifyError(
            f"{option} {address} is not an s3:// address.", "Use s3://bucket/prefix."
        )
    return bucket_and_prefix(address)


def address_range(text: str) -> str:
    """Return an IPv4 range in AWS notation, or '' for "none".

    Raises SparkifyError if it is invalid or too wide.
    """
    if text == "none":
        return ""
    try:
        network = ipaddress.IPv4Network(text)
    except ValueError:
        raise SparkifyError(
            f"--address {text} is not a range of IPv4 addresses.",
            "Use your own address, for example 203.0.113.7/32, or none.",
        ) from None
    if network.prefixlen < WIDEST:
        raise SparkifyError(
            f"--address {text} would allow {network.num_addresses:,} addresses.",
            f"Use your own range, /{WIDEST} or narrower.",
        )
    return str(network)


def all_parameters(
    template: Mapping[str, Any], given: Mapping[str, str], previous: Mapping[str, str]
) -> dict[str, str]:
    """Return each parameter's given value, previous value or default, in this order.

    Raises SparkifyError if a parameter has no value, or if values contradict.
    """
    found: dict[str, str] = {}
    for name, default in defaults(template).items():
        value = given.get(name, previous.get(name, default))
        if value is None:
            option = _OPTIONS.get(name, f"--set {name}=...")
            raise SparkifyError(
                f"A new stack needs {option}.",
                "Its meaning: " + template["Parameters"][name]["Description"],
            )
        found[name] = value
    if bool(found.get("VpcId")) != bool(found.get("SubnetIds")):
        raise SparkifyError(
            "Your own network needs VpcId and SubnetIds together.",
            "Set both with --set, or neither.",
        )
    _check_nodes(found)
    return found


def _check_nodes(parameters: Mapping[str, str]) -> None:
    """Raise SparkifyError for a single node of a type that needs two."""
    node_type = parameters.get("NodeType")
    is_single = parameters.get("Provisioned") == "true" and parameters["Nodes"] == "1"
    if is_single and node_type in _MULTI_NODE_TYPES:
        raise SparkifyError(
            f"A cluster of {node_type} needs at least two nodes.",
            "Add --set Nodes=2, or use a smaller type.",
        )
