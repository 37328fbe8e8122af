"""One file on an SMB share, read and written: it is opened for each piece, so that nobody is locked out for long."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any

from smbclient._io import SMBFileIO

from holdall.drivers.smb_entries import NO_PARENT, busily, entry_of, status_of
from holdall.drivers.smb_pool import Link
from holdall.drivers.tree import BlockingReader, BlockingWriter, Entry, Mode, beside, parent
from holdall.errors import IntegrityError, PreconditionError
from holdall.results import CHUNK

if TYPE_CHECKING:
    from holdall.drivers.smb_tree import SMBTree

__all__ = ["FileReader", "FileWriter", "described", "opened", "read_range"]

PIECE = 4 * CHUNK
"""Bytes that are read or written with one opening of a file."""


class FileReader(BlockingReader):
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
                now = described(self._path, file)
                if (now.size, now.etag) != (self.entry.size, self.entry.etag):
                    raise PreconditionError(f"{self._path!r} was replaced while it was being read", kind="changed")
                return read_range(file, start, end)

        return busily(lambda: self._tree.call(ask))

    def close(self) -> None:
        """Nothing is open."""


class FileWriter(BlockingWriter):
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
            if not first or status_of(error) not in NO_PARENT:
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


def described(path: str, file: SMBFileIO) -> Entry:
    """Return what the server said of a file when it was opened."""
    about: Any = file.fd
    return entry_of(path.rpartition("/")[2], about.end_of_file, about.last_write_time, about.file_attributes)


def read_range(file: SMBFileIO, start: int, end: int) -> bytes:
    """Return the bytes of ``[start, end)``, fewer where the file ends."""
    file.seek(start)
    data = bytearray()
    while len(data) < end - start:
        block = file.read(end - start - len(data))
        if not block:
            raise PreconditionError("the file became shorter while it was being read", kind="changed")
        data += block
    return bytes(data)
