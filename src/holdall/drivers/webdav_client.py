"""Requests to one WebDAV server (httpx): paths as URLs, properties from XML, locks, uploads that are pushed.

httpx pulls the body of a request; a writer pushes. Between them stands a small queue and, for bodies too large for memory, a
thread that lives as long as the request.
"""

from __future__ import annotations

import queue
import random
import ssl
import threading
import time
import xml.etree.ElementTree as ET
from collections.abc import Generator, Iterator, Mapping
from contextlib import suppress
from email.utils import parsedate_to_datetime
from urllib.parse import quote, unquote, urlsplit
from urllib.request import getproxies, proxy_bypass

import httpx

from holdall.core.meta import NO_ATTRIBUTES, Attributes
from holdall.core.preconditions import strip_etag
from holdall.core.retry import retry_after
from holdall.drivers.os_errors import of_status
from holdall.drivers.tree import Entry
from holdall.drivers.webdav import PLAIN
from holdall.errors import ConfigError, HoldallError, NotFoundError, NotSupportedError, UnavailableError

__all__ = ["BUSY", "LOST", "DavClient", "Upload", "connected", "proxy_of", "raise_for", "through"]

LOST = (httpx.RemoteProtocolError, httpx.ReadError, httpx.WriteError, httpx.CloseError)
"""What a connection raises that the server closed while it was idle, or in the middle."""
BUSY = frozenset({429, 500, 502, 503, 504})
"""Statuses after which a request is made again. 500 too: wsgidav stumbles over files that are replaced under way."""
_HEADERS = {"Accept-Encoding": "identity", "User-Agent": "holdall"}
_WANTED = (
    b'<?xml version="1.0" encoding="utf-8"?><D:propfind xmlns:D="DAV:"><D:prop><D:resourcetype/><D:getcontentlength/>'
    b"<D:getlastmodified/><D:getetag/><D:getcontenttype/></D:prop></D:propfind>"
)
_LOCK = (
    b'<?xml version="1.0" encoding="utf-8"?><D:lockinfo xmlns:D="DAV:"><D:lockscope><D:exclusive/></D:lockscope>'
    b"<D:locktype><D:write/></D:locktype><D:owner>holdall</D:owner></D:lockinfo>"
)
LOCK_SECONDS = 60
LONGEST = 5.0
"""Seconds up to which a server's ``Retry-After`` is obeyed."""


class _Login(httpx.Auth):
    """Basic, or Digest where the server asks for it."""

    def __init__(self, username: str, password: str) -> None:
        self._basic = httpx.BasicAuth(username, password)
        self._digest = httpx.DigestAuth(username, password)
        self._asked = False

    def auth_flow(self, request: httpx.Request) -> Generator[httpx.Request, httpx.Response]:
        if self._asked:
            yield from self._digest.auth_flow(request)
            return
        response = yield from _one(self._basic.auth_flow(request))
        if response.status_code == 401 and "digest" in response.headers.get("www-authenticate", "").lower():
            self._asked = True
            request.headers.pop("Authorization", None)
            yield from self._digest.auth_flow(request)


def _one(flow: Generator[httpx.Request, httpx.Response]) -> Generator[httpx.Request, httpx.Response, httpx.Response]:
    return (yield next(flow))


class _Through(httpx.BaseTransport):
    """Sends by a program's own client: with its login, certificates, proxies and hooks. That client stays open."""

    def __init__(self, client: httpx.Client, auth: tuple[str, str] | None) -> None:
        self._client = client
        self._auth = auth

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        auth = httpx.USE_CLIENT_DEFAULT if self._auth is None else self._auth
        return self._client.send(request, stream=True, auth=auth, follow_redirects=False)


