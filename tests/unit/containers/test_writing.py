"""Writing: parts and pins, atomicity, streams, memory, the encoder's work."""

import asyncio
import gc
import itertools
import random
import tracemalloc
import warnings

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.leftovers import Threads

from holdall.containers import (
    EncodeError,
    LazyReader,
    LazyWriter,
    WriteOptions,
    dump,
    dump_async,
    dumps,
    load,
    loads,
    stream_list,
    stream_map,
    to_obj,
)
from holdall.containers.encoder import Encoder
from holdall.containers.sinks import PartSink, sink_for
from holdall.containers.spools import SpoolSink
from holdall.core.options import PutOptions
from holdall.drivers.local import LocalStore
from holdall.drivers.memory import MemoryStore
from holdall.errors import AlreadyExistsError, ClosedError, NotSupportedError, PreconditionError

MiB = 1024 * 1024
SMALL = WriteOptions(part_size=5 * MiB)
BIG = [{"id": i, "text": "t" * 1000} for i in range(16_000)]


@pytest.fixture(params=["memory", "local"])
def store(request, tmp_path):
    return MemoryStore() if request.param == "memory" else LocalStore(tmp_path)


def test_a21_streams_at_every_level_equal_the_document(store):
    def pairs():
        yield "first", 1
        yield "rows", (row for row in BIG)
        yield "deep", stream_map((str(i), stream_list(iter([i, i + 1]))) for i in range(50))

    expected = {"first": 1, "rows": BIG, "deep": {str(i): [i, i + 1] for i in range(50)}}
    result = dump("a", stream_map(pairs()), store=store, options=SMALL)
    assert result.requests > 3
    assert not result.spooled
    assert load("a", store=store) == expected

    async def rows():
        for row in BIG:
            yield row

    asyncio.run(dump_async("b", {"first": 1, "rows": rows()}, store=store, options=SMALL))
    assert load("b", store=store) == {"first": 1, "rows": BIG}
    with pytest.raises(EncodeError, match="write_async"):
        dump("c", rows(), store=store)
    with pytest.raises(ValueError, match="twice"):
        dump("c", stream_map([("k", 1), ("k", 2)]), store=store)
    assert not store.delete(["c"])[0].existed


class Forgotten:
    """Parts that are counted and let go."""

    def __init__(self, inner):
        self.inner, self.sizes = inner, {}
        self.key, self.upload_id = inner.key, inner.upload_id

    def put_part(self, number, data):
        self.sizes[number] = len(data)

    def sent(self):
        return {}

    def complete(self, *, mode=None, if_match=None):
        self.inner.put_part(1, b"what was written is gone")
        return self.inner.complete(mode=mode, if_match=if_match)

    def abort(self):
        self.inner.abort()


class Void(MemoryStore):
    """A store that keeps nothing of large objects."""

    def parts(self, key, options=None, *, upload_id=None):
        self.last = Forgotten(super().parts(key, options, upload_id=upload_id))
        return self.last


def test_a21_two_gib_within_the_memory_that_is_promised():
    store, options, text = Void(), WriteOptions(), "t" * MiB
    tracemalloc.start()
    try:
        result = dump("a", (f"{i:08}{text}" for i in range(2048)), store=store)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert result.size == sum(store.last.sizes.values()) > 2 << 30
    assert peak <= options.part_size * (1 + 1 + options.in_flight) + 32 * MiB + result.toc_size + len(text)


