"""The side channel to S3: boto3, for what obstore lacks. Blocking; its client is made on first use."""

from __future__ import annotations

import threading
import time
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from http.client import HTTPException
from typing import TYPE_CHECKING, Any
from urllib.error import HTTPError
from urllib.parse import quote, urlencode
from urllib.request import Request

import obstore

from holdall.core.meta import Attributes, Kind, ListPage, ObjectMeta, ObjectVersion
from holdall.core.options import GetOptions, PutOptions, SignOptions
from holdall.core.preconditions import check_get, strip_etag
from holdall.drivers import objects_fork, objects_writing
from holdall.drivers.objects_client import AGENT
from holdall.drivers.objects_connections import Connections
from holdall.drivers.objects_errors import FAILURES, Facts, failure
from holdall.drivers.objects_result import cut
from holdall.drivers.objects_values import MARK, decoded, encoded_metadata, is_odd, native_attributes, new_mark, quoted
from holdall.drivers.s3errors import boto_error, boto_facts, boto_failures, translated
from holdall.drivers.s3pages import BODY, keep_bodies, parse_page, parse_versions
from holdall.drivers.s3settings import S3Settings
from holdall.errors import HoldallError, IntegrityError
from holdall.results import CHUNK, GetResult, PutResult

if TYPE_CHECKING:
    from holdall.drivers.s3 import S3Store

__all__ = ["S3Extra", "encryption", "put_arguments"]

BATCH = 1000
_REFUSED = frozenset({400, 401, 403, 405, 501})
"""How a service says that it takes no signed addresses, or that our clock is wrong."""
_NEVER = datetime.min.replace(tzinfo=UTC)
_HEADERS = {
    "content_type": "ContentType",
    "cache_control": "CacheControl",
    "content_disposition": "ContentDisposition",
    "content_encoding": "ContentEncoding",
    "content_language": "ContentLanguage",
}


def put_arguments(
    options: PutOptions, settings: S3Settings, *, mark: str | None = None, store: object = None
) -> dict[str, Any]:
    """Return what is kept beside the bytes, as boto3's arguments."""
    native_attributes(options, store=store)  # refuses what headers cannot carry
    given: dict[str, Any] = {
        name: value for field, name in _HEADERS.items() if (value := getattr(options, field)) is not None
    }
    metadata = encoded_metadata(options.metadata, store=store)
    if mark is not None:
        metadata[MARK] = mark
    if metadata:
        given["Metadata"] = metadata
    if options.tags:
        given["Tagging"] = urlencode(options.tags, quote_via=quote)  # spaces as "+" are not understood everywhere
    if options.storage_class is not None:
        given["StorageClass"] = options.storage_class
    return given | encryption(settings)


def encryption(settings: S3Settings) -> dict[str, Any]:
    """Return the arguments for encryption on the server's side."""
    given: dict[str, Any] = {}
    if settings.sse is not None:
        given["ServerSideEncryption"] = settings.sse
    if settings.sse_kms_key_id is not None:
        given["SSEKMSKeyId"] = settings.sse_kms_key_id
    return given


