"""fsspec's memory filesystem as a tree: one entry of its dict is set at once, and only if absent where that is asked."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import AsyncGenerator, Generator, Iterator, Sequence
from datetime import UTC
from typing import Any

from holdall.core.keys import ReservedKey, check_key, is_reserved
from holdall.core.meta import ListPage, ObjectMeta
from holdall.core.options import PutOptions
from holdall.drivers.fsspec_entries import composed_etag
from holdall.drivers.fsspec_place import Place
from holdall.drivers.tree import BlockingReader, BlockingTree, BlockingWriter, Entry, Mode, Reader, Writer
from holdall.drivers.tree_rules import PAGE, meta_of
from holdall.errors import AlreadyExistsError, InvalidKeyError, NotFoundError
from holdall.results import CHUNK

__all__ = ["MemoryFiles"]


class MemoryFiles(BlockingTree):
    """The files of a `MemoryFileSystem` below a path, as flat keys: its directories hold nothing that keys do not say.

    Nothing here waits, so the async colour needs no thread.
    """

    prepared = True

    def __init__(self, place: Place) -> None:
        self.place = place
        self.fs = place.fs

    def stat(self, path: str, version: str | None = None) -> Entry:
        """Describe a file. See `Tree.stat`."""
        return self._described(path, self._file(path))

    async def stat_async(self, path: str, version: str | None = None) -> Entry:
        """Describe a file. See `stat`."""
        return self.stat(path, version)

    def scan(self, path: str) -> Sequence[Entry]:
        """Return the files right below a path. See `Tree.scan`; listings use `pages`."""
        base = f"{path}/" if path else ""
        return [
            self._described(key, file)
            for key in self._keys(base)
            if "/" not in key[len(base) :] and (file := self.fs.store.get(self.place.full(key))) is not None
        ]

    def open(self, path: str, version: str | None = None, *, whole: bool = False) -> Reader:
        """Take the file's present bytes. See `Tree.open`."""
        file = self._file(path)
        return BytesReader(file.getvalue(), self._described(path, file))

    def whole(self, path: str) -> tuple[Entry, bytes] | None:
        """Return a file of at most one chunk and its bytes, ``None`` if there is none."""
        file = self.fs.store.get(self.place.full(path))
        if file is None or file.size > CHUNK:
            return None
        return self._described(path, file), file.getvalue()

    async def open_async(self, path: str, version: str | None = None, *, whole: bool = False) -> Reader:
        """Take the file's present bytes. See `open`."""
        return self.open(path, version, whole=whole)

    def create(self, path: str, size: int | None, options: PutOptions) -> Writer:
        """Begin a file. See `Tree.create`."""
        return MemoryWriter(self, path)

    async def create_async(self, path: str, size: int | None, options: PutOptions) -> Writer:
        """Begin a file. See `create`."""
        return MemoryWriter(self, path)

    def publish(self, path: str, data: bytes, mode: Mode) -> Entry:
        """Set the entry, if it may be.

        Raises:
            AlreadyExistsError: Something is there.
        """
        from fsspec.implementations.memory import MemoryFile  # noqa: PLC0415  # not at import

        full, store = self.place.full(path), self.fs.store
        file = MemoryFile(self.fs, full, data)
        if mode != "create":
            store[full] = file
        elif store.setdefault(full, file) is not file:
            raise AlreadyExistsError(f"{path!r} already exists")
        return self._described(path, file)

    def remove(self, path: str, if_match: str | None = None) -> bool:
        """Remove a file. See `Tree.remove`."""
        return self.fs.store.pop(self.place.full(path), None) is not None

    async def remove_async(self, path: str, if_match: str | None = None) -> bool:
        """Remove a file. See `remove`."""
        return self.remove(path, if_match)

    def copy(self, src: str, dst: str, mode: Mode) -> Entry:
        """Copy a file. See `Tree.copy`."""
        return self.publish(dst, self._file(src).getvalue(), mode)

    async def copy_async(self, src: str, dst: str, mode: Mode) -> Entry:
        """Copy a file. See `copy`."""
        return self.copy(src, dst, mode)

    def pages(self, prefix: str, delimiter: str | None, start_after: str | None) -> Iterator[ListPage]:
        """List by the sorted keys of the dict. See `Store.list`."""
        hidden, after = not isinstance(prefix, ReservedKey), start_after or ""
        objects: list[ObjectMeta] = []
        groups: list[str] = []
        keys = sorted(self._keys(prefix))
        at = bisect_right(keys, after) if after else 0
        while at < len(keys):
            key = keys[at]
            at += 1
            if (hidden and is_reserved(key)) or not _is_key(key):
                continue
            cut = key.find(delimiter, len(prefix)) if delimiter else -1
            if cut >= 0:
                group = key[: cut + 1]
                at = bisect_right(keys, group + "\U0010ffff")
                if group > after:
                    groups.append(group)
            elif (file := self.fs.store.get(self.place.full(key))) is not None:
                objects.append(meta_of(key, self._described(key, file)))
            if len(objects) + len(groups) >= PAGE:
                yield ListPage(objects, groups)
                objects, groups = [], []
        if objects or groups:
            yield ListPage(objects, groups)

    def _keys(self, prefix: str) -> list[str]:
        base = self.place.full(prefix) if prefix else self.place.root + "/"
        skip = len(self.place.root) + 1
        return [name[skip:] for name in tuple(self.fs.store) if name.startswith(base)]

    def _file(self, path: str) -> Any:
        file = self.fs.store.get(self.place.full(path))
        if file is None:
            raise NotFoundError(f"nothing at {path!r}")
        return file

    def _described(self, path: str, file: Any) -> Entry:
        size, modified = file.size, file.modified
        modified = modified.astimezone(UTC) if modified.tzinfo is not None else modified.replace(tzinfo=UTC)
        return Entry(name=path.rpartition("/")[2], size=size, modified=modified, etag=composed_etag(modified, size))

    def close(self) -> None:
        """Nothing is held."""


