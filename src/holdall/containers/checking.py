"""What was read, against what the table says of it: checksums, keys, counts, sizes."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from holdall.containers.archive import Cursor
from holdall.containers.arrays import joined
from holdall.containers.checksums import crc32
from holdall.containers.errors import FormatError
from holdall.containers.members import below, inner
from holdall.containers.nodes import Blocks, Indexed, Leaf, RunMap
from holdall.containers.paths import shown

__all__ = ["agrees", "check_below", "check_blocks", "check_length", "check_value"]

_LEAF = {"p", "c"}


def check_length(cursor: Cursor, size: int) -> None:
    """Check the length of a value against the limit.

    Raises:
        FormatError: It is above.
    """
    most = cursor.archive.options.max_value_bytes
    if size > most:
        said = f"{shown(cursor.path)}: a value of {size} bytes, above max_value_bytes={most}"
        raise FormatError(said, kind="limit", key=cursor.archive.origin.key)


def check_below(cursor: Cursor, data: bytes | memoryview, start: int) -> None:
    """Compare all leaves and blocks within a range that was fetched whole with their CRC-32.

    Raises:
        IntegrityError: One differs; names its path.
    """
    archive, view = cursor.archive, memoryview(data)
    stack = [cursor]
    while stack:
        at = stack.pop()
        node = at.node
        if isinstance(node, Leaf):
            archive.checked(view[node.start - start : node.end - start], node.checksum, at.path, node.start)
            if node.run is not None:
                check_blocks(at, node.run, range(len(node.run.counts)), view, start)
        elif isinstance(node, Blocks):
            check_blocks(at, node, range(len(node.counts)), view, start)
        elif isinstance(node, Indexed):
            named: Any = node.children.items() if isinstance(node.children, dict) else enumerate(node.children)
            stack.extend(below(at, node, raw, segment) for segment, raw in named)


def check_blocks(cursor: Cursor, node: Blocks | RunMap, blocks: Iterable[int], view: memoryview, start: int) -> None:
    """Compare blocks within a range that was fetched whole with their CRC-32."""
    for i in blocks:
        piece = view[node.starts[i] - start : node.ends[i] - start]
        if i in node.nested:
            check_below(inner(cursor, node, i, node.edges[i] - 1), piece, node.starts[i])
        elif node.checksums:
            cursor.archive.checked(piece, node.checksums[i], (*cursor.path, f"block {i}"), node.starts[i])


def agrees(children: Any, value: Any, view: memoryview, start: int) -> bool:
    """Tell whether a decoded container is what the table says of it: checksums, keys and counts, in one quick walk.

    ``False`` says nothing: `check_below` and `check_value` look in detail, and name what is wrong.

    Args:
        children: The table's entries of the container.
        value: What was decoded.
        view: The bytes.
        start: Where they begin in the document.
    """
    left, base, size = len(view), start, len(view)
    stack: list[tuple[Any, Any]] = [(children, value)]
    while stack:
        entries, found = stack.pop()
        if type(found) is list:
            if type(entries) is not list or len(entries) != len(found):
                return False
            pairs = zip(entries, found, strict=True)
        elif type(found) is dict:
            if type(entries) is not dict or entries.keys() != found.keys():
                return False
            pairs = zip(entries.values(), map(found.__getitem__, entries), strict=True)
        else:
            return False
        for raw, member in pairs:
            if type(raw) is not dict:
                return False
            inner, place = raw.get("t"), raw.get("p")
            if inner is not None:
                stack.append((inner, member))
                continue
            if type(place) is not list or not place or "n" in raw or "m" in raw or "s" in raw:
                return False
            if type(place[0]) is list:
                blocks, sums, count = place, raw.get("c"), 0
                if type(sums) is not list or len(sums) != len(blocks) or type(member) is not list:
                    return False
            else:
                blocks, sums, count = [[1, *place]], [raw.get("c")], -1
            for block, checksum in zip(blocks, sums, strict=True):
                if type(block) is not list or len(block) != 3 or {*map(type, block)} != {int}:
                    return False
                items, low, high = block
                low, high = low - base, high - base
                left -= high - low
                if not 0 <= low < high <= size or left < 0 or crc32(view[low:high]) != checksum:
                    return False
                count += items
            if blocks is place and count != len(member):
                return False
    return True


def check_value(cursor: Cursor, value: Any) -> Any:
    """Compare the keys and counts of a decoded value with its table: they stand outside leaves, where no checksum covers them.

    Returns:
        The value, in which slabs of arrays are put together.

    Raises:
        FormatError: They differ.
    """
    held = [value]
    stack: list[tuple[Cursor, Any, Any]] = [(cursor, held, 0)]
    while stack:
        at, within, place = stack.pop()
        node, found = at.node, within[place]
        if isinstance(node, Leaf) and node.array is not None:
            if len(node.array.starts) > 1:
                within[place] = joined(node.array.dtype, node.array.shape, found)
            continue
        if isinstance(node, Indexed):
            if node.array is not None:
                continue
            named: Any = node.children.items() if isinstance(node.children, dict) else list(enumerate(node.children))
            sound = _alike(node.children, found)
            stack.extend((below(at, node, raw, key), found, key) for key, raw in named if sound and raw.keys() != _LEAF)
        elif isinstance(node, Blocks):
            sound = type(found) is list and len(found) == node.count
            nested = [(i, node.edges[i] - 1) for i in node.nested if sound]
            stack.extend((inner(at, node, i, position), found, position) for i, position in nested)
        else:
            run = node.run if isinstance(node, Leaf) else None
            sound = run is None or (type(found) is dict and len(found) == sum(run.counts))
            if run is not None and run.nested and sound:
                keys = list(found)
                named = [(i, keys[run.edges[i] - 1]) for i in run.nested]
                sound = run.firsts is None or all(run.firsts[i] == key for i, key in named)
                stack.extend((inner(at, run, i, key), found, key) for i, key in named if sound)
        if not sound:
            raise FormatError(f"{shown(at.path)}: the table and the document differ", kind="toc", key=at.archive.origin.key)
    return held[0]


def _alike(children: Any, found: Any) -> bool:
    if not isinstance(children, dict):
        return type(found) is list and len(found) == len(children)
    if type(found) is not dict or len(found) != len(children):
        return False
    return found.keys() == children.keys() or any(key != key for key in children)  # noqa: PLR0124  # not a number
