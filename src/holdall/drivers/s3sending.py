"""Large content to S3 by the side channel: sources of unknown length, and conditions on content of any size.

Parts grow as they are sent, so that 10,000 of them hold any object; parts in flight hold at most 256 MiB, or one part. Where the
service cannot condition the completion of an upload, the content is spooled to a temporary file and goes in one conditional
request of up to 5 GiB: never an unconditional write.
"""

from __future__ import annotations

import asyncio
import contextlib
import tempfile
from collections.abc import AsyncIterator, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from functools import partial
from io import BytesIO
from typing import Any, TypeAlias

from holdall._buffers import room
from holdall._concurrency import run_async
from holdall._turns import give_way
from holdall.core.options import PutOptions
from holdall.drivers.objects_parts import IN_FLIGHT, PART, growing_parts, part_plan
from holdall.drivers.objects_upload import PATIENCE
from holdall.drivers.s3extra import S3Extra
from holdall.drivers.s3parts import LARGEST, MOST, S3Parts
from holdall.drivers.s3probe import probe_complete
from holdall.errors import NotSupportedError, PermissionDeniedError
from holdall.results import CHUNK, PutResult

__all__ = ["send", "send_async"]

SPOOL = 64 * 1024 * 1024
"""Bytes of a spooled source that stay in memory."""


Pieces: TypeAlias = "list[bytes | memoryview]"
"""A part, as it came."""


class _Cutter:
    """Cuts a stream of chunks into parts."""

    def __init__(self, extra: S3Extra, size: int | None, options: PutOptions) -> None:
        if size is None:
            first = max(options.part_size or PART, 5 * 1024 * 1024)
            self._sizes = growing_parts(first, most=MOST, largest=LARGEST, equal=extra.settings.equal_parts)
        else:
            part = part_plan(size, options, most=MOST).size
            self._sizes = iter([part] * MOST)
        self._wanted = next(self._sizes)
        self._held: Pieces = []
        self._size = 0
        self._store = extra.store

    def feed(self, chunk: bytes) -> Iterator[Pieces]:
        """Take a chunk; yield the parts that are full now, in pieces of which none is copied."""
        self._held.append(chunk)
        self._size += len(chunk)
        while self._size > self._wanted:  # the last part is never empty
            over = self._size - self._wanted  # of the last chunk: what came before it was not enough
            last = memoryview(self._held.pop())
            part: Pieces = [*self._held, last[: len(last) - over]]
            rest: Pieces = [last[len(last) - over :]]
            self._held, self._size = rest, over
            yield part
            following = next(self._sizes, None)
            if following is None:
                raise NotSupportedError(f"the source gave more than {MOST} parts can hold", store=self._store)
            self._wanted = following

    def rest(self) -> Pieces:
        """Return the last part."""
        return self._held


def send(extra: S3Extra, key: str, path: str, chunks: Iterator[bytes], size: int | None, options: PutOptions) -> PutResult:
    """Write an object that is too large for one request. See `SideChannel.send`."""
    if options.mode != "overwrite" and not _conditional(extra, options.mode):
        with _spool() as file:
            for chunk in chunks:
                file.write(chunk)
                _check_spool(file, extra)
            file.seek(0)
            return extra.put(key, path, file, options)
    limit = options.concurrency or extra.settings.client.concurrency
    cutter, window = _Cutter(extra, size, options), dict[Future[None], int]()

    with S3Parts.begin(extra, key, path, options) as writer, ThreadPoolExecutor(limit, "holdall") as pool:

        def submit(number: int, pieces: Pieces) -> None:
            size = sum(map(len, pieces))
            while window and (len(window) >= limit or sum(window.values()) + size > IN_FLIGHT):
                done, _ = wait(window, return_when=FIRST_COMPLETED)
                for future in done:
                    del window[future]
                    future.result()
            window[pool.submit(_put, writer, number, pieces, room(size))] = size

        number = 1
        for chunk in chunks:
            for part in cutter.feed(chunk):
                submit(number, part)
                number += 1
        submit(number, cutter.rest())
        for future in list(window):
            future.result()
        return writer.complete()


async def send_async(
    extra: S3Extra, key: str, path: str, chunks: AsyncIterator[bytes], size: int | None, options: PutOptions
) -> PutResult:
    """Write an object that is too large for one request. See `SideChannel.send`."""
    if options.mode != "overwrite" and not await run_async(partial(_conditional, extra, options.mode)):
        with _spool() as file:
            async for chunk in chunks:
                await run_async(partial(file.write, chunk))
                _check_spool(file, extra)
            file.seek(0)
            return await run_async(partial(extra.put, key, path, file, options))
    limit = options.concurrency or extra.settings.client.concurrency
    cutter, window = _Cutter(extra, size, options), dict[asyncio.Future[None], int]()
    begun = asyncio.ensure_future(run_async(partial(S3Parts.begin, extra, key, path, options)))
    try:
        writer = await asyncio.shield(begun)
    except asyncio.CancelledError:
        with contextlib.suppress(Exception):  # the cancellation is what counts
            await (await begun).abort_async()
        raise

    async def submit(number: int, pieces: Pieces) -> None:
        size = sum(map(len, pieces))
        while window and (len(window) >= limit or sum(window.values()) + size > IN_FLIGHT):
            done, _ = await asyncio.wait(window, return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                del window[task]
                task.result()
        window[asyncio.ensure_future(run_async(partial(_put, writer, number, pieces, room(size))))] = size

    try:
        number = 1
        async for chunk in chunks:
            for part in cutter.feed(chunk):
                await submit(number, part)
                number += 1
        await submit(number, cutter.rest())
        for task in list(window):
            await task
            del window[task]
        completed = asyncio.ensure_future(writer.complete_async())
        try:
            return await asyncio.shield(completed)
        except asyncio.CancelledError:
            window[completed] = 0  # type: ignore[index]  # its thread goes on: wait for it before aborting
            raise
    finally:
        if window:  # threads cannot be stopped: what they send after an abort would stay
            await asyncio.wait(window, timeout=PATIENCE)
            for task in window:
                if task.done() and not task.cancelled():
                    task.exception()
        await writer.abort_async()


def _put(writer: S3Parts, number: int, pieces: Pieces, whole: BytesIO) -> None:
    """Send a part. Its pieces become one here, beside an event loop in steps, as boto3 takes nothing else.

    The room for that is made by who reads the source: what threads make, the system's allocator keeps for each of them.
    """
    while pieces:  # what was copied is let go of
        view = memoryview(pieces.pop(0))
        for at in range(0, len(view), CHUNK):
            give_way()
            whole.write(view[at : at + CHUNK])
        del view
    writer.put_part(number, whole.getvalue())


def _conditional(extra: S3Extra, mode: str) -> bool:
    """Tell whether a completion is known to honour its condition; who may not try that sends one request, which is known to."""
    try:
        return probe_complete(extra, mode)
    except PermissionDeniedError:
        return False


def _spool() -> Any:
    return tempfile.SpooledTemporaryFile(max_size=SPOOL, prefix="holdall-")


def _check_spool(file: Any, extra: S3Extra) -> None:
    if file.tell() > LARGEST:
        raise NotSupportedError(
            "this service takes conditions in single requests only, which hold at most 5 GiB", store=extra.store
        )
