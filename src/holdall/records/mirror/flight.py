"""The one lister's place (S2): a lock of this process and, beside a file, one that the kernel gives back if its holder dies."""

from __future__ import annotations

import contextlib
import os
import threading

from holdall.drivers._local_system import lock_now, unlock

__all__ = ["Flight"]


class Flight:
    """A try to be the lister.

    Args:
        lock: Of the mirror, in this process.
        path: Of the mirror's file; ``None`` in memory.
    """

    def __init__(self, lock: threading.Lock, path: str | None) -> None:
        self._lock = lock
        self._path = path
        self._fd: int | None = None
        self._taken = False

    def take(self) -> bool:
        """Take the place without waiting and tell whether it was free."""
        if not self._lock.acquire(blocking=False):
            return False
        self._taken = True
        if self._path is None:
            return True
        try:
            os.makedirs(os.path.dirname(self._path), mode=0o700, exist_ok=True)
            self._fd = os.open(f"{self._path}.lock", os.O_CREAT | os.O_RDWR, 0o600)
            if not lock_now(self._fd):
                self.give_back()
        except OSError:
            pass  # a second lister costs requests, no more
        return self._taken

    def give_back(self) -> None:
        """Let another one list; idempotent, also if the place was never taken."""
        if not self._taken:
            return
        self._taken = False
        fd, self._fd = self._fd, None
        if fd is not None:
            with contextlib.suppress(OSError):
                unlock(fd)
            os.close(fd)
        self._lock.release()
