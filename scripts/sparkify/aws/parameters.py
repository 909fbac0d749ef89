"""What a template of the warehouse is given, from the command line and from before."""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping
from typing import Any, Final

from sparkify.aws.clients import bucket_and_prefix
from sparkify.aws.templates import check, defaults
from sparkify.errors import SparkifyError

GLUE_DATABASE: Final = "sparkify"
"""The database of Glue's catalogue that the external tables of Redshift are in."""

WIDEST: Final = 16
"""The length of prefix of the widest range of addresses that is let in."""

_PLACES: Final = {"data": "Data", "manifest": "Manifest", "lake": "Lake"}
_SWITCHES: Final = {
    "external": ("ExternalDatabase", {True: GLUE_DATABASE, False: ""}),
    "provisioned": ("Provisioned", {True: "true", False: "false"}),
    "snapshot": ("FinalSnapshot", {True: "Snapshot", False: "Delete"}),
}
_STARTS_AT_TWO: Final = ("ra3.4xlarge", "ra3.16xlarge")
_OPTIONS: Final = {"DataBucket": "--data", "LakeBucket": "--lake"}


def given_parameters(
    template: Mapping[str, Any], options: Mapping[str, Any]
) -> dict[str, str]:
    """Give the template's parameters that the command names. Raises SparkifyError."""
    given: dict[str, str] = {}
    for option, name in _PLACES.items():
        address = options[option]
        if address is not None:
            bucket, prefix = s3_place(f"--{option}", address)
            given |= {f"{name}Bucket": bucket, f"{name}Prefix": prefix}
    for option, (name, values) in _SWITCHES.items():
        switched = options[option]
        if switched is not None:
            given[name] = values[switched]
    if options["address"] is not None:
        given["Address"] = address_range(options["address"])
    for setting in options["set"]:
        name, equals, value = setting.partition("=")
        if not equals:
            raise SparkifyError(f"--set {setting} sets nothing.", "Write NAME=VALUE.")
        given[name] = value
    for name, value in given.items():
        check(template, name, value)
    return given


def s3_place(option: str, address: str) -> tuple[str, str]:
    """Give bucket and prefix of an ``s3://`` address, and nothing for "none".

    Raises SparkifyError for any other address.
    """
    if address == "none" and option == "--manifest":
        return "", ""
    if not address.startswith("s3://"):
        raise SparkifyError(
            f"{option} {address} is not an s3:// address.", "Write s3://bucket/prefix."
        )
    return bucket_and_prefix(address)


def address_range(text: str) -> str:
    """Give a range of IPv4 addresses as AWS writes it, and nothing for "none".

    Raises SparkifyError for what is no range, or is wider than a company's.
    """
    if text == "none":
        return ""
    try:
        network = ipaddress.IPv4Network(text)
    except ValueError:
        raise SparkifyError(
            f"--address {text} is no range of IPv4 addresses.",
            "Write your own address as 203.0.113.7/32, or none for nobody.",
        ) from None
    if network.prefixlen < WIDEST:
        raise SparkifyError(
            f"--address {text} would let in {network.num_addresses:,} addresses.",
            f"Name your own range, of /{WIDEST} or narrower.",
        )
    return str(network)


def all_parameters(
    template: Mapping[str, Any], given: Mapping[str, str], before: Mapping[str, str]
) -> dict[str, str]:
    """Give every parameter: as named now, else as before, else as by default.

    Raises SparkifyError for one that has to be named the first time.
    """
    found: dict[str, str] = {}
    for name, default in defaults(template).items():
        value = given.get(name, before.get(name, default))
        if value is None:
            option = _OPTIONS.get(name, f"--set {name}=...")
            raise SparkifyError(
                f"The first time, {option} has to be named.",
                "It is: " + template["Parameters"][name]["Description"],
            )
        found[name] = value
    if bool(found.get("VpcId")) != bool(found.get("SubnetIds")):
        raise SparkifyError(
            "A network of yours is named by VpcId and SubnetIds together.",
            "Set both with --set, or neither.",
        )
    _check_nodes(found)
    return found


def _check_nodes(parameters: Mapping[str, str]) -> None:
    """Refuse one node of a type that starts at two. Raises SparkifyError."""
    of_type = parameters.get("NodeType")
    is_alone = parameters.get("Provisioned") == "true" and parameters["Nodes"] == "1"
    if is_alone and of_type in _STARTS_AT_TWO:
        raise SparkifyError(
            f"A cluster of {of_type} has at least two nodes.",
            "Add --set Nodes=2, or take a smaller type.",
        )
