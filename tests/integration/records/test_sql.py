"""Engine B keeps the contract: SQLite in memory and in a file, and an engine of the caller."""

import pytest
import sqlalchemy as sa

from holdall.records.sql_database import SQLDatabase
from holdall.testing.records_contract import DatabaseContract


class TestSQLiteMemory(DatabaseContract):
    @pytest.fixture
    def database(self):
        with SQLDatabase("sqlite://") as database:
            yield database


class TestSQLiteFile(DatabaseContract):
    @pytest.fixture
    def database(self, tmp_path):
        with SQLDatabase(f"sqlite:///{tmp_path / 'records.db'}", indexes=["age", ("city", "address.zip")]) as database:
            yield database


class TestEngineOfTheCaller(DatabaseContract):
    @pytest.fixture
    def database(self, tmp_path):
        engine = sa.create_engine(f"sqlite:///{tmp_path / 'records.db'}", connect_args={"timeout": 60})
        with SQLDatabase(engine) as database:
            yield database
        engine.dispose()
