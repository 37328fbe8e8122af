"""S3's multipart upload as a `PartWriter`: any order, parts copied on the server's side, completion under a condition."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Iterable
from functools import partial
from typing import TYPE_CHECKING, Any, Final

from holdall._concurrency import run_async
from holdall.core.options import PutMode, PutOptions
from holdall.core.preconditions import etag_matches, strip_etag
from holdall.drivers.objects_values import new_mark
from holdall.drivers.s3errors import boto_error, boto_facts, boto_failures, translated
from holdall.drivers.s3extra import S3Extra, put_arguments
from holdall.drivers.s3probe import probe_complete
from holdall.errors import ClosedError, NotSupportedError, PreconditionError
from holdall.results import PutResult, Upload
from holdall.sources import BytesLike
from holdall.store import PartWriter, Store

if TYPE_CHECKING:
    from holdall.drivers.s3 import S3Store

__all__ = ["LARGEST", "MOST", "SMALLEST", "S3Parts", "uploads"]

SMALLEST: Final = 5 * 1024**2
LARGEST: Final = 5 * 1024**3
MOST: Final = 10_000


class S3Parts(PartWriter):
    """One multipart upload. Made by `begin` and `resume`."""

    def __init__(self, extra: S3Extra, key: str, path: str, upload_id: str, options: PutOptions, mark: str | None) -> None:
        self._extra = extra
        self._path = path
        self._options = options
        self._mark = mark
        self._sent: dict[int, tuple[str, int]] = {}
        self._known = mark is not None
        self._lock = threading.Lock()
        self.key = key
        self.upload_id = upload_id

    def __repr__(self) -> str:
        return f"PartWriter({self.key!r}, {self._extra.store!r})"

    @classmethod
    def begin(cls, extra: S3Extra, key: str, path: str, options: PutOptions) -> S3Parts:
        """Begin an upload."""
        mark = new_mark() if options.mode != "overwrite" else None
        given = put_arguments(options, extra.settings, mark=mark, store=extra.store)
        with translated("write", key, store=extra.store):
            answer = extra.client.create_multipart_upload(Bucket=extra.bucket, Key=path, **given)
        writer = cls(extra, key, path, answer["UploadId"], options, mark)
        writer._known = True
        return writer

    @classmethod
    def resume(cls, extra: S3Extra, key: str, path: str, options: PutOptions, upload_id: str) -> S3Parts:
        """Take up an upload by its id; no request is made."""
        return cls(extra, key, path, upload_id, options, None)

    @property
    def _place(self) -> dict[str, Any]:
        return {"Bucket": self._extra.bucket, "Key": self._path, "UploadId": self.upload_id}

    def _check(self, number: int | None = None) -> None:
        if number is not None and not 1 <= number <= MOST:
            raise ValueError(f"a part has a number from 1 to {MOST}, not {number}")
        self._extra.store.check_open()
        if self._done:
            raise ClosedError("the upload was completed or aborted", key=self.key, store=self._extra.store)

    # -- parts --------------------------------------------------------------------------------------------------------

    def put_part(self, number: int, data: BytesLike) -> None:
        """Send one part. See `PartWriter.put_part`."""
        self._check(number)
        body = data if isinstance(data, bytes) else bytes(data)
        if len(body) > LARGEST:
            raise ValueError(f"a part has at most {LARGEST} bytes, this one {len(body)}")
        with translated("write a part of", self.key, store=self._extra.store):
            answer = self._extra.client.upload_part(**self._place, PartNumber=number, Body=body)
        with self._lock:
            self._sent[number] = (answer["ETag"], len(body))

    async def put_part_async(self, number: int, data: BytesLike) -> None:
        """Send one part. See `PartWriter.put_part`."""
        await run_async(partial(self.put_part, number, data))

    def copy_part(
        self, number: int, src: str, range: tuple[int, int], *, if_match: str | None = None, source: Store | None = None
    ) -> None:
        """Copy a range of an object into a part. See `PartWriter.copy_part`."""
        self._check(number)
        start, end = range
        if not 0 <= start < end:
            raise ValueError(f"no byte range: {start}..{end}")
        owner, key = (self._extra.store, src) if source is None else source.locate(src)
        origin = self._extra.store.origin_of(owner)
        if if_match is not None:
            check_source(origin, src, origin.at(key), if_match)
        self.copy_range(number, origin.bucket, origin.at(key), (start, end), if_match=if_match, key=src)

    def copy_range(
        self,
        number: int,
        bucket: str,
        path: str,
        range: tuple[int, int],
        *,
        if_match: str | None = None,
        version: str | None = None,
        key: str,
    ) -> None:
        """Copy a range of any object of the service into a part; ``key`` is for errors."""
        source = {"Bucket": bucket, "Key": path} | ({"VersionId": version} if version else {})
        pinned = {} if if_match is None else {"CopySourceIfMatch": strip_etag(if_match)}
        start, end = range
        with translated("copy a part of", key, store=self._extra.store):
            answer = self._extra.client.upload_part_copy(
                **self._place, PartNumber=number, CopySource=source, CopySourceRange=f"bytes={start}-{end - 1}", **pinned
            )
        with self._lock:
            self._sent[number] = (answer["CopyPartResult"]["ETag"], end - start)

    async def copy_part_async(
        self, number: int, src: str, range: tuple[int, int], *, if_match: str | None = None, source: Store | None = None
    ) -> None:
        """Copy a range into a part. See `PartWriter.copy_part`."""
        await run_async(partial(self.copy_part, number, src, range, if_match=if_match, source=source))

    def sent(self) -> dict[int, int]:
        """Return the sizes of the parts that the service holds. See `PartWriter.sent`."""
        self._check()
        found: dict[int, tuple[str, int]] = {}
        marker: dict[str, int] = {}
        while True:
            with translated("list the parts of", self.key, store=self._extra.store):
                answer = self._extra.client.list_parts(**self._place, **marker)
            found |= {part["PartNumber"]: (part["ETag"], part["Size"]) for part in answer.get("Parts", ())}
            if not answer.get("IsTruncated"):
                break
            marker = {"PartNumberMarker": answer["NextPartNumberMarker"]}
        with self._lock:
            self._sent, self._known = found, True
        return {number: size for number, (_, size) in sorted(found.items())}

    async def sent_async(self) -> dict[int, int]:
        """Return the sizes of the parts. See `PartWriter.sent`."""
        return await run_async(self.sent)

    # -- the end ------------------------------------------------------------------------------------------------------

    def complete(self, *, mode: PutMode | None = None, if_match: str | None = None) -> PutResult:
        """Publish all parts. See `PartWriter.complete`."""
        self._check()
        wanted = self._options if mode is None and if_match is None else PutOptions(mode=mode or "update", if_match=if_match)
        store, extra = self._extra.store, self._extra
        if wanted.mode != "overwrite" and not probe_complete(extra, wanted.mode):
            raise NotSupportedError(
                f"this service ignores mode {wanted.mode!r} when an upload by parts is completed", key=self.key, store=store
            )
        if not self._known:
            self.sent()
        parts = sorted(self._sent.items())
        manifest = {"Parts": [{"PartNumber": number, "ETag": etag} for number, (etag, _) in parts]}
        size = sum(size for _, (_, size) in parts)
        conditions = store.boto_conditions(wanted.mode, wanted.if_match)
        while True:
            try:
                answer = extra.client.complete_multipart_upload(**self._place, MultipartUpload=manifest, **conditions[0])
                break
            except boto_failures() as error:
                facts = boto_facts(error)
                if facts.conflict or facts.answer == "not_found":
                    found = self._ours(parts)  # boto3 may have sent it twice, its first answer lost
                    if found is not None:
                        return self._published(size, *found)
                    if facts.conflict and len(conditions) > 1:
                        conditions = conditions[1:]
                        continue
                if facts.code == "NoSuchUpload":
                    raise boto_error(error, "complete the upload of", self.key, store=store) from error
                raise extra.conflict(error, "write", self.key, wanted.mode) from error
        etag, version = strip_etag(answer.get("ETag")), answer.get("VersionId")
        if self._options.tags and not extra.settings.amazon and extra.tags(self.key, self._path) != self._options.tags:
            extra.set_tags(self.key, self._path, self._options.tags)  # Ceph's gateway forgets those of uploads by parts
        if not etag:  # Ceph's gateway does not say
            found = self._ours(parts)
            etag, version = found if found is not None else (None, version)
        return self._published(size, etag, None if version == "null" else version)

    def _published(self, size: int, etag: str | None, version: str | None) -> PutResult:
        self._done = True
        return PutResult(key=self.key, size=size, etag=etag, version=version)

    def _ours(self, parts: list[tuple[int, tuple[str, int]]]) -> tuple[str | None, str | None] | None:
        """Return etag and version of the object at the key if it is what these parts make."""
        if self._mark is not None:
            meta = self._extra.marked(self.key, self._path, self._mark)
            return None if meta is None else (meta.etag, meta.version)
        try:
            answer = self._extra.client.head_object(Bucket=self._extra.bucket, Key=self._path)
        except boto_failures():
            return None
        etag = strip_etag(answer.get("ETag"))
        if etag != _joined_etag(etag for _, (etag, _) in parts):
            return None
        return etag, answer.get("VersionId")

    async def complete_async(self, *, mode: PutMode | None = None, if_match: str | None = None) -> PutResult:
        """Publish all parts. See `PartWriter.complete`."""
        return await run_async(partial(self.complete, mode=mode, if_match=if_match))

    def abort(self) -> None:
        """Drop all parts. See `PartWriter.abort`."""
        if self._done:
            return
        try:
            self._extra.client.abort_multipart_upload(**self._place)
        except boto_failures() as error:
            if boto_facts(error).code != "NoSuchUpload":
                raise boto_error(error, "abort the upload of", self.key, store=self._extra.store) from error
        self._done = True

    async def abort_async(self) -> None:
        """Drop all parts. See `PartWriter.abort`."""
        await run_async(self.abort)


def uploads(extra: S3Extra, prefix: str, cut: int) -> list[Upload]:
    """Return the unfinished uploads below a prefix, keys without their first ``cut`` characters."""
    found: list[Upload] = []
    marks: dict[str, str] = {}
    while True:
        with translated("list uploads", store=extra.store):
            answer = extra.client.list_multipart_uploads(Bucket=extra.bucket, Prefix=prefix, **marks)
        found += [
            Upload(key=item["Key"][cut:], upload_id=item["UploadId"], started=item.get("Initiated"))
            for item in answer.get("Uploads", ())
            if item["Key"].startswith(prefix)
        ]
        if not answer.get("IsTruncated"):
            return found
        marks = {"KeyMarker": answer["NextKeyMarker"], "UploadIdMarker": answer.get("NextUploadIdMarker", "")}


def check_source(origin: S3Store, key: str, path: str, if_match: str) -> None:
    """Refuse a source that is not the version named: some services ignore the condition that is sent with a copy.

    Raises:
        PreconditionError: Its etag is another one.
    """
    meta = origin.extra.head(key, path, None)
    if not etag_matches(meta.etag, if_match):
        raise PreconditionError(f"{key!r} is not the version to be copied (if_match)", key=key, store=origin)


def _joined_etag(etags: Iterable[str]) -> str | None:
    """Return the etag that S3 gives to an object of these parts, where their etags are digests."""
    digest, count = hashlib.md5(usedforsecurity=False), 0
    for etag in etags:
        try:
            digest.update(bytes.fromhex(strip_etag(etag) or "?"))
        except ValueError:
            return None
        count += 1
    return f"{digest.hexdigest()}-{count}"
