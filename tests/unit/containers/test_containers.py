"""Containers in memory: the format's examples, round trips, views, streams, arrays, damage."""

import asyncio
import io
import random
from datetime import UTC, datetime
from decimal import Decimal
from uuid import UUID

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from holdall.containers import (
    EncodeError,
    FormatError,
    LazyDict,
    LazyList,
    LazyReader,
    LazyWriter,
    MissingIndexError,
    MissingKeyError,
    ReadOptions,
    WriteOptions,
    dump,
    dump_async,
    dumps,
    load,
    load_async,
    loads,
    stream_list,
    stream_map,
    to_obj,
)
from holdall.containers.encoder import Encoder
from holdall.containers.header import Header, pack_header, pad_magic, parse_header
from holdall.containers.steps import Emit, Layout
from holdall.containers.wire import decode, skip
from holdall.drivers.memory import MemoryStore
from holdall.errors import AlreadyExistsError, ClosedError, IntegrityError, PreconditionError

SMALL = {"leaf_bytes": 64, "max_block": 256}
codecs = pytest.mark.parametrize("codec", ["msgpack", "cbor"])
scalars = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(2**63), 2**64 - 1),
    st.floats(allow_nan=False),
    st.text(st.characters(codec="utf-8"), max_size=90),
    st.binary(max_size=90),
)
keys = st.one_of(st.text(st.characters(codec="utf-8"), max_size=8), st.integers(-5, 99))
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
def test_the_worked_examples_read(start, size, data, toc):
    archive = pad_magic() + start + size + data + bytes.fromhex(toc)
    assert len(archive) == 69
    assert loads(archive) == {"a": [1, 2, 3], "b": {"c": 4}}
    with LazyReader(archive) as reader:
        assert b"".join(reader.payload()) == data
        assert b"".join(reader.raw()) == archive
        assert reader["a/1"] == 2 and reader["b", "c"] == 4


def test_headers_of_all_shapes():
    for codec in ("msgpack", "cbor"):
        assert parse_header(pack_header(Header(codec, 2**63, 7))) == Header(codec, 2**63, 7)
    assert parse_header(pad_magic() + bytes(19) + b"\x06").toc_start == 0
    for broken in (b"", b"x" * 50, pad_magic() + b"\xa1a" * 10, pad_magic() + bytes(9) + b"\xff" + bytes(9) + b"\x06"):
        with pytest.raises(FormatError):
            parse_header(broken)


@codecs
@given(document=documents)
@settings(max_examples=15, deadline=None)
def test_documents_round_trip(codec, document):
    for layout in ({}, SMALL, SMALL | {"index": "full"}):
        data = dumps(document, options=WriteOptions(codec=codec, **layout))
        assert loads(data) == document
        payload = b"".join(LazyReader(data).payload())
        assert decode(payload, codec) == (document, len(payload))
        assert skip(payload, 0, codec) == len(payload)


@codecs
@given(document=documents, seed=st.integers(0, 2**32))
@settings(max_examples=15, deadline=None)
def test_paths_mean_the_same_on_the_view_and_the_object(codec, document, seed):
    chance = random.Random(seed)
    data = dumps(document, options=WriteOptions(codec=codec, **SMALL))
    for more in ({}, {"cached": False}, {"cache_bytes": 1024}):
        reader = LazyReader(data, **more)
        for _ in range(5):
            path, value = [], document
            while isinstance(value, (list, dict)) and value and chance.random() < 0.9:
                step = chance.choice(list(value)) if isinstance(value, dict) else chance.randrange(-len(value), len(value))
                path.append(step)
                value = value[step]
            assert to_obj(reader.read(path)) == value
            if isinstance(value, list):
                part = slice(chance.choice([None, 0, 1, -3]), chance.choice([None, 2, -1]), chance.choice([None, 2, -1]))
                assert [to_obj(item) for item in reader.read([*path, part])] == value[part]


@codecs
def test_a_long_list_behaves_as_a_list(codec):
    items = [{"i": i, "text": "x" * (i % 50)} for i in range(3000)]
    reader = LazyReader(dumps(items, options=WriteOptions(codec=codec, leaf_bytes=512, max_block=2048)))
    view = reader.root
    assert isinstance(view, LazyList) and len(view) == 3000
    for i in (0, 1, 2999, -1, -2, -3000, 1500):
        assert view[i] == items[i]
    for part in (slice(None, None, -7), slice(10, 20), slice(-5, None), slice(5, 2), slice(2990, 9999)):
        assert view[part] == items[part]
    for bad in (3000, -3001, "x", "1.5"):
        with pytest.raises(MissingIndexError):
            reader.read([bad])
    assert (
        list(view) == items
        and list(reversed(view)) == items[::-1]
        and view == items
        and items[5] in view
        and view.index(items[7]) == 7
    )
    assert sum(1 for _ in zip(view, view, strict=True)) == 3000
    got = reader.to_obj()
    got[0]["i"] = "changed"
    assert view[0] == items[0]
    with pytest.raises(TypeError):
        view["a"]
    with pytest.raises(TypeError):
        hash(view)


