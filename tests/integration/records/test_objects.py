"""The contract of databases on objects: memory, local disk, a tiered store."""

import pytest

from holdall.drivers.local import LocalStore
from holdall.drivers.memory import MemoryStore
from holdall.records import ObjectDatabase
from holdall.testing import DatabaseContract
from holdall.tiers import FileStore


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


class TestTiered(DatabaseContract):
    contended = False  # without a conditional delete over several locations, an update that races one may leave a copy

    @pytest.fixture
    def database(self):
        with FileStore(MemoryStore(), MemoryStore()) as files, ObjectDatabase(files.store) as database:
            yield database
