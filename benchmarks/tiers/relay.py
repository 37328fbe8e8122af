"""A link with latency: what comes to 127.0.0.2 is forwarded to the same port of 127.0.0.1, half of the delay later each way.

For protocols that open connections beside the first one (FTP), a relay takes a range of ports. It has the few words of
`holdall.testing.FaultProxy` that `benchmarks.counting` says. On Linux, all of 127.0.0.0/8 is this machine.
"""

import asyncio
import contextlib
import threading
from typing import NamedTuple

HERE, THERE = "127.0.0.2", "127.0.0.1"


class Traffic(NamedTuple):
    """What passed; without knowing the protocol there are no requests to be counted."""

    requests: range
    bytes_up: int
    bytes_down: int


class Relay:
    """A relay on an event loop of its own, in a thread of its own; a context manager."""

    def __init__(self, *ports):
        self._ports = ports
        self._delay = 0.0
        self._up = self._down = 0
        self._tasks = set()

    def heal(self):
        """Forward at once."""
        self._delay = 0.0

    def fail(self, fault, *, times):
        """Forward later."""
        self._delay = fault.delay / 2

    @property
    def traffic(self):
        """What passed so far."""
        return Traffic(range(0), self._up, self._down)

    def __enter__(self):
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()
        asyncio.run_coroutine_threadsafe(self._listen(), self._loop).result(30)
        return self

    def __exit__(self, *failure):
        asyncio.run_coroutine_threadsafe(self._end(), self._loop).result(30)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(30)
        self._loop.close()

    async def _listen(self):
        self._servers = [
            await asyncio.start_server(lambda reader, writer, port=port: self._serve(reader, writer, port), HERE, port)
            for port in self._ports
        ]

    async def _end(self):
        for server in self._servers:
            server.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _serve(self, reader, writer, port):
        task = asyncio.current_task()
        self._tasks.add(task)
        there = None
        try:
            await asyncio.sleep(self._delay)  # a handshake takes a way there and back
            there = await asyncio.open_connection(THERE, port)
            await asyncio.gather(self._pump(reader, there[1], up=True), self._pump(there[0], writer, up=False))
        except (OSError, asyncio.CancelledError):
            pass
        finally:
            self._tasks.discard(task)
            for end in (writer, *(there or ())[1:]):
                end.close()
                with contextlib.suppress(OSError):
                    await end.wait_closed()

    async def _pump(self, reader, writer, *, up):
        """Forward each block when it is due, in order; blocks that wait do not hold up each other."""
        waiting = asyncio.Queue()

        async def write():
            while (item := await waiting.get())[1]:
                due, block = item
                await asyncio.sleep(due - self._loop.time())
                writer.write(block)
                await writer.drain()
            await asyncio.sleep(item[0] - self._loop.time())
            if writer.can_write_eof():
                writer.write_eof()

        writing = asyncio.ensure_future(write())
        try:
            while True:
                block = await reader.read(1 << 16)
                waiting.put_nowait((self._loop.time() + self._delay, block))
                if not block:
                    break
                self._up += len(block) * up
                self._down += len(block) * (not up)
            await writing
        finally:
            writing.cancel()
