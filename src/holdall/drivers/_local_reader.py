"""The body of a large local read: chunks of one open file, in either colour."""

from __future__ import annotations

import contextlib
import os
from typing import TYPE_CHECKING, Self

from holdall._lazy import lazy
from holdall.drivers import _local_system as system
from holdall.drivers._local_root import Root
from holdall.results import CHUNK

if TYPE_CHECKING:
    import asyncio
else:
    asyncio = lazy("asyncio")

__all__ = ["Reader"]


class Reader:
    """Iterates, blocking or async, over a range of an open file, which it owns.

    The descriptor keeps a replaced file readable to its end. A file cut short by another program gives fewer bytes, which
    `GetResult` reports.
    """

    __slots__ = ("_end", "_key", "_offset", "_root", "fd")

    def __init__(self, root: Root, key: str, start: int, end: int) -> None:
        self.fd = -1
        self._root = root
        self._key = key
        self._offset = start
        self._end = end

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> bytes:
        data = self._read(CHUNK)
        if not data:
            raise StopIteration
        return data

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> bytes:
        data = await asyncio.to_thread(self._read, CHUNK)
        if not data:
            raise StopAsyncIteration
        return data

    def read_all(self) -> bytes:
        """Return what is left in one piece."""
        return self._read(self._end - self._offset)

    def _read(self, size: int) -> bytes:
        fd, offset = self.fd, self._offset
        if fd < 0:
            return b""
        try:
            data = system.read_at(fd, min(size, self._end - offset), offset)
        except OSError as error:
            raise self._root.explain(error, self._key) from error
        self._offset = offset + len(data)
        return data

    def close(self) -> None:
        """Close the file; idempotent."""
        fd, self.fd = self.fd, -1
        if fd >= 0:
            os.close(fd)

    def __del__(self) -> None:
        with contextlib.suppress(OSError, AttributeError):  # it may have been interrupted before it was made
            self.close()
