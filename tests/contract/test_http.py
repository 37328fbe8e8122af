"""The contract on an HTTP server: nginx with a directory of files, read-only and without listing."""

from collections.abc import Iterator

import pytest

from holdall.drivers.objects import HTTPStore
from holdall.testing import Ground, StoreContract
from holdall.testing.servers import Site


class TestHTTP(StoreContract):
    @pytest.fixture
    def store(self, nginx_site: Site) -> Iterator[HTTPStore]:
        with HTTPStore(nginx_site.url) as store:
            yield store

    @pytest.fixture
    def ground(self, nginx_site: Site) -> Ground:
        return nginx_site.ground
