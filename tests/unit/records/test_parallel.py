"""P2: a batch has exactly min(n, max_workers) requests in flight, told by a store that answers only when so many have come."""

import asyncio
import threading
from dataclasses import replace

import pytest

from holdall.drivers.memory import MemoryStore
from holdall.errors import InvalidKeyError, UnavailableError
from holdall.records import BatchError, ObjectDatabase, Record
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
