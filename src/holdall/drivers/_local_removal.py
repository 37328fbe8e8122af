"""Removing files, empty directories, and what killed writers left behind."""

from __future__ import annotations

import contextlib
import errno
import os
import stat as modes
import time
from types import TracebackType
from typing import Self

from holdall.core.keys import RESERVED
from holdall.drivers import _local_system as system
from holdall.drivers._local_attributes import SIDECARS, Shelf
from holdall.drivers._local_draft import check_match, standing
from holdall.drivers._local_meta import etag_of
from holdall.drivers._local_root import Folder, Root, split
from holdall.errors import HoldallError, NotEmptyError, NotFoundError, PreconditionError

__all__ = ["Remover", "sweep"]

_YOUNG = 60.0
"""Seconds in which a temporary file is left alone by `delete`, whatever its lock says."""


class Remover:
    """Deletes one key after another; the directory of the last one stays open, because keys come in rows.

    A context manager.
    """

    def __init__(self, root: Root, shelf: Shelf) -> None:
        self._root = root
        self._shelf = shelf
        self._path: str | None = None
        self._folder: Folder = (None, "")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._root.leave(self._folder[0])

    def remove(self, key: str, if_match: str | None = None) -> bool:
        """Delete a file, or an empty directory; tell whether there was one.

        Raises:
            PreconditionError: ``if_match`` does not hold, also if nothing is there.
            NotEmptyError: The directory holds something.
            PermissionDeniedError, UnavailableError: It could not be done.
        """
        root = self._root
        try:
            parent, name = split(key)
            folder, before = self._open(parent, key)
            token = root.lock(folder)
            try:
                existed = self._remove(key, before + name, folder, if_match)
            finally:
                root.unlock(token, folder)
            if root.durable and existed and folder is not None:
                os.fsync(folder)
        except HoldallError:
            raise
        except (FileNotFoundError, NotADirectoryError) as error:
            answer = root.missing(key)
            if not isinstance(answer, NotFoundError):
                raise answer from error
            check_match(root, key, None, if_match, "deleted")
            return False
        except OSError as error:
            raise root.explain(error, key, writing=True) from error
        return existed

    def _open(self, path: str, key: str) -> Folder:
        if path != self._path:
            (left, _), self._path, self._folder = self._folder, None, (None, "")
            self._root.leave(left)
            self._folder = self._root.folder(path, key)
            self._path = path
        return self._folder

    def _remove(self, key: str, name: str, folder: int | None, if_match: str | None) -> bool:
        stat = os.stat(name, dir_fd=folder, follow_symlinks=False)
        kind = modes.S_IFMT(stat.st_mode)
        directory = key[-1] == "/"
        if kind == modes.S_IFLNK and (directory or if_match is not None):
            with contextlib.suppress(OSError):  # a link that leads nowhere is removed as a file
                kind = modes.S_IFMT(os.stat(name, dir_fd=folder).st_mode)
        if directory and kind == modes.S_IFDIR:
            return self._remove_directory(key, name, folder, stat, if_match)
        if directory or kind not in {modes.S_IFREG, modes.S_IFLNK}:  # a FIFO, or a directory: no object
            check_match(self._root, key, None, if_match, "deleted")
            return False
        if if_match is not None:
            check_match(self._root, key, standing(self._root, key, name, folder), if_match, "deleted")
        os.unlink(name, dir_fd=folder)
        if stat.st_nlink == 1 and self._shelf.in_use():
            self._shelf.drop(stat)
        return True

    def _remove_directory(self, key: str, name: str, folder: int | None, stat: os.stat_result, if_match: str | None) -> bool:
        if if_match not in {None, "*"}:
            raise PreconditionError(f"{key!r} is a directory, which has no etag", key=key, store=self._root.display)
        if modes.S_ISLNK(stat.st_mode):  # the link goes, but only if nothing can be seen through it
            fd, before = self._root.folder(key[:-1], key)
            try:
                if os.listdir(before if fd is None else fd):
                    raise NotEmptyError(f"the directory {key!r} is not empty", key=key, store=self._root.display)
            finally:
                self._root.leave(fd)
            os.unlink(name, dir_fd=folder)
            return True
        for swept in (False, True):
            try:
                os.rmdir(name, dir_fd=folder)
                return True
            except OSError as error:
                if error.errno not in {errno.ENOTEMPTY, errno.EEXIST}:
                    raise
                if swept or not self._sweep(key):
                    raise NotEmptyError(f"the directory {key!r} is not empty", key=key, store=self._root.display) from error
        return False

    def _sweep(self, key: str) -> int:
        """Remove what killed writers left in a directory that looks empty to its users."""
        fd, before = self._root.folder(key[:-1], key)
        try:
            return _sweep_folder(fd, before, _YOUNG)
        finally:
            self._root.leave(fd)


def _sweep_folder(fd: int | None, before: str, older_than: float) -> int:
    count = 0
    for name in os.listdir(before if fd is None else fd):
        if name.startswith(f"{RESERVED}-") and name.endswith(".tmp") and _abandoned(before + name, fd, older_than):
            with contextlib.suppress(FileNotFoundError):
                os.unlink(before + name, dir_fd=fd)
                count += 1
    return count


def _abandoned(name: str, folder: int | None, older_than: float) -> bool:
    """Tell whether a temporary file is old and nobody holds the lock that its writer would hold."""
    try:
        fd = os.open(name, system.READ | system.NOFOLLOW, dir_fd=folder)
    except OSError:
        return False
    try:
        return time.time() - os.fstat(fd).st_mtime >= older_than and system.lock_now(fd)
    except OSError:
        return False
    finally:
        os.close(fd)


def sweep(root: Root, older_than: float) -> int:
    """Remove the temporary files and sidecars below a root that nobody needs any more; return how many there were."""
    count = 0
    wanted: set[str] = set()
    sidecars = _names(root, SIDECARS)
    waiting = [""]
    while waiting:
        path = waiting.pop()
        try:
            fd, before = root.folder(path)
        except (FileNotFoundError, NotADirectoryError):
            continue
        try:
            count += _sweep_folder(fd, before, older_than)
            with os.scandir(before if fd is None else fd) as entries:
                for entry in entries:
                    if entry.is_dir(follow_symlinks=False):
                        waiting.append(f"{path}/{entry.name}" if path else entry.name)
                    elif sidecars and entry.is_file(follow_symlinks=False):
                        with contextlib.suppress(FileNotFoundError):
                            wanted.add(etag_of(os.stat(before + entry.name, dir_fd=fd, follow_symlinks=False)))
        finally:
            root.leave(fd)
    for name in sidecars - wanted:
        count += _drop_old(root, name, older_than)
    return count


def _names(root: Root, path: str) -> set[str]:
    try:
        fd, before = root.folder(path)
    except (FileNotFoundError, NotADirectoryError):
        return set()
    try:
        return {name for name in os.listdir(before if fd is None else fd) if not name.startswith(".")}
    finally:
        root.leave(fd)


def _drop_old(root: Root, name: str, older_than: float) -> int:
    fd, before = root.folder(SIDECARS)
    try:
        with contextlib.suppress(FileNotFoundError):
            stat = os.stat(before + name, dir_fd=fd, follow_symlinks=False)
            if time.time() - stat.st_mtime >= older_than:
                os.unlink(before + name, dir_fd=fd)
                return 1
        return 0
    finally:
        root.leave(fd)
