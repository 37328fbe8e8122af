"""The one lister's place (S2): one in this process and, beside a file, a lock that the kernel gives back if its holder dies."""

from __future__ import annotations

import contextlib
import os
from contextlib import AbstractContextManager

from holdall.drivers._local_system import lock_now, unlock

__all__ = ["Flight", "Place"]


class Place:
    """The place in this process, and who has it.

    Args:
        lock: Of the mirror: while somebody holds it, this process does not fork.
    """

    def __init__(self, lock: AbstractContextManager[object]) -> None:
        self.lock = lock
        self.lister: Flight | None = None

    def leave(self) -> None:
        """In a forked child, leave the place to the parent. Its lock is not to be given back: that would be done for the parent, too."""
        lister, self.lister = self.lister, None
        if lister is not None:
            lister.close()


class Flight:
    """A try to be the lister.

    Args:
        place: Of the mirror, in this process.
        path: Of the mirror's file; ``None`` in memory.
    """

    def __init__(self, place: Place, path: str | None) -> None:
        self._place = place
        self._path = path
        self._fd: int | None = None

    def take(self) -> bool:
        """Take the place without waiting for who has it, and tell whether it was free."""
        with self._place.lock:
            if self._place.lister is not None:
                return False
            self._place.lister = self
            if self._path is None:
                return True
            try:
                os.makedirs(os.path.dirname(self._path), mode=0o700, exist_ok=True)
                self._fd = os.open(f"{self._path}.lock", os.O_CREAT | os.O_RDWR, 0o600)
                if not lock_now(self._fd):
                    self.give_back()
            except OSError:
                pass  # a second lister costs requests, no more
            return self._place.lister is self

    def give_back(self) -> None:
        """Let another one list; idempotent, also if the place was never taken."""
        if self._place.lister is not self:
            return
        try:
            if self._fd is not None:
                with contextlib.suppress(OSError):
                    unlock(self._fd)
            self.close()
        finally:
            self._place.lister = None

    def close(self) -> None:
        """Close the file of the lock."""
        fd, self._fd = self._fd, None
        if fd is not None:
            os.close(fd)
