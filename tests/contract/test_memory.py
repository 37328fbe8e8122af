"""The memory driver keeps the contract, versioned and not."""

import pytest

from holdall.drivers.memory import MemoryStore
from holdall.testing import MemoryGround, StoreContract


class TestMemory(StoreContract):
    test_no_secret_shows = None  # it has none

    @pytest.fixture
    def store(self):
        with MemoryStore() as store:
            yield store

    @pytest.fixture
    def ground(self, store):
        return MemoryGround(store)


class TestVersionedMemory(TestMemory):
    @pytest.fixture
    def store(self):
        with MemoryStore(versioned=True) as store:
            yield store
