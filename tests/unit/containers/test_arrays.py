"""Typed arrays: every dtype and shape, the same by every path, with and without numpy."""

import subprocess
import sys

import numpy as np
import pytest

from holdall.containers import (
    EncodeError,
    FormatError,
    LazyArray,
    LazyReader,
    MissingIndexError,
    MissingKeyError,
    ReadOptions,
    TypedArray,
    WriteOptions,
    arrays,
    dump,
    dumps,
    load,
    loads,
)
from holdall.containers.nodes import Bounds
from holdall.containers.toc import parse_node
from holdall.containers.views import to_obj

KINDS = [
    *("?", "i1", "u1", "<i2", ">i2", "<u2", ">u4", "<i4", "<i8", ">i8", "<u8", "<f2", ">f2", "<f4", "<f8", ">f8"),
    *("<c8", "<c16", "<M8[s]", "<M8[ns]", ">M8[D]", "<m8[ms]", "S5", "<U3"),
]
SHAPES = [(), (0,), (7,), (0, 3), (3, 0, 2), (5, 4), (2, 3, 4)]


def made(dtype, shape, order="C"):
    count = int(np.prod(shape))
    kind = np.dtype(dtype).kind
    values = (
        [f"v{i % 90}" for i in range(count)]
        if kind in "SU"
        else np.arange(count) % 2
        if kind == "b"
        else np.arange(count) % 120
    )
    return np.asarray(np.array(values).astype(dtype).reshape(shape), order=order)


def same(found, array):
    found = np.asarray(found)
    return found.dtype == array.dtype and found.shape == array.shape and np.array_equal(found, array)


@pytest.mark.parametrize("codec", ["msgpack", "cbor"])
@pytest.mark.parametrize("dtype", KINDS)
def test_a23_every_dtype_and_shape_by_every_path(codec, dtype, packed, face, colour):
    for shape in SHAPES:
        array = made(dtype, shape, "F" if len(shape) > 1 else "C")
        for leaf in (64, 16 * 1024):  # with a node of its own, or within a leaf
            data = packed({"x": array, "more": [array, 1]}, codec=codec, leaf_bytes=leaf, max_block=leaf)
            with colour(LazyReader(data)) as reader:
                found = [reader.read("x"), reader.read("more/0"), reader.read("more"), *reader.read_many(["x"])]
                found = [one.to_obj() if hasattr(one, "to_obj") else one for one in found]
                found[2] = found[2][0]
                found += [reader.to_obj()["x"], face.load(data)["more"][0]]
                assert all(same(one, array) for one in found), (shape, leaf)
            with LazyReader(data) as reader:
                assert same(reader["more"][0], array)
                assert same(reader["x"], array)


def test_a23_parts_of_an_array_cost_their_bytes():
    array = np.arange(60_000, dtype="<f4").reshape(30, 40, 50)
    with LazyReader(dumps({"x": array})) as reader:
        lazy = reader["x"]
        assert isinstance(lazy, LazyArray)
        for index, size in [
            (3, 8000), (-1, 8000), ((3, 4), 200), ((3, -4, 5), 4), (slice(2, 5), 24_000), ((7, slice(1, 3)), 400),
            (np.int64(3), 8000), (slice(5, 2), 0), ((1, 2, slice(None)), 200),
        ]:  # fmt: skip
            reader.stats.clear()
            assert np.array_equal(lazy[index], array[index]), index
            assert reader.stats.bytes == size, index
        for index in (slice(None, None, 2), ..., (slice(None), 3), (0, ..., 1), ([1, 2],), (slice(2, 9), 1, [3, 4])):
            assert np.array_equal(lazy[index], array[index]), index
        for index in (30, (0, 40), (-31,)):
            with pytest.raises(IndexError):
                lazy[index]
        assert np.asarray(lazy, dtype="f8").dtype == np.float64
        assert len(lazy) == 30


SLABS = [(7, 30, 50), (1000, 33), (100_000,), (2, 40_000), (11, 10_000), (1, 90_000)]


