"""S3's multipart upload through an s3fs instance as a `PartWriter`."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

from holdall.core.options import PutMode, PutOptions
from holdall.drivers import fsspec_s3_write, fsspec_s3_write_async
from holdall.drivers.fsspec_s3_calls import S3Calls
from holdall.drivers.fsspec_s3_rules import LARGEST, MOST, calling
from holdall.errors import ClosedError
from holdall.results import PutResult
from holdall.sources import BytesLike, as_bytes
from holdall.store import PartWriter, Store

if TYPE_CHECKING:
    from holdall.drivers.fsspec_s3 import FsspecS3Store

__all__ = ["S3FilesystemParts"]


class S3FilesystemParts(PartWriter):
    """One upload.

    Args:
        store: Whose it is.
        calls: How to ask.
        key: What is written.
        upload_id: The service's id of it.
        options: Of the upload.
        mark: In its metadata; ``None`` if the upload was begun elsewhere.
    """

    def __init__(
        self, store: FsspecS3Store, calls: S3Calls, key: str, upload_id: str, options: PutOptions, mark: str | None
    ) -> None:
        self.key = key
        self.upload_id = upload_id
        self._store = store
        self._calls = calls
        self._options = options
        self._mark = mark
        self._sent: dict[int, tuple[str, int]] = {}
        self._known = mark is not None
        self._lock = threading.Lock()

    def __repr__(self) -> str:
        return f"PartWriter({self.key!r}, {self._store!r})"

    def _check(self, number: int | None = None) -> None:
        if number is not None and not 1 <= number <= MOST:
            raise ValueError(f"a part has a number from 1 to {MOST}, not {number}")
        self._store.check_open()
        if self._done:
            raise ClosedError("the upload was completed or aborted", key=self.key, store=self._store)

    def _note(self, number: int, part: tuple[str, int]) -> None:
        with self._lock:
            self._sent[number] = part

    def _bytes(self, number: int, data: BytesLike) -> bytes:
        self._check(number)
        body = as_bytes(data)
        if len(body) > LARGEST:
            raise ValueError(f"a part has at most {LARGEST} bytes, this one {len(body)}")
        return body

    def put_part(self, number: int, data: BytesLike) -> None:
        """Send one part. See `PartWriter.put_part`."""
        body = self._bytes(number, data)
        self._note(number, fsspec_s3_write.send(self._store, self._calls, self.key, self.upload_id, number, body))

    async def put_part_async(self, number: int, data: BytesLike) -> None:
        """Send one part. See `PartWriter.put_part`."""
        body = self._bytes(number, data)
        sent = await fsspec_s3_write_async.send_async(self._store, self._calls, self.key, self.upload_id, number, body)
        self._note(number, sent)

    def _origin(
        self, number: int, src: str, span: tuple[int, int], source: Store | None
    ) -> tuple[S3Calls, str, dict[str, str]]:
        self._check(number)
        start, end = span
        if not 0 <= start < end:
            raise ValueError(f"no byte range: {start}..{end}")
        origin, key = self._store.origin_of(src, source)
        return origin, key, origin.place(key)

    def copy_part(
        self, number: int, src: str, range: tuple[int, int], *, if_match: str | None = None, source: Store | None = None
    ) -> None:
        """Copy a range of an object into a part. See `PartWriter.copy_part`."""
        origin, key, place = self._origin(number, src, range, source)
        pinned: dict[str, str] = {}
        if if_match is not None:
            meta = fsspec_s3_write._source(self._store, origin, key, None, if_match)
            pinned = {"CopySourceIfMatch": f'"{meta.etag}"'}
        part = fsspec_s3_write.copy_part(
            self._store, self._calls, self.key, self.upload_id, number, place, range, pinned, src
        )
        self._note(number, part)

    async def copy_part_async(
        self, number: int, src: str, range: tuple[int, int], *, if_match: str | None = None, source: Store | None = None
    ) -> None:
        """Copy a range of an object into a part. See `PartWriter.copy_part`."""
        origin, key, place = self._origin(number, src, range, source)
        pinned: dict[str, str] = {}
        if if_match is not None:
            meta = await fsspec_s3_write_async._source_async(self._store, origin, key, None, if_match)
            pinned = {"CopySourceIfMatch": f'"{meta.etag}"'}
        part = await fsspec_s3_write_async.copy_part_async(
            self._store, self._calls, self.key, self.upload_id, number, place, range, pinned, src
        )
        self._note(number, part)

    def _listed(self, answer: Any, found: dict[int, tuple[str, int]]) -> int | None:
        found |= {part["PartNumber"]: (part["ETag"], part["Size"]) for part in answer.get("Parts", ())}
        return int(answer["NextPartNumberMarker"]) if answer.get("IsTruncated") else None

    def _learned(self, found: dict[int, tuple[str, int]]) -> dict[int, int]:
        with self._lock:
            self._sent, self._known = found, True
        return {number: size for number, (_, size) in sorted(found.items())}

    def sent(self) -> dict[int, int]:
        """Return the sizes of the parts that the service holds. See `PartWriter.sent`."""
        self._check()
        found: dict[int, tuple[str, int]] = {}
        marker: int | None = 0
        while marker is not None:
            named = {"UploadId": self.upload_id} | ({"PartNumberMarker": marker} if marker else {})
            with calling(self._store, self.key):
                marker = self._listed(self._calls.call("list_parts", **self._calls.place(self.key), **named), found)
        return self._learned(found)

    async def sent_async(self) -> dict[int, int]:
        """Return the sizes of the parts that the service holds. See `PartWriter.sent`."""
        self._check()
        found: dict[int, tuple[str, int]] = {}
        marker: int | None = 0
        while marker is not None:
            named = {"UploadId": self.upload_id} | ({"PartNumberMarker": marker} if marker else {})
            with calling(self._store, self.key):
                answer = await self._calls.call_async("list_parts", **self._calls.place(self.key), **named)
            marker = self._listed(answer, found)
        return self._learned(found)

    def _wanted(self, mode: PutMode | None, if_match: str | None) -> PutOptions:
        self._check()
        if mode is None and if_match is None:
            return self._options
        return PutOptions(mode=mode or "update", if_match=if_match)

    def complete(self, *, mode: PutMode | None = None, if_match: str | None = None) -> PutResult:
        """Publish all parts. See `PartWriter.complete`."""
        wanted = self._wanted(mode, if_match)
        fsspec_s3_write.check_completion(self._store, self._calls, wanted.mode)
        if not self._known:
            self.sent()
        result = fsspec_s3_write.complete(self._store, self._calls, self.key, self.upload_id, self._sent, wanted, self._mark)
        self._done = True
        return result

    async def complete_async(self, *, mode: PutMode | None = None, if_match: str | None = None) -> PutResult:
        """Publish all parts. See `PartWriter.complete`."""
        wanted = self._wanted(mode, if_match)
        await fsspec_s3_write_async.check_completion_async(self._store, self._calls, wanted.mode)
        if not self._known:
            await self.sent_async()
        result = await fsspec_s3_write_async.complete_async(
            self._store, self._calls, self.key, self.upload_id, self._sent, wanted, self._mark
        )
        self._done = True
        return result

    def abort(self) -> None:
        """Drop all parts. See `PartWriter.abort`."""
        if not self._done:
            self._done = True
            fsspec_s3_write.abort(self._calls, self.key, self.upload_id)

    async def abort_async(self) -> None:
        """Drop all parts. See `PartWriter.abort`."""
        if not self._done:
            self._done = True
            await fsspec_s3_write_async.abort_async(self._calls, self.key, self.upload_id)
