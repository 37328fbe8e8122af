"""Stores and helpers that the engine's tests share."""

import hashlib
from types import SimpleNamespace
from typing import Any

from holdall.core.capabilities import Capabilities, Identity
from holdall.drivers.memory import MemoryStore
from holdall.engine import transfer, transfer_async

engine = SimpleNamespace(
    copy=transfer.copy,
    copy_async=transfer_async.copy_async,
    move=transfer.move,
    move_async=transfer_async.move_async,
    sync=transfer.sync,
    sync_async=transfer_async.sync_async,
    plan=transfer.plan,
    plan_async=transfer_async.plan_async,
)
"""`colour(engine).copy(...)` runs either colour."""


class Apart(MemoryStore):
    """A store that shares no service with any other and is reached over a network, for all that the engine can tell.

    Keyword arguments change its capabilities.
    """

    def __init__(self, **changes: Any) -> None:
        super().__init__()
        self._changes = {"copy": False, "rename": False, "temporary": False, "parts": None, **changes}

    @property
    def capabilities(self) -> Capabilities:
        return super().capabilities.narrowed(**self._changes)

    @property
    def identity(self) -> Identity:
        return Identity(service="apart", place=self._mark, principal=self._mark)

    def get(self, *arguments, **named):
        result = super().get(*arguments, **named)
        result.tags = None  # no service sends them with the bytes
        return result

    def copy(self, *arguments, **named):
        if not self.capabilities.copy:
            raise self._refusal("copy")
        return super().copy(*arguments, **named)

    async def copy_async(self, *arguments, **named):
        return self.copy(*arguments, **named)


def fill(store, tree):
    """Put a tree of ``{key: bytes}``."""
    for key, data in tree.items():
        store.put(key, data)


def everything(store, prefix=""):
    """Return ``{key below the prefix: bytes}``, directories and markers left out."""
    return {
        meta.key[len(prefix) :]: store.get(meta.key).bytes()
        for page in store.list(prefix)
        for meta in page.objects
        if not meta.key.endswith("/")
    }


def md5(data):
    """Return the MD5 of bytes."""
    return hashlib.md5(data, usedforsecurity=False).hexdigest()
