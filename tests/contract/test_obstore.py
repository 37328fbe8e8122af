"""The contract on an obstore instance that the user built."""

import asyncio
from collections.abc import Iterator

import obstore
import obstore.store
import pytest

from holdall.core.options import GetOptions
from holdall.drivers.objects import ObstoreStore
from holdall.drivers.objects_result import SMALL
from holdall.drivers.objects_values import is_odd
from holdall.testing import Ground, StoreContract


class NativeGround(Ground):
    """The instance itself."""

    def __init__(self, native) -> None:
        self.native = native

    def write(self, key: str, data: bytes) -> None:
        obstore.put(self.native, key, data)

    def read(self, key: str) -> bytes | None:
        try:
            return obstore.get(self.native, key).bytes().to_bytes()
        except FileNotFoundError:
            return None

    def delete(self, key: str) -> None:
        obstore.delete(self.native, key)

    def everything(self) -> set[str]:
        return {item["path"] for item in obstore.list(self.native).collect()}

    def can_hold(self, key: str) -> bool:
        return not is_odd(key)


class TestObstoreMemory(StoreContract):
    test_no_secret_shows = None  # it has none

    @pytest.fixture
    def native(self):
        return obstore.store.MemoryStore()

    @pytest.fixture
    def store(self, native) -> Iterator[ObstoreStore]:
        with ObstoreStore(native) as store:
            yield store

    @pytest.fixture
    def ground(self, native) -> Ground:
        return NativeGround(native)


@pytest.mark.parametrize(("size", "buffered"), [(0, True), (SMALL, True), (SMALL + 1, False)])
def test_small_bodies_come_with_their_answer(size, buffered):
    """In both colours; a range counts by its own length, and the description is the whole object's."""
    data = bytes(range(256)) * (size // 256) + b"x" * (size % 256)
    with ObstoreStore(obstore.store.MemoryStore()) as store:
        store.put("k", data)

        async def read():
            result = await store.get_async("k")
            return result.buffered, await result.bytes_async(), result.meta

        result = store.get("k")
        for answer in ((result.buffered, result.bytes(), result.meta), asyncio.run(read())):
            assert answer == (buffered, data, store.head("k"))
        if size:
            part = store.get("k", GetOptions(range=(0, 3)))
            assert (part.buffered, part.range, part.meta.size, part.bytes()) == (True, (0, 3), size, data[:3])
