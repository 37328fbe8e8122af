"""The S3 calls of a program's own s3fs instance: its endpoint, credentials, encryption and retries, in both colours.

Arguments and answers are those of botocore; what is read from and written into them is here, pure, below the bridge.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlencode, urlsplit

from holdall.core.meta import Attributes, ObjectMeta
from holdall.core.options import GetOptions, PutOptions
from holdall.core.preconditions import strip_etag
from holdall.core.ranges import ByteRange
from holdall.drivers.fsspec_errors import translate_fsspec_error
from holdall.drivers.objects_values import MARK, decoded, encoded_metadata, native_attributes, quoted
from holdall.drivers.tree import Entry
from holdall.drivers.tree_loop import IOLoop, LoopReader
from holdall.errors import (
    AlreadyExistsError,
    HoldallError,
    IntegrityError,
    NotFoundError,
    PreconditionError,
    UnavailableError,
    VersionNotFoundError,
)
from holdall.results import CHUNK

__all__ = ["Body", "S3Calls", "code_of", "get_arguments", "meta_of", "put_arguments"]

_HEADERS = {
    "content_type": "ContentType",
    "cache_control": "CacheControl",
    "content_disposition": "ContentDisposition",
    "content_encoding": "ContentEncoding",
    "content_language": "ContentLanguage",
}
OPENING = 120.0
"""Seconds for an object to open, the instance's own retries included."""
PATIENCE = 300.0
"""Seconds for any other call with all its repetitions, as for a write of our own S3 driver, and those for its body."""
SLOWEST = 32 * 1024
"""Bytes of a body in a second, at the least."""
GONE = {"NoSuchKey", "NoSuchVersion", "NoSuchUpload", "404", "NotFound"}
FAILED = {"PreconditionFailed", "412", "ConditionalRequestConflict"}


class S3Calls:
    """The calls of one instance, for one bucket.

    Attributes:
        fs: The s3fs filesystem.
        bucket: The bucket.
        prefix: What stands before every key, ``""`` or ending with ``/``.
        service: The endpoint, as identities name it.
        amazon: Whether it is Amazon's own, whose conditions all hold.
    """

    def __init__(self, fs: Any, root: str) -> None:
        self.fs = fs
        self.bucket, rest = fs._find_bucket_key(root)
        self.prefix = rest.rstrip("/") + "/" if rest.strip("/") else ""
        self._io = IOLoop(caller=True) if fs.asynchronous else IOLoop(fs.loop)
        endpoint = str(fs.endpoint_url or (fs.client_kwargs or {}).get("endpoint_url") or "")
        self.amazon = not endpoint or (urlsplit(endpoint).hostname or "").endswith((".amazonaws.com", ".amazonaws.com.cn"))
        self.service = f"s3+{endpoint.rstrip('/')}" if endpoint else "s3"

    def path(self, key: str) -> str:
        """Return the whole key in the bucket."""
        return self.prefix + key

    def place(self, key: str) -> dict[str, Any]:
        """Return the arguments that name an object."""
        return {"Bucket": self.bucket, "Key": self.prefix + key}

    def call(self, method: str, **named: Any) -> Any:
        """Make a call and wait for its answer."""
        return self._io.run(self._call, method, named)

    async def call_async(self, method: str, **named: Any) -> Any:
        """Make a call. See `call`."""
        return await self._io.run_async(self._call, method, named)

    async def _call(self, method: str, named: Mapping[str, Any]) -> Any:
        body = named.get("Body", b"")
        size = len(body) if isinstance(body, (bytes, bytearray, memoryview)) else 0
        # before it sends a body, botocore waits for "100 Continue", which the limits of aiohttp do not count
        return await asyncio.wait_for(self.fs._call_s3(method, **named), PATIENCE + size / SLOWEST)

    def open(self, named: Mapping[str, Any], small: int) -> Body:
        """Open an object for reading; a small body is read at once."""
        return self._io.run(self._open, named, small, undo=_close_body)

    async def open_async(self, named: Mapping[str, Any], small: int) -> Body:
        """Open an object for reading. See `open`."""
        return await self._io.run_async(self._open, named, small, undo=_close_body)

    async def _open(self, named: Mapping[str, Any], small: int) -> Body:
        # results that nobody reads hold all connections: waiting for one must end
        answer = await asyncio.wait_for(self.fs._call_s3("get_object", **named), OPENING)
        body = Body(self, self._io, dict(named), answer)
        if answer["ContentLength"] <= small:
            body.data = await body._read(body.start, answer["ContentLength"])
            await body._close()
        return body

    def sign(self, operation: str, named: Mapping[str, Any], seconds: int) -> str:
        """Return a signed URL."""
        return self._io.run(self._sign, operation, named, seconds)

    async def sign_async(self, operation: str, named: Mapping[str, Any], seconds: int) -> str:
        """Return a signed URL. See `sign`."""
        return await self._io.run_async(self._sign, operation, named, seconds)

    async def _sign(self, operation: str, named: Mapping[str, Any], seconds: int) -> str:
        await self.fs.set_session()
        client = await self.fs.get_s3(self.bucket)
        signed: str = await client.generate_presigned_url(operation, Params=dict(named), ExpiresIn=seconds)
        return signed

    def forget(self, *keys: str) -> None:
        """Drop what the filesystem remembers of these keys and the directories above them."""
        for key in keys:
            self.fs.invalidate_cache(f"{self.bucket}/{self.prefix}{key}".rstrip("/"))


