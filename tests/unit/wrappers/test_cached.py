"""`CachedStore`: near, never stale, and never in the way."""

import asyncio
import gc
import logging
import os
import signal
import stat
import subprocess
import sys
import textwrap
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from tests.leftovers import open_below

from holdall.core.options import CopyOptions, GetOptions, PutOptions
from holdall.core.ranges import ByteRange
from holdall.drivers.local import LocalStore
from holdall.drivers.memory import MemoryStore
from holdall.errors import (
    ConfigError,
    NotFoundError,
    PreconditionError,
    RangeNotSatisfiableError,
    UnavailableError,
)
from holdall.results import GetResult
from holdall.testing import CountingStore, FlakyStore, SlowStore, colour_named
from holdall.wrappers import _caching, _disk
from holdall.wrappers.cached import CachedStore
from holdall.wrappers.forwarding import ForwardingStore

WAIT = 30.0
SMALL = b"0123456789" * 100
BIG = bytes(range(256)) * 4 * 2500  # 2.5 MB: several blocks, more than is served in one piece


@pytest.fixture(params=["blocking", "async"])
def colour(request):
    with colour_named(request.param) as colour:
        yield colour


@pytest.fixture(params=["memory", "disk"])
def directory(request, tmp_path):
    return tmp_path / "cache" if request.param == "disk" else None


@pytest.fixture
def inner():
    store = MemoryStore()
    store.put("k", SMALL)
    store.put("big", BIG)
    return store


class NoConditions(ForwardingStore):
    """A store that has etags but knows no conditional reads."""

    def _narrowed(self, inner):
        return inner.narrowed(conditional_read=False)

    def get(self, key, options=None):
        assert options is None or not options.conditional
        return super().get(key, options)

    async def get_async(self, key, options=None):
        assert options is None or not options.conditional
        return await super().get_async(key, options)


class Streaming(ForwardingStore):
    """Bodies are streams, as from a network; each chunk may be looked at or fail."""

    on_chunk = staticmethod(lambda: None)

    def get(self, key, options=None):
        result = super().get(key, options)
        return GetResult(result.meta, self.chunks(result.bytes()), range=result.range)

    async def get_async(self, key, options=None):
        result = await super().get_async(key, options)
        return GetResult(result.meta, self.chunks_async(result.bytes()), range=result.range)

    def chunks(self, data):
        for at in range(0, len(data), 100_000):
            self.on_chunk()
            yield data[at : at + 100_000]

    async def chunks_async(self, data):
        for chunk in self.chunks(data):
            yield chunk
            await asyncio.sleep(0)


def files(directory):
    """Return the files of contents, and those on their way."""
    return sorted((directory / "objects").glob("*/*")), sorted((directory / "new").glob("*"))


# -- hits -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("key", ["k", "big"])
def test_a_hit_is_one_request_without_a_body(inner, directory, colour, key):
    counting = CountingStore(Streaming(inner))
    plain = CachedStore(counting, directory=directory)
    store = colour(plain)
    expected = inner.get(key).bytes()
    assert store.get(key).bytes() == expected
    assert counting.counts.calls == {"get": 1}
    counting.reset()
    for _ in range(3):
        with store.get(key) as result:
            assert (result.meta.key, result.meta.size, result.range) == (key, len(expected), (0, len(expected)))
            assert result.meta == inner.head(key)
            assert result.bytes() == expected
    assert counting.counts.calls == {"get": 3}
    assert counting.counts.bytes_read == 0


def test_a_hit_where_reads_know_no_conditions(inner, directory, colour):
    counting = CountingStore(NoConditions(inner))
    store = colour(CachedStore(counting, directory=directory))
    for _ in range(3):
        assert store.get("k").bytes() == SMALL
    assert counting.counts.calls == {"get": 1, "head": 2}
    inner.put("k", b"new")
    assert store.get("k").bytes() == b"new"
    assert store.get("k").bytes() == b"new"
    assert counting.counts.calls == {"get": 2, "head": 4}


