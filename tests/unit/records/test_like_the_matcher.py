"""2.3: for random records and questions each engine answers what the matcher answers over all records, in the same order."""

import asyncio

import pytest
from hypothesis import HealthCheck, given, settings
from tests.unit.records.asking import agrees, contents, queries

from holdall.drivers.memory import MemoryStore
from holdall.records import ObjectDatabase, SQLDatabase

SETTINGS = settings(max_examples=120, deadline=None, suppress_health_check=[HealthCheck.too_slow])


@pytest.fixture(scope="module")
def runner():
    with asyncio.Runner() as runner:
        yield runner


@pytest.fixture(scope="module", params=["index", "no index", "SQLite", "SQLite with indexes"])
def database(request):
    indexes = ["a", "b", "a.b", "metadata.k"]
    made = {
        "index": lambda: ObjectDatabase(MemoryStore(), cache_ttl=3600, indexes=indexes),
        "no index": lambda: ObjectDatabase(MemoryStore(), mirror="off"),
        "SQLite": lambda: SQLDatabase("sqlite://"),
        "SQLite with indexes": lambda: SQLDatabase("sqlite://", indexes=indexes),
    }[request.param]()
    with made as database:
        yield database


@SETTINGS
@given(found=contents, query=queries)
def test_every_engine_is_the_matcher(runner, database, found, query):
    agrees(runner, database, found, query)
