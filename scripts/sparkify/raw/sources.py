"""List and read raw JSON files in a folder or an S3 prefix."""

from __future__ import annotations

import errno
import os
import re
import shutil
import stat
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, NamedTuple, Protocol

from sparkify.shared.aws import aws_errors, bucket_and_prefix, make_client
from sparkify.shared.errors import SparkifyError, unreadable

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

_DATA = re.compile(r"\.(json|jsonl|ndjson)(\.(gz|bz2|zst))?\Z", re.IGNORECASE)
SUFFIXES = ".json, .jsonl or .ndjson (also with .gz, .bz2 or .zst)"
PARALLEL_READS = 32
READ_ATTEMPTS = 5
RETRY_SECONDS = 600
"""Seconds after the first attempt to read an object in which a retry may start."""

READ_TIMEOUT = 60
"""Seconds without data from S3 after which a read fails."""


class SourceFile(NamedTuple):
    """A file of the source: path below the root, size in bytes, version tag."""

    path: str
    size: int
    version: str


@dataclass(frozen=True)
class Listing:
    """The JSON files of one part of a source, and the names of skipped files."""

    files: tuple[SourceFile, ...]
    skipped: tuple[str, ...]


OnFile = Callable[[int], object]
"""Called with the size in bytes of each file after it is read."""


class Source(Protocol):
    """A source of raw JSON files in parts (``log_data``, ``song_data``)."""

    root: str

    def list_part(self, part: str) -> Listing:
        """List a part. Raises SparkifyError if it does not exist or cannot be read."""

    def fetch(self, files: Sequence[SourceFile], on_file: OnFile) -> Any:  # noqa: ANN401 -- a context manager, typed in the classes
        """Return a context manager with the local paths of files, in their order."""


def open_source(data: str) -> Source:
    """Return the source for a folder or an ``s3://bucket/prefix``.

    Raises SparkifyError for another kind of address.
    """
    if data.startswith("s3://"):
        return S3Prefix(data)
    if "://" in data:
        raise SparkifyError(
            f"{data} is neither a folder nor an s3:// address.",
            "Use one of these with --data.",
        )
    return Folder(data)


def _is_data(path: str) -> bool:
    return bool(suffix_of(path)) and not is_hidden(path)


def suffix_of(path: str) -> str:
    """Return the suffix of a JSON file in lower case, or '' for another file."""
    match = _DATA.search(path)
    return match[0].lower() if match else ""


def compression_of(path: str) -> str:
    """Return the suffix of a compressed JSON file, or ''."""
    match = _DATA.search(path)
    return (match[2] or "").lower() if match else ""


def is_hidden(path: str) -> bool:
    """Return whether a name in a path begins with a dot."""
    return "/." in f"/{path}"


def _in_utf8(path: str) -> str:
    """Return a local path as the load history stores it, in any locale.

    Bytes that are not UTF-8 become lone surrogates, which cannot be encoded.
    """
    return os.fsencode(path).decode(errors="surrogateescape")


def _local(path: str) -> str:
    """Return a path of the load history as a local path."""
    return os.fsdecode(path.encode(errors="surrogateescape"))


def _is_loop(link: str) -> bool:
    """Return whether a link points to one of its parent folders."""
    around = {os.path.realpath(folder) for folder in Path(link).parents}
    return os.path.realpath(link) in around


