"""A file that is being written beside its place: hidden, then published under the directory's lock, or gone."""

from __future__ import annotations

import contextlib
import errno
import os
import stat as modes
import time
from collections.abc import Callable

from holdall.core.options import CopyOptions, PutMode, PutOptions
from holdall.core.preconditions import check_put, etag_matches
from holdall.drivers import _local_system as system
from holdall.drivers._local_attributes import Kept, Shelf
from holdall.drivers._local_meta import etag_of, moment
from holdall.drivers._local_root import Root, split
from holdall.errors import AlreadyExistsError, HoldallError, IsDirectoryError, PreconditionError
from holdall.results import CHUNK, PutResult

__all__ = ["Draft", "StoppedError", "standing"]

_ATTEMPTS = 100
_PIECE = 64 * CHUNK
"""Bytes copied before looking whether to stop."""


class StoppedError(Exception):
    """The writer was told to stop before it published."""


class Draft:
    """One new content on its way to one key.

    `open`, `write` as often as needed, then `publish` or `discard`; each raises errors of holdall. Nothing is visible
    before `publish`, and `discard` (harmless after it) leaves nothing behind, directories made for it included.

    Attributes:
        key: Where to.
        fd: The open temporary file, -1 if there is none.
        size: Bytes written.
        stopped: Set from another thread to keep it from being published.
        busy: A thread is at work on it.
        abandoned: Whoever ends that work is to discard it.
    """

    __slots__ = (
        "_before",
        "_folder",
        "_made",
        "_name",
        "_root",
        "_shelf",
        "_temporary",
        "abandoned",
        "busy",
        "fd",
        "key",
        "size",
        "stopped",
    )

    def __init__(self, root: Root, shelf: Shelf, key: str) -> None:
        self.key = str(key)
        self.fd = -1
        self.size = 0
        self.stopped = self.busy = self.abandoned = False
        self._root = root
        self._shelf = shelf
        self._folder: int | None = None
        self._before = ""
        self._name = ""
        self._temporary = ""
        self._made: list[str] = []

    def open(self, *, long: bool = True) -> None:
        """Make the temporary file, and the directories above it.

        Args:
            long: Mark it as being written, for `sweep`; not worth the call for what is published at once.
        """
        root = self._root
        parent, self._name = split(self.key)
        temporary = system.temporary_name()
        try:
            for attempt in range(_ATTEMPTS):
                folder, before = root.make_folder(parent, self._made, self.key)
                self._folder, self._before = folder, before
                try:
                    self._temporary = before + temporary
                    self.fd = os.open(
                        self._temporary, system.NEW, 0o666 if root.file_mode is None else root.file_mode, dir_fd=folder
                    )
                    break
                except FileNotFoundError:  # the directory was removed since it was opened
                    self._folder, self._temporary = None, ""
                    root.leave(folder)
                    if attempt == _ATTEMPTS - 1:
                        raise
            if long:
                with contextlib.suppress(OSError):
                    system.lock_now(self.fd)
        except OSError as error:
            self.discard()
            if isinstance(error, HoldallError):
                raise
            raise root.explain(error, self.key, writing=True) from error

    def write(self, data: bytes | memoryview) -> None:
        """Add bytes at the end."""
        try:
            self.size += system.write_all(self.fd, data)
        except OSError as error:
            raise self._root.explain(error, self.key, writing=True) from error

    def fill(self, source: int, size: int, *, offset: int = 0) -> int:
        """Put in bytes of an open file, within the kernel where possible; return how many there were. No `write` comes after it."""
        try:
            done = 0
            while done < size:
                if self.stopped:
                    raise StoppedError
                count = system.copy_range(
                    source, self.fd, min(size - done, _PIECE), src_offset=offset + done, dst_offset=self.size
                )
                if count == 0:
                    break
                done += count
                self.size += count
        except OSError as error:
            raise self._root.explain(error, self.key, writing=True) from error
        return done

    def fill_from(self, path: os.PathLike[str]) -> bool:
        """Add the bytes of a regular file; tell whether it is one (and not a FIFO, or something that hides its size).

        Raises:
            OSError: The source's own error, as it is.
        """
        stat = os.stat(path)
        if modes.S_ISDIR(stat.st_mode):
            raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), os.fspath(path))
        if not modes.S_ISREG(stat.st_mode) or stat.st_size == 0:  # a FIFO must not be opened twice
            return False
        source = os.open(path, os.O_RDONLY | system.COMMON)
        try:
            stat = os.fstat(source)
            small = system.read_at(source, stat.st_size, 0) if stat.st_size <= CHUNK else b""
            self.open(long=not small)
            if small:
                self.write(small)
            else:
                self.fill(source, stat.st_size)
            return True
        finally:
            os.close(source)

    def in_turn(self, size: int, work: Callable[[], PutResult]) -> PutResult:
        """Do all that there is to write; a small file when it is this thread's turn."""
        root = self._root
        turn = size <= CHUNK and not root.durable and root.turns.take()
        try:
            return work()
        finally:
            if turn:
                root.turns.leave()

    def publish(
        self, options: PutOptions | CopyOptions | None = None, kept: Kept | None = None, modified: int | None = None
    ) -> PutResult:
        """Put the content at its key, under the mode of the options, with what is kept beside it and the time given (nanoseconds)."""
        root = self._root
        try:
            stat = self.seal(kept, modified)
            if self.stopped:
                raise StoppedError
            folder = self._folder
            token = root.lock(folder)
            try:
                place(root, self._shelf, self.key, self._temporary, folder, folder, self._before + self._name, options)
            finally:
                root.unlock(token, folder)
            self._temporary = ""
            self._made = []
            if root.durable and folder is not None:
                os.fsync(folder)
            self.discard()
        except HoldallError:
            raise
        except OSError as error:
            raise root.explain(error, self.key, writing=True) from error
        return PutResult(key=self.key, size=stat.st_size, etag=etag_of(stat), last_modified=moment(stat.st_mtime_ns))

    def seal(self, kept: Kept | None, modified: int | None = None) -> os.stat_result:
        """Finish the temporary file and return what it is; its etag is that of the object to come."""
        stat = seal(self._root, self._shelf, self.fd, self._temporary, kept, modified)
        fd, self.fd = self.fd, -1
        os.close(fd)
        return stat

    def discard(self) -> None:
        """Remove what was not published."""
        fd, self.fd = self.fd, -1
        if fd >= 0:
            os.close(fd)
        folder, self._folder = self._folder, None
        temporary, self._temporary = self._temporary, ""
        if temporary:
            with contextlib.suppress(OSError):
                os.unlink(temporary, dir_fd=folder)
        self._root.leave(folder)
        if self._made:
            self._root.unmake(self._made)
            self._made = []


