"""A key as a real local file (or directory) for a while: for programs that want a path.

Where objects are local files the real path is given and nothing is copied. Elsewhere the object is downloaded into a private directory,
under its own name, and what was changed is written back after a clean exit, on condition that nobody else changed it.
"""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import tempfile
import uuid
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from types import TracebackType
from typing import Any

from holdall._concurrency import run_async
from holdall.core.keys import RESERVED, ReservedKey
from holdall.core.meta import ObjectMeta
from holdall.core.options import GetOptions, PutOptions
from holdall.engine.colours import finish_async
from holdall.engine.opening_async import keeping_async
from holdall.engine.reading_async import RangeReader
from holdall.engine.scratch import scratching
from holdall.engine.transfer_async import copy_async
from holdall.errors import (
    IsDirectoryError,
    NotFoundError,
    PermissionDeniedError,
    PreconditionError,
)
from holdall.store import Store

__all__ = ["Localize"]

LONGEST = 200
"""Bytes of a local file name; longer ones lose their beginning and keep their suffix."""


class Localize:
    """Context manager that gives the path of a local file.

    Args:
        store: Where.
        key: What: a file, or a directory in modes ``r`` and ``w``.
        mode: ``r``: to be read; ``w``: to be made; ``rw``: to be changed.
        atomic: On local stores, work on a sibling that replaces the original after a clean exit.
        options: Headers and metadata of what is written.
        version: Version to read.

    Raises:
        ValueError: An unknown mode.
        PermissionDeniedError: The store does not allow it; nothing was downloaded.
        NotFoundError: Nothing to read; or, on leaving, nothing was made.
        PreconditionError: On leaving: the object was changed meanwhile. The edited file is kept, its path is in the message.

    Example:
        >>> from holdall.drivers.memory import MemoryStore
        >>> store = MemoryStore()
        >>> with Localize(store, "a/note.txt", "w") as path:
        ...     _ = Path(path).write_text("hello")
        >>> store.get("a/note.txt").bytes()
        b'hello'
    """

    def __init__(
        self,
        store: Store,
        key: str,
        mode: str = "r",
        *,
        atomic: bool = False,
        options: PutOptions | None = None,
        version: str | None = None,
    ) -> None:
        if mode not in {"r", "w", "rw"}:
            raise ValueError(f"Unknown mode {mode!r}: 'r', 'w' or 'rw'")
        capabilities = store.capabilities
        if "w" in mode and not capabilities.write:
            raise PermissionDeniedError(f"{key!r} cannot be changed: read-only", key=key, store=store)
        if "r" in mode and not capabilities.read:
            raise PermissionDeniedError(f"{key!r} cannot be read", key=key, store=store)
        if "w" in mode and version is not None:
            raise ValueError("Cannot write to historical versions")
        self.store = store
        self.key = key
        self.mode = mode
        self.atomic = atomic
        self.options = options or PutOptions()
        self.version = version
        self._home: str | None = None
        self._path = ""
        self._sibling: str | None = None
        self._found: ObjectMeta | None = None
        self._before: tuple[Any, str] | None = None

    async def __aenter__(self) -> str:
        real = self.store.local_path(self.key) if self.version is None else None
        plain = not self.store.capabilities.versioned and self.options == PutOptions()
        if real is not None and (self.mode == "r" or plain):
            return await self._local_async(real)
        entered = False
        try:
            await self._fetch_async()
            entered = True
        finally:
            if not entered:
                await self._clean_async()
        return self._path

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        keep = False
        try:
            if kind is None and self._sibling is not None:
                await self._swap_async()
            elif kind is None and self._home is not None and self.mode != "r":
                await self._write_back_async()
        except PreconditionError as conflict:
            keep = self._home is not None
            if not keep:
                raise
            raise PreconditionError(
                f"{self.key!r} was changed by somebody else meanwhile; your edit is kept at {self._path}",
                key=self.key,
                store=self.store,
            ) from conflict
        finally:
            if not keep:
                await self._clean_async()

    # -- local stores -------------------------------------------------------------------------------------------------

    async def _local_async(self, real: str) -> str:
        """Give the real path, or a sibling of it."""
        if self.mode == "w":
            if not os.path.isdir(os.path.dirname(real)):
                await self._make_above_async(os.path.dirname(real))
        elif not os.path.exists(real):
            raise NotFoundError(f"nothing at {self.key!r}", key=self.key, store=self.store)
        if self.mode == "r" or not self.atomic:
            return real
        if os.path.isdir(real):
            raise IsDirectoryError(f"{self.key!r} is a directory: atomic is for files", key=self.key, store=self.store)
        folder, name = os.path.split(real)
        self._sibling = os.path.join(folder, f"{RESERVED}-{uuid.uuid4().hex[:12]}-{_local_name(name)}")
        if self.mode == "rw":
            self._found = await self.store.head_async(self.key)
            sibling = self._sibling
            await run_async(lambda: shutil.copy2(real, sibling))
            self._before = (_stamp(sibling), "")
        return self._sibling

    async def _make_above_async(self, folder: str) -> None:
        """Make the directories above as the store does: not below a file, and not the root of a disk that is not mounted."""
        above = self.key.rpartition("/")[0]
        if above:
            await self.store.put_async(f"{above}/", b"")
            return
        with suppress(NotFoundError):
            await self.store.head_async(self.key)
        os.makedirs(folder, exist_ok=True)

    async def _swap_async(self) -> None:
        """Let the sibling take the original's place, by the store's own rename, which takes the store's lock."""
        assert self._sibling is not None  # asked by the caller
        name = os.path.basename(self._sibling)
        if not os.path.exists(self._sibling):
            raise NotFoundError(f"nothing was written for {self.key!r}", key=self.key, store=self.store)
        if self._before is not None and _stamp(self._sibling) == self._before[0]:
            return  # not touched: the original stays what it is
        if self._found is not None and (await self.store.head_async(self.key)).etag != self._found.etag:
            raise PreconditionError(f"{self.key!r} was changed meanwhile", key=self.key, store=self.store)
        folder = self.key[: self.key.rfind("/") + 1]
        await self.store.rename_async(ReservedKey(folder + name), self.key)

    # -- other stores -------------------------------------------------------------------------------------------------

    async def _fetch_async(self) -> None:
        """Make the private directory, and download what is to be read."""
        with scratching(self.key, self.store):
            home = await run_async(lambda: tempfile.mkdtemp(prefix="holdall-"))
        self._home = home
        self._path = os.path.join(home, _local_name(self.key.rstrip("/").rsplit("/", 1)[-1] or "root"))
        if self.mode == "w":
            return
        try:
            if not self.key or self.key.endswith("/"):
                raise NotFoundError(f"{self.key!r} is no file", key=self.key, store=self.store)
            with scratching(self.key, self.store):
                await self._download_async()
        except NotFoundError:
            if self.mode == "rw" or self.version is not None:
                raise
            await run_async(lambda: os.mkdir(self._path))
            tree = self.key if not self.key or self.key.endswith("/") else f"{self.key}/"
            await copy_async((self.store, tree), (_local_store(self._path), ""))

    async def _download_async(self) -> None:
        reading = None if self.version is None else GetOptions(version=self.version)
        reader = RangeReader(self.store, self.key, reading)
        await reader.open_async()
        self._found = reader.meta
        digest = hashlib.blake2b()
        try:
            with await run_async(lambda: open(self._path, "wb")) as file:

                def keep(data: bytes) -> None:
                    file.write(data)
                    if self.mode == "rw":
                        digest.update(data)

                while view := await reader.view_async(reader.size):
                    data = bytes(view)
                    reader.position += len(data)
                    await run_async(lambda data=data: keep(data))  # type: ignore[misc]
        finally:
            await finish_async(reader.close_async)
        self._before = (_stamp(self._path), digest.hexdigest())

    async def _write_back_async(self) -> None:
        """Upload what was made or changed."""
        if self.mode == "w" and os.path.isdir(self._path):
            tree = self.key if not self.key or self.key.endswith("/") else f"{self.key}/"
            await copy_async((_local_store(self._path), ""), (self.store, tree))
            return
        if not os.path.isfile(self._path):
            raise NotFoundError(f"nothing was written for {self.key!r}", key=self.key, store=self.store)
        options = self.options
        if self.mode == "rw":
            if not await run_async(self._changed):
                return
            found = self._found
            assert found is not None  # it was downloaded
            options = await keeping_async(self.store, self.key, found, options)
            if options.mode == "overwrite" and found.etag is not None:
                if self.store.capabilities.update:
                    options = replace(options, mode="update", if_match=found.etag)
                elif (await self.store.head_async(self.key)).etag != found.etag:
                    raise PreconditionError(f"{self.key!r} was changed meanwhile", key=self.key, store=self.store)
        await self.store.put_async(self.key, Path(self._path), options)

    def _changed(self) -> bool:
        """Tell whether the content differs from what was downloaded."""
        assert self._before is not None  # it was downloaded
        stamp, digest = self._before
        if _stamp(self._path) == stamp:
            return False
        with open(self._path, "rb") as file:
            return hashlib.file_digest(file, hashlib.blake2b).hexdigest() != digest

    async def _clean_async(self) -> None:
        home, self._home = self._home, None
        sibling, self._sibling = self._sibling, None
        if home is not None:
            await finish_async(lambda: run_async(lambda: shutil.rmtree(home, ignore_errors=True)))
        if sibling is not None and os.path.exists(sibling):
            os.unlink(sibling)


def _stamp(path: str) -> tuple[int, int, int, int]:
    stat = os.stat(path)
    return stat.st_size, stat.st_mtime_ns, stat.st_ino, stat.st_ctime_ns


def _local_name(name: str) -> str:
    """Return a name that local file systems take, with the suffix that programs look at."""
    if os.name == "nt":
        name = re.sub(r'[<>:"\\|?*]', "_", name)
    encoded = name.encode()
    return name if len(encoded) <= LONGEST else encoded[-LONGEST:].decode(errors="ignore")


def _local_store(path: str) -> Store:
    from holdall.drivers.local import LocalStore  # noqa: PLC0415  # only directories need it

    return LocalStore(path)
