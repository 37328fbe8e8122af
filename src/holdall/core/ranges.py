"""Byte ranges: one value, resolved against a size, and merged when near each other."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from holdall.errors import RangeNotSatisfiableError

__all__ = ["ByteRange", "Coalesce", "Merged", "coalesce"]


@dataclass(frozen=True, slots=True)
class ByteRange:
    """Part of an object: ``ByteRange(start, end)`` (end exclusive), ``ByteRange(start)`` to the end, ``ByteRange.last(n)``.

    Invariants: ``start >= 0`` and ``end > start``; or ``start < 0`` and no end, meaning the last ``-start`` bytes.

    Raises:
        ValueError: An empty, reversed or negative range.

    Example:
        >>> ByteRange(2, 100).resolve(10), ByteRange.last(3).resolve(10)
        ((2, 10), (7, 10))
    """

    start: int
    end: int | None = None

    def __post_init__(self) -> None:
        for bound in (self.start, self.end):
            if bound is not None and (not isinstance(bound, int) or isinstance(bound, bool)):
                raise TypeError(f"a range bound is an int, not {type(bound).__name__}")
        if self.start < 0 and self.end is not None:
            raise ValueError("a range from the end (negative start) has no end bound")
        if self.end is not None and self.end <= self.start:
            raise ValueError(f"an empty or reversed range: {self.start}..{self.end}")

    @classmethod
    def last(cls, length: int) -> ByteRange:
        """Return the range of the last ``length`` bytes (at least 1)."""
        if length <= 0:
            raise ValueError(f"the last {length} bytes are no range")
        return cls(-length)

    @classmethod
    def of(cls, value: ByteRange | tuple[int, int] | tuple[int, None] | None) -> ByteRange | None:
        """Return a range from a range, a ``(start, end)`` pair or ``None``."""
        if value is None or isinstance(value, ByteRange):
            return value
        start, end = value
        return cls(start, end)

    def resolve(self, size: int, *, key: str | None = None, store: object = None) -> tuple[int, int]:
        """Return ``(start, end)`` within an object of ``size`` bytes, the end clipped.

        Args:
            size: Bytes of the object.
            key: The object, for the error.
            store: Its store, for the error.

        Raises:
            RangeNotSatisfiableError: The range starts at or behind the end (RFC 9110, 14.1.2). The last n bytes of an
                empty object are ``(0, 0)``.
        """
        if self.start < 0:
            return max(0, size + self.start), size
        if self.start >= size:
            raise RangeNotSatisfiableError(
                f"range starts at byte {self.start} of an object of {size} bytes", key=key, store=store
            )
        return self.start, size if self.end is None else min(self.end, size)

    def header(self) -> str:
        """Return the value of an HTTP ``Range`` header."""
        if self.start < 0:
            return f"bytes={self.start}"
        return f"bytes={self.start}-" if self.end is None else f"bytes={self.start}-{self.end - 1}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Coalesce:
    """How far apart ranges may lie to be fetched as one, and how large such a fetch may grow (bytes)."""

    gap: int = 64 * 1024
    largest: int = 8 * 1024 * 1024

    def __post_init__(self) -> None:
        if self.gap < 0 or self.largest < 1:
            raise ValueError("gap is at least 0 and largest at least 1 byte")


@dataclass(frozen=True, slots=True)
class Merged:
    """One fetch ``[start, end)`` that serves the requested ranges at ``members`` (indexes into the request)."""

    start: int
    end: int
    members: tuple[int, ...]


def coalesce(ranges: Sequence[tuple[int, int]], rule: Coalesce | None = None) -> list[Merged]:
    """Merge near ranges into fetches, sorted by start; empty ranges need no fetch and are left out.

    A range longer than ``rule.largest`` is fetched on its own; overlapping ranges always share a fetch.

    Raises:
        ValueError: A negative or reversed range.

    Example:
        >>> coalesce([(100, 200), (0, 10), (12, 20)], Coalesce(gap=8))
        [Merged(start=0, end=20, members=(1, 2)), Merged(start=100, end=200, members=(0,))]
    """
    rule = rule or Coalesce()
    for start, end in ranges:
        if start < 0 or end < start:
            raise ValueError(f"no byte range: {start}..{end}")
    order = sorted((i for i, (start, end) in enumerate(ranges) if end > start), key=lambda i: ranges[i])
    merged: list[Merged] = []
    group: list[int] = []
    low = high = 0
    for i in order:
        start, end = ranges[i]
        joined = max(high, end)
        if group and (start < high or (start - high <= rule.gap and joined - low <= rule.largest)):
            group.append(i)
            high = joined
            continue
        if group:
            merged.append(Merged(low, high, tuple(group)))
        group, low, high = [i], start, end
    if group:
        merged.append(Merged(low, high, tuple(group)))
    return merged