class Body(LoopReader):
    """The body of one answer; where the connection breaks, the rest is asked for, of the same object only.

    Attributes:
        answer: The answer, as botocore gives it.
        data: The bytes, if they were read at once.
        start, end: Their range in the object.
        size: Of the whole object.
    """

    piece = 4 * CHUNK
    parallel = 1

    def __init__(self, calls: S3Calls, io: IOLoop, named: dict[str, Any], answer: Any) -> None:
        super().__init__(io, Entry(name="", size=0))
        self._calls = calls
        self._named = named
        self.answer = answer
        self.data: bytes | None = None
        self._stream: Any = answer["Body"]
        self.start, self.end, self.size = _range_of(answer)

    async def _read(self, start: int, size: int) -> bytes:
        found = bytearray()
        again = 2
        while len(found) < size:
            try:
                block = await self._stream.read(size - len(found))
            except Exception as error:
                again -= 1
                if again < 0 or not isinstance(translate_fsspec_error(error, ""), UnavailableError):
                    raise
                await self._renew(start + len(found))
                continue
            if not block:
                again -= 1
                if again < 0:
                    raise IntegrityError(f"the answer ended {size - len(found)} bytes too soon")
                await self._renew(start + len(found))
                continue
            found += block
        return bytes(found)

    async def _renew(self, start: int) -> None:
        self._stream.close()
        wanted = {**self._named, "Range": f"bytes={start}-{self.end - 1}", "IfMatch": self.answer["ETag"]}
        self._stream = (await self._calls.fs._call_s3("get_object", **wanted))["Body"]

    async def _close(self) -> None:
        stream, self._stream = self._stream, None
        if stream is not None:
            stream.close()

    def __del__(self) -> None:
        stream = getattr(self, "_stream", None)
        if stream is not None:
            self._io.soon(stream.close)


async def _close_body(body: Body) -> None:
    await body._close()


def _range_of(answer: Mapping[str, Any]) -> tuple[int, int, int]:
    """Return start, end and whole size of what an answer holds.

    Example:
        >>> _range_of({"ContentLength": 3, "ContentRange": "bytes 2-4/10"}), _range_of({"ContentLength": 3})
        ((2, 5, 10), (0, 3, 3))
    """
    text = str(answer.get("ContentRange") or "")
    if not text:
        return 0, answer["ContentLength"], answer["ContentLength"]
    span, _, size = text.removeprefix("bytes ").partition("/")
    first, _, last = span.partition("-")
    return int(first), int(last) + 1, int(size)


