"""From a document to bytes and a table of contents, without I/O (format section 4).

`Encoder.run` is a generator: it yields `Emit`, `Patch` and `Pull` and returns the root node. Blocking and async writers drive the same
generator.

What is smaller than a leaf goes through the C engine in one call. Containers above that are taken apart: irregular ones of few members in
branches that are encoded at once and cut afterwards (`batches`), or by the weights of their members, so that nothing is encoded in vain; long
ones in chunks, whose size follows what their items have measured (`series`). Bytes encoded in vain stay below half of the output: beyond that
items are looked at first, so the work is linear in the output at any depth and shape.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Mapping
from typing import Any

from holdall.containers.arrays import array_head_bytes, as_lists, slabs
from holdall.containers.batches import Rooms, cut
from holdall.containers.checksums import crc32
from holdall.containers.chunks import Groups, Pairs, Slices
from holdall.containers.errors import EncodeError
from holdall.containers.pen import Pen
from holdall.containers.plain import Stream, Unusual, as_container, is_array
from holdall.containers.series import Series
from holdall.containers.steps import Annex, Descend, Layout, Pull, Step, Written
from holdall.containers.weighing import FEW, Scale
from holdall.containers.wire import CodecName, array_head

__all__ = ["Encoder"]

_Frame = Generator[Any, Any, Written]


class Encoder:
    """Encodes one document.

    Args:
        codec: ``msgpack`` or ``cbor``.
        layout: How it is cut.
        default: Called with values of unknown types; returns what to store instead.
    """

    def __init__(
        self, codec: CodecName = "msgpack", layout: Layout | None = None, default: Callable[[Any], Any] | None = None
    ) -> None:
        self._pen = Pen(codec, layout or Layout(), default)
        self._layout = self._pen.layout
        self._scale = Scale(self._layout.leaf_bytes)
        self._rooms = Rooms(self._layout.leaf_bytes)
        self._branches = not self._layout.full_index and codec == "msgpack"  # CBOR is told apart in Python, with less to win

    @property
    def position(self) -> int:
        """Bytes emitted so far."""
        return self._pen.position

    @property
    def encoded(self) -> int:
        """Bytes that went through the engine, those in vain included."""
        return self._pen.encoded

    @property
    def annexes(self) -> list[Annex]:
        """Key directories to write behind the table of contents."""
        return self._pen.annexes

    def run(self, value: Any) -> Generator[Step, Any, dict[str, Any]]:
        """Encode a document; the generator's return value is the root node.

        Raises:
            EncodeError: A value that no archive can hold, or nested too deep.
        """
        path, stack = self._pen.path, [self._frame(value)]
        answer: Any = None
        while True:
            try:
                request = stack[-1].send(answer)
            except StopIteration as end:
                stack.pop()
                written: Written = end.value
                if not stack:
                    return written.node
                path.pop()
                answer = written
                continue
            answer = None
            if type(request) is Descend:
                path.append(request.segment)
                if len(stack) >= self._layout.max_depth:
                    raise EncodeError(
                        f"nested deeper than {self._layout.max_depth}",
                        path=self._pen.where,
                        type=type(request.value).__name__,
                    )
                stack.append(self._frame(request.value))
            else:
                answer = yield request

    def _frame(self, value: Any) -> _Frame:
        """Return the frame that writes a value."""
        if is_array(value):
            return self._array(value)
        container = as_container(value)
        if container is None:
            return self._scalar(value)
        if isinstance(container, Stream):
            if container.whole:
                return self._whole(container.source)
            given: Any = container.source
            return self._many(given if container.drawn else iter(given), container.count, is_map=container.is_map)
        few = type(container) in {dict, list, tuple} and 0 < len(container) <= FEW
        if few and self._branches and self._rooms.fits(container):  # type: ignore[arg-type]  # as the line before says
            return self._branch(container)
        if self._scale.weigh(container) < self._layout.leaf_bytes:
            return self._small(container)
        return self._apart(container)

    def _apart(self, container: Mapping[Any, Any] | list[Any] | tuple[Any, ...]) -> _Frame:
        """Return the frame that takes a container apart."""
        is_map = isinstance(container, Mapping)
        count = len(container)
        if count > FEW:
            return self._many(Pairs(container) if is_map else Slices(container), count, is_map=is_map)  # type: ignore[arg-type]
        members: list[Any] = Pairs(container).take(count) if is_map else list(container)  # type: ignore[arg-type]
        values = members[1::2] if is_map else members
        weights = [self._scale.weigh(value) for value in values]
        if self._layout.full_index or max(weights, default=0) >= self._layout.leaf_bytes:
            return self._few(members[::2] if is_map else range(count), values, weights, is_map=is_map)
        if is_map:
            weights = [weight + self._scale.weigh(key) for weight, key in zip(weights, members[::2], strict=True)]
        groups = Groups(members, weights, self._layout.leaf_bytes, each=2 if is_map else 1)
        return self._many(groups, count, is_map=is_map)

    def _many(self, source: Any, count: int | None, *, is_map: bool) -> _Frame:
        """Return the frame that writes a container chunk by chunk."""
        return Series(self._pen, self._scale, source, count, is_map=is_map).write()

    def _whole(self, lazy: Any) -> _Frame:
        """Write what a reader or a lazy array stands for."""
        (value,) = yield Pull(lazy, 0)
        return (yield from self._frame(value))

    def _scalar(self, value: Any) -> _Frame:
        try:
            data = self._pen.one(value)
        except Unusual as error:
            if self._pen.default is not None:
                replaced = self._pen.default(value)
                if replaced is not value and (as_container(replaced) is not None or is_array(replaced)):
                    return (yield from self._frame(replaced))
            raise self._pen.cannot(value, str(error)) from error
        return (yield from self._leaf(data))

    def _small(self, value: Any) -> _Frame:
        """Write a container that seems small in one piece; take it apart if it has unusual members, or is not."""
        data = self._pen.piece(value)
        return (yield from (self._apart(value) if data is None else self._leaf(data)))

    def _leaf(self, data: bytes) -> _Frame:
        start = self._pen.position
        yield self._pen.emit(data)
        return Written(start, self._pen.position, self._pen.node(start, data), len(data) < self._layout.leaf_bytes)

    def _branch(self, value: Any) -> _Frame:
        """Write a container that is encoded at once and cut afterwards."""
        pen = self._pen
        try:
            data = pen.one(value)
        except Unusual:
            return (yield from self._apart(value))
        if len(data) < self._layout.leaf_bytes:
            return (yield from self._leaf(data))
        start, node = pen.position, cut(pen, value, data, 0, len(data))
        yield pen.emit(data)
        return Written(start, pen.position, node, small=False)

    def _few(self, segments: Any, values: list[Any], weights: list[int], *, is_map: bool) -> _Frame:
        """Write a container of few members, some large: each gets a node of its own."""
        pen, limit = self._pen, self._layout.leaf_bytes
        start = pen.position
        pending = [pen.head(len(values), is_map=is_map)]
        at = start + len(pending[0])
        nodes: list[dict[str, Any]] = []
        for segment, value, weight in zip(segments, values, weights, strict=True):
            if is_map:
                pending.append(pen.key(segment))
                at += len(pending[-1])
            data = pen.piece(value) if weight < limit else None
            if data is not None:
                pending.append(data)
                nodes.append(pen.node(at, data))
                at += len(data)
            else:
                yield pen.emit(b"".join(pending))
                pending.clear()
                written: Written = yield Descend(value, segment)
                nodes.append(written.node)
                at = pen.position
        if pending:
            yield pen.emit(b"".join(pending))
        if pen.position - start < limit and not self._layout.full_index:
            return pen.leaf(start)
        node = {"p": [start, pen.position], "t": dict(zip(segments, nodes, strict=True)) if is_map else nodes}
        return Written(start, pen.position, node, small=False)

    def _array(self, value: Any) -> _Frame:
        pen, layout = self._pen, self._layout
        if not layout.typed_arrays:
            return (yield from self._frame(as_lists(value, pen.where)))
        start, starts, dtype, checksum = pen.position, list[int](), "", 0
        parts = slabs(value, pen.codec)
        front = array_head(len(parts), pen.codec) if len(parts) > 1 else b""
        for part in parts:
            head, content, dtype = array_head_bytes(part, pen.codec, pen.where)
            head, front = front + head, b""
            yield pen.emit(head)
            starts.append(pen.position)
            checksum = crc32(head, checksum)
            for at in range(0, len(content), layout.max_block):
                piece = bytes(content[at : at + layout.max_block])
                checksum = crc32(piece, checksum)
                yield pen.emit(piece)
        node: dict[str, Any] = {"p": [start, pen.position]}
        if layout.checksum:
            node["c"] = checksum
        small = pen.position - start < layout.leaf_bytes
        if not small:
            node["n"] = [dtype, list(value.shape), starts if len(starts) > 1 else starts[0]]
        return Written(start, pen.position, node, small)
