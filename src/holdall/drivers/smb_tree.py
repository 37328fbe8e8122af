"""A directory on an SMB share as a `Tree`.

No handle outlives a call: a piece of a file is read by opening it, and checked to be of the file that was described; a piece is
written by opening the temporary file. So nobody is locked out for long, nothing is left where a result is dropped, and what
broke with a connection is done again. A write ends with the protocol's rename, which replaces or, for ``create``, refuses.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager, suppress
from datetime import datetime
from typing import Any, TypeVar

import smbclient
from smbclient._io import SMBFileIO, SMBFileTransaction, SMBRawIO, set_info
from smbprotocol.file_info import FileRenameInformation
from smbprotocol.open import CreateOptions, FilePipePrinterAccessMask

from holdall.core.options import PutOptions
from holdall.drivers.smb_entries import BUSY_TARGET, busily, entry_of, is_absent, moment, status_of
from holdall.drivers.smb_pool import Link, SMBPool, is_lost
from holdall.drivers.tree import BlockingReader, BlockingTree, BlockingWriter, Entry, Mode, Reader, Writer, beside, parent
from holdall.errors import (
    IntegrityError,
    IsDirectoryError,
    NotDirectoryError,
    NotFoundError,
    PreconditionError,
)
from holdall.results import CHUNK

__all__ = ["SMBTree"]

T = TypeVar("T")
PIECE = 4 * CHUNK
"""Bytes that are read or written with one opening of a file."""
_NO_PARENT = {0xC0000034, 0xC000003A, 0xC0000103, 0xC0000035}  # name or path not found, no directory, name collision


class SMBTree(BlockingTree):
    """The files below one directory of a share.

    Args:
        pool: The connections.
        base: The directory, ``""`` for the share itself.
        create: Make the directory if it is not there.
    """

    def __init__(self, pool: SMBPool, base: str, *, create: bool) -> None:
        self._pool = pool
        self._base = base
        self._may_create = create
        self.workers = pool.limit

    def name(self, path: str) -> str:
        """Return the name of a path within the share."""
        return "/".join(part for part in (self._base, path) if part).replace("/", "\\")

    def full(self, path: str) -> str:
        """Return the UNC name of a path."""
        account = self._pool.account
        return f"\\\\{account.host}\\{account.share}\\{self.name(path)}".rstrip("\\")

    # -- reading ------------------------------------------------------------------------------------------------------

    def stat(self, path: str, version: str | None = None) -> Entry:
        """Describe a file or directory. See `Tree.stat`."""
        try:
            return self._stat(path)
        except OSError as error:
            if path or not self._may_create or not is_absent(error):
                raise
            self._make(path)
            return self._stat(path)

    def _stat(self, path: str) -> Entry:
        found = self._pool.call(lambda link: smbclient.stat(self.full(path), follow_symlinks=False, **link.options))
        name, modified = path.rpartition("/")[2], moment(found.st_mtime_ns)
        return entry_of(name, found.st_size, modified, found.st_file_attributes, found.st_reparse_tag)

    def scan(self, path: str) -> Sequence[Entry]:
        """Return what a directory holds. See `Tree.scan`."""

        def ask(link: Link) -> Sequence[Entry]:
            with smbclient.scandir(self.full(path), **link.options) as found:
                return [
                    entry_of(item.file_name, item.end_of_file, item.last_write_time, item.file_attributes, item.ea_size)
                    for item in (each.smb_info for each in found)
                ]

        return self._pool.call(ask)

    def open(self, path: str, version: str | None = None, *, whole: bool = False) -> Reader:
        """Open a file for reading. See `Tree.open`."""

        def begin(link: Link) -> Reader:
            with opened(self.full(path), link, "r", "rwd") as file:
                entry = _described(path, file)
                start = _read(file, 0, entry.size) if whole and entry.size <= CHUNK else b""
                return _Reader(self, path, entry, start)

        try:
            return busily(lambda: self._pool.call(begin))
        except OSError as error:
            if status_of(error) == 0xC00000BA:  # a directory
                raise NotFoundError(f"nothing at {path!r}") from error
            raise

    def call(self, operation: Callable[[Link], T]) -> T:
        """Run an operation that may be run twice on some connection."""
        return self._pool.call(operation)

    # -- writing ------------------------------------------------------------------------------------------------------

    def create(self, path: str, size: int | None, options: PutOptions) -> Writer:
        """Begin a file. See `Tree.create`."""
        return _Writer(self, path)

    def _make(self, path: str) -> None:
        """Make a directory and those above it; one that is there is fine."""

        def make(link: Link) -> None:
            smbclient.makedirs(self.full(path), exist_ok=True, **link.options)

        if self.name(path):
            self._pool.call(make)

    def make_parents(self, folder: str) -> None:
        """Make a directory and those above it.

        Raises:
            NotDirectoryError: A file stands in the way.
        """
        for _ in range(2):
            with suppress(OSError):
                if self._stat(folder).kind == "directory":
                    return
            try:
                self._make(folder)
            except OSError as error:
                if status_of(error) in _NO_PARENT:
                    raise NotDirectoryError(f"a file stands where {folder!r} should be a directory") from error
                raise
        raise NotDirectoryError(f"a file stands where {folder!r} should be a directory")

    def put_in_place(self, temporary: str, path: str, mode: Mode) -> None:
        """Rename over the old file, or refuse to if there must be none.

        Raises:
            IsDirectoryError: A directory is there.
            AlreadyExistsError: ``mode="create"`` and something is there.
        """
        try:
            busily(lambda: self._rename(temporary, path, replace=mode != "create"), BUSY_TARGET)
        except OSError as error:
            if is_lost(error) and self._gone(temporary):
                return
            if mode != "create" and self._is_directory(path):
                raise IsDirectoryError(f"a directory stands at {path!r}") from error
            raise
        except Exception as error:
            if is_lost(error) and self._gone(temporary):
                return
            raise

    def _rename(self, src: str, dst: str, *, replace: bool) -> None:
        with self._pool.lent() as link:
            raw = SMBRawIO(
                self.full(src),
                mode="r",
                share_access="rwd",
                desired_access=FilePipePrinterAccessMask.DELETE,
                create_options=CreateOptions.FILE_OPEN_REPARSE_POINT,
                **link.options,
            )
            with SMBFileTransaction(raw) as transaction:
                about = FileRenameInformation()
                about["replace_if_exists"] = replace
                about["file_name"] = self.name(dst)
                set_info(transaction, about)

    def _is_directory(self, path: str) -> bool:
        with suppress(OSError):
            return self._stat(path).kind == "directory"
        return False

    def _gone(self, path: str) -> bool:
        """Tell whether a temporary file is not there: its renaming was done, though nobody heard of it."""
        try:
            self._stat(path)
        except OSError as error:
            return is_absent(error)
        return False

    def remove(self, path: str, if_match: str | None = None) -> bool:
        """Remove a file. See `Tree.remove`."""
        if self._stat(path).kind == "directory":
            return False
        busily(lambda: self._pool.call(lambda link: smbclient.remove(self.full(path), **link.options)))
        return True

    def discard(self, path: str) -> None:
        """Remove a temporary file, if it can be."""
        with suppress(Exception):
            self._pool.call(lambda link: smbclient.remove(self.full(path), **link.options))

    def make_directory(self, path: str) -> None:
        """Make a directory. See `Tree.make_directory`."""
        self.make_parents(path)

    def remove_directory(self, path: str, if_match: str | None = None) -> bool:
        """Remove an empty directory. See `Tree.remove_directory`."""
        if self._stat(path).kind != "directory":
            return False
        busily(lambda: self._pool.call(lambda link: smbclient.rmdir(self.full(path), **link.options)))
        return True

    def move(self, src: str, dst: str, mode: Mode) -> None:
        """Rename a file or directory. See `Tree.move`."""
        self.make_parents(parent(dst))
        self.put_in_place(src, dst, mode)

    def set_modified(self, path: str, modified: datetime) -> None:
        """Set a file's time of last modification. See `Tree.set_modified`."""
        micros = round(modified.timestamp() * 1_000_000)
        self._pool.call(lambda link: smbclient.utime(self.full(path), ns=(micros * 1000, micros * 1000), **link.options))

    def close(self) -> None:
        """Let go of connections; idempotent."""
        self._pool.close()


