"""The SMB driver: a directory of a Windows or Samba share, through smbprotocol (SMB 2 and 3).

Needs ``pip install "holdall[smb]"``. Design record 0004 says why it is not fsspec's filesystem.
"""

from __future__ import annotations

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
    StoreTimeoutError,
    UnauthenticatedError,
    UnavailableError,
)

if TYPE_CHECKING:
    from holdall.drivers.smb_tree import SMBTree

__all__ = ["SMBStore"]

_CAPABILITIES = Capabilities(create=True, large_conditional=True, set_modified=True, rename=True, directories="real")
_FORBIDDEN = frozenset('\\:*?"<>|') | {chr(code) for code in range(32)}

_MEANING: dict[int, type[HoldallError]] = {
    0xC0000034: NotFoundError,  # STATUS_OBJECT_NAME_NOT_FOUND
    0xC000003A: NotFoundError,  # STATUS_OBJECT_PATH_NOT_FOUND
    0xC000000F: NotFoundError,  # STATUS_NO_SUCH_FILE
    0xC0000225: NotFoundError,  # STATUS_NOT_FOUND
    0xC0000056: NotFoundError,  # STATUS_DELETE_PENDING
    0xC0000035: AlreadyExistsError,  # STATUS_OBJECT_NAME_COLLISION
    0xC0000022: PermissionDeniedError,  # STATUS_ACCESS_DENIED
    0xC00000A2: PermissionDeniedError,  # STATUS_MEDIA_WRITE_PROTECTED
    0xC0000061: PermissionDeniedError,  # STATUS_PRIVILEGE_NOT_HELD
    0xC000007F: StorageFullError,  # STATUS_DISK_FULL
    0xC0000044: StorageFullError,  # STATUS_QUOTA_EXCEEDED
    0xC0000033: InvalidKeyError,  # STATUS_OBJECT_NAME_INVALID
    0xC0000039: InvalidKeyError,  # STATUS_OBJECT_PATH_INVALID
    0xC000003B: InvalidKeyError,  # STATUS_OBJECT_PATH_SYNTAX_BAD
    0x8000002D: InvalidKeyError,  # STATUS_STOPPED_ON_SYMLINK: it may lead out
    0xC00000BA: IsDirectoryError,  # STATUS_FILE_IS_A_DIRECTORY
    0xC0000101: IsDirectoryError,  # STATUS_DIRECTORY_NOT_EMPTY
    0xC0000103: NotDirectoryError,  # STATUS_NOT_A_DIRECTORY
    0xC00000BB: NotSupportedError,  # STATUS_NOT_SUPPORTED
    0xC000006D: UnauthenticatedError,  # STATUS_LOGON_FAILURE
    0xC000006A: UnauthenticatedError,  # STATUS_WRONG_PASSWORD
    0xC0000071: UnauthenticatedError,  # STATUS_PASSWORD_EXPIRED
    0xC00000B5: StoreTimeoutError,  # STATUS_IO_TIMEOUT
}