class BytesReader(BlockingReader):
    """Bytes that are in memory."""

    def __init__(self, data: bytes, entry: Entry) -> None:
        self._data = data
        self.entry = entry

    def chunks(self, start: int, end: int) -> Generator[bytes]:
        """Iterate over the bytes of ``[start, end)``. See `Reader.chunks`."""
        for at in range(start, end, CHUNK):
            yield self._data[at : min(at + CHUNK, end)]

    async def chunks_async(self, start: int, end: int) -> AsyncGenerator[bytes]:
        """Iterate over the bytes of ``[start, end)``. See `chunks`."""
        for chunk in self.chunks(start, end):
            yield chunk

    def read(self, start: int, end: int) -> bytes:
        """Return the bytes of ``[start, end)``. See `Reader.read`."""
        return self._data[start:end]

    async def read_async(self, start: int, end: int) -> bytes:
        """Return the bytes of ``[start, end)``. See `read`."""
        return self._data[start:end]

    def close(self) -> None:
        """Nothing is held."""

    async def close_async(self) -> None:
        """Nothing is held."""


class MemoryWriter(BlockingWriter):
    """Bytes collected, and set at once."""

    def __init__(self, tree: MemoryFiles, path: str) -> None:
        self._tree = tree
        self._path = path
        self._chunks: list[bytes] = []

    def write(self, chunk: bytes) -> None:
        """Append bytes. See `Writer.write`."""
        self._chunks.append(chunk)

    async def write_async(self, chunk: bytes) -> None:
        """Append bytes. See `write`."""
        self._chunks.append(chunk)

    def publish(self, mode: Mode, if_match: str | None) -> Entry:
        """Make the whole file appear. See `Writer.publish`."""
        return self._tree.publish(self._path, b"".join(self._chunks), mode)

    async def publish_async(self, mode: Mode, if_match: str | None) -> Entry:
        """Make the whole file appear. See `publish`."""
        return self.publish(mode, if_match)

    def abort(self) -> None:
        """Drop the bytes. See `Writer.abort`."""
        self._chunks.clear()

    async def abort_async(self) -> None:
        """Drop the bytes. See `abort`."""
        self._chunks.clear()


def _is_key(key: str) -> bool:
    try:
        check_key(ReservedKey(key))
    except InvalidKeyError:
        return False
    return True
