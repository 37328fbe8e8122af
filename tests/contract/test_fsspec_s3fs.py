"""The contract on a program's own s3fs instance, against moto."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import s3fs
from tests.object_stores import SmallPages, VersionedContract

from holdall.drivers.fsspec import FsspecStore
from holdall.testing import Ground, StoreContract
from holdall.testing.servers import Bucket


def filesystem(bucket: Bucket, **options) -> s3fs.S3FileSystem:
    """Return an instance such as a program would make."""
    return s3fs.S3FileSystem(
        key=bucket.server.access_key,
        secret=bucket.server.secret_key,
        endpoint_url=bucket.server.endpoint,
        client_kwargs={"region_name": "us-east-1"},
        **options,
    )


class OverS3fs:
    """The fixtures over a bucket."""

    @pytest.fixture
    def store(self, bucket: Bucket) -> Iterator[FsspecStore]:
        with FsspecStore(filesystem(bucket), path=bucket.name) as store:
            store.probe()
            yield store

    @pytest.fixture
    def ground(self, bucket: Bucket) -> Ground:
        return bucket.ground


class TestS3fs(OverS3fs, SmallPages, StoreContract):
    """A bucket."""

    secrets = ("testtest",)

    @pytest.fixture
    def bucket(self, kept_moto: Bucket) -> Bucket:
        return kept_moto


class TestS3fsVersioned(OverS3fs, VersionedContract):
    """A versioned bucket."""

    @pytest.fixture
    def bucket(self, kept_moto_versioned: Bucket) -> Bucket:
        return kept_moto_versioned
