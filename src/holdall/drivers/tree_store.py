"""A Store over a `Tree` of files: servers and libraries that know paths, directories and renames, but no objects."""

from __future__ import annotations

import builtins
import threading
from abc import abstractmethod
from collections.abc import AsyncIterator, Iterable, Iterator, Sequence
from datetime import datetime
from typing import Any

from holdall._concurrency import ForkGuard
from holdall.core.meta import ListPage, ObjectMeta, ObjectVersion
from holdall.core.options import CopyMode, CopyOptions, GetOptions, PutOptions
from holdall.core.ranges import Coalesce
from holdall.drivers import tree_verbs, tree_verbs_async
from holdall.drivers.tree import Tree, in_thread_async
from holdall.drivers.tree_rules import check_name, mapped
from holdall.errors import ClosedError, HoldallError
from holdall.results import DeleteResult, GetResult, PutResult
from holdall.sources import AsyncSource, Source, check_source
from holdall.store import Store

__all__ = ["TreeStore"]


class TreeStore(Store):
    """Base of the stores over trees: a subclass says what it can do and makes its `Tree` on first use.

    Attributes:
        root_seen: When (monotonic seconds) the root was last found to be there.
        markers: A key that ends with ``/`` is an object like any other.
    """

    root_seen: float = float("-inf")
    markers: bool = False

    def __init__(self) -> None:
        self._tree: Tree | None = None
        self._guard = ForkGuard()
        self._lock = threading.Lock()
        self._closed = False
        self._forked = False

    # -- for subclasses -----------------------------------------------------------------------------------------------

    @abstractmethod
    def _make_tree(self) -> Tree:
        """Make the tree; called once, and once more in a forked child. May block."""

    @abstractmethod
    def translate(self, error: Exception, what: str) -> HoldallError | None:
        """Return our error for one of the library's, ``None`` for what is none of it: the one mapping of the driver.

        Args:
            error: What was raised.
            what: The quoted key, for the message.
        """

    def refuses(self, path: str) -> str | None:
        """Return why this storage can have no such path, or ``None``. No I/O."""
        if "//" in path or path[-1] == "/":
            return "a segment of its path is empty"
        return None

    # -- the tree -----------------------------------------------------------------------------------------------------

    def check_open(self) -> None:
        """Raise if the store was closed.

        Raises:
            ClosedError: It was.
        """
        if self._closed:
            raise ClosedError("the store is closed", store=self)

    def tree(self) -> Tree:
        """Return the tree, made on first use and made anew after a fork."""
        self.check_open()
        if self._guard.stale():  # connections and locks belong to the parent: leave them alone
            _abandoned.append(self._tree)
            self._tree, self._lock, self._guard = None, threading.Lock(), ForkGuard()
            self._forked = True
        tree = self._tree
        if tree is None:
            with self._lock:
                tree = self._tree
                if tree is None:
                    with mapped(self, ""):
                        tree = self._tree = self._make_tree()
        return tree

    async def tree_async(self) -> Tree:
        """Return the tree. See `tree`."""
        if self._tree is None or self._guard.stale():
            return await in_thread_async(self.tree)
        return self.tree()

    # -- reading ------------------------------------------------------------------------------------------------------

    def get(self, key: str, options: GetOptions | None = None) -> GetResult:
        """Open an object for reading. See `Store.get`."""
        return tree_verbs.get(self, key, options)

    async def get_async(self, key: str, options: GetOptions | None = None) -> GetResult:
        """Open an object for reading. See `Store.get`."""
        return await tree_verbs_async.get_async(self, key, options)

    def get_ranges(
        self, key: str, ranges: Sequence[tuple[int, int]], *, if_match: str | None = None, coalesce: Coalesce | None = None
    ) -> builtins.list[bytes]:
        """Read many ranges. See `Store.get_ranges`."""
        return tree_verbs.get_ranges(self, key, ranges, if_match=if_match, rule=coalesce)

    async def get_ranges_async(
        self, key: str, ranges: Sequence[tuple[int, int]], *, if_match: str | None = None, coalesce: Coalesce | None = None
    ) -> builtins.list[bytes]:
        """Read many ranges. See `Store.get_ranges`."""
        return await tree_verbs_async.get_ranges_async(self, key, ranges, if_match=if_match, rule=coalesce)

    def head(self, key: str, *, version: str | None = None) -> ObjectMeta:
        """Describe an object. See `Store.head`."""
        return tree_verbs.head(self, key, version)

    async def head_async(self, key: str, *, version: str | None = None) -> ObjectMeta:
        """Describe an object. See `Store.head`."""
        return await tree_verbs_async.head_async(self, key, version)

    def list(self, prefix: str = "", *, delimiter: str | None = None, start_after: str | None = None) -> Iterator[ListPage]:
        """List lazily, page by page. See `Store.list`."""
        self._check_list(delimiter)
        return tree_verbs.pages(self, prefix, delimiter, start_after)

    async def list_async(
        self, prefix: str = "", *, delimiter: str | None = None, start_after: str | None = None
    ) -> AsyncIterator[ListPage]:
        """List lazily, page by page. See `Store.list`."""
        self._check_list(delimiter)
        async for page in tree_verbs_async.pages_async(self, prefix, delimiter, start_after):
            yield page

    # -- writing ------------------------------------------------------------------------------------------------------

    def put(self, key: str, source: Source, options: PutOptions | None = None) -> PutResult:
        """Write an object. See `Store.put`."""
        check_source(source, blocking=True)
        return tree_verbs.put(self, key, source, options)

    async def put_async(self, key: str, source: AsyncSource, options: PutOptions | None = None) -> PutResult:
        """Write an object. See `Store.put`."""
        check_source(source, blocking=False)
        return await tree_verbs_async.put_async(self, key, source, options)

    def delete(self, keys: str | Iterable[str], *, if_match: str | None = None) -> builtins.list[DeleteResult]:
        """Delete one key or many. See `Store.delete`."""
        return tree_verbs.delete(self, keys, if_match)

    async def delete_async(self, keys: str | Iterable[str], *, if_match: str | None = None) -> builtins.list[DeleteResult]:
        """Delete one key or many. See `Store.delete`."""
        return await tree_verbs_async.delete_async(self, keys, if_match)

    def copy(self, src: str, dst: str, options: CopyOptions | None = None, *, source: Store | None = None) -> PutResult:
        """Copy on the server's side. See `Store.copy`."""
        return tree_verbs.copy(self, src, dst, options, source)

    async def copy_async(
        self, src: str, dst: str, options: CopyOptions | None = None, *, source: Store | None = None
    ) -> PutResult:
        """Copy on the server's side. See `Store.copy`."""
        return await tree_verbs_async.copy_async(self, src, dst, options, source)

    def rename(self, src: str, dst: str, *, mode: CopyMode = "overwrite") -> None:
        """Rename atomically. See `Store.rename`."""
        tree_verbs.rename(self, src, dst, mode)

    async def rename_async(self, src: str, dst: str, *, mode: CopyMode = "overwrite") -> None:
        """Rename atomically. See `Store.rename`."""
        await tree_verbs_async.rename_async(self, src, dst, mode)

    def set_modified(self, key: str, modified: datetime) -> None:
        """Set the time of last modification. See `Store.set_modified`."""
        path, tree = self._check_modified(key, modified), self.tree()
        with mapped(self, key):
            tree.set_modified(path, modified)

    async def set_modified_async(self, key: str, modified: datetime) -> None:
        """Set the time of last modification. See `Store.set_modified`."""
        path, tree = self._check_modified(key, modified), await self.tree_async()
        with mapped(self, key):
            await tree.set_modified_async(path, modified)

    def versions(self, key: str) -> builtins.list[ObjectVersion]:
        """Return the versions of one key. See `Store.versions`."""
        return tree_verbs.versions(self, key)

    async def versions_async(self, key: str) -> builtins.list[ObjectVersion]:
        """Return the versions of one key. See `Store.versions`."""
        return await tree_verbs_async.versions_async(self, key)

    # -- life ---------------------------------------------------------------------------------------------------------

    def close(self) -> None:
        """Let go of connections; idempotent."""
        tree = self._end()
        if tree is not None:
            tree.close()

    async def close_async(self) -> None:
        """Let go of connections; idempotent."""
        tree = self._end()
        if tree is not None:
            await tree.close_async()

    def _end(self) -> Tree | None:
        self._closed = True
        tree, self._tree = self._tree, None
        return None if self._guard.stale() else tree

    def _check_list(self, delimiter: str | None) -> None:
        if delimiter not in {None, "/"}:
            raise ValueError(f"the delimiter is '/' or None, not {delimiter!r}")
        if not self.capabilities.list:
            raise self._refusal("list")
        self.check_open()

    def _check_modified(self, key: str, modified: datetime) -> str:
        if modified.tzinfo is None:
            raise ValueError("modified must be an aware datetime")
        if not self.capabilities.set_modified:
            raise self._refusal("set_modified")
        return check_name(self, key)


_abandoned: builtins.list[Any] = []
"""What a forked child inherited: kept, because closing it would speak on the parent's connections."""