def test_ranges_are_served_from_what_is_kept(inner, directory, colour):
    counting = CountingStore(inner)
    store = colour(CachedStore(counting, directory=directory))
    assert store.get("big", GetOptions(range=(5, 10))).bytes() == BIG[5:10]  # not kept: a range is not the whole
    assert store.get("big", GetOptions(range=(5, 10))).bytes() == BIG[5:10]
    assert counting.counts.bytes_read == 10
    store.get("big").bytes()
    counting.reset()
    for wanted in ((0, 1), (5, 10), (262_140, 262_150), (0, len(BIG)), (100, 2_000_000), ByteRange(9), ByteRange.last(7)):
        start, end = ByteRange.of(wanted).resolve(len(BIG))
        with store.get("big", GetOptions(range=wanted)) as result:
            assert result.range == (start, end)
            assert result.meta.size == len(BIG)
            assert result.bytes() == BIG[start:end]
    with pytest.raises(RangeNotSatisfiableError) as caught:
        store.get("big", GetOptions(range=(len(BIG), len(BIG) + 1)))
    assert caught.value.key == "big"
    assert counting.counts.bytes_read == 0


def test_many_ranges_are_served_from_what_is_kept(inner, directory, colour):
    counting = CountingStore(inner)
    store = colour(CachedStore(counting, directory=directory))
    wanted = [(2_000_000, 2_000_009), (0, 5), (3, 9), (7, 7), (len(BIG) - 3, len(BIG) + 100)]
    expected = [BIG[start:end] for start, end in wanted]
    assert store.get_ranges("big", wanted) == expected
    store.get("big").bytes()
    counting.reset()
    assert store.get_ranges("big", wanted) == expected
    etag = inner.head("big").etag
    assert store.get_ranges("big", wanted, if_match=etag) == expected
    with pytest.raises(RangeNotSatisfiableError):
        store.get_ranges("big", [(0, 1), (len(BIG), len(BIG) + 1)])
    assert counting.counts.calls == {"head": 3}
    assert counting.counts.bytes_read == 0
    with pytest.raises(PreconditionError):
        store.get_ranges("big", wanted, if_match="other")
    inner.put("big", b"new content")
    assert store.get_ranges("big", [(0, 3)]) == [b"new"]
    inner.delete("big")
    with pytest.raises(NotFoundError):
        store.get_ranges("big", [(0, 3)])


# -- never stale ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("data", [b"other, of another size", bytes(reversed(SMALL)), b""])
def test_what_another_writer_wrote_is_served(inner, directory, colour, data):
    store = colour(CachedStore(inner, directory=directory))
    store.get("k").bytes()
    inner.put("k", data)
    assert store.get("k").bytes() == data
    assert store.get("k").bytes() == data


def test_what_another_deleted_is_gone(inner, directory, colour):
    store = colour(CachedStore(inner, directory=directory))
    store.get("k").bytes()
    inner.delete("k")
    for _ in range(2):
        with pytest.raises(NotFoundError):
            store.get("k")
    inner.put("k", b"back")
    assert store.get("k").bytes() == b"back"


def test_a_store_that_cannot_be_asked_is_not_answered_for(inner, directory, colour):
    flaky = FlakyStore(inner)
    store = colour(CachedStore(flaky, directory=directory))
    store.get("k").bytes()
    flaky.fail("get")
    with pytest.raises(UnavailableError):
        store.get("k")
    assert store.get("k").bytes() == SMALL


def test_conditions_hold(inner, directory, colour):
    store = colour(CachedStore(inner, directory=directory))
    etag = inner.head("k").etag
    for _ in range(2):  # with nothing kept, and with it
        assert store.get("k", GetOptions(if_match=etag)).bytes() == SMALL
        assert store.get("k", GetOptions(if_match=f'"{etag}"')).bytes() == SMALL
        assert store.get("k", GetOptions(if_match="*")).bytes() == SMALL
        assert store.get("k", GetOptions(if_match=etag, range=(1, 3))).bytes() == SMALL[1:3]
        with pytest.raises(PreconditionError):
            store.get("k", GetOptions(if_match="other"))
        with pytest.raises(FileNotFoundError):
            store.get("none", GetOptions(if_match=etag))
        for options in (GetOptions(if_none_match=etag), GetOptions(if_modified_since=inner.head("k").last_modified)):
            with pytest.raises(Exception, match="not modified"):
                store.get("k", options)
    inner.put("k", b"new")
    with pytest.raises(PreconditionError) as caught:
        store.get("k", GetOptions(if_match=etag))
    assert caught.value.key == "k"
    assert store.get("k", GetOptions(if_match=inner.head("k").etag)).bytes() == b"new"


