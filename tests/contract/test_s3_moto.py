"""The contract on S3 as moto speaks it: conditions on DELETE and PUT, none on the completion of an update by parts."""

from collections.abc import Iterator

import pytest
from tests.object_stores import opened

from holdall.drivers.objects import S3Store
from holdall.testing import Ground, StoreContract
from holdall.testing.servers import Bucket


class TestMoto(StoreContract):
    secrets = ("testtest",)
    # moto answers 500 now and then while one key is overwritten by many
    rounds = 5

    @pytest.fixture
    def store(self, moto_bucket: Bucket) -> Iterator[S3Store]:
        with opened(moto_bucket) as store:
            store.probe()
            yield store

    @pytest.fixture
    def ground(self, moto_bucket: Bucket) -> Ground:
        return moto_bucket.ground


class TestMotoVersioned(StoreContract):
    @pytest.fixture
    def store(self, moto_versioned_bucket: Bucket) -> Iterator[S3Store]:
        with opened(moto_versioned_bucket, versioned=True) as store:
            store.probe()
            yield store

    @pytest.fixture
    def ground(self, moto_versioned_bucket: Bucket) -> Ground:
        return moto_versioned_bucket.ground
