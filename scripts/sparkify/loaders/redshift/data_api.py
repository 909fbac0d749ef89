"""Run batches of statements on Redshift over its Data API."""

from __future__ import annotations

import os
import re
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, Final

from sparkify.loaders.redshift.errors import (
    FailedStatementError,
    is_conflict,
    translate_errors,
)
from sparkify.loaders.redshift.statements import MAX_STATEMENTS, Step
from sparkify.shared.aws import make_client
from sparkify.shared.errors import SparkifyError
from sparkify.shared.progress import progress

VARIABLE: Final = "SPARKIFY_REDSHIFT_"
HOST: Final = re.compile(
    r"(?P<name>[^.]+)\.[^.]+\.(?P<region>[^.]+)\.redshift(?P<less>-serverless)?\."
)
LONGEST_WAIT: Final = 30
READ_TIMEOUT: Final = 60
TIMEOUT_MINUTES: Final = 60
CONFLICT_SECONDS: Final = 60
"""Seconds in which a batch is retried after serialization conflicts. Each pause is
twice as long as the previous one."""

CONFLICT_PAUSE: Final = 1.0
ENDED: Final = ("FINISHED", "FAILED", "ABORTED")
TOKEN_ID: Final = 8
"""Characters of a statement's id in a token. A token has at most 64 characters."""

MAX_BATCH_BYTES: Final = 1_000_000
"""Bytes of a batch. AWS documents a limit for single statements only."""


@dataclass(frozen=True)
class Address:
    """The warehouse and its users, from the profile and the environment."""

    where: Mapping[str, str]
    """Arguments of every call: cluster or workgroup, database, identity."""

    region: str
    aws_profile: str
    grant_to: str
    """dbt's user, if the Data API may use another one, otherwise ''."""

    asks_for_user: bool
    """Whether dbt's user is that of the IAM identity, which the workgroup returns."""

    @property
    def name(self) -> str:
        """The name of the cluster or workgroup."""
        return self.where.get("WorkgroupName") or self.where["ClusterIdentifier"]


def setting(name: str) -> str:
    """Return the value of a SPARKIFY_REDSHIFT_ variable, or ''."""
    return os.environ.get(VARIABLE + name, "").strip()


def address_of(target: Mapping[str, Any]) -> Address:
    """Return the address of a dbt-redshift target.

    Raises SparkifyError unless it has one cluster or one workgroup.
    """
    host = HOST.match(str(target.get("host") or ""))
    cluster = str(target.get("cluster_id") or "") or setting("CLUSTER")
    workgroup = str(target.get("serverless_work_group") or "") or setting("WORKGROUP")
    if host and not cluster and not workgroup:
        cluster, workgroup = ("", host["name"]) if host["less"] else (host["name"], "")
    if not cluster and not workgroup:
        raise SparkifyError(
            "The target has neither a Redshift cluster nor a workgroup.",
            "Set SPARKIFY_REDSHIFT_CLUSTER or SPARKIFY_REDSHIFT_WORKGROUP.",
        )
    if cluster and workgroup:
        raise SparkifyError(
            f"The target has both a cluster, {cluster}, and a workgroup, {workgroup}.",
            "Set either SPARKIFY_REDSHIFT_CLUSTER or SPARKIFY_REDSHIFT_WORKGROUP.",
        )
    user = str(target.get("user") or "")
    where = {"Database": str(target.get("dbname") or target.get("database") or "dev")}
    where |= {"ClusterIdentifier": cluster} if cluster else {"WorkgroupName": workgroup}
    secret = setting("SECRET")
    if secret:
        where["SecretArn"] = secret
    elif cluster and user:
        where["DbUser"] = user
    uses_iam = str(target.get("method") or "").startswith("iam")
    asks_for_user = bool(workgroup and secret and uses_iam)
    region = str(target.get("region") or "") or setting("REGION")
    return Address(
        where=where,
        region=region or (host["region"] if host else ""),
        aws_profile=str(target.get("iam_profile") or ""),
        grant_to="" if "DbUser" in where or asks_for_user else user,
        asks_for_user=asks_for_user,
    )


@dataclass(frozen=True)
class Finished:
    """A committed batch, with the query ids of its statements."""

    id: str
    query_ids: Sequence[int] = field(default=())