@pytest.mark.parametrize("shape", SLABS)
def test_a23_slabs_are_one_array_by_every_path(shape, monkeypatch, tmp_path):
    monkeypatch.setattr(arrays, "SLAB", 60_000)  # a GiB otherwise
    array = made("<f8", shape)
    other = {f"k{i:04}": "v" * 50 for i in range(900)}
    document = {
        "x": array,
        "list": [*range(9000), array, *range(9000)],
        "map": {**other, "zz": array},
        "shuffled": {"zz": array, **other},
        "deep": [[array], {"y": array}],
    }
    dump(tmp_path / "a", document)
    for source in (tmp_path / "a", (tmp_path / "a").read_bytes()):
        for options in (ReadOptions(), ReadOptions(verify="never")):
            with LazyReader(source, cached=False, options=options) as reader:
                whole = reader.to_obj()
                found = [
                    reader["x"], to_obj(reader["x"]), whole["x"], reader["list"][9000], whole["list"][9000], reader["map/zz"],
                    whole["map"]["zz"], dict(reader["map"].items())["zz"], reader["shuffled/zz"], whole["shuffled"]["zz"],
                    dict(reader["shuffled"].items())["zz"], to_obj(reader["deep"])[0][0], whole["deep"][1]["y"],
                    to_obj(reader["list"])[9000], list(reader["list"])[9000], reader["list"][8999:9001][1],
                ]  # fmt: skip
                assert all(same(one, array) for one in found)
                assert whole["list"][:9000] == list(range(9000))
                assert reader.verify().leaves > 5
                lazy = reader["x"]
                middle, row = shape[0] // 2, array[0].nbytes
                for index, size in ((middle, row), (slice(0, middle + 1), (middle + 1) * row), (slice(None), array.nbytes)):
                    reader.stats.clear()
                    assert np.array_equal(lazy[index], array[index])
                    assert reader.stats.bytes == size
                assert np.array_equal(lazy[..., -1], array[..., -1])
    with LazyReader(tmp_path / "a") as reader:
        starts = reader["x"]._cursor.node.array.starts
        assert (len(starts) > 1) is (shape[0] > 1)
    dump(tmp_path / "again", LazyReader(tmp_path / "a")["x"])
    assert same(load(tmp_path / "again"), array)
    code = (
        "import sys; sys.modules['numpy'] = None\n"
        "from holdall.containers import load\n"
        f"found = load({str(tmp_path / 'a')!r})['list'][9000]\n"
        "print(found.shape, sum(bytes(found.data)))\n"
    )
    if shape == SLABS[0]:
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
        assert done.stdout == f"{shape} {sum(array.tobytes())}\n"


@pytest.mark.parametrize("leaf", [64, 1 << 20])
@pytest.mark.parametrize("slab", [1 << 30, 60_000])
def test_a23_paths_lead_into_arrays(leaf, slab, monkeypatch, tmp_path, packed, colour):
    monkeypatch.setattr(arrays, "SLAB", slab)
    array = made("<i4", (40, 30, 20))
    data = packed({"x": array, "deep": [array, 1]}, leaf_bytes=leaf, max_block=leaf)
    with colour(LazyReader(data, cached=False)) as reader:
        for path, expected in (
            ("x/7", array[7]),
            ("x/-1/3", array[-1, 3]),
            ("x/39/29/19", array[39, 29, 19]),
            ("x/5:9", array[5:9]),
            ("x/5:9/1", array[6]),
            ("x/::-7/0/2:4", array[::-7][0][2:4]),
            ("x/3/1:3/1/-1", array[3, 2, -1]),
            ("deep/0/11/2", array[11, 2]),
        ):
            reader.stats.clear()
            assert np.array_equal(reader.read(path), expected), path
            assert np.array_equal(reader.read_many([path, "deep/1"])[0], expected)
            if leaf == 64 and "::" not in path:  # with a node of its own
                assert reader.stats.bytes <= 2 * 4 * array[0].nbytes + 2 * len("\x01")
        for path in ("x/40", "x/-41", "x/3/30", "x/3/2/20", "x/first", "x/3/a:b", "deep/0/40", "x/1:3/2"):
            with pytest.raises(MissingIndexError, match=path):
                reader.read(path)
        with pytest.raises(MissingKeyError, match="x/3/2/1/0"):
            reader.read("x/3/2/1/0")
        assert reader.get("x/99", "none") == "none"
        with pytest.raises((MissingIndexError, IndexError)):
            LazyReader(data)["x"][40]


