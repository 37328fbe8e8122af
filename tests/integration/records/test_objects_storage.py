"""What is stored and what goes wrong: layout, tags, classes, large records, faults of the server, strangers' objects."""

import json
import logging
import os
import pickle
import traceback
import uuid
import warnings
from functools import partial

import pytest
from tests.integration.records.s3 import Counted, opened

from holdall.core.meta import ListPage
from holdall.drivers.local import LocalStore
from holdall.drivers.memory import MemoryStore
from holdall.errors import (
    ConfigError,
    NotFoundError,
    NotSupportedError,
    PermissionDeniedError,
    UnavailableError,
)
from holdall.records import (
    BatchError,
    CorruptRecordError,
    DatabaseNotFoundError,
    Filter,
    ObjectDatabase,
    Query,
    QueryError,
    Record,
    RecordArchivedError,
    S3Database,
    SerializationError,
    TagsOmittedWarning,
    UnreadableWarning,
)
from holdall.records.mirror import listing
from holdall.testing import Fault, FaultProxy
from holdall.wrappers.forwarding import ForwardingStore
from holdall.wrappers.readonly import ReadOnlyStore


def body_of(store, key):
    with store.get(key) as result:
        return json.loads(result.bytes())


@pytest.fixture(params=["memory", "S3"])
def shared_store(request):
    """A store for many databases."""
    if request.param == "memory":
        yield MemoryStore()
        return
    with opened(request.getfixturevalue("moto_bucket"), tags="off") as db:
        yield db.store


def test_a07_prefixes_do_not_see_each_other(shared_store, colour):
    store = shared_store
    prefixes = ["rec", "records/", "data/", "data/2024/01/", ""]
    databases = {prefix: colour(ObjectDatabase(store, prefix=prefix)) for prefix in prefixes}
    for number, (prefix, db) in enumerate(databases.items()):
        db.batch_create([Record({"id": f"x{n}", "in": prefix}) for n in range(number + 1)])
    store.put("records/foreign file.txt", b"theirs")
    store.put("records/a%zz.json", b"theirs")
    for number, (prefix, db) in enumerate(databases.items()):
        assert db.count() == number + 1
        assert {record["in"] for record in db.search()} == {prefix}
    assert databases["records/"].check().foreign == ("records/a%zz.json", "records/foreign file.txt")
    for number, db in enumerate(databases.values()):
        assert db.clear() == number + 1
    assert sorted(meta.key for page in store.list() for meta in page.objects) == [
        "records/a%zz.json",
        "records/foreign file.txt",
    ]


def test_the_body(colour):
    store = MemoryStore()
    db = colour(ObjectDatabase(store))
    record = Record({"name": "Ada", "age": 36, "city": "London", "active": True})
    name = db.create(record)
    [meta] = [meta for page in store.list() for meta in page.objects]
    assert meta.key == f"records/{name}.json"
    assert meta.size < 300
    document = body_of(store, meta.key)
    assert set(document) == {"holdall", "id", "created", "updated", "write", "fields", "metadata"}
    assert store.head(meta.key).content_type == "application/json"


def test_a31_bodies_of_dataknobs_data(colour):
    """An existing bucket opens as it is, and becomes v1 with the next update."""
    store = MemoryStore()
    old = {
        "id": "u1",
        "fields": {"name": {"name": "name", "value": "Ada", "type": "string", "metadata": {}}},
        "metadata": {"id": "u1", "created_at": "2024-01-01T00:00:00", "team": "x"},
    }
    store.put("records/u1.json", json.dumps(old).encode())
    db = colour(ObjectDatabase(store))
    [found] = db.search(Filter("name", "=", "Ada"))
    assert (found.id, found.metadata["team"], found.metadata["created_at"][:10]) == ("u1", "x", "2024-01-01")
    assert db.update("u1", found) is True
    assert body_of(store, "records/u1.json")["holdall"] == 1
    assert db.require("u1").created_at == found.created_at


