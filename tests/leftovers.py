"""What a piece of code leaves behind, apart from what the rest of the process has: other tests of a worker may still have some."""

import threading
import time
from pathlib import Path


class Threads:
    """The threads that are started from now on.

    A test asks for those of a name: servers and connections of fixtures that all tests share start threads too.
    """

    def __init__(self):
        self._before = set(threading.enumerate())

    def left(self, name="holdall", wait=20.0):
        """Return the new threads of a name that do not end."""
        new = [thread for thread in threading.enumerate() if thread not in self._before and thread.name.startswith(name)]
        for thread in new:
            thread.join(wait)
        return [thread for thread in new if thread.is_alive()]


def left_open_below(root, wait=10.0):
    """Return what stays open below a path: a thread may let go of a file a moment after its caller goes on."""
    end = time.monotonic() + wait
    while (found := open_below(root)) and time.monotonic() < end:
        time.sleep(0.01)
    return found


def open_below(root):
    """Return the open files and directories of this process below a path; of the path itself too."""
    root = str(Path(root).resolve())
    found = []
    for link in Path("/proc/self/fd").iterdir():
        try:
            target = str(link.readlink())
        except OSError:  # closed meanwhile
            continue
        if target == root or target.startswith((f"{root}/", f"{root} (deleted)")):
            found.append(target)
    return found
