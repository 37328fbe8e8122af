"""A directory on an SMB share as a `Tree`.

No handle outlives a call: a piece of a file is read by opening it, and checked to be of the file that was described; a piece is
written by opening the temporary file. So nobody is locked out for long, nothing is left where a result is dropped, and what
broke with a connection is done again. A write ends with the protocol's rename, which replaces; a ``create`` with its link, which
one of many gets.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress
from datetime import datetime
from typing import TypeVar

import smbclient
from smbclient._io import SMBFileTransaction, SMBRawIO, set_info
from smbprotocol.file_info import FileRenameInformation
from smbprotocol.open import CreateOptions, FilePipePrinterAccessMask

from holdall.core.options import PutOptions
from holdall.drivers.smb_entries import BUSY_TARGET, NO_LINKS, NO_PARENT, busily, entry_of, is_absent, moment, status_of
from holdall.drivers.smb_files import FileReader, FileWriter, described, opened, read_range
from holdall.drivers.smb_pool import Link, SMBPool, is_lost
from holdall.drivers.tree import BlockingTree, Entry, Mode, Reader, Writer, parent
from holdall.errors import (
    IsDirectoryError,
    NotDirectoryError,
    NotFoundError,
)
from holdall.results import CHUNK

__all__ = ["SMBTree"]

T = TypeVar("T")


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
                entry = described(path, file)
                start = read_range(file, 0, entry.size) if whole and entry.size <= CHUNK else b""
                return FileReader(self, path, entry, start)

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
        return FileWriter(self, path)

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
                if status_of(error) in NO_PARENT:
                    raise NotDirectoryError(f"a file stands where {folder!r} should be a directory") from error
                raise
        raise NotDirectoryError(f"a file stands where {folder!r} should be a directory")

    def put_in_place(self, temporary: str, path: str, mode: Mode) -> None:
        """Rename over the old file; where there must be none, give the file a second name, and take the first one away.

        Raises:
            IsDirectoryError: A directory is there.
            AlreadyExistsError: ``mode="create"`` and something is there.
        """
        if mode == "create" and self._linked(temporary, path):
            with suppress(Exception):  # what is left is a temporary name of a whole file
                busily(lambda: self._remove(temporary))
            return
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

    def _linked(self, src: str, dst: str) -> bool:
        """Give a file a second name, which one of all who want it gets, or tell that this share has no links.

        Samba renames in two steps, asking whether the name is taken and renaming: of two at once both would win.
        """
        try:
            busily(lambda: self._link(src, dst))
        except Exception as error:
            if status_of(error) in NO_LINKS:
                return False
            if not (is_lost(error) and self._is_one(src, dst)):
                raise
        return True

    def _link(self, src: str, dst: str) -> None:
        with self._pool.lent() as link:
            smbclient.link(self.full(src), self.full(dst), follow_symlinks=False, **link.options)

    def _is_one(self, path: str, other: str) -> bool:
        """Tell whether two names are of one file: its linking was done, though nobody heard of it."""

        def ask(link: Link) -> bool:
            mine, its = (smbclient.stat(self.full(each), follow_symlinks=False, **link.options) for each in (path, other))
            return bool(mine.st_ino) and (mine.st_dev, mine.st_ino) == (its.st_dev, its.st_ino)

        try:
            return self._pool.call(ask)
        except OSError:
            return False

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
        busily(lambda: self._remove(path))
        return True

    def _remove(self, path: str) -> None:
        self._pool.call(lambda link: smbclient.remove(self.full(path), **link.options))

    def discard(self, path: str) -> None:
        """Remove a temporary file, if it can be."""
        with suppress(Exception):
            self._remove(path)

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
        if mode == "create" and self._linked(src, dst):
            busily(lambda: self._remove(src))
        else:
            self.put_in_place(src, dst, mode)

    def set_modified(self, path: str, modified: datetime) -> None:
        """Set a file's time of last modification. See `Tree.set_modified`."""
        micros = round(modified.timestamp() * 1_000_000)
        self._pool.call(lambda link: smbclient.utime(self.full(path), ns=(micros * 1000, micros * 1000), **link.options))

    def close(self) -> None:
        """Let go of connections; idempotent."""
        self._pool.close()
