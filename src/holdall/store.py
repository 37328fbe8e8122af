"""The contract: flat keys to bytes, every verb in both colours.

A driver derives from `Store` and implements the verbs it has; the others refuse with `NotSupportedError` before any I/O.
A driver whose library only blocks derives from `BlockingStore`, which runs the blocking verbs in worker threads. Nothing
here owns an event loop.

Rules that every store keeps (`holdall.testing.StoreContract` proves them):

* `put` is atomic: readers see the old object or the new one; an exception in the source leaves the old one untouched.
* Keys go through `core.keys.check_key` before any I/O. Options a store cannot honour are refused, never dropped.
* Errors are those of `holdall.errors`, raised ``from`` their cause, with ``key`` and ``store`` set.
* "Not there" (`NotFoundError`) is an answer of the storage; "could not be asked" is `UnavailableError`.
"""

from __future__ import annotations

import builtins
import copyreg
import os
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self, SupportsIndex

from holdall._concurrency import gather, gather_async
from holdall._lazy import lazy
from holdall.core.capabilities import Capabilities, Identity
from holdall.core.meta import ListPage, ObjectMeta, ObjectVersion
from holdall.core.options import CopyMode, CopyOptions, GetOptions, PutMode, PutOptions, SignOptions
from holdall.core.ranges import ByteRange, Coalesce, Merged
from holdall.core.ranges import coalesce as merge
from holdall.errors import NotSupportedError, RangeNotSatisfiableError
from holdall.results import DeleteResult, GetResult, PutResult, Upload
from holdall.sources import AsyncSizedChunks, AsyncSource, BytesLike, SizedChunks, Source, joined

if TYPE_CHECKING:
    import asyncio
else:
    asyncio = lazy("asyncio")

__all__ = ["VERBS", "BlockingStore", "PartWriter", "Store"]

VERBS: tuple[str, ...] = (
    "get",
    "get_ranges",
    "put",
    "head",
    "list",
    "delete",
    "copy",
    "rename",
    "sign",
    "versions",
    "delete_version",
    "restore",
    "tags",
    "set_tags",
    "set_metadata",
    "set_modified",
    "set_storage_class",
    "parts",
    "uploads",
)
"""The verbs with an ``_async`` twin. A wrapper forwards each of them; a test proves it."""


