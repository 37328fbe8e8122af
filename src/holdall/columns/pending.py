"""Content that waits to be stored: held by reference, read again after a rollback where that is possible."""

from __future__ import annotations

import io
import os
from collections.abc import AsyncIterable, AsyncIterator, Iterator
from typing import Any

from holdall.columns.errors import UnsavedFileError
from holdall.sources import check_source

__all__ = ["Pending"]


class Pending:
    """The content of a file that is not stored yet.

    Args:
        source: What `holdall.Store.put_async` takes.

    Raises:
        TypeError: Of no accepted kind.

    Example:
        >>> pending = Pending(iter([b"ab"]))
        >>> list(pending.take()), pending.replayable
        ([b'ab'], False)
        >>> pending.take()
        Traceback (most recent call last):
            ...
        holdall.columns.errors.UnsavedFileError: the content was a stream that is used up: give it again to save it again
    """

    __slots__ = ("_start", "_taken", "source")

    def __init__(self, source: Any) -> None:
        check_source(source, blocking=False)
        self.source = source
        self._taken = False
        self._start = _position(source)

    @property
    def replayable(self) -> bool:
        """Whether the content can be read again from its start."""
        source = self.source
        if hasattr(source, "read"):
            return self._start is not None
        return not isinstance(source, (Iterator, AsyncIterator))

    @property
    def blocking(self) -> bool:
        """Whether blocking calls can read it."""
        return not isinstance(self.source, AsyncIterable) or hasattr(self.source, "read")

    @property
    def carried(self) -> Any:
        """What a pickle or a deep copy carries: bytes, or a path.

        Raises:
            TypeError: A stream or a file.
        """
        if isinstance(self.source, (bytearray, memoryview)):
            return bytes(self.source)
        if isinstance(self.source, (bytes, os.PathLike)):
            return self.source
        raise TypeError(f"a file whose content is a {type(self.source).__name__} cannot be copied: save it first")

    def take(self) -> Any:
        """Return the content for one reading.

        Raises:
            UnsavedFileError: It was a stream, and is used up.
        """
        if self._taken:
            if not self.replayable:
                raise UnsavedFileError("the content was a stream that is used up: give it again to save it again")
            if self._start is not None:
                self.source.seek(self._start)
        self._taken = True
        return self.source


def _position(source: Any) -> int | None:
    """Return where a file stands, ``None`` for what cannot go back."""
    if not hasattr(source, "read"):
        return None
    try:
        return int(source.tell()) if hasattr(source, "seek") and getattr(source, "seekable", lambda: True)() else None
    except (OSError, ValueError, io.UnsupportedOperation):
        return None
