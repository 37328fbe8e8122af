"""`LazyReader`: open an archive anywhere in one round trip and read the parts that are asked for."""

from __future__ import annotations

from collections.abc import AsyncIterator, Generator, Iterator, Mapping, Sequence
from typing import Any, ClassVar

from holdall.containers import fetching, fetching_async, iterating, loading, verifying, walking
from holdall.containers.archive import Archive, Cursor
from holdall.containers.handle import Handle
from holdall.containers.lookahead import Lookahead
from holdall.containers.nodes import Combined
from holdall.containers.options import VerifyReport
from holdall.containers.outline import Line, outline
from holdall.containers.paths import Path, segments
from holdall.containers.views import LazyDict, viewed

__all__ = ["RAISE", "LazyReader", "load", "load_async", "read_ahead"]

RAISE: Any = object()
"""Default of `LazyReader.read_many`: a missing path raises."""


class LazyReader(Handle):
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

    lazy_kind: ClassVar[str] = "value"

    # -- reading ------------------------------------------------------------------------------------------------------

    @property
    def root(self) -> Any:
        """The document: a view of it, or its value if it is small."""
        return self.read()

    def unwrap(self) -> Any:
        """Return the document. See `root`."""
        return self.read()

    def read(self, path: Path = ()) -> Any:
        """Return what is at a path; large containers as views.

        Args:
            path: ``"k50/meta/3"``, or a sequence of keys and positions.

        Raises:
            MissingKeyError, MissingIndexError: Nothing is there.
        """
        return viewed(self._drive(self._read(segments(path))))

    async def read_async(self, path: Path = ()) -> Any:
        """Return what is at a path. See `read`."""
        await self._archive_async()
        return viewed(await self._drive_async(self._read(segments(path))))

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
        """Return what is at many paths; what they need is fetched in one wave, near ranges together.

        Raises:
            MissingKeyError, MissingIndexError: A path leads nowhere, and there is no default.
        """
        found = self._drive(walking.many(self._root(), [segments(path) for path in paths]))
        return [self._or_default(value, default) for value in found]

    async def read_many_async(self, paths: Sequence[Path], *, default: Any = RAISE) -> list[Any]:
        """Return what is at many paths. See `read_many`."""
        root = await self._root_async()
        found = await self._drive_async(walking.many(root, [segments(path) for path in paths]))
        return [self._or_default(value, default) for value in found]

    def prefetch(self, paths: Sequence[Path] | None = None, *, max_bytes: int | None = None) -> int:
        """Bring values into the cache, as far as it holds them, and return their encoded bytes.

        Args:
            paths: What to bring; everything if ``None``.
            max_bytes: Stop before this many.
        """
        return int(self._drive(iterating.warm(self._root(), _parsed(paths), self._most(max_bytes))))

    async def prefetch_async(self, paths: Sequence[Path] | None = None, *, max_bytes: int | None = None) -> int:
        """Bring values into the cache. See `prefetch`."""
        root = await self._root_async()
        return int(await self._drive_async(iterating.warm(root, _parsed(paths), self._most(max_bytes))))

    def to_obj(self) -> Any:
        """Return the whole document as fresh plain containers."""
        return self._drive(loading.load(self._root()))

    async def to_obj_async(self) -> Any:
        """Return the whole document as fresh plain containers."""
        return await self._drive_async(loading.load(await self._root_async()))

    materialise = read
    materialise_async = read_async

    def child(self, name: Any) -> LazyReader:
        """Return a reader of an embedded archive, which shares this reader's source, cache and life.

        Args:
            name: Its name, or its position in an unnamed combination.

        Raises:
            TypeError: This archive is not combined.
            MissingKeyError, MissingIndexError: There is no such member.
        """
        return self._of(self._drive(walking.resolve(self._combined(self._root()), (name,))))

    async def child_async(self, name: Any) -> LazyReader:
        """Return a reader of an embedded archive. See `child`."""
        root = self._combined(await self._root_async())
        return self._of(await self._drive_async(walking.resolve(root, (name,))))

    def payload(self) -> Iterator[bytes]:
        """Iterate over the document's bytes: plain msgpack or CBOR."""
        return fetching.stretch(self._origin, *_payload(self._archive()))

    async def payload_async(self) -> AsyncIterator[bytes]:
        """Iterate over the document's bytes."""
        async for data in fetching_async.stretch_async(self._origin, *_payload(await self._archive_async())):
            yield data

    def raw(self) -> Iterator[bytes]:
        """Iterate over the bytes of the whole archive."""
        return fetching.stretch(self._origin, *self._extent)

    async def raw_async(self) -> AsyncIterator[bytes]:
        """Iterate over the bytes of the whole archive."""
        await self._archive_async()
        async for data in fetching_async.stretch_async(self._origin, *self._extent):
            yield data

    def outline(self, *, depth: int = 3, most: int = 50) -> list[Line]:
        """Return what the archive holds as lines of a tree, told from its tables alone.

        Args:
            depth: Levels below the root.
            most: Most members shown of each container.
        """
        lines: list[Line] = self._drive(outline(self._root(), depth, most))
        return lines

    async def outline_async(self, *, depth: int = 3, most: int = 50) -> list[Line]:
        """Return what the archive holds. See `outline`."""
        lines: list[Line] = await self._drive_async(outline(await self._root_async(), depth, most))
        return lines

    def verify(self) -> VerifyReport:
        """Read everything once, and check every checksum and that table and document agree.

        Raises:
            IntegrityError: A checksum differs; names path and byte range.
            FormatError: Table and document contradict each other.
        """
        report: VerifyReport = self._drive(verifying.verify(self._root()))
        return report

    async def verify_async(self) -> VerifyReport:
        """Read and check everything. See `verify`."""
        report: VerifyReport = await self._drive_async(verifying.verify(await self._root_async()))
        return report

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
        return _map(self.root).keys()

    def values(self) -> Any:
        """Return the root's values."""
        return _map(self.root).values()

    def items(self) -> Any:
        """Return the root's pairs."""
        return _map(self.root).items()

    async def keys_async(self) -> AsyncIterator[Any]:
        """Iterate over the root's keys."""
        async for key, _ in self.items_async():
            yield key

    async def values_async(self) -> AsyncIterator[Any]:
        """Iterate over the root's values."""
        async for _, value in self.items_async():
            yield value

    async def items_async(self) -> AsyncIterator[tuple[Any, Any]]:
        """Iterate over the root's pairs."""
        root = _map(await self.read_async())
        if isinstance(root, LazyDict):
            async for pair in root.items_async():
                yield pair
        else:
            for pair in root.items():
                yield pair

    # -- inside -------------------------------------------------------------------------------------------------------

    def _read(self, path: tuple[Any, ...]) -> Generator[Any, Any, Any]:
        return (yield from loading.settle((yield from walking.resolve(self._root(), path))))

    def _of(self, cursor: Cursor) -> LazyReader:
        reader = object.__new__(LazyReader)
        reader._origin = self._origin
        reader._path = (*self._path, *cursor.path)
        return reader

    def _combined(self, root: Cursor) -> Cursor:
        if not isinstance(root.node, Combined):
            raise TypeError("the archive is not combined of others: it has no children")
        return root

    def _most(self, max_bytes: int | None) -> int | None:
        limit = self._origin.cache.limit
        return limit if max_bytes is None else max_bytes if limit is None else min(limit, max_bytes)

    def _or_default(self, found: Any, default: Any) -> Any:
        if isinstance(found, (KeyError, IndexError)):
            if default is RAISE:
                raise found
            return default
        return viewed(found)


def read_ahead(reader: LazyReader) -> None:
    """Fetch large pieces, and those that follow, from now on: for one who reads everything in order, part by part, and from one thread."""
    origin = reader.open()._origin
    assert origin.archive is not None  # it was opened
    origin.ahead = Lookahead(origin.archive.end, origin.options.coalesce_max)


def _map(root: Any) -> Mapping[Any, Any]:
    if not isinstance(root, (dict, LazyDict)):
        raise TypeError(f"the document is no map but a {type(root).__name__}")
    return root


def _parsed(paths: Sequence[Path] | None) -> list[tuple[Any, ...]] | None:
    return None if paths is None else [segments(path) for path in paths]


def _payload(archive: Archive) -> tuple[int, int]:
    return archive.at(0, archive.table.header.toc_start)


def load(source: Any, **named: Any) -> Any:
    """Return everything in an archive. Takes what `LazyReader` takes."""
    with LazyReader(source, **named) as reader:
        return reader.to_obj()


async def load_async(source: Any, **named: Any) -> Any:
    """Return everything in an archive. See `load`."""
    async with LazyReader(source, **named) as reader:
        return await reader.to_obj_async()
