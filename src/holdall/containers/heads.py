"""What the head of an item says, in msgpack and CBOR alike, and taking bytes that must be there."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from typing import Any, Literal

from holdall.containers.errors import FormatError

__all__ = ["CodecName", "Ext", "Head", "Kind", "Tagged", "number_at", "take", "text_at"]

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


def number_at(data: bytes | memoryview, at: int, size: int) -> int:
    """Return a big-endian number of so many bytes."""
    return int.from_bytes(take(data, at, size), "big")


def take(data: bytes | memoryview, at: int, length: int) -> bytes:
    """Return so many bytes.

    Raises:
        FormatError: There are fewer.
    """
    piece = bytes(data[at : at + length])
    if len(piece) != length:
        raise FormatError(f"{length} bytes announced, {len(piece)} left", offset=at)
    return piece


def text_at(data: bytes | memoryview, at: int, length: int) -> Head:
    """Return a text of so many bytes."""
    return Head(Kind.SCALAR, take(data, at, length).decode(), at + length)
