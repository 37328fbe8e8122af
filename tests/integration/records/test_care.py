"""2.4, verbs that look after a database, where the storage has something to tell: old versions, refusals, drift, no bucket."""

import sqlite3

import pytest
from tests.integration.records.s3 import Counted, opened

from holdall.drivers.memory import MemoryStore
from holdall.errors import PermissionDeniedError
from holdall.records import BatchError, DatabaseNotFoundError, Filter, ObjectDatabase, Record, RecordNotFoundError
from holdall.results import DeleteResult
from holdall.testing import Fault, FaultProxy
from holdall.wrappers.forwarding import ForwardingStore


@pytest.mark.parametrize("server", ["moto", "localstack", "radosgw"])
def test_an_old_version_is_brought_back(server, request, colour):
    """History lists every write and the deletion, oldest first; restoring writes that content again, as the newest version."""
    with opened(request.getfixturevalue(f"{server}_versioned_bucket"), tags="off") as database:
        assert database.connect().note == "" or server == "radosgw"
        db = colour(database)
        db.upsert(Record({"id": "a", "n": 1, "old": [b"\0"]}, {"team": "x"}))
        age = db.require("a").created_at
        db.upsert("a", Record({"n": 2}))
        db.upsert(Record({"id": "ab", "n": 9}))
        first, second = db.history("a")
        assert (first.latest, second.latest, first.deleted, second.deleted) == (False, True, False, False)
        assert first.at <= second.at

        restored = db.restore("a", first.version)
        assert restored.data == {"id": "a", "n": 1, "old": [b"\0"]}
        assert restored.metadata["team"] == "x"
        assert restored.version == db.get_version("a")
        assert restored.created_at == age
        found = db.require("a")
        assert (found.data, found.metadata, found.created_at) == (restored.data, restored.metadata, age)
        assert [record["n"] for record in db.search()] == [1, 9], "the index knows it at once"
        assert [each.version for each in db.history("a")][:2] == [first.version, second.version]
        assert len(db.history("a")) == 3

        assert db.delete("a") is True
        assert db.read("a") is None
        *_, last = db.history("a")
        assert last.deleted
        assert db.restore("a", second.version).data == {"n": 2}
        assert db.require("a").data == {"n": 2}
        assert [record["n"] for record in db.search(max_age=0)] == [2, 9]
        assert len(db.history("ab")) == 1


@pytest.mark.parametrize("server", ["moto", "radosgw"])
def test_a_version_that_never_was_changes_nothing(server, request, colour):
    with opened(request.getfixturevalue(f"{server}_versioned_bucket"), tags="off") as database:
        db = colour(database)  # not connected: the first write finds out that radosgw's versioned buckets know no conditions
        db.upsert(Record({"id": "a", "n": 1}))
        [only] = db.history("a")
        db.upsert(Record({"id": "b", "n": 1}))
        wrong = only.version[:-1] + ("a" if only.version[-1] != "a" else "b")
        for name, version in (("a", wrong), ("nobody", only.version)):
            with pytest.raises(RecordNotFoundError) as caught:
                db.restore(name, version)
            assert caught.value.id == name
        assert db.history("nobody") == []
        assert len(db.history("a")) == 1
        assert db.read("nobody") is None
        assert db.count(max_age=0) == 2


class Refusing(ForwardingStore):
    """Deletes none of some keys, and says why."""

    refused = ("records/a%2Fb.json", "records/r07.json")

    def _split(self, keys):
        error = PermissionDeniedError("not these")
        return [key for key in keys if key not in self.refused], {
            key: DeleteResult(key=key, error=error) for key in self.refused if key in keys
        }

    def delete(self, keys, **named):
        good, bad = self._split(keys)
        done = {each.key: each for each in super().delete(good, **named)} | bad
        return [done[key] for key in keys]

    async def delete_async(self, keys, **named):
        good, bad = self._split(keys)
        done = {each.key: each for each in await super().delete_async(good, **named)} | bad
        return [done[key] for key in keys]


@pytest.mark.parametrize("mirror", ["memory", "off"])
def test_clear_names_each_key_that_failed(colour, mirror):
    """The others are gone, and these are still there to every question."""
    db = colour(ObjectDatabase(Refusing(MemoryStore()), mirror=mirror, cache_ttl=60))
    db.batch_create([*(Record({"id": f"r{n:02}"}) for n in range(12)), Record({}, id="a/b")])
    assert db.count() == 13
    with pytest.raises(BatchError) as caught:
        db.clear()
    error = caught.value
    assert all(key in str(error) for key in Refusing.refused)
    assert {(outcome.id, outcome.status) for outcome in error.outcomes} == {("a/b", "failed"), ("r07", "failed")}
    assert all(isinstance(outcome.error, PermissionDeniedError) for outcome in error.failed)
    assert [record.id for record in db.search()] == ["a/b", "r07"]
    assert db.count() == 2
    assert db.exists("r07")
    assert db.read("r06") is None


