"""Writing by the S3 calls of an s3fs instance: one request where it fits, parts where not, each under its condition.

A conditional write carries a mark in its metadata, so that a repeated request whose first answer got lost knows its own object
again. Services other than Amazon's may ignore the condition of a completion in silence: they are asked once, with an upload
that must fail.
"""

from __future__ import annotations

import random
import secrets
from collections.abc import AsyncGenerator
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from holdall._concurrency import gather_async, sleep_async
from holdall.core.keys import RESERVED
from holdall.core.meta import ObjectMeta
from holdall.core.options import CopyOptions, PutOptions
from holdall.core.preconditions import check_get, strip_etag
from holdall.drivers.fsspec_s3_calls import FAILED, GONE, S3Calls, code_of, put_arguments
from holdall.drivers.fsspec_s3_rules import IN_FLIGHT, LARGEST, SMALLEST, calling, grown, part_size
from holdall.drivers.fsspec_s3_verbs_async import head_async, tags_async
from holdall.drivers.objects_values import MARK, new_mark
from holdall.errors import PreconditionError
from holdall.results import PutResult
from holdall.sources import AsyncSource, iter_chunks_async, source_size

if TYPE_CHECKING:
    from holdall.drivers.fsspec_s3 import FsspecS3Store

BOGUS = '"00000000000000000000000000000000"'
CONFLICTS = 6
"""How often a write is repeated that the service refused because of another one under way."""


async def put_async(store: FsspecS3Store, calls: S3Calls, key: str, source: AsyncSource, options: PutOptions) -> PutResult:
    """Write an object. See `Store.put`."""
    size = source_size(source)
    part = part_size(options.part_size, size)
    pieces = _pieces_async(source, part, equal=calls.fs.fixed_upload_size or size is not None)
    try:
        first = await anext(pieces, b"")
        second = await anext(pieces, None) if len(first) >= part else None
        if second is None:
            return await put_once_async(store, calls, key, first, options)
        return await _put_parts_async(store, calls, key, [first, second], pieces, options)
    finally:
        await pieces.aclose()


async def _pieces_async(source: AsyncSource, part: int, *, equal: bool) -> AsyncGenerator[bytes]:
    """Cut a source into parts; only the last one is smaller."""
    rest = bytearray()
    number, size = 1, part
    async for chunk in iter_chunks_async(source):
        rest += chunk
        while len(rest) > size:
            yield bytes(rest[:size])
            del rest[:size]
            number += 1
            size = grown(part, number, equal=equal)
    if rest:
        yield bytes(rest)


async def put_once_async(store: FsspecS3Store, calls: S3Calls, key: str, data: bytes, options: PutOptions) -> PutResult:
    """Write an object in one request."""
    mark = new_mark() if options.mode != "overwrite" else None
    named = put_arguments(options, mark=mark, store=store)
    answer = await _conditional_async(store, calls, "put_object", key, options, mark, {**named, "Body": data})
    return _published(calls, key, len(data), answer)


async def _conditional_async(
    store: FsspecS3Store, calls: S3Calls, method: str, key: str, options: PutOptions, mark: str | None, named: dict[str, Any]
) -> Any:
    """Make a call that publishes, under the condition of the options; a lost answer is found out by the mark."""
    conditions = conditions_of(options, calls)
    for attempt in range(CONFLICTS):
        try:
            return await calls.call_async(method, **calls.place(key), **named, **conditions[0])
        except Exception as error:
            code = code_of(error)
            if mark is not None and (code in FAILED or code in GONE or isinstance(error, FileExistsError)):
                ours = await _ours_async(calls, key, mark)
                if ours is not None:
                    return ours
            if code == "ConditionalRequestConflict" and attempt < CONFLICTS - 1:
                await sleep_async(random.uniform(0.02, 0.1) * 2**attempt)  # noqa: S311  # spreads retries
            elif code in FAILED and len(conditions) > 1:
                conditions = conditions[1:]  # Ceph's gateway wants the etag without quotes
            else:
                with calling(store, key, mode=options.mode):
                    raise
    raise AssertionError  # pragma: no cover  # the loop returns or raises


