"""Passwords, and temporary credentials for a cluster or a workgroup."""

from __future__ import annotations

import json
import secrets
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

from redshift_stand_in.errors import AwsError, invalid

LIFE_SECONDS = 900


class Credentials:
    """The users and passwords of one cluster and one workgroup."""

    def __init__(self, user: str, password: str, cluster: str, workgroup: str) -> None:
        self.passwords: dict[tuple[str, str], str] = {(user, password): user}
        self.user = user
        self.cluster = cluster
        self.workgroup = workgroup
        self.identity = "IAM:tester"
        """Database user of the caller's IAM identity. It is not a superuser."""

        self.endpoint = ("", 0)
        self.is_paused = False
        self.actions: set[str] = set()
        """IAM actions that requests of the Data API needed to log in."""

        self.secret: Callable[..., dict[str, Any]]

    def user_of(self, login: str, password: str) -> str | None:
        """Return the database user of a login, or None if the password is wrong.

        Raises ConnectionError if the cluster is paused.
        """
        if self.is_paused:
            raise ConnectionError
        return self.passwords.get((login, password))

    def make(self, user: str, login: str = "") -> str:
        """Create and return a temporary password of a user."""
        password = secrets.token_hex(16)
        self.passwords[login or user, password] = user
        return password

    def user_of_request(self, request: dict[str, Any]) -> str:
        """Return the database user of a Data API request. Raises AwsError."""
        workgroup = request.get("WorkgroupName")
        cluster = request.get("ClusterIdentifier")
        if workgroup and cluster:
            raise invalid("ClusterIdentifier and WorkgroupName exclude each other")
        if not workgroup and not cluster:
            raise invalid("Either ClusterIdentifier or WorkgroupName must be given")
        if workgroup and request.get("DbUser"):
            raise invalid("DbUser is not valid with WorkgroupName")
        if (workgroup and workgroup != self.workgroup) or (
            cluster and cluster != self.cluster
        ):
            raise invalid("Redshift endpoint doesn't exist in this region.")
        if cluster and self.is_paused:
            raise invalid(f"Cluster {cluster} is paused.")
        if request.get("SecretArn"):
            self.actions.add("secretsmanager:GetSecretValue")
            try:
                found = self.secret(SecretId=request["SecretArn"])
            except Exception as error:
                raise invalid(
                    "Secrets Manager can't find the specified secret."
                ) from error
            login: str = json.loads(found["SecretString"])["username"]
            return login
        if not request.get("Database"):
            raise invalid("Database must be given")
        if workgroup:
            self.actions.add("redshift-serverless:GetCredentials")
        else:
            how = "" if request.get("DbUser") else "WithIAM"
            self.actions.add(f"redshift:GetClusterCredentials{how}")
        user: str = request.get("DbUser") or self.identity
        return user

    def provisioned(self, action: str, form: dict[str, str]) -> dict[str, str] | None:
        """Answer an operation of the service redshift, or return None for moto's."""
        if action == "DescribeCustomDomainAssociations":
            raise AwsError("CustomDomainAssociationNotFoundFault", "Not found.", 404)
        if action not in ("GetClusterCredentials", "GetClusterCredentialsWithIAM"):
            return None
        if form.get("ClusterIdentifier") != self.cluster:
            return None  # moto answers with ClusterNotFound
        if action == "GetClusterCredentials":
            user = form["DbUser"]
            prefix = "IAMA" if form.get("AutoCreate") == "true" else "IAM"
            login = f"{prefix}:{user}"
        else:
            user = login = self.identity
        ends = datetime.now(UTC) + timedelta(seconds=LIFE_SECONDS)
        return {
            "DbUser": login,
            "DbPassword": self.make(user, login),
            "Expiration": ends.isoformat(),
        }

    def serverless(self, operation: str, request: dict[str, Any]) -> dict[str, Any]:
        """Answer an operation of the service redshift-serverless. Raises AwsError."""
        if operation == "GetCredentials":
            self._check_name(request.get("workgroupName"))
            return {
                "dbUser": self.identity,
                "dbPassword": self.make(self.identity),
                "expiration": time.time() + LIFE_SECONDS,
            }
        if operation == "GetWorkgroup":
            self._check_name(request.get("workgroupName"))
            address, port = self.endpoint
            return {
                "workgroup": {
                    "workgroupName": self.workgroup,
                    "namespaceName": self.workgroup,
                    "status": "AVAILABLE",
                    "endpoint": {"address": address, "port": port},
                }
            }
        if operation == "GetNamespace":
            self._check_name(request.get("namespaceName"))
            return {
                "namespace": {
                    "namespaceName": self.workgroup,
                    "status": "AVAILABLE",
                    "dbName": "dev",
                    "adminUsername": self.user,
                }
            }
        raise AwsError("UnknownOperationException", f"{operation} is not imitated")

    def _check_name(self, name: str | None) -> None:
        if name != self.workgroup:
            raise AwsError(
                "ResourceNotFoundException", f"Workgroup {name} doesn't exist."
            )
