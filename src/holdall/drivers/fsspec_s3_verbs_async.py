"""The verbs of the contract by the S3 calls of an s3fs instance."""

from __future__ import annotations

import time
from collections.abc import AsyncGenerator, AsyncIterator, Iterable, Mapping
from typing import TYPE_CHECKING, Any

from holdall._concurrency import gather_async
from holdall.core.keys import ReservedKey, check_prefix, is_reserved
from holdall.core.meta import ListPage, ObjectMeta, ObjectVersion
from holdall.core.options import GetOptions, PutOptions, SignOptions
from holdall.core.preconditions import check_get, strip_etag
from holdall.drivers.fsspec_s3_calls import get_arguments, meta_of
from holdall.drivers.fsspec_s3_rules import SMALL, calling, entry_of_listing, merged_versions, nameable, tied
from holdall.errors import HoldallError, MissingPlaceError, NotFoundError, RangeNotSatisfiableError, UnavailableError
from holdall.results import DeleteResult, GetResult, Upload

if TYPE_CHECKING:
    from holdall.drivers.fsspec_s3 import FsspecS3Store
    from holdall.drivers.fsspec_s3_calls import S3Calls

BATCH = 1000
BUCKET_SEEN = 60.0
"""Seconds for which a bucket that was there is believed to be there."""


async def get_async(store: FsspecS3Store, calls: S3Calls, key: str, options: GetOptions) -> GetResult:
    """Open an object for reading. See `Store.get`."""
    wanted = options.byte_range
    try:
        with calling(store, key, version=options.version):
            body = await calls.open_async({**calls.place(key), **get_arguments(options)}, SMALL)
    except RangeNotSatisfiableError:
        if wanted is None or wanted.start >= 0:
            raise
        # the last n bytes of an empty object: nothing, but no error
        return GetResult(await head_async(store, calls, key, options.version), b"", range=(0, 0))
    meta = meta_of(key, body.answer)
    try:
        check_get(options, key=key, etag=meta.etag, last_modified=meta.last_modified, store=store)
        start, end = (0, meta.size) if wanted is None else wanted.resolve(meta.size)
    except HoldallError as error:
        await body.close_async()
        error.key, error.store = str(key), repr(store)
        raise
    if body.data is not None:
        return GetResult(meta, body.data[start - body.start : end - body.start], range=(start, end))
    if (body.start, body.end) != (start, end):  # a service that ignores ranges
        await body.close_async()
        raise UnavailableError("the service ignored the range", key=key, store=store)
    chunks = body.chunks_async(start, end)

    async def pieces_async() -> AsyncGenerator[bytes]:
        with calling(store, key):
            async for chunk in chunks:
                yield chunk

    async def close_async() -> None:
        await chunks.aclose()
        await body.close_async()

    return GetResult(meta, pieces_async(), range=(start, end), close=close_async)


async def head_async(store: FsspecS3Store, calls: S3Calls, key: str, version: str | None) -> ObjectMeta:
    """Describe an object. See `Store.head`."""
    named = {"VersionId": version} if version is not None else {}
    try:
        with calling(store, key, version=version):
            return meta_of(key, await calls.call_async("head_object", **calls.place(key), **named))
    except NotFoundError:
        await confirm_bucket_async(store, calls)
        raise


async def confirm_bucket_async(store: FsspecS3Store, calls: S3Calls) -> None:
    """Make sure that a miss is a miss: the answer to a head does not say whether the bucket is there.

    Raises:
        MissingPlaceError: It is not.
    """
    if time.monotonic() - store.bucket_seen < BUCKET_SEEN:
        return
    try:
        with calling(store, ""):
            await calls.call_async("head_bucket", Bucket=calls.bucket)
    except NotFoundError as error:
        raise MissingPlaceError("the bucket is not there", store=store) from error
    except PermissionError:
        pass  # who may read objects need not be allowed to ask for their bucket
    store.bucket_seen = time.monotonic()


