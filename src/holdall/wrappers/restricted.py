"""`RestrictedStore`: a store of which only some verbs may be used."""

from __future__ import annotations

import os
from typing import Any

from holdall.wrappers import _restricted, _restricted_async
from holdall.wrappers._permissions import Permissions

__all__ = ["Permissions", "RestrictedStore"]


class RestrictedStore(_restricted_async.Verbs, _restricted.Verbs):
    """A store under permissions, looked at before any I/O.

    ``readonly`` allows reading, listing and signing for reading. ``readwrite`` adds writing over what is there, copying,
    versions made the latest again, tags and metadata, and signing for writing. ``delete`` adds deleting, renaming and the removal
    of versions. Capabilities show what is left. `local_path` stays: who writes by path asks ``capabilities.write`` first.

    Args:
        store: The whole store.
        permissions: ``"readonly"``, ``"readwrite"`` or ``"delete"``.

    Raises:
        ConfigError: No such permissions, or more than the store has: they narrow and never widen.

    Example:
        >>> from holdall.drivers.memory import MemoryStore
        >>> store = RestrictedStore(MemoryStore(), "readwrite")
        >>> store.put("a", b"1").size
        1
        >>> store.delete("a")
        Traceback (most recent call last):
            ...
        holdall.errors.PermissionDeniedError: 'a': the store does not have delete permission \
[RestrictedStore(MemoryStore(), 'readwrite')]
    """

    @property
    def permissions(self) -> Permissions:
        """What may be done."""
        return self._permissions

    def glance(self, key: str) -> os.stat_result | None:
        """Return the system's own account of a real local file or directory; that is reading."""
        return self._inner.glance(key)

    def _details(self) -> list[str]:
        return [repr(self._permissions)]

    def _options(self) -> dict[str, Any]:
        return {"permissions": self._permissions}
