"""What the local driver says of a file: its etag, its time, worked out when they are asked for."""

from __future__ import annotations

import os
import stat as modes
from datetime import UTC, datetime, timedelta
from typing import Any

from holdall.core.meta import LazyMeta, ObjectMeta, lazy_meta

__all__ = ["describe", "describe_directory", "etag_of", "moment", "nanoseconds"]

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def etag_of(stat: os.stat_result) -> str:
    """Return the etag: time in nanoseconds, size and inode, which a rewrite through holdall always changes."""
    return f"{stat.st_mtime_ns:x}-{stat.st_size:x}-{stat.st_ino:x}"


def moment(nanoseconds: int) -> datetime | None:
    """Return an aware UTC time, exact to the microsecond; ``None`` for what no `datetime` can hold."""
    try:
        return _EPOCH + timedelta(microseconds=nanoseconds // 1000)
    except OverflowError:
        return None


def nanoseconds(moment: datetime) -> int:
    """Return the nanoseconds since 1970 of an aware time.

    Raises:
        ValueError: A naive time.
    """
    if moment.tzinfo is None:
        raise ValueError("the time of modification must be an aware datetime")
    return (moment - _EPOCH) // timedelta(microseconds=1) * 1000


class LocalMeta(LazyMeta):
    """What the system says of a file: the source is its `os.stat_result`."""

    __slots__ = ()

    def _derive(self, name: str) -> Any:
        return self.of(self._source, name)

    def of(self, stat: os.stat_result, name: str) -> Any:
        """Return a field."""
        if name == "etag":
            return etag_of(stat)
        if name == "last_modified":
            return moment(stat.st_mtime_ns)
        return super()._derive(name)


def describe(key: str, stat: os.stat_result) -> ObjectMeta:
    """Return the description of a file, as far as the system knows it."""
    return lazy_meta(LocalMeta, key, stat.st_size, stat)


def describe_directory(key: str, stat: os.stat_result) -> ObjectMeta:
    """Return the description of a directory; it has no content, so no etag."""
    return ObjectMeta(key=key, size=0, last_modified=moment(stat.st_mtime_ns), kind="directory")


def is_file(stat: os.stat_result) -> bool:
    """Tell whether this is a regular file: FIFOs, sockets and devices are no objects."""
    return modes.S_ISREG(stat.st_mode)
