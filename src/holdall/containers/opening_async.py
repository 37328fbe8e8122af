"""Open an archive: header and end are asked for at once, the table comes with them or in one more request."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from holdall._concurrency import gather_async, run_async
from holdall.containers.archive import Archive, Cursor, Origin, table_of
from holdall.containers.errors import FormatError
from holdall.containers.fetching_async import LONG, changed, drive_async, get_async, ranges_async
from holdall.containers.header import HEADER, parse_header
from holdall.containers.held import hold
from holdall.containers.members import check_size
from holdall.containers.walking import resolve
from holdall.core.ranges import ByteRange
from holdall.errors import PreconditionError, RangeNotSatisfiableError

__all__ = ["attach_async", "descend_async", "keep_open_async"]

TRIES = 3
"""How often opening begins anew if the object is replaced meanwhile."""


async def attach_async(origin: Origin) -> Archive:
    """Open an archive: header and end are asked for at once, the table comes with them or in one more request.

    Raises:
        FormatError: Not an archive.
        PreconditionError: It is being replaced faster than it can be opened.
    """
    origin.check_open()
    if origin.archive is not None:
        return origin.archive
    pinned = origin.etag
    await keep_open_async(origin)
    for _ in range(TRIES):
        try:
            archive = await _opened_async(origin)
        except PreconditionError:
            if pinned is not None or origin.file is not None:
                raise
        else:
            origin.archive = archive
            return archive
    raise changed(origin)


async def keep_open_async(origin: Origin) -> None:
    """Open a local file that is not pinned to a version, so that it is read to its end whatever takes its place."""
    if origin.file is None and origin.etag is None and origin.version is None:
        origin.file = await run_async(lambda: hold(origin.store, origin.key))


async def descend_async(origin: Origin, path: Sequence[Any]) -> Archive:
    """Open an archive, and follow a path of embedded ones."""
    archive = origin.archive
    if archive is None:
        archive = await attach_async(origin)
    origin.check_open()
    if path:
        place = await drive_async(origin, resolve(Cursor(archive, archive.table.node, ()), path))
        archive = place.archive
    return archive


async def _opened_async(origin: Origin) -> Archive:
    front, back, size = await _ends_async(origin)
    header = parse_header(front, origin.options.magic)
    check_size(origin, header, size)
    low, high = HEADER + header.toc_start, header.end
    if high <= len(front):
        toc = front[low:high]
    elif low >= size - len(back):
        toc = back[low - (size - len(back)) : high - (size - len(back))]
    else:
        (toc,) = await ranges_async(origin, [(low, high)])
    if len(toc) > LONG:
        return Archive(origin, await run_async(lambda: table_of(front, toc, size, origin.options)))
    return Archive(origin, table_of(front, toc, size, origin.options))


async def _ends_async(origin: Origin) -> tuple[bytes, bytes, int]:
    """Return the first and the last bytes of the object, and its size."""
    window = origin.options.window
    size = origin.size if origin.file is None else origin.file.size
    if size is not None:
        if size == 0:
            raise _empty(origin)
        if size <= 2 * window:
            (whole,) = await ranges_async(origin, [(0, size)])
            return whole, whole, size
        front, back = await ranges_async(origin, [(0, window), (size - window, size)])
        return front, back, size
    spans = [ByteRange(0, window)]
    if origin.store.capabilities.suffix_ranges:
        spans.append(ByteRange.last(window))
    try:
        answers = await gather_async([lambda s=span: get_async(origin, s) for span in spans])  # type: ignore[misc]
    except RangeNotSatisfiableError as error:
        raise _empty(origin) from error
    origin.stats.requests += len(spans)
    origin.stats.serial_rounds += 1
    origin.stats.bytes += sum(len(data) for _, data in answers)
    result, front = answers[0]
    other, back = answers[-1] if len(answers) > 1 else (result, b"")
    if (other.meta.etag, other.meta.size) != (result.meta.etag, result.meta.size):
        raise changed(origin)
    if origin.etag is None and origin.store.capabilities.conditional_read:
        origin.etag = result.meta.etag
    return front, back, result.meta.size


def _empty(origin: Origin) -> FormatError:
    return FormatError("an empty object is no archive", kind="magic", offset=0, key=origin.key)
