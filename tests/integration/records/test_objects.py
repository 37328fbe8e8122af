"""The contract of databases on objects: memory and local disk."""

import pytest

from holdall.drivers.local import LocalStore
from holdall.drivers.memory import MemoryStore
from holdall.records import ObjectDatabase
from holdall.testing import DatabaseContract


class TestMemory(DatabaseContract):
    @pytest.fixture
    def database(self):
        with ObjectDatabase(MemoryStore()) as database:
            yield database


class TestLocal(DatabaseContract):
    @pytest.fixture
    def database(self, tmp_path):
        with ObjectDatabase(LocalStore(tmp_path / "root", create=True), owned=True) as database:
            yield database
