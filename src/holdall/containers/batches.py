"""Irregular trees: a branch is encoded at once, and cut afterwards where its large members lie.

Telling the members of a container apart is one call into C, and only containers above a leaf are cut. So a branch costs one encoding and, for
each of its few levels above a leaf, one pass over bytes, instead of a look at each of its members in Python for every level.
"""

from __future__ import annotations

from typing import Any

from holdall.containers.engines import pieces
from holdall.containers.pen import LEAF_MAP, Pen
from holdall.containers.runs import Run
from holdall.containers.weighing import FEW, NUMBERS
from holdall.containers.wire import array_head

__all__ = ["BATCH", "cut", "room"]

BATCH = 512 * 1024
"""Most bytes that are encoded at once."""
DEEP = 32
"""Levels of a branch, at most: each may cost one pass over its bytes."""


def room(value: Any, left: int, leaf: int, depth: int = 0) -> int:
    """Return what is left of so many bytes after a container; below 0 if it may be larger, is unusual, or deep.

    Containers of more than `FEW` members have to be smaller than a leaf: so those that are cut have few.

    Args:
        value: A `dict` with text as keys, a `list` or a `tuple`.
        left: The bytes.
        leaf: Bytes of a leaf.
        depth: Levels above it.
    """
    if len(value) > FEW:
        return _many(value, left, leaf)
    left -= 5
    if type(value) is dict:
        for key in value:
            if type(key) is not str:
                return -1
            left -= 5 + (len(key) if key.isascii() else 3 * len(key))
        value = value.values()
    for member in value:
        kind = type(member)
        if kind is str:
            left -= 5 + (len(member) if member.isascii() else 3 * len(member))
        elif kind is dict or kind is list or kind is tuple:
            if depth >= DEEP:
                return -1
            left = room(member, left, leaf, depth + 1)
        elif kind in NUMBERS:
            left -= 9
        elif kind is bytes:
            left -= 5 + len(member)
        else:
            return -1
        if left < 0:
            return left
    return left


def _many(value: Any, left: int, leaf: int) -> int:
    """Return what is left after a container of many scalars of one kind."""
    size = 5
    if len(value) > leaf:
        return -1
    if type(value) is dict:
        if set(map(type, value)) != {str}:
            return -1
        size += 5 * len(value) + 3 * sum(map(len, value))
        value = value.values()
    kinds = set(map(type, value))
    if kinds <= NUMBERS:
        size += 9 * len(value)
    elif kinds == {str}:
        size += 5 * len(value) + 3 * sum(map(len, value))
    else:
        return -1
    return left - size if size < leaf else -1


def cut(pen: Pen, value: Any, data: bytes, low: int, high: int) -> dict[str, Any]:
    """Return the node of a container above a leaf.

    Args:
        pen: Of the document; the data are what it emits next.
        value: The container.
        data: What a branch was encoded into.
        low: Where the container begins in it.
        high: Where it ends.
    """
    is_map, base, leaf = type(value) is dict, pen.position, pen.layout.leaf_bytes
    each = 2 if is_map else 1
    at = low + len(array_head(len(value), pen.codec))
    sizes = pieces(data[at:high], each * len(value), pen.codec)
    keys: list[Any] = list(value) if is_map else []
    if max(sizes[each - 1 :: each]) < leaf:
        if is_map and high - low < max(LEAF_MAP, leaf):
            return pen.node(base + low, memoryview(data)[low:high])
        return _blocks(pen, Run(pen.codec, pen.layout, base + low, base + at, is_map=is_map), data, at, sizes, keys)
    nodes: list[dict[str, Any]] = []
    view, lengths = memoryview(data), iter(sizes)
    for member in value.values() if is_map else value:
        if is_map:
            at += next(lengths)
        end = at + next(lengths)
        if end - at >= leaf and type(member) in {dict, list, tuple}:
            nodes.append(cut(pen, member, data, at, end))
        else:
            nodes.append(pen.node(base + at, view[at:end]))
        at = end
    return {"p": [base + low, base + high], "t": dict(zip(keys, nodes, strict=True)) if is_map else nodes}


def _blocks(pen: Pen, run: Run, data: bytes, at: int, sizes: list[int], keys: list[Any]) -> dict[str, Any]:
    """Return the node of a container of small members."""
    each = 2 if run.is_map else 1
    first = 0
    while first < len(sizes):
        last, size = first + each, sum(sizes[first : first + each])
        while last < len(sizes) and size + sum(sizes[last : last + each]) < pen.layout.leaf_bytes:
            size += sum(sizes[last : last + each])
            last += each
        run.add((last - first) // each, data[at : at + size], keys[first // 2 : last // 2])
        at, first = at + size, last
    node = run.node(pen.position + at)
    if run.annex is not None:
        pen.annexes.append(run.annex)
    return node
