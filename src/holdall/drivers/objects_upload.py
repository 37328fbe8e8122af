"""Uploads through obstore from any source, in both colours: they can be stopped, and leave no parts behind.

Obstore aborts its multipart upload when the source raises, but not when its task is cancelled: the parts would stay,
unseen and paid for. So the source is always an iterator of ours. A cancellation makes it raise; obstore aborts; then the
cancellation goes its way.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator, Mapping
from typing import Any

import obstore

from holdall.drivers.objects_parts import PartPlan
from holdall.errors import NotSupportedError
from holdall.sources import AsyncSource, check_source

__all__ = ["admit", "admit_async", "upload", "upload_async"]

PATIENCE = 10.0
"""Seconds that a cancelled upload gets to abort."""


class _StoppedError(Exception):
    """Ends a source from outside."""


class _Feed:
    """Counts the chunks that obstore draws, and keeps the source's own error."""

    def __init__(self, chunks: Iterator[bytes], limit: int) -> None:
        self._chunks = chunks
        self._limit = limit
        self.size = 0
        self.error: BaseException | None = None

    def __iter__(self) -> Iterator[bytes]:
        return self

    def __next__(self) -> bytes:
        try:
            chunk = next(self._chunks)
        except StopIteration:
            raise
        except BaseException as error:
            self.error = error
            raise
        self.count(chunk)
        return chunk

    def count(self, chunk: bytes) -> None:
        self.size += len(chunk)
        if self.size > self._limit:
            self.error = _too_long(self._limit)
            raise self.error


class _AsyncFeed:
    """The same for the async colour; `stop` makes it raise, even while it waits for its source."""

    def __init__(self, chunks: AsyncIterator[bytes], limit: int) -> None:
        self._chunks = chunks
        self._limit = limit
        self._waiting: asyncio.Task[bytes] | None = None
        self._stopped = False
        self.size = 0
        self.error: BaseException | None = None

    def __aiter__(self) -> AsyncIterator[bytes]:
        return self

    async def __anext__(self) -> bytes:
        if self._stopped:
            raise _StoppedError
        self._waiting = asyncio.ensure_future(self._draw())
        try:
            chunk = await self._waiting
        except StopAsyncIteration:
            raise
        except asyncio.CancelledError:
            raise _StoppedError from None
        except BaseException as error:
            self.error = error
            raise
        finally:
            self._waiting = None
        self.size += len(chunk)
        if self.size > self._limit:
            self.error = _too_long(self._limit)
            raise self.error
        return chunk

    async def _draw(self) -> bytes:
        return await anext(self._chunks)

    def stop(self) -> None:
        self._stopped = True
        if self._waiting is not None:
            self._waiting.cancel()


def upload(
    store: Any, path: str, chunks: Iterator[bytes], plan: PartPlan, *, attributes: Mapping[str, str], tags: Any
) -> tuple[int, Any]:
    """Send chunks as a multipart upload; return how many bytes that was, and obstore's result.

    Raises:
        NotSupportedError: More came than the service takes in parts of this size.
    """
    feed = _Feed(chunks, plan.limit)
    try:
        native = obstore.put(
            store,
            path,
            feed,
            attributes=dict(attributes),
            tags=tags,
            use_multipart=True,
            chunk_size=plan.size,
            max_concurrency=plan.concurrency,
        )
    except BaseException:
        if feed.error is not None:
            raise feed.error from None
        raise
    return feed.size, native


async def upload_async(
    store: Any, path: str, chunks: AsyncIterator[bytes], plan: PartPlan, *, attributes: Mapping[str, str], tags: Any
) -> tuple[int, Any]:
    """Send chunks as a multipart upload. See `upload`."""
    feed = _AsyncFeed(chunks, plan.limit)

    async def send() -> Any:
        return await obstore.put_async(
            store,
            path,
            feed,
            attributes=dict(attributes),
            tags=tags,
            use_multipart=True,
            chunk_size=plan.size,
            max_concurrency=plan.concurrency,
        )

    task = asyncio.ensure_future(send())
    try:
        native = await asyncio.shield(task)
    except asyncio.CancelledError:
        feed.stop()
        await asyncio.wait([task], timeout=PATIENCE)
        if not task.done():
            task.cancel()
        elif not task.cancelled():
            task.exception()  # looked at: what made it end is the cancellation
        raise
    except BaseException:
        if feed.error is not None:
            raise feed.error from None
        raise
    return feed.size, native


def _too_long(limit: int) -> NotSupportedError:
    return NotSupportedError(
        f"a source of unknown length gave more than {limit} bytes, the most for parts of this size: "
        'pass part_size, or on S3 pip install "holdall[s3]"'
    )


def admit(source: object) -> None:
    """Refuse what is no source of the blocking colour."""
    check_source(source, blocking=True)


def admit_async(source: AsyncSource | object) -> None:
    """Refuse what is no source of the async colour."""
    check_source(source, blocking=False)
