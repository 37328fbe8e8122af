"""The contract on a real WebDAV server."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from holdall.core.options import PutOptions
from holdall.drivers.webdav import WebDAVStore
from holdall.errors import InvalidKeyError, NotFoundError, NotSupportedError, UnavailableError
from holdall.store import Store
from holdall.testing import Ground, StoreContract
from holdall.testing.colour import Colour
from holdall.testing.contract.base import read
from holdall.testing.servers import Folder, WebDav


class TestWebDAV(StoreContract):
    """wsgidav."""

    batch = 45  # each key is a request

    @pytest.fixture
    def store(self, webdav: WebDav, webdav_folder: Folder) -> Iterator[WebDAVStore]:
        self.secrets = (webdav.password,)
        with WebDAVStore(webdav.url, path=webdav_folder.path, username=webdav.user, password=webdav.password) as store:
            yield store

    @pytest.fixture
    def ground(self, webdav_folder: Folder) -> Ground:
        return webdav_folder.ground

    def test_readers_see_whole_values(self, store: Store, ground: Ground, colour: Colour) -> None:
        """Every reader gets one value or the other, whole; or nothing, as MOVE may delete first (RFC 4918, 9.9.3)."""
        values = {b"a" * 50_000, b"b" * 190_000}
        store.put("k", min(values))

        def body(number: int, own: Colour) -> set[bytes]:
            mine = own(store)
            seen = set()
            for _ in range(self.rounds):
                if number == 0:
                    for value in sorted(values):
                        mine.put("k", value)
                    continue
                try:
                    seen.add(read(mine, "k"))
                except NotFoundError:
                    continue
            return seen

        assert set().union(*colour.in_threads(3, body)) <= values
        assert ground.keys() == {"k"}
        assert read(store, "k") == max(values)

    def test_names_that_the_server_would_cut_off(self, verbs: Store, ground: Ground) -> None:
        """wsgidav decodes the target of a MOVE before it takes it apart: such a name is refused, and its stem untouched."""
        ground.write_many({"query": b"precious", "source": b"other"})
        before = ground.snapshot()
        for key in ("query?x=1", "query;x", "que\try"):
            with pytest.raises(InvalidKeyError):
                verbs.put(key, b"new")
            with pytest.raises(InvalidKeyError):
                verbs.copy("source", key)
        assert ground.snapshot() == before

    def test_no_compare_and_set(self, verbs: Store, ground: Ground) -> None:
        """Its etags cannot carry one: inode, second and size come again."""
        ground.write("k", b"old")
        etag = verbs.head("k").etag
        with pytest.raises(NotSupportedError):
            verbs.put("k", b"new", PutOptions(mode="update", if_match=etag))
        with pytest.raises(NotSupportedError):
            verbs.delete("k", if_match=etag)
        assert ground.read("k") == b"old"


@pytest.mark.parametrize("first", ["head", "list", "put", "directory"])
def test_the_root_is_made_once_or_never(webdav: WebDav, webdav_folder: Folder, colour: Colour, first: str) -> None:
    """A missing root is made by whatever comes first; told not to make it, by nothing."""

    def begin(store: Store) -> None:
        verbs = colour(store)
        if first == "head":
            with pytest.raises(NotFoundError, match="nothing at 'k'"):
                verbs.head("k")
        elif first == "list":
            assert list(verbs.list()) == []
        else:
            verbs.put("k/" if first == "directory" else "sub/k", b"")

    place = {"username": webdav.user, "password": webdav.password}
    path = f"{webdav_folder.path}/not/yet"
    with (
        WebDAVStore(webdav.url, path=path, create=False, **place) as store,
        pytest.raises(UnavailableError, match="base directory"),
    ):
        begin(store)
    assert not webdav_folder.ground.snapshot()
    with WebDAVStore(webdav.url, path=path, **place) as store:
        begin(store)
    with WebDAVStore(webdav.url, path=path, create=False, **place) as store:
        list(colour(store).list())
