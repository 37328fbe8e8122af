"""Connections to one FTP server (standard library): opened when needed, lent to one operation at a time, checked after idling.

TLS as servers want it today: the control connection is private before the login, data connections too (``PROT P``), and they
resume its session, as many servers demand.
"""

from __future__ import annotations

import ftplib
import socket
import ssl
import threading
import time
from collections.abc import Callable, Generator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import Any, Literal, TypeVar

from holdall.errors import ClosedError, HoldallError, UnavailableError

__all__ = ["LOST", "Account", "Connection", "FTPPool", "code_of"]

T = TypeVar("T")
IDLE = 30.0
"""Seconds after which a connection is asked whether it still lives."""
LOST = (EOFError, ConnectionError, ssl.SSLEOFError, ssl.SSLZeroReturnError)
"""What a broken control connection raises; `is_lost` knows the reply that means the same."""


@dataclass(frozen=True, kw_only=True)
class Account:
    """Whom to connect to, and as whom. Nothing here is shown."""

    host: str
    port: int
    username: str
    password: str = field(repr=False)
    tls: Literal["none", "explicit", "implicit"]
    verify: bool
    ca_file: str | None
    active: bool
    encoding: str
    timeout: float
    connect_timeout: float

    def context(self) -> ssl.SSLContext:
        """Return how TLS is spoken: certificate and host name checked unless told otherwise."""
        context = ssl.create_default_context(cafile=self.ca_file)
        if not self.verify:
            context.check_hostname = False
            context.verify_mode = ssl.CERT_NONE
        return context


class _PrivateFTP(ftplib.FTP_TLS):
    """`ftplib.FTP_TLS` with implicit TLS and with sessions resumed on data connections."""

    implicit = False

    def connect(self, host: str = "", port: int = 0, timeout: float = -999, source_address: Any = None) -> str:
        if not self.implicit:
            return super().connect(host, port, timeout, source_address)
        self.host, self.port, self.timeout = host, port, timeout
        plain = socket.create_connection((host, port), timeout)
        try:
            self.sock = self.context.wrap_socket(plain, server_hostname=host)
        except BaseException:
            plain.close()
            raise
        self.af = self.sock.family
        self.file = self.sock.makefile("r", encoding=self.encoding)
        self.welcome = self.getresp()
        return self.welcome

    def ntransfercmd(self, cmd: str, rest: int | str | None = None) -> tuple[socket.socket, int | None]:
        plain, size = ftplib.FTP.ntransfercmd(self, cmd, rest)  # noqa: S321  # the scheme that was asked for
        assert isinstance(self.sock, ssl.SSLSocket)
        try:
            private = self.context.wrap_socket(plain, server_hostname=self.host, session=self.sock.session)
        except BaseException:
            plain.close()
            raise
        return private, size


class Connection:
    """One login: the control connection and what the server said it can do.

    Attributes:
        features: Answers to ``FEAT``, upper case, by their first word.
        home: Working directory after the login.
    """

    def __init__(self, account: Account) -> None:
        self.account = account
        self.used = time.monotonic()
        self.broken = False
        if account.tls == "none":
            self.ftp = ftplib.FTP(encoding=account.encoding)  # noqa: S321  # the scheme that was asked for
        else:
            private = _PrivateFTP(context=account.context(), encoding=account.encoding)
            private.implicit = account.tls == "implicit"
            self.ftp = private
        try:
            self._log_in()
        except BaseException:
            self.ftp.close()
            raise

    def _log_in(self) -> None:
        account, ftp = self.account, self.ftp
        ftp.connect(account.host, account.port, timeout=account.connect_timeout)
        assert ftp.sock is not None
        ftp.sock.settimeout(account.timeout)
        ftp.timeout = account.timeout
        ftp.set_pasv(not account.active)
        if isinstance(ftp, _PrivateFTP):
            if not ftp.implicit:
                ftp.auth()
            ftplib.FTP.login(ftp, account.username, account.password)  # noqa: S321  # TLS is on already
            ftp.prot_p()
        else:
            ftp.login(account.username, account.password)
        self.features: dict[str, str] = {}
        with suppress(ftplib.error_perm):
            for line in ftp.sendcmd("FEAT").splitlines()[1:-1]:
                name, _, rest = line.strip().upper().partition(" ")
                self.features[name] = rest
        if "UTF8" in self.features and account.encoding.replace("-", "").lower() == "utf8":
            with suppress(ftplib.error_perm):
                ftp.sendcmd("OPTS UTF8 ON")
        ftp.voidcmd("TYPE I")
        self.home = ftp.pwd()

    @contextmanager
    def transfer(self, command: str, start: int = 0) -> Generator[socket.socket]:
        """Open a data connection; leave only after all was moved: the server's last word is awaited."""
        data = self.ftp.transfercmd(command, start or None)
        data.settimeout(self.account.timeout)
        try:
            yield data
        except BaseException:
            self.broken = True
            data.close()
            raise
        self.finish(data)

    def lines(self, command: str) -> list[str]:
        """Return a list that the server sends; ftplib's own way would leave the connection in text mode."""
        text = bytearray()
        with self.transfer(command) as data:
            while block := data.recv(64 * 1024):
                text += block
        found = text.decode(self.account.encoding, "surrogateescape")
        # RFC 959 ends lines with CR LF, so that a name may hold LF; some servers know LF alone
        return [line for line in found.split("\r\n" if "\r\n" in found else "\n") if line]

    def finish(self, data: socket.socket) -> None:
        """Close a data connection and hear whether everything arrived."""
        try:
            if isinstance(data, ssl.SSLSocket):
                with suppress(OSError):
                    data.unwrap()
        finally:
            data.close()
        self.ftp.voidresp()

    def close(self) -> None:
        """Say goodbye, if the server listens."""
        with suppress(Exception):
            if not self.broken:
                assert self.ftp.sock is not None
                self.ftp.sock.settimeout(1.0)
                self.ftp.quit()
        self.ftp.close()


