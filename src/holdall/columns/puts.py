"""One upload: how it is to be done, and what came of it. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import lru_cache
from typing import Any, NamedTuple

from holdall.columns.rules import Rules
from holdall.core.options import PutMode, PutOptions
from holdall.errors import HoldallError
from holdall.results import PutResult
from holdall.store import Store

__all__ = ["PART", "ROOM", "Errand", "Put", "Sent", "in_parts", "kept_options"]


MIB = 1024 * 1024
PART = 5 * MIB
ROOM = 10 * MIB
"""Bytes of one file in parts on their way; as much again is being collected meanwhile, so that 20 MiB are enough for a stream."""


def in_parts(
    options: PutOptions, source: Any, size: int | None, *, part: int = PART, concurrency: int = 12, room: int = ROOM
) -> PutOptions:
    """Return how to write what does not fit one part: with parts at once as far as there is room for them."""
    if size is not None and size <= PART:
        return options
    if isinstance(source, bytes):
        room *= 2  # nothing is collected
    elif size is None:
        room = PART  # drivers that cut a stream themselves hold two parts more
    part = max(part, -(-(size or 0) // 9000))
    return replace(options, part_size=part, concurrency=max(1, min(concurrency, room // part)))


def kept_options(store: Store, content_type: str, metadata: Mapping[str, str], mode: PutMode = "overwrite") -> PutOptions:
    """Return how to write: with those headers and metadata that the store can keep; the row has them all."""
    keeps = store.capabilities
    kept = content_type if keeps.attributes else None
    if metadata and keeps.metadata:
        return PutOptions(mode=mode, content_type=kept, metadata=metadata)
    return _typed_options(kept, mode)


@lru_cache(maxsize=512)
def _typed_options(content_type: str | None, mode: PutMode) -> PutOptions:
    return PutOptions(mode=mode, content_type=content_type)


class Sent(NamedTuple):
    """What the store and the meter say of a file that was stored."""

    result: PutResult
    checksum: str | None
    last_modified: float


@dataclass(slots=True, kw_only=True)
class Put:
    """One upload.

    Attributes:
        file: The file object.
        backend, store, key: Where.
        rules: What is asked of the content.
        metadata: What is kept at the object, where the store can.
        size: Bytes, where that is known.
        fresh: Whether nobody else can have the key.
        sent: What came of it.
        taken: Whether the key was found to be taken; nothing was sent then.
        begun: Whether something may have been stored.
        target: Where it belongs after the commit, if ``key`` is a staged one.
        seen: The etag that was there then; ``""`` if it has none, ``None`` if nothing was there.
    """

    file: Any
    backend: str
    store: Store
    key: str
    rules: Rules
    metadata: Mapping[str, str] = field(default_factory=dict[str, str])
    size: int | None = None
    fresh: bool = False
    sent: Sent | None = None
    taken: bool = False
    begun: bool = False
    target: str | None = None
    seen: str | None = None


@dataclass(slots=True)
class Errand:
    """One file on its way to another store.

    Attributes:
        file: As a row has it.
        metadata: What its column keeps at objects.
        copied: Bytes, if they were sent.
        error: Why it could not be.
    """

    file: Any
    metadata: Mapping[str, str] = field(default_factory=dict[str, str])
    copied: int | None = None
    error: HoldallError | None = None

    @property
    def digest(self) -> str | None:
        """The SHA-256 that the row has, if it has one."""
        kind, _, value = (self.file.checksum or "").partition(":")
        return value if kind == "sha256" else None