def through(client: httpx.Client, auth: tuple[str, str] | None = None) -> httpx.Client:
    """Return a client that sends by a program's own.

    Args:
        client: The program's.
        auth: User and password, where they are not the client's own.
    """
    headers = client.headers.copy()
    headers["Accept-Encoding"] = _HEADERS["Accept-Encoding"]  # sizes and ranges are those of the bytes themselves
    return httpx.Client(transport=_Through(client, auth), headers=headers, cookies=client.cookies, timeout=client.timeout)


def connected(
    *,
    username: str | None,
    password: str | None,
    token: str | None,
    tls: ssl.SSLContext | None,
    timeout: float,
    connect_timeout: float,
    limit: int,
    proxy: str | None = None,
) -> httpx.Client:
    """Return a client for one server. Nothing of the environment counts: a ``.netrc`` is not meant.

    Args:
        username: For Basic or Digest.
        password: The same.
        token: Sent as ``Authorization: Bearer``.
        tls: How to speak TLS, on an ``https`` address.
        timeout: Seconds without a byte or an answer.
        connect_timeout: Seconds that connecting may take.
        limit: Connections at most.
        proxy: Address of a proxy.

    Raises:
        ConfigError: It is no address of a proxy.
    """
    try:
        return httpx.Client(
            auth=_Login(username, password or "") if username is not None else None,
            headers=_HEADERS if token is None else {**_HEADERS, "Authorization": f"Bearer {token}"},
            verify=tls if tls is not None else True,
            timeout=httpx.Timeout(timeout, connect=connect_timeout),
            limits=httpx.Limits(max_connections=limit, max_keepalive_connections=limit),
            follow_redirects=False,
            trust_env=False,
            proxy=proxy,
        )
    except (ValueError, ImportError, httpx.InvalidURL):
        if proxy is None:
            raise
    raise ConfigError(
        "the proxy that the environment names (HTTPS_PROXY, HTTP_PROXY, ALL_PROXY) cannot be used: http://host:port is meant"
    )


def proxy_of(address: str) -> str | None:
    """Return the proxy that the environment names for an address: ``HTTPS_PROXY``, ``HTTP_PROXY``, ``ALL_PROXY``, ``NO_PROXY``."""
    parts, known = urlsplit(address), getproxies()
    found = known.get(parts.scheme) or known.get("all")
    if not found or proxy_bypass(parts.netloc.rpartition("@")[2]):
        return None
    return found if "://" in found else f"http://{found}"


