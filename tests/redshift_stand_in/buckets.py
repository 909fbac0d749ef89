"""S3 as moto keeps it, in this process: what COPY reads, and what a test puts there."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from moto.core.exceptions import ServiceException
from moto.s3.models import s3_backends

from redshift_stand_in.errors import AwsError


@dataclass
class Buckets:
    """The buckets of an account in one region, without HTTP."""

    account: str
    region: str
    writes: int = 0
    """Grows with each write, so that unchanged buckets need not be listed."""

    @property
    def _backend(self) -> Any:
        return s3_backends[self.account]["aws"]

    def make(self, name: str) -> None:
        """Make a bucket, unless it is there."""
        if name not in self._backend.buckets:
            self._backend.create_bucket(name, self.region)

    def region_of(self, bucket: str) -> str:
        """Return the region of a bucket. Raises AwsError."""
        return str(self._bucket(bucket).region_name)

    def put(self, bucket: str, key: str, body: bytes) -> None:
        """Write an object. Raises AwsError."""
        self._bucket(bucket)
        self._backend.put_object(bucket, key, body)
        self.writes += 1

    def read(self, bucket: str, key: str) -> bytes:
        """Read an object. Raises AwsError."""
        self._bucket(bucket)
        found = self._backend.get_object(bucket, key)
        if found is None:
            raise AwsError("NoSuchKey", "The specified key does not exist.", 404)
        content: bytes = found.value
        return content

    def has(self, bucket: str, key: str) -> bool:
        """Return whether an object is there."""
        buckets = self._backend.buckets
        return bucket in buckets and key in buckets[bucket].keys

    def objects(self, bucket: str, prefix: str = "") -> list[tuple[str, str]]:
        """Return keys and tags of the objects below a prefix. Raises AwsError."""
        found = self._bucket(bucket).keys
        return sorted(
            (key, found[key].etag) for key in list(found) if key.startswith(prefix)
        )

    def empty(self, bucket: str) -> None:
        """Delete all objects of a bucket. Raises AwsError."""
        for key, _ in self.objects(bucket):
            self._backend.delete_object(bucket, key)
        self.writes += 1

    def _bucket(self, name: str) -> Any:
        try:
            return self._backend.get_bucket(name)
        except ServiceException as error:
            raise AwsError(str(error.code), str(error.message), 404) from None
