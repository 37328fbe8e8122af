"""Any fsspec filesystem by its blocking methods, as a `Tree`: temporary name and rename, or no writing at all.

The filesystem's listing cache is dropped before it is asked, so that it never answers from what was true once. A filesystem
that may not be used by two threads at once gets a lock.
"""

from __future__ import annotations

import contextlib
import io
import threading
import weakref
from collections.abc import Generator, Sequence
from contextlib import AbstractContextManager, suppress
from typing import IO, Any

from fsspec.archive import AbstractArchiveFileSystem
from fsspec.asyn import sync
from fsspec.spec import AbstractFileSystem

from holdall.core.options import PutOptions
from holdall.drivers.fsspec_entries import entry_of_info, name_of
from holdall.drivers.fsspec_errors import is_refusal
from holdall.drivers.fsspec_place import Place, accepts, protocols_of
from holdall.drivers.tree import BlockingReader, BlockingTree, BlockingWriter, Entry, Mode, Reader, Writer, beside, parent
from holdall.errors import (
    IntegrityError,
    IsDirectoryError,
    NotDirectoryError,
    NotFoundError,
    NotSupportedError,
    PreconditionError,
    UnavailableError,
)
from holdall.results import CHUNK

__all__ = ["BlockingFiles", "FileReader", "lock_of"]

_UNSAFE = frozenset({"ftp", "zip", "tar", "libarchive", "git", "sftp", "ssh", "hdfs", "arrow_hdfs", "reference"})
"""Filesystems with one connection or one open file for all."""
ATTEMPTS = 16
"""How often a file is described again that was replaced before it was opened."""
_locks: weakref.WeakKeyDictionary[Any, threading.RLock] = weakref.WeakKeyDictionary()


