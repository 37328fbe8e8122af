"""From a document to bytes and a table of contents, without I/O (format section 4).

`Encoder.run` is a generator: it yields `Emit` (bytes that follow), `Patch` (bytes to write over earlier ones) and `Pull` (give me the
next items of this async stream), and returns the root node. Blocking and async writers drive the same generator.

Items go through the C engine in chunks; the chunk's header is cut off. How large items are at each depth is remembered, so that chunks come
out right; a chunk that turns out large is taken apart. Bytes encoded in vain stay below half of the output: beyond that a value is looked at
first (`at_least`), so the work is linear in the output at any depth and shape.
"""

from __future__ import annotations

import zlib
from collections.abc import AsyncIterable, Callable, Generator, Iterator, Mapping
from dataclasses import dataclass
from itertools import islice
from typing import Any, NamedTuple

from holdall.containers.arrays import array_head_bytes, array_value, as_lists
from holdall.containers.engines import Engine, Unusual, engine
from holdall.containers.errors import EncodeError
from holdall.containers.plain import Stream, as_container, at_least, is_array
from holdall.containers.wire import CodecName, Ext, Tagged, array_head, map_head, skip

__all__ = ["Annex", "Emit", "Encoder", "Layout", "Patch", "Pull", "Step"]

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
SINGLES = 8
"""Small items per large one (plus 8 times this) that get nodes of their own beside large ones."""


class Emit(NamedTuple):
    """Bytes that follow what was emitted before; ``pin`` promises that all of them will be patched."""

    data: bytes
    pin: bool = False


class Patch(NamedTuple):
    """Bytes to put over earlier ones, at a position counted from the document's start."""

    position: int
    data: bytes


class Pull(NamedTuple):
    """A request for at most ``most`` items of a stream, answered by a list, shorter at its end; ``most`` 0 asks for a lazy value."""

    stream: Any
    most: int


Step = Emit | Patch | Pull


@dataclass(frozen=True, slots=True, kw_only=True)
class Layout:
    """How the document is cut (bytes)."""

    leaf_bytes: int = 16 * 1024
    max_block: int = 1024 * 1024
    full_index: bool = False
    checksum: bool = True
    max_depth: int = 10_000
    typed_arrays: bool = True


@dataclass(slots=True)
class Annex:
    """The keys of a run map that are not in order, to be written behind the table of contents and noted in its node."""

    node: dict[str, Any]
    keys: list[Any]


class _Descend(NamedTuple):
    """A frame's request to have a value written by a frame of its own."""

    value: Any
    segment: Any


class _Written(NamedTuple):
    """A frame's result: where the value lies, its node, and whether it came out small."""

    start: int
    end: int
    node: dict[str, Any]
    small: bool


