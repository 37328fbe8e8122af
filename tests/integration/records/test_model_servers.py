"""Acceptance 3 on real servers: random operations on PostgreSQL and on S3 agree with a plain dict. Few runs: the cheap engines have many."""

import uuid

import pytest
from hypothesis import settings
from hypothesis.stateful import run_state_machine_as_test
from tests.integration.records.s3 import opened
from tests.unit.records.test_model import Databases

from holdall.records import ObjectDatabase, SQLDatabase

FEW = settings(Databases.TestCase.settings, max_examples=5, stateful_step_count=12)


@pytest.mark.timeout(300)
def test_a03_postgresql(postgres, postgres_database):
    url = postgres.url(postgres_database)

    class Rows(Databases):
        def opened(self):
            table = f"t{uuid.uuid4().hex}"
            return [SQLDatabase(url, table=table) for _ in range(3)]

    run_state_machine_as_test(Rows, settings=FEW)


@pytest.mark.timeout(300)
def test_a03_s3(moto):
    with moto.bucket() as bucket, opened(bucket) as first:
        first.store.probe()

        class Objects(Databases):
            def opened(self):
                place = {"prefix": uuid.uuid4().hex, "cache_ttl": 0}
                return [ObjectDatabase(first.store, mirror=mirror, **place) for mirror in ("memory", "memory", "off")]

        run_state_machine_as_test(Objects, settings=FEW)
