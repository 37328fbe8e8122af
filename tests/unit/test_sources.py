"""Sources that are buffers: whoever has the protocol is bytes-like."""

from __future__ import annotations

import asyncio
import mmap
from array import array
from typing import Any

import numpy as np
import obstore
import pytest

from holdall.drivers.memory import MemoryStore
from holdall.sources import as_bytes, iter_chunks, iter_chunks_async, replayable, source_size, view_of

BUFFERS: list[Any] = [
    obstore.Bytes(b"abcd"),
    array("H", b"abcd"),
    memoryview(b"a-b-c-d-")[::2],
    memoryview(b"abcd").cast("B", (2, 2)),
]


@pytest.mark.parametrize("source", BUFFERS, ids=lambda source: type(source).__name__)
def test_a_buffer_is_bytes(source: Any) -> None:
    async def collected() -> list[bytes]:
        return [chunk async for chunk in iter_chunks_async(source, 3)]

    assert list(iter_chunks(source, 3)) == asyncio.run(collected()) == [b"abc", b"d"]
    assert list(iter_chunks([source, b"e"])) == [b"abcd", b"e"]
    assert as_bytes(source) == b"abcd"
    assert source_size(source) == 4
    assert replayable(source)
    store = MemoryStore()
    assert store.put("k", source).size == 4
    assert store.get("k").bytes() == b"abcd"


def test_a_file_that_is_a_buffer_is_a_file() -> None:
    with mmap.mmap(-1, 4) as source:
        source.write(b"abcd")
        source.seek(2)
        assert view_of(source) is None
        assert b"".join(iter_chunks(source)) == b"cd"


def test_addresses_are_not_bytes() -> None:
    with pytest.raises(TypeError, match="Python objects"):
        MemoryStore().put("k", np.array([1, None], dtype=object))
    with pytest.raises(TypeError, match="Python objects"):
        MemoryStore().put("k", [np.array([1, None], dtype=object)])


def test_records_of_an_array_are_bytes_whatever_their_names() -> None:
    array = np.zeros(3, dtype=[("Open", "f8"), ("at", "i4")])
    assert MemoryStore().put("k", array).size == array.nbytes
    with pytest.raises(TypeError, match="Python objects"):
        MemoryStore().put("k", np.zeros(1, dtype=[("x", "f8"), ("y", object)]))
    with pytest.raises(TypeError, match="dtype 'M'"):
        MemoryStore().put("k", np.zeros(1, dtype="M8[s]"))
