"""Reading: one wave per batch, single flight, cache bounds, pickling, offsets beyond 4 GiB, verify."""

import asyncio
import json
import os
import pickle
import random
import subprocess
import sys
import threading
from bisect import bisect_right
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.leftovers import left_open_below

from holdall.cli import jsons
from holdall.cli.jsons import texts
from holdall.containers import (
    FormatError,
    LazyReader,
    MissingIndexError,
    MissingKeyError,
    ReadOptions,
    ReadStats,
    WriteOptions,
    dump,
    dumps,
    loading,
    opening_async,
    to_obj,
)
from holdall.containers.archive import Archive
from holdall.containers.header import Header, pack_header, parse_header
from holdall.containers.lookahead import Lookahead
from holdall.containers.reader import read_ahead
from holdall.core.ranges import Coalesce, coalesce
from holdall.drivers.local import LocalStore
from holdall.drivers.memory import MemoryStore
from holdall.errors import ClosedError, IntegrityError, PreconditionError
from holdall.testing.stores import CountingStore, SlowStore

ROWS = [{"id": i, "name": f"name {i}", "x": i / 7} for i in range(20_000)]
DOCUMENT = {
    "rows": ROWS,
    "sorted": {f"k{i:05d}": i for i in range(20_000)},
    "shuffled": {f"k{i * 7919 % 20_000:05d}": "v" * 30 for i in range(20_000)},
    "tree": {f"n{i}": {"text": "t" * 20_000, "i": i} for i in range(20)},
}


@pytest.fixture(scope="module")
def archive():
    return dumps(DOCUMENT)


@pytest.fixture
def store(archive):
    store = MemoryStore()
    store.put("a", archive)
    return CountingStore(store)


def test_a12_many_paths_take_one_wave(store, colour):
    paths = [f"rows/{i}/id" for i in (5, 19_000, 7, -1)] + [
        "sorted/k00077",
        "tree/n3/i",
        "nope/x",
        ["rows", 99_999],
        "rows/5/id",
    ]
    expected = [5, 19_000, 7, 19_999, 77, 3, None, None, 5]
    chance = random.Random(1)
    wanted = [chance.randrange(20_000) for _ in range(1000)]
    for cached in (True, False):
        plain = LazyReader("a", store=store, cached=cached)
        with colour(plain) as reader:
            reader.open()
            reader.stats.clear()
            assert reader.read_many(paths, default=None) == expected
            assert reader.stats.serial_rounds == 1
            with pytest.raises(MissingKeyError, match="nope"):
                reader.read_many(paths)
            node, archive = (
                plain._origin.archive.node(plain._origin.archive.table.node.children["rows"], None),
                plain._origin.archive,
            )
            blocks = {bisect_right(node.edges, i) for i in wanted}
            held = [plain._origin.cache.get(archive.at(node.starts[i], node.ends[i])) for i in blocks]
            spans = [archive.at(node.starts[i], node.ends[i]) for i, data in zip(blocks, held, strict=True) if data is None]
            reader.stats.clear()
            assert reader.read_many([["rows", i, "id"] for i in wanted]) == wanted
            assert reader.stats.serial_rounds == 1
            assert reader.stats.requests == len(coalesce(spans, Coalesce(gap=32 * 1024, largest=8 * 1024 * 1024)))


def test_one_number_of_a_cold_block_costs_one_request_and_a_block(colour):
    store = MemoryStore()
    lists = [[n / (m + 1) for n in range(5000)] for m in range(100)]
    dump("n", lists, store=store)
    with colour(LazyReader("n", store=store, cached=False)) as reader:
        reader.open()
        reader.stats.clear()
        assert reader.read([71, 1234]) == lists[71][1234]
        assert reader.stats.requests == 1
        assert reader.stats.bytes <= 17 * 1024


def test_a12_children_add_one_wave_each(store, colour, face):
    face.combine("c", [dumps({"rows": ROWS})] * 3, store=store)
    with colour(LazyReader("c", store=store)) as reader:
        reader.stats.clear()
        assert reader.read_many([[i, "rows", 3, "id"] for i in range(3)]) == [3, 3, 3]
        assert reader.stats.serial_rounds == 2
        assert reader.child(1).read("rows/7/id") == 7


