"""What AWS and Redshift refuse, in one sentence on what is wrong and one on what to do.

Codes are those of the Data API's reference; Redshift's own reasons are texts, of which
a few words are known.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Final

from sparkify.aws.clients import aws_errors, error_code
from sparkify.errors import SparkifyError

NOTHING: Final = (
    "Nothing of this run was loaded; mend the cause and repeat the command."
)

_BY_CODE: Final = {
    "AccessDenied": "Ask for the actions that docs/redshift.md lists, or set"
    " AWS_PROFILE to an identity that has them.",
    "ActiveStatementsExceeded": "Wait until other statements have ended, and repeat the"
    " command.",
    "ActiveWaitingRequestsExceeded": "Wait until other commands that wait for Redshift"
    " have ended, and repeat the command.",
    "ResourceNotFound": "Check SPARKIFY_REDSHIFT_CLUSTER or _WORKGROUP, and"
    " SPARKIFY_REDSHIFT_REGION.",
}

_BY_WORDS: Final = (
    (r"paused", "Resume the cluster, wait until it is available, and repeat."),
    (
        r"endpoint doesn't exist in this region|cluster .*not found",
        "Check SPARKIFY_REDSHIFT_CLUSTER and SPARKIFY_REDSHIFT_REGION.",
    ),
    (
        r"not authorized to (assume|get credentials of)|no default iam role",
        "Attach the role of SPARKIFY_REDSHIFT_ROLE to the warehouse.",
    ),
    (
        r"different region|specified endpoint|PermanentRedirect|Status 301",
        "Name a bucket in the region that the statement names.",
    ),
    (r"NoSuchBucket|bucket does not exist", "Check the bucket's name."),
    (
        r"S3ServiceException.*Access Denied|AccessDenied|Status 403",
        "Let the role that SPARKIFY_REDSHIFT_ROLE names list and read the bucket.",
    ),
    (
        r"NoSuchKey|does not exist,Status 404|Mandatory url is not present",
        "It was deleted while the command ran; repeat the command.",
    ),
    (r"deadlock", "Another command wrote at the same moment; repeat the command."),
    (
        r"permission denied|must be owner",
        "Grant the right to the user that the Data API logs in as (docs/redshift.md).",
    ),
    (
        r"password authentication failed|secret",
        "Check the secret that SPARKIFY_REDSHIFT_SECRET names, or the target's user.",
    ),
)


CONFLICT: Final = "Another run changed the same tables at the same moment"
"""What Redshift's error 1023 means, which is no failure of either run:
https://docs.aws.amazon.com/redshift/latest/dg/c_serial_isolation.html"""


_CONFLICTS: Final = (
    "serializable isolation",
    "conflict with concurrent transaction",
    "could not open relation with oid",
    'relation "[^"]*__dbt_tmp[^"]*" does not exist',
    r"^\s*1023\s*$",
)
"""Redshift's words for it. dbt-redshift gives the number alone, on a line of its own.

With ``retries`` it loses a model's temporary table, which went with the connection."""


def is_conflict(reason: str) -> bool:
    """Tell whether transactions that ran side by side made Redshift stop one."""
    return any(
        re.search(words, reason, re.IGNORECASE | re.MULTILINE) for words in _CONFLICTS
    )


def _advice_on(reason: str) -> str | None:
    for pattern, advice in _BY_WORDS:
        if re.search(pattern, reason, re.IGNORECASE | re.DOTALL):
            return advice
    return None


class FailedStatementError(SparkifyError):
    """A statement failed, and with it all of its batch was rolled back."""

    def __init__(
        self, reason: str, index: int = 0, query_ids: Sequence[int] = ()
    ) -> None:
        """Take the reason, the place in the batch from 0, the ids of its queries."""
        shown = " ".join(reason.split()).removeprefix("ERROR: ").rstrip(".")
        wrong = f"Redshift stopped: {shown or 'it gave no reason'}."
        advice = _advice_on(reason) or NOTHING
        self.is_conflict = is_conflict(reason)
        if self.is_conflict:
            wrong = f"{CONFLICT} ({shown})."
            advice = "Nothing of this run was loaded: repeat the command."
        super().__init__(wrong, advice)
        self.index = index
        self.query_ids = query_ids


@contextmanager
def told_plainly(what: str) -> Iterator[None]:
    """Say what the Data API refused, in place of a traceback."""
    from botocore.exceptions import ClientError

    with aws_errors(f"{what} refused", _BY_CODE):
        try:
            yield
        except ClientError as error:
            reason = str(error.response.get("Error", {}).get("Message", ""))
            advice = _advice_on(reason)
            if advice is None:
                raise
            shown = f"{error_code(error)}, {reason.rstrip('.')}"
            raise SparkifyError(f"{what} refused: {shown}.", advice) from error
