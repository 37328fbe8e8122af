"""The table of contents as it is read: nodes made of it, and checked (format sections 2 and 4).

A node is checked when it is first touched, always before the read that it drives: positions lie inside the archive, blocks are
contiguous, children lie inside their parent. Unknown keys are ignored; our own (``c s m n h``) are optional everywhere.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from itertools import accumulate
from operator import ge, gt, sub
from typing import Any

from holdall.containers.arrays import itemsize, slab_length
from holdall.containers.errors import FormatError
from holdall.containers.nodes import ArrayInfo, Blocks, Bounds, Combined, Indexed, Leaf, Node, Root, RunMap

__all__ = ["parse_node", "parse_root", "plain_leaf"]


def parse_root(raw: object) -> Root | None:
    """Return what the ``h`` of a root says, ``None`` where a stock writer left it out.

    Raises:
        FormatError: A malformed ``h``, or one of a release that this one would misread.
    """
    if not isinstance(raw, Mapping) or "h" not in raw:
        return None
    said = raw["h"]
    if not isinstance(said, Mapping) or not _is_position(said.get("v")):
        raise _fault("a malformed 'h'")
    if said["v"] > 1:
        raise FormatError(
            f"written in format {said['v']} by {said.get('w', 'a newer holdall')!r}: upgrade holdall", kind="toc"
        )
    length, meta, checksum = said.get("e"), said.get("m", {}), said.get("c")
    if not isinstance(meta, Mapping) or not (length is None or _is_position(length)) or not _is_checksum(checksum):
        raise _fault("a malformed 'h'")
    return Root(said["v"], str(said.get("w", "")), length, meta, checksum)


def parse_node(raw: object, bounds: Bounds, within: tuple[int, int] | None = None, *, root: bool = False) -> Node:
    """Return the node that a decoded map stands for.

    Args:
        raw: What the codec decoded.
        bounds: Where positions may lie.
        within: The parent's range, which must hold this node's.
        root: Whether this is the root: only a root may be combined.

    Raises:
        FormatError: No node, or positions that cannot be.
    """
    if not isinstance(raw, Mapping):
        raise _fault(f"a node is a map, not {type(raw).__name__}")
    place, table = raw.get("p"), raw.get("t")
    if table is None and place is None:
        raise _fault("a node without 'p' and 't'")
    low, high = within if within is not None else (0, bounds.data)
    if table is not None:
        return _parse_table(raw, place, table, bounds, (low, high), root=root)
    if isinstance(place, (list, tuple)) and len(place) == 2 and all(_is_position(x) for x in place):
        start, end = _span(place[0], place[1], low, high)
        checksum = raw.get("c")
        if not _is_checksum(checksum):
            raise _fault("a malformed checksum")
        return Leaf(start, end, checksum, _array(raw.get("n"), start, end), _run(raw.get("m"), start, end, bounds))
    counts, starts, ends = _blocks(place, low, high)
    return Blocks(
        counts, starts, ends, _checksums(raw.get("c"), len(counts)), _nested(raw.get("s"), counts), tuple(accumulate(counts))
    )


def plain_leaf(raw: Any, low: int, high: int) -> Leaf | None:
    """Return the node of a leaf with a checksum and nothing else, which most nodes are; ``None`` of any other, and of a wrong one."""
    if type(raw) is not dict or len(raw) != 2:
        return None
    place, checksum = raw.get("p"), raw.get("c")
    if type(place) is not list or len(place) != 2 or type(checksum) is not int or not 0 <= checksum < 1 << 32:
        return None
    start, end = place
    if type(start) is not int or type(end) is not int or not low <= start < end <= high:
        return None
    return Leaf(start, end, checksum)


def _nested(raw: object, counts: Sequence[int]) -> Mapping[int, Any]:
    """Return the nodes of blocks that are one big item."""
    if raw is None:
        return {}
    if not isinstance(raw, Mapping) or not all(_is_position(i) and i < len(counts) and counts[i] == 1 for i in raw):
        raise _fault("a malformed 's'")
    return raw


def _parse_table(
    raw: Mapping[Any, Any], place: object, table: object, bounds: Bounds, within: tuple[int, int], *, root: bool
) -> Node:
    if not isinstance(table, (Mapping, list, tuple)):
        raise _fault("a malformed 't'")
    members = list(table.values()) if isinstance(table, Mapping) else list(table)
    offsets = [member for member in members if _is_position(member)] if int in {*map(type, members)} else []
    if offsets or (root and not members and place is None):
        if len(offsets) != len(members) or not root:
            raise _fault("a 't' of offsets and nodes together")
        return Combined(table, _slots(offsets, bounds))
    start: int | None = None
    end: int | None = None
    if place is not None:
        if not (isinstance(place, (list, tuple)) and len(place) == 2 and all(_is_position(x) for x in place)):
            raise _fault("an indexed node whose 'p' is no range")
        start, end = _span(place[0], place[1], *within)
    return Indexed(table, start, end, None if start is None or end is None else _array(raw.get("n"), start, end))


def _slots(offsets: Sequence[int], bounds: Bounds) -> dict[int, int]:
    """Return where each embedded archive ends at the latest: at the next larger offset. No two overlap, so none is a cycle."""
    order = sorted(set(offsets))
    if order and order[-1] >= bounds.data:
        raise FormatError("an embedded archive behind the data", kind="range", offset=50 + order[-1])
    return dict(zip(order, [*order[1:], bounds.data], strict=True)) if order else {}


def _blocks(place: object, low: int, high: int) -> tuple[tuple[int, ...], tuple[int, ...], tuple[int, ...]]:
    """Return counts, starts and ends of blocks; large tables are checked column by column."""
    if not isinstance(place, (list, tuple)):
        raise _fault("a 'p' that is neither a range nor blocks")
    if not place:
        return (), (), ()
    if not {list, tuple}.issuperset(map(type, place)) or {*map(len, place)} != {3}:
        raise _fault("a malformed block")
    counts, starts, ends = zip(*place, strict=True)
    if {*map(type, counts), *map(type, starts), *map(type, ends)} != {int} or min(counts) < 0 or min(starts) < 0:
        raise _fault("a malformed block")
    if low > starts[0] or ends[-1] > high:
        raise FormatError(
            f"bytes {starts[0]} to {ends[-1]} lie outside {low} to {high}", kind="range", offset=50 + starts[0]
        )
    if starts[1:] != ends[:-1]:
        raise FormatError("blocks that do not follow each other", kind="range", offset=50 + starts[0])
    if min(counts) < 1 or any(map(gt, counts, map(sub, ends, starts))):
        raise FormatError("a block of more items than bytes", kind="range", offset=50 + starts[0])
    return counts, starts, ends


def _run(raw: object, start: int, end: int, bounds: Bounds) -> RunMap | None:
    if raw is None:
        return None
    if not isinstance(raw, Mapping):
        raise _fault("a malformed 'm'")
    counts, starts, ends = _blocks(raw.get("b"), start, end)
    firsts, keys = raw.get("f"), raw.get("k")
    if firsts is not None and (not isinstance(firsts, (list, tuple)) or len(firsts) != len(counts)):
        raise _fault("a run map's first keys do not match its blocks")
    directory: tuple[int, int, int] | None = None
    if keys is not None:
        if not isinstance(keys, (list, tuple)) or len(keys) != 3 or not all(_is_position(x) for x in keys):
            raise _fault("a malformed key directory")
        # An annex that a tool has cut off lies behind the end: the reader scans instead.
        if keys[0] < keys[1] <= bounds.size:
            directory = (keys[0], keys[1], keys[2])
    return RunMap(
        counts,
        starts,
        ends,
        _checksums(raw.get("c"), len(counts)),
        None if firsts is None else _ascending(firsts),
        directory,
        _nested(raw.get("s"), counts),
        tuple(accumulate(counts)),
    )


def _ascending(firsts: Sequence[Any]) -> tuple[Any, ...]:
    """Return the first keys of blocks, which are of one type and in order."""
    kinds = set(map(type, firsts))
    if len(kinds) > 1 or not kinds <= {str, int, bytes} or any(map(ge, firsts, firsts[1:])):
        raise _fault("first keys that are not in order")
    return tuple(firsts)


def _array(raw: object, start: int, end: int) -> ArrayInfo | None:
    if raw is None:
        return None
    if not isinstance(raw, (list, tuple)) or len(raw) != 3 or not isinstance(raw[0], str):
        raise _fault("a malformed 'n'")
    dtype, shape, at = raw
    starts: Iterable[Any] = at if isinstance(at, (list, tuple)) else (at,)
    if not isinstance(shape, (list, tuple)) or not all(_is_position(x) for x in (*shape, *starts)):
        raise _fault("a malformed 'n'")
    begins, size = tuple(starts), itemsize(dtype) * math.prod(shape)
    slab = size
    if len(begins) != 1:
        if not begins or not shape or not size:
            raise _fault("a malformed 'n'")
        slab = slab_length(shape[0], len(begins)) * (size // shape[0])
    lengths = [min(slab, size - at * slab) for at in range(len(begins))]
    if len(begins) > 1 and lengths[-1] < 1:
        raise _fault("more slabs than an array has")
    if size > end - start or not all(start <= x <= end - length for x, length in zip(begins, lengths, strict=True)):
        raise FormatError("an array's elements outside its value", kind="range", offset=50 + start)
    return ArrayInfo(dtype, tuple(shape), begins, slab)


def _span(start: int, end: int, low: int, high: int) -> tuple[int, int]:
    if not low <= start < end <= high:
        raise FormatError(f"bytes {start} to {end} lie outside {low} to {high}", kind="range", offset=50 + start)
    return start, end


def _checksums(raw: object, count: int) -> tuple[int, ...]:
    if raw is None:
        return ()
    if not isinstance(raw, (list, tuple)) or len(raw) != count:
        raise _fault("checksums that do not match the blocks")
    if count and ({*map(type, raw)} != {int} or min(raw) < 0 or max(raw) >= 1 << 32):
        raise _fault("a malformed checksum")
    return tuple(raw)


def _is_position(value: object) -> bool:
    return type(value) is int and 0 <= value < 1 << 64


def _is_checksum(value: object) -> bool:
    return value is None or (type(value) is int and 0 <= value < 1 << 32)


def _fault(message: str) -> FormatError:
    return FormatError(message, kind="toc")
