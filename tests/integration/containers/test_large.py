"""What is large: an array above 1 GiB, as it is stored by default. Its zeros take no memory, the file takes the disk."""

import numpy as np
import pytest

from holdall.containers import FormatError, LazyReader, dump

ROW = 1 << 20


def test_a23_an_array_above_a_gib_is_stored_as_slabs(tmp_path):
    values = np.zeros((1030, ROW), dtype="u1")
    marks = {(0, 0): 1, (514, ROW - 1): 2, (515, 0): 3, (1023, 5): 4, (1024, 7): 5, (1029, ROW - 1): 6}
    for place, mark in marks.items():
        values[place] = mark
    path = tmp_path / "large"
    try:
        assert dump(path, {"x": values, "y": 1}).size > 1 << 30
        with LazyReader(path, cached=False) as reader:
            lazy = reader["x"]
            assert lazy._cursor.node.array.starts[1:], "more than one slab"
            assert (lazy.shape, lazy.dtype) == (values.shape, values.dtype)
            assert {place: int(lazy[place]) for place in marks} == marks
            reader.stats.clear()
            assert np.array_equal(lazy[510:520], values[510:520])  # across the border of two slabs
            assert reader.stats.bytes == 10 * ROW
            assert np.array_equal(lazy[-6:, :: ROW // 8], values[-6:, :: ROW // 8])
            assert reader["y"] == 1
            with pytest.raises(FormatError, match="max_value_bytes=1073741824") as caught:
                reader.to_obj()
            assert caught.value.kind == "limit"
    finally:
        path.unlink(missing_ok=True)
