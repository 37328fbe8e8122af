"""`StorageManager`: named mounts, and nodes in them."""

from __future__ import annotations

import os
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime
from functools import partial
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self, Unpack

from holdall._concurrency import run_async
from holdall._lazy import lazy
from holdall.core.keys import clean_path
from holdall.engine.table import Mount, MountTable, check_mount_name
from holdall.errors import ConfigError
from holdall.mounts.configuration import Entry, read_entries, read_entries_async
from holdall.mounts.mount import DescribedMount, ManagedMount, RelativeMount, described
from holdall.mounts.node import StorageNode
from holdall.mounts.registering import BackendRegistry

if TYPE_CHECKING:
    import asyncio

    from holdall.drivers.registry import Registry
    from holdall.drivers.storage_backend import StorageBackend
    from holdall.engine.progress import TransferReport
    from holdall.mounts.node_calls import CallHandle
    from holdall.mounts.transfers import CopyArguments, SyncArguments
    from holdall.store import Store
else:
    asyncio = lazy("asyncio")

__all__ = ["StorageManager"]


class StorageManager(BackendRegistry):
    """Names storages once, and addresses everything in them as ``"mount:path"``.

    Managers are independent and safe for threads: configuration is replaced, never changed, and an operation under way
    keeps the mount it started with. Stores open at first use.

    Args:
        config: As `configure` takes it.
        node_class: Class of every node handed out.
        state_dir: Where unfinished big transfers are noted; the user's state directory by default.
        internal_base: Path under which `holdall.serve` answers, for `StorageNode.internal_url`.
        expand_env: Replace ``${NAME}`` and ``${NAME:default}`` in texts of the configuration.

    Examples:
        >>> storage = StorageManager({"scratch": {"type": "memory"}})
        >>> storage.node("scratch:a/b.txt").write("hello")
        True
        >>> [node.fullpath for node in storage.node("scratch:").rglob("*.txt")]
        ['scratch:a/b.txt']
    """

    def __init__(
        self,
        config: str | os.PathLike[str] | Sequence[Mapping[str, Any]] | Mapping[str, Any] | None = None,
        *,
        node_class: type[StorageNode] = StorageNode,
        state_dir: str | os.PathLike[str] | None = None,
        internal_base: str | None = None,
        expand_env: bool = True,
    ) -> None:
        self._own = MountTable()
        self._types: Registry | None = None
        self._calls: list[CallHandle] = []
        self.node_class = node_class
        self.state_dir = None if state_dir is None else os.fspath(state_dir)
        self.internal_base = internal_base
        self.expand_env = expand_env
        if config is not None:
            self.configure(config)

    # -- mounts -------------------------------------------------------------------------------------------------------

    def configure(self, source: str | os.PathLike[str] | Sequence[Mapping[str, Any]] | Mapping[str, Any]) -> None:
        """Add mounts; all of them, or none if one is wrong. A name given again replaces its mount. No network call is made.

        Args:
            source: A file named ``.yaml .yml .json .toml``, by path or by URL; a list of mappings with ``name``; a mapping of
                name to description; or ``{"mounts": …}`` around either.

        Raises:
            TypeError: Of another Python type.
            FileNotFoundError: No such file.
            ConfigError: Something is wrong; the message names file, mount and key.

        Example:
            >>> storage = StorageManager()
            >>> storage.configure([{"name": "scratch", "type": "memory"}, {"name": "docs", "path": "scratch:docs"}])
            >>> storage.get_mount_names()
            ['scratch', 'docs']
        """
        entries, what = read_entries(source, self._registry)
        with _told(what):
            self._add(entries)

    async def configure_async(
        self, source: str | os.PathLike[str] | Sequence[Mapping[str, Any]] | Mapping[str, Any]
    ) -> None:
        """Add mounts; all of them, or none if one is wrong or the caller is cancelled. See `configure`."""
        entries, what = await read_entries_async(source, self._registry)
        with _told(what):
            await self._add_async(entries)

    def add_mount(self, config_or_name: Mapping[str, Any] | str, target: Any = None, **options: Any) -> None:
        """Add one mount.

        Args:
            config_or_name: A mapping with ``name``, or the name.
            target: With a name: a URL, ``"parent:sub"``, a mapping, a `Store` or an fsspec filesystem.
            options: With a name: further keys, such as ``permissions``.

        Raises:
            TypeError: Neither a mapping nor a name with a target.
            ConfigError: Something is wrong.

        Example:
            >>> storage = StorageManager()
            >>> storage.add_mount("scratch", "memory://", permissions="readwrite")
            >>> storage.node("scratch:a").write("1")
            True
        """
        self._add(self._one(config_or_name, target, options))

    async def add_mount_async(self, config_or_name: Mapping[str, Any] | str, target: Any = None, **options: Any) -> None:
        """Add one mount. See `add_mount`."""
        await self._add_async(self._one(config_or_name, target, options))

    def _one(self, config_or_name: Any, target: Any, options: Mapping[str, Any]) -> Sequence[Entry]:
        """Return the entry of `add_mount`."""
        if isinstance(config_or_name, Mapping):
            if target is not None or options:
                raise TypeError("a mapping says it all: no target and no options beside it")
            return read_entries([config_or_name], self._registry)[0]
        if not isinstance(config_or_name, str) or (target is None and not options):
            raise TypeError("add_mount takes a mapping, or a name and a target")
        return [(config_or_name, _with_options(target, options), None)]

    def delete_mount(self, name: str) -> None:
        """Forget a mount; what is under way with it goes on.

        Raises:
            UnknownMountError: No such mount.
        """
        del self._table[name]

    def get_mount_names(self) -> list[str]:
        """Return the names of all mounts, in the order in which they came."""
        return list(self._table)

    def has_mount(self, name: str) -> bool:
        """Tell whether there is a mount of this name."""
        return name in self._table

    def __contains__(self, name: object) -> bool:
        return name in self._table

    def __iter__(self) -> Iterator[str]:
        return iter(self._table)

    def __len__(self) -> int:
        return len(self._table)

    def get_backend(self, name: str) -> StorageBackend:
        """Return what is behind a mount, by paths: the program's own instance for a custom type.

        A backend that was registered (`register_backend`) is returned itself. For the built-in types it has the path methods of `StorageBackend`, and ``.store``, ``.native`` (the library's own
        object), ``.client`` (boto3, on S3) and ``.fs`` (an fsspec filesystem).

        Raises:
            UnknownMountError: No such mount.
        """
        from holdall.mounts.backends import backend_of  # noqa: PLC0415  # few programs ask

        mount = self._table.mount(name)
        if mount.backend is not None:
            return mount.backend  # type: ignore[no-any-return]  # registered by the program
        kept = vars(mount).get("_backend")
        if kept is None or kept[0] is not mount.store:
            capabilities = mount.store.capabilities
            below = mount.store.locate("a")[0].capabilities
            restricted = (capabilities.write, capabilities.delete) != (below.write, below.delete)
            kept = vars(mount)["_backend"] = (mount.store, backend_of(mount.store, restricted=restricted))
        backend: StorageBackend = kept[1]
        return backend

    def register_backend_type(self, name: str, backend: str | Callable[..., Any]) -> None:
        """Add a type of mount to this manager.

        Args:
            name: The ``type`` that mounts will say; a built-in name is replaced, for this manager only.
            backend: A `StorageBackend` or `Store` class, a factory, or ``"module:Class"``. It is called with the mount's keys.

        Raises:
            ConfigError: This cannot be a name.
            TypeError: None of these.
        """
        if not isinstance(backend, str) and not callable(backend):
            raise TypeError(f"a class, a factory or 'module:Class' is registered, not a {type(backend).__name__}")
        self._registry.register(name, backend, replace=True)

    # -- nodes --------------------------------------------------------------------------------------------------------

    def node(
        self,
        mount_or_path: str | None = None,
        *parts: str,
        version: str | int | None = None,
        as_of: datetime | None = None,
        raw: bool = False,
    ) -> StorageNode:
        """Return the node of a path. No I/O.

        Args:
            mount_or_path: ``"mount:path"``, or the mount alone; nothing at all gives an empty `iternode`.
            parts: Further parts of the path.
            version: Fix it to a version, by id or index.
            as_of: Fix it to a moment; naive means UTC.
            raw: Keep the key exactly; else slashes collapse, ends are stripped and ``.`` segments drop.

        Raises:
            UnknownMountError: No such mount; the message has the known ones.
            InvalidKeyError: A ``..`` segment or NUL (it is a `ValueError`).

        Example:
            >>> storage = StorageManager({"scratch": {"type": "memory"}})
            >>> storage.node("scratch:a//b/"), storage.node("scratch", "a", "b").parent
            (StorageNode('scratch:a/b'), StorageNode('scratch:a'))
        """
        if mount_or_path is None:
            return self.iternode()
        if not isinstance(mount_or_path, str):
            raise TypeError(f"a node is named by a str, not by {type(mount_or_path).__name__}")
        mount, _, path = mount_or_path.partition(":")
        inline = self._table.mount(mount).inline
        key = "/".join(part for part in (path, *parts) if part) if raw or inline else clean_path(path, *parts)
        node = self.node_class(self, mount, key)
        return node if version is None and as_of is None else node.at(version, as_of=as_of)

    def iternode(self, *nodes: StorageNode | str) -> StorageNode:
        """Return a node that reads as the content of several, one after the other, anew at each use.

        Args:
            nodes: Nodes or ``"mount:path"``; more come with `StorageNode.append` and ``extend``.

        Example:
            >>> storage = StorageManager({"scratch": {"type": "memory"}})
            >>> for name, text in (("a", "1"), ("b", "2")):
            ...     _ = storage.node("scratch", name).write(text)
            >>> storage.iternode("scratch:a", "scratch:b").read()
            '12'
        """
        from holdall.mounts.virtual import ConcatStore  # noqa: PLC0415  # few programs use it

        parts = [self._as_node(node) for node in nodes]
        name = (parts[0].name if parts else "") or "content"
        return self.node_class(self, "iternode", name, given=ConcatStore(parts))

    def diffnode(self, a: StorageNode | str, b: StorageNode | str) -> StorageNode:
        """Return a node that reads as the unified difference between two texts, with their full paths as headers.

        Reading it raises `ValueError` if one of them is binary or above 64 MiB.
        """
        from holdall.mounts.virtual import DiffStore  # noqa: PLC0415  # few programs use it

        old, new = self._as_node(a), self._as_node(b)
        return self.node_class(self, "diffnode", f"{new.name}.diff", given=DiffStore(old, new))

    def _as_node(self, place: StorageNode | str) -> StorageNode:
        """Return the node that an argument means."""
        if isinstance(place, StorageNode):
            return place
        if not isinstance(place, str):
            raise TypeError(f"a node or 'mount:path' is needed, not {type(place).__name__}")
        return self.node(place)

    # -- transfers ----------------------------------------------------------------------------------------------------

    def copy(
        self, src: StorageNode | str, dst: StorageNode | str, *, dry_run: bool = False, **options: Unpack[CopyArguments]
    ) -> TransferReport:
        """Copy a file, or the contents of a directory. See `StorageNode.copy_to`.

        Returns:
            What became of every item.
        """
        return self._as_node(src)._copy(self._as_node(dst), dry_run, options)

    async def copy_async(
        self, src: StorageNode | str, dst: StorageNode | str, *, dry_run: bool = False, **options: Unpack[CopyArguments]
    ) -> TransferReport:
        """Copy a file, or the contents of a directory. See `copy`."""
        return await self._as_node(src)._copy_async(self._as_node(dst), dry_run, options)

    def move(
        self, src: StorageNode | str, dst: StorageNode | str, *, dry_run: bool = False, **options: Unpack[CopyArguments]
    ) -> TransferReport:
        """Move a file, or the contents of a directory. See `StorageNode.move_to`.

        Returns:
            What became of every item.
        """
        return self._as_node(src)._move(self._as_node(dst), dry_run, options)

    async def move_async(
        self, src: StorageNode | str, dst: StorageNode | str, *, dry_run: bool = False, **options: Unpack[CopyArguments]
    ) -> TransferReport:
        """Move a file, or the contents of a directory. See `move`."""
        return await self._as_node(src)._move_async(self._as_node(dst), dry_run, options)

    def sync(
        self, src: StorageNode | str, dst: StorageNode | str, *, dry_run: bool = False, **options: Unpack[SyncArguments]
    ) -> TransferReport:
        """Copy what is new or different. See `StorageNode.sync_to`."""
        return self._as_node(src).sync_to(dst, dry_run=dry_run, **options)

    async def sync_async(
        self, src: StorageNode | str, dst: StorageNode | str, *, dry_run: bool = False, **options: Unpack[SyncArguments]
    ) -> TransferReport:
        """Copy what is new or different. See `StorageNode.sync_to`."""
        return await self._as_node(src).sync_to_async(dst, dry_run=dry_run, **options)

    # -- life ---------------------------------------------------------------------------------------------------------

    def close(self) -> None:
        """Wait for programs in the background, then close every store that this manager opened; idempotent.

        Later use raises `ClosedError`.

        Raises:
            Exception: That of a program in the background (`StorageNode.call`), if nobody fetched it.
        """
        error = self._ended()
        self._table.close()
        if error is not None:
            raise error

    async def close_async(self) -> None:
        """Close every store that this manager opened. See `close`."""
        error = await asyncio.to_thread(self._ended) if self._calls else None
        await self._table.close_async()
        if error is not None:
            raise error

    def _ended(self) -> BaseException | None:
        """Wait for programs in the background; return the first error that nobody fetched."""
        calls, self._calls = self._calls, []
        errors = [call._unfetched() for call in calls]
        return next((error for error in errors if error is not None), None)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close_async()

    def __repr__(self) -> str:
        return f"{type(self).__name__}({', '.join(map(repr, self._table))})"

    def __getstate__(self) -> dict[str, Any]:
        """Carry the configuration as it was written: environment variables are read anew where it is unpickled."""
        entries = [(mount.name, _portable(mount), getattr(mount, "base", None)) for mount in self._table.mounts()]
        kept = ("node_class", "state_dir", "internal_base", "expand_env", "_types")
        return {**{name: getattr(self, name) for name in kept}, "entries": entries}

    def __setstate__(self, state: dict[str, Any]) -> None:
        entries = state.pop("entries")
        self.__dict__.update(state)
        self._own = MountTable()
        self._calls = []
        self._add(entries)

    # -- inside -------------------------------------------------------------------------------------------------------

    @property
    def _table(self) -> MountTable:
        """The names; `holdall.storages` has those of the process."""
        return self._own

    @property
    def _registry(self) -> Registry:
        """The types of this manager: its own before those of the process."""
        if self._types is None:
            from holdall.drivers.registry import Registry, default_registry  # noqa: PLC0415  # on first configuration

            self._types = self._table.registry = Registry(parent=default_registry())
        return self._types

    def _add(self, entries: Sequence[Entry]) -> None:
        """Understand all entries, look at them together, and put them in, in one step."""
        self._table.change(put=self._understood(entries))

    async def _add_async(self, entries: Sequence[Entry]) -> None:
        """Put all entries in, in one step; directories are looked for in a worker thread."""
        self._table.change(put=await run_async(partial(self._understood, entries)))

    def _understood(self, entries: Sequence[Entry]) -> dict[str, Mount]:
        """Understand all entries and look at them together; nothing is changed."""
        table, registry = self._table, self._registry
        new: dict[str, Mount] = {}
        for name, spec, base in entries:
            check_mount_name(name)
            new[name] = described(name, spec, table=table, registry=registry, base=base, expanded=not self.expand_env)
        future = {mount.name: mount for mount in table.mounts()} | new
        for mount in new.values():
            if isinstance(mount, ManagedMount):
                mount.check(future)
        return new

    def _described(self, name: str, spec: Any) -> Mount:
        """Return the mount of a name."""
        return described(name, spec, table=self._table, registry=self._registry, base=None, expanded=not self.expand_env)

    def _open(self, name: str) -> Store:
        """Return the store of a mount for one operation."""
        table = self._table
        mount = table._mounts.get(name)  # every operation comes by here
        return (table.mount(name) if mount is None else mount).bind()

    def _lasting(self, name: str) -> tuple[Store, bool]:
        """Return the store of a mount to look at, and whether it has public addresses; no path function is called."""
        mount = self._table.mount(name)
        if isinstance(mount, ManagedMount):
            return mount.store, mount.public
        return mount.store, mount.store.url("a") is not None

    def _base_url(self, name: str) -> str | None:
        """Return the public address of a mount's root, if its description has one."""
        mount = self._table._mounts.get(name)
        return mount.base_url if isinstance(mount, ManagedMount) else None

    def _is_readonly(self, name: str) -> bool:
        """Tell whether a mount may only be read, by its own permissions."""
        mount = self._table._mounts.get(name)
        return isinstance(mount, ManagedMount) and mount.permissions == "readonly"

    def _asks(self, name: str) -> bool:
        """Tell whether a path function says where this mount, or the one it is part of, lies."""
        mount = self._table._mounts.get(name)
        while isinstance(mount, RelativeMount):
            mount = self._table._mounts.get(mount.parent)
        return isinstance(mount, DescribedMount) and mount.function is not None

    def _is_inline(self, name: str) -> bool:
        mount = self._table._mounts.get(name)
        return mount is not None and mount.inline


