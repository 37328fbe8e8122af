"""What the verbs answer: `GetResult` (a stream), `PutResult`, `DeleteResult`, `Upload`."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from holdall._buffers import room
from holdall._lazy import lazy
from holdall._turns import turn_async
from holdall.core.meta import Attributes, ObjectMeta
from holdall.errors import HoldallError, IntegrityError

if TYPE_CHECKING:
    import asyncio
else:
    asyncio = lazy("asyncio")

__all__ = ["CHUNK", "DeleteResult", "GetResult", "PutResult", "Upload"]

CHUNK = 1024 * 1024
"""Bytes per chunk of a stream, unless asked otherwise."""

_LARGE = 4 * CHUNK
"""Above this, chunks are put together in one growing room, and not held beside what they are joined to."""
Chunk = bytes
Body = bytes | Iterator[bytes] | AsyncIterator[bytes]


@dataclass(frozen=True, slots=True, kw_only=True)
class PutResult:
    """What was published.

    Attributes:
        key: Where.
        size: Bytes written.
        etag: Validator of what was written, equal to a later `head`'s; ``None`` where the store has none.
        version: Version id where the store keeps versions.
        last_modified: When, by the store's own account, where no further request tells it; else ``None``.
    """

    key: str
    size: int
    etag: str | None = None
    version: str | None = None
    last_modified: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class DeleteResult:
    """The outcome for one key of a `delete`.

    Attributes:
        key: Which.
        error: Why it could not be deleted, or ``None``. Absent keys are no error.
        existed: Whether there was something, where the store tells; else ``None``.
    """

    key: str
    error: HoldallError | None = None
    existed: bool | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Upload:
    """An unfinished part upload: its key and id (see `Store.uploads`)."""

    key: str
    upload_id: str
    started: Any = None


class GetResult:
    """One opened read: what it is, and its bytes once, as a stream.

    Obtained from `Store.get` (blocking body) or `Store.get_async` (async body). Use it as a context manager, read it to
    the end, or close it; a result that is dropped unread closes its source too.

    Attributes:
        meta: The object (its whole ``size``, not the range's).
        range: ``(start, end)`` of the bytes in this answer.
        tags: The object's tags, where the store had them at hand; ``None`` means: ask `Store.tags`.

    Example:
        >>> from holdall.drivers.memory import MemoryStore
        >>> store = MemoryStore()
        >>> _ = store.put("a", b"hello")
        >>> store.get("a").bytes()
        b'hello'
    """

    __slots__ = ("_body", "_close", "_taken", "meta", "range", "tags")

    def __init__(
        self,
        meta: ObjectMeta,
        body: Body,
        *,
        range: tuple[int, int] | None = None,
        close: Any = None,
        tags: Mapping[str, str] | None = None,
    ) -> None:
        """Take a body: the bytes themselves, a blocking iterator of chunks, or an async one.

        Args:
            meta: The object.
            body: Its bytes in the range. An iterator may offer ``read_all() -> bytes``, which blocks: one piece then need not
                be joined from chunks.
            range: ``(start, end)``; the whole object if ``None``.
            close: Called once when done (may be a coroutine function for an async body).
            tags: See the attribute.
        """
        self.tags = tags
        self.meta = meta
        self.range = (0, meta.size) if range is None else range
        self._body: Body = body
        self._close = close
        self._taken = False

    @property
    def attributes(self) -> Attributes:
        """Headers and user metadata."""
        return self.meta.attributes

    @property
    def size(self) -> int:
        """Bytes in this answer."""
        return self.range[1] - self.range[0]

    @property
    def buffered(self) -> bool:
        """Whether the bytes are in memory already: reading them does no I/O, in either colour."""
        return type(self._body) is bytes

    def bytes(self) -> Chunk:
        """Return all bytes of the answer.

        Raises:
            IntegrityError: Fewer or more bytes came than were announced.
            ValueError: The stream was taken already.
        """
        body = self._body
        if type(body) is bytes:
            if not self._taken and len(body) == self.range[1] - self.range[0]:
                self._taken = True
                return body
            self._take()
            data = body
        elif (whole := _whole(body)) is not None:
            self._take()
            try:
                data = whole()
            finally:
                self.close()
        elif self.size > _LARGE:
            with room(self.size) as buffer:
                for chunk in self:
                    buffer.write(chunk)
                buffer.truncate()
                data = buffer.getvalue()
        else:
            data = b"".join(self)
        if len(data) != self.size:
            raise self._short(len(data))
        return data

    async def bytes_async(self) -> Chunk:
        """Return all bytes of the answer. See `bytes`."""
        body = self._body
        if type(body) is bytes:
            self._take()
            data = body
        elif (whole := _whole(body)) is not None:
            self._take()
            try:
                data = await asyncio.to_thread(whole)
            finally:
                await self.close_async()
        elif self.size > _LARGE:
            with room(self.size) as buffer:
                async for chunk in self:
                    await turn_async()  # others read, too
                    buffer.write(chunk)
                buffer.truncate()
                data = buffer.getvalue()
        else:
            data = b"".join([chunk async for chunk in self])
        if len(data) != self.size:
            raise self._short(len(data))
        return data

    def __iter__(self) -> Iterator[Chunk]:
        """Iterate over chunks of the store's choice; a short body raises `IntegrityError` at its end."""
        return self._checked()

    def __aiter__(self) -> AsyncIterator[Chunk]:
        """Iterate over chunks of the store's choice; a short body raises `IntegrityError` at its end."""
        return self._checked_async()

    def chunks(self, size: int = CHUNK) -> Iterator[Chunk]:
        """Iterate over chunks of exactly ``size`` bytes (the last may be shorter)."""
        rest = bytearray()
        for chunk in self:
            if not rest and len(chunk) == size:
                yield chunk
                continue
            rest += chunk
            while len(rest) >= size:
                yield bytes(rest[:size])
                del rest[:size]
        if rest:
            yield bytes(rest)

    async def chunks_async(self, size: int = CHUNK) -> AsyncIterator[Chunk]:
        """Iterate over chunks of exactly ``size`` bytes (the last may be shorter)."""
        rest = bytearray()
        async for chunk in self:
            if not rest and len(chunk) == size:
                yield chunk
                continue
            rest += chunk
            while len(rest) >= size:
                yield bytes(rest[:size])
                del rest[:size]
        if rest:
            yield bytes(rest)

    def close(self) -> None:
        """Let go of the source; idempotent."""
        close, self._close, self._taken = self._close, None, True
        if close is not None:
            close()

    async def close_async(self) -> None:
        """Let go of the source; idempotent."""
        close, self._close, self._taken = self._close, None, True
        if close is not None:
            answer = close()
            if answer is not None:
                await answer

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close_async()

    def __repr__(self) -> str:
        return f"GetResult({self.meta.key!r}, range={self.range})"

    def _take(self) -> None:
        if self._taken:
            raise ValueError("this result was read or closed already")
        self._taken = True

    def _short(self, got: int) -> IntegrityError:
        return IntegrityError(f"{self.meta.key!r}: {got} bytes came of {self.size} announced", key=self.meta.key)

    def _checked(self) -> Iterator[Chunk]:
        body = self._body
        if not isinstance(body, bytes) and not isinstance(body, Iterable):
            raise TypeError("this result came from get_async: use bytes_async() or 'async for'")
        self._take()
        got = 0
        try:
            for chunk in (body,) if isinstance(body, bytes) else body:
                if chunk:
                    got += len(chunk)
                    yield chunk
        finally:
            self.close()
        if got != self.size:
            raise self._short(got)

    async def _checked_async(self) -> AsyncIterator[Chunk]:
        self._take()
        body = self._body
        got = 0
        try:
            if isinstance(body, bytes):
                got = len(body)
                if body:
                    yield body
            elif isinstance(body, AsyncIterator):
                async for chunk in body:
                    if chunk:
                        got += len(chunk)
                        yield chunk
            else:
                while True:
                    piece = await asyncio.to_thread(_next, body)
                    if piece is None:
                        break
                    got += len(piece)
                    yield piece
        finally:
            await self.close_async()
        if got != self.size:
            raise self._short(got)


def _whole(body: object) -> Callable[[], bytes] | None:
    """Return a body's way to give all its bytes in one piece, if it has one."""
    return getattr(body, "read_all", None)


def _next(chunks: Iterator[bytes]) -> bytes | None:
    """Return the next chunk or ``None``; StopIteration cannot cross a thread's future."""
    return next(chunks, None)
