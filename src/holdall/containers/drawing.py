"""What the encoder asks of its driver, in both colours: the next items of a stream or view, or a lazy value as a whole."""

from __future__ import annotations

from collections.abc import AsyncIterable, AsyncIterator, Iterable, Iterator
from itertools import islice
from typing import Any

from holdall.containers.errors import EncodeError
from holdall.containers.plain import is_stream
from holdall.containers.steps import Pull

__all__ = ["draw", "draw_async", "each", "each_async", "taken"]


def draw(begun: dict[int, tuple[Any, Any]], pull: Pull) -> list[Any]:
    """Answer a `Pull`. See `draw_async`.

    Raises:
        EncodeError: An async stream in the blocking colour.
    """
    source = pull.stream
    if pull.most == 0:
        return [source.materialise()]
    if id(source) not in begun:
        if hasattr(source, "items_async"):
            drawn = iter(source.items())
        elif isinstance(source, Iterable):
            drawn = iter(source)
        else:
            raise EncodeError("an async stream needs write_async", type=type(source).__name__)
        begun[id(source)] = source, drawn  # with the source, so that its identity stays its own
    items = taken(begun[id(source)][1], pull.most)
    if not items:
        del begun[id(source)]
    return items


def taken(source: Iterator[Any], most: int) -> list[Any]:
    """Return the next items, at most so many; none behind one that is a stream itself, which the source may have to go on for."""
    items: list[Any] = []
    for item in islice(source, most):
        items.append(item)
        if is_stream(item) or (type(item) is tuple and len(item) == 2 and is_stream(item[1])):
            break
    return items


async def draw_async(begun: dict[int, tuple[Any, Any]], pull: Pull) -> list[Any]:
    """Answer a `Pull`: at most ``most`` items, none at the end; ``most`` 0 asks for the lazy value itself.

    Args:
        begun: The iterators that were begun, by the stream's identity.
        pull: What is asked for.
    """
    source = pull.stream
    if pull.most == 0:
        return [await source.materialise_async()]
    if id(source) not in begun:
        begun[id(source)] = source, source.items_async() if hasattr(source, "items_async") else aiter(source)
    drawn = begun[id(source)][1]
    items: list[Any] = []
    while len(items) < pull.most:
        try:
            item = await anext(drawn)
        except StopAsyncIteration:
            break
        items.append(item)
        if is_stream(item) or (type(item) is tuple and len(item) == 2 and is_stream(item[1])):
            break
    if not items:
        del begun[id(source)]
    return items


def each(items: Any) -> Iterator[Any]:
    """Iterate over an iterable.

    Raises:
        TypeError: It is an async one.
    """
    if not isinstance(items, Iterable):
        raise TypeError(f"a {type(items).__name__} is not iterable here: async iterables need the async colour")
    return iter(items)


async def each_async(items: Any) -> AsyncIterator[Any]:
    """Iterate over an iterable, async or not."""
    if isinstance(items, AsyncIterable):
        async for item in items:
            yield item
    else:
        for item in each(items):
            yield item
