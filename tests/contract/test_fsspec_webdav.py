"""The contract on a program's own WebDAV filesystem of fsspec (webdav4)."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from fsspec.implementations.cached import WholeFileCacheFileSystem
from tests.contract.test_webdav import TestWebDAV as Contract
from webdav4.fsspec import WebdavFileSystem

from holdall.drivers.fsspec import FsspecStore
from holdall.errors import InvalidKeyError
from holdall.testing.servers import Folder, WebDav


class TestFsspecWebDAV(Contract):
    """A folder: what holds of our own driver."""

    many = 205  # each key is a request

    @pytest.fixture
    def store(self, webdav: WebDav, webdav_folder: Folder) -> Iterator[FsspecStore]:
        self.secrets = (webdav.password,)
        fs = WebdavFileSystem(webdav.url, auth=(webdav.user, webdav.password), skip_instance_cache=True)
        with FsspecStore(fs, path=webdav_folder.path) as store:
            yield store
        fs.client.http.close()

    def test_the_client_stays_the_program_s(self, webdav: WebDav, webdav_folder: Folder) -> None:
        """Its login may stand in the address; closing the store closes nothing of the program's."""
        address = webdav.url.replace("://", f"://{webdav.user}:{webdav.password}@")
        fs = WebdavFileSystem(address, skip_instance_cache=True)
        with FsspecStore(fs, path=webdav_folder.path) as store:
            store.put("k", b"1")
            assert webdav.password not in repr(store)
        assert fs.exists(f"{webdav_folder.path}/k")
        fs.client.http.close()

    @pytest.mark.parametrize("key", ["%2e%2e/x", "a%2Fb", "cut#off", "cut?off"])
    def test_where_names_are_addresses_none_climbs(self, webdav: WebDav, webdav_folder: Folder, key: str) -> None:
        """Through a cache the filesystem itself is asked: what it would take apart is refused."""
        login = {"base_url": webdav.url, "auth": (webdav.user, webdav.password)}
        fs = WholeFileCacheFileSystem(fs=WebdavFileSystem(**login, skip_instance_cache=True))
        with FsspecStore(fs, path=webdav_folder.path) as store:
            for act in (store.head, store.get, store.delete, lambda name: store.put(name, b"")):
                with pytest.raises(InvalidKeyError):
                    act(key)
        fs.fs.client.http.close()
        with FsspecStore("simplecache::webdav", path=webdav_folder.path) as store, pytest.raises(InvalidKeyError):
            store.get(key)
        assert webdav_folder.ground.keys() == set()