def test_a12_a_slice_takes_one_wave_and_misses_take_none(store, colour):
    with colour(LazyReader("a", store=store)) as reader:
        reader.stats.clear()
        assert reader.read("rows").read(slice(None, None, 4000)) == ROWS[::4000]
        assert reader.read("tree").read("n1").read("i") == 1
        assert reader.stats.serial_rounds == 2
        rounds = reader.stats.serial_rounds
        with pytest.raises(MissingIndexError):
            reader.read("rows").read(20_000)
        with pytest.raises(MissingKeyError):
            reader.read("tree").read("n20")
        assert reader.get("tree/n20") is None
        assert reader.stats.serial_rounds == rounds


def test_a12_views_of_a_slice_are_read_together(store):
    rows = [["t" * 20_000, {"i": i}] for i in range(20)]
    dump("l", rows, store=store)
    with LazyReader("l", store=store) as reader, LazyReader("a", store=store) as other:
        views = reader.read("2:12")
        reader.stats.clear()
        assert to_obj([1, *views]) == [1, *rows[2:12]]
        assert reader.stats.serial_rounds == 1
        assert to_obj([views[0], other["tree"]]) == [rows[2], DOCUMENT["tree"]]


def test_a08_the_cache_is_bounded_and_hands_out_fresh_values(store, colour):
    plain = LazyReader("a", store=store, cache_bytes=50_000)
    with colour(plain) as reader:
        rows = reader.read("rows")
        for i in range(0, 20_000, 333):
            assert rows.read(i)["id"] == i
            assert plain._origin.cache.size <= 50_000
        first = rows.read(0)
        first["id"] = "changed"
        whole = rows.to_obj()
        whole.clear()
        assert rows.read(0) == ROWS[0]
        assert sum(1 for _ in zip(rows, reader.read("shuffled").values(), strict=True)) == 20_000
    stats = ReadStats()
    with colour(LazyReader("a", store=store, cached=False, stats=stats)) as reader:
        stats.clear()
        for _ in range(3):
            assert reader.read("rows/7/id") == 7
        assert stats.requests == 3
        assert stats.cache_hits == 0
        assert stats.bytes_per_request > 0


class Uneven(SlowStore):
    """A store whose delays differ, so that answers overtake each other."""

    latency = property(lambda _: random.random() * 0.004, lambda *_: None)


def test_a09_concurrent_reads_are_right_and_fetched_once(archive):
    inner = MemoryStore()
    inner.put("a", archive)
    counted = CountingStore(inner)
    store = Uneven(counted)
    chance = random.Random(2)
    wanted = [chance.randrange(20_000) for _ in range(500)]

    async def many():
        async with LazyReader("a", store=store, cache_bytes=100_000) as reader:
            assert await asyncio.gather(*[reader.read_async(["rows", i, "id"]) for i in wanted]) == wanted
            before = counted.counts.total
            assert await asyncio.gather(*[reader.read_async("sorted/k15000") for _ in range(50)]) == [15_000] * 50
            assert counted.counts.total - before <= 1
            tasks = [asyncio.create_task(reader.read_async("sorted/k08000")) for _ in range(5)]
            await asyncio.sleep(0)
            tasks[0].cancel()
            found = await asyncio.gather(*tasks, return_exceptions=True)
            assert isinstance(found[0], asyncio.CancelledError)
            assert found[1:] == [8000] * 4

    asyncio.run(many())
    with LazyReader("a", store=store, cache_bytes=100_000) as reader, ThreadPoolExecutor(64) as pool:
        assert list(pool.map(lambda i: reader["rows"][i]["id"], wanted)) == wanted


def test_a10_a_replaced_object_is_noticed_or_read_on(tmp_path, archive, colour):
    memory = MemoryStore()
    for store, change in ((memory, lambda: memory.put("a", dumps([1]))), (LocalStore(tmp_path), None)):
        store.put("a", archive)
        with colour(LazyReader("a", store=store, cached=False)) as reader:
            assert reader.read("rows/1/id") == 1
            if change is not None:
                change()
                with pytest.raises(PreconditionError) as caught:
                    reader.read("rows/2/id")
                assert caught.value.kind == "changed"
            else:
                store.put("a", dumps([1]))  # an atomic replace: the old version reads on
                assert reader.read("rows/2/id") == 2
    with colour(LazyReader(tmp_path / "a")) as reader, open(tmp_path / "a", "r+b") as file:
        file.write(b"changed in place")
        file.flush()
        with pytest.raises(PreconditionError) as caught:
            reader.to_obj()
        assert caught.value.kind == "changed"


