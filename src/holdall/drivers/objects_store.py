"""Object stores through obstore: S3, Google Cloud Storage, Azure Blob, HTTP, and any obstore instance of the user's.

`ObstoreStore` is the common part. It opens lazily, passes both colours through to obstore, and asks a side channel (boto3 for
S3, hand-made requests for Azure) for what obstore cannot do. The verbs themselves stand in ``objects_*_async`` and their
generated twins; `holdall.drivers.s3`, ``gcs``, ``azure`` and ``http`` say how to connect and what the service can do.
"""

from __future__ import annotations

import builtins
from collections.abc import AsyncIterator, Iterable, Iterator, Sequence
from datetime import timedelta
from typing import Any, Final
from urllib.request import Request

import obstore
import obstore.store

from holdall._concurrency import run_async
from holdall.core.capabilities import Capabilities, Identity
from holdall.core.meta import ListPage, ObjectMeta
from holdall.core.options import CopyOptions, Method, SignOptions
from holdall.core.ranges import Coalesce
from holdall.core.ranges import coalesce as merge
from holdall.drivers import (
    objects_listing,
    objects_listing_async,
    objects_reading,
    objects_reading_async,
    objects_writing,
    objects_writing_async,
)
from holdall.drivers.objects_base import ObjectsBase
from holdall.drivers.objects_errors import FAILURES, facts_of, failure, masked
from holdall.drivers.objects_pause import asked_pause
from holdall.drivers.objects_values import is_odd
from holdall.errors import HoldallError
from holdall.results import DeleteResult, PutResult
from holdall.store import Store
from holdall.store import _scatter as scatter

__all__ = ["SHORTLY", "ObstoreStore"]

SHORTLY: Final = timedelta(minutes=1)
"""How long the signature of a question holds."""
_UNASKED: tuple[type[Exception], ...] = (*FAILURES, HoldallError)


