"""Every wrapper keeps the contract, over memory and over local disk."""

import pytest

from holdall.core.keys import MAX_KEY_BYTES
from holdall.drivers.local import LocalStore
from holdall.drivers.memory import MemoryStore
from holdall.testing import LocalGround, MemoryGround, StoreContract
from holdall.testing.ground import Ground
from holdall.wrappers.cached import CachedStore
from holdall.wrappers.dynamic import DynamicPrefixStore
from holdall.wrappers.limited import LimitedStore
from holdall.wrappers.observed import ObservedStore
from holdall.wrappers.prefix import PrefixStore
from holdall.wrappers.readonly import ReadOnlyStore
from holdall.wrappers.restricted import RestrictedStore


class Below(Ground):
    """The part of a ground that a prefix store shows."""

    def __init__(self, ground, prefix):
        self.ground = ground
        self.prefix = prefix

    def write(self, key, data):
        self.ground.write(self.prefix + key, data)

    def read(self, key):
        return self.ground.read(self.prefix + key)

    def delete(self, key):
        self.ground.delete(self.prefix + key)

    def everything(self):
        return {key.removeprefix(self.prefix) for key in self.ground.everything() if key.startswith(self.prefix)}

    def unfinished(self):
        return self.ground.unfinished()

    def can_hold(self, key):
        return self.ground.can_hold(key) and len((self.prefix + key).encode()) <= MAX_KEY_BYTES


class OverMemory(StoreContract):
    test_no_secret_shows = None  # it has none

    prefix = ""

    @pytest.fixture
    def inner(self):
        return MemoryStore()

    @pytest.fixture
    def ground(self, inner):
        whole = MemoryGround(inner)
        return Below(whole, self.prefix) if self.prefix else whole

    @pytest.fixture
    def store(self, inner):
        with self.wrap(inner) as store:
            yield store

    def wrap(self, inner):
        raise NotImplementedError


class OverLocal(OverMemory):
    @pytest.fixture
    def inner(self, tmp_path):
        (tmp_path / "root" / self.prefix).mkdir(parents=True)
        return LocalStore(tmp_path / "root")

    @pytest.fixture
    def ground(self, inner):
        whole = LocalGround(inner.root)
        return Below(whole, self.prefix) if self.prefix else whole


class TestPrefix(OverMemory):
    prefix = "some/where/"

    def wrap(self, inner):
        return PrefixStore(inner, "some/where")


class TestDynamicPrefix(OverMemory):
    prefix = "some/where/"

    def wrap(self, inner):
        return DynamicPrefixStore(inner, lambda: "some/where")


class TestReadOnly(OverMemory):
    def wrap(self, inner):
        return ReadOnlyStore(inner)


class TestNoDelete(OverMemory):
    def wrap(self, inner):
        return RestrictedStore(inner, "readwrite")


class TestLimited(OverMemory):
    def wrap(self, inner):
        return LimitedStore(inner, concurrency=2, rate=100_000)


class TestObserved(OverMemory):
    def wrap(self, inner):
        return ObservedStore(inner, name="observed")


class TestCachedInMemory(OverMemory):
    def wrap(self, inner):
        return CachedStore(inner)


class TestCachedOnDisk(OverMemory):
    @pytest.fixture
    def store(self, inner, tmp_path):
        with CachedStore(inner, directory=tmp_path / "cache") as store:
            yield store


class TestChain(OverMemory):
    """All at once, in an order that a mount may have."""

    prefix = "some/where/"

    def wrap(self, inner):
        limited = LimitedStore(inner, concurrency=4)
        return RestrictedStore(CachedStore(PrefixStore(ObservedStore(limited), "some/where")), "delete")


class TestLocalCachedOnDisk(OverLocal, TestCachedOnDisk):
    pass


class TestLocalChain(OverLocal, TestChain):
    pass
