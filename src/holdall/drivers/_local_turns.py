"""Turns at the disk: threads that write small files go one after the other, as long as the disk is quick.

A small file takes some fifteen calls of the system, and each gives up the interpreter and takes it again. Threads that do so at the
same time spend more on waiting for the interpreter than on their files; one after the other they are about twice as quick.
A disk that lets them wait (of a network, say) is better used by all of them at once.
"""

from __future__ import annotations

import threading
import time

__all__ = ["Turns"]

PATIENCE = 0.005
"""Seconds that a thread waits for its turn."""
FEW = 3
"""Turns in that time that show a slow disk."""
REST = 0.1
"""Seconds for which nobody waits for a slow disk."""


class Turns:
    """A lock that nobody waits for for long: it saves time and protects nothing. Harmless after a fork, whoever held it."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._count = 0
        self._free_until = 0.0

    def take(self) -> bool:
        """Wait for the turn, if that is worth it; tell whether to `leave` it."""
        if self._lock.acquire(blocking=False):
            return True
        if time.monotonic() < self._free_until:
            return False
        before = self._count
        if self._lock.acquire(timeout=PATIENCE):
            return True
        if self._count - before < FEW:
            self._free_until = time.monotonic() + REST
        return False

    def leave(self) -> None:
        """Let the next one have its turn."""
        self._count += 1
        self._lock.release()