def test_versions_go_around(directory, colour):
    inner = MemoryStore(versioned=True)
    first = inner.put("k", b"one").version
    inner.put("k", b"two")
    store = colour(CachedStore(inner, directory=directory))
    assert store.get("k").bytes() == b"two"
    assert store.get("k", GetOptions(version=first)).bytes() == b"one"
    assert store.get("k").bytes() == b"two"


def by_parts(store):
    with store.parts("k") as writer:
        writer.put_part(1, b"new")
        writer.complete()


WRITES = {
    "put": lambda s: s.put("k", b"new"),
    "copy": lambda s: s.copy("other", "k"),
    "rename to": lambda s: s.rename("other", "k"),
    "set_metadata": lambda s: s.set_metadata("k", {"new": "1"}),
    "delete": lambda s: s.delete("k"),
    "delete of many": lambda s: s.delete(iter(["k", "other"])),
    "rename from": lambda s: s.rename("k", "elsewhere"),
    "parts": by_parts,
    "set_modified": lambda s: s.set_modified("k", s.head("other").last_modified),
}


@pytest.mark.parametrize("how", WRITES)
def test_whatever_writes_drops_what_is_kept(inner, directory, colour, how):
    inner.put("other", b"other")
    plain = CachedStore(inner, directory=directory)
    store = colour(plain)
    store.get("k").bytes()
    assert plain._shelf.find("k") is not None
    WRITES[how](store)
    assert plain._shelf.find("k") is None


def test_versions_that_are_removed_or_restored_drop_what_is_kept(directory, colour):
    inner = MemoryStore(versioned=True)
    first = inner.put("k", b"one").version
    second = inner.put("k", b"two").version
    plain = CachedStore(inner, directory=directory)
    store = colour(plain)
    store.get("k").bytes()
    store.delete_version("k", second)
    assert plain._shelf.find("k") is None
    assert store.get("k").bytes() == b"one"
    store.restore("k", first)
    assert plain._shelf.find("k") is None


def test_a_write_that_fails_drops_too(inner, directory, colour):
    """Whether it arrived is unknown."""
    flaky = FlakyStore(inner)
    plain = CachedStore(flaky, directory=directory)
    colour(plain).get("k").bytes()
    flaky.fail("put", when="after")
    with pytest.raises(UnavailableError):
        colour(plain).put("k", b"new")
    assert plain._shelf.find("k") is None
    assert colour(plain).get("k").bytes() == b"new"


def test_metadata_written_here_is_seen_here_even_if_the_etag_stays(directory, colour, tmp_path):
    """Local disk keeps its etag when only metadata changes; what was being fetched meanwhile is not kept."""
    local = LocalStore(tmp_path)
    local.put("k", SMALL, PutOptions(metadata={"a": "old"}))
    slow = Streaming(local)
    plain = CachedStore(slow, directory=directory)
    fetched, go_on = threading.Event(), threading.Event()

    def pause():
        fetched.set()
        go_on.wait(WAIT)

    slow.on_chunk = pause
    reader = threading.Thread(target=lambda: plain.get("k").bytes())
    reader.start()
    assert fetched.wait(WAIT)
    colour(plain).set_metadata("k", {"a": "new"})
    go_on.set()
    reader.join(WAIT)
    assert dict(colour(plain).get("k").attributes.metadata) == {"a": "new"}


def test_etags_that_promise_nothing_are_not_trusted(directory, colour):
    class Weak(ForwardingStore):
        etag = "e"
        strong = True

        def _narrowed(self, inner):
            return inner.narrowed(strong_etag=self.strong)

        def weaken(self, result):
            result.meta = type(result.meta)(key="k", size=result.meta.size, etag=self.etag)
            return result

        def get(self, key, options=None):
            return self.weaken(super().get(key))

        async def get_async(self, key, options=None):
            return self.weaken(await super().get_async(key))

    for etag, strong, weak, kept in (
        ("e", True, False, True),
        ("W/e", True, False, False),
        (None, True, False, False),
        ("e", False, False, False),
        ("e", False, True, True),
        ("W/e", False, True, False),
    ):
        inner = Weak(MemoryStore())
        inner.put("k", b"1")
        inner.etag, inner.strong = etag, strong
        plain = CachedStore(inner, directory=directory and directory / f"{etag}{strong}{weak}".replace("/", ""), weak=weak)
        assert colour(plain).get("k").bytes() == b"1"
        assert (plain._shelf.find("k") is not None) is kept, (etag, strong, weak)


