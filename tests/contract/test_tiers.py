"""A tiered store keeps the contract, over memory and memory."""

import pytest

from holdall.drivers.memory import MemoryStore
from holdall.testing import MemoryGround, StoreContract
from holdall.testing.ground import Ground
from holdall.tiers import FileStore


class Everywhere(Ground):
    """Writes to the first place, deletes from all, and shows what any of them has."""

    def __init__(self, *grounds):
        self.grounds = grounds

    def write(self, key, data):
        for ground in self.grounds:
            ground.write(key, data)

    def read(self, key):
        return next((data for ground in self.grounds if (data := ground.read(key)) is not None), None)

    def delete(self, key):
        for ground in self.grounds:
            if key in ground.everything():
                ground.delete(key)

    def everything(self):
        return set().union(*(ground.everything() for ground in self.grounds))

    def unfinished(self):
        return sum(ground.unfinished() for ground in self.grounds)

    def can_hold(self, key):
        return all(ground.can_hold(key) for ground in self.grounds)


class TestMemoryAndMemory(StoreContract):
    test_no_secret_shows = None  # it has none

    @pytest.fixture
    def places(self):
        return MemoryStore(), MemoryStore()

    @pytest.fixture
    def ground(self, places):
        return Everywhere(*map(MemoryGround, places))

    @pytest.fixture
    def store(self, places):
        with FileStore(*places) as fs:
            yield fs.store
