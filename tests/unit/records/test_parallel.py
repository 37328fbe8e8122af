"""P2: a batch has exactly min(n, max_workers) requests in flight, told by a store that answers only when so many have come."""

import asyncio
import threading
from collections import Counter
from dataclasses import replace

import pytest

from holdall.drivers.memory import MemoryStore
from holdall.errors import InvalidKeyError, NotSupportedError, PermissionDeniedError, UnavailableError
from holdall.records import BatchError, ObjectDatabase, Record, RecordError, TransactionError
from holdall.wrappers.forwarding import ForwardingStore


class Gate(ForwardingStore):
    """Lets reads pass in groups of a size, and notes the most that were under way."""

    def __init__(self, inner, size):
        super().__init__(inner)
        self.barrier, self.async_barrier = threading.Barrier(size), asyncio.Barrier(size)
        self.now = self.highest = 0
        self.lock = threading.Lock()

    def _step(self, by):
        with self.lock:
            self.now += by
            self.highest = max(self.highest, self.now)

    def get(self, key, options=None):
        self._step(1)
        try:
            self.barrier.wait(60)
            return super().get(key, options)
        finally:
            self._step(-1)

    async def get_async(self, key, options=None):
        self._step(1)
        try:
            async with asyncio.timeout(60):
                await self.async_barrier.wait()
            return await super().get_async(key, options)
        finally:
            self._step(-1)


@pytest.mark.parametrize("workers", [1, 8])
def test_p02_requests_in_flight(colour, workers):
    store = MemoryStore()
    ids = ObjectDatabase(store).batch_create([Record({"id": f"{i:02}"}) for i in range(24)])
    gate = Gate(store, workers)
    db = colour(ObjectDatabase(gate, max_workers=workers))
    assert len(db.batch_read(ids)) == 24
    assert gate.highest == workers


def test_a23_a_generator_is_drawn_as_it_is_written(colour):
    """A batch takes from its iterator no more than the chunk at hand, and holds no record that was written."""
    drawn = []

    def records():
        for number in range(2500):
            drawn.append(number)
            yield Record({"id": f"{number:05}"})

    class Watching(ForwardingStore):
        def put(self, key, source, options=None):
            ahead.append(len(drawn))
            return super().put(key, source, options)

        async def put_async(self, key, source, options=None):
            ahead.append(len(drawn))
            return await super().put_async(key, source, options)

    ahead = []
    db = colour(ObjectDatabase(Watching(MemoryStore()), mirror="off"))
    assert len(db.batch_create(records())) == 2500
    assert ahead[0] == 1000
    assert ahead[-1] == 2500


def test_a23_seven_of_a_thousand_are_refused(colour):
    """The others are stored, and each of the seven is named."""
    bad = {f"records/{number:04}.json" for number in range(3, 1000, 150)}

    class Refusing(ForwardingStore):
        def put(self, key, source, options=None):
            if key in bad:
                raise UnavailableError("not today")
            return super().put(key, source, options)

        async def put_async(self, key, source, options=None):
            if key in bad:
                raise UnavailableError("not today")
            return await super().put_async(key, source, options)

    db = colour(ObjectDatabase(Refusing(MemoryStore())))
    with pytest.raises(BatchError) as caught:
        db.batch_create([Record({"id": f"{number:04}"}) for number in range(1000)])
    error = caught.value
    assert [outcome.index for outcome in error.outcomes] == list(range(1000))
    assert {f"records/{outcome.id}.json" for outcome in error.failed} == bad
    assert {outcome.status for outcome in error.failed} == {"unknown"}
    assert len(error.written) == db.count() == 993


def test_of_two_handles_that_delete_in_bulk_the_later_hears_that_nothing_was_there(colour):
    store = MemoryStore()
    one, other = colour(ObjectDatabase(store)), colour(ObjectDatabase(store))
    one.create(Record({"id": "a"}))
    assert other.batch_delete(["a"]) == [True]
    assert one.batch_delete(["a", "a"]) == [False, False]


