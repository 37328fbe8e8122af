"""The members of a container, several at a time: items of a list, or keys and values of a map in turn."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import chain, islice
from typing import Any

from holdall.containers.errors import EncodeError

__all__ = ["PLAIN_KEYS", "Groups", "Keys", "Pairs", "Slices"]

PLAIN_KEYS = frozenset({str, int, float, bool, type(None), bytes})
"""Types of keys that are encoded together with their values."""


class Slices:
    """The items of a list or tuple."""

    __slots__ = ("_at", "_items")

    def __init__(self, items: Sequence[Any]) -> None:
        self._items = items
        self._at = 0

    def take(self, count: int) -> list[Any]:
        """Return the next items."""
        at = self._at
        self._at += count
        found = self._items[at : self._at]
        return found if type(found) is list else list(found)


class Pairs:
    """The keys and values of a mapping, in turn."""

    __slots__ = ("_keys", "_pairs", "_values")

    def __init__(self, mapping: Mapping[Any, Any]) -> None:
        plain = type(mapping) is dict
        self._keys: Iterator[Any] | None = iter(mapping) if plain else None
        self._values: Iterator[Any] | None = iter(mapping.values()) if plain else None
        self._pairs = iter(mapping.items())

    def take(self, count: int) -> list[Any]:
        """Return the next keys and values."""
        if self._keys is None or self._values is None:
            return list(chain.from_iterable(islice(self._pairs, count)))
        keys = list(islice(self._keys, count))
        found: list[Any] = [None] * (2 * len(keys))
        found[::2], found[1::2] = keys, islice(self._values, count)
        return found


class Groups:
    """The members of a container whose weights are known, grouped so that each group weighs less than a leaf.

    Args:
        members: Items, or keys and values in turn.
        weights: Of each item, or pair.
        limit: A leaf's.
        each: 1 for items, 2 for pairs.
    """

    __slots__ = ("_at", "_each", "_limit", "_members", "_weights")

    def __init__(self, members: list[Any], weights: list[int], limit: int, *, each: int) -> None:
        self._members = members
        self._weights = weights
        self._limit = limit
        self._each = each
        self._at = 0

    def take(self, _count: int) -> list[Any]:
        """Return the next group."""
        begin, weight = self._at, 0
        while self._at < len(self._weights):
            weight += self._weights[self._at]
            if weight >= self._limit and self._at > begin:
                break
            self._at += 1
        return self._members[begin * self._each : self._at * self._each]


class Keys:
    """The keys of a stream of pairs: none may come twice."""

    __slots__ = ("_seen",)

    def __init__(self) -> None:
        self._seen: set[Any] = set()

    def flat(self, pairs: list[Any], path: str) -> list[Any]:
        """Return the next pairs as keys and values in turn.

        Raises:
            ValueError: A key that came before.
            EncodeError: No pair, or a key that is no scalar.
        """
        for pair in pairs:
            if not isinstance(pair, tuple) or len(pair) != 2:
                raise EncodeError("a stream of pairs has pairs of key and value", path=path, type=type(pair).__name__)
            key = pair[0]
            try:
                if key in self._seen:
                    raise ValueError(f"the key {key!r} stands twice in a stream of pairs")
                self._seen.add(key)
            except TypeError as error:
                raise EncodeError("a map's key is a scalar", path=path, type=type(key).__name__) from error
        return list(chain.from_iterable(pairs))
