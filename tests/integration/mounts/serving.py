"""Requests to nodes and applications in both colours, without and with a server in between."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any
from wsgiref.simple_server import WSGIServer

import uvicorn

from holdall import StorageNode
from holdall.cli.serving import _QuietHandler, _Server

Answer = tuple[int, list[tuple[str, str]], bytes]


def through_wsgi(node: StorageNode, method: str = "GET", headers: Mapping[str, str] | None = None, **options: Any) -> Answer:
    """Return what ``node.serve`` answers."""
    environ: dict[str, Any] = {"REQUEST_METHOD": method}
    environ |= {f"HTTP_{name.upper().replace('-', '_')}": value for name, value in (headers or {}).items()}
    started: list[Any] = []
    body = node.serve(environ, lambda status, head: started.append((status, head)), **options)
    try:
        data = b"".join(body)
    finally:
        body.close()  # type: ignore[attr-defined]  # PEP 3333: may have one; ours has
    status, head = started[0]
    return int(status.split()[0]), [(name.lower(), value) for name, value in head], data


def through_asgi(node: StorageNode, method: str = "GET", headers: Mapping[str, str] | None = None, **options: Any) -> Answer:
    """Return what ``node.serve_async`` answers."""
    sent: list[Any] = []

    async def send(message: Any) -> None:
        sent.append(message)

    async def receive() -> Any:
        await asyncio.Event().wait()

    raw = [(name.encode(), value.encode("latin-1", "replace")) for name, value in (headers or {}).items()]
    asyncio.run(node.serve_async({"type": "http", "method": method, "headers": raw}, receive, send, **options))
    start, *rest = sent
    assert rest[-1]["more_body"] is False
    head = [(name.decode(), value.decode("latin-1")) for name, value in start["headers"]]
    return start["status"], head, b"".join(message["body"] for message in rest)


def normal(answer: Answer) -> Answer:
    """Return an answer with its random boundary replaced."""
    status, headers, data = answer
    kind = dict(headers).get("content-type", "")
    if "boundary=" not in kind:
        return answer
    boundary = kind.partition("boundary=")[2]
    return status, [(k, v.replace(boundary, "B")) for k, v in headers], data.replace(boundary.encode(), b"B")


def asked(node: StorageNode, method: str = "GET", headers: Mapping[str, str] | None = None, **options: Any) -> Answer:
    """Return the answer that both colours give."""
    one, two = (normal(through(node, method, headers, **options)) for through in (through_wsgi, through_asgi))
    assert one == two
    return one


@contextmanager
def wsgi_server(app: Any) -> Iterator[str]:
    """Run a WSGI application; gives its address."""
    server: WSGIServer = _Server(("127.0.0.1", 0), _QuietHandler)
    server.set_app(app)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@contextmanager
def asgi_server(app: Any) -> Iterator[str]:
    """Run an ASGI application under uvicorn; gives its address."""
    ready = threading.Event()

    class Server(uvicorn.Server):
        async def startup(self, sockets: Any = None) -> None:
            await super().startup(sockets)
            ready.set()

    server = Server(uvicorn.Config(app, host="127.0.0.1", port=0, log_level="error", timeout_graceful_shutdown=2))
    thread = threading.Thread(target=server.run)
    thread.start()
    try:
        assert ready.wait(60)
        yield f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
    finally:
        server.should_exit = True
        thread.join()
