"""Connections to one SFTP server: opened when needed, shared, checked after idling, replaced when lost (asyncssh).

Everything here runs on one event loop. SFTP numbers its requests, so one connection carries many operations at once;
another is opened only when each has `SHARED` under way, up to ``limit``.
"""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import asyncssh
from asyncssh.sftp import SFTPConnectionLost, SFTPNoConnection

from holdall.errors import ClosedError, ConfigError

__all__ = ["LOST", "Link", "Login", "SFTPPool"]

T = TypeVar("T")
SHARED = 32
"""Operations that one connection carries before another one is opened."""
IDLE = 30.0
"""Seconds after which a connection is asked whether it still lives."""
LOST = (asyncssh.ConnectionLost, SFTPConnectionLost, SFTPNoConnection, ConnectionError, BrokenPipeError)
"""What a broken connection raises."""


@dataclass(frozen=True, kw_only=True)
class Login:
    """Whom to connect to, and as whom. Nothing here is shown.

    Attributes:
        known_hosts: Path of a known-hosts file, its lines as bytes, ``()`` for the user's own file, ``None`` for no check.
        host_key: SHA256 fingerprint that alone is accepted, in place of known hosts.
    """

    host: str
    port: int
    username: str | None
    password: str | None = field(repr=False)
    keys: tuple[str, ...]
    passphrase: str | None = field(repr=False)
    known_hosts: str | bytes | tuple[()] | None
    host_key: str | None
    agent: bool
    connect_timeout: float


@dataclass(eq=False)
class Link:
    """One connection and its SFTP session."""

    connection: Any
    sftp: Any
    busy: int = 0
    used: float = field(default_factory=time.monotonic)
    dead: bool = False


class _Client(asyncssh.SSHClient):
    """Checks a host key by its fingerprint, and remembers the one it refused."""

    def __init__(self, pool: SFTPPool) -> None:
        self._pool = pool

    def validate_host_public_key(self, host: str, addr: str, port: int, key: Any) -> bool:
        self._pool.fingerprint = str(key.get_fingerprint())
        return self._pool.login.host_key == self._pool.fingerprint


class SFTPPool:
    """The connections to one server.

    Attributes:
        fingerprint: Of the last host key that no known host vouched for.
    """

    def __init__(self, login: Login, *, limit: int, timeout: float) -> None:
        self.login = login
        self.limit = limit
        self.timeout = timeout
        self.fingerprint: str | None = None
        self._links: list[Link] = []
        self._opening = asyncio.Lock()
        self._closed = False
        self._keys: list[Any] | None = None

    async def call(self, operation: Callable[[Link], Awaitable[T]], *, again: bool = True) -> T:
        """Run an operation on some connection; on a lost one, once more on another.

        Args:
            operation: Gets a `Link`; bounded by the timeout.
            again: Whether it may be repeated.
        """
        link = await self.acquire()
        try:
            return await self.bounded(link, operation(link))
        except LOST:
            if not again:
                raise
            for other in self._links:
                other.used = float("-inf")  # what broke this one may have broken all: ask before use
        finally:
            self.release(link)
        link = await self.acquire()
        try:
            return await self.bounded(link, operation(link))
        finally:
            self.release(link)

    async def bounded(self, link: Link, answer: Awaitable[T]) -> T:
        """Await an answer on a connection, which is given up if it is lost or does not come in time."""
        try:
            return await asyncio.wait_for(answer, self.timeout)
        except (*LOST, TimeoutError):
            self.drop(link)
            raise

    async def acquire(self) -> Link:
        """Return a connection that works, to be given back by `release`."""
        while True:
            if self._closed:
                raise ClosedError("the store is closed")
            link = self._best()
            if link is None:
                async with self._opening:
                    link = self._best() or await self._open()
            link.busy += 1
            if link.busy > 1 or time.monotonic() - link.used < IDLE:
                return link
            try:
                await asyncio.wait_for(link.sftp.realpath("."), self.login.connect_timeout)
            except asyncio.CancelledError:
                self.release(link)
                raise
            except Exception:  # noqa: BLE001  # whatever it is, this connection is of no use
                self.drop(link)
                self.release(link)
            else:
                return link

    def release(self, link: Link) -> None:
        """Give a connection back."""
        link.busy -= 1
        link.used = time.monotonic()
        if link.dead and not link.busy:
            link.connection.abort()

    def drop(self, link: Link) -> None:
        """Use a connection no more."""
        link.dead = True
        with suppress(ValueError):
            self._links.remove(link)
        link.connection.abort()

    async def close(self) -> None:
        """Close all connections; what is under way on them fails."""
        self._closed = True
        links, self._links = self._links, []
        for link in links:
            link.dead = True
            link.sftp.exit()
            link.connection.close()
        for link in links:
            with suppress(Exception):
                await asyncio.wait_for(link.connection.wait_closed(), 2)

    def _best(self) -> Link | None:
        """Return the least busy connection, ``None`` if another should be opened."""
        self._links = [link for link in self._links if not link.dead and not link.connection.is_closed()]
        best = min(self._links, key=lambda link: link.busy, default=None)
        if best is not None and best.busy >= SHARED and len(self._links) < self.limit:
            return None
        return best

    async def _open(self) -> Link:
        login = self.login
        if self._keys is None:
            self._keys = await asyncio.to_thread(self._read_keys)
        known: Any = login.known_hosts
        if login.host_key is not None:
            known = b""
        elif isinstance(known, str) and not os.path.exists(os.path.expanduser(known)):
            raise ConfigError(f"there is no known-hosts file {known!r}")
        keys: Any = self._keys or (() if login.password is None else None)
        connection = await asyncssh.connect(
            login.host,
            login.port,
            username=login.username or (),
            password=login.password,
            client_keys=keys,
            known_hosts=os.path.expanduser(known) if isinstance(known, str) else known,
            agent_path=() if login.agent else None,
            config=None,
            connect_timeout=login.connect_timeout,
            login_timeout=max(login.connect_timeout, 10.0),
            keepalive_interval=15,
            keepalive_count_max=3,
            client_factory=lambda: _Client(self),
        )
        try:
            sftp = await asyncio.wait_for(connection.start_sftp_client(path_errors="surrogateescape"), self.timeout)
        except BaseException:
            connection.abort()
            raise
        link = Link(connection, sftp)
        self._links.append(link)
        return link

    def _read_keys(self) -> list[Any]:
        keys: list[Any] = []
        for name in self.login.keys:
            try:
                keys.append(asyncssh.read_private_key(Path(name).expanduser(), self.login.passphrase))
            except OSError as error:
                raise ConfigError(f"the private key {name!r} cannot be read: {error.strerror}") from error
            except (asyncssh.KeyEncryptionError, asyncssh.KeyImportError) as error:
                if isinstance(error, asyncssh.KeyEncryptionError) or "passphrase" in str(error).lower():
                    raise ConfigError(f"the passphrase of the private key {name!r} is missing or wrong") from error
                raise ConfigError(f"{name!r} is no private key: {error}") from error
        return keys
