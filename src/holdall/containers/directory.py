"""Where keys stand in a map that is out of order."""

from __future__ import annotations

from typing import Any

from holdall.containers.engines import Engine
from holdall.containers.errors import FormatError
from holdall.containers.plain import Unusual
from holdall.containers.wire import array_head

__all__ = ["Directory"]

SEARCHED = 4 * 1024 * 1024
"""Larger ones are decoded at once, while a thread of its own can do so: see `fetching.LONG`."""


class Directory:
    """The keys of a map in the order of its pairs, one encoded array.

    The first key is looked for in the encoded bytes if it can be told from them where it stands: a reader that wants one value
    has it before 200,000 keys would be decoded. From the second on they are.

    Args:
        data: The array.
        count: Pairs in the map.
        engine: Of the archive's codec.

    Raises:
        FormatError: Another number of keys than pairs, a repeated one or one that is none.

    Example:
        >>> from holdall.containers.engines import engine
        >>> codec = engine("msgpack")
        >>> Directory(codec.one(["b", "c", "a"]), 3, codec).position("a")
        2
    """

    def __init__(self, data: bytes, count: int, engine: Engine) -> None:
        self._data = data
        self._count = count
        self._engine = engine
        self._positions = self._decoded() if len(data) > SEARCHED else None
        self._searched = False

    def position(self, key: Any) -> int:
        """Return how many pairs stand before a key's.

        Raises:
            KeyError, TypeError: It is no key of the map.
            FormatError: See above.
        """
        if self._positions is None and not self._searched and type(key) is str:
            self._searched = True
            found = self._search(key)
            if found is not None:
                return found
        if self._positions is None:
            self._positions = self._decoded()
        return self._positions[key]

    def _search(self, key: str) -> int | None:
        """Return where a text stands among others of its size, ``None`` if not all keys are such, or if it stands there twice."""
        try:
            wanted = self._engine.one(key)
        except Unusual:  # a lone surrogate
            return None
        data, size, start = self._data, len(wanted), len(array_head(self._count, self._engine.codec))
        if len(data) != start + size * self._count:
            return None
        for i in range(size - len(key.encode())):  # all begin as texts of that size do: none begins elsewhere
            if data[start + i :: size] != wanted[i : i + 1] * self._count:
                return None
        at = _aligned(data, wanted, start, start)
        if at < 0:
            raise KeyError(key)
        return None if _aligned(data, wanted, at + size, start) >= 0 else (at - start) // size

    def _decoded(self) -> dict[Any, int]:
        keys = self._engine.decode(self._data)
        try:
            found = dict(zip(keys, range(self._count), strict=True))
        except (TypeError, ValueError) as error:
            raise FormatError("a key directory that does not match its map", kind="toc") from error
        if not isinstance(keys, list) or len(found) != self._count:
            raise FormatError("a key directory that does not match its map", kind="toc")
        return found


def _aligned(data: bytes, wanted: bytes, low: int, start: int) -> int:
    """Return where an item stands among items of its size that begin at ``start``, -1 if nowhere."""
    at = data.find(wanted, low)
    while at >= 0 and (at - start) % len(wanted):
        at = data.find(wanted, at + 1)
    return at
