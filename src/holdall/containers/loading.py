"""Whole values of places, as fresh plain containers."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, TypeGuard

from holdall.containers.archive import Cursor
from holdall.containers.checking import agrees, check_below, check_blocks, check_length, check_value
from holdall.containers.errors import FormatError
from holdall.containers.members import MOST_NESTED, below, inner, member, size_of
from holdall.containers.nodes import Blocks, Combined, Indexed, Leaf, Node, RunMap
from holdall.containers.paths import shown
from holdall.containers.waves import Steps, Want, together

__all__ = ["AT_ONCE", "block_of", "grouped", "is_plain", "load", "settle"]

WAVE = 64 * 1024 * 1024
"""Encoded bytes in flight while a large container is read."""
AT_ONCE = 16
"""Members of a container without a range of its own that are read at once."""


def is_plain(node: Node) -> TypeGuard[Leaf]:
    """Tell whether a node is a leaf that is read whole."""
    return isinstance(node, Leaf) and node.run is None and node.array is None


def settle(place: Any) -> Steps[Any]:
    """Return a plain value for a place that is one; containers that are read in part stay a `Cursor`."""
    if isinstance(place, Cursor) and is_plain(place.node):
        return (yield from load(place))
    return place


class _Budget:
    """The encoded bytes that one value may still take: ranges that are shared cannot multiply."""

    def __init__(self, cursor: Cursor) -> None:
        self.left = cursor.archive.table.size
        self._key = cursor.archive.origin.key

    def take(self, size: int) -> None:
        self.left -= size
        if self.left < 0:
            raise FormatError("values that overlap", kind="limit", key=self._key)


def load(place: Any, budget: _Budget | None = None, depth: int = 0) -> Steps[Any]:
    """Return the whole value of a place as fresh plain containers."""
    if not isinstance(place, Cursor):
        return place
    node = place.node
    if type(node) is Leaf and node.run is None and node.array is None:
        return (yield from _leaf(place, node, budget))
    budget = budget or _Budget(place)
    if depth > 2 * MOST_NESTED:
        raise FormatError("tables nested too deep", kind="depth", key=place.archive.origin.key)
    size = size_of(node)
    if isinstance(node, Leaf) and node.run is not None and (size or 0) > WAVE:
        return (yield from _blocked(place, node.run, budget, is_map=True))
    if isinstance(node, Leaf) or (
        isinstance(node, Indexed) and size is not None and (size <= WAVE or node.array is not None)
    ):
        return (yield from _whole(place, node, budget))
    if isinstance(node, Blocks):
        return (yield from _blocked(place, node, budget, is_map=False))
    found: list[Any] = []
    segments: list[Any] = list(node.children) if isinstance(node.children, dict) else list(range(len(node.children)))
    for chosen in _several(place, node, segments):
        found += yield from together([_loaded(place, node, segment, budget, depth) for segment in chosen])
    return dict(zip(segments, found, strict=True)) if isinstance(node.children, dict) else found


def _several(cursor: Cursor, node: Indexed | Combined, segments: Sequence[Any]) -> Iterable[Sequence[Any]]:
    """Group members of a container, so that the encoded bytes of a group are not too many."""
    if isinstance(node, Combined):
        yield from (segments[at : at + AT_ONCE] for at in range(0, len(segments), AT_ONCE))
        return
    children: Any = node.children
    several, total = list[Any](), 0
    for segment in segments:
        size = size_of(below(cursor, node, children[segment], segment).node)
        weight = WAVE // AT_ONCE if size is None else size
        if several and total + weight > WAVE:
            yield several
            several, total = [], 0
        several.append(segment)
        total += weight
    if several:
        yield several


def _loaded(cursor: Cursor, node: Indexed | Combined, segment: Any, budget: _Budget, depth: int) -> Steps[Any]:
    return (yield from load((yield from member(cursor, node, segment)), budget, depth + 1))


def _leaf(cursor: Cursor, node: Leaf, budget: _Budget | None) -> Steps[Any]:
    archive, size = cursor.archive, node.end - node.start
    check_length(cursor, size)
    if budget is not None:
        budget.take(size)
    (data,) = yield Want([archive.at(node.start, node.end)])
    archive.checked(data, node.checksum, cursor.path, node.start)
    return archive.decoded(data)


def _whole(cursor: Cursor, node: Leaf | Indexed, budget: _Budget) -> Steps[Any]:
    start, end = node.start, node.end
    assert start is not None  # of a leaf, or checked by `load`
    assert end is not None
    check_length(cursor, end - start)
    budget.take(end - start)
    (data,) = yield Want([cursor.archive.at(start, end)])
    if cursor.archive.options.verify == "read":
        if isinstance(node, Indexed) and node.array is None and not cursor.archive.options.legacy_arrays:
            try:
                value = cursor.archive.decoded(data)
            except FormatError:
                check_below(cursor, data, start)  # a damaged leaf is named
                raise
            if agrees(node.children, value, memoryview(data), start):
                return value
        check_below(cursor, data, start)
    return check_value(cursor, cursor.archive.decoded(data))


def _blocked(cursor: Cursor, node: Blocks | RunMap, budget: _Budget, *, is_map: bool) -> Steps[Any]:
    """Return all items of a blocked list, or all pairs of a run map, wave by wave."""
    items: Any = {} if is_map else []
    archive = cursor.archive
    # Blocks follow each other: where none is cached, a wave is one range and one document.
    whole = archive.origin.file is not None or archive.origin.cache.size == 0
    for wave in grouped(node, WAVE, WAVE):
        groups = [wave] if whole else [range(i, i + 1) for i in wave]
        spans = [(node.starts[group[0]], node.ends[group[-1]]) for group in groups]
        budget.take(sum(end - start for start, end in spans))
        found = yield Want([archive.at(*span) for span in spans], keep=False)
        for group, (start, _), data in zip(groups, spans, found, strict=True):
            if archive.options.verify == "read":
                check_blocks(cursor, node, group, memoryview(data), start)
            several = archive.items(data, sum(node.counts[group[0] : group[-1] + 1]), is_map=is_map)
            if is_map:
                items.update(several)
            else:
                items += several
    if len(items) != sum(node.counts):
        raise FormatError(f"{shown(cursor.path)}: keys that stand twice", kind="toc", key=archive.origin.key)
    keys: Any = list(items) if is_map and node.nested else range(len(items))
    for i in node.nested:
        at = keys[node.edges[i] - 1]
        items[at] = check_value(inner(cursor, node, i, at), items[at])
    return items


def block_of(cursor: Cursor, node: Blocks | RunMap, block: int, data: bytes, *, is_map: bool = False) -> Any:
    """Return the items of a block, or its pairs as a dict."""
    start = node.starts[block]
    if node.checksums and block not in node.nested:
        cursor.archive.checked(data, node.checksums[block], (*cursor.path, f"block {block}"), start)
    found = cursor.archive.items(data, node.counts[block], is_map=is_map)
    if block in node.nested:
        at = next(iter(found)) if is_map else 0
        place = inner(cursor, node, block, at if is_map else node.edges[block] - 1)
        if cursor.archive.options.verify == "read":
            check_below(place, data, start)
        found[at] = check_value(place, found[at])
    return found


def grouped(node: Blocks | RunMap, first: int, largest: int) -> Iterable[range]:
    """Group blocks so that each group has at most so many bytes, growing from one to the next."""
    at, most = 0, first
    while at < len(node.counts):
        last, size = at, 0
        while last < len(node.counts) and (last == at or size + node.ends[last] - node.starts[last] <= most):
            size += node.ends[last] - node.starts[last]
            last += 1
        yield range(at, last)
        at, most = last, min(2 * most, largest)
