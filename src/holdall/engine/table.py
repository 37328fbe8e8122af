"""The one table of named stores beneath the faces.

``holdall.mounts.StorageManager`` is its public class; columns, tiers, containers and records reach the same names through
`default_table` without importing ``holdall.mounts``. A manager that wants more of a mount than "open this description"
(permissions, callable paths, relative mounts) derives from `Mount` and puts its own mounts in.
"""

from __future__ import annotations

import importlib
import os
import threading
from collections.abc import Callable, Hashable, Iterator, Mapping, MutableMapping
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from holdall.errors import ClosedError, ConfigError, UnknownMountError
from holdall.store import Store

if TYPE_CHECKING:
    from holdall.drivers.registry import Registry

__all__ = ["Mount", "MountTable", "Override", "check_mount_name", "default_table", "set_default", "set_default_factory"]


_KEPT = 64


def check_mount_name(name: str) -> str:
    """Return a mount's name if it can stand before the colon of ``"mount:path"``.

    Raises:
        TypeError: Not a ``str``.
        ConfigError: Empty, or with a colon, a slash, a backslash, white space or a control character. A mount of one letter
            is allowed: it means itself in ``node("m:a")``, but ``m:/a`` on a command line stays a Windows path.

    Example:
        >>> check_mount_name("uploads")
        'uploads'
    """
    if not isinstance(name, str):
        raise TypeError(f"a mount name is a str, not {type(name).__name__}")
    if not name:
        raise ConfigError("a mount name cannot be empty")
    bad = sorted({c for c in name if c in ":/\\" or c.isspace() or not c.isprintable()})
    if bad:
        raise ConfigError(f"a mount name cannot hold {bad[0]!r}: {name!r}")
    return name


class Mount:
    """One name, what it was described by, and the store, opened at first use.

    Opening takes no lock (nothing can hang after a fork): if two threads open at once, one store is kept and both get it.

    Args:
        name: The name.
        spec: A `Store`, or a description (URL or mapping, unexpanded) that `open` turns into one.

    Attributes:
        inline: What stands after the colon is the content itself, and taken literally.
        backend: The object that was registered under the name, if it was not a store or a description.
    """

    inline: bool
    backend: Any = None

    def __init__(self, name: str, spec: Any) -> None:
        self.name = check_mount_name(name)
        self.spec = spec
        self.inline = _is_inline(spec)

    def open(self) -> Store:
        """Make the store; called at first use. Here: the spec itself, or the driver registry's answer."""
        if isinstance(self.spec, Store):
            return self.spec
        from holdall.drivers.registry import open_store  # noqa: PLC0415  # the registry is needed by descriptions only

        return open_store(self.spec)

    @property
    def store(self) -> Store:
        """The store, always the same one."""
        kept: Store | None = self.__dict__.get("_store")
        return kept if kept is not None else self.__dict__.setdefault("_store", self.open())

    def bind(self) -> Store:
        """Return the store for one operation; the same as `store`, unless a path is told anew for each."""
        return self.store

    @property
    def opened(self) -> Store | None:
        """The store if it was opened already."""
        return self.__dict__.get("_store")

    @property
    def owned(self) -> bool:
        """Whether closing the table closes the store: not one that the caller made and handed over."""
        return not isinstance(self.spec, Store)

    def __getstate__(self) -> dict[str, Any]:
        if isinstance(self.spec, Store):
            return {"name": self.name, "spec": self.spec}
        return {k: v for k, v in self.__dict__.items() if k != "_store"}

    def __repr__(self) -> str:
        from holdall.core.secrets import mask_value  # noqa: PLC0415  # for people only

        return f"{type(self).__name__}({self.name!r}, {mask_value(self.spec)!r})"


def _is_inline(spec: Any) -> bool:
    if isinstance(spec, Store):
        return spec.identity.service == "inline"
    return isinstance(spec, Mapping) and spec.get("type", spec.get("protocol")) in {"base64", "inline"}


