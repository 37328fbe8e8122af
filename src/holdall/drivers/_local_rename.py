"""Renaming files and directories below a root, under the locks of both directories."""

from __future__ import annotations

import contextlib
import errno
import os
import stat as modes

from holdall.core.options import CopyMode
from holdall.core.preconditions import missing
from holdall.drivers._local_attributes import Shelf
from holdall.drivers._local_draft import rename_create, taken
from holdall.drivers._local_root import Folder, Root, split
from holdall.errors import (
    AlreadyExistsError,
    HoldallError,
    InvalidKeyError,
    IsDirectoryError,
    NotDirectoryError,
    NotEmptyError,
    NotSupportedError,
)

__all__ = ["rename"]


def rename(root: Root, shelf: Shelf, src: str, dst: str, mode: CopyMode) -> None:
    """Rename what is at one checked key to another. See `Store.rename`."""
    if (src[-1] == "/") != (dst[-1] == "/"):
        raise InvalidKeyError(
            f"{src!r} and {dst!r}: a directory's key ends with '/', a file's does not", key=dst, store=root.display
        )
    made: list[str] = []
    src_parent, src_name = split(src)
    dst_parent, dst_name = split(dst)
    try:
        with contextlib.ExitStack() as stack:
            try:
                folder, before = root.folder(src_parent, src)
                stack.callback(root.leave, folder)
                _standing(root, src, before + src_name, folder)
            except OSError as error:
                raise root.explain(error, src) from _cause(error)
            target, after = root.make_folder(dst_parent, made, dst)
            stack.callback(root.leave, target)
            tokens: list[tuple[int, int | None]] = []
            try:
                _lock(root, folder, target, tokens)
                act = _Rename(root, shelf, src, dst, (folder, before + src_name), (target, after + dst_name))
                act.run(mode)
            finally:
                for token, fd in reversed(tokens):
                    root.unlock(token, fd)
            if root.durable:
                for fd in {folder, target} - {None}:
                    os.fsync(fd)  # type: ignore[arg-type]
    except HoldallError:
        root.unmake(made)
        raise
    except OSError as error:
        root.unmake(made)
        if error.errno == errno.EXDEV:
            raise NotSupportedError(
                f"{dst!r} lies on another file system than {src!r}: copy and delete", key=dst, store=root.display
            ) from error
        if error.errno == errno.EINVAL:
            raise InvalidKeyError(f"{dst!r} lies within {src!r}", key=dst, store=root.display) from error
        raise root.explain(error, dst, writing=True) from error


class _Rename:
    """One rename, both directories open and locked."""

    def __init__(self, root: Root, shelf: Shelf, src: str, dst: str, old: Folder, new: Folder) -> None:
        self.root = root
        self.shelf = shelf
        self.src = src
        self.dst = dst
        self.folder, self.name = old
        self.target, self.new = new

    def run(self, mode: CopyMode) -> None:
        root = self.root
        found = _standing(root, self.src, self.name, self.folder)
        if self.src == self.dst:
            return
        there: os.stat_result | None = None
        with contextlib.suppress(FileNotFoundError):
            there = os.stat(self.new, dir_fd=self.target, follow_symlinks=False)
        if there is not None:
            self._check(there, mode)
            if os.path.samestat(found, there) and found.st_nlink > 1 and modes.S_ISREG(found.st_mode):
                os.unlink(self.name, dir_fd=self.folder)  # two names of one file: rename(2) would do nothing
                return
        if mode == "create":
            try:
                rename_create(self.name, self.new, self.folder, self.target)
            except FileExistsError as error:
                raise taken(root, self.dst, self.new, self.target) from error
            return
        try:
            os.replace(self.name, self.new, src_dir_fd=self.folder, dst_dir_fd=self.target)
        except OSError as error:
            if error.errno in {errno.ENOTEMPTY, errno.EEXIST}:
                raise NotEmptyError(f"the directory {self.dst!r} is not empty", key=self.dst, store=root.display) from error
            raise
        if there is not None and there.st_nlink == 1 and self.shelf.in_use():
            self.shelf.drop(there)

    def _check(self, there: os.stat_result, mode: CopyMode) -> None:
        directory = modes.S_ISDIR(there.st_mode)
        if self.dst[-1] != "/" and directory:
            raise IsDirectoryError(f"a directory stands at {self.dst!r}", key=self.dst, store=self.root.display)
        if self.dst[-1] == "/" and not directory:
            raise NotDirectoryError(f"a file stands at {self.dst!r}", key=self.dst, store=self.root.display)
        if mode == "create":
            raise AlreadyExistsError(f"{self.dst!r} already exists", key=self.dst, store=self.root.display)


def _standing(root: Root, key: str, name: str, folder: int | None) -> os.stat_result:
    """Return what stands at the old name, itself a link maybe; it must be of the kind that its key says, and inside the root."""
    stat = os.stat(name, dir_fd=folder, follow_symlinks=False)
    kind = stat.st_mode
    if modes.S_ISLNK(kind):
        fd = root.open(key.rstrip("/"))
        try:
            kind = os.fstat(fd).st_mode
        finally:
            os.close(fd)
    if not (modes.S_ISDIR(kind) if key[-1] == "/" else modes.S_ISREG(kind)):
        raise missing(key, store=root.display)
    return stat


def _lock(root: Root, one: int | None, other: int | None, tokens: list[tuple[int, int | None]]) -> None:
    """Lock two directories, once if they are one, in an order that all renames share; what gives the locks back is added to a list."""
    folders = [one]
    if one is not None and other is not None and not os.path.sameopenfile(one, other):
        numbered = sorted((os.fstat(fd).st_dev, os.fstat(fd).st_ino, fd) for fd in (one, other))
        folders = [fd for _, _, fd in numbered]
    for fd in folders:
        tokens.append((root.lock(fd), fd))
        if tokens[-1][0] != fd:  # the lock file locks all
            break


def _cause(error: OSError) -> BaseException | None:
    return error.__cause__ if isinstance(error, HoldallError) else error
