"""`ManagedMount`: one mount of a `StorageManager`: described, given as a store, or part of another mount."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from holdall.core.keys import clean_path
from holdall.core.params import Faults, Param, bind
from holdall.core.secrets import mask_value
from holdall.engine.table import Mount
from holdall.errors import ConfigError, InvalidKeyError, UnknownMountError
from holdall.mounts.errors import MountPathError
from holdall.mounts.paths import checked_directory, converted, once, relative_parent
from holdall.store import Store

if TYPE_CHECKING:
    from holdall.drivers.registry import Bound, Registry
    from holdall.engine.table import MountTable

__all__ = ["DescribedMount", "GivenMount", "ManagedMount", "RelativeMount", "described"]

_RELATIVE = (Param(name="path", kind="any", aliases=("base_path", "prefix")),)
_RELATIVE_KEYS = frozenset({"name", "path", "permissions", "read_only", "base_url"})
_RANK = {"readonly": 0, "readwrite": 1, "delete": 2}
TENANTS = 256
"""Stores kept for the answers of one path function."""


class ManagedMount(Mount):
    """A mount that knows its permissions and public address.

    Attributes:
        base_url: Public address of its root, if it has one.
        permissions: What was asked for; ``None`` for all that the storage can.
        base: Directory of the file that described it.
    """

    type = "store"

    def __init__(
        self, name: str, spec: Any, *, permissions: str | None = None, base_url: str | None = None, base: str | None = None
    ) -> None:
        super().__init__(name, spec)
        self.permissions = permissions
        self.base_url = base_url
        self.base = base

    @property
    def public(self) -> bool:
        """Whether its content has plain addresses."""
        return self.base_url is not None or self.store.url("a") is not None

    def check(self, table: Mapping[str, Mount]) -> None:
        """Raise if this mount could not work; nothing is asked of a server.

        Args:
            table: All mounts as they will be.
        """


class GivenMount(ManagedMount):
    """A store that the caller made; closing it stays the caller's business."""

    @property
    def owned(self) -> bool:
        """Whether the manager closes it: no."""
        return False

    def open(self) -> Store:
        """Return the store, under the permissions."""
        return _restricted(self.spec, self.permissions)

    def check(self, table: Mapping[str, Mount]) -> None:
        """Raise if the permissions are more than the store has."""
        self.open()


class DescribedMount(ManagedMount):
    """A mount described by a URL or a mapping; the driver is made at first use."""

    def __init__(self, name: str, spec: Any, bound: Bound, registry: Registry, *, base: str | None = None) -> None:
        common = bound.common
        permissions = "readonly" if common.get("read_only") else common.get("permissions")
        super().__init__(name, spec, permissions=permissions, base_url=common.get("base_url"), base=base)
        self.bound = bound
        self.registry = registry
        self.type = bound.type
        self.inline = bound.type == "base64"
        path = bound.fields.get("path")
        self.function: Callable[..., Any] | None = path if callable(path) else None

    @property
    def owned(self) -> bool:
        """Whether the manager closes it: yes, it made it."""
        return True

    def check(self, table: Mapping[str, Mount]) -> None:
        """Raise if the directory of a local mount is missing, or a path function cannot be called."""
        if self.function is not None:
            from holdall.wrappers.dynamic import _parameters  # noqa: PLC0415  # few mounts have one

            _parameters(self.function)
        elif self.type == "local" and not self.bound.fields.get("create"):
            path = self.bound.fields["path"]
            if not os.path.isdir(path):
                what = "is not a directory" if os.path.exists(path) else "does not exist"
                raise MountPathError(f"mount {self.name!r}: {path!r} {what} (create: true makes it)")

    def open(self) -> Store:
        """Make the store."""
        if self.function is not None:
            return self._asking(self.function)
        bound = self.bound
        if self.inline:
            # Nothing is ever written to it: its nodes change, and they look at the permissions themselves.
            bound = replace(bound, common={n: v for n, v in bound.common.items() if n not in {"permissions", "read_only"}})
        return self.registry.open(bound, base=self.base)

    def bind(self) -> Store:
        """Return the store for one operation; a path function is asked once in it."""
        if self.function is not None:
            return self._asking(once(self.function))
        kept: Store | None = self.__dict__.get("_store")
        return self.store if kept is None else kept

    @property
    def public(self) -> bool:
        """Whether its content has plain addresses; a path function is not asked."""
        return self.base_url is not None or (self._base() if self.function is not None else self.store).url("a") is not None

    def _asking(self, function: Callable[..., Any]) -> Store:
        from holdall.wrappers.dynamic import DynamicPrefixStore  # noqa: PLC0415  # few mounts have a path function

        if self.type == "local":
            return DynamicPrefixStore(
                self._base(), converted(function, lambda answer: self._tenant(checked_directory(answer)))
            )
        return DynamicPrefixStore(self._base(), function)

    def _base(self) -> Store:
        """Return the store that the answers lie in: the whole bucket; for local disk one that only lends its capabilities."""
        kept: Store | None = self.__dict__.get("_whole")
        if kept is not None:
            return kept
        made = self._opened(os.path.abspath(os.sep) if self.type == "local" else None)
        self.__dict__["_tenants"] = lru_cache(maxsize=TENANTS)(self._opened)
        return self.__dict__.setdefault("_whole", made)  # type: ignore[no-any-return]

    def _opened(self, path: str | None) -> Store:
        return self.registry.open(self.bound.with_fields(path=path), base=self.base)

    def _tenant(self, path: str) -> Store:
        """Return the store of one answer: a root of its own, so that no link leads from one to another."""
        store: Store = self.__dict__["_tenants"](path)
        return store

    def __repr__(self) -> str:
        return f"DescribedMount({self.name!r}, {self.bound!r})"