class DavClient:
    """The requests of one store.

    Args:
        url: Address of the collection that is the root.
        http: Who sends them; closed with this.
        timeout: Seconds without a byte or an answer.
        retries: How often a request is repeated.
    """

    def __init__(self, url: str, http: httpx.Client, *, timeout: float, retries: int) -> None:
        self.root = url.rstrip("/")
        self.http = http
        self.timeout = timeout
        self.retries = retries
        self._base = unquote(urlsplit(self.root).path).rstrip("/")

    def url(self, path: str, *, collection: bool = False) -> str:
        """Return the address of a path."""
        address = f"{self.root}/{quote(path, safe=PLAIN)}" if path else self.root
        return address + "/" if collection or not path else address

    def request(
        self, method: str, url: str, *, headers: Mapping[str, str] | None = None, content: bytes | None = None
    ) -> httpx.Response:
        """Make a request that may be repeated; on a lost connection, or if the server is busy or stumbles, it is."""
        redirects = 0
        for pause in self.pauses():
            try:
                response = self.http.request(method, url, headers=headers, content=content)
                while response.is_redirect and method == "PROPFIND" and redirects < 5:
                    url, redirects = self._redirected(response), redirects + 1
                    response = self.http.request(method, url, headers=headers, content=content)
            except LOST:
                if pause is None:
                    raise
            else:
                if pause is None or response.status_code not in BUSY:
                    return response
                asked = retry_after(response.headers.get("Retry-After"))
                if asked is not None:
                    time.sleep(min(asked, LONGEST))
                    continue
            time.sleep(pause)
        raise AssertionError  # pragma: no cover  # the last pause is None

    def pauses(self) -> Iterator[float | None]:
        """Yield how long to wait after each attempt that fails, ``None`` for the last."""
        for attempt in range(self.retries):
            yield random.uniform(0.5, 1.0) * 0.1 * 4**attempt  # noqa: S311  # spreads retries
        yield None

    def _redirected(self, response: httpx.Response) -> str:
        """Return where an answer points, on this server only: credentials go nowhere else."""
        target = response.next_request.url if response.next_request is not None else None
        mine = httpx.URL(self.root)
        if target is None or (target.scheme, target.host, target.port) != (mine.scheme, mine.host, mine.port):
            raise UnavailableError("the server redirects to another one")
        return str(target)

    # -- properties ---------------------------------------------------------------------------------------------------

    def describe(self, path: str) -> Entry:
        """Describe a file or collection."""
        for entry, _ in self._properties(path, self.url(path, collection=not path), "0"):
            return Entry(
                name=path.rpartition("/")[2],
                size=entry.size,
                kind=entry.kind,
                modified=entry.modified,
                etag=entry.etag,
                attributes=entry.attributes,
            )
        raise NotFoundError(f"nothing at {path!r}")

    def members(self, path: str) -> list[Entry] | None:
        """Return what a collection holds, ``None`` if it is no collection."""
        mine = f"{self._base}/{path}".rstrip("/")
        found: list[Entry] = []
        collection = False
        for entry, where in self._properties(path, self.url(path, collection=True), "1"):
            if where.rstrip("/") == mine:
                collection = entry.kind == "directory"
            else:
                found.append(entry)
        return found if collection else None

    def _properties(self, path: str, url: str, depth: str) -> Iterator[tuple[Entry, str]]:
        response = self.request(
            "PROPFIND", url, headers={"Depth": depth, "Content-Type": "application/xml"}, content=_WANTED
        )
        if response.status_code != 207:
            raise_for(response, repr(path))
        try:
            root = ET.fromstring(response.content)  # noqa: S314  # expat resolves no external entities
        except ET.ParseError as error:
            raise UnavailableError("the answer to PROPFIND is no XML, or was cut off") from error
        for item in root.iterfind("{DAV:}response"):
            href = item.findtext("{DAV:}href") or ""
            where = unquote(urlsplit(href).path if "://" in href else href.partition("?")[0])
            yield entry_of(item, where.rstrip("/").rpartition("/")[2]), where

    # -- locks --------------------------------------------------------------------------------------------------------

    def lock(self, url: str) -> str:
        """Lock a resource exclusively; return the token.

        Raises:
            NotSupportedError: The server has no locks.
            UnavailableError: Others kept it locked for the whole timeout.
        """
        headers = {"Depth": "0", "Timeout": f"Second-{LOCK_SECONDS}", "Content-Type": "application/xml"}
        give_up = time.monotonic() + self.timeout
        while True:
            response = self.request("LOCK", url, headers=headers, content=_LOCK)
            if response.status_code in {200, 201}:
                token: str = response.headers.get("Lock-Token", "").strip("<> ")
                if not token:
                    raise NotSupportedError("the server's locks have no tokens")
                return token
            if response.status_code in {400, 405, 501}:
                raise NotSupportedError("this server has no locks: it cannot create without races")
            if response.status_code != 423 or time.monotonic() > give_up:
                raise_for(response, "the resource")
            time.sleep(random.uniform(0.005, 0.05))  # noqa: S311  # spreads retries

    def unlock(self, url: str, token: str) -> None:
        """Give a lock back; one that is gone is given back already."""
        with suppress(httpx.HTTPError, HoldallError):
            self.request("UNLOCK", url, headers={"Lock-Token": f"<{token}>"})

    def close(self) -> None:
        """Close all connections."""
        self.http.close()

    def __del__(self) -> None:
        with suppress(Exception):
            self.http.close()