@codecs
@pytest.mark.parametrize("order", ["sorted", "shuffled", "mixed"])
def test_a_long_map_behaves_as_a_map(codec, order):
    chosen = [f"k{i:05}" for i in range(4000)]
    if order == "shuffled":
        random.Random(1).shuffle(chosen)
    if order == "mixed":
        chosen[::3] = range(len(chosen[::3]))
    plain = {key: f"value of {key}" * 3 for key in chosen}
    data = dumps(plain, options=WriteOptions(codec=codec))
    reader = LazyReader(data)
    view = reader.root
    assert isinstance(view, LazyDict) and len(view) == 4000 and list(view) == list(plain) and dict(view.items()) == plain
    before = reader.stats.requests
    assert reader[chosen[1234]] == plain[chosen[1234]]
    assert reader.stats.requests - before <= 2
    assert chosen[5] in view and "absent" not in view and view.get("absent", 7) == 7 and view == plain
    with pytest.raises(MissingKeyError, match="absent"):
        reader["absent"]
    if order == "shuffled":  # a tool that copies only header..table cuts the keys off: the map is scanned instead
        header = parse_header(data)
        cut = LazyReader(data[: header.end])
        assert cut[chosen[77]] == plain[chosen[77]]


def test_small_and_large_side_by_side():
    document = {"meta": {"a": 1}, "big": ["x" * 100] * 500, "n": 5, "deep": {"more": [{"y": "z" * 200}] * 300}}
    reader = LazyReader(dumps(document))
    assert reader["meta/a"] == 1 and reader["n"] == 5 and reader["deep/more/299/y"] == "z" * 200
    assert reader.stats.bytes < 150_000
    assert reader.to_obj() == document
    mixed = [1] * 5000 + [["y" * 100] * 400] + [2] * 5000
    view = LazyReader(dumps(mixed)).root
    assert view[5000][3] == "y" * 100 and view[4999] == 1 and view[-1] == 2 and to_obj(view[4998:5003])[0] == 1
    assert view == mixed


def test_read_many_in_one_wave():
    document = {f"k{i:03}": ["v" * 300] * 100 for i in range(100)}
    reader = LazyReader(dumps(document), cached=False).open()
    rounds = reader.stats.serial_rounds
    assert reader.read_many([["k001", 5], "nothing", ["k099", -1]], default=None)[::2] == ["v" * 300] * 2
    with pytest.raises(MissingKeyError):
        reader.read_many(["nothing"])
    assert reader.stats.serial_rounds > rounds


@codecs
def test_streams_equal_the_materialised_document(codec):
    options = WriteOptions(codec=codec, leaf_bytes=256)

    def document(lists, maps):
        return {
            "a": lists({"i": i, "inner": lists(range(i % 5))} for i in range(800)),
            "b": maps((f"k{i}", i) for i in range(900)),
        }

    streamed = dumps(document(stream_list, stream_map), options=options)
    assert loads(streamed) == document(
        lambda x: [y | {"inner": list(y["inner"])} if isinstance(y, dict) else y for y in x], dict
    )
    reader = LazyReader(streamed)
    assert reader["a/799/i"] == 799 and reader["b/k899"] == 899 and len(reader["a"]) == 800

    async def numbers():
        for i in range(1000):
            yield i

    async def main():
        target = io.BytesIO()
        await dump_async(target, {"n": numbers()}, options=options)
        assert (await load_async(target.getvalue())) == {"n": list(range(1000))}
        async with LazyReader(target.getvalue()) as reader:
            view = await reader.read_async("n")
            assert [x async for x in view] == list(range(1000))
            assert await reader.read_many_async(["n/1", "n/999"]) == [1, 999] and [k async for k in reader] == ["n"]

    asyncio.run(main())
    with pytest.raises(EncodeError, match="write_async"):
        dumps({"n": numbers()})
    with pytest.raises(ValueError, match="twice"):
        dumps(stream_map([("a", 1), ("a", 2)]))


