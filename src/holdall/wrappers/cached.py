"""`CachedStore`: content kept on disk or in memory, served only when the store says that it is current."""

from __future__ import annotations

import os
from typing import Any

from holdall.errors import ConfigError
from holdall.store import PartWriter, Store
from holdall.wrappers import _cached, _cached_async
from holdall.wrappers._disk import DiskShelf
from holdall.wrappers._shelf import MemoryShelf, Shelf

__all__ = ["CachedStore"]

MIB = 1024 * 1024


class _Writer(_cached_async.WriterVerbs, _cached.WriterVerbs):
    """A part writer that drops what is cached of its key."""


class CachedStore(_cached_async.Verbs, _cached.Verbs):
    """A store whose content is kept near, and never served stale.

    Each read asks the store whether the content that is kept is current, in one request without a body (a conditional `get`, or `head`
    where reads know no conditions); only content of the very etag that the store names is served. If the store cannot be
    asked, the read fails as it would without a cache. Whole objects are kept when they are read whole; ranges are served
    from them. Objects without a strong etag are not kept. Many who miss one key at once fetch it once per process.

    On disk, content is shared by processes of one user and survives them; damage is found by digest and fetched anew; a full or
    forbidden disk is said once and then read around. Headers and user metadata are those of the time the content was fetched: where
    another writer can change them without a new etag (S3 can), `head` tells the present ones.

    Args:
        store: The store that does the work.
        directory: Where to keep content: a directory that only this user can write into, made if it is not there; in memory if ``None``.
        max_bytes: Bound of all that is kept; the least recently used goes first. 1 GiB on disk, 64 MiB in memory.
        max_object_bytes: Larger objects are not kept: one that is kept is fetched whole before its first byte is served.
        weak: Trust etags of stores that do not call them strong: equal ones then mean equal bytes only probably.

    Raises:
        ConfigError: A bound below 1.

    Example:
        >>> from holdall.drivers.memory import MemoryStore
        >>> store = CachedStore(MemoryStore(), max_bytes=1_000_000)
        >>> _ = store.put("a", b"hello")
        >>> store.get("a").bytes(), store.get("a").bytes()
        (b'hello', b'hello')
    """

    def __init__(
        self,
        store: Store,
        *,
        directory: str | os.PathLike[str] | None = None,
        max_bytes: int | None = None,
        max_object_bytes: int = 64 * MIB,
        weak: bool = False,
    ) -> None:
        if max_bytes is None:
            max_bytes = 64 * MIB if directory is None else 1024 * MIB
        if max_bytes < 1 or max_object_bytes < 1:
            raise ConfigError("max_bytes and max_object_bytes are at least 1")
        shelf: Shelf
        if directory is None:
            shelf = MemoryShelf(max_bytes)
        else:
            shelf = DiskShelf(os.path.abspath(os.fspath(directory)), repr(store.identity), max_bytes)
        super().__init__(store, shelf, max_object_bytes=min(max_object_bytes, max_bytes), weak=weak)

        self._given: dict[str, Any] = {
            "directory": directory,
            "max_bytes": max_bytes,
            "max_object_bytes": max_object_bytes,
            "weak": weak,
        }

    def _details(self) -> list[str]:
        return [f"cache={self._shelf!r}"]

    def _options(self) -> dict[str, Any]:
        return self._given

    def _cached_writer(self, inner: PartWriter) -> PartWriter:
        return _Writer(inner, self)
