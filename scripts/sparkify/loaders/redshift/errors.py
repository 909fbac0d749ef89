"""Translate errors of the Data API and Redshift into SparkifyError.

Error codes are from the Data API reference. Redshift's own reasons are matched by
patterns.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Final

from sparkify.shared.aws import aws_errors, error_code
from sparkify.shared.errors import SparkifyError

NOTHING: Final = "Nothing was loaded. Fix the cause and run the command again."

_BY_CODE: Final = {
    "AccessDenied": "Ask for the actions that docs/redshift.md lists, or set"
    " AWS_PROFILE to an identity that has them.",
    "ActiveStatementsExceeded": "Wait until other statements have ended, and run the"
    " command again.",
    "ActiveWaitingRequestsExceeded": "Wait until other commands that wait for Redshift"
    " have ended, and run the command again.",
    "ResourceNotFound": "Check SPARKIFY_REDSHIFT_CLUSTER or _WORKGROUP, and"
    " SPARKIFY_REDSHIFT_REGION.",
}

_BY_WORDS: Final = (
    (
        r"paused",
        "Resume the cluster, wait until it is available, and run the command again.",
    ),
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
        "Use a bucket in the region that the statement names.",
    ),
    (r"NoSuchBucket|bucket does not exist", "Check the bucket's name."),
    (
        r"S3ServiceException.*Access Denied|AccessDenied|Status 403",
        "Allow the role SPARKIFY_REDSHIFT_ROLE to list and read the bucket.",
    ),
    (
        r"NoSuchKey|does not exist,Status 404|Mandatory url is not present",
        "The file was deleted while the command ran. Run the command again.",
    ),
    (r"deadlock", "Another command wrote at the same time. Run the command again."),
    (
        r"permission denied|must be owner",
        "Grant the right to the user of the Data API (docs/redshift.md).",
    ),
    (
        r"password authentication failed|secret",
        "Check the secret SPARKIFY_REDSHIFT_SECRET, or the user of the target.",
    ),
)

CONFLICT: Final = "Serialization conflict: another transaction changed the same tables"
"""The meaning of Redshift's error 1023:
https://docs.aws.amazon.com/redshift/latest/dg/c_serial_isolation.html"""

_CONFLICTS: Final = (
    "serializable isolation",
    "conflict with concurrent transaction",
    "could not open relation with oid",
    'relation "[^"]*__dbt_tmp[^"]*" does not exist',
    r"^\s*1023\s*$",
)
"""Patterns of a serialization conflict. dbt-redshift may report the number alone on a
line. With ``retries``, it opens a new connection, which has no temporary table."""


def is_conflict(reason: str) -> bool:
    """Return whether a reason is a serialization conflict."""
    return any(
        re.search(words, reason, re.IGNORECASE | re.MULTILINE) for words in _CONFLICTS
    )


def _advice_on(reason: str) -> str | None:
    for pattern, advice in _BY_WORDS:
        if re.search(pattern, reason, re.IGNORECASE | re.DOTALL):
            return advice
    return None


class FailedStatementError(SparkifyError):
    """A statement failed, and its batch was rolled back."""

    def __init__(
        self, reason: str, index: int = 0, query_ids: Sequence[int] = ()
    ) -> None:
        """Set the reason, the statement's index from 0, and the batch's query ids."""
        shown = " ".join(reason.split()).removeprefix("ERROR: ").rstrip(".")
        wrong = f"Redshift failed: {shown or 'no reason given'}."
        advice = _advice_on(reason) or NOTHING
        self.is_conflict = is_conflict(reason)
        if self.is_conflict:
            wrong = f"{CONFLICT} ({shown})."
            advice = "Nothing was loaded. Run the command again."
        super().__init__(wrong, advice)
        self.index = index
        self.query_ids = query_ids


@contextmanager
def translate_errors(what: str) -> Iterator[None]:
    """Raise SparkifyError instead of an error of the Data API."""
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
