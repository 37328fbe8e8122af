"""What a driver over paths has to offer: a dozen primitives on one tree of files, in both colours.

`TreeStore` makes the verbs of the contract out of them. A library that only blocks gives a `BlockingTree` (the async
colour runs in worker threads); one that only awaits gives a `LoopTree` (`tree_loop`), which lives on fsspec's I/O loop.
Paths are relative to the tree's root, ``/``-separated, without empty, ``.`` or ``..`` segments; ``""`` is the root.
"""

from __future__ import annotations

import asyncio
import contextvars
from abc import ABC, abstractmethod
from collections.abc import AsyncGenerator, Callable, Generator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Literal, TypeVar
from uuid import uuid4

from holdall.core.keys import RESERVED
from holdall.core.meta import NO_ATTRIBUTES, Attributes, ObjectVersion
from holdall.core.options import PutOptions
from holdall.errors import NotSupportedError

__all__ = [
    "BlockingReader",
    "BlockingTree",
    "BlockingWriter",
    "Entry",
    "Mode",
    "Reader",
    "Tree",
    "Writer",
    "beside",
    "from_timestamp",
    "in_thread_async",
    "parent",
    "temporary_name",
]

T = TypeVar("T")
Mode = Literal["overwrite", "create", "update"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One file or directory as the storage describes it.

    Attributes:
        name: Last segment of its path.
        size: Bytes.
        kind: ``file``, ``directory``, or ``other`` (sockets, links that lead out of the tree): never shown.
        modified: Aware, UTC, or ``None``.
        etag: Unquoted validator; ``W/`` before it if two different contents may share it.
        version: Version id where the storage has them.
        attributes: Headers that the storage keeps.
    """

    name: str
    size: int = 0
    kind: Literal["file", "directory", "other"] = "file"
    modified: datetime | None = None
    etag: str | None = None
    version: str | None = None
    attributes: Attributes = NO_ATTRIBUTES


class Reader(ABC):
    """One file opened for reading; `entry` describes just this file, also when it is replaced meanwhile, where possible."""

    entry: Entry
    parallel: int = 1
    """How many `chunks` may be read at once."""

    @abstractmethod
    def chunks(self, start: int, end: int) -> Generator[bytes]:
        """Iterate over the bytes of ``[start, end)``."""

    @abstractmethod
    def chunks_async(self, start: int, end: int) -> AsyncGenerator[bytes]:
        """Iterate over the bytes of ``[start, end)``. See `chunks`."""

    def read(self, start: int, end: int) -> bytes:
        """Return the bytes of ``[start, end)``."""
        return b"".join(self.chunks(start, end)) if end > start else b""

    async def read_async(self, start: int, end: int) -> bytes:
        """Return the bytes of ``[start, end)``. See `read`."""
        return b"".join([chunk async for chunk in self.chunks_async(start, end)]) if end > start else b""

    @abstractmethod
    def close(self) -> None:
        """Let go; idempotent."""

    @abstractmethod
    async def close_async(self) -> None:
        """Let go; idempotent."""


class Writer(ABC):
    """One file being written under another name: nothing is visible before `publish`, nothing is left by `abort`."""

    @abstractmethod
    def write(self, chunk: bytes) -> None:
        """Append bytes."""

    @abstractmethod
    async def write_async(self, chunk: bytes) -> None:
        """Append bytes. See `write`."""

    @abstractmethod
    def publish(self, mode: Mode, if_match: str | None) -> Entry:
        """Make the whole file appear at its path at once, checked for its size.

        Raises:
            AlreadyExistsError: ``mode="create"`` and something is there.
            PreconditionError: ``mode="update"`` and something else is there.
        """

    @abstractmethod
    async def publish_async(self, mode: Mode, if_match: str | None) -> Entry:
        """Make the whole file appear. See `publish`."""

    @abstractmethod
    def abort(self) -> None:
        """Remove what was written; best effort, never raises an error of the storage."""

    @abstractmethod
    async def abort_async(self) -> None:
        """Remove what was written. See `abort`."""


class Tree(ABC):
    """The primitives of one tree of files, in both colours.

    Methods raise errors of `holdall.errors`, or their library's own, which `TreeStore.translate` maps. `NotFoundError`
    (or what translates to it) means: the storage itself says that nothing is there.

    Attributes:
        workers: How many calls at once are sensible.
        prepared: Whether the root exists for certain: a miss needs no second look.
    """

    workers: int = 8
    prepared: bool = False

    @abstractmethod
    def stat(self, path: str, version: str | None = None) -> Entry:
        """Describe a file or directory."""

    @abstractmethod
    async def stat_async(self, path: str, version: str | None = None) -> Entry:
        """Describe a file or directory. See `stat`."""

    @abstractmethod
    def scan(self, path: str) -> Sequence[Entry]:
        """Return what a directory holds, in any order."""

    @abstractmethod
    async def scan_async(self, path: str) -> Sequence[Entry]:
        """Return what a directory holds. See `scan`."""

    @abstractmethod
    def open(self, path: str, version: str | None = None, *, whole: bool = False) -> Reader:
        """Open a file for reading; a directory is `NotFoundError`.

        Args:
            path: Which file.
            version: Which version of it.
            whole: A hint: it will be read from its start.
        """

    @abstractmethod
    async def open_async(self, path: str, version: str | None = None, *, whole: bool = False) -> Reader:
        """Open a file for reading. See `open`."""

    def create(self, path: str, size: int | None, options: PutOptions) -> Writer:
        """Begin a file, its parents made; ``size`` is known or ``None``; the options say what is kept beside the bytes."""
        raise self.cannot("write")

    async def create_async(self, path: str, size: int | None, options: PutOptions) -> Writer:
        """Begin a file. See `create`."""
        raise self.cannot("write")

    def remove(self, path: str, if_match: str | None = None) -> bool:
        """Remove a file; return whether there was one (a directory is none)."""
        raise self.cannot("delete")

    async def remove_async(self, path: str, if_match: str | None = None) -> bool:
        """Remove a file. See `remove`."""
        raise self.cannot("delete")

    def make_directory(self, path: str) -> None:
        """Make a directory, its parents too; one that is there is fine."""
        raise self.cannot("make directories")

    async def make_directory_async(self, path: str) -> None:
        """Make a directory. See `make_directory`."""
        raise self.cannot("make directories")

    def remove_directory(self, path: str, if_match: str | None = None) -> bool:
        """Remove an empty directory; return whether there was one. There is no condition for it."""
        raise self.cannot("delete directories")

    async def remove_directory_async(self, path: str, if_match: str | None = None) -> bool:
        """Remove an empty directory. See `remove_directory`."""
        raise self.cannot("delete directories")

    def move(self, src: str, dst: str, mode: Mode) -> None:
        """Rename a file or directory atomically, parents of the new name made."""
        raise self.cannot("rename")

    async def move_async(self, src: str, dst: str, mode: Mode) -> None:
        """Rename a file or directory. See `move`."""
        raise self.cannot("rename")

    def copy(self, src: str, dst: str, mode: Mode) -> Entry:
        """Copy a file on the server's side, atomically."""
        raise self.cannot("copy")

    async def copy_async(self, src: str, dst: str, mode: Mode) -> Entry:
        """Copy a file. See `copy`."""
        raise self.cannot("copy")

    def set_modified(self, path: str, modified: datetime) -> None:
        """Set a file's time of last modification."""
        raise self.cannot("set_modified")

    async def set_modified_async(self, path: str, modified: datetime) -> None:
        """Set a file's time of last modification. See `set_modified`."""
        raise self.cannot("set_modified")

    def versions(self, path: str) -> list[ObjectVersion]:
        """Return the versions of a file, oldest first, keyed by its path."""
        raise self.cannot("list versions")

    async def versions_async(self, path: str) -> list[ObjectVersion]:
        """Return the versions of a file. See `versions`."""
        raise self.cannot("list versions")

    @abstractmethod
    def close(self) -> None:
        """Let go of connections; idempotent."""

    @abstractmethod
    async def close_async(self) -> None:
        """Let go of connections; idempotent."""

    def cannot(self, verb: str) -> NotSupportedError:
        """Return the error for what this tree does not have."""
        return NotSupportedError(f"{type(self).__name__.removesuffix('Tree')} cannot {verb}")


class BlockingReader(Reader):
    """A reader whose library only blocks."""

    async def chunks_async(self, start: int, end: int) -> AsyncGenerator[bytes]:
        """Iterate over the bytes of ``[start, end)``. See `Reader.chunks`."""
        chunks = self.chunks(start, end)
        try:
            while (chunk := await in_thread_async(_next, chunks)) is not None:
                yield chunk
        finally:
            await in_thread_async(chunks.close)

    async def close_async(self) -> None:
        """Let go; idempotent."""
        await in_thread_async(self.close)


class BlockingWriter(Writer):
    """A writer whose library only blocks."""

    async def write_async(self, chunk: bytes) -> None:
        """Append bytes. See `Writer.write`."""
        await in_thread_async(self.write, chunk)

    async def publish_async(self, mode: Mode, if_match: str | None) -> Entry:
        """Make the whole file appear. See `Writer.publish`."""
        return await in_thread_async(self.publish, mode, if_match)

    async def abort_async(self) -> None:
        """Remove what was written. See `Writer.abort`."""
        await in_thread_async(self.abort)


class BlockingTree(Tree):
    """A tree whose library only blocks: the async colour runs in worker threads."""

    async def stat_async(self, path: str, version: str | None = None) -> Entry:
        """Describe a file or directory. See `Tree.stat`."""
        return await in_thread_async(self.stat, path, version)

    async def scan_async(self, path: str) -> Sequence[Entry]:
        """Return what a directory holds. See `Tree.scan`."""
        return await in_thread_async(self.scan, path)

    async def open_async(self, path: str, version: str | None = None, *, whole: bool = False) -> Reader:
        """Open a file for reading. See `Tree.open`."""

        def open_() -> Reader:
            return self.open(path, version, whole=whole)

        return await in_thread_async(open_, undo=Reader.close)

    async def create_async(self, path: str, size: int | None, options: PutOptions) -> Writer:
        """Begin a file. See `Tree.create`."""
        return await in_thread_async(self.create, path, size, options, undo=Writer.abort)

    async def remove_async(self, path: str, if_match: str | None = None) -> bool:
        """Remove a file. See `Tree.remove`."""
        return await in_thread_async(self.remove, path, if_match)

    async def make_directory_async(self, path: str) -> None:
        """Make a directory. See `Tree.make_directory`."""
        await in_thread_async(self.make_directory, path)

    async def remove_directory_async(self, path: str, if_match: str | None = None) -> bool:
        """Remove an empty directory. See `Tree.remove_directory`."""
        return await in_thread_async(self.remove_directory, path)

    async def move_async(self, src: str, dst: str, mode: Mode) -> None:
        """Rename a file or directory. See `Tree.move`."""
        await in_thread_async(self.move, src, dst, mode)

    async def copy_async(self, src: str, dst: str, mode: Mode) -> Entry:
        """Copy a file. See `Tree.copy`."""
        return await in_thread_async(self.copy, src, dst, mode)

    async def set_modified_async(self, path: str, modified: datetime) -> None:
        """Set a file's time of last modification. See `Tree.set_modified`."""
        await in_thread_async(self.set_modified, path, modified)

    async def versions_async(self, path: str) -> list[ObjectVersion]:
        """Return the versions of a file. See `Tree.versions`."""
        return await in_thread_async(self.versions, path)

    async def close_async(self) -> None:
        """Let go of connections; idempotent."""
        await in_thread_async(self.close)


async def in_thread_async(function: Callable[..., T], *args: Any, undo: Callable[[T], object] | None = None) -> T:
    """Call a blocking function in a worker thread; a cancelled caller waits until the call has ended.

    `asyncio.to_thread` leaves the thread running when its task is cancelled: the clean-up that follows would then work on
    the same connection at the same time. Every call in these drivers is bounded by a timeout of its own.

    Args:
        function: What to call.
        *args: Its arguments.
        undo: Called (in the thread too) with a result that nobody will receive.
    """
    loop, context = asyncio.get_running_loop(), contextvars.copy_context()

    def call() -> T:
        return context.run(function, *args)

    future = loop.run_in_executor(None, call)
    try:
        return await asyncio.shield(future)
    except asyncio.CancelledError:
        await asyncio.wait([future])
        if future.exception() is None and undo is not None:
            await asyncio.wait([loop.run_in_executor(None, undo, future.result())])
        raise


def _next(chunks: Generator[bytes]) -> bytes | None:
    return next(chunks, None)


def temporary_name() -> str:
    """Return a name for a file that is being written: reserved, so no listing shows it and no key reaches it."""
    return f"{RESERVED}-{uuid4().hex[:20]}.tmp"


def parent(path: str) -> str:
    """Return the directory of a path.

    Example:
        >>> parent("a/b/c"), parent("a")
        ('a/b', '')
    """
    return path.rpartition("/")[0]


def beside(path: str) -> str:
    """Return a temporary path in the same directory."""
    folder = parent(path)
    return f"{folder}/{temporary_name()}" if folder else temporary_name()


def from_timestamp(seconds: float | None) -> datetime | None:
    """Return an aware UTC time, ``None`` for none or one that no calendar has.

    Example:
        >>> from_timestamp(0)
        datetime.datetime(1970, 1, 1, 0, 0, tzinfo=datetime.timezone.utc)
    """
    if seconds is None:
        return None
    try:
        return datetime.fromtimestamp(seconds, UTC)
    except (OverflowError, OSError, ValueError):
        return None
