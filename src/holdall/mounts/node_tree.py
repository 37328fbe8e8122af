"""`NodeTree`: what lies below a node, and making and removing it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from typing import TYPE_CHECKING

from holdall._lazy import lazy
from holdall.engine.colours import closed, closed_async
from holdall.errors import IsDirectoryError
from holdall.mounts import tree
from holdall.mounts.globs import Glob
from holdall.mounts.globs import glob as read_pattern
from holdall.mounts.node_base import as_node
from holdall.mounts.node_versions import NodePin

if TYPE_CHECKING:
    from holdall.mounts import tree_async
    from holdall.mounts.node import StorageNode
else:
    tree_async = lazy("holdall.mounts.tree_async")

__all__ = ["NodeTree"]


class NodeTree(NodePin):
    """Directories: listing, globbing, walking, making, deleting. Nodes from listings carry ``info``."""

    __slots__ = ()

    # -- listing ------------------------------------------------------------------------------------------------------

    def iterdir(self) -> Iterator[StorageNode]:
        """Iterate lazily over what stands directly in this directory.

        An object ``a`` beside ``a/b`` appears twice: as a file and as a directory.

        Raises:
            NotFoundError: Nothing there.
            NotDirectoryError: A file.
        """
        self._check_structure()
        with closed(tree.entries(self._store(), self._key)) as entries:
            for meta in entries:
                yield self._at(meta.key, meta)

    async def iterdir_async(self) -> AsyncIterator[StorageNode]:
        """Iterate lazily over what stands directly in this directory. See `iterdir`."""
        self._check_structure()
        async with closed_async(tree_async.entries_async(self._store(), self._key)) as entries:
            async for meta in entries:
                yield self._at(meta.key, meta)

    def children(self) -> list[StorageNode]:
        """Return what stands directly in this directory, sorted. See `iterdir`."""
        return sorted(self.iterdir())

    async def children_async(self) -> list[StorageNode]:
        """Return what stands directly in this directory, sorted. See `iterdir`."""
        return sorted([node async for node in self.iterdir_async()])

    def glob(self, pattern: str) -> Iterator[StorageNode]:
        """Iterate lazily over what matches a pattern, by pathlib's rules.

        Args:
            pattern: Relative; ``*`` stops at ``/``, ``**`` crosses, a trailing ``/`` means directories alone. What stands
                before the first wildcard is asked of the server.

        Raises:
            ValueError: An empty, absolute or climbing pattern.
        """
        self._check_structure()
        return self._globbed(read_pattern(pattern))

    def _globbed(self, pattern: Glob) -> Iterator[StorageNode]:
        with closed(tree.globbed(self._store(), self._key, pattern)) as found:
            for meta in found:
                yield self._at(meta.key, meta)

    def glob_async(self, pattern: str) -> AsyncIterator[StorageNode]:
        """Iterate lazily over what matches a pattern. See `glob`."""
        self._check_structure()
        return self._globbed_async(read_pattern(pattern))

    async def _globbed_async(self, pattern: Glob) -> AsyncIterator[StorageNode]:
        async with closed_async(tree_async.globbed_async(self._store(), self._key, pattern)) as found:
            async for meta in found:
                yield self._at(meta.key, meta)

    def rglob(self, pattern: str) -> Iterator[StorageNode]:
        """Iterate over what matches a pattern at any depth: ``glob("**/" + pattern)``."""
        return self.glob(f"**/{pattern}")

    def rglob_async(self, pattern: str) -> AsyncIterator[StorageNode]:
        """Iterate over what matches a pattern at any depth. See `rglob`."""
        return self.glob_async(f"**/{pattern}")

    def walk(self, top_down: bool = True) -> Iterator[tuple[StorageNode, list[str], list[str]]]:
        """Iterate over this directory and all below: ``(node, directory names, file names)``, as pathlib's does.

        Args:
            top_down: Parents first; the list of directory names may then be changed to steer the walk.
        """
        folders: list[str] = []
        files: list[str] = []
        for child in self.iterdir():
            (folders if child._is_listed_dir() else files).append(child.name)
        if top_down:
            yield as_node(self), folders, files
        for name in folders:
            yield from self._at(f"{self._below}{name}").walk(top_down)
        if not top_down:
            yield as_node(self), folders, files

    async def walk_async(self, top_down: bool = True) -> AsyncIterator[tuple[StorageNode, list[str], list[str]]]:
        """Iterate over this directory and all below. See `walk`."""
        folders: list[str] = []
        files: list[str] = []
        async for child in self.iterdir_async():
            (folders if child._is_listed_dir() else files).append(child.name)
        if top_down:
            yield as_node(self), folders, files
        for name in folders:
            async with closed_async(self._at(f"{self._below}{name}").walk_async(top_down)) as deeper:
                async for step in deeper:
                    yield step
        if not top_down:
            yield as_node(self), folders, files

    def _is_listed_dir(self) -> bool:
        return self._info is not None and self._info.kind == "directory"

    # -- making and removing ------------------------------------------------------------------------------------------

    def mkdir(self, parents: bool = False, exist_ok: bool = False) -> None:
        """Make this directory: a real one, a marker, or nothing where they are implied (`MountCapabilities.directories`).

        Args:
            parents: Make missing parents too; only asked of storages with real directories.
            exist_ok: A directory that is there already is no error.

        Raises:
            AlreadyExistsError: Something is there.
            NotFoundError: The parent is missing.
        """
        self._check_mounted("made a directory")
        if not self._root_made(exist_ok):
            tree.make_directory(self._store(), self._key, parents=parents, exist_ok=exist_ok)

    async def mkdir_async(self, parents: bool = False, exist_ok: bool = False) -> None:
        """Make this directory. See `mkdir`."""
        self._check_mounted("made a directory")
        if not self._root_made(exist_ok):
            await tree_async.make_directory_async(self._store(), self._key, parents=parents, exist_ok=exist_ok)

    def delete(self, *, root: bool = False) -> None:
        """Delete the file, or the directory with everything in it; nothing there is no error.

        Args:
            root: Must be true to empty a whole mount.

        Raises:
            ValueError: The root of a mount, without ``root=True``.
        """
        self._check_mounted("deleted")
        self._check_root(root)
        tree.delete_tree(self._store(), self._key)

    async def delete_async(self, *, root: bool = False) -> None:
        """Delete the file, or the directory with everything in it. See `delete`."""
        self._check_mounted("deleted")
        self._check_root(root)
        await tree_async.delete_tree_async(self._store(), self._key)

    def unlink(self, missing_ok: bool = False) -> None:
        """Delete the file.

        Args:
            missing_ok: Nothing there is no error.

        Raises:
            NotFoundError: Nothing there.
            IsDirectoryError: A directory.
        """
        self._check_mounted("deleted")
        tree.remove_file(self._store(), self._key, missing_ok=missing_ok)

    async def unlink_async(self, missing_ok: bool = False) -> None:
        """Delete the file. See `unlink`."""
        self._check_mounted("deleted")
        await tree_async.remove_file_async(self._store(), self._key, missing_ok=missing_ok)

    def rmdir(self) -> None:
        """Delete the directory, which must be empty.

        Raises:
            NotFoundError: Nothing there.
            NotDirectoryError: A file.
            NotEmptyError: Something is in it (an `OSError`).
        """
        self._check_mounted("deleted")
        tree.remove_empty(self._store(), self._key)

    async def rmdir_async(self) -> None:
        """Delete the directory, which must be empty. See `rmdir`."""
        self._check_mounted("deleted")
        await tree_async.remove_empty_async(self._store(), self._key)

    def _check_root(self, root: bool) -> None:
        if not self._key and not root:
            raise ValueError(f"{str(self)!r} is a whole mount: delete(root=True) empties it")

    def _root_made(self, exist_ok: bool) -> bool:
        """Tell whether this is the root, which is there already."""
        if self._key:
            return False
        if not exist_ok:
            raise IsDirectoryError(f"{str(self)!r} is the root of a mount and exists")
        return True
