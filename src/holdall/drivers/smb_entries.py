"""What an SMB server says of files, and what its status codes mean for what is to be done next."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar

from holdall.drivers.tree import Entry

__all__ = ["BUSY", "BUSY_TARGET", "NO_LINKS", "NO_PARENT", "busily", "entry_of", "is_absent", "moment", "status_of"]

T = TypeVar("T")
BUSY = frozenset({0xC0000043, 0xC0000056})
"""Sharing violation, delete pending: somebody has the file open, for a moment most likely."""
BUSY_TARGET = BUSY | {0xC0000022}
"""And access denied, as Samba calls it where the file that is to be replaced is open."""
NO_LINKS = frozenset({0xC0000002, 0xC0000003, 0xC000000D, 0xC0000010, 0xC0000022, 0xC00000BA, 0xC00000BB, 0xC0000265})
"""How servers say that they cannot give this file a second name: their file system has none, it is a directory, it has too many."""
NO_PARENT = frozenset({0xC0000034, 0xC000003A, 0xC0000103, 0xC0000035})
"""Name or path not found, no directory, name collision: what is needed above a file is not there."""
WAIT = 5.0
"""Seconds that a file may be open elsewhere before a change of it is given up."""
_ABSENT = {0xC0000034, 0xC000003A, 0xC000000F, 0xC0000225, 0xC0000056}
_DIRECTORY, _REPARSE = 0x10, 0x400
_SYMLINK = 0xA000000C
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def moment(nanoseconds: int) -> datetime:
    """Return the time of nanoseconds since the epoch, to the microsecond.

    Example:
        >>> moment(1_500).microsecond
        1
    """
    return _EPOCH + timedelta(microseconds=nanoseconds // 1000)


def entry_of(name: str, size: int, modified: datetime, attributes: int, tag: int = 0) -> Entry:
    """Return a file or directory as the server describes it; a symbolic link is neither.

    Example:
        >>> entry_of("a", 3, moment(0), 0x20).etag
        'W/0-3'
        >>> entry_of("d", 0, moment(0), 0x10).kind, entry_of("l", 0, moment(0), 0x400, 0xA000000C).kind
        ('directory', 'other')
    """
    if attributes & _REPARSE and tag == _SYMLINK:
        return Entry(name=name, kind="other")
    if attributes & _DIRECTORY:
        return Entry(name=name, kind="directory", modified=modified)
    stamp = (modified - _EPOCH) // timedelta(microseconds=1)
    return Entry(name=name, size=size, modified=modified, etag=f"W/{stamp:x}-{size:x}")


def status_of(error: BaseException) -> int | None:
    """Return the NTSTATUS that an error carries."""
    found: Any = getattr(error, "ntstatus", None) or getattr(error, "status", None)
    return found if isinstance(found, int) else None


def is_absent(error: BaseException) -> bool:
    """Tell whether a server says that nothing is there."""
    return status_of(error) in _ABSENT


def busily(operation: Callable[[], T], busy: Collection[int] = BUSY) -> T:
    """Run an operation, again and again while the file is open elsewhere; handles here are open for one request.

    Args:
        operation: What to do.
        busy: The status codes that mean so.
    """
    end, pause = time.monotonic() + WAIT, 0.002
    while True:
        try:
            return operation()
        except Exception as error:
            if status_of(error) not in busy or time.monotonic() > end:
                raise
        time.sleep(pause)
        pause = min(pause * 1.7, 0.1)
