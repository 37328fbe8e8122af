"""2.3 on a real PostgreSQL: what `tests/unit/records/test_like_the_matcher.py` holds of the engines that need no server."""

import asyncio

import pytest
from hypothesis import HealthCheck, given, settings
from tests.unit.records.asking import agrees, contents, queries

from holdall.records import SQLDatabase


@pytest.fixture(scope="module")
def runner():
    with asyncio.Runner() as runner:
        yield runner


@pytest.fixture(scope="module", params=[(), ("a", "b", "metadata.k")], ids=["plain", "with indexes"])
def database(request, runner, postgres):
    with postgres.database() as name:
        db = SQLDatabase(postgres.url(name), indexes=request.param)
        yield db
        runner.run(db.close_async())


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(found=contents, query=queries)
def test_postgresql_is_the_matcher(runner, database, found, query):
    agrees(runner, database, found, query)
