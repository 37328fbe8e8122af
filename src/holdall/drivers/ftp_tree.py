"""A directory on an FTP server as a `Tree` (standard library).

A write goes to a temporary name in the same directory (``STOR``), is checked for its size, and renamed over the old file
(``RNFR``/``RNTO``); on a server that does not replace, the old file is deleted first, and for a moment readers find nothing.
A 550 may mean missing or forbidden: the listing of the parent tells which.
"""

from __future__ import annotations

import ftplib
import socket
from collections.abc import Callable, Generator, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from typing import TypeVar

from holdall.core.options import PutOptions
from holdall.drivers.ftp_listing import entry_of_facts, entry_of_line, facts_of, moment
from holdall.drivers.ftp_pool import Connection, FTPPool, code_of, is_lost
from holdall.drivers.tree import BlockingReader, BlockingTree, BlockingWriter, Entry, Mode, Reader, Writer, beside, parent
from holdall.errors import (
    IntegrityError,
    IsDirectoryError,
    MissingPlaceError,
    NotDirectoryError,
    NotFoundError,
    NotSupportedError,
    PermissionDeniedError,
    StorageFullError,
    UnavailableError,
)
from holdall.results import CHUNK

__all__ = ["FTPTree"]

T = TypeVar("T")
BLOCK = 64 * 1024
BUFFER = 256 * 1024
"""Bytes collected before a connection is taken for a write."""
ATTEMPTS = 8
"""How often a small file is read again that was replaced between its description and its bytes."""