class Folder:
    """A local folder."""

    def __init__(self, data: str) -> None:
        """Set the folder. A relative path starts at the working directory."""
        self.root = _in_utf8(str(Path(data).expanduser().resolve()))

    def list_part(self, part: str) -> Listing:
        """List the JSON files below a part. The version tag is the modification time.

        Links are followed, except links to a parent folder. Raises SparkifyError if the
        part does not exist, or a file cannot be read.
        """
        folder = Path(_local(f"{self.root}/{part}"))
        if not folder.is_dir():
            raise SparkifyError(
                f"The folder {folder} does not exist.",
                "Name the folder that contains log_data and song_data with --data, or"
                " rename these two with --log-data and --song-data.",
            )
        files: list[SourceFile] = []
        skipped: list[str] = []
        walk = os.walk(folder, onerror=_unreadable_folder, followlinks=True)
        for below, folders, names in walk:
            above = _in_utf8(below)[len(self.root) + 1 :].replace(os.sep, "/")
            ignored = [
                name
                for name in folders
                if name.startswith(".")
                or (os.path.islink(f"{below}/{name}") and _is_loop(f"{below}/{name}"))  # noqa: PTH114 -- faster for many files
            ]
            skipped.extend(f"{above}/{_in_utf8(name)}/" for name in ignored)
            folders[:] = sorted(set(folders) - set(ignored))
            for name in sorted(names):
                path = f"{below}{os.sep}{name}"
                shown = f"{above}/{_in_utf8(name)}"
                if not _is_data(name):
                    skipped.append(shown)
                    continue
                try:
                    shown.encode()
                except UnicodeEncodeError:
                    reason = ValueError("its name is not UTF-8")
                    raise unreadable(shown, reason) from None
                try:
                    status = os.stat(path)  # noqa: PTH116 -- faster for many files
                except OSError as error:
                    raise unreadable(shown, error) from error
                if stat.S_ISREG(status.st_mode):
                    version = str(status.st_mtime_ns)
                    files.append(SourceFile(shown, status.st_size, version))
                else:
                    skipped.append(shown)
        return Listing(tuple(files), tuple(skipped))

    @contextmanager
    def fetch(
        self, files: Sequence[SourceFile], on_file: OnFile
    ) -> Iterator[list[str]]:
        """Yield the paths of the files, without copying them.

        Raises SparkifyError at the end if a file changed since it was listed.
        """
        paths = [_local(f"{self.root}/{file.path}") for file in files]
        yield paths
        for file, path in zip(files, paths, strict=True):
            try:
                status = os.stat(path)  # noqa: PTH116 -- as in list_part
            except OSError as error:
                raise unreadable(file.path, error) from error
            if (status.st_size, str(status.st_mtime_ns)) != (file.size, file.version):
                raise SparkifyError(
                    f"{file.path} changed while it was read.",
                    "Nothing was loaded. Run the command again when no process writes"
                    " to that file.",
                )
            on_file(file.size)


def _unreadable_folder(error: OSError) -> None:
    raise SparkifyError(
        f"The folder {error.filename} cannot be read: {error.strerror}.",
        "Change its permissions, or name another folder with --data.",
    )


