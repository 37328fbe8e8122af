"""What a column asks of its files, and the meter that watches content go by: size, digest, limits. Pure."""

from __future__ import annotations

import hashlib
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any

from holdall.columns.errors import RejectedFileError
from holdall.engine.colours import closed

__all__ = ["HEAD", "Meter", "Rules"]

HEAD = 4096
"""Bytes that validators get to see."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """Limits of a column.

    Attributes:
        min_size, max_size: Bytes.
        content_types: Patterns such as ``image/*``.
        extensions: Suffixes of the original name, with or without the dot, in any case.
        validators: Functions of the file and its first bytes that raise, or return ``None``.
        checksum: Whether SHA-256 is computed.

    Example:
        >>> Rules(extensions=("pdf",)).check_name("a.txt", None)
        Traceback (most recent call last):
            ...
        holdall.columns.errors.RejectedFileError: 'a.txt' has none of the extensions pdf
    """

    min_size: int | None = None
    max_size: int | None = None
    content_types: tuple[str, ...] = ()
    extensions: tuple[str, ...] = ()
    validators: tuple[Any, ...] = ()
    checksum: bool = True

    def check_name(self, name: str, content_type: str | None) -> None:
        """Check what is known before the first byte.

        Raises:
            RejectedFileError: The suffix or the content type is none of those allowed.
        """
        if self.extensions:
            allowed = tuple("." + suffix.lstrip(".").lower() for suffix in self.extensions)
            if not name.lower().endswith(allowed):
                raise RejectedFileError(f"{name!r} has none of the extensions {', '.join(self.extensions)}")
        if self.content_types:
            given = (content_type or "").partition(";")[0].strip().lower()
            if not any(fnmatchcase(given, pattern.lower()) for pattern in self.content_types):
                raise RejectedFileError(f"{name!r} is {given or 'of no type'}, not {', '.join(self.content_types)}")


class Meter:
    """Counts and digests content as it is sent, and stops it where it breaks a limit.

    Example:
        >>> meter = Meter(Rules(max_size=3), "a.txt")
        >>> list(meter.watch(iter([b"ab", b"cd"])))
        Traceback (most recent call last):
            ...
        holdall.columns.errors.RejectedFileError: 'a.txt' has more than 3 bytes
    """

    __slots__ = ("_digest", "_name", "_rules", "size")

    def __init__(self, rules: Rules, name: str) -> None:
        self._rules = rules
        self._name = name
        self._digest = hashlib.sha256() if rules.checksum else None
        self.size = 0

    @property
    def checksum(self) -> str | None:
        """The digest of what went by, ``sha256:<hex>``."""
        return None if self._digest is None else f"sha256:{self._digest.hexdigest()}"

    def add(self, chunk: bytes) -> bytes:
        """Count a piece of content.

        Raises:
            RejectedFileError: It is too much.
        """
        self.count(len(chunk))
        self.digest(chunk)
        return chunk

    def count(self, size: int) -> None:
        """Count bytes.

        Raises:
            RejectedFileError: It is too much.
        """
        self.size += size
        if self._rules.max_size is not None and self.size > self._rules.max_size:
            raise RejectedFileError(f"{self._name!r} has more than {self._rules.max_size} bytes")

    def digest(self, chunk: bytes) -> None:
        """Take a piece of content into the digest."""
        if self._digest is not None:
            self._digest.update(chunk)

    def end(self) -> None:
        """Note that all of it went by.

        Raises:
            RejectedFileError: It was too little.
        """
        if self._rules.min_size is not None and self.size < self._rules.min_size:
            raise RejectedFileError(f"{self._name!r} has fewer than {self._rules.min_size} bytes")

    def watch(self, chunks: Iterator[bytes]) -> Iterator[bytes]:
        """Yield content as it comes."""
        with closed(chunks):
            for chunk in chunks:
                yield self.add(chunk)
        self.end()

    async def watch_async(self, chunks: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
        """Yield content as it comes."""
        async for chunk in chunks:
            yield self.add(chunk)
        self.end()
