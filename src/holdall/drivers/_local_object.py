"""Opening an object with all that is known of it."""

from __future__ import annotations

import os
from typing import Any

from holdall.drivers._local_attributes import ReplacedError, Shelf
from holdall.drivers._local_root import Root
from holdall.errors import HoldallError, NotSupportedError, UnavailableError
from holdall.store import Store

__all__ = ["find", "source_of"]

_REGULAR = 0o100000
_KIND = 0o170000


def find(root: Root, shelf: Shelf, key: str, attempts: int = 100) -> tuple[int, os.stat_result, bytes]:
    """Open a file for reading; return what the system says of the very content that is open, and what is kept beside it.

    Raises:
        NotFoundError: Nothing there, or no regular file.
        PermissionDeniedError: Not readable, or out of the root.
    """
    plain = root.plain
    fd = root.open(key) if plain is None else plain(root.base + key.encode())
    if fd < 0:
        fd = root.open_otherwise(key, fd)
    try:
        stat = os.fstat(fd)
        if stat.st_mode & _KIND != _REGULAR:  # a directory, a FIFO
            raise root.missing(key)
        return fd, stat, shelf.read(fd, stat)
    except ReplacedError:
        os.close(fd)
    except OSError as error:
        os.close(fd)
        if isinstance(error, HoldallError):
            raise
        raise root.explain(error, key) from error
    except BaseException:
        os.close(fd)
        raise
    if attempts == 1:
        raise UnavailableError(f"{key!r} is replaced again and again", key=key, store=root.display)
    return find(root, shelf, key, attempts - 1)


def source_of(root: Root, shelf: Shelf, src: str, source: Store | None) -> tuple[Root, Shelf, str]:
    """Return where a copy's source is, wrappers looked through.

    Raises:
        NotSupportedError: In another kind of store.
    """
    if source is None:
        return root, shelf, src
    owner: Any
    owner, key = source.locate(src)
    its_root, its_shelf = getattr(owner, "_root", None), getattr(owner, "_shelf", None)
    if not isinstance(its_root, Root) or not isinstance(its_shelf, Shelf):
        raise NotSupportedError(f"LocalStore cannot copy: {source!r} is no local store", key=src, store=root.display)
    return its_root, its_shelf, key
