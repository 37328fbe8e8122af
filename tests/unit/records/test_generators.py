"""Acceptance 23: a batch from an endless-looking generator. What is drawn, held and under way stays bounded.

For the 200,000 records of the requirement: ``HOLDALL_SOAK=1 pytest tests/unit/records/test_generators.py``.
"""

import asyncio
import gc
import os
import threading
import time

import pytest

from holdall.drivers.memory import MemoryStore
from holdall.records import ObjectDatabase, Record
from holdall.records.drafts import Draft
from holdall.results import PutResult
from holdall.wrappers.forwarding import ForwardingStore

MANY = 200_000 if os.environ.get("HOLDALL_SOAK") else 20_000
CHUNK = 1000
WORKERS = 8


class Sink(ForwardingStore):
    """Keeps nothing, and notes what is under way. The first ones wait for each other, so that the mark does not hang on luck."""

    def __init__(self, first):
        super().__init__(MemoryStore())
        self.lock = threading.Lock()
        self.first, self.barrier, self.async_barrier = first, threading.Barrier(first), asyncio.Barrier(first)
        self.calls = self.now = self.highest = self.done = self.ahead = self.drawn = 0

    def _begin(self):
        with self.lock:
            self.calls += 1
            self.now += 1
            self.highest = max(self.highest, self.now)
            self.ahead = max(self.ahead, self.drawn - self.done)
            return self.calls <= self.first

    def _end(self, key, source):
        with self.lock:
            self.now -= 1
            self.done += 1
        return PutResult(key=key, size=len(source), etag=str(self.done))

    def put(self, key, source, options=None):
        if self._begin():
            self.barrier.wait(60)
            time.sleep(0.05)  # one more than there should be would begin now
        return self._end(key, source)

    async def put_async(self, key, source, options=None):
        if self._begin():
            async with asyncio.timeout(60):
                await self.async_barrier.wait()
            await asyncio.sleep(0.05)
        return self._end(key, source)


@pytest.mark.timeout(600)
@pytest.mark.parametrize("verb", ["batch_create", "batch_upsert"])
def test_a23_a_long_generator(colour, verb):
    """Requests under way reach `max_workers` and no more; at most a chunk is drawn ahead, and at most two are held."""
    store, held = Sink(WORKERS), []

    def records():
        for number in range(MANY):
            store.drawn += 1
            if number % (MANY // 4) == MANY // 8:
                held.append(sum(type(each) is Draft for each in gc.get_objects()))
            yield Record({"n": number})  # without an id: whether it is there need not be asked

    db = ObjectDatabase(store, mirror="off", max_workers=WORKERS)
    assert len(set(getattr(colour(db), verb)(records()))) == MANY
    assert store.done == MANY
    assert store.highest == WORKERS
    assert 0 < store.ahead <= CHUNK
    assert len(held) == 4
    assert 0 < max(held) <= 2 * CHUNK


@pytest.mark.parametrize("many", [1, 3])
def test_a_short_batch_has_as_many_under_way_as_it_has_records(colour, many):
    store = Sink(many)
    db = colour(ObjectDatabase(store, max_workers=WORKERS))
    assert len(db.batch_create([Record({}) for _ in range(many)])) == many
    assert store.highest == many
