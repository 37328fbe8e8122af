"""One file on an SFTP server, being read or being written. See `sftp_tree`."""

from __future__ import annotations

import asyncio
import functools
import stat
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Literal

from asyncssh.sftp import SFTPError, SFTPFailure

from holdall.drivers.sftp_pool import LOST, Link, SFTPPool
from holdall.drivers.sftp_requests import read_blocks, write_blocks
from holdall.drivers.tree import Entry, Mode, beside, from_timestamp, parent
from holdall.drivers.tree_loop import LoopReader, LoopWriter
from holdall.errors import IntegrityError, PreconditionError, StorageFullError
from holdall.results import CHUNK

if TYPE_CHECKING:
    from holdall.drivers.sftp_tree import SFTPTree

__all__ = ["SFTPReader", "SFTPWriter", "entry_of"]

BUFFER = 256 * 1024
"""Bytes collected before a file is opened: a smaller one needs three round trips in all."""
COPY_STEP = 64 * CHUNK
"""Bytes that the server copies in one request."""


class SFTPReader(LoopReader):
    """One open handle; a lost connection is replaced if the file is still the same."""

    piece = CHUNK

    def __init__(self, tree: SFTPTree, link: Link, file: Any, path: str, entry: Entry, first: bytes) -> None:
        super().__init__(tree._io, entry)
        self._tree = tree
        self.link = link
        self.file = file
        self._path = path
        self._first = first
        self._closed = False
        self._renewing = asyncio.Lock()

    async def _read(self, start: int, size: int) -> bytes:
        if start + size <= len(self._first) or (start < len(self._first) == self.entry.size):
            return self._first[start : start + size]
        pool = await self._tree.pool()
        link, file = self.link, self.file
        try:
            return await pool.bounded(link, read_blocks(file, start, size))
        except LOST:
            await self._renew(link)
        return await pool.bounded(self.link, read_blocks(self.file, start, size))

    async def _renew(self, broken: Link) -> None:
        async with self._renewing:
            if self.link is not broken:
                return
            other = await self._tree._open(self._path, None, False)
            assert isinstance(other, SFTPReader)
            if other.entry != self.entry:
                await other._close()
                raise PreconditionError(f"{self._path!r} was replaced while it was being read", kind="changed")
            (await self._tree.pool()).release(broken)
            self.link, self.file = other.link, other.file
            other._closed = True

    async def _close(self) -> None:
        if self._closed:
            return
        self._closed = True
        self._tree.later(self.file.close())
        (await self._tree.pool()).release(self.link)

    def __del__(self) -> None:
        if not getattr(self, "_closed", True):
            self._io.soon(functools.partial(_let_go, self._tree, self.file, self.link))


def _let_go(tree: SFTPTree, file: Any, link: Link) -> None:
    """Close the handle of a reader that was dropped."""
    tree.later(file.close())
    link.busy -= 1


