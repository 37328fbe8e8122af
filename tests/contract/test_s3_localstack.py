"""The contract on S3 as LocalStack speaks it: all conditions but those on DELETE."""

from collections.abc import Iterator

import pytest
from tests.object_stores import VersionedContract, opened

from holdall.drivers.objects import S3Store
from holdall.testing import Ground, StoreContract
from holdall.testing.servers import Bucket


class TestLocalStack(StoreContract):
    @pytest.fixture
    def store(self, localstack_bucket: Bucket) -> Iterator[S3Store]:
        with opened(localstack_bucket) as store:
            store.probe()
            yield store

    @pytest.fixture
    def ground(self, localstack_bucket: Bucket) -> Ground:
        return localstack_bucket.ground


class TestLocalStackVersioned(VersionedContract):
    many = 1005

    @pytest.fixture
    def store(self, localstack_versioned_bucket: Bucket) -> Iterator[S3Store]:
        with opened(localstack_versioned_bucket, versioned=True) as store:
            store.probe()
            yield store

    @pytest.fixture
    def ground(self, localstack_versioned_bucket: Bucket) -> Ground:
        return localstack_versioned_bucket.ground
