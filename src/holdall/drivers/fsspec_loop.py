"""fsspec filesystems that are coroutines inside, as a `Tree`: object stores and HTTP.

Their coroutines run on the filesystem's own loop (or the caller's, if it was made with ``asynchronous=True``). A write is one
upload, which such a service shows whole or not at all; what does not fit in memory waits in a temporary file for it.
"""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from typing import Any
from urllib.parse import quote

from holdall.core.options import PutOptions
from holdall.drivers.fsspec_entries import entry_of_info, name_of
from holdall.drivers.fsspec_errors import is_refusal
from holdall.drivers.fsspec_place import Place, accepts, protocols_of
from holdall.drivers.tree import Entry, Mode, Reader, Writer, parent
from holdall.drivers.tree_loop import IOLoop, LoopReader, LoopTree, LoopWriter
from holdall.errors import IntegrityError, NotDirectoryError, NotFoundError, PreconditionError, UnavailableError
from holdall.results import CHUNK

__all__ = ["LoopFiles", "is_awaitable_reader"]

_PLAIN = "/-._~!$&'()*+,;=:@"
"""What may stand in the path of a URL as it is (RFC 3986)."""
IN_MEMORY = 8 * CHUNK
"""Bytes of an upload that are kept in memory."""
ATTEMPTS = 16
"""How often a small object is read again that was replaced between its description and its bytes."""


def is_awaitable_reader(fs: Any) -> bool:
    """Tell whether a filesystem's coroutines can read a range; those of some read everything whatever they are asked."""
    return bool(fs.async_impl) and accepts(type(fs)._cat_file, "start")


class LoopFiles(LoopTree):
    """The files of an async filesystem below a path.

    Args:
        place: Filesystem, path and family.
    """

    workers = 16

    def __init__(self, place: Place) -> None:
        fs = place.fs
        super().__init__(IOLoop(caller=True) if fs.asynchronous else IOLoop(fs.loop))
        self.place = place
        self.fs = fs
        self.google = bool({"gs", "gcs"} & set(protocols_of(fs)))
        self.azure = bool({"abfs", "az", "abfss"} & set(protocols_of(fs)))
        self._refresh = accepts(type(fs)._ls, "refresh")

    def full(self, path: str) -> str:
        """Return the filesystem's name of a path: on HTTP an encoded URL."""
        if self.place.family == "http":
            return self.place.root + "/" + quote(path, safe=_PLAIN)
        return self.place.full(path)

    def forget(self, path: str) -> None:
        """Drop what the filesystem remembers of a path and its directory."""
        for folder in {parent(path), path}:
            self.fs.invalidate_cache(self.full(folder))

    # -- reading ------------------------------------------------------------------------------------------------------

    async def _stat(self, path: str, version: str | None) -> Entry:
        self.forget(path)
        try:
            info = await self.fs._info(self.full(path))
        except FileNotFoundError:
            if path or not self.place.bucket:
                raise
            info = await self._bucket_info()
        if self.place.family == "http" and info.get("size") is None:
            info = {**info, "size": len(await self.fs._cat_file(self.full(path)))}
        entry = entry_of_info(info, name=path.rpartition("/")[2])
        if not path or entry.kind != "directory" or self.place.family == "http":
            return entry
        return await self._file_beside(path, entry)

    async def _bucket_info(self) -> Mapping[str, Any]:
        """Describe the bucket; one that may not be described is there: only its prefix is known to be empty."""
        bucket = self.place.bucket
        self.fs.invalidate_cache(bucket)
        try:
            found: Mapping[str, Any] = await self.fs._info(bucket)
        except Exception as error:
            if not is_refusal(error):
                raise
            return {"name": bucket, "type": "directory"}
        return found

    async def _file_beside(self, path: str, entry: Entry) -> Entry:
        """Return the object of a name that is also a prefix: the filesystem may have told of the prefix."""
        with suppress(FileNotFoundError):
            for info in await self.fs._ls(self.full(parent(path)), detail=True, **self._fresh()):
                if info.get("type") == "file" and name_of(info) == entry.name:
                    return entry_of_info(info, name=entry.name)
        return entry

    async def _scan(self, path: str) -> Sequence[Entry]:
        self.forget(path)
        full = self.full(path)
        found = await self.fs._ls(full, detail=True, **self._fresh())
        if len(found) == 1 and found[0].get("type") == "file" and found[0]["name"].strip("/") == full.strip("/"):
            raise NotDirectoryError(f"a file stands at {path!r}")
        return [entry_of_info(info, name=name_of(info)) for info in found if info["name"].strip("/") != full.strip("/")]

    def _fresh(self) -> Mapping[str, Any]:
        return {"refresh": True} if self._refresh else {}

    async def _open(self, path: str, version: str | None, whole: bool) -> Reader:
        for _ in range(ATTEMPTS):
            entry = await self._stat(path, version)
            if entry.kind != "file":
                raise NotFoundError(f"nothing at {path!r}")
            if not whole or entry.size > CHUNK:
                return PieceReader(self, path, entry)
            # Without a range, so that the length tells whether these are the bytes of the file that was described.
            data = bytes(await self.fs._cat_file(self.full(path)))
            if len(data) == entry.size:
                return PieceReader(self, path, entry, data)
        raise UnavailableError(f"{path!r} changes all the time")

    # -- writing ------------------------------------------------------------------------------------------------------

    async def _create(self, path: str, size: int | None, options: PutOptions) -> Writer:
        return UploadWriter(self, path, options)

    async def _remove(self, path: str, if_match: str | None) -> bool:
        self.forget(path)
        if (await self._stat(path, None)).kind == "directory":
            return False
        try:
            await self.fs._rm_file(self.full(path))
        finally:
            self.forget(path)
        return True

    async def _copy(self, src: str, dst: str, mode: Mode) -> Entry:
        if (await self._stat(src, None)).kind != "file":
            raise NotFoundError(f"nothing at {src!r}")
        try:
            await self.fs._cp_file(self.full(src), self.full(dst))
        finally:
            self.forget(dst)
        return await self._stat(dst, None)

    async def _close(self) -> None:
        """Leave the filesystem alone: it is the user's, or shared by all that asked for the same."""


