"""Requests of our own to a service, for what obstore cannot say, on connections that are kept for the next one.

`urllib.request` makes a connection, and a TLS handshake, for each request. Where it must go by a proxy, it still does.
"""

from __future__ import annotations

import http.client
import select
import socket
import threading
import time
import urllib.error
import urllib.request
import weakref
from collections.abc import Callable
from types import TracebackType
from typing import Any, Final, Self
from urllib.parse import urlsplit
from urllib.request import Request

from holdall.drivers import objects_fork
from holdall.drivers.objects_client import ClientSettings, NoRedirect

__all__ = ["Connections", "Reply"]

IDLE: Final = 4.0
"""Seconds for which an unused connection is kept; servers made with Node close theirs after five."""
KEPT: Final = 32
"""Connections kept, unless the settings say how many."""
DRAINED: Final = 64 * 1024
"""Bytes of an unread answer that are read so that its connection can be kept."""
PATIENCE: Final = 0.5
"""Seconds for which they are read."""

Kept = list[tuple[float, tuple[str, str], http.client.HTTPConnection]]


class Connections:
    """Sends requests; follows no redirection. Safe for threads; refuses to work after a fork, as obstore does.

    Args:
        client: Time limits, certificates, how many connections are kept.
    """

    def __init__(self, client: ClientSettings) -> None:
        self._client = client
        self._kept: Kept = []
        self._lock = threading.Lock()
        self._most = client.max_connections or KEPT
        self._opener: Any = None
        self._tls: Any = None
        weakref.finalize(self, _close_all, self._kept)

    def open(self, request: Request) -> Any:
        """Send a request and return its answer, to be closed: headers, status, body.

        Raises:
            urllib.error.HTTPError: The service answered with another status than 2xx.
            urllib.error.URLError: There is no connection.
            OSError, http.client.HTTPException: The connection broke.
            ForkedProcessError: This process was forked from one that had used object stores.
        """
        objects_fork.check_fork()
        objects_fork.use()  # a forked child would take answers that are not for it
        if self._proxied(request):
            return self._by_proxy(request)
        place = request.type or "", request.host
        connection = self._taken(place) or self._new(place)
        try:
            headers = {"Connection": "keep-alive", **request.headers}
            connection.request(request.get_method(), request.selector, request.data, headers)
            response = connection.getresponse()
        except BaseException:
            connection.close()
            raise
        answer = Reply(response, lambda: self._given_back(place, connection), connection.close)
        if 200 <= response.status < 300:
            return answer
        raise urllib.error.HTTPError(request.full_url, response.status, response.reason, response.headers, answer)  # type: ignore[arg-type]  # read and closed only

    def close(self) -> None:
        """Close what is kept, and keep no more; idempotent."""
        with self._lock:
            self._most = 0
            _close_all(self._kept)

    def _proxied(self, request: Request) -> bool:
        proxies = urllib.request.getproxies()
        return request.type in proxies and not urllib.request.proxy_bypass(request.host)

    def _by_proxy(self, request: Request) -> Any:
        if self._opener is None:
            self._opener = urllib.request.build_opener(urllib.request.HTTPSHandler(context=self._client.tls()), NoRedirect)
        return self._opener.open(request, timeout=self._client.timeout)

    def _new(self, place: tuple[str, str]) -> http.client.HTTPConnection:
        scheme, host = place
        parts = urlsplit(f"//{host}")
        if scheme == "https":
            self._tls = self._tls or self._client.tls()
            secure = http.client.HTTPSConnection(parts.hostname or "", parts.port, context=self._tls)
            connection: http.client.HTTPConnection = secure
        else:
            connection = http.client.HTTPConnection(parts.hostname or "", parts.port)
        connection.timeout = self._client.connect_timeout
        try:
            connection.connect()
        except OSError as error:
            connection.close()
            raise urllib.error.URLError(error) from error
        connection.sock.settimeout(self._client.timeout)
        return connection

    def _taken(self, place: tuple[str, str]) -> http.client.HTTPConnection | None:
        """Return a connection that is kept, and was not closed meanwhile."""
        with self._lock:
            oldest, found = time.monotonic() - IDLE, None
            for i in range(len(self._kept) - 1, -1, -1):
                since, where, connection = self._kept[i]
                if since < oldest or (where == place and found is None):
                    del self._kept[i]
                    if since >= oldest and not _closed(connection.sock):
                        found = connection
                    else:
                        connection.close()
            return found

    def _given_back(self, place: tuple[str, str], connection: http.client.HTTPConnection) -> None:
        with self._lock:
            if len(self._kept) < self._most:
                self._kept.append((time.monotonic(), place, connection))
                return
        connection.close()


class Reply:
    """What a service answered.

    Args:
        response: The answer.
        give_back: Keeps the connection for the next request.
        drop: Closes it.
    """

    def __init__(self, response: http.client.HTTPResponse, give_back: Callable[[], None], drop: Callable[[], None]) -> None:
        self._response = response
        self._give_back = give_back
        self._drop = drop
        self.status = response.status
        self.headers = response.headers
        self.closed = False

    def read(self, size: int = -1) -> bytes:
        """Return the next bytes of the body, or all."""
        return self._response.read(None if size < 0 else size)

    def close(self) -> None:
        """Keep the connection if nothing, or little, is left to read; idempotent."""
        if not self.closed:
            self.closed = True
            kept = self._drained()
            self._response.close()  # its own hold on the socket
            (self._give_back if kept else self._drop)()

    def _drained(self) -> bool:
        """Read what is left if that is little; tell whether the next answer can follow."""
        response = self._response
        left = 0 if response.isclosed() else response.length
        if left is None or left > DRAINED or response.will_close:
            return False
        until = time.monotonic() + PATIENCE
        try:
            while time.monotonic() < until:
                if not response.read1(DRAINED):
                    return True
        except (OSError, http.client.HTTPException):
            pass
        return False

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()


def _closed(sock: socket.socket) -> bool:
    """Tell whether a connection at rest was closed by the other side, or has bytes that nobody asked for."""
    if hasattr(select, "poll"):
        poll = select.poll()
        poll.register(sock, select.POLLIN)
        return bool(poll.poll(0))
    return bool(select.select([sock], [], [], 0)[0])  # Windows


def _close_all(kept: Kept) -> None:
    while kept:
        kept.pop()[2].close()
