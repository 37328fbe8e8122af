# Generated from sinks_async.py by tools/twins.py: change that file, not this one.
"""Where an archive's bytes go while it is written: by parts, or through a spool; earlier bytes can be patched, nothing is seen before the end.

The first part is held back until the header is known, and so is every part with the unknown count of an open stream; the others
go up as they fill. Memory: parts in flight and held back, and the one that fills.
"""

from __future__ import annotations

import contextlib
from dataclasses import replace
from typing import Any, TypeAlias, cast

from holdall.containers.header import HEADER
from holdall.containers.options import MiB, WriteOptions
from holdall.containers.spools import SpoolSink, spool_for
from holdall.core.options import PutOptions
from holdall.core.plans import part_size_for
from holdall.engine.colours import finish
from holdall.engine.crew import Crew
from holdall.results import PutResult
from holdall.store import PartWriter, Store

__all__ = ["PartSink", "Sink", "conditioned", "frugal", "sink_for"]

GROWTH = 1000
"""Parts of one size; then it doubles."""
LITTLE = 256 * 1024
"""From here on a part gets all the room that it may take."""
SMALLEST = 5 * MiB
"""The least size of parts that most services take."""
FLIGHT = 256 * MiB
"""Most bytes in flight, unless one part is larger."""


Sink: TypeAlias = "PartSink | SpoolSink"


def sink_for(store: Store, key: str, put: PutOptions, options: WriteOptions) -> Sink:
    """Return the sink that suits a store.

    Raises:
        NotSupportedError: The store takes only one sequential put, and the options forbid a spool.
    """
    rules = store.capabilities.parts
    if rules is not None and rules.any_order and (rules.conditional or put.mode == "overwrite"):
        return PartSink(store, key, put, options)
    return spool_for(store, key, put, options)


def completes(store: Store, key: str) -> bool:
    """Tell whether the store publishes parts under a condition; a service that nobody has asked yet is asked, once per process."""
    ask = getattr(store.locate(key)[0], "probe", None)
    if ask is not None:
        ask()
    rules = store.capabilities.parts
    return rules is not None and rules.conditional