_Frame = Generator[Any, Any, _Written]


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
        self._tail = bytearray()
        self._path: list[Any] = []
        self._sizes: dict[int, float] = {}

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
                written: _Written = end.value
                if not stack:
                    return written.node
                self._path.pop()
                answer = written
                continue
            answer = None
            if isinstance(request, _Descend):
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
        if isinstance(container, Stream) and container.whole:
            return self._whole(container.source)
        if not isinstance(container, Stream) and not at_least(container, self.layout.leaf_bytes, LOOK):
            return self._small(container)
        if isinstance(container, Mapping):
            return self._container(_Pairs(container), len(container), is_map=True)
        if isinstance(container, Stream):
            given: Any = container.source
            return self._container(given if container.drawn else iter(given), container.count, is_map=container.is_map)
        return self._container(_Slices(container), len(container), is_map=False)

    def _whole(self, lazy: Any) -> _Frame:
        """Write what a reader or a lazy array stands for."""
        (value,) = yield Pull(lazy, 0)
        return (yield from self._frame(value))

    def _scalar(self, value: Any) -> _Frame:
        start = self.position
        try:
            data = self._one(value)
        except Unusual as error:
            if self._default is not None:
                replaced = self._default(value)
                if replaced is not value and (as_container(replaced) is not None or is_array(replaced)):
                    return (yield from self._frame(replaced))
            raise self._cannot(value, str(error)) from error
        yield self._emit(data)
        return _Written(start, self.position, self._leaf(start, data), len(data) < self.layout.leaf_bytes)

    def _small(self, value: Any) -> _Frame:
        """Write a container that seems small in one piece; take it apart if it has unusual members."""
        start = self.position
        try:
            data = self._one(value)
        except Unusual:
            frame = (
                self._container(_Pairs(value), len(value), is_map=True)
                if isinstance(value, Mapping)
                else self._container(_Slices(value), len(value), is_map=False)
            )
            return (yield from frame)
        yield self._emit(data)
        return _Written(start, self.position, self._leaf(start, data), len(data) < self.layout.leaf_bytes)

    def _container(self, source: Any, count: int | None, *, is_map: bool) -> _Frame:
        start = self.position
        head = (map_head if is_map else array_head)(count or 0, self.codec, wide=count is None)
        yield self._emit(head, pin=count is None)
        run = _Run(self, start, is_map=is_map)
        keys = _Keys()
        at_hand = isinstance(source, (_Slices, _Pairs))
        total, wanted, drawn = 0, 0, 0
        while drawn == wanted:
            # The items of a stream come to life when they are drawn: few at first, until their size is known.
            wanted = min(self._chunk_size(run), 1 << 62 if at_hand else 2 * wanted or 1)
            chunk: Any = yield from self._draw(source, wanted)
            drawn = len(chunk)
            if not chunk:
                break
            if is_map and not isinstance(chunk, dict):
                keys.check(chunk, self._where())
                chunk = dict(chunk)
            before = self.position
            yield from self._items(run, chunk, total)
            total += drawn
            self._remember((self.position - before) / drawn)
        if count is None:
            yield self._patch(start, self._head(total, is_map=is_map))
        elif total != count:
            raise EncodeError(f"{count} members announced, {total} came", path=self._where(), type="container")
        return self._close(run, start)

    def _array(self, value: Any) -> _Frame:
        if not self.layout.typed_arrays:
            return (yield from self._frame(as_lists(value, self._where())))
        start = self.position
        head, content, dtype = array_head_bytes(value, self.codec, self._where())
        yield self._emit(head)
        begin = self.position
        checksum = zlib.crc32(head)
        for at in range(0, len(content), self.layout.max_block):
            piece = bytes(content[at : at + self.layout.max_block])
            checksum = zlib.crc32(piece, checksum)
            yield self._emit(piece)
        node: dict[str, Any] = {"p": [start, self.position]}
        if self.layout.checksum:
            node["c"] = checksum
        small = self.position - start < self.layout.leaf_bytes
        if not small:
            node["n"] = [dtype, list(value.shape), begin]
        return _Written(start, self.position, node, small)

    # -- items --------------------------------------------------------------------------------------------------------

    def _draw(self, source: Any, count: int) -> Generator[Any, Any, Any]:
        """Return the next items of a source (a dict for pairs at hand), drawn from the driver if it is async."""
        if isinstance(source, (_Slices, _Pairs)):
            return source.take(count)
        if isinstance(source, AsyncIterable):
            drawn: list[Any] = yield Pull(source, count)
            return drawn
        return list(islice(source, count))

    def _chunk_size(self, run: _Run) -> int:
        """Return how many items to draw: a chunk well below a leaf, by what items of this depth have measured."""
        expected = self._sizes.get(len(self._path))
        if run.singles():
            return 1
        if expected is None:
            return FIRST
        return max(1, min(int(self.layout.leaf_bytes * 0.75 / max(expected, 1.0)), 65_536))

    def _remember(self, size: float) -> None:
        depth = len(self._path)
        expected = self._sizes.get(depth)
        self._sizes[depth] = size if expected is None else (expected * 3 + size) / 4

    def _items(self, run: _Run, chunk: Any, index: int, *, bounded: bool = False) -> Generator[Any, Any, None]:
        """Write some items: at once if together they are smaller than a leaf; else in halves, or one by one.

        Args:
            run: Takes note of them.
            chunk: A list, or a dict of pairs.
            index: Position of the first.
            bounded: Together they are known to be not much larger than a leaf, so they may be encoded without a look.
        """
        data = self._try(chunk, run, bounded=bounded)
        if data is not None and len(data) < self.layout.leaf_bytes:
            yield self._emit(data)
            run.add(len(chunk), data, chunk)
        elif data is not None and len(data) < BOUNDED * self.layout.leaf_bytes and len(chunk) > 1:
            half = len(chunk) // 2
            if run.is_map:
                pairs = iter(chunk.items())
                front, back = dict(islice(pairs, half)), dict(pairs)
            else:
                front, back = chunk[:half], chunk[half:]
            yield from self._items(run, front, index, bounded=True)
            yield from self._items(run, back, index + half, bounded=True)
        else:
            for offset, item in enumerate(chunk.items() if run.is_map else chunk):
                segment, value = item if run.is_map else (index + offset, item)
                yield from self._single(run, segment, value)

    def _try(self, chunk: Any, run: _Run, *, bounded: bool) -> bytes | None:
        """Return the bytes of several items, unless one of them seems large or unusual."""
        limit = self.layout.leaf_bytes
        expected = self._sizes.get(len(self._path))
        if not bounded and expected is not None and expected >= limit:
            return None
        look = (not bounded and expected is None) or self._wasted > FREE_WASTE + self.position // 2
        if look and any(at_least(item, limit, LOOK) for item in (chunk.values() if run.is_map else chunk)):
            return None
        try:
            data = self._several(chunk, is_map=run.is_map)
        except Unusual:
            return None
        if len(data) >= limit:
            self._wasted += len(data)
        return data

    def _single(self, run: _Run, segment: Any, value: Any) -> Generator[Any, Any, None]:
        """Write one item by itself: small, one long scalar, or with a frame of its own."""
        limit = self.layout.leaf_bytes
        item: Any = {segment: value} if run.is_map else [value]
        if as_container(value) is None or not at_least(value, limit, LOOK):
            try:
                data = self._several(item, is_map=run.is_map)
            except Unusual:
                data = None
            if data is not None:
                yield self._emit(data)
                if len(data) < limit or self._is_flat(value, run):
                    run.add(1, data, item)
                else:
                    head = skip(data, 0, self.codec) if run.is_map else 0
                    start = self.position - len(data) + head
                    run.add_large(segment, _Written(start, self.position, self._leaf(start, data[head:]), small=False))
                return
        if run.is_map:
            yield self._emit(self._key(segment))
        written: _Written = yield _Descend(value, segment)
        if written.small:
            run.add(1, self._recent(run.end), item)
        else:
            run.add_large(segment, written)

    def _is_flat(self, value: Any, run: _Run) -> bool:
        """Tell whether an item is one long scalar in a list: a block of its own, not worth a node."""
        return not run.is_map and as_container(value) is None and not is_array(value) and not run.large

    def _close(self, run: _Run, start: int) -> _Written:
        size = self.position - start
        if not run.large and size < (max(LEAF_MAP, self.layout.leaf_bytes) if run.is_map else self.layout.leaf_bytes):
            node = self._leaf(start, self._recent(start))
            return _Written(start, self.position, node, small=size < self.layout.leaf_bytes)
        return _Written(start, self.position, run.node(self.position), small=False)

    # -- bytes --------------------------------------------------------------------------------------------------------

    def _emit(self, data: bytes, *, pin: bool = False) -> Emit:
        self.position += len(data)
        keep = max(2 * self.layout.leaf_bytes, LEAF_MAP)
        self._tail += data[-keep:] if len(data) > keep else data
        if len(self._tail) > 2 * keep:
            del self._tail[:-keep]
        return Emit(data, pin)

    def _patch(self, position: int, data: bytes) -> Patch:
        """Put bytes over earlier ones, also where they are remembered."""
        at = len(self._tail) - (self.position - position)
        if at >= 0:
            self._tail[at : at + len(data)] = data
        return Patch(position, data)

    def _recent(self, start: int) -> bytes:
        """Return the bytes emitted since a position that is not far back."""
        return bytes(self._tail[len(self._tail) - (self.position - start) :])

    def _one(self, value: Any) -> bytes:
        data = self._engine.one(value)
        self.encoded += len(data)
        return data

    def _several(self, chunk: Any, *, is_map: bool) -> bytes:
        """Encode items without the header of the container that holds them."""
        data = self._one(chunk)
        return data[len((map_head if is_map else array_head)(len(chunk), self.codec)) :]

    def _key(self, key: Any) -> bytes:
        if not isinstance(key, (str, int, float, bool, bytes, type(None))):
            raise self._cannot(key, "a map's key is a str, int, float, bool, None or bytes")
        try:
            return self._one(key)
        except Unusual as error:
            raise self._cannot(key, str(error)) from error

    def _head(self, count: int, *, is_map: bool) -> bytes:
        try:
            return (map_head if is_map else array_head)(count, self.codec, wide=True)
        except OverflowError as error:
            raise EncodeError(str(error), path=self._where(), type="stream") from error

    def _leaf(self, start: int, data: bytes) -> dict[str, Any]:
        node: dict[str, Any] = {"p": [start, start + len(data)]}
        if self.layout.checksum:
            node["c"] = zlib.crc32(data)
        return node

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


