"""Servers that show a directory: SFTP (OpenSSH), SMB (Samba), FTP with and without TLS (pyftpdlib), WebDAV (wsgidav)."""

from __future__ import annotations

import contextlib
import getpass
import importlib.util
import os
import shutil
import ssl
import sys
import uuid
from collections.abc import Generator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, Self

from holdall.testing.ground import LocalGround
from holdall.testing.servers.base import Server
from holdall.testing.servers.process import Process, ServerMissingError, free_port, launch, listens, program, run, wait_until

__all__ = ["FileServer", "Folder", "Ftpd", "FtpdImplicit", "FtpdStrict", "FtpdTls", "Samba", "Sshd", "WebDav"]


@dataclass(frozen=True, kw_only=True)
class FileServer(Server):
    """A server that shows a local directory.

    Attributes:
        host, port: Where it listens.
        user, password: Credentials; Sshd takes a key instead.
        files: The directory on this machine.
        top: How clients name that directory.
    """

    host: str = "127.0.0.1"
    port: int
    user: str = "user"
    password: str = "s3cret-passw0rd"  # noqa: S105  # of a throw-away server on loopback
    files: str
    top: str = "/"

    def again(self) -> Self:
        """End it and start it anew in the same directory: same files, same keys, another port."""
        for process in self.processes:
            process.stop()
        return self.start(Path(self.directory))

    @contextlib.contextmanager
    def folder(self) -> Generator[Folder]:
        """Make a folder of a new name for one test."""
        name = uuid.uuid4().hex[:16]
        root = Path(self.files) / name
        root.mkdir()
        try:
            yield Folder(server=self, path=f"{self.top.rstrip('/')}/{name}", root=str(root))
        finally:
            shutil.rmtree(root, ignore_errors=True)


@dataclass(frozen=True, kw_only=True)
class Folder:
    """A folder for one test.

    Attributes:
        server: Who shows it.
        path: Its path as clients name it.
        root: Its path on this machine.
    """

    server: FileServer
    path: str
    root: str

    @property
    def ground(self) -> LocalGround:
        """Raw access to it."""
        return LocalGround(self.root)


SSHD = """\
ListenAddress 127.0.0.1
Port {port}
HostKey {root}/host
AuthorizedKeysFile {root}/user.pub
StrictModes no
UsePAM no
PasswordAuthentication no
KbdInteractiveAuthentication no
PermitRootLogin prohibit-password
PidFile none
Subsystem sftp internal-sftp
MaxStartups 100
MaxSessions 100
"""


@dataclass(frozen=True, kw_only=True)
class Sshd(FileServer):
    """OpenSSH with SFTP, its own host key, login by key as the present user.

    Attributes:
        client_key: Path of the private key to log in with.
        known_hosts: Path of a known-hosts file with the host key.
    """

    name: ClassVar[str] = "sshd"
    client_key: str
    known_hosts: str

    @classmethod
    def start(cls, directory: Path) -> Self:
        """Start it. See `Server.start`."""
        hint = "apt-get install --no-install-recommends openssh-server"
        sshd, keygen = program("sshd", hint=hint), program("ssh-keygen", hint=hint)
        for key in ("host", "user"):
            if (directory / key).exists():  # it is started again
                continue
            run([keygen, "-q", "-t", "ed25519", "-N", "", "-C", "holdall test", "-f", str(directory / key)])
        files, port = directory / "files", free_port()
        files.mkdir(exist_ok=True)
        if os.geteuid() == 0:
            Path("/run/sshd").mkdir(exist_ok=True)  # sshd insists on its privilege separation directory
        conf = directory / "sshd_config"
        conf.write_text(SSHD.format(port=port, root=directory), encoding="utf-8")
        public = (directory / "host.pub").read_text(encoding="utf-8").split()
        known = directory / "known_hosts"
        known.write_text(f"[127.0.0.1]:{port} {public[0]} {public[1]}\n", encoding="utf-8")
        process = launch([sshd, "-D", "-e", "-f", str(conf)], name="sshd", directory=directory)
        wait_until(lambda: listens(port), process, what="sshd")
        return cls(
            directory=str(directory),
            processes=(process,),
            port=port,
            user=getpass.getuser(),
            password="",
            files=str(files),
            top=str(files),
            client_key=str(directory / "user"),
            known_hosts=str(known),
        )


SAMBA = """\
[global]
server role = standalone server
smb ports = {port}
interfaces = 127.0.0.1/8
bind interfaces only = yes
disable netbios = yes
server min protocol = SMB2
map to guest = never
passdb backend = tdbsam:{root}/state/passdb.tdb
private dir = {root}/state
lock directory = {root}/state
state directory = {root}/state
cache directory = {root}/state
pid directory = {root}/state
ncalrpc dir = {root}/state/ncalrpc
log level = 1
load printers = no
printing = bsd
printcap name = /dev/null
disable spoolss = yes
[{share}]
path = {root}/files
read only = no
mangled names = no
case sensitive = yes
preserve case = yes
"""