def _unreadable(store):
    """Neighbours of two good records."""
    good = json.loads(_raw(Record({"id": "good", "n": 1})))
    store.put("records/corrupt.json", b"{not json")
    store.put("records/truncated.json", json.dumps(good).encode()[:40])
    store.put("records/other.json", json.dumps({**good, "id": "somebody"}).encode())
    store.put("records/future.json", json.dumps({**good, "id": "future", "holdall": 99}).encode())
    store.put("records/never.json", json.dumps({**good, "id": "never", "created": "0001-01-01T00:00:00+14:00"}).encode())
    store.put("records/huge.json", json.dumps({**good, "id": "huge"}).replace('"n": 1', f'"n": 1{"0" * 5000}').encode())
    return {"corrupt", "truncated", "other", "future", "huge", "never"}


def _raw(record):
    store = MemoryStore()
    ObjectDatabase(store, mirror="off").create(record)
    with store.get(f"records/{record.id}.json") as result:
        return result.bytes()


@pytest.mark.parametrize("mirror", ["memory", "off"])
def test_a21_unreadable_objects(colour, mirror):
    store = MemoryStore()
    db = colour(ObjectDatabase(store, mirror=mirror))
    db.batch_create([Record({"id": "good", "n": 1}), Record({"id": "zz", "n": 2})])
    bad = _unreadable(store)
    asks = (db.search, lambda: list(db.stream()), lambda: db.count(Filter("n", "=", 1)))
    for ask in (*asks, *(partial(db.read, each) for each in bad)):
        with pytest.raises(CorruptRecordError):
            ask()
    with pytest.raises(BatchError) as caught:
        db.batch_read(["good", "corrupt"])
    assert [outcome.status for outcome in caught.value.outcomes] == ["written", "failed"]
    assert db.search(Filter("id", "=", "good"))[0]["n"] == 1, "the id alone excludes them"
    assert db.count() == 8
    report = db.check()
    assert {problem.id for problem in report.corrupt} == bad
    assert report.records == 2
    telling = colour(ObjectDatabase(store, mirror=mirror, on_corrupt="report"))
    result = telling.search(Query().sort("n"))
    assert [record.id for record in result] == ["good", "zz"]
    assert {problem.id for problem in result.unreadable} == bad
    cold = colour(ObjectDatabase(store, mirror=mirror, on_corrupt="report"))
    pages = [cold.search(Query().limit(1))]
    while pages[-1].cursor:
        pages.append(cold.search(Query().limit(1).after(pages[-1].cursor)))
    assert [record.id for page in pages for record in page] == ["good", "zz"], "the unreadable ones end no page"
    for stream in (telling.stream, lambda **named: telling.stream(Query().sort("n"), **named)):
        with pytest.warns(UnreadableWarning, match=r"\(6\): 'corrupt', 'future', 'huge'") as warned:
            assert [record.id for record in stream()] == ["good", "zz"]
        assert len(warned) == 1 and warned[0].filename == __file__
        told = []
        assert [record.id for record in stream(unreadable=told)] == ["good", "zz"]
        assert {problem.id for problem in told} == bad
    for reads in (lambda: telling.count(Filter("n", "=", 1)), lambda: telling.to_arrow().num_rows):
        with pytest.warns(UnreadableWarning, match="6"):
            assert reads() in {1, 2}
    told = []
    assert [record.id for record in db.stream(unreadable=told)] == ["good", "zz"], "whatever on_corrupt says"
    assert [problem.id for problem in told] == sorted(bad)
    assert db.upsert("corrupt", Record({"n": 5})) == "corrupt"
    assert db.delete("other") is True
    assert db.batch_delete(["truncated", "future", "huge", "never"]) == [True] * 4
    assert [record.id for record in db.search()] == ["corrupt", "good", "zz"]


