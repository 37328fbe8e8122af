"""Damaged and hostile archives: errors of ours or equal values, in bounded time and memory; damage is named by its path."""

import random
import tracemalloc
import zlib

import msgspec
import numpy as np
import pytest

from holdall.containers import (
    ChecksumError,
    FileInfo,
    FormatError,
    LazyReader,
    ReadOptions,
    WriteOptions,
    combine,
    dumps,
)
from holdall.containers.header import MAGIC, Header, pack_header, parse_header
from holdall.drivers.memory import MemoryStore
from holdall.errors import IntegrityError

ROWS = [{"id": i, "name": f"name {i}"} for i in range(4000)]
DOCUMENT = {
    "leaf": {"text": "t" * 20_000, "i": 7},
    "rows": ROWS,
    "sorted": {f"k{i:05d}": "v" * 20 for i in range(4000)},
    "shuffled": {f"k{i * 7919 % 4000:05d}": "w" * 20 for i in range(4000)},
}


def corpus():
    """Small archives of every kind of node."""
    small = {"leaf_bytes": 64, "max_block": 256}
    document = {
        "rows": [[i, "x" * (i % 9)] for i in range(40)],
        "map": {f"k{i * 7 % 20:02}": i for i in range(20)},
        "deep": {"a": {"b": ["y" * 80, 1, None]}},
    }
    for codec in ("msgpack", "cbor"):
        yield document, dumps(document, options=WriteOptions(codec=codec, **small))
        yield document, dumps(document, options=WriteOptions(codec=codec, index="full", **small))
        yield document, dumps(document, options=WriteOptions(codec=codec))
    store = MemoryStore()
    combine("c", [FileInfo(obj=document, name="one"), FileInfo(obj=[1, 2], name="two")], store=store)
    yield {"one": document, "two": [1, 2]}, store.get("c").bytes()


def outcome(face, data):
    """Return the value, or ``None`` for an error of ours; anything else is a fault."""
    try:
        return face.load(data)
    except (FormatError, IntegrityError):
        return None


def test_a24_every_cut_is_an_error(face):
    for document, data in corpus():
        for end in range(len(data)):
            found = outcome(face, data[:end])
            assert found is None or found == document  # a cut annex is done without


def test_a24_ten_thousand_flipped_bits(face, colour):
    """Half of them in either colour, each its own."""
    chance = random.Random(colour.name)
    archives = list(corpus())
    for i in range(5000):
        document, data = archives[i % len(archives)]
        flipped = bytearray(data)
        flipped[chance.randrange(len(data))] ^= 1 << chance.randrange(8)
        found = outcome(face, bytes(flipped))
        assert found is None or found == document


def archive(toc, payload=b"\x93\x01\x02\x03", *, codec="msgpack"):
    packed = toc if isinstance(toc, bytes) else msgspec.msgpack.encode(toc)
    return pack_header(Header(codec, len(payload), len(packed))) + payload + packed


def nested(levels, width, leaf):
    node = leaf
    for _ in range(levels):
        node = {"t": [node] * width}
    return node


def chained(levels):
    """An archive in an archive in an archive."""
    data = dumps(1)
    for _ in range(levels):
        data = archive({"t": {"a": 0}}, data)
    return data


