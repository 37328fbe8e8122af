"""Acceptance 8 and 19: how many requests each verb sends, counted at a proxy in front of a real server, in both colours."""

import asyncio
import uuid

import pytest
from tests.integration.records.s3 import Counted, opened

from holdall.records import Filter, Query, Record
from holdall.testing import FaultProxy


@pytest.fixture(scope="module")
def bucket(moto):
    with moto.bucket() as bucket:
        yield bucket


@pytest.fixture(scope="module")
def proxy(bucket):
    with FaultProxy(bucket.server.endpoint) as proxy:
        yield proxy


@pytest.fixture
def place(bucket, proxy):
    """Opens databases on one fresh prefix; each has a mirror of its own unless a path is given."""
    made = []
    prefix = uuid.uuid4().hex

    def make(**options):
        database = opened(bucket, proxy=proxy, **{"prefix": prefix, "mirror": "memory", "tags": "off", **options})
        made.append(database)
        return database

    make().store.probe()  # asked once per process and bucket, not by these verbs
    yield make
    for database in made:
        database.close()


def count(proxy):
    return Counted(proxy)


def test_a08_opening_sends_nothing(place, proxy):
    with count(proxy) as sent:
        repr(place())
        assert place().capabilities.compare_and_set
    assert sent.all == []


def test_a08_point_operations(place, proxy, colour):
    db = colour(place())
    steps = [
        (lambda: db.create(Record({"id": "a", "n": 1})), ["PUT"]),
        (lambda: db.read("a"), ["GET"]),
        (lambda: db.exists("a"), ["HEAD"]),
        (lambda: db.get_version("a"), ["HEAD"]),
        (lambda: db.update("a", Record({"n": 2})), ["PUT"]),
        (lambda: db.upsert("a", Record({"n": 3})), ["PUT"]),
        (lambda: db.delete("a"), ["DELETE"]),
        (lambda: db.upsert("a", Record({"n": 3})), ["PUT"]),
        (lambda: db.modify("a", lambda record: record), ["GET", "PUT"]),
    ]
    for step, expected in steps:
        with count(proxy) as sent:
            step()
        assert sent.methods == expected, expected


def test_a08_a_delete_of_what_a_listing_showed(place, proxy, colour):
    place().batch_create(Record({"id": name}) for name in "ab")
    db = colour(place(mirror="memory"))
    assert db.count() == 2
    with count(proxy) as sent:
        assert db.delete("a") is True
    assert sent.methods == ["DELETE"]
    assert db.count() == 1


def test_a08_point_operations_on_what_others_wrote(place, proxy, colour):
    writer = place()
    for name in "abc":
        writer.create(Record({"id": name, "n": 1}))
    for step, expected in [
        (lambda db: db.update("a", Record({"n": 2})), ["GET", "PUT"]),
        (lambda db: db.upsert("a", Record({"n": 2})), ["GET", "PUT"]),
        (lambda db: db.delete("b"), ["DELETE", "HEAD"]),
        (lambda db: db.delete("nobody"), ["HEAD"]),
        (lambda db: db.update("nobody", Record({})), ["GET"]),
        (lambda db: db.delete("c", expected_version=writer.get_version("c")), ["DELETE", "HEAD"]),
    ]:
        db = colour(place())
        db.exists("a")  # a store's first "not there" is followed by a look whether the bucket is there at all
        with count(proxy) as sent:
            step(db)
        assert sent.methods == expected, expected


def test_a08_known_by_the_mirror(place, proxy, colour, tmp_path):
    first = place(mirror=tmp_path / "mirror")
    first.create(Record({"id": "a", "n": 1}))
    first.close()
    db = colour(place(mirror=tmp_path / "mirror"))
    with count(proxy) as sent:
        assert db.update("a", Record({"n": 2})) is True
    assert sent.methods == ["PUT"]


def test_a08_a_lost_race_costs_two_more(place, proxy, colour):
    mine, other = place(), place()
    mine.create(Record({"id": "a", "n": 1}))
    mine.update("a", Record({"n": 1}))  # a store learns once how the service wants etags spelt
    other.update("a", Record({"n": 2}))
    with count(proxy) as sent:
        assert colour(mine).update("a", Record({"n": 3})) is True
    assert [m for m in sent.methods if m != "HEAD"] == ["GET", "PUT", "PUT"]


