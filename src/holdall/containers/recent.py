"""The bytes that were emitted last: a container that turns out small becomes one leaf, with a checksum over all of it."""

from __future__ import annotations

from collections import deque

__all__ = ["Recent"]


class Recent:
    """Keeps the last pieces by reference, without copying them.

    Args:
        keep: Bytes to keep at least.

    Example:
        >>> recent = Recent(4)
        >>> recent.add(0, b"abcd"), recent.add(4, b"ef")
        (None, None)
        >>> recent.since(3)
        b'def'
    """

    __slots__ = ("_held", "_keep", "_pieces")

    def __init__(self, keep: int) -> None:
        self._keep = keep
        self._held = 0
        self._pieces: deque[tuple[int, bytes]] = deque()

    def add(self, position: int, data: bytes) -> None:
        """Take the bytes emitted at a position."""
        pieces = self._pieces
        pieces.append((position, data))
        self._held += len(data)
        while self._held - len(pieces[0][1]) >= self._keep:
            self._held -= len(pieces.popleft()[1])

    def since(self, start: int) -> bytes:
        """Return the bytes emitted since a position that is not far back; they are one piece from now on."""
        pieces, found = self._pieces, list[bytes]()
        while pieces:
            position, data = pieces.pop()
            if position < start:
                pieces.append((position, data[: start - position]))
                found.append(data[start - position :])
                break
            found.append(data)
            if position == start:
                break
        joined = found[0] if len(found) == 1 else b"".join(reversed(found))
        pieces.append((start, joined))
        return joined

    def patch(self, position: int, data: bytes) -> None:
        """Put bytes over earlier ones, where they are still kept; they lie within one piece."""
        for i, (at, piece) in enumerate(self._pieces):
            if at <= position < at + len(piece):
                low = position - at
                self._pieces[i] = at, piece[:low] + data + piece[low + len(data) :]
