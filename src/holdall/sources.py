"""What `put` takes as a source, turned into bytes or chunks in either colour.

A source is bytes-like (any object of the buffer protocol, arrays included), a path (`os.PathLike`, not ``str``), a binary file
open for reading, an iterable of bytes-like chunks of unknown length, or (async verbs only) an async iterable of them. `check_source` refuses everything else before
any I/O. A file is read from its present position and left open.
"""

from __future__ import annotations

import io
import os
import re
from collections.abc import AsyncIterable, AsyncIterator, Iterable, Iterator
from typing import IO, TYPE_CHECKING, Any

from holdall._lazy import lazy
from holdall.errors import IntegrityError
from holdall.results import CHUNK

if TYPE_CHECKING:
    import asyncio

    from typing_extensions import Buffer
else:
    asyncio = lazy("asyncio")
    Buffer = bytes | bytearray | memoryview  # collections.abc has it from Python 3.12 on

__all__ = [
    "AsyncSizedChunks",
    "AsyncSource",
    "BytesLike",
    "SizedChunks",
    "Source",
    "as_bytes",
    "check_source",
    "iter_chunks",
    "iter_chunks_async",
    "joined",
    "replayable",
    "source_size",
    "view_of",
]

BytesLike = bytes | bytearray | memoryview
Source = Buffer | os.PathLike[str] | IO[bytes] | Iterable[bytes]
AsyncSource = Source | AsyncIterable[bytes]


class SizedChunks:
    """An iterable of chunks whose sum is known, so that a driver can choose the size of parts by it.

    Example:
        >>> source_size(SizedChunks([b"ab", b"c"], 3))
        3
    """

    __slots__ = ("_chunks", "size")

    def __init__(self, chunks: Iterable[bytes], size: int) -> None:
        self._chunks = chunks
        self.size = size

    def __iter__(self) -> Iterator[bytes]:
        return iter(self._chunks)


class AsyncSizedChunks:
    """An async iterable of chunks whose sum is known. See `SizedChunks`."""

    __slots__ = ("_chunks", "size")

    def __init__(self, chunks: AsyncIterable[bytes], size: int) -> None:
        self._chunks = chunks
        self.size = size

    def __aiter__(self) -> AsyncIterator[bytes]:
        return aiter(self._chunks)


def joined(chunks: list[bytes], size: int, key: str) -> bytes:
    """Return chunks in one piece.

    Raises:
        IntegrityError: They are not as many bytes as were announced.
    """
    whole = chunks[0] if len(chunks) == 1 else b"".join(chunks)
    if len(whole) != size:
        raise IntegrityError(f"{key!r}: {len(whole)} bytes came of {size} announced", key=key)
    return whole


def check_source(source: object, *, blocking: bool) -> None:
    """Raise unless the source is one of the accepted kinds.

    Args:
        source: What the caller gave.
        blocking: Refuse async iterables.

    Raises:
        TypeError: A ``str`` (encode it, or wrap a path in `pathlib.Path`), a text file, or anything else.

    Example:
        >>> check_source(b"abc", blocking=True)
    """
    if type(source) is bytes:
        return
    if isinstance(source, str):
        raise TypeError("cannot write a str: encode it, or pass pathlib.Path for a local file")
    if isinstance(source, io.TextIOBase):
        raise TypeError("cannot write from a text file: open it in binary mode")
    if isinstance(source, (bytes, bytearray, memoryview, os.PathLike)) or hasattr(source, "read"):
        return
    if view_of(source) is not None or isinstance(source, Iterable):
        return
    if isinstance(source, AsyncIterable):
        if not blocking:
            return
        raise TypeError("an async iterable needs the async verb: put_async")
    raise TypeError(f"cannot write a {type(source).__name__}: bytes-like, path, binary file or iterable of bytes")


