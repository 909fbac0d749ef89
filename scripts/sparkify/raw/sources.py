"""Where the raw JSON comes from: a folder, or a prefix in S3."""

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

from sparkify.aws.clients import aws_errors, bucket_and_prefix, make_client
from sparkify.errors import SparkifyError, unreadable

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

_DATA = re.compile(r"\.(json|jsonl|ndjson)(\.(gz|bz2|zst))?\Z", re.IGNORECASE)
SUFFIXES = ".json, .jsonl or .ndjson (also with .gz, .bz2 or .zst)"
PARALLEL_READS = 32
READ_ATTEMPTS = 5
RETRY_SECONDS = 600
"""How long after the first attempt at an object a new one may begin."""

READ_TIMEOUT = 60
"""In seconds: how long S3 may say nothing."""


class SourceFile(NamedTuple):
    """A file of the source: its path below the root, size in bytes, version tag."""

    path: str
    size: int
    version: str


@dataclass(frozen=True)
class Listing:
    """The files of one part of a source, and the names that are no JSON files."""

    files: tuple[SourceFile, ...]
    skipped: tuple[str, ...]


OnFile = Callable[[int], object]
"""Is told the size in bytes of a file when it has been read."""


class Source(Protocol):
    """A place that holds raw JSON files in parts (``log_data``, ``song_data``)."""

    root: str

    def list_part(self, part: str) -> Listing:
        """List a part. Raises SparkifyError if it is not there or cannot be read."""

    def fetch(self, files: Sequence[SourceFile], on_file: OnFile) -> Any:  # noqa: ANN401 -- a context manager; its type is spelled by the classes
        """Give a context in which all files are local, as a list of their paths."""


def open_source(data: str) -> Source:
    """Open a folder or an ``s3://bucket/prefix``."""
    if data.startswith("s3://"):
        return S3Prefix(data)
    if "://" in data:
        raise SparkifyError(
            f"{data} is neither a folder nor an s3:// address.",
            "Name one of these with --data.",
        )
    return Folder(data)


def _is_data(path: str) -> bool:
    return bool(suffix_of(path)) and not is_hidden(path)


def suffix_of(path: str) -> str:
    """Return the suffix that tells a file of JSON, in lower case, or ''."""
    match = _DATA.search(path)
    return match[0].lower() if match else ""


def compression_of(path: str) -> str:
    """Return the suffix that tells how a file is compressed, or ''."""
    match = _DATA.search(path)
    return (match[2] or "").lower() if match else ""


def is_hidden(path: str) -> bool:
    """Tell whether a name on a path begins with a dot."""
    return "/." in f"/{path}"


def _in_utf8(path: str) -> str:
    """Return a path of this machine as the history has it, whatever the locale is.

    Bytes that are not UTF-8 stay half surrogates, which is not text.
    """
    return os.fsencode(path).decode(errors="surrogateescape")


def _here(path: str) -> str:
    """Return a path that the history has as this machine takes it."""
    return os.fsdecode(path.encode(errors="surrogateescape"))


def _is_loop(link: str) -> bool:
    """Tell whether a link leads to a folder that it lies in."""
    around = {os.path.realpath(folder) for folder in Path(link).parents}
    return os.path.realpath(link) in around


class Folder:
    """A folder on this machine."""

    def __init__(self, data: str) -> None:
        """Take the folder's path; a relative one is relative to where one is."""
        self.root = _in_utf8(str(Path(data).expanduser().resolve()))

    def list_part(self, part: str) -> Listing:
        """List the JSON files below a part; the version tag is the time of change.

        Links are followed, but for those to a folder that they lie in.
        """
        folder = Path(_here(f"{self.root}/{part}"))
        if not folder.is_dir():
            raise SparkifyError(
                f"There is no folder {folder}.",
                "Name the folder that holds log_data and song_data with --data, or"
                " other names of these two with --log-data and --song-data.",
            )
        files: list[SourceFile] = []
        skipped: list[str] = []
        walk = os.walk(folder, onerror=_unreadable_folder, followlinks=True)
        for below, folders, names in walk:
            above = _in_utf8(below)[len(self.root) + 1 :].replace(os.sep, "/")
            passed_over = [
                name
                for name in folders
                if name.startswith(".")
                or (os.path.islink(f"{below}/{name}") and _is_loop(f"{below}/{name}"))  # noqa: PTH114 -- there may be many
            ]
            skipped.extend(f"{above}/{_in_utf8(name)}/" for name in passed_over)
            folders[:] = sorted(set(folders) - set(passed_over))
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
                    status = os.stat(path)  # noqa: PTH116 -- there may be many
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
        """Give the files' own paths: nothing is copied.

        Raises SparkifyError at the end if one is no longer what was listed.
        """
        paths = [_here(f"{self.root}/{file.path}") for file in files]
        yield paths
        for file, path in zip(files, paths, strict=True):
            try:
                status = os.stat(path)  # noqa: PTH116 -- as in list_part
            except OSError as error:
                raise unreadable(file.path, error) from error
            if (status.st_size, str(status.st_mtime_ns)) != (file.size, file.version):
                raise SparkifyError(
                    f"{file.path} changed while it was read.",
                    "Nothing of this run was loaded: repeat the command once nobody"
                    " writes that file.",
                )
            on_file(file.size)


