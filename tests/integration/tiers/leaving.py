"""A program that uses file stores over several kinds of storage and closes them: what is left of sockets, files and threads?"""

import gc
import json
import sys
import threading
import time
from pathlib import Path
from urllib.parse import urlsplit

from holdall.testing import colour_named
from holdall.testing.colour import NAMES
from holdall.tiers import FileStore


def use(urls):
    """Use a file store in both colours, from threads too, and close it."""
    for name in NAMES:
        with colour_named(name) as colour, FileStore(*urls) as plain:
            fs = colour(plain)
            fs.put("k", bytes(3_000_000))
            fs.put("d/l", b"x")
            threads = [threading.Thread(target=plain.get, args=("k", where)) for where in range(len(urls))]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
            assert [entry.path for entry in fs.list()] == ["d/l", "k"]
            for where in range(len(urls)):
                with plain.stream("k", where) as chunks:
                    next(iter(chunks))  # the rest is not read
            assert fs.health(60).ok
            assert connected(urls)
            assert fs.delete_batch(["k", "d/l"]) == []


def targets():
    """Return what the open files of this process are."""
    found = set()
    for link in Path("/proc/self/fd").iterdir():
        try:
            found.add(str(link.readlink()))
        except OSError:  # closed meanwhile
            continue
    return found


def connected(urls):
    """Return the connections of this process to the servers."""
    ports = {urlsplit(url).port for url in urls} - {None}
    lines = Path("/proc/self/net/tcp").read_text().splitlines()[1:]
    ours = targets()
    remote = [(int(fields[2].rpartition(":")[2], 16), f"socket:[{fields[9]}]") for fields in map(str.split, lines)]
    return sorted(port for port, name in remote if port in ports and name in ours)


def left(urls, folder):
    """Return what there still is."""
    files = sorted(name for name in targets() if name.startswith(folder))
    threads = [thread.name for thread in threading.enumerate() if thread is not threading.main_thread()]
    threads = [name for name in threads if not name.startswith(("fsspecIO", "asyncio_"))]  # fsspec keeps its loop for good
    return {"sockets": connected(urls), "files": files, "threads": threads}


def main(folder, *urls):
    """Use them, and wait until nothing is left, or for long."""
    use(urls)
    deadline = time.monotonic() + 60
    while any((found := left(urls, folder)).values()) and time.monotonic() < deadline:
        gc.collect()
        time.sleep(0.05)
    sys.stdout.write(json.dumps(found))


if __name__ == "__main__":
    main(*sys.argv[1:])
