"""Filesystems of fsspec that a program made itself; run as a program, a writer that never ends: ``python -m tests.integration.fsspec_stores JSON``."""

import asyncio
import json
import sys
import time

import fsspec
from tests.file_servers import over_sshfs

from holdall.drivers.fsspec import FsspecStore


def made(protocol, path, options):
    """Make a store over a filesystem of its own."""
    if protocol == "sshfs":
        return over_sshfs(path, **options)
    return FsspecStore(fsspec.filesystem(protocol, **options, skip_instance_cache=True), path=path)


def chunks():
    """Yield some large chunks, say so, and wait for the end."""
    for _ in range(3):
        yield bytes(6_000_000)
    sys.stdout.write("under way\n")
    sys.stdout.flush()
    time.sleep(600)


if __name__ == "__main__":
    colour, *described = json.loads(sys.argv[1])
    with made(*described) as store:
        if colour == "async":
            asyncio.run(store.put_async("k", chunks()))
        else:
            store.put("k", chunks())
