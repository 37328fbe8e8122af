"""2.5 and 3.1: what is told of a write whose answer never came, where it may have been done and nobody can look."""

import math

import pytest
from tests.integration.records.s3 import opened

from holdall.drivers.memory import MemoryStore
from holdall.errors import UnavailableError
from holdall.records import BatchError, ObjectDatabase, Record
from holdall.testing import Fault, FaultProxy
from holdall.wrappers.forwarding import ForwardingStore

LARGE = 9 * 1024 * 1024
SLOW_DOWN = b"<Error><Code>SlowDown</Code><Message>Please reduce your request rate.</Message></Error>"


@pytest.fixture
def cut(localstack_bucket):
    """A database behind a proxy, and one that goes to the server itself."""
    with (
        FaultProxy(localstack_bucket.server.endpoint) as proxy,
        opened(localstack_bucket, proxy=proxy, tags="off", mirror="memory", max_attempts=2, timeout=5) as db,
        opened(localstack_bucket, tags="off", mirror="off") as other,
    ):
        db.store.probe()
        db.batch_create([Record({"id": name, "n": 0}) for name in ("old", "gone")])
        yield proxy, db, other


WRITES = {
    "create": lambda db: db.create(Record({"id": "new", "n": 1})),
    "upsert of a new one": lambda db: db.upsert(Record({"id": "new", "n": 1})),
    "update": lambda db: db.update("old", Record({"n": 1})),
    "update at a version": lambda db: db.update("old", Record({"n": 1}), expected_version=db.get_version("old")),
    "upsert": lambda db: db.upsert("old", Record({"n": 1})),
}


@pytest.mark.parametrize("write", list(WRITES))
def test_a_write_that_nobody_can_look_up_is_unknown(cut, colour, write):
    """Each answer is cut off, those of the looks at what became of it too; the server has done it all the same."""
    proxy, db, other = cut
    proxy.fail(Fault(lose_reply=True), times=math.inf, method="PUT")
    proxy.fail(Fault(answer=500), times=math.inf, skip=write == "upsert of a new one", method="GET", target=r"\.json")
    with pytest.raises(UnavailableError) as caught:
        WRITES[write](colour(db))
    assert caught.value.outcome == "unknown"
    proxy.heal()
    name = "new" if "new" in repr(other.batch_read(["new"])) else "old"
    assert other.require(name)["n"] == 1, "it was done"
    assert colour(db).require(name)["n"] == 1
    assert {record.id: record["n"] for record in colour(db).search()} == {"gone": 0, "old": 0, name: 1}, (
        "and this index, which knows nothing of it, looks"
    )


def test_a_batch_says_so_of_each_item(cut, colour):
    proxy, db, other = cut
    proxy.fail(Fault(lose_reply=True), times=math.inf, method="PUT", target="lost")
    proxy.fail(Fault(answer=500), times=math.inf, method="GET", target="lost")
    with pytest.raises(BatchError) as caught:
        colour(db).batch_create([Record({"id": name}) for name in ("a", "lost", "z")])
    assert [(o.id, o.status) for o in caught.value.outcomes] == [("a", "written"), ("lost", "unknown"), ("z", "written")]
    assert caught.value.outcomes[1].error.outcome == "unknown"
    proxy.heal()
    assert colour(db).count() == other.count() == 5


def test_a_delete_that_nobody_can_look_up_is_unknown(cut, colour):
    proxy, db, other = cut
    proxy.fail(Fault(lose_reply=True), times=math.inf, method="DELETE")
    proxy.fail(Fault(lose_reply=True), times=math.inf, method="POST")
    proxy.fail(Fault(answer=500), times=math.inf, method="HEAD")
    with pytest.raises(UnavailableError) as caught:
        colour(db).delete("old")
    assert caught.value.outcome == "unknown"
    proxy.heal()
    assert other.read("old") is None, "it was done"
    assert [record.id for record in colour(db).search()] == ["gone"]


def test_what_a_batch_may_have_deleted_is_looked_at(cut, colour):
    """A service that is in trouble has deleted nothing: nothing vanishes from answers that an index gives."""
    proxy, db, _ = cut
    assert len(colour(db).search()) == 2
    proxy.fail(Fault(answer=500), times=math.inf, method="POST")
    with pytest.raises(BatchError) as caught:
        colour(db).batch_delete(["old", "gone"])
    assert {outcome.status for outcome in caught.value.outcomes} == {"unknown"}
    proxy.heal()
    assert colour(db).count() == 2 and len(list(colour(db).ids())) == 2
    assert [record.id for record in colour(db).search()] == ["gone", "old"]


