"""Results: what bodies are put together from, and what that takes."""

import asyncio
import tracemalloc

import pytest

from holdall.core.meta import ObjectMeta
from holdall.errors import IntegrityError
from holdall.results import GetResult

MIB = 1 << 20


def blocks(count):
    return (b"x" * MIB for _ in range(count))


async def later(count):
    for block in blocks(count):
        yield block


@pytest.mark.parametrize("name", ["blocking", "async"])
@pytest.mark.parametrize("count", [1, 3, 32])
def test_bodies_in_chunks(count, name):
    """Whole, and without a second copy of a large one."""

    def read(announced):
        meta = ObjectMeta(key="k", size=announced * MIB)
        if name == "blocking":
            return GetResult(meta, blocks(count)).bytes()
        loop = asyncio.new_event_loop()  # asyncio.run looks at the task's repr, with all the bytes that it gave
        try:
            return loop.run_until_complete(GetResult(meta, later(count)).bytes_async())
        finally:
            loop.close()

    tracemalloc.start()
    try:
        data = read(count)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert type(data) is bytes
    assert data == b"x" * (count * MIB)
    if count > 4:
        assert peak < count * MIB * 1.5
    with pytest.raises(IntegrityError):
        read(count + 1)
