"""`HandleStore`: bytes or an open binary file of the caller's, as a store with one object."""

from __future__ import annotations

import asyncio
import builtins
import io
import os
import tempfile
import threading
from collections.abc import AsyncIterable, Iterable, Iterator
from typing import IO, Any

from holdall.core.capabilities import Capabilities, Identity
from holdall.core.keys import check_key, check_prefix
from holdall.core.meta import ListPage, ObjectMeta
from holdall.core.options import GetOptions, PutOptions
from holdall.core.preconditions import check_get, missing
from holdall.errors import ClosedError
from holdall.results import CHUNK, DeleteResult, GetResult, PutResult
from holdall.sources import AsyncSource, BytesLike, Source, check_source, iter_chunks, iter_chunks_async
from holdall.store import BlockingStore

__all__ = ["HandleStore"]

_SPOOL = 8 * 1024 * 1024


class HandleStore(BlockingStore):
    """One object: bytes, or a seekable binary file that stays the caller's.

    Reads are positional: by descriptor where the file is a plain one, else under a lock with the file's position put back. A
    write replaces the content in place after the source was read to its end, so an error in the source changes nothing;
    a crash in the middle of the write does leave a mixture, as files that are patched in place do.

    Args:
        source: Bytes-like, or a binary file that can seek.
        key: The key of the one object.

    Raises:
        TypeError: Neither, or a text file.
        ValueError: A closed file, or one that cannot seek.

    Example:
        >>> HandleStore(b"hello").get("data", GetOptions(range=(1, 3))).bytes()
        b'el'
    """

    def __init__(self, source: BytesLike | IO[bytes], *, key: str = "data") -> None:
        self._key = check_key(key)
        self._lock = threading.Lock()
        self._closed = False
        self._view: memoryview | None = None
        self._file: Any = None
        self._descriptor: int | None = None
        if isinstance(source, (bytes, bytearray, memoryview)):
            self._view = memoryview(source).cast("B").toreadonly()
        else:
            self._file = _checked(source)
            self._descriptor = _descriptor(self._file)
        self._mark = f"{id(source):x}"

    def __repr__(self) -> str:
        return f"HandleStore({'bytes' if self._file is None else type(self._file).__name__})"

    @property
    def capabilities(self) -> Capabilities:
        """Reading; and plain overwriting, if the file is open for writing."""
        return Capabilities(write=self._writable, delete=False, etag=self._descriptor is not None, temporary=True)

    @property
    def identity(self) -> Identity:
        """A mark of this very object in this process."""
        return Identity(service="handle", place=f"{os.getpid()}-{self._mark}")

    # -- reading ------------------------------------------------------------------------------------------------------

    def get(self, key: str, options: GetOptions | None = None) -> GetResult:
        """Open the object for reading. See `Store.get`."""
        options = options or GetOptions()
        meta = self.head(key, version=options.version)
        check_get(options, key=key, etag=meta.etag, last_modified=meta.last_modified, store=self)
        wanted = options.byte_range
        start, end = (0, meta.size) if wanted is None else wanted.resolve(meta.size)
        if end - start <= CHUNK:
            return GetResult(meta, self._read(start, end - start), range=(start, end))
        return GetResult(meta, self._chunks(start, end), range=(start, end))

    def head(self, key: str, *, version: str | None = None) -> ObjectMeta:
        """Describe the object. See `Store.head`."""
        self._there(key, version)
        if self._view is not None:
            return ObjectMeta(key=key, size=self._view.nbytes)
        if self._descriptor is None:
            return ObjectMeta(key=key, size=self._size())
        self._flush()
        status = os.fstat(self._descriptor)
        return ObjectMeta(key=key, size=status.st_size, etag=f"{status.st_mtime_ns:x}-{status.st_size:x}-{status.st_ino:x}")

    def list(self, prefix: str = "", *, delimiter: str | None = None, start_after: str | None = None) -> Iterator[ListPage]:
        """List the one object. See `Store.list`."""
        check_prefix(prefix)
        self._open()
        if self._key.startswith(prefix) and (start_after is None or self._key > start_after):
            rest = self._key[len(prefix) :]
            if delimiter and delimiter in rest:
                yield ListPage((), (prefix + rest[: rest.index(delimiter) + len(delimiter)],))
            else:
                yield ListPage((self.head(self._key),))

    # -- writing ------------------------------------------------------------------------------------------------------

    def put(self, key: str, source: Source, options: PutOptions | None = None) -> PutResult:
        """Replace the content. See `Store.put`; conditions and attributes are refused."""
        check_source(source, blocking=True)
        self._may_put(key, options)
        with tempfile.SpooledTemporaryFile(_SPOOL) as spool:
            for chunk in iter_chunks(source):
                spool.write(chunk)
            return self._publish(key, spool)

    async def put_async(self, key: str, source: AsyncSource, options: PutOptions | None = None) -> PutResult:
        """Replace the content. See `put`."""
        check_source(source, blocking=False)
        if not isinstance(source, AsyncIterable):
            return await asyncio.to_thread(self.put, key, source, options)
        self._may_put(key, options)
        with tempfile.SpooledTemporaryFile(_SPOOL) as spool:
            async for chunk in iter_chunks_async(source):
                spool.write(chunk)
            return await asyncio.to_thread(self._publish, key, spool)

    def delete(self, keys: str | Iterable[str], *, if_match: str | None = None) -> builtins.list[DeleteResult]:
        """Refuse: the file is the caller's."""
        raise self._refusal("delete", "the file is the caller's")

    def close(self) -> None:
        """Let go of the file, which stays open."""
        self._closed = True

    # -- the file -----------------------------------------------------------------------------------------------------

    @property
    def _writable(self) -> bool:
        return self._file is not None and not self._file.closed and self._file.writable()

    def _open(self) -> None:
        if self._closed or (self._file is not None and self._file.closed):
            raise ClosedError("the file is closed", key=self._key, store=self)

    def _there(self, key: str, version: str | None) -> None:
        check_key(key)
        self._open()
        if version is not None:
            raise self._refusal("read versions")
        if key != self._key:
            raise missing(key, store=self)

    def _may_put(self, key: str, options: PutOptions | None) -> None:
        check_key(key)
        self._open()
        if not self._writable:
            raise self._refusal("write", "it was not opened for writing")
        if key != self._key:
            raise self._refusal("write another object than its own")
        options = options or PutOptions()
        if options.mode != "overwrite":
            raise self._refusal(options.mode, "a file that is patched in place knows no conditions")
        if options.annotated or options.tags or options.storage_class:
            raise self._refusal("keep attributes")

    def _publish(self, key: str, spool: IO[bytes]) -> PutResult:
        size = spool.tell()
        spool.seek(0)
        with self._lock:
            self._file.seek(0)
            while chunk := spool.read(CHUNK):
                rest = memoryview(chunk)
                while rest.nbytes:  # a raw file may take less than it is given
                    rest = rest[self._file.write(rest) :]
            self._file.truncate()
            self._file.flush()
        return PutResult(key=key, size=size, etag=self.head(key).etag)

    def _flush(self) -> None:
        """Let the descriptor see what the caller wrote through a buffer."""
        if self._writable:
            with self._lock:
                self._file.flush()

    def _size(self) -> int:
        with self._lock:
            here = self._file.tell()
            try:
                return int(self._file.seek(0, io.SEEK_END))
            finally:
                self._file.seek(here)

    def _read(self, start: int, size: int) -> bytes:
        if self._view is not None:
            return bytes(self._view[start : start + size])
        self._open()
        parts: list[bytes] = []
        while size > 0:
            part = self._piece(start, size)
            if not part:
                break
            parts.append(part)
            start, size = start + len(part), size - len(part)
        return parts[0] if len(parts) == 1 else b"".join(parts)

    def _piece(self, start: int, size: int) -> bytes:
        if self._descriptor is not None:
            return os.pread(self._descriptor, size, start)
        with self._lock:
            here = self._file.tell()
            try:
                self._file.seek(start)
                return self._file.read(size) or b""
            finally:
                self._file.seek(here)

    def _chunks(self, start: int, end: int) -> Iterator[bytes]:
        while start < end:
            chunk = self._read(start, min(CHUNK, end - start))
            if not chunk:
                return  # it shrank: the result's own check of its length says so
            start += len(chunk)
            yield chunk


def _checked(file: Any) -> Any:
    if isinstance(file, io.TextIOBase):
        raise TypeError("a text file: open it in binary mode")
    if not hasattr(file, "read") or not hasattr(file, "seek"):
        raise TypeError(f"no binary file: {type(file).__name__}")
    if file.closed:
        raise ValueError("the file is closed")
    if not file.seekable():
        raise ValueError("the file cannot seek: read it into memory, or name it by its path")
    return file


def _descriptor(file: Any) -> int | None:
    """Return the descriptor if the file's bytes are those behind it: a gzip file has one too, of the packed bytes."""
    inner = file.file if isinstance(file, tempfile._TemporaryFileWrapper) else file
    raw = inner.raw if isinstance(inner, (io.BufferedReader, io.BufferedRandom, io.BufferedWriter)) else inner
    return raw.fileno() if isinstance(raw, io.FileIO) and hasattr(os, "pread") and raw.readable() else None
