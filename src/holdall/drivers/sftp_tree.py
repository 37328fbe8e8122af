"""A directory on an SFTP server as a `Tree` (asyncssh, protocol version 3 with OpenSSH's extensions).

A write goes to a temporary name in the same directory, is checked for its size, and replaces the old file by
``posix-rename@openssh.com``; ``create`` uses the plain rename, which fails if the name is taken. Where a connection is lost
during a rename, the temporary name tells what happened: gone means done.
"""

from __future__ import annotations

import asyncio
import random
import stat
import time
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from datetime import datetime
from typing import Any, TypeVar

from asyncssh.constants import FXF_CREAT, FXF_EXCL, FXF_READ, FXF_WRITE
from asyncssh.sftp import SFTPAttrs, SFTPError, SFTPFailure, SFTPNoSuchFile, SFTPOpUnsupported

from holdall.core.options import PutOptions
from holdall.drivers.sftp_files import SFTPReader, SFTPWriter, entry_of
from holdall.drivers.sftp_pool import LOST, Link, SFTPPool
from holdall.drivers.sftp_requests import both, read_blocks
from holdall.drivers.tree import Entry, Mode, Reader, Writer, parent
from holdall.drivers.tree_loop import LoopTree
from holdall.errors import (
    AlreadyExistsError,
    InvalidKeyError,
    IsDirectoryError,
    MissingPlaceError,
    NotDirectoryError,
    NotFoundError,
    UnavailableError,
)

__all__ = ["SFTPTree"]

T = TypeVar("T")
SPECULATIVE = 64 * 1024
"""Bytes asked for together with the size: a smaller file needs two round trips in all."""
PATIENCE = 5.0
"""Seconds for which the server is asked again what has become of a rename whose answer was lost."""
REMEMBERED = 10_000
"""Directories whose real path was checked."""


