"""A program that lists a hundred thousand names of two locations in both colours, and tells how much its memory grew at most, in MiB."""

import asyncio
import json
import sys
from pathlib import Path

from holdall.core.meta import ListPage, ObjectMeta
from holdall.drivers.memory import MemoryStore
from holdall.errors import UnavailableError
from holdall.tiers import FileStore
from holdall.wrappers.forwarding import ForwardingStore


class Long(ForwardingStore):
    """Lists a hundred thousand names but every fourth, a thousand a page, made as they are asked for; perhaps out of order."""

    def __init__(self, without, *, ordered=True, fails_at=None):
        super().__init__(MemoryStore())
        self.without, self.ordered, self.fails_at = without, ordered, fails_at
        self.drawn = 0

    def _narrowed(self, inner):
        return inner.narrowed(ordered=self.ordered)

    def list(self, prefix="", *, delimiter=None, start_after=None):
        assert (prefix, delimiter, start_after) == ("", None, None)
        for page in range(100):
            if page + 1 == self.fails_at:
                raise UnavailableError("gone in the midst of it")
            self.drawn += 1000
            at = page * 1000 if self.ordered else (page * 37 % 100) * 1000
            numbers = (i for i in range(at, at + 1000) if i % 4 != self.without)
            yield ListPage([ObjectMeta(key=f"k{i:06}", size=0, last_modified=None) for i in numbers], [])

    async def list_async(self, prefix="", *, delimiter=None, start_after=None):
        for page in self.list(prefix, delimiter=delimiter, start_after=start_after):
            yield page


def check(i, entry, places):
    """Half of the names are in both places; no more than two pages are held of each."""
    if (entry.path, len(entry.locations)) != (f"k{i:06}", 1 if i % 4 in {0, 1} else 2):
        raise AssertionError(entry)
    if all(place.ordered for place in places) and max(place.drawn for place in places) - i > 2000:
        raise AssertionError(f"more than two pages are held at {i}")


def blocking(*places):
    with FileStore(*places) as fs:
        i = -1
        for i, entry in enumerate(fs.list()):
            check(i, entry, places)
        assert i == 99_999


def in_tasks(*places):
    async def read():
        i = -1
        async with FileStore(*places) as fs:
            async for entry in fs.list_async():
                i += 1
                check(i, entry, places)
        assert i == 99_999

    asyncio.run(read())


def peak():
    status = Path("/proc/self/status").read_text(encoding="ascii")
    return next(int(line.split()[1]) / 1024 for line in status.splitlines() if line.startswith("VmHWM:"))


if __name__ == "__main__":
    asyncio.run(asyncio.sleep(0))
    before, grown = peak(), {}
    for ordered in (True, False):
        for read in (blocking, in_tasks):
            read(Long(0), Long(1, ordered=ordered))
            grown[f"{read.__name__}, {'in' if ordered else 'out of'} order"] = peak() - before
    json.dump(grown, sys.stdout)