def test_slabs_with_lies_about_them():
    good = [np.arange(6, dtype="<i4").reshape(2, 3), np.arange(3, dtype="<i4").reshape(1, 3)]
    assert np.array_equal(arrays.joined("<i4", (3, 3), good), np.concatenate(good))
    for dtype, shape, parts in (
        ("<i4", (4, 3), good), ("<i8", (3, 3), good), ("<i4", (3, 3), [*good, 1]), ("<i4", (3, 3), 5), ("<i4", (9,), good),
        ("<i4", (3, 3), [*good, np.zeros((0, 4), "<i4")]),
    ):  # fmt: skip
        with pytest.raises(FormatError):
            arrays.joined(dtype, shape, parts)
    for raw in (
        ["<i4", [3, 3], []],
        ["<i4", [], [5, 6]],
        ["<i4", [0, 3], [5, 6]],
        ["<i4", [3, 3], [5, 9, 10, 11]],
        ["<i4", [3, 3], [5, 90]],
    ):
        with pytest.raises(FormatError):
            parse_node({"p": [0, 100], "n": raw}, Bounds(100, 100))
    assert parse_node({"p": [0, 100], "n": ["<i4", [3, 3], [5, 40]]}, Bounds(100, 100)).array.spans(20, 36) == [
        (25, 29),
        (40, 52),
    ]


def test_what_is_read_of_an_array_is_the_callers(tmp_path):
    array = np.arange(300_000, dtype="<f8").reshape(300, 1000)
    dump(tmp_path / "a", array)
    for source in (tmp_path / "a", (tmp_path / "a").read_bytes()):
        with LazyReader(source) as reader:
            for index in (..., slice(None), slice(3, 200), 7, (slice(None), 7), (4, slice(None)), (slice(None, None, 2), 1)):
                for _ in range(2):
                    found = reader.root[index]
                    assert np.array_equal(found, array[index])
                    found += 1  # writable, and nobody else's
            assert np.array_equal(reader.root.to_obj(), array)


def test_a23_without_numpy(tmp_path):
    array = np.arange(9000, dtype="<i4").reshape(90, 100)
    for codec in ("msgpack", "cbor"):
        dump(tmp_path / codec, {"x": array, "small": np.array([1.5, 2.5])}, options=WriteOptions(codec=codec))
        code = (
            "import sys; sys.modules['numpy'] = None\n"
            "from holdall.containers import LazyReader, TypedArray\n"
            f"with LazyReader({str(tmp_path / codec)!r}) as reader:\n"
            "    row, small, whole = reader['x'][7], reader['small'], reader.to_obj()['x']\n"
            "    assert isinstance(row, TypedArray) and isinstance(small, TypedArray)\n"
            "    assert bytes(reader['x/7/3'].data) == bytes(row.data)[12:16] and reader.get('small/0', 'none') == 'none'\n"
            "    print(row.dtype, row.shape, bytes(row.data).hex(), small.shape, list(small.data.cast('d')), whole.shape)\n"
        )
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
        assert done.stdout.split() == f"<i4 (100,) {array[7].tobytes().hex()} (2,) [1.5, 2.5] (90, 100)".split()
    assert TypedArray("<i4", (1,), memoryview(b"abcd")).shape == (1,)


def test_masked_values_are_not_taken_for_values():
    masked = np.ma.array([1, 2, 3], mask=[False, True, False])
    with pytest.raises(EncodeError, match="masked values"):
        dumps({"a": masked})
    assert np.array_equal(loads(dumps({"a": np.ma.array([1, 2, 3])}))["a"], [1, 2, 3])
