"""From a document to bytes and a table of contents, without I/O (format section 4).

`Encoder.run` is a generator: it yields `Emit`, `Patch` and `Pull` and returns the root node. Blocking and async writers drive the same
generator.

What is smaller than a leaf goes through the C engine in one call. Containers above that are taken apart: those of few members by the
weights of these, so that nothing is encoded in vain; long ones in chunks, whose size follows what their items have measured.
Bytes encoded in vain stay below half of the output: beyond that items are looked at first (`at_least`), so the work is linear in the
output at any depth and shape.
"""

from __future__ import annotations

import zlib
from collections.abc import AsyncIterable, Callable, Generator, Mapping
from itertools import islice
from typing import Any

from holdall.containers.arrays import array_head_bytes, array_value, as_lists, slabs
from holdall.containers.chunks import PLAIN_KEYS, Groups, Keys, Pairs, Slices
from holdall.containers.engines import KEYS, Engine, Unusual, engine
from holdall.containers.errors import EncodeError
from holdall.containers.plain import Stream, as_container, is_array
from holdall.containers.recent import Recent
from holdall.containers.runs import Run
from holdall.containers.steps import Annex, Descend, Emit, Layout, Patch, Pull, Step, Written
from holdall.containers.weighing import FEW, Scale, at_least
from holdall.containers.wire import CodecName, Ext, Tagged, array_head, map_head

__all__ = ["Encoder"]

FREE_WASTE = 64 * 1024
"""Bytes that may be encoded in vain before the half-of-the-output rule holds."""
FIRST = 64
"""Items in a first chunk, before their size is known."""
LOOK = 400
"""Members that a look at a value goes through before it counts as possibly large."""
LEAF_MAP = 64 * 1024
"""Maps of small values up to this many bytes stay one leaf."""
BOUNDED = 4
"""Leaves' worth of bytes up to which a chunk that came out too large is cut in halves."""
FULL = 0.9
"""How full a chunk is meant to make a leaf."""

_Frame = Generator[Any, Any, Written]


