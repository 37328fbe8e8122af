"""Typed arrays: every dtype and shape, the same by every path, with and without numpy."""

import subprocess
import sys

import numpy as np
import pytest

from holdall.containers import LazyArray, LazyReader, TypedArray, WriteOptions, dump, dumps, loads
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
def test_a23_every_dtype_and_shape_by_every_path(codec, dtype):
    for shape in SHAPES:
        array = made(dtype, shape, "F" if len(shape) > 1 else "C")
        for leaf in (64, 16 * 1024):  # with a node of its own, or within a leaf
            data = dumps(
                {"x": array, "more": [array, 1]}, options=WriteOptions(codec=codec, leaf_bytes=leaf, max_block=leaf)
            )
            with LazyReader(data) as reader:
                found = [reader["x"], reader["more/0"], reader["more"][0], reader.to_obj()["x"], loads(data)["more"][0]]
                assert all(same(one, array) for one in found), (shape, leaf)
                assert same(to_obj(reader.read_many(["x"])[0]), array)


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
            "    print(row.dtype, row.shape, bytes(row.data).hex(), small.shape, list(small.data.cast('d')), whole.shape)\n"
        )
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
        assert done.stdout.split() == f"<i4 (100,) {array[7].tobytes().hex()} (2,) [1.5, 2.5] (90, 100)".split()
    assert TypedArray("<i4", (1,), memoryview(b"abcd")).shape == (1,)