def test_a18_a_listing_that_fails_half_way_is_no_answer(colour):
    class Paged(ForwardingStore):
        """Two objects a page; the seventh fails while ``broken``."""

        broken = False

        def list(self, prefix="", *, delimiter=None, start_after=None):
            objects = [meta for page in super().list(prefix, delimiter=delimiter) for meta in page.objects]
            for number, at in enumerate(range(0, len(objects), 2)):
                if number == 6 and self.broken:
                    raise UnavailableError("the server is gone")
                yield ListPage(objects[at : at + 2])

        async def list_async(self, prefix="", *, delimiter=None, start_after=None):
            for page in self.list(prefix, delimiter=delimiter):
                yield page

    store = Paged(MemoryStore())
    db = colour(ObjectDatabase(store))
    db.batch_create([Record({"id": f"{n:02}", "n": n}) for n in range(24)])
    assert db.count() == 24
    store.broken = True
    with pytest.raises(UnavailableError):
        db.search()
    assert db.mirror.info().records == 24, "no row is lost"
    store.broken = False
    assert len(db.search()) == 24


def test_a28_select_query_reads_only(colour):
    db = colour(ObjectDatabase(MemoryStore()))
    db.batch_create([Record({"id": f"{n}", "n": n, "department": "A" if n % 2 else "B", "odd name": n}) for n in range(10)])
    assert db.select_query("SELECT id FROM S3Object WHERE department = 'A' AND n > ? ORDER BY n", [4]) == [
        {"id": "5"},
        {"id": "7"},
        {"id": "9"},
    ]
    rows = db.select_query(
        'SELECT department, count(*) AS c, sum("odd name") AS s FROM records GROUP BY department ORDER BY 1'
    )
    assert rows == [{"department": "A", "c": 5, "s": 25}, {"department": "B", "c": 5, "s": 20}]
    assert db.select_query("SELECT absent FROM records LIMIT 1") == [{"absent": None}]
    for bad in (
        "DELETE FROM rec",
        "ATTACH 'x' AS y",
        "SELECT 1; SELECT 2",
        "PRAGMA table_info(rec)",
        "SELECT * FROM rec",
        "SELECT * FROM main.meta",
        "SELECT load_extension('x')",
        "WITH x AS (SELECT 1) DELETE FROM rec",
        "SELECT FROM",
        "UPDATE records SET n = 1",
    ):
        with pytest.raises(QueryError):
            db.select_query(bad)
    endless = "WITH RECURSIVE r(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM r) SELECT count(*) AS n FROM r"
    with pytest.raises(QueryError, match="longer"):
        db.select_query(endless, timeout=0.2)
    assert db.count() == 10
    assert colour(ObjectDatabase(db.store, mirror="off")).select_query("SELECT count(*) AS n FROM S3Object") == [{"n": 10}]


def test_s11_long_values_are_not_held(colour):
    db = colour(ObjectDatabase(MemoryStore()))
    db.create(Record({"id": "big", "kind": "x", "text": "y" * 1_000_000}, {"note": "z" * 10_000}))
    db.create(Record({"id": "small", "kind": "x", "text": "y"}))
    assert [r.id for r in db.search(Filter("kind", "=", "x"))] == ["big", "small"]
    assert len(db.search(Filter("kind", "=", "x"))[0]["text"]) == 1_000_000
    assert [r.id for r in db.search(Filter("text", "startswith", "yy"))] == ["big"]
    assert [r.id for r in db.search(Filter("metadata.note", "like", "z%"))] == ["big"]
    assert [r.id for r in db.search(Query().sort("text", "DESC"))] == ["big", "small"]
    assert db.select_query("SELECT length(text) AS n FROM records ORDER BY n") == [{"n": 1}, {"n": 1_000_000}]
    assert db.mirror.info().loaded == 2


# -- on a server -------------------------------------------------------------------------------------------------------


