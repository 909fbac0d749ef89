"""The S3 objects of moto, which runs in this process."""

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
    """Number of writes. While it is the same, no bucket has changed."""

    @property
    def _backend(self) -> Any:
        return s3_backends[self.account]["aws"]

    def make(self, name: str) -> None:
        """Create a bucket if it does not exist."""
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
        return bytes(found.value)

    def has(self, bucket: str, key: str) -> bool:
        """Return whether an object exists."""
        buckets = self._backend.buckets
        return bucket in buckets and key in buckets[bucket].keys

    def objects(self, bucket: str, prefix: str = "") -> list[tuple[str, str]]:
        """Return keys and ETags of the objects below a prefix. Raises AwsError."""
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
