"""Real file objects over any store, so that `io.TextIOWrapper`, `zipfile`, pandas and PIL work with them.

`open_file` is `open` for a key. What is written is published by a clean `close` only: an exception inside ``with``, `abort`, or
collection without close leave the old object as it was. The async files are in `holdall.engine.async_streams`.
"""

from __future__ import annotations

import io
from types import TracebackType
from typing import IO, Any, Self, cast

from holdall.core.modes import OpenMode
from holdall.core.options import GetOptions, PutOptions
from holdall.engine.opening import Edit, Opener, lost_race
from holdall.engine.reading import RangeReader
from holdall.engine.real_files import append_real, open_real
from holdall.engine.scratch import scratching
from holdall.engine.writing import PushWriter
from holdall.errors import ClosedError, HoldallError
from holdall.results import PutResult
from holdall.store import Store

__all__ = ["EditFile", "ReadFile", "TextFile", "WriteFile", "open_file", "open_reader", "open_writer"]

BUFFER = 64 * 1024


def open_file(
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
) -> IO[Any]:
    """Open a key as a file, as the builtin `open` does.

    Args:
        store: Where.
        key: What.
        mode: ``r``, ``w``, ``a`` or ``x``, with ``b`` or ``t``, and ``+``. ``x`` looks now and is race-free at publishing; ``a`` and
            ``+`` publish only if the object is still the one that was opened; ``+`` works on a private copy.
        buffering: Bytes of the read buffer; 0 gives the raw file.
        encoding: Of text; UTF-8 if ``None``.
        errors: Of text.
        newline: Of text, as in `open`.
        options: Headers, metadata and condition of what is written.
        reading: Version or etag of what is read.

    Raises:
        NotFoundError: Reading, and nothing is there.
        AlreadyExistsError: Mode ``x``, and something is there.
        IsDirectoryError: The key is a directory's.
        PermissionDeniedError: The store does not allow the mode.

    Example:
        >>> from holdall.drivers.memory import MemoryStore
        >>> store = MemoryStore()
        >>> with open_file(store, "a.txt", "w") as file:
        ...     _ = file.write("hello")
        >>> open_file(store, "a.txt", "r").read()
        'hello'
    """
    parsed = OpenMode.parse(mode)
    parsed.check_text(encoding=encoding, errors=errors, newline=newline, buffering=buffering)
    opener = Opener(store, key, parsed, options=options, reading=reading)
    binary = _open_binary(opener, buffering)
    if not parsed.text:
        return binary
    encoding, lines = encoding or "utf-8", buffering == 1
    if isinstance(binary, WriteFile):
        return cast("IO[Any]", binary.as_text(encoding, errors, newline, line_buffering=lines))
    return cast("IO[Any]", TextFile(cast("Any", binary), encoding, errors, newline, lines))


def open_reader(store: Store, key: str, reading: GetOptions | None = None, *, buffering: int = -1) -> IO[bytes]:
    """Open a key for reading bytes. See `open_file`."""
    return open_file(store, key, "rb", buffering=buffering, reading=reading)


def open_writer(store: Store, key: str, options: PutOptions | None = None) -> WriteFile:
    """Open a key for writing bytes; published on a clean close. See `open_file`."""
    return WriteFile(Opener(store, key, OpenMode("w", text=False, plus=False), options=options).writer(), "wb")


def _open_binary(opener: Opener, buffering: int) -> IO[bytes]:
    mode, store, key = opener.mode, opener.store, opener.key
    path = store.local_path(key) if store.capabilities.local else None
    if mode.plus:
        return cast("IO[bytes]", EditFile(opener.edit(), str(mode)))
    if mode.act == "r":
        if path is not None and opener.reading is None:
            return open_real(store, key, path, buffering)
        source = opener.reader()
        if not isinstance(source, RangeReader):
            return source
        raw = ReadFile(source)
        return cast("IO[bytes]", raw if buffering == 0 else io.BufferedReader(raw, BUFFER if buffering < 2 else buffering))
    if mode.act == "a" and path is not None and not store.capabilities.versioned and opener.options == PutOptions():
        # On local disk appending is what the system does: short writes of several processes do not mix.
        return append_real(store, key, path, buffering)
    return cast("IO[bytes]", WriteFile(opener.writer(), str(mode)))


class ReadFile(io.RawIOBase):
    """A raw binary file over ranged reads. Wrap it in `io.BufferedReader`, as `open_file` does."""

    def __init__(self, reader: RangeReader) -> None:
        super().__init__()
        self._reader = reader
        self.name = reader.key
        self.mode = "rb"

    def readable(self) -> bool:
        """Tell that it can be read."""
        return True

    def seekable(self) -> bool:
        """Tell that it can seek."""
        return True

    def readinto(self, buffer: Any) -> int:
        """Read into a buffer; fewer bytes than it holds may come, none only at the end."""
        self._check()
        target = memoryview(buffer).cast("B")
        view = self._reader.view(len(target))
        target[: len(view)] = view
        self._reader.position += len(view)
        return len(view)

    def readall(self) -> bytes:
        """Read the rest."""
        self._check()
        return self._reader.read()

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """Move. See `io.IOBase.seek`."""
        self._check()
        self._reader.position = moved(self._reader.position, self._reader.size, offset, whence)
        return self._reader.position

    def tell(self) -> int:
        """Return the position."""
        self._check()
        return self._reader.position

    def close(self) -> None:
        """Let go; idempotent."""
        if not self.closed:
            self._reader.close()
        super().close()

    def _check(self) -> None:
        if self.closed:
            raise ClosedError("I/O operation on closed file", key=self.name)