class S3Extra:
    """Calls by boto3 for one store. Paths are whole keys in the bucket; keys are the store's, for results and errors."""

    def __init__(self, store: S3Store, settings: S3Settings) -> None:
        self.store = store
        self.settings = settings
        self.bucket = settings.bucket
        self._client: Any = None
        self._connections = Connections(settings.client)
        self._direct = settings.guarded and not (settings.anonymous or settings.request_payer)
        self._lock = threading.Lock()
        self.probing = threading.Lock()
        """Held while somebody finds out what the service honours. See `holdall.drivers.s3probe`."""

    @property
    def client(self) -> Any:
        """The boto3 client, made on first use.

        Raises:
            MissingExtraError: boto3 is not installed.
        """
        if self._client is None:
            with self._lock:
                if self._client is None:
                    objects_fork.use()
                    with translated("connect", store=self.store):
                        client = self.settings.boto_client()
                    keep_bodies(client.meta.events)
                    self._client = client
        return self._client

    def close(self) -> None:
        """Let go of connections; idempotent."""
        self._connections.close()
        with self._lock:
            client, self._client = self._client, None
        if client is not None:
            client.close()

    # -- the verbs, for odd keys and full answers ---------------------------------------------------------------------

    def get(self, key: str, path: str, options: GetOptions | None) -> GetResult:
        """Open an object for reading. See `SideChannel.get`."""
        options = options or GetOptions()
        try:
            answer = self.client.get_object(Bucket=self.bucket, Key=path, **_get_arguments(options))
        except boto_failures() as error:
            wanted = options.byte_range
            if wanted is not None and wanted.start < 0 and boto_facts(error).status == 416:
                return GetResult(self.head(key, path, options.version), b"", range=(0, 0))
            raise boto_error(error, "read", key, store=self.store, version=options.version) from error
        meta = _meta(key, answer)
        body = answer["Body"]
        try:
            check_get(options, key=key, etag=meta.etag, last_modified=meta.last_modified, store=self.store)
        except HoldallError:
            body.close()
            raise
        start, end = _content_range(answer, meta.size)
        result = GetResult(meta, self._chunks(body, key), range=(start, end), close=body.close)
        wanted = options.byte_range
        if wanted is not None and not answer.get("ContentRange"):  # a service without ranges sends the whole
            return cut(result, wanted, store=self.store)
        return result

    def _chunks(self, body: Any, key: str) -> Iterator[bytes]:
        with translated("read", key, store=self.store):
            yield from body.iter_chunks(CHUNK)

    def head(self, key: str, path: str, version: str | None) -> ObjectMeta:
        """Describe an object, with its storage class. See `SideChannel.head`."""
        given = {} if version is None else {"VersionId": version}
        with translated("describe", key, store=self.store, version=version):
            try:
                answer = self.client.head_object(Bucket=self.bucket, Key=path, **given)
            except boto_failures() as error:
                # the answer to HEAD has no body: a missing bucket looks like a missing object
                if boto_facts(error).answer == "not_found" and self.store.in_doubt():
                    self._check_bucket(key)
                raise
        self.store.answered = time.monotonic()
        return _meta(key, answer)

    def _check_bucket(self, key: str) -> None:
        """Ask whether the bucket is there.

        Raises:
            UnavailableError: It is not.
        """
        try:
            self.client.head_bucket(Bucket=self.bucket)
        except boto_failures() as error:
            if boto_facts(error).answer == "not_found":
                facts = Facts(status=404, code="NoSuchBucket")
                raise failure(facts, verb="describe", key=key, store=self.store) from error
        self.store.answered = time.monotonic()

    def put(self, key: str, path: str, data: Any, options: PutOptions) -> PutResult:
        """Write an object in one request. See `SideChannel.put`."""
        mark = None
        if options.mode != "overwrite":
            objects_writing.prove(self.store)
            self.store.put_options(options)
            mark = new_mark()
        given = put_arguments(options, self.settings, mark=mark, store=self.store)
        size = len(data) if isinstance(data, bytes) else _size(data)
        conditions = self.store.boto_conditions(options.mode, options.if_match)
        while True:
            try:
                answer = self.client.put_object(Bucket=self.bucket, Key=path, Body=data, **given, **conditions[0])
                break
            except boto_failures() as error:
                if boto_facts(error).conflict or boto_facts(error).answer == "not_found":
                    # boto3 may have sent it twice, its first answer lost
                    found = None if mark is None else self.marked(key, path, mark)
                    if found is not None:
                        return PutResult(key=key, size=size, etag=found.etag, version=found.version)
                    if len(conditions) > 1:
                        conditions = conditions[1:]
                        continue
                raise self.conflict(error, "write", key, options.mode) from error
        return PutResult(key=key, size=size, etag=strip_etag(answer.get("ETag")), version=_version(answer))

    def marked(self, key: str, path: str, mark: str) -> ObjectMeta | None:
        """Return the object if it is the one that was written with this mark."""
        try:
            answer = self.client.head_object(Bucket=self.bucket, Key=path)
        except boto_failures():
            return None
        return _meta(key, answer) if answer.get("Metadata", {}).get(MARK) == mark else None

    def conflict(self, error: Exception, verb: str, key: str, mode: str) -> HoldallError:
        """Return the error for a write that failed: under ``update`` a missing object is a failed condition too."""
        facts = boto_facts(error)
        if mode == "update" and facts.answer == "not_found" and facts.code in {"NoSuchKey", None}:
            return boto_error(_gone(), verb, key, store=self.store)
        return boto_error(error, verb, key, store=self.store, create=mode == "create")

    def delete(self, keys: Sequence[tuple[str, str]]) -> list[HoldallError | None]:
        """Delete keys; an error or ``None`` for each. See `SideChannel.delete`."""
        errors: dict[str, HoldallError] = {}
        # XML cannot carry control characters
        single = [pair for pair in keys if not self.settings.bulk_delete or not pair[1].isprintable()]
        for key, path in single:
            try:
                with translated("delete", key, store=self.store):
                    self.client.delete_object(Bucket=self.bucket, Key=path)
            except HoldallError as error:
                errors[key] = error
        together = [pair for pair in keys if pair not in single]
        for start in range(0, len(together), BATCH):
            batch = together[start : start + BATCH]
            by_path = {path: key for key, path in batch}
            with translated("delete", store=self.store):
                answer = self.client.delete_objects(
                    Bucket=self.bucket, Delete={"Objects": [{"Key": path} for path in by_path], "Quiet": True}
                )
            for item in answer.get("Errors", ()):
                key = by_path[item["Key"]]
                errors[key] = boto_error(_item_error(item), "delete", key, store=self.store)
        return [errors.get(key) for key, _ in keys]

    def delete_if(self, key: str, path: str, if_match: str) -> None:
        """Delete an object only if its etag is this; the service must be known to honour it.

        If an answer was lost, and the object is not there when it is tried again, that was this call.
        """
        done: bool | None = False
        try:
            if if_match == "*":  # which some services take for an etag
                if_match = self.client.head_object(Bucket=self.bucket, Key=path)["ETag"]
            done = self._deleted(path, quoted(if_match))
            if not done:
                self.client.delete_object(Bucket=self.bucket, Key=path, IfMatch=quoted(if_match))
        except boto_failures() as error:
            facts = boto_facts(error)
            tried = done is None or bool(getattr(error, "response", {}).get("ResponseMetadata", {}).get("RetryAttempts"))
            if not (tried and facts.status in {404, 412} and not facts.no_bucket and self._absent(path)):
                raise self.conflict(error, "delete", key, "update") from error

    def _absent(self, path: str) -> bool:
        try:
            self.client.head_object(Bucket=self.bucket, Key=path)
        except boto_failures() as error:
            return boto_facts(error).status == 404
        return False

    def _deleted(self, path: str, etag: str) -> bool | None:
        """Tell whether a request of our own deleted the object, ``None`` if its answer did not come.

        boto3 takes five times as long, repeats what failed, and tells why.

        The condition is no part of this signature, so it goes only where nobody on the way can take it out.
        """
        settings = self.settings
        if not self._direct or is_odd(path) or not settings.client.retries:
            return False
        try:
            address = obstore.sign(self.store.native, "DELETE", path, timedelta(minutes=1))
        except FAILURES:
            return False
        try:
            request = Request(address, method="DELETE", headers={"If-Match": etag, "User-Agent": AGENT})  # noqa: S310  # checked
            with self._connections.open(request) as answer:
                return answer.status == 204 or not answer.read(1)  # a page of something else is no answer of S3
        except HTTPError as error:
            self._direct = self._direct and error.code not in _REFUSED
            error.close()
            return None if error.code >= 500 else False
        except FAILURES:
            return None
        except HTTPException:
            return None

    def page(
        self, prefix: str, delimiter: str | None, after: str | None, mark: str | None, cut: int
    ) -> tuple[ListPage, str | None]:
        """Return one page of a listing. See `SideChannel.page`."""
        given: dict[str, Any] = {"Bucket": self.bucket, "Prefix": prefix}
        if delimiter is not None:
            given["Delimiter"] = delimiter
        if mark is not None:
            given["ContinuationToken"] = mark
        elif after is not None:
            given["StartAfter"] = after
        with translated("list", store=self.store):
            answer = self.client.list_objects_v2(**given)
        page = parse_page(answer[BODY], cut)
        if not self.store.full_heads and any(meta.storage_class not in {None, "STANDARD"} for meta in page[0].objects):
            self.store.full_heads = True
        return page

    # -- tags, versions, addresses ------------------------------------------------------------------------------------

    def tags(self, key: str, path: str, version: str | None = None) -> dict[str, str]:
        """Return the tags of an object."""
        given = {} if version is None else {"VersionId": version}
        with translated("read the tags of", key, store=self.store, version=version):
            answer = self.client.get_object_tagging(Bucket=self.bucket, Key=path, **given)
        return {tag["Key"]: tag["Value"] for tag in answer.get("TagSet", ())}

    def set_tags(self, key: str, path: str, tags: Mapping[str, str]) -> None:
        """Replace the tags of an object."""
        pairs = [{"Key": name, "Value": value} for name, value in tags.items()]
        with translated("tag", key, store=self.store):
            if pairs:
                self.client.put_object_tagging(Bucket=self.bucket, Key=path, Tagging={"TagSet": pairs})
                return
            self.client.delete_object_tagging(Bucket=self.bucket, Key=path)
        if not self.settings.amazon and self.tags(key, path):  # moto fails at an empty set, Ceph's gateway at the deletion
            with translated("tag", key, store=self.store):
                self.client.put_object_tagging(Bucket=self.bucket, Key=path, Tagging={"TagSet": []})

    def versions(self, key: str, path: str) -> list[ObjectVersion]:
        """Return the versions of one key, oldest first."""
        found: list[ObjectVersion] = []
        marks: dict[str, str] = {}
        while True:
            with translated("list the versions of", key, store=self.store):
                answer = self.client.list_object_versions(Bucket=self.bucket, Prefix=path, **marks)
            page, following = parse_versions(answer[BODY], path, key)
            found += page
            if following is None:
                # newest first, but some services list the markers after the versions
                found.sort(key=lambda v: (v.is_latest, v.last_modified or _NEVER), reverse=True)
                return found[::-1]
            marks = {"KeyMarker": following[0]} | ({"VersionIdMarker": following[1]} if following[1] else {})

    def delete_version(self, key: str, path: str, version: str) -> None:
        """Delete one version or delete marker for good."""
        with translated("delete a version of", key, store=self.store, version=version):
            self.client.delete_object(Bucket=self.bucket, Key=path, VersionId=version)

    def sign(self, path: str, options: SignOptions) -> str:
        """Return a signed URL; no request is made."""
        given: dict[str, Any] = {"Bucket": self.bucket, "Key": path}
        if self.settings.request_payer:
            given["RequestPayer"] = "requester"
        if options.method == "PUT":
            if options.content_type is not None:
                given["ContentType"] = options.content_type
        else:
            wanted = {
                "ResponseContentType": options.content_type,
                "ResponseContentDisposition": options.content_disposition,
                "VersionId": options.version,
            }
            given |= {name: value for name, value in wanted.items() if value is not None}
        with translated("sign", store=self.store):
            url: str = self.client.generate_presigned_url(
                f"{options.method.lower()}_object", Params=given, ExpiresIn=options.expires_in
            )
        return url

    def create_bucket(self) -> None:
        """Make the bucket, unless it is there: who may not make one may use it."""
        region = self.settings.resolved_region
        given: dict[str, Any] = {}
        if self.settings.amazon and region != "us-east-1":
            given["CreateBucketConfiguration"] = {"LocationConstraint": region}
        try:
            self.client.create_bucket(Bucket=self.bucket, **given)
        except boto_failures() as error:
            facts = boto_facts(error)
            there = facts.code in {"BucketAlreadyOwnedByYou", "BucketAlreadyExists"} or (
                facts.status == 403 and self._there()
            )
            if not there:
                raise boto_error(error, "make the bucket", store=self.store) from error

    def _there(self) -> bool:
        """Tell whether the bucket is there, also if we may not look into it."""
        try:
            self.client.head_bucket(Bucket=self.bucket)
        except boto_failures() as error:
            return boto_facts(error).status == 403
        return True

    # -- large content ------------------------------------------------------------------------------------------------

    def send(self, key: str, path: str, chunks: Iterator[bytes], size: int | None, options: PutOptions) -> PutResult:
        """Write an object that is too large for one request. See `SideChannel.send`."""
        from holdall.drivers.s3sending import send  # noqa: PLC0415  # builds on this module

        return send(self, key, path, chunks, size, options)

    async def send_async(
        self, key: str, path: str, chunks: AsyncIterator[bytes], size: int | None, options: PutOptions
    ) -> PutResult:
        """Write an object that is too large for one request. See `SideChannel.send`."""
        from holdall.drivers.s3sending import send_async  # noqa: PLC0415  # builds on this module

        return await send_async(self, key, path, chunks, size, options)