def _unreadable_folder(error: OSError) -> None:
    raise SparkifyError(
        f"The folder {error.filename} cannot be read: {error.strerror}.",
        "Give yourself the right to read it, or name another one with --data.",
    )


class S3Prefix:
    """A prefix of a bucket in S3, read with the caller's AWS credentials."""

    def __init__(self, data: str) -> None:
        """Take ``s3://bucket`` or ``s3://bucket/prefix``."""
        self.bucket, self.prefix = bucket_and_prefix(data)
        self.root = f"s3://{self.bucket}" + (f"/{self.prefix}" if self.prefix else "")
        self._client: S3Client | None = None

    @property
    def client(self) -> S3Client:
        """The S3 client, made on first use: importing boto3 takes its time."""
        if self._client is None:
            self._client = make_client(
                "s3", connections=PARALLEL_READS, read_timeout=READ_TIMEOUT
            )
        return self._client

    def address(self, path: str) -> str:
        """Give the address of a file below the prefix."""
        return f"{self.root}/{path}"

    def region(self) -> str:
        """Ask for the bucket's region; '' if S3 does not tell."""
        with _reading(self.root):
            answer = self.client.head_bucket(Bucket=self.bucket)
        headers = answer["ResponseMetadata"]["HTTPHeaders"]
        return str(headers.get("x-amz-bucket-region", ""))

    def write(self, path: str, content: IO[bytes]) -> str:
        """Write a file below the prefix, and give its address."""
        shown = self.address(path)
        with aws_errors(f"{shown} cannot be written", _WRITING_ADVICE):
            self.client.put_object(
                Bucket=self.bucket, Key=self._key(path), Body=content
            )
        return shown

    def _key(self, path: str) -> str:
        return f"{self.prefix}/{path}" if self.prefix else path

    def list_part(self, part: str) -> Listing:
        """List the JSON objects below a part; the version tag is the ETag."""
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
                f"There is nothing under {self.root}/{part}.",
                "Name the prefix that holds log_data and song_data with --data, or"
                " other names of these two with --log-data and --song-data.",
            )
        return Listing(tuple(files), tuple(skipped))

    @contextmanager
    def fetch(
        self, files: Sequence[SourceFile], on_file: OnFile
    ) -> Iterator[list[str]]:
        """Read the objects in parallel into a private folder that is removed after."""
        spool = Path(tempfile.mkdtemp(prefix="sparkify-"))
        try:
            names = [
                f"{number}{suffix_of(file.path)}" for number, file in enumerate(files)
            ]
            paths = [str(spool / name) for name in names]
            pool = ThreadPoolExecutor(PARALLEL_READS)
            try:
                for file, _ in zip(files, pool.map(self._read, files, paths)):  # noqa: B905 -- map() is shorter where an object fails
                    on_file(file.size)
            finally:
                pool.shutdown(cancel_futures=True)
            yield paths
        finally:
            shutil.rmtree(spool, ignore_errors=True)

    def _read(self, file: SourceFile, path: str) -> None:
        """Read one object, in the version that was listed or not at all."""
        begun = time.monotonic()
        for attempt in range(READ_ATTEMPTS):
            failure = self._failure_of_copying(file, path)
            if not failure:
                return
            if time.monotonic() - begun > RETRY_SECONDS:
                break
            pause(0.1 * 2**attempt)
        raise SparkifyError(
            f"{self.address(file.path)} cannot be read to its end: {failure}.",
            "Run the same command again; what is loaded stays loaded.",
        )

    def _failure_of_copying(self, file: SourceFile, path: str) -> str:
        """Copy one object; give the reason if not all of it came, '' if it did."""
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
                is_whole = out.tell() == file.size
        # HTTPError is an answer of refusal that was cut off: botocore lets it out.
        except (BotoCoreError, HTTPError, OSError) as error:
            if getattr(error, "errno", None) == errno.ENOSPC:
                raise SparkifyError(
                    f"There is no room for the files of S3 in {tempfile.gettempdir()}.",
                    "Make room there, or name another folder with TMPDIR.",
                ) from error
            return str(error).rstrip(".")
        return "" if is_whole else f"it ends before its {file.size} bytes"


def pause(seconds: float) -> None:
    """Wait before the next attempt."""
    time.sleep(seconds)


_AWS_ADVICE = {
    "AccessDenied": "Ask for s3:ListBucket and s3:GetObject on this prefix, or set"
    " AWS_PROFILE to an identity that has them.",
    "NoSuchBucket": "Check the bucket's name.",
    "NoSuchKey": "It was deleted while the command ran; repeat the command.",
    "PermanentRedirect": "Set AWS_REGION to the region of the bucket.",
    "PreconditionFailed": "It changed while the command ran; repeat the command.",
}


_WRITING_ADVICE = _AWS_ADVICE | {
    "AccessDenied": "Ask for s3:PutObject on this prefix, or name another place.",
}


def _reading(what: str) -> AbstractContextManager[None]:
    """Say what of S3 cannot be read and what to do, in place of a traceback."""
    return aws_errors(f"{what} cannot be read", _AWS_ADVICE)