class Encoder:
    """Encodes one document.

    Args:
        codec: ``msgpack`` or ``cbor``.
        layout: How it is cut.
        default: Called with values of unknown types; returns what to store instead.

    Attributes:
        position: Bytes emitted so far.
        encoded: Bytes that went through the engine, those in vain included.
        annexes: Key directories to write behind the table of contents.
    """

    def __init__(
        self, codec: CodecName = "msgpack", layout: Layout | None = None, default: Callable[[Any], Any] | None = None
    ) -> None:
        self.codec: CodecName = codec
        self.layout = layout or Layout()
        self.position = 0
        self.encoded = 0
        self.annexes: list[Annex] = []
        self._wasted = 0
        self._default = default
        self._engine: Engine = engine(codec, self._hook)
        self._recent = Recent(max(2 * self.layout.leaf_bytes, LEAF_MAP))
        self._scale = Scale(self.layout.leaf_bytes)
        self._path: list[Any] = []

    def run(self, value: Any) -> Generator[Step, Any, dict[str, Any]]:
        """Encode a document; the generator's return value is the root node.

        Raises:
            EncodeError: A value that no archive can hold, or nested too deep.
        """
        stack: list[_Frame] = [self._frame(value)]
        answer: Any = None
        while True:
            try:
                request = stack[-1].send(answer)
            except StopIteration as end:
                stack.pop()
                written: Written = end.value
                if not stack:
                    return written.node
                self._path.pop()
                answer = written
                continue
            answer = None
            if type(request) is Descend:
                self._path.append(request.segment)
                if len(stack) >= self.layout.max_depth:
                    raise EncodeError(
                        f"nested deeper than {self.layout.max_depth}", path=self._where(), type=type(request.value).__name__
                    )
                stack.append(self._frame(request.value))
            else:
                answer = yield request

    # -- frames -------------------------------------------------------------------------------------------------------

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
        if self._scale.weigh(container) < self.layout.leaf_bytes:
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
        if self.layout.full_index or max(weights, default=0) >= self.layout.leaf_bytes:
            return self._few(members[::2] if is_map else range(count), values, weights, is_map=is_map)
        if is_map:
            weights = [weight + self._scale.weigh(key) for weight, key in zip(weights, members[::2], strict=True)]
        return self._many(Groups(members, weights, self.layout.leaf_bytes, each=2 if is_map else 1), count, is_map=is_map)

    def _whole(self, lazy: Any) -> _Frame:
        """Write what a reader or a lazy array stands for."""
        (value,) = yield Pull(lazy, 0)
        return (yield from self._frame(value))

    def _scalar(self, value: Any) -> _Frame:
        try:
            data = self._one(value)
        except Unusual as error:
            if self._default is not None:
                replaced = self._default(value)
                if replaced is not value and (as_container(replaced) is not None or is_array(replaced)):
                    return (yield from self._frame(replaced))
            raise self._cannot(value, str(error)) from error
        return (yield from self._leaf(data))

    def _small(self, value: Any) -> _Frame:
        """Write a container that seems small in one piece; take it apart if it has unusual members, or is not."""
        data = self._piece(value)
        return (yield from (self._apart(value) if data is None else self._leaf(data)))

    def _leaf(self, data: bytes) -> _Frame:
        start = self.position
        yield self._emit(data)
        return Written(start, self.position, self._node(start, data), len(data) < self.layout.leaf_bytes)

    def _few(self, segments: Any, values: list[Any], weights: list[int], *, is_map: bool) -> _Frame:
        """Write a container of few members, some large: each gets a node of its own."""
        start, limit = self.position, self.layout.leaf_bytes
        pending = [(map_head if is_map else array_head)(len(values), self.codec)]
        at = start + len(pending[0])
        nodes: list[dict[str, Any]] = []
        for segment, value, weight in zip(segments, values, weights, strict=True):
            if is_map:
                pending.append(self._key(segment))
                at += len(pending[-1])
            data = self._piece(value) if weight < limit else None
            if data is not None:
                pending.append(data)
                nodes.append(self._node(at, data))
                at += len(data)
            else:
                yield self._emit(b"".join(pending))
                pending.clear()
                written: Written = yield Descend(value, segment)
                nodes.append(written.node)
                at = self.position
        if pending:
            yield self._emit(b"".join(pending))
        size = self.position - start
        if size < limit and not self.layout.full_index:
            return Written(start, self.position, self._node(start, self._recent.since(start)), small=True)
        node = {"p": [start, self.position], "t": dict(zip(segments, nodes, strict=True)) if is_map else nodes}
        return Written(start, self.position, node, small=False)

    def _many(self, source: Any, count: int | None, *, is_map: bool) -> _Frame:
        """Write a container chunk by chunk."""
        start, limit = self.position, self.layout.leaf_bytes
        yield self._emit((map_head if is_map else array_head)(count or 0, self.codec, wide=count is None), pin=count is None)
        run = Run(self.codec, self.layout, start, self.position, is_map=is_map)
        keys = Keys()
        at_hand, grouped = isinstance(source, (Slices, Pairs)), isinstance(source, Groups)
        total, wanted, drawn = 0, 0, 0
        while drawn == wanted or grouped:
            # The items of a stream come to life when they are drawn: few at first, until their size is known.
            wanted = min(self._chunk_size(run), 1 << 62 if at_hand else 2 * wanted or 1)
            if at_hand or grouped:
                chunk = source.take(wanted)
            else:
                self._scale.forget()
                chunk = yield from self._draw(source, wanted)
                if is_map:
                    chunk = keys.flat(chunk, self._where())
            drawn = len(chunk) // 2 if is_map else len(chunk)
            if not chunk:
                break
            before = self.position
            data = self._try(run, chunk, bounded=grouped)
            if data is not None and len(data) < limit:
                yield self._emit(data)
                run.add(drawn, data, chunk[::2] if is_map else chunk)
            else:
                yield from self._pieces(run, chunk, data, total)
            total += drawn
            size = (self.position - before) / drawn
            run.expected = size if run.expected is None else (run.expected + size) / 2
        if count is None:
            yield self._patch(start, self._head(total, is_map=is_map))
        elif total != count:
            raise EncodeError(f"{count} members announced, {total} came", path=self._where(), type="container")
        return self._close(run, start)

    def _array(self, value: Any) -> _Frame:
        if not self.layout.typed_arrays:
            return (yield from self._frame(as_lists(value, self._where())))
        start, starts, dtype, checksum = self.position, list[int](), "", 0
        parts = slabs(value, self.codec)
        front = array_head(len(parts), self.codec) if len(parts) > 1 else b""
        for part in parts:
            head, content, dtype = array_head_bytes(part, self.codec, self._where())
            head, front = front + head, b""
            yield self._emit(head)
            starts.append(self.position)
            checksum = zlib.crc32(head, checksum)
            for at in range(0, len(content), self.layout.max_block):
                piece = bytes(content[at : at + self.layout.max_block])
                checksum = zlib.crc32(piece, checksum)
                yield self._emit(piece)
        node: dict[str, Any] = {"p": [start, self.position]}
        if self.layout.checksum:
            node["c"] = checksum
        small = self.position - start < self.layout.leaf_bytes
        if not small:
            node["n"] = [dtype, list(value.shape), starts if len(starts) > 1 else starts[0]]
        return Written(start, self.position, node, small)

    # -- chunks -------------------------------------------------------------------------------------------------------

    def _draw(self, source: Any, count: int) -> Generator[Any, Any, list[Any]]:
        """Return the next items of a stream, drawn from the driver if it is async."""
        if isinstance(source, AsyncIterable):
            drawn: list[Any] = yield Pull(source, count)
            return drawn
        return list(islice(source, count))

    def _chunk_size(self, run: Run) -> int:
        """Return how many items to draw: a chunk somewhat below a leaf, by what items have measured."""
        if run.singles():
            return 1
        if run.expected is None:
            return FIRST
        return max(1, min(int(self.layout.leaf_bytes * FULL / max(run.expected, 1.0)), 65_536))

    def _try(self, run: Run, chunk: list[Any], *, bounded: bool) -> bytes | None:
        """Return the bytes of several items, unless one of them seems large or unusual.

        Args:
            run: What they belong to.
            chunk: Items, or keys and values in turn.
            bounded: Together they are known to be not much larger than a leaf, so they may be encoded without a look.
        """
        limit = self.layout.leaf_bytes
        if not bounded and run.expected is not None and run.expected >= limit:
            return None
        look = (not bounded and run.expected is None) or self._wasted > FREE_WASTE + self.position // 2
        if look and any(at_least(item, limit, LOOK) for item in (chunk[1::2] if run.is_map else chunk)):
            return None
        if run.is_map and not PLAIN_KEYS.issuperset(map(type, chunk[::2])):
            return None
        try:
            data = self._one(chunk)[len(array_head(len(chunk), self.codec)) :]
        except Unusual:
            return None
        if len(data) >= limit:
            self._wasted += len(data)
        return data

    def _pieces(self, run: Run, chunk: list[Any], data: bytes | None, index: int) -> Generator[Any, Any, None]:
        """Write a chunk that did not go at once: in halves if it was a little too large, else item by item."""
        limit, each = self.layout.leaf_bytes, 2 if run.is_map else 1
        count = len(chunk) // each
        if data is not None and len(data) < BOUNDED * limit and count > 1:
            half = count // 2
            for part, at in ((chunk[: half * each], index), (chunk[half * each :], index + half)):
                data = self._try(run, part, bounded=True)
                if data is not None and len(data) < limit:
                    yield self._emit(data)
                    run.add(len(part) // each, data, part[::2] if run.is_map else part)
                else:
                    yield from self._pieces(run, part, data, at)
        else:
            for offset in range(count):
                segment = chunk[2 * offset] if run.is_map else index + offset
                yield from self._single(run, segment, chunk[each * offset + each - 1])

    def _single(self, run: Run, segment: Any, value: Any) -> Generator[Any, Any, None]:
        """Write one item by itself: small, one long scalar, or with a frame of its own."""
        key = self._key(segment) if run.is_map else b""
        scalar = as_container(value) is None and not is_array(value)
        if scalar or self._scale.weigh(value) < self.layout.leaf_bytes:
            data = self._piece(value, scalar=scalar)
            if data is not None:
                start = self.position + len(key)
                yield self._emit(key + data if key else data)
                if len(data) < self.layout.leaf_bytes or (scalar and not run.is_map and not run.large):
                    run.add(1, key + data if key else data, [segment])  # a long scalar of a list is a block of its own
                else:
                    run.add_large(segment, Written(start, self.position, self._node(start, data), small=False))
                return
        if key:
            yield self._emit(key)
        written: Written = yield Descend(value, segment)
        if written.small:
            run.add(1, self._recent.since(run.end), [segment])
        else:
            run.add_large(segment, written)

    def _close(self, run: Run, start: int) -> Written:
        size, limit = self.position - start, self.layout.leaf_bytes
        if not run.large and size < (max(LEAF_MAP, limit) if run.is_map else limit):
            return Written(start, self.position, self._node(start, self._recent.since(start)), small=size < limit)
        node = run.node(self.position)
        if run.annex is not None:
            self.annexes.append(run.annex)
        return Written(start, self.position, node, small=False)

    # -- bytes --------------------------------------------------------------------------------------------------------

    def _emit(self, data: bytes, *, pin: bool = False) -> Emit:
        self._recent.add(self.position, data)
        self.position += len(data)
        return Emit(data, pin)

    def _patch(self, position: int, data: bytes) -> Patch:
        """Put bytes over earlier ones, also where they are remembered."""
        self._recent.patch(position, data)
        return Patch(position, data)

    def _one(self, value: Any) -> bytes:
        data = self._engine.one(value)
        self.encoded += len(data)
        return data

    def _piece(self, value: Any, *, scalar: bool = False) -> bytes | None:
        """Return the bytes of a value; ``None`` if it has to be taken apart: it is unusual, or a container that is not small."""
        try:
            data = self._one(value)
        except Unusual:
            return None
        if len(data) >= self.layout.leaf_bytes and not scalar and as_container(value) is not None:
            self._wasted += len(data)
            return None
        return data

    def _key(self, key: Any) -> bytes:
        if not isinstance(key, (str, int, float, bool, bytes, type(None))):
            raise self._cannot(key, KEYS)
        try:
            return self._one(key)
        except Unusual as error:
            raise self._cannot(key, str(error)) from error

    def _head(self, count: int, *, is_map: bool) -> bytes:
        try:
            return (map_head if is_map else array_head)(count, self.codec, wide=True)
        except OverflowError as error:
            raise EncodeError(str(error), path=self._where(), type="stream") from error

    def _node(self, start: int, data: bytes) -> dict[str, Any]:
        """Return the node of a leaf."""
        if self.layout.checksum:
            return {"p": [start, start + len(data)], "c": zlib.crc32(data)}
        return {"p": [start, start + len(data)]}

    def _hook(self, value: Any) -> Any:
        """Answer the engine about a value of an unknown type."""
        if isinstance(value, (Ext, Tagged)):
            return value
        if is_array(value) and self.layout.typed_arrays and value.nbytes < self.layout.leaf_bytes:
            return array_value(value, self.codec)
        if self._default is None:
            raise Unusual(f"an archive cannot hold a {type(value).__name__}")
        answer = self._default(value)
        if answer is value or as_container(answer) is not None or is_array(answer):
            raise Unusual(f"an archive cannot hold a {type(value).__name__}")
        return answer

    def _where(self) -> str:
        return "/".join(str(segment) for segment in self._path)

    def _cannot(self, value: Any, why: str) -> EncodeError:
        name = type(value).__name__
        return EncodeError(why or f"an archive cannot hold a {name}", path=self._where(), type=name)
