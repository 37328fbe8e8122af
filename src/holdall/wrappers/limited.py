"""`LimitedStore`: so many verbs at once, so many per second, in both colours together."""

from __future__ import annotations

import time
from contextvars import ContextVar
from typing import Any

from holdall._concurrency import sleep, sleep_async
from holdall.errors import ConfigError
from holdall.store import PartWriter, Store
from holdall.wrappers import _around, _around_async
from holdall.wrappers._call import Call
from holdall.wrappers._gate import Admission, Gate, PerProcess

__all__ = ["LimitedStore"]

CATCH_UP = 0.01
"""Seconds of the past that a rate may make up for: timers are late by about a millisecond."""


class _Writer(_around_async.WriterVerbs, _around.WriterVerbs):
    """A part writer each of whose verbs takes a slot."""


class LimitedStore(_around_async.Verbs, _around.Verbs):
    """A store of which at most so many verbs run at once, and so many begin per second.

    Both colours share one limit: threads and tasks of any number of event loops wait in one queue, first come, first served;
    an async verb that waits does not block its loop. A body keeps its slot until it is read to the end, closed or
    dropped. A listing takes a slot for each page. Part writers take one for each of their verbs.

    A verb that is called where another one of the store is still under way (an open body, a source that reads from the store)
    shares that one's slot if none is free, one at a time: so copying within a limited store cannot lock itself out.
    "Under way where it is called" goes by context (PEP 567): a body that was opened in a task of its own (`asyncio.wait_for` makes one on
    Python 3.11) is not seen by who opened that task, and then counts like anybody else's.
    A forked child has limits of its own.

    Args:
        store: The store that does the work.
        concurrency: Verbs at once; unlimited if ``None``.
        rate: Verbs per second, evenly spaced; unlimited if ``None``.

    Raises:
        ConfigError: A limit that lets nothing through.

    Example:
        >>> from holdall.drivers.memory import MemoryStore
        >>> LimitedStore(MemoryStore(), concurrency=8, rate=100)
        LimitedStore(MemoryStore(), concurrency=8, rate=100)
    """

    def __init__(self, store: Store, *, concurrency: int | None = None, rate: float | None = None) -> None:
        super().__init__(store)
        if concurrency is not None and (isinstance(concurrency, bool) or concurrency < 1):
            raise ConfigError(f"concurrency is at least 1, not {concurrency!r}")
        if rate is not None and not rate > 0:
            raise ConfigError(f"rate is more than 0 per second, not {rate!r}")
        self._concurrency = concurrency
        self._rate = rate
        self._slots = None if concurrency is None else PerProcess(lambda: Gate(concurrency))
        self._pace = None if rate is None else PerProcess(lambda: _Pace(rate))

    def _options(self) -> dict[str, Any]:
        return {"concurrency": self._concurrency, "rate": self._rate}

    def _call(self, verb: str, key: str | None) -> Call:
        return _Slot(None if self._slots is None else self._slots.get(), None if self._pace is None else self._pace.get())

    def _around_writer(self, inner: PartWriter) -> PartWriter:
        return _Writer(inner, self)


class _Pace:
    """Lets one caller through at a time, each a little after the one before.

    Only the first of the queue has a time to wait for, so callers that give up cost the others nothing.
    """

    __slots__ = ("_gate", "_next", "_step")

    def __init__(self, rate: float) -> None:
        self._step = 1 / rate
        self._next = 0.0
        self._gate = Gate(1)

    def wait(self) -> None:
        """Wait for one's turn, blocking this thread."""
        admission = self._gate.enter()
        try:
            while (delay := self._next - time.monotonic()) > 0:
                sleep(delay)
            self._take()
        finally:
            admission.leave()

    async def wait_async(self) -> None:
        """Wait for one's turn, without blocking the event loop."""
        admission = await self._gate.enter_async()
        try:
            while (delay := self._next - time.monotonic()) > 0:
                await sleep_async(delay)
            self._take()
        finally:
            admission.leave()

    def _take(self) -> None:
        self._next = max(self._next, time.monotonic() - CATCH_UP) + self._step


_current: ContextVar[Admission | None] = ContextVar("holdall_limited", default=None)
"""The innermost slot that this context has taken, in any limited store."""


def _outer() -> Admission | None:
    """Return the innermost slot of this context that is still taken; forget those given back."""
    innermost = node = _living(_current.get())
    while node is not None:
        node.outer = _living(node.outer)
        node = node.outer
    return innermost


def _living(admission: Admission | None) -> Admission | None:
    while admission is not None and not admission.inside:
        admission = admission.outer
    return admission


class _Slot(Call):
    """A verb's place among those that run."""

    __slots__ = ("_admission", "_begun", "_gate", "_pace")

    def __init__(self, gate: Gate | None, pace: _Pace | None) -> None:
        self.more = False
        self._begun = False
        self._gate = gate
        self._pace = pace
        self._admission: Admission | None = None

    def begin(self) -> None:
        if self._begun:
            return
        self._begun = True
        if self._gate is not None:
            self._admission = self._gate.enter(_outer())
            _current.set(self._admission)
        if self._pace is not None:
            try:
                self._pace.wait()
            except BaseException:
                self.end()
                raise

    async def begin_async(self) -> None:
        if self._begun:
            return
        self._begun = True
        if self._gate is not None:
            self._admission = await self._gate.enter_async(_outer())
            _current.set(self._admission)
        if self._pace is not None:
            try:
                await self._pace.wait_async()
            except BaseException:
                self.end()
                raise

    def expect_pages(self) -> None:
        """Keep no slot between pages: who reads them may need one."""

    def end(self, error: BaseException | None = None) -> None:
        self._begun = False
        admission, self._admission = self._admission, None
        if admission is not None:
            if _current.get() is admission:
                _current.set(admission.outer)
            admission.leave()

    def __del__(self) -> None:
        self.end()