def test_a12_everything_in_order_takes_few_large_ranges(colour, monkeypatch):
    document = {
        "rows": [{"id": i, "text": "r" * 90} for i in range(30_000)],
        "leaves": ["l" * 40_000 for _ in range(60)],
        "tree": {f"n{i}": {"rows": [[j, "t" * 50] for j in range(4000)], "note": "n" * 300} for i in range(10)},
        "shuffled": {f"k{i * 7919 % 30_000:05d}": "v" * 60 for i in range(30_000)},
    }
    store = MemoryStore()
    size = dump("a", document, store=store).size
    options = ReadOptions(coalesce_max=256 * 1024)
    pieces = size // options.coalesce_max + 1
    assert pieces > 30

    def told(read):
        stats = ReadStats()
        with colour(LazyReader("a", store=store, options=options, stats=stats)) as reader:
            assert read(reader)
        return stats.requests, stats.serial_rounds

    for read in (
        lambda reader: len(b"".join(reader.raw())) == size,
        lambda reader: len(b"".join(reader.payload())) > size // 2,
    ):
        requests, rounds = told(read)
        assert requests <= pieces + 3
        assert rounds <= pieces // 4 + 3
    requests, rounds = told(lambda reader: list(reader.read("rows")) == document["rows"])
    assert requests <= pieces
    assert rounds <= 10
    requests, rounds = told(lambda reader: list(reader.read("leaves")) == document["leaves"])
    assert rounds <= 10
    if colour.name == "blocking":  # the command line walks so
        monkeypatch.setattr(jsons, "WINDOW", options.coalesce_max)  # as they are by default
        monkeypatch.setattr(jsons, "WHOLE", options.coalesce_max // 8)
        requests, rounds = told(lambda reader: read_ahead(reader) or json.loads("".join(texts(reader.root))) == document)
        assert requests <= pieces + 3
        assert rounds <= pieces // 4 + 3


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_what_is_read_ahead_is_right_and_bounded(data):
    content = bytes(range(200))
    ahead, at = Lookahead(len(content), 10), 0
    while at < len(content) - 1:
        spans = []
        for _ in range(data.draw(st.integers(1, 3))):
            start = min(len(content) - 1, max(0, at + data.draw(st.integers(-9, 6))))
            at = min(len(content), start + data.draw(st.integers(1, 6)))
            spans.append((start, at))
        assert ahead.serves(spans)
        lacking = ahead.lacking(spans)
        ahead.take(lacking, [content[start:end] for start, end in lacking])
        assert ahead.cut(spans) == [content[start:end] for start, end in spans]
        assert len(ahead._held) <= 12


def test_versions_are_read_in_merged_ranges(archive, colour):
    class Versioned(MemoryStore):
        """Answers to a version with what is there."""

        asked = 0

        def get(self, key, options=None):
            self.asked += 1
            return super().get(key, replace(options, version=None))

    store = Versioned()
    store.put("a", archive)
    with colour(LazyReader("a", store=store, version="v1")) as reader:
        before = store.asked
        assert reader.read("rows/:3000") == ROWS[:3000]
        assert store.asked == before + 1


def test_what_is_large_is_read_in_waves(archive, monkeypatch, colour):
    monkeypatch.setattr(loading, "WAVE", 100_000)
    store = MemoryStore()
    store.put("a", archive)
    largest = 0

    class Told(ReadStats):
        def __setattr__(self, name, value):
            nonlocal largest
            if name == "bytes":
                largest = max(largest, value - getattr(self, "bytes", 0))
            super().__setattr__(name, value)

    stats = Told()
    with colour(LazyReader("a", store=store, stats=stats)) as reader:
        reader.read("tree/n3/i")
        stats.clear()
        largest = 0
        assert reader.to_obj() == DOCUMENT
        assert 50_000 < largest <= 16 * 100_000  # 16 members at a time, each with a wave


def test_a_loop_goes_on_while_much_is_decoded(tmp_path, monkeypatch):
    """Large leaves, and large tables of contents, are taken apart by a thread."""
    threads = []
    decoded, table_of = Archive.decoded, opening_async.table_of
    monkeypatch.setattr(Archive, "decoded", lambda *given: threads.append(threading.get_ident()) or decoded(*given))
    monkeypatch.setattr(opening_async, "table_of", lambda *given: threads.append(threading.get_ident()) or table_of(*given))
    large, small = ["l" * 6_000_000], {"a": ["s" * 20_000]}
    memory = MemoryStore()
    for store in (memory, LocalStore(tmp_path)):
        dump("large", large, store=store, options=WriteOptions(max_block=2**24))
        dump("small", small, store=store)
        dump("table", large, store=store, options=WriteOptions(meta={"notes": "n" * 5_000_000}))

        async def read(name):
            async with LazyReader(name, store=store) as reader:  # noqa: B023  # awaited at once
                opened = len(threads)
                found = await reader.to_obj_async()
                items = [item async for item in reader] if name != "small" else []
                return found, items, threads[:opened], threads[opened:]

        for name, expected in (("large", large), ("small", small), ("table", large)):
            threads.clear()
            found, items, opening, reading = asyncio.run(read(name))
            assert found == expected
            assert items in ([], expected)
            here = threading.get_ident()
            assert (here in opening) is (name != "table")
            assert (here in reading) is (name == "small")


def test_prefetch_fills_the_cache(store, archive, colour):
    with colour(LazyReader("a", store=store)) as reader:
        assert 0 < reader.prefetch(["sorted/k00001", "rows"]) < len(archive)
        reader.stats.clear()
        assert reader.read("rows/-1") == ROWS[-1]
        assert reader.stats.requests == 0
        assert reader.prefetch(max_bytes=100_000) <= 100_000
        assert reader.prefetch(["tree/n1"]) > 0


def test_a28_readers_and_views_pickle_by_name(tmp_path, archive):
    path = tmp_path / "a"
    path.write_bytes(archive)
    with LazyReader(path) as reader:
        view, again = pickle.loads(pickle.dumps((reader["tree"], reader)))
        assert view["n3"]["i"] == again["tree/n3/i"] == 3
        code = f"import pickle; print(pickle.loads({pickle.dumps(reader['rows'])!r})[77]['id'])"
        assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "77\n"
    again.close()
    with LazyReader(archive) as reader, pytest.raises(TypeError, match="pickle"):
        pickle.dumps(reader)


def test_a22_offsets_beyond_4_gib(tmp_path, colour):
    far = 6 * 2**30
    text = msgspec.msgpack.encode("here")
    toc = msgspec.msgpack.encode(
        {"t": {"far": {"p": [far, far + len(text)]}, "rows": {"p": [[2, far, far + 2 * len(text)]]}}}
    )
    with open(tmp_path / "a", "wb") as file:
        file.write(pack_header(Header("msgpack", far + 100, len(toc))))
        file.seek(50 + far)
        file.write(text * 2)
        file.seek(50 + far + 100)
        file.write(toc)
    with colour(LazyReader(tmp_path / "a")) as reader:
        assert reader.read("far") == "here"
        assert list(reader.read("rows")) == ["here", "here"]
        assert reader.size > far
        assert reader.stats.bytes < 300_000


def test_views_are_what_they_say(store):
    with LazyReader("a", store=store) as reader:
        rows, tree = reader["rows"], reader["tree"]
        assert sum(1 for a in tree for b in tree if a != b) == 20 * 19
        assert len(tree.items()) == 20
        assert ("n1", DOCUMENT["tree"]["n1"]) in tree.items()
        assert dict(reader["shuffled"].items()) == DOCUMENT["shuffled"]
        assert rows == ROWS
        assert tree == DOCUMENT["tree"]
        assert rows.index(ROWS[3]) == 3
        assert next(reversed(rows)) == ROWS[-1]
        assert list(reader) == list(DOCUMENT)
        assert "LazyList(20000 items" in repr(rows)
    for gone in (lambda: rows[0], lambda: reader["rows"], tree.to_obj, lambda: list(rows)):
        with pytest.raises(ClosedError):
            gone()


def test_a25_damage_is_found_wherever_it_is(archive, colour):
    with colour(LazyReader(archive)) as reader:
        assert reader.verify().checksums > 100
    end = parse_header(archive).toc_start
    for at in (60, 50 + end // 2, 50 + end - 3, 51, 40, 50 + end + 100, len(archive) - 10):
        broken = bytearray(archive)
        broken[at] ^= 4
        with pytest.raises((IntegrityError, FormatError)), colour(LazyReader(bytes(broken))) as reader:
            reader.verify()
    broken = bytearray(archive)
    broken[60 + end // 3] ^= 4
    with (
        pytest.raises(IntegrityError, match=r"(rows|sorted|shuffled).*bytes \d+ to \d+"),
        colour(LazyReader(bytes(broken))) as reader,
    ):
        reader.to_obj()
    unsigned = bytearray(dumps(DOCUMENT, options=WriteOptions(checksum=False)))
    with colour(LazyReader(bytes(unsigned))) as reader:
        assert reader.verify().checksums == 1  # that of the key directory is part of its format
    unsigned[50] ^= 1  # the head of the outermost map
    with pytest.raises(FormatError), colour(LazyReader(bytes(unsigned))) as reader:
        reader.verify()


def test_a26_key_lookups_by_every_road(archive, colour):
    cut = archive[: parse_header(archive).end]
    for data in (archive, cut):  # without its annex an unsorted map is scanned
        with colour(LazyReader(data)) as reader:
            for i in (0, 77, 19_999):
                assert reader.read(f"sorted/k{i:05d}") == i
                assert reader.read(f"shuffled/k{i:05d}") == "v" * 30
            assert reader.read("shuffled").get("k99999") is None
            assert reader.read("sorted").get(5) is None
            assert reader.read("shuffled").to_obj() == DOCUMENT["shuffled"]


def test_a24_shared_ranges_cannot_multiply(face):
    leaf = {"p": [0, 5000]}
    node = {"t": [leaf] * 400}
    for _ in range(3):
        node = {"t": [node] * 3}
    payload = msgspec.msgpack.encode("x" * 4997)
    toc = msgspec.msgpack.encode(node)
    data = pack_header(Header("msgpack", len(payload), len(toc))) + payload + toc
    with pytest.raises(FormatError, match="overlap"):
        face.load(data)


@pytest.mark.parametrize("seed", range(4))
def test_a24_random_tables_give_errors_of_ours_or_values(seed, colour):
    chance = random.Random(seed)

    def number():
        return chance.choice([0, 1, 5, 13, 14, 2**31, 2**63, -1, None, "x", 1.5, chance.randrange(60)])

    def node(depth):
        made = {}
        if chance.random() < 0.7:
            made["p"] = chance.choice([
                [number(), number()], [[number(), number(), number()] for _ in range(chance.randrange(3))], [0, 13], number(),
            ])  # fmt: skip
        if depth and chance.random() < 0.6:
            made["t"] = chance.choice(
                [[node(depth - 1) for _ in range(2)], {"a": node(depth - 1), 1: number()}, [number()], {"a": 0}]
            )
        for key in "csmnh":
            if chance.random() < 0.15:
                made[key] = chance.choice(
                    [number(), [number()], {"v": 1, "e": number(), "c": number()}, {"b": [[number()] * 3], "f": [number()]}]
                )
        return made

    payload = bytes.fromhex("82a16193010203a16281a16304")
    for _ in range(300):
        toc = msgspec.msgpack.encode(node(2))
        data = pack_header(Header("msgpack", len(payload), len(toc))) + payload + toc
        try:
            with colour(LazyReader(data)) as reader:
                found = reader.read()
                if hasattr(found, "to_obj"):
                    found.to_obj()
                reader.get("a/0")
                reader.get([0, 1])
                reader.verify()
        except (FormatError, IntegrityError):
            continue


def test_arrays_in_part(store, colour, face):
    array = np.arange(500_000, dtype="<f8").reshape(5000, 100)
    face.dump("n", {"a": array, "s": np.arange(3)}, store=store)
    with colour(LazyReader("n", store=store)) as reader:
        lazy = reader.read("a")
        reader.stats.clear()
        get = lazy.get if colour.name == "async" else lazy.__getitem__  # an operator has no async form
        assert np.array_equal(get(slice(10, 20)), array[10:20])
        assert reader.stats.bytes == 10 * 800
        assert np.array_equal(get((3, slice(4, 6))), array[3, 4:6])
        assert np.array_equal(lazy.to_obj(), array)
        assert np.array_equal(reader.to_obj()["a"], array)
        assert np.array_equal(reader.read("s"), np.arange(3))
        assert face.dump("copy", lazy, store=store).size > array.nbytes
        assert np.array_equal(face.load("copy", store=store), array)


def test_stores_that_know_no_suffix_and_known_sizes(tmp_path, archive, face, colour):
    class Plain(MemoryStore):
        @property
        def capabilities(self):
            return super().capabilities.narrowed(suffix_ranges=False)

    plain = Plain()
    plain.put("a", archive)
    with colour(LazyReader("a", store=plain, options=ReadOptions(window=64))) as reader:
        assert reader.read("tree/n1/i") == 1
    path = tmp_path / "a"
    path.write_bytes(archive)
    with open(path, "rb") as file, colour(LazyReader(file)) as reader:
        assert reader.read("tree/n1/i") == 1
    for _ in range(20):
        with colour(LazyReader(path)) as reader:
            reader.open()
    if os.path.isdir("/proc/self/fd"):
        assert left_open_below(tmp_path) == []
    with pytest.raises(FormatError) as caught:
        face.load(b"")
    assert caught.value.kind == "magic"
