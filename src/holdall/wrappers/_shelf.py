"""Where `CachedStore` keeps content: the interface, and the shelf in memory. `_disk` has the one on disk.

A shelf knows nothing of stores, colours or freshness: it keeps one content per key, with the etag it had, drops the least recently
used to stay within its bytes, and tells when something is wrong with itself. Everything here blocks, for microseconds in memory.
"""

from __future__ import annotations

import threading
from abc import ABC, abstractmethod
from collections import OrderedDict

from holdall.core.meta import ObjectMeta
from holdall.wrappers._gate import PerProcess

__all__ = ["DamagedError", "Entry", "Filling", "MemoryShelf", "Shelf", "ShelfError"]

OVERHEAD = 1024
"""Bytes an entry in memory is counted for beside its content."""


class ShelfError(Exception):
    """The shelf cannot be used: no space, no permission, no medium. Never an error of a verb."""


class DamagedError(Exception):
    """Bytes on the shelf are not those that were put there."""


class Entry(ABC):
    """One content on a shelf, held open: it stays readable when the shelf lets it go."""

    meta: ObjectMeta

    @abstractmethod
    def read(self, start: int, end: int) -> bytes:
        """Return ``[start, end)``, clipped at the end.

        Raises:
            DamagedError: Those bytes are not what was put there.
        """

    @abstractmethod
    def close(self) -> None:
        """Let go; idempotent."""


class Filling(ABC):
    """A content on its way to a shelf; nobody sees it before `publish`."""

    @abstractmethod
    def write(self, chunk: bytes) -> None:
        """Add bytes."""

    @abstractmethod
    def publish(self) -> Entry:
        """Put the content on the shelf, over an older one of its key."""

    @abstractmethod
    def discard(self) -> None:
        """Leave no trace; nothing after `publish`."""


class Shelf(ABC):
    """Contents by key, within a bound of bytes. Every method may raise `ShelfError`.

    Attributes:
        quick: Nothing here waits for a disk, so it may be called on an event loop.
        max_bytes: The bound.
    """

    quick: bool
    max_bytes: int

    @abstractmethod
    def find(self, key: str) -> Entry | None:
        """Return what is kept of a key, and note its use."""

    @abstractmethod
    def begin(self, key: str, meta: ObjectMeta) -> Filling:
        """Begin to put a content of ``meta.size`` bytes."""

    @abstractmethod
    def drop(self, key: str) -> None:
        """Forget a key."""

    @abstractmethod
    def close(self) -> None:
        """Let go of what dies with the process."""

    def keep(self, key: str, meta: ObjectMeta, data: bytes) -> None:
        """Put a content that is in memory already."""
        filling = self.begin(key, meta)
        try:
            filling.write(data)
            filling.publish().close()
        finally:
            filling.discard()


class MemoryShelf(Shelf):
    """Contents in this process's memory.

    Args:
        max_bytes: Bound of content and bookkeeping together.
    """

    quick = True

    def __init__(self, max_bytes: int) -> None:
        self.max_bytes = max_bytes
        self._contents = PerProcess(_Contents)

    def __repr__(self) -> str:
        return "memory"

    def find(self, key: str) -> Entry | None:
        contents = self._contents.get()
        with contents.lock:
            entry = contents.entries.get(key)
            if entry is not None:
                contents.entries.move_to_end(key)
            return entry

    def begin(self, key: str, meta: ObjectMeta) -> Filling:
        return _MemoryFilling(self, key, meta)

    def drop(self, key: str) -> None:
        contents = self._contents.get()
        with contents.lock:
            contents.remove(key)

    def close(self) -> None:
        contents = self._contents.get()
        with contents.lock:
            contents.entries.clear()
            contents.total = 0

    def put(self, key: str, entry: _MemoryEntry) -> None:
        """Put an entry and drop the least recently used ones that have no room beside it."""
        contents = self._contents.get()
        with contents.lock:
            contents.remove(key)
            contents.entries[key] = entry
            contents.total += entry.cost
            while contents.total > self.max_bytes:
                contents.remove(next(iter(contents.entries)))


class _Contents:
    """What a process has on a memory shelf."""

    __slots__ = ("entries", "lock", "total")

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.entries: OrderedDict[str, _MemoryEntry] = OrderedDict()
        self.total = 0

    def remove(self, key: str) -> None:
        entry = self.entries.pop(key, None)
        if entry is not None:
            self.total -= entry.cost


class _MemoryEntry(Entry):
    __slots__ = ("_data", "meta")

    def __init__(self, meta: ObjectMeta, data: bytes) -> None:
        self.meta = meta
        self._data = data

    @property
    def cost(self) -> int:
        return len(self._data) + OVERHEAD

    def read(self, start: int, end: int) -> bytes:
        return self._data[start:end]

    def close(self) -> None:
        pass


class _MemoryFilling(Filling):
    __slots__ = ("_chunks", "_key", "_meta", "_shelf")

    def __init__(self, shelf: MemoryShelf, key: str, meta: ObjectMeta) -> None:
        self._shelf = shelf
        self._key = key
        self._meta = meta
        self._chunks: list[bytes] = []

    def write(self, chunk: bytes) -> None:
        self._chunks.append(chunk)

    def publish(self) -> Entry:
        entry = _MemoryEntry(self._meta, self._chunks[0] if len(self._chunks) == 1 else b"".join(self._chunks))
        self._shelf.put(self._key, entry)
        return entry

    def discard(self) -> None:
        self._chunks = []
