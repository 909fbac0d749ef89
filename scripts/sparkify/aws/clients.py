"""How this project speaks to AWS: how clients are made, what their errors mean."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Final

from sparkify.errors import SparkifyError

LONGEST_REASON: Final = 300
"""In letters: an answer that is not AWS's may be a whole page."""

_LOG_IN: Final = "Log in again with your usual tool and repeat the command."
_CHECK: Final = "Check the credentials that AWS_PROFILE names."
_LATER: Final = "Wait a minute and repeat the command."
_LIMIT: Final = "Delete what is not needed, or ask for more in AWS Service Quotas."

ADVICE: Final[Mapping[str, str]] = {
    "AccessDenied": "Ask your administrator for that right, or set AWS_PROFILE to an"
    " identity that has it.",
    "AuthFailure": _CHECK,
    "ExpiredToken": _LOG_IN,
    "IncompleteSignature": _CHECK,
    "InvalidAccessKeyId": _CHECK,
    "InvalidClientTokenId": _CHECK,
    "InternalError": _LATER,
    "InternalFailure": _LATER,
    "InternalServer": _LATER,
    "LimitExceeded": _LIMIT,
    "OptInRequired": "Turn the service on for this account in the AWS console.",
    "RequestExpired": "Set this machine's clock right, then repeat the command.",
    "RequestTimeTooSkewed": "Set this machine's clock right, then repeat the command.",
    "ServiceQuotaExceeded": _LIMIT,
    "ServiceUnavailable": _LATER,
    "SignatureDoesNotMatch": _CHECK,
    "SlowDown": _LATER,
    "Throttling": _LATER,
    "TooManyRequests": _LATER,
    "UnauthorizedOperation": "Ask your administrator for that right, or set AWS_PROFILE"
    " to an identity that has it.",
    "UnrecognizedClient": _CHECK,
}
"""What to do by AWS's code of an error, which some services end in "Exception"."""


def bucket_and_prefix(address: str) -> tuple[str, str]:
    """Return both parts of ``s3://bucket/prefix``; the prefix has no outer slash.

    Raises SparkifyError for an address without a bucket.
    """
    bucket, _, prefix = address.removeprefix("s3://").partition("/")
    if not bucket:
        raise SparkifyError(f"{address} names no bucket.", "Write s3://bucket/prefix.")
    return bucket, prefix.strip("/")


def make_client(
    service: str,
    region: str | None = None,
    *,
    profile: str | None = None,
    read_timeout: int = 60,
    connections: int = 10,
) -> Any:  # noqa: ANN401 -- boto3 makes its clients' types at run time
    """Make a client of boto3 that tries a request up to five times.

    Without a region it is AWS_REGION, AWS_DEFAULT_REGION or the one of the AWS profile;
    without a profile it is AWS_PROFILE.
    ``read_timeout`` is in seconds. Raises SparkifyError where there is no region, or no
    such AWS profile.
    """
    import boto3
    from botocore.config import Config

    with aws_errors(f"There is no way to AWS {service}"):
        session: Any = boto3.Session(
            profile_name=profile, region_name=region or os.environ.get("AWS_REGION")
        )
        return session.client(
            service,
            config=Config(
                retries={"mode": "standard", "max_attempts": 5},
                max_pool_connections=connections,
                connect_timeout=10,
                read_timeout=read_timeout,
            ),
        )


def error_code(error: Exception) -> str:
    """Give AWS's code of a ClientError, without the "Exception" that some end in."""
    answer: Mapping[str, Any] = getattr(error, "response", {})
    code = str(answer.get("Error", {}).get("Code", "unknown"))
    return code.removesuffix("Exception") or code


@contextmanager
def aws_errors(failed: str, advice: Mapping[str, str] | None = None) -> Iterator[None]:
    """Raise a SparkifyError in place of whatever boto3 raises.

    ``failed`` says what did not work and ends in no full stop ("s3://b/p cannot be
    read"); the reason follows it. ``advice`` says what to do by AWS's code, without
    "Exception" at its end, and comes before ``ADVICE``. What a caller wants to treat by
    itself it catches inside the block, as a ClientError, and asks ``error_code``.
    """
    from botocore import exceptions as boto
    from botocore.parsers import ResponseParserError

    try:
        yield
    except boto.ClientError as error:
        code = error_code(error)
        said = error.response.get("Error", {}).get("Message") or "no reason given"
        said = " ".join(said.split())
        what = ({**ADVICE, **(advice or {})}).get(code)
        raise SparkifyError(
            f"{failed}: {code}, {said.rstrip('.')}.",
            what or "Repeat the command; if it stays, ask AWS.",
        ) from error
    except (boto.NoCredentialsError, boto.PartialCredentialsError) as error:
        raise SparkifyError(
            f"{failed}: there are no AWS credentials.",
            "Set AWS_PROFILE, or log in with your usual tool.",
        ) from error
    except boto.ProfileNotFound as error:
        raise SparkifyError(
            f"{failed}: {_reason(error)}.",
            "Set AWS_PROFILE to one of the profiles in ~/.aws/config.",
        ) from error
    except (
        boto.CredentialRetrievalError,
        boto.LoginError,
        boto.SSOError,
        boto.TokenRetrievalError,
    ) as error:
        raise SparkifyError(f"{failed}: {_reason(error)}.", _LOG_IN) from error
    except (boto.NoRegionError, boto.InvalidRegionError) as error:
        raise SparkifyError(
            f"{failed}: {_reason(error)}.",
            "Set AWS_REGION to the region of your data, such as us-west-2.",
        ) from error
    except (boto.BotoCoreError, ResponseParserError) as error:
        raise SparkifyError(
            f"{failed}: {_reason(error)}.",
            "Check the network, AWS_REGION and AWS_ENDPOINT_URL.",
        ) from error


def _reason(error: Exception) -> str:
    return " ".join(str(error).split())[:LONGEST_REASON].rstrip(".")
