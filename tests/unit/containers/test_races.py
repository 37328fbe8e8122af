"""Writers that race, parts that fail, stores with rules of their own: one archive, or the old one, and no upload left over."""

import asyncio
import random
import tracemalloc

import pytest

from holdall import containers
from holdall.containers import FileInfo, LazyReader, WriteOptions, dump_async, dumps, stream_list
from holdall.core.capabilities import PartRules
from holdall.drivers.local import LocalStore
from holdall.drivers.memory import MemoryStore
from holdall.errors import AlreadyExistsError, HoldallError, PreconditionError, UnavailableError
from holdall.store import PartWriter
from holdall.testing.stores import FlakyStore

MiB = 1024 * 1024
PARTS = WriteOptions(part_size=5 * MiB)
BIG = [{"id": i, "text": "t" * 1000} for i in range(16_000)]


@pytest.fixture(params=["memory", "local"])
def store(request, tmp_path):
    return MemoryStore() if request.param == "memory" else LocalStore(tmp_path)


@pytest.mark.parametrize("condition", ["create", "create large", "update"])
def test_a16_of_twenty_writers_one_wins(store, face, colour, condition):
    padding = ["p" * MiB] * 6 if condition == "create large" else []  # of several parts, or of one
    named = {"mode": "x"}
    if condition == "update":
        named = {"if_match": face.dump("a", ["old"], store=store).etag}

    def write(number, own):
        try:
            own(containers).dump("a", [number, padding], store=store, options=PARTS, **named)
        except (AlreadyExistsError, PreconditionError):
            return None
        return number

    won = [number for number in colour.in_threads(20, write) if number is not None]
    assert len(won) == 1
    assert face.load("a", store=store)[0] == won[0]
    assert store.uploads() == []


def test_a16_of_twenty_tasks_one_wins(store):
    async def all_at_once():
        writes = [dump_async("b", [i], store=store, mode="x", options=PARTS) for i in range(20)]
        return await asyncio.gather(*writes, return_exceptions=True)

    found = asyncio.run(all_at_once())
    assert sum(not isinstance(one, BaseException) for one in found) == 1
    assert sum(isinstance(one, AlreadyExistsError) for one in found) == 19


class Parts(PartWriter):
    """Parts that come in any order and have to be of one size, but the last."""

    def __init__(self, inner, log):
        self.inner, self.log, self.sizes = inner, log, {}
        self.key, self.upload_id = inner.key, inner.upload_id

    def put_part(self, number, data):
        self.log.append(number)
        self.sizes[number] = len(data)
        self.inner.put_part(number, data)

    async def put_part_async(self, number, data):
        await asyncio.sleep(random.random() / 500)  # they overtake each other
        self.put_part(number, data)

    def sent(self):
        return self.inner.sent()

    async def sent_async(self):
        return self.inner.sent()

    def complete(self, *, mode=None, if_match=None):
        sizes = [self.sizes[number] for number in sorted(self.sizes)]
        if len(set(sizes[:-1])) > 1 or sizes[-1] > sizes[0]:
            self.abort()
            raise HoldallError(f"parts of {sizes}")
        return self.inner.complete(mode=mode, if_match=if_match)

    async def complete_async(self, *, mode=None, if_match=None):
        return self.complete(mode=mode, if_match=if_match)

    def abort(self):
        self.inner.abort()

    async def abort_async(self):
        self.inner.abort()


class EqualStore(MemoryStore):
    """A store that refuses parts of different sizes, such as R2."""

    def __init__(self):
        super().__init__()
        self.log = []

    @property
    def capabilities(self):
        return super().capabilities.narrowed(parts=PartRules(smallest=5 * MiB, equal=True, conditional=True))

    def parts(self, key, options=None, *, upload_id=None):
        return Parts(super().parts(key, options, upload_id=upload_id), self.log)

    async def parts_async(self, key, options=None, *, upload_id=None):
        return self.parts(key, options, upload_id=upload_id)


