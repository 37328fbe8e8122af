"""What a Python value is to the encoder: scalar, map, list, stream or array."""

from __future__ import annotations

import dataclasses
import sys
from collections.abc import AsyncIterable, Callable, Iterable, Iterator, Mapping
from collections.abc import Set as AbstractSet
from datetime import date, datetime, time
from decimal import Decimal
from enum import Enum
from typing import Any
from uuid import UUID

__all__ = [
    "KEYS",
    "KEY_TYPES",
    "Hook",
    "Stream",
    "Unusual",
    "as_container",
    "is_array",
    "is_stream",
    "simplified",
    "stream_list",
    "stream_map",
]

_SCALARS = frozenset({str, int, float, bool, type(None), bytes})
_AT_HAND = _SCALARS | {dict, list, tuple}


KEY_TYPES = (str, int, float, bytes, type(None))
KEYS = "a map's key is a str, int, float, bool, None or bytes"
Hook = Callable[[Any], Any]


class Unusual(Exception):  # noqa: N818  # a signal within the encoder, never seen by users
    """A value that has to be taken apart item by item, or cannot be encoded at all."""


class Stream:
    """Items of unknown length, drawn one after the other while they are written.

    Attributes:
        source: An iterable, or (in the async colour) an async iterable; or a view or reader of another archive.
        is_map: Whether the items are pairs of a map.
        count: How many there are, where that is known.
        whole: Whether the source stands for one value, which the driver asks it for.
    """

    __slots__ = ("count", "is_map", "source", "whole")

    def __init__(self, source: Any, *, is_map: bool, count: int | None = None, whole: bool = False) -> None:
        if not whole and not isinstance(source, (Iterable, AsyncIterable)):
            raise TypeError(f"a stream is made of an iterable, not of {type(source).__name__}")
        self.source = source
        self.is_map = is_map
        self.count = count
        self.whole = whole

    @property
    def drawn(self) -> bool:
        """Whether the driver draws the items: the source is async, or reading it takes requests."""
        return isinstance(self.source, AsyncIterable)


def stream_list(iterable: Iterable[Any] | AsyncIterable[Any]) -> Stream:
    """Mark the items of an iterable as a list of unknown length (plain generators need no mark)."""
    return Stream(iterable, is_map=False)


def stream_map(pairs: Iterable[tuple[Any, Any]] | AsyncIterable[tuple[Any, Any]]) -> Stream:
    """Mark key-value pairs as a map of unknown length."""
    return Stream(pairs, is_map=True)


def is_stream(value: object) -> bool:
    """Tell whether a value comes to life while it is drawn, so that nothing behind it may be drawn before."""
    return type(value) not in _AT_HAND and isinstance(value, (Stream, Iterator, AsyncIterable))


def is_array(value: object) -> bool:
    """Tell whether a value is a numpy array, without importing numpy."""
    numpy = sys.modules.get("numpy")
    return numpy is not None and isinstance(value, numpy.ndarray)


def as_container(value: Any) -> Mapping[Any, Any] | list[Any] | tuple[Any, ...] | Stream | None:
    """Return a value as the container that it is written as, or ``None`` if it is a scalar (or an array)."""
    kind = type(value)
    if kind in _SCALARS:
        return None
    lazy = getattr(kind, "lazy_kind", None)
    if lazy is not None:
        if lazy == "value":
            return Stream(value, is_map=False, whole=True)
        return Stream(value, is_map=lazy == "map", count=len(value))
    if kind in {dict, list, tuple, Stream} or isinstance(value, Mapping):
        return value  # type: ignore[no-any-return]
    if isinstance(value, (list, tuple)):
        return value
    if isinstance(value, AbstractSet):
        return list(value)
    if isinstance(value, (str, bytes, bytearray, memoryview, Enum)) or is_array(value):
        return None
    fields = getattr(kind, "__struct_fields__", None)  # msgspec.Struct
    if fields is not None:
        return {name: getattr(value, name) for name in fields}
    if dataclasses.is_dataclass(value):
        return {field.name: getattr(value, field.name) for field in dataclasses.fields(value)}
    attributes = getattr(kind, "__attrs_attrs__", None)
    if attributes is not None:
        return {attribute.name: getattr(value, attribute.name) for attribute in attributes}
    if callable(getattr(value, "items", None)):
        return dict(value.items())
    if isinstance(value, (Iterator, AsyncIterable)):
        return Stream(value, is_map=False)
    return None


def simplified(value: Any, *, rich: bool) -> Any:
    """Return a scalar of the standard library as the plain one it is stored as; anything else unchanged.

    Args:
        value: The scalar.
        rich: Keep ``UUID`` and ``Decimal`` (CBOR has tags for them).
    """
    if isinstance(value, Enum):
        return simplified(value.value, rich=rich)
    if isinstance(value, (UUID, Decimal)):
        return value if rich else str(value)
    if isinstance(value, datetime):
        return value if value.tzinfo is not None else value.isoformat()
    if isinstance(value, (date, time)):
        return value.isoformat()
    if isinstance(value, (bytearray, memoryview)):
        return bytes(value)
    numpy = sys.modules.get("numpy")
    if numpy is not None and isinstance(value, numpy.generic):
        return value.item()
    if isinstance(value, bytes):
        return bytes(value)
    for base in (int, float, str):  # a subclass is stored as what it is
        if isinstance(value, base) and not isinstance(value, bool):
            return base(value)
    return value
