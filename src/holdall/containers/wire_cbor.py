"""Heads of CBOR items, and what tags mean (RFC 8949)."""

from __future__ import annotations

import struct
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

from holdall.containers.errors import FormatError
from holdall.containers.heads import Head, Kind, Tagged, number_at, take, text_at

__all__ = ["cbor_head", "untag"]

_BREAK = Head(Kind.BREAK, None, 0)


def cbor_head(data: bytes | memoryview, at: int) -> Head:
    """Read the head of the item at a position."""
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
        return Head(Kind.SCALAR, take(data, at, number), at + number)
    if major == 3:
        return text_at(data, at, number)
    return Head((Kind.ARRAY, Kind.MAP, Kind.TAG)[major - 4], number, at)


def _cbor_argument(data: bytes | memoryview, at: int, info: int) -> tuple[int, int]:
    if info < 24:
        return info, at
    if info > 27:
        raise FormatError(f"reserved additional information {info}", offset=at - 1)
    size = 1 << info - 24
    return number_at(data, at, size), at + size


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
        pieces.append(take(data, start, length))
        at = start + length
    whole = b"".join(pieces)
    return Head(Kind.SCALAR, whole if major == 2 else whole.decode(), at + 1)


def untag(tag: int, value: Any, at: int, ext: Callable[[int, Any], Any] | None) -> Any:
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
