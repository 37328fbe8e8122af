"""Obstore and fork: once obstore did I/O in a process, no child forked from it may use it, nor any store made there.

Its Rust runtime and sockets are shared by the whole process. A forked child that uses them hangs for ever, with a new
store as well, and damages the parent's event queue so that the parent hangs too. A process that had not used obstore yet
forks freely. Therefore one mark for the whole process, set by the first I/O, looked at by every call.
"""

from __future__ import annotations

import atexit

from holdall._concurrency import ForkGuard
from holdall.drivers.objects_exit import let_go
from holdall.errors import ForkedProcessError

__all__ = ["check_fork", "used"]

_first: ForkGuard | None = None


def check_fork(store: object = None) -> None:
    """Note that obstore is used in this process, or refuse.

    Raises:
        ForkedProcessError: This process was forked from one that had used obstore.
    """
    global _first  # noqa: PLW0603  # one runtime per process, so one mark
    if _first is None:
        _first = ForkGuard()
        atexit.register(let_go)
    elif _first.stale():
        raise ForkedProcessError(
            "object stores were used before fork() and cannot work in the child: "
            'start processes with "spawn" or "forkserver"',
            store=store,
        )


def used() -> bool:
    """Tell whether this process, or the one it was forked from, has used obstore."""
    return _first is not None