class DataApi:
    """Runs batches of statements, each batch one transaction."""

    def __init__(self, address: Address, timeout_minutes: float) -> None:
        """Set the address and the time-out in minutes."""
        self.address = address
        self.timeout_minutes = timeout_minutes
        self.what = f"Redshift's Data API for {address.name}"
        self._client: Any = None

    @property
    def client(self) -> Any:  # noqa: ANN401 -- boto3's clients have no type of their own
        """The client, created on first use because importing boto3 is slow."""
        if self._client is None:
            self._client = make_client(
                "redshift-data",
                self.address.region or None,
                profile=self.address.aws_profile or None,
                read_timeout=READ_TIMEOUT,
            )
        return self._client

    @property
    def region(self) -> str:
        """The AWS region of the warehouse."""
        return self.address.region or str(self.client.meta.region_name)

    def user_of_identity(self) -> str:
        """Return the database user of the caller's IAM identity in a workgroup.

        Raises SparkifyError if AWS rejects the request.
        """
        client = make_client(
            "redshift-serverless",
            self.address.region or None,
            profile=self.address.aws_profile or None,
        )
        with translate_errors(f"The workgroup {self.address.name}"):
            credentials = client.get_credentials(
                workgroupName=self.address.where["WorkgroupName"],
                dbName=self.address.where["Database"],
            )
        return str(credentials["dbUser"])

    def run(self, steps: Sequence[Step], name: str = "") -> Finished:
        """Run statements as one transaction, and wait until it is committed.

        If a batch with the same ``name`` is running, wait for that batch. A
        serialization conflict rolls the batch back. It is retried for CONFLICT_SECONDS.
        Raises SparkifyError with the message of the failed step, or
        FailedStatementError if the step has no message.
        """
        pause = CONFLICT_PAUSE
        deadline = time.monotonic() + min(CONFLICT_SECONDS, 60 * self.timeout_minutes)
        while True:
            try:
                return self._run_once(steps, name)
            except FailedStatementError as error:
                if not error.is_conflict or time.monotonic() + pause > deadline:
                    raise
            time.sleep(pause)
            pause *= 2

    def _run_once(self, steps: Sequence[Step], name: str) -> Finished:
        if len(steps) > MAX_STATEMENTS:
            raise ValueError(f"{len(steps)} statements are too many for a batch")
        with translate_errors(self.what):
            token = {"ClientToken": self._token(name)} if name else {}
            naming = {"StatementName": name} if name else {}
            answer = self.client.batch_execute_statement(
                Sqls=[step.sql for step in steps],
                **naming,
                **token,
                **self.address.where,
            )
            description = self._wait(answer["Id"], len(steps))
        parts = description.get("SubStatements", [])
        ids = [part.get("RedshiftQueryId", 0) for part in parts]
        if description["Status"] == "FINISHED":
            return Finished(answer["Id"], ids)
        if description["Status"] == "ABORTED":
            raise SparkifyError(
                "The load was cancelled on Redshift.",
                "Nothing was loaded. Run the command again.",
            )
        failed = [n for n, part in enumerate(parts) if part.get("Status") == "FAILED"]
        index = failed[0] if failed else 0
        reason = str(parts[index].get("Error", "")) if failed else ""
        reason = reason or str(description.get("Error", ""))
        if failed and steps[index].wrong and not is_conflict(reason):
            raise SparkifyError(steps[index].wrong, steps[index].advice)
        raise FailedStatementError(reason, index, ids)

    def _token(self, name: str) -> str:
        """Return the token that makes the submission of a batch idempotent.

        The token contains the id of the latest ended batch with the name. A new run
        therefore does not get the result of a failed batch, or of a batch before a
        reset. A counter would repeat, because AWS lists a statement for one day.
        """
        pages = self.client.get_paginator("list_statements").paginate(
            StatementName=name, Status="ALL"
        )
        ended = [
            statement
            for page in pages
            for statement in page["Statements"]
            if statement.get("Status") in ENDED
            and statement.get("StatementName") == name
        ]
        latest = max(ended, key=lambda statement: statement["CreatedAt"], default=None)
        return f"{name}-{latest['Id'][:TOKEN_ID] if latest else 'first'}"

    def _wait(self, statement: str, total: int) -> dict[str, Any]:
        """Poll until a batch has ended, and return its description.

        Cancels the batch on Ctrl-C or time-out. Raises SparkifyError on time-out.
        """
        deadline = time.monotonic() + 60 * self.timeout_minutes
        try:
            with progress("Redshift", "statements", total) as bar:
                while True:
                    left = deadline - time.monotonic()
                    description: dict[str, Any] = self.client.describe_statement(
                        Id=statement,
                        WaitTimeSeconds=max(1, min(LONGEST_WAIT, int(left))),
                    )
                    if description["Status"] in ENDED:
                        return description
                    parts = description.get("SubStatements", [])
                    done = sum(part.get("Status") == "FINISHED" for part in parts)
                    bar.update(done - bar.n)
                    bar.refresh()
                    if left <= 0:
                        break
        except KeyboardInterrupt:
            self._cancel(statement)
            raise
        self._cancel(statement)
        raise SparkifyError(
            f"Redshift did not finish within {self.timeout_minutes:g} minutes, and the"
            " statements were cancelled.",
            "Increase --timeout and run the command again. Loaded files stay loaded.",
        )

    def _cancel(self, statement: str) -> None:
        from botocore.exceptions import BotoCoreError, ClientError

        with suppress(ClientError, BotoCoreError):
            self.client.cancel_statement(Id=statement)

    def rows(self, sql: str) -> list[tuple[Any, ...]]:
        """Return the rows of a query. Raises SparkifyError if it fails."""
        return self.result(self.run([Step(sql)]), 0)

    def result(self, finished: Finished, index: int) -> list[tuple[Any, ...]]:
        """Return the rows of a batch's statement. ``index`` counts from 0."""
        with translate_errors(self.what):
            pages = self.client.get_paginator("get_statement_result").paginate(
                Id=f"{finished.id}:{index + 1}"
            )
            return [
                tuple(None if "isNull" in f else next(iter(f.values())) for f in record)
                for page in pages
                for record in page["Records"]
            ]

    def run_alone(self, sql: str) -> None:
        """Run a statement that is not allowed in a transaction.

        Raises SparkifyError if it fails.
        """
        with translate_errors(self.what):
            answer = self.client.execute_statement(Sql=sql, **self.address.where)
            description = self._wait(answer["Id"], 1)
        if description["Status"] != "FINISHED":
            raise FailedStatementError(str(description.get("Error", "")))
