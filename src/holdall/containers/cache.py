"""Encoded bytes that were read, kept within a bound."""

from __future__ import annotations

import threading
from collections import OrderedDict

__all__ = ["ByteCache", "Span"]

Span = tuple[int, int]


class ByteCache:
    """Encoded bytes by range, least recently used out first; shared by the threads of a reader.

    Args:
        limit: Most bytes; ``None`` for no bound, 0 for no cache.
    """

    def __init__(self, limit: int | None) -> None:
        self.limit = limit
        self.size = 0
        self._held: OrderedDict[Span, bytes] = OrderedDict()
        self._lock = threading.Lock()

    def get(self, span: Span) -> bytes | None:
        """Return the bytes of a range, if held."""
        with self._lock:
            data = self._held.get(span)
            if data is not None:
                self._held.move_to_end(span)
            return data

    def put(self, span: Span, data: bytes) -> None:
        """Hold the bytes of a range."""
        if self.limit is not None and len(data) > self.limit:
            return
        with self._lock:
            if span not in self._held:
                self._held[span] = data
                self.size += len(data)
            while self.limit is not None and self.size > self.limit:
                _, dropped = self._held.popitem(last=False)
                self.size -= len(dropped)

    def clear(self) -> None:
        """Drop everything."""
        with self._lock:
            self._held.clear()
            self.size = 0
