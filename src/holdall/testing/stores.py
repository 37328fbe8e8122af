"""Stores for tests, around a store: `CountingStore` counts, `FlakyStore` fails when told, `SlowStore` takes its time.

Each forwards every verb in both colours. They stand on `holdall.wrappers`: a verb, each chunk of a body and each page of a
listing pass through one `Call`.
"""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import TracebackType
from typing import Literal

from holdall._concurrency import sleep, sleep_async
from holdall.errors import UnavailableError
from holdall.store import PartWriter, Store
from holdall.wrappers import _around, _around_async
from holdall.wrappers._call import Call

__all__ = ["CountingStore", "Counts", "FlakyStore", "SlowStore", "When"]

When = Literal["before", "after", "during"]


class _Writer(_around_async.WriterVerbs, _around.WriterVerbs):
    """A part writer each of whose verbs passes through a call."""


class _TestStore(_around_async.Verbs, _around.Verbs):
    """What the three have in common."""

    def _around_writer(self, inner: PartWriter) -> PartWriter:
        return _Writer(inner, self)


@dataclass(frozen=True, slots=True, kw_only=True)
class Counts:
    """What a `CountingStore` saw, as a value.

    Attributes:
        calls: How often each verb was called; part writers add ``put_part``, ``copy_part``, ``sent``, ``complete``, ``abort``.
        log: ``(verb, key)`` in order of the calls' beginning; ``None`` for calls with many keys.
        pages: Pages of listings that were asked for, the last, empty-handed request of each included.
        bytes_read, bytes_written: Content that passed through.
        at_once: The greatest number of calls (bodies included) that were under way at the same time.
    """

    calls: Mapping[str, int]
    log: tuple[tuple[str, str | None], ...]
    pages: int
    bytes_read: int
    bytes_written: int
    at_once: int

    @property
    def total(self) -> int:
        """All calls."""
        return sum(self.calls.values())


class CountingStore(_TestStore):
    """A store that counts what is asked of it.

    Example:
        >>> from holdall.drivers.memory import MemoryStore
        >>> store = CountingStore(MemoryStore())
        >>> _ = store.put("a", b"hello"), store.head("a"), store.get("a").bytes()
        >>> dict(store.counts.calls), store.counts.bytes_read
        ({'put': 1, 'head': 1, 'get': 1}, 5)
    """

    def __init__(self, store: Store) -> None:
        super().__init__(store)
        self._lock = threading.RLock()
        self.reset()

    def reset(self) -> None:
        """Begin to count anew."""
        with self._lock:
            self._calls: Counter[str] = Counter()
            self._log: list[tuple[str, str | None]] = []
            self._pages = self._read = self._written = self._most = 0
            self._open: set[int] = set()

    @property
    def counts(self) -> Counts:
        """What was counted so far."""
        with self._lock:
            return Counts(
                calls=dict(self._calls),
                log=tuple(self._log),
                pages=self._pages,
                bytes_read=self._read,
                bytes_written=self._written,
                at_once=self._most,
            )

    def _call(self, verb: str, key: str | None) -> Call:
        return _Counted(self, verb, key)


class _Counted(Call):
    def __init__(self, store: CountingStore, verb: str, key: str | None) -> None:
        super().__init__()
        self._store = store
        self._verb = verb
        self._key = key
        self._begun = False

    def begin(self) -> None:
        store = self._store
        with store._lock:
            store._pages += self._verb == "list"
            if not self._begun:
                self._begun = True
                store._calls[self._verb] += 1
                store._log.append((self._verb, self._key))
                store._open.add(id(self))
                store._most = max(store._most, len(store._open))

    def read(self, size: int) -> None:
        with self._store._lock:
            self._store._read += size

    def wrote(self, size: int) -> None:
        with self._store._lock:
            self._store._written += size

    def end(self, error: BaseException | None = None) -> None:
        with self._store._lock:
            self._store._open.discard(id(self))

    def __del__(self) -> None:
        self.end()


@dataclass(slots=True)
class _Fault:
    verb: str
    first: int
    times: float
    when: When
    bytes: int
    key: str | None
    error: Callable[[], BaseException]
    seen: int = 0
    done: int = 0


def _lost() -> BaseException:
    return UnavailableError("injected fault")


