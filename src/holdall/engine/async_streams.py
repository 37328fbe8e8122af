"""Async files over any store: the methods of a file as coroutines, lines by ``async for``.

`open_file_async` may be awaited or entered. What is written is published by a clean `close` only, as in `holdall.engine.streams`.
"""

from __future__ import annotations

import codecs
import functools
import io
import os
import re
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Callable, Generator
from types import TracebackType
from typing import IO, Any, AnyStr, Generic, Self

from holdall._concurrency import run_async
from holdall.core.modes import OpenMode
from holdall.core.options import GetOptions, PutOptions
from holdall.engine.opening_async import Edit, Opener, lost_race
from holdall.engine.reading_async import RangeReader
from holdall.engine.scratch import scratching
from holdall.engine.streams import BUFFER, moved
from holdall.engine.writing_async import PushWriter
from holdall.errors import ClosedError, HoldallError
from holdall.results import PutResult
from holdall.store import Store

__all__ = ["AsyncFile", "Opening", "open_file_async"]


def open_file_async(
    store: Store,
    key: str,
    mode: str = "rb",
    *,
    buffering: int = -1,
    encoding: str | None = None,
    errors: str | None = None,
    newline: str | None = None,
    options: PutOptions | None = None,
    reading: GetOptions | None = None,
) -> Opening:
    r"""Open a key as an async file. See `holdall.engine.streams.open_file`.

    ``buffering`` is how many bytes are looked at for the next line or text; with 0 a `read` of bytes returns what is at hand.

    Example:
        >>> import asyncio
        >>> from holdall.drivers.memory import MemoryStore
        >>> async def main() -> list[str]:
        ...     store = MemoryStore()
        ...     async with open_file_async(store, "a.txt", "w") as file:
        ...         await file.write("one\ntwo\n")
        ...     async with open_file_async(store, "a.txt", "r") as file:
        ...         return [line async for line in file]
        >>> asyncio.run(main())
        ['one\n', 'two\n']
    """
    parsed = OpenMode.parse(mode)
    parsed.check_text(encoding=encoding, errors=errors, newline=newline, buffering=buffering)
    opener = Opener(store, key, parsed, options=options, reading=reading)
    return Opening(opener, encoding or "utf-8", errors or "strict", newline, buffering)


class Opening:
    """An async file about to be opened: ``file = await opening`` or ``async with opening as file``."""

    def __init__(self, opener: Opener, encoding: str, errors: str, newline: str | None, buffering: int) -> None:
        self._opener = opener
        self._buffering = buffering
        self._text = (encoding, errors, newline)
        self._file: AsyncFile[Any] | None = None

    def __await__(self) -> Generator[Any, None, AsyncFile[Any]]:
        return self._open().__await__()

    async def __aenter__(self) -> AsyncFile[Any]:
        self._file = await self._open()
        return self._file

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._file is not None  # it was entered
        await self._file.__aexit__(kind, error, trace)

    async def _open(self) -> AsyncFile[Any]:
        opener, mode = self._opener, self._opener.mode
        encoding, errors, newline = self._text
        if mode.plus:
            return _ThreadFile(await opener.edit_async(), None, str(mode), self._text)
        if mode.act == "r":
            source = await opener.reader_async()
            if not isinstance(source, RangeReader):
                return _ThreadFile(None, source, str(mode), self._text, name=opener.key)
            if not mode.text:
                return _ReadFile(source, self._buffering)
            return _TextReadFile(source, self._buffering, encoding, errors, newline)
        writer = await opener.writer_async()
        return _TextWriteFile(writer, str(mode), encoding, errors, newline) if mode.text else _WriteFile(writer, str(mode))


