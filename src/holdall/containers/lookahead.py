"""What is read ahead for those who go through an archive from one end to the other: few large ranges instead of many small ones."""

from __future__ import annotations

from collections.abc import Sequence

__all__ = ["PIECES", "Lookahead"]

PIECES = 4
"""Pieces that are asked for at once, and held beside those that are needed."""


class Lookahead:
    """Holds pieces of an object around the place where it is read; which ones to fetch is decided here, fetching is left to others.

    Args:
        size: Bytes of the object.
        step: Bytes of a piece.

    Example:
        >>> ahead = Lookahead(100, 10)
        >>> ahead.lacking([(12, 17)])
        [(10, 20), (20, 30), (30, 40), (40, 50)]
        >>> ahead.take([(10, 20), (20, 30)], [b"0123456789", b"abcdefghij"])
        >>> ahead.cut([(12, 17), (18, 23)])
        [b'23456', b'89abc']
    """

    __slots__ = ("_held", "_size", "step")

    def __init__(self, size: int, step: int) -> None:
        self._size = size
        self.step = step
        self._held: dict[int, bytes] = {}

    def serves(self, spans: Sequence[tuple[int, int]]) -> bool:
        """Tell whether ranges are small enough to be cut out of what is held."""
        return sum(end - start for start, end in spans) <= self.step * PIECES // 2

    def lacking(self, spans: Sequence[tuple[int, int]]) -> list[tuple[int, int]]:
        """Return what has to be fetched for ranges, and the pieces behind it; let go of what was passed."""
        step, held = self.step, self._held
        needed = {at for start, end in spans for at in range(start // step, (end - 1) // step + 1)}
        lacking = needed - held.keys()
        if not lacking:
            return []
        low, high = min(needed) - 1, max(needed) + PIECES  # members that were passed over may be a piece behind
        for at in [at for at in held if not low <= at <= high]:
            del held[at]
        beyond = range(max(lacking) + 1, max(lacking) + PIECES)
        lacking |= {at for at in beyond if at not in held and at * step < self._size}
        return [(at * step, min((at + 1) * step, self._size)) for at in sorted(lacking)]

    def take(self, spans: Sequence[tuple[int, int]], found: Sequence[bytes]) -> None:
        """Hold what was fetched."""
        self._held |= {start // self.step: data for (start, _), data in zip(spans, found, strict=True)}

    def cut(self, spans: Sequence[tuple[int, int]]) -> list[bytes]:
        """Return ranges of what is held."""
        return [b"".join(self._cut(start, end)) for start, end in spans]

    def _cut(self, start: int, end: int) -> list[bytes]:
        step = self.step
        return [
            self._held[at][max(0, start - at * step) : end - at * step] for at in range(start // step, (end - 1) // step + 1)
        ]
