"""The contract on S3 as moto speaks it: conditions on DELETE and PUT, none on the completion of an update by parts."""

from collections.abc import Iterator

import pytest
from tests.object_stores import SmallPages, opened

from holdall.drivers.objects import S3Store
from holdall.testing import Ground, StoreContract
from holdall.testing.servers import Bucket


class TestMoto(StoreContract):
    secrets = ("testtest",)

    @pytest.fixture
    def store(self, kept_moto: Bucket) -> Iterator[S3Store]:
        with opened(kept_moto) as store:
            store.probe()
            yield store

    @pytest.fixture
    def ground(self, kept_moto: Bucket) -> Ground:
        return kept_moto.ground


class TestMotoVersioned(SmallPages, StoreContract):
    secrets = ("testtest",)

    @pytest.fixture
    def store(self, kept_moto_versioned: Bucket) -> Iterator[S3Store]:
        with opened(kept_moto_versioned, versioned=True) as store:
            store.probe()
            yield store

    @pytest.fixture
    def ground(self, kept_moto_versioned: Bucket) -> Ground:
        return kept_moto_versioned.ground