class FTPPool:
    """The connections to one server; at most ``limit``, each lent to one operation at a time."""

    def __init__(self, account: Account, limit: int) -> None:
        self.account = account
        self.limit = limit
        self._free: list[Connection] = []
        self._lent = 0
        self._changed = threading.Condition()
        self._closed = False

    def acquire(self) -> Connection:
        """Return a connection that works, to be given back by `release`.

        Raises:
            UnavailableError: All are busy, and stay so for the timeout.
        """
        while True:
            connection = self._take()
            if connection is None:
                try:
                    return Connection(self.account)
                except BaseException:
                    self._count(-1)
                    raise
            if time.monotonic() - connection.used < IDLE or self._alive(connection):
                return connection
            connection.broken = True
            self.release(connection)

    def release(self, connection: Connection) -> None:
        """Give a connection back; a broken one is closed."""
        connection.used = time.monotonic()
        keep = not connection.broken and not self._closed
        if not keep:
            connection.close()
        with self._changed:
            self._lent -= 1
            if keep:
                self._free.append(connection)
            self._changed.notify()

    @contextmanager
    def lent(self) -> Generator[Connection]:
        """Lend a connection for a while; what breaks it makes it unfit for others."""
        connection = self.acquire()
        try:
            yield connection
        except HoldallError:
            raise
        except Exception as error:
            connection.broken = connection.broken or is_lost(error) or isinstance(error, OSError)
            raise
        except BaseException:
            connection.broken = True
            raise
        finally:
            self.release(connection)

    def call(self, operation: Callable[[Connection], T]) -> T:
        """Run an operation on some connection; if it is lost, once more on a new one."""
        try:
            with self.lent() as connection:
                return operation(connection)
        except Exception as error:
            if not is_lost(error):
                raise
            self.mistrust()
        with self.lent() as connection:
            return operation(connection)

    def mistrust(self) -> None:
        """Have all free connections checked before use: what broke one may have broken all."""
        with self._changed:
            for connection in self._free:
                connection.used = float("-inf")

    def close(self) -> None:
        """Close what is free now, and what is lent when it comes back."""
        with self._changed:
            self._closed = True
            free, self._free = self._free, []
            self._changed.notify_all()
        for connection in free:
            connection.close()

    def _take(self) -> Connection | None:
        """Return a free connection, or ``None`` for leave to open one."""
        with self._changed:
            if not self._changed.wait_for(
                lambda: self._closed or self._free or self._lent < self.limit, self.account.timeout
            ):
                raise UnavailableError(
                    f"all {self.limit} connections are busy: close results that are not read to their end"
                )
            if self._closed:
                raise ClosedError("the store is closed")
            self._lent += 1
            return self._free.pop() if self._free else None

    def _count(self, change: int) -> None:
        with self._changed:
            self._lent += change
            self._changed.notify()

    def _alive(self, connection: Connection) -> bool:
        assert connection.ftp.sock is not None
        try:
            connection.ftp.sock.settimeout(self.account.connect_timeout)
            connection.ftp.voidcmd("NOOP")
            connection.ftp.sock.settimeout(self.account.timeout)
        except (OSError, EOFError, ftplib.Error):
            return False
        return True


def code_of(error: BaseException) -> int:
    """Return the reply code of one of ftplib's errors, 0 if there is none.

    Example:
        >>> code_of(ftplib.error_perm("550 No such file."))
        550
    """
    text = str(error)[:3]
    return int(text) if isinstance(error, ftplib.Error) and text.isdigit() else 0


def is_lost(error: BaseException) -> bool:
    """Tell whether the control connection is of no use any more (421 is the server's goodbye).

    Example:
        >>> is_lost(ftplib.error_temp("421 Idle timeout.")), is_lost(ftplib.error_perm("550 No."))
        (True, False)
    """
    return isinstance(error, LOST) or code_of(error) == 421 or isinstance(error, ftplib.error_proto)
