"""Carry an answer to an ASGI server (ASGI 3): back-pressure by awaiting ``send``, cancelled when the client goes."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, MutableMapping
from contextlib import aclosing, suppress
from typing import Any

from holdall.core.responses import ServeOptions
from holdall.engine.answers_async import Answer, answer_async
from holdall.store import Store

__all__ = ["Message", "Receive", "Scope", "Send", "deliver_asgi", "scope_headers", "serve_asgi"]

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]


async def serve_asgi(
    store: Store, key: str, scope: Scope, receive: Receive, send: Send, options: ServeOptions | None = None
) -> None:
    """Answer a request for one object.

    Args:
        store: Where the object is.
        key: Which.
        scope: The request.
        receive: The server's callable; only watched for ``http.disconnect``.
        send: The server's callable.
        options: How to serve.

    Raises:
        IsDirectoryError: The key is a directory; nothing was sent.
    """
    planned = await answer_async(store, key, scope.get("method", "GET"), scope_headers(scope), options)
    await deliver_asgi(planned, scope, receive, send)


def scope_headers(scope: Scope) -> dict[str, str]:
    """Return the request's headers, names in lower case; repeated ones are joined (RFC 9110, 5.3)."""
    headers: dict[str, str] = {}
    for name, value in scope.get("headers", ()):
        text = name.decode("latin-1").lower()
        headers[text] = f"{headers[text]}, {value.decode('latin-1')}" if text in headers else value.decode("latin-1")
    return headers


async def deliver_asgi(planned: Answer, scope: Scope, receive: Receive, send: Send) -> None:
    """Send a planned answer until it ends or the client goes away."""
    sending = asyncio.ensure_future(_send(planned, scope, send))
    leaving = asyncio.ensure_future(_disconnected(receive))
    try:
        await asyncio.wait({sending, leaving}, return_when=asyncio.FIRST_COMPLETED)
        if sending.done():
            sending.result()
    finally:
        for task in (sending, leaving):
            task.cancel()
            with suppress(asyncio.CancelledError, Exception):
                await task
        await planned.close_async()


async def _send(planned: Answer, scope: Scope, send: Send) -> None:
    response = planned.response
    headers = [(name.lower().encode("latin-1"), value.encode("latin-1")) for name, value in response.headers]
    await send({"type": "http.response.start", "status": response.status, "headers": headers})
    if response.reads and "http.response.pathsend" in (scope.get("extensions") or {}) and response.status == 200:
        path = await planned.file_async()
        if path is not None:
            await send({"type": "http.response.pathsend", "path": path})
            return
    async with aclosing(planned.chunks_async()) as chunks:  # type: ignore[type-var]  # an async generator
        async for chunk in chunks:
            await send({"type": "http.response.body", "body": chunk, "more_body": True})
    await send({"type": "http.response.body", "body": b"", "more_body": False})


async def _disconnected(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
