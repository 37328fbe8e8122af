"""A question that is not waited for: the next location is asked while a slow one still thinks, a page is read while the next one comes."""

from __future__ import annotations

import asyncio
import threading
from collections import deque
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Generic, TypeVar

__all__ = ["Ahead", "AsyncAhead", "AsyncBegun", "Begun"]

T = TypeVar("T")
DEPTH = 2
"""Calls that are begun, or wait for their turn, while an answer is looked at."""


class Begun(Generic[T]):
    """A call under way in a thread of its own. If nobody wants its answer any more, it ends by itself.

    Args:
        call: What is done.

    Example:
        >>> begun = Begun(lambda: 5)
        >>> begun.ends(60), begun.result()
        (True, 5)
    """

    def __init__(self, call: Callable[[], T]) -> None:
        self._call = call
        self._value: list[T] = []
        self._error: BaseException | None = None
        self._thread = threading.Thread(target=self._run, name="holdall-hedge", daemon=True)
        self._thread.start()

    def _run(self) -> None:
        try:
            self._value.append(self._call())
        except BaseException as error:  # noqa: BLE001  # it is raised where the answer is asked for
            self._error = error

    def ends(self, seconds: float) -> bool:
        """Wait for a while; tell whether it has ended."""
        self._thread.join(seconds)
        return not self._thread.is_alive()

    def result(self) -> T:
        """Wait for its end; return its value, or raise its error."""
        self._thread.join()
        if self._error is not None:
            raise self._error
        return self._value[0]

    def drop(self) -> None:
        """Want nothing of it any more."""


class AsyncBegun(Generic[T]):
    """A call under way in a task of its own. If nobody wants its answer any more, it is cancelled. See `Begun`."""

    def __init__(self, call: Callable[[], Awaitable[T]]) -> None:
        self._task = asyncio.ensure_future(call())

    async def ends_async(self, seconds: float) -> bool:
        """Wait for a while; tell whether it has ended."""
        try:
            await asyncio.wait([self._task], timeout=seconds)
        except asyncio.CancelledError:
            self._task.cancel()
            raise
        return self._task.done()

    async def result_async(self) -> T:
        """Wait for its end; return its value, or raise its error."""
        return await self._task

    async def drop_async(self) -> None:
        """Cancel it, and wait until it has ended."""
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)


class Ahead(Generic[T]):
    """Calls in a thread of their own, one after the other: while an answer is looked at, one call is under way and another waits.

    So a slow storage is never kept waiting for who reads, and at most two answers are held. While the first is looked at none waits:
    who wants no more costs one call in vain.

    Args:
        call: What is done; ``None`` is its last answer.

    Example:
        >>> numbers = iter([5, 6])
        >>> ahead = Ahead(lambda: next(numbers, None))
        >>> ahead.take(), ahead.take(), ahead.take(), ahead.end()
        (5, 6, None, None)
    """

    def __init__(self, call: Callable[[], T | None]) -> None:
        self._call = call
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="holdall-ahead")
        self._begun = deque([self._thread.submit(call)])
        self._depth = 1

    def take(self) -> T | None:
        """Wait for an answer, and begin the next calls."""
        value = self._begun[0].result()
        self._begun.popleft()
        while value is not None and len(self._begun) < self._depth:
            self._begun.append(self._thread.submit(self._call))
        self._depth = DEPTH
        return value

    def end(self) -> None:
        """Wait for the call that is under way."""
        self._thread.shutdown(cancel_futures=True)


class AsyncAhead(Generic[T]):
    """Calls in tasks, one after the other. See `Ahead`."""

    def __init__(self, call: Callable[[], Awaitable[T | None]]) -> None:
        self._call = call
        self._begun = deque([asyncio.ensure_future(call())])
        self._depth = 1

    async def take_async(self) -> T | None:
        """Wait for an answer, and begin the next calls."""
        begun = self._begun[0]
        value = await begun
        self._begun.popleft()
        while value is not None and len(self._begun) < self._depth:
            begun = asyncio.ensure_future(self._after_async(self._begun[-1] if self._begun else begun))
            self._begun.append(begun)
        self._depth = DEPTH
        return value

    async def _after_async(self, before: asyncio.Future[T | None]) -> T | None:
        await asyncio.wait([before])
        return await self._call()

    async def end_async(self) -> None:
        """Cancel the calls that are under way, and wait until they have ended."""
        for begun in self._begun:
            begun.cancel()
        await asyncio.gather(*self._begun, return_exceptions=True)