@pytest.mark.parametrize("expected", [False, True], ids=["as it is", "at a version"])
def test_a12_the_answer_of_a_conditional_delete_is_cut_off(moto_bucket, colour, expected):
    with (
        FaultProxy(moto_bucket.server.endpoint) as proxy,
        opened(moto_bucket, proxy=proxy, tags="off", mirror="off") as db,
        opened(moto_bucket, tags="off", mirror="off") as other,
    ):
        db.store.probe()
        assert db.capabilities.conditional_delete
        for name in ("a", "b"):
            db.create(Record({"id": name}))
        version = {"expected_version": db.get_version("a")} if expected else {}
        proxy.fail(Fault(lose_reply=True), method="DELETE")
        assert colour(db).delete("a", **version) is True
        assert not other.exists("a")
        version = {"expected_version": db.get_version("b")} if expected else {}
        other.delete("b")
        assert colour(db).delete("b", **version) is False, "somebody else did"


@pytest.mark.parametrize("fault", [Fault(lose_reply=True), Fault(drop_reply_after=5)], ids=["no answer", "half an answer"])
def test_batches_of_deletes_and_clear_say_so(cut, colour, fault):
    proxy, db, other = cut
    proxy.fail(fault, times=math.inf, method="POST")
    proxy.fail(fault, times=math.inf, method="DELETE")
    with pytest.raises((BatchError, UnavailableError)) as caught:
        colour(db).batch_delete(["old", "gone"])
    assert unsure(caught.value)
    other.batch_upsert([Record({"id": name, "n": 0}) for name in ("old", "gone")])
    with pytest.raises((BatchError, UnavailableError)) as caught:
        colour(db).clear()
    assert unsure(caught.value)


def unsure(error):
    if isinstance(error, BatchError):
        return {o.status for o in error.outcomes} == {"unknown"}
    return error.outcome == "unknown"


def test_what_was_refused_is_not_unknown(cut, colour):
    """A server that is too busy has done nothing, and an error that came before the write is no doubt about it."""
    proxy, db, other = cut
    proxy.fail(Fault(answer=503, headers={"Content-Type": "application/xml"}, body=SLOW_DOWN), times=math.inf, method="PUT")
    with pytest.raises(UnavailableError) as caught:
        colour(db).create(Record({"id": "new"}))
    assert getattr(caught.value, "outcome", None) != "unknown"
    proxy.heal()
    assert not other.exists("new")
    with ObjectDatabase(db.store, mirror="off") as stranger:
        proxy.fail(Fault(answer=500), times=math.inf, method="GET")
        with pytest.raises(UnavailableError) as caught:
            colour(stranger).update("old", Record({}))
        assert getattr(caught.value, "outcome", None) != "unknown"
    proxy.heal()


def test_a_large_record_whose_completion_was_not_answered_is_written_once(cut, colour):
    """The last request of an upload puts the parts together: its retry meets an object that is its own."""
    proxy, database, other = cut
    db = colour(database)
    record = Record({"id": "large", "n": 1, "text": "x" * LARGE})
    proxy.fail(Fault(lose_reply=True), method="POST", target="uploadId")
    assert db.create(record) == "large"
    assert proxy.traffic.faults == 1, "it was sent in parts"
    assert other.require("large")["n"] == 1
    assert db.get_version("large") == other.get_version("large")
    proxy.fail(Fault(lose_reply=True), method="POST", target="uploadId")
    seen = db.get_version("large")
    assert db.update("large", Record({"n": 2, "text": "y" * LARGE}), expected_version=seen) is True
    assert other.require("large")["n"] == 2
    assert db.search(max_age=0)[1]["n"] == 2
    assert db.count() == other.count() == 3
    with pytest.raises(FileExistsError):
        db.create(record)
    assert other.require("large")["n"] == 2


class Forgetful(ForwardingStore):
    """Sends a large write twice, without knowing the object that it then meets for its own."""

    def put(self, key, source, options=None):
        super().put(key, source, options)
        return super().put(key, source, options)

    async def put_async(self, key, source, options=None):
        await super().put_async(key, source, options)
        return await super().put_async(key, source, options)


def test_a_large_write_is_known_again_by_the_token_in_its_body(colour):
    """Where a store does not tell its own success, the record's body does: another one's, equal but for the token, is in the way."""
    store = MemoryStore()
    db, other = colour(ObjectDatabase(Forgetful(store))), ObjectDatabase(store)
    record = Record({"id": "a", "n": 1, "text": "x" * LARGE})
    assert db.create(record) == "a"
    assert db.get_version("a") == other.get_version("a")
    assert db.update("a", record, expected_version=other.get_version("a")) is True
    other.upsert("a", record)
    with pytest.raises(FileExistsError):
        db.create(record)
    assert db.search() == db.search(max_age=0) == other.search()