def test_a24_tags(moto_bucket, colour):
    with opened(moto_bucket) as db:
        seen = colour(db)
        name = seen.create(Record({"id": "a"}, {"team": "é=+ x", "flag": True, "n": 5}))
        tags = seen.tags(name)
        assert tags["team"] == "é=+ x"
        assert (tags["flag"], tags["n"], tags["id"]) == ("true", "5", "a")
        with pytest.warns(TagsOmittedWarning, match="body alone: bad, deep, long") as caught:
            seen.create(Record({"id": "b"}, {"bad": "a?b", "deep": {"x": 1}, "long": "x" * 300, "ok": "y"}))
        assert [each.filename for each in caught] == [__file__], "a warning points to who wrote"
        assert set(seen.tags("b")) == {"id", "created_at", "ok"}
        assert seen.require("b").metadata["deep"] == {"x": 1}, "the body has it all"
        seen.update("a", Record({}, {"team": "new"}))
        assert seen.tags("a")["team"] == "new"
        assert "flag" not in seen.tags("a")
        with pytest.warns(TagsOmittedWarning, match="k08, k09, k10, k11"):
            seen.create(Record({"id": "twelve"}, {f"k{n:02}": n for n in range(12)}))
        assert set(seen.tags("twelve")) == {"id", "created_at", *(f"k{n:02}" for n in range(8))}
    with opened(moto_bucket, tags="strict") as db:
        with pytest.raises(SerializationError, match="'strict': bad$"):
            colour(db).create(Record({"id": "c"}, {"bad": "a?b"}))
        assert colour(db).read("c") is None
    with opened(moto_bucket, tags=["team"]) as db:
        colour(db).create(Record({"id": "d"}, {"team": "x", "other": "y"}))
        assert set(colour(db).tags("d")) == {"id", "created_at", "team"}


def test_a25_a_large_record(moto_bucket, colour):
    """Multipart, conditional, in its storage class with its tags; nothing of it stays after a fault; the mirror stays small."""
    with (
        FaultProxy(moto_bucket.server.endpoint) as proxy,
        opened(moto_bucket, proxy=proxy, storage_class="STANDARD_IA") as db,
    ):
        seen = colour(db)
        record = Record({"id": "large", "data": "x" * (10 * 1024 * 1024)}, {"team": "x"})
        seen.create(record)
        assert any("uploadId" in target for method, target in proxy.traffic.requests if method == "PUT")
        [entry] = moto_bucket.client.list_objects_v2(Bucket=moto_bucket.name)["Contents"]
        assert entry["StorageClass"] == "STANDARD_IA"
        assert seen.tags("large")["team"] == "x"
        with pytest.raises(FileExistsError):
            seen.create(record)
        assert len(seen.require("large")["data"]) == 10 * 1024 * 1024
        assert seen.search(Filter("id", "startswith", "l"), max_age=0)[0].id == "large"
        assert seen.mirror.info().bytes < 1_000_000
        proxy.fail(Fault(answer=403), times=1, method="PUT", target="partNumber=2")
        with pytest.raises(PermissionDeniedError):
            seen.create(Record({"id": "other", "data": "y" * (12 * 1024 * 1024)}))
        assert not moto_bucket.client.list_multipart_uploads(Bucket=moto_bucket.name).get("Uploads")
        assert seen.count(max_age=0) == 1


def test_a12_an_answer_that_is_cut_off_is_a_success_once(localstack_bucket, colour):
    with FaultProxy(localstack_bucket.server.endpoint) as proxy, opened(localstack_bucket, proxy=proxy, tags="off") as db:
        seen = colour(db)
        seen.create(Record({"id": "warm"}))
        proxy.fail(Fault(lose_reply=True), method="PUT", target="lost")
        assert seen.create(Record({"id": "lost", "n": 1})) == "lost"
        proxy.fail(Fault(lose_reply=True), method="PUT", target="lost")
        assert seen.update("lost", Record({"n": 2}), expected_version=db.get_version("lost")) is True
        assert seen.require("lost")["n"] == 2
        assert [r.data.get("n") for r in seen.search(Filter("id", "=", "lost"))] == [2]
        assert seen.count() == 2
        proxy.fail(Fault(lose_reply=True), method="DELETE", target="lost")
        assert seen.delete("lost") is True
        assert seen.read("lost") is None
        assert seen.delete("lost") is False
        assert [r.id for r in seen.search()] == ["warm"]


