"""A question that is not waited for: the next location is asked while a slow one still thinks, a page is read while the next one comes."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Awaitable, Callable
from typing import Generic, TypeVar

__all__ = ["AsyncBegun", "Begun"]

T = TypeVar("T")


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

    def end(self) -> None:
        """Wait until it has ended, whatever its answer."""
        self._thread.join()


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

    async def end_async(self) -> None:
        """Cancel it, and wait until it has ended."""
        await self.drop_async()
