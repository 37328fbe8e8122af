"""Read an archive once, from one end to the other: its header by itself, then the rest by one request, in small pieces."""

from __future__ import annotations

from collections.abc import AsyncIterator

from holdall._concurrency import run_async
from holdall.containers.archive import Origin
from holdall.containers.fetching_async import changed
from holdall.containers.header import HEADER, parse_header
from holdall.containers.members import check_size
from holdall.containers.opening_async import keep_open_async
from holdall.core.options import GetOptions
from holdall.core.ranges import ByteRange
from holdall.errors import NotFoundError, PreconditionError, RangeNotSatisfiableError

__all__ = ["look_async", "pour_async"]

PIECE = 256 * 1024
"""Bytes of a local file that are read at a time."""


async def look_async(origin: Origin) -> bytes:
    """Return the header of an archive that was not opened; it is checked against the size, and what is read later is pinned to this version.

    Raises:
        FormatError: Not an archive.
        NotFoundError: There is nothing.
    """
    if origin.front is not None:
        return origin.front
    origin.check_open()
    await keep_open_async(origin)
    if origin.file is not None:
        file = origin.file
        size = file.size
        found: list[bytes] = await run_async(lambda: file.read([(0, HEADER)]))
        front = found[0]
    else:
        options = GetOptions(range=ByteRange(0, HEADER), if_match=origin.etag, version=origin.version)
        try:
            async with await origin.store.get_async(origin.key, options) as result:
                size, front = result.meta.size, await result.bytes_async()
        except RangeNotSatisfiableError:
            size, front = 0, b""  # it is empty
        else:
            if origin.etag is None and origin.store.capabilities.conditional_read:
                origin.etag = result.meta.etag
        origin.stats.requests += 1
        origin.stats.serial_rounds += 1
        origin.stats.bytes += len(front)
    check_size(origin, parse_header(front, origin.options.magic), size)
    origin.size, origin.front = size, front
    return front


async def pour_async(origin: Origin, start: int, end: int | None) -> AsyncIterator[bytes]:
    """Iterate over bytes of the object, by one request.

    Raises:
        PreconditionError: It was replaced since it was looked at (``kind="changed"``).
    """
    origin.check_open()
    await keep_open_async(origin)
    if origin.file is not None:
        file = origin.file
        end = file.size if end is None else end
        for at in range(start, end, PIECE):
            span = (at, min(at + PIECE, end))
            try:
                (data,) = await run_async(lambda s=span: file.read([s]))  # type: ignore[misc]
            except PreconditionError as error:
                raise changed(origin) from error
            yield data
        return
    if start == end:
        return
    whole = start == 0 and end is None
    options = GetOptions(range=None if whole else ByteRange(start, end), if_match=origin.etag, version=origin.version)
    origin.stats.requests += 1
    origin.stats.serial_rounds += 1
    try:
        result = await origin.store.get_async(origin.key, options)
    except (PreconditionError, NotFoundError) as error:
        if whole:
            raise
        raise changed(origin) from error
    async with result:
        async for data in result:
            origin.stats.bytes += len(data)
            yield data
