"""An archive that is collected first, for stores that take an object in one piece only: in memory, beyond a limit on disk."""

from __future__ import annotations

import io
import tempfile
from dataclasses import replace
from typing import IO, Any

from holdall.containers.header import HEADER
from holdall.containers.options import MiB, WriteOptions
from holdall.core.options import PutOptions
from holdall.errors import NotSupportedError
from holdall.results import PutResult
from holdall.store import Store

__all__ = ["SpoolSink", "spool_for"]

LEAST = 8 * MiB
"""No part is asked to be smaller."""


def spool_for(store: Store, key: str, put: PutOptions, options: WriteOptions) -> SpoolSink:
    """Return a spool.

    Raises:
        NotSupportedError: The options forbid it.
    """
    if options.spool == "never":
        raise NotSupportedError(
            f"{type(store).__name__} takes an object in one piece only here, and spool='never' forbids to collect it first",
            store=store,
        )
    return SpoolSink(store, key, put, options)


class SpoolSink:
    """Collects the archive in memory, beyond ``spool_memory`` on disk, and puts it in one piece. See `PartSink`."""

    def __init__(self, store: Store, key: str, put: PutOptions, options: WriteOptions) -> None:
        self.position = HEADER
        self.requests = 0
        self.spooled = False
        self._store = store
        self._key = key
        self._put = put
        self._limit = options.spool_memory
        self._memory = bytearray(HEADER)
        self._file: IO[bytes] | None = None

    async def write_async(self, data: Any) -> None:
        """Take bytes."""
        self.position += len(data)
        if self._file is None:
            self._memory += data
            if len(self._memory) <= self._limit:
                return
            self._file = tempfile.TemporaryFile()  # noqa: SIM115  # closed by abort and finish
            self.spooled = True
            data, self._memory = self._memory, bytearray()
        self._file.write(data)

    def pin(self, start: int, end: int) -> None:
        """Nothing has to be held back here. See `PartSink.pin`."""

    async def patch_async(self, position: int, data: bytes) -> None:
        """Put bytes over earlier ones."""
        if self._file is None:
            self._memory[position : position + len(data)] = data
        else:
            self._file.seek(position)
            self._file.write(data)
            self._file.seek(0, io.SEEK_END)

    async def finish_async(self, header: bytes, tail: bytes) -> PutResult:
        """Add what follows the document, fill in the header, and publish."""
        await self.write_async(tail)
        await self.patch_async(0, header)
        self.requests += 1
        if self._file is None:
            put = self._put
            if put.mode != "overwrite" and self._store.capabilities.parts is not None:
                put = replace(put, part_size=max(len(self._memory), LEAST))  # parts would forget the condition
            return await self._store.put_async(self._key, self._memory, put)
        self._file.seek(0)
        try:
            return await self._store.put_async(self._key, self._file, self._put)
        finally:
            self.abandon()

    async def abort_async(self) -> None:
        """Drop everything."""
        self.abandon()

    def abandon(self) -> None:
        """Drop everything, without waiting."""
        self._memory = bytearray()
        file, self._file = self._file, None
        if file is not None:
            file.close()
