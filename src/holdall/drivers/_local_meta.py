"""What the local driver says of a file: its etag, its time, and an `ObjectMeta` that works them out when asked."""

from __future__ import annotations

import os
import stat as modes
from datetime import UTC, datetime, timedelta
from typing import Any

from holdall.core.meta import EMPTY, NO_ATTRIBUTES, Attributes, ObjectMeta

__all__ = ["describe", "describe_directory", "etag_of", "moment", "nanoseconds"]

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_new = object.__new__
_set = object.__setattr__


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


class LocalMeta(ObjectMeta):
    """An `ObjectMeta` whose time, etag and defaults are worked out on first use: half of all reads look at none of them.

    Slots that were not filled come through `__getattr__`; from then on they are ordinary slots.
    """

    __slots__ = ("_stat",)

    def __getattr__(self, name: str) -> Any:
        value: Any
        if name == "etag":
            value = etag_of(self._stat)
        elif name == "last_modified":
            value = moment(self._stat.st_mtime_ns)
        elif name == "attributes":
            value = NO_ATTRIBUTES
        elif name in {"version", "storage_class"}:
            value = None
        elif name == "digests":
            value = EMPTY
        elif name == "kind":
            value = "file"
        else:
            raise AttributeError(name)
        _set(self, name, value)
        return value

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, ObjectMeta):
            return NotImplemented
        return all(getattr(self, name) == getattr(other, name) for name in _FIELDS)

    __hash__ = ObjectMeta.__hash__

    def __reduce__(self) -> tuple[Any, ...]:
        return _plain, tuple(getattr(self, name) if name != "digests" else dict(self.digests) for name in _FIELDS)


_FIELDS = tuple(ObjectMeta.__dataclass_fields__)
_members: Any = {**vars(ObjectMeta), **vars(LocalMeta)}
_set_key, _set_size, _set_stat = (_members[name].__set__ for name in ("key", "size", "_stat"))


def _plain(*values: Any) -> ObjectMeta:
    return ObjectMeta(**dict(zip(_FIELDS, values, strict=True)))


def describe(key: str, stat: os.stat_result, attributes: Attributes = NO_ATTRIBUTES) -> ObjectMeta:
    """Return the description of a file."""
    meta = _new(LocalMeta)
    _set_key(meta, key)
    _set_size(meta, stat.st_size)
    _set_stat(meta, stat)
    if attributes is not NO_ATTRIBUTES:
        _set(meta, "attributes", attributes)
    return meta


def describe_directory(key: str, stat: os.stat_result) -> ObjectMeta:
    """Return the description of a directory; it has no content, so no etag."""
    return ObjectMeta(key=key, size=0, last_modified=moment(stat.st_mtime_ns), kind="directory")


def is_file(stat: os.stat_result) -> bool:
    """Tell whether this is a regular file: FIFOs, sockets and devices are no objects."""
    return modes.S_ISREG(stat.st_mode)
