"""The memory driver: isolated per instance, with everything the contract has. The reference for the others."""

from __future__ import annotations

import builtins
import itertools
import threading
import uuid
from bisect import bisect_left, insort
from collections.abc import AsyncIterator, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from holdall._concurrency import ForkGuard
from holdall._lazy import lazy
from holdall._turns import turn_async
from holdall.core.capabilities import Capabilities, Identity, PartRules
from holdall.core.keys import ReservedKey, check_key, check_prefix, is_reserved
from holdall.core.meta import ListPage, ObjectMeta, ObjectVersion, empty
from holdall.core.options import CopyMode, CopyOptions, GetOptions, PutOptions
from holdall.core.preconditions import check_get, check_put, etag_matches, missing
from holdall.core.ranges import Coalesce
from holdall.drivers._memory_parts import MemoryParts, Pending
from holdall.errors import ClosedError, InvalidKeyError, NotFoundError, PreconditionError, VersionNotFoundError
from holdall.results import CHUNK, DeleteResult, GetResult, PutResult, Upload
from holdall.sources import AsyncSource, Source, as_bytes, check_source, iter_chunks, iter_chunks_async
from holdall.store import PartWriter, Store

if TYPE_CHECKING:
    import asyncio
else:
    asyncio = lazy("asyncio")

__all__ = ["MemoryStore"]

PAGE = 1000
YIELD = 8 * CHUNK
"""Bodies above this are iterated in chunks, so that an event loop breathes while a copy is made of them."""

_CAPABILITIES = Capabilities(
    create=True,
    update=True,
    large_conditional=True,
    conditional_delete=True,
    conditional_read=True,
    metadata=True,
    attributes=True,
    tags=True,
    set_metadata=True,
    set_modified=True,
    copy=True,
    rename=True,
    strong_etag=True,
    parts=PartRules(copies=True, conditional=True, resumable=True),
    directories="marker",
    temporary=True,
)
_PLAIN = PutOptions()


@dataclass(frozen=True, slots=True)
class _Version:
    """One stored version; ``data is None`` marks a deletion."""

    meta: ObjectMeta
    data: bytes | None
    tags: Mapping[str, str] = field(default_factory=empty)