class FTPTree(BlockingTree):
    """The files below one directory of a server."""

    workers = 4

    def __init__(self, pool: FTPPool, base: str, *, create: bool) -> None:
        self.pool = pool
        self._base = base.rstrip("/") if base != "/" else ""
        self._root: str | None = "" if base.startswith("/") else None
        self._may_create = create
        self._ready = False

    # -- paths --------------------------------------------------------------------------------------------------------

    def full(self, connection: Connection, path: str) -> str:
        """Return the server's name of a path."""
        if self._root is None:  # relative to the login directory, which every login shares
            self._root = connection.home.rstrip("/")
        base = self._base if self._base.startswith("/") else f"{self._root}/{self._base}".rstrip("/")
        return f"{base}/{path}" if path else base or "/"

    def make_ready(self) -> None:
        """Make sure, once, that the base directory is there."""
        if not self._ready:
            self.pool.call(self._find_root)
            self._ready = True

    def call(self, operation: Callable[[Connection], T]) -> T:
        """Run an operation on some connection, the base directory being there."""
        self.make_ready()
        return self.pool.call(operation)

    def _find_root(self, connection: Connection) -> None:
        base = self.full(connection, "")
        for attempt in (0, 1):
            with suppress(ftplib.error_perm):
                if "MLST" in connection.features:
                    connection.ftp.sendcmd(f"MLST {base}")
                else:
                    connection.ftp.cwd(base)
                return
            if not attempt and self._may_create:
                parts = base.strip("/").split("/")
                for i in range(len(parts)):
                    with suppress(ftplib.error_perm):
                        connection.ftp.mkd("/" + "/".join(parts[: i + 1]))
        raise MissingPlaceError("the base directory is not there")

    # -- describing ---------------------------------------------------------------------------------------------------

    def describe(self, connection: Connection, path: str, *, again: bool = False) -> Entry:
        """Describe a file or directory on this connection; ``again`` says that it was missed a moment ago.

        Raises:
            NotFoundError: The listing of its parent says so too.
            PermissionDeniedError: It is listed, but not described.
        """
        name, full = path.rpartition("/")[2], self.full(connection, path)
        try:
            if "MLST" in connection.features:
                for line in connection.ftp.sendcmd(f"MLST {full}").splitlines()[1:-1]:
                    entry = entry_of_facts(name, facts_of(line.strip())[0])
                    if entry is None:  # "cdir": the answer about a directory
                        return Entry(name=name, kind="directory", modified=moment(facts_of(line.strip())[0].get("modify")))
                    return entry
            return self._describe_plainly(connection, name, full)
        except ftplib.error_perm as error:
            if code_of(error) not in {550, 553}:
                raise
            found = self.why(connection, path, error)
            if not again and isinstance(found, PermissionDeniedError):
                # Listed but not described: another connection may have made it between the two questions.
                return self.describe(connection, path, again=True)
            raise found from error

    def _describe_plainly(self, connection: Connection, name: str, full: str) -> Entry:
        """Describe without facts: ``SIZE`` is for files, ``CWD`` for directories."""
        try:
            size = int(connection.ftp.sendcmd(f"SIZE {full}")[4:].split()[0])
        except ftplib.error_perm as error:
            if code_of(error) not in {550, 553}:
                raise
            connection.ftp.cwd(full)
            return Entry(name=name, kind="directory")
        modified = None
        with suppress(ftplib.error_perm):
            modified = moment(connection.ftp.sendcmd(f"MDTM {full}")[4:].strip())
        return Entry(name=name, size=size, modified=modified)

    def why(self, connection: Connection, path: str, error: Exception) -> Exception:
        """Return what a 550 means: the nearest directory that can be listed knows."""
        at = path
        while at:
            folder, _, name = at.rpartition("/")
            try:
                kinds = {entry.name: entry.kind for entry in self.entries(connection, folder)}
            except ftplib.error_perm:
                at = folder
                continue
            if name in kinds and (at == path or kinds[name] == "directory"):
                return PermissionDeniedError(f"no permission for {at!r}: {str(error)[4:]}")
            return NotFoundError(f"nothing at {path!r}")
        return UnavailableError("the base directory cannot be listed")

    def entries(self, connection: Connection, path: str) -> list[Entry]:
        """List a directory on this connection; raise ftplib's error if it cannot be."""
        full = self.full(connection, path)
        if "MLSD" in connection.features or "MLST" in connection.features:
            lines = connection.lines(f"MLSD {full}")
            found = [entry_of_facts(name, facts) for facts, name in map(facts_of, lines)]
        else:
            connection.ftp.cwd(full)  # a path beside LIST may be read as a pattern or an option
            try:
                lines = connection.lines("LIST -a")
            except ftplib.error_perm:
                lines = connection.lines("LIST")
            found = [entry_of_line(line) for line in lines]
        return [entry for entry in found if entry is not None]

    # -- reading ------------------------------------------------------------------------------------------------------

    def stat(self, path: str, version: str | None = None) -> Entry:
        """Describe a file or directory. See `Tree.stat`."""
        return self.call(lambda connection: self.describe(connection, path))

    def scan(self, path: str) -> Sequence[Entry]:
        """Return what a directory holds. See `Tree.scan`."""

        def scan(connection: Connection) -> Sequence[Entry]:
            try:
                return self.entries(connection, path)
            except ftplib.error_perm as error:
                if code_of(error) not in {501, 550, 553}:
                    raise
                if path and self.describe(connection, path).kind != "directory":
                    raise NotDirectoryError(f"a file stands at {path!r}") from error
                raise PermissionDeniedError(f"the directory {path!r} cannot be listed: {str(error)[4:]}") from error

        return self.call(scan)

    def open(self, path: str, version: str | None = None, *, whole: bool = False) -> Reader:
        """Open a file for reading. See `Tree.open`.

        No connection is kept until bytes are asked for. A small file is fetched at once, so that it and its description
        are of one version.
        """

        def read(connection: Connection) -> FTPReader:
            for _ in range(ATTEMPTS):
                entry = self.describe(connection, path)
                if entry.kind != "file":
                    raise NotFoundError(f"nothing at {path!r}")
                if not whole or entry.size > CHUNK:
                    return FTPReader(self, path, entry, None)
                data = bytearray()
                with connection.transfer(f"RETR {self.full(connection, path)}") as stream:
                    while block := stream.recv(BLOCK):
                        data += block
                        if len(data) > CHUNK:
                            break
                if len(data) == entry.size:
                    return FTPReader(self, path, entry, bytes(data))
            raise UnavailableError(f"{path!r} changes all the time")

        return self.call(read)

    # -- writing ------------------------------------------------------------------------------------------------------

    def create(self, path: str, size: int | None, options: PutOptions) -> Writer:
        """Begin a file. See `Tree.create`."""
        return FTPWriter(self, path)

    def make_parents(self, connection: Connection, folder: str) -> None:
        """Make a directory and those above it.

        Raises:
            NotDirectoryError: A file stands in the way.
        """
        if not folder:
            return
        try:
            connection.ftp.mkd(self.full(connection, folder))
        except ftplib.error_perm as error:
            try:
                entry = self.describe(connection, folder)
            except NotFoundError:
                if not parent(folder):
                    raise error from None
                self.make_parents(connection, parent(folder))
                with suppress(ftplib.error_perm):  # another writer was quicker
                    connection.ftp.mkd(self.full(connection, folder))
                entry = self.describe(connection, folder)
            if entry.kind != "directory":
                raise NotDirectoryError(f"a file stands where {folder!r} should be a directory") from error

    def put_in_place(self, old: str, new: str) -> None:
        """Rename over the old file; a lost answer is found out.

        Raises:
            IsDirectoryError: A directory is there.
        """
        first = True

        def rename(connection: Connection) -> None:
            nonlocal first
            if not first:
                try:
                    self.describe(connection, old)
                except NotFoundError:
                    return  # the rename whose answer was lost has happened
            first = False
            source, target = self.full(connection, old), self.full(connection, new)
            try:
                connection.ftp.rename(source, target)
            except ftplib.error_perm as error:
                entry = self.describe(connection, new)
                if entry.kind != "file":
                    raise IsDirectoryError(f"a directory stands at {new!r}") from error
                self.describe(connection, old)
                connection.ftp.delete(target)  # this server renames only to free names
                connection.ftp.rename(source, target)

        self.call(rename)

    def remove(self, path: str, if_match: str | None = None) -> bool:
        """Remove a file. See `Tree.remove`."""
        lost = False

        def remove(connection: Connection) -> bool:
            nonlocal lost
            again, lost = lost, True
            try:
                connection.ftp.delete(self.full(connection, path))
            except ftplib.error_perm as error:
                if code_of(error) not in {550, 553}:
                    raise
                try:
                    if self.describe(connection, path).kind == "directory":
                        return False
                except NotFoundError:
                    if again:
                        return True
                    raise
                raise PermissionDeniedError(f"no permission to delete {path!r}: {str(error)[4:]}") from error
            return True

        return self.call(remove)

    def make_directory(self, path: str) -> None:
        """Make a directory. See `Tree.make_directory`."""
        self.call(lambda connection: self.make_parents(connection, path))

    def remove_directory(self, path: str, if_match: str | None = None) -> bool:
        """Remove an empty directory. See `Tree.remove_directory`."""

        def remove(connection: Connection) -> bool:
            if self.describe(connection, path).kind != "directory":
                return False
            if self.entries(connection, path):  # some servers remove what a directory holds
                raise IsDirectoryError(f"the directory {path!r} is not empty")
            connection.ftp.rmd(self.full(connection, path))
            return True

        return self.call(remove)

    def move(self, src: str, dst: str, mode: Mode) -> None:
        """Rename a file or directory. See `Tree.move`."""
        if parent(dst) != parent(src):
            self.call(lambda connection: self.make_parents(connection, parent(dst)))
        self.put_in_place(src, dst)

    def set_modified(self, path: str, modified: datetime) -> None:
        """Set a file's time of last modification (``MFMT``). See `Tree.set_modified`."""

        def change(connection: Connection) -> None:
            if self.describe(connection, path).kind != "file":
                raise NotFoundError(f"nothing at {path!r}")
            if "MFMT" not in connection.features:
                raise NotSupportedError("this server cannot set times (MFMT)")
            stamp = modified.astimezone(UTC).strftime("%Y%m%d%H%M%S")
            connection.ftp.voidcmd(f"MFMT {stamp} {self.full(connection, path)}")

        self.call(change)

    def close(self) -> None:
        """Let go of connections; idempotent."""
        self.pool.close()