class S3Prefix:
    """An S3 prefix, read with the caller's AWS credentials."""

    def __init__(self, data: str) -> None:
        """Parse ``s3://bucket`` or ``s3://bucket/prefix``."""
        self.bucket, self.prefix = bucket_and_prefix(data)
        self.root = f"s3://{self.bucket}" + (f"/{self.prefix}" if self.prefix else "")
        self._client: S3Client | None = None

    @property
    def client(self) -> S3Client:
        """The S3 client, created on first use because importing boto3 is slow."""
        if self._client is None:
            self._client = make_client(
                "s3", connections=PARALLEL_READS, read_timeout=READ_TIMEOUT
            )
        return self._client

    def address(self, path: str) -> str:
        """Return the s3:// address of a file below the prefix."""
        return f"{self.root}/{path}"

    def region(self) -> str:
        """Return the region of the bucket, or '' if S3 does not report it."""
        with _reading(self.root):
            answer = self.client.head_bucket(Bucket=self.bucket)
        headers = answer["ResponseMetadata"]["HTTPHeaders"]
        return str(headers.get("x-amz-bucket-region", ""))

    def write(self, path: str, content: IO[bytes]) -> str:
        """Write a file below the prefix. Return its s3:// address."""
        shown = self.address(path)
        with aws_errors(f"{shown} cannot be written", _WRITING_ADVICE):
            self.client.put_object(
                Bucket=self.bucket, Key=self._key(path), Body=content
            )
        return shown

    def _key(self, path: str) -> str:
        return f"{self.prefix}/{path}" if self.prefix else path

    def list_part(self, part: str) -> Listing:
        """List the JSON objects below a part. The version tag is the ETag.

        Raises SparkifyError if there are no objects.
        """
        files, skipped = [], []
        start = len(self._key(""))
        with _reading(self.root):
            pages = self.client.get_paginator("list_objects_v2").paginate(
                Bucket=self.bucket, Prefix=self._key(part.strip("/")) + "/"
            )
            for page in pages:
                for item in page.get("Contents", []):
                    path = item["Key"][start:]
                    if path.endswith("/"):
                        continue
                    if _is_data(path):
                        etag = item["ETag"].strip('"')
                        files.append(SourceFile(path, item["Size"], etag))
                    else:
                        skipped.append(path)
        if not files and not skipped:
            raise SparkifyError(
                f"There are no objects under {self.root}/{part}.",
                "Name the prefix that contains log_data and song_data with --data, or"
                " rename these two with --log-data and --song-data.",
            )
        return Listing(tuple(files), tuple(skipped))

    @contextmanager
    def fetch(
        self, files: Sequence[SourceFile], on_file: OnFile
    ) -> Iterator[list[str]]:
        """Download the objects in parallel to a temporary folder. Yield the paths.

        Raises SparkifyError if an object cannot be read or changed.
        """
        spool = Path(tempfile.mkdtemp(prefix="sparkify-"))
        try:
            names = [
                f"{number}{suffix_of(file.path)}" for number, file in enumerate(files)
            ]
            paths = [str(spool / name) for name in names]
            pool = ThreadPoolExecutor(PARALLEL_READS)
            try:
                for file, _ in zip(files, pool.map(self._read, files, paths)):  # noqa: B905 -- map() is shorter if an object fails
                    on_file(file.size)
            finally:
                pool.shutdown(cancel_futures=True)
            yield paths
        finally:
            shutil.rmtree(spool, ignore_errors=True)

    def _read(self, file: SourceFile, path: str) -> None:
        """Download one object in the listed version, with retries.

        Raises SparkifyError after the last attempt.
        """
        started = time.monotonic()
        for attempt in range(READ_ATTEMPTS):
            failure = self._failure_of_copying(file, path)
            if not failure:
                return
            if time.monotonic() - started > RETRY_SECONDS:
                break
            pause(0.1 * 2**attempt)
        raise SparkifyError(
            f"{self.address(file.path)} cannot be read completely: {failure}.",
            "Run the command again. Loaded files stay loaded.",
        )

    def _failure_of_copying(self, file: SourceFile, path: str) -> str:
        """Download one object. Return the reason if it is incomplete, otherwise ''."""
        from botocore.exceptions import BotoCoreError
        from urllib3.exceptions import HTTPError

        try:
            with _reading(self.address(file.path)):
                answer = self.client.get_object(
                    Bucket=self.bucket,
                    Key=self._key(file.path),
                    IfMatch=f'"{file.version}"',
                )
            with Path(path).open("wb") as out:
                shutil.copyfileobj(answer["Body"], out, 1 << 20)
                is_complete = out.tell() == file.size
        # botocore does not translate HTTPError from a truncated error response.
        except (BotoCoreError, HTTPError, OSError) as error:
            if getattr(error, "errno", None) == errno.ENOSPC:
                raise SparkifyError(
                    f"The disk is full in {tempfile.gettempdir()}, where files from S3"
                    " are stored.",
                    "Free disk space, or name another folder with TMPDIR.",
                ) from error
            return str(error).rstrip(".")
        return "" if is_complete else f"it has fewer than {file.size} bytes"


def pause(seconds: float) -> None:
    """Wait a number of seconds before the next attempt."""
    time.sleep(seconds)


_AWS_ADVICE = {
    "AccessDenied": "Ask for s3:ListBucket and s3:GetObject on this prefix, or set"
    " AWS_PROFILE to an identity that has them.",
    "NoSuchBucket": "Check the bucket's name.",
    "NoSuchKey": "It was deleted while the command ran. Run the command again.",
    "PermanentRedirect": "Set AWS_REGION to the region of the bucket.",
    "PreconditionFailed": "It changed while the command ran. Run the command again.",
}


_WRITING_ADVICE = _AWS_ADVICE | {
    "AccessDenied": "Ask for s3:PutObject on this prefix, or name another prefix.",
}


def _reading(what: str) -> AbstractContextManager[None]:
    """Return a context manager that raises SparkifyError if S3 cannot be read."""
    return aws_errors(f"{what} cannot be read", _AWS_ADVICE)