def test_a_long_batch_delete_looks_once_what_is_there(colour):
    """Ids that nobody here saw cost one listing, not one for each request; what the index holds costs none."""

    class Counting(ForwardingStore):
        listings = 0

        @property
        def capabilities(self):
            return replace(super().capabilities, temporary=False, local=False)

        def list(self, prefix="", *, delimiter=None, start_after=None):
            self.listings += 1
            return super().list(prefix, delimiter=delimiter, start_after=start_after)

        def list_async(self, prefix="", *, delimiter=None, start_after=None):
            self.listings += 1
            return super().list_async(prefix, delimiter=delimiter, start_after=start_after)

    store = Counting(MemoryStore())
    ids = [f"{i:05}" for i in range(3500)]
    for indexed in (False, True):
        ObjectDatabase(store, mirror="off").batch_create([Record({"id": id}) for id in ids])
        db = colour(ObjectDatabase(store, mirror="memory", cache_ttl=3600))
        if indexed:
            db.count()
        store.listings = 0
        assert db.batch_delete([*ids, "nobody", ids[0]] if not indexed else ids) == [True] * 3500 + [False] * (
            0 if indexed else 2
        )
        assert store.listings == (0 if indexed else 1)
        db.close()


def test_a_batch_delete_with_an_id_that_cannot_be_one_deletes_nothing(colour):
    store = MemoryStore()
    db = colour(ObjectDatabase(store))
    db.create(Record({"id": "a"}))
    with pytest.raises(InvalidKeyError):
        db.batch_delete(["a", ""])
    assert db.exists("a")


class Failing(ForwardingStore):
    """Raises for a verb what is told for it: once so many calls have passed, or for some keys."""

    def __init__(self, inner):
        super().__init__(inner)
        self.calls, self.faults = Counter(), {}

    def fail(self, verb, error, *, after=0, keys=()):
        self.faults[verb] = error, after, keys
        self.calls.clear()

    def _pass(self, verb, keys):
        self.calls[verb] += 1
        error, after, wrong = self.faults.get(verb, (None, 0, ()))
        if error is not None and self.calls[verb] > after and (not wrong or keys in wrong):
            raise error

    def get(self, key, options=None):
        self._pass("get", key)
        return super().get(key, options)

    async def get_async(self, key, options=None):
        self._pass("get", key)
        return await super().get_async(key, options)

    def head(self, key, *, version=None):
        self._pass("head", key)
        return super().head(key, version=version)

    async def head_async(self, key, *, version=None):
        self._pass("head", key)
        return await super().head_async(key, version=version)

    def delete(self, keys, *, if_match=None):
        self._pass("delete", keys)
        return super().delete(keys, if_match=if_match)

    async def delete_async(self, keys, *, if_match=None):
        self._pass("delete", keys)
        return await super().delete_async(keys, if_match=if_match)


def failed(call):
    with pytest.raises(BatchError) as caught:
        call()
    return caught.value


IDS = [f"{n:05}" for n in range(2500)]


@pytest.fixture
def filled():
    store = Failing(MemoryStore())
    ObjectDatabase(store, mirror="off").batch_create([Record({"id": id}) for id in IDS])
    return store


@pytest.mark.parametrize("mirror", ["memory", "off"])
def test_a_bulk_delete_that_is_refused_tells_what_was_deleted_before(filled, colour, mirror):
    """The second of three requests: the first thousand are gone, and the last ones are not tried."""
    plain = ObjectDatabase(filled, mirror=mirror)
    db = colour(plain)
    assert db.count() == 2500
    filled.fail("delete", PermissionDeniedError("HTTP 403"), after=1)
    error = failed(lambda: db.batch_delete(IDS))
    assert [o.status for o in error.outcomes] == ["written"] * 1000 + ["failed"] * 1000 + ["not_tried"] * 500
    assert [o.id for o in error.outcomes] == IDS
    assert all(isinstance(o.error, PermissionDeniedError) for o in error.failed)
    assert (error.database, filled.calls["delete"]) == (repr(plain), 2)
    assert db.count() == db.count(max_age=0) == 1500
    filled.faults.clear()
    assert db.batch_delete(IDS) == [False] * 1000 + [True] * 1500


def test_a_bulk_delete_that_is_not_answered_is_unknown_and_the_others_are_tried(filled, colour):
    db = colour(ObjectDatabase(filled))
    filled.fail("delete", UnavailableError("HTTP 500"), keys=[[f"records/{id}.json" for id in IDS[:1000]]])
    error = failed(lambda: db.batch_delete(IDS))
    assert [o.status for o in error.outcomes] == ["unknown"] * 1000 + ["written"] * 1500
    assert db.count() == 1000