def test_accepted_values():
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
    assert loads(dumps(document)) == {
        "t": [1, 2],
        "s": [7],
        "b": b"x",
        "when": moment,
        "d": "1.50",
        "u": str(UUID(int=5)),
        1: None,
        None: 2,
        1.5: b"",
        b"k": True,
    }
    again = loads(dumps(document, options=WriteOptions(codec="cbor")))
    assert again["d"] == Decimal("1.50") and again["u"] == UUID(int=5) and again["when"] == moment and again["t"] == [1, 2]
    assert loads(dumps({"x": [2**80, -(2**80)]}, options=WriteOptions(codec="cbor"))) == {"x": [2**80, -(2**80)]}


@codecs
@pytest.mark.parametrize(
    ("value", "path"),
    [
        ({"k3": {"meta": {"x": 1j}}}, "k3/meta/x"),
        ([1, [object()]], "1/0"),
        ("\ud800", "the root"),
        ({"a": [...]}, "a/0"),
    ],
)
def test_what_cannot_be_encoded_is_named_by_its_path(codec, value, path):
    with pytest.raises(EncodeError, match=f"^{path}: "):
        dumps(value, options=WriteOptions(codec=codec))


def test_integers_beyond_msgpack():
    with pytest.raises(EncodeError, match="^a: "):
        dumps({"a": 2**64})


def test_default_hook_and_depth():
    assert loads(dumps({"c": 1j}, options=WriteOptions(default=lambda v: [v.real, v.imag]))) == {"c": [0.0, 1.0]}
    assert loads(dumps([1j], options=WriteOptions(default=str))) == ["1j"]
    deep = 1
    for _ in range(5000):
        deep = [deep]
    found = loads(dumps(deep))
    for _ in range(5000):
        found = found[0]
    assert found == 1
    with pytest.raises(EncodeError, match="deeper"):
        dumps(deep, options=WriteOptions(max_depth=1000, leaf_bytes=64))


@codecs
def test_arrays_never_by_pickle(codec):
    big = np.arange(20_000, dtype="<f8").reshape(200, 100)
    document = {
        "big": big,
        "small": np.array([[1, 2]], dtype=">i2"),
        "times": np.array(["2024-01-01"], dtype="M8[s]"),
        "text": np.array(["ab"]),
        "scalar": np.float32(2),
        "empty": np.zeros((0, 3)),
        "zero": np.array(5),
    }
    data = dumps(document, options=WriteOptions(codec=codec))
    reader = LazyReader(data)
    whole = reader.to_obj()
    for name, value in document.items():
        one = reader[name]
        assert np.array_equal(np.asarray(one), value) and np.array_equal(np.asarray(whole[name]), value), name
        if name != "scalar":
            assert np.asarray(one).dtype == value.dtype and np.asarray(one).shape == value.shape
    before = reader.stats.bytes
    assert np.array_equal(reader["big"][5:7], big[5:7]) and np.array_equal(reader["big"][-1, 3], big[-1, 3])
    assert reader.stats.bytes - before == 2 * 800 + 8
    assert loads(dumps(big[:2, :2], options=WriteOptions(codec=codec, arrays="lists"))) == big[:2, :2].tolist()
    for bad in (np.array([object()]), np.zeros(1, dtype=[("a", "i4")])):
        with pytest.raises(EncodeError, match="dtype"):
            dumps({"x": bad}, options=WriteOptions(codec=codec))
    assert loads(dumps({"p": big.dumps()}))["p"] == big.dumps()


def test_the_encoder_is_linear():
    adversarial = [[["x" * 5000] * 4 + [1] * 50, "y" * 40_000, {"k": ["z" * 20_000] * 3}] for _ in range(40)]
    for _ in range(30):
        adversarial = [1, 2, 3, adversarial, "end"]
    encoder = Encoder("msgpack", Layout())
    size = sum(len(step.data) for step in encoder.run(adversarial) if isinstance(step, Emit))
    assert encoder.encoded <= 2.2 * size


def test_publishing_is_atomic_and_conditional():
    store = MemoryStore()
    first = dump("a", [1], store=store)
    for value, error in (([1, object()], EncodeError), ((x for x in [1, 1 / 1]), None)):
        if error is None:
            dump("a", value, store=store)
        else:
            with pytest.raises(error):
                dump("a", value, store=store)
            assert store.head("a").etag == first.etag
    with pytest.raises(RuntimeError), LazyWriter("a", store=store) as writer:
        writer.write([2])
        raise RuntimeError
    assert load("a", store=store) == [1, 1.0]
    with pytest.raises(AlreadyExistsError):
        dump("a", [3], store=store, mode="x")
    with pytest.raises(PreconditionError):
        dump("a", [3], store=store, if_match=first.etag)
    result = dump("a", [3], store=store, if_match=store.head("a").etag)
    assert result.etag == store.head("a").etag and result.size == store.head("a").size
    with pytest.raises(ValueError, match="nothing"), LazyWriter("b", store=store):
        pass
    with pytest.raises(ValueError, match="one document"), LazyWriter("b", store=store) as writer:
        writer.write(1)
        writer.write(2)
    with pytest.raises(FileNotFoundError):
        store.head("b")