class _Reader(BlockingReader):
    """One file, opened for each piece."""

    parallel = 4

    def __init__(self, tree: SMBTree, path: str, entry: Entry, start: bytes) -> None:
        self._tree = tree
        self._path = path
        self._start = start
        self.entry = entry

    def chunks(self, start: int, end: int) -> Generator[bytes]:
        """Iterate over the bytes of ``[start, end)``. See `Reader.chunks`."""
        if end <= len(self._start):
            if end > start:
                yield self._start[start:end]
            return
        while start < end:
            piece = self._piece(start, min(start + PIECE, end))
            for at in range(0, len(piece), CHUNK):
                yield piece[at : at + CHUNK]
            start += len(piece)

    def _piece(self, start: int, end: int) -> bytes:
        def ask(link: Link) -> bytes:
            with opened(self._tree.full(self._path), link, "r", "rwd") as file:
                now = _described(self._path, file)
                if (now.size, now.etag) != (self.entry.size, self.entry.etag):
                    raise PreconditionError(f"{self._path!r} was replaced while it was being read", kind="changed")
                return _read(file, start, end)

        return busily(lambda: self._tree.call(ask))

    def close(self) -> None:
        """Nothing is open."""


class _Writer(BlockingWriter):
    """A file under a temporary name in the same directory, opened for each piece."""

    def __init__(self, tree: SMBTree, path: str) -> None:
        self._tree = tree
        self._path = path
        self._temporary = beside(path)
        self._waiting = bytearray()
        self._size = 0
        self._begun = False

    def write(self, chunk: bytes) -> None:
        """Append bytes. See `Writer.write`."""
        self._waiting += chunk
        if len(self._waiting) >= PIECE:
            self._flush()

    def _flush(self) -> None:
        tree, data, offset = self._tree, bytes(self._waiting), self._size
        first, self._begun = not self._begun, True

        def store(link: Link) -> None:
            with opened(tree.full(self._temporary), link, "w" if first else "r+", "d") as file:
                file.seek(offset)
                view = memoryview(data)
                while view:
                    view = view[file.write(view) :]

        try:
            tree.call(store)
        except OSError as error:
            if not first or status_of(error) not in _NO_PARENT:
                raise
            tree.make_parents(parent(self._path))
            tree.call(store)
        self._size += len(data)
        self._waiting.clear()

    def publish(self, mode: Mode, if_match: str | None) -> Entry:
        """Make the whole file appear. See `Writer.publish`."""
        if self._waiting or not self._begun:
            self._flush()
        entry = self._tree.stat(self._temporary)
        if entry.size != self._size:
            raise IntegrityError(f"{self._path!r}: the share holds {entry.size} bytes of {self._size} written")
        self._tree.put_in_place(self._temporary, self._path, mode)
        self._begun = False
        return Entry(
            name=self._path.rpartition("/")[2], size=entry.size, modified=entry.modified, etag=entry.etag, kind=entry.kind
        )

    def abort(self) -> None:
        """Remove what was written. See `Writer.abort`."""
        if self._begun:
            self._begun = False
            self._tree.discard(self._temporary)


@contextmanager
def opened(full: str, link: Link, mode: str, share: str) -> Generator[SMBFileIO]:
    """Open a file for the while of one request; ``share`` says what others may do with it meanwhile."""
    file = SMBFileIO(full, mode=mode, share_access=share, **link.options)
    file.open()
    try:
        yield file
        file.close()
    finally:
        if not file.closed:  # what broke also broke the closing: the server closes it with the connection
            with suppress(Exception):
                file.close()
            file.fd._connected = False


def _described(path: str, file: SMBFileIO) -> Entry:
    about: Any = file.fd
    return entry_of(path.rpartition("/")[2], about.end_of_file, about.last_write_time, about.file_attributes)


def _read(file: SMBFileIO, start: int, end: int) -> bytes:
    """Return the bytes of ``[start, end)``, fewer where the file ends."""
    file.seek(start)
    data = bytearray()
    while len(data) < end - start:
        block = file.read(end - start - len(data))
        if not block:
            raise PreconditionError("the file became shorter while it was being read", kind="changed")
        data += block
    return bytes(data)