def test_clear_tells_what_a_service_refused_for_single_keys(moto_bucket, colour):
    """A bulk delete is answered with 200, and the refusal stands in its body; what failed alone is tried once more."""
    answer = b"""<?xml version="1.0" encoding="UTF-8"?><DeleteResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/">
        <Error><Key>records/b.json</Key><Code>AccessDenied</Code><Message>Access Denied</Message></Error></DeleteResult>"""
    with FaultProxy(moto_bucket.server.endpoint) as proxy, opened(moto_bucket, proxy=proxy, tags="off") as database:
        db = colour(database)
        db.batch_create([Record({"id": name}) for name in "abc"])
        proxy.fail(Fault(answer=200, headers={"Content-Type": "application/xml"}, body=answer), times=2, method="POST")
        with pytest.raises(BatchError, match=r"1 objects could not be deleted: records/b\.json") as caught:
            db.clear()
        assert [(outcome.id, outcome.status) for outcome in caught.value.outcomes] == [("b", "failed")]
        assert isinstance(caught.value.outcomes[0].error, PermissionDeniedError)
        assert db.clear() == 3, "the service kept them all, whatever its answer was"


def test_check_finds_where_the_index_is_wrong(colour, tmp_path):
    """Rows that somebody changed are named, and the next answers are right."""
    path = tmp_path / "mirror.sqlite"
    with ObjectDatabase(MemoryStore(), mirror=path, cache_ttl=3600) as database:
        db = colour(database)
        db.batch_create([Record({"id": f"r{n}", "n": n}) for n in range(4)])
        assert db.count(Filter("n", ">", 1)) == 2
        assert db.check().drift == ()
        assert db.check().ok
        with sqlite3.connect(path) as connection:
            connection.execute('UPDATE rec SET fields = \'{"id":"r1","n":99}\' WHERE id = \'r1\'')
            connection.execute("UPDATE rec SET fields = '{\"id\":\"r2\"}' WHERE id = 'r2'")
        connection.close()
        report = db.check()
        assert (report.drift, report.records, report.corrupt, report.foreign, report.ok) == (("r1", "r2"), 4, (), (), False)
        assert db.check().drift == ()
        assert [record["n"] for record in db.search()] == [0, 1, 2, 3]
        assert db.select_query("SELECT n FROM records ORDER BY n") == [{"n": n} for n in range(4)]


@pytest.mark.parametrize("server", ["moto", "radosgw"])
def test_connect_says_that_there_is_no_bucket(server, request, colour):
    place = request.getfixturevalue(f"{server}_bucket")
    with (
        opened(place, bucket="no-such-bucket", tags="off") as db,
        pytest.raises(DatabaseNotFoundError, match=r"bucket does not exist.*'no-such-bucket'"),
    ):
        colour(db).connect()
    with opened(place, tags="off") as db:
        report = colour(db).connect()
        assert report.compare_and_set
        assert report.note == ""
        assert place.ground.keys() == set(), "what was tried is taken away"


def test_select_query_is_as_fresh_as_it_is_asked_to_be(moto_bucket, colour):
    """Within ``cache_ttl``, and with ``max_age=inf``, it lists nothing; with ``max_age=0`` it lists, and reads what changed."""
    with (
        FaultProxy(moto_bucket.server.endpoint) as proxy,
        opened(moto_bucket, proxy=proxy, tags="off", mirror="memory") as database,
        opened(moto_bucket, tags="off", mirror="memory") as writer,
    ):
        db = colour(database)
        writer.batch_create([Record({"id": f"r{n}", "n": n}) for n in range(3)])

        def asked(**named):
            with Counted(proxy) as sent:
                [row] = db.select_query("SELECT count(*) AS many, sum(n) AS total FROM records", **named)
            return row["many"], row["total"], sent.methods

        assert asked() == (3, 3, ["GET"] * 3 + ["LIST"])
        writer.update("r0", Record({"n": 10}))
        writer.create(Record({"id": "r3", "n": 100}))
        assert asked() == (3, 3, [])
        assert asked(max_age=float("inf")) == (3, 3, [])
        assert asked(max_age=3600) == (3, 3, [])
        assert asked(max_age=0) == (4, 113, ["GET", "GET", "LIST"])
        assert asked() == (4, 113, [])
        assert asked(max_age=0) == (4, 113, ["LIST"])
        for odd in (float("nan"), -1, "1"):
            with pytest.raises(ValueError, match="max_age"):
                asked(max_age=odd)