def test_a22_the_server_says_no(moto_bucket, colour, caplog):
    """Each refusal is an error of its own, never "not there", and shows no secret."""
    caplog.set_level(logging.DEBUG)
    with (
        FaultProxy(moto_bucket.server.endpoint) as proxy,
        opened(moto_bucket, proxy=proxy, max_attempts=2, timeout=5, tags="off") as db,
    ):
        seen = colour(db)
        seen.create(Record({"id": "a"}))
        for fault, kind in [
            (Fault(answer=403), PermissionDeniedError),
            (Fault(answer=500), UnavailableError),
            (Fault(answer=503), UnavailableError),
            (Fault(lose_reply=True), UnavailableError),
            (Fault(lose_reply=True, reset=True), UnavailableError),
        ]:
            for ask in (
                lambda: seen.read("a"),
                lambda: seen.exists("b"),
                lambda: seen.search(max_age=0),
                lambda: seen.delete("b"),
            ):
                proxy.fail(fault, times=100)
                before = len(proxy.traffic.requests)
                with pytest.raises(kind) as caught:
                    ask()
                proxy.heal()
                sent = len(proxy.traffic.requests) - before
                tries = 2 if issubclass(kind, UnavailableError) else 1
                asked = fault.answer == 503  # once a while, how long the service wants to be left alone
                assert tries <= sent <= tries + asked or (fault.lose_reply and sent > 1)
                tells_its_place(caught.value, moto_bucket)
        proxy.fail(Fault(answer=403), times=1000)
        with pytest.raises(BatchError) as caught:
            seen.batch_create([Record({"id": f"{n:03}"}) for n in range(200)])
        proxy.heal()
        assert "not_tried" in {outcome.status for outcome in caught.value.outcomes}
        assert len(caught.value.outcomes) == 200
        assert seen.count(max_age=0) == 1
        proxy.fail(Fault(answer=301), times=100)
        for ask in (lambda: seen.read("a"), lambda: seen.search(max_age=0), lambda: seen.create(Record({"id": "b"}))):
            with pytest.raises(ConfigError, match="region") as caught:
                ask()
            tells_its_place(caught.value, moto_bucket)
        proxy.heal()
        proxy.fail(Fault(blackhole=True), times=100)
        with opened(moto_bucket, proxy=proxy, max_attempts=1, timeout=0.5, tags="off") as hasty:
            for ask in (lambda: colour(hasty).read("a"), lambda: colour(hasty).count()):
                with pytest.raises(UnavailableError) as caught:
                    ask()
                tells_its_place(caught.value, moto_bucket)
        proxy.heal()
    with opened(moto_bucket, bucket="no-such-bucket", tags="off") as db:
        seen = colour(db)
        for ask in (
            lambda: seen.read("a"),
            lambda: seen.exists("a"),
            lambda: seen.delete("a"),
            seen.search,
            seen.count,
            lambda: seen.create(Record({"id": "a"})),
        ):
            with pytest.raises(DatabaseNotFoundError, match=r"bucket does not exist.*'no-such-bucket'") as caught:
                ask()
            tells_its_place(caught.value, moto_bucket, "no-such-bucket")
    assert moto_bucket.server.secret_key not in caplog.text


def tells_its_place(error, bucket, name=None):
    """An error names the bucket in its text, and no secret in any of its forms, also after it travelled."""
    travelled = pickle.loads(pickle.dumps(error))
    assert type(travelled) is type(error)
    for one in (error, travelled):
        assert (name or bucket.name) in str(one), str(one)
    trace = "".join(traceback.format_exception(error))
    for shown in (f"{error!r} {error} {vars(error)!r}", repr(pickle.dumps(error)), repr(travelled), trace):
        assert bucket.server.secret_key not in shown


