"""Views of what was not read yet: a real `Mapping`, a real `Sequence`, an array; each I/O method in both colours."""

from __future__ import annotations

from collections.abc import AsyncIterator, Generator, ItemsView, Iterator, Mapping, Sequence, ValuesView
from typing import Any, ClassVar, overload

from holdall.containers import fetching, fetching_async, iterating, loading, walking
from holdall.containers.archive import Cursor
from holdall.containers.arrayparts import cut_out, planned, stretch_of
from holdall.containers.members import size_of
from holdall.containers.nodes import Blocks, Combined, Indexed, Leaf
from holdall.containers.paths import Path, segments, shown
from holdall.containers.waves import together

__all__ = ["LazyArray", "LazyDict", "LazyList", "to_obj", "viewed"]


def viewed(place: Any) -> Any:
    """Return the view of a place that was not read; plain values as they are."""
    if isinstance(place, list):
        return [viewed(item) for item in place]
    if not isinstance(place, Cursor):
        return place
    node = place.node
    if isinstance(node, Leaf):
        return LazyArray(place) if node.array is not None else LazyDict(place)
    if isinstance(node, Indexed) and node.array is not None:
        return LazyArray(place)
    return LazyDict(place) if isinstance(node, (Indexed, Combined)) and node.is_map else LazyList(place)


def to_obj(value: Any) -> Any:
    """Return a view as plain containers, and a list in which there are views (of a slice) likewise, fetched together; else the value itself."""
    if isinstance(value, list):
        views: list[_View] = [item for item in value if isinstance(item, _View)]
        if not views:
            return value
        if len({id(view._cursor.archive.origin) for view in views}) > 1:
            return [to_obj(item) for item in value]
        found = iter(views[0]._drive(together([loading.load(view._cursor) for view in views])))
        return [next(found) if isinstance(item, _View) else item for item in value]
    return value.to_obj() if isinstance(value, _View) else value


class _View:
    """What all views share: where they stand, and paths below them."""

    __slots__ = ("_cursor",)

    def __init__(self, cursor: Cursor) -> None:
        self._cursor = cursor

    @property
    def size(self) -> int | None:
        """Encoded bytes, where the table tells; of archives that are combined it does not."""
        return size_of(self._cursor.node)

    def read(self, path: Path = ()) -> Any:
        """Return what is at a path below; large containers as views.

        Raises:
            MissingKeyError, MissingIndexError: Nothing is there.
        """
        return viewed(self._drive(_read(self._cursor, segments(path))))

    async def read_async(self, path: Path = ()) -> Any:
        """Return what is at a path below. See `read`."""
        return viewed(await self._drive_async(_read(self._cursor, segments(path))))

    def to_obj(self) -> Any:
        """Return everything below as fresh plain containers, fetched in parallel."""
        return self._drive(loading.load(self._cursor))

    async def to_obj_async(self) -> Any:
        """Return everything below as plain containers. See `to_obj`."""
        return await self._drive_async(loading.load(self._cursor))

    def __reduce__(self) -> tuple[Any, ...]:
        from holdall.containers.recipes import view_recipe  # noqa: PLC0415  # readers make views

        return view_recipe(self._cursor)

    def _drive(self, steps: Generator[Any, Any, Any]) -> Any:
        return fetching.drive(self._cursor.archive.origin, steps)

    async def _drive_async(self, steps: Generator[Any, Any, Any]) -> Any:
        return await fetching_async.drive_async(self._cursor.archive.origin, steps)

    def _items(self, steps: Generator[Any, Any, Any]) -> Iterator[Any]:
        return fetching.items(self._cursor.archive.origin, steps)

    def _items_async(self, steps: Generator[Any, Any, Any]) -> AsyncIterator[Any]:
        return fetching_async.items_async(self._cursor.archive.origin, steps)

    def _get(self, segment: Any) -> Any:
        return viewed(self._drive(_read(self._cursor, (segment,))))

    async def _get_async(self, segment: Any) -> Any:
        return viewed(await self._drive_async(_read(self._cursor, (segment,))))


def _read(cursor: Cursor, path: Sequence[Any]) -> Generator[Any, Any, Any]:
    return (yield from loading.settle((yield from walking.resolve(cursor, path))))


class _Items(ItemsView[Any, Any]):
    """The pairs of a lazy map: iterated block by block, not key by key."""

    def __iter__(self) -> Iterator[tuple[Any, Any]]:
        mapping: Any = self._mapping  # type: ignore[attr-defined]  # of every view of the standard library
        return ((key, viewed(value)) for key, value in mapping._items(iterating.pairs(mapping._cursor)))


class _Values(ValuesView[Any]):
    """The values of a lazy map: iterated block by block, not key by key."""

    def __iter__(self) -> Iterator[Any]:
        mapping: Any = self._mapping  # type: ignore[attr-defined]  # of every view of the standard library
        return (viewed(value) for _, value in mapping._items(iterating.pairs(mapping._cursor)))


