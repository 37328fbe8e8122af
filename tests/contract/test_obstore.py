"""The contract on an obstore instance that the user built."""

from collections.abc import Iterator

import obstore
import obstore.store
import pytest

from holdall.drivers.objects import ObstoreStore
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