def test_a29_a_missing_bucket_is_made_on_loopback_alone(moto, colour, monkeypatch):
    """Elsewhere it is `NotFoundError` with its name. Opening asks for nothing; the bucket is made when a first request misses it."""
    monkeypatch.setenv("NO_PROXY", "*")
    client, name = moto.client(), f"missing-{uuid.uuid4().hex[:12]}"
    with FaultProxy(moto.endpoint) as proxy:
        given = {"bucket": name, "access_key_id": moto.access_key, "secret_access_key": moto.secret_key, "mirror": "memory"}
        near = {**given, "endpoint_url": proxy.url}
        far = {**given, "endpoint_url": proxy.url.replace("127.0.0.1", "0.0.0.0")}  # this machine, by no name of loopback
        for options in (far, {**near, "create_bucket": False}):
            with Counted(proxy) as opening:
                db = S3Database.from_config(options)
            with db:
                assert name in repr(db)
                assert opening.all == []
                for verb, *given in (("count",), ("create", Record({"id": "a"}))):
                    with pytest.raises(NotFoundError, match=f"bucket does not exist.*'{name}'"):
                        getattr(colour(db), verb)(*given)
            assert name not in {each["Name"] for each in client.list_buckets()["Buckets"]}
        with Counted(proxy) as opening:
            db = S3Database.from_config(near)
        assert opening.all == []
        with db:
            with Counted(proxy) as sent:
                assert colour(db).search(max_age=0) == []
            assert [f"{method} {target.partition('?')[0]}" for method, target in sent.all][:2] == [
                f"GET /{name}",
                f"PUT /{name}",
            ]
            assert colour(db).create(Record({"id": "a", "n": 1})) == "a"
            assert colour(db).require("a")["n"] == 1
        with S3Database.from_config(near) as db:
            with Counted(proxy) as sent:
                assert colour(db).batch_create([Record({"id": f"b{n}"}) for n in range(9)]) == [f"b{n}" for n in range(9)]
                assert colour(db).clear() == 10
            assert ("PUT", f"/{name}") not in sent.all, "it is there"
        client.delete_bucket(Bucket=name)


@pytest.mark.parametrize(
    "first", ["create", "upsert", "batch_create", "batch_upsert", "read", "count", "connect", "batch_delete"]
)
def test_a29_whatever_comes_first_makes_the_bucket(moto, colour, first):
    """Also many requests at once, and verbs that tell of failures item by item."""
    name = f"first-{uuid.uuid4().hex[:12]}"
    records = [Record({"id": f"r{n:03}"}) for n in range(100)]
    given = {
        "create": (records[0],), "upsert": (records[0],), "batch_create": (records,), "batch_upsert": (records,),
        "read": ("r000",), "batch_delete": ([record.id for record in records],),
    }  # fmt: skip
    options = {"endpoint_url": moto.endpoint, "access_key_id": moto.access_key, "secret_access_key": moto.secret_key}
    with S3Database.from_config({**options, "bucket": name, "mirror": "memory"}) as db:
        answer = getattr(colour(db), first)(*given.get(first, ()))
        ids = [record.id for record in records]
        wanted = {"create": "r000", "upsert": "r000", "batch_create": ids, "batch_upsert": ids, "read": None, "count": 0}
        if first in wanted:
            assert answer == wanted[first]
        elif first == "batch_delete":
            assert set(answer) == {False}
        there = colour(db).count(max_age=0)
        assert there == (100 if first.startswith("batch_") and first != "batch_delete" else first in {"create", "upsert"})
        colour(db).clear()
    moto.client().delete_bucket(Bucket=name)


def test_a22_a_batch_into_a_missing_bucket_stops_early(moto_bucket, colour):
    """Its outcomes name the bucket; the service is not asked a thousand times."""
    with (
        FaultProxy(moto_bucket.server.endpoint) as proxy,
        opened(moto_bucket, proxy=proxy, bucket="no-such", tags="off") as db,
    ):
        with Counted(proxy) as sent, pytest.raises(BatchError) as caught:
            colour(db).batch_create([Record({"id": f"{n:04}"}) for n in range(1000)])
        outcomes = caught.value.outcomes
        assert len(outcomes) == 1000
        assert {outcome.status for outcome in outcomes} == {"failed", "not_tried"}
        for outcome in outcomes:
            assert isinstance(outcome.error, DatabaseNotFoundError)
            assert "'no-such'" in str(outcome.error)
        assert len(sent.all) <= 2 * 32 + 4, "so many as were under way, and the proof before the first condition"
        with pytest.raises(DatabaseNotFoundError, match="'no-such'"):
            colour(db).batch_read(["a", "b"])
        with pytest.raises(DatabaseNotFoundError, match="'no-such'"):
            list(colour(db).stream())


