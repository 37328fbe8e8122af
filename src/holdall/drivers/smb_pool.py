"""Connections to an SMB server: at most a few, each lent to one operation at a time.

smbclient keeps sessions by server for the whole process, whoever logged in, waits for answers without end, and follows
symbolic links by itself. Each connection here has a table of its own, a timeout, and follows none.
"""

from __future__ import annotations

import socket
import struct
import threading
import uuid
from collections.abc import Callable, Generator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import Any, TypeVar

from smbclient._pool import get_smb_tree
from smbprotocol.connection import Connection
from smbprotocol.exceptions import SMBConnectionClosed, SMBException, SMBResponseException

from holdall.errors import ClosedError, HoldallError, StoreTimeoutError, UnavailableError

__all__ = ["LOST", "Account", "Link", "SMBPool", "is_lost"]

T = TypeVar("T")
LOST = (SMBConnectionClosed, ConnectionError, EOFError, BlockingIOError, TimeoutError)
"""What a connection that is of no use any more raises."""
_ENDED = {0xC0000203, 0xC000035C, 0xC00000C9}  # user session deleted, network session expired, network name deleted


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """Where to connect, and as whom."""

    host: str
    share: str
    port: int
    username: str | None
    password: str | None = field(repr=False)
    encrypt: bool
    timeout: float
    connect_timeout: float


class _Patient(Connection):  # type: ignore[misc]  # untyped
    """A connection on which no answer is waited for without end, and the server's symbolic links are not followed."""

    patience: float = 30.0

    def receive(self, request: Any, wait: bool = True, timeout: float | None = None, resolve_symlinks: bool = True) -> Any:
        del resolve_symlinks
        return super().receive(request, wait, self.patience if timeout is None else timeout, resolve_symlinks=False)


class _One(dict[str, Any]):
    """smbclient's table of connections, with one in it; smbclient would quietly put a new one in place of one that broke."""

    def get(self, key: str, default: Any = None) -> Any:
        connection = super().get(key, default)
        if connection.transport is None or not connection.transport.connected:
            raise SMBConnectionClosed("the connection broke")
        return connection


class Link:
    """One connection, logged in, with the share open."""

    def __init__(self, account: Account) -> None:
        self._account = account
        self._connection: Any = _Patient(uuid.uuid4(), account.host, account.port)
        self._connection.patience = account.connect_timeout
        self.options: dict[str, Any] = {
            "username": account.username,
            "password": account.password,
            "port": account.port,
            "encrypt": account.encrypt or None,
            "connection_cache": _One({f"{account.host.lower()}:{account.port}": self._connection}),
        }
        try:
            try:
                self._connection.connect(timeout=account.connect_timeout)
            except ValueError as error:  # smbprotocol's wrapping of an OSError
                if isinstance(error.__context__, OSError):
                    raise _unreachable(error.__context__) from None
                raise
            seconds = struct.pack("ll", int(account.timeout) + 1, 0)
            self._connection.transport._sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, seconds)
            self._tree = get_smb_tree(f"\\\\{account.host}\\{account.share}", **self.options)[0]
        except BaseException as error:
            broke = _broke(error, self)
            self.close()
            if broke is not None:
                raise broke from error
            raise
        self._connection.patience = account.timeout

    @property
    def alive(self) -> bool:
        """Whether the connection stands, as far as this side knows."""
        transport = self._connection.transport
        return bool(transport is not None and transport.connected and self._connection._t_exc is None)

    def close(self) -> None:
        """Hang up; handles and locks of it end with it."""
        with suppress(Exception):
            if self._connection.transport is not None:
                self._connection.disconnect(close=False)


def _broke(error: BaseException, link: Link) -> SMBConnectionClosed | None:
    """Return the error for whatever smbprotocol's thread or a closed socket raised when the connection broke."""
    told = isinstance(error, (HoldallError, SMBException)) or not isinstance(error, Exception)
    return None if told or link.alive else SMBConnectionClosed(f"the connection broke: {type(error).__name__}")


def _unreachable(error: OSError) -> UnavailableError:
    if isinstance(error, TimeoutError):
        return StoreTimeoutError("the server does not answer")
    return UnavailableError(f"the server cannot be reached: {error.strerror or type(error).__name__}")


class SMBPool:
    """The connections to one server; at most ``limit``, each lent to one operation at a time."""

    def __init__(self, account: Account, limit: int) -> None:
        self.account = account
        self.limit = limit
        self._free: list[Link] = []
        self._lent = 0
        self._changed = threading.Condition()
        self._closed = False

    @contextmanager
    def lent(self) -> Generator[Link]:
        """Lend a connection for a while; one that broke is closed.

        Raises:
            UnavailableError: All are busy, and stay so for the timeout.
        """
        link = self._take()
        try:
            if link is None:
                link = Link(self.account)
            try:
                yield link
            except BaseException as error:
                broke = _broke(error, link)
                if broke is not None or is_lost(error) or not isinstance(error, Exception):
                    link.close()
                if broke is not None:
                    raise broke from error
                raise
        finally:
            keep = link is not None and link.alive and not self._closed
            with self._changed:
                self._lent -= 1
                if keep and link is not None:
                    self._free.append(link)
                self._changed.notify()
            if link is not None and not keep:
                link.close()

    def call(self, operation: Callable[[Link], T]) -> T:
        """Run an operation that may be run twice; if its connection is lost, once more on a new one."""
        try:
            with self.lent() as link:
                return operation(link)
        except Exception as error:
            if not is_lost(error) or isinstance(error, TimeoutError) or "timeout" in str(error):
                raise
        with self._changed:
            old, self._free = self._free, []
        for link in old:  # what broke one broke all, most likely
            link.close()
        with self.lent() as link:
            return operation(link)

    def close(self) -> None:
        """Close what is free now, and what is lent when it comes back."""
        with self._changed:
            self._closed = True
            free, self._free = self._free, []
            self._changed.notify_all()
        for link in free:
            link.close()

    def _take(self) -> Link | None:
        """Return a free connection that stands, or ``None`` for leave to open one."""
        with self._changed:
            if not self._changed.wait_for(
                lambda: self._closed or self._free or self._lent < self.limit, self.account.timeout
            ):
                raise UnavailableError(f"all {self.limit} connections are busy")
            if self._closed:
                raise ClosedError("the store is closed")
            self._lent += 1
            while self._free:
                link = self._free.pop()
                if link.alive:
                    return link
                link.close()
            return None


def is_lost(error: BaseException) -> bool:
    """Tell whether the connection is of no use any more."""
    status = getattr(error, "ntstatus", None) or getattr(error, "status", None)
    if isinstance(status, int):
        return status in _ENDED
    return isinstance(error, LOST) or (isinstance(error, SMBException) and not isinstance(error, SMBResponseException))