def test_two_stores_in_one_directory_share_nothing(tmp_path, colour):
    one, two = MemoryStore(), MemoryStore()
    one.put("k", b"one")
    two.put("k", b"two")
    stores = [colour(CachedStore(store, directory=tmp_path / "cache")) for store in (one, two)]
    for _ in range(2):
        assert [store.get("k").bytes() for store in stores] == [b"one", b"two"]


def test_content_outlives_the_process_on_disk(tmp_path, colour):
    local = LocalStore(tmp_path / "data", create=True)
    local.put("big", BIG, PutOptions(content_type="text/x-test", metadata={"a": "ü"}))
    colour(CachedStore(local, directory=tmp_path / "cache")).get("big").bytes()
    counting = CountingStore(local)
    again = colour(CachedStore(counting, directory=tmp_path / "cache"))
    with again.get("big") as result:
        assert result.meta == local.get("big").meta
        assert result.bytes() == BIG
    assert counting.counts.bytes_read == 0


# -- at the same time -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("key", ["k", "big"])
def test_many_who_miss_fetch_once(inner, directory, colour, key):
    counting = CountingStore(SlowStore(Streaming(inner), latency=0.02))
    store = colour(CachedStore(counting, directory=directory))
    answers = colour.at_once(store.get, [(key,)] * 12)
    expected = inner.get(key).bytes()
    for answer in answers:
        assert colour(answer).bytes() == expected
    assert counting.counts.bytes_read == len(expected)


def test_threads_and_tasks_who_miss_fetch_once(inner, directory):
    counting = CountingStore(SlowStore(Streaming(inner), latency=0.05))
    store = CachedStore(counting, directory=directory)

    async def task():
        async with await store.get_async("big") as result:
            return await result.bytes_async()

    async def tasks():
        return await asyncio.gather(*(task() for _ in range(5)))

    with ThreadPoolExecutor(8) as pool:
        loops = [pool.submit(asyncio.run, tasks()) for _ in range(3)]
        threads = [pool.submit(lambda: store.get("big").bytes()) for _ in range(5)]
        answers = [data for future in loops for data in future.result(WAIT)] + [f.result(WAIT) for f in threads]
    assert answers == [BIG] * 20
    assert counting.counts.bytes_read == len(BIG)
    assert store._flights._tables.get().flights == {}


def test_many_who_find_it_changed_fetch_once(inner, directory, colour):
    counting = CountingStore(SlowStore(Streaming(inner), latency=0.02))
    store = colour(CachedStore(counting, directory=directory))
    store.get("big").bytes()
    inner.put("big", BIG[::-1])
    counting.reset()
    answers = colour.at_once(store.get, [("big",)] * 8)
    assert [colour(answer).bytes() for answer in answers] == [BIG[::-1]] * 8
    assert counting.counts.bytes_read == len(BIG)


def test_those_who_waited_for_one_that_failed_do_not_wait_for_each_other(inner, directory, colour):
    """Ten seconds of silence from a dead server are waited for twice at most, not once for each reader."""
    flaky = FlakyStore(inner)
    counting = CountingStore(SlowStore(flaky, latency=0.4))
    store = colour(CachedStore(counting, directory=directory))
    flaky.fail("get", times=100)
    begun = time.monotonic()
    answers = colour.at_once(store.get, [("k",)] * 12)
    assert time.monotonic() - begun < 4  # one after the other: 4.8 at least
    assert [type(answer) for answer in answers] == [UnavailableError] * 12
    flaky.heal()
    assert store.get("k").bytes() == SMALL


