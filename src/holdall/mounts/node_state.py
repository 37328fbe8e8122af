"""`NodeState`: what is there: existence, kind, size, time, digests. Properties block; each has an ``_async`` method."""

from __future__ import annotations

import os
from dataclasses import replace
from datetime import UTC, datetime
from stat import S_ISDIR, S_ISREG
from typing import TYPE_CHECKING

from holdall._lazy import lazy
from holdall.core.meta import ObjectMeta
from holdall.errors import IsDirectoryError, NotFoundError
from holdall.mounts import lookup
from holdall.mounts.node_versions import NodePin
from holdall.mounts.stat import NodeStat

if TYPE_CHECKING:
    from holdall.mounts import capabilities as words
    from holdall.mounts import lookup_async
    from holdall.mounts.capabilities import MountCapabilities
else:
    words = lazy("holdall.mounts.capabilities")
    lookup_async = lazy("holdall.mounts.lookup_async")

__all__ = ["NodeState"]


class NodeState(NodePin):
    """State of a node, asked anew each time (`info` remembers what a listing said)."""

    __slots__ = ()

    @property
    def capabilities(self) -> MountCapabilities:
        """What works here. No I/O."""
        if self._given is not None:
            return words.MountCapabilities.of(self._given.capabilities, snapshot=self._fixed)
        store, public = self._manager._lasting(self._mount)
        capabilities = store.capabilities
        if self._inline:
            capabilities = capabilities.narrowed(write=not self._manager._is_readonly(self._mount))
        return words.MountCapabilities.of(capabilities, public_urls=public, snapshot=self._fixed)

    # -- kind ---------------------------------------------------------------------------------------------------------

    @property
    def exists(self) -> bool:
        """Whether a file or directory is there.

        Raises:
            UnavailableError: The storage could not be asked.
        """
        if (seen := self._glance()) is not NotImplemented:
            return seen is not None
        if self._virtual is not None:
            return False
        store = self._store()
        try:
            return lookup.describe(store, self._key, self._pinned(store)) is not None
        except NotFoundError:
            return False

    async def exists_async(self) -> bool:
        """Tell whether a file or directory is there. See `exists`."""
        if self._virtual is not None:
            return False
        store = self._store()
        try:
            return await lookup_async.describe_async(store, self._key, await self._pinned_async(store)) is not None
        except NotFoundError:
            return False

    @property
    def isfile(self) -> bool:
        """Whether a file is there."""
        if (seen := self._glance()) is not NotImplemented:
            return seen is not None and S_ISREG(seen.st_mode)
        if self._virtual is not None:
            return False
        store = self._store()
        try:
            return lookup.file(store, self._key, self._pinned(store)) is not None
        except NotFoundError:
            return False

    async def isfile_async(self) -> bool:
        """Tell whether a file is there."""
        if self._virtual is not None:
            return False
        store = self._store()
        try:
            return await lookup_async.file_async(store, self._key, await self._pinned_async(store)) is not None
        except NotFoundError:
            return False

    @property
    def isdir(self) -> bool:
        """Whether a directory is there: a real one, a marker, or anything below."""
        if (seen := self._glance()) is not NotImplemented:
            return seen is not None and S_ISDIR(seen.st_mode)
        if self._version is not None or self._virtual is not None:
            return False
        return lookup.directory(self._store(), self._key) is not None

    async def isdir_async(self) -> bool:
        """Tell whether a directory is there. See `isdir`."""
        if self._version is not None or self._virtual is not None:
            return False
        return await lookup_async.directory_async(self._store(), self._key) is not None

    def is_file(self) -> bool:
        """Tell whether a file is there, as in pathlib."""
        return self.isfile

    async def is_file_async(self) -> bool:
        """Tell whether a file is there, as in pathlib."""
        return await self.isfile_async()

    def is_dir(self) -> bool:
        """Tell whether a directory is there, as in pathlib."""
        return self.isdir

    async def is_dir_async(self) -> bool:
        """Tell whether a directory is there, as in pathlib."""
        return await self.isdir_async()

    # -- description --------------------------------------------------------------------------------------------------

    def stat(self, *, version: str | int | None = None, as_of: datetime | None = None) -> NodeStat:
        """Describe what is there; one request for a file.

        Args:
            version: Of this version, by id or index.
            as_of: As it was then.

        Raises:
            NotFoundError: Nothing there.
        """
        store = self._store()
        return NodeStat(self._found(lookup.describe(store, self._key, self._pinned(store, version, as_of))))

    async def stat_async(self, *, version: str | int | None = None, as_of: datetime | None = None) -> NodeStat:
        """Describe what is there. See `stat`."""
        store = self._store()
        pinned = await self._pinned_async(store, version, as_of)
        return NodeStat(self._found(await lookup_async.describe_async(store, self._key, pinned)))

    @property
    def size(self) -> int:
        """Bytes of the file.

        Raises:
            NotFoundError: Nothing there.
            IsDirectoryError: A directory.
        """
        seen = self._glance()
        if seen is not NotImplemented and seen is not None and S_ISREG(seen.st_mode):
            return seen.st_size
        return self._file(self.stat().meta, "a directory has no size").size

    async def size_async(self) -> int:
        """Return the bytes of the file. See `size`."""
        return self._file((await self.stat_async()).meta, "a directory has no size").size

    @property
    def mtime(self) -> float | None:
        """Time of last modification in seconds since the epoch; ``None`` where the store does not know, never the clock."""
        seen = self._glance()
        return self.stat().mtime if seen is NotImplemented or seen is None else _seconds(seen)

    async def mtime_async(self) -> float | None:
        """Return the time of last modification. See `mtime`."""
        return (await self.stat_async()).mtime

    @property
    def ext_attributes(self) -> tuple[float | None, int | None, bool]:
        """``(mtime, size or None, isdir)``; ``(None, None, False)`` if nothing is there. One request for a file."""
        if (seen := self._glance()) is not NotImplemented:
            if seen is None:
                return None, None, False
            folder = S_ISDIR(seen.st_mode)
            return _seconds(seen), None if folder else seen.st_size, folder
        try:
            return _attributes(self.stat())
        except NotFoundError:
            return None, None, False

    async def ext_attributes_async(self) -> tuple[float | None, int | None, bool]:
        """Return ``(mtime, size or None, isdir)``. See `ext_attributes`."""
        try:
            return _attributes(await self.stat_async())
        except NotFoundError:
            return None, None, False

    # -- digests ------------------------------------------------------------------------------------------------------

    @property
    def md5hash(self) -> str:
        """MD5 of the content, lower-case hex: the store's own where it vouches for one, else streamed.

        Raises:
            NotFoundError: Nothing there.
            IsDirectoryError: A directory.
        """
        return self.checksum("md5")

    async def md5hash_async(self) -> str:
        """Return the MD5 of the content. See `md5hash`."""
        return await self.checksum_async("md5")

    def checksum(self, algorithm: str = "sha256") -> str:
        """Return a digest of the content in lower-case hex, in bounded memory.

        Args:
            algorithm: Any name that `hashlib.new` takes.

        Raises:
            NotFoundError: Nothing there.
            IsDirectoryError: A directory.
            ValueError: An unknown algorithm.
        """
        store = self._store()
        pinned = self._pinned(store)
        try:
            return lookup.digest(store, self._fileish(), algorithm, pinned)
        except NotFoundError as error:
            raise lookup.absence(store, self._key, error, _NO_DIGEST) from error

    async def checksum_async(self, algorithm: str = "sha256") -> str:
        """Return a digest of the content. See `checksum`."""
        store = self._store()
        pinned = await self._pinned_async(store)
        try:
            return await lookup_async.digest_async(store, self._fileish(), algorithm, pinned)
        except NotFoundError as error:
            raise await lookup_async.absence_async(store, self._key, error, _NO_DIGEST) from error

    def same_content(self, other: NodeState) -> bool:
        """Tell whether two files have the same bytes; sizes first, then digests."""
        if self.size != other.size:
            return False
        return self.checksum() == other.checksum()

    async def same_content_async(self, other: NodeState) -> bool:
        """Tell whether two files have the same bytes. See `same_content`."""
        if await self.size_async() != await other.size_async():
            return False
        return await self.checksum_async() == await other.checksum_async()

    # -- inside -------------------------------------------------------------------------------------------------------

    def _glance(self) -> os.stat_result | None:
        """Return what the system says of a real local file; ``NotImplemented`` where the storage must be asked (`Store.glance`)."""
        if self._version is not None or self._as_of is not None or not self._key:
            return NotImplemented  # type: ignore[no-any-return]  # as comparisons do
        return self._store().glance(self._key)

    def _found(self, meta: ObjectMeta | None) -> ObjectMeta:
        if meta is None:
            raise NotFoundError(f"nothing at {str(self)!r}", key=self._key)
        return replace(meta, last_modified=_EPOCH) if self._inline else meta

    def _file(self, meta: ObjectMeta, message: str) -> ObjectMeta:
        if meta.kind == "directory":
            raise IsDirectoryError(f"{message}: {str(self)!r}", key=self._key)
        return meta

    def _fileish(self) -> str:
        """Return the key as that of a file; the root cannot be one."""
        if not self._key:
            raise IsDirectoryError(f"{_NO_DIGEST}: {str(self)!r} is the root of a mount")
        return self._key


_EPOCH = datetime.fromtimestamp(0, UTC)
_NO_DIGEST = "Cannot compute hash of directory"


def _seconds(seen: os.stat_result) -> float:
    """Return the time of modification exact to the microsecond, as `NodeStat.mtime` says it."""
    return seen.st_mtime_ns // 1000 / 1_000_000


def _attributes(stat: NodeStat) -> tuple[float | None, int | None, bool]:
    return stat.mtime, None if stat.is_dir() else stat.size, stat.is_dir()
