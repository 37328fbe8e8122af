"""Values as CBOR, without recursion; the libraries in C for it know tags that call constructors, and recurse."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from holdall.containers import wire
from holdall.containers.plain import KEY_TYPES, KEYS, Hook, Unusual, as_container, is_array, simplified

__all__ = ["cbor_bytes"]


def cbor_bytes(value: Any, hook: Hook | None) -> bytes:
    """Encode one value as CBOR without recursion (RFC 8949, preferred serialisation)."""
    import struct  # noqa: PLC0415

    out = bytearray()
    stack: list[Any] = [iter((value,))]
    while stack:
        for item in stack[-1]:
            plain = item
            kind = type(plain)
            if kind is str:
                try:
                    text = plain.encode()
                except UnicodeEncodeError as error:
                    raise Unusual("text with a lone surrogate") from error
                out += _cbor_head(3, len(text))
                out += text
            elif kind is bool or plain is None:
                out.append(0xF5 if plain is True else 0xF4 if plain is False else 0xF6)
            elif kind is int:
                _cbor_int(out, plain)
            elif kind is float:
                out += b"\xfb" + struct.pack(">d", plain)
            elif kind is bytes:
                out += _cbor_head(2, len(plain))
                out += plain
            elif isinstance(plain, wire.Tagged):
                out += _cbor_head(6, plain.tag)
                stack.append(iter((plain.value,)))
                break
            elif kind is dict or kind is list or kind is tuple:
                out += wire.map_head(len(plain), "cbor") if kind is dict else wire.array_head(len(plain), "cbor")
                stack.append(_pairs(plain) if kind is dict else iter(plain))
                break
            else:
                stack.append(iter((_cbor_plain(plain, hook),)))
                break
        else:
            stack.pop()
    return bytes(out)


def _pairs(items: Mapping[Any, Any]) -> Any:
    for key, value in items.items():
        if not isinstance(key, KEY_TYPES):
            raise Unusual(KEYS)
        yield key
        yield value


def _cbor_head(major: int, number: int) -> bytes:
    packed = wire.array_head(number, "cbor")
    return bytes((packed[0] & 0x1F | major << 5,)) + packed[1:]


def _cbor_int(out: bytearray, number: int) -> None:
    major, magnitude = (0, number) if number >= 0 else (1, -1 - number)
    if magnitude < 1 << 64:
        out += _cbor_head(major, magnitude)
        return
    digits = magnitude.to_bytes((magnitude.bit_length() + 7) // 8, "big")
    out.append(0xC2 + major)
    out += _cbor_head(2, len(digits)) + digits


def _cbor_plain(value: Any, hook: Hook | None) -> Any:
    """Return something simpler that stands for a value."""
    import uuid  # noqa: PLC0415
    from datetime import UTC, datetime  # noqa: PLC0415
    from decimal import Decimal  # noqa: PLC0415

    if as_container(value) is not None:
        raise Unusual
    if isinstance(value, datetime) and value.tzinfo is not None:
        return wire.Tagged(0, value.astimezone(UTC).isoformat().replace("+00:00", "Z"))
    if isinstance(value, uuid.UUID):
        return wire.Tagged(37, value.bytes)
    if isinstance(value, Decimal):
        sign, digits, exponent = value.as_tuple()
        if not isinstance(exponent, int):
            return str(value)
        number = int("".join(map(str, digits)) or "0")
        return wire.Tagged(4, [exponent, -number if sign else number])
    plain = value if is_array(value) else simplified(value, rich=True)
    if plain is not value:
        return plain
    if hook is None:
        raise Unusual
    return hook(value)
