"""Random bytes of the system, taken in larger pieces: a call of the system for each token is a tenth of a small request."""

from __future__ import annotations

import os
import threading

__all__ = ["random_bytes"]

_PIECE = 4096


class _Pool:
    """Bytes that nobody was given yet."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._held = b""
        self._at = 0

    def take(self, count: int) -> bytes:
        with self._lock:
            if self._at + count > len(self._held):
                self._held, self._at = os.urandom(max(_PIECE, count)), 0
            self._at += count
            return self._held[self._at - count : self._at]


_pool = _Pool()


def _renew() -> None:
    """Give a forked child bytes of its own."""
    global _pool  # noqa: PLW0603  # written in the child only, before anything runs there
    _pool = _Pool()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_renew)


def random_bytes(count: int) -> bytes:
    """Return random bytes, as good as those of `os.urandom`.

    Example:
        >>> len(random_bytes(12)), random_bytes(12) != random_bytes(12)
        (12, True)
    """
    return _pool.take(count)