@settings(max_examples=25, deadline=None)
@given(st.data())
def test_parts_hold_what_was_written_and_patched(data):
    sizes = data.draw(st.lists(st.integers(1, 40), min_size=1, max_size=30))
    pinned = data.draw(st.lists(st.booleans(), min_size=len(sizes), max_size=len(sizes)))
    order = data.draw(st.permutations(range(sum(pinned))))
    store = MemoryStore()
    sink = PartSink(store, "k", PutOptions(), WriteOptions())
    sink._size = data.draw(st.integers(1, 60))  # parts of services have mebibytes; the arithmetic is the same
    expected = bytearray(50)
    pins = []
    for i, size in enumerate(sizes):
        if pinned[i]:
            pins.append((sink.position, size))
            sink.pin(sink.position, sink.position + size)
        sink.write(bytes([i % 256]) * size)
        expected += bytes([i % 256]) * size
    for position, size in (pins[i] for i in order):
        sink.patch(position, b"P" * size)
        expected[position : position + size] = b"P" * size
    sink.finish(b"H" * 50, b"tail")
    expected[:50] = b"H" * 50
    assert store.get("k").bytes() == bytes(expected) + b"tail"


def test_a15_a_failing_source_leaves_the_old_object(store):
    dump("a", "old", store=store)
    before = store.get("a").bytes(), store.head("a").etag

    def rows():
        yield from BIG
        raise RuntimeError("the source broke")

    with pytest.raises(RuntimeError, match="broke"):
        dump("a", rows(), store=store, options=SMALL)
    with pytest.raises(RuntimeError, match="block"), LazyWriter("a", store=store) as writer:
        writer.write(1)
        raise RuntimeError("in the block")
    with pytest.raises(EncodeError):
        dump("a", [*BIG, ...], store=store, options=SMALL)
    with pytest.raises(ValueError, match="nothing was written"), LazyWriter("a", store=store):
        pass

    async def cancelled():
        begun = asyncio.Event()

        async def endless():
            for i in itertools.count():
                yield BIG[0]
                await asyncio.sleep(0)
                if i == len(BIG):
                    begun.set()

        task = asyncio.create_task(dump_async("a", endless(), store=store, options=SMALL))
        await begun.wait()
        assert store.uploads()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(cancelled())
    assert (store.get("a").bytes(), store.head("a").etag) == before
    assert store.uploads() == []


def test_a16_conditions_hold_for_small_and_large(store):
    for document in (1, BIG):
        store.delete("a")
        etag = dump("a", document, store=store, mode="x", options=SMALL).etag
        with pytest.raises(AlreadyExistsError):
            dump("a", document, store=store, mode="x", options=SMALL)
        dump("a", [document], store=store, if_match=etag, options=SMALL)
        with pytest.raises(PreconditionError):
            dump("a", document, store=store, if_match=etag, options=SMALL)
        assert load("a", store=store) == [document]
    with pytest.raises(ValueError, match="one of them"):
        LazyWriter("a", store=store, mode="x", if_match="e")


def test_a13_memory_stays_within_a_few_parts(tmp_path):
    text = "x" * (256 * 1024)
    dump(tmp_path / "warm", [1])
    tracemalloc.start()
    try:
        dump(tmp_path / "a", (f"{i:08d}{text}" for i in range(320)), options=SMALL)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 8 * 5 * MiB
    with LazyReader(tmp_path / "a") as reader:
        assert len(reader) == 320
        assert reader[-1].startswith("00000319")


@pytest.mark.parametrize("codec", ["msgpack", "cbor"])
@pytest.mark.parametrize("shape", ["alternating", "one at the end", "chain", "unusual", "small", "trees"])
def test_a27_the_encoder_stays_linear(shape, codec):
    rnd = random.Random(1)
    shapes = {
        "alternating": lambda: [[("x" * 40_000 if i % 2 else i) for i in range(300)]],
        "one at the end": lambda: [[*range(20_000), list(range(200_000))]],
        "chain": lambda: [_chain(400, list(range(3000)))],
        "unusual": lambda: [[{"s": {rnd.randint(0, 9**9) for _ in range(30)}, "n": "t" * 50} for _ in range(500)]],
        "small": lambda: (
            [made(n) for n in (1, 50, 200, 500, 3000, 10_000) for made in (range, _texts, _keyed, _sets, _halves)]
        ),
        "trees": lambda: [_tree(rnd, rnd.randint(1, 5)) for _ in range(30)],
    }
    for document in shapes[shape]():
        encoder = Encoder(codec)
        for _ in encoder.run(list(document) if isinstance(document, range) else document):
            pass
        assert encoder.encoded <= 2.2 * encoder.position


