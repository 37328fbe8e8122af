"""Section 6: throttling backs off and narrows the window. Told by a store that counts what is under way when it refuses, and after."""

import asyncio
import threading

import pytest

from holdall.drivers.memory import MemoryStore
from holdall.errors import ThrottledError
from holdall.records import BatchError, ObjectDatabase, Record, objects_waves, objects_waves_async
from holdall.records.window import Window
from holdall.wrappers.forwarding import ForwardingStore

MOST = 8
COUNT = 100


class Busy(ForwardingStore):
    """Refuses the first full window, once it is complete; or everything. Notes how many requests were under way at each one after that."""

    def __init__(self, inner, *, always=False):
        super().__init__(inner)
        self.lock, self.always, self.on = threading.Lock(), always, True
        self.complete, self.async_complete = threading.Barrier(MOST), asyncio.Barrier(MOST)
        self.calls = self.now = self.answered = 0
        self.seen = []
        """Of each request behind the refused ones: how many were under way with it, how many had been answered."""

    def _begin(self):
        """Note a request, and tell whether it is refused."""
        with self.lock:
            self.calls += 1
            self.now += 1
            refused = self.on and (self.always or self.calls <= MOST)
            if not refused:
                self.seen.append((self.now, self.answered))
            return refused

    def _end(self, *, answered):
        with self.lock:
            self.now -= 1
            self.answered += answered

    def _pass(self, call):
        refused = self._begin()
        try:
            if refused:
                if not self.always:
                    self.complete.wait(60)
                raise ThrottledError("the storage asks for fewer requests (SlowDown)")
            return call()
        finally:
            self._end(answered=not refused)

    async def _pass_async(self, call):
        refused = self._begin()
        try:
            if refused:
                if not self.always:
                    async with asyncio.timeout(60):
                        await self.async_complete.wait()
                raise ThrottledError("the storage asks for fewer requests (SlowDown)")
            await asyncio.sleep(0)
            return await call()
        finally:
            self._end(answered=not refused)

    def get(self, key, options=None):
        return self._pass(lambda: ForwardingStore.get(self, key, options))

    async def get_async(self, key, options=None):
        return await self._pass_async(lambda: ForwardingStore.get_async(self, key, options))

    def put(self, key, source, options=None):
        return self._pass(lambda: ForwardingStore.put(self, key, source, options))

    async def put_async(self, key, source, options=None):
        return await self._pass_async(lambda: ForwardingStore.put_async(self, key, source, options))


@pytest.fixture(autouse=True)
def _no_pauses(monkeypatch):
    monkeypatch.setattr(objects_waves, "_PAUSE", 0)
    monkeypatch.setattr(objects_waves_async, "_PAUSE", 0)


IDS = [f"{n:03}" for n in range(COUNT)]


def records():
    return [Record({"id": name}) for name in IDS]


@pytest.mark.parametrize("mirror", ["memory", "off"])
@pytest.mark.parametrize("verb", ["batch_create", "batch_upsert", "batch_read", "search", "stream"])
def test_a22_a_refused_window_is_halved_and_grows_again(colour, verb, mirror):
    """All of it is done; behind the refusals half as many are under way, and one more for each round that is answered."""
    store = MemoryStore()
    if verb in {"batch_read", "search", "stream"}:
        ObjectDatabase(store).batch_create(records())
    busy = Busy(store)
    plain = ObjectDatabase(busy, max_workers=MOST, mirror=mirror)
    db = colour(plain)
    if verb in {"search", "stream"}:
        assert [record.id for record in getattr(db, verb)()] == IDS
    elif verb == "batch_read":
        assert [record.id for record in db.batch_read(IDS)] == IDS
    else:
        assert getattr(db, verb)(records()) == IDS
    assert busy.seen[0][0] <= MOST // 2
    assert [(now, answered) for now, answered in busy.seen if now > MOST // 2 + answered / (MOST // 2)] == []
    assert plain._state.window.width() == MOST, "grown again"
    assert ObjectDatabase(store).count() == COUNT


def test_a22_a_storage_that_refuses_everything_is_not_asked_for_all(colour):
    """The batch ends, nothing was written, each item says so, and the next batch begins anew."""
    busy = Busy(MemoryStore(), always=True)
    db = colour(ObjectDatabase(busy, max_workers=MOST))
    with pytest.raises(BatchError) as caught:
        db.batch_create(records())
    assert {outcome.status for outcome in caught.value.outcomes} == {"failed", "not_tried"}
    assert all(isinstance(outcome.error, ThrottledError) for outcome in caught.value.outcomes)
    assert busy.calls < COUNT / 2
    calls = busy.calls
    with pytest.raises(BatchError) as caught:
        db.batch_read(IDS)
    assert {outcome.status for outcome in caught.value.outcomes} == {"failed", "not_tried"}
    assert busy.calls - calls < COUNT / 2
    busy.on = False
    assert db.batch_create(records()) == IDS


def test_a22_a_storage_that_refuses_everything_ends_a_search_without_a_mirror(colour):
    store = MemoryStore()
    ObjectDatabase(store).batch_create(records())
    busy = Busy(store, always=True)
    with pytest.raises(ThrottledError):
        colour(ObjectDatabase(busy, max_workers=MOST, mirror="off")).search()
    assert busy.calls < COUNT / 2


def test_window():
    window = Window(8)
    old = window.round
    window.refused(old)
    window.refused(old)
    assert window.width() == 4, "requests of one round count once"
    for _ in range(5):
        window.refused(window.round)
    assert window.width() == 1, "never less than one"
    for _ in range(1 + 2 + 3):
        window.answered()
    assert window.width() == 4
    for _ in range(100):
        window.answered()
    assert window.width() == 8, "never more than at first"