class PieceReader(LoopReader):
    """Ranged requests; whether they were of one object is asked at the end if there was more than one."""

    def __init__(self, tree: LoopFiles, path: str, entry: Entry, data: bytes | None = None) -> None:
        super().__init__(tree._io, entry)
        self._tree = tree
        self._path = path
        self._data = data
        self._requests = 0

    async def _read(self, start: int, size: int) -> bytes:
        if self._data is not None:
            return self._data[start : start + size]
        full = self._tree.full(self._path)
        self._requests += 1
        data = bytes(await self._tree.fs._cat_file(full, start=start, end=start + size))
        if len(data) > size:  # a server that knows no ranges
            data = data[start : start + size]
        if len(data) < size:
            await self._same()
            raise IntegrityError(f"{self._path!r}: {len(data)} bytes came of {size}")
        if self._requests > 1 and start + size >= self.entry.size:
            await self._same()
        return data

    async def _same(self) -> None:
        now = await self._tree._stat(self._path, None)
        if (now.size, now.etag) != (self.entry.size, self.entry.etag):
            raise PreconditionError(f"{self._path!r} was replaced while it was being read", kind="changed")


class UploadWriter(LoopWriter):
    """Bytes collected in memory, then on disk, and sent by one call."""

    def __init__(self, tree: LoopFiles, path: str, options: PutOptions) -> None:
        super().__init__(tree._io)
        self._tree = tree
        self._path = path
        self.options = options
        self._spool: Any = tempfile.SpooledTemporaryFile(IN_MEMORY)  # noqa: SIM115  # closed by publish or abort
        self._local: str | None = None
        self._size = 0

    async def _write(self, chunk: bytes) -> None:
        self._size += len(chunk)
        if self._size <= IN_MEMORY:
            self._spool.write(chunk)
        else:
            await asyncio.to_thread(self._spool.write, chunk)

    async def _publish(self, mode: Mode, if_match: str | None) -> Entry:
        fs, full = self._tree.fs, self._tree.full(self._path)
        try:
            if self._size <= IN_MEMORY:
                self._spool.seek(0)
                method = fs._pipe_file
                await method(full, self._spool.read(), **self._named(method, mode))
            else:
                with tempfile.NamedTemporaryFile() as named:
                    await asyncio.to_thread(self._copy_to, named)
                    method = fs._put_file
                    await method(named.name, full, **self._named(method, mode))
        finally:
            self._spool.close()
            self._tree.forget(self._path)
        entry = await self._tree._stat(self._path, None)
        return replace(entry, size=self._size)

    def _copy_to(self, named: Any) -> None:
        self._spool.seek(0)
        while block := self._spool.read(CHUNK):
            named.write(block)
        named.flush()

    def _named(self, method: Any, mode: Mode) -> dict[str, Any]:
        """Return the keywords of an upload, in the words of the filesystem."""
        named: dict[str, Any] = {}
        if mode == "create":
            if accepts(method, "mode"):
                named["mode"] = "create"
            else:
                named["overwrite"] = False
        return named

    async def _abort(self) -> None:
        self._spool.close()
