"""Opened reads of an object store: obstore's answers as `GetResult`, readable in either colour."""

from __future__ import annotations

import builtins
from collections.abc import AsyncIterator, Iterator
from typing import Any

from holdall._buffers import room
from holdall._turns import turn_async
from holdall.core.meta import ObjectMeta
from holdall.core.ranges import ByteRange
from holdall.drivers import objects_fork
from holdall.drivers.objects_errors import FAILURES, facts_of, failure, masked
from holdall.drivers.objects_values import meta_of
from holdall.errors import HoldallError
from holdall.results import CHUNK, Body, GetResult

__all__ = ["SMALL", "ObjectResult", "StreamedResult", "cut", "cut_async"]

SMALL = 64 * 1024
"""Bytes up to which a body is read with its answer: what is done between the two lets the connection's thread go to sleep."""


LARGE = 16 * 1024 * 1024
"""Bytes from which on a body is put together as it comes: obstore would join its pieces, and Python copy that, in one call."""


class ObjectResult(GetResult):
    """Obstore's answer with a body that was read with it; the description is made when it is looked at."""

    __slots__ = ("_key", "_native")
    _native: Any

    def __init__(self, key: str, native: Any, body: Body, range: tuple[int, int]) -> None:
        self._key = key
        self._native = native
        self._body = body
        self.range = range
        self.tags = None
        self._close = None
        self._taken = False

    def __getattr__(self, name: str) -> Any:
        if name != "meta":
            raise AttributeError(name)
        native, self._native = self._native, None
        self.meta: ObjectMeta = meta_of(self._key, native.meta, native.attributes)
        return self.meta


class StreamedResult(ObjectResult):
    """Obstore's answer, of whose body nothing is read before it is asked for."""

    __slots__ = ("_store",)

    def __init__(self, key: str, native: Any, range: tuple[int, int], store: object) -> None:
        self._key = key
        self._native = self._body = native
        self.range = range
        self.tags = None
        self._close = None
        self._taken = False
        self._store = store

    def bytes(self) -> builtins.bytes:
        """Return all bytes of the answer. See `GetResult.bytes`."""
        if self.size > LARGE:
            return super().bytes()
        native = self._taken_body()
        try:
            data: builtins.bytes = native.bytes().to_bytes()
        except FAILURES as error:
            raise self._broken(error) from masked(error)
        start, end = self.range
        if len(data) != end - start:
            raise self._short(len(data))
        return data

    async def bytes_async(self) -> builtins.bytes:
        """Return all bytes of the answer. See `GetResult.bytes`."""
        if self.size > LARGE:
            return await super().bytes_async()
        native = self._taken_body()
        try:
            data = await _copied_async(await native.bytes_async())
        except FAILURES as error:
            raise self._broken(error) from masked(error)
        start, end = self.range
        if len(data) != end - start:
            raise self._short(len(data))
        return data

    def close(self) -> None:
        """Let go of the connection; idempotent."""
        super().close()
        _ = self.meta  # the last moment to make it
        self._body = None  # type: ignore[assignment]  # closed for good: dropping the answer drops its connection

    async def close_async(self) -> None:
        """Let go of the connection; idempotent."""
        self.close()

    def _taken_body(self) -> Any:
        if self._taken or objects_fork.stale:
            objects_fork.check_fork()
            self._take()
        self._taken = True
        native, self._body = self._body, None  # type: ignore[assignment]
        return native

    def _checked(self) -> Iterator[builtins.bytes]:
        stream, got = self._taken_body().stream(min_chunk_size=CHUNK), 0
        try:
            for chunk in stream:
                if chunk:
                    got += len(chunk)
                    yield chunk
        except FAILURES as error:
            raise self._broken(error) from masked(error)
        if got != self.size:
            raise self._short(got)

    async def _checked_async(self) -> AsyncIterator[builtins.bytes]:
        stream, got = self._taken_body().stream(min_chunk_size=CHUNK), 0
        try:
            async for chunk in stream:
                if chunk:
                    got += len(chunk)
                    yield chunk
        except FAILURES as error:
            raise self._broken(error) from masked(error)
        if got != self.size:
            raise self._short(got)

    def _broken(self, error: Exception) -> HoldallError:
        return failure(facts_of(error), verb="read", key=self._key, store=self._store)


async def _copied_async(data: Any) -> bytes:
    """Return the bytes of a buffer of obstore's, copied on the event loop in steps."""
    if len(data) <= CHUNK:
        copied: bytes = data.to_bytes()
        return copied
    view = memoryview(data)
    with room(len(view)) as buffer:
        for at in range(0, len(view), CHUNK):
            await turn_async()
            buffer.write(view[at : at + CHUNK])
        return buffer.getvalue()


def cut(whole: GetResult, wanted: ByteRange, *, store: object) -> GetResult:
    """Return a range of an answer that came whole, from a server that does not know ranges.

    Raises:
        RangeNotSatisfiableError: The range starts behind the end.
    """
    start, end = wanted.resolve(whole.meta.size, key=whole.meta.key, store=store)

    def body() -> Iterator[bytes]:
        at = 0
        for chunk in whole:
            piece = chunk[max(0, start - at) : max(0, end - at)]
            at += len(chunk)
            if piece:
                yield piece
            if at >= end:
                break

    return GetResult(whole.meta, body(), range=(start, end), close=whole.close)


async def cut_async(whole: GetResult, wanted: ByteRange, *, store: object) -> GetResult:
    """Return a range of an answer that came whole. See `cut`."""
    start, end = wanted.resolve(whole.meta.size, key=whole.meta.key, store=store)

    async def body() -> AsyncIterator[bytes]:
        at = 0
        async for chunk in whole:
            piece = chunk[max(0, start - at) : max(0, end - at)]
            at += len(chunk)
            if piece:
                yield piece
            if at >= end:
                break

    return GetResult(whole.meta, body(), range=(start, end), close=whole.close_async)
