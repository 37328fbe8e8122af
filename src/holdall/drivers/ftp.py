"""The FTP driver: a directory on an FTP server, plain or with TLS, through the standard library and a pool of connections."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from holdall.core.capabilities import Capabilities, Identity
from holdall.core.secrets import Secret
from holdall.drivers.os_errors import translate_os_error
from holdall.drivers.tree_store import TreeStore
from holdall.errors import (
    ConfigError,
    HoldallError,
    InvalidKeyError,
    NotFoundError,
    NotSupportedError,
    PermissionDeniedError,
    StorageFullError,
    UnauthenticatedError,
    UnavailableError,
)

if TYPE_CHECKING:
    from holdall.drivers.ftp_tree import FTPTree

__all__ = ["FTPStore"]

TLS = Literal["none", "explicit", "implicit"]

_CAPABILITIES = Capabilities(set_modified=True, rename=True, directories="real", symlinks=True)


class FTPStore(TreeStore):
    """Files on an FTP server.

    A write goes to a temporary name and is renamed over the old file. FTP has no exclusive creation and no conditions:
    ``create``, ``update`` and ``if_match`` are refused. Etags are made of time and size: weak ones.

    Args:
        host: The server.
        path: Base directory: absolute, or below the login directory.
        port: TCP port; 21, or 990 for implicit TLS, if ``None``.
        username: Whom to log in as.
        password: The password.
        tls: ``none``, ``explicit`` (``AUTH TLS``) or ``implicit``.
        verify: Check the server's certificate and name.
        ca_file: Certificates to trust, in place of the system's.
        active: Let the server connect back, in place of passive mode.
        encoding: Of names; UTF-8 is announced to servers that know it.
        create: Make the base directory if it is not there.
        timeout: Seconds without a byte or an answer.
        connect_timeout: Seconds that connecting may take.
        max_connections: How many connections at most; a result that is being read holds one.

    Example:
        >>> FTPStore("ftp.example.com", path="/pub", tls="explicit")
        FTPStore('ftp.example.com', path='/pub', username='anonymous', tls='explicit')
    """

    def __init__(
        self,
        host: str,
        *,
        path: str = "",
        port: int | None = None,
        username: str = "anonymous",
        password: str | Secret = "",
        tls: TLS = "none",
        verify: bool = True,
        ca_file: str | None = None,
        active: bool = False,
        encoding: str = "utf-8",
        create: bool = True,
        timeout: float = 30.0,
        connect_timeout: float = 5.0,
        max_connections: int = 4,
    ) -> None:
        super().__init__()
        if not host or "/" in host or "@" in host:
            raise ConfigError(f"an FTP host is a name or address, not {host!r}")
        if tls not in {"none", "explicit", "implicit"}:
            raise ConfigError(f"tls is 'none', 'explicit' or 'implicit', not {tls!r}")
        port = port if port is not None else 990 if tls == "implicit" else 21
        if not 0 < int(port) < 65536:
            raise ConfigError(f"a port is 1 to 65535, not {port}")
        if max_connections < 1 or timeout <= 0 or connect_timeout <= 0:
            raise ConfigError("timeouts are above 0 seconds, max_connections is at least 1")
        try:
            "".encode(encoding)
        except LookupError:
            raise ConfigError(f"there is no encoding {encoding!r}") from None
        self.host = host
        self.port = int(port)
        self.path = path
        self.username = username
        self.tls: TLS = tls
        self._password = Secret(password) if isinstance(password, str) else password
        self._verify = verify
        self._ca_file = ca_file
        self._active = active
        self._encoding = encoding
        self._create = create
        self._timeout = timeout
        self._connect_timeout = connect_timeout
        self._max_connections = max_connections

    def __repr__(self) -> str:
        shown = [repr(self.host)]
        shown += [f"path={self.path!r}"] * bool(self.path)
        shown += [f"username={self.username!r}"]
        shown += [f"port={self.port}"] * (self.port != (990 if self.tls == "implicit" else 21))
        shown += [f"tls={self.tls!r}"] * (self.tls != "none")
        return f"FTPStore({', '.join(shown)})"

    @property
    def capabilities(self) -> Capabilities:
        """What works here."""
        return _CAPABILITIES

    @property
    def identity(self) -> Identity:
        """The server, the base directory, the user."""
        path = self.path.strip("/")
        place = f"/{path}" if self.path.startswith("/") else path or "~"
        return Identity(service=f"ftp+{self.host.lower()}:{self.port}", place=place, principal=self.username)

    def refuses(self, path: str) -> str | None:
        """Return why FTP can have no such path. See `TreeStore.refuses`."""
        if "\n" in path or "\r" in path:
            return "FTP ends its commands at a line break"
        try:
            path.encode(self._encoding)
        except UnicodeEncodeError:
            return f"{self._encoding} cannot write it"
        return super().refuses(path)

    def translate(self, error: Exception, what: str) -> HoldallError | None:
        """Return our error for one of ftplib's. See `TreeStore.translate`."""
        import ftplib  # noqa: PLC0415  # the scheme that was asked for; not at import

        from holdall.drivers.ftp_pool import code_of  # noqa: PLC0415

        if not isinstance(error, ftplib.Error):
            return translate_os_error(error, what)
        code, said = code_of(error), str(error)[4:].strip()
        if code in {430, 530, 532}:
            return UnauthenticatedError(f"the server did not accept the login of {self.username!r}: {said}")
        if code in {452, 552}:
            return StorageFullError(f"no space left for {what}")
        if code == 553:
            return InvalidKeyError(f"the server takes no name like {what}: {said}")
        if code in {500, 501, 502, 503, 504}:
            return NotSupportedError(f"the server cannot do this to {what}: {said}")
        if code == 550:
            return NotFoundError(f"nothing at {what}") if "no such file" in said.lower() else self._forbidden(what, said)
        if 520 <= code < 540:  # 522, 534 and the like: what the server wants of TLS
            return self._forbidden(what, said)
        return UnavailableError(f"the storage could not be asked for {what}: {code or 'no'} {said}")

    def _forbidden(self, what: str, said: str) -> HoldallError:
        return PermissionDeniedError(f"no permission for {what}: {said}")

    def _make_tree(self) -> FTPTree:
        from holdall.drivers.ftp_pool import Account, FTPPool  # noqa: PLC0415  # ftplib and ssl are not loaded for nothing
        from holdall.drivers.ftp_tree import FTPTree  # noqa: PLC0415

        account = Account(
            host=self.host,
            port=self.port,
            username=self.username,
            password=self._password.reveal(),
            tls=self.tls,
            verify=self._verify,
            ca_file=self._ca_file,
            active=self._active,
            encoding=self._encoding,
            timeout=self._timeout,
            connect_timeout=self._connect_timeout,
        )
        return FTPTree(FTPPool(account, self._max_connections), self.path, create=self._create)
