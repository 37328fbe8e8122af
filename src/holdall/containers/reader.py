"""`LazyReader`: open an archive anywhere in one round trip and read the parts that are asked for."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from types import TracebackType
from typing import Any, Self

from holdall.containers import walking, walking_async
from holdall.containers.archive import Archive, ByteCache, Cursor
from holdall.containers.options import MiB, ReadOptions, ReadStats
from holdall.containers.paths import Path, segments
from holdall.containers.places import place_of
from holdall.containers.views import LazyDict, viewed
from holdall.errors import ClosedError
from holdall.store import Store

__all__ = ["RAISE", "LazyReader", "load", "load_async"]

RAISE: Any = object()
"""Default of `LazyReader.read_many`: a missing path raises."""


class LazyReader:
    """Reads one archive in part. Opens at first use, or as a context manager of either colour.

    Args:
        source: Where the archive is: key or path with ``store=`` or ``fs=``, URL, ``mount:path``, local path, node, bytes,
            an open binary file.
        fs, s3fs: An fsspec filesystem for a path (two names of one thing).
        store: A store for a key.
        version: Version of the object.
        if_match: Etag that the object must have.
        cached: Keep what was fetched; ``False`` keeps the table of contents only.
        cache_bytes: Most encoded bytes to keep; ``None`` for no bound.
        stats: Counts what reading costs.
        options: How to read.

    Example:
        >>> from holdall.containers import dumps
        >>> with LazyReader(dumps({"a": [1, 2, 3]})) as reader:
        ...     reader["a/1"]
        2
    """

    def __init__(
        self,
        source: Any,
        *,
        fs: Any = None,
        s3fs: Any = None,
        store: Store | None = None,
        version: str | None = None,
        if_match: str | None = None,
        cached: bool = True,
        cache_bytes: int | None = 64 * MiB,
        stats: ReadStats | None = None,
        options: ReadOptions | None = None,
    ) -> None:
        found = place_of(source, fs=fs, s3fs=s3fs, store=store)
        self._owned = found.owned
        self._archive = Archive(
            found.store,
            found.key,
            options or ReadOptions(),
            stats if stats is not None else ReadStats(),
            ByteCache(cache_bytes if cached else 0),
            etag=if_match,
            version=version,
        )

    # -- life ---------------------------------------------------------------------------------------------------------

    def open(self) -> Self:
        """Open the archive now.

        Raises:
            FormatError: The object is no archive.
        """
        walking.attach(self._archive)
        return self

    async def open_async(self) -> Self:
        """Open the archive now. See `open`."""
        await walking_async.attach_async(self._archive)
        return self

    def close(self) -> None:
        """Let go of the source and the cache; plain values survive, views raise `ClosedError`."""
        self._archive.closed = True
        self._archive.cache.clear()
        if self._owned:
            self._archive.store.close()

    async def close_async(self) -> None:
        """Let go of the source and the cache. See `close`."""
        self._archive.closed = True
        self._archive.cache.clear()
        if self._owned:
            await self._archive.store.close_async()

    @property
    def closed(self) -> bool:
        """Whether the reader was closed."""
        return self._archive.closed

    def __enter__(self) -> Self:
        return self.open()

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    async def __aenter__(self) -> Self:
        return await self.open_async()

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close_async()

    def __repr__(self) -> str:
        return f"LazyReader({self._archive.key!r}, {self._archive.store!r})"

    # -- reading ------------------------------------------------------------------------------------------------------

    @property
    def root(self) -> Any:
        """The document: a view of it, or its value if it is small."""
        return self.read()

    def read(self, path: Path = ()) -> Any:
        """Return what is at a path; large containers as views.

        Args:
            path: ``"k50/meta/3"``, or a sequence of keys and positions.

        Raises:
            MissingKeyError, MissingIndexError: Nothing is there.
        """
        return viewed(walking.settle(walking.resolve(self._root(), segments(path))))

    async def read_async(self, path: Path = ()) -> Any:
        """Return what is at a path. See `read`."""
        root = await self._root_async()
        return viewed(await walking_async.settle_async(await walking_async.resolve_async(root, segments(path))))

    def __getitem__(self, path: Path) -> Any:
        return self.read(path)

    def get(self, key: Path, default: Any = None) -> Any:
        """Return what is at a path, or the default."""
        try:
            return self.read(key)
        except (KeyError, IndexError):
            return default

    async def get_async(self, key: Path, default: Any = None) -> Any:
        """Return what is at a path, or the default."""
        try:
            return await self.read_async(key)
        except (KeyError, IndexError):
            return default

    def read_many(self, paths: Sequence[Path], *, default: Any = RAISE) -> list[Any]:
        """Return what is at many paths; what lies side by side is fetched together."""
        root = self._root()
        found = walking.many(root, [segments(path) for path in paths])
        return [self._or_default(value, default) for value in found]

    async def read_many_async(self, paths: Sequence[Path], *, default: Any = RAISE) -> list[Any]:
        """Return what is at many paths. See `read_many`."""
        root = await self._root_async()
        found = await walking_async.many_async(root, [segments(path) for path in paths])
        return [self._or_default(value, default) for value in found]

    def to_obj(self) -> Any:
        """Return the whole document as plain containers."""
        return walking.load(self._root())

    async def to_obj_async(self) -> Any:
        """Return the whole document as plain containers."""
        return await walking_async.load_async(await self._root_async())

    def payload(self) -> Iterator[bytes]:
        """Iterate over the document's bytes: plain msgpack or CBOR."""
        return walking.stretch(self._archive, 50, 50 + walking.attach(self._archive).header.toc_start)

    def payload_async(self) -> AsyncIterator[bytes]:
        """Iterate over the document's bytes."""
        return walking_async.payload_async(self._archive)

    def raw(self) -> Iterator[bytes]:
        """Iterate over the bytes of the whole archive."""
        return walking.stretch(self._archive, 0, walking.attach(self._archive).size)

    # -- a root that is a container -----------------------------------------------------------------------------------

    def __len__(self) -> int:
        return len(self.root)

    def __iter__(self) -> Iterator[Any]:
        return iter(self.root)

    async def __aiter__(self) -> AsyncIterator[Any]:
        """Iterate over the root: keys of a map, items of a list."""
        root = await self.read_async()
        if hasattr(root, "__aiter__"):
            async for item in root:
                yield item
        else:
            for item in root:
                yield item

    def __contains__(self, key: object) -> bool:
        return key in self.root

    def keys(self) -> Any:
        """Return the root's keys."""
        return self._map().keys()

    def values(self) -> Any:
        """Return the root's values."""
        return self._map().values()

    def items(self) -> Any:
        """Return the root's pairs."""
        return self._map().items()

    # -- what it is ---------------------------------------------------------------------------------------------------

    @property
    def stats(self) -> ReadStats:
        """What reading has cost so far."""
        return self._archive.stats

    @property
    def codec(self) -> str:
        """``msgpack`` or ``cbor``."""
        return walking.attach(self._archive).header.codec

    @property
    def size(self) -> int:
        """Bytes of the archive."""
        return walking.attach(self._archive).size

    @property
    def etag(self) -> str | None:
        """The etag that every read is pinned to."""
        return self._archive.etag

    @property
    def meta(self) -> Mapping[str, Any]:
        """The writer's small map of metadata."""
        root = walking.attach(self._archive).root
        return {} if root is None else root.meta

    def _root(self) -> Cursor:
        if self.closed:
            raise ClosedError("the reader is closed", key=self._archive.key)
        return Cursor(self._archive, walking.attach(self._archive).node, ())

    async def _root_async(self) -> Cursor:
        if self.closed:
            raise ClosedError("the reader is closed", key=self._archive.key)
        return Cursor(self._archive, (await walking_async.attach_async(self._archive)).node, ())

    def _map(self) -> Mapping[Any, Any]:
        root = self.root
        if not isinstance(root, (dict, LazyDict)):
            raise TypeError(f"the document is no map but a {type(root).__name__}")
        return root

    def _or_default(self, found: Any, default: Any) -> Any:
        if isinstance(found, (KeyError, IndexError)):
            if default is RAISE:
                raise found
            return default
        return viewed(found)


def load(source: Any, **named: Any) -> Any:
    """Return everything in an archive. Takes what `LazyReader` takes."""
    with LazyReader(source, **named) as reader:
        return reader.to_obj()


async def load_async(source: Any, **named: Any) -> Any:
    """Return everything in an archive. See `load`."""
    async with LazyReader(source, **named) as reader:
        return await reader.to_obj_async()