class FlakyStore(_TestStore):
    """A store that fails when told to.

    Example:
        >>> from holdall.drivers.memory import MemoryStore
        >>> store = FlakyStore(MemoryStore())
        >>> store.fail("put", when="after")
        >>> store.put("a", b"written, but the reply got lost")
        Traceback (most recent call last):
        ...
        holdall.errors.UnavailableError: injected fault
        >>> store.get("a").bytes()
        b'written, but the reply got lost'
    """

    def __init__(self, store: Store) -> None:
        super().__init__(store)
        self._lock = threading.Lock()
        self._faults: list[_Fault] = []

    def fail(
        self,
        verb: str,
        *,
        nth: int = 1,
        times: float = 1,
        when: When = "before",
        after_bytes: int = 0,
        key: str | None = None,
        error: Callable[[], BaseException] = _lost,
    ) -> None:
        """Let calls of a verb fail.

        Args:
            verb: Its name, in both colours the same; ``"put_part"`` and the like for part writers, ``"*"`` for any.
            nth: The first call from now on to fail, counted from 1.
            times: How many calls fail; ``math.inf`` for all.
            when: ``before`` the inner store is asked; ``after`` it has done the work (a lost reply); ``during`` a body, once more
                than ``after_bytes`` of it came, or during a listing, from its second page on.
            after_bytes: For ``during``.
            key: Count only calls for this key.
            error: Makes the error.
        """
        with self._lock:
            self._faults.append(_Fault(verb, nth, times, when, after_bytes, key, error))

    def heal(self) -> None:
        """Forget all faults."""
        with self._lock:
            self._faults.clear()

    @property
    def failures(self) -> int:
        """How many calls failed so far by faults that are not forgotten."""
        with self._lock:
            return sum(fault.done for fault in self._faults)

    def _call(self, verb: str, key: str | None) -> Call:
        return _Flaky(self._chosen(verb, key))

    def _chosen(self, verb: str, key: str | None) -> _Fault | None:
        """Count the call and return the fault that it shall have."""
        chosen: _Fault | None = None
        with self._lock:
            for fault in self._faults:
                if fault.verb not in {verb, "*"} or (fault.key is not None and fault.key != key):
                    continue
                fault.seen += 1
                if chosen is None and fault.first <= fault.seen < fault.first + fault.times:
                    fault.done += 1
                    chosen = fault
        return chosen


class _Flaky(Call):
    def __init__(self, fault: _Fault | None) -> None:
        super().__init__()
        self._fault = fault
        self._came = 0
        self._steps = 0

    def begin(self) -> None:
        fault = self._fault
        if fault is None:
            return
        self._steps += 1
        if fault.when == "before" or (fault.when == "during" and self._steps > 1 and self._came >= fault.bytes):
            self._fault = None
            raise fault.error()

    def expect_bytes(self) -> None:
        self.more = True
        self._steps = 1

    def read(self, size: int) -> None:
        self._came += size
        fault = self._fault
        if fault is not None and fault.when == "during" and self._came > fault.bytes and not self.more:
            self._fault = None  # the whole body came at once
            raise fault.error()

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        fault = self._fault
        super().__exit__(kind, error, trace)
        if error is None and fault is not None and fault.when == "after":
            self._fault = None
            raise fault.error()

    def end(self, error: BaseException | None = None) -> None:
        """Nothing is held."""


class SlowStore(_TestStore):
    """A store far away: every verb waits, and content comes and goes at a given speed.

    Args:
        store: The store that does the work.
        latency: Seconds before each verb, each page of a listing, and each body.
        bandwidth: Bytes per second of each call, both ways; unlimited if ``None``.

    Example:
        >>> from holdall.drivers.memory import MemoryStore
        >>> SlowStore(MemoryStore(), latency=0.02)
        SlowStore(MemoryStore(), latency=0.02)
    """

    def __init__(self, store: Store, *, latency: float = 0.0, bandwidth: float | None = None) -> None:
        super().__init__(store)
        self.latency = latency
        self.bandwidth = bandwidth

    def _details(self) -> list[str]:
        return [f"latency={self.latency}", *([] if self.bandwidth is None else [f"bandwidth={self.bandwidth}"])]

    def _call(self, verb: str, key: str | None) -> Call:
        return _Slow(self, every=verb == "list")


class _Slow(Call):
    def __init__(self, store: SlowStore, *, every: bool) -> None:
        super().__init__()
        self._store = store
        self._every = every
        self._begun = False
        self._debt = 0.0

    def begin(self) -> None:
        sleep(self._due())

    async def begin_async(self) -> None:
        await sleep_async(self._due())

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        sleep(self._paid())
        super().__exit__(kind, error, trace)

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await sleep_async(self._paid())
        super().__exit__(kind, error, trace)

    def read(self, size: int) -> None:
        if self._store.bandwidth:
            self._debt += size / self._store.bandwidth

    wrote = read

    def end(self, error: BaseException | None = None) -> None:
        """Nothing is held."""

    def _due(self) -> float:
        """Return what to wait before the next step: the latency once, or each time, and what is owed for bytes."""
        first, self._begun = not self._begun, True
        return self._paid() + (self._store.latency if first or self._every else 0.0)

    def _paid(self) -> float:
        debt, self._debt = self._debt, 0.0
        return debt