def test_a_cancelled_fetch_hands_over(inner, directory):
    slow = CountingStore(SlowStore(Streaming(inner), latency=0.05))
    store = CachedStore(slow, directory=directory)

    async def read():
        async with await store.get_async("big") as result:
            return await result.bytes_async()

    async def run():
        first = asyncio.create_task(read())
        await asyncio.sleep(0.01)
        others = [asyncio.create_task(read()) for _ in range(4)]
        await asyncio.sleep(0.01)
        first.cancel()
        answers = await asyncio.wait_for(asyncio.gather(first, *others, return_exceptions=True), WAIT)
        assert isinstance(answers[0], asyncio.CancelledError)
        assert answers[1:] == [BIG] * 4

    asyncio.run(run())
    assert slow.counts.bytes_read == len(BIG)
    if directory:
        gc.collect()
        assert files(directory)[1] == []


def test_writers_and_readers_at_once_see_whole_and_no_old_values(directory, colour):
    """A read that begins after a write has ended sees that write, or a later one."""
    inner = MemoryStore()
    plain = CachedStore(inner, directory=directory)
    plain.put("k", b"0000" * 500)
    written = [0]

    def body(number, own):
        for turn in range(1, 80):
            if number == 0:
                (plain if turn % 2 else inner).put("k", f"{turn:04}".encode() * 500)
                written[0] = turn
            else:
                before = written[0]
                data = own(plain).get("k").bytes()
                assert data == data[:4] * 500
                assert int(data[:4]) >= before

    colour.in_threads(4, body)


# -- bounds -----------------------------------------------------------------------------------------------------------


def room(plain):
    """Return the bytes that are kept now."""
    shelf = plain._shelf
    if shelf.quick:
        return shelf._contents.get().total
    return sum(size for _, size, _ in shelf._files())


def test_the_least_recently_used_goes_first(directory, colour):
    inner = MemoryStore()
    for name in "abcd":
        inner.put(name, name.encode() * 20_000)
    plain = CachedStore(inner, directory=directory, max_bytes=70_000)
    store = colour(plain)
    for name in ("a", "b", "c", "a", "d"):
        store.get(name).bytes()
        time.sleep(0.002)
    assert {name for name in "abcd" if plain._shelf.find(name)} == {"a", "c", "d"}
    assert room(plain) <= 70_000


def test_the_bound_holds(directory, colour):
    inner = MemoryStore()
    for i in range(60):
        inner.put(f"{i}", bytes(i * 500))
    plain = CachedStore(inner, directory=directory, max_bytes=100_000)
    store = colour(plain)
    for turn in range(3):
        for i in range(60):
            assert len(store.get(f"{(i * 7 + turn) % 60}").bytes()) == (i * 7 + turn) % 60 * 500
            assert room(plain) <= 100_000
    assert room(plain) > 50_000


def test_tiny_objects_count_too(colour):
    inner = MemoryStore()
    plain = CachedStore(inner, max_bytes=50_000)
    for i in range(200):
        inner.put(f"{i}", b"")
        colour(plain).get(f"{i}").bytes()
    assert len(plain._shelf._contents.get().entries) < 50


def test_large_objects_are_not_kept(inner, directory, colour):
    counting = CountingStore(inner)
    plain = CachedStore(counting, directory=directory, max_object_bytes=1_000_000)
    for _ in range(2):
        assert colour(plain).get("big").bytes() == BIG
    assert plain._shelf.find("big") is None
    assert counting.counts.bytes_read == 2 * len(BIG)
    assert CachedStore(inner, directory=directory, max_bytes=1000)._largest == 1000


@pytest.mark.parametrize("bad", [{"max_bytes": 0}, {"max_object_bytes": 0}])
def test_bad_bounds(inner, bad):
    with pytest.raises(ConfigError):
        CachedStore(inner, **bad)


# -- the directory ----------------------------------------------------------------------------------------------------


@pytest.mark.skipif(os.name == "nt", reason="POSIX permissions")
def test_only_the_user_may_look(inner, tmp_path, colour):
    directory = tmp_path / "deep" / "cache"
    before = os.umask(0)
    try:
        colour(CachedStore(inner, directory=directory)).get("big").bytes()
    finally:
        os.umask(before)
    for folder, folders, names in os.walk(directory):
        assert stat.S_IMODE(os.stat(folder).st_mode) == 0o700
        for name in names:
            assert stat.S_IMODE(os.stat(os.path.join(folder, name)).st_mode) == 0o600
        assert folders or names or folder.endswith("new")


