"""`ResilientStore`: what is repeated, what is not, and when a storage is left alone."""

import math
import pickle

import pytest

from holdall.core.options import GetOptions, PutOptions
from holdall.core.retry import BreakerPolicy, RetryPolicy
from holdall.drivers.memory import MemoryStore
from holdall.errors import (
    AlreadyExistsError,
    CircuitOpenError,
    HoldallError,
    IntegrityError,
    NotFoundError,
    PermissionDeniedError,
    UnavailableError,
)
from holdall.results import GetResult
from holdall.testing import CountingStore, FlakyStore
from holdall.wrappers.forwarding import ForwardingStore
from holdall.wrappers.resilient import ResilientStore

QUICK = RetryPolicy(attempts=4, first=0.0001, cap=0.001)


class Chunked(ForwardingStore):
    """A store behind a network: bodies come in chunks of ten bytes."""

    def _narrowed(self, inner):
        return inner.narrowed(temporary=False)

    def _cut(self, result):
        data = result.bytes()
        return GetResult(result.meta, iter([data[i : i + 10] for i in range(0, len(data), 10)]), range=result.range)

    def get(self, key, options=None):
        return self._cut(super().get(key, options))

    async def get_async(self, key, options=None):
        return self._cut(super().get(key, options))


@pytest.fixture
def truth():
    return MemoryStore()


@pytest.fixture
def counting(truth):
    return CountingStore(Chunked(truth))


@pytest.fixture
def flaky(counting):
    return FlakyStore(counting)


@pytest.fixture
def plain(flaky):
    return ResilientStore(flaky, retry=QUICK)


@pytest.fixture
def store(plain, colour):
    return colour(plain)


CALLS = {
    "get": lambda store: store.get("k").bytes(),
    "get_ranges": lambda store: store.get_ranges("k", [(0, 2)]),
    "head": lambda store: store.head("k"),
    "put": lambda store: store.put("k", b"new"),
    "delete": lambda store: store.delete("k"),
    "copy": lambda store: store.copy("k", "l"),
    "set_metadata": lambda store: store.set_metadata("k", {"a": "b"}),
    "tags": lambda store: store.tags("k"),
    "list": lambda store: list(store.list()),
    "uploads": lambda store: store.uploads(),
}


@pytest.mark.parametrize("verb", CALLS)
@pytest.mark.parametrize("when", ["before", "after"])
def test_safe_verbs_are_repeated(store, flaky, truth, verb, when):
    truth.put("k", b"0123456789" * 3)
    flaky.fail(verb, times=3, when=when)
    CALLS[verb](store)
    assert flaky.failures == 3


@pytest.mark.parametrize("verb", CALLS)
def test_attempts_are_counted_once(store, flaky, truth, verb):
    truth.put("k", b"x")
    flaky.fail(verb, times=math.inf)
    with pytest.raises(UnavailableError):
        CALLS[verb](store)
    assert flaky.failures == 4


def broken():
    yield b"x"
    raise UnavailableError("the source broke")


@pytest.mark.parametrize(
    "call",
    [
        lambda store: store.put("k", b"new", PutOptions(mode="create")),
        lambda store: store.put("k", iter([b"new"])),
        lambda store: store.rename("k", "l"),
        lambda store: store.delete("k", if_match="1"),
    ],
    ids=["create", "one-shot", "rename", "conditional delete"],
)
def test_what_could_meet_its_own_success_is_not_repeated(store, flaky, call):
    flaky.fail("*", times=math.inf)
    with pytest.raises(UnavailableError):
        call(store)
    assert flaky.failures == 1


@pytest.mark.parametrize("error", [NotFoundError, PermissionDeniedError, AlreadyExistsError])
def test_answers_are_not_repeated(store, plain, flaky, error):
    flaky.fail("head", times=math.inf, error=lambda: error("so it is"))
    for _ in range(20):
        with pytest.raises(error):
            store.head("k")
    assert flaky.failures == 20
    assert not plain.line.breaker.open


def test_a_broken_body_goes_on_where_it_was(store, flaky, counting, truth):
    data = bytes(range(100))
    truth.put("k", data)
    flaky.fail("get", nth=1, when="during", after_bytes=25)
    flaky.fail("get", nth=2, when="during", after_bytes=25)
    with store.get("k", GetOptions(range=(5, 95))) as result:
        assert b"".join(result) == data[5:95]
    assert counting.counts.calls["get"] == 3