CRAFTED = {
    "count of an array": archive({"p": [0, 5]}, b"\xdd\xff\xff\xff\xff"),
    "count of a map": archive({"p": [0, 5]}, b"\xdf\xff\xff\xff\xff"),
    "length of a text": archive({"p": [0, 5]}, b"\xdb\xff\xff\xff\xff"),
    "length of bytes": archive({"p": [0, 5]}, b"\xc6\xff\xff\xff\xff"),
    "count of a block": archive({"p": [[2**60, 0, 4]]}),
    "blocks that overlap": archive({"p": [[1, 1, 3], [1, 2, 4]]}),
    "blocks that go back": archive({"p": [[1, 3, 4], [1, 1, 2]]}),
    "negative": archive({"p": [-4, 4]}),
    "true": archive({"p": [True, 4]}),
    "a fraction": archive({"p": [0.0, 4]}),
    "beyond the end": archive({"p": [0, 2**63]}),
    "children outside": archive({"p": [0, 2], "t": [{"p": [1, 4]}]}),
    "itself": archive({"t": {"a": 0}}, pack_header(Header("msgpack", 0, 50))),
    "behind the data": archive({"t": {"a": 4}}),
    "offsets and nodes": archive({"t": {"a": 0, "b": {"p": [0, 4]}}}),
    "a table of its own size": archive(b"\xdd\xff\xff\xff\xff"),
    "a table that nests": archive(b"\x91" * 100_000 + b"\x01"),
    "a table of maps that nest": archive(b"\x81\xa1t\x91" * 30_000 + b"\x01"),
    "shared ranges": archive(nested(2, 20, {"p": [0, 5003]}), b"\xda\x13\x88" + b"x" * 5000),
    "shared blocks": archive(nested(2, 20, {"p": [[1, 0, 5003]]}), b"\xda\x13\x88" + b"x" * 5000),
    "an array as large as wished": archive({"p": [0, 4], "n": ["<f8", [2**40, 2**20], 0]}),
    "a directory of nothing": archive({"p": [0, 4], "m": {"b": [[3, 1, 4]], "k": [4, 2**62, 0]}}),
    "archives that nest": chained(70),
}


@pytest.mark.parametrize("name", sorted(CRAFTED))
def test_a24_crafted_tables_are_refused_within_bounds(name, colour):
    data = CRAFTED[name]
    tracemalloc.start()
    try:
        with pytest.raises((FormatError, IntegrityError)), colour(LazyReader(data)) as reader:  # whichever comes first
            whole(reader.read())
            reader.get([0, 0])
            reader.read(["a"] * 70)
            reader.verify()
            reader.to_obj()
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 64 * 1024 * 1024


def whole(found):
    """Return the plain value of what was read, a view or a value."""
    return found.to_obj() if hasattr(found, "to_obj") else found


def flipped(data, at, bit=1):
    changed = bytearray(data)
    changed[at] ^= bit
    return bytes(changed)


def test_a25_a_flipped_bit_is_named_by_its_path(face, colour):
    store = MemoryStore()
    face.dump("a", DOCUMENT, store=store)
    data = store.get("a").bytes()
    text = data.index(b"tttt") + 5000
    row = data.index(b"name 2000") + 6
    ordered, other = data.index(b"k02000", 50 + text), data.index(b"wwww") + 2
    places = {
        "leaf": (text, r"leaf.*bytes \d+ to \d+"),
        "rows": (row, r"rows/block \d+: bytes \d+ to \d+"),
        "sorted": (ordered, r"sorted/block \d+"),
        "shuffled": (other, r"shuffled/block \d+"),
    }
    for name, (at, expected) in places.items():
        broken = flipped(data, at)
        with colour(LazyReader(broken)) as reader:
            for read in (lambda: whole(reader.read(name)), reader.to_obj, reader.verify):  # noqa: B023  # called at once
                with pytest.raises(IntegrityError, match=expected) as caught:
                    read()
                assert isinstance(caught.value, ChecksumError)
                assert caught.value.path.split("/")[0] == name
                assert caught.value.span[0] <= at < caught.value.span[1]
            others = {key: whole(reader.read(key)) for key in DOCUMENT if key != name}
        assert others == {key: DOCUMENT[key] for key in others}
    annex = flipped(data, len(data) - 5)
    with colour(LazyReader(annex)) as reader:
        with pytest.raises(IntegrityError, match="shuffled/keys"):
            reader.read("shuffled/k00001")
        with pytest.raises(IntegrityError, match="keys"):
            reader.verify()
        assert reader.to_obj() == DOCUMENT


