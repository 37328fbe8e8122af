"""Each rule of the tiered store by itself, where another writer, a fault or a lost answer comes at the worst moment."""

import asyncio
import math
import random
import threading

import pytest

from holdall.core.capabilities import Capabilities
from holdall.core.options import GetOptions, PutOptions
from holdall.core.retry import BreakerPolicy, RetryPolicy
from holdall.drivers.local import LocalStore
from holdall.drivers.memory import MemoryStore
from holdall.errors import (
    AlreadyExistsError,
    ConfigError,
    IntegrityError,
    NotFoundError,
    NotSupportedError,
    PermissionDeniedError,
    PreconditionError,
    StorageFullError,
    UnavailableError,
)
from holdall.results import GetResult
from holdall.testing import CountingStore, FlakyStore
from holdall.tiers import FileStore, PartialDeleteError, PartialWriteError
from holdall.wrappers.forwarding import ForwardingStore
from holdall.wrappers.readonly import ReadOnlyStore

QUICK = RetryPolicy(attempts=3, first=0.0001, cap=0.001)
NEVER = BreakerPolicy(failures=10_000)


def held(store, key="k"):
    try:
        return store.get(key).bytes()
    except NotFoundError:
        return None


class Meddled(ForwardingStore):
    """Calls a function before, or after, the next call of a verb."""

    def __init__(self, inner):
        super().__init__(inner)
        self.before = {}
        self.after = {}

    def put(self, key, source, options=None):
        self.before.pop("put", lambda: None)()
        result = super().put(key, source, options)
        self.after.pop("put", lambda: None)()
        return result

    async def put_async(self, key, source, options=None):
        return self.put(key, source, options)

    def copy(self, src, dst, options=None, *, source=None):
        self.before.pop("put", lambda: None)()
        result = super().copy(src, dst, options, source=source)
        self.after.pop("put", lambda: None)()
        return result

    async def copy_async(self, src, dst, options=None, *, source=None):
        return self.copy(src, dst, options, source=source)

    def get(self, key, options=None):
        result = super().get(key, options)
        self.after.pop("get", lambda: None)()
        return result

    async def get_async(self, key, options=None):
        return self.get(key, options)


class Far(ForwardingStore):
    """A store that is asked in a thread, as one behind a network is."""

    def _narrowed(self, inner):
        return inner.narrowed(temporary=False)


@pytest.fixture
def places():
    return [MemoryStore() for _ in range(3)]


@pytest.fixture
def flaky(places):
    return [FlakyStore(place) for place in places]


@pytest.fixture
def plain(flaky):
    with FileStore(*flaky, names=["one", "two", "three"], retry=QUICK, breaker=NEVER) as fs:
        yield fs


@pytest.fixture
def fs(plain, colour):
    return colour(plain)


# -- R: reads ---------------------------------------------------------------------------------------------------------------


def test_r1_a_near_hit_is_one_request(places, colour):
    counting = [CountingStore(place) for place in places]
    with FileStore(*counting) as fs:
        fs.put("k", b"x")
        for store in counting:
            store.reset()
        assert colour(fs).get("k") == b"x"
        assert [store.counts.total for store in counting] == [1, 0, 0]
        places[0].delete("k")
        places[1].delete("k")
        assert colour(fs).get("k") == b"x"
        assert [store.counts.calls for store in counting] == [{"get": 2}, {"get": 1}, {"get": 1}]


@pytest.mark.parametrize("verb", ["get", "exists", "stat"])
def test_r2_a_refusal_of_permission_is_told_as_one(fs, flaky, verb):
    flaky[1].fail("*", times=math.inf, error=lambda: PermissionDeniedError("no"))
    with pytest.raises(PermissionDeniedError) as caught:
        getattr(fs, verb)("k")
    assert set(caught.value.report) == {"one", "two", "three"}
    flaky[0].fail("*", times=math.inf)
    with pytest.raises(UnavailableError):
        getattr(fs, verb)("k")


def test_r3_another_location_is_asked_before_the_same_again(fs, plain, flaky, places):
    places[2].put("k", b"far")
    flaky[0].fail("get", times=2)
    assert fs.get("k") == b"far"
    assert flaky[0].failures == 1
    places[2].delete("k")
    flaky[0].heal()
    places[0].put("k", b"near")
    flaky[0].fail("get", times=1)
    assert fs.get("k") == b"near"  # no other had it: the failed one was asked again


