"""`ReadOnlyStore`: a store that cannot be written."""

from __future__ import annotations

from typing import Any

from holdall.store import Store
from holdall.wrappers.restricted import RestrictedStore

__all__ = ["ReadOnlyStore"]


class ReadOnlyStore(RestrictedStore):
    """A store of which only the reading verbs may be used: `RestrictedStore` with ``"readonly"``.

    Example:
        >>> from holdall.drivers.memory import MemoryStore
        >>> ReadOnlyStore(MemoryStore()).capabilities.write
        False
    """

    def __init__(self, store: Store) -> None:
        super().__init__(store, "readonly")

    def _details(self) -> list[str]:
        return []

    def _options(self) -> dict[str, Any]:
        return {}