class MemoryStore(Store):
    """Objects in this process's memory, private to the instance.

    Args:
        versioned: Keep every version and delete marker.
        name: Shown in ``repr``.

    Examples:
        >>> store = MemoryStore()
        >>> store.put("a/b.txt", b"hello").size
        5
        >>> [meta.key for page in store.list("a/") for meta in page.objects]
        ['a/b.txt']
    """

    def __init__(self, *, versioned: bool = False, name: str | None = None) -> None:
        self.versioned = versioned
        self.name = name
        self._mark = uuid.uuid4().hex
        self._numbers = itertools.count(1)
        self._history: dict[str, builtins.list[_Version]] = {}
        self._keys: builtins.list[str] = []
        self._uploads: dict[str, Pending] = {}
        self._lock = threading.RLock()
        self._guard = ForkGuard()
        self._closed = False

    def __repr__(self) -> str:
        shown = [repr(self.name)] if self.name else []
        return f"MemoryStore({', '.join(shown + ['versioned=True'] * self.versioned)})"

    @property
    def capabilities(self) -> Capabilities:
        """What works here."""
        if self.versioned:
            return _CAPABILITIES.narrowed(versions=True, versioned=True)
        return _CAPABILITIES

    @property
    def identity(self) -> Identity:
        """A unique mark: two memory stores never hold the same object."""
        return Identity(service="memory", place=self._mark)

    # -- reading ------------------------------------------------------------------------------------------------------

    def get(self, key: str, options: GetOptions | None = None) -> GetResult:
        """Open an object for reading. See `Store.get`."""
        check_key(key)
        found = self._find(key, None if options is None else options.version)
        meta, data = found.meta, found.data
        assert data is not None
        if options is None:
            return _Result(meta, data, tags=found.tags)
        check_get(options, key=key, etag=meta.etag, last_modified=meta.last_modified, store=self)
        wanted = options.byte_range
        if wanted is None:
            return _Result(meta, data, tags=found.tags)
        start, end = wanted.resolve(meta.size, key=key, store=self)
        body = data[start:end] if end - start <= YIELD else _pieces(data, start, end)
        return GetResult(meta, body, range=(start, end), tags=found.tags)

    async def get_async(self, key: str, options: GetOptions | None = None) -> GetResult:
        """Open an object for reading. See `Store.get`."""
        result = self.get(key, options)
        if isinstance(result._body, Iterator):
            result._body = _pieces_async(result._body)
        return result

    async def get_ranges_async(
        self, key: str, ranges: Sequence[tuple[int, int]], *, if_match: str | None = None, coalesce: Coalesce | None = None
    ) -> builtins.list[bytes]:
        """Read many ranges. See `Store.get_ranges`."""
        return self.get_ranges(key, ranges, if_match=if_match, coalesce=coalesce)

    def head(self, key: str, *, version: str | None = None) -> ObjectMeta:
        """Describe an object. See `Store.head`."""
        return self._find(check_key(key), version).meta

    async def head_async(self, key: str, *, version: str | None = None) -> ObjectMeta:
        """Describe an object. See `Store.head`."""
        return self.head(key, version=version)

    def list(self, prefix: str = "", *, delimiter: str | None = None, start_after: str | None = None) -> Iterator[ListPage]:
        """List lazily, page by page. See `Store.list`."""
        check_prefix(prefix)
        if delimiter not in {None, "/"}:
            raise ValueError(f"the delimiter is '/' or None, not {delimiter!r}")
        self._check_open()
        return self._pages(prefix, delimiter, start_after)

    async def list_async(
        self, prefix: str = "", *, delimiter: str | None = None, start_after: str | None = None
    ) -> AsyncIterator[ListPage]:
        """List lazily, page by page. See `Store.list`."""
        for page in self.list(prefix, delimiter=delimiter, start_after=start_after):
            yield page
            await asyncio.sleep(0)

    # -- writing ------------------------------------------------------------------------------------------------------

    def put(self, key: str, source: Source, options: PutOptions | None = None) -> PutResult:
        """Write an object. See `Store.put`."""
        options = self._check_put(key, source, options, blocking=True)
        data = as_bytes(source) if isinstance(source, (bytes, bytearray, memoryview)) else b"".join(iter_chunks(source))
        return self._publish(key, data, options)

    async def put_async(self, key: str, source: AsyncSource, options: PutOptions | None = None) -> PutResult:
        """Write an object. See `Store.put`."""
        options = self._check_put(key, source, options, blocking=False)
        if isinstance(source, (bytes, bytearray, memoryview)):
            return self._publish(key, as_bytes(source), options)
        return self._publish(key, b"".join([chunk async for chunk in iter_chunks_async(source)]), options)

    def delete(self, keys: str | Iterable[str], *, if_match: str | None = None) -> builtins.list[DeleteResult]:
        """Delete one key or many. See `Store.delete`."""
        self._check_open()
        if isinstance(keys, str):
            return [self._delete(check_key(keys), if_match)]
        if if_match is not None:
            raise ValueError("if_match goes with one key")
        return [self._delete(key, None) for key in [check_key(key) for key in keys]]

    async def delete_async(self, keys: str | Iterable[str], *, if_match: str | None = None) -> builtins.list[DeleteResult]:
        """Delete one key or many. See `Store.delete`."""
        if isinstance(keys, str) or if_match is not None:
            return self.delete(keys, if_match=if_match)
        self._check_open()
        results: builtins.list[DeleteResult] = []
        for key in [check_key(key) for key in keys]:
            await turn_async()
            results.append(self._delete(key, None))
        return results

    def copy(self, src: str, dst: str, options: CopyOptions | None = None, *, source: Store | None = None) -> PutResult:
        """Copy within memory, also from another memory store. See `Store.copy`."""
        options = options or CopyOptions()
        owner, src_key = (self, src) if source is None else source.locate(src)
        if not isinstance(owner, MemoryStore):
            raise self._refusal("copy", f"{source!r} is no memory store")
        check_key(dst)
        found = owner._find(check_key(src_key), options.version)
        assert found.data is not None
        if dst.endswith("/") and found.data:
            raise InvalidKeyError(f"{dst!r} names a directory: it holds no bytes", key=dst, store=self)
        if options.if_match is not None and not etag_matches(found.meta.etag, options.if_match):
            raise PreconditionError(f"{src!r} is not the version to be copied (if_match)", key=src, store=self)
        attributes = found.meta.attributes
        if options.metadata is not None:
            attributes = replace(attributes, metadata=dict(options.metadata))
        put = PutOptions.from_attributes(attributes, tags=found.tags, mode=options.mode)
        return self._publish(dst, found.data, put, options.modified)

    async def copy_async(
        self, src: str, dst: str, options: CopyOptions | None = None, *, source: Store | None = None
    ) -> PutResult:
        """Copy within memory. See `Store.copy`."""
        return self.copy(src, dst, options, source=source)

    def rename(self, src: str, dst: str, *, mode: CopyMode = "overwrite") -> None:
        """Rename atomically. See `Store.rename`."""
        with self._locked():
            found = self._find(check_key(src), None)
            if src == check_key(dst):
                return
            self.copy(src, dst, CopyOptions(mode=mode))
            self._delete(src, found.meta.etag)

    async def rename_async(self, src: str, dst: str, *, mode: CopyMode = "overwrite") -> None:
        """Rename atomically. See `Store.rename`."""
        self.rename(src, dst, mode=mode)

    # -- versions, tags, metadata -------------------------------------------------------------------------------------

    def versions(self, key: str) -> builtins.list[ObjectVersion]:
        """Return the versions of one key, oldest first. See `Store.versions`."""
        self._check_versioned("list versions")
        with self._locked():
            history = self._history.get(check_key(key), [])
            return [
                ObjectVersion(
                    key=key,
                    version=v.meta.version or "",
                    is_latest=i == len(history) - 1,
                    size=v.meta.size,
                    last_modified=v.meta.last_modified,
                    etag=v.meta.etag if v.data is not None else None,
                    delete_marker=v.data is None,
                )
                for i, v in enumerate(history)
            ]

    async def versions_async(self, key: str) -> builtins.list[ObjectVersion]:
        """Return the versions of one key. See `Store.versions`."""
        return self.versions(key)

    def delete_version(self, key: str, version: str) -> None:
        """Delete one version for good. See `Store.delete_version`."""
        self._check_versioned("delete versions")
        with self._locked():
            history = self._history.get(check_key(key), [])
            kept = [v for v in history if v.meta.version != version]
            if len(kept) == len(history):
                raise self._no_version(key, version)
            self._set_history(key, kept)

    async def delete_version_async(self, key: str, version: str) -> None:
        """Delete one version for good. See `Store.delete_version`."""
        self.delete_version(key, version)

    def restore(self, key: str, version: str) -> PutResult:
        """Make an old version the latest. See `Store.restore`."""
        self._check_versioned("restore versions")
        return self.copy(key, key, CopyOptions(version=version))

    async def restore_async(self, key: str, version: str) -> PutResult:
        """Make an old version the latest. See `Store.restore`."""
        return self.restore(key, version)

    def tags(self, key: str, *, version: str | None = None) -> dict[str, str]:
        """Return the tags. See `Store.tags`."""
        return dict(self._find(check_key(key), version).tags)

    async def tags_async(self, key: str, *, version: str | None = None) -> dict[str, str]:
        """Return the tags. See `Store.tags`."""
        return self.tags(key, version=version)

    def set_tags(self, key: str, tags: Mapping[str, str]) -> None:
        """Replace the tags. See `Store.set_tags`."""
        checked = PutOptions(tags=tags).tags
        with self._locked():
            found = self._find(check_key(key), None)
            self._history[key][-1] = replace(found, tags=checked)

    async def set_tags_async(self, key: str, tags: Mapping[str, str]) -> None:
        """Replace the tags. See `Store.set_tags`."""
        self.set_tags(key, tags)

    def set_metadata(self, key: str, metadata: Mapping[str, str], *, if_match: str | None = None) -> PutResult:
        """Replace the user metadata; on object stores that makes a new etag, and so it does here. See `Store.set_metadata`."""
        with self._locked():
            return self.copy(check_key(key), key, CopyOptions(metadata=metadata, if_match=if_match))

    async def set_metadata_async(self, key: str, metadata: Mapping[str, str], *, if_match: str | None = None) -> PutResult:
        """Replace the user metadata. See `Store.set_metadata`."""
        return self.set_metadata(key, metadata, if_match=if_match)

    def set_modified(self, key: str, modified: datetime) -> None:
        """Set the time of last modification. See `Store.set_modified`."""
        if modified.tzinfo is None:
            raise ValueError("modified must be an aware datetime")
        with self._locked():
            found = self._find(check_key(key), None)
            self._history[key][-1] = replace(found, meta=replace(found.meta, last_modified=modified.astimezone(UTC)))

    async def set_modified_async(self, key: str, modified: datetime) -> None:
        """Set the time of last modification. See `Store.set_modified`."""
        self.set_modified(key, modified)

    # -- parts --------------------------------------------------------------------------------------------------------

    def parts(self, key: str, options: PutOptions | None = None, *, upload_id: str | None = None) -> PartWriter:
        """Begin or take up an upload by parts. See `Store.parts`."""
        options = self._check_put(key, b"", options, blocking=True)
        if key.endswith("/"):
            raise InvalidKeyError(f"{key!r} names a directory: it holds no bytes", key=key, store=self)
        with self._locked():
            if upload_id is None:
                upload_id = uuid.uuid4().hex
                self._uploads[upload_id] = Pending(key, options, datetime.now(UTC))
            elif upload_id not in self._uploads or self._uploads[upload_id].key != key:
                raise NotFoundError(f"no unfinished upload {upload_id!r} of {key!r}", key=key, store=self)
        return MemoryParts(self, key, upload_id)

    async def parts_async(self, key: str, options: PutOptions | None = None, *, upload_id: str | None = None) -> PartWriter:
        """Begin or take up an upload by parts. See `Store.parts`."""
        return self.parts(key, options, upload_id=upload_id)

    def uploads(self, prefix: str = "") -> builtins.list[Upload]:
        """Return the unfinished uploads. See `Store.uploads`."""
        check_prefix(prefix)
        with self._locked():
            found = [Upload(key=u.key, upload_id=i, started=u.started) for i, u in self._uploads.items()]
        return sorted((u for u in found if u.key.startswith(prefix)), key=lambda u: (u.key, u.upload_id))

    async def uploads_async(self, prefix: str = "") -> builtins.list[Upload]:
        """Return the unfinished uploads. See `Store.uploads`."""
        return self.uploads(prefix)

    # -- life ---------------------------------------------------------------------------------------------------------

    def close(self) -> None:
        """Drop everything; idempotent."""
        self._closed = True
        self._history.clear()
        self._keys.clear()
        self._uploads.clear()

    async def close_async(self) -> None:
        """Drop everything; idempotent."""
        self.close()

    # -- inside -------------------------------------------------------------------------------------------------------

    def _locked(self) -> AbstractContextManager[Any]:
        """Return the lock, to be held by ``with``."""
        if self._guard.stale():  # another thread may have held the lock when the process was forked
            self._lock, self._guard = threading.RLock(), ForkGuard()
        self._check_open()
        return self._lock

    def _check_open(self) -> None:
        if self._closed:
            raise ClosedError("the store is closed", store=self)

    def _check_versioned(self, verb: str) -> None:
        if not self.versioned:
            raise self._refusal(verb, "the store is not versioned")

    def _check_put(self, key: str, source: object, options: PutOptions | None, *, blocking: bool) -> PutOptions:
        check_key(key)
        check_source(source, blocking=blocking)
        self._check_open()
        options = options or _PLAIN
        if options.storage_class is not None:
            raise self._refusal("keep a storage class")
        if key.endswith("/") and not (isinstance(source, bytes) and not source):
            raise InvalidKeyError(f"{key!r} names a directory: it holds no bytes", key=key, store=self)
        return options

    def _no_version(self, key: str, version: str) -> VersionNotFoundError:
        return VersionNotFoundError(f"{key!r} has no version {version!r}", key=key, store=self)

    def _find(self, key: str, version: str | None) -> _Version:
        if version is not None:
            self._check_versioned("read versions")
        with self._locked():
            history = self._history.get(key)
            if version is not None:
                for found in history or ():
                    if found.meta.version == version and found.data is not None:
                        return found
                raise self._no_version(key, version)
            if not history or history[-1].data is None:
                raise missing(key, store=self)
            return history[-1]

    def _publish(self, key: str, data: bytes, options: PutOptions, modified: datetime | None = None) -> PutResult:
        with self._locked():
            history = self._history.get(key, [])
            current = history[-1] if history and history[-1].data is not None else None
            etag = current.meta.etag if current else None
            check_put(options, key=key, exists=current is not None, etag=etag, store=self)
            number = next(self._numbers)
            meta = ObjectMeta(
                key=str(key),
                size=len(data),
                last_modified=datetime.now(UTC) if modified is None else modified.astimezone(UTC),
                etag=f"{self._mark[:8]}-{number:x}",
                version=f"{number:012x}" if self.versioned else None,
                attributes=options.attributes,
                kind="directory" if key.endswith("/") else "file",
            )
            self._set_history(key, [*(history if self.versioned else ()), _Version(meta, data, options.tags)])
            return PutResult(
                key=meta.key, size=meta.size, etag=meta.etag, version=meta.version, last_modified=meta.last_modified
            )

    def _delete(self, key: str, if_match: str | None) -> DeleteResult:
        with self._locked():
            history = self._history.get(key, [])
            current = history[-1] if history and history[-1].data is not None else None
            if if_match is not None and (current is None or not etag_matches(current.meta.etag, if_match)):
                raise PreconditionError(f"{key!r} is not the version to be deleted (if_match)", key=key, store=self)
            if current is not None:
                kept: builtins.list[_Version] = []
                if self.versioned:
                    marker = ObjectMeta(
                        key=key, size=0, last_modified=datetime.now(UTC), version=f"{next(self._numbers):012x}"
                    )
                    kept = [*history, _Version(marker, None)]
                self._set_history(key, kept)
            return DeleteResult(key=str(key), existed=current is not None)

    def _set_history(self, key: str, history: builtins.list[_Version]) -> None:
        """Replace the versions of a key and keep the sorted index of live keys in step."""
        before = self._history.get(key)
        was = bool(before) and before is not None and before[-1].data is not None
        now = bool(history) and history[-1].data is not None
        if history:
            self._history[str(key)] = history
        else:
            self._history.pop(key, None)
        if now and not was:
            insort(self._keys, str(key))
        elif was and not now:
            del self._keys[bisect_left(self._keys, key)]

    def _pages(self, prefix: str, delimiter: str | None, start_after: str | None) -> Iterator[ListPage]:
        hidden = not isinstance(prefix, ReservedKey)
        low = prefix if start_after is None else max(prefix, f"{start_after}\0")  # the least key that is still to come
        while True:
            objects: builtins.list[ObjectMeta] = []
            prefixes: builtins.list[str] = []
            more = False
            with self._locked():
                at = bisect_left(self._keys, low)
                while at < len(self._keys) and self._keys[at].startswith(prefix):
                    if len(objects) + len(prefixes) == PAGE:
                        more = True
                        break
                    key = self._keys[at]
                    at += 1
                    if hidden and is_reserved(key):
                        continue
                    cut = key.find(delimiter, len(prefix)) if delimiter else -1
                    if cut < 0:
                        objects.append(self._history[key][-1].meta)
                        low = f"{key}\0"
                        continue
                    group = key[: cut + 1]
                    low = f"{key[:cut]}0"  # "0" comes right after "/"
                    at = bisect_left(self._keys, low)
                    if start_after is None or group > start_after:
                        prefixes.append(group)
            if objects or prefixes:
                yield ListPage(objects, prefixes)
            if not more:
                return


class _Result(GetResult):
    """An answer that is in memory as a whole, and so is given as it is; who iterates over it gets chunks."""

    __slots__ = ()

    @property
    def buffered(self) -> bool:
        """Whether it is better taken whole than iterated over."""
        return isinstance(self._body, bytes) and len(self._body) <= YIELD

    def _checked(self) -> Iterator[bytes]:
        self._split()
        return super()._checked()

    def _checked_async(self) -> AsyncIterator[bytes]:
        self._split()
        if isinstance(self._body, Iterator):
            self._body = _pieces_async(self._body)
        return super()._checked_async()

    def _split(self) -> None:
        if isinstance(self._body, bytes) and len(self._body) > YIELD:
            self._body = _pieces(self._body, 0, len(self._body))


def _pieces(data: bytes, start: int, end: int) -> Iterator[bytes]:
    for at in range(start, end, CHUNK):
        yield data[at : min(at + CHUNK, end)]


async def _pieces_async(pieces: Iterator[bytes]) -> AsyncIterator[bytes]:
    for piece in pieces:
        yield piece
        await asyncio.sleep(0)
