"""The side channel to Azure Blob Storage: the REST service by hand, for what obstore lacks. Blocking, standard library only.

Keys that obstore cannot name (``a//b``, ``d/``, control characters), listings by a literal prefix with true keys, and conditions
on content of any size (blocks, committed under the condition). It signs with the account's key or a SAS.
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
import http.client
import os
import random
import time
import urllib.error
import urllib.request
import xml.etree.ElementTree as ET
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from email.utils import formatdate, parsedate_to_datetime
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import quote, urlencode, urlsplit

from holdall.core.meta import Attributes, Kind, ListPage, ObjectMeta
from holdall.core.options import CopyOptions, GetOptions, PutOptions, SignOptions
from holdall.core.preconditions import check_get, etag_matches, strip_etag
from holdall.core.retry import retry_after
from holdall.drivers.azurebatch import MOST, batch_of, verdicts_of
from holdall.drivers.objects_client import AGENT, ClientSettings
from holdall.drivers.objects_connections import Connections
from holdall.drivers.objects_errors import Answer, Facts, failure, unreached_facts
from holdall.drivers.objects_parts import part_plan
from holdall.drivers.objects_values import (
    MARK,
    decoded,
    decoded_name,
    encoded_metadata,
    identifier,
    native_attributes,
    quoted,
)
from holdall.errors import ConfigError, HoldallError, NotFoundError, PreconditionError, UnavailableError
from holdall.results import CHUNK, GetResult, PutResult

if TYPE_CHECKING:
    from holdall.drivers.azure import AzureStore

__all__ = ["AzureExtra", "check_copied"]

API: Final = "2021-12-02"
PAGE: Final = 1000
BLOCKS: Final = 50_000
COPYING: Final = 3600.0
"""Seconds for which a copy that the service makes in its own time is waited for."""
_ACCEPTED: Final = 202
"""The status of a deletion."""
_SIGNED = ("content-encoding", "content-language", "content-length", "content-md5", "content-type", "date")
_SIGNED_CONDITIONS = ("if-modified-since", "if-match", "if-none-match", "if-unmodified-since", "range")
_HEADERS: Final = {
    "Content-Type": "content-type",
    "Cache-Control": "cache-control",
    "Content-Disposition": "content-disposition",
    "Content-Encoding": "content-encoding",
    "Content-Language": "content-language",
}
_ANSWERS: Final[dict[int, Answer]] = {304: "not_modified", 403: "denied", 404: "not_found", 412: "precondition"}


class AzureExtra:
    """Requests of our own for one store. Paths are whole keys in the container.

    Args:
        store: For errors.
        base: Address of the container.
        account: Name of the account.
        key: Its key, in base64.
        sas: A shared access signature, without ``?``.
        client: Time limits, retries, certificates.
    """

    def __init__(
        self, store: AzureStore, base: str, account: str, key: str | None, sas: str | None, client: ClientSettings
    ) -> None:
        self.store = store
        self.base = base
        self.account = account
        self.host = urlsplit(base).netloc
        self._key = key
        self._sas = sas
        self._client = client
        self._connections = Connections(client)

    def __repr__(self) -> str:
        return f"AzureExtra({self.base!r})"

    def close(self) -> None:
        """Let go of connections; idempotent."""
        self._connections.close()

    # -- the verbs ----------------------------------------------------------------------------------------------------

    def get(self, key: str, path: str, options: GetOptions | None) -> GetResult:
        """Open an object for reading. See `SideChannel.get`."""
        options = options or GetOptions()
        headers: dict[str, str] = {}
        wanted = options.byte_range
        if wanted is not None:
            size = self.head(key, path, None).size if wanted.start < 0 else None  # the service has no "last n bytes"
            if size == 0:
                return GetResult(self.head(key, path, None), b"", range=(0, 0))
            headers["range"] = wanted.header() if size is None else f"bytes={max(0, size + wanted.start)}-"
        if options.if_match is not None and options.if_match != "*":
            headers["if-match"] = quoted(options.if_match)
        answer = self._send("GET", path, headers=headers, verb="read", key=key)
        meta = _meta(key, answer.headers)
        try:
            check_get(options, key=key, etag=meta.etag, last_modified=meta.last_modified, store=self.store)
        except HoldallError:
            answer.close()
            raise
        start, end = 0, meta.size
        if (span := answer.headers.get("Content-Range")) is not None:
            first, _, last = span.removeprefix("bytes ").partition("/")[0].partition("-")
            start, end = int(first), int(last) + 1
        return GetResult(meta, self._chunks(answer, key), range=(start, end), close=answer.close)

    def _chunks(self, answer: Any, key: str) -> Iterator[bytes]:
        try:
            while chunk := answer.read(CHUNK):
                yield chunk
        except (OSError, http.client.HTTPException) as error:
            raise failure(_transport(error), verb="read", key=key, store=self.store) from error

    def head(self, key: str, path: str, version: str | None) -> ObjectMeta:
        """Describe an object. See `SideChannel.head`."""
        with self._send("HEAD", path, verb="describe", key=key) as answer:
            return _meta(key, answer.headers)

    def put(self, key: str, path: str, data: bytes, options: PutOptions) -> PutResult:
        """Write an object in one request. See `SideChannel.put`."""
        headers = self._put_headers(options) | {"x-ms-blob-type": "BlockBlob"}
        return self._published(key, path, data, headers, options, {})

    def delete(self, keys: Sequence[tuple[str, str]]) -> list[HoldallError | None]:
        """Delete keys, many in one request; an error or ``None`` for each. See `SideChannel.delete`."""
        found: list[HoldallError | None] = []
        for start in range(0, len(keys), MOST):
            group = keys[start : start + MOST]
            verdicts = self._delete_batch(group) if len(group) > 1 else {}
            for i, (key, path) in enumerate(group):
                facts = verdicts.get(i)
                try:
                    if facts is None:
                        self._delete_one(key, path)
                    elif facts.status is None or facts.status >= 300:
                        raise failure(facts, verb="delete", key=key, store=self.store, place="container")
                    found.append(None)
                except NotFoundError:
                    found.append(None)
                except UnavailableError as error:
                    return found + [error] * (len(keys) - len(found))  # the others would wait as long for the same
                except HoldallError as error:
                    found.append(error)
        return found

    def _delete_batch(self, keys: Sequence[tuple[str, str]]) -> dict[int, Facts]:
        """Delete keys in one request; return what is known of each. Those left out are to be asked for one by one."""
        content_type, body = batch_of(self._batched(path) for _, path in keys)
        headers = {"content-type": content_type}
        query = {"restype": "container", "comp": "batch"}
        try:
            with self._send("POST", None, query=query, headers=headers, body=body, verb="delete", again=False) as answer:
                told = verdicts_of(answer.headers.get("Content-Type", ""), answer.read())
        except (HoldallError, OSError, http.client.HTTPException):  # an emulator without batches, a lost answer
            return {}
        known = {
            i: Facts(answer=_ANSWERS.get(status, "other"), status=status, code=code) for i, (status, code) in told.items()
        }
        return {i: facts for i, facts in known.items() if not facts.transient}

    def _batched(self, path: str) -> tuple[str, dict[str, str]]:
        """Return the target and the headers of one deletion in a batch."""
        target = f"{urlsplit(self.base).path}/{quote(path, safe='/~')}"
        if self._key is None:
            return (f"{target}?{self._sas}" if self._sas else target), {}
        headers = {"x-ms-date": formatdate(usegmt=True)}
        return target, headers | {"Authorization": self._signature("DELETE", target, {}, headers, None)}

    def page(
        self, prefix: str, delimiter: str | None, after: str | None, mark: str | None, cut: int
    ) -> tuple[ListPage, str | None]:
        """Return one page of a listing. See `SideChannel.page`; the service has no start: the caller leaves out what is before."""
        query = {"restype": "container", "comp": "list", "maxresults": str(PAGE), "prefix": prefix}
        if delimiter is not None:
            query["delimiter"] = delimiter
        if mark is not None:
            query["marker"] = mark
        with self._send("GET", None, query=query, verb="list") as answer:
            try:
                body = answer.read()
            except (OSError, http.client.HTTPException) as error:
                raise failure(_transport(error), verb="list", store=self.store, place="container") from error
        try:
            root = ET.fromstring(body)  # noqa: S314  # expat resolves no external entities
        except ET.ParseError as error:
            raise UnavailableError("the answer to a listing is no XML, or was cut off", store=self.store) from error
        if root.tag != "EnumerationResults":
            raise UnavailableError("the answer to a listing is none: something else is served there", store=self.store)
        objects: list[ObjectMeta] = []
        prefixes: list[str] = []
        for item in root.find("Blobs") or ():
            name = _name(item)[cut:]
            if item.tag == "BlobPrefix":
                prefixes.append(name)
            else:
                objects.append(_listed(name, item))
        return ListPage(objects, prefixes), root.findtext("NextMarker") or None

    def _delete_one(self, key: str, path: str, headers: Mapping[str, str] | None = None) -> None:
        with self._send("DELETE", path, headers=headers, verb="delete", key=key) as answer:
            if answer.status != _ACCEPTED:  # a page of a proxy, a login
                text = f"cannot delete {key!r}: something else than the service answers (HTTP {answer.status})"
                raise UnavailableError(text, key=key, store=self.store)

    def delete_if(self, key: str, path: str, if_match: str) -> None:
        """Delete an object only if its etag is this."""
        headers = {"if-match": "*" if if_match == "*" else quoted(if_match)}
        try:
            self._delete_one(key, path, headers)
        except NotFoundError as error:
            raise PreconditionError(f"{key!r} is gone (if_match)", key=key, store=self.store) from error

    def set_metadata(self, key: str, path: str, metadata: Mapping[str, str], if_match: str | None) -> PutResult:
        """Replace the user metadata."""
        headers = {f"x-ms-meta-{name}": value for name, value in encoded_metadata(metadata, store=self.store).items()}
        if if_match is not None:
            headers["if-match"] = "*" if if_match == "*" else quoted(if_match)
        with self._send(
            "PUT", path, query={"comp": "metadata"}, headers=headers, body=b"", verb="describe", key=key
        ) as answer:
            etag = strip_etag(answer.headers.get("ETag"))
        return PutResult(key=key, size=self.head(key, path, None).size, etag=etag)

    def copy(self, origin: AzureExtra, src: str, source: str, dst: str, path: str, options: CopyOptions) -> PutResult:
        """Copy an object of the account; the service does it at once or in its own time, which is waited for."""
        meta = origin.head(src, source, None)
        check_copied(meta, options, key=src, store=self.store)
        address = f"{origin.base}/{quote(source, safe='/~')}"
        headers = {"x-ms-copy-source": f"{address}?{origin._sas}" if origin._sas else address}
        if meta.etag is not None:
            headers["x-ms-source-if-match"] = quoted(meta.etag)
        if options.metadata:
            named = {identifier(name): value for name, value in options.metadata.items()}
            headers |= {f"x-ms-meta-{name}": value for name, value in encoded_metadata(named, store=self.store).items()}
        create = options.mode == "create"
        if create:
            headers["if-none-match"] = "*"
        key = dst if create else src
        with self._send("PUT", path, headers=headers, body=b"", verb="copy", key=key, create=create) as answer:
            status = answer.headers.get("x-ms-copy-status")
        deadline = time.monotonic() + COPYING
        while status == "pending" and time.monotonic() < deadline:
            time.sleep(0.2)
            with self._send("HEAD", path, verb="describe", key=dst) as answer:
                status = answer.headers.get("x-ms-copy-status")
        if status not in {None, "success"}:
            raise UnavailableError(f"the copy of {src!r} ended as {status!r}", key=dst, store=self.store)
        if options.metadata is not None and not options.metadata and meta.metadata:  # no metadata means "keep it"
            return self.set_metadata(dst, path, {}, None)
        found = self.head(dst, path, None)
        return PutResult(key=dst, size=found.size, etag=found.etag)

    def sign(self, path: str, options: SignOptions) -> str:
        """Return the address of an object with a service SAS for it; no request is made."""
        expires = (datetime.now(UTC) + timedelta(seconds=options.expires_in)).strftime("%Y-%m-%dT%H:%M:%SZ")
        allowed = "r" if options.method == "GET" else "cw"
        container = self.base.rpartition("/")[2]
        disposition, kind = options.content_disposition or "", options.content_type or ""
        lines = [allowed, "", expires, f"/blob/{self.account}/{container}/{path}", "", "", "", API, "b", "", ""]
        text = "\n".join([*lines, "", disposition, "", "", kind])
        given = {"sp": allowed, "se": expires, "sv": API, "sr": "b", "rscd": disposition, "rsct": kind}
        given["sig"] = self._digest(text)
        return f"{self.base}/{quote(path, safe='/~')}?{urlencode({n: v for n, v in given.items() if v}, quote_via=quote)}"

    def create_container(self) -> None:
        """Make the container, unless it is there."""
        try:
            self._send("PUT", None, query={"restype": "container"}, verb="make the container", body=b"").close()
        except HoldallError as error:
            if getattr(error.__cause__, "code", None) != 409:
                raise

    # -- large content under a condition ------------------------------------------------------------------------------

    def send(self, key: str, path: str, chunks: Iterator[bytes], size: int | None, options: PutOptions) -> PutResult:
        """Write an object in blocks, committed under the condition. See `SideChannel.send`."""
        blocks, held = _Blocks(), part_plan(size, options, most=BLOCKS).size
        for chunk in chunks:
            for block in blocks.feed(chunk, held):
                self._put_block(key, path, *block)
        return self._commit(key, path, blocks, options)

    async def send_async(
        self, key: str, path: str, chunks: AsyncIterator[bytes], size: int | None, options: PutOptions
    ) -> PutResult:
        """Write an object in blocks. See `send`."""
        blocks, held = _Blocks(), part_plan(size, options, most=BLOCKS).size
        async for chunk in chunks:
            for block in blocks.feed(chunk, held):
                await asyncio.to_thread(self._put_block, key, path, *block)
        return await asyncio.to_thread(self._commit, key, path, blocks, options)

    def _put_block(self, key: str, path: str, name: str, data: bytes) -> None:
        query = {"comp": "block", "blockid": name}
        self._send("PUT", path, query=query, body=data, verb="write a part of", key=key).close()

    def _commit(self, key: str, path: str, blocks: _Blocks, options: PutOptions) -> PutResult:
        for block in blocks.rest():
            self._put_block(key, path, *block)
        names = "".join(f"<Latest>{name}</Latest>" for name in blocks.names)
        body = f'<?xml version="1.0" encoding="utf-8"?><BlockList>{names}</BlockList>'.encode()
        headers = self._put_headers(options)
        return self._published(key, path, body, headers, options, {"comp": "blocklist"}, size=blocks.size)

    def _put_headers(self, options: PutOptions) -> dict[str, str]:
        headers: dict[str, str] = {}
        for name, value in native_attributes(options, store=self.store).items():
            headers[f"x-ms-blob-{_HEADERS[name]}" if name in _HEADERS else f"x-ms-meta-{name}"] = value
        return headers

    def _published(
        self,
        key: str,
        path: str,
        body: bytes,
        headers: dict[str, str],
        options: PutOptions,
        query: dict[str, str],
        size: int | None = None,
    ) -> PutResult:
        if options.mode == "create":
            headers["if-none-match"] = "*"
        elif options.if_match is not None:
            headers["if-match"] = quoted(options.if_match)
        create = options.mode == "create"
        with self._send(
            "PUT", path, query=query, headers=headers, body=body, verb="write", key=key, create=create
        ) as answer:
            etag = strip_etag(answer.headers.get("ETag"))
        return PutResult(key=key, size=len(body) if size is None else size, etag=etag)

    # -- requests -----------------------------------------------------------------------------------------------------

    def _send(
        self,
        method: str,
        path: str | None,
        *,
        verb: str,
        key: str | None = None,
        query: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
        body: bytes | None = None,
        create: bool = False,
        again: bool = True,
    ) -> Any:
        """Send one request, again if that may help, and return the open answer."""
        tries, deadline = 0, time.monotonic() + self._client.deadline
        while True:
            try:
                return self._connections.open(self.request(method, path, query, headers, body))
            except urllib.error.HTTPError as error:
                facts = _facts(error, create)
                cause: Exception = error
                error.close()
            except (OSError, http.client.HTTPException) as error:
                facts, cause = _transport(error), error
            # a conditional write whose answer got lost must not be repeated: it would meet itself
            once = method == "PUT" and headers is not None and ("if-match" in headers or "if-none-match" in headers)
            if once or not again or not facts.transient or tries >= self._client.retries or time.monotonic() > deadline:
                raise failure(facts, verb=verb, key=key, store=self.store, place="container") from cause
            tries += 1
            own = 0.1 * 2**tries * random.uniform(0.5, 1.0)  # noqa: S311  # jitter
            time.sleep(min(5.0, own if facts.retry_after is None else facts.retry_after))

    def request(
        self,
        method: str,
        path: str | None,
        query: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
        body: bytes | None = None,
    ) -> urllib.request.Request:
        """Return a request, authorised by the key or the SAS if there is one."""
        target, query = self.base if path is None else f"{self.base}/{quote(path, safe='/~')}", query or {}
        pairs = "&".join(f"{name}={quote(value, safe='')}" for name, value in query.items())
        headers = dict(headers or {}, **{"x-ms-version": API, "user-agent": AGENT})
        if body is not None:
            headers["content-type"] = headers.get("content-type", "application/octet-stream")
        if self._key is not None:
            headers["x-ms-date"] = formatdate(usegmt=True)
            headers["authorization"] = self._signature(method, urlsplit(target).path, query, headers, body)
        elif self._sas is not None:
            pairs = f"{pairs}&{self._sas}" if pairs else self._sas
        address = f"{target}?{pairs}" if pairs else target
        return urllib.request.Request(address, data=body, method=method, headers=headers)  # noqa: S310  # the endpoint was checked

    def _signature(
        self, method: str, path: str, query: Mapping[str, str], headers: Mapping[str, str], body: bytes | None
    ) -> str:
        """Return the authorisation of a request (Shared Key, version 2015-02-21 and later)."""
        plain = dict(headers)
        if body:
            plain["content-length"] = str(len(body))
        own = sorted((name, value.strip()) for name, value in headers.items() if name.startswith("x-ms-"))
        lines = [
            method,
            *(plain.get(name, "") for name in _SIGNED),
            *(plain.get(name, "") for name in _SIGNED_CONDITIONS),
            *(f"{name}:{value}" for name, value in own),
            f"/{self.account}{path}",
            *(f"{name}:{value}" for name, value in sorted(query.items())),
        ]
        return f"SharedKey {self.account}:{self._digest(chr(10).join(lines))}"

    def _digest(self, text: str) -> str:
        try:
            secret = base64.b64decode(self._key or "", validate=True)
        except ValueError:
            raise ConfigError("account_key is not Base64, as the portal shows it", store=self.store) from None
        digest = hmac.new(secret, text.encode(), hashlib.sha256).digest()
        return base64.b64encode(digest).decode()


def check_copied(meta: ObjectMeta, options: CopyOptions, *, key: str, store: object) -> None:
    """Refuse a source that is not the version named.

    Raises:
        PreconditionError: Its etag is another one.
    """
    if options.if_match is not None and not etag_matches(meta.etag, options.if_match):
        raise PreconditionError(f"{key!r} is not the version to be copied (if_match)", key=key, store=store)


class _Blocks:
    """Cuts a stream into blocks with names of one length, which no other upload has: those that nobody committed yet belong to the blob."""

    def __init__(self) -> None:
        self.names: list[str] = []
        self.size = 0
        self._mark = os.urandom(6)
        self._held = bytearray()

    def feed(self, chunk: bytes, size: int) -> Iterator[tuple[str, bytes]]:
        self._held += chunk
        while len(self._held) >= size:
            yield self._block(bytes(self._held[:size]))
            del self._held[:size]

    def rest(self) -> Iterator[tuple[str, bytes]]:
        if self._held:
            yield self._block(bytes(self._held))
            self._held.clear()

    def _block(self, data: bytes) -> tuple[str, bytes]:
        self.size += len(data)
        self.names.append(base64.b64encode(self._mark + len(self.names).to_bytes(4)).decode())
        return self.names[-1], data


def _facts(error: urllib.error.HTTPError, create: bool) -> Facts:
    code = error.headers.get("x-ms-error-code")
    answer = _ANSWERS.get(error.code, "other")
    if error.code == 409 and code == "BlobAlreadyExists":
        answer = "exists" if create else "precondition"
    elif error.code == 412 and create:
        answer = "exists"
    return Facts(answer=answer, status=error.code, code=code, retry_after=retry_after(error.headers.get("Retry-After")))


def _transport(error: Exception) -> Facts:
    reason = getattr(error, "reason", error)
    if isinstance(reason, TimeoutError):
        return Facts(transport="Timeout")
    if isinstance(error, urllib.error.URLError) and not isinstance(reason, (BrokenPipeError, ConnectionResetError)):
        return unreached_facts(str(reason))
    return Facts(transport="Interrupted", truncated=isinstance(error, http.client.IncompleteRead))


def _meta(key: str, headers: Any) -> ObjectMeta:
    span = headers.get("Content-Range") or ""
    named = {field.lower().replace("-", "_"): value for field in _HEADERS if (value := headers.get(field)) is not None}
    metadata = {
        decoded_name(name[len("x-ms-meta-") :].lower()): decoded(value)
        for name, value in headers.items()
        if name.lower().startswith("x-ms-meta-")
    }
    metadata.pop(MARK, None)
    kind: Kind = "directory" if key.endswith("/") else "file"
    return ObjectMeta(
        key=key,
        size=int(span.rpartition("/")[2] or headers.get("Content-Length") or 0),
        last_modified=parsedate_to_datetime(headers["Last-Modified"]),
        etag=strip_etag(headers.get("ETag")),
        attributes=Attributes(**named, metadata=metadata),
        storage_class=headers.get("x-ms-access-tier"),
        kind=kind,
    )


def _listed(key: str, item: ET.Element) -> ObjectMeta:
    found = {child.tag: child.text for child in item.find("Properties") or ()}
    modified = found.get("Last-Modified")
    kind: Kind = "directory" if key.endswith("/") else "file"
    return ObjectMeta(
        key=key,
        size=int(found.get("Content-Length") or 0),
        last_modified=parsedate_to_datetime(modified) if modified else None,
        etag=strip_etag(found.get("Etag")),
        storage_class=found.get("AccessTier"),
        kind=kind,
    )


def _name(item: ET.Element) -> str:
    from urllib.parse import unquote  # noqa: PLC0415  # for keys that XML cannot carry only

    name = item.find("Name")
    text = "" if name is None else name.text or ""
    return unquote(text) if name is not None and name.get("Encoded") == "true" else text
