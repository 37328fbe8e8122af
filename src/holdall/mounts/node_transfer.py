"""`NodeTransfer`: copying, moving and syncing between any two nodes, on `holdall.engine.transfer`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, Unpack, overload

from holdall._lazy import lazy
from holdall.mounts.node_base import as_node
from holdall.mounts.node_versions import NodePin

if TYPE_CHECKING:
    from holdall.engine import progress, transfer, transfer_async
    from holdall.engine.progress import TransferReport
    from holdall.mounts import moving, moving_async, transfers
    from holdall.mounts.node import StorageNode
    from holdall.mounts.transfers import CopyArguments, SyncArguments
    from holdall.store import Store
else:
    progress = lazy("holdall.engine.progress")
    transfer, transfer_async = lazy("holdall.engine.transfer"), lazy("holdall.engine.transfer_async")
    moving, moving_async = lazy("holdall.mounts.moving"), lazy("holdall.mounts.moving_async")
    transfers = lazy("holdall.mounts.transfers")

__all__ = ["NodeTransfer"]


class NodeTransfer(NodePin):
    """Copies: streamed, verified, in bounded memory, with a report of every item.

    One rule for directories, on every pair of storages: the *contents* of the source land directly in the target, merged with
    what is there, never nested; ``copy_into`` nests.
    """

    __slots__ = ()

    def _target(self, dest: StorageNode, store: Store) -> Store:
        """Return the store of the other side: in the same mount the very one, so that a callable path is asked once."""
        same = (dest._mount, dest._manager, dest._given) == (self._mount, self._manager, self._given)
        return store if same else dest._store()

    # -- the whole report ---------------------------------------------------------------------------------------------

    def _copy(self, dest: StorageNode, dry_run: bool, options: CopyArguments) -> TransferReport:
        dest._check_writable()
        if self._inline or dest._inline:
            return self._copy_inline(dest, dry_run)
        store = self._store()
        rules = transfers.transfer_options(as_node(self), dest, options, dry_run=dry_run, version=self._pinned(store))
        return transfer.copy((store, self._key), (self._target(dest, store), dest._key), rules)

    async def _copy_async(self, dest: StorageNode, dry_run: bool, options: CopyArguments) -> TransferReport:
        dest._check_writable()
        if self._inline or dest._inline:
            return await self._copy_inline_async(dest, dry_run)
        store = self._store()
        version = await self._pinned_async(store)
        rules = transfers.transfer_options(as_node(self), dest, options, dry_run=dry_run, version=version)
        theirs = self._target(dest, store)
        return await transfer_async.copy_async((store, self._key), (theirs, dest._key), rules)

    def _copy_inline(self, dest: StorageNode, dry_run: bool) -> TransferReport:
        """Copy from or to content that is its own path: whole, as it is in memory anyway."""
        data = as_node(self).read_bytes()
        item = progress.TransferItem(source=self._key, target=dest._key, action="copied", bytes=len(data))
        if not dry_run:
            dest.write_bytes(data)
        report = progress.TransferReport(dry_run=dry_run)
        report.add(item, None)
        return report

    async def _copy_inline_async(self, dest: StorageNode, dry_run: bool) -> TransferReport:
        data = await as_node(self).read_bytes_async()
        item = progress.TransferItem(source=self._key, target=dest._key, action="copied", bytes=len(data))
        if not dry_run:
            await dest.write_bytes_async(data)
        report = progress.TransferReport(dry_run=dry_run)
        report.add(item, None)
        return report

    def _move(self, dest: StorageNode, dry_run: bool, options: CopyArguments) -> TransferReport:
        self._check_mounted("moved")
        dest._check_mounted("a place to move to")
        rules = transfers.transfer_options(as_node(self), dest, options, dry_run=dry_run, version=None)
        store = self._store()
        return transfer.move((store, self._key), (self._target(dest, store), dest._key), rules)

    async def _move_async(self, dest: StorageNode, dry_run: bool, options: CopyArguments) -> TransferReport:
        self._check_mounted("moved")
        dest._check_mounted("a place to move to")
        rules = transfers.transfer_options(as_node(self), dest, options, dry_run=dry_run, version=None)
        ours = self._store()
        theirs = self._target(dest, ours)
        return await transfer_async.move_async((ours, self._key), (theirs, dest._key), rules)

    # -- copy ---------------------------------------------------------------------------------------------------------

    @overload
    def copy_to(
        self, dest: StorageNode | str, *, dry_run: Literal[False] = False, **options: Unpack[CopyArguments]
    ) -> StorageNode: ...
    @overload
    def copy_to(
        self, dest: StorageNode | str, *, dry_run: Literal[True], **options: Unpack[CopyArguments]
    ) -> TransferReport: ...
    def copy_to(
        self, dest: StorageNode | str, *, dry_run: bool = False, **options: Unpack[CopyArguments]
    ) -> StorageNode | TransferReport:
        """Copy a file to exactly ``dest``, or the contents of a directory directly into it.

        Args:
            dest: A node, or ``"mount:path"`` in the same manager.
            dry_run: Write nothing and return the report of what would be done.
            options: See `CopyArguments`.

        Returns:
            The target.

        Raises:
            NotFoundError: The source is missing.
            IsDirectoryError: A file onto a directory; use `copy_into`.
            ValueError: One directory lies inside the other.
            TransferError: With ``errors="collect"``, some items failed.
        """
        target = self._manager._as_node(dest)
        report = self._copy(target, dry_run, options)
        return report if dry_run else target

    @overload
    async def copy_to_async(
        self, dest: StorageNode | str, *, dry_run: Literal[False] = False, **options: Unpack[CopyArguments]
    ) -> StorageNode: ...
    @overload
    async def copy_to_async(
        self, dest: StorageNode | str, *, dry_run: Literal[True], **options: Unpack[CopyArguments]
    ) -> TransferReport: ...
    async def copy_to_async(
        self, dest: StorageNode | str, *, dry_run: bool = False, **options: Unpack[CopyArguments]
    ) -> StorageNode | TransferReport:
        """Copy a file to exactly ``dest``, or the contents of a directory into it. See `copy_to`."""
        target = self._manager._as_node(dest)
        report = await self._copy_async(target, dry_run, options)
        return report if dry_run else target

    def copy_into(self, directory: StorageNode | str, **options: Unpack[CopyArguments]) -> StorageNode:
        """Copy to ``directory / name``: the nesting form of `copy_to`."""
        return self.copy_to(self._manager._as_node(directory).child(self._named()), **options)

    async def copy_into_async(self, directory: StorageNode | str, **options: Unpack[CopyArguments]) -> StorageNode:
        """Copy to ``directory / name``. See `copy_into`."""
        return await self.copy_to_async(self._manager._as_node(directory).child(self._named()), **options)

    # -- move ---------------------------------------------------------------------------------------------------------

    @overload
    def move_to(
        self, dest: StorageNode | str, *, dry_run: Literal[False] = False, **options: Unpack[CopyArguments]
    ) -> StorageNode: ...
    @overload
    def move_to(
        self, dest: StorageNode | str, *, dry_run: Literal[True], **options: Unpack[CopyArguments]
    ) -> TransferReport: ...
    def move_to(
        self, dest: StorageNode | str, *, dry_run: bool = False, **options: Unpack[CopyArguments]
    ) -> StorageNode | TransferReport:
        """Move a file to exactly ``dest``, or the contents of a directory into it.

        A rename where one is possible; otherwise each file is copied, verified, and only then deleted. This node keeps its
        name; the one returned is at the new place.

        Args:
            dest: A node, or ``"mount:path"`` in the same manager.
            dry_run: Write nothing and return the report of what would be done.
            options: See `CopyArguments`.

        Raises:
            PermissionDeniedError: The source may not be deleted; nothing was copied.
            HoldallError: As `copy_to`.
        """
        target = self._manager._as_node(dest)
        report = self._move(target, dry_run, options)
        return report if dry_run else target

    @overload
    async def move_to_async(
        self, dest: StorageNode | str, *, dry_run: Literal[False] = False, **options: Unpack[CopyArguments]
    ) -> StorageNode: ...
    @overload
    async def move_to_async(
        self, dest: StorageNode | str, *, dry_run: Literal[True], **options: Unpack[CopyArguments]
    ) -> TransferReport: ...
    async def move_to_async(
        self, dest: StorageNode | str, *, dry_run: bool = False, **options: Unpack[CopyArguments]
    ) -> StorageNode | TransferReport:
        """Move a file to exactly ``dest``, or the contents of a directory into it. See `move_to`."""
        target = self._manager._as_node(dest)
        report = await self._move_async(target, dry_run, options)
        return report if dry_run else target

    def move_into(self, directory: StorageNode | str, **options: Unpack[CopyArguments]) -> StorageNode:
        """Move to ``directory / name``: the nesting form of `move_to`."""
        return self.move_to(self._manager._as_node(directory).child(self._named()), **options)

    async def move_into_async(self, directory: StorageNode | str, **options: Unpack[CopyArguments]) -> StorageNode:
        """Move to ``directory / name``. See `move_into`."""
        return await self.move_to_async(self._manager._as_node(directory).child(self._named()), **options)

    # -- sync ---------------------------------------------------------------------------------------------------------

    def sync_to(self, dest: StorageNode | str, *, dry_run: bool = False, **options: Unpack[SyncArguments]) -> TransferReport:
        """Copy what is new or different; with ``delete=True`` also remove what this directory lacks, last.

        Running it again copies nothing and costs the listings only.

        Args:
            dest: A node, or ``"mount:path"`` in the same manager.
            dry_run: Write nothing.
            options: See `SyncArguments`.

        Raises:
            TransferError: Deletions were refused (``max_delete``, an empty source), or items failed.
        """
        target = self._manager._as_node(dest)
        target._check_writable()
        rules = transfers.transfer_options(as_node(self), target, options, dry_run=dry_run, version=None)
        store = self._store()
        return transfer.sync((store, self._key), (self._target(target, store), target._key), rules)

    async def sync_to_async(
        self, dest: StorageNode | str, *, dry_run: bool = False, **options: Unpack[SyncArguments]
    ) -> TransferReport:
        """Copy what is new or different. See `sync_to`."""
        target = self._manager._as_node(dest)
        target._check_writable()
        rules = transfers.transfer_options(as_node(self), target, options, dry_run=dry_run, version=None)
        ours = self._store()
        theirs = self._target(target, ours)
        return await transfer_async.sync_async((ours, self._key), (theirs, target._key), rules)

    # -- rename -------------------------------------------------------------------------------------------------------

    def rename(self, target: StorageNode | str) -> StorageNode:
        """Give a file or directory another name in the same mount; atomic where the storage renames.

        Args:
            target: A node of this mount, or ``"mount:path"``.

        Returns:
            The node at the new place.

        Raises:
            AlreadyExistsError: Something is there.
            ValueError: Another mount; use `move_to`.
        """
        new = self._same_mount(target)
        moving.rename(self._store(), self._key, new._key, replacing=False)
        return new

    async def rename_async(self, target: StorageNode | str) -> StorageNode:
        """Give a file or directory another name. See `rename`."""
        new = self._same_mount(target)
        await moving_async.rename_async(self._store(), self._key, new._key, replacing=False)
        return new

    def replace(self, target: StorageNode | str) -> StorageNode:
        """Give a file or directory another name in the same mount, replacing a file or empty directory there.

        Raises:
            NotEmptyError: A directory with something in it is there.
            ValueError: Another mount; use `move_to`.
        """
        new = self._same_mount(target)
        moving.rename(self._store(), self._key, new._key, replacing=True)
        return new

    async def replace_async(self, target: StorageNode | str) -> StorageNode:
        """Give a file or directory another name, replacing what is there. See `replace`."""
        new = self._same_mount(target)
        await moving_async.rename_async(self._store(), self._key, new._key, replacing=True)
        return new

    def _same_mount(self, target: StorageNode | str) -> StorageNode:
        self._check_mounted("renamed")
        new = self._manager._as_node(target)
        if (new._mount, new._manager, new._given) != (self._mount, self._manager, self._given):
            raise ValueError(f"{str(new)!r} is in another mount than {str(self)!r}: use move_to")
        new._check_writable()
        return new

    def _named(self) -> str:
        """Return the name to nest under; the root of a mount has none."""
        name = self._key.rpartition("/")[2]
        if not name:
            raise ValueError(f"{as_node(self).fullpath!r} has no name to copy or move into a directory under")
        return name
