"""Turns for an event loop, given by the threads that work beside it, and by tasks on it whose work is short but never ends.

Python hands its interpreter over on request, and a loop's thread asks for it only when it has waited for 5 ms: a thread that computes, or lets
go for too short a time, keeps it. So long work beside a loop is done in steps, and waits between two of them until the loop has had a turn.
"""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import chain, islice
from threading import Lock, get_ident
from time import perf_counter
from typing import TYPE_CHECKING, TypeVar
from weakref import WeakKeyDictionary

from holdall._lazy import lazy

if TYPE_CHECKING:
    import asyncio
    from asyncio import AbstractEventLoop, Future
else:  # not for a program that blocks
    asyncio = lazy("asyncio")

__all__ = ["BESIDE", "MANY", "beside", "give_way", "in_turns", "mapped", "mapped_async", "pause", "turn", "turn_async"]

T = TypeVar("T")
R = TypeVar("R")

HELD = 0.001
"""Seconds of work after which a thread gives way."""
LONGEST = 0.02
"""Seconds for which it waits at most: the loop may be busy itself, or without a processor, or at its end."""
TURN = 0.002
"""Seconds after which a turn of a loop itself is long enough."""
MANY = 64
"""Elements after which it is time to look at the clock."""

BESIDE: dict[int, tuple[AbstractEventLoop, float]] = {}
"""Threads that work beside an event loop: which one, and since when without a pause. False in a program that only blocks."""
_wanted: dict[AbstractEventLoop, Lock] = {}
"""Turns that loops are to have: all threads beside a loop wait for the same one, else they would hand the interpreter to each other."""


def _forget() -> None:
    """Know nothing of the parent's threads, whose names new ones may have."""
    BESIDE.clear()
    _wanted.clear()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget)


def beside(loop: AbstractEventLoop, function: Callable[[], T]) -> T:
    """Call a function in a thread beside an event loop: what it calls gives way."""
    thread = get_ident()
    BESIDE[thread] = loop, perf_counter()
    try:
        return function()
    finally:
        BESIDE.pop(thread, None)  # a call within a call has done so already


def give_way() -> None:
    """Let an event loop have its turn, between two steps of work that takes long; beside no loop this does nothing.

    A step is what takes less than a millisecond. Where steps are so short that a call costs too much, ask `BESIDE` first.
    """
    thread = get_ident()
    held = BESIDE.get(thread)
    if held is not None:
        loop, since = held
        passed = perf_counter() - since
        if passed >= HELD or (passed >= 0 and loop in _wanted):
            BESIDE[thread] = loop, _wait(loop)


def pause() -> None:
    """Let an event loop have its turn, however short the work was: before a call that keeps the interpreter for some milliseconds."""
    thread = get_ident()
    held = BESIDE.get(thread)
    if held is not None:
        BESIDE[thread] = held[0], _wait(held[0])


def _wait(loop: AbstractEventLoop) -> float:
    """Wait for the next turn of a loop, and return since when the thread works without a pause.

    A loop that has none may itself wait for this thread, for a lock that it holds while it imports, say. So who has waited in vain works
    for as long before it waits again.
    """
    ours = Lock()
    ours.acquire()
    turn = _wanted.setdefault(loop, ours)
    if turn is ours:
        try:
            loop.call_soon_threadsafe(_had, loop, turn)
        except RuntimeError:  # it is closed
            _had(loop, turn)
    if turn.acquire(timeout=LONGEST):
        turn.release()
        return perf_counter()
    if _wanted.get(loop) is turn:
        _wanted.pop(loop, None)
    return perf_counter() + LONGEST


def _had(loop: AbstractEventLoop, turn: Lock) -> None:
    if _wanted.get(loop) is turn:
        _wanted.pop(loop, None)  # its waiters may give up just now
    turn.release()


def in_turns(values: Iterable[T]) -> Iterable[T]:
    """Return values to work on one by one: as they are, or so that a thread beside a loop gives way between them.

    Example:
        >>> [value + 1 for value in in_turns([1, 2])]
        [2, 3]
    """
    if not BESIDE:
        return values
    size = getattr(values, "__len__", None)
    if size is not None and size() <= MANY:
        give_way()
        return values
    return chain.from_iterable(_few(values))


def _few(values: Iterable[T]) -> Iterator[list[T]]:
    source = iter(values)
    while few := list(islice(source, MANY)):
        give_way()
        yield few


class _Turn:
    """The present turn of an event loop, and who goes on in the next ones, a task in each."""

    def __init__(self) -> None:
        self.since: float | None = None
        self._waiting: deque[Future[None]] = deque()

    def begin(self, loop: AbstractEventLoop) -> None:
        self.since = perf_counter()
        loop.call_soon(self._next, loop)

    async def later(self, loop: AbstractEventLoop) -> None:
        """Wait for a turn in which to go on."""
        future = loop.create_future()
        self._waiting.append(future)
        await future

    def _next(self, loop: AbstractEventLoop) -> None:
        self.since = None
        while self._waiting and self._waiting[0].done():  # cancelled
            self._waiting.popleft()
        if self._waiting:
            self._waiting.popleft().set_result(None)
            self.begin(loop)


_turns: WeakKeyDictionary[AbstractEventLoop, _Turn] = WeakKeyDictionary()


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
    elif perf_counter() - turn.since >= TURN:
        await turn.later(loop)


def mapped(function: Callable[[T], R], values: Sequence[T]) -> list[R]:
    """Return what a function makes of each value. See `mapped_async`."""
    return list(map(function, values))


async def mapped_async(function: Callable[[T], R], values: Sequence[T]) -> list[R]:
    """Return what a quick function makes of each value: on the event loop, of so many in each turn as others there have time for."""
    made: list[R] = []
    for start in range(0, len(values), MANY):
        await turn_async()
        made.extend(map(function, values[start : start + MANY]))
    return made