def _get_arguments(options: GetOptions) -> dict[str, Any]:
    given: dict[str, Any] = {}
    if (wanted := options.byte_range) is not None:
        given["Range"] = wanted.header()
    if options.version is not None:
        given["VersionId"] = options.version
    if options.if_match is not None and options.if_match != "*":
        given["IfMatch"] = quoted(options.if_match)
    if options.if_none_match is not None and options.if_none_match != "*":
        given["IfNoneMatch"] = quoted(options.if_none_match)
    if options.if_modified_since is not None:
        given["IfModifiedSince"] = options.if_modified_since
    if options.if_unmodified_since is not None:
        given["IfUnmodifiedSince"] = options.if_unmodified_since
    return given


def _meta(key: str, answer: Mapping[str, Any]) -> ObjectMeta:
    """Return the description in the answer to a HEAD or GET."""
    metadata = {name.lower(): decoded(value) for name, value in answer.get("Metadata", {}).items() if name != MARK}
    headers = {field: answer[name] for field, name in _HEADERS.items() if answer.get(name) is not None}
    kind: Kind = "directory" if key.endswith("/") else "file"
    _, _, total = str(answer.get("ContentRange") or "").rpartition("/")
    return ObjectMeta(
        key=key,
        size=int(total) if total.isdigit() else answer["ContentLength"],
        last_modified=answer.get("LastModified"),
        etag=strip_etag(answer.get("ETag")) or None,
        version=_version(answer),
        attributes=Attributes(**headers, metadata=metadata),
        storage_class=answer.get("StorageClass") or "STANDARD",  # S3 does not say it of the ordinary one
        kind=kind,
    )


