"""`ResilientStore`: failed calls are repeated where that is safe, and a storage that keeps failing is left alone for a while."""

from __future__ import annotations

from typing import Any

from holdall.core.retry import BreakerPolicy, RetryPolicy
from holdall.store import PartWriter, Store
from holdall.wrappers import _resilient, _resilient_async
from holdall.wrappers._resilience import Line

__all__ = ["Line", "ResilientStore"]


class _Writer(_resilient_async.WriterVerbs, _resilient.WriterVerbs):
    """A part writer whose verbs are repeated where that is safe."""


class ResilientStore(_resilient_async.Verbs, _resilient.Verbs):
    """A store that repeats what failed, within bounds, and does not keep asking a storage that is down.

    Repeated are reads, overwrites from a source that can be read again (bytes, a path), deletes and part uploads, after an
    `UnavailableError` or a body that ended too early. Conditional writes, renames and one-shot sources are not. A body that breaks
    goes on with the rest of the *same* version (by range and etag); a listing in order goes on after its last key. Use it
    around stores that do not repeat by themselves, or attempts multiply.

    After several failures in a row the breaker opens: calls fail with `CircuitOpenError` at no cost, until one call at a time is let
    through to see whether the storage answers again. "Not there" and refusals are answers. Each change is one warning of the logger
    ``holdall.resilient``.

    Args:
        store: The store that does the work.
        retry: How often and how soon.
        breaker: When and for how long.
        line: The state of another wrapper of the same storage, to be shared; its policies hold then.
        patient: Repeat; otherwise only the breaker counts, and broken bodies go on.
        sole: Nobody else can be asked: an open breaker lets the next call through as its probe.

    Example:
        >>> from holdall.drivers.memory import MemoryStore
        >>> from holdall.testing import FlakyStore
        >>> flaky = FlakyStore(MemoryStore())
        >>> store = ResilientStore(flaky, retry=RetryPolicy(first=0.001))
        >>> flaky.fail("put", times=2)
        >>> store.put("a", b"hello").size
        5
    """

    def __init__(
        self,
        store: Store,
        *,
        retry: RetryPolicy | None = None,
        breaker: BreakerPolicy | None = None,
        line: Line | None = None,
        patient: bool = True,
        sole: bool = False,
    ) -> None:
        super().__init__(store)
        if line is not None and (retry is not None or breaker is not None):
            raise TypeError("line= brings its own policies: no retry= or breaker= beside it")
        self._line = line or Line(repr(store), retry or RetryPolicy(), breaker or BreakerPolicy())
        self._patient = patient
        self._sole = sole

    @property
    def line(self) -> Line:
        """What is known of the storage."""
        return self._line

    def _options(self) -> dict[str, Any]:
        return {
            "retry": self._line.retry,
            "breaker": self._line.breaker.policy,
            "patient": self._patient,
            "sole": self._sole,
        }

    def _details(self) -> list[str]:
        return [f"attempts={self._line.retry.attempts if self._patient else 1}"]

    def _resilient_writer(self, inner: PartWriter) -> PartWriter:
        return _Writer(inner, self)
