"""A proxy on loopback that injects faults between a client and a real server, deterministically.

It runs an event loop of its own in a thread of its own, so it serves blocking and async clients alike. With ``http=True``
(the default) a fault is for one request, whichever connection it comes on; else for one connection.

Example:
    ``with FaultProxy("http://127.0.0.1:9000") as proxy: proxy.fail(Fault(lose_reply=True), method="PUT")``
"""

from __future__ import annotations

import asyncio
import contextlib
import re
import socket
import struct
import threading
import time
from collections.abc import AsyncIterator, Coroutine, Mapping, Sequence
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Self, TypeVar
from urllib.parse import urlsplit

from holdall.testing.wire import BLOCK, LARGEST_HEAD, Head, body_of, read_head

__all__ = ["Fault", "FaultProxy", "Traffic"]

T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """What happens to one request (or, without HTTP, to one connection).

    Attributes:
        delay: Seconds to wait before anything is forwarded.
        blackhole: Take everything, forward and answer nothing.
        answer: Answer with this HTTP status, forward nothing; ``headers`` and ``body`` belong to it.
        lose_reply: Forward it, and close the connection when the server has answered.
        drop_request_after: Close after so many bytes from the client were forwarded (HTTP: of the body).
        drop_reply_after: Close after so many bytes from the server were forwarded (HTTP: of the body): a truncated answer.
        reset: Close by RST, not by FIN.
        rate: Forward the reply at so many bytes per second.
    """

    delay: float = 0.0
    blackhole: bool = False
    answer: int | None = None
    headers: Mapping[str, str] = field(default_factory=dict[str, str])
    body: bytes = b""
    lose_reply: bool = False
    drop_request_after: int | None = None
    drop_reply_after: int | None = None
    reset: bool = False
    rate: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Traffic:
    """What passed so far.

    Attributes:
        connections: How many were accepted.
        requests: ``(method, target)`` of each request, in order of arrival.
        times: When each of them came, by ``time.monotonic``.
        bytes_up: From clients to the server.
        bytes_down: From the server to clients.
        faults: How many faults were injected.
    """

    connections: int
    requests: tuple[tuple[str, str], ...]
    times: tuple[float, ...]
    bytes_up: int
    bytes_down: int
    faults: int


@dataclass(slots=True)
class _Rule:
    fault: Fault
    left: float
    skip: int
    method: str | None
    target: re.Pattern[str] | None


class _CutError(Exception):
    """The connection is to be closed now, as the fault says."""