@pytest.mark.skipif(os.name == "nt", reason="POSIX permissions")
def test_a_directory_that_others_can_write_is_not_used(inner, tmp_path, colour, caplog):
    shared = tmp_path / "shared"
    shared.mkdir()
    shared.chmod(0o777)
    plain = CachedStore(inner, directory=shared)
    assert colour(plain).get("k").bytes() == SMALL
    assert "can be written by, others" in caplog.text
    assert list(shared.iterdir()) == []


def damage_block(path):
    data = bytearray(path.read_bytes())
    data[300_000] ^= 1
    path.write_bytes(data)


def damage_footer(path):
    data = bytearray(path.read_bytes())
    data[-60] ^= 1
    path.write_bytes(data)


def truncate(path):
    os.truncate(path, path.stat().st_size // 2)


def cut_behind_the_footer(path):
    """The content is short and the footer sound."""
    data = path.read_bytes()
    path.write_bytes(data[1000:])


def empty(path):
    path.write_bytes(b"")


def other(path):
    path.write_bytes(os.urandom(5000))


@pytest.mark.parametrize("how", [damage_block, damage_footer, truncate, cut_behind_the_footer, empty, other])
def test_damage_is_found_and_fetched_anew(inner, tmp_path, colour, how, caplog):
    counting = CountingStore(inner)
    plain = CachedStore(counting, directory=tmp_path / "cache")
    store = colour(plain)
    for read in (
        lambda: store.get("big").bytes() == BIG,
        lambda: store.get("big", GetOptions(range=(299_999, 300_002))).bytes() == BIG[299_999:300_002],
        lambda: store.get_ranges("big", [(5, 6), (299_999, 300_002)]) == [BIG[5:6], BIG[299_999:300_002]],
        lambda: b"".join(store.get("big", GetOptions(range=(1, 2_400_000)))) == BIG[1:2_400_000],
    ):
        store.get("big").bytes()
        [path], _ = files(tmp_path / "cache")
        how(path)
        assert read()
        assert store.get("big").bytes() == BIG
    assert ("is damaged" in caplog.text) == (how is damage_block)
    counting.reset()
    assert store.get("big").bytes() == BIG
    assert counting.counts.bytes_read == 0


def test_only_the_damaged_part_is_fetched_anew(inner, tmp_path, colour):
    counting = CountingStore(inner)
    store = colour(CachedStore(counting, directory=tmp_path / "cache"))
    store.get("big").bytes()
    damage_block(files(tmp_path / "cache")[0][0])
    counting.reset()
    assert store.get("big").bytes() == BIG
    assert counting.counts.bytes_read == 1024 * 1024


@pytest.mark.parametrize("wrap", [Streaming, NoConditions])
def test_damage_is_never_mended_from_another_version(inner, tmp_path, colour, wrap):
    """Two versions are not spliced: a read that cannot be completed from its own version fails."""
    outer = Switching(wrap(inner))
    store = colour(CachedStore(outer, directory=tmp_path / "cache"))
    store.get("big").bytes()
    damage_block(files(tmp_path / "cache")[0][0])
    outer.then = lambda: inner.put("big", BIG[::-1])
    with pytest.raises(PreconditionError):
        store.get("big").bytes()
    assert store.get("big").bytes() == BIG[::-1]


class Switching(ForwardingStore):
    """Lets something happen just after the first question whether the content is current."""

    then = None

    def happen(self):
        then, self.then = self.then, None
        if then:
            then()

    def get(self, key, options=None):
        try:
            return super().get(key, options)
        finally:
            self.happen()

    async def get_async(self, key, options=None):
        try:
            return await super().get_async(key, options)
        finally:
            self.happen()

    def head(self, key, *, version=None):
        try:
            return super().head(key, version=version)
        finally:
            self.happen()

    async def head_async(self, key, *, version=None):
        try:
            return await super().head_async(key, version=version)
        finally:
            self.happen()


def test_a_file_that_vanishes_while_it_is_read(inner, tmp_path, colour):
    store = colour(CachedStore(inner, directory=tmp_path / "cache"))
    store.get("big").bytes()
    result = store.get("big")
    for path in files(tmp_path / "cache")[0]:
        path.unlink()
    assert result.bytes() == BIG


@pytest.mark.skipif(sys.platform != "linux", reason="counts /proc/self/fd")
@pytest.mark.parametrize("how", ["closed", "left", "dropped", "half"])
def test_no_file_stays_open(inner, tmp_path, colour, how):
    store = colour(CachedStore(inner, directory=tmp_path / "cache"))
    store.get("big").bytes()
    gc.collect()
    before = open_below(tmp_path)
    for _ in range(10):
        result = store.get("big")
        if how == "closed":
            result.close()
        elif how == "left":
            with result:
                pass
        elif how == "half":
            with result:
                next(iter(result))
        del result
    store.get("big", GetOptions(range=(1, 5))).bytes()
    gc.collect()
    assert open_below(tmp_path) == before


# -- failing ----------------------------------------------------------------------------------------------------------


def warnings(caplog):
    return [record for record in caplog.records if record.levelno >= logging.WARNING]


def test_a_directory_that_cannot_be_made_is_said_once(inner, tmp_path, colour, caplog):
    (tmp_path / "file").write_bytes(b"")
    store = colour(CachedStore(inner, directory=tmp_path / "file" / "cache"))
    for _ in range(3):
        assert store.get("k").bytes() == SMALL
        assert store.get("big").bytes() == BIG
        assert store.get_ranges("k", [(0, 2)]) == [SMALL[:2]]
        store.put("other", b"1")
    [warning] = warnings(caplog)
    assert "cannot be used" in warning.getMessage()
    assert "Not a directory" in warning.getMessage()


@pytest.mark.skipif(not hasattr(signal, "SIGXFSZ"), reason="needs RLIMIT_FSIZE")
@pytest.mark.parametrize("wrap", [Streaming, ForwardingStore])
def test_a_disk_that_takes_no_more(inner, tmp_path, colour, caplog, wrap, monkeypatch):
    """The system itself refuses to write beyond a size, in the midst of a content."""
    import resource

    store = colour(CachedStore(wrap(inner), directory=tmp_path / "cache"))
    store.get("k").bytes()
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1_200_000, hard))
    try:
        for _ in range(3):
            assert store.get("big").bytes() == BIG
            assert store.get("k").bytes() == SMALL
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert len(warnings(caplog)) == 1
    assert "File too large" in caplog.text
    assert files(tmp_path / "cache")[1] == []
    # After a while it is tried again.
    caplog.set_level(logging.INFO, logger="holdall.cached")
    later = time.monotonic() + 2 * _caching.REST
    monkeypatch.setattr(_caching.time, "monotonic", lambda: later)
    store.get("big").bytes()
    assert "can be used again" in caplog.text
    assert len(files(tmp_path / "cache")[0]) == 2