def seal(root: Root, shelf: Shelf, fd: int, path: str, kept: Kept | None, modified: int | None = None) -> os.stat_result:
    """Give a finished temporary file its time (``modified`` in nanoseconds, or now), attributes, permissions and durability.

    Now is set to the nanosecond: the kernel's own time advances only every few milliseconds, and with an inode that is
    used again a third content of equal size could get the etag of the first.
    """
    system.set_time(fd, path, time.time_ns() if modified is None else modified)
    stat = os.fstat(fd)
    if kept is not None:
        shelf.write(fd, stat, kept, fresh=True)
    if root.file_mode is not None:
        os.fchmod(fd, root.file_mode) if system.RELATIVE else os.chmod(path, root.file_mode)
    if root.durable:
        os.fsync(fd)
    return stat


def place(
    root: Root,
    shelf: Shelf,
    key: str,
    temporary: str,
    source: int | None,
    folder: int | None,
    name: str,
    options: PutOptions | CopyOptions | None,
) -> None:
    """Rename a sealed temporary file to its key; called under the lock of its directory.

    Args:
        root: The root, for errors.
        shelf: Where the sidecar of the replaced content is dropped.
        key: The key.
        temporary: Path of the sealed file, relative to ``source``.
        source: The open directory in which it lies.
        folder: The open directory of the key.
        name: Path of the key, relative to ``folder``.
        options: The mode and its condition.
    """
    mode: PutMode = "overwrite" if options is None else options.mode
    if mode == "create":
        try:
            rename_create(temporary, name, source, folder)
        except FileExistsError as error:
            raise taken(root, key, name, folder) from error
        return
    old: os.stat_result | None = None
    if mode == "update":
        assert isinstance(options, PutOptions)  # copies know no update
        old = standing(root, key, name, folder)
        if old is not None and modes.S_ISDIR(old.st_mode):
            raise IsDirectoryError(f"a directory stands at {key!r}", key=key, store=root.display)
        etag = None if old is None else etag_of(old)
        check_put(options, key=key, exists=old is not None, etag=etag, store=root.display)
    elif shelf.in_use():
        with contextlib.suppress(OSError):
            old = os.stat(name, dir_fd=folder, follow_symlinks=False)
    os.replace(temporary, name, src_dir_fd=source, dst_dir_fd=folder)
    if old is not None and old.st_nlink == 1 and shelf.in_use():
        shelf.drop(old)


