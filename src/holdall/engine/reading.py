# Generated from reading_async.py by tools/twins.py: change that file, not this one.
"""Reads one version of an object at any position: a window at a time, and one ahead while reading goes straight on.

The first window comes with the opening request, so a small object costs one request. Windows double up to `LARGEST` while reading is
sequential and start small again after a jump. Every read is pinned to the version that was opened.
"""

from __future__ import annotations

from dataclasses import replace

from holdall.core.meta import ObjectMeta
from holdall.core.options import GetOptions
from holdall.core.plans import MIB
from holdall.engine.background import Ahead
from holdall.errors import NotFoundError, PreconditionError, RangeNotSatisfiableError
from holdall.store import Store

__all__ = ["RangeReader"]

FIRST = MIB // 4
LARGEST = 8 * MIB
EMPTY = memoryview(b"")


class RangeReader:
    """A position in an object, and the bytes around it.

    Args:
        store: Where.
        key: What.
        options: Version or etag to read; a range is not allowed.
        read_ahead: Most bytes of one window; up to three windows are in memory.

    Attributes:
        meta: The object, after `open`.
        position: Where the next read starts.
    """

    meta: ObjectMeta

    def __init__(self, store: Store, key: str, options: GetOptions | None = None, *, read_ahead: int = LARGEST) -> None:
        if options is not None and options.range is not None:
            raise ValueError("a reader reads the whole object: seek instead of giving a range")
        self.store = store
        self.key = key
        self.position = 0
        self._options = options or GetOptions()
        self._largest = max(1, read_ahead)
        self._window = min(FIRST, self._largest)
        self._windows: list[tuple[int, bytes]] = []
        self._ahead: Ahead[bytes] = Ahead()

    @property
    def size(self) -> int:
        """Bytes of the object."""
        return self.meta.size

    def open(self) -> None:
        """Make the first request.

        Raises:
            NotFoundError: Nothing there.
            PreconditionError: It is not the version asked for.
        """
        try:
            with self.store.get(self.key, replace(self._options, range=(0, self._window))) as result:
                self.meta = result.meta
                self._windows = [(0, result.bytes())]
        except RangeNotSatisfiableError:  # the empty object has no first byte
            with self.store.get(self.key, self._options) as result:
                self.meta = result.meta
                self._windows = [(0, result.bytes())]
        if self.store.capabilities.conditional_read and self.meta.etag is not None and self._options.version is None:
            self._options = GetOptions(if_match=self.meta.etag)
        else:
            self._options = GetOptions(version=self._options.version)

    def view(self, wanted: int) -> memoryview:
        """Return some of the bytes at the position, at most ``wanted`` and at least one unless at the end; does not move.

        Raises:
            PreconditionError: The object was replaced since it was opened.
        """
        if self.position >= self.meta.size or wanted <= 0:
            return EMPTY
        for start, data in self._windows:
            if start <= self.position < start + len(data):
                break
        else:
            start, data = self._load(self.position, wanted)
        at = self.position - start
        return memoryview(data)[at : at + wanted]

    def read(self, wanted: int = -1) -> bytes:
        """Return the next ``wanted`` bytes (fewer only at the end; all the rest if negative) and move behind them."""
        left = max(0, self.meta.size - self.position)
        wanted = left if wanted < 0 else min(wanted, left)
        parts: list[bytes] = []
        while wanted > 0:
            if wanted > self._largest and not self._holds(self.position) and self._ahead.mark != self.position:
                data = self._fetch(self.position, self.position + wanted)  # it will be in memory anyway: one request
            else:
                data = bytes(self.view(wanted))
            parts.append(data)
            self.position += len(data)
            wanted -= len(data)
        return parts[0] if len(parts) == 1 else b"".join(parts)

    def close(self) -> None:
        """Let go of what is held; idempotent."""
        self._windows = []
        self._ahead.drop()

    def _holds(self, position: int) -> bool:
        return any(start <= position < start + len(data) for start, data in self._windows)

    def _load(self, at: int, wanted: int) -> tuple[int, bytes]:
        """Make a window at a position the current one; the one before is kept, as readers of archives jump to and fro."""
        start, last = self._windows[-1] if self._windows else (-1, b"")
        straight = at == start + len(last)
        if self._ahead.mark == at:
            data = self._ahead.take()
        else:
            self._ahead.drop()
            self._window = min(self._window * 2 if straight else FIRST, self._largest)
            data = self._fetch(at, at + max(self._window, min(wanted, self._largest)))
        self._windows = [*self._windows[-1:], (at, data)]
        end = at + len(data)
        if straight and end < self.meta.size:
            self._window = min(self._window * 2, self._largest)
            window = self._window
            self._ahead.start(end, lambda: self._fetch(end, end + window))
        return at, data

    def _fetch(self, start: int, end: int) -> bytes:
        end = min(end, self.meta.size)
        options = replace(self._options, range=(start, end))
        try:
            with self.store.get(self.key, options) as result:
                if result.meta.etag != self.meta.etag or result.meta.size != self.meta.size:
                    raise self._replaced()
                return result.bytes()
        except (NotFoundError, RangeNotSatisfiableError) as error:
            raise self._replaced() from error

    def _replaced(self) -> PreconditionError:
        return PreconditionError(f"{self.key!r} was replaced or deleted while it was read", key=self.key, store=self.store)