class _Keys:
    """The keys of a stream of pairs: none may come twice."""

    __slots__ = ("_seen",)

    def __init__(self) -> None:
        self._seen: set[Any] = set()

    def check(self, pairs: list[Any], path: str) -> None:
        """Take the next pairs.

        Raises:
            ValueError: A key that came before.
        """
        for pair in pairs:
            if not isinstance(pair, tuple) or len(pair) != 2:
                raise EncodeError("a stream of pairs has pairs of key and value", path=path, type=type(pair).__name__)
            key = pair[0]
            try:
                if key in self._seen:
                    raise ValueError(f"the key {key!r} stands twice in a stream of pairs")
                self._seen.add(key)
            except TypeError as error:
                raise EncodeError("a map's key is a scalar", path=path, type=type(key).__name__) from error


class _Run:
    """The children of one list or map: runs of small ones as blocks, large ones by their nodes."""

    def __init__(self, encoder: Encoder, start: int, *, is_map: bool) -> None:
        self.is_map = is_map
        self.end = encoder.position
        self.large: list[tuple[int, Any, _Written]] = []
        self._encoder = encoder
        self._layout = encoder.layout
        self._start = start
        self._blocks: list[list[int]] = []
        self._checksums: list[int] = []
        self._firsts: list[Any] = []
        self._keys: list[Any] = []
        self._ascending = True
        self._open = False
        self._small: list[tuple[int, bytes, list[Any], int]] | None = []
        self._noted = 0

    def singles(self) -> bool:
        """Tell whether small items stand one by one beside large ones."""
        return self._small is not None and (bool(self.large) or self._layout.full_index)

    def add(self, count: int, data: bytes, items: Any) -> None:
        """Take small items that were just emitted."""
        start, self.end = self.end, self._encoder.position
        checksum = self._layout.checksum
        keys: list[Any] = []
        if self.is_map:
            keys = list(items)
            self._note_keys(keys)
        if self._small is not None:
            self._note_small(start, data, keys, count)
        target = min(max((self.end - self._start) >> 16, self._layout.leaf_bytes), self._layout.max_block)
        if self._open and self.end - self._blocks[-1][1] <= target:
            self._blocks[-1][0] += count
            self._blocks[-1][2] = self.end
            if checksum:
                self._checksums[-1] = zlib.crc32(data, self._checksums[-1])
        else:
            self._blocks.append([count, start, self.end])
            if checksum:
                self._checksums.append(zlib.crc32(data))
            if self.is_map:
                self._firsts.append(keys[0])
        self._open = True

    def _note_small(self, start: int, data: bytes, keys: list[Any], count: int) -> None:
        """Remember small items while there are few enough of them for nodes of their own beside large ones."""
        assert self._small is not None
        self._noted += count
        if not self._layout.full_index and self._noted > SINGLES * (len(self.large) + SINGLES):
            self._small = None
        else:
            self._small.append((start, data, keys, count))

    def _places(self) -> Iterator[tuple[Any, int, int, int]]:
        """Iterate over key, start, end and checksum of the small items; what came in chunks is taken apart only now."""
        codec = self._encoder.codec
        for start, data, keys, count in self._small or ():
            at = 0
            for i in range(count):
                begin = skip(data, at, codec) if self.is_map else at
                at = len(data) if i == count - 1 else skip(data, begin, codec)
                crc = zlib.crc32(data[begin:at]) if self._layout.checksum else 0
                yield keys[i] if self.is_map else None, start + begin, start + at, crc

    def add_large(self, segment: Any, written: _Written) -> None:
        """Take a large item that was just emitted by a frame of its own."""
        start, self.end = self.end, self._encoder.position
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
            self._encoder.annexes.append(Annex(run, self._keys))
        node["m"] = run
        return node

    def _note_keys(self, keys: list[Any]) -> None:
        """Keep the keys, and whether they are of one kind and ascending so far."""
        if self._ascending:
            kinds = set(map(type, keys))
            self._ascending = (
                len(kinds) == 1
                and kinds <= {str, int, bytes}
                and (not self._keys or (type(self._keys[-1]) in kinds and self._keys[-1] < keys[0]))
                and keys == sorted(keys)
            )
        self._keys += keys


class _Slices:
    """The items of a list or tuple, several at a time."""

    __slots__ = ("_at", "_items")

    def __init__(self, items: Any) -> None:
        self._items = items
        self._at = 0

    def take(self, count: int) -> Any:
        """Return the next items."""
        at = self._at
        self._at += count
        return list(self._items[at : self._at])


class _Pairs:
    """The pairs of a mapping, several at a time."""

    __slots__ = ("_pairs",)

    def __init__(self, mapping: Mapping[Any, Any]) -> None:
        self._pairs = iter(mapping.items())

    def take(self, count: int) -> dict[Any, Any]:
        """Return the next pairs."""
        return dict(islice(self._pairs, count))