class Upload:
    """A PUT whose body is pushed, from memory if it is small, else through a thread.

    Args:
        client: The requests.
        url: Where to.
        size: How many bytes will come, if that is known.
    """

    def __init__(self, client: DavClient, url: str, size: int | None) -> None:
        self._client = client
        self._queue: queue.Queue[bytes | _Stop | None] = queue.Queue(4)
        self._answer: httpx.Response | None = None
        self._error: Exception | None = None
        headers = {} if size is None else {"Content-Length": str(size)}
        self._thread = threading.Thread(target=self._run, args=(url, headers), name="holdall-webdav", daemon=True)
        self._thread.start()

    def _run(self, url: str, headers: Mapping[str, str]) -> None:
        try:
            self._answer = self._client.http.put(url, headers=dict(headers), content=self._body())
        except Exception as error:  # noqa: BLE001  # raised in the writer's thread
            self._error = error

    def _body(self) -> Iterator[bytes]:
        while (piece := self._queue.get()) is not None:
            if isinstance(piece, _Stop):
                raise UnavailableError("the source ended early")
            yield piece

    def push(self, piece: bytes) -> None:
        """Hand over bytes; wait while the server is slower than the source."""
        give_up = time.monotonic() + self._client.timeout * 2
        while True:
            if not self._thread.is_alive():
                self._raise()
            try:
                self._queue.put(piece, timeout=0.2)
            except queue.Full:
                if time.monotonic() > give_up:
                    raise UnavailableError("the server takes no more bytes") from None
            else:
                return

    def end(self) -> None:
        """Send the end, and hear whether everything arrived."""
        self._put(None)
        self._thread.join(self._client.timeout * 2)
        self._raise()

    def stop(self) -> None:
        """Break off."""
        self._put(_Stop())
        self._thread.join(self._client.timeout)

    def _put(self, last: _Stop | None) -> None:
        while self._thread.is_alive():
            try:
                self._queue.put(last, timeout=0.2)
            except queue.Full:
                if isinstance(last, _Stop):
                    with suppress(queue.Empty):
                        self._queue.get_nowait()
            else:
                return

    def _raise(self) -> None:
        if self._error is not None:
            raise self._error
        if self._answer is None:
            raise UnavailableError("the server did not answer an upload")
        raise_for(self._answer, "the upload")


class _Stop:
    """Ends the body of an upload as broken."""


def raise_for(response: httpx.Response, what: str) -> None:
    """Raise what an answer means, unless it is success."""
    if response.status_code == 423:
        raise UnavailableError(f"{what} is locked by somebody else", kind="locked")
    error = of_status(response.status_code, what)
    if isinstance(error, UnavailableError):
        error.retry_after = retry_after(response.headers.get("Retry-After"))
    if error is not None:
        raise error


def entry_of(item: ET.Element, name: str) -> Entry:
    """Return what the properties of one resource say."""
    found: dict[str, str] = {}
    collection = False
    for part in item.iterfind("{DAV:}propstat"):
        if " 200" not in (part.findtext("{DAV:}status") or " 200"):
            continue
        for prop in part.iterfind("{DAV:}prop/*"):
            if prop.tag == "{DAV:}resourcetype":
                collection = prop.find("{DAV:}collection") is not None
            elif prop.text:
                found[prop.tag.removeprefix("{DAV:}")] = prop.text
    modified = None
    with suppress(TypeError, ValueError, KeyError):
        modified = parsedate_to_datetime(found["getlastmodified"])
    if collection:
        return Entry(name=name, kind="directory", modified=modified)
    size = found.get("getcontentlength", "")
    return Entry(
        name=name,
        size=int(size) if size.isdigit() else 0,
        modified=modified,
        etag=strip_etag(found.get("getetag")) or None,
        attributes=Attributes(content_type=found["getcontenttype"]) if "getcontenttype" in found else NO_ATTRIBUTES,
    )
