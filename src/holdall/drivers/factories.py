"""Factories of the types whose store is more than one call of a driver's class: memory that is shared, fsspec by URL."""

from __future__ import annotations

import os
import re
import threading
import weakref
from collections.abc import Callable, Mapping
from typing import Any

from holdall.core.urls import StoreURL
from holdall.drivers.backend import load_target
from holdall.drivers.building import below
from holdall.errors import ConfigError
from holdall.store import Store

__all__ = ["open_fsspec", "open_memory"]

_shared: weakref.WeakValueDictionary[str, Store] = weakref.WeakValueDictionary()
_sharing = threading.Lock()
_SEPARATORS = re.compile(r"[/?#@%\[\]\s]")


def _after_fork() -> None:
    """Replace the lock in the child: another thread of the parent may have held it."""
    global _sharing  # noqa: PLW0603  # the one lock
    _sharing = threading.Lock()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)


def open_memory(*, prefix: str = "", share: str | None = None, versioned: bool = False) -> Store:
    """Make a store in memory, private or shared by name, or the part of one below a prefix."""
    make: Callable[..., Store] = load_target("holdall.drivers.memory:MemoryStore")
    if share is None:
        return below(make(versioned=versioned), prefix)
    with _sharing:
        store = _shared.get(share)
        if store is None:
            store = _shared[share] = make(versioned=versioned, name=share)
            # One of those that share it cannot close it for the others; it goes with the last of them.
            setattr(store, "close", _stay_open)  # noqa: B010  # of this one only
            setattr(store, "close_async", _stay_open_async)  # noqa: B010
    if store.capabilities.versioned != versioned:
        raise ConfigError(f"memory share {share!r} is {'not ' if versioned else ''}versioned elsewhere")
    return below(store, prefix)


def _stay_open() -> None:
    """Close nothing."""


async def _stay_open_async() -> None:
    """Close nothing."""


def open_fsspec(fs: Any, *, path: str = "", options: Mapping[str, Any] | None = None, url: StoreURL | None = None) -> Store:
    """Make the store of an fsspec filesystem, of a protocol's, or of the one that a URL describes."""
    make: Callable[..., Store] = load_target("holdall.drivers.fsspec:FsspecStore")
    if url is not None:
        return make(_plain(url, fs), options=options)
    return make(fs, path=path, options=options)


def _plain(url: StoreURL, protocol: str) -> str:
    """Return a URL as fsspec reads it: it decodes nothing.

    Raises:
        ConfigError: The user part would change the URL's structure.
    """
    user, password = url.user, url.password
    if ":" in (user or "") or _SEPARATORS.search((user or "") + (password.reveal() if password is not None else "")):
        raise ConfigError(f"{url}: fsspec reads no such user name or password in a URL; give them in a mapping, as options")
    login = "" if user is None else f"{user}{'' if password is None else ':' + password.reveal()}@"
    return f"{protocol}://{login}{url.netloc}{''.join('/' + segment for segment in url.segments)}"
