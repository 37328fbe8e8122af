"""Backends by key: the part of `StorageManager` that columns of files use. A backend is a mount, and a mount is a backend."""

from __future__ import annotations

from collections.abc import Callable, Iterator, MutableMapping
from typing import Any

from holdall.engine.table import Mount, MountTable, Override
from holdall.errors import ConfigError
from holdall.store import Store

__all__ = ["BackendRegistry"]


class BackendRegistry:
    """Registers stores, backends and URLs under keys; rows of `holdall.columns` name them by it."""

    _default_backend: str | Callable[..., Any] | None = None

    @property
    def _table(self) -> MountTable:
        """The names."""
        raise NotImplementedError

    def get_backend(self, name: str) -> Any:
        """Return what is registered under a key."""
        raise NotImplementedError

    def register_backend(self, backend: Any, *, key: str | None = None) -> None:
        """Register a backend, a `holdall.Store` or a URL; what had the key is replaced.

        Args:
            backend: A backend of `holdall.columns` (it has a ``key`` and a ``store``), a Store, or a URL.
            key: For a Store or a URL: its key. A backend has its own.

        Raises:
            ConfigError: No key, or another than the backend's.
            TypeError: None of these.

        Example:
            >>> from holdall.mounts import StorageManager
            >>> storages = StorageManager()
            >>> storages.register_backend("memory://", key="uploads")
            >>> storages.registered_backends()
            ['uploads']
        """
        mount = self._backend_mount(backend, key)
        self._table.change(put={mount.name: mount})

    def unregister_backend(self, key: str) -> None:
        """Forget a key; one that is absent is ignored."""
        self._table.change(remove=[key])

    def is_registered(self, key: str) -> bool:
        """Tell whether something is registered under a key."""
        return key in self._table

    def registered_backends(self) -> list[str]:
        """Return all keys, in the order in which they came."""
        return list(self._table)

    def clear_backends(self) -> None:
        """Forget all keys."""
        self._table.change(remove=list(self._table))

    def override(self, key: str, backend: Any) -> Override:
        """Return a context manager, in either colour, within which a key means another backend; for tests.

        Example:
            >>> from holdall.drivers.memory import MemoryStore
            >>> from holdall.mounts import StorageManager
            >>> storages = StorageManager()
            >>> with storages.override("uploads", MemoryStore()):
            ...     storages.is_registered("uploads")
            True
            >>> storages.is_registered("uploads")
            False
        """
        return self._table.override(key, self._backend_mount(backend, key, rename=True))

    def set_default_backend(self, backend: str | Callable[..., Any] | None) -> None:
        """Say what a bare URL becomes in `register_backend`: a class of backends, called with ``key=`` and ``fs=``, or its dotted name.

        Args:
            backend: ``"package.module:Class"``, ``"package.module.Class"``, a class, or ``None``: the registry of storage types chooses.
        """
        self._default_backend = backend

    @property
    def _backends(self) -> MutableMapping[str, Any]:
        """The backends by key, as a live mapping."""
        return _View(self)

    def _backend_mount(self, backend: Any, key: str | None, *, rename: bool = False) -> Mount:
        if isinstance(backend, (str, Store)):
            if key is None:
                raise ConfigError("a store or a URL is registered with a key: register_backend(…, key=…)")
            if isinstance(backend, str) and self._default_backend is not None:
                return self._backend_mount(_loaded(self._default_backend)(key=key, fs=backend), key)
            return self._described(key, backend)
        own, store = getattr(backend, "key", None), getattr(backend, "store", None)
        if not isinstance(own, str) or not isinstance(store, Store):
            raise TypeError(f"a backend, a Store or a URL is registered, not a {type(backend).__name__}")
        if key is not None and key != own and not rename:
            raise ConfigError(f"this backend has the key {own!r}, not {key!r}")
        mount = self._described(key or own, store)
        mount.backend = backend
        return mount

    def _described(self, name: str, spec: Any) -> Mount:
        """Return the mount of a name."""
        raise NotImplementedError


class _View(MutableMapping[str, Any]):
    """The backends of a manager by key: reading and changing it reads and changes the manager."""

    def __init__(self, owner: BackendRegistry) -> None:
        self._owner = owner

    def __getitem__(self, key: str) -> Any:
        return self._owner.get_backend(key)

    def __setitem__(self, key: str, backend: Any) -> None:
        self._owner.register_backend(backend, key=key)

    def __delitem__(self, key: str) -> None:
        if key not in self._owner._table:
            raise KeyError(key)
        self._owner.unregister_backend(key)

    def __iter__(self) -> Iterator[str]:
        return iter(self._owner.registered_backends())

    def __len__(self) -> int:
        return len(self._owner._table)


def _loaded(backend: str | Callable[..., Any]) -> Callable[..., Any]:
    if not isinstance(backend, str):
        return backend
    from holdall.drivers.backend import load_target  # noqa: PLC0415  # only for dotted names

    try:
        return load_target(backend if ":" in backend else ":".join(backend.rsplit(".", 1)))
    except (ImportError, AttributeError, ValueError) as error:
        raise ConfigError(f"there is no backend {backend!r}: {error}") from None