def test_errors_of_the_store_are_the_reads_own(inner, directory, colour):
    """A body that breaks while it is being kept: the read fails as it would, and nothing of it stays."""
    flaky = FlakyStore(Streaming(inner))
    plain = CachedStore(flaky, directory=directory)
    flaky.fail("get", when="during", after_bytes=500_000)
    with pytest.raises(UnavailableError):
        colour(plain).get("big").bytes()
    assert plain._shelf.find("big") is None
    if directory:
        assert files(directory) == ([], [])
    assert colour(plain).get("big").bytes() == BIG


# -- crashes and other processes --------------------------------------------------------------------------------------


def run_child(code, *arguments, wait=True):
    child = subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(code), *map(str, arguments)], stdout=subprocess.PIPE, text=True
    )
    if wait:
        output, _ = child.communicate(timeout=WAIT)
        assert child.returncode == 0
        return output
    return child


KILLED = """
    import sys, time
    from holdall.drivers.local import LocalStore
    from holdall.results import GetResult
    from holdall.wrappers.cached import CachedStore
    from holdall.wrappers.forwarding import ForwardingStore

    class Stuck(ForwardingStore):
        def get(self, key, options=None):
            result = super().get(key, options)
            return GetResult(result.meta, self.chunks(result))
        def chunks(self, result):
            chunks = result.chunks(1 << 20)
            yield next(chunks)
            yield next(chunks)  # the first one has been written now
            print("fetching", flush=True)
            time.sleep(60)

    CachedStore(Stuck(LocalStore(sys.argv[1])), directory=sys.argv[2]).get("big")
"""


