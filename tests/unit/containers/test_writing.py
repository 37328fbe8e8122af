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
    FileInfo,
    LazyReader,
    LazyWriter,
    WriteOptions,
    append_async,
    combine,
    combine_async,
    dump_async,
    dumps,
    stream_list,
    stream_map,
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


def test_a21_streams_at_every_level_equal_the_document(store, face, colour):
    async def later(items):
        for item in items:
            yield item

    def pairs():
        yield "first", 1
        yield "rows", later(BIG) if colour.name == "async" else (row for row in BIG)
        yield "deep", stream_map((str(i), stream_list(iter([i, i + 1]))) for i in range(50))

    expected = {"first": 1, "rows": BIG, "deep": {str(i): [i, i + 1] for i in range(50)}}
    result = face.dump("a", stream_map(pairs()), store=store, options=SMALL)
    assert result.requests > 3
    assert not result.spooled
    assert face.load("a", store=store) == expected
    with pytest.raises(ValueError, match="twice"):
        face.dump("c", stream_map([("k", 1), ("k", 2)]), store=store)
    assert not store.delete(["c"])[0].existed


def test_a21_ten_gb_within_the_memory_that_is_promised(face, colour, void):
    total = 10**10 if colour.name == "blocking" else 5 * 10**8
    store, options, block = void, WriteOptions(), b"t" * (4 * MiB)
    tracemalloc.start()
    try:
        result = face.dump("a", (block for _ in range(total // len(block) + 1)), store=store)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert result.size == sum(store.last.sizes.values()) > total
    current = max(store.last.sizes.values())  # parts grow after the first thousand
    assert peak <= current * (1 + 1 + options.in_flight) + 32 * MiB + result.toc_size + len(block)


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


def test_a15_a_failing_source_leaves_the_old_object(store, face, colour):
    face.dump("a", "old", store=store)
    before = store.get("a").bytes(), store.head("a").etag

    def rows():
        yield from BIG
        raise RuntimeError("the source broke")

    with pytest.raises(RuntimeError, match="broke"):
        face.dump("a", rows(), store=store, options=SMALL)
    with pytest.raises(RuntimeError, match="block"), colour(LazyWriter("a", store=store)) as writer:
        writer.write(1)
        raise RuntimeError("in the block")
    with pytest.raises(EncodeError):
        face.dump("a", [*BIG, ...], store=store, options=SMALL)
    with pytest.raises(ValueError, match="nothing was written"), colour(LazyWriter("a", store=store)):
        pass
    assert (store.get("a").bytes(), store.head("a").etag) == before
    assert store.uploads() == []


@pytest.mark.parametrize("act", ["dump", "combine", "append"])
def test_a15_a_cancelled_task_leaves_the_old_object(store, act):
    combine("a", [FileInfo(obj="old", name="old")], store=store)
    before = store.get("a").bytes(), store.head("a").etag

    async def cancelled():
        begun = asyncio.Event()

        async def endless():
            for i in itertools.count():
                yield BIG[0]
                await asyncio.sleep(0)
                if i == len(BIG):
                    begun.set()

        def write():
            if act == "dump":
                return dump_async("a", endless(), store=store, options=SMALL)
            join = combine_async if act == "combine" else append_async
            return join(
                "a", [FileInfo(obj=1, name="b"), FileInfo(obj=stream_list(endless()), name="c")], store=store, options=SMALL
            )

        task = asyncio.create_task(write())
        await begun.wait()
        assert store.uploads()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(cancelled())
    assert (store.get("a").bytes(), store.head("a").etag) == before
    assert store.uploads() == []


def test_a16_conditions_hold_for_small_and_large(store, face):
    for document in (1, BIG):
        store.delete("a")
        etag = face.dump("a", document, store=store, mode="x", options=SMALL).etag
        with pytest.raises(AlreadyExistsError):
            face.dump("a", document, store=store, mode="x", options=SMALL)
        face.dump("a", [document], store=store, if_match=etag, options=SMALL)
        with pytest.raises(PreconditionError):
            face.dump("a", document, store=store, if_match=etag, options=SMALL)
        assert face.load("a", store=store) == [document]
    with pytest.raises(ValueError, match="one of them"):
        LazyWriter("a", store=store, mode="x", if_match="e")


def test_a13_memory_stays_within_a_few_parts(tmp_path, face, colour):
    text = "x" * (256 * 1024)
    face.dump(tmp_path / "warm", [1])
    tracemalloc.start()
    try:
        face.dump(tmp_path / "a", (f"{i:08d}{text}" for i in range(320)), options=SMALL)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 8 * 5 * MiB
    with colour(LazyReader(tmp_path / "a")) as reader:
        assert reader.read("-1").startswith("00000319")


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


def test_keys_that_nobody_could_read_back_are_refused(packed):
    for key in ((1, 2), frozenset({1})):
        for codec in ("msgpack", "cbor"):
            with pytest.raises(EncodeError, match="key"):
                packed({"a": [{key: 1}]}, codec=codec)
            with pytest.raises(EncodeError):
                packed({key: 1}, codec=codec)
    loop = []
    loop.append(loop)
    with pytest.raises(EncodeError, match="nested deeper"):
        packed(loop, max_depth=200)


def test_views_are_values(store, face, colour):
    document = {"rows": BIG[:3000], "map": {f"k{i}": "v" * 30 for i in range(4000)}, "small": [1, {"a": None}]}
    face.dump("a", document, store=store)
    with LazyReader("a", store=store) as reader:
        face.dump("b", [reader, {"x": [reader["rows"], reader["map"]]}], store=store)
        face.dump("c", {"copy": reader["map"]}, store=store, options=WriteOptions(codec="cbor"))
    assert face.load("b", store=store) == [document, {"x": [document["rows"], document["map"]]}]
    assert face.load("c", store=store) == {"copy": document["map"]}


def test_a_store_without_parts_is_served_by_a_spool(face):
    class Whole(MemoryStore):
        @property
        def capabilities(self):
            return super().capabilities.narrowed(parts=None)

    store = Whole()
    assert face.dump("a", BIG, store=store, options=WriteOptions(spool_memory=1000)).spooled
    assert face.load("a", store=store) == BIG
    assert isinstance(sink_for(store, "b", PutOptions(), WriteOptions()), SpoolSink)
    with pytest.raises(NotSupportedError, match="never"):
        face.dump("b", BIG, store=store, options=WriteOptions(spool="never"))


def test_a_dropped_writer_warns_and_publishes_nothing(store, face, colour):
    started = Threads()
    writer = colour(LazyWriter("a", store=store, options=SMALL))
    writer.write(BIG)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        del writer
        gc.collect()
    assert any(issubclass(w.category, ResourceWarning) for w in caught)
    assert store.uploads() == []
    assert started.left() == []
    with colour(LazyWriter("a", store=store)) as writer:
        writer.write(1)
        with pytest.raises(ValueError, match="one document"):
            writer.write(2)
    with pytest.raises(ClosedError):
        writer.write(3)
    assert face.load("a", store=store) == 1


def test_options_are_checked():
    for bad in ({"part_size": 1}, {"codec": "json"}, {"in_flight": 0}, {"size_hint": 0}, {"put": PutOptions(mode="create")}):
        with pytest.raises(ValueError):  # each says its own
            WriteOptions(**bad)
    with pytest.raises(TypeError):
        WriteOptions(unknown=1)
    assert dumps([1], options=WriteOptions(size_hint=10**13)) == dumps([1])
