"""One lock per key, for stores that cannot write under a condition: within this process, it has to do."""

from __future__ import annotations

import os
import threading
import weakref

__all__ = ["key_lock"]


class _KeyLock:
    """A lock that may be released by another thread than the one that took it."""

    __slots__ = ("__weakref__", "acquire", "release")

    def __init__(self) -> None:
        lock = threading.Lock()
        self.acquire = lock.acquire
        self.release = lock.release


_locks: weakref.WeakValueDictionary[tuple[str, str], _KeyLock] = weakref.WeakValueDictionary()
_guard = threading.Lock()


def key_lock(backend: str, key: str) -> _KeyLock:
    """Return the lock of a key."""
    with _guard:
        return _locks.setdefault((backend, key), _KeyLock())


def _after_fork() -> None:
    """Forget the locks in the child: threads of the parent may have held them."""
    global _guard  # noqa: PLW0603  # the one lock
    _guard = threading.Lock()
    _locks.clear()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)
