"""`NodeVersions`: the versions of a node, and nodes fixed to one of them."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any

from holdall._lazy import lazy
from holdall.mounts.errors import UnsupportedNodeError, VirtualNodeError
from holdall.mounts.node_base import NodeBase

if TYPE_CHECKING:
    from holdall.mounts import history, history_async
    from holdall.mounts.node import StorageNode
    from holdall.store import Store
else:
    history, history_async = lazy("holdall.mounts.history"), lazy("holdall.mounts.history_async")

__all__ = ["NodePin", "NodeVersions"]


class NodePin(NodeBase):
    """Which version an operation on this node means."""

    __slots__ = ()

    @property
    def _fixed(self) -> bool:
        """Whether this node is fixed to a version or moment."""
        return self._version is not None or self._as_of is not None

    def _pinned(self, store: Store, version: str | int | None = None, as_of: datetime | None = None) -> str | None:
        """Return the version id of one read; an index or moment of the node itself is fixed at first use."""
        if version is None and as_of is None:
            if self._pin is None and self._fixed:
                self._pin = history.pin(store, self._key, self._version, self._as_of)
            return self._pin
        return history.pin(store, self._key, *self._wanted(version, as_of))

    async def _pinned_async(
        self, store: Store, version: str | int | None = None, as_of: datetime | None = None
    ) -> str | None:
        """Return the version id of one read. See `_pinned`."""
        if version is None and as_of is None:
            if self._pin is None and self._fixed:
                self._pin = await history_async.pin_async(store, self._key, self._version, self._as_of)
            return self._pin
        return await history_async.pin_async(store, self._key, *self._wanted(version, as_of))

    def _wanted(self, version: str | int | None, as_of: datetime | None) -> tuple[str | int | None, datetime | None]:
        if self._fixed:
            raise ValueError(f"Cannot specify both: {self!r} is fixed to a version already")
        return version, as_of

    def _check_writable(self) -> None:
        """Refuse to write through a node that is fixed to a version."""
        if self._fixed:
            raise UnsupportedNodeError(f"Cannot write to versioned snapshot {self!r}", key=self._key)
        if self._virtual is not None:
            raise VirtualNodeError(f"Cannot write to {self!r}: it is made of other nodes")

    def _check_structure(self) -> None:
        """Refuse to look for anything below a node that is content and nothing else."""
        if self._inline or self._virtual is not None:
            raise ValueError(f"{'inline content' if self._inline else repr(self)} has no directory structure")
        if self._version is not None:
            raise UnsupportedNodeError(f"{self!r}: a version is that of one file, a directory has none", key=self._key)

    def _check_mounted(self, verb: str) -> None:
        """Refuse what needs a place in a storage."""
        self._check_writable()
        if self._inline:
            raise UnsupportedNodeError(f"inline content cannot be {verb}: it is nowhere but in its own path")


class NodeVersions(NodePin):
    """Versions, on storages that keep them; elsewhere each verb refuses before any I/O."""

    __slots__ = ()

    def at(self, version: str | int | None = None, *, as_of: datetime | None = None) -> StorageNode:
        """Return this node fixed to a version or moment: a snapshot, which only reads. No I/O.

        Args:
            version: Id, or index (0 the oldest, -1 the newest), fixed to an id at first use.
            as_of: The newest version at or before this; naive means UTC.

        Raises:
            ValueError: Both, neither, or this node is fixed already.
        """
        version, as_of = self._wanted(version, as_of)
        if (version is None) == (as_of is None):
            raise ValueError(
                "Cannot specify both version and as_of" if version is not None else "version or as_of is needed"
            )
        moment = None if as_of is None else history.aware(as_of)
        return self._manager.node_class(
            self._manager, self._mount, self._key, version=version, as_of=moment, given=self._given
        )

    @property
    def versions(self) -> list[dict[str, Any]]:
        """The versions with content, oldest first: ``version_id is_latest last_modified size etag``.

        Raises:
            NotSupportedError: This mount does not support versioning.
        """
        return [history.shown(v) for v in history.living(history.listed(self._store(), self._key))]

    async def versions_async(self) -> list[dict[str, Any]]:
        """Return the versions with content, oldest first. See `versions`."""
        found = await history_async.listed_async(self._store(), self._key)
        return [history.shown(v) for v in history.living(found)]

    @property
    def version_count(self) -> int:
        """How many versions have content."""
        return len(self.versions)

    async def version_count_async(self) -> int:
        """Return how many versions have content."""
        return len(await self.versions_async())

    def list_versions(self, *, delete_markers: bool = False) -> list[dict[str, Any]]:
        """Return the versions, oldest first, with delete markers if asked for."""
        found = history.listed(self._store(), self._key)
        return [history.shown(v) for v in (found if delete_markers else history.living(found))]

    async def list_versions_async(self, *, delete_markers: bool = False) -> list[dict[str, Any]]:
        """Return the versions, oldest first. See `list_versions`."""
        found = await history_async.listed_async(self._store(), self._key)
        return [history.shown(v) for v in (found if delete_markers else history.living(found))]

    def rollback(self, to: str | int = -2) -> str | None:
        """Make an old version the newest one again, metadata included; nothing is destroyed.

        Args:
            to: Id or index; the one before the newest by default.

        Returns:
            The id of the new latest version.
        """
        self._check_writable()
        return history.rollback(self._store(), self._key, to)

    async def rollback_async(self, to: str | int = -2) -> str | None:
        """Make an old version the newest one again. See `rollback`."""
        self._check_writable()
        return await history_async.rollback_async(self._store(), self._key, to)

    def restore(self) -> str | None:
        """Undo a deletion; returns the id of the version that is now the latest."""
        self._check_writable()
        return history.restore(self._store(), self._key)

    async def restore_async(self) -> str | None:
        """Undo a deletion. See `restore`."""
        self._check_writable()
        return await history_async.restore_async(self._store(), self._key)

    def delete_version(self, version: str) -> None:
        """Delete one version for good.

        Raises:
            VersionNotFoundError: No version of this id.
        """
        self._check_writable()
        history.remove(self._store(), self._key, [version])

    async def delete_version_async(self, version: str) -> None:
        """Delete one version for good. See `delete_version`."""
        self._check_writable()
        await history_async.remove_async(self._store(), self._key, [version])

    def compact_versions(self, dry_run: bool = False) -> int:
        """Drop each version that shows the same as the one just before it; returns how many.

        Args:
            dry_run: Only count.
        """
        self._check_writable()
        return history.compact(self._store(), self._key, dry_run=dry_run)

    async def compact_versions_async(self, dry_run: bool = False) -> int:
        """Drop each version that shows the same as the one just before it. See `compact_versions`."""
        self._check_writable()
        return await history_async.compact_async(self._store(), self._key, dry_run=dry_run)

    def prune_versions(self, keep_last: int | None = None, keep_since: datetime | None = None, dry_run: bool = False) -> int:
        """Delete old versions, never the latest; returns how many.

        Args:
            keep_last: How many of the newest stay.
            keep_since: What was written at or after this stays; naive means UTC.
            dry_run: Only count.
        """
        self._check_writable()
        return history.prune(self._store(), self._key, keep_last=keep_last, keep_since=keep_since, dry_run=dry_run)

    async def prune_versions_async(
        self, keep_last: int | None = None, keep_since: datetime | None = None, dry_run: bool = False
    ) -> int:
        """Delete old versions, never the latest. See `prune_versions`."""
        self._check_writable()
        store = self._store()
        return await history_async.prune_async(store, self._key, keep_last=keep_last, keep_since=keep_since, dry_run=dry_run)