class SFTPWriter(LoopWriter):
    """A file under a temporary name; one piece is on its way while the next one is made."""

    def __init__(self, tree: SFTPTree, path: str) -> None:
        super().__init__(tree._io)
        self._tree = tree
        self._path = path
        self._temporary = beside(path)
        self._buffer = bytearray()
        self._size = 0
        self._link: Link | None = None
        self._file: Any = None
        self._pending: asyncio.Task[None] | None = None
        self._begun = False

    async def _write(self, chunk: bytes) -> None:
        self._buffer += chunk
        while len(self._buffer) >= CHUNK or (self._file is None and len(self._buffer) > BUFFER):
            piece = bytes(self._buffer[:CHUNK])
            del self._buffer[:CHUNK]
            await self._send(piece)

    async def fill(self, reader: SFTPReader) -> None:
        """Copy a whole open file into this one, on the server's side where it can."""
        size = reader.entry.size
        if reader.link.sftp.supports_remote_copy:
            await self._begin(reader.link)
            pool = await self._tree.pool()
            for start in range(0, size, COPY_STEP):
                step = min(COPY_STEP, size - start)
                copied = reader.link.sftp.remote_copy(reader.file, self._file, start, step, start)
                await pool.bounded(reader.link, copied)
            self._size = size
            return
        for start in range(0, size, CHUNK):
            await self._write(await reader._read(start, min(CHUNK, size - start)))

    async def _begin(self, link: Link | None = None) -> None:
        pool = await self._tree.pool()
        self._begun = True
        if link is not None:
            link.busy += 1
            self._link = link
            self._file = await pool.bounded(link, self._tree.open_new(link, self._path, self._temporary))
            return
        for again in (True, False):
            self._link = await pool.acquire()
            try:
                opened = self._tree.open_new(self._link, self._path, self._temporary)
                self._file = await pool.bounded(self._link, opened)
            except LOST:
                if not again:
                    raise
                pool.release(self._link)
                self._temporary = beside(self._path)
            else:
                return

    async def _send(self, piece: bytes) -> None:
        if self._file is None:
            await self._begin()
        await self._sent()
        self._pending = asyncio.ensure_future(self._send_at(piece, self._size))
        self._size += len(piece)

    async def _sent(self) -> None:
        pending, self._pending = self._pending, None
        if pending is not None:
            await pending

    async def _send_at(self, piece: bytes, offset: int) -> None:
        assert self._link is not None
        pool = await self._tree.pool()
        try:
            await pool.bounded(self._link, write_blocks(self._file, piece, offset))
        except SFTPFailure as error:
            await self._check_space(len(piece), error)
            raise

    async def _check_space(self, wanted: int, error: SFTPFailure) -> None:
        """Find out whether a failure means a full disk: SFTP 3 has no code for it."""
        assert self._link is not None
        room = None
        with suppress(SFTPError):
            found = await self._link.sftp.statvfs(self._tree.full(parent(self._path)))
            room = found.bavail * found.frsize
        if room is not None and room < max(wanted, CHUNK):
            raise StorageFullError(f"no space left for {self._path!r}") from error

    async def _publish(self, mode: Mode, if_match: str | None) -> Entry:
        rest, self._buffer = bytes(self._buffer), bytearray()
        if self._file is None:
            await self._begin()
        assert self._link is not None
        pool = await self._tree.pool()
        await self._sent()
        if rest:
            await self._send_at(rest, self._size)
            self._size += len(rest)
        file: Any = self._file
        attrs = await pool.bounded(self._link, file.stat())
        if attrs.size != self._size:
            raise IntegrityError(f"{self._path!r}: the server holds {attrs.size} bytes of {self._size} sent")
        self._file = None
        await pool.bounded(self._link, file.close())
        await self._tree.put_in_place(self._temporary, self._path, mode)
        self._begun = False
        self._release(pool)
        return entry_of(self._path.rpartition("/")[2], attrs)

    async def _abort(self) -> None:
        if self._pending is not None:
            self._pending.cancel()
            await asyncio.gather(self._pending, return_exceptions=True)
        if not self._begun:
            return
        self._begun = False
        with suppress(Exception):
            pool = await self._tree.pool()
            if self._file is not None and self._link is not None and not self._link.dead:
                await pool.bounded(self._link, self._file.close())
            self._release(pool)
            await pool.call(lambda link: link.sftp.remove(self._tree.full(self._temporary)))

    def _release(self, pool: SFTPPool) -> None:
        link, self._link = self._link, None
        if link is not None:
            pool.release(link)


def entry_of(name: str, attrs: Any) -> Entry:
    """Return what SFTP says of a file. Its times have whole seconds: the etag is a weak one."""
    mode = attrs.permissions or 0
    kind: Literal["directory", "file", "other"] = (
        "directory" if stat.S_ISDIR(mode) else "file" if stat.S_ISREG(mode) else "other"
    )
    size = attrs.size or 0
    etag = None if attrs.mtime is None else f"W/{attrs.mtime:x}-{size:x}"
    return Entry(name=name, size=size, kind=kind, modified=from_timestamp(attrs.mtime), etag=etag)
