# Generated from chunks_async.py by tools/twins.py: change that file, not this one.
"""The input of a batch, taken in steps: drawn lazily, bounded in number and bytes, and never long without a turn for others."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import TypeVar

from holdall._turns import turn
from holdall.engine.colours import closed
from holdall.records.drafts import Item
from holdall.records.stride import ROOM

__all__ = ["CHUNK", "chunked", "each", "weight"]

CHUNK = 1000
"""Items that one step of a batch takes: as many as a bulk delete, or a statement."""

T = TypeVar("T")


def weight(item: Item) -> int:
    """Return how many characters an item holds."""
    return 0 if item.draft is None else item.draft.content.size


def each(items: Iterable[T]) -> Iterator[T]:
    """Yield items of an iterable."""
    yield from items


def chunked(items: Iterator[T], size: Callable[[T], int] = lambda _: 0, *, most_bytes: int = ROOM) -> Iterator[list[T]]:
    """Yield the items in lists of bounded length and size."""
    chunk: list[T] = []
    held = 0
    with closed(items):
        for item in items:
            chunk.append(item)
            held += size(item)
            if len(chunk) >= CHUNK or held >= most_bytes:
                yield chunk
                chunk, held = [], 0
            else:
                turn()
    if chunk:
        yield chunk
