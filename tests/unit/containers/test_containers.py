"""Documents as archives: the format's examples, round trips, views, streams, values, tables that lie."""

import random
import sys
from datetime import UTC, datetime
from decimal import Decimal
from functools import partial
from itertools import groupby
from operator import itemgetter
from uuid import UUID

import msgspec
import numpy as np
import pytest
from benchmarks.containers import data as section_nine
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from holdall.containers import (
    Codec,
    EncodeError,
    FormatError,
    LazyDict,
    LazyList,
    LazyReader,
    MissingIndexError,
    MissingKeyError,
    ReadOptions,
    WriteOptions,
    checksums,
    dumps,
    loads,
    stream_list,
    stream_map,
    to_obj,
)
from holdall.containers.header import Header, pack_header, pad_magic, parse_header
from holdall.containers.wire import decode, skip
from holdall.drivers.memory import MemoryStore
from holdall.errors import IntegrityError

SMALL = {"leaf_bytes": 64, "max_block": 256}
codecs = pytest.mark.parametrize("codec", ["msgpack", "cbor"])
examples = settings(max_examples=8, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
scalars = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(2**63), 2**64 - 1),
    st.floats(allow_nan=False),
    st.text(st.characters(codec="utf-8"), max_size=90),
    st.binary(max_size=90),
)
texts = st.text(st.characters(codec="utf-8"), max_size=40)
keys = texts | st.one_of(texts, st.integers(-5, 99), st.binary(max_size=8))
documents = st.recursive(
    scalars, lambda inner: st.lists(inner, max_size=14) | st.dictionaries(keys, inner, max_size=14), max_leaves=60
)

WORKED = bytes.fromhex("82a16193010203a16281a16304")
WORKED_CBOR = bytes.fromhex("a26161830102036162a1616304")


@pytest.mark.parametrize(
    ("start", "size", "data", "toc"),
    [
        (bytes(9) + b"\x0d", bytes(9) + b"\x06", WORKED, "81a17092000d"),
        (b"\x0d" + bytes(9), b"\x06" + bytes(9), WORKED_CBOR, "a1617082000d"),
    ],
)
def test_a03_the_worked_examples_read(start, size, data, toc, face, colour):
    archive = pad_magic() + start + size + data + bytes.fromhex(toc)
    assert len(archive) == 69
    assert face.load(archive) == {"a": [1, 2, 3], "b": {"c": 4}}
    with colour(LazyReader(archive)) as reader:
        assert b"".join(reader.payload()) == data
        assert b"".join(reader.raw()) == archive
        assert reader.read("a/1") == 2
        assert reader.read(("b", "c")) == 4


def test_a03_headers_of_all_shapes():
    for codec in ("msgpack", "cbor"):
        assert parse_header(pack_header(Header(codec, 2**63, 7))) == Header(codec, 2**63, 7)
    assert parse_header(pad_magic() + bytes(19) + b"\x06").toc_start == 0
    for broken in (b"", b"x" * 50, pad_magic() + b"\xa1a" * 10, pad_magic() + bytes(9) + b"\xff" + bytes(9) + b"\x06"):
        with pytest.raises(FormatError):
            parse_header(broken)


@codecs
@given(document=documents)
@examples
def test_documents_round_trip(codec, document, face, packed, colour):
    for layout in ({}, SMALL, SMALL | {"index": "full"}):
        data = packed(document, codec=codec, **layout)
        assert face.load(data) == document
        assert colour(LazyReader(data)).verify().size == len(data)
        payload = b"".join(colour(LazyReader(data)).payload())
        assert decode(payload, codec) == (document, len(payload))
        assert skip(payload, 0, codec) == len(payload)


@codecs
@given(document=documents, seed=st.integers(0, 2**32))
@examples
def test_a06_paths_mean_the_same_on_the_view_and_the_object(codec, document, seed, packed, colour):
    chance = random.Random(seed)
    data = packed(document, codec=codec, **SMALL)
    for more in ({}, {"cached": False}, {"cache_bytes": 1024}):
        reader = colour(LazyReader(data, **more))
        for _ in range(5):
            path, value = [], document
            while isinstance(value, (list, dict)) and value and chance.random() < 0.9:
                step = chance.choice(list(value)) if isinstance(value, dict) else chance.randrange(-len(value), len(value))
                path.append(step)
                value = value[step]
            found = reader.read(path)
            assert (found.to_obj() if hasattr(found, "to_obj") else found) == value
            if isinstance(value, list):
                part = slice(chance.choice([None, 0, 1, -3]), chance.choice([None, 2, -1]), chance.choice([None, 2, -1]))
                assert [to_obj(item) for item in reader.read([*path, part])] == value[part]


