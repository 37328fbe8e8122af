"""`LimitedStore`: one limit for both colours, kept, fair, and never a trap."""

import asyncio
import contextvars
import gc
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from holdall.drivers.local import LocalStore
from holdall.drivers.memory import MemoryStore
from holdall.errors import ConfigError, NotFoundError
from holdall.testing import CountingStore, FlakyStore, SlowStore, colour_named
from holdall.wrappers.limited import LimitedStore

WAIT = 20.0
BIG = bytes(3 * 1024 * 1024)


@pytest.fixture(params=["blocking", "async"])
def colour(request):
    with colour_named(request.param) as colour:
        yield colour


@pytest.fixture
def counting():
    store = CountingStore(SlowStore(MemoryStore(), latency=0.005))
    store.put("k", b"bytes")
    store.reset()
    return store


@pytest.fixture
def files(tmp_path):
    """A store whose bodies are real streams."""
    store = LocalStore(tmp_path)
    store.put("big", BIG)
    store.put("small", b"1")
    return store


def free(store):
    """Return how many slots are free."""
    gate = store._slots.get()
    gate._settle()
    return gate._free


def test_at_most_so_many_at_once_in_both_colours_together(counting):
    store = LimitedStore(counting, concurrency=3)

    async def tasks():
        await asyncio.gather(*(store.head_async("k") for _ in range(15)))

    with ThreadPoolExecutor(10) as pool:
        loops = [pool.submit(asyncio.run, tasks()) for _ in range(2)]
        verbs = [pool.submit(store.head, "k") for _ in range(30)]
        for future in loops + verbs:
            future.result(WAIT)
    assert counting.counts.calls == {"head": 60}
    assert counting.counts.at_once == 3
    assert free(store) == 3


def test_without_limits_nothing_waits(colour):
    counting = CountingStore(SlowStore(MemoryStore(), latency=0.5))
    colour(counting).put("k", b"bytes")
    store = LimitedStore(counting)
    colour.at_once(colour(store).head, [("k",)] * 8)
    assert counting.counts.at_once == 8
    assert repr(store).startswith("LimitedStore(CountingStore(")


def test_every_verb_takes_a_slot_and_gives_it_back(colour):
    inner = CountingStore(MemoryStore(versioned=True))
    plain = LimitedStore(inner, concurrency=1)
    store = colour(plain)
    store.put("k", b"1")
    store.get("k").bytes()
    store.get_ranges("k", [(0, 1)])
    store.head("k")
    store.copy("k", "l")
    store.rename("l", "m")
    store.set_tags("k", {"a": "b"})
    store.tags("k")
    store.set_metadata("k", {"a": "b"})
    store.versions("k")
    list(store.list())
    store.uploads()
    with store.parts("p") as writer:
        writer.put_part(1, b"1")
        writer.sent()
        writer.complete()
    store.delete(["k", "m"])
    with pytest.raises(NotFoundError):
        store.head("none")
    with pytest.raises(NotImplementedError):
        store.sign("k")
    assert free(plain) == 1
    assert inner.counts.at_once == 1


def test_a_failing_verb_gives_its_slot_back(colour):
    flaky = FlakyStore(MemoryStore())
    store = LimitedStore(flaky, concurrency=1, rate=10_000)
    for verb, call in (
        ("head", lambda s: s.head("k")),
        ("get", lambda s: s.get("k")),
        ("list", lambda s: list(s.list())),
        ("put", lambda s: s.put("k", b"1")),
    ):
        flaky.fail(verb)
        with pytest.raises(ConnectionError):
            call(colour(store))
        assert free(store) == 1


# -- streams ----------------------------------------------------------------------------------------------------------


def test_a_body_keeps_its_slot_until_it_was_read(files, colour):
    store = LimitedStore(files, concurrency=2)
    result = colour(store).get("big")
    chunks = iter(result)
    next(chunks)
    assert free(store) == 1
    assert sum(map(len, chunks)) < len(BIG)
    assert free(store) == 2


@pytest.mark.parametrize("how", ["closed", "left", "dropped", "half read and dropped"])
def test_a_body_that_is_not_read_gives_its_slot_back(files, colour, how):
    store = LimitedStore(files, concurrency=1)
    result = colour(store).get("big")
    assert free(store) == 0
    if how == "closed":
        result.close()
    elif how == "left":
        with result:
            pass
    elif how == "half read and dropped":
        chunks = iter(result)
        next(chunks)
        if colour.name == "async":
            chunks.close()  # a loop closes the async generators that were dropped; here it stands still
        del chunks
    del result
    gc.collect()
    assert free(store) == 1