class SMBStore(TreeStore):
    r"""Files on a share.

    A write replaces the old file at once; ``create`` has one winner. Etags are made of time and size: they are weak, so
    conditions by etag are refused. Names are those of Windows: no ``\ : * ? " < > |``, none that ends with a dot or a space;
    whether ``A`` and ``a`` are two names, the server says. The client follows no symbolic link.

    Args:
        host: The server.
        share: The share.
        path: Directory within the share.
        username: Whom to log in as; with a domain, ``domain`` too. Without one, Kerberos' or the system's own login.
        password: The password.
        domain: Domain or workgroup of the user.
        port: TCP port.
        encrypt: Insist on encryption (SMB 3). Requests are signed in any case.
        create: Make the directory if it is not there.
        timeout: Seconds that one request (at most a few MiB) may take.
        connect_timeout: Seconds that connecting may take.
        max_connections: How many connections at most.

    Example:
        >>> SMBStore("files.example.com", "team", path="reports", username="joe", password="secret")
        SMBStore('files.example.com', 'team', path='reports', username='joe')
    """

    def __init__(
        self,
        host: str,
        share: str,
        *,
        path: str = "",
        username: str | None = None,
        password: str | Secret | None = None,
        domain: str | None = None,
        port: int = 445,
        encrypt: bool = False,
        create: bool = True,
        timeout: float = 30.0,
        connect_timeout: float = 5.0,
        max_connections: int = 4,
    ) -> None:
        super().__init__()
        if not host or any(c in host for c in "/\\@"):
            raise ConfigError(f"an SMB host is a name or address, not {host!r}")
        share = share.strip("/")
        if not share or "/" in share or _FORBIDDEN & set(share):
            raise ConfigError(f"'share' is one name; what is below it goes into 'path': {share!r}")
        if not 0 < int(port) < 65536:
            raise ConfigError(f"a port is 1 to 65535, not {port}")
        if max_connections < 1 or timeout <= 0 or connect_timeout <= 0:
            raise ConfigError("timeouts are above 0 seconds, max_connections is at least 1")
        self.host = host
        self.share = share
        self.path = path.strip("/")
        if self.path and (why := self.refuses(self.path)):
            raise ConfigError(f"there is no directory {path!r} on a share: {why}")
        self.username = f"{domain}\\{username}" if domain and username else username
        self.port = int(port)
        self._password = Secret(password) if isinstance(password, str) else password
        self._encrypt = encrypt
        self._create = create
        self._timeout = timeout
        self._connect_timeout = connect_timeout
        self._max_connections = max_connections

    def __repr__(self) -> str:
        shown = [repr(self.host), repr(self.share)]
        shown += [f"path={self.path!r}"] * bool(self.path)
        shown += [f"username={self.username!r}"] * (self.username is not None)
        shown += [f"port={self.port}"] * (self.port != 445)
        return f"SMBStore({', '.join(shown)})"

    @property
    def capabilities(self) -> Capabilities:
        """What works here."""
        return _CAPABILITIES

    @property
    def identity(self) -> Identity:
        """The server, share and directory, the user."""
        place = f"/{self.share.lower()}/{self.path}".rstrip("/")
        return Identity(service=f"smb+{self.host.lower()}:{self.port}", place=place, principal=self.username or "")

    def refuses(self, path: str) -> str | None:
        """Return why a share can have no such path. See `TreeStore.refuses`."""
        found = sorted(_FORBIDDEN & set(path))
        if found:
            return f"SMB has no names with {found[0]!r}"
        segments = path.split("/")
        if any(segment.endswith((".", " ")) for segment in segments):
            return "Windows drops a dot or space at the end of a name"
        if any(len(segment.encode("utf-16-le", "surrogatepass")) > 510 for segment in segments):
            return "a name on a share has at most 255 characters"
        return super().refuses(path)

    def translate(self, error: Exception, what: str) -> HoldallError | None:
        """Return our error for one of smbprotocol's. See `TreeStore.translate`."""
        status = getattr(error, "ntstatus", None) or getattr(error, "status", None)
        if isinstance(status, int):
            made = _MEANING.get(status)
            if made is UnauthenticatedError:
                return UnauthenticatedError(
                    f"the server did not accept the login of {self.username or 'the present user'!r}"
                )
            if made is not None:
                return made(f"{_SAID[made]} {what}")
            if status == 0xC00000CC:  # STATUS_BAD_NETWORK_NAME
                return ConfigError(f"the server has no share {self.share!r}")
            if status == 0xC0000043:  # STATUS_SHARING_VIOLATION
                return UnavailableError(f"another program uses {what}, and lets nobody else")
            return UnavailableError(f"the storage could not be asked for {what}: NTSTATUS {status & 0xFFFFFFFF:#010x}")
        if type(error).__module__.partition(".")[0] in {"smbprotocol", "spnego"}:
            if type(error).__name__ == "SMBAuthenticationError" or type(error).__module__.startswith("spnego"):
                return UnauthenticatedError(
                    f"the server did not accept the login of {self.username or 'the present user'!r}"
                )
            if "timeout" in str(error):
                return StoreTimeoutError(f"no answer in time for {what}")
            return UnavailableError(f"the storage could not be asked for {what}: {type(error).__name__}")
        return translate_os_error(error, what)

    def _make_tree(self) -> SMBTree:
        try:
            from holdall.drivers.smb_pool import Account, SMBPool  # noqa: PLC0415  # smbprotocol is an extra
            from holdall.drivers.smb_tree import SMBTree  # noqa: PLC0415
        except ImportError as error:
            raise MissingExtraError('SMB needs a package: pip install "holdall[smb]"', store=self) from error
        account = Account(
            host=self.host,
            share=self.share,
            port=self.port,
            username=self.username,
            password=None if self._password is None else self._password.reveal(),
            encrypt=self._encrypt,
            timeout=self._timeout,
            connect_timeout=self._connect_timeout,
        )
        return SMBTree(SMBPool(account, self._max_connections), self.path, create=self._create)


_SAID: dict[type[HoldallError], str] = {
    NotFoundError: "nothing at",
    AlreadyExistsError: "something is already at",
    PermissionDeniedError: "no permission for",
    StorageFullError: "no space left for",
    InvalidKeyError: "the share takes no name like",
    IsDirectoryError: "a directory that is not empty, or no file, stands at",
    NotDirectoryError: "a file stands where a directory is needed:",
    NotSupportedError: "the server cannot do this to",
    StoreTimeoutError: "no answer in time for",
}