def test_a14_parts_of_one_size_in_any_order(face, colour):
    store = EqualStore()
    nested = {"rows": stream_list(iter(BIG)), "more": (str(i) * 100_000 for i in range(100))}
    expected = {"rows": BIG, "more": [str(i) * 100_000 for i in range(100)]}
    face.dump("a", nested, store=store, options=PARTS)
    assert face.load("a", store=store) == expected
    assert store.log[-1] == 1  # the part with the header goes last

    # a table of contents that is larger than a part
    meta = {"notes": "n" * (6 * MiB)}
    store.log.clear()
    face.dump("b", BIG[:6000], store=store, options=WriteOptions(part_size=5 * MiB, meta=meta))
    assert len(store.log) == 3
    with colour(LazyReader("b", store=store)) as reader:
        assert reader.read("-1") == BIG[5999]
        assert reader.meta == meta
    face.combine("c", [FileInfo("a", "a", store=store), FileInfo(obj=[1], name="b")], store=store, options=PARTS)
    assert face.load("c", store=store) == {"a": expected, "b": [1]}


@pytest.mark.parametrize(("verb", "nth"), [("parts", 1), ("put_part", 1), ("put_part", 3), ("complete", 1)])
def test_a14_a15_whatever_fails_leaves_the_old_object(store, verb, nth, face):
    face.combine("a", [FileInfo(obj="old", name="old")], store=store)
    face.dump("big", BIG, store=store, options=PARTS)
    before = store.get("a").bytes(), store.head("a").etag
    flaky = FlakyStore(store)
    for act in (
        lambda: face.dump("a", BIG, store=flaky, options=PARTS),
        lambda: face.combine("a", [FileInfo("big", "b", store=store)], store=flaky, options=PARTS),
        lambda: face.combine("a", [FileInfo(obj=BIG, name="b")], store=flaky, options=PARTS),
        lambda: face.append("a", [FileInfo("big", "b", store=store)], store=flaky, options=PARTS),
    ):
        flaky.fail(verb, nth=nth)
        with pytest.raises(UnavailableError):
            act()
        assert flaky.failures == 1
        flaky.heal()
        assert store.uploads() == []
        assert (store.get("a").bytes(), store.head("a").etag) == before


@pytest.mark.parametrize("nth", [1, 2])
@pytest.mark.parametrize("join", ["combine", "append"])
def test_a15_a_source_that_fails_while_it_is_read(nth, join, face):
    store = MemoryStore()
    face.combine("a", [FileInfo(obj="old", name="old")], store=store)
    face.dump("big", BIG, store=store, options=PARTS)
    before = store.get("a").bytes(), store.head("a").etag
    flaky = FlakyStore(store)
    flaky.fail("get", nth=nth)  # its header, then the rest
    with pytest.raises(UnavailableError):
        files = [FileInfo(obj=1, name="one"), FileInfo("big", "big", store=flaky)]
        getattr(face, join)("a", files, store=store, options=PARTS)
    assert (store.get("a").bytes(), store.head("a").etag) == before
    assert store.uploads() == []


def test_a17_a_source_that_is_replaced_meanwhile(face, colour):
    store = MemoryStore()
    face.dump("big", BIG, store=store, options=PARTS)
    face.combine("a", [FileInfo(obj="old", name="old")], store=store)
    before = store.head("a").etag
    with LazyReader("big", store=store, cached=False) as reader:
        colour(reader).open()
        face.dump("big", BIG[::-1], store=store, options=PARTS)
        with pytest.raises(PreconditionError) as caught:
            face.combine("a", [FileInfo(reader, "big")], store=store, options=PARTS)
    assert caught.value.kind == "changed"
    assert store.head("a").etag == before


def test_a17_a_hundred_archives_stream_through_within_the_memory_that_is_promised(tmp_path, face, void):
    block = bytes(range(256)) * 400
    part = dumps([block] * 98)  # 10 MB
    (tmp_path / "part").write_bytes(part)
    local, source, store, options = LocalStore(tmp_path), MemoryStore(), void, WriteOptions()
    source.put("part", part)
    face.combine("warm", [FileInfo("part", "one", store=local)], store=MemoryStore())
    tracemalloc.start()
    try:
        files = [FileInfo("part", f"n{i}", store=(local, source)[i % 2]) for i in range(100)]
        result = face.combine("all", files, store=store)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert result.size == sum(store.last.sizes.values()) == 50 + 100 * len(part) + result.toc_size
    assert (result.size - 100 * len(part)) / result.size < 0.0001
    assert peak <= 3 * options.part_size + result.toc_size
