"""fsspec's local filesystem as a tree: what it lacks of atomic publishing is done by plain calls on its files."""

from __future__ import annotations

import errno
import os
import shutil
import stat as stat_bits
import threading
from collections.abc import Generator, Sequence
from contextlib import suppress
from datetime import datetime
from typing import Any

from holdall.core.options import PutOptions
from holdall.drivers.fsspec_blocking import BlockingFiles
from holdall.drivers.fsspec_entries import entry_of_info
from holdall.drivers.fsspec_place import Place
from holdall.drivers.tree import BlockingReader, BlockingWriter, Entry, Mode, Reader, Writer, beside, parent
from holdall.errors import AlreadyExistsError, InvalidKeyError, IsDirectoryError, NotDirectoryError, NotFoundError
from holdall.results import CHUNK

__all__ = ["LocalFiles"]


class LocalFiles(BlockingFiles):
    """The files of a `LocalFileSystem`: plain files, so plain calls; links that leave the root are refused."""

    def __init__(self, place: Place) -> None:
        super().__init__(place)
        self._root = os.path.realpath(place.root)

    def real(self, path: str) -> str:
        """Return the local name of a path whose directory lies below the root, links followed.

        Raises:
            InvalidKeyError: A symbolic link leads out.
        """
        full = self.full(path)
        self._check(os.path.realpath(os.path.dirname(full)) if path else full, path)
        return full

    def _check(self, real: str, path: str) -> None:
        inside = self._root.rstrip(os.sep) + os.sep
        if path and real != self._root and not real.startswith(inside):
            raise InvalidKeyError(f"Path escapes base directory: a symbolic link in {path!r} leads out")

    def stat(self, path: str, version: str | None = None) -> Entry:
        """Describe a file or directory. See `Tree.stat`."""
        full = self.real(path)
        self._check(os.path.realpath(full), path)
        try:
            return entry_of_info(self.fs.info(full), name=path.rpartition("/")[2])
        except NotADirectoryError:
            raise NotFoundError(f"nothing at {path!r}") from None

    info = stat

    def scan(self, path: str) -> Sequence[Entry]:
        """Return what a directory holds; links are followed to files inside the root, not to directories. See `Tree.scan`."""
        entries: list[Entry] = []
        with os.scandir(self.real(path)) as found:
            for item in found:
                with suppress(OSError, InvalidKeyError):
                    if item.is_symlink():
                        self._check(os.path.realpath(item.path), item.name)
                        entry = entry_of_info(self.fs.info(item.path), name=item.name)
                        if entry.kind == "file":
                            entries.append(entry)
                    else:
                        entries.append(entry_of_info(self.fs.info(item.path), name=item.name))
        return entries

    def open(self, path: str, version: str | None = None, *, whole: bool = False) -> Reader:
        """Open a file for reading, and describe just that one. See `Tree.open`."""
        full = self.real(path)
        try:
            descriptor = os.open(full, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0))
        except NotADirectoryError:
            raise NotFoundError(f"nothing at {path!r}") from None
        reader = DescriptorReader(descriptor, path.rpartition("/")[2])
        try:
            self._check(os.path.realpath(full), path)
            if reader.entry.kind != "file":
                raise NotFoundError(f"nothing at {path!r}")
        except BaseException:
            reader.close()
            raise
        return reader

    def create(self, path: str, size: int | None, options: PutOptions) -> Writer:
        """Begin a file. See `Tree.create`."""
        return LocalWriter(self, path)

    def make_parents(self, folder: str) -> None:
        """Make a directory and those above it. See `BlockingFiles.make_parents`."""
        if folder:
            try:
                os.makedirs(self.real(folder), exist_ok=True)
            except (FileExistsError, NotADirectoryError) as error:
                raise NotDirectoryError(f"a file stands where {folder!r} should be a directory") from error

    def put_in_place(self, temporary: str, path: str, mode: Mode) -> None:
        """Rename over the old file, or link where none is. See `BlockingFiles.put_in_place`."""
        old, new = self.real(temporary), self.real(path)
        if mode != "create":
            os.replace(old, new)
        elif os.path.isdir(old) and not os.path.islink(old):
            if os.path.lexists(new):
                raise AlreadyExistsError(f"{path!r} already exists")
            os.rename(old, new)
        else:
            os.link(old, new, follow_symlinks=False)
            os.unlink(old)

    def remove(self, path: str, if_match: str | None = None) -> bool:
        """Remove a file. See `Tree.remove`."""
        full = self.real(path)
        try:
            os.unlink(full)
        except (IsADirectoryError, PermissionError):
            if os.path.isdir(full) and not os.path.islink(full):
                return False
            raise
        except NotADirectoryError:
            raise NotFoundError(f"nothing at {path!r}") from None
        return True

    def remove_directory(self, path: str, if_match: str | None = None) -> bool:
        """Remove an empty directory. See `Tree.remove_directory`."""
        try:
            os.rmdir(self.real(path))
        except NotADirectoryError:
            return False
        except OSError as error:
            if error.errno in {errno.ENOTEMPTY, errno.EEXIST}:
                raise IsDirectoryError(f"the directory {path!r} is not empty") from error
            raise
        return True

    def copy(self, src: str, dst: str, mode: Mode) -> Entry:
        """Copy a file. See `Tree.copy`."""
        reader = self.open(src)
        writer = LocalWriter(self, dst)
        try:
            assert isinstance(reader, DescriptorReader)
            writer.fill(reader)
            return writer.publish(mode, None)
        except BaseException:
            writer.abort()
            raise
        finally:
            reader.close()

    def set_modified(self, path: str, modified: datetime) -> None:
        """Set a file's time of last modification. See `Tree.set_modified`."""
        if self.stat(path).kind != "file":
            raise NotFoundError(f"nothing at {path!r}")
        seconds = modified.timestamp()
        os.utime(self.real(path), (seconds, seconds))