class AsyncFile(ABC, Generic[AnyStr]):
    """A file whose methods are coroutines. Methods that a mode does not have raise `io.UnsupportedOperation`.

    Attributes:
        name: The key.
        mode: As it was opened.
        closed: Whether it was closed or aborted.
        result: What was published, after `close`.
    """

    name: str
    mode: str
    closed: bool = False
    result: PutResult | None = None

    async def read(self, size: int = -1) -> AnyStr:
        """Return the next ``size`` bytes or characters, fewer only at the end; all the rest if negative."""
        raise io.UnsupportedOperation("read")

    async def readline(self) -> AnyStr:
        """Return the next line with its end; empty at the end of the file."""
        raise io.UnsupportedOperation("readline")

    async def readinto(self, buffer: Any) -> int:
        """Read bytes into a buffer; return how many came."""
        raise io.UnsupportedOperation("readinto")

    async def write(self, data: AnyStr) -> int:
        """Take data; return how much of it was taken: all."""
        raise io.UnsupportedOperation("write")

    async def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """Move and return the new position."""
        raise io.UnsupportedOperation("seek")

    async def tell(self) -> int:
        """Return the position."""
        raise io.UnsupportedOperation("tell")

    async def truncate(self, size: int | None = None) -> int:
        """Cut or stretch the content."""
        raise io.UnsupportedOperation("truncate")

    async def flush(self) -> None:
        """Do nothing: what is written is published by `close`."""
        self._check()

    @abstractmethod
    async def close(self) -> None:
        """Close; publishes what was written. Idempotent."""

    async def abort(self) -> None:
        """Close without publishing. Idempotent, and nothing after `close`."""
        await self.close()

    def readable(self) -> bool:
        """Tell whether it can be read."""
        return self.mode.startswith("r") or "+" in self.mode

    def writable(self) -> bool:
        """Tell whether it can be written."""
        return not self.mode.startswith("r") or "+" in self.mode

    def __aiter__(self) -> AsyncIterator[AnyStr]:
        return self

    async def __anext__(self) -> AnyStr:
        line = await self.readline()
        if not line:
            raise StopAsyncIteration
        return line

    async def __aenter__(self) -> Self:
        self._check()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is None:
            await self.close()
        else:
            await self.abort()

    def _check(self) -> None:
        if self.closed:
            raise ClosedError("I/O operation on closed file", key=self.name)

    def __repr__(self) -> str:
        return f"<{type(self).__name__.lstrip('_')} {self.name!r} mode={self.mode!r}{' closed' if self.closed else ''}>"


class _Reading(AsyncFile[AnyStr]):
    """What reading over a `RangeReader` shares."""

    def __init__(self, reader: RangeReader, mode: str, buffering: int) -> None:
        self._reader = reader
        self._buffer = BUFFER if buffering < 2 else buffering
        self.name = reader.key
        self.mode = mode

    async def close(self) -> None:
        if not self.closed:
            self.closed = True
            await self._reader.close_async()


class _ReadFile(_Reading[bytes]):
    """Bytes of one version, at any position."""

    def __init__(self, reader: RangeReader, buffering: int) -> None:
        super().__init__(reader, "rb", buffering)
        self._raw = buffering == 0

    async def read(self, size: int = -1) -> bytes:
        self._check()
        if not self._raw or size < 0:
            return await self._reader.read_async(size)
        data = bytes(await self._reader.view_async(size))
        self._reader.position += len(data)
        return data

    async def readinto(self, buffer: Any) -> int:
        self._check()
        target = memoryview(buffer).cast("B")
        view = await self._reader.view_async(len(target))
        target[: len(view)] = view
        self._reader.position += len(view)
        return len(view)

    async def readline(self) -> bytes:
        self._check()
        parts: list[bytes] = []
        while view := await self._reader.view_async(self._buffer):
            piece = bytes(view)
            end = piece.find(b"\n") + 1
            piece = piece[:end] if end else piece
            self._reader.position += len(piece)
            parts.append(piece)
            if end:
                break
        return b"".join(parts)

    async def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        self._check()
        self._reader.position = moved(self._reader.position, self._reader.size, offset, whence)
        return self._reader.position

    async def tell(self) -> int:
        self._check()
        return self._reader.position


class _TextReadFile(_Reading[str]):
    """Text of one version. Positions are those of bytes, so only the start can be sought."""

    def __init__(self, reader: RangeReader, buffering: int, encoding: str, errors: str, newline: str | None) -> None:
        super().__init__(reader, "r", buffering)
        self._ends = re.compile({None: "\n", "": "\r\n|\r|\n"}.get(newline, newline or "\n"))
        self._make = functools.partial(_decoder, encoding, errors, newline)
        self._decoder = self._make()
        self._pending = ""
        self._ended = False

    async def read(self, size: int = -1) -> str:
        self._check()
        parts, length = [self._pending], len(self._pending)
        while (size < 0 or length < size) and (piece := await self._some()) is not None:
            parts.append(piece)
            length += len(piece)
        text = "".join(parts)
        taken = length if size < 0 else min(size, length)
        self._pending = text[taken:]
        return text[:taken]

    async def readline(self) -> str:
        self._check()
        searched = 0
        while True:
            found = self._ends.search(self._pending, searched)
            if found is not None:
                line, self._pending = self._pending[: found.end()], self._pending[found.end() :]
                return line
            searched = max(0, len(self._pending) - 1)  # an end of two characters may be cut
            piece = await self._some()
            if piece is None:
                line, self._pending = self._pending, ""
                return line
            self._pending += piece

    async def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        self._check()
        if (offset, whence) != (0, io.SEEK_SET):
            raise io.UnsupportedOperation("an async text file can only seek to its start: open it in binary mode")
        self._reader.position = 0
        self._decoder = self._make()
        self._pending, self._ended = "", False
        return 0

    async def _some(self) -> str | None:
        """Return some more text, ``None`` at the end."""
        if self._ended:
            return None
        data = bytes(await self._reader.view_async(self._buffer))
        self._reader.position += len(data)
        self._ended = not data
        text: str = self._decoder.decode(data, final=not data)
        return text