def conditions_of(options: PutOptions, calls: S3Calls) -> list[dict[str, str]]:
    """Return the forms of a write's condition, to be tried in turn."""
    if options.mode == "overwrite":
        return [{}]
    if options.mode == "create":
        return [{"IfNoneMatch": "*"}]
    etag = strip_etag(options.if_match) or ""
    if etag == "*" or calls.amazon:
        return [{"IfMatch": etag if etag == "*" else f'"{etag}"'}]
    return [{"IfMatch": f'"{etag}"'}, {"IfMatch": etag}]


async def _ours_async(calls: S3Calls, key: str, mark: str) -> Any:
    """Return the head of the object at a key if it carries the mark."""
    try:
        answer = await calls.call_async("head_object", **calls.place(key))
    except Exception:  # noqa: BLE001  # the first error is the one to tell
        return None
    found = {str(name).lower(): value for name, value in (answer.get("Metadata") or {}).items()}
    return answer if found.get(MARK) == mark else None


def _published(calls: S3Calls, key: str, size: int, answer: Any) -> PutResult:
    calls.forget(key)
    version = answer.get("VersionId")
    return PutResult(
        key=str(key),
        size=size,
        etag=strip_etag(answer.get("ETag")) or None,
        version=version if version != "null" else None,
    )


