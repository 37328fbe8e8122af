"""A mover for `test_processes`: forks a child for each move, and the child is killed at the step it is told.

The parent opens no store, so that the engine of S3 begins anew in each child; forking is only there to spare an interpreter's start.
"""

from __future__ import annotations

import asyncio
import importlib
import itertools
import json
import os
import signal
import sys
import threading

from holdall import StorageManager
from holdall.testing.stores import CountingStore
from holdall.wrappers._call import Call

steps = itertools.count()
counting = threading.Lock()
last = -1


def step():
    """Count a step, and die at the last one."""
    with counting:
        if next(steps) == last:
            os.kill(os.getpid(), signal.SIGKILL)


class Mortal(CountingStore):
    """A store whose verbs are steps: one before, one after."""

    def _call(self, verb, key):
        return Steps()


class Steps(Call):
    """A call that counts steps: each wait for the store has one before it and one behind it."""

    def begin(self):
        """Count the step before."""
        step()

    def pause(self):
        """Count the step behind."""
        step()

    def end(self, error=None):
        """Do nothing: the last wait was counted."""


def main():
    """Read the steps to die at, one a line; say how each child ended."""
    global last  # noqa: PLW0603  # where this process ends
    mounts, colour = json.loads(sys.argv[1]), sys.argv[2]
    for name in ("obstore.store", "botocore.session", "botocore.handlers", "holdall.engine.copying", "holdall.drivers.s3"):
        importlib.import_module(name)
    for line in sys.stdin:
        child = os.fork()
        if child == 0:
            last = int(line)
            storage = StorageManager(mounts)
            for name in mounts:
                storage.add_mount(name, Mortal(storage._open(name)))
            if colour == "blocking":
                storage.move("a:t", "b:t")
            else:
                asyncio.run(storage.move_async("a:t", "b:t"))
            os._exit(0)
        print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)  # noqa: T201  # what the test waits for


if __name__ == "__main__":
    main()