class FTPReader(BlockingReader):
    """Bytes of one file; a connection is taken when they are first asked for, and given back at the end."""

    def __init__(self, tree: FTPTree, path: str, entry: Entry, data: bytes | None) -> None:
        self._tree = tree
        self._path = path
        self.entry = entry
        self._data = data

    def chunks(self, start: int, end: int) -> Generator[bytes]:
        """Iterate over the bytes of ``[start, end)``. See `Reader.chunks`."""
        if self._data is not None:
            yield self._data[start:end]
            return
        pool = self._tree.pool
        connection = pool.acquire()
        wanted = end - start
        try:
            command = f"RETR {self._tree.full(connection, self._path)}"
            try:
                data = connection.ftp.transfercmd(command, start or None)
            except Exception as error:
                if not is_lost(error):
                    raise
                connection.broken = True
                pool.release(connection)
                pool.mistrust()
                connection = pool.acquire()
                data = connection.ftp.transfercmd(command, start or None)
            connection.broken = True  # until the transfer has ended well
            try:
                data.settimeout(pool.account.timeout)
                while wanted > 0 or end == self.entry.size:
                    block = data.recv(BLOCK)
                    if not block:
                        break
                    if end != self.entry.size:
                        block = block[:wanted]
                    wanted -= len(block)
                    yield block
                if wanted <= 0:
                    connection.broken = not self._ended(connection, data, early=end != self.entry.size)
                else:
                    connection.ftp.voidresp()
            finally:
                data.close()
        finally:
            pool.release(connection)

    def _ended(self, connection: Connection, data: socket.socket, *, early: bool) -> bool:
        """End a transfer; tell whether the connection can be used again."""
        if not early:
            connection.finish(data)
            return True
        data.close()
        try:
            connection.ftp.voidresp()
        except ftplib.error_temp:
            return True  # 426: the server noticed that we had enough
        except (ftplib.Error, OSError, EOFError):
            return False
        return True

    def close(self) -> None:
        """Nothing is held between reads."""


