"""Acceptance 20 on a real server: a listing of several pages goes on in ranges at once, and finds what a serial one finds."""

import math

import pytest
from tests.integration.records.s3 import Counted, opened

from holdall.records import Filter, Record
from holdall.testing import FaultProxy

MANY = 4_200
PAGES = math.ceil(MANY / 1000)


@pytest.fixture(scope="module")
def filled(radosgw):
    """A bucket of Ceph's with records of minted ids, and some behind them that begin alike."""
    with radosgw.bucket() as bucket:
        with opened(bucket, tags="off", mirror="off") as db:
            ids = db.batch_create(
                Record({"n": n, "even": n % 2 == 0}, id=f"user-{n:06}" if n % 3 == 0 else None) for n in range(MANY)
            )
        yield bucket, sorted(ids)


def test_a20_ranges_of_a_real_listing(filled, colour):
    bucket, ids = filled
    client = bucket.client.get_paginator("list_objects_v2")
    serial = [each["Key"] for page in client.paginate(Bucket=bucket.name, Prefix="records/") for each in page["Contents"]]
    assert sorted(serial) == sorted(f"records/{id}.json" for id in ids)
    with FaultProxy(bucket.server.endpoint) as proxy:
        with opened(bucket, proxy=proxy, tags="off", mirror="memory") as db, Counted(proxy) as sent:
            assert colour(db).count() == MANY
        listings = [target for method, target in sent.all if "list-type" in target]
        assert len(listings) == len(sent.all), "no record is read to count them"
        assert PAGES <= len(listings) <= 2 * PAGES + 80
        assert len([target for target in listings if "start-after=" in target]) > 1, "in ranges, not page by page"
        with opened(bucket, proxy=proxy, tags="off", mirror="memory") as db:
            with Counted(proxy) as sent:
                found = colour(db).search(Filter("even", "=", True))
            with opened(bucket, tags="off", mirror="off") as other:
                other.create(Record({"n": MANY, "even": True}, id="behind all"))
                with Counted(proxy) as again:
                    last = colour(db).search(Filter("n", ">=", MANY - 1), max_age=0)
                other.delete("behind all")
        assert sorted(record["n"] for record in last) == [MANY - 1, MANY]
        assert (again.methods.count("GET"), again.methods.count("LIST") <= 2 * PAGES + 80) == (1, True)
        assert [record.id for record in found] == sorted(record.id for record in found)
        assert sorted(record["n"] for record in found) == list(range(0, MANY, 2))
        assert {record.id for record in found} <= set(ids)
        assert sent.methods.count("GET") == MANY
        assert PAGES <= sent.methods.count("LIST") <= 2 * PAGES + 80
        assert len(sent.all) == sent.methods.count("GET") + sent.methods.count("LIST")