def test_a21_archived_records(moto_bucket, colour):
    """A body that must be restored first is said to be so; what the mirror holds of it is searchable."""
    with opened(moto_bucket, storage_class="GLACIER", tags="off") as db:
        seen = colour(db)
        seen.create(Record({"id": "old", "n": 1}))
        assert seen.search(Filter("n", "=", 1))[0].id == "old", "this process wrote it, so its mirror holds it"
        with pytest.raises(RecordArchivedError, match="restore"):
            seen.read("old")
        assert seen.exists("old")
        assert [record.id for record in seen.stream(Filter("n", "=", 1))] == ["old"]
        assert [problem.id for problem in seen.check().corrupt] == ["old"]
    with opened(moto_bucket, tags="off", mirror="memory", on_corrupt="report") as other:
        result = colour(other).search()
        assert [problem.id for problem in result.unreadable] == ["old"]
        assert colour(other).count() == 1


@pytest.mark.parametrize("demanded", [True, False], ids=["max_age=0", "an hour later"])
def test_a21_archived_records_are_not_asked_for_by_each_search(moto_bucket, colour, monkeypatch, demanded):
    """Once an hour, and with `max_age=0`: that an object was restored changes no etag. Before it raises, a search looks."""
    client, bucket = moto_bucket.client, moto_bucket.name
    with opened(moto_bucket, storage_class="GLACIER", tags="off", mirror="off") as writer:
        writer.batch_create(Record({"id": name}) for name in ("old", "older"))
    with (
        FaultProxy(moto_bucket.server.endpoint) as proxy,
        opened(moto_bucket, proxy=proxy, tags="off", mirror="memory", on_corrupt="report", cache_ttl=0) as reporting,
        opened(moto_bucket, tags="off", mirror="memory") as raising,
    ):
        db = colour(reporting)
        assert [problem.id for problem in db.search().unreadable] == ["old", "older"]
        with Counted(proxy) as sent:
            assert len(db.search().unreadable) == 2
        assert sent.methods == ["LIST"]
        with pytest.raises(RecordArchivedError):
            colour(raising).search()
        for name in ("old", "older"):
            client.restore_object(Bucket=bucket, Key=f"records/{name}.json", RestoreRequest={"Days": 1})
        assert [record.id for record in colour(raising).search()] == ["old", "older"]
        assert len(db.search().unreadable) == 2
        if not demanded:
            monkeypatch.setattr(listing, "ARCHIVED", 0.0)
        assert [record.id for record in db.search(max_age=0 if demanded else None)] == ["old", "older"]


def test_a26_two_principals_share_nothing(moto_bucket, colour):
    """Each has its client, which signs with its own key, and its mirror; what they share is the bucket."""
    with opened(moto_bucket) as first, opened(moto_bucket, access_key_id="other", secret_access_key="otherother") as second:
        for name, db in (("a", first), ("b", second)):
            colour(db).create(Record({"id": name}))
        for db in (first, second):
            assert sorted(record.id for record in colour(db).search(max_age=0)) == ["a", "b"]
        assert first.mirror.path != second.mirror.path
        assert os.path.exists(first.mirror.path)
        assert os.path.exists(second.mirror.path)
        clients = [db.store.locate("k")[0].native for db in (first, second)]
        assert clients[0] is not clients[1]
        signed = [db.store.sign("k") for db in (first, second)]
        assert [("other%2F" in url, "test%2F" in url) for url in signed] == [(False, True), (True, False)], signed