class ObstoreStore(ObjectsBase):
    """An instance of obstore that the user built, as a store.

    Args:
        native: ``obstore.store.S3Store``, ``GCSStore``, ``AzureStore``, ``HTTPStore``, ``MemoryStore`` or ``LocalStore``.
        prefix: What stands before every key.

    Example:
        >>> import obstore.store
        >>> store = ObstoreStore(obstore.store.MemoryStore())
        >>> store.put("a/b", b"hello").size
        5
        >>> store.get("a/b").bytes()
        b'hello'
    """

    def __init__(self, native: Any, *, prefix: str = "") -> None:
        from holdall.drivers.objects_kinds import kind_of  # noqa: PLC0415  # for instances of the user's only

        self._begin(prefix, {"native": native, "prefix": prefix}, secret=("native",))
        self._given = native
        kind = kind_of(native, self.prefix)
        self._capabilities, self._identity = kind.capabilities, kind.identity
        self.flat, self.marks, self.doubts_place, self.place = kind.flat, kind.marks, kind.doubts_place, kind.place
        self.update, self.in_process = kind.update, kind.in_process

    def __repr__(self) -> str:
        shown = f", prefix={self.prefix!r}" if self.prefix else ""
        return f"ObstoreStore(<{self._identity.service} {self._identity.place}>{shown})"

    @property
    def capabilities(self) -> Capabilities:
        """What works here."""
        return self._capabilities

    @property
    def identity(self) -> Identity:
        """Service, bucket and prefix; no secret."""
        return self._identity

    # -- reading ------------------------------------------------------------------------------------------------------

    get = objects_reading.get  # pyright: ignore[reportAssignmentType]  # for the name of its first parameter
    get_async = objects_reading_async.get_async  # pyright: ignore[reportAssignmentType]  # for the name of its first parameter

    def get_ranges(
        self, key: str, ranges: Sequence[tuple[int, int]], *, if_match: str | None = None, coalesce: Coalesce | None = None
    ) -> builtins.list[bytes]:
        """Read many ranges. See `Store.get_ranges`."""
        plan = merge(ranges, coalesce)
        if len(plan) > 1 and if_match is None and not is_odd(path := self.at(key)):
            try:
                fetched = obstore.get_ranges(
                    self.native, path, starts=[m.start for m in plan], ends=[m.end for m in plan], coalesce=0
                )
                return scatter(key, ranges, plan, [block.to_bytes() for block in fetched])
            except FAILURES:  # the slower way knows why
                pass
        return super().get_ranges(key, ranges, if_match=if_match, coalesce=coalesce)

    async def get_ranges_async(
        self, key: str, ranges: Sequence[tuple[int, int]], *, if_match: str | None = None, coalesce: Coalesce | None = None
    ) -> builtins.list[bytes]:
        """Read many ranges. See `Store.get_ranges`."""
        plan = merge(ranges, coalesce)
        if len(plan) > 1 and if_match is None and not is_odd(path := self.at(key)):
            try:
                fetched = await obstore.get_ranges_async(
                    self.native, path, starts=[m.start for m in plan], ends=[m.end for m in plan], coalesce=0
                )
                return scatter(key, ranges, plan, [block.to_bytes() for block in fetched])
            except FAILURES:  # the slower way knows why
                pass
        return await super().get_ranges_async(key, ranges, if_match=if_match, coalesce=coalesce)

    def head(self, key: str, *, version: str | None = None) -> ObjectMeta:
        """Describe an object. See `Store.head`."""
        self.check_version(version)
        return objects_reading.head(self, key, version)

    async def head_async(self, key: str, *, version: str | None = None) -> ObjectMeta:
        """Describe an object. See `Store.head`."""
        self.check_version(version)
        return await objects_reading_async.head_async(self, key, version)

    def list(self, prefix: str = "", *, delimiter: str | None = None, start_after: str | None = None) -> Iterator[ListPage]:
        """List lazily, page by page. See `Store.list`."""
        return objects_listing.pages(self, prefix, delimiter=delimiter, start_after=start_after)

    def list_async(
        self, prefix: str = "", *, delimiter: str | None = None, start_after: str | None = None
    ) -> AsyncIterator[ListPage]:
        """List lazily, page by page. See `Store.list`."""
        return objects_listing_async.pages_async(self, prefix, delimiter=delimiter, start_after=start_after)

    def check_version(self, version: str | None) -> None:
        """Refuse a version where none are kept.

        Raises:
            NotSupportedError: The store keeps no versions.
        """
        if version is not None and not self.capabilities.versions:
            raise self._refusal("read versions")

    # -- writing ------------------------------------------------------------------------------------------------------

    put = objects_writing.put  # pyright: ignore[reportAssignmentType]  # for the name of its first parameter
    put_async = objects_writing_async.put_async  # pyright: ignore[reportAssignmentType]  # for the name of its first parameter

    def delete(self, keys: str | Iterable[str], *, if_match: str | None = None) -> builtins.list[DeleteResult]:
        """Delete one key or many. See `Store.delete`."""
        wanted = self._check_delete(keys, if_match)
        if if_match is not None:
            self._delete_if(wanted[0], if_match)
            return [DeleteResult(key=wanted[0])]
        return _first_raised(keys, objects_writing.delete(self, wanted))

    async def delete_async(self, keys: str | Iterable[str], *, if_match: str | None = None) -> builtins.list[DeleteResult]:
        """Delete one key or many. See `Store.delete`."""
        wanted = self._check_delete(keys, if_match)
        if if_match is not None:
            await run_async(lambda: self._delete_if(wanted[0], if_match))
            return [DeleteResult(key=wanted[0])]
        return _first_raised(keys, await objects_writing_async.delete_async(self, wanted))

    def _check_delete(self, keys: str | Iterable[str], if_match: str | None) -> builtins.list[str]:
        if not self.capabilities.delete:
            raise self._refusal("delete")
        if isinstance(keys, str):
            self.at(keys)
            return [keys]
        if if_match is not None:
            raise ValueError("if_match goes with one key")
        return builtins.list(keys)

    def _delete_if(self, key: str, if_match: str) -> None:
        raise self._refusal("delete under a condition")

    def copy(self, src: str, dst: str, options: CopyOptions | None = None, *, source: Store | None = None) -> PutResult:
        """Copy on the server's side. See `Store.copy`."""
        src, options, plain = self._check_copy(src, dst, options, source)
        return (objects_writing.copy if plain else objects_writing.copy_through)(self, src, dst, options)

    async def copy_async(
        self, src: str, dst: str, options: CopyOptions | None = None, *, source: Store | None = None
    ) -> PutResult:
        """Copy on the server's side. See `Store.copy`."""
        src, options, plain = self._check_copy(src, dst, options, source)
        copy = objects_writing_async.copy_async if plain else objects_writing_async.copy_through_async
        return await copy(self, src, dst, options)

    def _check_copy(
        self, src: str, dst: str, options: CopyOptions | None, source: Store | None
    ) -> tuple[str, CopyOptions, bool]:
        """Refuse what obstore's copy cannot do; return the key to read, and whether that copy is enough."""
        if not self.capabilities.copy:
            raise self._refusal("copy")
        options = self._checked_copy(options)
        if source is not None:
            owner, src = source.locate(src)
            if owner is not self:
                raise self._refusal("copy", f"not from {source!r}{self.remedy}")
        for key in (src, dst):
            if is_odd(self.at(key)):
                self.side(f"copy {key!r}", key)
        plain = options.if_match is None and options.version is None and options.metadata is None
        if not plain and not self.in_process:
            raise self._refusal("copy", f"a pinned source and other metadata are beyond obstore{self.remedy}")
        return src, options, plain

    # -- throttling ---------------------------------------------------------------------------------------------------

    def asked_pause(self, path: str) -> float | None:
        """Ask for how long the service wants to be left alone. See `ObjectsBase`."""
        try:
            question = self.question(path)
            return None if question is None else asked_pause(question, self.client)
        except _UNASKED:  # it would only add to another failure
            return None

    def question(self, path: str) -> Request | None:
        """Return a HEAD of a path, signed on the spot or plain; ``None`` if there is no way to ask."""
        if not isinstance(self._given, obstore.store.S3Store):
            return None
        return Request(obstore.sign(self._given, "HEAD", path, SHORTLY), method="HEAD")  # noqa: S310  # a web address

    # -- addresses and life -------------------------------------------------------------------------------------------

    def sign(self, key: str, options: SignOptions | None = None) -> str:
        """Return a signed URL. See `Store.sign`."""
        path, method, time = self._check_sign(key, options or SignOptions())
        try:
            return obstore.sign(self.native, method, path, time)
        except FAILURES as error:
            raise self._sign_failed(key, error) from masked(error)

    async def sign_async(self, key: str, options: SignOptions | None = None) -> str:
        """Return a signed URL. See `Store.sign`."""
        if self.unready:
            await run_async(self.make_ready)
        path, method, time = self._check_sign(key, options or SignOptions())
        try:
            return await obstore.sign_async(self.native, method, path, time)
        except FAILURES as error:
            raise self._sign_failed(key, error) from masked(error)

    def _check_sign(self, key: str, options: SignOptions) -> tuple[str, Method, timedelta]:
        if options.method not in self.capabilities.sign:
            raise self._refusal(f"sign {options.method}")
        path = self.at(key)
        if is_odd(path):
            self.side(f"sign {key!r}", key)
        if options.content_type or options.content_disposition or options.version:
            raise self._refusal("sign", f"headers and versions of the answer are beyond obstore{self.remedy}")
        return path, options.method, timedelta(seconds=options.expires_in)

    def _sign_failed(self, key: str, error: Exception) -> HoldallError:
        return failure(facts_of(error), verb="sign", key=key, store=self, place=self.place)


def _first_raised(keys: str | Iterable[str], results: builtins.list[DeleteResult]) -> builtins.list[DeleteResult]:
    """Raise the error of a key that was given alone."""
    if isinstance(keys, str):
        error: HoldallError | None = results[0].error
        if error is not None:
            raise error
    return results
