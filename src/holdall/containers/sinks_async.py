"""Where an archive's bytes go while it is written: by parts, or through a spool; earlier bytes can be patched, nothing is seen before the end.

The first part is held back until the header is known, and so is every part with the unknown count of an open stream; the others
go up as they fill. Memory: parts in flight and held back, and the one that fills.
"""

from __future__ import annotations

import contextlib
import io
import tempfile
from dataclasses import replace
from typing import IO, Any

from holdall.containers.header import HEADER
from holdall.containers.options import MiB, WriteOptions
from holdall.core.options import PutOptions
from holdall.core.plans import part_size_for
from holdall.engine.colours import finish_async
from holdall.engine.crew import AsyncCrew
from holdall.errors import NotSupportedError
from holdall.results import PutResult
from holdall.store import PartWriter, Store

__all__ = ["PartSink", "SpoolSink", "conditioned", "sink_for"]

GROWTH = 1000
"""Parts of one size; then it doubles."""
FLIGHT = 256 * MiB
"""Most bytes in flight, unless one part is larger."""


def sink_for(store: Store, key: str, put: PutOptions, options: WriteOptions) -> PartSink | SpoolSink:
    """Return the sink that suits a store.

    Raises:
        NotSupportedError: The store takes only one sequential put, and the options forbid a spool.
    """
    rules = store.capabilities.parts
    if rules is not None and rules.any_order and (rules.conditional or put.mode == "overwrite"):
        return PartSink(store, key, put, options)
    if options.spool == "never":
        raise NotSupportedError(
            f"{type(store).__name__} takes an object in one piece only, and spool='never' forbids to collect it first",
            store=store,
        )
    return SpoolSink(store, key, put, options)


class PartSink:
    """Sends parts as they fill; what fits in one part is one plain put.

    Attributes:
        position: Bytes taken so far, the header's place included.
        requests: Requests made.
        spooled: Whether bytes went through a disk.
    """

    def __init__(self, store: Store, key: str, put: PutOptions, options: WriteOptions) -> None:
        rules = store.capabilities.parts
        assert rules is not None  # chosen by `sink_for`
        self.position = HEADER
        self.requests = 0
        self.spooled = False
        self._store = store
        self._key = key
        self._put = put
        self._rules = rules
        self._size = part_size_for(options.size_hint, options.part_size, rules)
        self._equal = rules.equal if options.equal_parts is None else options.equal_parts
        self._flight = options.in_flight
        self._buffer = bytearray(HEADER)
        self._start = 0
        self._number = 0
        self._held: dict[int, tuple[int, bytearray]] = {}
        self._pins: dict[int, int] = {}
        self._parts: PartWriter | None = None
        self._crew: AsyncCrew[tuple[int, Any]] | None = None

    async def write_async(self, data: Any) -> None:
        """Take bytes; full parts are sent, waiting while too many are under way."""
        view = memoryview(data)
        self.position += len(view)
        while view:
            piece = view[: self._size - len(self._buffer)]
            self._buffer += piece
            view = view[len(piece) :]
            if len(self._buffer) >= self._size and view:  # a full last part may turn out to be all
                await self._cut_async()

    def pin(self, start: int, end: int) -> None:
        """Promise that a range will be patched: the part it lies in waits for that."""
        self._pins[start] = end

    async def patch_async(self, position: int, data: bytes) -> None:
        """Put bytes over earlier, pinned ones."""
        for start, held in [*self._held.values(), (self._start, self._buffer)]:
            low, high = max(position, start), min(position + len(data), start + len(held))
            if low < high:
                held[low - start : high - start] = data[low - position : high - position]
        if self._pins.pop(position, None) is not None:
            for number, (start, held) in list(self._held.items()):
                if number != 1 and not self._pinned(start, start + len(held)):
                    del self._held[number]
                    await self._send_async(number, held)

    async def finish_async(self, header: bytes, tail: bytes) -> PutResult:
        """Add what follows the document, fill in the header, and publish.

        Raises:
            AlreadyExistsError, PreconditionError: The condition does not hold; nothing was published.
        """
        await self.write_async(tail)
        await self.patch_async(0, header)
        if self._number == 0:
            self.requests += 1
            return await self._store.put_async(self._key, bytes(self._buffer), self._put)
        self._number += 1
        await self._send_async(self._number, self._buffer)
        self._buffer = bytearray()
        await self._drain_async(0)
        for number in sorted(self._held, reverse=True):  # the first part, with the header in it, goes last
            await self._send_async(number, self._held.pop(number)[1])
            await self._drain_async(0)
        await self._leave_async()
        assert self._parts is not None  # begun with the first part
        self.requests += 1
        result = await self._parts.complete_async()
        self._parts = None
        return result

    async def abort_async(self) -> None:
        """Drop everything; no part stays behind."""
        self._buffer = bytearray()
        self._held.clear()
        await self._leave_async()
        parts, self._parts = self._parts, None
        if parts is not None:
            await finish_async(parts.abort_async)

    def abandon(self) -> None:
        """Drop everything as far as that goes without waiting, for finalizers."""
        self._buffer = bytearray()
        self._held.clear()
        if self._parts is not None:
            with contextlib.suppress(Exception):
                self._parts.abort()

    def _pinned(self, start: int, end: int) -> bool:
        return any(low < end and high > start for low, high in self._pins.items())

    async def _cut_async(self) -> None:
        """Close the part that fills: send it, or hold it back."""
        self._number += 1
        start, full = self._start, self._buffer
        self._start += len(full)
        self._buffer = bytearray()
        if self._number == 1 or self._pinned(start, self._start):
            self._held[self._number] = (start, full)
        else:
            await self._send_async(self._number, full)
        if self._number % GROWTH == 0 and not self._equal:
            self._size = min(self._size * 2, self._rules.largest)

    async def _send_async(self, number: int, data: bytearray) -> None:
        self.requests += 1
        if self._parts is None:
            self.requests += 1
            self._parts = await self._store.parts_async(self._key, self._put)
            if not self._store.capabilities.local:
                self._crew = AsyncCrew(self._part_async, self._flight)
                await self._crew.__aenter__()
        if self._crew is None:
            await self._parts.put_part_async(number, data)
            return
        self._crew.start((number, data))
        await self._drain_async(max(1, min(self._flight, FLIGHT // self._size)) - 1)

    async def _part_async(self, numbered: tuple[int, Any]) -> None:
        assert self._parts is not None  # the crew is made after it
        await self._parts.put_part_async(*numbered)

    async def _drain_async(self, left: int) -> None:
        """Wait until at most ``left`` parts are under way; raise what went wrong."""
        while self._crew is not None and self._crew.busy > left:
            ended = await self._crew.next_async()
            if ended.error is not None:
                raise ended.error

    async def _leave_async(self) -> None:
        crew, self._crew = self._crew, None
        if crew is not None:
            await crew.__aexit__(None, None, None)


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
            return await self._store.put_async(self._key, bytes(self._memory), self._put)
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


def conditioned(put: PutOptions, mode: str, if_match: str | None) -> PutOptions:
    """Return how to publish: create, update or overwrite."""
    if mode == "x":
        return replace(put, mode="create")
    return put if if_match is None else replace(put, mode="update", if_match=if_match)