class RelativeMount(ManagedMount):
    """Part of another mount, which is looked up by name at each use: replacing the parent moves its children."""

    type = "relative"

    def __init__(
        self,
        name: str,
        spec: Any,
        table: MountTable,
        parent: str,
        below: str,
        *,
        permissions: str | None = None,
        base_url: str | None = None,
    ) -> None:
        super().__init__(name, spec, permissions=permissions, base_url=base_url)
        self.table = table
        self.parent = parent
        self.below = below
        self._last: tuple[Store, Store] | None = None

    @property
    def owned(self) -> bool:
        """Whether the manager closes it: the parent is closed anyway."""
        return False

    @property
    def store(self) -> Store:
        """The part of the parent as it is now."""
        return self._part(self._mount().store)

    def bind(self) -> Store:
        """Return the store for one operation."""
        return self._part(self._mount().bind())

    def check(self, table: Mapping[str, Mount]) -> None:
        """Raise if the parent is missing, if the parents run in a circle, or if this mount asks for more than its parent has."""
        seen = [self.name]
        mount: Mount = self
        while isinstance(mount, RelativeMount):
            if mount.parent in seen:
                raise ConfigError(f"mount {self.name!r}: relative mounts in a circle: {' -> '.join([*seen, mount.parent])}")
            seen.append(mount.parent)
            above = table.get(mount.parent)
            if above is None:
                raise self._orphan(mount.parent, table)
            allowed = above.permissions if isinstance(above, ManagedMount) else None
            if self.permissions is not None and allowed is not None and _RANK[self.permissions] > _RANK[allowed]:
                why = "is read-only" if allowed == "readonly" else "does not have delete permission"
                raise ConfigError(f"mount {self.name!r}: permissions {self.permissions!r}: its parent {above.name!r} {why}")
            mount = above

    def _mount(self) -> Mount:
        try:
            return self.table.mount(self.parent)
        except UnknownMountError:
            raise self._orphan(self.parent, self.table) from None

    def _orphan(self, parent: str, known: Any) -> UnknownMountError:
        names = ", ".join(map(repr, known)) or "none"
        return UnknownMountError(f"Parent mount {parent!r} not found (mount {self.name!r}; available: {names})")

    def _part(self, parent: Store) -> Store:
        last = self._last
        if last is not None and last[0] is parent:
            return last[1]
        from holdall.wrappers.prefix import PrefixStore  # noqa: PLC0415  # few mounts are relative

        store = _restricted(PrefixStore(parent, self.below) if self.below else parent, self.permissions, narrow=True)
        self._last = (parent, store)
        return store

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_last": None}

    def __repr__(self) -> str:
        return f"RelativeMount({self.name!r}, {f'{self.parent}:{self.below}'!r})"


