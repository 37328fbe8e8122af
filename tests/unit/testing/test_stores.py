"""The test stores keep the contract while nothing is asked of them, and do what they are told."""

import math
import time

import pytest

from holdall.core.options import GetOptions
from holdall.drivers.memory import MemoryStore
from holdall.errors import NotFoundError, ThrottledError, UnavailableError
from holdall.testing import CountingStore, FlakyStore, MemoryGround, SlowStore, StoreContract


class TestStoresForTests(StoreContract):
    many = 1001
    large = 100_000
    test_no_secret_shows = None  # it has none

    @pytest.fixture
    def inner(self):
        with MemoryStore() as store:
            yield store

    @pytest.fixture
    def store(self, inner):
        return SlowStore(FlakyStore(CountingStore(inner)))

    @pytest.fixture
    def ground(self, inner):
        return MemoryGround(inner)


def test_counts(colour):
    counting = CountingStore(MemoryStore())
    store = colour(counting)
    store.put("a", b"hello")
    store.put("b", b"x" * 20_000_000)
    assert store.get("a", GetOptions(range=(1, 3))).bytes() == b"el"
    with store.get("b") as body:
        assert counting.counts.at_once >= 1
        assert len(body.bytes()) == 20_000_000
    store.head("a")
    with pytest.raises(NotFoundError):
        store.head("no")
    list(store.list())
    store.delete(["a", "b"])
    with store.parts("p") as writer:
        writer.put_part(1, b"123")
        writer.complete()
    counts = counting.counts
    assert counts.calls == {
        "put": 2, "get": 2, "head": 2, "list": 1, "delete": 1, "parts": 1, "put_part": 1, "complete": 1, "abort": 1
    }  # fmt: skip
    assert (counts.bytes_read, counts.bytes_written) == (20_000_002, 20_000_008)
    assert counts.log[:3] == (("put", "a"), ("put", "b"), ("get", "a"))
    assert ("delete", None) in counts.log
    assert counts.total == 12
    counting.reset()
    assert counting.counts.total == 0


def test_counts_at_once(colour):
    counting = CountingStore(SlowStore(MemoryStore(), latency=0.05))
    answers = colour.at_once(counting.put, [(f"k{i}", b"x") for i in range(5)])
    assert not [answer for answer in answers if isinstance(answer, Exception)]
    assert counting.counts.at_once == 5
    assert counting._open == set()


def test_fails_before_the_work(colour):
    inner = MemoryStore()
    flaky = FlakyStore(inner)
    store = colour(flaky)
    flaky.fail("put", nth=2, times=2)
    store.put("a", b"1")
    for _ in range(2):
        with pytest.raises(UnavailableError):
            store.put("a", b"2")
    assert inner.get("a").bytes() == b"1"
    store.put("a", b"3")
    assert inner.get("a").bytes() == b"3"
    assert flaky.failures == 2


def test_fails_after_the_work(colour):
    inner = MemoryStore()
    flaky = FlakyStore(inner)
    store = colour(flaky)
    flaky.fail("delete", when="after", error=lambda: ThrottledError("slow down"))
    flaky.fail("put", when="after")
    with pytest.raises(UnavailableError):
        store.put("a", b"1")
    assert inner.get("a").bytes() == b"1"
    with pytest.raises(ThrottledError):
        store.delete("a")
    with pytest.raises(NotFoundError):
        inner.head("a")


@pytest.mark.parametrize("size", [100_000, 20_000_000], ids=["at once", "streamed"])
def test_fails_during_a_body(colour, size):
    flaky = FlakyStore(MemoryStore())
    store = colour(flaky)
    store.put("a", b"x" * size)
    flaky.fail("get", when="during", after_bytes=size // 2)
    with pytest.raises(UnavailableError):
        store.get("a").bytes()
    assert store.get("a").bytes() == b"x" * size


def test_fails_during_a_listing(colour):
    inner = MemoryStore()
    for i in range(1500):
        inner.put(f"k{i:04}", b"")
    flaky = FlakyStore(inner)
    flaky.fail("list", when="during")
    pages = iter(colour(flaky).list())
    assert len(next(pages).objects) == 1000
    with pytest.raises(UnavailableError):
        next(pages)


def test_fails_for_a_key_and_for_good(colour):
    flaky = FlakyStore(MemoryStore())
    store = colour(flaky)
    flaky.fail("*", key="bad", times=math.inf)
    store.put("good", b"1")
    for _ in range(3):
        with pytest.raises(UnavailableError):
            store.put("bad", b"1")
        with pytest.raises(UnavailableError):
            store.head("bad")
    flaky.heal()
    store.put("bad", b"1")
    assert flaky.failures == 0


def test_fails_in_a_part_writer(colour):
    flaky = FlakyStore(MemoryStore())
    flaky.fail("complete", when="after")
    with colour(flaky).parts("p") as writer:
        writer.put_part(1, b"x")
        with pytest.raises(UnavailableError):
            writer.complete()
    assert flaky.get("p").bytes() == b"x"


def test_slow(colour):
    slow = colour(SlowStore(MemoryStore(), latency=0.1))
    fast = colour(SlowStore(MemoryStore(), bandwidth=1e6))
    assert _seconds(lambda: slow.put("a", b"x")) >= 0.1
    assert _seconds(lambda: slow.get("a").bytes()) >= 0.1
    assert _seconds(lambda: fast.put("a", b"x" * 100_000)) >= 0.1
    assert _seconds(lambda: fast.get("a").bytes()) >= 0.1
    assert repr(SlowStore(MemoryStore(), latency=1, bandwidth=5)) == "SlowStore(MemoryStore(), latency=1, bandwidth=5)"


def test_slow_async_verbs_wait_together():
    from holdall.testing import AsyncColour

    with AsyncColour() as colour:
        store = SlowStore(MemoryStore(), latency=0.5)
        assert _seconds(lambda: colour.at_once(store.head, [(f"k{i}",) for i in range(20)])) < 9  # one by one: 10


def _seconds(call):
    begun = time.perf_counter()
    call()
    return time.perf_counter() - begun