def test_a_look_that_fails_before_a_bulk_delete_is_one_item_s(filled, colour):
    """What nobody can look at is not deleted; a refusal stops the batch, and a storage in trouble does not."""
    filled.fail("head", UnavailableError("HTTP 500"), keys=["records/00000.json"])
    db = colour(ObjectDatabase(filled, mirror="off"))
    assert [o.status for o in failed(lambda: db.batch_delete(["00000"])).outcomes] == ["failed"]
    db.read("00001")
    wrong = failed(lambda: db.batch_delete(["00000", "00001", "00000"]))
    assert [o.status for o in wrong.outcomes] == ["failed", "written", "failed"]
    filled.fail("head", PermissionDeniedError("HTTP 403"))
    db.read("00002")
    assert [o.status for o in failed(lambda: db.batch_delete(["00002", "00003"])).outcomes] == ["not_tried", "failed"]
    assert filled.calls["delete"] == 0
    assert db.count() == 2499


def test_a_clear_that_is_refused_names_what_it_could_not_delete(filled, colour):
    plain = ObjectDatabase(filled)
    filled.fail("delete", PermissionDeniedError("HTTP 403"), after=1)
    error = failed(lambda: colour(plain).clear())
    assert "HTTP 403" in str(error) and "records/01000.json" in str(error)
    assert {o.status for o in error.outcomes} == {"failed"}
    assert [o.id for o in error.outcomes] == IDS[1000:2000]
    assert filled.calls["delete"] == 2
    assert colour(plain).count() == 1500


def test_a23_a_batch_of_reads_stops_at_denied_access(filled, colour):
    plain = ObjectDatabase(filled, max_workers=4)
    filled.fail("get", PermissionDeniedError("HTTP 403"), after=10)
    error = failed(lambda: colour(plain).batch_read(IDS))
    statuses = Counter(o.status for o in error.outcomes)
    assert statuses["written"] == 10
    assert 1 <= statuses["failed"] <= 4
    assert statuses["not_tried"] == 2490 - statuses["failed"]
    assert filled.calls["get"] == 10 + statuses["failed"]
    assert [o.index for o in error.outcomes] == list(range(2500))
    assert all(isinstance(o.error, PermissionDeniedError) for o in error.failed)
    assert error.database == repr(plain)


@pytest.mark.parametrize("mirror", ["memory", "off"])
def test_modify_is_refused_without_compare_and_set(colour, mirror):
    """Before anything is asked: what somebody else writes between its read and its write would be lost."""

    class Weak(Failing):
        @property
        def capabilities(self):
            return replace(super().capabilities, update=False, strong_etag=False)

    store = Weak(MemoryStore())
    plain = ObjectDatabase(store, mirror=mirror)
    db = colour(plain)
    db.upsert("a", Record({"n": 1}))
    store.calls.clear()
    with pytest.raises(NotSupportedError, match="compare-and-set"):
        db.modify("a", lambda record: record.set_value("n", 2))
    assert not store.calls
    assert db.require("a")["n"] == 1


def test_the_errors_of_modify_name_their_database(colour):
    plain = ObjectDatabase(MemoryStore())
    db = colour(plain)
    db.create(Record({"id": "a"}))
    for ask in (
        lambda: db.modify("nobody", lambda record: record),
        lambda: db.modify("a", lambda record: plain.delete("a") and record),
        lambda: db.modify("a", lambda record: record, attempts=0),
    ):
        with pytest.raises(RecordError) as caught:
            ask()
        assert caught.value.database == repr(plain)


def test_a_batch_s_error_names_its_database(colour):
    plain = ObjectDatabase(MemoryStore())
    db = colour(plain)
    db.create(Record({"id": "a"}))
    for write in (lambda: db.batch_create([Record({"id": "a"})]), lambda: db.batch_update([("a", Record({"n": object()}))])):
        assert failed(write).database == repr(plain)


def test_a_transaction_whose_write_was_not_answered_says_that_nobody_knows(filled, colour):
    database = ObjectDatabase(filled)
    filled.fail("delete", UnavailableError("HTTP 500"))
    with pytest.raises(TransactionError) as caught, colour(database.transaction("best_effort")) as changes:
        changes.update("00001", Record({"n": 1}))
        changes.delete("00002")
        changes.delete("00003")
    assert [outcome.status for outcome in changes.outcomes] == ["written", "unknown", "not_tried"]
    assert changes.outcomes == caught.value.outcomes
