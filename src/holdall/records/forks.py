"""What a forked child must not inherit: locks that other threads of the parent held, and connections that work in one process only."""

from __future__ import annotations

import os
import threading
import time
import weakref
from types import TracebackType
from typing import Protocol

__all__ = ["ForkLock", "Resting", "rests"]

PATIENCE = 5.0
"""Seconds for which a fork waits at most until all have come to rest."""


class ForkLock:
    """A lock that is free in a forked child, whoever held it in the parent: for a few lines that leave nothing halfway.

    Example:
        >>> lock = ForkLock()
        >>> with lock:
        ...     pass
    """

    __slots__ = ("__weakref__", "_lock")

    def __init__(self) -> None:
        self.renew()
        _locks.add(self)

    def renew(self) -> None:
        """Be free."""
        self._lock = threading.Lock()

    def __enter__(self) -> None:
        self._lock.acquire()

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._lock.release()


class Resting(Protocol):
    """What comes to rest before a fork, whichever thread forks."""

    def rest(self, until: float) -> bool:
        """Take its lock, if that takes no longer than until then (`time.monotonic`), and let go of what cannot be shared; tell whether it has it."""
        ...

    def go_on(self) -> None:
        """Give the lock back, in the parent."""
        ...

    def begin_anew(self, *, rested: bool) -> None:
        """Be as if just made, in the child; or useless, but in nobody's way, if it did not come to rest."""
        ...


_locks: weakref.WeakSet[ForkLock] = weakref.WeakSet()
_living: weakref.WeakValueDictionary[int, Resting] = weakref.WeakValueDictionary()


class _Begun(threading.local):
    """The forks that a thread has begun, one within the other if a signal's handler forks; of each, what came to rest for it."""

    def __init__(self) -> None:
        self.forks: list[list[Resting]] = []


_begun = _Begun()


def rests(one: Resting) -> None:
    """Have something come to rest before each fork, as long as it lives."""
    _living[id(one)] = one


def _all() -> list[Resting]:
    return [one for each in _living.valuerefs() if (one := each()) is not None]


def _before() -> None:
    rested = list[Resting]()
    _begun.forks.append(rested)
    until = time.monotonic() + PATIENCE
    for one in _all():  # in the same order whichever thread forks
        if one.rest(until):
            rested.append(one)


def _in_parent() -> None:
    for one in _begun.forks.pop():
        one.go_on()


def _in_child() -> None:
    for lock in _locks:
        lock.renew()
    rested = _begun.forks.pop() if _begun.forks else []  # who embeds Python may fork without a word before
    for one in _all():
        one.begin_anew(rested=one in rested)


if hasattr(os, "register_at_fork"):
    os.register_at_fork(before=_before, after_in_parent=_in_parent, after_in_child=_in_child)
