"""The few concurrency primitives that blocking and async code need alike, in pairs.

Orchestration is written once as coroutines; `tools/twins.py` drops the ``_async`` suffix, so ``gather_async`` becomes
``gather``. Blocking concurrency uses threads made for the call, async uses tasks of the caller's loop. Nothing starts at
import, nothing outlives the call.
"""

from __future__ import annotations

import os
import threading
import time
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Iterator, Sequence
from contextvars import copy_context
from queue import SimpleQueue
from typing import TYPE_CHECKING, TypeVar

from holdall._lazy import lazy
from holdall._turns import beside
from holdall.errors import ForkedProcessError

if TYPE_CHECKING:
    import asyncio
    from concurrent import futures
    from concurrent.futures import Future
else:  # half of what a blocking program would load
    asyncio = lazy("asyncio")
    futures = lazy("concurrent.futures")

__all__ = [
    "AsyncCalling",
    "Calling",
    "ForkGuard",
    "Lock",
    "forked",
    "gather",
    "gather_async",
    "map_bounded",
    "map_bounded_async",
    "run",
    "run_async",
    "sleep",
    "sleep_async",
]

T = TypeVar("T")
R = TypeVar("R")

Calling = Callable[[], T]
"""A call to be made, perhaps more than once; its twin is `AsyncCalling`."""
AsyncCalling = Callable[[], Awaitable[T]]

Lock = threading.Lock
sleep = time.sleep


async def sleep_async(seconds: float) -> None:
    """Wait, and let other tasks go on."""
    await asyncio.sleep(seconds)


def gather(thunks: Sequence[Callable[[], T]], *, limit: int = 16) -> list[T]:
    """Run thunks at most ``limit`` at once, results in order; after the first error no further thunk starts.

    Raises:
        Exception: The first error, after those under way have ended.
    """
    if len(thunks) <= 1 or limit == 1:
        return [thunk() for thunk in thunks]
    return list(map_bounded(lambda thunk: thunk(), thunks, limit=limit))


async def gather_async(thunks: Sequence[Callable[[], Awaitable[T]]], *, limit: int = 16) -> list[T]:
    """Run thunks at most ``limit`` at once, results in order; the first error cancels the others."""
    if len(thunks) <= 1 or limit == 1:
        return [await thunk() for thunk in thunks]

    async def call(thunk: Callable[[], Awaitable[T]]) -> T:
        return await thunk()

    return [result async for result in map_bounded_async(call, thunks, limit=limit)]


def map_bounded(
    function: Callable[[T], R],
    items: Iterable[T],
    *,
    limit: int = 16,
    window: int | None = None,
    width: Callable[[], int] | None = None,
) -> Iterator[R]:
    """Yield ``function(item)`` in the order of the items: at most ``limit`` under way, ``window`` (twice that) begun and unread.

    The items are drawn lazily, in the caller's thread. The first error is raised at its place; what was not started is
    dropped, what is under way is waited for. ``width`` is asked before each start how many may be under way now, at least one.
    """
    with futures.ThreadPoolExecutor(max_workers=max(1, limit), thread_name_prefix="holdall") as pool:
        begun: deque[Future[R]] = deque()
        ended: SimpleQueue[Future[R]] = SimpleQueue()
        failed: Future[R] | None = None
        most = window or 2 * limit
        under_way = 0
        source = iter(items)
        exhausted = False

        def note() -> None:
            nonlocal under_way, failed
            future = ended.get()
            under_way -= 1
            if failed is None and future.exception() is not None:
                failed = future

        try:
            while not exhausted or begun:
                while not ended.empty():
                    note()
                while not exhausted and len(begun) < most and under_way < (limit if width is None else min(limit, width())):
                    try:
                        item = next(source)
                    except StopIteration:
                        exhausted = True
                        break
                    future = pool.submit(function, item)
                    future.add_done_callback(ended.put)
                    begun.append(future)
                    under_way += 1
                if begun and begun[0].done():
                    yield begun.popleft().result()
                elif failed is not None:
                    failed.result()
                elif begun:
                    note()
        finally:
            for future in begun:
                future.cancel()


async def map_bounded_async(
    function: Callable[[T], Awaitable[R]],
    items: Iterable[T],
    *,
    limit: int = 16,
    window: int | None = None,
    width: Callable[[], int] | None = None,
) -> AsyncIterator[R]:
    """Yield ``await function(item)`` in the order of the items: at most ``limit`` tasks, ``window`` (twice that) begun and unread.

    The first error is raised, the other tasks are cancelled and awaited; so it is when the consumer stops early. ``width`` is
    asked before each start how many may be under way now, at least one.
    """
    begun: deque[asyncio.Future[R]] = deque()
    failed: asyncio.Future[R] | None = None
    ended = asyncio.Event()
    most = window or 2 * limit
    under_way = 0
    source = iter(items)
    exhausted = False

    def note(future: asyncio.Future[R]) -> None:
        nonlocal under_way, failed
        under_way -= 1
        if failed is None and not future.cancelled() and future.exception() is not None:
            failed = future
        ended.set()

    try:
        while not exhausted or begun:
            while not exhausted and len(begun) < most and under_way < (limit if width is None else min(limit, width())):
                try:
                    item = next(source)
                except StopIteration:
                    exhausted = True
                    break
                task = asyncio.ensure_future(function(item))
                task.add_done_callback(note)
                begun.append(task)
                under_way += 1
            if begun and begun[0].done():
                yield begun.popleft().result()
            elif failed is not None:
                failed.result()
            elif begun:
                ended.clear()
                await ended.wait()
    finally:
        for future in begun:
            future.cancel()
        if begun:
            await asyncio.gather(*begun, return_exceptions=True)


def run(function: Callable[[], T]) -> T:
    """Call a blocking function here; its twin `run_async` calls it in a worker thread."""
    return function()


def run_async(function: Callable[[], T]) -> asyncio.Future[T]:
    """Call a blocking function in a worker thread, so that the event loop goes on; what is returned is to be awaited.

    It is a future, not a coroutine: a task that waits for it is woken, and who has to see its end needs no task of its own.
    """
    loop, context = asyncio.get_running_loop(), copy_context()
    return loop.run_in_executor(None, lambda: context.run(beside, loop, function))


_generation = 0


def _after_fork() -> None:
    global _generation  # noqa: PLW0603  # the one counter of forks, written in the child only
    _generation += 1


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)


def forked(since: int) -> bool:
    """Tell whether this process was forked since `ForkGuard` or a caller noted ``since``."""
    return since != _generation


class ForkGuard:
    """Remembers in which process a handle was opened.

    Example:
        >>> guard = ForkGuard()
        >>> guard.stale()
        False
    """

    __slots__ = ("_generation",)

    def __init__(self) -> None:
        self._generation = _generation

    def stale(self) -> bool:
        """Tell whether the process was forked since this guard was made."""
        return self._generation != _generation

    def check(self, what: str) -> None:
        """Raise instead of hanging on a handle that belongs to the parent process.

        Raises:
            ForkedProcessError: The process was forked since.
        """
        if self.stale():
            raise ForkedProcessError(
                f'{what} was opened before fork() and cannot work in the child: start processes with "spawn" or "forkserver"'
            )
