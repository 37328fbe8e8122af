"""Names in order, whatever order a location lists them in: sorted runs on disk, merged."""

from __future__ import annotations

import heapq
import json
import tempfile
from collections.abc import Iterable, Iterator
from datetime import datetime
from typing import IO, NamedTuple

from holdall.core.meta import ObjectMeta

__all__ = ["Listed", "Sorter"]

RUN = 20_000
"""Entries that are held in memory at once."""


class Listed(NamedTuple):
    """An entry of a listing; a size of -1 stands for a prefix."""

    name: str
    size: int = -1
    meta: ObjectMeta | None = None

    @property
    def last_modified(self) -> datetime | None:
        """When it was last written, where that is known."""
        return None if self.meta is None else self.meta.last_modified

    @property
    def etag(self) -> str | None:
        """As its location says it."""
        return None if self.meta is None else self.meta.etag


class Sorter:
    """Takes entries in any order and gives them in that of their names.

    Example:
        >>> sorter = Sorter(run=2)
        >>> for name in "cab":
        ...     sorter.add([Listed(name)])
        >>> [entry.name for entry in sorter.sorted()]
        ['a', 'b', 'c']
    """

    def __init__(self, run: int = RUN) -> None:
        self._run = run
        self._held: list[Listed] = []
        self._files: list[IO[str]] = []

    def add(self, entries: Iterable[Listed]) -> None:
        """Take some entries."""
        self._held += entries
        if len(self._held) >= self._run:
            self._spill()

    def _spill(self) -> None:
        file = tempfile.TemporaryFile("w+", encoding="utf-8", errors="surrogatepass", prefix="holdall-", suffix=".run")  # noqa: SIM115
        self._files.append(file)
        for entry in sorted(self._held, key=_name):
            modified = None if entry.last_modified is None else entry.last_modified.isoformat()
            file.write(json.dumps((entry.name, entry.size, modified, entry.etag)) + "\n")
        self._held.clear()

    def sorted(self) -> Iterator[Listed]:
        """Give the entries in order, and let go of the files at the end."""
        try:
            self._held.sort(key=_name)
            if not self._files:
                yield from self._held
                return
            runs: list[Iterator[Listed]] = [iter(self._held)]
            for file in self._files:
                file.seek(0)
                runs.append(_read(file))
            yield from heapq.merge(*runs, key=_name)
        finally:
            self.close()

    def close(self) -> None:
        """Let go of the files."""
        for file in self._files:
            file.close()
        self._files.clear()
        self._held.clear()


def _name(entry: Listed) -> str:
    return entry.name


def _read(file: IO[str]) -> Iterator[Listed]:
    for line in file:
        name, size, modified, etag = json.loads(line)
        moment = None if modified is None else datetime.fromisoformat(modified)
        yield Listed(name, size, ObjectMeta(key=name, size=size, last_modified=moment, etag=etag))
