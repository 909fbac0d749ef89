"""Create AWS clients and translate their errors."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Final

from sparkify.shared.errors import SparkifyError

MAX_REASON_LENGTH: Final = 300
"""Characters. A response that is not from AWS may be an HTML page."""

_LOG_IN: Final = "Log in again with your usual tool and run the command again."
_CHECK: Final = "Check the credentials of AWS_PROFILE."
_LATER: Final = "Wait a minute and run the command again."
_LIMIT: Final = "Delete unused resources, or request more in AWS Service Quotas."

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
    "OptInRequired": "Enable the service for this account in the AWS console.",
    "RequestExpired": "Correct the clock of this machine and run the command again.",
    "RequestTimeTooSkewed": "Correct the clock of this machine and run the command"
    " again.",
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
"""Advice by AWS error code, without the suffix "Exception" of some services."""


def bucket_and_prefix(address: str) -> tuple[str, str]:
    """Return bucket and prefix of ``s3://bucket/prefix``, without outer slashes.

    Raises SparkifyError for an address without a bucket.
    """
    bucket, _, prefix = address.removeprefix("s3://").partition("/")
    if not bucket:
        raise SparkifyError(f"{address} has no bucket.", "Use s3://bucket/prefix.")
    return bucket, prefix.strip("/")


def make_client(
    service: str,
    region: str | None = None,
    *,
    profile: str | None = None,
    read_timeout: int = 60,
    connections: int = 10,
) -> Any:  # noqa: ANN401 -- boto3 makes its clients' types at run time
    """Return a boto3 client that tries a request up to five times.

    The default region is AWS_REGION, AWS_DEFAULT_REGION or the region of the AWS
    profile. The default profile is AWS_PROFILE. ``read_timeout`` is in seconds. Raises
    SparkifyError if there is no region, or the profile does not exist.
    """
    import boto3
    from botocore.config import Config

    with aws_errors(f"AWS {service} cannot be reached"):
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
    """Return the AWS error code of a ClientError, without the suffix "Exception"."""
    answer: Mapping[str, Any] = getattr(error, "response", {})
    code = str(answer.get("Error", {}).get("Code", "unknown"))
    return code.removesuffix("Exception") or code


@contextmanager
def aws_errors(failed: str, advice: Mapping[str, str] | None = None) -> Iterator[None]:
    """Raise SparkifyError instead of any error of boto3.

    ``failed`` is the beginning of the message, without a full stop, for example
    "s3://b/p cannot be read". ``advice`` is by AWS error code and overrides ``ADVICE``.
    To handle a ClientError, catch it inside of the block.
    """
    from botocore import exceptions as boto
    from botocore.parsers import ResponseParserError

    try:
        yield
    except boto.ClientError as error:
        code = error_code(error)
        message = error.response.get("Error", {}).get("Message") or "no reason given"
        message = " ".join(message.split())
        what = ({**ADVICE, **(advice or {})}).get(code)
        raise SparkifyError(
            f"{failed}: {code}, {message.rstrip('.')}.",
            what or "Run the command again. If it still fails, ask AWS.",
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
    return " ".join(str(error).split())[:MAX_REASON_LENGTH].rstrip(".")