class BlockingFiles(BlockingTree):
    """The files of a filesystem below a path.

    Args:
        place: Filesystem, path and family.
    """

    workers = 8

    def __init__(self, place: Place) -> None:
        self.place = place
        self.fs = place.fs
        self._refresh = accepts(type(self.fs).ls, "refresh")
        unsafe = _UNSAFE & set(protocols_of(self.fs)) and not self.fs.async_impl
        self.lock: AbstractContextManager[Any] = lock_of(self.fs) if unsafe else contextlib.nullcontext()
        if unsafe:
            self.workers = 1
        self.opens_often = "ftp" in protocols_of(self.fs)
        """Whether an open file asks for each of its pieces by name."""

    def full(self, path: str) -> str:
        """Return the filesystem's name of a path."""
        return self.place.full(path)

    def info(self, path: str) -> Entry:
        """Describe a path as it is now."""
        full = self.full(path)
        with self._asking():
            self.forget(path)
            try:
                info = self.fs.info(full)
            except FileNotFoundError:
                info = None if path else self._base_info()
                if info is None:
                    raise
            return entry_of_info(info, name=path.rpartition("/")[2])

    @contextlib.contextmanager
    def _asking(self) -> Generator[None]:
        """Ask the filesystem; an archive that broke while it was being read for the first time would be taken for an empty one."""
        with self.lock:
            try:
                yield
            except FileNotFoundError:
                raise
            except Exception:
                if getattr(self.fs, "dir_cache", None) is not None:
                    self.fs.dir_cache = None
                raise

    def _base_info(self) -> Any:
        """Describe what holds the base, which is empty itself: its bucket, or its archive, which was opened; ``None`` if nothing does.

        A bucket that may not be described is there: only its prefix is known to be empty.
        """
        bucket = self.place.bucket
        if not bucket:
            archive = isinstance(self.fs, AbstractArchiveFileSystem) and not self.place.root.strip("/")
            return {"name": "", "type": "directory"} if archive else None
        self.fs.invalidate_cache(bucket)
        try:
            return self.fs.info(bucket)
        except Exception as error:
            if not is_refusal(error):
                raise
            return {"name": bucket, "type": "directory"}

    def forget(self, path: str) -> None:
        """Drop what the filesystem remembers of a path and its directory."""
        for folder in {parent(path), path}:
            self.fs.invalidate_cache(self.full(folder))

    # -- reading ------------------------------------------------------------------------------------------------------

    def stat(self, path: str, version: str | None = None) -> Entry:
        """Describe a file or directory. See `Tree.stat`."""
        return self.info(path)

    def scan(self, path: str) -> Sequence[Entry]:
        """Return what a directory holds. See `Tree.scan`."""
        full = self.full(path)
        with self._asking():
            self.forget(path)
            options = {"refresh": True} if self._refresh else {}
            try:
                found = self.fs.ls(full, detail=True, **options)
            except KeyError as error:  # a line of a listing that the filesystem does not understand
                raise UnavailableError(f"the filesystem cannot read the listing of {path!r}") from error
        if len(found) == 1 and found[0].get("type") == "file" and _same(found[0]["name"], full):
            raise NotDirectoryError(f"a file stands at {path!r}")
        return [entry_of_info(info, name=name_of(info)) for info in found if not _same(info["name"], full)]

    def open(self, path: str, version: str | None = None, *, whole: bool = False) -> Reader:
        """Open a file for reading; one that was replaced after it was described is described again. See `Tree.open`."""
        for _ in range(ATTEMPTS):
            entry = self.info(path)
            if entry.kind != "file":
                raise NotFoundError(f"nothing at {path!r}")
            with self.lock:
                file = self.fs.open(self.full(path), "rb")
                reader = _NamedReader(self, path, file, entry)
                fits = _size(file) in {None, entry.size}
            try:
                if fits and (not whole or entry.size > CHUNK or reader.fetch()):
                    return reader
            except BaseException:
                reader.close()
                raise
            reader.close()
        raise UnavailableError(f"{path!r} changes all the time")

    # -- writing ------------------------------------------------------------------------------------------------------

    def create(self, path: str, size: int | None, options: PutOptions) -> Writer:
        """Begin a file. See `Tree.create`."""
        return RenamingWriter(self, path)

    def make_parents(self, folder: str) -> None:
        """Make a directory and those above it.

        Raises:
            NotDirectoryError: A file stands in the way.
        """
        if not folder:
            return
        with self.lock:
            try:
                self.fs.makedirs(self.full(folder), exist_ok=True)
            except Exception as error:
                if isinstance(error, (FileExistsError, NotADirectoryError)) or self.is_below_a_file(folder):
                    raise NotDirectoryError(f"a file stands where {folder!r} should be a directory") from error
                raise

    def is_below_a_file(self, folder: str) -> bool:
        """Tell whether a directory, or one above it, is a file."""
        while folder:
            with suppress(Exception):
                return self.info(folder).kind == "file"
            folder = parent(folder)
        return False

    def put_in_place(self, temporary: str, path: str, mode: Mode) -> None:
        """Rename over the old file; where the filesystem does not replace, the old file is deleted first.

        Raises:
            IsDirectoryError: A directory is there.
        """
        old, new = self.full(temporary), self.full(path)
        with self.lock:
            with suppress(FileNotFoundError):
                if self.info(path).kind == "directory":
                    raise IsDirectoryError(f"a directory stands at {path!r}")
            try:
                self._rename(old, new)
            except FileExistsError:
                self.fs.rm_file(new)
                self._rename(old, new)
            self.forget(path)
            self.forget(temporary)

    def _rename(self, old: str, new: str) -> None:
        if self.fs.async_impl and hasattr(self.fs, "mv_file"):
            self.fs.mv_file(old, new)
        else:
            self.fs.mv(old, new)

    def remove(self, path: str, if_match: str | None = None) -> bool:
        """Remove a file. See `Tree.remove`."""
        with self.lock:
            if self.info(path).kind == "directory":
                return False
            self.fs.rm_file(self.full(path))
            self.forget(path)
        return True

    def make_directory(self, path: str) -> None:
        """Make a directory. See `Tree.make_directory`."""
        with suppress(FileNotFoundError):
            if self.info(path).kind != "directory":
                raise NotDirectoryError(f"a file stands at {path!r}")
        self.make_parents(path)

    def remove_directory(self, path: str, if_match: str | None = None) -> bool:
        """Remove an empty directory. See `Tree.remove_directory`."""
        with self.lock:
            if self.info(path).kind != "directory":
                return False
            if self.scan(path):
                raise IsDirectoryError(f"the directory {path!r} is not empty")
            self._rmdir(self.full(path))
            self.forget(path)
        return True

    def _rmdir(self, full: str) -> None:
        """Remove an empty directory; the blocking method that fsspec gives to all does nothing.

        Raises:
            NotSupportedError: The filesystem has no method of its own.
        """
        own = getattr(self.fs, "_rmdir", None)
        if type(self.fs).rmdir is not AbstractFileSystem.rmdir:
            self.fs.rmdir(full)
        elif own is not None and self.fs.async_impl:  # sshfs
            sync(self.fs.loop, own, full)
        elif self.place.family == "rename":
            raise NotSupportedError("the filesystem cannot remove a directory")

    def move(self, src: str, dst: str, mode: Mode) -> None:
        """Rename a file or directory. See `Tree.move`."""
        self.make_parents(parent(dst))
        self.put_in_place(src, dst, mode)

    def close(self) -> None:
        """Leave the filesystem alone: it is the user's, or shared by all that asked for the same."""