class FaultProxy:
    """A proxy in front of one server.

    Args:
        upstream: URL (``http://host:port``) or ``(host, port)`` of the server.
        http: Understand HTTP/1.1: faults are for requests, `Traffic.requests` is filled.
    """

    def __init__(self, upstream: str | tuple[str, int], *, http: bool = True) -> None:
        if isinstance(upstream, str):
            parts = urlsplit(upstream)
            upstream = (parts.hostname or "127.0.0.1", parts.port or 80)
        self.upstream = upstream
        self.http = http
        self._rules: list[_Rule] = []
        self._lock = threading.Lock()
        self._connections = self._up = self._down = self._faults = 0
        self._requests: list[tuple[str, str]] = []
        self._times: list[float] = []
        self._loop = asyncio.new_event_loop()
        self._server: asyncio.Server | None = None
        self._listening = False
        self._tasks: set[asyncio.Task[None]] = set()
        self._links: set[_Link] = set()
        self._thread = threading.Thread(target=self._loop.run_forever, name="fault-proxy", daemon=True)
        self._thread.start()
        self.port = 0
        try:
            self.up()
        except BaseException:
            self.close()
            raise

    # -- what a test says ---------------------------------------------------------------------------------------------

    @property
    def url(self) -> str:
        """Its own address."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def traffic(self) -> Traffic:
        """What passed so far."""
        with self._lock:
            return Traffic(
                connections=self._connections,
                requests=tuple(self._requests),
                times=tuple(self._times),
                bytes_up=self._up,
                bytes_down=self._down,
                faults=self._faults,
            )

    def fail(
        self, fault: Fault, *, times: float = 1, skip: int = 0, method: str | None = None, target: str | None = None
    ) -> None:
        """Inject a fault.

        Args:
            fault: What happens.
            times: To how many requests (or connections); ``math.inf`` for all.
            skip: How many that match to let pass first.
            method: Only requests of this method.
            target: Only requests whose path and query match this regular expression somewhere.
        """
        with self._lock:
            self._rules.append(_Rule(fault, times, skip, method, None if target is None else re.compile(target)))

    def script(self, faults: Sequence[Fault | None]) -> None:
        """Say what happens to each of the next requests (or connections), in turn; ``None`` lets one pass."""
        with self._lock:
            self._rules = [_Rule(fault or Fault(), 1, 0, None, None) for fault in faults]

    def lose_replies(self) -> None:
        """Forward no further answer on the connections that are open now: each is cut when the server next says something on it."""
        self._call(self._lose_replies())

    def heal(self) -> None:
        """Forget all faults to come."""
        with self._lock:
            self._rules.clear()

    def down(self) -> None:
        """Be a dead server: refuse connections, and cut those that are open."""
        self._call(self._close_server())

    def up(self) -> None:
        """Listen (again)."""
        self._call(self._open_server())

    def close(self) -> None:
        """Cut everything and end the thread; idempotent."""
        if self._loop.is_closed():
            return
        self.down()
        self._call(self._loop.shutdown_asyncgens())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)
        self._loop.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    # -- its own loop -------------------------------------------------------------------------------------------------

    def _call(self, work: Coroutine[Any, Any, T]) -> T:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(30)

    async def _open_server(self) -> None:
        if self._server is None:
            self._listening = True
            self._server = await asyncio.start_server(self._accept, "127.0.0.1", self.port, limit=LARGEST_HEAD)
            self.port = self._server.sockets[0].getsockname()[1]

    async def _close_server(self) -> None:
        server, self._server = self._server, None
        self._listening = False
        if server is not None:
            server.close()
        for task in self._tasks:
            task.cancel()
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=10)
        await asyncio.sleep(0.01)
        for _ in range(20):  # turns for who is being accepted or closed: on a busy machine 10 ms are one
            await asyncio.sleep(0)
            for transport in list(getattr(self._loop, "_transports", {}).values()):
                _abort(transport)

    async def _lose_replies(self) -> None:
        for link in self._links:
            link.lost = True

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if not self._listening:  # it was accepted just before we went down
            _abort(writer.transport)
            return
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        with self._lock:
            self._connections += 1
        link = _Link(self, reader, writer)
        self._links.add(link)
        patience = 5.0
        try:
            await (link.serve_http() if self.http else link.serve_tcp())
        except asyncio.CancelledError:
            patience = 0.1  # we are down: a client or a server that takes nothing more is not waited for
        except (_CutError, asyncio.IncompleteReadError, OSError):
            pass
        finally:
            self._links.discard(link)
            await link.close(patience)
            self._tasks.discard(task)

    def _next_fault(self, method: str, target: str) -> Fault:
        with self._lock:
            for rule in self._rules:
                if (rule.method is not None and rule.method != method) or (rule.target and not rule.target.search(target)):
                    continue
                if rule.skip:
                    rule.skip -= 1
                    continue
                if rule.left > 0:
                    rule.left -= 1
                    self._faults += rule.fault != Fault()
                    return rule.fault
        return Fault()

    def _note(self, *, up: int = 0, down: int = 0, faults: int = 0, request: tuple[str, str] | None = None) -> None:
        with self._lock:
            self._faults += faults
            self._up += up
            self._down += down
            if request is not None:
                self._requests.append(request)
                self._times.append(time.monotonic())


class _Link:
    """One client's connection, and ours to the server."""

    def __init__(self, proxy: FaultProxy, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._proxy = proxy
        self._reader = reader
        self._writer = writer
        self._server: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None
        self._reset = False
        self.lost = False
        """Whether the next answer is not forwarded."""

    async def serve_tcp(self) -> None:
        """Forward bytes both ways under one fault."""
        fault = self._proxy._next_fault("", "")
        self._reset = fault.reset
        await self._before(fault)
        reader, writer = await self._upstream()
        up = asyncio.ensure_future(self._pump_up(_blocks(self._reader), writer, fault.drop_request_after, ends=True))
        down = asyncio.ensure_future(self._pump_down(_blocks(reader), fault))
        try:
            await asyncio.wait({up, down}, return_when=asyncio.FIRST_EXCEPTION)
        finally:
            await _end(up, down)

    async def serve_http(self) -> None:
        """Forward one request after the other, each under its own fault."""
        while (request := await read_head(self._reader)) is not None:
            self._proxy._note(request=(request.method, request.target))
            fault = self._proxy._next_fault(request.method, request.target)
            self._reset = fault.reset
            await self._before(fault)
            if fault.answer is not None:
                await self._answer(request, fault)
                continue
            reader, writer = await self._upstream()
            writer.write(request.raw)
            self._proxy._note(up=len(request.raw))
            body = body_of(request, self._reader)
            up = asyncio.ensure_future(self._pump_up(body, writer, fault.drop_request_after))
            down = asyncio.ensure_future(self._reply(request, reader, fault))
            try:
                await asyncio.wait({up, down}, return_when=asyncio.FIRST_COMPLETED)
                cut = up.done() and isinstance(up.exception(), _CutError)
                if not cut and not down.done():
                    await asyncio.wait({down})
                elif not up.done() and down.exception() is None:
                    await asyncio.wait({up}, timeout=1)  # answered before the body came: the client may not send it at all
                keep = up.done() and up.exception() is None and down.done() and down.exception() is None and down.result()
            finally:
                await _end(up, down)
            if not keep:
                return

    async def close(self, patience: float) -> None:
        """Close both connections, by RST if the fault said so; what cannot be flushed in time is dropped."""
        for writer in (self._writer, *(self._server or ())[1:]):
            assert isinstance(writer, asyncio.StreamWriter)
            if self._reset:
                handle = writer.get_extra_info("socket")
                with contextlib.suppress(OSError):
                    handle.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                _abort(writer.transport)
            else:
                writer.close()
            with contextlib.suppress(OSError, asyncio.CancelledError):
                await asyncio.wait_for(writer.wait_closed(), patience)
            _abort(writer.transport)

    async def _before(self, fault: Fault) -> None:
        if fault.delay:
            await asyncio.sleep(fault.delay)
        if fault.blackhole:
            while block := await self._reader.read(BLOCK):
                self._proxy._note(up=len(block))
            raise _CutError
        if fault.drop_request_after == 0 and not self._proxy.http:
            raise _CutError

    async def _upstream(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        if self._server is None:
            opening = asyncio.ensure_future(asyncio.open_connection(*self._proxy.upstream, limit=LARGEST_HEAD))
            try:
                server = await asyncio.shield(opening)
            except asyncio.CancelledError:  # a connection that is just being made has to be closed too
                with contextlib.suppress(OSError):
                    self._server = await opening
                raise
            self._server = server
        return self._server

    async def _answer(self, request: Head, fault: Fault) -> None:
        """Answer in the server's place, after the request has come whole."""
        if request.fields.get("expect", "").lower() == "100-continue":
            self._writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        async for block in body_of(request, self._reader):
            self._proxy._note(up=len(block))
        fields = {"Content-Length": str(len(fault.body)), "Content-Type": "text/plain", **fault.headers}
        lines = [f"HTTP/1.1 {fault.answer} Injected", *(f"{name}: {value}" for name, value in fields.items())]
        head = "\r\n".join([*lines, "", ""]).encode("latin-1")
        self._writer.write(head + (b"" if request.method == "HEAD" else fault.body))
        await self._writer.drain()

    async def _reply(self, request: Head, reader: asyncio.StreamReader, fault: Fault) -> bool:
        """Forward the answer to a request; tell whether the connection can go on."""
        while (head := await read_head(reader)) is not None:
            if head.status >= 200:
                break
            self._writer.write(head.raw)
            await self._writer.drain()
        self._lose()
        if head is None or fault.lose_reply:
            raise _CutError
        self._writer.write(head.raw)
        self._proxy._note(down=len(head.raw))
        await self._pump_down(body_of(head, reader, request=request), fault)
        framed = "content-length" in head.fields or "transfer-encoding" in head.fields or head.status in {204, 304}
        return (framed or request.method == "HEAD") and head.fields.get("connection", "").lower() != "close"

    def _lose(self) -> None:
        if self.lost:
            self._proxy._note(faults=1)
            raise _CutError

    async def _pump_up(
        self, blocks: AsyncIterator[bytes], writer: asyncio.StreamWriter, limit: int | None, *, ends: bool = False
    ) -> None:
        left = limit
        if left == 0:
            raise _CutError
        async for block in blocks:
            part = block if left is None else block[:left]
            writer.write(part)
            await writer.drain()
            self._proxy._note(up=len(part))
            if left is not None:
                left -= len(part)
                if left <= 0:
                    raise _CutError
        await writer.drain()
        if ends and writer.can_write_eof():
            writer.write_eof()

    async def _pump_down(self, blocks: AsyncIterator[bytes], fault: Fault) -> None:
        left = fault.drop_reply_after
        if left == 0:
            await self._writer.drain()
            raise _CutError
        async for block in blocks:
            self._lose()
            if fault.lose_reply:
                raise _CutError
            part = block if left is None else block[:left]
            if fault.rate:
                for piece in _pieces(part, max(1, int(fault.rate / 20))):
                    self._writer.write(piece)
                    await self._writer.drain()
                    await asyncio.sleep(len(piece) / fault.rate)
            else:
                self._writer.write(part)
                await self._writer.drain()
            self._proxy._note(down=len(part))
            if left is not None:
                left -= len(part)
                if left <= 0:
                    raise _CutError
        await self._writer.drain()
        if not self._proxy.http and self._writer.can_write_eof():
            self._writer.write_eof()


async def _blocks(reader: asyncio.StreamReader) -> AsyncIterator[bytes]:
    while block := await reader.read(BLOCK):
        yield block


async def _end(*futures: asyncio.Future[Any]) -> None:
    """Cancel and await; errors of pumps end the connection and are told by nothing else."""
    for future in futures:
        future.cancel()
    await asyncio.gather(*futures, return_exceptions=True)


def _abort(transport: asyncio.WriteTransport) -> None:
    """Close at once; a transport that flushed its buffer after ``close()`` is gone and has no loop left to do it on."""
    with contextlib.suppress(AttributeError):
        transport.abort()


def _pieces(block: bytes, size: int) -> list[bytes]:
    return [block[start : start + size] for start in range(0, len(block), size)]