@contextmanager
def _told(what: str) -> Generator[None]:
    """Say in an error which configuration it is about."""
    try:
        yield
    except ConfigError as error:
        if what != "configuration":
            error.message = f"{what}: {error.message}"
            error.args = (error.message,)
        raise


def _with_options(target: Any, options: Mapping[str, Any]) -> Any:
    """Return a description with further keys."""
    if not options:
        return target
    if target is None:
        return dict(options)
    if isinstance(target, Mapping):
        both = target.keys() & options.keys()
        if both:
            raise TypeError(f"given twice: {', '.join(sorted(map(str, both)))}")
        return {**target, **options}
    if isinstance(target, str):
        return {("url" if "://" in target or target.startswith("data:") else "path"): target, **options}
    if hasattr(target, "_strip_protocol"):
        return {"type": "fsspec", "fs": target, **options}
    return {"store": target, **options}


def _portable(mount: Mount) -> Any:
    """Return a mount's description for pickling.

    Raises:
        ConfigError: It holds a literal secret.
    """
    if isinstance(mount, DescribedMount):
        secrets = mount.bound.literal_secrets()
        if secrets:
            from holdall.core.secrets import refuse_pickle  # noqa: PLC0415  # only to refuse

            refuse_pickle(f"mount {mount.name!r} with {', '.join(map(repr, secrets))}")
    return mount.spec
