"""What users say an archive's place is, as a store and a key."""

from __future__ import annotations

import io
import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from holdall.containers.held import HeldBytes
from holdall.errors import NotSupportedError
from holdall.store import Store

if TYPE_CHECKING:
    from holdall.engine.resolve import Resolved

__all__ = ["Place", "place_of", "target_of"]


@dataclass(frozen=True, slots=True)
class Place:
    """Where an archive is.

    Attributes:
        store, key: The object.
        held: The bytes, if it is in memory.
        version, size: Known with it.
        recipe: What names it in another process, if there is such a name.
    """

    store: Store
    key: str
    held: HeldBytes | None = None
    version: str | None = None
    size: int | None = None
    recipe: Any = None


def place_of(where: Any, *, fs: Any = None, s3fs: Any = None, store: Store | None = None) -> Place:
    """Return the store and key of what is read.

    Raises:
        TypeError: Two different filesystems, or a filesystem and a store.
        ConfigError: An unknown mount.
    """
    held = None
    if isinstance(where, (bytes, bytearray, memoryview)) and fs is s3fs is store is None:
        from holdall.drivers.handle import HandleStore  # noqa: PLC0415  # what `resolve` would make of them

        return Place(HandleStore(where), "data", HeldBytes(bytes(where)), size=len(where))
    found = _resolved(where, fs=fs, s3fs=s3fs, store=store)
    if type(where) is io.BytesIO:
        held = HeldBytes(where.getvalue())
    recipe = where if isinstance(where, (str, os.PathLike)) and (fs or s3fs or store) is None else None
    if isinstance(recipe, os.PathLike):
        recipe = None if hasattr(recipe, "fs") else Path(os.path.abspath(recipe))
    elif recipe is not None and found.store.capabilities.local and found.mount is None and "://" not in recipe:
        recipe = Path(os.path.abspath(recipe))
    return Place(found.store, found.key, held, found.version, found.size, recipe)


def target_of(where: Any, *, fs: Any = None, s3fs: Any = None, store: Store | None = None) -> Place:
    """Return the store and key of what is written.

    Raises:
        NotSupportedError: An open file that cannot be patched: a remote one, or one that cannot seek.
        TypeError: As for `place_of`.
    """
    if isinstance(where, (bytes, bytearray, memoryview)):
        raise TypeError("bytes are no destination: give an io.BytesIO")
    if hasattr(where, "write") and hasattr(where, "seekable") and not where.closed and not where.seekable():
        raise _no_file()
    found = _resolved(where, fs=fs, s3fs=s3fs, store=store)
    if found.handle is not None and hasattr(where, "fs"):
        raise _no_file()
    if not found.store.capabilities.write:
        raise NotSupportedError(f"{found.store!r} cannot be written to", key=found.key, store=found.store)
    return Place(found.store, found.key)


def _no_file() -> NotSupportedError:
    return NotSupportedError(
        "an archive is not written into an open remote file or one that cannot seek; give its path: LazyWriter(path, fs=...)"
    )


def _resolved(where: Any, *, fs: Any, s3fs: Any, store: Store | None) -> Resolved:
    if fs is not None and s3fs is not None and fs is not s3fs:
        raise TypeError("fs and s3fs are two names of one thing: give one of them")
    from holdall.engine.resolve import resolve  # noqa: PLC0415  # brings drivers along

    return resolve(where, store=store, fs=fs if fs is not None else s3fs)