class _Writing(AsyncFile[AnyStr]):
    """What writing by a `PushWriter` shares."""

    def __init__(self, writer: PushWriter, mode: str) -> None:
        self._writer = writer
        self.name = writer.key
        self.mode = mode

    async def tell(self) -> int:
        self._check()
        return self._writer.position

    async def close(self) -> None:
        if self.closed:
            return
        try:
            self.result = await self._writer.finish_async()
        except HoldallError as error:
            raise (lost_race(error) if self.mode.startswith("a") else error) from error.__cause__
        finally:
            await self.abort()

    async def abort(self) -> None:
        if not self.closed:
            self.closed = True
            await self._writer.abort_async()

    async def _push(self, data: Any) -> int:
        self._check()
        complete = False
        try:
            count = await self._writer.write_async(data)
            complete = True
        finally:
            if not complete:
                await self.abort()
        return count

    def __del__(self) -> None:
        writer = getattr(self, "_writer", None)
        if writer is not None and not self.closed:
            writer.abandon()


class _WriteFile(_Writing[bytes]):
    """Bytes, from start to end."""

    async def write(self, data: bytes) -> int:
        return await self._push(data)


class _TextWriteFile(_Writing[str]):
    """Text, from start to end."""

    def __init__(self, writer: PushWriter, mode: str, encoding: str, errors: str, newline: str | None) -> None:
        super().__init__(writer, mode)
        self._encoder = codecs.getincrementalencoder(encoding)(errors)
        if writer.position:
            self._encoder.setstate(0)  # a byte order mark stands at the start only
        end = os.linesep if newline is None else newline
        self._end = end if end not in {"", "\n"} else None

    async def write(self, data: str) -> int:
        self._check()
        if not isinstance(data, str):
            raise TypeError(f"write() argument must be str, not {type(data).__name__}")
        text = data if self._end is None else data.replace("\n", self._end)
        await self._push(self._encoder.encode(text))
        return len(data)


class _ThreadFile(AsyncFile[Any]):
    """A private copy on disk, text or bytes, worked on in threads; published on close if it may be and was changed."""

    def __init__(
        self,
        edit: Edit | None,
        copy: IO[bytes] | None,
        mode: str,
        text: tuple[str, str, str | None],
        *,
        name: str | None = None,
    ) -> None:
        self._edit = edit
        binary = edit.file if edit is not None else copy
        assert binary is not None  # one of the two is given
        self.name = edit.key if edit is not None else name or ""
        self.mode = mode
        self._binary = binary
        encoding, errors, newline = text
        wrap = "b" not in mode
        self._file: Any = io.TextIOWrapper(binary, encoding, errors, newline, write_through=True) if wrap else binary
        if edit is not None and edit.append:
            self._file.seek(0, io.SEEK_END)

    async def read(self, size: int = -1) -> Any:
        return await self._call(lambda: self._file.read(size))

    async def readline(self) -> Any:
        return await self._call(self._file.readline)

    async def readinto(self, buffer: Any) -> int:
        count: int = await self._call(lambda: self._binary.readinto(buffer))  # type: ignore[attr-defined]
        return count

    async def write(self, data: Any) -> int:
        edit = self._edit
        if edit is None:
            raise io.UnsupportedOperation("write")

        def write() -> int:
            if edit.append:
                self._file.seek(0, io.SEEK_END)
            with scratching(edit.key, edit.store):
                count: int = self._file.write(data)
            return count

        edit.dirty = True
        count: int = await self._call(write)
        return count

    async def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        position: int = await self._call(lambda: self._file.seek(offset, whence))
        return position

    async def tell(self) -> int:
        position: int = await self._call(self._file.tell)
        return position

    async def truncate(self, size: int | None = None) -> int:
        if self._edit is None:
            raise io.UnsupportedOperation("truncate")
        self._edit.dirty = True
        position: int = await self._call(lambda: self._file.truncate(size))
        return position

    async def close(self) -> None:
        if self.closed:
            return
        try:
            if self._edit is None:
                await self._call(self._file.flush)
            else:
                with scratching(self._edit.key, self._edit.store):
                    await self._call(self._file.flush)
                self.result = await self._edit.publish_async()
        except HoldallError as error:
            raise (lost_race(error) if self.mode.startswith("a") else error) from error.__cause__
        finally:
            await self.abort()

    async def abort(self) -> None:
        self.closed = True
        self._binary.close()

    async def _call(self, thunk: Callable[[], Any]) -> Any:
        self._check()
        return await run_async(thunk)

    def __del__(self) -> None:
        binary = getattr(self, "_binary", None)
        if binary is not None:
            binary.close()


def _decoder(encoding: str, errors: str, newline: str | None) -> Any:
    decoder = codecs.getincrementaldecoder(encoding)(errors)
    return decoder if newline else io.IncrementalNewlineDecoder(decoder, translate=newline is None)
