"""The contract of databases on objects: memory, local disk, a tiered store."""

import importlib

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
    one_place = False

    @pytest.fixture
    def database(self):
        with FileStore(MemoryStore(), MemoryStore()) as files, ObjectDatabase(files.store) as database:
            yield database


PLACES = {
    "memory": "test_objects.TestMemory",
    "local": "test_objects.TestLocal",
    "tiered Store": "test_objects.TestTiered",
    "S3": "test_s3.TestMoto",
    "S3, another server": "test_s3.TestRadosgw",
    "SQLite in a file": "test_sql.TestSQLiteFile",
    "SQLite in memory": "test_sql.TestSQLiteMemory",
    "PostgreSQL": "test_postgres.TestPostgres",
}


@pytest.mark.parametrize("place", list(PLACES))
def test_a02_one_contract_for_every_engine(place):
    """An engine says how it is opened, and whether it keeps a record in one place: no test of the contract is its own."""
    module, name = PLACES[place].split(".")
    suite = getattr(importlib.import_module(f"tests.integration.records.{module}"), name)
    assert issubclass(suite, DatabaseContract)
    assert {each for each in vars(suite) if not each.startswith("__")} <= {"database", "one_place"}