def test_small_bodies_keep_no_slot(files, colour):
    store = LimitedStore(files, concurrency=1)
    result = colour(store).get("small")
    assert free(store) == 1
    assert result.bytes() == b"1"


def test_writing_while_reading_cannot_lock_itself_out(files, colour):
    """The reader's slot is all there is, and the writer comes after it in the same context."""
    store = LimitedStore(files, concurrency=1)

    def copy(number, own):
        for turn in range(3):
            with own(store).get("big") as result:
                own(store).put(f"copy/{number}/{turn}", b"1")
                assert len(result.bytes()) == len(BIG)

    colour.in_threads(4, copy)
    assert sum(len(page.objects) for page in files.list("copy/")) == 12
    assert free(store) == 1


def test_copying_in_threads_cannot_lock_itself_out(files):
    store = LimitedStore(files, concurrency=2)

    def copy(number):
        with store.get("big") as result:
            store.put(f"copy/{number}", result.chunks(1 << 20))

    with ThreadPoolExecutor(6) as pool:
        for future in [pool.submit(copy, i) for i in range(6)]:
            future.result(WAIT)
    assert sum(len(page.objects) for page in files.list("copy/")) == 6
    assert free(store) == 2


def test_many_bodies_open_in_one_caller(files, colour):
    """More than there are slots: it could never get on if it waited for itself."""
    store = LimitedStore(files, concurrency=2)
    results = [colour(store).get("big") for _ in range(5)]
    assert free(store) == 0
    for result in results[::2] + results[1::2]:
        assert len(result.bytes()) == len(BIG)
    assert free(store) == 2


def test_a_source_may_read_from_its_own_store(files, colour):
    store = LimitedStore(files, concurrency=1)

    def chunks():
        for _ in range(3):
            yield store.get("small").bytes()

    colour(store).put("joined", chunks())
    assert files.get("joined").bytes() == b"111"
    assert free(store) == 1


def test_the_children_of_a_reader_share_its_slot_one_at_a_time(files):
    counting = CountingStore(SlowStore(files, latency=0.002))
    store = LimitedStore(counting, concurrency=2)

    async def run():
        async with await store.get_async("big") as one, await store.get_async("big") as two:
            verbs = [asyncio.wait_for(store.head_async("small"), WAIT) for _ in range(20)]
            await asyncio.gather(*verbs)
            assert counting.counts.at_once == 3  # the two bodies, and one beside them
            await one.bytes_async()
            await two.bytes_async()

    asyncio.run(run())
    assert free(store) == 2


def test_copying_in_tasks_cannot_lock_itself_out(files):
    store = LimitedStore(files, concurrency=2)

    async def copy(number):
        async with await store.get_async("big") as result:
            copying = store.put_async(f"copy/{number}", result.chunks_async(1 << 20))
            await (asyncio.create_task(copying) if number % 2 else copying)

    async def run():
        await asyncio.wait_for(asyncio.gather(*(copy(i) for i in range(6))), WAIT)

    asyncio.run(run())
    assert sum(len(page.objects) for page in files.list("copy/")) == 6
    assert free(store) == 2


def test_a_listing_keeps_no_slot_between_pages(colour):
    inner = MemoryStore()
    for i in range(1100):
        inner.put(f"{i:04}", b"")
    plain = LimitedStore(inner, concurrency=1)
    store = colour(plain)
    for page in store.list():
        assert free(plain) == 1
        store.delete([meta.key for meta in page.objects])
    assert list(inner.list()) == []
    pages = store.list()
    assert list(pages) == []
    assert free(plain) == 1


# -- waiting ----------------------------------------------------------------------------------------------------------


def test_an_async_waiter_does_not_block_its_loop(files):
    store = LimitedStore(files, concurrency=1)
    held = store.get("big")  # a body held by this thread, outside the loop
    beats = []

    async def run():
        waiting = asyncio.create_task(store.head_async("small"))
        for _ in range(20):
            await asyncio.sleep(0.001)
            beats.append(waiting.done())
        held.close()
        await asyncio.wait_for(waiting, WAIT)

    thread = threading.Thread(target=asyncio.run, args=(run(),))
    thread.start()
    thread.join(WAIT)
    assert not thread.is_alive()
    assert beats == [False] * 20