async def pages_async(
    store: FsspecS3Store, prefix: str, delimiter: str | None, start_after: str | None
) -> AsyncIterator[ListPage]:
    """List page by page, as the service gives them. See `Store.list`."""
    check_prefix(prefix)
    calls = store.calls()
    hidden, after, cut = not isinstance(prefix, ReservedKey), start_after or "", len(calls.prefix)
    named: dict[str, Any] = {"Bucket": calls.bucket, "Prefix": calls.path(prefix), "MaxKeys": BATCH}
    if delimiter:
        named["Delimiter"] = delimiter
    if after:
        named["StartAfter"] = calls.path(after)
    while True:
        with calling(store, prefix):
            answer = await calls.call_async("list_objects_v2", **named)
        objects = [
            entry_of_listing(item, cut)
            for item in answer.get("Contents", ())
            if nameable(key := item["Key"][cut:]) and key > after and not (hidden and is_reserved(key))
        ]
        groups = [item["Prefix"][cut:] for item in answer.get("CommonPrefixes", ())]
        groups = [text for text in groups if text > after and nameable(text) and not (hidden and is_reserved(text))]
        if objects or groups:
            yield ListPage(objects, groups)
        if not answer.get("IsTruncated"):
            return
        named["ContinuationToken"] = answer["NextContinuationToken"]
        named.pop("StartAfter", None)


async def delete_async(store: FsspecS3Store, calls: S3Calls, keys: str | Iterable[str]) -> list[DeleteResult]:
    """Delete one key, or many in batches of a thousand. See `Store.delete`."""
    if isinstance(keys, str):
        with calling(store, store.checked(keys)):
            await calls.call_async("delete_object", **calls.place(keys))
        calls.forget(keys)
        return [DeleteResult(key=str(keys))]
    wanted = [store.checked(key) for key in keys]
    unique = list(dict.fromkeys(map(str, wanted)))
    batches = [unique[i : i + BATCH] for i in range(0, len(unique), BATCH)]
    failed: dict[str, HoldallError] = {}

    async def send_async(batch: list[str]) -> None:
        manifest = {"Objects": [{"Key": calls.path(key)} for key in batch], "Quiet": True}
        try:
            with calling(store, batch[0]):
                answer = await calls.call_async("delete_objects", Bucket=calls.bucket, Delete=manifest)
        except HoldallError as error:
            failed.update(dict.fromkeys(batch, error))
            return
        for item in answer.get("Errors", ()):
            key = item["Key"][len(calls.prefix) :]
            failed[key] = store.refused_deletion(key, str(item.get("Code")))

    await gather_async([lambda b=batch: send_async(b) for batch in batches], limit=4)  # type: ignore[misc]
    calls.forget(*unique)
    return [DeleteResult(key=str(key), error=failed.get(str(key))) for key in wanted]


async def delete_if_async(store: FsspecS3Store, calls: S3Calls, key: str, if_match: str) -> list[DeleteResult]:
    """Delete one version of an object. See `Store.delete`."""
    with calling(store, key, mode="update"):
        if if_match != "*":
            await calls.call_async("delete_object", **calls.place(key), IfMatch=f'"{strip_etag(if_match)}"')
        else:
            await calls.call_async("delete_object", **calls.place(key), IfMatch="*")
    calls.forget(key)
    return [DeleteResult(key=str(key), existed=True)]


async def tags_async(store: FsspecS3Store, calls: S3Calls, key: str, version: str | None) -> dict[str, str]:
    """Return the tags of an object. See `Store.tags`."""
    named = {"VersionId": version} if version is not None else {}
    with calling(store, key, version=version):
        answer = await calls.call_async("get_object_tagging", **calls.place(key), **named)
    return {item["Key"]: item["Value"] for item in answer.get("TagSet", ())}


async def set_tags_async(store: FsspecS3Store, calls: S3Calls, key: str, tags: Mapping[str, str]) -> None:
    """Replace the tags of an object. See `Store.set_tags`."""
    checked = PutOptions(tags=tags).tags
    with calling(store, key):
        if checked:
            manifest = {"TagSet": [{"Key": name, "Value": value} for name, value in checked.items()]}
            await calls.call_async("put_object_tagging", **calls.place(key), Tagging=manifest)
        else:
            await calls.call_async("head_object", **calls.place(key))
            await calls.call_async("delete_object_tagging", **calls.place(key))


