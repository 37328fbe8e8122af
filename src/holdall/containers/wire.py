"""msgpack and CBOR, item by item, without recursion: what the C engines cannot do for us.

`head` reads the start of one item, `decode` one whole item of any depth, `skip` finds its end, `array_head` and `map_head` write
container headers. The quick way to and from whole values is `holdall.containers.codec`; this is the truth it falls back to.
Sources: the msgpack specification (github.com/msgpack/msgpack, spec.md) and RFC 8949.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import IntEnum
from typing import Any, Literal

from holdall.containers.errors import FormatError

__all__ = ["CodecName", "Ext", "Head", "Kind", "Tagged", "array_head", "decode", "head", "map_head", "skip"]

CodecName = Literal["msgpack", "cbor"]


class Kind(IntEnum):
    """What an item's head announces."""

    SCALAR = 0
    ARRAY = 1
    MAP = 2
    TAG = 3
    BREAK = 4


@dataclass(frozen=True, slots=True)
class Ext:
    """A msgpack extension that is not ours, opaque."""

    code: int
    data: bytes


@dataclass(frozen=True, slots=True)
class Tagged:
    """A CBOR tag that is not ours, opaque."""

    tag: int
    value: Any


@dataclass(frozen=True, slots=True)
class Head:
    """The start of an item.

    Attributes:
        kind: What it is.
        value: The scalar itself, the count of an array or map (``None``: until a break), or the number of a tag.
        end: Where the head ends; for a scalar, where the item ends.
    """

    kind: Kind
    value: Any
    end: int


def head(data: bytes | memoryview, at: int, codec: CodecName) -> Head:
    """Read the head of the item at a position.

    Raises:
        FormatError: The bytes end too early or are no item.
    """
    try:
        return _msgpack_head(data, at) if codec == "msgpack" else _cbor_head(data, at)
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
            self.value = _untag(self.value, item, at, ext)
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


# -- msgpack -----------------------------------------------------------------------------------------------------------

_FIXED: dict[int, tuple[str, int]] = {
    0xCA: (">f", 4), 0xCB: (">d", 8), 0xCC: (">B", 1), 0xCD: (">H", 2), 0xCE: (">I", 4), 0xCF: (">Q", 8),
    0xD0: (">b", 1), 0xD1: (">h", 2), 0xD2: (">i", 4), 0xD3: (">q", 8),
}  # fmt: skip
_CONSTANT = {0xC0: None, 0xC2: False, 0xC3: True}


def _msgpack_head(data: bytes | memoryview, at: int) -> Head:
    first = data[at]
    at += 1
    if first <= 0x7F:
        return Head(Kind.SCALAR, first, at)
    if first >= 0xE0:
        return Head(Kind.SCALAR, first - 256, at)
    if first <= 0x8F:
        return Head(Kind.MAP, first & 0x0F, at)
    if first <= 0x9F:
        return Head(Kind.ARRAY, first & 0x0F, at)
    if first <= 0xBF:
        return _text(data, at, first & 0x1F)
    if first in _CONSTANT:
        return Head(Kind.SCALAR, _CONSTANT[first], at)
    if first in _FIXED:
        form, size = _FIXED[first]
        return Head(Kind.SCALAR, struct.unpack_from(form, data, at)[0], at + size)
    if 0xD9 <= first <= 0xDB:
        size = 1 << first - 0xD9
        return _text(data, at + size, _number(data, at, size))
    if 0xC4 <= first <= 0xC6:
        size = 1 << first - 0xC4
        length = _number(data, at, size)
        return Head(Kind.SCALAR, _take(data, at + size, length), at + size + length)
    if first in {0xDC, 0xDD}:
        size = 2 << first - 0xDC
        return Head(Kind.ARRAY, _number(data, at, size), at + size)
    if first in {0xDE, 0xDF}:
        size = 2 << first - 0xDE
        return Head(Kind.MAP, _number(data, at, size), at + size)
    if 0xD4 <= first <= 0xD8:
        return _extension(data, at, 1 << first - 0xD4)
    if 0xC7 <= first <= 0xC9:
        size = 1 << first - 0xC7
        return _extension(data, at + size, _number(data, at, size))
    raise FormatError(f"0x{first:02x} begins no item", offset=at - 1)


def _number(data: bytes | memoryview, at: int, size: int) -> int:
    return int.from_bytes(_take(data, at, size), "big")


def _take(data: bytes | memoryview, at: int, length: int) -> bytes:
    piece = bytes(data[at : at + length])
    if len(piece) != length:
        raise FormatError(f"{length} bytes announced, {len(piece)} left", offset=at)
    return piece


def _text(data: bytes | memoryview, at: int, length: int) -> Head:
    return Head(Kind.SCALAR, _take(data, at, length).decode(), at + length)


