"""A program that begins writes until it is killed: ``python killed.py URL``, then ``colour bytes-limit`` on a line for each write.

It forks a child for each line, tells its process id, and tells how it ended. With a limit, the child is killed by the system when a file
that it writes has so many bytes (SIGXFSZ); without, somebody kills it from outside.
"""

import asyncio
import os
import resource
import signal
import sys

from holdall.core.retry import RetryPolicy
from holdall.tiers import FileStore

SIZE = 32 << 20
NEW = bytes(range(256)) * (SIZE // 256)


def write(url: str, colour: str, limit: int) -> None:
    if limit:
        signal.signal(signal.SIGXFSZ, signal.SIG_DFL)
        resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
    with FileStore(url, digest=None, retry=RetryPolicy(attempts=1)) as fs:
        if colour == "async":
            asyncio.run(fs.put_async("k", NEW, force=True))
        else:
            fs.put("k", NEW, force=True)


if __name__ == "__main__":
    from preloading import preload  # it lies beside this program

    preload(sys.argv[1:])
    for line in sys.stdin:
        colour, limit = line.split()
        child = os.fork()  # of a process with one thread
        if child == 0:
            try:
                write(sys.argv[1], colour, int(limit))
                os._exit(0)
            finally:
                os._exit(1)
        sys.stdout.write(f"{child}\n")
        sys.stdout.flush()
        _, status = os.waitpid(child, 0)
        sys.stdout.write(f"{os.waitstatus_to_exitcode(status)}\n")
        sys.stdout.flush()
