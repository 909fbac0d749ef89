"""The objects and records that COPY reads in S3, with a role's permissions."""

from __future__ import annotations

import bz2
import gzip
import json
import re
import secrets
import sys
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from redshift_stand_in.buckets import Buckets
from redshift_stand_in.copy_options import CopyOptions
from redshift_stand_in.copy_values import NumberText
from redshift_stand_in.errors import AwsError, RefusedStatementError

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

MAX_OBJECT_BYTES = 4 * 1024 * 1024
INTERNAL = "XX000"
DECOMPRESS = {
    "gzip": gzip.decompress,
    "bzip2": bz2.decompress,
    "zstd": zstd.decompress,
}
WHITE_SPACE = re.compile(r"\s*")


@dataclass(frozen=True)
class Record:
    """A JSON value of a file, or the reason why it cannot be read."""

    line: int
    value: Any = None
    error: str = ""


@dataclass
class CopySource:
    """S3 objects, read with a role of the warehouse."""

    buckets: Buckets
    roles: dict[str, list[str]] = field(default_factory=dict)
    """Roles of the warehouse, each with the prefixes that it may read."""

    default_role: str = ""

    def role_of(self, options: CopyOptions, user: str) -> str:
        """Return the role of a COPY. Raises RefusedStatementError."""
        role = self.default_role if options.role == "default" else options.role
        if role not in self.roles:
            raise RefusedStatementError(
                INTERNAL, f"User {user} is not authorized to assume IAM Role {role}"
            )
        return role

    def check_bucket(self, options: CopyOptions) -> None:
        """Raise RefusedStatementError if the bucket is missing or in another region."""
        bucket, _ = split(options.source)
        try:
            found = self.buckets.region_of(bucket)
        except AwsError as error:
            raise s3_error(error) from None
        if found != (options.region or self.buckets.region):
            raise RefusedStatementError(
                INTERNAL,
                "S3ServiceException:The bucket you are attempting to access must be"
                " addressed using the specified endpoint. Please send all future"
                " requests to this endpoint.,Status 301,Error PermanentRedirect,"
                f"{_ids()}",
            )

    def read(self, role: str, url: str) -> bytes:
        """Read an object. Raises RefusedStatementError."""
        if not any(url.startswith(prefix) for prefix in self.roles[role]):
            raise _denied()
        bucket, key = split(url)
        try:
            return self.buckets.read(bucket, key)
        except AwsError as error:
            raise s3_error(error) from None

    def urls(self, role: str, options: CopyOptions) -> list[str]:
        """Return the URLs of the objects to load. Raises RefusedStatementError."""
        if "manifest" in options.switches:
            return self._manifest(role, options.source)
        bucket, prefix = split(options.source)
        if not any(options.source.startswith(p) for p in self.roles[role]):
            raise _denied()
        keys = [key for key, _ in self.buckets.objects(bucket, prefix)]
        if not keys:
            raise RefusedStatementError(
                INTERNAL, f"The specified S3 prefix '{prefix}' does not exist"
            )
        return [f"s3://{bucket}/{key}" for key in keys if not key.endswith("/")]

    def _manifest(self, role: str, url: str) -> list[str]:
        try:
            entries = json.loads(self.read(role, url))["entries"]
            wanted = [(e["url"], e.get("mandatory", False)) for e in entries]
        except (ValueError, KeyError, TypeError) as error:
            raise RefusedStatementError(
                INTERNAL, f"Manifest file is not in correct json format: {error}"
            ) from None
        found = []
        for entry, is_mandatory in wanted:
            bucket, key = split(entry)
            if self.buckets.has(bucket, key):
                found.append(entry)
            elif is_mandatory:
                raise RefusedStatementError(
                    INTERNAL,
                    "S3ServiceException:The specified key does not exist.,Status"
                    f" 404,Error NoSuchKey,{_ids()}",
                    f"Problem reading manifest file - S3 key: {entry}",
                )
        if not found:
            raise RefusedStatementError(
                INTERNAL, "No files of the manifest were found", f"Manifest: {url}"
            )
        return found


def split(url: str) -> tuple[str, str]:
    """Return bucket and key of an S3 URL."""
    bucket, _, key = url.removeprefix("s3://").partition("/")
    return bucket, key


def _ids() -> str:
    return (
        f"Rid {secrets.token_hex(8).upper()},ExtRid {secrets.token_hex(24)},CanRetry 1"
    )


def _denied() -> RefusedStatementError:
    return RefusedStatementError(
        INTERNAL,
        f"S3ServiceException:Access Denied,Status 403,Error AccessDenied,{_ids()}",
    )


def s3_error(error: AwsError) -> RefusedStatementError:
    """Return COPY's error for an error of S3."""
    return RefusedStatementError(
        INTERNAL,
        f"S3ServiceException:{error},Status {error.status},Error {error.code},{_ids()}",
    )


def records_of(body: bytes, options: CopyOptions) -> Iterator[Record]:
    """Yield the JSON values of a file. A value may have several lines."""
    for name in options.switches & DECOMPRESS.keys():
        try:
            body = DECOMPRESS[name](body)
        except (OSError, EOFError, ValueError, zlib.error, zstd.ZstdError):
            raise RefusedStatementError(
                INTERNAL, f"failed to inflate with {name}: invalid data", ""
            ) from None
    text = _decoded(body, options)
    position = 0
    line = 1
    while True:
        start = _skip(text, position)
        line += text.count("\n", position, start)
        if start == len(text):
            return
        try:
            value, end = _DECODER.raw_decode(text, start)
            size = len(text[start:end].encode("utf-8", "replace"))
            problem = "JSON object is larger than 4 MB" * (size > MAX_OBJECT_BYTES)
        except (ValueError, RecursionError):
            value, problem = None, "Invalid JSON"
            end = text.find("\n", start)
            end = len(text) if end < 0 else end
        line += text.count("\n", start, end)
        yield Record(line, None if problem else value, problem)
        position = end


def _skip(text: str, position: int) -> int:
    match = WHITE_SPACE.match(text, position)
    return match.end() if match else position


def _decoded(body: bytes, options: CopyOptions) -> str:
    """Decode UTF-8. An invalid byte becomes the replacement or a lone surrogate."""
    text = body.removeprefix(b"\xef\xbb\xbf").decode(errors="surrogateescape")
    mark = options.replacement
    return text if mark is None else re.sub("[\udc80-\udcff]", lambda _: mark, text)


def _refuse_constant(name: str) -> None:
    raise ValueError(name)


_DECODER = json.JSONDecoder(
    parse_int=NumberText,
    parse_float=NumberText,
    parse_constant=_refuse_constant,
    strict=False,
)
