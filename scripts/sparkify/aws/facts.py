"""Read the state, size and cost of a warehouse from AWS."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from sparkify.aws.stack import Stack, State
from sparkify.shared.aws import aws_errors, make_client

RPU_HOURS: Final = 16
"""Daily limit of a new serverless warehouse."""

Facts = list[tuple[str, str]]
"""Pairs of label and text, in the order of printing."""


def redshift_facts(stack: Stack, state: State) -> Facts:
    """Return the facts of a Redshift warehouse."""
    outputs, parameters = state.outputs, state.parameters
    clients = parameters["Address"] or "no addresses from outside"
    facts = [
        ("endpoint", f"{outputs['Host']}:{outputs['Port']}"),
        ("access", f"{clients}, and members of {outputs['SecurityGroup']}"),
    ]
    if "Workgroup" in outputs:
        return facts + Serverless(stack.region).facts(outputs)
    with aws_errors(f"The cluster {stack.name} cannot be described"):
        found = make_client("redshift", stack.region).describe_clusters(
            ClusterIdentifier=outputs["Cluster"]
        )
    cluster = found["Clusters"][0]
    status = cluster["ClusterStatus"]
    cost = "per hour, also while no query runs"
    if status == "paused":
        cost = "only storage while it is paused"
    pause = parameters["PauseSchedule"]
    when = "never paused" if pause == "never" else f"paused by {pause}, in UTC"
    return [
        *facts,
        ("state", status),
        ("size", f"{cluster['NumberOfNodes']} x {cluster['NodeType']}"),
        ("costs", f"{cost}; it is {when}"),
    ]


class Serverless:
    """The secret, the limit and the facts of a serverless warehouse."""

    def __init__(self, region: str) -> None:
        """Create a client for a region."""
        self._client = make_client("redshift-serverless", region)

    def secret(self, namespace: str) -> str:
        """Return the ARN of the secret with the administrator's password."""
        with aws_errors(f"The namespace {namespace} cannot be described"):
            found = self._client.get_namespace(namespaceName=namespace)
        return str(found["namespace"]["adminPasswordSecretArn"])

    def limit(self, workgroup_arn: str, rpu_hours: int | None) -> None:
        """Set the daily limit. None keeps an existing limit, or sets RPU_HOURS."""
        current = self._limit(workgroup_arn)
        with aws_errors("The daily limit cannot be set"):
            if current is None:
                self._client.create_usage_limit(
                    resourceArn=workgroup_arn,
                    usageType="serverless-compute",
                    period="daily",
                    amount=rpu_hours or RPU_HOURS,
                    breachAction="deactivate",
                )
            elif rpu_hours is not None and current["amount"] != rpu_hours:
                self._client.update_usage_limit(
                    usageLimitId=current["usageLimitId"],
                    amount=rpu_hours,
                    breachAction="deactivate",
                )

    def _limit(self, workgroup_arn: str) -> dict[str, Any] | None:
        with aws_errors("The daily limit cannot be read"):
            found = self._client.list_usage_limits(
                resourceArn=workgroup_arn, usageType="serverless-compute"
            )
        limits: list[dict[str, Any]] = found["usageLimits"]
        return next((limit for limit in limits if limit["period"] == "daily"), None)

    def facts(self, outputs: Mapping[str, str]) -> Facts:
        """Return the facts of the workgroup."""
        name = outputs["Workgroup"]
        with aws_errors(f"The workgroup {name} cannot be described"):
            found = self._client.get_workgroup(workgroupName=name)["workgroup"]
        limit = self._limit(outputs["WorkgroupArn"])
        cap = "no daily limit is set: run up again"
        if limit:
            cap = (
                f"at most {limit['amount']} RPU-hours a day, then queries are rejected"
            )
        return [
            ("state", found["status"]),
            ("size", f"{found['baseCapacity']} to {found['maxCapacity']} RPUs"),
            ("costs", f"only storage while no query runs; {cap}"),
        ]


def spark_facts(stack: Stack, state: State) -> Facts:
    """Return the facts of an EMR Serverless application."""
    with aws_errors(f"The application of {stack.name} cannot be described"):
        found = make_client("emr-serverless", stack.region).get_application(
            applicationId=state.outputs["Application"]
        )["application"]
    limit = found["maximumCapacity"]
    minutes = found["autoStopConfiguration"]["idleTimeoutMinutes"]
    return [
        ("lake", state.outputs["Lake"]),
        ("state", found["state"]),
        ("size", f"at most {limit['cpu']}, {limit['memory']}, {limit['disk']} at once"),
        (
            "costs",
            f"nothing while it is stopped; it stops {minutes} minutes after a job",
        ),
    ]
