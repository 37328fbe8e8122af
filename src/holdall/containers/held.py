"""A local file that stays open while it is read: after an atomic replace the old version reads on, a change in place is noticed."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any

from holdall.drivers._local_meta import etag_of
from holdall.errors import PreconditionError
from holdall.store import Store

__all__ = ["HeldBytes", "HeldFile", "hold"]

LARGE = 1 << 30
"""A kernel gives less than 2 GiB at a time."""


class HeldFile:
    """Reads ranges by position. The descriptor closes with the last reference, so that no read can meet a stranger's."""

    __slots__ = ("_descriptor", "_seen", "etag", "size")
    inline = False
    """Reading may wait for a disk."""

    def __init__(self, path: str) -> None:
        self._descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        told = os.fstat(self._descriptor)
        self.size = told.st_size
        self._seen = _signs(told)
        self.etag = etag_of(told)

    def __del__(self) -> None:
        descriptor = getattr(self, "_descriptor", None)
        if descriptor is not None:
            os.close(descriptor)

    def read(self, spans: Sequence[tuple[int, int]], *, fresh: bool = False) -> list[Any]:
        """Return the bytes of ranges; each as a `bytearray` of its own if they are to be ``fresh``.

        Raises:
            PreconditionError: The file was changed in place (``kind="changed"``).
        """
        found: list[Any] = [
            os.pread(self._descriptor, end - start, start)
            if end - start < LARGE and not fresh
            else self._filled(start, end, fresh)
            for start, end in spans
        ]
        told = os.fstat(self._descriptor)
        if _signs(told) != self._seen and etag_of(told) != self.etag:
            raise PreconditionError("the file was changed in place while it was read", kind="changed")
        return found

    def _filled(self, start: int, end: int, fresh: bool) -> bytes | bytearray:
        """Return the bytes of a range that the kernel may not give at once."""
        data, at = bytearray(end - start), 0
        with memoryview(data) as view:
            while at < len(data) and (got := os.preadv(self._descriptor, [view[at:]], start + at)):
                at += got
        del data[at:]
        return data if fresh else bytes(data)


def _signs(told: os.stat_result) -> tuple[int, ...]:
    """Return what no change leaves as it was, quicker than the etag."""
    return told.st_mtime_ns, told.st_ctime_ns, told.st_size, told.st_ino


class HeldBytes:
    """Reads ranges of bytes in memory. See `HeldFile`."""

    __slots__ = ("_data", "size")
    inline = True
    etag: str | None = None

    def __init__(self, data: bytes) -> None:
        self._data = data
        self.size = len(data)

    def read(self, spans: Sequence[tuple[int, int]], *, fresh: bool = False) -> list[Any]:
        """Return the bytes of ranges; they are copied already."""
        return [self._data[start:end] for start, end in spans]


def hold(store: Store, key: str) -> HeldFile | None:
    """Open the local file behind a key; ``None`` where there is none, or where only the store can open it."""
    if not store.capabilities.local or not hasattr(os, "preadv"):
        return None
    try:
        path = store.local_path(key)
        return None if path is None or os.path.isdir(path) else HeldFile(path)
    except OSError:
        return None  # the store says what is wrong
