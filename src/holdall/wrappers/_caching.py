"""The state and the decisions behind `CachedStore`, apart from its verbs."""

from __future__ import annotations

import logging
import time
from abc import abstractmethod

from holdall.core.meta import ObjectMeta
from holdall.core.options import GetOptions
from holdall.store import PartWriter, Store
from holdall.wrappers._flights import Flights
from holdall.wrappers._shelf import Shelf, ShelfError
from holdall.wrappers.forwarding import ForwardingStore, ForwardingWriter

__all__ = ["SMALL", "CachedBase", "CachedWriterBase"]

SMALL = 1024 * 1024
"""Contents up to this are read and kept in one piece."""
REST = 60.0
"""Seconds for which a shelf that failed is left alone."""

logger = logging.getLogger("holdall.cached")


class CachedBase(ForwardingStore):
    """What the two halves of a cached store share."""

    def __init__(self, store: Store, shelf: Shelf, *, max_object_bytes: int, weak: bool) -> None:
        super().__init__(store)
        self._shelf = shelf
        self._largest = max_object_bytes
        self._weak = weak
        self._flights = Flights()
        self._resting = 0.0
        self._warned = False

    @abstractmethod
    def _cached_writer(self, inner: PartWriter) -> PartWriter:
        """Return a part writer that drops what is cached of its key when it completes."""

    @abstractmethod
    def _drop(self, *keys: str) -> None:
        """Forget what is kept of keys."""

    @abstractmethod
    async def _drop_async(self, *keys: str) -> None:
        """Forget what is kept of keys. See `_drop`."""

    def _caches(self, key: str, options: GetOptions) -> bool:
        """Tell whether a read may be served from the shelf, or put something there."""
        capabilities = self.capabilities
        return (
            capabilities.etag
            and (capabilities.strong_etag or self._weak)
            and options.version is None
            and options.if_none_match is None
            and options.if_modified_since is None
            and options.if_unmodified_since is None
            and (options.if_match is None or capabilities.conditional_read)
            and not key.endswith("/")
            and not self._rests()
        )

    def _fits(self, meta: ObjectMeta) -> bool:
        """Tell whether a content can be kept: it has an etag that means its bytes, and is small enough."""
        return meta.etag is not None and not meta.etag.startswith("W/") and meta.size <= self._largest

    def _rests(self) -> bool:
        return self._resting > 0 and time.monotonic() < self._resting

    def _failed(self, error: ShelfError) -> None:
        """Note that the shelf cannot be used; say so once, until it can be again."""
        self._resting = time.monotonic() + REST
        if not self._warned:
            self._warned = True
            logger.warning("cache %r of %r cannot be used, reading without it: %s", self._shelf, self._inner, error)

    def _worked(self) -> None:
        self._resting = 0.0
        if self._warned:
            self._warned = False
            logger.info("cache %r of %r can be used again", self._shelf, self._inner)


class CachedWriterBase(ForwardingWriter):
    """What the two halves of its part writer share."""

    def __init__(self, inner: PartWriter, store: CachedBase) -> None:
        super().__init__(inner)
        self._store = store
