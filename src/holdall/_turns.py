"""Turns for an event loop, given by the threads that work beside it.

Python hands its interpreter over on request, and a loop's thread asks for it only when it has waited for 5 ms: a thread that computes, or lets
go for too short a time, keeps it. So long work beside a loop is done in steps, and sleeps for a moment between two of them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from itertools import chain, islice
from threading import get_ident
from time import perf_counter, sleep
from typing import TypeVar

__all__ = ["BESIDE", "beside", "give_way", "in_turns"]

T = TypeVar("T")

HELD = 0.001
"""Seconds of work after which a thread gives way."""
PAUSE = 0.000_05
"""Seconds for which it does: enough to wake up the loop's thread, which has waited all the time."""
MANY = 64
"""Elements after which it is time to look at the clock."""

BESIDE: dict[int, float] = {}
"""Threads that work beside an event loop, and since when each has done so without a pause. False in a program that only blocks."""


def beside(function: Callable[[], T]) -> T:
    """Call a function in a thread beside an event loop: what it calls gives way."""
    thread = get_ident()
    BESIDE[thread] = perf_counter()
    try:
        return function()
    finally:
        BESIDE.pop(thread, None)  # a call within a call has done so already


def give_way() -> None:
    """Let an event loop have its turn, between two steps of work that takes long; beside no loop this does nothing.

    A step is what takes less than a millisecond. Where steps are so short that a call costs too much, ask `BESIDE` first.
    """
    thread = get_ident()
    since = BESIDE.get(thread)
    if since is not None and perf_counter() - since >= HELD:
        sleep(PAUSE)
        BESIDE[thread] = perf_counter()


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