class MountTable(MutableMapping[str, Store]):
    """Names to stores: a live mutable mapping, safe for threads.

    Reading gives the store (opened at first use); assigning takes a `Store`, a description or a `Mount`. The inner mapping
    is replaced at each change, never changed: an operation under way keeps the store it started with, and iteration sees
    one state. Names keep the order in which they came.

    Args:
        mounts: The first mounts.

    Attributes:
        registry: Knows the types of URLs that are used beside these mounts; the default one if ``None``.

    Examples:
        >>> from holdall.drivers.memory import MemoryStore
        >>> table = MountTable({"scratch": MemoryStore()})
        >>> _ = table["scratch"].put("a", b"1")
        >>> with table.override("scratch", MemoryStore()):
        ...     [page.objects for page in table["scratch"].list()]
        []
    """

    def __init__(self, mounts: Mapping[str, Any] | None = None) -> None:
        self._mounts: dict[str, Mount] = {}
        self._overrides: list[Override] = []
        self._kept: dict[Hashable, Store] = {}
        self._closed = False
        self.registry: Registry | None = None
        if mounts:
            self.change(put=mounts)

    # -- mapping of name to store -------------------------------------------------------------------------------------

    def __getitem__(self, name: str) -> Store:
        return self.mount(name).store

    def __setitem__(self, name: str, value: Any) -> None:
        self.change(put={name: value})

    def __delitem__(self, name: str) -> None:
        self.mount(name)
        self.change(remove=[name])

    def __iter__(self) -> Iterator[str]:
        return iter(self._mounts)

    def __len__(self) -> int:
        return len(self._mounts)

    def __contains__(self, name: object) -> bool:
        return name in self._mounts

    # -- more ---------------------------------------------------------------------------------------------------------

    def mount(self, name: str) -> Mount:
        """Return the mount of a name without opening it.

        Raises:
            UnknownMountError: No such name; the message has the known ones.
            ClosedError: The table is closed.
        """
        mounts = self._mounts  # empty once the table is closed
        try:
            return mounts[name]
        except KeyError:
            self._check_open()
            known = ", ".join(map(repr, mounts)) or "none"
            raise UnknownMountError(f"Mount point {name!r} not found (available: {known})") from None

    def mounts(self) -> tuple[Mount, ...]:
        """Return all mounts as they are now."""
        return tuple(self._mounts.values())

    def change(self, *, put: Mapping[str, Any] | None = None, remove: Any = ()) -> None:
        """Change several names in one step: every value is checked first, then all are there or none.

        Args:
            put: Name to `Store`, description or `Mount`; a name that is there is replaced in its place.
            remove: Names to drop; absent ones are ignored.

        Raises:
            ConfigError: A name that cannot be one.
            ClosedError: The table is closed.
        """
        new = {name: value if isinstance(value, Mount) else Mount(name, value) for name, value in (put or {}).items()}
        for name in new:
            check_mount_name(name)
        gone = set(remove)
        with _writing:
            self._check_open()
            self._mounts = {**{k: v for k, v in self._mounts.items() if k not in gone}, **new}

    def override(self, name: str, value: Any) -> Override:
        """Return a context manager (either colour) within which a name means another store, for tests.

        What was there is restored afterwards, also if overrides end in another order than they began.
        """
        return Override(self, name, value)

    def kept(self, key: Hashable, make: Callable[[], Store]) -> Store:
        """Return the store that is kept under a key; made, if there is none yet.

        Stores that users name by URL are opened once, so that their connections are used again. The least recently used
        is forgotten (it closes when nobody uses it), unless its content would be forgotten with it.

        Args:
            key: What the store is told apart by.
            make: Makes it.
        """
        self._check_open()
        found = self._kept.get(key)
        made = make() if found is None else found
        with _writing:
            self._check_open()
            store = self._kept.pop(key, made)
            self._kept[key] = store
            lasting = [k for k, s in self._kept.items() if not s.capabilities.temporary]
            for old in lasting[: max(0, len(lasting) - _KEPT)]:
                del self._kept[old]
        return store

    @property
    def closed(self) -> bool:
        """Whether `close` was called."""
        return self._closed

    def close(self) -> None:
        """Close every store that the table opened itself; idempotent. Later use raises `ClosedError`."""
        for store in self._shut():
            store.close()

    async def close_async(self) -> None:
        """Close every store that the table opened itself. See `close`."""
        for store in self._shut():
            await store.close_async()

    def _check_open(self) -> None:
        if self._closed:
            raise ClosedError("these mounts are closed")

    def _shut(self) -> list[Store]:
        with _writing:
            self._closed = True
            mounts, self._mounts = self._mounts, {}
            waiting = [o.previous for o in self._overrides if o.previous is not None]
            kept, self._kept, self._overrides = list(self._kept.values()), {}, []
        return [m.opened for m in (*mounts.values(), *waiting) if m.owned and m.opened is not None] + kept

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_overrides": [], "_kept": {}}

    def __repr__(self) -> str:
        return f"{type(self).__name__}({', '.join(map(repr, self._mounts))})"


class Override:
    """A name meaning another store for a while; made by `MountTable.override`."""

    def __init__(self, table: MountTable, name: str, value: Any) -> None:
        self._table = table
        self.mount = value if isinstance(value, Mount) else Mount(name, value)
        self.name = check_mount_name(name)
        self.previous: Mount | None = None

    def __enter__(self) -> Self:
        with _writing:
            self._table._check_open()
            self.previous = self._table._mounts.get(self.name)
            self._table._mounts = {**self._table._mounts, self.name: self.mount}
            self._table._overrides.append(self)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        table = self._table
        with _writing:
            if self not in table._overrides:
                return
            table._overrides.remove(self)
            above = next((o for o in table._overrides if o.name == self.name and o.previous is self.mount), None)
            if above is not None:
                above.previous = self.previous
            elif table._mounts.get(self.name) is self.mount:
                if self.previous is None:
                    table._mounts = {k: v for k, v in table._mounts.items() if k != self.name}
                else:
                    table._mounts = {**table._mounts, self.name: self.previous}

    async def __aenter__(self) -> Self:
        return self.__enter__()

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.__exit__(kind, error, trace)


# -- the default table, of which there is one per process -----------------------------------------------------------------

_writing = threading.Lock()
_default: MountTable | None = None
_factory: Callable[[], MountTable] | None = None


def default_table() -> MountTable:
    """Return the process's default table: that of ``holdall.storages``.

    The table is made on first use, by the factory that ``holdall.mounts`` registers when it is imported (which happens
    here if nobody did so before).
    """
    global _default  # noqa: PLW0603  # the one default, made on first use
    if _default is None:
        if _factory is None:
            # A dotted name, not an import: the faces stand above the engine and hook themselves in.
            importlib.import_module("holdall.mounts")
        table = _factory() if _factory is not None else MountTable()
        with _writing:
            if _default is None:
                _default = table
    return _default


def set_default(table: MountTable | None) -> MountTable | None:
    """Make a table the default; ``None`` lets the next use make a new one. Returns the one before."""
    global _default  # the one default
    with _writing:
        before, _default = _default, table
    return before


def set_default_factory(factory: Callable[[], MountTable] | None) -> None:
    """Say how the default table is made on first use; called by ``holdall.mounts``."""
    global _factory  # noqa: PLW0603  # the one hook
    _factory = factory


def _after_fork() -> None:
    """Replace the lock in the child: another thread of the parent may have held it."""
    global _writing  # noqa: PLW0603  # the one lock
    _writing = threading.Lock()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)
