"""Errors of the containers face.

::

    HoldallError
    ├── FormatError (ValueError)           not an archive, broken, hostile, or beyond a limit
    │   └── DamagedError (IntegrityError)  a header or table that cannot be read, and no checksum holds
    ├── IntegrityError
    │   └── ChecksumError                  bytes of a document whose checksum differs
    ├── EncodeError (TypeError)            a value that no archive can hold
    ├── MissingKeyError (KeyError)         a mapping has no such key
    └── MissingIndexError (IndexError)     a list has no such position
"""

from __future__ import annotations

from typing import Any, Literal

from holdall.errors import HoldallError, IntegrityError

__all__ = [
    "ChecksumError",
    "DamagedError",
    "EncodeError",
    "Fault",
    "FormatError",
    "MissingIndexError",
    "MissingKeyError",
    "shortened",
]

LONGEST = 200
"""Characters of a path in a message."""
Fault = Literal["magic", "header", "toc", "range", "depth", "limit", "codec"]


class FormatError(HoldallError, ValueError):
    """The bytes are no archive that may be read.

    Attributes:
        offset: Where in the object (bytes), if known.
        kind: What is wrong: ``magic header toc range depth limit codec``.
    """

    kind = "codec"

    def __init__(self, message: str = "", *, kind: Fault = "codec", offset: int | None = None, **named: Any) -> None:
        super().__init__(message if offset is None else f"{message} (at byte {offset})", kind=kind, **named)
        self.offset = offset


class DamagedError(FormatError, IntegrityError):
    """The header or the table of contents of an archive cannot be read, and no checksum vouches for what they say."""


class ChecksumError(IntegrityError):
    """Bytes of a document are not those whose checksum the table of contents has.

    Attributes:
        path: Where in the document, segments joined by ``/``; empty for the root.
        span: Where in the object: first byte, and the one behind the last.
    """

    def __init__(self, message: str = "", *, path: str = "", span: tuple[int, int] = (0, 0), **named: Any) -> None:
        super().__init__(f"{shortened(path)}: {message}", **named)
        self.path = path
        self.span = span


class EncodeError(HoldallError, TypeError):
    """A value cannot be encoded.

    Attributes:
        path: Where in the document, segments joined by ``/``.
        type: Name of the value's type.
    """

    kind = "encode"

    def __init__(self, message: str = "", *, path: str = "", type: str = "", **named: Any) -> None:
        super().__init__(f"{shortened(path)}: {message}", **named)
        self.path = path
        self.type = type


class MissingKeyError(HoldallError, KeyError):
    """A mapping of the document has no such key; the message has the full path."""

    kind = "missing_key"


class MissingIndexError(HoldallError, IndexError):
    """A list of the document has no such position; the message has the full path."""

    kind = "missing_index"


def shortened(path: str) -> str:
    """Return a path for a message: that of what is nested thousands of levels deep by its two ends.

    Example:
        >>> shortened(""), shortened("rows/7"), len(shortened("0/" * 10_000))
        ('the root', 'rows/7', 201)
    """
    if len(path) <= LONGEST:
        return path or "the root"
    return f"{path[: LONGEST // 2]}…{path[-LONGEST // 2 :]}"