class FileReader(BlockingReader):
    """One file opened by a filesystem."""

    def __init__(self, file: IO[bytes], entry: Entry, lock: AbstractContextManager[Any]) -> None:
        self._file = file
        self._lock = lock
        self.entry = entry

    def chunks(self, start: int, end: int) -> Generator[bytes]:
        """Iterate over the bytes of ``[start, end)``. See `Reader.chunks`."""
        with self._lock:
            self._file.seek(start)
        while start < end:
            with self._lock:
                chunk = self._file.read(min(CHUNK, end - start))
            if not chunk:
                return
            start += len(chunk)
            yield bytes(chunk)

    def close(self) -> None:
        """Let go; idempotent."""
        with self._lock:
            self._file.close()

    def __del__(self) -> None:
        with suppress(Exception):
            self._file.close()


class _NamedReader(FileReader):
    """A file whose every piece may be asked for by name: whether all were of the file described is asked at the end."""

    def __init__(self, tree: BlockingFiles, path: str, file: IO[bytes], entry: Entry) -> None:
        super().__init__(file, entry, tree.lock)
        self._tree = tree
        self._path = path
        self.data: bytes | None = None

    def fetch(self) -> bool:
        """Read the whole file now; tell whether it is still the one that was described."""
        with suppress(PreconditionError):
            data = self._at_once() if self._tree.opens_often else self.read(0, self.entry.size)
            if len(data) == self.entry.size:
                self.data = data
        return self.data is not None

    def _at_once(self) -> bytes:
        """Read all that is there now: so many bytes of another file could pass for this one, all of it is one file's."""
        try:
            with self._lock:
                return bytes(self._tree.fs.cat_file(self._tree.full(self._path)))
        except FileNotFoundError:  # which stands for any refusal there; the way by pieces tells which
            return self.read(0, self.entry.size)

    def chunks(self, start: int, end: int) -> Generator[bytes]:
        """Iterate over the bytes of ``[start, end)``. See `Reader.chunks`."""
        if self.data is not None:
            yield self.data[start:end]
            return
        got, often = start, self._tree.opens_often
        for chunk in super().chunks(start, end):
            got += len(chunk)
            if often and got < end and len(chunk) < CHUNK:  # what comes next is of another file
                raise self._changed()
            yield chunk
        if got < end or end - start > CHUNK or often:
            now = self._tree.info(self._path)
            if (now.size, now.etag) != (self.entry.size, self.entry.etag):
                raise self._changed()

    def _changed(self) -> PreconditionError:
        return PreconditionError(f"{self._path!r} was replaced while it was being read", kind="changed")


class RenamingWriter(BlockingWriter):
    """A file under a temporary name in the same directory."""

    def __init__(self, tree: BlockingFiles, path: str) -> None:
        self._tree = tree
        self._path = path
        self._temporary = beside(path)
        self._file: Any = None
        self._begun = False
        self._size = 0

    def write(self, chunk: bytes) -> None:
        """Append bytes. See `Writer.write`."""
        tree = self._tree
        if self._file is None:
            tree.make_parents(parent(self._path))
            self._begun = True
            with tree.lock:
                self._file = tree.fs.open(tree.full(self._temporary), "wb")
        with tree.lock:
            self._file.write(chunk)
        self._size += len(chunk)

    def publish(self, mode: Mode, if_match: str | None) -> Entry:
        """Make the whole file appear. See `Writer.publish`."""
        tree = self._tree
        if self._file is None:
            self.write(b"")
        file: Any
        file, self._file = self._file, None
        try:
            with tree.lock:
                file.close()
        except Exception as error:
            if tree.is_below_a_file(parent(self._path)):
                raise NotDirectoryError(f"a file stands above {self._path!r}") from error
            raise
        entry = tree.info(self._temporary)
        if entry.size != self._size:
            raise IntegrityError(f"{self._path!r}: the storage holds {entry.size} bytes of {self._size} written")
        tree.put_in_place(self._temporary, self._path, mode)
        self._begun = False
        return tree.info(self._path)

    def abort(self) -> None:
        """Remove what was written. See `Writer.abort`."""
        tree = self._tree
        with suppress(Exception), tree.lock:
            if self._file is not None:
                self._file.close()
        if self._begun:
            self._begun = False
            with suppress(Exception), tree.lock:
                tree.fs.rm_file(tree.full(self._temporary))
                tree.forget(self._temporary)


def _size(file: Any) -> int | None:
    """Return the size of an opened file, ``None`` if it cannot tell: it may be another file than the one described."""
    size = getattr(file, "size", None)
    if size is None:
        with suppress(AttributeError, NotImplementedError, OSError, TypeError, ValueError):
            size = file.seek(0, io.SEEK_END)
    return size if isinstance(size, int) else None


def _same(name: Any, full: str) -> bool:
    return str(name).strip("/") == full.strip("/")


def lock_of(fs: Any) -> threading.RLock:
    """Return the lock of a filesystem that is not for two threads at once: one for all stores that share it."""
    lock = _locks.get(fs)
    if lock is None:
        lock = _locks.setdefault(fs, threading.RLock())
    return lock