def described(
    name: str,
    spec: Any,
    *,
    table: MountTable,
    registry: Registry,
    base: str | None = None,
    expanded: bool = False,
) -> ManagedMount:
    """Understand one entry of a configuration; nothing is opened.

    Args:
        name: The mount's name.
        spec: A `Store`, an fsspec filesystem, a URL, ``"parent:sub"``, or a mapping.
        table: Where the parents of relative mounts are looked up.
        registry: Knows the types.
        base: Directory that relative local paths are relative to.
        expanded: ``${NAME}`` is not looked for.

    Raises:
        TypeError: None of these.
        ConfigError: With every fault of the entry.
    """
    if isinstance(spec, Store):
        return GivenMount(name, spec)
    if isinstance(spec, str):
        parent = relative_parent(spec)
        spec = {"path": spec} if parent is not None and not _is_url(spec) else {"url": spec}
    if not isinstance(spec, Mapping):
        if hasattr(spec, "protocol") and hasattr(spec, "_strip_protocol"):
            spec = {"type": "fsspec", "fs": spec}
        else:
            raise TypeError(f"mount {name!r} is described by a mapping, a URL or a Store, not by {type(spec).__name__}")
    entry = {**spec, "name": name}
    wanted = entry.get("permissions")
    if wanted is not None and wanted not in _RANK and not (isinstance(wanted, str) and "${" in wanted):
        raise ConfigError(f"mount {name!r}: Invalid permissions {wanted!r}: one of {', '.join(_RANK)}")
    if isinstance(given := entry.get("store"), Store):
        options = _options({k: v for k, v in entry.items() if k != "store"}, Faults(f"mount {name!r}"), expanded=expanded)
        return GivenMount(name, given, permissions=options.get("permissions"), base_url=options.get("base_url"))
    if not entry.keys() & {"type", "protocol", "url"}:
        return _relative(name, entry, table, expanded=expanded)
    try:
        bound = registry.bind(entry, expanded=expanded, base=base)
    except ConfigError as error:
        if f"mount {name!r}" not in error.message:
            error.message = f"mount {name!r}: {error.message}"
            error.args = (error.message,)
        raise
    if isinstance(bound.fields.get("file"), str):
        from holdall.mounts.archive_mount import ArchiveMount, archive_place  # noqa: PLC0415  # few mounts are archives

        place = archive_place(bound)
        if place is not None:
            return ArchiveMount(name, spec, bound, registry, place, table, base=base)
    return DescribedMount(name, spec, bound, registry, base=base)


def _is_url(text: str) -> bool:
    from holdall.core.urls import url_scheme  # noqa: PLC0415  # only for what is no mapping

    return url_scheme(text) is not None


def _relative(name: str, entry: Mapping[str, Any], table: MountTable, *, expanded: bool) -> RelativeMount:
    faults = Faults(f"mount {name!r}")
    values = _options(entry, faults, expanded=expanded)
    path = values.get("path")
    parent = relative_parent(path)
    if parent is None:
        faults.add("missing required field: 'type' (or 'protocol'), or 'url', or a path 'parent:sub'")
    below = ""
    try:
        below = "" if parent is None else clean_path(parent[1])
    except InvalidKeyError as error:
        faults.add(f"{error.message} (in 'path')")
    faults.check()
    assert parent is not None
    permissions = "readonly" if values.get("read_only") else values.get("permissions")
    return RelativeMount(
        name, dict(entry), table, parent[0], below, permissions=permissions, base_url=values.get("base_url")
    )


def _options(entry: Mapping[str, Any], faults: Faults, *, expanded: bool) -> dict[str, Any]:
    """Return what a mount without a type may have."""
    values = bind(_RELATIVE, entry, faults, expanded=expanded)
    for key in values.keys() - _RELATIVE_KEYS:
        faults.add(f"{key!r} belongs to a mount with a type")
    return values


def _restricted(store: Store, permissions: str | None, *, narrow: bool = False) -> Store:
    """Return a store under permissions; ``narrow`` lowers them to what the store has."""
    if permissions is None:
        return store
    from holdall.wrappers.restricted import RestrictedStore  # noqa: PLC0415  # only for mounts with permissions

    capabilities = store.capabilities
    if narrow:
        allowed = "delete" if capabilities.delete else "readwrite" if capabilities.write else "readonly"
        permissions = min(permissions, allowed, key=_RANK.__getitem__)
    if permissions == "delete":
        return store
    return RestrictedStore(store, permissions)  # type: ignore[arg-type]  # checked by the class


def shown(mount: Mount) -> dict[str, Any]:
    """Return what may be told of a mount: no secret."""
    if isinstance(mount, DescribedMount):
        return {"name": mount.name, "type": mount.type, "target": mask_value(mount.spec)}
    if isinstance(mount, RelativeMount):
        return {"name": mount.name, "type": mount.type, "target": f"{mount.parent}:{mount.below}"}
    return {"name": mount.name, "type": "store", "target": repr(mount.store)}
