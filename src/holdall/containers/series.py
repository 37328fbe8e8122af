"""Long containers and streams, written chunk by chunk; the size of a chunk follows what items have measured."""

from __future__ import annotations

from collections.abc import AsyncIterable, Generator
from typing import Any

from holdall.containers.chunks import PLAIN_KEYS, Groups, Keys, Pairs, Slices
from holdall.containers.drawing import taken
from holdall.containers.errors import EncodeError
from holdall.containers.pen import LEAF_MAP, Pen
from holdall.containers.plain import Unusual, as_container, is_array
from holdall.containers.runs import Run
from holdall.containers.steps import Descend, Pull, Written
from holdall.containers.weighing import NUMBERS, Scale, at_least
from holdall.containers.wire import array_head

__all__ = ["Series"]

FIRST = 64
"""Items in a first chunk, before their size is known."""
LOOK = 400
"""Members that a look at a value goes through before it counts as possibly large."""
BOUNDED = 4
"""Leaves' worth of bytes up to which a chunk that came out too large is cut in halves."""
FULL = 0.9
"""How full a chunk is meant to make a leaf."""


class Series:
    """The members of one container on their way out.

    Args:
        pen: Writes.
        scale: Weighs.
        source: `Slices`, `Pairs` or `Groups`, or an iterator of items or pairs, async or not.
        count: How many members there are; ``None`` if nobody knows yet.
        is_map: Whether they have keys.
    """

    def __init__(self, pen: Pen, scale: Scale, source: Any, count: int | None, *, is_map: bool) -> None:
        self._pen = pen
        self._scale = scale
        self._source = source
        self._count = count
        self._is_map = is_map
        self._each = 2 if is_map else 1
        self._grouped = isinstance(source, Groups)
        self._limit = pen.layout.leaf_bytes
        self._run = Run(pen.codec, pen.layout, pen.position, pen.position, is_map=is_map)

    def write(self) -> Generator[Any, Any, Written]:
        """Write all of them, with the container's header in front."""
        pen, source, count, is_map = self._pen, self._source, self._count, self._is_map
        start = pen.position
        yield pen.emit(pen.head(count or 0, is_map=is_map, wide=count is None), pin=count is None)
        self._run = run = Run(pen.codec, pen.layout, start, pen.position, is_map=is_map)
        keys = Keys()
        at_hand = isinstance(source, (Slices, Pairs))
        total, wanted = 0, 0
        while True:
            # The items of a stream come to life when they are drawn: few at first, until their size is known.
            wanted = min(self._chunk_size(), 1 << 62 if at_hand else 2 * wanted or 1)
            if at_hand or self._grouped:
                chunk = source.take(wanted)
            else:
                self._scale.forget()
                chunk = yield from self._draw(wanted)
                if is_map:
                    chunk = keys.flat(chunk, pen.where)
            if not chunk:
                break
            drawn = len(chunk) // self._each
            before = pen.position
            yield from self._chunk(chunk, total)
            total += drawn
            size = (pen.position - before) / drawn
            run.expected = size if run.expected is None else (run.expected + size) / 2
        if count is None:
            yield pen.patch(start, pen.head(total, is_map=is_map, wide=True))
        elif total != count:
            raise EncodeError(f"{count} members announced, {total} came", path=pen.where, type="container")
        return self._closed(start)

    def _draw(self, count: int) -> Generator[Any, Any, list[Any]]:
        """Return the next items of a stream, drawn from the driver if it is async."""
        if isinstance(self._source, AsyncIterable):
            drawn: list[Any] = yield Pull(self._source, count)
            return drawn
        return taken(self._source, count)

    def _chunk_size(self) -> int:
        """Return how many items to draw: a chunk somewhat below a leaf, by what items have measured."""
        if self._run.singles():
            return 1
        if self._run.expected is None:
            return FIRST
        return max(1, min(int(self._limit * FULL / max(self._run.expected, 1.0)), 65_536))

    def _chunk(self, chunk: list[Any], index: int, *, half: bool = False) -> Generator[Any, Any, None]:
        """Write a chunk at once; else in halves if it is a little too large, else item by item.

        Args:
            chunk: Items, or keys and values in turn.
            index: Of the first of them.
            half: Whether it is part of a chunk that was only a little too large.
        """
        count = len(chunk) // self._each
        data = self._tried(chunk, bounded=half or self._grouped)
        if data is not None and len(data) < self._limit:
            yield self._pen.emit(data)
            self._run.add(count, data, chunk[::2] if self._is_map else chunk)
        elif data is not None and len(data) < BOUNDED * self._limit and count > 1:
            middle = count // 2
            yield from self._chunk(chunk[: middle * self._each], index, half=True)
            yield from self._chunk(chunk[middle * self._each :], index + middle, half=True)
        else:
            for offset in range(count):
                segment = chunk[2 * offset] if self._is_map else index + offset
                yield from self._single(segment, chunk[self._each * (offset + 1) - 1])

    def _tried(self, chunk: list[Any], *, bounded: bool) -> bytes | None:
        """Return the bytes of several items, unless one of them seems large or unusual.

        Args:
            chunk: Items, or keys and values in turn.
            bounded: Together they are known to be not much larger than a leaf, so they may be encoded without a look.
        """
        pen, expected = self._pen, self._run.expected
        if not bounded and expected is not None and expected >= self._limit:
            return None
        if (not bounded and expected is None) or pen.wasteful:
            items = chunk[1::2] if self._is_map else chunk
            if not NUMBERS.issuperset(map(type, items)) and any(at_least(item, self._limit, LOOK) for item in items):
                return None
        if self._is_map and not PLAIN_KEYS.issuperset(map(type, chunk[::2])):
            return None
        try:
            data = pen.one(chunk)[len(array_head(len(chunk), pen.codec)) :]
        except Unusual:
            return None
        if len(data) >= self._limit:
            pen.wasted += len(data)
        return data

    def _single(self, segment: Any, value: Any) -> Generator[Any, Any, None]:
        """Write one item by itself: small, one long scalar, or with a frame of its own."""
        pen, run = self._pen, self._run
        key = pen.key(segment) if self._is_map else b""
        scalar = as_container(value) is None and not is_array(value)
        if scalar or self._scale.weigh(value) < self._limit:
            data = pen.piece(value, scalar=scalar)
            if data is not None:
                start = pen.position + len(key)
                yield pen.emit(key + data if key else data)
                if len(data) < self._limit or (scalar and not self._is_map and not run.large):
                    run.add(1, key + data if key else data, [segment])  # a long scalar of a list is a block of its own
                else:
                    run.add_large(segment, Written(start, pen.position, pen.node(start, data), small=False))
                return
        if key:
            yield pen.emit(key)
        written: Written = yield Descend(value, segment)
        if written.small:
            run.add(1, pen.recent.since(run.end), [segment])
        else:
            run.add_large(segment, written)

    def _closed(self, start: int) -> Written:
        pen, run = self._pen, self._run
        if not run.large and pen.position - start < (max(LEAF_MAP, self._limit) if self._is_map else self._limit):
            return pen.leaf(start)
        node = run.node(pen.position)
        if run.annex is not None:
            pen.annexes.append(run.annex)
        return Written(start, pen.position, node, small=False)
