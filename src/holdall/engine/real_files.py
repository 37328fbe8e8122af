"""Real files of stores on local disk, opened and failing with our errors."""

from __future__ import annotations

import io
import os
import stat
from collections.abc import Callable
from contextlib import suppress
from typing import IO, Any, TypeVar

from holdall.core.disk_errors import meaning
from holdall.core.options import PutOptions
from holdall.errors import AlreadyExistsError, HoldallError, NotFoundError
from holdall.store import Store

__all__ = ["append_real", "open_real"]

_File = TypeVar("_File", bound="io.FileIO | IO[bytes]")
BUFFER = 64 * 1024


def open_real(store: Store, key: str, path: str, buffering: int = -1) -> IO[bytes]:
    """Open the file at a path for reading; what goes wrong is told as the store tells it.

    Raises:
        HoldallError: As `Store.get` does.
    """
    try:
        return _regular(store, key, lambda: open(path, "rb", buffering=buffering, opener=_without_waiting))
    except HoldallError:
        raise
    except OSError as error:
        if not isinstance(error, IsADirectoryError):
            store.get(key).close()  # it knows whether its root is there, and what its disk can hold
        raise meaning(error, key, store) from error


def append_real(store: Store, key: str, path: str, buffering: int = -1) -> IO[bytes]:
    """Open the file at a path for appending; it is made by the store, with the directories above it.

    Raises:
        HoldallError: As `Store.put` does.
    """
    if not os.path.isfile(path):
        with suppress(AlreadyExistsError):
            store.put(key, b"", PutOptions(mode="create"))
    try:
        raw = _regular(store, key, lambda: AppendedFile(store, key, path))
    except HoldallError:
        raise
    except OSError as error:
        raise meaning(error, key, store) from error
    return raw if buffering == 0 else io.BufferedWriter(raw, BUFFER if buffering < 2 else buffering)


class AppendedFile(io.FileIO):
    """A raw file that is appended to, whose writes fail with our errors."""

    def __init__(self, store: Store, key: str, path: str) -> None:
        super().__init__(path, "ab", opener=_without_waiting)
        self._store, self._key = store, key

    def write(self, data: Any, /) -> int:
        """Append bytes, all or the first of them. See `io.RawIOBase.write`."""
        try:
            return super().write(data)
        except OSError as error:
            raise meaning(error, self._key, self._store) from error


def _without_waiting(path: str, flags: int) -> int:
    return os.open(path, flags | getattr(os, "O_NONBLOCK", 0), 0o666)


def _regular(store: Store, key: str, opening: Callable[[], _File]) -> _File:
    """Open, and refuse what is no file: a FIFO would wait for ever."""
    file = opening()
    if stat.S_ISREG(os.fstat(file.fileno()).st_mode):
        return file
    file.close()
    raise NotFoundError(f"nothing at {key!r}", key=key, store=store)