def moved(position: int, size: int, offset: int, whence: int) -> int:
    """Return where a seek leads.

    Raises:
        ValueError: Before the start, or an unknown ``whence``.
    """
    if whence not in {io.SEEK_SET, io.SEEK_CUR, io.SEEK_END}:
        raise ValueError(f"invalid whence ({whence}, should be 0, 1 or 2)")
    target = offset + (0, position, size)[whence]
    if target < 0:
        raise ValueError(f"negative seek position {target}")
    return target


class _Publishing(io.BufferedIOBase):
    """What writing files share: a clean close publishes, anything else does not."""

    name: str
    mode: str
    result: PutResult | None = None
    """What was published, after `close`."""

    def _publish(self) -> PutResult | None:
        raise NotImplementedError

    def _drop(self) -> None:
        raise NotImplementedError

    def writable(self) -> bool:
        """Tell that it can be written."""
        return True

    def abort(self) -> None:
        """Close without publishing; idempotent, and nothing after `close`."""
        if not self.closed:
            try:
                self._drop()
            finally:
                super().close()

    def close(self) -> None:
        """Publish and close; idempotent.

        Raises:
            HoldallError: It could not be published; the old object is as it was.
        """
        if self.closed:
            return
        try:
            self.result = self._publish()
        except HoldallError as error:
            raise (lost_race(error) if self.mode.startswith("a") else error) from error.__cause__
        finally:
            self.abort()

    def _check(self) -> None:
        if self.closed:
            raise ClosedError("I/O operation on closed file", key=self.name)

    def __enter__(self) -> Self:
        self._check()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if kind is not None:
            self.abort()
        else:
            self.close()

    def __del__(self) -> None:
        # io's own finalizer would close, and so publish half a file.
        if getattr(self, "name", None) is not None:
            self.abort()


class WriteFile(_Publishing):
    """A binary file for writing from start to end."""

    def __init__(self, writer: PushWriter, mode: str) -> None:
        super().__init__()
        self._writer = writer
        self._wrapping = False
        self.mode = mode
        self.name = writer.key

    def write(self, data: Any) -> int:
        """Take bytes; parts go out as they fill. An error of the store ends the file unpublished."""
        self._check()
        complete = False
        try:
            count = self._writer.write(data)
            complete = True
        finally:
            if not complete:
                self.abort()
        return count

    def tell(self) -> int:
        """Return the position: how many bytes the object has so far."""
        self._check()
        return self._writer.position

    def seekable(self) -> bool:
        """Tell that it cannot seek."""
        return self._wrapping

    def as_text(self, encoding: str, errors: str | None, newline: str | None, *, line_buffering: bool) -> TextFile:
        """Return this file as text."""
        # Text files that cannot seek leave out the byte order mark; the question is asked once, while they are made.
        self._wrapping = True
        try:
            return TextFile(cast("Any", self), encoding, errors, newline, line_buffering)
        finally:
            self._wrapping = False

    def _publish(self) -> PutResult | None:
        return self._writer.finish()

    def _drop(self) -> None:
        self._writer.abort()


class EditFile(_Publishing):
    """A binary file for reading and writing: a private copy, published if it was changed and the object was not."""

    def __init__(self, edit: Edit, mode: str) -> None:
        super().__init__()
        self._edit = edit
        self._file = edit.file
        self.mode = mode
        self.name = edit.key
        if edit.append:
            self._file.seek(0, io.SEEK_END)

    def readable(self) -> bool:
        """Tell that it can be read."""
        return True

    def seekable(self) -> bool:
        """Tell that it can seek."""
        return True

    def read(self, size: int | None = -1) -> bytes:
        """Read up to ``size`` bytes, all the rest if negative."""
        self._check()
        return self._file.read(-1 if size is None else size)

    def read1(self, size: int = -1) -> bytes:
        """Read up to ``size`` bytes. See `read`."""
        return self.read(BUFFER if size < 0 else size)

    def readinto(self, buffer: Any) -> int:
        """Read into a buffer."""
        data = self.read(len(memoryview(buffer).cast("B")))
        memoryview(buffer).cast("B")[: len(data)] = data
        return len(data)

    def readline(self, size: int | None = -1) -> bytes:
        """Read one line."""
        self._check()
        return self._file.readline(-1 if size is None else size)

    def write(self, data: Any) -> int:
        """Write at the position; at the end in mode ``a``."""
        self._check()
        if self._edit.append:
            self._file.seek(0, io.SEEK_END)
        self._edit.dirty = True
        with scratching(self.name, self._edit.store):
            return self._file.write(data)

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """Move. See `io.IOBase.seek`."""
        self._check()
        return self._file.seek(offset, whence)

    def tell(self) -> int:
        """Return the position."""
        self._check()
        return self._file.tell()

    def truncate(self, size: int | None = None) -> int:
        """Cut or stretch the content."""
        self._check()
        self._edit.dirty = True
        return self._file.truncate(size)

    def _publish(self) -> PutResult | None:
        with scratching(self.name, self._edit.store):
            self._file.flush()
        return self._edit.publish()

    def _drop(self) -> None:
        self._file.close()


class TextFile(io.TextIOWrapper):
    """Text over any of our binary files; an exception inside ``with``, or collection, does not publish."""

    def abort(self) -> None:
        """Close without publishing."""
        if not self.closed:
            abort = getattr(self.buffer, "abort", None)
            if abort is not None:
                abort()
            else:
                self.close()

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if kind is not None:
            self.abort()
        else:
            self.close()

    def __del__(self) -> None:
        try:
            self.abort()
        except ValueError:  # it was detached: the buffer is somebody else's
            return
