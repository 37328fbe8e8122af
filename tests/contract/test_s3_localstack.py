"""The contract on S3 as LocalStack speaks it: all conditions but those on DELETE."""

from collections.abc import Iterator

import pytest
from tests.object_stores import VersionedContract, opened

from holdall.drivers.objects import S3Store
from holdall.testing import Ground, StoreContract
from holdall.testing.servers import Bucket


class TestLocalStack(StoreContract):
    secrets = ("one-that-stands-out",)

    @pytest.fixture
    def store(self, kept_localstack: Bucket, request: pytest.FixtureRequest) -> Iterator[S3Store]:
        # it looks at the secret of signed addresses only; its own is "test", which stands in too many texts to be looked for
        shown = "no_secret_shows" in request.node.name
        with opened(kept_localstack, **({"secret_access_key": self.secrets[0]} if shown else {})) as store:
            store.probe()
            yield store

    @pytest.fixture
    def ground(self, kept_localstack: Bucket) -> Ground:
        return kept_localstack.ground


class TestLocalStackVersioned(VersionedContract):
    @pytest.fixture
    def store(self, kept_localstack_versioned: Bucket) -> Iterator[S3Store]:
        with opened(kept_localstack_versioned, versioned=True) as store:
            store.probe()
            yield store

    @pytest.fixture
    def ground(self, kept_localstack_versioned: Bucket) -> Ground:
        return kept_localstack_versioned.ground