class Store(ABC):
    """One storage: flat keys to bytes.

    Stores are cheap to make and open lazily; they are safe for threads, tasks and both colours at once. After `close`
    every verb raises `ClosedError`.
    """

    # -- what it is (no I/O) ------------------------------------------------------------------------------------------

    @property
    @abstractmethod
    def capabilities(self) -> Capabilities:
        """What works here."""

    @property
    @abstractmethod
    def identity(self) -> Identity:
        """Where the objects really are; no secret."""

    def locate(self, key: str) -> tuple[Store, str]:
        """Return the innermost driver and the key there: what a wrapper's key really names."""
        return self, key

    def local_path(self, key: str) -> str | None:
        """Return the absolute path of the real local file behind a key, existing or not; ``None`` where there is none.

        ``""`` is the root of the store.
        """
        return None

    def glance(self, key: str) -> os.stat_result | None:
        """Return the system's own account of a real local file or directory, ``None`` if neither is there.

        No request of the contract: where files are local it answers "is it there, how large" in a third of `head`'s time.
        ``NotImplemented`` elsewhere, and for keys that a store would have to look at twice.
        """
        return NotImplemented  # type: ignore[no-any-return]  # as comparisons do

    def url(self, key: str) -> str | None:
        """Return the plain, unsigned address of a key, where the store has public addresses; else ``None``."""
        return None

    # -- reading ------------------------------------------------------------------------------------------------------

    @abstractmethod
    def get(self, key: str, options: GetOptions | None = None) -> GetResult:
        """Open an object for reading, whole or in part.

        Raises:
            NotFoundError: Nothing there (a directory is nothing).
            PreconditionError, NotModifiedError: A condition of the options does not hold.
            RangeNotSatisfiableError: The range starts behind the end.
        """

    @abstractmethod
    async def get_async(self, key: str, options: GetOptions | None = None) -> GetResult:
        """Open an object for reading. See `get`."""

    def get_ranges(
        self, key: str, ranges: Sequence[tuple[int, int]], *, if_match: str | None = None, coalesce: Coalesce | None = None
    ) -> builtins.list[bytes]:
        """Read many ``(start, end)`` ranges; near ones are merged, fetches run at once, results in request order.

        Ends behind the object's end are clipped; an empty range gives ``b""``. All fetches see one version if
        ``if_match`` is given.

        Raises:
            RangeNotSatisfiableError: A range starts behind the end.
            PreconditionError: ``if_match`` does not hold.
        """
        plan = merge(ranges, coalesce)

        def fetch(part: Merged) -> bytes:
            with self.get(key, GetOptions(range=ByteRange(part.start, part.end), if_match=if_match)) as result:
                return result.bytes()

        limit = 1 if self.capabilities.local else 16
        return _scatter(key, ranges, plan, gather([lambda p=part: fetch(p) for part in plan], limit=limit))  # type: ignore[misc]

    async def get_ranges_async(
        self, key: str, ranges: Sequence[tuple[int, int]], *, if_match: str | None = None, coalesce: Coalesce | None = None
    ) -> builtins.list[bytes]:
        """Read many ranges. See `get_ranges`."""
        plan = merge(ranges, coalesce)

        async def fetch(part: Merged) -> bytes:
            async with await self.get_async(
                key, GetOptions(range=ByteRange(part.start, part.end), if_match=if_match)
            ) as result:
                return await result.bytes_async()

        return _scatter(key, ranges, plan, await gather_async([lambda p=part: fetch(p) for part in plan]))  # type: ignore[misc]

    @abstractmethod
    def head(self, key: str, *, version: str | None = None) -> ObjectMeta:
        """Describe an object; a key ending with ``/`` names a directory or marker.

        Raises:
            NotFoundError: Nothing there.
        """

    @abstractmethod
    async def head_async(self, key: str, *, version: str | None = None) -> ObjectMeta:
        """Describe an object. See `head`."""

    @abstractmethod
    def list(self, prefix: str = "", *, delimiter: str | None = None, start_after: str | None = None) -> Iterator[ListPage]:
        """List lazily, page by page, what starts with a literal prefix (which may end within a segment).

        Args:
            prefix: Text that the keys start with.
            delimiter: ``"/"`` groups what lies deeper into `ListPage.prefixes`.
            start_after: Only keys (and prefixes) greater than this.
        """

    @abstractmethod
    def list_async(
        self, prefix: str = "", *, delimiter: str | None = None, start_after: str | None = None
    ) -> AsyncIterator[ListPage]:
        """List lazily, page by page. See `list`."""

    # -- writing ------------------------------------------------------------------------------------------------------

    @abstractmethod
    def put(self, key: str, source: Source, options: PutOptions | None = None) -> PutResult:
        """Write an object: the whole of it or nothing.

        A key ending with ``/`` and empty content makes a directory or marker, where the store has such.

        Raises:
            AlreadyExistsError: ``mode="create"`` and something is there.
            PreconditionError: ``mode="update"`` and something else is there.
            TypeError: The source is of no accepted kind.
            NotSupportedError: An option that this store cannot honour.
            StorageFullError: No space; the old object is untouched.
        """

    @abstractmethod
    async def put_async(self, key: str, source: AsyncSource, options: PutOptions | None = None) -> PutResult:
        """Write an object. See `put`; async iterables are sources too."""

    @abstractmethod
    def delete(self, keys: str | Iterable[str], *, if_match: str | None = None) -> builtins.list[DeleteResult]:
        """Delete one key or many; what is absent counts as deleted.

        One key given as ``str`` raises its error. An iterable gives a result for each key, in order, errors in it: look
        at `DeleteResult.error`. Bad keys raise before any I/O.

        Args:
            keys: A key, or an iterable of keys (may be lazy).
            if_match: Delete the one key only if its etag is this.

        Raises:
            PreconditionError: ``if_match`` does not hold (also if nothing is there).
        """

    @abstractmethod
    async def delete_async(self, keys: str | Iterable[str], *, if_match: str | None = None) -> builtins.list[DeleteResult]:
        """Delete one key or many. See `delete`."""

    def copy(self, src: str, dst: str, options: CopyOptions | None = None, *, source: Store | None = None) -> PutResult:
        """Copy on the server's side, headers, metadata and tags included.

        Args:
            src: Key to read.
            dst: Key to write, in this store.
            options: Mode, pinning, other metadata.
            source: The store of ``src`` if it is another one of the same service (wrappers are looked through).

        Raises:
            NotSupportedError: Not on the server's side; `holdall.engine.transfer` copies between any two stores.
        """
        raise self._refusal("copy")

    async def copy_async(
        self, src: str, dst: str, options: CopyOptions | None = None, *, source: Store | None = None
    ) -> PutResult:
        """Copy on the server's side. See `copy`."""
        raise self._refusal("copy")

    def rename(self, src: str, dst: str, *, mode: CopyMode = "overwrite") -> None:
        """Rename an object atomically; on stores with real directories also a directory.

        Raises:
            NotFoundError: Nothing at ``src``.
            AlreadyExistsError: ``mode="create"`` and something is at ``dst``.
            NotSupportedError: Not atomically here; copy and delete instead.
        """
        raise self._refusal("rename")

    async def rename_async(self, src: str, dst: str, *, mode: CopyMode = "overwrite") -> None:
        """Rename an object atomically. See `rename`."""
        raise self._refusal("rename")

    # -- addresses, versions, tags ------------------------------------------------------------------------------------

    def sign(self, key: str, options: SignOptions | None = None) -> str:
        """Return a URL that allows one method on one key for a while. No request is made."""
        raise self._refusal("sign")

    async def sign_async(self, key: str, options: SignOptions | None = None) -> str:
        """Return a signed URL. See `sign`."""
        raise self._refusal("sign")

    def versions(self, key: str) -> builtins.list[ObjectVersion]:
        """Return the versions of one key, oldest first, delete markers included; empty if there never was one."""
        raise self._refusal("list versions")

    async def versions_async(self, key: str) -> builtins.list[ObjectVersion]:
        """Return the versions of one key. See `versions`."""
        raise self._refusal("list versions")

    def delete_version(self, key: str, version: str) -> None:
        """Delete one version or delete marker for good."""
        raise self._refusal("delete_version")

    async def delete_version_async(self, key: str, version: str) -> None:
        """Delete one version for good. See `delete_version`."""
        raise self._refusal("delete_version")

    def restore(self, key: str, version: str) -> PutResult:
        """Make an old version the latest one again; nothing is destroyed."""
        raise self._refusal("restore")

    async def restore_async(self, key: str, version: str) -> PutResult:
        """Make an old version the latest one. See `restore`."""
        raise self._refusal("restore")

    def tags(self, key: str, *, version: str | None = None) -> dict[str, str]:
        """Return the tags of an object."""
        raise self._refusal("read tags")

    async def tags_async(self, key: str, *, version: str | None = None) -> dict[str, str]:
        """Return the tags of an object. See `tags`."""
        raise self._refusal("read tags")

    def set_tags(self, key: str, tags: Mapping[str, str]) -> None:
        """Replace the tags of an object; bytes and etag stay."""
        raise self._refusal("set_tags")

    async def set_tags_async(self, key: str, tags: Mapping[str, str]) -> None:
        """Replace the tags of an object. See `set_tags`."""
        raise self._refusal("set_tags")

    def set_metadata(self, key: str, metadata: Mapping[str, str], *, if_match: str | None = None) -> PutResult:
        """Replace the user metadata; content type, other headers, tags and storage class stay."""
        raise self._refusal("set_metadata")

    async def set_metadata_async(self, key: str, metadata: Mapping[str, str], *, if_match: str | None = None) -> PutResult:
        """Replace the user metadata. See `set_metadata`."""
        raise self._refusal("set_metadata")

    def set_modified(self, key: str, modified: datetime) -> None:
        """Set the time of last modification (aware)."""
        raise self._refusal("set_modified")

    async def set_modified_async(self, key: str, modified: datetime) -> None:
        """Set the time of last modification. See `set_modified`."""
        raise self._refusal("set_modified")

    def set_storage_class(self, key: str, storage_class: str) -> PutResult:
        """Move an object to another storage class."""
        raise self._refusal("set_storage_class")

    async def set_storage_class_async(self, key: str, storage_class: str) -> PutResult:
        """Move an object to another storage class. See `set_storage_class`."""
        raise self._refusal("set_storage_class")

    # -- writing by parts ---------------------------------------------------------------------------------------------

    def parts(self, key: str, options: PutOptions | None = None, *, upload_id: str | None = None) -> PartWriter:
        """Begin, or take up by its id, an upload by explicit parts; see `Capabilities.parts` for the rules."""
        raise self._refusal("write in parts")

    async def parts_async(self, key: str, options: PutOptions | None = None, *, upload_id: str | None = None) -> PartWriter:
        """Begin or take up an upload by parts. See `parts`."""
        raise self._refusal("write in parts")

    def uploads(self, prefix: str = "") -> builtins.list[Upload]:
        """Return the unfinished uploads below a prefix."""
        raise self._refusal("list uploads")

    async def uploads_async(self, prefix: str = "") -> builtins.list[Upload]:
        """Return the unfinished uploads below a prefix. See `uploads`."""
        raise self._refusal("list uploads")

    # -- life ---------------------------------------------------------------------------------------------------------

    def close(self) -> None:  # noqa: B027  # nothing to let go of is a sound default
        """Let go of connections and files; idempotent."""

    async def close_async(self) -> None:
        """Let go of connections and files; idempotent."""
        self.close()

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

    def __reduce_ex__(self, protocol: SupportsIndex) -> Any:
        # The registry notes how a store can be made again: that has no secrets in it, and goes before what a driver does.
        recipe = vars(self).get("_reopen")
        return super().__reduce_ex__(protocol) if recipe is None else (recipe.open, ())

    def __reduce__(self) -> tuple[Any, ...]:
        # Never the state unasked: it may hold secrets, locks and connections.
        if type(self).__getstate__ is object.__getstate__:
            raise TypeError(f"{type(self).__name__} cannot be pickled: open it from a URL or a mapping (open_store)")
        return copyreg.__newobj__, (type(self),), self.__getstate__()  # type: ignore[attr-defined]  # of every pickle

    def _checked_copy(self, options: CopyOptions | None) -> CopyOptions:
        """Return the options of a copy; refuse a time of modification where none can be set."""
        options = options or CopyOptions()
        if options.modified is not None and not self.capabilities.set_modified:
            raise self._refusal("set_modified")
        return options

    def _refusal(self, verb: str, why: str = "") -> NotSupportedError:
        """Return the error for a verb or option that this store does not have."""
        return NotSupportedError(f"{type(self).__name__} cannot {verb}{f': {why}' if why else ''}", store=self)