class SFTPTree(LoopTree):
    """The files below one directory of a server.

    Args:
        make_pool: Makes the connections; called on the event loop.
        base: The directory; relative to the login directory unless absolute.
        create: Make the directory if it is not there.
    """

    def __init__(self, make_pool: Callable[[], SFTPPool], base: str, *, create: bool) -> None:
        super().__init__()
        self._make_pool = make_pool
        self._base = base or "."
        self._may_create = create
        self._pool: SFTPPool | None = None
        self._root: str | None = None
        self._inside: dict[str, None] = {}
        self._tasks: set[asyncio.Task[Any]] = set()

    @property
    def fingerprint(self) -> str | None:
        """Of the last host key that was refused."""
        return None if self._pool is None else self._pool.fingerprint

    # -- paths --------------------------------------------------------------------------------------------------------

    def full(self, path: str) -> str:
        """Return the server's name of a path."""
        return f"{self._base.rstrip('/')}/{path}" if path else self._base

    async def pool(self) -> SFTPPool:
        """Return the connections; the first call makes sure of the base directory."""
        if self._pool is None:
            self._pool = self._make_pool()
        if self._root is None:
            self._root = await self._pool.call(self._find_root)
        return self._pool

    async def call(self, operation: Callable[[Link], Awaitable[T]], *, again: bool = True) -> T:
        """Run an operation on some connection."""
        return await (await self.pool()).call(operation, again=again)

    async def _find_root(self, link: Link) -> str:
        for attempt in (0, 1):
            with suppress(SFTPNoSuchFile):
                if (await link.sftp.stat(self._base)).permissions is not None:
                    return str(await link.sftp.realpath(self._base))
            if attempt or not self._may_create:
                break
            with suppress(SFTPError):
                await link.sftp.makedirs(self._base, exist_ok=True)
        raise MissingPlaceError("the base directory is not there")

    def contained(self, real: object, path: str) -> None:
        """Raise unless a real path lies below the real root.

        Raises:
            InvalidKeyError: A symbolic link leads out.
        """
        root = (self._root or "/").rstrip("/")
        text = real if isinstance(real, str) else str(real)
        if text != (root or "/") and not text.startswith(root + "/"):
            raise InvalidKeyError(f"Path escapes base directory: a symbolic link in {path!r} leads out")

    async def check_directory(self, link: Link, folder: str) -> None:
        """Make sure, once, that a directory really lies below the root; one that is not there does."""
        if not folder or folder in self._inside:
            return
        try:
            real = await link.sftp.realpath(self.full(folder))
        except SFTPNoSuchFile:
            await self.check_directory(link, parent(folder))
            return
        self.contained(real, folder)
        if len(self._inside) >= REMEMBERED:
            self._inside.clear()
        self._inside[folder] = None

    def later(self, work: Awaitable[object]) -> None:
        """Do something that nobody waits for, such as closing a handle."""

        async def quietly() -> None:
            with suppress(Exception):
                await asyncio.wait_for(work, 10)

        task = asyncio.ensure_future(quietly())
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    # -- reading ------------------------------------------------------------------------------------------------------

    async def _stat(self, path: str, version: str | None) -> Entry:
        async def ask(link: Link) -> Entry:
            full = self.full(path)
            attrs, real = await both(link.sftp.stat(full), link.sftp.realpath(full))
            self.contained(real, path)
            return entry_of(path.rpartition("/")[2], attrs)

        return await self.call(ask)

    async def _scan(self, path: str) -> Sequence[Entry]:
        async def ask(link: Link) -> Sequence[Entry]:
            await self.check_directory(link, path)
            try:
                found = await link.sftp.readdir(self.full(path))
            except SFTPFailure:
                await self._must_be_directory(link, path)
                raise
            entries = [entry_of(str(name.filename), name.attrs) for name in found if name.filename not in {".", ".."}]
            links = {entry.name for entry in entries if entry.kind == "other"}
            if links:
                names = {str(name.filename) for name in found if stat.S_ISLNK(name.attrs.permissions or 0)}
                entries = [entry for entry in entries if entry.name not in names]
                entries += await self._followed(link, path, sorted(names))
            return entries

        return await self.call(ask)

    async def _followed(self, link: Link, folder: str, names: Sequence[str]) -> list[Entry]:
        """Describe links to files inside the tree; those to directories are not walked, as they may lead in a circle."""
        gate = asyncio.Semaphore(32)

        async def follow(name: str) -> Entry | None:
            full = self.full(f"{folder}/{name}" if folder else name)
            async with gate:
                with suppress(SFTPError, InvalidKeyError):
                    attrs, real = await both(link.sftp.stat(full), link.sftp.realpath(full))
                    self.contained(real, name)
                    entry = entry_of(name, attrs)
                    return entry if entry.kind == "file" else None
            return None

        found = await asyncio.gather(*(follow(name) for name in names))
        return [entry for entry in found if entry is not None]

    async def _open(self, path: str, version: str | None, whole: bool) -> Reader:
        pool = await self.pool()
        for again in (True, False):
            link = await pool.acquire()
            try:
                return await pool.bounded(link, self._open_on(link, path, whole=whole))
            except LOST:
                pool.release(link)
                if not again:
                    raise
            except BaseException:
                pool.release(link)
                raise
        raise AssertionError  # pragma: no cover  # the loop returns or raises

    async def _open_on(self, link: Link, path: str, *, whole: bool) -> SFTPReader:
        full = self.full(path)
        file, real = await both(link.sftp.open(full, FXF_READ, encoding=None), link.sftp.realpath(full))
        try:
            self.contained(real, path)
            first = b""
            if whole:
                attrs, first = await both(file.stat(), _first_bytes(file))
            else:
                attrs = await file.stat()
            entry = entry_of(path.rpartition("/")[2], attrs)
            if entry.kind != "file":
                raise NotFoundError(f"nothing at {path!r}")
        except BaseException:
            self.later(file.close())
            raise
        return SFTPReader(self, link, file, path, entry, first)

    # -- writing ------------------------------------------------------------------------------------------------------

    async def _create(self, path: str, size: int | None, options: PutOptions) -> Writer:
        return SFTPWriter(self, path)

    async def open_new(self, link: Link, path: str, temporary: str) -> Any:
        """Open a temporary file beside a path, parents made."""
        await self.check_directory(link, parent(path))
        try:
            return await link.sftp.open(self.full(temporary), FXF_WRITE | FXF_CREAT | FXF_EXCL, encoding=None)
        except SFTPNoSuchFile:
            await self.make_parents(link, parent(path))
            return await link.sftp.open(self.full(temporary), FXF_WRITE | FXF_CREAT | FXF_EXCL, encoding=None)

    async def make_parents(self, link: Link, folder: str) -> None:
        """Make a directory and those above it; the base is not made again once it was there.

        Raises:
            NotDirectoryError: A file stands in the way.
            UnavailableError: The base directory is gone.
        """
        if not folder:
            try:
                await link.sftp.stat(self._base)
            except SFTPNoSuchFile as error:
                raise MissingPlaceError("the base directory is not there") from error
            return
        try:
            await link.sftp.mkdir(self.full(folder))
        except SFTPNoSuchFile:
            await self.make_parents(link, parent(folder))
            with suppress(SFTPFailure):  # another writer was quicker
                await link.sftp.mkdir(self.full(folder))
            await self._must_be_directory(link, folder)
        except SFTPFailure:
            await self._must_be_directory(link, folder)

    async def _must_be_directory(self, link: Link, folder: str) -> None:
        with suppress(SFTPNoSuchFile):
            attrs = await link.sftp.stat(self.full(folder))
            if stat.S_ISDIR(attrs.permissions or 0):
                return
        raise NotDirectoryError(f"a file stands where {folder!r} should be a directory")

    async def put_in_place(self, temporary: str, path: str, mode: Mode) -> None:
        """Rename over the old file, or only where none is; a lost answer is found out.

        Raises:
            AlreadyExistsError, IsDirectoryError: Something is there.
            UnavailableError: The answer was lost, and the server could not be asked what has happened.
        """
        pool, sent = await self.pool(), False

        async def rename(link: Link) -> None:
            nonlocal sent
            old, new = self.full(temporary), self.full(path)
            if sent and await self._has_happened(link, old, new, mode):
                return
            sent = True
            try:
                if mode == "create":
                    await self._rename_new(link, old, new)
                else:
                    await link.sftp.posix_rename(old, new)
            except SFTPOpUnsupported:
                await self._replace(link, old, new)
            except SFTPFailure:
                await self._explain(link, path, new, mode)
                raise

        give_up = float("inf")
        while True:
            try:
                await pool.call(rename)
            except (*LOST, TimeoutError) as error:
                if not sent:
                    raise
                now = time.monotonic()
                give_up = min(give_up, now + PATIENCE)
                if now >= give_up:
                    raise UnavailableError(
                        f"whether {path!r} was put in place is not known: {type(error).__name__}"
                    ) from error
                await asyncio.sleep(random.uniform(0.05, 0.2))  # noqa: S311  # spreads retries
            else:
                return

    async def _has_happened(self, link: Link, old: str, new: str, mode: Mode) -> bool:
        """Tell whether a rename whose answer was lost was done: the temporary name is gone, or both names are one file."""
        try:
            attrs = await link.sftp.lstat(old)
        except SFTPNoSuchFile:
            return True
        try:
            there = await link.sftp.lstat(new)
        except SFTPNoSuchFile:
            return False
        if mode != "create" or (there.size, there.mtime) != (attrs.size, attrs.mtime):
            return False
        # Done by a link, as OpenSSH does it, of which the second half is missing? A time set on one name then shows on the other.
        mark = int(time.time()) + random.randrange(1 << 24)  # noqa: S311
        await link.sftp.setstat(old, SFTPAttrs(atime=mark, mtime=attrs.mtime))
        if (await link.sftp.lstat(new)).atime != mark:
            return False
        self.later(link.sftp.remove(old))
        return True

    async def _rename_new(self, link: Link, old: str, new: str) -> None:
        """Rename unless the name is taken. OpenSSH does so by a link; of others we ask for the link ourselves."""
        version = str(link.connection.get_extra_info("server_version", ""))
        if "OpenSSH" not in version and link.sftp._handler._supports_hardlink:
            await link.sftp.link(old, new)
            self.later(link.sftp.remove(old))
            return
        await link.sftp.rename(old, new)

    async def _replace(self, link: Link, old: str, new: str) -> None:
        """Replace on a server without posix-rename: for a moment, readers find nothing."""
        try:
            await link.sftp.rename(old, new)
        except SFTPFailure:
            aside = f"{old}.old"
            await link.sftp.rename(new, aside)
            try:
                await link.sftp.rename(old, new)
            except BaseException:
                await link.sftp.rename(aside, new)
                raise
            self.later(link.sftp.remove(aside))

    async def _explain(self, link: Link, path: str, new: str, mode: str) -> None:
        """Say why a rename failed: SFTP 3 has one code for everything."""
        try:
            attrs = await link.sftp.lstat(new)
        except SFTPNoSuchFile:
            return
        if mode == "create":
            raise AlreadyExistsError(f"{path!r} already exists")
        if stat.S_ISDIR(attrs.permissions or 0):
            raise IsDirectoryError(f"a directory stands at {path!r}")

    async def _remove(self, path: str, if_match: str | None) -> bool:
        lost = False

        async def remove(link: Link) -> bool:
            nonlocal lost
            again, lost = lost, True
            await self.check_directory(link, parent(path))
            try:
                await link.sftp.remove(self.full(path))
            except SFTPNoSuchFile:
                if again:
                    return True
                raise
            except SFTPError:
                attrs = await link.sftp.lstat(self.full(path))
                if stat.S_ISDIR(attrs.permissions or 0):
                    return False
                raise
            return True

        return await self.call(remove)

    async def _make_directory(self, path: str) -> None:
        async def make(link: Link) -> None:
            await self.check_directory(link, path)
            await self.make_parents(link, path)

        await self.call(make)

    async def _remove_directory(self, path: str) -> bool:
        async def remove(link: Link) -> bool:
            await self.check_directory(link, parent(path))
            try:
                await link.sftp.rmdir(self.full(path))
            except SFTPFailure:
                attrs = await link.sftp.lstat(self.full(path))
                if not stat.S_ISDIR(attrs.permissions or 0):
                    return False
                raise IsDirectoryError(f"the directory {path!r} is not empty") from None
            return True

        self._inside.clear()
        return await self.call(remove)

    async def _move(self, src: str, dst: str, mode: Mode) -> None:
        async def prepare(link: Link) -> None:
            await self.check_directory(link, parent(src))
            await self.check_directory(link, parent(dst))
            if parent(dst) != parent(src):
                await self.make_parents(link, parent(dst))

        await self.call(prepare)
        self._inside.clear()
        await self.put_in_place(src, dst, mode)

    async def _copy(self, src: str, dst: str, mode: Mode) -> Entry:
        """Copy by the server's own copy-data where it has that, else through here."""
        writer = SFTPWriter(self, dst)
        reader = await self._open(src, None, False)
        assert isinstance(reader, SFTPReader)
        try:
            await writer.fill(reader)
            return await writer._publish(mode, None)
        except BaseException:
            await writer._abort()
            raise
        finally:
            await reader._close()

    async def _set_modified(self, path: str, modified: datetime) -> None:
        seconds = int(modified.timestamp())

        async def change(link: Link) -> None:
            full = self.full(path)
            attrs, real = await both(link.sftp.stat(full), link.sftp.realpath(full))
            self.contained(real, path)
            if not stat.S_ISREG(attrs.permissions or 0):
                raise NotFoundError(f"nothing at {path!r}")
            await link.sftp.setstat(full, SFTPAttrs(atime=seconds, mtime=seconds))

        await self.call(change)

    async def _close(self) -> None:
        for task in list(self._tasks):
            with suppress(Exception):
                await asyncio.wait_for(asyncio.shield(task), 2)
        if self._pool is not None:
            await self._pool.close()


async def _first_bytes(file: Any) -> bytes:
    try:
        return await read_blocks(file, 0, SPECULATIVE)
    except SFTPError:  # a directory, for one: what the handle is, its attributes will tell
        return b""
