"""The SFTP driver: a directory on an SSH server, through asyncssh.

Both colours share one pool of connections on fsspec's I/O loop; design record 0004 says why it is neither paramiko nor
sshfs. Needs ``pip install "holdall[sftp]"``.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from holdall.core.capabilities import Capabilities, Identity
from holdall.core.secrets import Secret
from holdall.drivers.os_errors import translate_os_error
from holdall.drivers.tree_store import TreeStore
from holdall.errors import (
    AlreadyExistsError,
    ConfigError,
    HoldallError,
    InvalidKeyError,
    IsDirectoryError,
    MissingExtraError,
    NotDirectoryError,
    NotFoundError,
    NotSupportedError,
    PermissionDeniedError,
    StorageFullError,
    UnauthenticatedError,
    UnavailableError,
)

if TYPE_CHECKING:
    from holdall.drivers.sftp_tree import SFTPTree

__all__ = ["SFTPStore"]

_CAPABILITIES = Capabilities(
    create=True,
    large_conditional=True,
    set_modified=True,
    copy=True,
    rename=True,
    directories="real",
    symlinks=True,
)


class SFTPStore(TreeStore):
    """Files on an SFTP server.

    A write replaces the old file at once; ``create`` has one winner. Etags are made of time and size, whose seconds are
    whole: they are weak, so conditions by etag are refused. Symbolic links are followed inside the base directory only.

    Args:
        host: The server.
        path: Base directory: absolute, or below the login directory (``~/x`` too).
        username: Whom to log in as; the present user if ``None``.
        port: TCP port.
        password: A password, also tried after the keys.
        key_filename: Private key file, or several; without key and password, those in ``~/.ssh`` are tried.
        passphrase: Of the private key.
        known_hosts: A known-hosts file; ``()`` is ``~/.ssh/known_hosts``; ``None`` accepts any host.
        host_key: The ``SHA256:…`` fingerprint to accept, in place of known hosts.
        agent: Ask the SSH agent for keys too.
        create: Make the base directory if it is not there.
        timeout: Seconds that one request (at most 1 MiB) may take.
        connect_timeout: Seconds that connecting may take.
        max_connections: How many connections at most.

    Example:
        >>> SFTPStore("files.example.com", path="/srv/data", username="joe", password="secret")
        SFTPStore('files.example.com', path='/srv/data', username='joe')
    """

    def __init__(
        self,
        host: str,
        *,
        path: str = "",
        username: str | None = None,
        port: int = 22,
        password: str | Secret | None = None,
        key_filename: str | Sequence[str] | None = None,
        passphrase: str | Secret | None = None,
        known_hosts: str | bytes | tuple[()] | None = (),
        host_key: str | None = None,
        agent: bool = False,
        create: bool = True,
        timeout: float = 30.0,
        connect_timeout: float = 5.0,
        max_connections: int = 8,
    ) -> None:
        super().__init__()
        if not host or "/" in host or "@" in host:
            raise ConfigError(f"an SFTP host is a name or address, not {host!r}")
        if not 0 < int(port) < 65536:
            raise ConfigError(f"a port is 1 to 65535, not {port}")
        if host_key is not None and not host_key.startswith("SHA256:"):
            raise ConfigError("host_key is a fingerprint that starts with 'SHA256:' (ssh-keygen -l shows it)")
        if max_connections < 1 or timeout <= 0 or connect_timeout <= 0:
            raise ConfigError("timeouts are above 0 seconds, max_connections is at least 1")
        self.host = host
        self.port = int(port)
        self.path = path.removeprefix("~/") if path != "~" else ""
        self.username = username
        self._password = _secret(password)
        self._passphrase = _secret(passphrase)
        self._keys = (key_filename,) if isinstance(key_filename, str) else tuple(key_filename or ())
        self._known_hosts = known_hosts
        self._host_key = host_key
        self._agent = agent
        self._create = create
        self._timeout = timeout
        self._connect_timeout = connect_timeout
        self._max_connections = max_connections

    def __repr__(self) -> str:
        shown = [repr(self.host)]
        shown += [f"path={self.path!r}"] * bool(self.path)
        shown += [f"username={self.username!r}"] * (self.username is not None)
        shown += [f"port={self.port}"] * (self.port != 22)
        return f"SFTPStore({', '.join(shown)})"

    @property
    def capabilities(self) -> Capabilities:
        """What works here."""
        return _CAPABILITIES

    @property
    def identity(self) -> Identity:
        """The server, the base directory, the user."""
        path = self.path.strip("/")
        place = f"/{path}" if self.path.startswith("/") else path or "~"
        return Identity(service=f"sftp+{self.host.lower()}:{self.port}", place=place, principal=self.username or "")

    def translate(self, error: Exception, what: str) -> HoldallError | None:
        """Return our error for one of asyncssh's. See `TreeStore.translate`."""
        try:
            import asyncssh  # noqa: PLC0415  # an extra
            from asyncssh import sftp  # noqa: PLC0415
        except ImportError:
            return translate_os_error(error, what)
        if isinstance(error, sftp.SFTPError):
            for kinds, made in (
                ((sftp.SFTPNoSuchFile, sftp.SFTPNoSuchPath), NotFoundError(f"nothing at {what}")),
                ((sftp.SFTPPermissionDenied, sftp.SFTPWriteProtect), PermissionDeniedError(f"no permission for {what}")),
                ((sftp.SFTPFileAlreadyExists,), AlreadyExistsError(f"{what} already exists")),
                ((sftp.SFTPNoSpaceOnFilesystem, sftp.SFTPQuotaExceeded), StorageFullError(f"no space left for {what}")),
                ((sftp.SFTPNotADirectory,), NotDirectoryError(f"a file stands where {what} needs a directory")),
                ((sftp.SFTPFileIsADirectory,), IsDirectoryError(f"a directory stands at {what}")),
                ((sftp.SFTPDirNotEmpty,), IsDirectoryError(f"the directory {what} is not empty")),
                ((sftp.SFTPInvalidFilename,), InvalidKeyError(f"the server takes no name like {what}")),
                ((sftp.SFTPOpUnsupported,), NotSupportedError(f"the server cannot do this to {what}")),
                ((sftp.SFTPConnectionLost, sftp.SFTPNoConnection), UnavailableError(f"the connection broke at {what}")),
            ):
                if isinstance(error, kinds):
                    return made
            return HoldallError(f"the server failed at {what}: {error.reason}", kind="storage")
        if isinstance(error, asyncssh.PermissionDenied):
            return UnauthenticatedError(f"the server did not accept the login of {self.username or 'the present user'!r}")
        if isinstance(error, asyncssh.HostKeyNotVerifiable):
            return self._unknown_host()
        if isinstance(error, asyncssh.Error):
            return UnavailableError(f"the storage could not be asked for {what}: {type(error).__name__}")
        return translate_os_error(error, what)

    def _unknown_host(self) -> HoldallError:
        tree = self._tree
        shown = getattr(tree, "fingerprint", None)
        seen = f" It shows {shown}." if shown else ""
        if self._host_key is not None:
            why = f"the server's key is not the one given as host_key.{seen}"
        else:
            why = f"the server's key is not among the known hosts.{seen} If it is the right one, give it as host_key, or known_hosts"
        return PermissionDeniedError(f"{self.host}: {why}", kind="host_key")

    def _make_tree(self) -> SFTPTree:
        try:
            from holdall.drivers.sftp_pool import Login, SFTPPool  # noqa: PLC0415  # asyncssh is an extra
            from holdall.drivers.sftp_tree import SFTPTree  # noqa: PLC0415
        except ImportError as error:
            raise MissingExtraError('SFTP needs a package: pip install "holdall[sftp]"', store=self) from error
        login = Login(
            host=self.host,
            port=self.port,
            username=self.username,
            password=None if self._password is None else self._password.reveal(),
            keys=self._keys,
            passphrase=None if self._passphrase is None else self._passphrase.reveal(),
            known_hosts=self._known_hosts,
            host_key=self._host_key,
            agent=self._agent,
            connect_timeout=self._connect_timeout,
        )

        def make_pool() -> SFTPPool:
            return SFTPPool(login, limit=self._max_connections, timeout=self._timeout)

        return SFTPTree(make_pool, self.path, create=self._create)


def _secret(value: str | Secret | None) -> Secret | None:
    return Secret(value) if isinstance(value, str) else value
