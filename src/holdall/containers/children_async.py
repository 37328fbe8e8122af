"""Copy archives into a combined one, chunk by chunk: the I/O of combining."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from holdall._concurrency import gather_async
from holdall.containers.drawing import each_async
from holdall.containers.encoder import Encoder
from holdall.containers.errors import FormatError
from holdall.containers.finishing import finish
from holdall.containers.header import HEADER, parse_header
from holdall.containers.nodes import Combined
from holdall.containers.options import WriteOptions
from holdall.containers.pouring_async import look_async, pour_async
from holdall.containers.reader import LazyReader
from holdall.containers.sinks_async import Sink
from holdall.containers.writing_async import encode_async

__all__ = ["copy_archive_async", "copy_chunks_async", "copy_object_async", "look_at_all_async", "old_children_async"]


async def old_children_async(sink: Sink, reader: LazyReader) -> Any:
    """Copy what a combined archive holds to the beginning of a new one, and return the table of its offsets.

    Raises:
        FormatError: It is no combined archive.
        NotFoundError: There is nothing.
    """
    archive = await reader._archive_async()
    if not isinstance(archive.table.node, Combined):
        raise FormatError("only a combined archive can be appended to; combine() makes one", kind="toc")
    start, end = archive.at(0, archive.table.header.toc_start)
    async for chunk in pour_async(archive.origin, start, end):
        await sink.write_async(chunk)
    return archive.table.node.children


async def copy_archive_async(sink: Sink, reader: LazyReader, validate: bool | str) -> None:
    """Copy an archive, pinned to what it is when it is looked at.

    Args:
        sink: Takes the bytes.
        reader: Of the archive.
        validate: ``True`` looks at its header, ``"toc"`` at its table too, ``"full"`` verifies all of it, ``False`` takes it as it is.

    Raises:
        FormatError, IntegrityError: It is no archive, or a damaged one.
        PreconditionError: It was replaced meanwhile.
    """
    origin = reader._origin
    start, end = 0, None
    if validate in {"toc", "full"} or reader._path or origin.archive is not None:
        await reader._archive_async()
        start, end = reader._extent
        if validate == "full":
            await reader.verify_async()
    elif validate is not False:
        await sink.write_async(await look_async(origin))
        start, end = HEADER, origin.size
    async for chunk in pour_async(origin, start, end):
        await sink.write_async(chunk)


async def look_at_all_async(readers: Iterable[LazyReader]) -> None:
    """Look at the headers of archives that were not opened, all at once, before anything of them is copied.

    Raises:
        FormatError: One of them is no archive.
        NotFoundError: One of them is not there.
    """
    origins = [reader._origin for reader in readers if reader._origin.archive is None and not reader._path]
    await gather_async([lambda o=origin: look_async(o) for origin in origins])  # type: ignore[misc]


async def copy_chunks_async(sink: Sink, chunks: Any, validate: bool | str) -> None:
    """Copy an archive that comes in chunks; its header must fit what has come at the end.

    Raises:
        FormatError: It does not.
    """
    start = sink.position
    front = b""
    async for chunk in each_async(chunks):
        front += bytes(chunk[: HEADER - len(front)])
        await sink.write_async(chunk)
    if validate is not False and parse_header(front).end > sink.position - start:
        raise FormatError("the chunks end within an archive", kind="header", offset=sink.position - start)


async def copy_object_async(sink: Sink, value: Any, options: WriteOptions) -> None:
    """Encode a document straight into an embedded archive."""
    start = sink.position
    sink.pin(start, start + HEADER)
    await sink.write_async(bytes(HEADER))
    encoder = Encoder(options.codec_name, options.layout, options.default)
    node = await encode_async(sink, encoder, value, start + HEADER)
    header, tail = finish(node, encoder.position, options, encoder.annexes)
    await sink.write_async(tail)
    await sink.patch_async(start, header)