def rename_create(src: str, dst: str, src_folder: int | None, dst_folder: int | None) -> None:
    """Rename a file only if nothing is at the new name; called under the lock.

    Raises:
        FileExistsError: Something is there.
    """
    try:
        system.rename_new(src, dst, src_dir_fd=src_folder, dst_dir_fd=dst_folder)
    except NotImplementedError:
        pass
    else:
        return
    try:
        os.link(src, dst, src_dir_fd=src_folder, dst_dir_fd=dst_folder, follow_symlinks=False)
    except FileExistsError:
        raise
    except (OSError, NotImplementedError) as error:
        if isinstance(error, OSError) and error.errno not in system.UNSUPPORTED:
            raise
    else:
        os.unlink(src, dir_fd=src_folder)
        return
    # no hard links here: exact among holdall's users, who all hold the lock, but not against other programs
    try:
        os.stat(dst, dir_fd=dst_folder, follow_symlinks=False)
    except FileNotFoundError:
        os.rename(src, dst, src_dir_fd=src_folder, dst_dir_fd=dst_folder)
        return
    raise FileExistsError(dst)


def standing(root: Root, key: str, name: str, folder: int | None) -> os.stat_result | None:
    """Return what stands at a name, links followed within the root; ``None`` if nothing does."""
    try:
        stat = os.stat(name, dir_fd=folder, follow_symlinks=False)
        if modes.S_ISLNK(stat.st_mode):
            fd = root.open(key)
            try:
                return os.fstat(fd)
            finally:
                os.close(fd)
    except FileNotFoundError:
        return None
    return stat


def taken(root: Root, key: str, name: str, folder: int | None) -> AlreadyExistsError | IsDirectoryError:
    """Return the error for a create that found something."""
    with contextlib.suppress(OSError):
        if key[-1] != "/" and modes.S_ISDIR(os.stat(name, dir_fd=folder, follow_symlinks=False).st_mode):
            return IsDirectoryError(f"a directory stands at {key!r}", key=key, store=root.display)
    return AlreadyExistsError(f"{key!r} already exists", key=key, store=root.display)


def check_match(root: Root, key: str, stat: os.stat_result | None, if_match: str | None, act: str) -> None:
    """Raise `PreconditionError` unless the file is the one that the caller named."""
    if if_match is not None and (stat is None or not etag_matches(etag_of(stat), if_match)):
        what = "is gone" if stat is None else f"is not the version to be {act}"
        raise PreconditionError(f"{key!r} {what} (if_match)", key=key, store=root.display)
