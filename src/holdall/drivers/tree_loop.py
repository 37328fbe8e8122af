"""Trees whose library only awaits: their coroutines run on fsspec's I/O loop, for both colours and from any thread or loop.

A connection of such a library belongs to one event loop. fsspec keeps one in a thread of its own, made on first use and
made anew after a fork; the blocking colour waits for it, the async colour awaits it, so that one pool of connections
serves any number of threads and event loops. A filesystem made with ``asynchronous=True`` has no such loop: its
coroutines run on the caller's, and the blocking colour is refused.
"""

from __future__ import annotations

import asyncio
import concurrent.futures
import functools
from abc import abstractmethod
from collections.abc import AsyncGenerator, Callable, Coroutine, Generator, Sequence
from datetime import datetime
from typing import Any, Generic, TypeVar

from holdall.core.meta import ObjectVersion
from holdall.core.options import PutOptions
from holdall.drivers.tree import Entry, Mode, Reader, Tree, Writer
from holdall.errors import NotSupportedError
from holdall.results import CHUNK

__all__ = ["Call", "IOLoop", "LoopReader", "LoopTree", "LoopWriter"]

T = TypeVar("T")
PATIENCE = 5.0
"""Seconds to wait for the clean-up of something cancelled."""


class Call(Generic[T]):
    """One coroutine under way on another loop.

    `asyncio.run_coroutine_threadsafe` forgets a cancelled coroutine at once; here the future ends when the coroutine has,
    clean-up included, so that nothing works on a connection behind our back and no result gets lost.
    """

    __slots__ = ("_loop", "_task", "future")

    def __init__(self, loop: asyncio.AbstractEventLoop, coroutine: Coroutine[Any, Any, T]) -> None:
        self.future: concurrent.futures.Future[T] = concurrent.futures.Future()
        self._loop = loop
        self._task: asyncio.Task[T] | None = None
        loop.call_soon_threadsafe(self._begin, coroutine)

    def stop(self, undo: Callable[[T], Coroutine[Any, Any, Any]] | None = None) -> None:
        """Cancel it, and undo a result that comes all the same."""
        self.future.add_done_callback(functools.partial(self._undo, undo))
        if not self.future.done():
            self._loop.call_soon_threadsafe(self._cancel)

    def _begin(self, coroutine: Coroutine[Any, Any, T]) -> None:
        self._task = self._loop.create_task(coroutine)
        self._task.add_done_callback(self._done)

    def _done(self, task: asyncio.Task[T]) -> None:
        if task.cancelled():
            self.future.set_exception(concurrent.futures.CancelledError())
        elif (error := task.exception()) is not None:
            self.future.set_exception(error)
        else:
            self.future.set_result(task.result())

    def _cancel(self) -> None:
        assert self._task is not None  # _begin was scheduled first
        self._task.cancel()

    def _undo(self, undo: Callable[[T], Coroutine[Any, Any, Any]] | None, future: concurrent.futures.Future[T]) -> None:
        if undo is not None and future.exception() is None:
            Call(self._loop, undo(future.result()))


