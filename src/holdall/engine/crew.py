"""Workers for many jobs of one call, in both colours: threads or tasks that report back to their owner.

The owner (the caller's thread or task) starts jobs, and takes what they post, one thing at a time; so callbacks need no lock. Leaving
the ``with`` block asks running jobs to stop and waits for them. Hand-written pair; twins know `AsyncCrew` as `Crew`.
"""

from __future__ import annotations

import contextlib
import threading
import time
from collections import deque
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from queue import SimpleQueue
from types import TracebackType
from typing import TYPE_CHECKING, Any, Generic, Self, TypeVar

from holdall._lazy import lazy
from holdall.engine.colours import finish_async

if TYPE_CHECKING:
    import asyncio
else:  # half of what a blocking program would load
    asyncio = lazy("asyncio")

__all__ = ["AsyncCrew", "Crew", "Ended", "StoppedError"]

J = TypeVar("J")


class StoppedError(Exception):
    """Raised inside a job whose crew was asked to stop; never seen by callers."""


@dataclass(slots=True)
class Ended(Generic[J]):
    """A job that came to its end, with its result or its error."""

    job: J
    result: Any = None
    error: BaseException | None = None


class Crew(Generic[J]):
    """Threads that do jobs.

    Args:
        work: What to do with a job.
        limit: Most threads.
        quick: Tells of a job whether the owner does it itself where there would be one thread: handing it over costs more.

    Attributes:
        ahead: So many quick jobs may wait for a free thread, so that threads need not wait for the owner.
    """

    def __init__(self, work: Callable[[J], Any], limit: int, *, quick: Callable[[J], bool] | None = None) -> None:
        self.stopping = False
        self.busy = 0
        self.ahead = max(16, 4 * limit)
        self._work = work
        self._limit = limit
        self._jobs: SimpleQueue[J | None] = SimpleQueue()
        self._posted: deque[Any] = deque()
        self._bell: SimpleQueue[None] = SimpleQueue()
        self._waiting = False
        self._threads: list[threading.Thread] = []
        self._quick = quick if limit == 1 else None
        self._together = limit // 2

    def start(self, job: J) -> None:
        """Give a job to the crew."""
        self.busy += 1
        if self._quick is not None and self.busy == 1 and self._quick(job):
            self._posted.append(self._done(job))
            return
        self._jobs.put(job)
        if len(self._threads) < min(self._limit, self.busy):
            thread = threading.Thread(target=self._run, name="holdall-transfer", daemon=True)
            self._threads.append(thread)
            thread.start()

    def post(self, event: object) -> None:
        """Tell the owner something, from a job."""
        self._posted.append(event)
        if self._waiting:
            self._bell.put(None)

    def end(self, ended: Ended[J]) -> None:
        """Post the end of a job; while more jobs wait, the owner is woken for several ends at once, which costs less."""
        if ended.error is not None or len(self._posted) + 1 >= self._together or self._jobs.empty():
            self.post(ended)
        else:
            self._posted.append(ended)

    def next(self) -> Any:
        """Wait for the next thing that was posted: an event, or an `Ended` job."""
        while not self._posted:
            self._waiting = True
            if not self._posted:  # a thread may have been quicker than the flag
                self._bell.get()
            self._waiting = False
        event = self._posted.popleft()
        if type(event) is Ended:
            self.busy -= 1
        return event

    def ready(self) -> bool:
        """Tell whether `next` would not wait."""
        return bool(self._posted)

    def checkpoint(self) -> None:
        """Raise in a job that should stop.

        Raises:
            StoppedError: The owner gave up.
        """
        if self.stopping:
            raise StoppedError

    def _run(self) -> None:
        while (job := self._jobs.get()) is not None:
            self.end(self._done(job))
            del job  # keep no big object while waiting for the next job

    def _done(self, job: J) -> Ended[J]:
        ended = Ended(job)
        try:
            if self.stopping:
                raise StoppedError
            ended.result = self._work(job)
        except BaseException as error:  # noqa: BLE001  # it is handed to the owner
            ended.error = error
        return ended

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.stop()
        self.join()

    def stop(self) -> None:
        """Ask the threads to end: after what they are doing, or at its next checkpoint."""
        self.stopping = True
        for _ in self._threads:
            self._jobs.put(None)

    def join(self, timeout: float | None = None) -> None:
        """Wait for the threads, at most ``timeout`` seconds in all."""
        until = None if timeout is None else time.monotonic() + timeout
        for thread in self._threads:
            thread.join(None if until is None else max(0.0, until - time.monotonic()))


