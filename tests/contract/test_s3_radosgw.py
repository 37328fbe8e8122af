"""The contract on S3 as Ceph speaks it: radosgw, a production server, with the oddities of its age."""

from collections.abc import Iterator

import pytest
from tests.object_stores import VersionedContract, opened

from holdall.drivers.objects import S3Store
from holdall.testing import Ground, StoreContract
from holdall.testing.servers import Bucket


class TestRadosgw(StoreContract):
    @pytest.fixture
    def store(self, radosgw_bucket: Bucket) -> Iterator[S3Store]:
        with opened(radosgw_bucket) as store:
            store.probe()
            yield store

    @pytest.fixture
    def ground(self, radosgw_bucket: Bucket) -> Ground:
        return radosgw_bucket.ground


class TestRadosgwVersioned(VersionedContract):
    @pytest.fixture
    def store(self, radosgw_versioned_bucket: Bucket) -> Iterator[S3Store]:
        with opened(radosgw_versioned_bucket, versioned=True) as store:
            store.probe()
            yield store

    @pytest.fixture
    def ground(self, radosgw_versioned_bucket: Bucket) -> Ground:
        return radosgw_versioned_bucket.ground