class DescriptorReader(BlockingReader):
    """One open descriptor: what it says of itself stays true when the file is replaced."""

    parallel = 4

    def __init__(self, descriptor: int, name: str) -> None:
        self.descriptor = descriptor
        self._moving = threading.Lock()
        found = os.fstat(descriptor)
        kind = "file" if stat_bits.S_ISREG(found.st_mode) else "directory" if stat_bits.S_ISDIR(found.st_mode) else "other"
        facts = {"name": name, "type": kind, "size": found.st_size, "mtime": found.st_mtime, "ino": found.st_ino}
        self.entry = entry_of_info(facts)

    def chunks(self, start: int, end: int) -> Generator[bytes]:
        """Iterate over the bytes of ``[start, end)``. See `Reader.chunks`."""
        while start < end:
            chunk = self._read(min(CHUNK, end - start), start)
            if not chunk:
                return
            start += len(chunk)
            yield chunk

    def _read(self, size: int, start: int) -> bytes:
        if hasattr(os, "pread"):
            return os.pread(self.descriptor, size, start)
        with self._moving:
            os.lseek(self.descriptor, start, os.SEEK_SET)
            return os.read(self.descriptor, size)

    def close(self) -> None:
        """Let go; idempotent."""
        descriptor, self.descriptor = self.descriptor, -1
        if descriptor >= 0:
            os.close(descriptor)

    def __del__(self) -> None:
        if getattr(self, "descriptor", -1) >= 0:
            self.close()


class LocalWriter(BlockingWriter):
    """A local file under a temporary name in the same directory."""

    def __init__(self, tree: LocalFiles, path: str) -> None:
        self._tree = tree
        self._path = path
        self._temporary = beside(path)
        self._file: Any = None

    def _open(self) -> Any:
        if self._file is None:
            self._tree.make_parents(parent(self._path))
            self._file = open(self._tree.real(self._temporary), "xb", buffering=0)  # noqa: SIM115  # closed by publish or abort
        return self._file

    def write(self, chunk: bytes) -> None:
        """Append bytes. See `Writer.write`."""
        view = memoryview(chunk)
        while view:
            view = view[self._open().write(view) :]

    def fill(self, reader: DescriptorReader) -> None:
        """Copy a whole open file into this one."""
        with os.fdopen(os.dup(reader.descriptor), "rb") as source:
            source.seek(0)
            shutil.copyfileobj(source, self._open(), CHUNK)

    def publish(self, mode: Mode, if_match: str | None) -> Entry:
        """Make the whole file appear. See `Writer.publish`."""
        file = self._open()
        found = os.fstat(file.fileno())
        file.close()
        self._tree.put_in_place(self._temporary, self._path, mode)
        self._file = None
        facts = {"type": "file", "size": found.st_size, "mtime": found.st_mtime, "ino": found.st_ino}
        return entry_of_info(facts, name=self._path.rpartition("/")[2])

    def abort(self) -> None:
        """Remove what was written. See `Writer.abort`."""
        if self._file is not None:
            self._file.close()
            with suppress(OSError, InvalidKeyError):
                os.unlink(self._tree.real(self._temporary))
            self._file = None