class FTPWriter(BlockingWriter):
    """A file under a temporary name; small ones take a connection only when they are complete."""

    def __init__(self, tree: FTPTree, path: str) -> None:
        self._tree = tree
        self._path = path
        self._temporary = beside(path)
        self._buffer = bytearray()
        self._size = 0
        self._connection: Connection | None = None
        self._data: socket.socket | None = None
        self._begun = False

    def write(self, chunk: bytes) -> None:
        """Append bytes. See `Writer.write`."""
        self._buffer += chunk
        if len(self._buffer) > BUFFER:
            self._flush()

    def publish(self, mode: Mode, if_match: str | None) -> Entry:
        """Make the whole file appear. See `Writer.publish`."""
        self._flush()
        connection, data = self._connection, self._data
        assert connection is not None
        assert data is not None
        self._data = None
        self._explained(lambda: connection.finish(data))
        connection.broken = False
        temporary = self._tree.describe(connection, self._temporary)
        if temporary.size != self._size:
            raise IntegrityError(f"{self._path!r}: the server holds {temporary.size} bytes of {self._size} sent")
        self._release()
        self._tree.put_in_place(self._temporary, self._path)
        self._begun = False
        return Entry(name=self._path.rpartition("/")[2], size=self._size, modified=temporary.modified, etag=temporary.etag)

    def abort(self) -> None:
        """Remove what was written. See `Writer.abort`."""
        if self._data is not None:
            self._data.close()
            self._data = None
        self._release()
        if not self._begun:
            return
        self._begun = False
        with suppress(Exception):
            self._tree.call(lambda connection: connection.ftp.delete(self._tree.full(connection, self._temporary)))

    def _flush(self) -> None:
        if self._data is None:
            self._data = self._open()
        data, connection = self._data, self._connection
        assert connection is not None
        buffer, self._buffer = self._buffer, bytearray()
        for start in range(0, len(buffer), CHUNK):  # the timeout is for each piece
            piece = buffer[start : start + CHUNK]
            self._explained(lambda piece=piece: data.sendall(piece))  # type: ignore[misc]
        self._size += len(buffer)

    def _open(self) -> socket.socket:
        """Begin the transfer, the parents made if they are missing; before the first byte all may be tried again."""
        self._tree.make_ready()
        for again in (True, False):
            connection = self._connection = self._tree.pool.acquire()
            self._begun = True
            command = f"STOR {self._tree.full(connection, self._temporary)}"
            try:
                try:
                    data = connection.ftp.transfercmd(command)
                except ftplib.error_perm as error:
                    if code_of(error) in {452, 552}:
                        raise
                    self._tree.make_parents(connection, parent(self._path))
                    data = connection.ftp.transfercmd(command)
            except Exception as error:
                connection.broken = is_lost(error) or isinstance(error, OSError)
                self._release()
                if again and is_lost(error):
                    self._tree.pool.mistrust()
                    continue
                raise
            connection.broken = True  # until the transfer has ended well
            data.settimeout(self._tree.pool.account.timeout)
            return data
        raise AssertionError  # pragma: no cover  # the loop returns or raises

    def _explained(self, action: Callable[[], object]) -> None:
        """Send; where the server hung up in the middle, its last word says why."""
        try:
            action()
        except (OSError, ftplib.Error) as error:
            said = str(error)
            if isinstance(error, (BrokenPipeError, ConnectionError)) and self._connection is not None:
                try:
                    assert self._connection.ftp.sock is not None
                    self._connection.ftp.sock.settimeout(2.0)
                    self._connection.ftp.voidresp()
                except (OSError, EOFError, ftplib.Error) as last:
                    said = str(last)
            if said[:3] in {"452", "552"} or "no space" in said.lower() or "quota" in said.lower():
                raise StorageFullError(f"no space left for {self._path!r}") from error
            raise

    def _release(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            self._tree.pool.release(connection)
