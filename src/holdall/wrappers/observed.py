"""`ObservedStore`: tells what is done with a store: events, counters, log records, OpenTelemetry spans."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from time import perf_counter
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from holdall.errors import (
    AlreadyExistsError,
    HoldallError,
    NotFoundError,
    NotModifiedError,
    NotSupportedError,
    PreconditionError,
    RangeNotSatisfiableError,
)
from holdall.store import PartWriter, Store
from holdall.wrappers import _around, _around_async
from holdall.wrappers._call import Call
from holdall.wrappers._gate import PerProcess
from holdall.wrappers._tracing import Tracing, tracing

if TYPE_CHECKING:
    from opentelemetry.trace import Span, TracerProvider

__all__ = ["Counters", "Event", "ObservedStore"]

ANSWERS = (
    NotFoundError,
    AlreadyExistsError,
    PreconditionError,
    NotModifiedError,
    NotSupportedError,
    RangeNotSatisfiableError,
)
"""Errors that are answers of a healthy storage: counted, but no reason to warn."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """One verb that has ended.

    Attributes:
        verb: Its name, the same in both colours; part writers add ``put_part``, ``copy_part``, ``sent``, ``complete``, ``abort``.
        key: The key, the destination of a copy, the source of a rename, the prefix of a listing; ``None`` for many keys.
        store: Name of the store.
        bytes: Content that passed through, read or written.
        seconds: Spent waiting for the store; the time that a reader takes between chunks or pages does not count.
        error: What it raised, ``None`` if nothing.
    """

    verb: str
    key: str | None
    store: str
    bytes: int
    seconds: float
    error: BaseException | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Counters:
    """What was done with a store so far, by verb.

    Attributes:
        calls: How many ended.
        errors: How many of them raised.
        seconds: Spent waiting for the store.
        bytes_read: Content that came.
        bytes_written: Content that went.
    """

    calls: Mapping[str, int]
    errors: Mapping[str, int]
    seconds: Mapping[str, float]
    bytes_read: int
    bytes_written: int


class _Writer(_around_async.WriterVerbs, _around.WriterVerbs):
    """A part writer each of whose verbs is told."""


class ObservedStore(_around_async.Verbs, _around.Verbs):
    """A store that tells what is done with it.

    Each verb that ends is counted, logged (``DEBUG``; ``WARNING`` if it failed for a reason that is no answer of a healthy storage),
    given to ``on_event`` and, where OpenTelemetry is installed (``pip install "holdall[otel]"``), recorded as a span. A body
    belongs to its `get` until it is read or closed. Keys and store names are shown; signed URLs, content and foreign errors'
    texts never.

    Args:
        store: The store that does the work.
        name: Its name in events, logs and spans; its ``repr`` if ``None``.
        on_event: Called with an `Event` in the thread or task that ran the verb. What it raises is logged and goes no further.
        logger: ``holdall.store`` if ``None``.
        tracer_provider: OpenTelemetry's global one if ``None``.

    Example:
        >>> from holdall.drivers.memory import MemoryStore
        >>> store = ObservedStore(MemoryStore(), on_event=lambda event: print(event.verb, event.key, event.bytes))
        >>> _ = store.put("a", b"hello")
        put a 5
        >>> dict(store.counters.calls), store.counters.bytes_written
        ({'put': 1}, 5)
    """

    def __init__(
        self,
        store: Store,
        *,
        name: str | None = None,
        on_event: Callable[[Event], object] | None = None,
        logger: logging.Logger | None = None,
        tracer_provider: TracerProvider | None = None,
    ) -> None:
        super().__init__(store)
        self._name = name
        self._on_event = on_event
        self._logger = logger or logging.getLogger("holdall.store")
        self._provider = tracer_provider
        self._tracing: Tracing | None = None
        self._traced = False
        self._lock = PerProcess(threading.RLock)  # a finaliser may count in the midst of a count
        self._tallies: dict[str, _Tally] = {}

    def _details(self) -> list[str]:
        return [] if self._name is None else [f"name={self._name!r}"]

    def _options(self) -> dict[str, Any]:
        return {
            "name": self._name,
            "on_event": self._on_event,
            "logger": self._logger,
            "tracer_provider": self._provider,
        }

    @property
    def name(self) -> str:
        """What the store is called in events, logs and spans."""
        if self._name is None:
            return repr(self._inner)
        return self._name

    @property
    def counters(self) -> Counters:
        """What was done so far, as a value that does not change any more."""
        with self._lock.get():
            tallies = sorted(self._tallies.items())
            return Counters(
                calls=MappingProxyType({verb: tally.calls for verb, tally in tallies}),
                errors=MappingProxyType({verb: tally.errors for verb, tally in tallies if tally.errors}),
                seconds=MappingProxyType({verb: tally.seconds for verb, tally in tallies}),
                bytes_read=sum(tally.read for _, tally in tallies),
                bytes_written=sum(tally.written for _, tally in tallies),
            )

    def _call(self, verb: str, key: str | None) -> Call:
        if not self._traced:
            self._tracing = tracing(self._provider, self.name, self._inner.identity)
            self._traced = True
        return _Observed(self, verb, key)

    def _around_writer(self, inner: PartWriter) -> PartWriter:
        return _Writer(inner, self)

    def _ended(self, call: _Observed, error: BaseException | None) -> None:
        """Count and tell a verb that has ended."""
        failed = error is not None and not isinstance(error, ANSWERS) and isinstance(error, Exception)
        with self._lock.get():
            tally = self._tallies.get(call.verb)
            if tally is None:
                tally = self._tallies[call.verb] = _Tally()
            tally.calls += 1
            tally.errors += error is not None
            tally.seconds += call.seconds
            tally.read += call.came
            tally.written += call.went
        size = call.came + call.went
        if call.span is not None and self._tracing is not None:
            self._tracing.finish(call.span, size, error, failed=failed)
        level = logging.WARNING if failed else logging.DEBUG
        if self._logger.isEnabledFor(level):
            shown = "" if error is None else f": {error if isinstance(error, HoldallError) else type(error).__qualname__}"
            self._logger.log(
                level, "%s %r %d bytes %.6f s [%s]%s", call.verb, call.key, size, call.seconds, self.name, shown
            )
        if self._on_event is not None:
            event = Event(verb=call.verb, key=call.key, store=self.name, bytes=size, seconds=call.seconds, error=error)
            try:
                self._on_event(event)
            except Exception:
                self._logger.exception("on_event of %s failed", self.name)


class _Tally:
    """The counts of one verb."""

    __slots__ = ("calls", "errors", "read", "seconds", "written")

    def __init__(self) -> None:
        self.calls = self.errors = self.read = self.written = 0
        self.seconds = 0.0


class _Observed(Call):
    """A verb under way, with its clock."""

    __slots__ = ("_ended", "_started", "_store", "_within", "came", "key", "seconds", "span", "verb", "went")

    def __init__(self, store: ObservedStore, verb: str, key: str | None) -> None:
        self.more = False
        self._ended = False
        self._store = store
        self._started = 0.0
        self._within: AbstractContextManager[Any] | None = None
        self.span: Span | None = None
        self.verb = verb
        self.key = key
        self.came = self.went = 0
        self.seconds = 0.0

    def begin(self) -> None:
        tracing = self._store._tracing
        if tracing is not None:
            if self.span is None:
                self.span = tracing.start(self.verb, self.key)
            self._within = tracing.within(self.span)
            self._within.__enter__()
        self._started = perf_counter()

    def pause(self) -> None:
        self.seconds += perf_counter() - self._started
        within, self._within = self._within, None
        if within is not None:
            within.__exit__(None, None, None)

    def read(self, size: int) -> None:
        self.came += size

    def wrote(self, size: int) -> None:
        self.went += size

    def end(self, error: BaseException | None = None) -> None:
        if not self._ended:
            self._ended = True
            self._store._ended(self, error)

    def __del__(self) -> None:
        if self.more:  # a body that was dropped unread
            self.end()
