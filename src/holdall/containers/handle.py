"""What a reader is apart from what it reads: its source and options, opening and closing, and what its archive says of itself."""

from __future__ import annotations

from collections.abc import Generator, Mapping
from types import TracebackType
from typing import Any, Self

from holdall.containers import fetching, fetching_async, members, opening, opening_async
from holdall.containers.archive import Archive, Cursor, Origin
from holdall.containers.cache import ByteCache, Span
from holdall.containers.options import MiB, ReadOptions, ReadStats
from holdall.containers.places import place_of
from holdall.store import Store

__all__ = ["Handle"]


class Handle:
    """An archive that opens at first use, or as a context manager of either colour. See `LazyReader`."""

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
        self._path: tuple[Any, ...] = ()
        self._origin = Origin(
            found.store,
            found.key,
            options or ReadOptions(),
            stats if stats is not None else ReadStats(),
            ByteCache(cache_bytes if cached else 0),
            etag=if_match,
            version=version if version is not None else found.version,
            size=found.size,
            file=found.held if version is None and if_match is None else None,  # else the store tells what it knows of them
            recipe=found.recipe,
        )

    # -- life ---------------------------------------------------------------------------------------------------------

    def open(self) -> Self:
        """Open the archive now.

        Raises:
            FormatError: The object is no archive.
        """
        self._archive()
        return self

    async def open_async(self) -> Self:
        """Open the archive now. See `open`."""
        await self._archive_async()
        return self

    def close(self) -> None:
        """Let go of the source and the cache; plain values survive, views and child readers raise `ClosedError`."""
        self._origin.close()

    async def close_async(self) -> None:
        """Let go of the source and the cache. See `close`."""
        self._origin.close()

    @property
    def closed(self) -> bool:
        """Whether the reader was closed."""
        return self._origin.closed

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
        return f"{type(self).__name__}({self._origin.key!r}, {self._origin.store!r})"

    # -- what it is ---------------------------------------------------------------------------------------------------

    @property
    def stats(self) -> ReadStats:
        """What reading has cost so far."""
        return self._origin.stats

    @property
    def codec(self) -> str:
        """``msgpack`` or ``cbor``."""
        return self._archive().table.header.codec

    @property
    def kind(self) -> str:
        """What the document is: ``map``, ``list``, ``array``, ``value``; ``combined map`` or ``combined list`` for archives in one."""
        return members.kind_of(self._archive().table.node)

    @property
    def size(self) -> int:
        """Bytes of the archive."""
        start, end = self._extent
        return end - start

    @property
    def etag(self) -> str | None:
        """The etag that every read is pinned to."""
        archive = self._archive()
        file = archive.origin.file
        return archive.origin.etag if file is None else file.etag

    @property
    def meta(self) -> Mapping[str, Any]:
        """The writer's small map of metadata."""
        root = self._archive().table.root
        return {} if root is None else root.meta

    # -- inside -------------------------------------------------------------------------------------------------------

    def __reduce__(self) -> tuple[Any, ...]:
        from holdall.containers.recipes import reader_recipe  # noqa: PLC0415  # it makes readers

        return reader_recipe(self._origin, self._path)

    def _archive(self) -> Archive:
        return opening.descend(self._origin, self._path)

    async def _archive_async(self) -> Archive:
        return await opening_async.descend_async(self._origin, self._path)

    def _root(self) -> Cursor:
        archive = self._archive()
        return Cursor(archive, archive.table.node, ())

    async def _root_async(self) -> Cursor:
        archive = await self._archive_async()
        return Cursor(archive, archive.table.node, ())

    @property
    def _extent(self) -> Span:
        """Where the archive lies in its object, without what follows it in its slot."""
        archive = self._archive()
        root = archive.table.root
        said = None if root is None else root.length
        size = archive.table.size
        if archive.nesting:
            size = min(size, archive.table.header.end if said is None else said)
        return archive.base, archive.base + size

    def _drive(self, steps: Generator[Any, Any, Any]) -> Any:
        return fetching.drive(self._origin, steps)

    async def _drive_async(self, steps: Generator[Any, Any, Any]) -> Any:
        return await fetching_async.drive_async(self._origin, steps)
