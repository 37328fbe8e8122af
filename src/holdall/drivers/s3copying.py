"""Copies within S3 on the server's side: pinned, conditional, of any size; and rewriting what stands beside the bytes.

Up to 5 GiB go in one ``CopyObject``; more goes by parts. A copy that must not overwrite is an upload by (copied) parts too, as
services honour conditions on completion sooner than on ``CopyObject``; where they do not even that, and for empty objects,
the bytes pass through here and are written under the condition.
"""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from holdall._concurrency import gather
from holdall.core.meta import ObjectMeta
from holdall.core.options import CopyOptions, GetOptions, PutMode, PutOptions
from holdall.core.preconditions import etag_matches, strip_etag
from holdall.drivers.s3errors import boto_facts, boto_failures, translated
from holdall.drivers.s3extra import S3Extra, put_arguments
from holdall.drivers.s3parts import LARGEST, MOST, SMALLEST, S3Parts
from holdall.drivers.s3probe import probe_complete
from holdall.errors import PermissionDeniedError, PreconditionError
from holdall.results import PutResult

if TYPE_CHECKING:
    from holdall.drivers.s3 import S3Store

__all__ = ["Origin", "copy", "restored", "rewrite"]

COPIED_PART = 512 * 1024**2
SPOOL = 64 * 1024**2


@dataclass(frozen=True, slots=True)
class Origin:
    """What is copied: an object, or a version of it, of any store of the service."""

    store: S3Store
    key: str
    path: str
    version: str | None = None

    @property
    def source(self) -> dict[str, str]:
        """As boto3's ``CopySource``."""
        where = {"Bucket": self.store.bucket, "Key": self.path}
        return where if self.version is None else where | {"VersionId": self.version}

    def meta(self, if_match: str | None) -> ObjectMeta:
        """Describe it.

        Raises:
            PreconditionError: Its etag is not the one asked for.
        """
        meta = self.store.extra.head(self.key, self.path, self.version)
        if if_match is not None and not etag_matches(meta.etag, if_match):
            raise PreconditionError(
                f"{self.key!r} is not the version to be copied (if_match)", key=self.key, store=self.store
            )
        return meta

    def tags(self) -> dict[str, str]:
        """Return its tags; none if we may not read them, as the service copies them without us where it can."""
        try:
            return self.store.extra.tags(self.key, self.path, self.version)
        except PermissionDeniedError:
            return {}


def copy(extra: S3Extra, origin: Origin, key: str, path: str, options: CopyOptions) -> PutResult:
    """Copy an object to a path, headers, metadata and tags included."""
    meta = origin.meta(options.if_match)
    same = origin.store.bucket == extra.bucket and origin.path == path and origin.version is None
    if same and options.metadata is None and options.mode == "overwrite":
        return PutResult(key=key, size=meta.size, etag=meta.etag, version=meta.version)
    put = _put_options(meta, options.metadata, storage_class=extra.store.storage_class, mode=options.mode)
    if options.mode == "create":
        put = replace(put, tags=origin.tags())
        if meta.size and probe_complete(extra, "create"):
            return _by_parts(extra, origin, meta, key, path, put)
        return _through(extra, origin, meta, key, path, put)
    if meta.size > extra.store.copy_limit:
        return _by_parts(extra, origin, meta, key, path, replace(put, tags=origin.tags()))
    return _at_once(extra, origin, meta, key, path, put, changed=options.metadata is not None)


def rewrite(
    extra: S3Extra,
    origin: Origin,
    *,
    metadata: Mapping[str, str] | None = None,
    storage_class: str | None = None,
    if_match: str | None = None,
) -> PutResult:
    """Copy an object, or an old version of it, onto itself with other user metadata or storage class; all else stays."""
    meta = origin.meta(if_match)
    kept = meta.storage_class if meta.storage_class != "STANDARD" else None
    put = _put_options(meta, metadata, storage_class=storage_class or kept)
    if meta.size > extra.store.copy_limit:
        return _by_parts(extra, origin, meta, origin.key, origin.path, replace(put, tags=origin.tags()))
    return _at_once(extra, origin, meta, origin.key, origin.path, put, changed=True)


