"""`WSGIApp` and `ASGIApp`: ``/prefix/mount/path`` becomes a node, the engine answers for it.

They take any object with ``.node(text)`` whose nodes have ``.store`` and ``.key``; they mount only what ``mounts`` names.
"""

from __future__ import annotations

import inspect
from collections.abc import Awaitable, Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from holdall.core.keys import check_key, is_reserved
from holdall.core.responses import Response, ServeOptions, plain_response
from holdall.engine.answers import Answer, answer
from holdall.engine.answers_async import Answer as AsyncAnswer
from holdall.engine.answers_async import answer_async
from holdall.engine.asgi import Receive, Scope, Send, deliver_asgi, scope_headers
from holdall.engine.wsgi import Environ, StartResponse, deliver, request_headers
from holdall.errors import HoldallError, IsDirectoryError
from holdall.store import Store

__all__ = ["ASGIApp", "Request", "WSGIApp"]


class ServedNode(Protocol):
    """What the applications need of a node."""

    @property
    def store(self) -> Store:
        """The store it lies in."""
        ...

    @property
    def key(self) -> str:
        """Its key there."""
        ...


class Manager(Protocol):
    """What the applications need of a storage manager."""

    def node(self, mount_or_path: str, /) -> Any:
        """Return the node of ``mount:path``."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """What ``authorize`` sees of a request.

    Attributes:
        method: ``GET`` or ``HEAD``, or what else was sent.
        path: The decoded path, without the application's prefix.
        headers: Names in lower case.
        context: The WSGI environ or the ASGI scope.
    """

    method: str
    path: str
    headers: Mapping[str, str]
    context: Mapping[str, Any] = field(repr=False)


Authorize = Callable[[Request, Any], "bool | Awaitable[bool]"]


class _App:
    """What both applications share: which node a path names, and whether it may be seen."""

    def __init__(
        self,
        storage: Manager,
        *,
        prefix: str = "",
        mounts: Collection[str] | None = None,
        authorize: Authorize | None = None,
        index: str | None = None,
        options: ServeOptions | None = None,
    ) -> None:
        """Make an application.

        Args:
            storage: The manager of the mounts.
            prefix: Path below which the application answers, e.g. ``/files``.
            mounts: Names of the mounts to serve; all if ``None``.
            authorize: Called with the request and the node; falsy is 403. May be a coroutine function in `ASGIApp`.
            index: Name of the file that answers for a directory, e.g. ``index.html``; 404 without.
            options: How to serve (cache control, downloads, redirects to signed URLs).
        """
        self._storage = storage
        self._prefix = "/" + prefix.strip("/") if prefix.strip("/") else ""
        self._mounts = None if mounts is None else frozenset(mounts)
        self._authorize = authorize
        self._index = index
        self._options = options or ServeOptions()

    def _node(self, path: str) -> Any:
        """Return the node of a decoded path, or ``None`` for whatever must look absent."""
        if self._prefix:
            if not path.startswith(self._prefix + "/"):
                return None
            path = path[len(self._prefix) :]
        mount, _, key = path.removeprefix("/").partition("/")
        if (
            not mount
            or ":" in mount
            or "\\" in path
            or "//" in path
            or (self._mounts is not None and mount not in self._mounts)
        ):
            return None
        key = key.rstrip("/")
        try:
            if key:
                check_key(key)
            if is_reserved(key):
                return None
            return self._storage.node(f"{mount}:{key}")
        except (HoldallError, ValueError):
            return None

    def _target(self, node: Any, path: str) -> tuple[Store, str] | None:
        """Return what to serve for a node: itself, or the index of a root or ``dir/``."""
        key = node.key
        if not key or path.endswith("/"):
            if self._index is None:
                return None
            key = f"{key}/{self._index}" if key else self._index
        return node.store, key

    def _index_of(self, key: str) -> str | None:
        return None if self._index is None else f"{key.rstrip('/')}/{self._index}"


class WSGIApp(_App):
    """A WSGI application (PEP 3333) over the mounts of a manager.

    Example:
        >>> from holdall import StorageManager
        >>> storage = StorageManager({"files": {"type": "memory"}})
        >>> _ = storage.node("files:a.txt").write_text("hello")
        >>> app = WSGIApp(storage, mounts=["files"])
        >>> b"".join(app({"REQUEST_METHOD": "GET", "PATH_INFO": "/files/a.txt"}, lambda status, headers: print(status)))
        200 OK
        b'hello'
    """

    def __call__(self, environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        """Answer one request."""
        return deliver(self._answer(environ), environ, start_response)

    def _answer(self, environ: Environ) -> Answer:
        method = environ.get("REQUEST_METHOD", "GET")
        path = str(environ.get("PATH_INFO", "")).encode("latin-1", "replace").decode("utf-8", "replace")
        node = self._node(path)
        if node is None:
            return Answer(_status(404, method))
        headers = request_headers(environ)
        if self._authorize is not None:
            request = Request(method=method, path=path, headers=headers, context=environ)
            if not self._authorize(request, node):
                return Answer(_status(403, method))
        target = self._target(node, path)
        if target is None:
            return Answer(_status(404, method))
        store, key = target
        try:
            planned = answer(store, key, method, headers, self._options)
        except IsDirectoryError:
            planned = Answer(_status(404, method))
        index = self._index_of(key)
        if planned.response.status == 404 and index is not None and not path.endswith("/"):
            return answer(store, index, method, headers, self._options)
        return planned


class ASGIApp(_App):
    """An ASGI 3 application over the mounts of a manager; answers ``lifespan`` too."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] == "lifespan":
            await _lifespan(receive, send)
            return
        if scope["type"] != "http":
            raise ValueError(f"this application speaks http, not {scope['type']}")
        await deliver_asgi(await self._answer(scope), scope, receive, send)

    async def _answer(self, scope: Scope) -> AsyncAnswer:
        method = scope.get("method", "GET")
        path = scope["path"].removeprefix(scope.get("root_path") or "")
        node = self._node(path)
        if node is None:
            return AsyncAnswer(_status(404, method))
        headers = scope_headers(scope)
        if self._authorize is not None:
            allowed = self._authorize(Request(method=method, path=path, headers=headers, context=scope), node)
            if not (await allowed if inspect.isawaitable(allowed) else allowed):
                return AsyncAnswer(_status(403, method))
        target = self._target(node, path)
        if target is None:
            return AsyncAnswer(_status(404, method))
        store, key = target
        try:
            planned = await answer_async(store, key, method, headers, self._options)
        except IsDirectoryError:
            planned = AsyncAnswer(_status(404, method))
        index = self._index_of(key)
        if planned.response.status == 404 and index is not None and not path.endswith("/"):
            return await answer_async(store, index, method, headers, self._options)
        return planned


def _status(status: int, method: str) -> Response:
    """Return an answer of a status alone."""
    return plain_response(status, {403: "forbidden", 404: "not found"}[status], method=method)


async def _lifespan(receive: Receive, send: Send) -> None:
    while True:
        message = await receive()
        await send({"type": f"{message['type']}.complete"})
        if message["type"] == "lifespan.shutdown":
            return