def test_an_object_replaced_under_a_reader():
    store = MemoryStore()
    dump("a", ["x" * 100] * 5000, store=store)
    reader = LazyReader("a", store=store, cached=False)
    assert reader[0] == "x" * 100
    dump("a", ["y" * 100] * 5000, store=store)
    with pytest.raises(PreconditionError) as caught:
        reader[1]
    assert caught.value.kind == "changed"
    reader.close()
    with pytest.raises(ClosedError):
        reader[1]


def test_open_costs_one_round():
    store = MemoryStore()
    dump("a", [{"i": i, "t": "x" * 30} for i in range(20_000)], store=store)
    reader = LazyReader("a", store=store).open()
    assert (reader.stats.requests, reader.stats.serial_rounds) == (2, 1) and reader.stats.bytes <= 128 * 1024
    assert reader[12_345]["i"] == 12_345 and reader.stats.requests == 3


def test_table_size_and_metadata():
    records = [{"id": i, "name": f"user {i}", "active": True} for i in range(50_000)]
    target = io.BytesIO()
    result = dump(target, records, options=WriteOptions(meta={"made": "today"}))
    assert result.toc_size / result.data_size < 0.01 and result.size == len(target.getvalue())
    assert LazyReader(target.getvalue()).meta == {"made": "today"}


@codecs
def test_flipped_bits_and_cuts(codec):
    document = {"a": ["x" * 50] * 900, "b": {f"k{i}": i for i in range(3000)}}
    data = dumps(document, options=WriteOptions(codec=codec))
    chance = random.Random(3)
    for _ in range(150):
        at = chance.randrange(len(data))
        flipped = bytearray(data)
        flipped[at] ^= 1 << chance.randrange(8)
        try:
            found = loads(bytes(flipped))
        except (FormatError, IntegrityError):
            continue
        assert found == document or at < len(data), at
    small = dumps({"a": [1, 2, 3], "b": "text"}, options=WriteOptions(codec=codec))
    for end in range(len(small)):
        with pytest.raises((FormatError, IntegrityError)):
            loads(small[:end])


def test_hostile_tables():
    import msgspec

    payload = WORKED
    for toc in (
        {"p": [0, 99]}, {"p": [5, 2]}, {"p": [-1, 3]}, {"p": [0, True]}, {"p": [[2**40, 0, 13]]}, {"p": [[1, 0, 3], [1, 5, 9]]}, {"t": {"a": {"p": [0, 99]}}},
        {"t": [0, {"p": [0, 1]}]}, {"t": [0]}, {"t": [99]}, {}, [], 5, {"p": [0, 13], "h": {"v": 2}}, {"p": [0, 13], "h": {"v": 1, "m": 5}},
        {"p": [0, 13], "c": 1}, {"p": [0, 13], "m": {"b": [[1, 0, 99]]}}, {"p": [0, 13], "n": ["O", [1], 1]}, {"p": "x"}, {"t": "x"},
    ):  # fmt: skip
        packed = msgspec.msgpack.encode(toc)
        archive = pack_header(Header("msgpack", len(payload), len(packed))) + payload + packed
        with pytest.raises((FormatError, IntegrityError)):
            to_obj(LazyReader(archive).read())
            loads(archive)
            LazyReader(archive)["a"]
    big = pack_header(Header("msgpack", 13, 2**40)) + payload
    with pytest.raises(FormatError):
        loads(big)
    with pytest.raises(FormatError, match="table of contents"):
        loads(dumps(list(range(100_000))), options=ReadOptions(max_toc_bytes=10))


def test_sources(tmp_path):
    path = tmp_path / "a.holdall"
    dump(path, {"a": 1})
    assert load(path) == load(str(path)) == load(path.read_bytes()) == load(io.BytesIO(path.read_bytes())) == {"a": 1}
    with pytest.raises(FileNotFoundError):
        load(tmp_path / "nothing")
    with pytest.raises(FormatError):
        load(b"")
    (tmp_path / "empty").write_bytes(b"")
    with pytest.raises(FormatError):
        load(tmp_path / "empty")
