"""The input of a batch, taken in steps: drawn lazily, bounded in number and bytes, and never long without a turn for others."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterable
from typing import TypeVar

from holdall._turns import turn_async
from holdall.engine.colours import closed_async
from holdall.records.drafts import Item
from holdall.records.stride import ROOM

__all__ = ["CHUNK", "chunked_async", "each_async", "weight"]

CHUNK = 1000
"""Items that one step of a batch takes: as many as a bulk delete, or a statement."""

T = TypeVar("T")


def weight(item: Item) -> int:
    """Return how many characters an item holds."""
    return 0 if item.draft is None else item.draft.content.size


async def each_async(items: Iterable[T]) -> AsyncIterator[T]:
    """Yield items of an iterable."""
    for item in items:
        yield item


async def chunked_async(
    items: AsyncIterator[T], size: Callable[[T], int] = lambda _: 0, *, most_bytes: int = ROOM
) -> AsyncIterator[list[T]]:
    """Yield the items in lists of bounded length and size."""
    chunk: list[T] = []
    held = 0
    async with closed_async(items):
        async for item in items:
            chunk.append(item)
            held += size(item)
            if len(chunk) >= CHUNK or held >= most_bytes:
                yield chunk
                chunk, held = [], 0
            else:
                await turn_async()
    if chunk:
        yield chunk