@codecs
def test_a07_a_long_list_behaves_as_a_list(codec, packed, colour):
    items = [{"i": i, "text": "x" * (i % 50)} for i in range(3000)]
    reader = LazyReader(packed(items, codec=codec, leaf_bytes=512, max_block=2048))
    seen = colour(reader)
    indexes = range(-3000, 0, 1 if codec == "msgpack" else 37)
    assert [seen.read([i]) for i in indexes] == [items[i] for i in indexes]
    for part in (slice(None, None, -7), slice(10, 20), slice(-5, None), slice(5, 2), slice(2990, 9999)):
        assert seen.read([part]) == items[part]
    for bad in (3000, -3001, "x", "1.5"):
        with pytest.raises(MissingIndexError):
            seen.read([bad])
    assert list(seen) == items
    assert len(seen.to_obj()) == 3000
    view = reader.root
    assert isinstance(view, LazyList)
    assert len(view) == 3000
    assert view[-1] == items[-1]
    assert view[5:-5:100] == items[5:-5:100]
    assert list(reversed(view)) == items[::-1]
    assert view == items
    assert items[5] in view
    assert view.index(items[7]) == 7
    assert sum(1 for _ in view for _ in zip(view, range(3), strict=False)) == 9000
    got = seen.to_obj()
    got[0]["i"] = "changed"
    assert view[0] == items[0]
    with pytest.raises(TypeError):
        view["a"]
    with pytest.raises(TypeError):
        hash(view)


@codecs
@pytest.mark.parametrize("order", ["sorted", "shuffled", "mixed"])
def test_a26_a_long_map_behaves_as_a_map(codec, order, packed, colour):
    chosen = [f"k{i:05}" for i in range(4000)]
    if order == "shuffled":
        random.Random(1).shuffle(chosen)
    if order == "mixed":
        chosen[::3] = range(len(chosen[::3]))
    plain = {key: f"value of {key}" * 3 for key in chosen}
    data = packed(plain, codec=codec)
    reader = LazyReader(data)
    seen, view = colour(reader), reader.root
    assert isinstance(view, LazyDict)
    assert len(view) == 4000
    assert list(view) == list(seen) == list(plain)
    assert dict(view.items()) == dict(seen.read().items()) == plain
    before = reader.stats.requests
    assert seen.read([chosen[1234]]) == plain[chosen[1234]]
    assert reader.stats.requests - before <= 2
    assert chosen[5] in view
    assert "absent" not in view
    assert seen.get("absent", 7) == 7
    assert view == plain
    with pytest.raises(MissingKeyError, match="absent"):
        seen.read("absent")
    if order == "shuffled":  # a tool that copies only header..table cuts the keys off: the map is scanned instead
        cut = colour(LazyReader(data[: parse_header(data).end]))
        assert cut.read(chosen[77]) == plain[chosen[77]]


def test_small_and_large_side_by_side(packed, colour):
    document = {"meta": {"a": 1}, "big": ["x" * 100] * 500, "n": 5, "deep": {"more": [{"y": "z" * 200}] * 300}}
    reader = colour(LazyReader(packed(document)))
    assert [reader.read(path) for path in ("meta/a", "n", "deep/more/299/y")] == [1, 5, "z" * 200]
    assert reader.stats.bytes < 150_000
    assert reader.to_obj() == document
    mixed = [1] * 5000 + [["y" * 100] * 400] + [2] * 5000
    reader = colour(LazyReader(packed(mixed)))
    assert [reader.read(path) for path in ("5000/3", "4999", "-1")] == ["y" * 100, 1, 2]
    assert to_obj(reader.read("4998:5003")[0]) == 1
    assert reader.to_obj() == mixed


