"""The contract on an HTTP server: nginx with a directory of files, read-only and without listing."""

from collections.abc import Iterator

import pytest

from holdall.drivers.objects import HTTPStore
from holdall.testing import Ground, StoreContract
from holdall.testing.servers import Nginx, Site


class TestHTTP(StoreContract):
    """Behind a password."""

    @pytest.fixture
    def site(self, nginx: Nginx) -> Iterator[Site]:
        with nginx.site("private/") as site:
            yield site

    @pytest.fixture
    def store(self, nginx: Nginx, site: Site) -> Iterator[HTTPStore]:
        self.secrets = (nginx.password,)
        with HTTPStore(site.url, username=nginx.user, password=nginx.password) as store:
            yield store

    @pytest.fixture
    def ground(self, site: Site) -> Ground:
        return site.ground
