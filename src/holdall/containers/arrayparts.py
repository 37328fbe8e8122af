"""Parts of an array: which bytes an index needs, and what it cuts out of them."""

from __future__ import annotations

from math import prod
from numbers import Integral
from typing import Any

from holdall.containers.archive import Cursor
from holdall.containers.arrays import build, itemsize, view
from holdall.containers.errors import MissingIndexError
from holdall.containers.nodes import ArrayInfo
from holdall.containers.waves import Steps, Want
from holdall.errors import NotSupportedError

__all__ = ["cut_out", "planned", "stretch_of"]

OWN = 64 * 1024
"""Bytes of an array from which they are read into memory of their own, rather than copied once more."""


def planned(info: ArrayInfo, index: Any) -> tuple[tuple[int, int], tuple[int, ...], tuple[Any, ...]]:
    """Return the range of the elements' bytes to fetch, the shape of its content, and what to index that with.

    Leading whole numbers, and a step-1 slice behind them, name a stretch of bytes; what follows is cut out of it.
    """
    shape = list(info.shape)
    rest = index if isinstance(index, tuple) else (index,)
    begin, size = 0, itemsize(info.dtype) * prod(shape)
    while rest and shape and type(rest[0]) is not bool and isinstance(rest[0], Integral):
        at, length = int(rest[0]), shape.pop(0)
        if not -length <= at < length:
            raise MissingIndexError(f"position {at} of an axis of {length}")
        size //= length
        begin += at % length * size
        rest = rest[1:]
    if rest and shape and isinstance(rest[0], slice):
        low, high, step = rest[0].indices(shape[0])
        if step == 1 and shape[0]:
            row = size // shape[0]
            shape[0] = max(0, high - low)
            begin, size = begin + low * row, shape[0] * row
            rest = (slice(None), *rest[1:])
    return (begin, begin + size), tuple(shape), rest


def stretch_of(cursor: Cursor, info: ArrayInfo, span: tuple[int, int]) -> Steps[bytes | bytearray]:
    """Return a range of an array's bytes; a large one in memory that nobody else has."""
    spans = [cursor.archive.at(*one) for one in info.spans(*span)]
    found: list[bytes] = (yield Want(spans, fresh=span[1] - span[0] >= OWN)) if spans else [b""]
    return found[0] if len(found) == 1 else bytearray().join(found)


def cut_out(dtype: str, data: bytes | bytearray, shape: tuple[int, ...], rest: tuple[Any, ...]) -> Any:
    """Return what an index names within its stretch of bytes, in memory of its own.

    Args:
        dtype: The element type.
        data: The stretch.
        shape: Of the stretch.
        rest: What is left of the index.

    Raises:
        NotSupportedError: It takes numpy, which is not installed.
    """
    first = rest[0] if len(rest) == 1 else None
    whole = not rest or first is Ellipsis or (type(first) is slice and first == slice(None))
    array = None if whole and shape else view(dtype, shape, data)
    if array is not None:
        return array[rest].copy()  # the caller's own, and what was fetched beside it is let go
    if whole:
        return build(dtype, shape, data)
    raise NotSupportedError("this part of an array needs numpy")
