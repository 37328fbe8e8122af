"""msgpack and CBOR, item by item, without recursion: what the C engines cannot do for us.

`head` reads the start of one item, `decode` one whole item of any depth, `skip` finds its end, `array_head` and `map_head` write
container headers. The quick way to and from whole values is `holdall.containers.engines`; this is the truth it falls back to.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from typing import Any

from holdall.containers.errors import FormatError
from holdall.containers.heads import CodecName, Ext, Head, Kind, Tagged
from holdall.containers.wire_cbor import cbor_head, untag
from holdall.containers.wire_msgpack import msgpack_head

__all__ = ["CodecName", "Ext", "Head", "Kind", "Tagged", "array_head", "decode", "head", "map_head", "skip"]


def head(data: bytes | memoryview, at: int, codec: CodecName) -> Head:
    """Read the head of the item at a position.

    Raises:
        FormatError: The bytes end too early or are no item.
    """
    try:
        return msgpack_head(data, at) if codec == "msgpack" else cbor_head(data, at)
    except (IndexError, struct.error) as error:
        raise FormatError("the data ends within an item", offset=at) from error
    except (UnicodeDecodeError, OverflowError, ValueError) as error:
        if isinstance(error, FormatError):
            raise
        raise FormatError("an item that cannot be read", offset=at) from error


def decode(
    data: bytes | memoryview,
    codec: CodecName,
    at: int = 0,
    *,
    max_depth: int = 10_000,
    ext: Callable[[int, Any], Any] | None = None,
) -> tuple[Any, int]:
    """Decode one item of any depth and return it with the position behind it.

    Args:
        data: The bytes.
        codec: ``msgpack`` or ``cbor``.
        at: Where the item begins.
        max_depth: Deepest nesting.
        ext: Called with the code and content of extensions and tags that are not built in.

    Raises:
        FormatError: Broken data, a key that is no scalar, a repeated key, or too deep.
    """
    stack: list[_Open] = []
    while True:
        start = at
        item = head(data, at, codec)
        at = item.end
        if item.kind is Kind.BREAK:
            if not stack or stack[-1].left is not None or stack[-1].key is not _NONE:
                raise FormatError("a break where none belongs", offset=start)
            value = stack.pop().value
        elif item.kind is Kind.SCALAR:
            value = item.value
            if isinstance(value, Ext) and ext is not None:
                value = ext(value.code, value.data)
        else:
            if len(stack) >= max_depth:
                raise FormatError(f"nested deeper than {max_depth}", kind="depth", offset=start)
            container: Any = [] if item.kind is Kind.ARRAY else {} if item.kind is Kind.MAP else item.value
            if item.value is not None and item.kind is not Kind.TAG and item.value > len(data) - at:
                raise FormatError(f"{item.value} items announced, {len(data) - at} bytes left", offset=start)
            left = 1 if item.kind is Kind.TAG else item.value
            if left != 0:
                stack.append(_Open(item.kind, container, left))
                continue
            value = container
        while stack:
            top = stack[-1]
            if not top.add(value, start, ext):
                break
            value = stack.pop().value
        else:
            return value, at


def skip(data: bytes | memoryview, at: int, codec: CodecName) -> int:
    """Return the position behind the item at a position, without building it.

    Raises:
        FormatError: Broken data.
    """
    open_ended: list[int] = []
    left = 1
    while left or open_ended:
        item = head(data, at, codec)
        at = item.end
        if item.kind is Kind.BREAK:
            if not open_ended or left:
                raise FormatError("a break where none belongs", offset=at - 1)
            left = open_ended.pop()
            continue
        if not open_ended or left:
            left -= 1
        if item.kind is Kind.TAG:
            left += 1
        elif item.kind in {Kind.ARRAY, Kind.MAP}:
            if item.value is None:
                open_ended.append(left)
                left = 0
            else:
                left += item.value * (2 if item.kind is Kind.MAP else 1)
                if item.value > len(data) - at:
                    raise FormatError("more items announced than bytes left", offset=at)
    return at


def array_head(count: int, codec: CodecName, *, wide: bool = False) -> bytes:
    """Return the header of an array; ``wide`` is of fixed width, so that the count can be patched later.

    Raises:
        OverflowError: More items than the codec can count.
    """
    if codec == "cbor":
        return _cbor_number(4, count, wide=wide)
    if wide or count > 0xFFFF:
        return b"\xdd" + _u32(count)
    return bytes((0x90 | count,)) if count < 16 else b"\xdc" + count.to_bytes(2, "big")


def map_head(count: int, codec: CodecName, *, wide: bool = False) -> bytes:
    """Return the header of a map. See `array_head`."""
    if codec == "cbor":
        return _cbor_number(5, count, wide=wide)
    if wide or count > 0xFFFF:
        return b"\xdf" + _u32(count)
    return bytes((0x80 | count,)) if count < 16 else b"\xde" + count.to_bytes(2, "big")


def _u32(count: int) -> bytes:
    if count > 0xFFFF_FFFF:
        raise OverflowError("msgpack counts up to 2**32 - 1 items: use codec='cbor'")
    return count.to_bytes(4, "big")


def _cbor_number(major: int, count: int, *, wide: bool = False) -> bytes:
    if wide:
        return bytes((major << 5 | 27,)) + count.to_bytes(8, "big")
    if count < 24:
        return bytes((major << 5 | count,))
    for info, size in ((24, 1), (25, 2), (26, 4), (27, 8)):
        if count < 1 << 8 * size:
            return bytes((major << 5 | info,)) + count.to_bytes(size, "big")
    raise OverflowError("CBOR counts up to 2**64 - 1 items")


_NONE: Any = object()


class _Open:
    """A container being filled."""

    __slots__ = ("key", "kind", "left", "value")

    def __init__(self, kind: Kind, value: Any, left: int | None) -> None:
        self.kind = kind
        self.value = value
        self.left = left
        self.key = _NONE

    def add(self, item: Any, at: int, ext: Callable[[int, Any], Any] | None) -> bool:
        """Take an item and tell whether the container is complete."""
        if self.kind is Kind.ARRAY:
            self.value.append(item)
        elif self.kind is Kind.TAG:
            self.value = untag(self.value, item, at, ext)
        elif self.key is _NONE:
            if isinstance(item, (list, dict)):
                raise FormatError("a map's key is a container", offset=at)
            try:
                repeated = item in self.value
            except TypeError as error:
                raise FormatError("a map's key is no scalar", offset=at) from error
            if repeated:
                raise FormatError(f"the key {item!r} stands twice in a map", offset=at)
            self.key = item
            return False
        else:
            self.value[self.key] = item
            self.key = _NONE
        if self.left is None:
            return False
        self.left -= 1
        return self.left == 0
