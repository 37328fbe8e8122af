"""Bytes put together in steps, where one call would keep Python's interpreter, and with it an event loop, for milliseconds.

Most of the time that it takes to fill new memory goes to the system, which gives it page by page when it is first touched. A buffer that grows is
moved now and then, and what was there is copied in one call. One that has its size from the beginning, zeros that nobody has
touched, takes each step's pages with that step.
"""

from __future__ import annotations

from io import BytesIO

from holdall._turns import give_way

__all__ = ["gathered", "room"]

MOST = 256 * 1024 * 1024
"""Bytes that are set aside on somebody else's word for how much will come."""


def room(size: int) -> BytesIO:
    """Return an empty buffer with a place for so many bytes; its user ends it by ``truncate()``, as less may have been written.

    Example:
        >>> with room(10) as buffer:
        ...     _ = buffer.write(b"abc")
        ...     _ = buffer.truncate()
        ...     buffer.getvalue()
        b'abc'
    """
    return BytesIO(bytes(min(size, MOST)))


def gathered(parts: list[bytes | memoryview]) -> bytes:
    """Return parts as one; beside an event loop it has its turns between them.

    Args:
        parts: Each of them short enough for one call. The list is empty afterwards: a part is let go of as soon as it was copied.

    Example:
        >>> gathered([b"a", b"b"])
        b'ab'
    """
    with room(sum(map(len, parts))) as whole:
        parts.reverse()
        while parts:
            give_way()
            whole.write(parts.pop())
        whole.truncate()
        return whole.getvalue()
