"""What errors of the system mean when a file on a disk is worked on, as errors of ours."""

from __future__ import annotations

import errno

from holdall.errors import (
    AlreadyExistsError,
    HoldallError,
    InvalidKeyError,
    IsDirectoryError,
    NotDirectoryError,
    NotEmptyError,
    PermissionDeniedError,
    StorageFullError,
    StoreTimeoutError,
    UnavailableError,
)

__all__ = ["FULL", "meaning"]

FULL = frozenset(getattr(errno, name) for name in ("ENOSPC", "EDQUOT", "EFBIG") if hasattr(errno, name))
"""Codes that say: no room."""

_MEANINGS: dict[int, tuple[type[HoldallError], str]] = {
    code: meaning
    for names, meaning in {
        ("EACCES", "EPERM", "EROFS", "ETXTBSY"): (PermissionDeniedError, "no permission for {key!r}: {why}"),
        ("ENOSPC", "EDQUOT", "EFBIG"): (StorageFullError, "no space left for {key!r}: {why}"),
        ("ENAMETOOLONG", "EILSEQ"): (InvalidKeyError, "this file system cannot hold {key!r}: {why}"),
        ("ENOTDIR", "ELOOP"): (NotDirectoryError, "a file stands where {key!r} needs a directory"),
        ("EISDIR",): (IsDirectoryError, "a directory stands at {key!r}"),
        ("EEXIST",): (AlreadyExistsError, "{key!r} already exists"),
        ("ENOTEMPTY",): (NotEmptyError, "the directory {key!r} is not empty"),
        ("ETIMEDOUT",): (StoreTimeoutError, "the disk did not answer in time for {key!r}"),
    }.items()
    for code in [getattr(errno, name) for name in names if hasattr(errno, name)]
}


def meaning(error: OSError, key: str, store: object) -> HoldallError:
    """Return the error to raise for one of the system that came of work at a key.

    Example:
        >>> meaning(OSError(errno.ENOSPC, "No space left on device"), "a.txt", None)
        StorageFullError("no space left for 'a.txt': No space left on device")
    """
    kind, what = _MEANINGS.get(error.errno or 0, (UnavailableError, "the disk does not answer for {key!r}: {why}"))
    return kind(what.format(key=key, why=error.strerror or type(error).__name__), key=key, store=store)
