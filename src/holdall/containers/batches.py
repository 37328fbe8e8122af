"""Irregular trees: a branch is encoded at once, and cut afterwards where its large members lie.

Telling the members of a container apart is one call into C, and only containers above a leaf are cut. So a branch costs one encoding and, for
each of its few levels above a leaf, one pass over bytes, instead of a look at each of its members in Python for every level.
"""

from __future__ import annotations

from typing import Any

from holdall.containers.checksums import crc32
from holdall.containers.engines import measured, pieces
from holdall.containers.pen import LEAF_MAP, Pen
from holdall.containers.runs import Run
from holdall.containers.weighing import FEW, NUMBERS
from holdall.containers.wire import array_head

__all__ = ["BATCH", "Rooms", "cut"]

BATCH = 1024 * 1024
"""Most bytes that are encoded at once; text counts three times its length, as it may not be ASCII."""
TEXT = frozenset({str})
_CONTAINERS = frozenset({dict, list, tuple})
DEEP = 32
"""Levels of a branch, at most: each may cost one pass over its bytes."""


class Rooms:
    """Tells whether containers are sure to stay below `BATCH` bytes, and are plain: text or bytes as keys, builtin types, not deep.

    Containers of more than `FEW` members have to be smaller than a leaf: so those that are cut have few. What was found to be so is
    remembered: if it is that of a value that is no more, a branch is encoded in vain, or taken apart without need.

    Args:
        leaf: Bytes of a leaf.
    """

    __slots__ = ("_known", "_leaf", "_unseen")

    def __init__(self, leaf: int) -> None:
        self._leaf = leaf
        self._known: set[int] = set()
        self._unseen = 0

    def fits(self, value: dict[Any, Any] | list[Any] | tuple[Any, ...]) -> bool:
        """Tell whether a container fits."""
        known = self._known
        if id(value) in known:
            known.discard(id(value))
            return True
        if (
            self._unseen
        ):  # below what is deep the next one is too: looking down from each level would cost its depth every time
            self._unseen -= 1
            return False
        known.clear()
        return self._left(value, BATCH, 0) >= 0

    def _left(self, value: Any, left: int, depth: int) -> int:
        """Return what is left of so many bytes after a container; below 0 if it does not fit."""
        count, before = len(value), left
        left -= 5 + 5 * count
        if type(value) is dict:
            try:
                left -= 5 * count + 3 * sum(map(len, value))
            except TypeError:
                return -1
            value = value.values()
        if count > FEW:
            kinds = set(map(type, value))
            if kinds == {str}:
                left -= 3 * sum(map(len, value))
            elif kinds <= NUMBERS:
                left -= 4 * count
            else:
                return -1
            return left if before - left < self._leaf else -1
        for member in value:
            kind = type(member)
            if kind is str:
                left -= 3 * len(member)
            elif kind is dict or kind is list or kind is tuple:
                if depth >= DEEP or left < 0:
                    self._unseen = DEEP // 2 if depth >= DEEP else 0
                    return -1
                room, left = left, self._left(member, left, depth + 1)
                if room - left >= self._leaf and left >= 0:
                    self._known.add(id(member))
            elif kind in NUMBERS:
                left -= 4
            elif kind is bytes:
                left -= len(member)
            else:
                return -1
        return left


def cut(pen: Pen, value: Any, data: bytes, low: int, high: int) -> dict[str, Any]:
    """Return the node of a container above a leaf.

    Args:
        pen: Of the document; the data are what it emits next.
        value: The container.
        data: What a branch was encoded into.
        low: Where the container begins in it.
        high: Where it ends.
    """
    is_map, base, leaf, checksum = type(value) is dict, pen.position, pen.layout.leaf_bytes, pen.layout.checksum
    each = 2 if is_map else 1
    at = low + len(array_head(len(value), pen.codec))
    keys: list[Any] = list(value) if is_map else []
    if TEXT.issuperset(map(type, keys)):
        sizes = measured(memoryview(data)[low:high], is_map=is_map)
    else:  # bytes
        sizes = pieces(data[at:high], each * len(value), pen.codec)
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
        if end - at >= leaf and type(member) in _CONTAINERS:
            nodes.append(cut(pen, member, data, at, end))
        elif checksum:
            nodes.append({"p": [base + at, base + end], "c": crc32(view[at:end])})
        else:
            nodes.append({"p": [base + at, base + end]})
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
