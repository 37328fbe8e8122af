"""About how large a value will be once it is encoded, told without encoding it."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from typing import Any

from holdall.containers.plain import as_container, is_array

__all__ = ["FEW", "NUMBERS", "Scale", "at_least"]

DEEP = 128
"""Levels that a look at a value goes down; the encoders in C give up some way below."""
FEW = 64
"""Members of a container that are weighed one by one; of larger ones a sample is."""
SAMPLE = 16
SCRAP = 100_000
"""Remembered weights, at most."""
NUMBERS = frozenset({float, int, bool, type(None)})


class Scale:
    """Weighs values, each container once.

    Weights of containers up to 64 members are close, those of larger ones a guess from a sample. What has to be taken apart anyway
    (streams, unusual types, deep values) weighs a leaf. A weight may be that of a value that is no more: it decides how a document is
    cut, never what is written.

    Args:
        limit: A leaf's bytes; whatever weighs more weighs this much.
    """

    __slots__ = ("_known", "limit")

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self._known: dict[int, int] = {}

    def weigh(self, value: Any) -> int:
        """Return the weight of a value, at most the limit."""
        try:
            return min(self._weight(value, 0), self.limit)
        except RecursionError:
            return self.limit

    def forget(self) -> None:
        """Drop remembered weights: the values may be gone."""
        if self._known:
            self._known = {}

    def _weight(self, value: Any, depth: int) -> int:
        kind = type(value)
        if kind is str:
            return len(value) + 3 if value.isascii() else 3 * len(value) + 3
        if kind is float:
            return 9
        if kind is int:
            return 1 if -32 <= value < 128 else 5
        if kind is dict or kind is list or kind is tuple:
            found = self._known.get(id(value))
            if found is None:
                if depth > DEEP:
                    return self.limit
                found = self._container(value, depth + 1)
                if len(self._known) > SCRAP:
                    self._known.clear()
                self._known[id(value)] = found
            return found
        if value is None or kind is bool:
            return 1
        if kind is bytes:
            return len(value) + 5
        if is_array(value):
            return int(value.nbytes) + 64
        return 20 if as_container(value) is None else self.limit

    def _container(self, value: Any, depth: int) -> int:
        count = len(value)
        is_map = type(value) is dict
        if count > FEW:
            return self._many(value, count, depth, is_map=is_map)
        total, limit, weight = 3, self.limit, self._weight
        if is_map:
            for key in value:
                total += len(key) + 3 if type(key) is str else 9
        for member in value.values() if is_map else value:
            if type(member) is str and member.isascii():
                total += len(member) + 3
            else:
                total += weight(member, depth)
            if total >= limit:
                return limit
        return total

    def _many(self, value: Any, count: int, depth: int, *, is_map: bool) -> int:
        """Weigh a sample; of uniform scalars, if they may be small, all."""
        if count >= self.limit:
            return self.limit
        if is_map:
            members = [*islice(value.values(), SAMPLE)]
            keys = sum(len(key) + 3 if type(key) is str else 9 for key in islice(value, SAMPLE))
        else:
            members, keys = value[:: max(1, count // SAMPLE)], 0
        guess = (keys + sum(self._weight(member, depth) for member in members)) * count // len(members)
        if guess >= 2 * self.limit:
            return self.limit
        every = value.values() if is_map else value
        kinds = set(map(type, every))
        if kinds <= NUMBERS:
            return 9 * count + (keys * count // len(members))
        if kinds == {str}:
            return sum(map(len, every)) + 3 * count + keys * count // len(members)
        return guess


def at_least(value: Any, budget: int, steps: int = 1 << 62) -> bool:
    """Tell whether a value may encode to ``budget`` bytes or more, looking at no more than ``steps`` members of it.

    Streams, values of unusual types and deep ones count as large: they have to be taken apart anyway.
    """
    size = 0
    stack: list[Iterator[Any]] = [iter((value,))]
    while stack:
        if len(stack) > DEEP:
            return True
        for item in stack[-1]:
            kind = type(item)
            if kind is str:
                size += len(item) + 1
            elif kind is float:
                size += 9
            elif kind is int or item is None or kind is bool:
                size += 1
            elif kind is dict:
                steps -= len(item)
                if steps < 0:
                    return True
                size += 1 + 2 * len(item)
                stack.append(iter(item.values()))
                break
            elif kind is list or kind is tuple:
                steps -= len(item)
                if steps < 0:
                    return True
                size += 1
                stack.append(iter(item))
                break
            elif kind is bytes:
                size += len(item) + 2
            elif is_array(item):
                size += item.nbytes
            elif as_container(item) is not None:
                return True
            if size >= budget:
                return True
        else:
            stack.pop()
    return size >= budget
