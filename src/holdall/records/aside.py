"""Work on values that an event loop would wait for, done in a thread: encoding, decoding, digests, copies. In pairs."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from holdall._concurrency import run_async
from holdall.records.record import Record

__all__ = ["LONG", "aside", "aside_async", "aside_for", "aside_for_async", "extent"]

T = TypeVar("T")

LONG = 32_768
"""From so many characters of JSON on, work on them takes longer than an event loop should wait."""
_MEMBER = 32
"""What a value counts for by itself: to handle it costs as much as so many characters."""


def aside(function: Callable[[], T], size: int) -> T:  # noqa: ARG001  # only an event loop has to be spared
    """Call a function. See `aside_async`."""
    return function()


async def aside_async(function: Callable[[], T], size: int) -> T:
    """Call a function that only computes: here, or in a thread if what it works on is long.

    A cancelled caller goes on at once; what the function returns is dropped.

    Args:
        function: What to call.
        size: Characters of JSON, or as many as the work is worth.
    """
    return await run_async(function) if size > LONG else function()


def aside_for(given: object, function: Callable[[], T]) -> T:  # noqa: ARG001
    """Call a function. See `aside_for_async`."""
    return function()


async def aside_for_async(given: object, function: Callable[[], T]) -> T:
    """Call a function that works on a record (or on ``(id, record)``): here, or in a thread if the record is long."""
    record: Any = given[-1] if isinstance(given, tuple) and given else given
    size = extent(record.data, record.metadata, record.fields.info) if isinstance(record, Record) else 0
    return await aside_async(function, size)


def extent(*values: Any) -> int:
    """Return about how many characters of JSON values make; beyond `LONG` not counted to the end.

    Example:
        >>> extent({"a": "x" * 100}) < LONG < extent(["x"] * 10_000)
        True
    """
    size = 0
    waiting: list[Any] = list(values)
    while waiting and size <= LONG:
        value = waiting.pop()
        kind = type(value)
        if kind is str or kind is bytes:
            size += len(value)
        elif kind is dict or kind is list:
            size += _MEMBER * len(value)
            if size <= LONG:
                waiting += value.values() if kind is dict else value
        elif kind in _SHORT:
            size += 1
        elif isinstance(value, (str, bytearray)):
            size += len(value)
        elif isinstance(value, memoryview):
            size += value.nbytes
        elif isinstance(value, (Mapping, list, tuple)):
            waiting.append(dict(value) if isinstance(value, Mapping) else list(value))
    return size


_SHORT = frozenset({int, float, bool, type(None)})