def view_of(source: object) -> memoryview | None:
    """Return the bytes of an object of the buffer protocol, one by one; ``None`` for anything else.

    What can be read as a file (``mmap``) is a file.

    Raises:
        TypeError: An array of Python objects: its bytes are addresses.

    Example:
        >>> from array import array
        >>> view_of(array("H", [1, 1])).nbytes, view_of([b"a"])
        (4, None)
    """
    if hasattr(source, "read"):
        return None
    try:
        view = memoryview(source)  # type: ignore[arg-type]  # that is the question
    except TypeError:
        return None
    except ValueError as error:  # numpy's times have no format there
        raise TypeError(f"cannot write a {type(source).__name__}: {error}") from error
    if "O" in re.sub(":[^:]*:", "", view.format):  # between colons stand the names of fields
        raise TypeError(f"cannot write a {type(source).__name__} of Python objects")
    return view.cast("B") if view.c_contiguous and view.nbytes else memoryview(view.tobytes())


def as_bytes(chunk: Any) -> bytes:
    """Return a chunk as ``bytes``, copied only if it is something else.

    Raises:
        TypeError: Not bytes-like (an ``int`` or a ``str`` in an iterable, say).
    """
    if type(chunk) is bytes:
        return chunk
    if isinstance(chunk, (bytearray, memoryview, bytes)):
        return bytes(chunk)
    view = view_of(chunk)
    if view is None:
        raise TypeError(f"a source gives bytes, not {type(chunk).__name__}")
    return bytes(view)


def source_size(source: object) -> int | None:
    """Return how many bytes a source will give, or ``None`` if that cannot be known without reading it.

    Raises:
        FileNotFoundError: The source is a path at which nothing is.
    """
    if isinstance(source, (bytes, bytearray)):
        return len(source)
    if isinstance(source, (SizedChunks, AsyncSizedChunks)):
        return source.size
    if isinstance(source, memoryview):
        return source.nbytes
    if isinstance(source, os.PathLike):
        return os.stat(source).st_size
    if isinstance(source, io.BytesIO):
        return max(0, source.getbuffer().nbytes - source.tell())
    if isinstance(source, (io.BufferedIOBase, io.RawIOBase)):
        try:
            if source.seekable():
                here = source.tell()
                end = source.seek(0, io.SEEK_END)
                source.seek(here)
                return max(0, end - here)
        except (OSError, ValueError):
            return None
    view = view_of(source)
    return None if view is None else view.nbytes


def replayable(source: object) -> bool:
    """Tell whether the source can be read again from its start (bytes, paths)."""
    return isinstance(source, (bytes, bytearray, memoryview, os.PathLike)) or view_of(source) is not None


def iter_chunks(source: Source, size: int = CHUNK) -> Iterator[bytes]:
    """Iterate over the source; files and paths in chunks of ``size``, iterables as they come.

    Raises:
        TypeError: A chunk that is not bytes-like.
    """
    view = view_of(source)
    if view is not None:
        if len(view) <= size:
            yield source if type(source) is bytes else bytes(view)
            return
        for start in range(0, len(view), size):
            yield bytes(view[start : start + size])
    elif isinstance(source, os.PathLike):
        with open(source, "rb", buffering=0) as file:
            yield from iter_chunks(file, size)
    else:
        read = getattr(source, "read", None)
        given: Iterable[Any] = iter(lambda: read(size), b"") if read is not None else source  # type: ignore[assignment]  # no buffer
        for chunk in given:
            yield as_bytes(chunk)


async def iter_chunks_async(source: AsyncSource, size: int = CHUNK) -> AsyncIterator[bytes]:
    """Iterate over the source without blocking the event loop: blocking sources are read in a thread.

    Raises:
        TypeError: A chunk that is not bytes-like.
    """
    if isinstance(source, AsyncIterable):
        async for chunk in source:
            yield as_bytes(chunk)
    elif isinstance(source, (io.BytesIO, list, tuple)) or view_of(source) is not None:
        for chunk in iter_chunks(source, size):
            yield chunk
    else:
        chunks = iter_chunks(source, size)
        try:
            while (piece := await asyncio.to_thread(_next, chunks)) is not None:
                yield piece
        finally:
            close = getattr(chunks, "close", None)
            if close is not None:
                close()


def _next(chunks: Iterator[bytes]) -> bytes | None:
    return next(chunks, None)
