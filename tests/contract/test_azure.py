"""The contract on Azure Blob Storage: Azurite."""

from collections.abc import Iterator

import pytest
from tests.object_stores import SmallPages, contained

from holdall.drivers.objects import AzureStore
from holdall.testing import Ground, StoreContract
from holdall.testing.servers import Container


class TestAzure(SmallPages, StoreContract):
    batch = 260  # its batches are of 256
    put_headers = {"Content-Type": "application/octet-stream", "x-ms-blob-type": "BlockBlob"}  # noqa: RUF012  # read only

    @pytest.fixture
    def store(self, azurite_container: Container) -> Iterator[AzureStore]:
        self.secrets = (azurite_container.server.key,)
        with contained(azurite_container) as store:
            yield store

    @pytest.fixture
    def ground(self, azurite_container: Container) -> Ground:
        return azurite_container.ground