class AsyncCrew(Generic[J]):
    """Tasks that do jobs, and threads for the quick ones where a side blocks anyway. See `Crew`.

    Args:
        work: What to do with a job.
        limit: Most tasks, or threads.
        quick: Tells which jobs go to the threads.
        worker: Gives their work, made for the crew that it gets; ``None`` if there are none.
    """

    GRACE = 5.0
    """Seconds that a cancelled transfer waits for threads; small jobs end by themselves soon after."""

    def __init__(
        self,
        work: Callable[[J], Awaitable[Any]],
        limit: int,
        *,
        quick: Callable[[J], bool] | None = None,
        worker: Callable[[Crew[J]], Callable[[J], Any]] | None = None,
    ) -> None:
        self.stopping = False
        self.busy = 0
        self._work = work
        self._posted: deque[Any] = deque()
        self._wake: asyncio.Event = asyncio.Event()
        self._waiting = False
        self._tasks: set[asyncio.Task[None]] = set()
        self._quick = quick
        self._threads = None if worker is None else _Threads(self, worker, limit, asyncio.get_running_loop())

    @property
    def ahead(self) -> int:
        """How many quick jobs may wait for a free thread; tasks start at once."""
        return 0 if self._threads is None else self._threads.ahead

    def start(self, job: J) -> None:
        """Give a job to the crew."""
        self.busy += 1
        if self._threads is not None and self._quick is not None and self._quick(job):
            self._threads.start(job)
            return
        task = asyncio.create_task(self._run(job))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def post(self, event: object) -> None:
        """Tell the owner something, from a job."""
        self._posted.append(event)
        self._wake.set()

    async def next_async(self) -> Any:
        """Wait for the next thing that was posted: an event, or an `Ended` job."""
        while not self._posted:
            self._wake.clear()
            self._waiting = True
            if not self._posted:  # a thread may have been quicker than the flag
                await self._wake.wait()
        self._waiting = False
        event = self._posted.popleft()
        if type(event) is Ended:
            self.busy -= 1
        return event

    def ready(self) -> bool:
        """Tell whether `next_async` would not wait."""
        return bool(self._posted)

    def checkpoint(self) -> None:
        """Do nothing: tasks are cancelled. See `Crew.checkpoint`."""

    def _from_thread(self, event: object, loop: asyncio.AbstractEventLoop) -> None:
        self._posted.append(event)
        if self._waiting:
            with contextlib.suppress(RuntimeError):  # the loop is closed: nobody listens any more
                loop.call_soon_threadsafe(self._wake.set)

    async def _run(self, job: J) -> None:
        ended = Ended(job)
        try:
            ended.result = await self._work(job)
        except asyncio.CancelledError as error:
            ended.error = StoppedError() if self.stopping else error
            raise
        except Exception as error:  # noqa: BLE001  # it is handed to the owner
            ended.error = error
        finally:
            self.post(ended)

    def stop(self) -> None:
        """Ask the threads to end, for those who cannot wait; tasks end with their loop."""
        self.stopping = True
        if self._threads is not None:
            self._threads.stop()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stopping = True
        for task in self._tasks:
            task.cancel()
        threads = self._threads
        if threads is not None and threads.begun:
            threads.stop()
            await finish_async(lambda: asyncio.to_thread(threads.join, self.GRACE))
        if self._tasks:
            await finish_async(lambda: _all(list(self._tasks)))


class _Threads(Crew[J]):
    """The threads of an `AsyncCrew`: they post to its event loop."""

    def __init__(
        self,
        owner: AsyncCrew[J],
        worker: Callable[[Crew[J]], Callable[[J], Any]],
        limit: int,
        loop: asyncio.AbstractEventLoop,
    ) -> None:
        super().__init__(worker(self), limit)
        self._posted = owner._posted  # two halves of one crew
        self._owner = owner
        self._loop = loop
        self._together = self.ahead // 2  # jobs are short here, and waking a loop is dear

    def start(self, job: J) -> None:
        """Give a job to the threads; the owner counts."""
        self.busy = self._owner.busy - 1
        super().start(job)

    def post(self, event: object) -> None:
        """Tell the owner something, from a job."""
        self._owner._from_thread(event, self._loop)  # two halves of one crew

    @property
    def begun(self) -> bool:
        """Whether there are any threads."""
        return bool(self._threads)


async def _all(tasks: list[asyncio.Task[None]]) -> None:
    await asyncio.wait(tasks)
