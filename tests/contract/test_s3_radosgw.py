"""The contract on S3 as Ceph speaks it: radosgw, a production server, with the oddities of its age."""

from collections.abc import Iterator

import pytest
from tests.object_stores import VersionedContract, opened

from holdall.drivers.objects import S3Store
from holdall.testing import Ground, StoreContract
from holdall.testing.servers import Bucket


class TestRadosgw(StoreContract):
    secrets = ("testtest",)

    @pytest.fixture
    def store(self, kept_radosgw: Bucket) -> Iterator[S3Store]:
        with opened(kept_radosgw) as store:
            store.probe()
            yield store

    @pytest.fixture
    def ground(self, kept_radosgw: Bucket) -> Ground:
        return kept_radosgw.ground


class TestRadosgwVersioned(VersionedContract):
    @pytest.fixture
    def store(self, kept_radosgw_versioned: Bucket) -> Iterator[S3Store]:
        with opened(kept_radosgw_versioned, versioned=True) as store:
            store.probe()
            yield store

    @pytest.fixture
    def ground(self, kept_radosgw_versioned: Bucket) -> Ground:
        return kept_radosgw_versioned.ground
