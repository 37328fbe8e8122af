"""Work on values that an event loop would wait for, done in a thread: encoding, decoding, digests, copies. In pairs."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping
from time import perf_counter
from typing import TYPE_CHECKING, Any, TypeVar
from weakref import WeakKeyDictionary

from holdall._concurrency import run_async
from holdall._lazy import lazy
from holdall.records.record import Record

if TYPE_CHECKING:
    import asyncio
else:  # not for a program that blocks
    asyncio = lazy("asyncio")

__all__ = ["LONG", "aside", "aside_async", "aside_for", "aside_for_async", "extent", "turn", "turn_async"]

T = TypeVar("T")

LONG = 32_768
"""From so many characters of JSON on, work on them takes longer than an event loop should wait."""
_MEMBER = 32
"""What a value counts for by itself: to handle it costs as much as so many characters."""
_TURN = 0.002
"""Seconds after which a turn of an event loop is long enough."""
_turns: WeakKeyDictionary[asyncio.AbstractEventLoop, _Turn] = WeakKeyDictionary()


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


def turn() -> None:
    """Do nothing. See `turn_async`."""


async def turn_async() -> None:
    """Let others on the event loop have their turn, between two pieces of short work, if this one is long already.

    All tasks of a loop share its turns: each of them may be short, and one that never waits, since its storage is in memory, ends none.
    """
    loop = asyncio.get_running_loop()
    turn = _turns.get(loop)
    if turn is None:
        turn = _turns[loop] = _Turn()
    if turn.since is None:
        turn.begin(loop)
    elif perf_counter() - turn.since >= _TURN:
        await turn.later(loop)


class _Turn:
    """The present turn of an event loop, and who goes on in the next ones, a task in each."""

    def __init__(self) -> None:
        self.since: float | None = None
        self._waiting: deque[asyncio.Future[None]] = deque()

    def begin(self, loop: asyncio.AbstractEventLoop) -> None:
        self.since = perf_counter()
        loop.call_soon(self._next, loop)

    async def later(self, loop: asyncio.AbstractEventLoop) -> None:
        """Wait for a turn in which to go on."""
        future = loop.create_future()
        self._waiting.append(future)
        await future

    def _next(self, loop: asyncio.AbstractEventLoop) -> None:
        self.since = None
        while self._waiting and self._waiting[0].done():  # cancelled
            self._waiting.popleft()
        if self._waiting:
            self._waiting.popleft().set_result(None)
            self.begin(loop)


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