def _extension(data: bytes | memoryview, at: int, length: int) -> Head:
    code = struct.unpack_from(">b", data, at)[0]
    content = _take(data, at + 1, length)
    value: Any = _timestamp(content, at) if code == -1 else Ext(code, content)
    return Head(Kind.SCALAR, value, at + 1 + length)


def _timestamp(content: bytes, at: int) -> datetime:
    if len(content) == 4:
        nanoseconds, seconds = 0, int.from_bytes(content, "big")
    elif len(content) == 8:
        packed = int.from_bytes(content, "big")
        nanoseconds, seconds = packed >> 34, packed & (1 << 34) - 1
    elif len(content) == 12:
        nanoseconds, seconds = struct.unpack(">Iq", content)
    else:
        raise FormatError(f"a timestamp of {len(content)} bytes", offset=at)
    if nanoseconds > 999_999_999:
        raise FormatError("a timestamp with too many nanoseconds", offset=at)
    return datetime(1970, 1, 1, tzinfo=UTC) + timedelta(seconds=seconds, microseconds=nanoseconds // 1000)


# -- CBOR --------------------------------------------------------------------------------------------------------------

_BREAK = Head(Kind.BREAK, None, 0)


def _cbor_head(data: bytes | memoryview, at: int) -> Head:
    first = data[at]
    major, info = first >> 5, first & 0x1F
    at += 1
    if major == 7:
        return _cbor_simple(data, at, info)
    if info == 31:
        if major in {4, 5}:
            return Head(Kind.ARRAY if major == 4 else Kind.MAP, None, at)
        if major in {2, 3}:
            return _cbor_chunks(data, at, major)
        raise FormatError("an indefinite length where none belongs", offset=at - 1)
    number, at = _cbor_argument(data, at, info)
    if major == 0:
        return Head(Kind.SCALAR, number, at)
    if major == 1:
        return Head(Kind.SCALAR, -1 - number, at)
    if major == 2:
        return Head(Kind.SCALAR, _take(data, at, number), at + number)
    if major == 3:
        return _text(data, at, number)
    return Head((Kind.ARRAY, Kind.MAP, Kind.TAG)[major - 4], number, at)


def _cbor_argument(data: bytes | memoryview, at: int, info: int) -> tuple[int, int]:
    if info < 24:
        return info, at
    if info > 27:
        raise FormatError(f"reserved additional information {info}", offset=at - 1)
    size = 1 << info - 24
    return _number(data, at, size), at + size


def _cbor_simple(data: bytes | memoryview, at: int, info: int) -> Head:
    if info == 31:
        return Head(Kind.BREAK, None, at)
    if info in {20, 21, 22, 23}:
        return Head(Kind.SCALAR, (False, True, None, None)[info - 20], at)
    form = {25: (">e", 2), 26: (">f", 4), 27: (">d", 8)}.get(info)
    if form is None:
        raise FormatError(f"simple value {info} is none of ours", offset=at - 1)
    return Head(Kind.SCALAR, struct.unpack_from(form[0], data, at)[0], at + form[1])


def _cbor_chunks(data: bytes | memoryview, at: int, major: int) -> Head:
    pieces: list[bytes] = []
    while data[at] != 0xFF:
        if data[at] >> 5 != major or data[at] & 0x1F == 31:
            raise FormatError("a chunk of another kind in a chunked string", offset=at)
        length, start = _cbor_argument(data, at + 1, data[at] & 0x1F)
        pieces.append(_take(data, start, length))
        at = start + length
    whole = b"".join(pieces)
    return Head(Kind.SCALAR, whole if major == 2 else whole.decode(), at + 1)


def _untag(tag: int, value: Any, at: int, ext: Callable[[int, Any], Any] | None) -> Any:
    """Return what a tagged value means: datetimes, big numbers, Decimal and UUID; others go to ``ext``."""
    try:
        if tag == 0:
            return datetime.fromisoformat(value)
        if tag == 1:
            return datetime(1970, 1, 1, tzinfo=UTC) + timedelta(seconds=value)
        if tag == 2:
            return int.from_bytes(value, "big")
        if tag == 3:
            return -1 - int.from_bytes(value, "big")
        if tag == 4:
            from decimal import Decimal  # noqa: PLC0415  # rare

            exponent, mantissa = value
            digits = tuple(int(digit) for digit in str(abs(int(mantissa))))
            return Decimal((int(mantissa < 0), digits, int(exponent)))
        if tag == 37:
            from uuid import UUID  # noqa: PLC0415  # rare

            return UUID(bytes=value)
    except (TypeError, ValueError, OverflowError) as error:
        raise FormatError(f"a value that tag {tag} cannot have", offset=at) from error
    return Tagged(tag, value) if ext is None else ext(tag, value)
