"""The fsspec driver over s3fs: the program's own instance, driven by S3's own calls.

What s3fs offers as a filesystem knows no conditions, versions, parts or literal prefixes. Its S3 calls do, and they carry the
instance's endpoint, credentials, encryption and payer settings; its listing cache is kept true.
"""

from __future__ import annotations

import builtins
import contextlib
import threading
from collections.abc import AsyncIterator, Iterable, Iterator, Mapping
from dataclasses import replace
from typing import Any

from holdall._concurrency import ForkGuard
from holdall.core.capabilities import Capabilities, Identity, PartRules
from holdall.core.keys import check_key
from holdall.core.meta import ListPage, ObjectMeta, ObjectVersion
from holdall.core.options import CopyOptions, GetOptions, PutOptions, SignOptions
from holdall.drivers import fsspec_s3_verbs, fsspec_s3_verbs_async, fsspec_s3_write, fsspec_s3_write_async
from holdall.drivers.fsspec import FsspecStore, Publish
from holdall.drivers.fsspec_place import Place, find_place, reopened
from holdall.drivers.fsspec_s3_calls import S3Calls
from holdall.drivers.fsspec_s3_parts import S3FilesystemParts
from holdall.drivers.fsspec_s3_rules import LARGEST, MOST, SMALLEST
from holdall.drivers.objects_values import new_mark
from holdall.drivers.tree import in_thread_async
from holdall.errors import (
    ClosedError,
    ConfigError,
    HoldallError,
    InvalidKeyError,
    NotSupportedError,
    PermissionDeniedError,
    ThrottledError,
    UnavailableError,
    VersionNotFoundError,
)
from holdall.results import DeleteResult, GetResult, PutResult, Upload
from holdall.sources import AsyncSource, Source, check_source
from holdall.store import PartWriter, Store

__all__ = ["FsspecS3Store"]

_CAPABILITIES = Capabilities(
    create=True,
    update=True,
    large_conditional=True,
    conditional_delete=True,
    conditional_read=True,
    metadata=True,
    attributes=True,
    tags=True,
    versions=True,
    storage_class=True,
    set_metadata=True,
    copy=True,
    sign=frozenset({"GET", "PUT"}),
    strong_etag=True,
    parts=PartRules(smallest=SMALLEST, largest=LARGEST, most=MOST, copies=True, conditional=True, resumable=True),
    directories="marker",
)

_known: dict[str, dict[str, bool]] = {}
"""What services honour, by their endpoint."""


