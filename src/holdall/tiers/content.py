"""What is to be written, held so that every location can read it from its start: bytes, or a file."""

from __future__ import annotations

import contextlib
import hashlib
import os
import zlib
from pathlib import Path
from typing import Any, Literal, Protocol

from holdall.errors import ConfigError

__all__ = ["DIGEST_KEY", "IN_MEMORY", "Content", "Digest", "Hasher", "check_digest", "hasher"]

Digest = Literal["sha256", "crc32"]
IN_MEMORY = 8 * 1024 * 1024
"""Content up to this size is held in memory, larger content in a file."""
_BLOCK = 256 * 1024
"""Bytes that are digested at once: as much as stays in the processor's cache."""
DIGEST_KEY = "holdall-{}"
"""Name of the user metadata that keeps a digest beside an object."""


class Hasher(Protocol):
    """What `hashlib` gives."""

    def update(self, data: bytes | memoryview, /) -> None:
        """Take more bytes."""
        ...

    def hexdigest(self) -> str:
        """Return the digest so far."""
        ...


class _Crc32:
    def __init__(self) -> None:
        self._value = 0

    def update(self, data: bytes | memoryview, /) -> None:
        self._value = zlib.crc32(data, self._value)

    def hexdigest(self) -> str:
        return f"{self._value:08x}"


def hasher(algorithm: str) -> Hasher:
    """Return a hash object.

    Example:
        >>> digest = hasher("crc32")
        >>> digest.update(b"hello")
        >>> digest.hexdigest()
        '3610a686'
    """
    return _Crc32() if algorithm == "crc32" else hashlib.new(algorithm, usedforsecurity=False)


def check_digest(algorithm: Any) -> None:
    """Raise unless it is a digest that is kept beside objects.

    Raises:
        ConfigError: ``sha256``, ``crc32`` or ``None``.
    """
    if algorithm not in {"sha256", "crc32", None}:
        raise ConfigError(f"digest is 'sha256', 'crc32' or None, not {algorithm!r}")


class Content:
    """Bytes, or a file that holds them.

    Args:
        source: The bytes or the path.
        size: How many.
        own: The file was made for this and goes with it.
    """

    __slots__ = ("_digests", "_own", "size", "source")

    def __init__(self, source: bytes | Path, size: int, *, own: bool = False) -> None:
        self.source = source
        self.size = size
        self._own = own
        self._digests: dict[str, str] = {}

    def know(self, algorithm: str, digest: str) -> None:
        """Note a digest that was computed already."""
        self._digests[algorithm] = digest

    def known(self, algorithm: str) -> bool:
        """Tell whether a digest is at hand without reading a file."""
        return algorithm in self._digests or isinstance(self.source, bytes)

    def digest(self, algorithm: str) -> str:
        """Return a digest of all bytes; a file is read once for it."""
        found = self._digests.get(algorithm)
        if found is None:
            computed = hasher(algorithm)
            if isinstance(self.source, bytes):
                computed.update(self.source)
            else:
                with open(self.source, "rb", buffering=0) as file, memoryview(bytearray(_BLOCK)) as view:
                    while count := file.readinto(view):
                        computed.update(view[:count])
            found = self._digests[algorithm] = computed.hexdigest()
        return found

    def close(self) -> None:
        """Remove the file, if it is ours."""
        if self._own and isinstance(self.source, Path):
            self._own = False
            with contextlib.suppress(FileNotFoundError):
                os.unlink(self.source)
