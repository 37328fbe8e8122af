"""Obstore and fork: once obstore did I/O in a process, no child forked from it may use it, nor any store made there.

Its Rust runtime and sockets are shared by the whole process. A forked child that uses them hangs for ever, with a new
store as well, and damages the parent's event queue so that the parent hangs too. A process that had not used obstore yet
forks freely. Therefore one mark for the whole process, set when a store is opened, looked at by every call.
"""

from __future__ import annotations

import atexit
import os

from holdall.drivers.objects_exit import let_go
from holdall.errors import ForkedProcessError

__all__ = ["check_fork", "stale", "use", "used"]

_used = False
stale = False
"""Whether this process was forked from one that had used obstore."""


def _after_fork() -> None:
    global stale  # noqa: PLW0603  # written in the child only
    stale = _used


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)


def check_fork(store: object = None) -> None:
    """Refuse to work where obstore cannot.

    Raises:
        ForkedProcessError: This process was forked from one that had used obstore.
    """
    if stale:
        raise ForkedProcessError(
            "object stores were used before fork() and cannot work in the child: "
            'start processes with "spawn" or "forkserver"',
            store=store,
        )


def use() -> None:
    """Note that obstore is used in this process."""
    global _used  # noqa: PLW0603  # one runtime per process, so one mark
    if not _used:
        _used = True
        atexit.register(let_go)


def used() -> bool:
    """Tell whether this process, or the one it was forked from, has used obstore."""
    return _used
