"""Obstore and the end of a process: its threads must be out of Python before the interpreter goes.

A thread of obstore's runtime tells an event loop of a result by ``call_soon_threadsafe``, which gives up the interpreter
for a moment. The loop may be done, and the program at its end, before that thread has gone on; a thread that then asks for
the interpreter is unwound through Rust, which aborts the process (seen in one of ten short programs on a busy machine).
"""

from __future__ import annotations

import sys
import threading
import time

__all__ = ["let_go"]

SECONDS = 1.0


def let_go(seconds: float = SECONDS) -> None:
    """Wait, at most so long, until no thread that Python did not start is within Python. Called at exit."""
    until = time.monotonic() + seconds
    time.sleep(0)  # who waits for the interpreter comes in, and can be seen
    while _strangers() and time.monotonic() < until:
        time.sleep(0.001)


def _strangers() -> bool:
    known = {thread.ident for thread in threading.enumerate() if not isinstance(thread, threading._DummyThread)}  # pyright: ignore[reportPrivateUsage]
    return not known.issuperset(sys._current_frames())  # the one place that names threads of others
