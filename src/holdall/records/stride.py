"""How many records are asked for at once, so that long ones do not fill the memory. Pure."""

from __future__ import annotations

__all__ = ["ROOM", "Stride"]

ROOM = 8 * 1024 * 1024
"""Characters that are asked for at once, if it is more than one record."""
_GROWTH = 8


class Stride:
    """The number of records in the next step: few to begin with, then as many as those before let one expect to fit.

    Args:
        most: Never more.
        first: How many to begin with.
        held: Characters that a step is to hold.

    Attributes:
        size: How many to ask for next.

    Example:
        >>> stride = Stride(1000, first=32)
        >>> stride.took(32, 32 * 300)
        >>> stride.size
        256
        >>> stride.took(256, 256 * 1_000_000)
        >>> stride.size
        8
    """

    def __init__(self, most: int, *, first: int = 32, held: int = ROOM) -> None:
        self._most, self._held = most, held
        self.size = min(most, first)

    def took(self, number: int, characters: int) -> None:
        """Note what a step has brought: so many records of so many characters together."""
        if number:
            fitting = self._held * number // characters if characters else self._most
            self.size = max(1, min(self._most, _GROWTH * number, fitting))