class BlockingStore(Store):
    """A store whose library only blocks: the async verbs run the blocking ones in worker threads.

    An async iterable as source is the driver's to solve: override `put_async`, or collect into a spool.
    """

    async def get_async(self, key: str, options: GetOptions | None = None) -> GetResult:
        """Open an object for reading. See `get`."""
        return await asyncio.to_thread(self.get, key, options)

    async def get_ranges_async(
        self, key: str, ranges: Sequence[tuple[int, int]], *, if_match: str | None = None, coalesce: Coalesce | None = None
    ) -> builtins.list[bytes]:
        """Read many ranges. See `get_ranges`."""
        return await asyncio.to_thread(self.get_ranges, key, ranges, if_match=if_match, coalesce=coalesce)

    async def head_async(self, key: str, *, version: str | None = None) -> ObjectMeta:
        """Describe an object. See `head`."""
        return await asyncio.to_thread(self.head, key, version=version)

    async def list_async(
        self, prefix: str = "", *, delimiter: str | None = None, start_after: str | None = None
    ) -> AsyncIterator[ListPage]:
        """List lazily, page by page. See `list`."""
        pages = await asyncio.to_thread(self.list, prefix, delimiter=delimiter, start_after=start_after)
        while (page := await asyncio.to_thread(next, pages, None)) is not None:
            yield page

    async def delete_async(self, keys: str | Iterable[str], *, if_match: str | None = None) -> builtins.list[DeleteResult]:
        """Delete one key or many. See `delete`."""
        return await asyncio.to_thread(self.delete, keys, if_match=if_match)

    async def copy_async(
        self, src: str, dst: str, options: CopyOptions | None = None, *, source: Store | None = None
    ) -> PutResult:
        """Copy on the server's side. See `copy`."""
        return await asyncio.to_thread(self.copy, src, dst, options, source=source)

    async def rename_async(self, src: str, dst: str, *, mode: CopyMode = "overwrite") -> None:
        """Rename an object atomically. See `rename`."""
        await asyncio.to_thread(self.rename, src, dst, mode=mode)

    async def sign_async(self, key: str, options: SignOptions | None = None) -> str:
        """Return a signed URL. See `sign`."""
        return await asyncio.to_thread(self.sign, key, options)

    async def versions_async(self, key: str) -> builtins.list[ObjectVersion]:
        """Return the versions of one key. See `versions`."""
        return await asyncio.to_thread(self.versions, key)

    async def delete_version_async(self, key: str, version: str) -> None:
        """Delete one version for good. See `delete_version`."""
        await asyncio.to_thread(self.delete_version, key, version)

    async def restore_async(self, key: str, version: str) -> PutResult:
        """Make an old version the latest one. See `restore`."""
        return await asyncio.to_thread(self.restore, key, version)

    async def tags_async(self, key: str, *, version: str | None = None) -> dict[str, str]:
        """Return the tags of an object. See `tags`."""
        return await asyncio.to_thread(self.tags, key, version=version)

    async def set_tags_async(self, key: str, tags: Mapping[str, str]) -> None:
        """Replace the tags of an object. See `set_tags`."""
        await asyncio.to_thread(self.set_tags, key, tags)

    async def set_metadata_async(self, key: str, metadata: Mapping[str, str], *, if_match: str | None = None) -> PutResult:
        """Replace the user metadata. See `set_metadata`."""
        return await asyncio.to_thread(self.set_metadata, key, metadata, if_match=if_match)

    async def set_modified_async(self, key: str, modified: datetime) -> None:
        """Set the time of last modification. See `set_modified`."""
        await asyncio.to_thread(self.set_modified, key, modified)

    async def set_storage_class_async(self, key: str, storage_class: str) -> PutResult:
        """Move an object to another storage class. See `set_storage_class`."""
        return await asyncio.to_thread(self.set_storage_class, key, storage_class)

    async def parts_async(self, key: str, options: PutOptions | None = None, *, upload_id: str | None = None) -> PartWriter:
        """Begin or take up an upload by parts. See `parts`."""
        return await asyncio.to_thread(self.parts, key, options, upload_id=upload_id)

    async def uploads_async(self, prefix: str = "") -> builtins.list[Upload]:
        """Return the unfinished uploads below a prefix. See `uploads`."""
        return await asyncio.to_thread(self.uploads, prefix)

    async def close_async(self) -> None:
        """Let go of connections and files; idempotent."""
        await asyncio.to_thread(self.close)


