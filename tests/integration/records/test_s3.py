"""The contract of databases on S3, as moto and Ceph's gateway speak it."""

import uuid

import pytest
from tests.integration.records.s3 import opened

from holdall.testing import DatabaseContract


@pytest.fixture(scope="module", params=["moto", "radosgw"])
def bucket(request):
    """One bucket for all; each test has a prefix of its own."""
    with request.getfixturevalue(request.param).bucket() as bucket:
        yield bucket


class TestS3(DatabaseContract):
    @pytest.fixture
    def database(self, bucket):
        with opened(bucket, prefix=uuid.uuid4().hex, tags="off") as database:
            database.store.probe()
            yield database