def test_a26_principals_by_the_environment(moto_bucket, monkeypatch):
    for name in ("AWS_ACCESS_KEY_ID", "AWS_PROFILE", "AWS_DEFAULT_PROFILE", "AWS_SHARED_CREDENTIALS_FILE"):
        monkeypatch.delenv(name, raising=False)
    paths = set()
    for name, value in [
        ("AWS_PROFILE", "alice"),
        ("AWS_PROFILE", "bob"),
        ("AWS_DEFAULT_PROFILE", "carol"),
        ("AWS_SHARED_CREDENTIALS_FILE", "/a"),
        ("AWS_SHARED_CREDENTIALS_FILE", "/b"),
        ("AWS_ROLE_ARN", "arn:aws:iam::1:role/x"),
        ("AWS_ACCESS_KEY_ID", "AKIAX"),
    ]:
        with monkeypatch.context() as one:
            one.setenv(name, value)
            with S3Database.from_config({"bucket": "b", "region": "eu-west-1"}) as db:
                paths.add(db.mirror.path)
    assert len(paths) == 7


def test_configuration(monkeypatch):
    monkeypatch.setenv("MY_SECRET", "s3cr3t")
    monkeypatch.setenv("WORKERS", "7")
    given = {"bucket": "b", "access_key_id": "k", "secret_access_key": "${MY_SECRET}", "max_workers": "${WORKERS:10}"}
    db = S3Database.from_config({**given, "endpoint_url": "", "region": "${R:eu-west-1}"})
    assert "s3cr3t" not in repr(db)
    assert repr(pickle.loads(pickle.dumps(db))) == repr(db)
    with pytest.raises(TypeError, match="secret"):
        pickle.dumps(S3Database.from_config({**given, "secret_access_key": "literal"}))
    with pytest.raises(ConfigError) as caught:
        S3Database.from_config({"bukcet": "b", "secret_access_key": "s3cr3t", "max_workers": "many", "cache_ttl": "soon"})
    text = str(caught.value)
    for part in ("did you mean 'bucket'", "missing required field: 'bucket'", "half a pair", "max_workers", "cache_ttl"):
        assert part in text
    assert "s3cr3t" not in text


def test_warnings_are_none_where_tags_fit(moto_bucket):
    with warnings.catch_warnings(), opened(moto_bucket) as db:
        warnings.simplefilter("error")
        db.create(Record({"n": 1}, {"team": "x"}))


def test_a31_a_server_that_ignores_conditions_is_told(radosgw_versioned_bucket, colour):
    """Ceph's gateway ignores conditions of writes in versioned buckets: they are refused instead of lost."""
    with opened(radosgw_versioned_bucket, tags="off") as db:
        report = colour(db).connect()
        assert not report.compare_and_set
        assert "refused" in report.note
        with pytest.raises(NotSupportedError):
            colour(db).create(Record({"id": "a"}))
        assert colour(db).upsert(Record({"id": "a", "n": 1})) == "a"
        assert colour(db).update("a", Record({"n": 2})) is True
        assert colour(db).search()[0]["n"] == 2


def test_a33_databases_travel(tmp_path):
    db = ObjectDatabase(LocalStore(tmp_path, create=True), prefix="x/", cache_ttl=5, mirror="memory")
    db.create(Record({"id": "a", "n": 1}))
    again = pickle.loads(pickle.dumps(db))
    assert repr(again) == repr(db)
    assert again.require("a")["n"] == 1


def test_a_store_that_is_read_only_says_so(colour):
    """All verbs that write give the store's own reason, also those that need conditions where something can be written."""
    store = MemoryStore()
    ObjectDatabase(store).create(Record({"id": "a", "n": 1}))
    db = colour(ObjectDatabase(ReadOnlyStore(store)))
    record, version = db.require("a"), db.get_version("a")
    writes = [
        lambda: db.create(Record({"id": "b"})),
        lambda: db.upsert(record),
        lambda: db.update("a", record),
        lambda: db.update("a", record, expected_version=version),
        lambda: db.modify("a", lambda record: record.set_value("n", 2)),
        lambda: db.delete("a"),
        lambda: db.delete("a", expected_version=version),
    ]
    for write in writes:
        with pytest.raises(PermissionDeniedError, match="read-only"):
            write()
    with pytest.raises(BatchError) as caught:
        db.batch_create([Record({"id": "b"})])
    assert isinstance(caught.value.outcomes[0].error, PermissionDeniedError)
    assert [found["n"] for found in db.search()] == [1]
