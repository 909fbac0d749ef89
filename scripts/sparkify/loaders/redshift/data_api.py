"""The one place that talks to Redshift: batches of statements over its Data API."""

from __future__ import annotations

import os
import re
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, Final

from sparkify.aws.clients import make_client
from sparkify.errors import SparkifyError
from sparkify.loaders.redshift.errors import (
    FailedStatementError,
    is_conflict,
    told_plainly,
)
from sparkify.loaders.redshift.statements import MAX_STATEMENTS, Step
from sparkify.progress import progress

VARIABLE: Final = "SPARKIFY_REDSHIFT_"
HOST: Final = re.compile(
    r"(?P<name>[^.]+)\.[^.]+\.(?P<region>[^.]+)\.redshift(?P<less>-serverless)?\."
)
LONGEST_WAIT: Final = 30
READ_TIMEOUT: Final = 60
TIMEOUT_MINUTES: Final = 60
CONFLICT_SECONDS: Final = 60
"""How long a batch is run again that other transactions make fail, at twice the pause
each time."""

CONFLICT_PAUSE: Final = 1.0
ENDED: Final = ("FINISHED", "FAILED", "ABORTED")
TOKEN_ID: Final = 8
"""Characters of a statement's id that a token has, which may have 64 in all."""

MAX_BATCH_BYTES: Final = 1_000_000
"""Bytes of a batch's statements: AWS documents the limit of one statement alone."""


@dataclass(frozen=True)
class Address:
    """Where the warehouse is and who asks, by the profile and the environment."""

    where: Mapping[str, str]
    """The arguments of every call: cluster or workgroup, database, identity."""

    region: str
    aws_profile: str
    grant_to: str
    """dbt's user, if the Data API may log in as another one; '' if not."""

    asks_for_user: bool
    """Whether dbt's user is that of the IAM identity, which the workgroup names."""

    @property
    def name(self) -> str:
        """The warehouse's name, for people."""
        return self.where.get("WorkgroupName") or self.where["ClusterIdentifier"]


def setting(name: str) -> str:
    """Give the value of a variable of the project's own, '' where it is not set."""
    return os.environ.get(VARIABLE + name, "").strip()


def address_of(target: Mapping[str, Any]) -> Address:
    """Read a dbt target of dbt-redshift. Raises SparkifyError if it names no place."""
    host = HOST.match(str(target.get("host") or ""))
    in_host = (host["name"], host["less"], host["region"]) if host else ("", "", "")
    cluster = str(target.get("cluster_id") or "") or setting("CLUSTER")
    workgroup = str(target.get("serverless_work_group") or "") or setting("WORKGROUP")
    if not cluster and not workgroup and in_host[1]:
        workgroup = in_host[0]
    elif not cluster and not workgroup:
        cluster = in_host[0]
    if not cluster and not workgroup:
        raise SparkifyError(
            "The target names neither a cluster nor a workgroup of Redshift.",
            "Set SPARKIFY_REDSHIFT_CLUSTER or SPARKIFY_REDSHIFT_WORKGROUP.",
        )
    if cluster and workgroup:
        raise SparkifyError(
            f"The target names a cluster, {cluster}, and a workgroup, {workgroup}.",
            "Set one of SPARKIFY_REDSHIFT_CLUSTER and SPARKIFY_REDSHIFT_WORKGROUP.",
        )
    user = str(target.get("user") or "")
    where = {"Database": str(target.get("dbname") or target.get("database") or "dev")}
    where |= {"ClusterIdentifier": cluster} if cluster else {"WorkgroupName": workgroup}
    secret = setting("SECRET")
    if secret:
        where["SecretArn"] = secret
    elif cluster and user:
        where["DbUser"] = user
    by_iam = str(target.get("method") or "").startswith("iam")
    asks_for_user = bool(workgroup and secret and by_iam)
    return Address(
        where=where,
        region=str(target.get("region") or "") or setting("REGION") or in_host[2],
        aws_profile=str(target.get("iam_profile") or ""),
        grant_to="" if "DbUser" in where or asks_for_user else user,
        asks_for_user=asks_for_user,
    )


@dataclass(frozen=True)
class Finished:
    """A batch that is committed."""

    id: str
    query_ids: Sequence[int] = field(default=())


