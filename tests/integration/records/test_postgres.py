"""Engine B on a real PostgreSQL."""

import pytest

from holdall.records.sql_database import SQLDatabase
from holdall.testing.records_contract import DatabaseContract


@pytest.fixture
def url(postgres, postgres_database):
    return postgres.url(postgres_database)


class TestPostgres(DatabaseContract):
    @pytest.fixture
    def database(self, url):
        with SQLDatabase(url, indexes=["age", ("city", "address.zip")], gin=True) as database:
            yield database
