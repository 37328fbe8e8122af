"""CRC-32, by the processor's own instructions where `isal` is installed: the standard library's takes about as long as writing does."""

from __future__ import annotations

import zlib
from collections.abc import Callable
from functools import cache
from typing import Any

__all__ = ["crc32"]


def crc32(data: Any, value: int = 0, /) -> int:
    """Return the CRC-32 of bytes, going on from that of the bytes before.

    Example:
        >>> crc32(b"holdall") == crc32(b"all", crc32(b"hold")) == zlib.crc32(b"holdall")
        True
    """
    return _quickest()(data, value)


@cache
def _quickest() -> Callable[[Any, int], int]:
    try:
        from isal import isal_zlib  # noqa: PLC0415  # optional, on first use
    except ImportError:
        return zlib.crc32
    return isal_zlib.crc32