async def versions_async(store: FsspecS3Store, calls: S3Calls, key: str) -> list[ObjectVersion]:
    """Return the versions of one key, oldest first. See `Store.versions`.

    botocore parts versions from delete markers; where one of each has the same time, they are asked for one by one.
    """
    answer = await _versions_async(store, calls, key, BATCH)
    if tied(answer):
        answer = await _versions_async(store, calls, key, 1)
        return answer[::-1]
    return merged_versions(answer)


async def _versions_async(store: FsspecS3Store, calls: S3Calls, key: str, size: int) -> list[ObjectVersion]:
    named: dict[str, Any] = {"Bucket": calls.bucket, "Prefix": calls.path(key), "MaxKeys": size}
    found: list[ObjectVersion] = []
    while True:
        with calling(store, key):
            answer = await calls.call_async("list_object_versions", **named)
        for kind in ("Versions", "DeleteMarkers"):
            found += [
                ObjectVersion(
                    key=str(key),
                    version=str(item.get("VersionId") or "null"),
                    is_latest=bool(item.get("IsLatest")),
                    size=int(item.get("Size") or 0),
                    last_modified=item.get("LastModified"),
                    etag=strip_etag(item.get("ETag")),
                    delete_marker=kind == "DeleteMarkers",
                )
                for item in answer.get(kind, ())
                if item["Key"] == calls.path(key)
            ]
        if not answer.get("IsTruncated") or answer.get("NextKeyMarker", "") > calls.path(key):
            return found
        named["KeyMarker"] = answer["NextKeyMarker"]
        named["VersionIdMarker"] = answer.get("NextVersionIdMarker", "")


async def delete_version_async(store: FsspecS3Store, calls: S3Calls, key: str, version: str) -> None:
    """Delete one version for good. See `Store.delete_version`."""
    if not any(found.version == version for found in await _versions_async(store, calls, key, BATCH)):
        raise store.no_version(key, version)
    with calling(store, key, version=version):
        await calls.call_async("delete_object", **calls.place(key), VersionId=version)
    calls.forget(key)


async def sign_async(store: FsspecS3Store, calls: S3Calls, key: str, options: SignOptions) -> str:
    """Return a signed URL. See `Store.sign`."""
    named: dict[str, Any] = calls.place(key)
    if options.method == "GET":
        if options.content_type is not None:
            named["ResponseContentType"] = options.content_type
        if options.content_disposition is not None:
            named["ResponseContentDisposition"] = options.content_disposition
        if options.version is not None:
            named["VersionId"] = options.version
    elif options.content_type is not None:
        named["ContentType"] = options.content_type
    with calling(store, key):
        operation = "get_object" if options.method == "GET" else "put_object"
        return await calls.sign_async(operation, named, options.expires_in)


async def uploads_async(store: FsspecS3Store, calls: S3Calls, prefix: str) -> list[Upload]:
    """Return the unfinished uploads below a prefix. See `Store.uploads`."""
    check_prefix(prefix)
    named: dict[str, Any] = {"Bucket": calls.bucket, "Prefix": calls.path(prefix)}
    found: list[Upload] = []
    while True:
        with calling(store, prefix):
            answer = await calls.call_async("list_multipart_uploads", **named)
        found += [
            Upload(key=item["Key"][len(calls.prefix) :], upload_id=item["UploadId"], started=item.get("Initiated"))
            for item in answer.get("Uploads", ())
            if item["Key"].startswith(calls.path(prefix))
        ]
        if not answer.get("IsTruncated"):
            return sorted(found, key=lambda upload: (upload.key, upload.upload_id))
        named["KeyMarker"] = answer["NextKeyMarker"]
        named["UploadIdMarker"] = answer.get("NextUploadIdMarker", "")