@dataclass(frozen=True, kw_only=True)
class Samba(FileServer):
    """Samba, one share, names told apart by case; login as the present user, who has to be root.

    Attributes:
        share: The share's name.
    """

    name: ClassVar[str] = "samba"
    share: str = "files"

    @classmethod
    def start(cls, directory: Path) -> Self:
        """Start it. See `Server.start`."""
        hint = "apt-get install --no-install-recommends samba"
        smbd, pdbedit = program("smbd", hint=hint), program("pdbedit", hint=hint)
        if os.geteuid() != 0:
            raise ServerMissingError("smbd takes other users' part: it has to be started by root")
        for name in ("files", "state/ncalrpc"):
            (directory / name).mkdir(parents=True, exist_ok=True)
        user, port, conf = getpass.getuser(), free_port(), directory / "smb.conf"
        conf.write_text(SAMBA.format(port=port, root=directory, share=cls.share), encoding="utf-8")
        run(
            [pdbedit, f"--configfile={conf}", "--password-from-stdin", "--create", "-u", user], given=f"{cls.password}\n" * 2
        )
        command = [smbd, "--foreground", "--no-process-group", "--debug-stdout", f"--configfile={conf}"]
        process = launch(command, name="samba", directory=directory)
        wait_until(lambda: listens(port), process, what="smbd")
        return cls(directory=str(directory), processes=(process,), port=port, user=user, files=str(directory / "files"))


def _python(directory: Path, script: str, arguments: Sequence[str], name: str, needs: Sequence[str], port: int) -> Process:
    """Start one of the server scripts beside this module."""
    absent = [module for module in needs if importlib.util.find_spec(module) is None]
    if absent:
        raise ServerMissingError(f"{name} needs Python packages: pip install {' '.join(absent)}")
    path = Path(__file__).with_name(script)
    process = launch([sys.executable, "-W", "ignore", str(path), *arguments], name=name, directory=directory)
    wait_until(lambda: listens(port), process, what=name)
    return process


@dataclass(frozen=True, kw_only=True)
class Ftpd(FileServer):
    """pyftpdlib, plain FTP."""

    name: ClassVar[str] = "ftpd"
    mode: ClassVar[str] = "plain"

    @classmethod
    def start(cls, directory: Path) -> Self:
        """Start it. See `Server.start`."""
        files, port = directory / "files", free_port()
        files.mkdir(exist_ok=True)
        cls._prepare(directory)
        arguments = [cls.mode, str(port), str(files), cls.user, cls.password, str(directory / "server.pem")]
        process = _python(directory, "ftp_main.py", arguments, cls.name, ["pyftpdlib"], port)
        return cls._made(directory, process, port)

    @classmethod
    def _prepare(cls, directory: Path) -> None:
        """Make what the server needs beside its files."""

    @classmethod
    def _made(cls, directory: Path, process: Process, port: int) -> Self:
        return cls(directory=str(directory), processes=(process,), port=port, files=str(directory / "files"))


@dataclass(frozen=True, kw_only=True)
class FtpdTls(Ftpd):
    """pyftpdlib with explicit TLS, required for login and data.

    Attributes:
        certificate: Path of the self-signed certificate (for 127.0.0.1 and localhost), to be trusted by clients.
    """

    name: ClassVar[str] = "ftpd-tls"
    mode: ClassVar[str] = "explicit"
    certificate: str

    @classmethod
    def _prepare(cls, directory: Path) -> None:
        if importlib.util.find_spec("OpenSSL") is None:
            raise ServerMissingError("FTP with TLS needs a Python package: pip install pyopenssl")
        certificate(directory)

    @classmethod
    def _made(cls, directory: Path, process: Process, port: int) -> Self:
        return cls(
            directory=str(directory),
            processes=(process,),
            port=port,
            files=str(directory / "files"),
            certificate=str(directory / "certificate.pem"),
        )

    def ssl_context(self) -> ssl.SSLContext:
        """Return a client's context that trusts this server."""
        return ssl.create_default_context(cafile=self.certificate)


@dataclass(frozen=True, kw_only=True)
class FtpdImplicit(FtpdTls):
    """pyftpdlib with implicit TLS: the connection begins with the handshake."""

    name: ClassVar[str] = "ftpd-implicit"
    mode: ClassVar[str] = "implicit"


@dataclass(frozen=True, kw_only=True)
class FtpdStrict(FtpdTls):
    """pyftpdlib with explicit TLS that takes data connections only of the control connection's session, as vsftpd does."""

    name: ClassVar[str] = "ftpd-strict"
    mode: ClassVar[str] = "strict"


@dataclass(frozen=True, kw_only=True)
class WebDav(FileServer):
    """wsgidav on cheroot, basic authentication."""

    name: ClassVar[str] = "webdav"

    @property
    def url(self) -> str:
        """Its root."""
        return f"http://{self.host}:{self.port}"

    @classmethod
    def start(cls, directory: Path) -> Self:
        """Start it. See `Server.start`."""
        files, port = directory / "files", free_port()
        files.mkdir(exist_ok=True)
        arguments = [str(port), str(files), cls.user, cls.password]
        process = _python(directory, "webdav_main.py", arguments, cls.name, ["wsgidav", "cheroot"], port)
        return cls(directory=str(directory), processes=(process,), port=port, files=str(files))


def certificate(directory: Path, *names: str) -> Path:
    """Make a self-signed certificate for loopback: ``certificate.pem``, ``key.pem``, and both in ``server.pem``.

    Returns:
        The path of the certificate.
    """
    openssl = program("openssl", hint="apt-get install openssl")
    made, key = directory / "certificate.pem", directory / "key.pem"
    subject = ",".join(["IP:127.0.0.1", "DNS:localhost", *(f"DNS:{name}" for name in names)])
    request = ["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "30"]
    about = ["-subj", "/CN=holdall test", "-addext", f"subjectAltName={subject}"]
    about += ["-addext", "basicConstraints=critical,CA:FALSE"]  # Rust's TLS takes no authority for a server
    run([openssl, *request, *about, "-keyout", str(key), "-out", str(made)])
    (directory / "server.pem").write_bytes(key.read_bytes() + made.read_bytes())
    return made
