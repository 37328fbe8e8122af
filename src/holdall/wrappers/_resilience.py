"""What the two halves of `ResilientStore` share: the line to one storage, and one call on it with its repetitions."""

from __future__ import annotations

import logging
import random
import time
from abc import abstractmethod

from holdall.core.retry import Breaker, BreakerPolicy, Budget, Latencies, RetryPolicy, could_not_be_asked
from holdall.errors import CircuitOpenError, HoldallError
from holdall.results import GetResult
from holdall.store import PartWriter
from holdall.wrappers.forwarding import ForwardingStore, ForwardingWriter

__all__ = ["Line", "Reading", "ResilientBase", "ResilientWriterBase", "Trial"]

log = logging.getLogger("holdall.resilient")


class Line:
    """What is known of one storage from the calls to it: its breaker, its budget, how it fared. Shared by all stores that lead to it.

    Args:
        name: What the storage is called in warnings and errors.
        retry: How failed calls are repeated.
        breaker: When it is left alone.
    """

    def __init__(self, name: str, retry: RetryPolicy, breaker: BreakerPolicy) -> None:
        self.name = name
        self.retry = retry
        self.breaker = Breaker(breaker)
        self.budget = Budget()
        self.latencies = Latencies()
        self.last_error: HoldallError | None = None
        self.degraded = False

    def answered(self, seconds: float | None = None) -> None:
        """Note an answer, whatever it said."""
        self.breaker.succeeded()
        self.budget.called()
        if seconds is not None:
            self.latencies.add(seconds)
        if self.degraded:
            self.degraded = False
            log.warning("%s answers again", self.name)

    def failed(self, error: HoldallError) -> None:
        """Note that no answer came; the change is told once."""
        self.breaker.failed(time.monotonic(), random.random())  # noqa: S311  # spreads load, hides nothing
        self.last_error = error
        if not self.degraded:
            self.degraded = True
            log.warning("%s could not be asked: %s", self.name, error)


class Trial:
    """One call with its repetitions.

    Args:
        line: The storage.
        patient: Repeat by the policy.
        sole: Nobody else can be asked, so an open breaker is tried.
    """

    __slots__ = ("_failures", "_line", "_patient", "_sole", "_started", "_tried")

    def __init__(self, line: Line, *, patient: bool, sole: bool) -> None:
        self._line = line
        self._patient = patient
        self._sole = sole
        self._failures = 0
        self._started = self._tried = time.monotonic()

    def begin(self) -> None:
        """Begin an attempt.

        Raises:
            CircuitOpenError: The storage is left alone for now.
        """
        if self._failures:
            self._tried = time.monotonic()
        breaker = self._line.breaker
        if not breaker.open:
            return
        now = time.monotonic()
        if not (breaker.admits(now, sole=self._sole) or (self._patient and breaker.due(now))):
            left = breaker.left(now)
            raise CircuitOpenError(
                f"{self._line.name} failed {breaker.failures} times in a row and is left alone for {left:.1f} s",
                retry_after=left,
                store=self._line.name,
            ) from self._line.last_error

    def ended(self, error: BaseException | None = None) -> None:
        """Note an answer, or an error that is one."""
        if error is None or isinstance(error, HoldallError):
            self._line.answered(time.monotonic() - self._tried)

    def progress(self) -> None:
        """Note that bytes or pages came: failures are counted anew."""
        self._failures = 0
        self._started = time.monotonic()

    def failed(self, error: BaseException, *, again: bool = True) -> float | None:
        """Note an error; return the pause before the next attempt, ``None`` if the error is to be raised.

        Args:
            error: What came instead of an answer.
            again: Whether the call may be made again at all.
        """
        if isinstance(error, CircuitOpenError):
            return None
        if not isinstance(error, HoldallError) or not could_not_be_asked(error):
            self.ended(error)
            return None
        self._line.failed(error)
        self._failures += 1
        if not (again and self._patient):
            return None
        pause = self._line.retry.next(
            self._failures,
            elapsed=time.monotonic() - self._started,
            chance=random.random(),  # noqa: S311
            asked=getattr(error, "retry_after", None),
        )
        return pause if pause is not None and self._line.budget.take() else None


class Reading:
    """The body that is being read; another one takes its place when it broke."""

    __slots__ = ("result",)

    def __init__(self, result: GetResult) -> None:
        self.result = result

    def close(self) -> None:
        """Let go of the body that is read now."""
        self.result.close()

    async def close_async(self) -> None:
        """Let go of the body that is read now."""
        await self.result.close_async()


class ResilientBase(ForwardingStore):
    """What the two halves of `ResilientStore` share."""

    _line: Line
    _patient: bool
    _sole: bool

    def _trial(self) -> Trial:
        return Trial(self._line, patient=self._patient, sole=self._sole)

    @abstractmethod
    def _resilient_writer(self, inner: PartWriter) -> PartWriter:
        """Return a part writer whose verbs are repeated where that is safe."""


class ResilientWriterBase(ForwardingWriter):
    """What the two halves of its part writer share."""

    def __init__(self, inner: PartWriter, store: ResilientBase) -> None:
        super().__init__(inner)
        self._store = store