class LazyDict(_View, Mapping[Any, Any]):
    """A map of the document that is read in part; compares by value, is not hashable."""

    __slots__ = ()
    lazy_kind: ClassVar[str] = "map"
    __hash__ = None  # type: ignore[assignment]

    def __getitem__(self, key: Any) -> Any:
        return self._get(key)

    def __iter__(self) -> Iterator[Any]:
        node = self._cursor.node
        if isinstance(node, (Indexed, Combined)):
            return iter(list(node.children))
        return (key for key, _ in self._items(iterating.pairs(self._cursor)))

    def __len__(self) -> int:
        node = self._cursor.node
        if isinstance(node, Leaf) and node.run is not None:
            return sum(node.run.counts)
        return len(node.children) if isinstance(node, (Indexed, Combined)) else 0

    def __contains__(self, key: object) -> bool:
        node = self._cursor.node
        if isinstance(node, (Indexed, Combined)):
            return key in node.children
        try:
            self._drive(walking.follow(self._cursor, key))
        except KeyError:
            return False
        return True

    def items(self) -> ItemsView[Any, Any]:
        """Return the pairs, a set-like view."""
        return _Items(self)

    def values(self) -> ValuesView[Any]:
        """Return the values."""
        return _Values(self)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Mapping) or len(other) != len(self):
            return False if isinstance(other, Mapping) else NotImplemented
        return bool(self.to_obj() == to_obj(other))

    def __repr__(self) -> str:
        return f"LazyDict({len(self)} keys at {shown(self._cursor.path)})"

    async def get_async(self, key: Any, default: Any = None) -> Any:
        """Return the value of a key, or the default."""
        try:
            return await self._get_async(key)
        except KeyError:
            return default

    async def items_async(self) -> AsyncIterator[tuple[Any, Any]]:
        """Iterate over the pairs."""
        async for key, value in self._items_async(iterating.pairs(self._cursor)):
            yield key, viewed(value)

    async def keys_async(self) -> AsyncIterator[Any]:
        """Iterate over the keys."""
        node = self._cursor.node
        if isinstance(node, (Indexed, Combined)):
            for key in list(node.children):
                yield key
            return
        async for key, _ in self._items_async(iterating.pairs(self._cursor)):
            yield key

    async def values_async(self) -> AsyncIterator[Any]:
        """Iterate over the values."""
        async for _, value in self.items_async():
            yield value

    def __aiter__(self) -> AsyncIterator[Any]:
        return self.keys_async()


class LazyList(_View, Sequence[Any]):
    """A list of the document that is read in part; compares by value, is not hashable."""

    __slots__ = ()
    lazy_kind: ClassVar[str] = "list"
    __hash__ = None  # type: ignore[assignment]

    @overload
    def __getitem__(self, index: int) -> Any: ...
    @overload
    def __getitem__(self, index: slice) -> list[Any]: ...
    def __getitem__(self, index: int | slice) -> Any:
        """Return an item, or a list of several fetched in one wave."""
        if not isinstance(index, (int, slice)):
            raise TypeError(f"a list's index is an int or a slice, not {type(index).__name__}")
        return self._get(index)

    def __len__(self) -> int:
        node = self._cursor.node
        if isinstance(node, Blocks):
            return node.count
        return len(node.children) if isinstance(node, (Indexed, Combined)) else 0

    def __iter__(self) -> Iterator[Any]:
        return (viewed(item) for item in self._items(iterating.iterate(self._cursor)))

    def __reversed__(self) -> Iterator[Any]:
        return (self[i] for i in range(len(self) - 1, -1, -1))

    async def __aiter__(self) -> AsyncIterator[Any]:
        """Iterate over the items."""
        async for item in self._items_async(iterating.iterate(self._cursor)):
            yield viewed(item)

    async def get_async(self, index: int | slice) -> Any:
        """Return an item or a slice."""
        return await self._get_async(index)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, (list, tuple, LazyList)):
            return NotImplemented
        return len(other) == len(self) and bool(
            self.to_obj() == (list(other) if isinstance(other, tuple) else to_obj(other))
        )

    def __repr__(self) -> str:
        return f"LazyList({len(self)} items at {shown(self._cursor.path)})"


class LazyArray(_View):
    """A typed array that is read in part: ranges of the first axis cost exactly their bytes."""

    __slots__ = ()
    lazy_kind: ClassVar[str] = "value"

    materialise = _View.to_obj
    materialise_async = _View.to_obj_async

    @property
    def _info(self) -> Any:
        info = getattr(self._cursor.node, "array", None)
        assert info is not None
        return info

    @property
    def dtype(self) -> str:
        """The element type, as numpy writes it."""
        return str(self._info.dtype)

    @property
    def shape(self) -> tuple[int, ...]:
        """The lengths of the axes."""
        return tuple(self._info.shape)

    def __len__(self) -> int:
        if not self.shape:
            raise TypeError("an array without axes has no length")
        return self.shape[0]

    def __getitem__(self, index: Any) -> Any:
        """Return part of the array; leading whole numbers and a step-1 slice behind them read only what they name."""
        span, shape, rest = planned(self._info, index)
        data = self._drive(stretch_of(self._cursor, self._info, span))
        return cut_out(self.dtype, data, shape, rest)

    async def get_async(self, index: Any) -> Any:
        """Return part of the array. See ``array[index]``."""
        span, shape, rest = planned(self._info, index)
        data = await self._drive_async(stretch_of(self._cursor, self._info, span))
        return cut_out(self.dtype, data, shape, rest)

    def __array__(self, dtype: Any = None, copy: Any = None) -> Any:
        array = self.to_obj()
        return array if dtype is None else array.astype(dtype)

    def __repr__(self) -> str:
        return f"LazyArray({self.dtype}, {self.shape} at {shown(self._cursor.path)})"
