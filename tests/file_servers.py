"""SFTP, SMB, FTP and WebDAV servers of a test's own, each behind a proxy that injects faults, and stores over them."""

import contextlib
from pathlib import Path

from fsspec.asyn import sync
from fsspec.exceptions import FSTimeoutError
from sshfs import SSHFileSystem

from holdall.drivers.fsspec import FsspecStore
from holdall.drivers.ftp import FTPStore
from holdall.drivers.sftp import SFTPStore
from holdall.drivers.smb import SMBStore
from holdall.drivers.webdav import WebDAVStore
from holdall.testing import FaultProxy
from holdall.testing.servers import Ftpd, FtpdImplicit, FtpdStrict, FtpdTls, Samba, Sshd, WebDav

KINDS = {
    "sftp": Sshd,
    "smb": Samba,
    "ftp": Ftpd,
    "ftps": FtpdTls,
    "ftps-implicit": FtpdImplicit,
    "ftps-strict": FtpdStrict,
    "webdav": WebDav,
}
PATIENCE = {"timeout": 30.0, "connect_timeout": 20.0}


class Served:
    """One server of a kind, which can be ended and started again behind a port that stays."""

    def __init__(self, kind, server, proxy):
        self.kind = kind
        self.server = server
        self.proxy = proxy

    @property
    def files(self) -> Path:
        """The directory that it shows."""
        return Path(self.server.files)

    @property
    def secret(self) -> str:
        """What must never be shown."""
        return self.server.password or Path(self.server.client_key).read_text(encoding="utf-8").splitlines()[1]

    def arguments(self, folder="", *, direct=False, **options):
        """Return class, address and options of a store over a folder."""
        server, port = self.server, self.server.port if direct else self.proxy.port
        path = f"{server.top.rstrip('/')}/{folder}"
        login = {"path": path, "port": port, "username": server.user}
        if self.kind == "sftp":
            keyed = {"key_filename": server.client_key, "known_hosts": None}  # they know the server by its own port
            return SFTPStore, "127.0.0.1", {**login, **keyed, **PATIENCE, **options}
        login["password"] = server.password
        if self.kind == "smb":
            return SMBStore, "127.0.0.1", {**login, "share": server.share, **PATIENCE, **options}
        if self.kind == "webdav":
            del login["port"]
            return WebDAVStore, f"http://127.0.0.1:{port}", {**login, "path": folder, **PATIENCE, **options}
        if self.kind != "ftp":
            login |= {"tls": "implicit" if self.kind == "ftps-implicit" else "explicit", "ca_file": server.certificate}
        return FTPStore, "127.0.0.1", {**login, **PATIENCE, **options}

    def store(self, folder="", **options):
        """Make a store over a folder."""
        made, address, named = self.arguments(folder, **options)
        return made(address, **named)

    def stop(self):
        """End the server of the moment."""
        self.server.stop()

    def restart(self):
        """End the server, and whatever is connected, and start it anew."""
        self.proxy.down()
        self.server = self.server.again()
        self.proxy.upstream = ("127.0.0.1", self.server.port)
        self.proxy.up()


@contextlib.contextmanager
def ssh_filesystem(**options):
    """Make an instance of sshfs, and close it: collected later, it would close in a loop that is not its own, and hang that."""
    fs = SSHFileSystem(**options, skip_instance_cache=True)
    try:
        yield fs
    finally:
        _disconnect(fs)


@contextlib.contextmanager
def over_sshfs(path, **options):
    """Make a store over an sshfs instance of its own."""
    with ssh_filesystem(**options) as fs:
        with FsspecStore(fs, path=path) as store:
            yield store
        if store.fs is not fs:  # it lost its connection
            _disconnect(store.fs)


def _disconnect(fs):
    async def close():
        await fs._pool.close()
        await fs._stack.aclose()

    with contextlib.suppress(FSTimeoutError):
        sync(fs.loop, close, timeout=20)


@contextlib.contextmanager
def serving(kind):
    """Run a server of a kind for a while."""
    with contextlib.ExitStack() as stack:
        served = Served(kind, KINDS[kind].begin(), None)
        stack.callback(served.stop)
        served.proxy = stack.enter_context(FaultProxy(("127.0.0.1", served.server.port), http=False))
        yield served