def get_arguments(options: GetOptions) -> dict[str, Any]:
    """Return read options as botocore takes them. ``"*"`` is decided by us: services compare it as if it were an etag.

    Example:
        >>> get_arguments(GetOptions(range=(0, 4), if_match="abc"))
        {'Range': 'bytes=0-3', 'IfMatch': '"abc"'}
    """
    named: dict[str, Any] = {}
    wanted: ByteRange | None = options.byte_range
    if wanted is not None:
        named["Range"] = wanted.header()
    if options.version is not None:
        named["VersionId"] = options.version
    if options.if_match not in {None, "*"}:
        named["IfMatch"] = quoted(options.if_match or "")
    if options.if_none_match not in {None, "*"}:
        named["IfNoneMatch"] = quoted(options.if_none_match or "")
    if options.if_modified_since is not None:
        named["IfModifiedSince"] = options.if_modified_since
    if options.if_unmodified_since is not None:
        named["IfUnmodifiedSince"] = options.if_unmodified_since
    return named


def put_arguments(options: PutOptions, *, mark: str | None = None, store: object = None) -> dict[str, Any]:
    """Return what is kept beside the bytes, as botocore's arguments.

    Raises:
        NotSupportedError: Text that HTTP headers cannot carry.
    """
    native_attributes(options, store=store)  # refuses it
    named: dict[str, Any] = {
        theirs: value for ours, theirs in _HEADERS.items() if (value := getattr(options, ours)) is not None
    }
    metadata = encoded_metadata(options.metadata, store=store)
    if mark is not None:
        metadata[MARK] = mark
    if metadata:
        named["Metadata"] = metadata
    if options.tags:
        named["Tagging"] = urlencode(options.tags)
    if options.storage_class is not None:
        named["StorageClass"] = options.storage_class
    return named


def meta_of(key: str, answer: Mapping[str, Any]) -> ObjectMeta:
    """Return an object's description from the answer to a head or get."""
    metadata = {str(k).lower(): decoded(v) for k, v in (answer.get("Metadata") or {}).items() if str(k).lower() != MARK}
    headers = {ours: str(value) for ours, theirs in _HEADERS.items() if (value := answer.get(theirs))}
    version = answer.get("VersionId")
    return ObjectMeta(
        key=str(key),
        size=_range_of(answer)[2],
        last_modified=answer.get("LastModified"),
        etag=strip_etag(answer.get("ETag")) or None,
        version=version if version != "null" else None,
        attributes=Attributes(**headers, metadata=metadata),
        storage_class=answer.get("StorageClass"),
        kind="directory" if key.endswith("/") else "file",
    )


def code_of(error: BaseException) -> str:
    """Return S3's code of an error, behind s3fs's own; ``""`` if there is none."""
    for found in (error, error.__cause__):
        response = getattr(found, "response", None)
        if isinstance(response, dict):
            return str(response.get("Error", {}).get("Code") or "")
    return ""


def failure(error: Exception, key: str, *, version: str | None = None, mode: str = "") -> HoldallError | None:
    """Return our error for a call's: with a version asked for, and the mode of a write."""
    code = code_of(error)
    what = repr(str(key))
    if code == "NoSuchVersion" or (
        version is not None and code in {*GONE, "InvalidArgument", "405", "MethodNotAllowed", "400"}
    ):
        return VersionNotFoundError(f"{what} has no version {version!r}")
    if code in FAILED or isinstance(error, FileExistsError):
        if mode == "create":
            return AlreadyExistsError(f"{what} already exists")
        return PreconditionError(f"{what} is not the version asked for (if_match)")
    if mode == "update" and code in GONE:
        return PreconditionError(f"{what} is gone (if_match)")
    if code in GONE:
        return NotFoundError(f"nothing at {what}")
    return translate_fsspec_error(error, what)