class DataApi:
    """Runs batches of statements, each batch one transaction."""

    def __init__(self, address: Address, timeout_minutes: float) -> None:
        """Take where the warehouse is; the client is made when it is needed."""
        self.address = address
        self.timeout_minutes = timeout_minutes
        self.what = f"Redshift's Data API for {address.name}"
        self._client: Any = None

    @property
    def client(self) -> Any:  # noqa: ANN401 -- boto3's clients have no type of their own
        """The client, made on first use: importing boto3 takes its time."""
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
        """The warehouse's region."""
        return self.address.region or str(self.client.meta.region_name)

    def user_of_identity(self) -> str:
        """Give the database's user of the caller's IAM identity in a workgroup.

        Raises SparkifyError.
        """
        client = make_client(
            "redshift-serverless",
            self.address.region or None,
            profile=self.address.aws_profile or None,
        )
        with told_plainly(f"The workgroup {self.address.name}"):
            given = client.get_credentials(
                workgroupName=self.address.where["WorkgroupName"],
                dbName=self.address.where["Database"],
            )
        return str(given["dbUser"])

    def run(self, steps: Sequence[Step], name: str = "") -> Finished:
        """Run statements as one transaction, and wait until it is committed.

        A ``name`` tells what the batch does: while one of that name runs, this waits
        for it and submits nothing. A batch that fails since another transaction ran
        beside it is run again: nothing of it is there. Raises SparkifyError with what
        the failure of a step means, or FailedStatementError if the step does not say.
        """
        seconds = CONFLICT_PAUSE
        deadline = time.monotonic() + min(CONFLICT_SECONDS, 60 * self.timeout_minutes)
        while True:
            try:
                return self._run_once(steps, name)
            except FailedStatementError as error:
                if not error.is_conflict or time.monotonic() + seconds > deadline:
                    raise
            time.sleep(seconds)
            seconds *= 2

    def _run_once(self, steps: Sequence[Step], name: str) -> Finished:
        if len(steps) > MAX_STATEMENTS:
            raise ValueError(f"{len(steps)} statements are no batch")
        with told_plainly(self.what):
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
                "The load was cancelled on Redshift.", "Nothing of this run was loaded."
            )
        failed = [n for n, part in enumerate(parts) if part.get("Status") == "FAILED"]
        index = failed[0] if failed else 0
        reason = str(parts[index].get("Error", "")) if failed else ""
        reason = reason or str(description.get("Error", ""))
        if failed and steps[index].wrong and not is_conflict(reason):
            raise SparkifyError(steps[index].wrong, steps[index].advice)
        raise FailedStatementError(reason, index, ids)

    def _token(self, name: str) -> str:
        """Give the token that makes the submission of a batch idempotent.

        It names the latest ended batch of the name, whose answer a repeat must not get:
        one that failed is to be run again, and one that succeeded before a reset too.
        Statements leave the list after a day, so their number would come again.
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
        """Poll until a batch has ended; cancel it after the time-out or Ctrl-C."""
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
                    done = [
                        part
                        for part in description.get("SubStatements", [])
                        if part.get("Status") == "FINISHED"
                    ]
                    bar.update(len(done) - bar.n)
                    bar.refresh()
                    if left <= 0:
                        break
        except KeyboardInterrupt:
            self._cancel(statement)
            raise
        self._cancel(statement)
        raise SparkifyError(
            f"Redshift was not done within {self.timeout_minutes:g} minutes, and the"
            " statements were cancelled.",
            "Allow more with --timeout; what was committed before is not loaded again.",
        )

    def _cancel(self, statement: str) -> None:
        from botocore.exceptions import BotoCoreError, ClientError

        with suppress(ClientError, BotoCoreError):
            self.client.cancel_statement(Id=statement)

    def rows(self, sql: str) -> list[tuple[Any, ...]]:
        """Run a query and give its rows. Raises SparkifyError."""
        return self.result(self.run([Step(sql)]), 0)

    def result(self, finished: Finished, index: int) -> list[tuple[Any, ...]]:
        """Give the rows of a statement of a batch, counted from 0."""
        with told_plainly(self.what):
            pages = self.client.get_paginator("get_statement_result").paginate(
                Id=f"{finished.id}:{index + 1}"
            )
            return [
                tuple(None if "isNull" in f else next(iter(f.values())) for f in record)
                for page in pages
                for record in page["Records"]
            ]

    def run_alone(self, sql: str) -> None:
        """Run a statement that no transaction may hold. Raises SparkifyError."""
        with told_plainly(self.what):
            answer = self.client.execute_statement(
                Sql=sql,
                **self.address.where,
            )
            description = self._wait(answer["Id"], 1)
        if description["Status"] != "FINISHED":
            raise FailedStatementError(str(description.get("Error", "")))
