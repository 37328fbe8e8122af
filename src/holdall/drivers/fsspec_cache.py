"""A tree behind one of fsspec's caching filesystems: reads come from its local copies, as long as they are current.

fsspec itself trusts a copy for a week unless told otherwise. Here the file behind is described first, which every read needs
anyway, and a copy of another version is dropped. Writes and deletes go past the cache and drop the copy.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from contextlib import suppress
from datetime import datetime
from typing import Any

from holdall.core.options import PutOptions
from holdall.drivers.fsspec_blocking import FileReader
from holdall.drivers.fsspec_place import Place
from holdall.drivers.tree import BlockingTree, Entry, Mode, Reader, Tree, Writer
from holdall.errors import NotFoundError

__all__ = ["CachedFiles"]


class CachedFiles(BlockingTree):
    """The files of a tree, read through a cache.

    Args:
        inner: The tree behind the cache.
        place: With the caching filesystem.
    """

    def __init__(self, inner: Tree, place: Place) -> None:
        self.inner = inner
        self.place = place
        self.cache = place.cache
        self._versions: dict[str, tuple[Any, ...]] = {}
        self._lock = threading.RLock()
        self.prepared = inner.prepared

    def stat(self, path: str, version: str | None = None) -> Entry:
        """Describe the file behind the cache. See `Tree.stat`."""
        return self.inner.stat(path, version)

    def scan(self, path: str) -> Sequence[Entry]:
        """Return what a directory holds. See `Tree.scan`."""
        return self.inner.scan(path)

    def open(self, path: str, version: str | None = None, *, whole: bool = False) -> Reader:
        """Open the local copy, made or renewed if need be. See `Tree.open`."""
        full = self.place.full(path)
        for _ in range(3):
            entry = self.inner.stat(path, version)
            if entry.kind != "file":
                raise NotFoundError(f"nothing at {path!r}")
            with self._lock:
                mark = (entry.size, entry.etag, entry.modified)
                if self._versions.get(full) != mark and not self._current(full):
                    self.drop(path)
                file = self.cache.open(full, "rb")
                self._versions[full] = mark
            if _size_of(file) == entry.size:
                return FileReader(file, entry, self._lock)
            file.close()  # replaced between the two requests
            self.drop(path)
        return self.inner.open(path, version, whole=whole)

    def drop(self, path: str) -> None:
        """Drop the local copy of a file."""
        full = self.place.full(path)
        with self._lock:
            self._versions.pop(full, None)
            with suppress(FileNotFoundError, PermissionError):
                found = self.cache._check_file(full)
                if isinstance(found, str):  # simplecache keeps no records
                    import os  # noqa: PLC0415

                    os.remove(found)
                elif found:
                    self.cache.pop_from_cache(full)

    def _current(self, full: str) -> bool:
        """Tell whether a copy made by somebody else is of the present version, by the cache's own record of it."""
        found = self.cache._check_file(full)
        if not found or isinstance(found, str):
            return False
        self.place.fs.invalidate_cache(full.rpartition("/")[0])
        return bool(found[0].get("uid") == self.place.fs.ukey(full))

    def create(self, path: str, size: int | None, options: PutOptions) -> Writer:
        """Begin a file behind the cache. See `Tree.create`."""
        return _DroppingWriter(self, path, self.inner.create(path, size, options))

    def remove(self, path: str, if_match: str | None = None) -> bool:
        """Remove a file and its copy. See `Tree.remove`."""
        try:
            return self.inner.remove(path, if_match)
        finally:
            self.drop(path)

    def make_directory(self, path: str) -> None:
        """Make a directory. See `Tree.make_directory`."""
        self.inner.make_directory(path)

    def remove_directory(self, path: str, if_match: str | None = None) -> bool:
        """Remove an empty directory. See `Tree.remove_directory`."""
        return self.inner.remove_directory(path)

    def move(self, src: str, dst: str, mode: Mode) -> None:
        """Rename a file or directory. See `Tree.move`."""
        try:
            self.inner.move(src, dst, mode)
        finally:
            self.drop(src)
            self.drop(dst)

    def copy(self, src: str, dst: str, mode: Mode) -> Entry:
        """Copy a file. See `Tree.copy`."""
        try:
            return self.inner.copy(src, dst, mode)
        finally:
            self.drop(dst)

    def set_modified(self, path: str, modified: datetime) -> None:
        """Set a file's time of last modification. See `Tree.set_modified`."""
        self.inner.set_modified(path, modified)

    def close(self) -> None:
        """Let go; idempotent."""
        self.inner.close()


class _DroppingWriter(Writer):
    """A writer that drops the local copy when it has published."""

    def __init__(self, tree: CachedFiles, path: str, inner: Writer) -> None:
        self._tree = tree
        self._path = path
        self._inner = inner

    def write(self, chunk: bytes) -> None:
        self._inner.write(chunk)

    async def write_async(self, chunk: bytes) -> None:
        await self._inner.write_async(chunk)

    def publish(self, mode: Mode, if_match: str | None) -> Entry:
        try:
            return self._inner.publish(mode, if_match)
        finally:
            self._tree.drop(self._path)

    async def publish_async(self, mode: Mode, if_match: str | None) -> Entry:
        try:
            return await self._inner.publish_async(mode, if_match)
        finally:
            self._tree.drop(self._path)

    def abort(self) -> None:
        self._inner.abort()

    async def abort_async(self) -> None:
        await self._inner.abort_async()


def _size_of(file: Any) -> int:
    size = file.seek(0, 2)
    file.seek(0)
    return int(size)