class IOLoop:
    """Runs coroutines where a library's connections live.

    Args:
        loop: That event loop; ``None`` for fsspec's own, asked for at each call as it changes with a fork.
        caller: The connections belong to the caller's event loop: no blocking colour.
    """

    __slots__ = ("_caller", "_loop")

    def __init__(self, loop: asyncio.AbstractEventLoop | None = None, *, caller: bool = False) -> None:
        self._loop = loop
        self._caller = caller

    def start(self, function: Callable[..., Coroutine[Any, Any, T]], *args: Any) -> Call[T]:
        """Start a coroutine over there, from outside that loop.

        Raises:
            NotSupportedError: The connections belong to the caller's event loop.
            RuntimeError: Called on that loop itself, which would wait for ever.
        """
        if self._caller:
            raise NotSupportedError("a filesystem made with asynchronous=True has no blocking colour: use the async verbs")
        loop = self._there()
        if _running() is loop:
            raise RuntimeError("a blocking verb cannot be called on fsspec's I/O loop: use the async verbs")
        return Call(loop, function(*args))

    def run(
        self,
        function: Callable[..., Coroutine[Any, Any, T]],
        *args: Any,
        undo: Callable[[T], Coroutine[Any, Any, Any]] | None = None,
    ) -> T:
        """Wait for a coroutine over there; an interrupted wait (Ctrl-C) cancels it."""
        call = self.start(function, *args)
        try:
            return call.future.result()
        except BaseException:
            if not call.future.done():
                call.stop(undo)
            raise

    async def run_async(
        self,
        function: Callable[..., Coroutine[Any, Any, T]],
        *args: Any,
        undo: Callable[[T], Coroutine[Any, Any, Any]] | None = None,
    ) -> T:
        """Await a coroutine over there; cancelling the wait cancels it and waits a while for its clean-up.

        Args:
            function: Makes the coroutine.
            *args: Its arguments.
            undo: Run there with a result that nobody will receive.
        """
        if self._caller or _running() is self._there():
            return await function(*args)
        call = Call(self._there(), function(*args))
        waiter = asyncio.wrap_future(call.future)
        try:
            return await asyncio.shield(waiter)
        except asyncio.CancelledError:
            call.stop(undo)
            await asyncio.wait([waiter], timeout=PATIENCE)
            if waiter.done():
                waiter.exception()
            raise

    def soon(self, callback: Callable[[], object]) -> None:
        """Call something over there, from any thread and without waiting: for what is let go by the garbage collector."""
        loop = _running() if self._caller else self._there()
        if loop is not None and not loop.is_closed():
            loop.call_soon_threadsafe(callback)

    def _there(self) -> asyncio.AbstractEventLoop:
        if self._loop is not None:
            return self._loop
        from fsspec.asyn import get_loop  # noqa: PLC0415  # not at import

        loop: asyncio.AbstractEventLoop = get_loop()
        return loop


def _running() -> asyncio.AbstractEventLoop | None:
    try:
        return asyncio.get_running_loop()
    except RuntimeError:
        return None


async def _close_reader(reader: Reader) -> None:
    assert isinstance(reader, LoopReader)
    await reader._close()


async def _abort_writer(writer: Writer) -> None:
    assert isinstance(writer, LoopWriter)
    await writer._abort()


class LoopReader(Reader):
    """A reader whose library only awaits: the next piece is fetched while the present one is used."""

    piece: int = 4 * CHUNK
    parallel = 8

    def __init__(self, loop: IOLoop, entry: Entry) -> None:
        self._io = loop
        self.entry = entry

    @abstractmethod
    async def _read(self, start: int, size: int) -> bytes:
        """Return the bytes of ``[start, start + size)``, all of them unless the file ends."""

    async def _close(self) -> None:
        """Let go."""

    def chunks(self, start: int, end: int) -> Generator[bytes]:
        """Iterate over the bytes of ``[start, end)``. See `Reader.chunks`."""
        if end - start <= self.piece:
            yield self._io.run(self._read, start, end - start)
            return
        ahead: Call[bytes] | None = self._io.start(self._read, start, self.piece)
        try:
            while ahead is not None:
                chunk = ahead.future.result()
                start += len(chunk)
                ahead = self._io.start(self._read, start, min(self.piece, end - start)) if chunk and start < end else None
                yield chunk
        finally:
            if ahead is not None and not ahead.future.done():
                ahead.stop()
                concurrent.futures.wait([ahead.future], PATIENCE)

    async def chunks_async(self, start: int, end: int) -> AsyncGenerator[bytes]:
        """Iterate over the bytes of ``[start, end)``. See `Reader.chunks`."""
        if end - start <= self.piece:
            yield await self._io.run_async(self._read, start, end - start)
            return
        ahead: asyncio.Future[bytes] | None = asyncio.ensure_future(self._io.run_async(self._read, start, self.piece))
        try:
            while ahead is not None:
                chunk = await ahead
                start += len(chunk)
                ahead = None
                if chunk and start < end:
                    ahead = asyncio.ensure_future(self._io.run_async(self._read, start, min(self.piece, end - start)))
                yield chunk
        finally:
            if ahead is not None:
                ahead.cancel()
                await asyncio.gather(ahead, return_exceptions=True)

    def close(self) -> None:
        """Let go; idempotent."""
        self._io.run(self._close)

    async def close_async(self) -> None:
        """Let go; idempotent."""
        await self._io.run_async(self._close)