def _texts(count):
    return ["x" * 100] * count


def _keyed(count):
    return {f"k{i}": "v" * 40 for i in range(count)}


def _sets(count):
    return [{1, 2, i} for i in range(count)]


def _halves(count):
    return [["x" * 300] * count, ["y"] * count]


def _tree(rnd, depth):
    if depth == 0:
        return "x" * rnd.choice((3, 100, 2000, 17_000))
    inner = [_tree(rnd, depth - 1) for _ in range(rnd.randint(1, 5))]
    return inner if rnd.random() < 0.5 else {f"k{i}": value for i, value in enumerate(inner)}


def _chain(depth, core):
    for i in range(depth):
        core = [core, {"i": i}]
    return core


def test_keys_that_nobody_could_read_back_are_refused():
    for key in ((1, 2), frozenset({1})):
        for codec in ("msgpack", "cbor"):
            with pytest.raises(EncodeError, match="key"):
                dumps({"a": [{key: 1}]}, options=WriteOptions(codec=codec))
            with pytest.raises(EncodeError):
                dumps({key: 1}, options=WriteOptions(codec=codec))
    loop = []
    loop.append(loop)
    with pytest.raises(EncodeError, match="nested deeper"):
        dumps(loop, options=WriteOptions(max_depth=200))


def test_views_are_values(store):
    document = {"rows": BIG[:3000], "map": {f"k{i}": "v" * 30 for i in range(4000)}, "small": [1, {"a": None}]}
    dump("a", document, store=store)
    with LazyReader("a", store=store) as reader:
        assert loads(dumps(reader)) == document
        assert loads(dumps({"x": [reader["rows"], reader["map"]]})) == {"x": [document["rows"], document["map"]]}
        dump("b", {"copy": reader["map"]}, store=store, options=WriteOptions(codec="cbor"))

    async def copied():
        async with LazyReader("a", store=store) as reader:
            await dump_async("c", [reader, await reader.read_async("rows")], store=store)

    asyncio.run(copied())
    assert load("b", store=store) == {"copy": document["map"]}
    assert load("c", store=store) == [document, document["rows"]]


def test_a_store_without_parts_is_served_by_a_spool(tmp_path):
    class Whole(MemoryStore):
        @property
        def capabilities(self):
            return super().capabilities.narrowed(parts=None)

    store = Whole()
    assert dump("a", BIG, store=store, options=WriteOptions(spool_memory=1000)).spooled
    assert load("a", store=store) == BIG
    assert isinstance(sink_for(store, "b", PutOptions(), WriteOptions()), SpoolSink)
    with pytest.raises(NotSupportedError, match="never"):
        dump("b", BIG, store=store, options=WriteOptions(spool="never"))


def test_a_dropped_writer_warns_and_publishes_nothing(store):
    started = Threads()
    writer = LazyWriter("a", store=store, options=SMALL)
    writer.write(BIG)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        del writer
        gc.collect()
    assert any(issubclass(w.category, ResourceWarning) for w in caught)
    assert store.uploads() == []
    assert started.left() == []
    with LazyWriter("a", store=store) as writer:
        writer.write(1)
        with pytest.raises(ValueError, match="one document"):
            writer.write(2)
    with pytest.raises(ClosedError):
        writer.write(3)
    assert to_obj(load("a", store=store)) == 1


def test_options_are_checked():
    for bad in ({"part_size": 1}, {"codec": "json"}, {"in_flight": 0}, {"size_hint": 0}, {"put": PutOptions(mode="create")}):
        with pytest.raises(ValueError):  # each says its own
            WriteOptions(**bad)
    with pytest.raises(TypeError):
        WriteOptions(unknown=1)
    assert dumps([1], options=WriteOptions(size_hint=10**13)) == dumps([1])
