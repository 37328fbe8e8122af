"""Any HTTP server, for reading, through obstore."""

from __future__ import annotations

import base64
import urllib.error
import urllib.request
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote, unquote, urljoin, urlsplit, urlunsplit

import obstore.store

from holdall.core.capabilities import Identity
from holdall.drivers.objects_client import ClientSettings, NoRedirect
from holdall.drivers.objects_kinds import HTTP
from holdall.drivers.objects_store import ObstoreStore
from holdall.errors import ConfigError, NotSupportedError

__all__ = ["HTTPStore"]


class HTTPStore(ObstoreStore):
    """What lies below an HTTP or HTTPS address; read-only, without listing.

    Args:
        base_url: Address of the root, path included.
        headers: Sent with each request.
        username, password: For HTTP's basic authentication.
        token: Sent as ``Authorization: Bearer``.
        prefix: What stands before every key.
        client_cert, client_key: Refused: obstore has no client certificates.
        verify, ca_file, retries, timeout, connect_timeout, max_connections: As for `S3Store`.

    Example:
        >>> store = HTTPStore("https://data.example.org/pub")
        >>> store.url("a b.txt")
        'https://data.example.org/pub/a%20b.txt'
    """

    place = "site"
    flat = False
    marks = False
    doubts_place = False
    asks_directories = True

    def __init__(
        self,
        base_url: str,
        *,
        headers: Mapping[str, str] | None = None,
        username: str | None = None,
        password: str | None = None,
        token: str | None = None,
        prefix: str = "",
        client_cert: str | None = None,
        client_key: str | None = None,
        verify: bool = True,
        ca_file: str | None = None,
        retries: int = 4,
        timeout: float = 60.0,
        connect_timeout: float = 5.0,
        max_connections: int | None = None,
    ) -> None:
        self._begin(
            prefix,
            {name: value for name, value in locals().items() if name != "self"},
            secret=("headers", "password", "token"),
        )
        if client_cert is not None or client_key is not None:
            raise NotSupportedError("client certificates are not supported: obstore has none")
        parts = urlsplit(base_url)
        if parts.scheme not in {"http", "https"} or not parts.hostname or parts.query or parts.fragment:
            raise ConfigError("base_url must be an address such as https://host/path")
        if parts.username is not None or parts.password is not None:
            if username is not None:
                raise ConfigError("base_url and username both say who asks")
            username, password = unquote(parts.username or ""), unquote(parts.password or "")
            self._recipe = None
            parts = parts._replace(netloc=parts.netloc.rpartition("@")[2])
        if token is not None and username is not None:
            raise ConfigError("one of: token, username and password")
        if password is not None and username is None:
            raise ConfigError("password goes with username")
        self.base_url = urlunsplit(parts).rstrip("/")
        self.client = ClientSettings(
            retries=retries,
            timeout=timeout,
            connect_timeout=connect_timeout,
            max_connections=max_connections,
            verify=verify,
            ca_file=ca_file,
            allow_http=parts.scheme == "http",
        )
        self._headers = {name.lower(): value for name, value in (headers or {}).items()}
        if username is not None:
            pair = f"{username}:{password or ''}".encode()
            self._headers["authorization"] = f"Basic {base64.b64encode(pair).decode()}"
        if token is not None:
            self._headers["authorization"] = f"Bearer {token}"
        for name, value in self._headers.items():
            if not (name.isascii() and value.isprintable() and value.isascii()):
                raise ConfigError(f"header {name!r} is not printable ASCII")
        self.retries = retries
        self._opener = self._new_native
        self._capabilities = HTTP
        self._identity = Identity(service="http", place=self.base_url, prefix=self.prefix, principal=username or "")

    def __repr__(self) -> str:
        shown = f", prefix={self.prefix!r}" if self.prefix else ""
        return f"HTTPStore({self.base_url!r}{shown})"

    def _new_native(self, *, patient: bool, retries: int) -> Any:
        return obstore.store.HTTPStore(
            self.base_url,
            client_options=self.client.options(patient=patient, headers=self._headers or None),
            retry_config=self.client.retry(retries),
        )

    def is_directory(self, path: str) -> bool:
        """Ask whether the server sends us on to the same path with a slash, as servers do for directories. Blocks."""
        address = f"{self.base_url}/{quote(path, safe='/~')}"
        opener = urllib.request.build_opener(urllib.request.HTTPSHandler(context=self.client.tls()), NoRedirect)
        try:
            opener.open(self.question(path), timeout=self.client.timeout).close()
        except urllib.error.HTTPError as error:
            error.close()
            place = urljoin(address, error.headers.get("Location") or "")
            return error.code in {301, 302, 307, 308} and urlsplit(place).path == f"{urlsplit(address).path}/"
        except OSError:
            return False
        return False

    def question(self, path: str) -> urllib.request.Request:
        """Return a HEAD of a path."""
        address = f"{self.base_url}/{quote(path, safe='/~')}"
        return urllib.request.Request(address, method="HEAD", headers=self._headers)  # noqa: S310  # checked above

    def url(self, key: str) -> str | None:
        """Return the address of a key."""
        return f"{self.base_url}/{quote(self.prefix + key, safe='/~')}"