def test_r4_degraded_service_is_visible(fs, flaky, places, caplog):
    for place in places:
        place.put("k", b"x")
    flaky[0].fail("*", times=math.inf)
    stat = fs.stat("k")
    assert stat.degraded
    assert stat.location.name == "two"
    fs.get("k")
    fs.get("k")
    told = [record for record in caplog.records if "could not be asked" in record.message]
    assert len(told) == 1
    flaky[0].heal()
    assert not fs.stat("k").degraded
    assert [record for record in caplog.records if "answers again" in record.message]


def test_r4_degraded_service_can_be_forbidden(flaky, places, colour):
    places[1].put("k", b"x")
    with FileStore(*flaky, retry=QUICK, degraded="raise") as fs:
        flaky[0].fail("*", times=math.inf)
        for verb in ("get", "stat"):
            with pytest.raises(UnavailableError):
                getattr(colour(fs), verb)("k")


def remote(place):
    return Far(place)


def test_r5_a_broken_stream_goes_on_with_the_same_version(places, colour):
    data = random.Random(1).randbytes(5_000_000)
    flaky = FlakyStore(remote(places[0]))
    with FileStore(flaky, retry=QUICK, digest=None) as fs:
        fs.put("k", data)
        store = places[0]
        chunked = Chunked(store)
        flaky._inner = chunked
        flaky.fail("get", when="during", after_bytes=1_500_000)
        with colour(fs.store).get("k") as result:
            assert b"".join(result) == data
        assert chunked.opened == [None, (2_000_000, 5_000_000)]


def test_r5_a_stream_is_never_spliced_from_two_versions(places, colour):
    flaky = FlakyStore(Chunked(places[0]))
    with FileStore(flaky, retry=QUICK) as fs:
        fs.put("k", b"a" * 3_000_000)
        flaky.fail("get", when="during", after_bytes=1_000_000)
        with pytest.raises(IntegrityError, match="changed"), colour(fs.store).get("k") as result:
            for i, _ in enumerate(result):
                if i == 0:
                    places[0].put("k", b"b" * 3_000_000)


@pytest.mark.parametrize("equal", [True, False])
def test_r5_another_location_goes_on_only_with_an_equal_digest(places, colour, equal):
    flaky = FlakyStore(Chunked(places[0]))
    data = random.Random(2).randbytes(4_000_000)
    with FileStore(flaky, places[1], retry=RetryPolicy(attempts=1)) as fs:
        fs.put("k", data)
        if not equal:
            fs.put("k", data[::-1], 1)
        flaky.fail("get", nth=1, when="during", after_bytes=1_000_000)
        flaky.fail("get", nth=2, times=math.inf)
        if equal:
            with colour(fs.store).get("k") as result:
                assert b"".join(result) == data
        else:
            with pytest.raises(UnavailableError), colour(fs.store).get("k") as result:
                b"".join(result)


class Chunked(ForwardingStore):
    """Gives bodies in chunks of a megabyte, as a network does, and notes the ranges that were asked for."""

    def __init__(self, inner):
        super().__init__(inner)
        self.opened = []

    def _narrowed(self, inner):
        return inner.narrowed(temporary=False)

    def _cut(self, result, data):
        return GetResult(
            result.meta, iter([data[i : i + 1_000_000] for i in range(0, len(data), 1_000_000)]), range=result.range
        )

    def get(self, key, options=None):
        asked = None if options is None or options.byte_range is None else options.byte_range
        self.opened.append(None if asked is None else (asked.start, asked.end))
        result = super().get(key, options)
        return self._cut(result, result.bytes())

    async def get_async(self, key, options=None):
        return self.get(key, options)


def test_r6_a_wrong_digest_counts_as_a_failed_location(places, colour):
    with FileStore(*places, verify_reads=True, retry=QUICK) as fs:
        fs.put("k", b"right")
        kept = places[0].head("k").metadata
        places[0].put("k", b"wrong", PutOptions(metadata=kept))
        assert colour(fs).get("k") == b"right"
        with pytest.raises(IntegrityError):
            colour(fs).get("k", "near")


class Held(ForwardingStore):
    """A place behind a network that answers reads only when it is let go."""

    def __init__(self, inner):
        super().__init__(inner)
        self.free = threading.Event()

    def _narrowed(self, inner):
        return inner.narrowed(temporary=False)

    def get(self, key, options=None):
        self.free.wait(60)
        return super().get(key, options)

    async def get_async(self, key, options=None):
        await asyncio.to_thread(self.free.wait, 60)
        return await super().get_async(key, options)

    def head(self, key, *, version=None):
        self.free.wait(60)
        return super().head(key, version=version)

    async def head_async(self, key, *, version=None):
        await asyncio.to_thread(self.free.wait, 60)
        return await super().head_async(key, version=version)


