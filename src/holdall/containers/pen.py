"""What the encoder writes with: bytes of values by the C engine, positions, checksums, and the errors that say where."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from holdall.containers.arrays import array_value
from holdall.containers.checksums import crc32
from holdall.containers.engines import Engine, engine
from holdall.containers.errors import EncodeError
from holdall.containers.plain import KEYS, Unusual, as_container, is_array
from holdall.containers.recent import Recent
from holdall.containers.steps import Annex, Emit, Layout, Patch, Written
from holdall.containers.wire import CodecName, Ext, Tagged, array_head, map_head

__all__ = ["FREE_WASTE", "LEAF_MAP", "Pen"]

FREE_WASTE = 64 * 1024
"""Bytes that may be encoded in vain before the half-of-the-output rule holds."""
LEAF_MAP = 64 * 1024
"""Maps of small values up to this many bytes stay one leaf."""


class Pen:
    """Turns values into bytes, and counts them.

    Attributes:
        position: Bytes emitted so far.
        encoded: Bytes that went through the engine, those in vain included.
        wasted: Those in vain.
        path: Where in the document the encoder is.
        recent: What was emitted last.
        annexes: Key directories to write behind the table of contents.
    """

    def __init__(self, codec: CodecName, layout: Layout, default: Callable[[Any], Any] | None) -> None:
        self.codec: CodecName = codec
        self.layout = layout
        self.default = default
        self.position = 0
        self.encoded = 0
        self.wasted = 0
        self.path: list[Any] = []
        self.annexes: list[Annex] = []
        self.recent = Recent(max(2 * layout.leaf_bytes, LEAF_MAP))
        self._engine: Engine = engine(codec, self._hook)

    @property
    def where(self) -> str:
        """The path in words."""
        return "/".join(map(str, self.path))

    @property
    def wasteful(self) -> bool:
        """Whether too much was encoded in vain: beyond half of the output, items are looked at first."""
        return self.wasted > FREE_WASTE + self.position // 2

    def emit(self, data: bytes, *, pin: bool = False) -> Emit:
        """Return the step that emits bytes."""
        self.recent.add(self.position, data)
        self.position += len(data)
        return Emit(data, pin)

    def patch(self, position: int, data: bytes) -> Patch:
        """Return the step that puts bytes over earlier ones, also where they are remembered."""
        self.recent.patch(position, data)
        return Patch(position, data)

    def one(self, value: Any) -> bytes:
        """Return the bytes of a value.

        Raises:
            Unusual: The engine cannot encode it at once.
        """
        data = self._engine.one(value)
        self.encoded += len(data)
        return data

    def piece(self, value: Any, *, scalar: bool = False) -> bytes | None:
        """Return the bytes of a value; ``None`` if it has to be taken apart: it is unusual, or a container that is not small."""
        try:
            data = self.one(value)
        except Unusual:
            return None
        if len(data) >= self.layout.leaf_bytes and not scalar and as_container(value) is not None:
            self.wasted += len(data)
            return None
        return data

    def key(self, key: Any) -> bytes:
        """Return the bytes of a map's key.

        Raises:
            EncodeError: It is no scalar.
        """
        if not isinstance(key, (str, int, float, bool, bytes, type(None))):
            raise self.cannot(key, KEYS)
        try:
            return self.one(key)
        except Unusual as error:
            raise self.cannot(key, str(error)) from error

    def head(self, count: int, *, is_map: bool, wide: bool = False) -> bytes:
        """Return the header of a container.

        Raises:
            EncodeError: More members than the codec can count.
        """
        try:
            return (map_head if is_map else array_head)(count, self.codec, wide=wide)
        except OverflowError as error:
            raise EncodeError(str(error), path=self.where, type="stream") from error

    def node(self, start: int, data: bytes | memoryview) -> dict[str, Any]:
        """Return the node of a leaf."""
        if self.layout.checksum:
            return {"p": [start, start + len(data)], "c": crc32(data)}
        return {"p": [start, start + len(data)]}

    def leaf(self, start: int) -> Written:
        """Return what was written since a position that is not far back, as one leaf."""
        data = self.recent.since(start)
        return Written(start, self.position, self.node(start, data), len(data) < self.layout.leaf_bytes)

    def cannot(self, value: Any, why: str) -> EncodeError:
        """Return the error for a value that no archive can hold."""
        name = type(value).__name__
        return EncodeError(why or f"an archive cannot hold a {name}", path=self.where, type=name)

    def _hook(self, value: Any) -> Any:
        """Answer the engine about a value of an unknown type."""
        if isinstance(value, (Ext, Tagged)):
            return value
        if is_array(value) and self.layout.typed_arrays and value.nbytes < self.layout.leaf_bytes:
            return array_value(value, self.codec)
        if self.default is None:
            raise Unusual(f"an archive cannot hold a {type(value).__name__}")
        answer = self.default(value)
        if answer is value or as_container(answer) is not None or is_array(answer):
            raise Unusual(f"an archive cannot hold a {type(value).__name__}")
        return answer