def _content_range(answer: Mapping[str, Any], size: int) -> tuple[int, int]:
    """Return which bytes an answer holds.

    Raises:
        IntegrityError: Its header makes no sense.
    """
    text = answer.get("ContentRange")
    if not text:
        return 0, size
    span = str(text).removeprefix("bytes ").partition("/")[0]
    first, _, last = span.partition("-")
    if not (first.isdigit() and last.isdigit()):
        raise IntegrityError(f"the service answered with the range {text!r}")
    return int(first), int(last) + 1


def _version(answer: Mapping[str, Any]) -> str | None:
    version = answer.get("VersionId")
    return None if version in {None, "null"} else str(version)


def _size(file: Any) -> int:
    here = int(file.tell())
    end = int(file.seek(0, 2))
    file.seek(here)
    return end - here


def _gone() -> Exception:
    """Return the error of a condition that fails as there is no object."""
    from botocore.exceptions import ClientError  # noqa: PLC0415  # an extra

    return ClientError({"Error": {"Code": "PreconditionFailed"}, "ResponseMetadata": {"HTTPStatusCode": 412}}, "")  # type: ignore[typeddict-item]


def _item_error(item: Mapping[str, Any]) -> Exception:
    from botocore.exceptions import ClientError  # noqa: PLC0415  # an extra

    return ClientError({"Error": {"Code": item.get("Code"), "Message": item.get("Message")}}, "DeleteObjects")  # type: ignore[typeddict-item]