def test_a_crash_leaves_only_what_is_swept(tmp_path, colour):
    local = LocalStore(tmp_path / "data", create=True)
    local.put("big", BIG)
    cache = tmp_path / "cache"
    child = run_child(KILLED, tmp_path / "data", cache, wait=False)
    try:
        assert child.stdout.readline() == "fetching\n"
        contents, new = files(cache)
        assert (contents, len(new)) == ([], 1)
        os.utime(new[0], (1, 1))  # an old one
        local.put("other", b"1")
        assert colour(CachedStore(local, directory=cache)).get("other").bytes() == b"1"
        assert files(cache)[1] == new  # its writer lives
    finally:
        child.kill()
        child.communicate(timeout=WAIT)
    assert new[0].exists()
    assert colour(CachedStore(local, directory=cache)).get("big").bytes() == BIG
    assert files(cache)[1] == []


def test_a_young_file_without_a_lock_is_left_alone(inner, tmp_path):
    cache = tmp_path / "cache"
    CachedStore(inner, directory=cache).get("k").bytes()
    young, old = cache / "new" / "young", cache / "new" / "old"
    young.write_bytes(b"1")
    old.write_bytes(b"1")
    os.utime(old, (time.time() - _disk.YOUNG - 5,) * 2)
    CachedStore(inner, directory=cache).get("k").bytes()
    assert files(cache)[1] == [young]


SHARED = """
    import random, sys
    from holdall.drivers.local import LocalStore
    from holdall.wrappers.cached import CachedStore
    store = CachedStore(LocalStore(sys.argv[1]), directory=sys.argv[2], max_bytes=int(sys.argv[3]))
    dice = random.Random(sys.argv[4])
    for turn in range(300):
        name = dice.randrange(30)
        if dice.random() < 0.1:
            store.put(f"{name}", bytes([dice.randrange(256)]) * (name * 10_000 + 1))
        else:
            data = store.get(f"{name}").bytes()
            assert len(data) == name * 10_000 + 1 and data == data[:1] * len(data), name
    print("sound")
"""


def test_processes_share_a_directory(tmp_path):
    """Four at once, with writers among them: every read is whole, and the bound holds but for the stated slack."""
    local, cache, bound = LocalStore(tmp_path / "data", create=True), tmp_path / "cache", 1_000_000
    for name in range(30):
        local.put(f"{name}", bytes([name]) * (name * 10_000 + 1))
    children = [run_child(SHARED, tmp_path / "data", cache, bound, seed, wait=False) for seed in range(4)]
    most = 0
    while any(child.poll() is None for child in children):
        total = 0
        for path in (cache / "objects").glob("*/*"):
            try:
                total += path.stat().st_size
            except FileNotFoundError:
                continue
        most = max(most, total)
        time.sleep(0.01)
    assert [child.communicate(timeout=WAIT)[0] for child in children] == ["sound\n"] * 4
    assert 0 < most <= bound * (1 + 4 / 16) + 4 * 310_000
    assert files(cache)[1] == []


FORKED = """
    from holdall.drivers.memory import MemoryStore
    from holdall.wrappers.cached import CachedStore

    inner = MemoryStore()
    inner.put("k", b"small")
    inner.put("big", bytes(range(256)) * 10_000)
    for directory in (None, sys.argv[1] + "/cache"):
        store = CachedStore(inner, directory=directory)
        store.get("big").bytes()
        child = lambda: store.get("big").bytes() == inner.get("big").bytes() and store.get("k").bytes() == b"small"
        shelf = store._shelf
        books = shelf._contents.get() if directory is None else shelf._books.get()
        with store._flights._tables.get().lock, books.lock:  # as if other threads had them at that moment
            assert in_child(child) == 0
        assert child()
"""


def test_a_forked_child_reads_on(interpreter):
    interpreter(FORKED)


def test_relative_directories_stay_where_they_were(inner, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    store = CachedStore(inner, directory="cache")
    monkeypatch.chdir("/")
    store.get("k").bytes()
    assert len(files(Path(tmp_path) / "cache")[0]) == 1
    assert repr(store) == f"CachedStore(MemoryStore(), cache={str(tmp_path / 'cache')!r})"


def test_copies_keep_their_conditions(inner, directory, colour):
    store = colour(CachedStore(inner, directory=directory))
    with pytest.raises(FileExistsError):
        store.copy("k", "big", CopyOptions(mode="create"))
