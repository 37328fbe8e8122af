"""The shelf of `CachedStore` on disk: shared by processes, bounded, swept after crashes.

::

    directory/objects/ab/abcdef…   one file per content (`_cachefile`), named by a digest of store and key
    directory/new/…                contents on their way; renamed when complete

Its truth is the directory itself: there is no index that could be lost or disagree. Files are 0600 in directories of 0700. The time of last
use is the file's modification time. The bound is kept by counting: each process knows what it added and looks at the
directory again before it would exceed the bound, and after every sixteenth of it, to see what the others added.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import os
import stat
import threading
import time
import uuid
from collections.abc import Generator, Iterator
from typing import BinaryIO

from holdall.core.meta import ObjectMeta
from holdall.wrappers._cachefile import Digester, FileEntry, footer, open_entry
from holdall.wrappers._gate import PerProcess
from holdall.wrappers._shelf import DamagedError, Entry, Filling, Shelf, ShelfError

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None  # type: ignore[assignment]

__all__ = ["DiskShelf"]

YOUNG = 60.0
"""Seconds for which an unlocked new file is left alone: its writer may be about to lock it."""
OLD = 24 * 3600.0
"""Seconds after which a new file is litter where files cannot be locked."""


class DiskShelf(Shelf):
    """Contents in a directory.

    Args:
        directory: Made with mode 0700 if it is not there. It may be shared by processes of one user, not by users.
        name: What the contents belong to: the identity of a store.
        max_bytes: Bound of all files together.
    """

    quick = False

    def __init__(self, directory: str, name: str, max_bytes: int) -> None:
        self.max_bytes = max_bytes
        self._directory = directory
        self._name = name
        self._books = PerProcess(_Books)

    def __repr__(self) -> str:
        return repr(self._directory)

    def find(self, key: str) -> Entry | None:
        name, path = self._named(key)
        with _failing():
            self._prepare()
            try:
                entry = open_entry(path, name)
            except FileNotFoundError:
                return None
            except (DamagedError, ValueError, KeyError, TypeError):
                self._unlink(path)
                return None
            with contextlib.suppress(OSError):
                os.utime(path)
            return entry

    def begin(self, key: str, meta: ObjectMeta) -> Filling:
        name, path = self._named(key)
        with _failing():
            self._prepare()
            return _DiskFilling(self, name, path, meta)

    def drop(self, key: str) -> None:
        with _failing():
            self._unlink(self._named(key)[1])

    def close(self) -> None:
        pass

    def temporary(self) -> str:
        """Return a path for a content on its way."""
        return os.path.join(self._directory, "new", uuid.uuid4().hex)

    def make_room(self, size: int) -> None:
        """Drop the least recently used files until there is room for another one, and count that."""
        books = self._books.get()
        with books.lock:
            if books.total is None or books.total + size > self.max_bytes or books.added > self.max_bytes // 16:
                self._sweep()
                files = sorted(self._files())
                total = sum(held for _, held, _ in files)
                aim = self.max_bytes - size
                if total > aim:
                    aim -= min(self.max_bytes // 16, aim)
                    for _, held, path in files:
                        if total <= aim:
                            break
                        self._unlink(path)
                        total -= held
                books.total, books.added = total, 0
            books.total += size
            books.added += size

    def _named(self, key: str) -> tuple[str, str]:
        name = f"{self._name}\0{key}"
        digest = hashlib.sha256(name.encode(errors="surrogatepass")).hexdigest()
        return name, os.path.join(self._directory, "objects", digest[:2], digest)

    def _prepare(self) -> None:
        """Make the directory, once per process.

        Raises:
            ShelfError: It belongs to another user or others may write into it: what is there cannot be trusted.
        """
        books = self._books.get()
        if books.ready:
            return
        os.makedirs(self._directory, mode=0o700, exist_ok=True)
        found = os.stat(self._directory)
        if hasattr(os, "geteuid") and (found.st_uid != os.geteuid() or stat.S_IMODE(found.st_mode) & 0o022):
            raise ShelfError(f"cache directory {self._directory!r} belongs to, or can be written by, others")
        for below in ("objects", "new"):
            path = os.path.join(self._directory, below)
            with contextlib.suppress(FileExistsError):
                os.mkdir(path, 0o700)
        self._sweep()
        books.ready = True

    def _files(self) -> Iterator[tuple[int, int, str]]:
        """Iterate over (time of last use, bytes, path) of all contents."""
        for folder in _scan(os.path.join(self._directory, "objects")):
            for entry in _scan(folder.path):
                with contextlib.suppress(FileNotFoundError):
                    found = entry.stat(follow_symlinks=False)
                    yield found.st_mtime_ns, found.st_size, entry.path

    def _sweep(self) -> None:
        """Remove what processes that died left on its way: a living one holds a lock on its file."""
        for entry in _scan(os.path.join(self._directory, "new")):
            with contextlib.suppress(OSError):
                age = time.time() - entry.stat(follow_symlinks=False).st_mtime
                if age > (YOUNG if fcntl else OLD) and not _locked(entry.path):
                    os.unlink(entry.path)

    @staticmethod
    def _unlink(path: str) -> None:
        with contextlib.suppress(FileNotFoundError, NotADirectoryError):
            os.unlink(path)


class _Books:
    """What a process knows of a directory."""

    __slots__ = ("added", "lock", "ready", "total")

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.ready = False
        self.total: int | None = None
        self.added = 0


class _DiskFilling(Filling):
    """A file in the directory of new ones, locked while its writer lives.

    Its own lock keeps `discard` from pulling the file away under a write: a task that is cancelled leaves its worker
    thread writing.
    """

    def __init__(self, shelf: DiskShelf, name: str, path: str, meta: ObjectMeta) -> None:
        self._shelf = shelf
        self._name = name
        self._target = path
        self._meta = meta
        self._digester = Digester()
        self._lock = threading.Lock()
        self._temporary: str | None = shelf.temporary()
        descriptor = os.open(self._temporary, os.O_RDWR | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0), 0o600)
        self._file: BinaryIO = os.fdopen(descriptor, "r+b", buffering=0)
        if fcntl:
            with contextlib.suppress(OSError):  # a file system without locks
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)

    def write(self, chunk: bytes) -> None:
        with self._lock, _failing():
            self._digester.update(chunk)
            self._write(chunk)

    def publish(self) -> Entry:
        with self._lock, _failing():
            assert self._temporary is not None
            blocks = self._digester.digests()
            self._write(footer(self._name, self._meta, blocks))
            self._shelf.make_room(self._file.tell())
            with contextlib.suppress(FileExistsError):
                os.mkdir(os.path.dirname(self._target), 0o700)
            if os.name == "nt":  # an open file cannot be renamed there
                self._file.close()
            os.replace(self._temporary, self._target)
            self._temporary = None
            if os.name == "nt":
                self._file = open(self._target, "rb", buffering=0)  # noqa: SIM115  # the entry closes it
            return FileEntry(self._file, self._meta, blocks)

    def discard(self) -> None:
        with self._lock:
            path, self._temporary = self._temporary, None
            if path is not None:
                self._file.close()
                with contextlib.suppress(OSError):
                    os.unlink(path)

    def __del__(self) -> None:
        if self.__dict__.get("_temporary") is not None and "_file" in self.__dict__:
            self.discard()

    def _write(self, data: bytes) -> None:
        view = memoryview(data)
        while view:
            view = view[self._file.write(view) or 0 :]


@contextlib.contextmanager
def _failing() -> Generator[None]:
    """Turn what the file system says into `ShelfError`, with the reason and without the path."""
    try:
        yield
    except OSError as error:
        reason = error.strerror or type(error).__name__
        raise ShelfError(f"{reason} ({errno.errorcode.get(error.errno or 0, 'error')})") from error


def _scan(path: str) -> list[os.DirEntry[str]]:
    try:
        with os.scandir(path) as entries:
            return list(entries)
    except (FileNotFoundError, NotADirectoryError):
        return []


def _locked(path: str) -> bool:
    """Tell whether a living process holds a file."""
    if not fcntl:
        return False
    descriptor = os.open(path, os.O_RDWR)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return True
    finally:
        os.close(descriptor)
    return False