class LoopWriter(Writer):
    """A writer whose library only awaits."""

    def __init__(self, loop: IOLoop) -> None:
        self._io = loop

    @abstractmethod
    async def _write(self, chunk: bytes) -> None:
        """Append bytes."""

    @abstractmethod
    async def _publish(self, mode: Mode, if_match: str | None) -> Entry:
        """Make the whole file appear at its path at once."""

    @abstractmethod
    async def _abort(self) -> None:
        """Remove what was written."""

    def write(self, chunk: bytes) -> None:
        """Append bytes. See `Writer.write`."""
        self._io.run(self._write, chunk)

    async def write_async(self, chunk: bytes) -> None:
        """Append bytes. See `Writer.write`."""
        await self._io.run_async(self._write, chunk)

    def publish(self, mode: Mode, if_match: str | None) -> Entry:
        """Make the whole file appear. See `Writer.publish`."""
        return self._io.run(self._publish, mode, if_match)

    async def publish_async(self, mode: Mode, if_match: str | None) -> Entry:
        """Make the whole file appear. See `Writer.publish`."""
        return await self._io.run_async(self._publish, mode, if_match)

    def abort(self) -> None:
        """Remove what was written. See `Writer.abort`."""
        self._io.run(self._abort)

    async def abort_async(self) -> None:
        """Remove what was written. See `Writer.abort`."""
        await self._io.run_async(self._abort)


