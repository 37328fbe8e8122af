"""Small pure things that zip files need: a stream that is drained as it fills, and names of entries."""

from __future__ import annotations

import io
from typing import Any

__all__ = ["Tank", "entry_name", "unique"]


class Tank(io.RawIOBase):
    """A stream that can only be written, and drained.

    Example:
        >>> tank = Tank()
        >>> tank.write(b"abc"), tank.drain(), tank.level
        (3, b'abc', 0)
    """

    def __init__(self) -> None:
        super().__init__()
        self._pieces: list[bytes] = []
        self.level = 0

    def writable(self) -> bool:
        """Tell that it can be written."""
        return True

    def write(self, data: Any) -> int:
        """Take bytes."""
        piece = bytes(data)
        self._pieces.append(piece)
        self.level += len(piece)
        return len(piece)

    def drain(self) -> bytes:
        """Return what was written since the last time."""
        data = b"".join(self._pieces)
        self._pieces.clear()
        self.level = 0
        return data


def entry_name(path: str) -> str:
    """Return a name that no unpacking program can be led astray by: relative, without climbing, without drives.

    Example:
        >>> entry_name("a/../b"), entry_name("/abs"), entry_name("C:/x")
        ('a/_../b', 'abs', 'C_/x')
    """
    segments = [segment for segment in path.replace("\\", "_").split("/") if segment not in {"", "."}]
    cleaned = [f"_{segment}" if segment == ".." else segment for segment in segments]
    if cleaned and cleaned[0][1:2] == ":":
        cleaned[0] = cleaned[0].replace(":", "_", 1)
    return "/".join(cleaned) or "_"


def unique(name: str, taken: set[str]) -> str:
    """Return a name that is not taken yet, and take it.

    Example:
        >>> taken = set()
        >>> unique("a.txt", taken), unique("a.txt", taken), unique("a.txt", taken)
        ('a.txt', 'a (2).txt', 'a (3).txt')
    """
    if name.endswith("/"):
        taken.add(name)
        return name
    folder, slash, last = name.rpartition("/")
    dot = last.rfind(".")
    stem, suffix = (last[:dot], last[dot:]) if dot > 0 else (last, "")
    number, chosen = 1, name
    while chosen in taken:
        number += 1
        chosen = f"{folder}{slash}{stem} ({number}){suffix}"
    taken.add(chosen)
    return chosen