class FsspecS3Store(FsspecStore):
    """Objects of S3 through s3fs. See `FsspecStore`.

    Attributes:
        copy_limit: Bytes up to which a copy is one request; above, it goes by parts.
        copy_step: Bytes of such a part.
        bucket_seen: When (monotonic seconds) the bucket was last found to be there.
    """

    copy_limit: int = LARGEST
    copy_step: int = 512 * 1024 * 1024
    bucket_seen: float = float("-inf")

    def __init__(
        self, fs: Any, *, path: str = "", options: Mapping[str, Any] | None = None, publish: Publish = "auto"
    ) -> None:
        del publish  # a subclass of its own only where it is "auto"
        if not isinstance(fs, str) and options:
            raise ConfigError("options are for a filesystem that is made from a name; this one is made already")
        self.path = str(path)
        self._given = fs
        self._options = dict(options or {})
        self._place: Place | None = None if isinstance(fs, str) else find_place(fs, self.path, {})
        self._calls: S3Calls | None = None
        self._guard = ForkGuard()
        self._lock = threading.Lock()
        self._closed = False
        if self._place is not None and not self._place.root:
            raise ConfigError("say which bucket: path='bucket' or 'bucket/prefix'")

    def __repr__(self) -> str:
        name = self._given.partition("://")[0] if isinstance(self._given, str) else "s3"
        return f"FsspecStore({name!r}, path={self.path!r})"

    @property
    def fs(self) -> Any:
        """The filesystem: the very instance that was given, or the one that was made."""
        return self.place().given

    @property
    def capabilities(self) -> Capabilities:
        """What S3 can do, less what this service is known to ignore."""
        place, known = self._place, self.honoured
        found = _CAPABILITIES
        if place is not None and place.fs.anon:
            found = found.narrowed(sign=frozenset())
        if known:
            conditional = known.get("create", True) and known.get("update", True)
            assert found.parts is not None
            found = found.narrowed(
                large_conditional=conditional,
                conditional_delete=known.get("delete", True),
                parts=replace(found.parts, conditional=conditional),
            )
        return found

    @property
    def identity(self) -> Identity:
        """The endpoint, the bucket and the prefix, who asks."""
        calls = self.calls() if self._place is not None and not self._closed else self._calls
        if calls is None:
            bucket, _, prefix = self.path.partition("/")
            return Identity(service="s3", place=bucket, prefix=prefix and prefix.rstrip("/") + "/")
        principal = str(calls.fs.key or "")
        return Identity(service=calls.service, place=calls.bucket, prefix=calls.prefix, principal=principal)

    @property
    def honoured(self) -> dict[str, bool]:
        """What is known of the conditions of a service that is not Amazon's; shared by all stores of it."""
        return {} if self._calls is None else _known.setdefault(self._calls.service, {})

    def probe(self) -> Capabilities:
        """Ask a service that is not Amazon's which conditions it honours, and return the capabilities.

        Asked once per process and endpoint; otherwise the first use of such a condition asks. What is written is removed.
        """
        calls = self.calls()
        with contextlib.suppress(NotSupportedError):
            fsspec_s3_write.check_completion(self, calls, "update")
        with contextlib.suppress(NotSupportedError):
            fsspec_s3_write.check_deletion(self, calls)
        return self.capabilities

    async def probe_async(self) -> Capabilities:
        """Ask which conditions the service honours. See `probe`."""
        calls = await self.calls_async()
        with contextlib.suppress(NotSupportedError):
            await fsspec_s3_write_async.check_completion_async(self, calls, "update")
        with contextlib.suppress(NotSupportedError):
            await fsspec_s3_write_async.check_deletion_async(self, calls)
        return self.capabilities

    # -- inside -------------------------------------------------------------------------------------------------------

    def check_open(self) -> None:
        """Raise if the store was closed.

        Raises:
            ClosedError: It was.
        """
        if self._closed:
            raise ClosedError("the store is closed", store=self)

    def place(self) -> Place:
        """Return the filesystem and the path in it; made on first use, made anew in a forked child."""
        if self._guard.stale():
            place, self._place, self._calls = self._place, None, None
            self._lock, self._guard = threading.Lock(), ForkGuard()
            if place is not None and not isinstance(self._given, str):
                self._given = reopened(place)
        if self._place is None:
            with self._lock:
                if self._place is None:
                    self._place = find_place(self._given, self.path, self._options)
        return self._place

    def calls(self) -> S3Calls:
        """Return the way to make calls."""
        self.check_open()
        place = self.place()
        if self._calls is None:
            self._calls = S3Calls(place.fs, place.root)
        return self._calls

    async def calls_async(self) -> S3Calls:
        """Return the way to make calls; making a filesystem from a name may block."""
        if self._calls is None or self._guard.stale():
            return await in_thread_async(self.calls)
        return self.calls()

    def checked(self, key: str) -> str:
        """Return a key if S3 may have it."""
        check_key(key)
        self.check_open()
        return key

    def no_version(self, key: str, version: str) -> VersionNotFoundError:
        """Return the error for a version that is not there."""
        return VersionNotFoundError(f"{key!r} has no version {version!r}", key=key, store=self)

    def ignored(self, what: str) -> NotSupportedError:
        """Return the error for a condition that the service would not honour."""
        return NotSupportedError(f"this service ignores {what}", store=self)

    def refused_deletion(self, key: str, code: str) -> HoldallError:
        """Return the error for one key of a batch."""
        if code in {"AccessDenied", "Forbidden"}:
            return PermissionDeniedError(f"no permission to delete {key!r}", key=key, store=self)
        if code in {"SlowDown", "ServiceUnavailable"}:
            return ThrottledError(f"the storage asks for fewer requests ({code})", key=key, store=self)
        return UnavailableError(f"{key!r} could not be deleted: {code}", key=key, store=self)

    def pinned(self, if_match: str | None) -> GetOptions:
        """Return the condition on the source of a copy."""
        return GetOptions(if_match=if_match)

    def origin_of(self, src: str, source: Store | None) -> tuple[S3Calls, str]:
        """Return where a copy comes from.

        Raises:
            NotSupportedError: It is no store of the same service.
        """
        owner, key = (self, src) if source is None else source.locate(src)
        if not isinstance(owner, FsspecS3Store) or owner.calls().service != self.calls().service:
            raise self._refusal("copy", f"{source!r} is another storage")
        return owner.calls(), self.checked(key)

    def _check_put(self, key: str, source: object, options: PutOptions | None, *, blocking: bool) -> PutOptions:
        check_source(source, blocking=blocking)
        self.checked(key)
        if key.endswith("/") and not (isinstance(source, bytes) and not source):
            raise InvalidKeyError(f"{key!r} names a directory: it holds no bytes", key=key, store=self)
        return options or PutOptions()

    # -- reading ------------------------------------------------------------------------------------------------------

    def get(self, key: str, options: GetOptions | None = None) -> GetResult:
        """Open an object for reading. See `Store.get`."""
        self.checked(key)
        return fsspec_s3_verbs.get(self, self.calls(), key, options or GetOptions())

    async def get_async(self, key: str, options: GetOptions | None = None) -> GetResult:
        """Open an object for reading. See `Store.get`."""
        self.checked(key)
        return await fsspec_s3_verbs_async.get_async(self, await self.calls_async(), key, options or GetOptions())

    def head(self, key: str, *, version: str | None = None) -> ObjectMeta:
        """Describe an object. See `Store.head`."""
        self.checked(key)
        return fsspec_s3_verbs.head(self, self.calls(), key, version)

    async def head_async(self, key: str, *, version: str | None = None) -> ObjectMeta:
        """Describe an object. See `Store.head`."""
        self.checked(key)
        return await fsspec_s3_verbs_async.head_async(self, await self.calls_async(), key, version)

    def list(self, prefix: str = "", *, delimiter: str | None = None, start_after: str | None = None) -> Iterator[ListPage]:
        """List lazily, page by page. See `Store.list`."""
        self._check_list(delimiter)
        return fsspec_s3_verbs.pages(self, prefix, delimiter, start_after)

    async def list_async(
        self, prefix: str = "", *, delimiter: str | None = None, start_after: str | None = None
    ) -> AsyncIterator[ListPage]:
        """List lazily, page by page. See `Store.list`."""
        self._check_list(delimiter)
        await self.calls_async()
        async for page in fsspec_s3_verbs_async.pages_async(self, prefix, delimiter, start_after):
            yield page

    def _check_list(self, delimiter: str | None) -> None:
        if delimiter not in {None, "/"}:
            raise ValueError(f"the delimiter is '/' or None, not {delimiter!r}")
        self.check_open()

    # -- writing ------------------------------------------------------------------------------------------------------

    def put(self, key: str, source: Source, options: PutOptions | None = None) -> PutResult:
        """Write an object. See `Store.put`."""
        options = self._check_put(key, source, options, blocking=True)
        return fsspec_s3_write.put(self, self.calls(), key, source, options)

    async def put_async(self, key: str, source: AsyncSource, options: PutOptions | None = None) -> PutResult:
        """Write an object. See `Store.put`."""
        options = self._check_put(key, source, options, blocking=False)
        return await fsspec_s3_write_async.put_async(self, await self.calls_async(), key, source, options)

    def delete(self, keys: str | Iterable[str], *, if_match: str | None = None) -> builtins.list[DeleteResult]:
        """Delete one key or many. See `Store.delete`."""
        if if_match is None:
            return fsspec_s3_verbs.delete(self, self.calls(), keys)
        key = self._one(keys)
        fsspec_s3_write.check_deletion(self, self.calls())
        return fsspec_s3_verbs.delete_if(self, self.calls(), key, if_match)

    async def delete_async(self, keys: str | Iterable[str], *, if_match: str | None = None) -> builtins.list[DeleteResult]:
        """Delete one key or many. See `Store.delete`."""
        calls = await self.calls_async()
        if if_match is None:
            return await fsspec_s3_verbs_async.delete_async(self, calls, keys)
        key = self._one(keys)
        await fsspec_s3_write_async.check_deletion_async(self, calls)
        return await fsspec_s3_verbs_async.delete_if_async(self, calls, key, if_match)

    def _one(self, keys: str | Iterable[str]) -> str:
        if isinstance(keys, str):
            return self.checked(keys)
        raise ValueError("if_match goes with one key")

    def copy(self, src: str, dst: str, options: CopyOptions | None = None, *, source: Store | None = None) -> PutResult:
        """Copy on the server's side, of any size. See `Store.copy`."""
        options = self._check_copy(dst, options)
        origin, key = self.origin_of(self.checked(src), source)
        return fsspec_s3_write.copy(self, self.calls(), origin, key, dst, options)

    async def copy_async(
        self, src: str, dst: str, options: CopyOptions | None = None, *, source: Store | None = None
    ) -> PutResult:
        """Copy on the server's side, of any size. See `Store.copy`."""
        options = self._check_copy(dst, options)
        calls = await self.calls_async()
        origin, key = self.origin_of(self.checked(src), source)
        return await fsspec_s3_write_async.copy_async(self, calls, origin, key, dst, options)

    def _check_copy(self, dst: str, options: CopyOptions | None) -> CopyOptions:
        self.checked(dst)
        return self._checked_copy(options)

    # -- addresses, versions, tags ------------------------------------------------------------------------------------

    def sign(self, key: str, options: SignOptions | None = None) -> str:
        """Return a signed URL. See `Store.sign`."""
        self._check_sign(key)
        return fsspec_s3_verbs.sign(self, self.calls(), key, options or SignOptions())

    async def sign_async(self, key: str, options: SignOptions | None = None) -> str:
        """Return a signed URL. See `Store.sign`."""
        self._check_sign(key)
        return await fsspec_s3_verbs_async.sign_async(self, await self.calls_async(), key, options or SignOptions())

    def _check_sign(self, key: str) -> None:
        self.checked(key)
        if not self.capabilities.sign:
            raise self._refusal("sign", "it asks without credentials")

    def versions(self, key: str) -> builtins.list[ObjectVersion]:
        """Return the versions of one key. See `Store.versions`."""
        return fsspec_s3_verbs.versions(self, self.calls(), self.checked(key))

    async def versions_async(self, key: str) -> builtins.list[ObjectVersion]:
        """Return the versions of one key. See `Store.versions`."""
        return await fsspec_s3_verbs_async.versions_async(self, await self.calls_async(), self.checked(key))

    def delete_version(self, key: str, version: str) -> None:
        """Delete one version for good. See `Store.delete_version`."""
        fsspec_s3_verbs.delete_version(self, self.calls(), self.checked(key), version)

    async def delete_version_async(self, key: str, version: str) -> None:
        """Delete one version for good. See `Store.delete_version`."""
        await fsspec_s3_verbs_async.delete_version_async(self, await self.calls_async(), self.checked(key), version)

    def restore(self, key: str, version: str) -> PutResult:
        """Make an old version the latest one again. See `Store.restore`."""
        return self.copy(key, key, CopyOptions(version=version))

    async def restore_async(self, key: str, version: str) -> PutResult:
        """Make an old version the latest one again. See `Store.restore`."""
        return await self.copy_async(key, key, CopyOptions(version=version))

    def tags(self, key: str, *, version: str | None = None) -> dict[str, str]:
        """Return the tags of an object. See `Store.tags`."""
        return fsspec_s3_verbs.tags(self, self.calls(), self.checked(key), version)

    async def tags_async(self, key: str, *, version: str | None = None) -> dict[str, str]:
        """Return the tags of an object. See `Store.tags`."""
        return await fsspec_s3_verbs_async.tags_async(self, await self.calls_async(), self.checked(key), version)

    def set_tags(self, key: str, tags: Mapping[str, str]) -> None:
        """Replace the tags of an object. See `Store.set_tags`."""
        fsspec_s3_verbs.set_tags(self, self.calls(), self.checked(key), tags)

    async def set_tags_async(self, key: str, tags: Mapping[str, str]) -> None:
        """Replace the tags of an object. See `Store.set_tags`."""
        await fsspec_s3_verbs_async.set_tags_async(self, await self.calls_async(), self.checked(key), tags)

    def set_metadata(self, key: str, metadata: Mapping[str, str], *, if_match: str | None = None) -> PutResult:
        """Replace the user metadata, by a copy onto itself. See `Store.set_metadata`."""
        checked = PutOptions(metadata=metadata).metadata
        return fsspec_s3_write.set_metadata(self, self.calls(), self.checked(key), if_match, metadata=checked)

    async def set_metadata_async(self, key: str, metadata: Mapping[str, str], *, if_match: str | None = None) -> PutResult:
        """Replace the user metadata. See `Store.set_metadata`."""
        checked, calls = PutOptions(metadata=metadata).metadata, await self.calls_async()
        return await fsspec_s3_write_async.set_metadata_async(self, calls, self.checked(key), if_match, metadata=checked)

    def set_storage_class(self, key: str, storage_class: str) -> PutResult:
        """Move an object to another storage class. See `Store.set_storage_class`."""
        return fsspec_s3_write.set_metadata(self, self.calls(), self.checked(key), None, storage_class=storage_class)

    async def set_storage_class_async(self, key: str, storage_class: str) -> PutResult:
        """Move an object to another storage class. See `Store.set_storage_class`."""
        calls = await self.calls_async()
        return await fsspec_s3_write_async.set_metadata_async(
            self, calls, self.checked(key), None, storage_class=storage_class
        )

    # -- parts --------------------------------------------------------------------------------------------------------

    def parts(self, key: str, options: PutOptions | None = None, *, upload_id: str | None = None) -> PartWriter:
        """Begin or take up an upload by parts. See `Store.parts`."""
        options, calls = self._check_put(key, b"", options, blocking=True), self.calls()
        if upload_id is not None:
            return S3FilesystemParts(self, calls, key, upload_id, options, None)
        mark = new_mark()
        return S3FilesystemParts(self, calls, key, fsspec_s3_write.begin(self, calls, key, options, mark), options, mark)

    async def parts_async(self, key: str, options: PutOptions | None = None, *, upload_id: str | None = None) -> PartWriter:
        """Begin or take up an upload by parts. See `Store.parts`."""
        options, calls = self._check_put(key, b"", options, blocking=True), await self.calls_async()
        if upload_id is not None:
            return S3FilesystemParts(self, calls, key, upload_id, options, None)
        mark = new_mark()
        begun = await fsspec_s3_write_async.begin_async(self, calls, key, options, mark)
        return S3FilesystemParts(self, calls, key, begun, options, mark)

    def uploads(self, prefix: str = "") -> builtins.list[Upload]:
        """Return the unfinished uploads below a prefix. See `Store.uploads`."""
        return fsspec_s3_verbs.uploads(self, self.calls(), prefix)

    async def uploads_async(self, prefix: str = "") -> builtins.list[Upload]:
        """Return the unfinished uploads below a prefix. See `Store.uploads`."""
        return await fsspec_s3_verbs_async.uploads_async(self, await self.calls_async(), prefix)

    # -- life ---------------------------------------------------------------------------------------------------------

    def close(self) -> None:
        """Use the filesystem no more; it is the program's, and stays open. Idempotent."""
        self._closed = True

    async def close_async(self) -> None:
        """Use the filesystem no more. See `close`."""
        self._closed = True
