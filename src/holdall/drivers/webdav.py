"""The WebDAV driver: a collection on a server such as Nextcloud, Apache or wsgidav, through httpx.

Needs ``pip install "holdall[webdav]"``.
"""

from __future__ import annotations

import ssl
from collections.abc import Sequence
from typing import TYPE_CHECKING
from urllib.parse import quote, urlsplit

from holdall.core.capabilities import Capabilities, Identity
from holdall.core.secrets import Secret
from holdall.core.unreached import unreached
from holdall.drivers.os_errors import translate_os_error
from holdall.drivers.tree_rules import check_name
from holdall.drivers.tree_store import TreeStore
from holdall.errors import ConfigError, HoldallError, MissingExtraError, StoreTimeoutError, UnavailableError

if TYPE_CHECKING:
    from holdall.drivers.webdav_tree import WebDAVTree

__all__ = ["CAPABILITIES", "PLAIN", "WebDAVStore"]

PLAIN = "/-._~!$&'()*+,;=:@"
"""What may stand in the path of a URL as it is (RFC 3986)."""
CAPABILITIES = Capabilities(
    create=True,
    large_conditional=True,
    conditional_read=True,
    copy=True,
    directories="real",
)


class WebDAVStore(TreeStore):
    """Files on a WebDAV server.

    A write replaces the old file by MOVE: a server may delete the old one a moment earlier. ``create`` uses WebDAV's locks; a
    server without them refuses (`NotSupportedError`). Etags are the server's own, and some are the same for two contents of one
    size and second: there is no compare-and-set. The server chooses the content type by the name.

    Args:
        url: Address of a collection, ``http`` or ``https``.
        path: Collection below it.
        username, password: Basic or Digest, whichever the server asks for.
        token: Sent as ``Authorization: Bearer``.
        cert: Client certificate: a path, or ``(path, key)``.
        verify_ssl: Check the server's certificate and name.
        ca_file: Certificates to trust, in place of the system's.
        create: Make the collection if it is not there.
        timeout: Seconds without a byte or an answer.
        connect_timeout: Seconds that connecting may take.
        max_connections: How many connections at most.
        retries: How often a request is repeated that met a broken connection or a busy server.

    Example:
        >>> WebDAVStore("https://cloud.example.com/remote.php/dav/files/joe", path="Documents", username="joe", password="x")
        WebDAVStore('https://cloud.example.com/remote.php/dav/files/joe/Documents', username='joe')
    """

    def __init__(
        self,
        url: str,
        *,
        path: str = "",
        username: str | None = None,
        password: str | Secret | None = None,
        token: str | Secret | None = None,
        cert: str | Sequence[str] | None = None,
        verify_ssl: bool = True,
        ca_file: str | None = None,
        create: bool = True,
        timeout: float = 30.0,
        connect_timeout: float = 5.0,
        max_connections: int = 16,
        retries: int = 3,
    ) -> None:
        super().__init__()
        parts = urlsplit(url)
        if parts.scheme not in {"http", "https"} or not parts.hostname or parts.query or parts.fragment:
            raise ConfigError("a WebDAV url is an address such as https://host/path")
        if parts.username is not None or parts.password is not None:
            raise ConfigError("credentials go into username and password, not into the url")
        if token is not None and username is not None:
            raise ConfigError("token and username exclude each other")
        if cert is not None and not isinstance(cert, str) and len(cert) not in {1, 2}:
            raise ConfigError("cert is a path, or a path and that of the key")
        if max_connections < 1 or timeout <= 0 or connect_timeout <= 0 or retries < 0:
            raise ConfigError("timeouts are above 0 seconds, max_connections is at least 1, retries at least 0")
        base = url.rstrip("/")
        below = path.strip("/")
        self.address = f"{base}/{quote(below, safe=PLAIN)}" if below else base
        self.username = username
        self._password = Secret(password) if isinstance(password, str) else password
        self._token = Secret(token) if isinstance(token, str) else token
        self._cert = (cert,) if isinstance(cert, str) else tuple(cert or ())
        self._verify = verify_ssl
        self._ca_file = ca_file
        self._create = create
        self._timeout = timeout
        self._connect_timeout = connect_timeout
        self._max_connections = max_connections
        self._retries = retries

    def __repr__(self) -> str:
        who = f", username={self.username!r}" if self.username is not None else ""
        return f"WebDAVStore({self.address!r}{who})"

    @property
    def capabilities(self) -> Capabilities:
        """What works here."""
        return CAPABILITIES

    @property
    def identity(self) -> Identity:
        """The server, the collection, the user."""
        parts = urlsplit(self.address)
        service = f"webdav+{parts.scheme}://{parts.netloc.lower()}"
        return Identity(service=service, place=parts.path or "/", principal=self.username or "")

    def url(self, key: str) -> str | None:
        """Return the address of a key; reading it may need credentials."""
        return f"{self.address}/{quote(check_name(self, key), safe=PLAIN)}"

    def translate(self, error: Exception, what: str) -> HoldallError | None:
        """Return our error for one of httpx's. See `TreeStore.translate`."""
        try:
            import httpx  # noqa: PLC0415  # an extra
        except ImportError:
            return translate_os_error(error, what)
        if isinstance(error, httpx.TimeoutException):
            return StoreTimeoutError(f"no answer in time for {what}")
        if isinstance(error, httpx.HTTPError):
            cause: BaseException | None = error
            while cause is not None:
                found = translate_os_error(cause, what) if isinstance(cause, OSError) else None
                if found is not None and found.kind == "certificate":
                    return found
                cause = cause.__cause__ or cause.__context__
            words = unreached(str(error)) if isinstance(error, httpx.ConnectError) else type(error).__name__
            return UnavailableError(f"the storage could not be asked for {what}: {words}")
        return translate_os_error(error, what)

    def _make_tree(self) -> WebDAVTree:
        try:
            from holdall.drivers.webdav_client import DavClient, connected, proxy_of  # noqa: PLC0415  # httpx is an extra
            from holdall.drivers.webdav_tree import WebDAVTree  # noqa: PLC0415
        except ImportError as error:
            raise MissingExtraError('WebDAV needs a package: pip install "holdall[webdav]"', store=self) from error
        http = connected(
            username=self.username,
            password=None if self._password is None else self._password.reveal(),
            token=None if self._token is None else self._token.reveal(),
            tls=self._tls() if self.address.startswith("https:") else None,
            timeout=self._timeout,
            connect_timeout=self._connect_timeout,
            limit=self._max_connections,
            proxy=proxy_of(self.address),
        )
        client = DavClient(self.address, http, timeout=self._timeout, retries=self._retries)
        return WebDAVTree(client, create=self._create)

    def _tls(self) -> ssl.SSLContext:
        try:
            context = ssl.create_default_context(cafile=self._ca_file)
            if self._cert:
                context.load_cert_chain(*self._cert)
        except OSError as error:
            raise ConfigError(f"'cert' or 'ca_file' cannot be used: {error.strerror or error}", store=self) from error
        if not self._verify:
            context.check_hostname = False
            context.verify_mode = ssl.CERT_NONE
        return context