@pytest.mark.parametrize("codec", ["msgpack", "cbor"])
def test_a25_every_flipped_bit_of_header_and_table(codec, face, colour):
    """Every other one in either colour."""
    document = {"leaf": DOCUMENT["leaf"], "rows": ROWS[:900], "shuffled": DOCUMENT["shuffled"]}
    data = dumps(document, options=WriteOptions(codec=codec, meta={"made": "today"}))
    header = parse_header(data)
    unseen = (header.end - 7, header.end - 6)  # the key "c": a checksum that is not there is not compared
    for at in (*range(50), *range(50 + header.toc_start, header.end)):
        for bit in range(colour.name == "async", 8, 2):
            broken = flipped(data, at, 1 << bit)
            if at in unseen:
                assert outcome(face, broken) in (None, document)
                continue
            with pytest.raises(IntegrityError, match="header|table|magic") as caught:
                colour(LazyReader(broken)).open()
            if isinstance(caught.value, FormatError):
                assert caught.value.kind in {"magic", "header", "toc", "range", "codec"}


def test_a25_damage_of_an_embedded_archive_is_named_by_its_path(face, colour):
    store = MemoryStore()
    face.combine("c", [FileInfo(obj=DOCUMENT, name="one"), FileInfo(obj=[1, 2], name="two")], store=store)
    data = store.get("c").bytes()
    second = data.index(MAGIC, 100) - 20
    for at in (second + 25, second + 33, second + 38, second + 48, data.index(b"holdall", second)):
        with colour(LazyReader(flipped(data, at))) as reader:
            with pytest.raises(IntegrityError, match="^two: "):
                reader.read("two")
            assert reader.read("one/leaf/i") == 7


def test_a_table_that_its_checksum_vouches_for_is_no_damage(face):
    payload, front = b"\x01", msgspec.msgpack.encode({"p": [0, 9]})[1:]
    toc = b"\x82" + front + b"\xa1h\x82\xa1v\x01\xa1c\xce"
    head = pack_header(Header("msgpack", len(payload), len(toc) + 4))
    with pytest.raises(FormatError) as caught:
        face.load(head + payload + toc + zlib.crc32(toc, zlib.crc32(head)).to_bytes(4, "big"))
    assert caught.value.kind == "range"
    assert not isinstance(caught.value, IntegrityError)


def test_a25_verify_finds_flips_in_heads_and_keys_too(packed, colour):
    document = {"one": ["x" * 20_000, "y" * 20_000], "two": {"key": "z" * 20_000, "more": "z" * 20_000}}
    for options in ({}, {"checksum": False}, {"codec": "cbor", "checksum": False}):
        data = packed(document, **options)
        with colour(LazyReader(data)) as reader:
            report = reader.verify()
        assert (report.checksums > 0) is options.get("checksum", True)
        for at in (50, data.index(b"one"), data.index(b"two") + 1, data.index(b"key"), data.index(b"more") + 3):
            with pytest.raises((FormatError, IntegrityError)), colour(LazyReader(flipped(data, at))) as reader:
                reader.verify()


def test_limits_are_named(face):
    data = dumps({"a": ["x" * 1000] * 100})
    for options, kind in ((ReadOptions(max_toc_bytes=10), "limit"), (ReadOptions(max_value_bytes=100), "limit")):
        with pytest.raises(FormatError) as caught:
            face.load(data, options=options)
        assert caught.value.kind == kind
    deep = archive({"p": [0, 2001]}, b"\x91" * 2000 + b"\x01")
    with pytest.raises(FormatError) as caught:
        face.load(deep, options=ReadOptions(max_depth=1500))
    assert caught.value.kind == "depth"
    assert isinstance(face.load(deep), list)  # within the default


@pytest.mark.parametrize("codec", ["msgpack", "cbor"])
def test_arrays_with_lies_in_their_heads(codec, face):
    data = dumps({"x": np.arange(6, dtype="<i4").reshape(2, 3)}, options=WriteOptions(codec=codec, checksum=False))
    at = data.index(b"<i4") if codec == "msgpack" else data.index(b"\xd8\x28") + 3
    for change in range(1, 256):
        broken = bytearray(data)
        broken[at + (3 if codec == "msgpack" else 0)] ^= change
        try:
            found = face.load(bytes(broken))
        except FormatError:
            continue
        assert isinstance(found["x"], np.ndarray)
