"""Work that goes on beside its owner, in both colours: fetching ahead, and a pipe into something that draws chunks.

Threads live for one act; nothing here is started at import. Hand-written pairs; twins know `AsyncAhead` as `Ahead` and `AsyncPipe` as
`Pipe`.
"""

from __future__ import annotations

import asyncio
import threading
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from concurrent.futures import Future
from typing import Any, Generic, TypeVar

from holdall.engine.colours import finish_async

__all__ = ["AbandonedError", "Ahead", "AsyncAhead", "AsyncPipe", "Pipe"]

T = TypeVar("T")
DEPTH = 2
"""Chunks that wait in a pipe."""


class AbandonedError(Exception):
    """Raised into a pipe's consumer whose producer gave up; never seen by callers."""


class Ahead(Generic[T]):
    """At most one thing that is fetched before it is asked for, known by a mark."""

    def __init__(self) -> None:
        self.mark: object = None
        self._future: Future[T] | None = None

    def start(self, mark: object, thunk: Callable[[], T]) -> None:
        """Begin to fetch; what was fetched for another mark is dropped."""
        self.mark = mark
        future: Future[T] = Future()
        self._future = future
        threading.Thread(target=_fill, args=(future, thunk), name="holdall-ahead", daemon=True).start()

    def take(self) -> T:
        """Wait for what was begun, and return it or raise its error."""
        future, self._future, self.mark = self._future, None, None
        assert future is not None  # the owner looks at the mark first
        return future.result()

    def drop(self) -> None:
        """Forget what was begun; a fetch under way ends by itself."""
        self._future = self.mark = None


def _fill(future: Future[T], thunk: Callable[[], T]) -> None:
    try:
        future.set_result(thunk())
    except BaseException as error:  # noqa: BLE001  # it is handed to the owner
        future.set_exception(error)


class AsyncAhead(Generic[T]):
    """At most one thing that is fetched before it is asked for. See `Ahead`."""

    def __init__(self) -> None:
        self.mark: object = None
        self._task: asyncio.Future[T] | None = None

    def start(self, mark: object, thunk: Callable[[], Awaitable[T]]) -> None:
        """Begin to fetch. See `Ahead.start`."""
        if self._task is not None:
            self._task.cancel()
        self.mark = mark
        self._task = asyncio.ensure_future(thunk())

    async def take_async(self) -> T:
        """Wait for what was begun. See `Ahead.take`."""
        task, self._task, self.mark = self._task, None, None
        assert task is not None  # the owner looks at the mark first
        return await task

    async def drop_async(self) -> None:
        """Cancel what was begun and wait until it has let go."""
        task, self._task, self.mark = self._task, None, None
        if task is not None:
            task.cancel()
            await asyncio.wait([task])
            if not task.cancelled():
                task.exception()


class Pipe(Generic[T]):
    """Pushes chunks into a function that draws them, which runs in a thread of its own.

    Args:
        consume: Called with the chunks; its result is that of `finish`.
    """

    def __init__(self, consume: Callable[[Iterator[bytes]], T]) -> None:
        self._chunks: deque[bytes | None] = deque()
        self._abandoned = False
        self._turn = threading.Condition()
        self._future: Future[T] = Future()
        threading.Thread(target=self._run, args=(consume,), name="holdall-pipe", daemon=True).start()

    def send(self, data: bytes) -> None:
        """Push a chunk; waits while the consumer is slow.

        Raises:
            Exception: What ended the consumer early.
        """
        self._push(data)
        if self._future.done():
            self._future.result()
            raise AbandonedError("the consumer ended before the source did")

    def finish(self) -> T:
        """Say that there is no more, and return what the consumer returns."""
        self._push(None)
        return self._future.result()

    def abort(self) -> None:
        """Make the consumer fail and wait until it has; its error is not told."""
        self.abandon()
        self._future.exception()

    def abandon(self) -> None:
        """Make the consumer fail, without waiting (for finalizers)."""
        with self._turn:
            self._abandoned = True
            self._turn.notify_all()

    def _push(self, item: bytes | None) -> None:
        with self._turn:
            self._turn.wait_for(lambda: len(self._chunks) < DEPTH or self._future.done())
            self._chunks.append(item)
            self._turn.notify_all()

    def _run(self, consume: Callable[[Iterator[bytes]], T]) -> None:
        _fill(self._future, lambda: consume(self._drawn()))
        with self._turn:
            self._chunks.clear()
            self._turn.notify_all()

    def _drawn(self) -> Iterator[bytes]:
        while True:
            with self._turn:
                self._turn.wait_for(lambda: self._chunks or self._abandoned)
                if self._abandoned:
                    raise AbandonedError
                item = self._chunks.popleft()
                self._turn.notify_all()
            if item is None:
                return
            yield item


class AsyncPipe(Generic[T]):
    """Pushes chunks into a coroutine that draws them, which runs in a task of its own. See `Pipe`."""

    def __init__(self, consume: Callable[[AsyncIterator[bytes]], Awaitable[T]]) -> None:
        self._queue: asyncio.Queue[bytes | None] = asyncio.Queue(DEPTH)
        self._loop = asyncio.get_running_loop()
        self._task: asyncio.Future[T] = asyncio.ensure_future(consume(self._drawn()))

    async def send_async(self, data: bytes) -> None:
        """Push a chunk. See `Pipe.send`."""
        await self._push_async(data)

    async def finish_async(self) -> T:
        """Say that there is no more. See `Pipe.finish`."""
        await self._push_async(None)
        try:
            return await asyncio.shield(self._task)
        except asyncio.CancelledError:
            await self.abort_async()
            raise

    async def abort_async(self) -> None:
        """Cancel the consumer and wait until it has let go. See `Pipe.abort`."""
        self._task.cancel()
        await finish_async(self._ended_async)

    def abandon(self) -> None:
        """Cancel the consumer, without waiting (for finalizers). See `Pipe.abandon`."""
        if not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._task.cancel)

    async def _ended_async(self) -> None:
        await asyncio.wait([self._task])
        if not self._task.cancelled():
            self._task.exception()

    async def _push_async(self, item: bytes | None) -> None:
        if self._queue.full() or self._task.done():
            putting = asyncio.ensure_future(self._queue.put(item))
            try:
                either: list[asyncio.Future[Any]] = [putting, self._task]
                await asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED)
            finally:
                putting.cancel()
            if self._task.done() and not (item is None and self._task.exception() is None):
                self._task.result()
                raise AbandonedError("the consumer ended before the source did")
        else:
            self._queue.put_nowait(item)

    async def _drawn(self) -> AsyncIterator[bytes]:
        while (item := await self._queue.get()) is not None:
            yield item
