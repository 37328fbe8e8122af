"""What users say an archive's place is, as a store and a key."""

from __future__ import annotations

import io
from dataclasses import dataclass
from typing import Any

from holdall.errors import ConfigError
from holdall.store import Store

__all__ = ["Place", "place_of"]


@dataclass(frozen=True, slots=True)
class Place:
    """Where an archive is; ``owned`` stores are closed with it."""

    store: Store
    key: str
    owned: bool = False


def place_of(where: Any, *, fs: Any = None, s3fs: Any = None, store: Store | None = None) -> Place:
    """Return the store and key of a place.

    Raises:
        TypeError: Two different filesystems, or a filesystem and a store.
        ConfigError: An unknown mount.
    """
    if fs is not None and s3fs is not None and fs is not s3fs:
        raise TypeError("fs and s3fs are two names of one thing: give one of them")
    fs = fs if fs is not None else s3fs
    if isinstance(where, (bytes, bytearray, memoryview)):
        return _in_memory(bytes(where))
    if isinstance(where, io.BytesIO):
        return _in_memory(where.getvalue())
    from holdall.engine.resolve import resolve  # noqa: PLC0415  # brings drivers along

    try:
        found = resolve(where, store=store, fs=fs)
    except ConfigError as error:
        if isinstance(where, str) and ":" in where and "://" not in where:
            raise ConfigError(f"{error}; for a local file with a colon in its name use pathlib.Path") from error
        raise
    return Place(found.store, found.key)


def _in_memory(data: bytes) -> Place:
    from holdall.drivers.memory import MemoryStore  # noqa: PLC0415

    memory = MemoryStore()
    memory.put("archive", data)
    return Place(memory, "archive", owned=True)