class PartWriter(ABC):
    """One upload by explicit parts. Nothing is visible before `complete`; `abort` leaves nothing behind.

    Parts are numbered from 1. A context manager aborts unless `complete` was called. An upload that is neither completed
    nor aborted can be taken up again with `Store.parts(key, upload_id=…)` where `PartRules.resumable`.
    """

    key: str
    upload_id: str
    _done: bool = False

    @abstractmethod
    def put_part(self, number: int, data: BytesLike) -> None:
        """Send one part; sending a number again replaces it."""

    @abstractmethod
    async def put_part_async(self, number: int, data: BytesLike) -> None:
        """Send one part. See `put_part`."""

    def pour_part(self, number: int, chunks: SizedChunks) -> None:
        """Send one part as its chunks come; where a part has to be whole before it is sent, it is held until then.

        A part whose chunks end in an error is not held; what was sent under its number before may be gone.

        Raises:
            IntegrityError: Fewer or more bytes came than were announced.
        """
        self.put_part(number, joined(list(chunks), chunks.size, self.key))

    async def pour_part_async(self, number: int, chunks: AsyncSizedChunks) -> None:
        """Send one part as its chunks come. See `pour_part`."""
        await self.put_part_async(number, joined([chunk async for chunk in chunks], chunks.size, self.key))

    def copy_part(
        self, number: int, src: str, range: tuple[int, int], *, if_match: str | None = None, source: Store | None = None
    ) -> None:
        """Copy ``[start, end)`` of an object of the same service into a part, on the server's side."""
        raise NotSupportedError(f"{type(self).__name__} cannot copy parts", key=self.key)

    async def copy_part_async(
        self, number: int, src: str, range: tuple[int, int], *, if_match: str | None = None, source: Store | None = None
    ) -> None:
        """Copy a range into a part. See `copy_part`."""
        raise NotSupportedError(f"{type(self).__name__} cannot copy parts", key=self.key)

    @abstractmethod
    def sent(self) -> dict[int, int]:
        """Return the size in bytes of each part that the store holds, by number."""

    @abstractmethod
    async def sent_async(self) -> dict[int, int]:
        """Return the sizes of the parts that the store holds. See `sent`."""

    @abstractmethod
    def complete(self, *, mode: PutMode | None = None, if_match: str | None = None) -> PutResult:
        """Publish all parts in the order of their numbers, under the mode of the options or the one given here."""

    @abstractmethod
    async def complete_async(self, *, mode: PutMode | None = None, if_match: str | None = None) -> PutResult:
        """Publish all parts. See `complete`."""

    @abstractmethod
    def abort(self) -> None:
        """Drop all parts; idempotent, nothing after `complete`."""

    @abstractmethod
    async def abort_async(self) -> None:
        """Drop all parts. See `abort`."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.abort()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.abort_async()


def _scatter(
    key: str, ranges: Sequence[tuple[int, int]], plan: Sequence[Merged], fetched: Sequence[bytes]
) -> builtins.list[bytes]:
    """Cut the fetched blocks into the requested ranges, in request order."""
    parts = [b""] * len(ranges)
    for merged, block in zip(plan, fetched, strict=True):
        for i in merged.members:
            start, end = ranges[i]
            if start - merged.start >= len(block):
                size = merged.start + len(block)
                raise RangeNotSatisfiableError(f"range starts at byte {start} of an object of {size} bytes", key=key)
            parts[i] = block[start - merged.start : end - merged.start] if len(merged.members) > 1 else block
    return parts