def test_a_slow_location_is_not_waited_for(places, colour):
    """With ``hedge_after`` the next one is asked too. What only the slow one has is waited for; a miss needs its answer."""
    slow = Held(places[0])
    places[1].put("k", b"far")
    places[0].put("k", b"near")
    places[0].put("only", b"near")
    with FileStore(slow, Far(places[1]), names=["one", "two"], hedge_after=0.02, retry=RetryPolicy(attempts=1)) as plain:
        fs = colour(plain)
        assert fs.get("k") == b"far"
        assert (fs.stat("k").location.name, fs.stat("k").degraded) == ("two", True)
        assert fs.exists("k") == [plain.locations[1]]
        threading.Timer(0.2, slow.free.set).start()
        assert fs.get("only") == b"near"
        assert fs.get("k") == b"near"
        assert fs.get("absent") is None
        assert not fs.stat("only").degraded
    for wrong in (0, -1, True, "1"):
        with pytest.raises(ConfigError):
            FileStore(MemoryStore(), hedge_after=wrong)


def test_a_slow_location_that_fails_in_the_end(places, colour):
    flaky = FlakyStore(places[0])
    slow = Held(flaky)
    with FileStore(slow, Far(places[1]), names=["one", "two"], hedge_after=0.02, retry=RetryPolicy(attempts=1)) as plain:
        flaky.fail("get", times=math.inf)
        threading.Timer(0.2, slow.free.set).start()
        with pytest.raises(UnavailableError) as caught:
            colour(plain).get("absent")
        assert caught.value.report["two"] is None


# -- W: writes --------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("size", [10, 200_000])
def test_w3_the_retry_writes_only_where_needed(fs, flaky, places, size):
    content = b"x" * size
    flaky[1].fail("*", times=math.inf)
    with pytest.raises(PartialWriteError) as caught:
        fs.put("k", content)
    assert [loc.name for loc in caught.value.written] == ["one", "three"]
    assert [loc.name for loc in caught.value.failed] == ["two"]
    assert isinstance(caught.value.__cause__, UnavailableError)
    assert [held(place) for place in places] == [content, None, content]
    flaky[1].heal()
    assert [loc.name for loc in fs.put("k", content)] == ["two"]
    assert fs.put("k", content) == []


def test_w4_equal_size_is_not_equal_content(fs, places):
    places[0].put("k", b"aaaa")
    assert [loc.name for loc in fs.put("k", b"bbbb")] == ["one", "two", "three"]
    assert fs.put("k", b"bbbb") == []
    assert [held(place) for place in places] == [b"bbbb"] * 3


def test_w4_names_that_never_change_content_need_no_digest(tmp_path, colour):
    with FileStore(tmp_path, digest=None, immutable=True) as fs:
        (tmp_path / "k").write_bytes(b"same")
        assert colour(fs).put("k", b"same") == []
    with FileStore(tmp_path, digest=None) as fs:
        assert len(colour(fs).put("k", b"same")) == 1


class Forgetful(ForwardingStore):
    """Keeps no digest, and cannot create race-free: an FTP server, as it were."""

    def _narrowed(self, inner):
        return inner.narrowed(create=False, update=False, metadata=False, temporary=False)


def test_w4_where_a_look_proves_nothing_nobody_looks(places, colour):
    counting = CountingStore(places[0])
    with FileStore(Forgetful(counting)) as fs:
        for _ in range(2):
            assert len(colour(fs).put("k", b"same")) == 1
        assert counting.counts.calls == {"put": 2}
    with FileStore(Forgetful(MemoryStore()), immutable=True) as fs:
        assert len(colour(fs).put("k", b"same")) == 1
        assert colour(fs).put("k", b"same") == []


def test_w4_keep_skips_by_name(places, colour):
    with FileStore(*places, existing="keep") as fs:
        places[0].put("k", b"old")
        assert [loc.index for loc in colour(fs).put("k", b"new")] == [1, 2]
        assert held(places[0]) == b"old"


def broken(size):
    yield b"x" * size
    raise RuntimeError("the source broke")


