"""How many requests of a batch may be under way: halved when the storage asks for fewer, one more for each round that it answers."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TypeVar

from holdall.records.forks import ForkLock

__all__ = ["Ask", "AsyncAsk", "Window"]

T = TypeVar("T")
R = TypeVar("R")

Ask = Callable[[T], R]
"""One request of a batch; its twin is `AsyncAsk`."""
AsyncAsk = Callable[[T], Awaitable[R]]


class Window:
    """The width of one database's batches. Pure, but for its lock.

    Args:
        most: Its width to begin with, and never more.

    Example:
        >>> window = Window(8)
        >>> begun = window.round
        >>> for _ in range(8):
        ...     window.refused(begun)  # all of one round: halved once
        >>> window.width()
        4
        >>> for _ in range(4):
        ...     window.answered()
        >>> window.width()
        5
    """

    def __init__(self, most: int) -> None:
        self._most = self._width = most
        self._answered = 0
        self._lock = ForkLock()
        self.round = 0
        """Counts the times that it was narrowed; a request notes it before it is sent."""

    def width(self) -> int:
        """Return how many may be under way now, at least one."""
        return self._width

    def refused(self, begun: int) -> None:
        """Halve, unless that was done since the refused request was sent."""
        with self._lock:
            if begun == self.round:
                self.round += 1
                self._width, self._answered = max(1, self._width // 2), 0

    def answered(self) -> None:
        """Widen by one when as many were answered as may be under way."""
        if self._width == self._most:
            return
        with self._lock:
            self._answered += 1
            if self._answered >= self._width < self._most:
                self._width, self._answered = self._width + 1, 0
