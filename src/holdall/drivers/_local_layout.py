"""What the log of a staged upload says: which stretches of the data file are reserved, and which parts are there."""

from __future__ import annotations

import os
from bisect import bisect_left, insort
from dataclasses import dataclass, field

from holdall.drivers import _local_system as system

__all__ = ["Layout"]


@dataclass(slots=True)
class Layout:
    """What the log says so far: every reserved stretch of the data file, and the parts that are done.

    Invariant: reserved stretches do not overlap; ``starts`` is sorted, ``ends`` stands beside it.
    """

    read: int = 0
    step: int = 0
    done: dict[int, tuple[int, int]] = field(default_factory=dict)
    reserved: dict[int, tuple[int, int]] = field(default_factory=dict)
    starts: list[int] = field(default_factory=list)
    sizes: dict[int, int] = field(default_factory=dict)

    def learn(self, log: int) -> None:
        """Read what was appended since."""
        raw = system.read_at(log, os.fstat(log).st_size - self.read, self.read)
        whole = raw[: raw.rfind(b"\n") + 1]  # a killed writer may have left half a line
        self.read += len(whole)
        for line in whole.splitlines():
            words = line.split()
            if len(words) != 4 or words[0] not in {b"r", b"d"}:
                continue
            number, offset, size = (int(word) for word in words[1:])
            (self.finish if words[0] == b"d" else self.reserve)(number, offset, size)

    def reserve(self, number: int, offset: int, size: int) -> None:
        """Take notice that a part is under way: what was sent of it before counts no more."""
        self.done.pop(number, None)
        self.reserved[number] = (offset, size)
        self.step = self.step or size
        if size:
            if offset not in self.sizes:
                insort(self.starts, offset)
            self.sizes[offset] = max(size, self.sizes.get(offset, 0))

    def finish(self, number: int, offset: int, size: int) -> None:
        """Take notice that a part is there."""
        self.done[number] = (offset, size)

    def end(self) -> int:
        """Return where the last reserved stretch ends."""
        return self.starts[-1] + self.sizes[self.starts[-1]] if self.starts else 0

    def free(self, offset: int, size: int) -> bool:
        """Tell whether nothing is reserved there."""
        at = bisect_left(self.starts, offset)
        if at and self.starts[at - 1] + self.sizes[self.starts[at - 1]] > offset:
            return False
        return at == len(self.starts) or self.starts[at] >= offset + size

    def choose(self, number: int, size: int, step: int) -> int:
        """Return where a part goes; ``step``, if given, is what lies between the places of two numbers."""
        again = self.done.get(number)
        if again is not None and again[1] == size:  # not under way elsewhere, so it can be written over
            return again[0]
        before = self.reserved.get(number - 1)
        regular = step > 0 or size <= (self.step or size)
        step = step or self.step or size
        for offset in ([before[0] + before[1]] if before else []) + ([(number - 1) * step] if regular else []):
            if self.free(offset, size):
                return offset
        return self.end()

    def order(self) -> list[tuple[int, int]]:
        """Return the stretches of the whole, in the order of the part numbers."""
        return [self.done[number] for number in sorted(self.done)]