def _put_options(
    meta: ObjectMeta, metadata: Mapping[str, str] | None, *, storage_class: str | None, mode: PutMode = "overwrite"
) -> PutOptions:
    options = PutOptions.from_attributes(meta.attributes, storage_class=storage_class, mode=mode)
    return options if metadata is None else replace(options, metadata=dict(metadata))


def _at_once(
    extra: S3Extra, origin: Origin, meta: ObjectMeta, key: str, path: str, put: PutOptions, *, changed: bool
) -> PutResult:
    """Copy in one request."""
    given = put_arguments(put, extra.settings, store=extra.store)
    tags: dict[str, str] = {}
    if changed:
        given["MetadataDirective"] = "REPLACE"
        if not extra.settings.amazon:  # Ceph's gateway drops tags when it replaces metadata
            tags = origin.tags()
    else:  # copied by the service as they are; the rest of what we send would be ignored
        given = {
            name: value for name, value in given.items() if name in {"StorageClass", "ServerSideEncryption", "SSEKMSKeyId"}
        }
    pinned = {} if meta.etag is None else {"CopySourceIfMatch": meta.etag}
    where: dict[str, Any] = {"Bucket": extra.bucket, "Key": path, "CopySource": origin.source}
    with translated("copy", origin.key, store=extra.store, version=origin.version):
        answer = extra.client.copy_object(**where, **given, **pinned)
    if tags and extra.tags(key, path) != tags:
        extra.set_tags(key, path, tags)
    version = answer.get("VersionId")
    etag = strip_etag(answer.get("CopyObjectResult", {}).get("ETag"))
    return PutResult(key=key, size=meta.size, etag=etag, version=None if version == "null" else version)


def _by_parts(extra: S3Extra, origin: Origin, meta: ObjectMeta, key: str, path: str, put: PutOptions) -> PutResult:
    """Copy in ranges, as the parts of an upload."""
    part = max(SMALLEST, min(COPIED_PART, extra.store.copy_limit), -(-meta.size // MOST))
    with S3Parts.begin(extra, key, path, put) as writer:

        def fetch(number: int, start: int) -> None:
            writer.copy_range(
                number,
                origin.store.bucket,
                origin.path,
                (start, min(start + part, meta.size)),
                if_match=meta.etag,
                version=origin.version,
                key=origin.key,
            )

        starts = range(0, meta.size, part)
        gather([lambda n=n, s=s: fetch(n, s) for n, s in enumerate(starts, 1)], limit=8)  # type: ignore[misc]
        return writer.complete()


def _through(extra: S3Extra, origin: Origin, meta: ObjectMeta, key: str, path: str, put: PutOptions) -> PutResult:
    """Copy by reading and writing under the condition, for services that cannot do so by themselves."""
    assert meta.size <= LARGEST or put.mode != "create"
    options = GetOptions(if_match=meta.etag, version=origin.version)
    with tempfile.SpooledTemporaryFile(max_size=SPOOL, prefix="holdall-") as file:
        with origin.store.extra.get(origin.key, origin.path, options) as result:
            for chunk in result:
                file.write(chunk)
        file.seek(0)
        return extra.put(key, path, file, put)


def restored(extra: S3Extra, origin: Origin) -> PutResult:
    """Make an old version the latest one, by copying it onto its key."""
    meta = origin.meta(None)
    put = _put_options(meta, None, storage_class=meta.storage_class if meta.storage_class != "STANDARD" else None)
    if meta.size > extra.store.copy_limit:
        return _by_parts(extra, origin, meta, origin.key, origin.path, replace(put, tags=origin.tags()))
    where: dict[str, Any] = {"Bucket": extra.bucket, "Key": origin.path, "CopySource": origin.source}
    try:
        extra.client.copy_object(**where)
    except boto_failures() as error:
        if boto_facts(error).code != "InvalidRequest":
            with translated("restore", origin.key, store=extra.store, version=origin.version):
                raise
        # some services take the latest version and an old one for the same object
        return _at_once(extra, origin, meta, origin.key, origin.path, put, changed=True)
    found = extra.head(origin.key, origin.path, None)
    return PutResult(key=origin.key, size=found.size, etag=found.etag, version=found.version)
