"""Run one server process and end it when the watched process is gone, so that a killed test run leaves nothing behind.

Started by path with an isolated interpreter: it imports the standard library alone.
Usage: ``python -I leash.py WATCHED_PID SIGNAL USER DIRECTORY COMMAND…`` (USER ``-``: the present one).
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import signal
import subprocess
import sys

POLL = 0.1
GRACE = 10.0


def main(arguments: list[str]) -> int:
    """Start the command, wait for its end or for a reason to end it."""
    watched, ending, user, directory, *command = arguments
    told: list[int] = []
    # before the child is there: a signal that comes in between must not leave it behind
    signal.signal(signal.SIGTERM, lambda number, _frame: told.append(number))
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    child = subprocess.Popen(
        command,
        cwd=directory,
        stdin=subprocess.DEVNULL,
        user=None if user == "-" else user,
        group=None if user == "-" else user,
        extra_groups=None if user == "-" else [],
        preexec_fn=lambda: _die_with_parent(int(ending)),  # noqa: PLW1509  # this process has one thread
    )
    while child.poll() is None:
        if told or not _lives(int(watched)):
            return _end(child, int(ending))
        with contextlib.suppress(subprocess.TimeoutExpired):
            child.wait(POLL)
    return child.returncode


def _end(child: subprocess.Popen[bytes], ending: int) -> int:
    child.send_signal(ending)
    try:
        child.wait(GRACE)
    except subprocess.TimeoutExpired:
        child.kill()
        child.wait(GRACE)
    return 0


def _die_with_parent(ending: int) -> None:
    """Let Linux end the child if this process is killed itself (PR_SET_PDEATHSIG)."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    if sys.platform == "linux":
        with contextlib.suppress(OSError, AttributeError):
            ctypes.CDLL(None).prctl(1, ending)


def _lives(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
