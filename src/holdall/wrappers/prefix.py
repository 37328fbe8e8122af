"""`PrefixStore`: the part of a store below a prefix, as a store."""

from __future__ import annotations

import os
from typing import Any

from holdall.core.capabilities import Capabilities, Identity
from holdall.store import PartWriter, Store
from holdall.wrappers import _placed, _placed_async
from holdall.wrappers._operation import Operation, Use
from holdall.wrappers._place import Place, folder

__all__ = ["PlacedStore", "PrefixStore"]


class _Writer(_placed_async.WriterVerbs, _placed.WriterVerbs):
    """A part writer that speaks of the outer key."""


class PlacedStore(_placed_async.Verbs, _placed.Verbs):
    """A store whose keys are elsewhere; `PrefixStore` and `holdall.wrappers.dynamic.DynamicPrefixStore` say where."""

    def _placed_writer(self, inner: PartWriter, place: Place, operation: Operation) -> PartWriter:
        return _Writer(inner, place, operation)


class _Fixed:
    """The operation of a store with one place."""

    __slots__ = ("_place",)
    single = True

    def __init__(self, place: Place) -> None:
        self._place = place

    def begin(self, prefix: str) -> None:
        pass

    def place(self, key: str, use: Use = "read") -> Place:
        return self._place

    async def place_async(self, key: str, use: Use = "read") -> Place:
        return self._place


class PrefixStore(PlacedStore):
    """The part of a store below a prefix: keys, results and errors know nothing of what lies above.

    No key leads out of it. A prefix of a prefix is one prefix. Real directories and markers work as anywhere; the
    prefix's own marker is hidden.

    Args:
        store: The whole store.
        prefix: Key prefix; ends with ``/`` or gets one. Empty means the whole store.

    Raises:
        InvalidKeyError: The prefix is absolute or climbs.

    Example:
        >>> from holdall.drivers.memory import MemoryStore
        >>> store = PrefixStore(MemoryStore(), "team/a")
        >>> store.put("x.txt", b"hi").key, store.inner.get("team/a/x.txt").bytes()
        ('x.txt', b'hi')
        >>> PrefixStore(store, "sub/")
        PrefixStore('team/a/sub/', MemoryStore())
    """

    _fixed: _Fixed

    def __init__(self, store: Store, prefix: str) -> None:
        prefix = folder(prefix)
        if isinstance(store, PrefixStore) and type(store) is PrefixStore:
            prefix = store._fixed.place("").down(prefix) if prefix else store.prefix
            store = store.inner
        super().__init__(store)
        self._fixed = _Fixed(Place(store, "", prefix, self))
        self._prefix = prefix

    @property
    def prefix(self) -> str:
        """What stands before every key in the inner store; ``""`` or ending with ``/``."""
        return self._prefix

    def __repr__(self) -> str:
        return f"PrefixStore({str(self._prefix)!r}, {self._inner!r})"

    def _options(self) -> dict[str, Any]:
        return {"prefix": self._prefix}

    def _operation(self) -> Operation:
        return self._fixed

    def _narrowed(self, inner: Capabilities) -> Capabilities:
        return inner.narrowed(max_key_bytes=inner.max_key_bytes - len(self._prefix.encode()))

    @property
    def identity(self) -> Identity:
        """Where the objects really are: the inner store's place, below the prefix."""
        return self._inner.identity.below(self._prefix)

    def locate(self, key: str) -> tuple[Store, str]:
        """Return the innermost driver and the key there."""
        return self._inner.locate(self._fixed.place(key).down(key))

    def local_path(self, key: str) -> str | None:
        """Return the path of the real local file behind a key."""
        return self._inner.local_path(self._fixed.place(key).down_path(key))

    def glance(self, key: str) -> os.stat_result | None:
        """Return the system's own account of a real local file or directory."""
        place = self._fixed.place(key)
        with place.errors():
            return self._inner.glance(place.down(key))

    def url(self, key: str) -> str | None:
        """Return the plain, unsigned address of a key."""
        return self._inner.url(self._fixed.place(key).down(key))
