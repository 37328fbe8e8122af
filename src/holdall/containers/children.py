# Generated from children_async.py by tools/twins.py: change that file, not this one.
"""Copy archives into a combined one, chunk by chunk: the I/O of combining."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from holdall._concurrency import gather
from holdall.containers.drawing import each
from holdall.containers.encoder import Encoder
from holdall.containers.errors import FormatError
from holdall.containers.finishing import finish
from holdall.containers.header import HEADER, parse_header
from holdall.containers.nodes import Combined
from holdall.containers.options import WriteOptions
from holdall.containers.pouring import look, pour
from holdall.containers.reader import LazyReader
from holdall.containers.sinks import Sink
from holdall.containers.writing import encode

__all__ = ["copy_archive", "copy_chunks", "copy_object", "look_at_all", "old_children"]


def old_children(sink: Sink, reader: LazyReader) -> Any:
    """Copy what a combined archive holds to the beginning of a new one, and return the table of its offsets.

    Raises:
        FormatError: It is no combined archive.
        NotFoundError: There is nothing.
    """
    archive = reader._archive()
    if not isinstance(archive.table.node, Combined):
        raise FormatError("only a combined archive can be appended to; combine() makes one", kind="toc")
    start, end = archive.at(0, archive.table.header.toc_start)
    for chunk in pour(archive.origin, start, end):
        sink.write(chunk)
    return archive.table.node.children


def copy_archive(sink: Sink, reader: LazyReader, validate: bool | str) -> None:
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
        reader._archive()
        start, end = reader._extent
        if validate == "full":
            reader.verify()
    elif validate is not False:
        sink.write(look(origin))
        start, end = HEADER, origin.size
    for chunk in pour(origin, start, end):
        sink.write(chunk)


def look_at_all(readers: Iterable[LazyReader]) -> None:
    """Look at the headers of archives that were not opened, all at once, before anything of them is copied.

    Raises:
        FormatError: One of them is no archive.
        NotFoundError: One of them is not there.
    """
    origins = [reader._origin for reader in readers if reader._origin.archive is None and not reader._path]
    gather([lambda o=origin: look(o) for origin in origins])  # type: ignore[misc]


def copy_chunks(sink: Sink, chunks: Any, validate: bool | str) -> None:
    """Copy an archive that comes in chunks; its header must fit what has come at the end.

    Raises:
        FormatError: It does not.
    """
    start = sink.position
    front = b""
    for chunk in each(chunks):
        front += bytes(chunk[: HEADER - len(front)])
        sink.write(chunk)
    if validate is not False and parse_header(front).end > sink.position - start:
        raise FormatError("the chunks end within an archive", kind="header", offset=sink.position - start)


def copy_object(sink: Sink, value: Any, options: WriteOptions) -> None:
    """Encode a document straight into an embedded archive."""
    start = sink.position
    sink.pin(start, start + HEADER)
    sink.write(bytes(HEADER))
    encoder = Encoder(options.codec_name, options.layout, options.default)
    node = encode(sink, encoder, value, start + HEADER)
    header, tail = finish(node, encoder.position, options, encoder.annexes)
    sink.write(tail)
    sink.patch(start, header)