async def _put_parts_async(
    store: FsspecS3Store,
    calls: S3Calls,
    key: str,
    first: list[bytes],
    pieces: AsyncGenerator[bytes],
    options: PutOptions,
) -> PutResult:
    """Write an object by parts, a few at once."""
    await check_completion_async(store, calls, options.mode)
    mark = new_mark()
    upload = await begin_async(store, calls, key, options, mark)
    sent: dict[int, tuple[str, int]] = {}
    try:
        batch = first
        more = True
        while batch:
            numbered = [(len(sent) + i + 1, data) for i, data in enumerate(batch)]
            done = await gather_async(
                [lambda n=n, d=d: send_async(store, calls, key, upload, n, d) for n, d in numbered],  # type: ignore[misc]
                limit=options.concurrency or 8,
            )
            sent.update(zip((number for number, _ in numbered), done, strict=True))
            limit = max(1, min(options.concurrency or 8, IN_FLIGHT // len(batch[0])))
            batch = []
            while more and len(batch) < limit:
                piece = await anext(pieces, None)
                if piece is None:
                    more = False
                else:
                    batch.append(piece)
        return await complete_async(store, calls, key, upload, sent, options, mark)
    except BaseException:
        await abort_async(calls, key, upload)
        raise


async def begin_async(store: FsspecS3Store, calls: S3Calls, key: str, options: PutOptions, mark: str) -> str:
    """Begin an upload by parts; return its id."""
    named = put_arguments(options, mark=mark, store=store)
    with calling(store, key):
        answer = await calls.call_async("create_multipart_upload", **calls.place(key), **named)
    upload: str = answer["UploadId"]
    return upload


async def send_async(
    store: FsspecS3Store, calls: S3Calls, key: str, upload: str, number: int, data: bytes
) -> tuple[str, int]:
    """Send one part; return its etag and size."""
    with calling(store, key):
        answer = await calls.call_async("upload_part", **calls.place(key), UploadId=upload, PartNumber=number, Body=data)
    return answer["ETag"], len(data)


async def complete_async(
    store: FsspecS3Store,
    calls: S3Calls,
    key: str,
    upload: str,
    sent: dict[int, tuple[str, int]],
    options: PutOptions,
    mark: str | None,
) -> PutResult:
    """Publish all parts under the condition of the options."""
    parts = [{"PartNumber": number, "ETag": etag} for number, (etag, _) in sorted(sent.items())]
    named = {"UploadId": upload, "MultipartUpload": {"Parts": parts}}
    answer = await _conditional_async(store, calls, "complete_multipart_upload", key, options, mark, named)
    if not answer.get("ETag"):  # Ceph's gateway does not say
        with calling(store, key):
            answer = await calls.call_async("head_object", **calls.place(key))
    return _published(calls, key, sum(size for _, size in sent.values()), answer)


async def abort_async(calls: S3Calls, key: str, upload: str) -> None:
    """Drop an upload and its parts; one that is not there (any more) is dropped already."""
    for _ in range(2):
        try:
            await calls.call_async("abort_multipart_upload", **calls.place(key), UploadId=upload)
        except Exception as error:  # noqa: BLE001  # what made us abort is the error to tell
            if code_of(error) in GONE:
                return
        else:
            return


# -- copies -----------------------------------------------------------------------------------------------------------------


async def copy_async(
    store: FsspecS3Store, calls: S3Calls, origin: S3Calls, src: str, dst: str, options: CopyOptions
) -> PutResult:
    """Copy on the server's side, of any size. See `Store.copy`."""
    meta = await _source_async(store, origin, src, options.version, options.if_match)
    kept = PutOptions.from_attributes(meta.attributes, storage_class=meta.storage_class, mode=options.mode)
    if options.metadata is not None:
        kept = replace(kept, metadata=options.metadata)
    return await _rewrite_async(store, calls, origin, src, dst, meta, kept, options)


async def set_metadata_async(
    store: FsspecS3Store, calls: S3Calls, key: str, if_match: str | None, **changes: Any
) -> PutResult:
    """Copy an object onto itself with other metadata or storage class."""
    meta = await _source_async(store, calls, key, None, if_match)
    kept = PutOptions.from_attributes(meta.attributes, **{"storage_class": meta.storage_class, **changes})
    options = CopyOptions(metadata=kept.metadata, if_match=meta.etag)
    return await _rewrite_async(store, calls, calls, key, key, meta, kept, options)


async def _source_async(
    store: FsspecS3Store, origin: S3Calls, src: str, version: str | None, if_match: str | None
) -> ObjectMeta:
    """Describe the source of a copy, and check that it is the one that is meant."""
    meta = await head_async(store, origin, src, version)
    try:
        check_get(store.pinned(if_match), key=src, etag=meta.etag, last_modified=None, store=store)
    except PreconditionError as error:
        error.store = repr(store)
        raise
    return meta


async def _rewrite_async(
    store: FsspecS3Store,
    calls: S3Calls,
    origin: S3Calls,
    src: str,
    dst: str,
    meta: ObjectMeta,
    kept: PutOptions,
    options: CopyOptions,
) -> PutResult:
    source = {**origin.place(src), **({"VersionId": options.version} if options.version else {})}
    pinned = {"CopySourceIfMatch": f'"{meta.etag}"'}
    if kept.mode == "overwrite" and meta.size <= store.copy_limit:
        named: dict[str, Any] = {"CopySource": source, **pinned, "TaggingDirective": "COPY", "MetadataDirective": "COPY"}
        if options.metadata is not None or (origin.path(src) == calls.path(dst) and origin.bucket == calls.bucket):
            named.update(put_arguments(kept, store=store), MetadataDirective="REPLACE")
        elif kept.storage_class is not None:
            named["StorageClass"] = kept.storage_class
        with calling(store, src):
            answer = await calls.call_async("copy_object", **calls.place(dst), **named)
        result = answer.get("CopyObjectResult") or {}
        return _published(calls, dst, meta.size, {"ETag": result.get("ETag"), "VersionId": answer.get("VersionId")})
    kept = replace(kept, tags=await tags_async(store, origin, src, options.version))
    if meta.size == 0:
        return await put_once_async(store, calls, dst, b"", kept)
    await check_completion_async(store, calls, kept.mode)
    mark = new_mark()
    upload = await begin_async(store, calls, dst, kept, mark)
    step = max(store.copy_step, SMALLEST)
    spans = [(start, min(start + step, meta.size)) for start in range(0, meta.size, step)]
    try:
        sent = await gather_async(
            [
                lambda n=n, span=span: copy_part_async(store, calls, dst, upload, n, source, span, pinned, src)  # type: ignore[misc]
                for n, span in enumerate(spans, 1)
            ],
            limit=8,
        )
        return await complete_async(store, calls, dst, upload, dict(enumerate(sent, 1)), kept, mark)
    except BaseException:
        await abort_async(calls, dst, upload)
        raise


async def copy_part_async(
    store: FsspecS3Store,
    calls: S3Calls,
    key: str,
    upload: str,
    number: int,
    source: dict[str, str],
    span: tuple[int, int],
    pinned: dict[str, str],
    src: str,
) -> tuple[str, int]:
    """Copy a range of an object into a part; return the part's etag and size."""
    start, end = span
    assert end - start <= LARGEST
    with calling(store, src):
        answer = await calls.call_async(
            "upload_part_copy",
            **calls.place(key),
            UploadId=upload,
            PartNumber=number,
            CopySource=source,
            CopySourceRange=f"bytes={start}-{end - 1}",
            **pinned,
        )
    return answer["CopyPartResult"]["ETag"], end - start


# -- what a service honours -------------------------------------------------------------------------------------------------


async def check_completion_async(store: FsspecS3Store, calls: S3Calls, mode: str) -> None:
    """Find out, once per service, whether the completion of an upload honours a condition.

    Raises:
        NotSupportedError: It does not.
    """
    if mode == "overwrite" or calls.amazon:
        return
    known = store.honoured
    if mode not in known:
        key = f"{RESERVED}/probe/{secrets.token_hex(12)}"
        known["update"] = not await _completes_async(store, calls, key, IfMatch=BOGUS)
        known["create"] = known["update"] or not await _completes_async(store, calls, key, IfNoneMatch="*")
        if not known["update"]:  # the probe is there now
            with calling(store, key):
                await calls.call_async("delete_object", **calls.place(key))
    if not known[mode]:
        raise store.ignored(f"mode {mode!r} when an upload by parts is completed")


async def _completes_async(store: FsspecS3Store, calls: S3Calls, key: str, **condition: str) -> bool:
    """Tell whether an upload of one byte is completed in spite of a condition that cannot hold."""
    with calling(store, key):
        upload = (await calls.call_async("create_multipart_upload", **calls.place(key)))["UploadId"]
    try:
        etag, _ = await send_async(store, calls, key, upload, 1, b"x")
        parts = {"Parts": [{"PartNumber": 1, "ETag": etag}]}
        await calls.call_async(
            "complete_multipart_upload", **calls.place(key), UploadId=upload, MultipartUpload=parts, **condition
        )
    except BaseException as error:
        await abort_async(calls, key, upload)
        if isinstance(error, Exception) and (
            code_of(error) in FAILED or code_of(error) in GONE or isinstance(error, FileExistsError)
        ):
            return False
        with calling(store, key):
            raise
    return True


async def check_deletion_async(store: FsspecS3Store, calls: S3Calls) -> None:
    """Find out, once per service, whether a deletion honours a condition.

    Raises:
        NotSupportedError: It does not.
    """
    known = store.honoured
    if calls.amazon:
        return
    if "delete" not in known:
        key = f"{RESERVED}/probe/{secrets.token_hex(12)}"
        try:
            await calls.call_async("delete_object", **calls.place(key), IfMatch=BOGUS)
            known["delete"] = False
        except Exception as error:
            known["delete"] = code_of(error) in FAILED or code_of(error) in GONE
            if not known["delete"] and code_of(error) not in {"NotImplemented", "501", "InvalidArgument"}:
                with calling(store, key):
                    raise
    if not known["delete"]:
        raise store.ignored("the condition of a deletion")
