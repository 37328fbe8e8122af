"""The contract of databases on S3, as moto and Ceph's gateway speak it."""

import uuid

import pytest
from tests.integration.records.s3 import opened

from holdall.testing import DatabaseContract


@pytest.fixture(scope="module")
def moto_place(moto):
    """One bucket for all; each test has a prefix of its own."""
    with moto.bucket() as bucket:
        yield bucket


@pytest.fixture(scope="module")
def radosgw_place(radosgw):
    with radosgw.bucket() as bucket:
        yield bucket


class TestMoto(DatabaseContract):
    @pytest.fixture
    def database(self, moto_place):
        with opened(moto_place, prefix=uuid.uuid4().hex, tags="off") as database:
            database.store.probe()
            yield database


class TestRadosgw(DatabaseContract):
    @pytest.fixture
    def database(self, radosgw_place):
        with opened(radosgw_place, prefix=uuid.uuid4().hex, tags="off") as database:
            database.store.probe()
            yield database