@pytest.mark.parametrize("size", [10, 10_000_000])
def test_w5_a_source_that_raises_publishes_nothing(fs, places, size):
    fs.put("k", b"old")
    with pytest.raises(RuntimeError, match="the source broke"):
        fs.put("k", broken(size))
    with pytest.raises(RuntimeError, match="the source broke"):
        fs.put("new", broken(size))
    assert [held(place) for place in places] == [b"old"] * 3
    assert [held(place, "new") for place in places] == [None] * 3


@pytest.mark.parametrize("size", [3_000, 20_000_000])
def test_w5_a_one_shot_source_reaches_every_location(fs, places, size):
    block = bytes(range(256)) * 40
    chunks = [block] * (size // len(block) + 1)
    fs.put("k", iter(chunks))
    assert [held(place) for place in places] == [b"".join(chunks)] * 3


def test_w6_read_only_locations_are_left_out_and_reported(places, colour):
    counting = CountingStore(places[1])
    with FileStore(places[0], ReadOnlyStore(counting), names=["one", "two"]) as fs:
        report = colour(fs).put("k", b"x")
        assert [(o.location.name, o.status) for o in report.outcomes] == [("one", "written"), ("two", "read_only")]
        with pytest.raises(NotSupportedError):
            colour(fs).put("k", b"x", "two")
        with pytest.raises(NotSupportedError):
            colour(fs).delete("k", "far")
        assert [o.status for o in colour(fs).delete("k").outcomes] == ["deleted", "read_only"]
        assert counting.counts.total == 0


def test_a_full_disk_leaves_nothing(fs, flaky, places):
    flaky[0].fail("put", times=math.inf, error=lambda: StorageFullError("no space"))
    with pytest.raises(PartialWriteError) as caught:
        fs.put("k", b"x")
    assert isinstance(caught.value.__cause__, StorageFullError)
    flaky[0].heal()
    assert [loc.name for loc in fs.put("k", b"x")] == ["one"]


@pytest.mark.parametrize("content", [123, None, ["text"]])
def test_wrong_content_is_refused_before_any_location_is_asked(places, colour, content):
    counting = CountingStore(places[0])
    with FileStore(counting) as fs:
        with pytest.raises(TypeError):
            colour(fs).put("k", content)
        assert counting.counts.total == 0


# -- D: deletes -------------------------------------------------------------------------------------------------------------


def test_d1_all_are_tried(fs, flaky, places):
    fs.put("k", b"x")
    flaky[0].fail("delete", times=math.inf)
    with pytest.raises(PartialDeleteError) as caught:
        fs.delete("k")
    assert [loc.name for loc in caught.value.failed] == ["one"]
    assert [held(place) for place in places] == [b"x", None, None]
    batch = fs.delete_batch(["k", "other", "../bad"])
    assert [item[0] for item in batch] == ["../bad", "k", "other"]
    flaky[0].heal()
    assert fs.delete_batch(iter(["k", "other"])) == []
    assert fs.delete("k").outcomes[0].status == "deleted"


class Carried(Meddled):
    """One whose service does not copy: the bytes go through this machine."""

    def _narrowed(self, inner):
        return inner.narrowed(copy=False)


@pytest.mark.parametrize(("kind", "moment"), [(Carried, "before"), (Carried, "after"), (Meddled, "after")])
def test_d2_a_promotion_does_not_bring_back_what_was_deleted(places, kind, moment):
    near = kind(places[0])
    with FileStore(near, places[1]) as fs:
        fs.put("k", b"x", "far")
        getattr(near, moment)["put"] = lambda: places[1].delete("k")
        assert fs.promote("k").skipped == ["k"]
        assert [held(place) for place in places[:2]] == [None, None]


@pytest.mark.parametrize(("kind", "moment"), [(Carried, "before"), (Carried, "after"), (Meddled, "after")])
def test_d2_a_promotion_of_what_was_overwritten_meanwhile_is_withdrawn(places, kind, moment):
    near = kind(places[0])
    with FileStore(near, places[1]) as fs:
        fs.put("k", b"old", "far")
        getattr(near, moment)["put"] = lambda: places[1].put("k", b"new")
        fs.promote("k")
        assert held(places[0]) is None


def test_d2_the_service_copies_the_object_that_was_seen_or_none(places):
    near = Meddled(places[0])
    with FileStore(near, places[1]) as fs:
        fs.put("k", b"old", "far")
        near.before["put"] = lambda: places[1].put("k", b"new")
        assert list(fs.promote("k")) == ["k"]
        assert held(places[0]) == b"new"
        fs.delete("k")
        fs.put("k", b"old", "far")
        near.before["put"] = lambda: places[1].delete("k")
        assert isinstance(fs.promote("k").failures["k"], NotFoundError)
        assert held(places[0]) is None


def test_c3_a_promotion_never_overwrites(places):
    near = Meddled(places[0])
    with FileStore(near, places[1]) as fs:
        fs.put("k", b"far", "far")
        near.before["put"] = lambda: places[0].put("k", b"written meanwhile")
        fs.promote("k")
        assert held(places[0]) == b"written meanwhile"


def test_a29_promote_on_read(places, colour):
    with FileStore(*places, promote_on_read=True) as fs:
        fs.put("k", b"x", "far")
        assert colour(fs).get("k") == b"x"
        assert colour(fs).flush(60)
        assert fs.pending() == 0
        assert [held(place) for place in places] == [b"x", None, b"x"]
        assert colour(fs).stat("k").location.name == "memory-0"


@pytest.mark.parametrize("moment", ["before", "after"])
def test_a29_a_delete_during_a_promotion_leaves_nothing(places, colour, moment):
    near = Meddled(places[0])
    with FileStore(near, places[1], promote_on_read=True) as plain, FileStore(*places[:2]) as other:
        plain.put("k", b"x", "far")
        getattr(near, moment)["put"] = lambda: other.delete("k")
        assert colour(plain).get("k") == b"x"
        assert colour(plain).flush(60)
        assert [held(place) for place in places[:2]] == [None, None]
        assert colour(plain).get("k") is None


# -- C: concurrency ---------------------------------------------------------------------------------------------------------


def test_c1_one_of_many_creators_wins(tmp_path, colour):
    stores = [LocalStore(tmp_path / name, create=True) for name in ("one", "two")]
    with FileStore(*stores) as fs:
        for turn in range(5):
            answers = colour.at_once(lambda i, k=turn: fs.put(f"k{k}", f"{i}".encode() * 10, mode="create"), [(i,) for i in range(8)]) \
                if colour.name == "blocking" else colour.at_once(_Creator(fs, turn).put, [(i,) for i in range(8)])  # fmt: skip
            won = [answer for answer in answers if not isinstance(answer, Exception)]
            assert len(won) == 1, answers
            assert all(isinstance(a, AlreadyExistsError) for a in answers if isinstance(a, Exception))
            assert len({held(store, f"k{turn}") for store in stores}) == 1


class _Creator:
    def __init__(self, fs, turn):
        self.fs, self.turn = fs, turn

    def put(self, i):
        return self.fs.put(f"k{self.turn}", f"{i}".encode() * 10, mode="create")

    async def put_async(self, i):
        return await self.fs.put_async(f"k{self.turn}", f"{i}".encode() * 10, mode="create")


def test_c1_a_winner_whose_answer_got_lost_knows_its_own_write(fs, flaky, places):
    flaky[0].fail("put", when="after")
    assert len(fs.put("k", b"mine", mode="create")) == 3
    assert [held(place) for place in places] == [b"mine"] * 3
    with pytest.raises(AlreadyExistsError):
        fs.put("k", b"mine", mode="create")


class Unmarked(ForwardingStore):
    """Creates race-free and keeps no metadata: an SFTP server, as it were."""

    def _narrowed(self, inner):
        return inner.narrowed(metadata=False)


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("digest", ["sha256", None])
def test_c1_where_no_mark_is_kept_an_outcome_may_stay_unknown(places, colour, when, digest):
    """It is told as such: neither a success that might be another's, nor a defeat that might be one's own success."""
    flaky = FlakyStore(places[0])
    with FileStore(Unmarked(flaky), places[1], retry=QUICK, digest=digest) as plain:
        fs = colour(plain)
        flaky.fail("put", when=when)
        if when == "before":
            assert len(fs.put("k", b"mine", mode="create")) == 2
            return
        with pytest.raises(UnavailableError, match="not known: .* has just this content"):
            fs.put("k", b"mine", mode="create")
        flaky.fail("put", when="after")
        flaky.fail("head", times=math.inf, nth=2)
        with pytest.raises(UnavailableError, match="not known: .* could not be asked"):
            fs.put("other", b"mine", mode="create")


def test_c1_where_no_mark_is_kept_other_content_is_a_defeat(places, colour):
    judge = Meddled(places[0])
    flaky = FlakyStore(judge)
    with FileStore(Unmarked(flaky), places[1], retry=QUICK) as plain:
        flaky.fail("put", when="before")
        judge.before["put"] = lambda: places[0].put("k", b"them")
        with pytest.raises(AlreadyExistsError):
            colour(plain).put("k", b"mine", mode="create")
        assert (held(places[0]), held(places[1])) == (b"them", None)


def test_c1_a_create_needs_absence_everywhere(fs, flaky, places):
    places[2].put("k", b"far")
    with pytest.raises(AlreadyExistsError):
        fs.put("k", b"x", mode="create")
    assert held(places[0]) is None
    places[2].delete("k")
    flaky[2].fail("head", times=math.inf)
    with pytest.raises(UnavailableError):
        fs.put("k", b"x", mode="create")
    assert held(places[0]) is None


def test_c1_compare_and_set(fs, plain, places, colour):
    store = colour(plain.store)
    fs.put("k", b"one")
    etag = store.head("k").etag
    assert etag.startswith("one:")
    fs.put("k", b"two", if_match=etag)
    assert [held(place) for place in places] == [b"two"] * 3
    for wrong in (etag, "nowhere:1", "plain"):
        with pytest.raises(PreconditionError):
            fs.put("k", b"three", if_match=wrong)
    assert store.get("k", GetOptions(if_match=store.head("k").etag)).bytes() == b"two"
    places[0].delete("k")
    fs.put("k", b"four", if_match=store.head("k").etag)  # read further back: the arbiter did not have it
    assert [held(place) for place in places] == [b"four"] * 3


class Unable(ForwardingStore):
    def _narrowed(self, inner):
        return inner.narrowed(create=False, update=False)


def test_c1_nobody_can_decide(places, colour):
    with FileStore(Unable(places[0])) as fs, pytest.raises(NotSupportedError):
        colour(fs).put("k", b"x", mode="create")


@pytest.mark.parametrize("plain_digest", ["sha256", None])
def test_c2_a_stray_copy_is_rewritten(places, plain_digest):
    far = Meddled(places[1])
    with FileStore(places[0], far, digest=plain_digest) as fs:
        fs.put("k", b"old")
        far.after["put"] = lambda: places[1].put("k", b"of a slower writer")
        fs.put("k", b"new", force=True)
        assert [held(place) for place in places[:2]] == [b"new", b"new"]


@pytest.mark.parametrize("plain_digest", ["sha256", None])
def test_c2_the_arbiter_is_right(places, plain_digest):
    far = Meddled(places[1])
    with FileStore(places[0], far, digest=plain_digest) as fs:
        fs.put("k", b"old")
        far.before["put"] = lambda: places[0].put("k", b"of a later writer")
        report = fs.put("k", b"new", force=True)
        assert {outcome.status for outcome in report.outcomes} == {"superseded"}
        assert [held(place) for place in places[:2]] == [b"of a later writer"] * 2


def test_c2_writers_of_one_key_where_no_digest_is_kept(places):
    """Eight writers and two readers; readers see whole values that were written."""

    class Slow(ForwardingStore):
        def _narrowed(self, inner):
            return inner.narrowed(temporary=False, metadata=False)

        def put(self, key, source, options=None):
            pause.wait(random.random() * 0.003)
            return super().put(key, source, options)

    pause = threading.Event()
    seen, errors = set(), []
    valid = {f"{w}-{i}".encode() * 50 for w in range(8) for i in range(5)} | {b"first"}
    with FileStore(*(Slow(place) for place in places), retry=QUICK) as fs:
        fs.put("k", b"first")

        def write(w):
            try:
                for i in range(5):
                    fs.put("k", f"{w}-{i}".encode() * 50)
            except Exception as error:
                errors.append(error)

        def read():
            while not done.is_set():
                seen.add(fs.get("k"))

        done = threading.Event()
        readers = [threading.Thread(target=read) for _ in range(2)]
        writers = [threading.Thread(target=write, args=(w,)) for w in range(8)]
        for thread in (*readers, *writers):
            thread.start()
        for thread in writers:
            thread.join()
        done.set()
        for thread in readers:
            thread.join()
        assert errors == []
        assert len({held(place) for place in places}) == 1
    assert seen <= valid


# -- S: the store -----------------------------------------------------------------------------------------------------------


def test_s1_capabilities(places, tmp_path):
    with FileStore(places[0], tmp_path) as fs:
        can = fs.store.capabilities
        assert isinstance(can, Capabilities)
        assert can.create
        assert can.ordered
        assert not can.tags
        assert not can.local
    with FileStore(ReadOnlyStore(places[0])) as fs:
        assert not fs.store.capabilities.write