def test_a_body_is_never_spliced(store, flaky, truth):
    truth.put("k", b"a" * 100)
    flaky.fail("get", when="during", after_bytes=25)
    result = store.get("k")
    truth.put("k", b"b" * 100)
    with pytest.raises(IntegrityError, match="changed"), result:
        b"".join(result)


def test_a_body_dropped_unread_lets_go(store, flaky, counting, truth):
    truth.put("k", b"a" * 100)
    result = store.get("k")
    result.close()
    result.close()


def test_a_listing_goes_on_after_its_last_key(store, flaky, truth):
    for i in range(2500):
        truth.put(f"k{i:04}", b"")
    flaky.fail("list", when="during", nth=1)
    flaky.fail("list", when="during", nth=2)
    keys = [meta.key for page in store.list() for meta in page.objects]
    assert keys == [f"k{i:04}" for i in range(2500)]
    assert flaky.failures == 2


def test_a_part_writer_repeats_its_parts(store, flaky, truth):
    with store.parts("k") as writer:
        flaky.fail("put_part", times=2)
        writer.put_part(1, b"a" * (5 << 20))
        writer.put_part(2, b"b")
        flaky.fail("sent")
        assert sorted(writer.sent()) == [1, 2]
        flaky.fail("complete", times=2)
        with pytest.raises(UnavailableError):
            writer.complete()
        flaky.heal()
        writer.complete()
    assert truth.head("k").size == (5 << 20) + 1


def test_a20_a_budget_bounds_the_repetitions_of_an_outage(plain, flaky):
    flaky.fail("head", times=math.inf)
    for _ in range(100):
        with pytest.raises(HoldallError):
            plain.head("k")
    assert flaky.failures <= 100 + 10 + 2


def test_a21_breaker(flaky, counting, truth, colour, caplog):
    plain = ResilientStore(flaky, retry=RetryPolicy(attempts=1), breaker=BreakerPolicy(failures=5, first=3600, cap=3600))
    store = colour(plain)
    flaky.fail("*", times=math.inf)
    for _ in range(5):
        with pytest.raises(UnavailableError):
            store.head("k")
    flaky.heal()
    for _ in range(1000):
        with pytest.raises(CircuitOpenError) as caught:
            store.head("k")
    assert 0 < caught.value.retry_after <= 3600
    assert caught.value.__cause__ is plain.line.last_error
    assert counting.counts.total == 0
    assert len([record for record in caplog.records if "could not be asked" in record.message]) == 1
    sole = colour(ResilientStore(flaky, line=plain.line, sole=True))
    with pytest.raises(NotFoundError):
        sole.head("k")  # the next call is the probe, and its answer closes the breaker
    with pytest.raises(NotFoundError):
        store.head("k")
    assert [record for record in caplog.records if "answers again" in record.message]


def test_a21_a_probe_is_let_through_in_time(flaky, colour):
    plain = ResilientStore(flaky, retry=RetryPolicy(attempts=1), breaker=BreakerPolicy(failures=1, first=1e-9, cap=1e-9))
    flaky.fail("head")
    with pytest.raises(UnavailableError):
        colour(plain).head("k")
    with pytest.raises(NotFoundError):
        colour(plain).head("k")
    assert not plain.line.breaker.open


def test_an_impatient_one_asks_once(flaky, colour, truth):
    store = colour(ResilientStore(flaky, retry=QUICK, patient=False))
    flaky.fail("head")
    with pytest.raises(UnavailableError):
        store.head("k")
    assert flaky.failures == 1


def test_travel_and_repr(truth):
    store = ResilientStore(truth, retry=RetryPolicy(attempts=7))
    assert repr(store) == "ResilientStore(MemoryStore(), attempts=7)"
    with pytest.raises(TypeError):
        ResilientStore(truth, retry=QUICK, line=store.line)
    error = CircuitOpenError("left alone", retry_after=3.0, store="x")
    again = pickle.loads(pickle.dumps(error))
    assert (again.retry_after, str(again)) == (3.0, str(error))
