"""Heads of msgpack items (github.com/msgpack/msgpack, spec.md)."""

from __future__ import annotations

import struct
from datetime import UTC, datetime, timedelta
from typing import Any

from holdall.containers.errors import FormatError
from holdall.containers.heads import Ext, Head, Kind, number_at, take, text_at

__all__ = ["msgpack_head"]

_FIXED: dict[int, tuple[str, int]] = {
    0xCA: (">f", 4), 0xCB: (">d", 8), 0xCC: (">B", 1), 0xCD: (">H", 2), 0xCE: (">I", 4), 0xCF: (">Q", 8),
    0xD0: (">b", 1), 0xD1: (">h", 2), 0xD2: (">i", 4), 0xD3: (">q", 8),
}  # fmt: skip
_CONSTANT = {0xC0: None, 0xC2: False, 0xC3: True}


def msgpack_head(data: bytes | memoryview, at: int) -> Head:
    """Read the head of the item at a position."""
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
        return text_at(data, at, first & 0x1F)
    if first in _CONSTANT:
        return Head(Kind.SCALAR, _CONSTANT[first], at)
    if first in _FIXED:
        form, size = _FIXED[first]
        return Head(Kind.SCALAR, struct.unpack_from(form, data, at)[0], at + size)
    if 0xD9 <= first <= 0xDB:
        size = 1 << first - 0xD9
        return text_at(data, at + size, number_at(data, at, size))
    if 0xC4 <= first <= 0xC6:
        size = 1 << first - 0xC4
        length = number_at(data, at, size)
        return Head(Kind.SCALAR, take(data, at + size, length), at + size + length)
    if first in {0xDC, 0xDD}:
        size = 2 << first - 0xDC
        return Head(Kind.ARRAY, number_at(data, at, size), at + size)
    if first in {0xDE, 0xDF}:
        size = 2 << first - 0xDE
        return Head(Kind.MAP, number_at(data, at, size), at + size)
    if 0xD4 <= first <= 0xD8:
        return _extension(data, at, 1 << first - 0xD4)
    if 0xC7 <= first <= 0xC9:
        size = 1 << first - 0xC7
        return _extension(data, at + size, number_at(data, at, size))
    raise FormatError(f"0x{first:02x} begins no item", offset=at - 1)


def _extension(data: bytes | memoryview, at: int, length: int) -> Head:
    code = struct.unpack_from(">b", data, at)[0]
    content = take(data, at + 1, length)
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