def test_a08_batches(place, proxy, colour):
    db = colour(place())
    ids = [f"{i:04}" for i in range(120)]
    with count(proxy) as sent:
        db.batch_create([Record({"id": name}) for name in ids])
    assert sent.methods == ["PUT"] * 120
    with count(proxy) as sent:
        db.batch_read(ids)
    assert sent.methods == ["GET"] * 120
    with count(proxy) as sent:
        assert db.batch_delete(ids[:60]) == [True] * 60
    assert sent.methods == ["POST"]
    stranger = colour(place())
    with count(proxy) as sent:
        assert stranger.batch_delete(ids) == [False] * 60 + [True] * 60
    assert sent.methods == ["LIST", "POST"]
    with count(proxy) as sent:
        assert stranger.batch_delete(["x"]) == [False]
    assert sent.methods == ["HEAD"]


def test_a08_a19_searches(place, proxy, colour):
    writer = place()
    writer.batch_create([Record({"id": f"u{i:03}", "n": i}) for i in range(40)])
    db = colour(place())
    condition = Filter("n", ">", 35)
    with count(proxy) as sent:
        assert len(db.search(condition)) == 4
    assert sent.methods == ["GET"] * 40 + ["LIST"], "cold: a listing, and each record"
    for ask in (lambda: db.search(condition), db.count, lambda: db.count(condition), lambda: list(db.stream())):
        with count(proxy) as sent:
            ask()
        assert sent.all == [], "fresh: nothing"
    with count(proxy) as sent:
        assert db.select_query("SELECT count(*) AS n FROM S3Object WHERE n > 35") == [{"n": 4}]
    assert sent.all == []
    writer.update("u000", Record({"n": 100}))
    writer.delete("u001")
    with count(proxy) as sent:
        assert len(db.search(condition)) == 4
    assert sent.all == []
    with count(proxy) as sent:
        assert len(db.search(condition, max_age=0)) == 5
    assert sent.methods == ["GET", "LIST"], "stale: a listing, and what changed"
    db.create(Record({"id": "own", "n": 200}))
    with count(proxy) as sent:
        assert len(db.search(condition)) == 6
        assert db.count() == 40
    assert sent.all == [], "own writes are known at once"


def test_a08_narrow_searches_on_a_cold_mirror(place, proxy, colour):
    place().batch_create([Record({"id": f"{kind}-{i:02}", "n": i}) for kind in ("a", "b") for i in range(10)])
    for query, expected in [
        (Filter("id", "=", "a-03"), ["GET"]),
        (Filter("id", "in", ["a-01", "b-02", "nobody"]), ["GET"] * 3),
        (Filter("id", "startswith", "b-"), ["GET"] * 10 + ["LIST"]),
        (Query().limit(3), ["GET"] * 3 + ["LIST"]),
    ]:
        db = colour(place())
        with count(proxy) as sent:
            db.search(query)
        assert sent.methods == expected, query


def test_a08_the_first_records_of_many_on_a_cold_mirror(place, proxy):
    """1,100 of them are two pages; one is read, unless the order of ids could make the other matter."""
    place().batch_create([Record({}, id=f"{i:032x}") for i in range(1100)])
    query = Query().limit(20)
    for ask in (lambda db: db.search(query), lambda db: asyncio.run(db.search_async(query))):
        with count(proxy) as sent:
            assert [record.id for record in ask(place())] == [f"{i:032x}" for i in range(20)]
        assert sent.methods == ["GET"] * 20 + ["LIST"]


def test_a08_count_and_clear(place, proxy, colour):
    place().batch_create([Record({"id": f"{i:02}"}) for i in range(15)])
    db = colour(place())
    with count(proxy) as sent:
        assert db.count() == 15
    assert sent.methods == ["LIST"]
    with count(proxy) as sent:
        assert db.clear() == 15
    assert sent.methods == ["LIST", "POST"]


def test_a19_cache_ttl(place, proxy, colour):
    place().create(Record({"id": "a"}))
    always = colour(place(cache_ttl=0))
    for _ in range(2):
        with count(proxy) as sent:
            assert always.count() == 1
        assert sent.methods == ["LIST"]
    never = colour(place(cache_ttl=float("inf")))
    never.count()
    place().create(Record({"id": "b"}))
    assert never.count() == 1
    with count(proxy) as sent:
        assert never.refresh().records == 2
    assert sent.methods == ["GET", "GET", "LIST"]