@codecs
def test_a21_streams_equal_the_materialised_document(codec, packed, face, colour):
    def document(lists, maps):
        return {
            "a": lists({"i": i, "inner": lists(range(i % 5))} for i in range(800)),
            "b": maps((f"k{i}", i) for i in range(900)),
        }

    async def later(items):
        for item in items:
            yield item

    asynchronous = colour.name == "async"
    streams = [(stream_list, stream_map)]
    if asynchronous:
        streams.append((later, lambda pairs: stream_map(later(pairs))))
    expected = {"a": [{"i": i, "inner": list(range(i % 5))} for i in range(800)], "b": {f"k{i}": i for i in range(900)}}
    for lists, maps in streams:
        data = packed(document(lists, maps), codec=codec, leaf_bytes=256)
        assert face.load(data) == expected
        reader = colour(LazyReader(data))
        assert reader.read_many(["a/799/i", "b/k899"]) == [799, 899]
        assert list(reader.read("a")) == expected["a"]
    if not asynchronous:
        with pytest.raises(EncodeError, match="write_async"):
            packed({"n": later([1])})
    with pytest.raises(ValueError, match="twice"):
        packed(stream_map([("a", 1), ("a", 2)]))


def test_a21_streams_that_share_an_iterator_are_drawn_in_order(packed, face):
    rows = [(i // 7, i) for i in range(700)]
    groups = groupby(rows, key=itemgetter(0))  # each group is gone when the next one is asked for
    data = packed(stream_map((key, (i for _, i in group)) for key, group in groups), leaf_bytes=128)
    assert face.load(data) == {key: list(range(7 * key, 7 * key + 7)) for key in range(100)}


def test_accepted_values(packed, face):
    moment = datetime(2024, 1, 2, 3, 4, 5, 678, tzinfo=UTC)
    document = {
        "t": (1, 2),
        "s": {7},
        "b": bytearray(b"x"),
        "when": moment,
        "d": Decimal("1.50"),
        "u": UUID(int=5),
        1: None,
        None: 2,
        1.5: b"",
        b"k": True,
    }
    plain = document | {"t": [1, 2], "s": [7], "b": b"x", "d": "1.50", "u": str(UUID(int=5))}
    assert face.load(packed(document)) == plain
    assert face.load(packed(document, codec="cbor")) == plain | {"d": Decimal("1.50"), "u": UUID(int=5)}
    assert face.load(packed({"x": [2**80, -(2**80)]}, codec="cbor")) == {"x": [2**80, -(2**80)]}
    with pytest.raises(EncodeError, match="^a: "):
        packed({"a": 2**64})
    for value in (complex(1), np.array([object()]), np.zeros(1, dtype=[("a", "i4")])):
        with pytest.raises(EncodeError, match="^x: "):
            packed({"x": value})
    assert face.load(packed({"c": 1j}, default=lambda v: [v.real, v.imag])) == {"c": [0.0, 1.0]}
    assert face.load(packed([1j], default=str)) == ["1j"]
    big = np.arange(4.0).reshape(2, 2)
    assert face.load(packed(big, arrays="lists")) == big.tolist()
    assert face.load(packed({"p": big.dumps()})) == {"p": big.dumps()}


def nested(depth):
    deep = 1
    for i in range(depth):
        deep = [deep] if i % 2 else {"k": deep}
    return deep


@codecs
def test_a22_depth_beyond_the_limit(codec, packed, face):
    with pytest.raises(EncodeError, match="nested deeper than 1000"):
        packed(nested(3000), codec=codec, max_depth=1000, leaf_bytes=64)
    with pytest.raises(FormatError, match="nested deeper than 1000") as caught:
        face.load(packed(nested(3000), codec=codec), options=ReadOptions(max_depth=1000))
    assert caught.value.kind == "depth"


def test_a22_depth_100_000_with_the_limit_raised():
    data = dumps(nested(100_000), options=WriteOptions(max_depth=1_000_000))
    found = loads(data, options=ReadOptions(max_depth=1_000_000))
    for i in reversed(range(100_000)):
        found = found[0] if i % 2 else found["k"]
    assert found == 1


def test_a11_open_costs_one_round(face, colour):
    store = MemoryStore()
    face.dump("a", [{"i": i, "t": "x" * 30} for i in range(20_000)], store=store)
    reader = colour(colour(LazyReader("a", store=store)).open())
    assert (reader.stats.requests, reader.stats.serial_rounds) == (2, 1)
    assert reader.stats.bytes <= 128 * 1024
    assert reader.read("12345/i") == 12_345
    assert reader.stats.requests == 3


@pytest.mark.parametrize(
    ("name", "percent", "most"),
    [("a", 2, 0.003), ("b", 100, 0.01), ("sorted", 100, 0.005), ("shuffled", 100, 0.3), ("d", 2, 0.01), ("e", 5, 0.0005)],
)
def test_a26_what_tables_add_to_documents(name, percent, most):
    document = [section_nine.TEXT] * 50 if name == "e" else section_nine.document(name, percent)
    data = dumps(document)
    assert loads(data) == document
    header = parse_header(data)
    assert (len(data) - header.toc_start) / header.toc_start <= most


@pytest.mark.parametrize("name", ["b", "sorted", "shuffled"])
def test_a26_opening_200k_records_is_no_more_work_than_20k(name, tmp_path, colour):
    """As many calls of Python, and of C by it, and as many bytes, but for those of the key directory."""
    calls, read = {}, {}
    for percent in (10, 100):
        document = section_nine.document(name, percent)
        where = [len(document) // 2] if name == "b" else [f"key-{len(document) // 2:06}"]
        path = tmp_path / f"{percent}"
        path.write_bytes(dumps(document))
        annex = path.stat().st_size - parse_header(path.read_bytes()).end
        reader = LazyReader(path, cached=False)
        assert colour(reader).read(where) == document[where[0]]
        read[percent] = reader.stats.bytes - annex
        calls[percent] = events(partial(first, path, where))
    assert read[100] <= 1.5 * read[10] <= 1.5 * 192 * 1024
    assert calls[100] <= 1.1 * calls[10] + 20


def first(path, where):
    with LazyReader(path, cached=False) as reader:
        reader.read(where)


def events(act):
    """Count the calls that an act makes in this thread."""
    count, before = 0, sys.getprofile()

    def note(frame, event, argument):
        nonlocal count
        count += event in {"call", "c_call"}

    sys.setprofile(note)
    try:
        act()
    finally:
        sys.setprofile(before)
    return count


def test_metadata(packed, colour):
    assert colour(colour(LazyReader(packed([1], meta={"made": "today"}))).open()).meta == {"made": "today"}


def test_a24_tables_that_lie(face, colour):
    for toc in (
        {"p": [0, 99]}, {"p": [5, 2]}, {"p": [-1, 3]}, {"p": [0, True]}, {"p": [[2**40, 0, 13]]}, {"p": [[1, 0, 3], [1, 5, 9]]}, {"t": {"a": {"p": [0, 99]}}},
        {"t": [0, {"p": [0, 1]}]}, {"t": [0]}, {"t": [99]}, {}, [], 5, {"p": [0, 13], "h": {"v": 2}}, {"p": [0, 13], "h": {"v": 1, "m": 5}},
        {"p": [0, 13], "c": 1}, {"p": [0, 13], "m": {"b": [[1, 0, 99]]}}, {"p": [0, 13], "n": ["O", [1], 1]}, {"p": "x"}, {"t": "x"},
    ):  # fmt: skip
        packed = msgspec.msgpack.encode(toc)
        archive = pack_header(Header("msgpack", len(WORKED), len(packed))) + WORKED + packed
        with pytest.raises((FormatError, IntegrityError)):
            face.load(archive)
        with pytest.raises((FormatError, IntegrityError)):
            colour(LazyReader(archive)).verify()
    with pytest.raises(FormatError):
        face.load(pack_header(Header("msgpack", 13, 2**40)) + WORKED)
    with pytest.raises(FormatError, match="table of contents"):
        face.load(dumps(list(range(100_000))), options=ReadOptions(max_toc_bytes=10))
    with pytest.raises(ValueError):
        WriteOptions(codec="json")


def test_checksums_are_the_same_without_isal(monkeypatch):
    archive = dumps(["x" * 20_000, {"k": "y" * 90_000}])
    with monkeypatch.context() as patched:
        patched.setitem(sys.modules, "isal", None)
        checksums._quickest.cache_clear()
        assert dumps(["x" * 20_000, {"k": "y" * 90_000}]) == archive
        assert loads(archive)[0] == "x" * 20_000
    checksums._quickest.cache_clear()


@pytest.mark.parametrize("codec", Codec)
def test_a_codec_is_as_good_as_its_name(packed, codec):
    document = {"a": [1, 2.5, None], "b": "x" * 500}
    assert packed(document, codec=codec) == packed(document, codec=codec.value)
    assert LazyReader(packed(document, codec=codec)).to_obj() == document
    with pytest.raises(ValueError, match="codec is one of msgpack, cbor, not 'json'"):
        WriteOptions(codec="json")