class PartSink:
    """Sends parts as they fill; what fits in one part is one plain put.

    A service that turns out to publish parts without regard to the condition gets the archive in one piece: it goes on into a spool.

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
        self._options = options
        self._rules = rules
        self._spool: SpoolSink | None = None
        self._size = part_size_for(options.size_hint, options.part_size, rules)
        self._equal = rules.equal if options.equal_parts is None else options.equal_parts
        self._flight = options.in_flight
        self._buffer = bytearray(HEADER)
        self._fill = HEADER
        self._start = 0
        self._number = 0
        self._held: dict[int, tuple[int, memoryview]] = {}
        self._pins: dict[int, int] = {}
        self._parts: PartWriter | None = None
        self._crew: Crew[tuple[int, Any]] | None = None

    def write(self, data: Any) -> None:
        """Take bytes; full parts are sent, waiting while too many are under way."""
        view = memoryview(data)
        self.position += len(view)
        while view and self._spool is None:
            if (
                LITTLE <= self._fill == len(self._buffer) < self._size
            ):  # room for all of the part: no more than it takes, and no copies
                room = bytearray(self._size)
                room[: self._fill] = self._buffer
                self._buffer = room
            if self._fill < len(self._buffer):  # over what an earlier part has left
                piece = view[: min(self._size, len(self._buffer)) - self._fill]
                memoryview(self._buffer)[self._fill : self._fill + len(piece)] = piece
            else:
                piece = view[: self._size - self._fill]
                self._buffer += piece
            self._fill += len(piece)
            view = view[len(piece) :]
            if self._fill >= self._size and view:  # a full last part may turn out to be all
                self._cut()
        if view and self._spool is not None:
            self._spool.write(view)

    def pin(self, start: int, end: int) -> None:
        """Promise that a range will be patched: the part it lies in waits for that."""
        self._pins[start] = end

    def patch(self, position: int, data: bytes) -> None:
        """Put bytes over earlier, pinned ones."""
        if self._spool is not None:
            self._spool.patch(position, data)
            return
        for start, held in [*self._held.values(), (self._start, memoryview(self._buffer)[: self._fill])]:
            low, high = max(position, start), min(position + len(data), start + len(held))
            if low < high:
                held[low - start : high - start] = data[low - position : high - position]
        if self._pins.pop(position, None) is not None:
            for number, (start, held) in list(self._held.items()):
                if number != 1 and not self._pinned(start, start + len(held)):
                    self._send(number)

    def finish(self, header: bytes, tail: bytes) -> PutResult:
        """Add what follows the document, fill in the header, and publish.

        Raises:
            AlreadyExistsError, PreconditionError: The condition does not hold; nothing was published.
        """
        self.write(tail)
        if self._spool is not None:
            result = self._spool.finish(header, b"")
            self.requests += self._spool.requests
            self.spooled = self._spool.spooled
            return result
        self.patch(0, header)
        if self._number == 0:
            self.requests += 1
            return self._store.put(self._key, memoryview(self._buffer)[: self._fill], self._put)
        self._take()
        inverse = not self._store.capabilities.local  # a file grows from its beginning
        for number in sorted(self._held, reverse=inverse):  # else the first part, with the header in it, goes last
            self._drain(0 if number == 1 else self._flight)
            self._send(number)
        self._drain(0)
        self._leave()
        assert self._parts is not None  # begun with the first part
        self.requests += 1
        result = self._parts.complete()
        self._parts = None
        return result

    def abort(self) -> None:
        """Drop everything; no part stays behind."""
        if self._spool is not None:
            self._spool.abort()
        self._buffer = bytearray()
        self._held.clear()
        self._leave()
        parts, self._parts = self._parts, None
        if parts is not None:
            finish(parts.abort)

    def abandon(self) -> None:
        """Drop everything as far as that goes without waiting, for finalizers."""
        if self._spool is not None:
            self._spool.abandon()
        self._buffer = bytearray()
        self._held.clear()
        crew, self._crew = self._crew, None
        if crew is not None:
            crew.stop()
        if self._parts is not None:
            with contextlib.suppress(Exception):
                self._parts.abort()

    def _pinned(self, start: int, end: int) -> bool:
        return any(low < end and high > start for low, high in self._pins.items())

    def _cut(self) -> None:
        """Close the part that fills: send it, or hold it back."""
        if self._number == 0 and self._put.mode != "overwrite" and not completes(self._store, self._key):
            self._spool = spool_for(self._store, self._key, self._put, self._options)
            self._spool.write(memoryview(self._buffer)[HEADER : self._fill])
            self._buffer = bytearray()
            return
        start = self._start
        number = self._take()
        if number != 1 and not self._pinned(start, self._start):
            self._send(number)
        if self._number % GROWTH == 0 and not self._equal:
            self._size = min(self._size * 2, self._rules.largest)

    def _take(self) -> int:
        """Hold back what has come as the next part, and return its number."""
        self._number += 1
        self._held[self._number] = (self._start, memoryview(self._buffer)[: self._fill])
        self._start += self._fill
        self._buffer, self._fill = bytearray(), 0
        return self._number

    def _send(self, number: int) -> None:
        """Send a part that was held back; nothing else keeps its bytes."""
        self.requests += 1
        if self._parts is None:
            self.requests += 1
            self._parts = self._store.parts(self._key, self._put)
            if not self._store.capabilities.local:
                self._crew = Crew(self._part, self._flight)
                self._crew.__enter__()
        data = self._held.pop(number)[1]
        if self._crew is None:
            self._parts.put_part(number, data)
        else:
            self._drain(max(1, min(self._flight, FLIGHT // self._size)) - 1)
            self._crew.start((number, bytes(data)))
        if not self._buffer:
            self._buffer = cast("bytearray", data.obj)  # its memory serves the next part

    def _part(self, numbered: tuple[int, Any]) -> None:
        assert self._parts is not None  # the crew is made after it
        self._parts.put_part(*numbered)

    def _drain(self, left: int) -> None:
        """Wait until at most ``left`` parts are under way; raise what went wrong."""
        while self._crew is not None and self._crew.busy > left:
            ended = self._crew.next()
            if ended.error is not None:
                raise ended.error

    def _leave(self) -> None:
        crew, self._crew = self._crew, None
        if crew is not None:
            crew.__exit__(None, None, None)


def frugal(options: WriteOptions) -> WriteOptions:
    """Return options for passing on what streams in, with no more in memory than three parts: one held back, one that fills, those on their way.

    Example:
        >>> small = frugal(WriteOptions(part_size=8 * MiB))
        >>> small.part_size // MiB, small.in_flight
        (5, 2)
    """
    size = max(SMALLEST, options.part_size * 5 // 8)
    flight = (3 * options.part_size - MiB) // size - 2  # a mebibyte is what streams in at a time
    return replace(options, part_size=size, in_flight=max(1, min(options.in_flight, flight)))


def conditioned(put: PutOptions, mode: str, if_match: str | None) -> PutOptions:
    """Return how to publish: create, update or overwrite."""
    if mode == "x":
        return replace(put, mode="create")
    return put if if_match is None else replace(put, mode="update", if_match=if_match)
