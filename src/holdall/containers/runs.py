"""The children of one list or map as they are written: runs of small ones become blocks, large ones keep their nodes."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from holdall.containers.checksums import crc32
from holdall.containers.engines import pieces
from holdall.containers.steps import Annex, Layout, Written
from holdall.containers.wire import CodecName

__all__ = ["Run"]

SINGLES = 8
"""Small items per large one (plus 8 times this) that get nodes of their own beside large ones."""
_ORDERED = frozenset({str, int, bytes})


class Run:
    """Takes note of what a container holds, and makes its node.

    Args:
        codec: Of the document.
        layout: How it is cut.
        start: Where the container begins.
        at: Where its first child begins.
        is_map: Whether children have keys.

    Attributes:
        end: Where the last child ends.
        expected: What an item has measured of late, if there was one.
        large: Block, key or position, and result of each large child.
        annex: The keys of a map that turned out not to be in order, once there is a node.
    """

    def __init__(self, codec: CodecName, layout: Layout, start: int, at: int, *, is_map: bool) -> None:
        self.is_map = is_map
        self.end = at
        self.expected: float | None = None
        self.large: list[tuple[int, Any, Written]] = []
        self.annex: Annex | None = None
        self._codec: CodecName = codec
        self._layout = layout
        self._start = start
        self._blocks: list[list[int]] = []
        self._checksums: list[int] = []
        self._keys: list[Any] = []
        self._firsts: list[Any] = []
        self._ascending = True
        self._open = False
        self._small: list[tuple[int, bytes, list[Any], int]] | None = []
        self._noted = 0

    def singles(self) -> bool:
        """Tell whether small items stand one by one beside large ones."""
        return self._small is not None and (bool(self.large) or self._layout.full_index)

    def add(self, count: int, data: bytes, keys: list[Any]) -> None:
        """Take small children that were just emitted.

        Args:
            count: How many.
            data: Their bytes.
            keys: Their keys, of a map.
        """
        start, self.end = self.end, self.end + len(data)
        checksum = self._layout.checksum
        if self.is_map:
            self._note_keys(keys)
        if self._small is not None:
            self._note_small(start, data, keys, count)
        target = min(max((self.end - self._start) >> 16, self._layout.leaf_bytes), self._layout.max_block)
        if self._open and self.end - self._blocks[-1][1] <= target:
            self._blocks[-1][0] += count
            self._blocks[-1][2] = self.end
            if checksum:
                self._checksums[-1] = crc32(data, self._checksums[-1])
        else:
            self._blocks.append([count, start, self.end])
            if checksum:
                self._checksums.append(crc32(data))
            if self.is_map:
                self._firsts.append(keys[0])
        self._open = True

    def add_large(self, segment: Any, written: Written) -> None:
        """Take a large child that was just emitted by a frame of its own."""
        start, self.end = self.end, written.end
        self.large.append((len(self._blocks), segment, written))
        self._blocks.append([1, start, self.end])
        if self._layout.checksum:
            self._checksums.append(0)
        if self.is_map:
            self._note_keys([segment])
            self._firsts.append(segment)
        self._open = False

    def node(self, end: int) -> dict[str, Any]:
        """Return the node of the finished container."""
        place: dict[str, Any] = {"p": [self._start, end]}
        if self._small is not None and (self.large or self._layout.full_index):
            return self._table(place)
        if self.is_map:
            return self._run_map(place)
        node: dict[str, Any] = {"p": self._blocks}
        if self._layout.checksum:
            node["c"] = self._checksums
        if self.large:
            node["s"] = {block: written.node for block, _, written in self.large}
        return node

    def _note_small(self, start: int, data: bytes, keys: list[Any], count: int) -> None:
        """Remember small items while there are few enough of them for nodes of their own beside large ones."""
        assert self._small is not None  # asked for by the caller
        self._noted += count
        if not self._layout.full_index and (
            self._noted > SINGLES * (len(self.large) + SINGLES) or len(data) >= self._layout.leaf_bytes
        ):
            self._small = None  # many, or long texts: not to be held here
        else:
            self._small.append((start, data, keys, count))

    def _places(self) -> Iterator[tuple[Any, int, int, int]]:
        """Iterate over key, start, end and checksum of the small items; what came in chunks is taken apart only now."""
        for start, data, keys, count in self._small or ():
            sizes = pieces(data, 2 * count if self.is_map else count, self._codec)
            at = 0
            for i in range(count):
                begin = at + sizes[2 * i] if self.is_map else at
                at = begin + sizes[2 * i + 1 if self.is_map else i]
                crc = crc32(data[begin:at]) if self._layout.checksum else 0
                yield keys[i] if self.is_map else None, start + begin, start + at, crc

    def _table(self, node: dict[str, Any]) -> dict[str, Any]:
        """Return a node with a child for every item."""
        children: list[tuple[int, Any, dict[str, Any]]] = [(w.start, key, w.node) for _, key, w in self.large]
        for key, start, end, checksum in self._places():
            child: dict[str, Any] = {"p": [start, end]}
            if self._layout.checksum:
                child["c"] = checksum
            children.append((start, key, child))
        children.sort(key=lambda child: child[0])
        node["t"] = {key: child for _, key, child in children} if self.is_map else [child for _, _, child in children]
        return node

    def _run_map(self, node: dict[str, Any]) -> dict[str, Any]:
        run: dict[str, Any] = {"b": self._blocks}
        if self._layout.checksum:
            run["c"] = self._checksums
        if self.large:
            run["s"] = {block: written.node for block, _, written in self.large}
        if self._ascending:
            run["f"] = self._firsts
        else:
            self.annex = Annex(run, self._keys)
        node["m"] = run
        return node

    def _note_keys(self, keys: list[Any]) -> None:
        """Keep the keys, and whether they are of one kind and ascending so far."""
        if self._ascending:
            last = self._keys[-1] if self._keys else None
            self._ascending = _ascend(keys) and (last is None or (type(last) is type(keys[0]) and last < keys[0]))
        self._keys += keys


def _ascend(keys: list[Any]) -> bool:
    """Tell whether keys are of one kind that has an order, and in it."""
    kind = type(keys[0])
    if kind not in _ORDERED or (kind is int and set(map(type, keys)) != {int}):  # numbers of other kinds compare too
        return False
    try:
        return keys == sorted(keys)
    except TypeError:
        return False