def test_cancelled_waiters_leave_no_trace(files):
    store = LimitedStore(files, concurrency=1)
    held = contextvars.Context().run(store.get, "big")  # by a stranger

    async def run():
        tasks = [asyncio.create_task(store.head_async("small")) for _ in range(50)]
        await asyncio.sleep(0.01)
        assert store._slots.get().waiting == 50
        for task in tasks[:49]:
            task.cancel()
        await asyncio.gather(*tasks[:49], return_exceptions=True)
        assert store._slots.get().waiting == 1
        held.close()
        assert (await asyncio.wait_for(tasks[49], WAIT)).key == "small"

    asyncio.run(run())
    assert free(store) == 1


def test_a_cancelled_verb_gives_its_slot_back():
    store = LimitedStore(SlowStore(MemoryStore(), latency=30), concurrency=1)

    async def run():
        task = asyncio.create_task(store.head_async("k"))
        await asyncio.sleep(0.01)
        assert free(store) == 0
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)

    asyncio.run(run())
    assert free(store) == 1


FORKED = """
    import asyncio, threading, time
    from holdall.drivers.local import LocalStore
    from holdall.wrappers.limited import LimitedStore

    files = LocalStore(sys.argv[1])
    files.put("big", bytes(3 << 20))
    files.put("small", b"1")
    store = LimitedStore(files, concurrency=1, rate=1000)
    held = store.get("big")
    thread = threading.Thread(target=store.head, args=("small",))  # another thread waits in the parent
    thread.start()
    while not store._slots.get().waiting:
        time.sleep(0.001)

    def child():
        held.close()  # the parent's slot: no business of this process's gate
        ok = store.head("small").size == 1 and asyncio.run(store.head_async("small")).size == 1
        return ok and store._slots.get()._free == 1

    assert in_child(child) == 0
    assert store._slots.get()._free == 0
    held.close()
    thread.join(10)
    assert store._slots.get()._free == 1
"""


def test_a_forked_child_has_limits_of_its_own(interpreter):
    interpreter(FORKED)


# -- rate -------------------------------------------------------------------------------------------------------------


def test_verbs_are_spaced(colour):
    inner = MemoryStore()
    inner.put("k", b"1")
    store = LimitedStore(inner, rate=100)
    colour(store).head("k")
    begun = time.monotonic()
    for _ in range(10):
        colour(store).head("k")
    assert time.monotonic() - begun > 0.08


def test_a_rate_holds_for_all_together_and_wastes_little():
    inner = MemoryStore()
    inner.put("k", b"1")
    store = LimitedStore(inner, rate=500)

    async def tasks():
        await asyncio.gather(*(store.head_async("k") for _ in range(30)))

    begun = time.monotonic()
    with ThreadPoolExecutor(6) as pool:
        futures = [pool.submit(asyncio.run, tasks()) for _ in range(2)]
        futures += [pool.submit(store.head, "k") for _ in range(40)]
        for future in futures:
            future.result(WAIT)
    took = time.monotonic() - begun
    assert 99 / 500 - 0.02 < took < 10  # each waiting for all that came before it: 10 and more


def test_an_idle_store_saves_up_almost_nothing():
    inner = MemoryStore()
    inner.put("k", b"1")
    store = LimitedStore(inner, rate=100)
    store.head("k")
    time.sleep(0.3)
    begun = time.monotonic()
    for _ in range(6):
        store.head("k")
    assert time.monotonic() - begun > 0.035


def test_those_who_give_up_cost_the_others_nothing():
    """A thousand cancelled waiters do not push the next one into the future."""
    inner = MemoryStore()
    inner.put("k", b"1")
    store = LimitedStore(inner, rate=20)

    async def run():
        await store.head_async("k")
        tasks = [asyncio.create_task(store.head_async("k")) for _ in range(1000)]
        await asyncio.sleep(0.01)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        begun = time.monotonic()
        await store.head_async("k")
        return time.monotonic() - begun

    assert asyncio.run(run()) < 25  # behind a thousand others: 50


@pytest.mark.parametrize("bad", [{"concurrency": 0}, {"concurrency": -1}, {"concurrency": True}, {"rate": 0}, {"rate": -1}])
def test_limits_that_let_nothing_through(bad):
    with pytest.raises(ConfigError):
        LimitedStore(MemoryStore(), **bad)