class LoopTree(Tree):
    """A tree whose library only awaits: subclasses write the coroutines ``_stat``, ``_scan``, ... once."""

    def __init__(self, loop: IOLoop | None = None) -> None:
        self._io = loop or IOLoop()

    @abstractmethod
    async def _stat(self, path: str, version: str | None) -> Entry:
        """Describe a file or directory."""

    @abstractmethod
    async def _scan(self, path: str) -> Sequence[Entry]:
        """Return what a directory holds."""

    @abstractmethod
    async def _open(self, path: str, version: str | None, whole: bool) -> Reader:
        """Open a file for reading."""

    async def _create(self, path: str, size: int | None, options: PutOptions) -> Writer:
        """Begin a file."""
        raise self.cannot("write")

    async def _remove(self, path: str, if_match: str | None) -> bool:
        """Remove a file."""
        raise self.cannot("delete")

    async def _make_directory(self, path: str) -> None:
        """Make a directory."""
        raise self.cannot("make directories")

    async def _remove_directory(self, path: str) -> bool:
        """Remove an empty directory."""
        raise self.cannot("delete directories")

    async def _move(self, src: str, dst: str, mode: Mode) -> None:
        """Rename a file or directory."""
        raise self.cannot("rename")

    async def _copy(self, src: str, dst: str, mode: Mode) -> Entry:
        """Copy a file."""
        raise self.cannot("copy")

    async def _set_modified(self, path: str, modified: datetime) -> None:
        """Set a file's time of last modification."""
        raise self.cannot("set_modified")

    async def _versions(self, path: str) -> list[ObjectVersion]:
        """Return the versions of a file."""
        raise self.cannot("list versions")

    async def _close(self) -> None:
        """Let go of connections."""

    def stat(self, path: str, version: str | None = None) -> Entry:
        """Describe a file or directory. See `Tree.stat`."""
        return self._io.run(self._stat, path, version)

    async def stat_async(self, path: str, version: str | None = None) -> Entry:
        """Describe a file or directory. See `Tree.stat`."""
        return await self._io.run_async(self._stat, path, version)

    def scan(self, path: str) -> Sequence[Entry]:
        """Return what a directory holds. See `Tree.scan`."""
        return self._io.run(self._scan, path)

    async def scan_async(self, path: str) -> Sequence[Entry]:
        """Return what a directory holds. See `Tree.scan`."""
        return await self._io.run_async(self._scan, path)

    def open(self, path: str, version: str | None = None, *, whole: bool = False) -> Reader:
        """Open a file for reading. See `Tree.open`."""
        return self._io.run(self._open, path, version, whole, undo=_close_reader)

    async def open_async(self, path: str, version: str | None = None, *, whole: bool = False) -> Reader:
        """Open a file for reading. See `Tree.open`."""
        return await self._io.run_async(self._open, path, version, whole, undo=_close_reader)

    def create(self, path: str, size: int | None, options: PutOptions) -> Writer:
        """Begin a file. See `Tree.create`."""
        return self._io.run(self._create, path, size, options, undo=_abort_writer)

    async def create_async(self, path: str, size: int | None, options: PutOptions) -> Writer:
        """Begin a file. See `Tree.create`."""
        return await self._io.run_async(self._create, path, size, options, undo=_abort_writer)

    def remove(self, path: str, if_match: str | None = None) -> bool:
        """Remove a file. See `Tree.remove`."""
        return self._io.run(self._remove, path, if_match)

    async def remove_async(self, path: str, if_match: str | None = None) -> bool:
        """Remove a file. See `Tree.remove`."""
        return await self._io.run_async(self._remove, path, if_match)

    def make_directory(self, path: str) -> None:
        """Make a directory. See `Tree.make_directory`."""
        self._io.run(self._make_directory, path)

    async def make_directory_async(self, path: str) -> None:
        """Make a directory. See `Tree.make_directory`."""
        await self._io.run_async(self._make_directory, path)

    def remove_directory(self, path: str, if_match: str | None = None) -> bool:
        """Remove an empty directory. See `Tree.remove_directory`."""
        return self._io.run(self._remove_directory, path)

    async def remove_directory_async(self, path: str, if_match: str | None = None) -> bool:
        """Remove an empty directory. See `Tree.remove_directory`."""
        return await self._io.run_async(self._remove_directory, path)

    def move(self, src: str, dst: str, mode: Mode) -> None:
        """Rename a file or directory. See `Tree.move`."""
        self._io.run(self._move, src, dst, mode)

    async def move_async(self, src: str, dst: str, mode: Mode) -> None:
        """Rename a file or directory. See `Tree.move`."""
        await self._io.run_async(self._move, src, dst, mode)

    def copy(self, src: str, dst: str, mode: Mode) -> Entry:
        """Copy a file. See `Tree.copy`."""
        return self._io.run(self._copy, src, dst, mode)

    async def copy_async(self, src: str, dst: str, mode: Mode) -> Entry:
        """Copy a file. See `Tree.copy`."""
        return await self._io.run_async(self._copy, src, dst, mode)

    def set_modified(self, path: str, modified: datetime) -> None:
        """Set a file's time of last modification. See `Tree.set_modified`."""
        self._io.run(self._set_modified, path, modified)

    async def set_modified_async(self, path: str, modified: datetime) -> None:
        """Set a file's time of last modification. See `Tree.set_modified`."""
        await self._io.run_async(self._set_modified, path, modified)

    def versions(self, path: str) -> list[ObjectVersion]:
        """Return the versions of a file. See `Tree.versions`."""
        return self._io.run(self._versions, path)

    async def versions_async(self, path: str) -> list[ObjectVersion]:
        """Return the versions of a file. See `Tree.versions`."""
        return await self._io.run_async(self._versions, path)

    def close(self) -> None:
        """Let go of connections; idempotent."""
        self._io.run(self._close)

    async def close_async(self) -> None:
        """Let go of connections; idempotent."""
        await self._io.run_async(self._close)
