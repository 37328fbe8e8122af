"""A fair semaphore that threads and tasks of any event loop wait at together, and a value of its own for each process.

`_concurrency` has pairs of primitives, one per colour; a limit has to be *one* for both, so it is made here from a lock that is
held for a few instructions, never while waiting.
"""

from __future__ import annotations

import asyncio
import threading
from collections import OrderedDict, deque
from collections.abc import Callable
from typing import Generic, TypeVar

from holdall._concurrency import ForkGuard

__all__ = ["Admission", "Gate", "PerProcess"]

T = TypeVar("T")


class PerProcess(Generic[T]):
    """A value that each process makes for itself: locks and waiters of the parent mean nothing in a forked child.

    Example:
        >>> PerProcess(list).get()
        []
    """

    __slots__ = ("_cell", "_make")

    def __init__(self, make: Callable[[], T]) -> None:
        self._make = make
        self._cell = _Cell(make())

    def get(self) -> T:
        """Return this process's value."""
        cell = self._cell
        while cell.guard.stale():
            # setdefault is atomic: all threads of a child agree on one heir, without a lock that a fork could freeze.
            cell = self._cell = cell.heir.setdefault(0, _Cell(self._make()))
        return cell.value


class _Cell(Generic[T]):
    __slots__ = ("guard", "heir", "value")

    def __init__(self, value: T) -> None:
        self.guard = ForkGuard()
        self.value = value
        self.heir: dict[int, _Cell[T]] = {}


class Admission:
    """One's being inside a gate; made by `Gate.enter`.

    Attributes:
        inside: Whether it still is.
    """

    __slots__ = ("_beside", "_gate", "_lender", "inside", "outer")

    def __init__(self, gate: Gate, outer: Admission | None) -> None:
        self._gate = gate
        self._lender: Admission | None = None  # whose room it shares
        self._beside: Admission | None = None  # who shares its room
        self.outer = outer
        self.inside = False

    def leave(self) -> None:
        """Make room for the next. Never blocks; may be called from a finaliser. Call it once."""
        self._gate._left.append(self)
        self._gate._settle()


class _Thread:
    """A waiting thread. A bare lock wakes it: it may be released from anywhere, a finaliser included."""

    __slots__ = ("admission", "signal")

    def __init__(self, admission: Admission) -> None:
        self.admission = admission
        self.signal = threading.Lock()
        self.signal.acquire()

    def wake(self) -> bool:
        self.signal.release()
        return True


class _Task:
    """A waiting task."""

    __slots__ = ("admission", "future", "loop")

    def __init__(self, admission: Admission) -> None:
        self.admission = admission
        self.loop = asyncio.get_running_loop()
        self.future: asyncio.Future[None] = self.loop.create_future()

    def wake(self) -> bool:
        try:
            self.loop.call_soon_threadsafe(self._resolve)
        except RuntimeError:  # its loop was closed: nobody waits there any more
            return False
        return True

    def _resolve(self) -> None:
        if not self.future.done():
            self.future.set_result(None)


class Gate:
    """Has room for ``width`` callers at once; the others wait in the order they came.

    A caller may say within which other admission it comes (``outer``). If there is no room, it shares that one's, alone or
    after those who share it already: who waits for something of its own inside is not waited for by it. So there are at most
    ``width`` chains of nested callers inside. When one leaves, the one beside it keeps the room.

    A caller that is cancelled, interrupted or whose loop dies while it waits leaves no trace.

    Args:
        width: How many.
    """

    __slots__ = ("_free", "_left", "_lock", "_nested", "_queue", "width")

    def __init__(self, width: int) -> None:
        self.width = width
        self._free = width
        self._lock = threading.Lock()
        self._queue: OrderedDict[_Thread | _Task, None] = OrderedDict()
        self._nested = 0
        self._left: deque[Admission] = deque()

    @property
    def waiting(self) -> int:
        """How many wait now."""
        return len(self._queue)

    def enter(self, outer: Admission | None = None) -> Admission:
        """Wait until there is room, blocking this thread."""
        admission = Admission(self, outer)
        if not self._admit(admission):
            waiter = _Thread(admission)
            if not self._admit(admission, waiter):
                try:
                    waiter.signal.acquire()
                except BaseException:
                    self._abandon(waiter)
                    raise
        return admission

    async def enter_async(self, outer: Admission | None = None) -> Admission:
        """Wait until there is room, without blocking the event loop."""
        admission = Admission(self, outer)
        if not self._admit(admission):
            waiter = _Task(admission)
            if not self._admit(admission, waiter):
                try:
                    await waiter.future
                except BaseException:
                    self._abandon(waiter)
                    raise
        return admission

    def try_enter(self) -> Admission | None:
        """Enter if that needs no waiting."""
        admission = Admission(self, None)
        return admission if self._admit(admission) else None

    def _admit(self, admission: Admission, waiter: _Thread | _Task | None = None) -> bool:
        """Let a caller in if there is room; else queue its waiter, if it brought one."""
        with self._lock:
            if self._free > 0 and not self._queue:
                self._take(admission, None)
            elif (lender := self._lender(admission)) is not None:
                self._take(admission, lender)
            elif waiter is not None:
                self._queue[waiter] = None
                self._nested += admission.outer is not None
        self._settle()
        return admission.inside

    def _lender(self, admission: Admission) -> Admission | None:
        """Return the nearest outer admission that is inside, if nobody is beside it."""
        outer = admission.outer
        while outer is not None and not (outer.inside and outer._gate is self):
            outer = outer.outer
        return outer if outer is not None and outer._beside is None else None

    def _take(self, admission: Admission, lender: Admission | None) -> None:
        if lender is None:
            self._free -= 1
        else:
            lender._beside, admission._lender = admission, lender
        admission.inside = True

    def _let_in(self, waiter: _Thread | _Task, lender: Admission | None) -> None:
        self._unqueue(waiter)
        self._take(waiter.admission, lender)  # first, as the one who is woken looks at once whether it is inside
        if not waiter.wake():
            self._book(waiter.admission)

    def _book(self, admission: Admission) -> None:
        """Note that one has left; who is beside it keeps its room."""
        lender, beside = admission._lender, admission._beside
        admission._lender = admission._beside = None
        admission.inside = False
        if beside is not None:
            beside._lender = lender
        if lender is not None:
            lender._beside = beside
        elif beside is None:
            self._free += 1

    def _unqueue(self, waiter: _Thread | _Task) -> None:
        del self._queue[waiter]
        self._nested -= waiter.admission.outer is not None

    def _abandon(self, waiter: _Thread | _Task) -> None:
        with self._lock:
            if waiter in self._queue:
                self._unqueue(waiter)
        if waiter.admission.inside:  # it was let in at the very moment
            waiter.admission.leave()
        else:
            self._settle()

    def _settle(self) -> None:
        """Book those who left and let the next in.

        Whoever finds the lock taken leaves the work to its holder, who looks again after letting go: so this never waits, and a
        finaliser that runs in the midst of it does no harm.
        """
        while self._left and self._lock.acquire(blocking=False):
            try:
                while self._left:
                    self._book(self._left.popleft())
                while self._free > 0 and self._queue:
                    self._let_in(next(iter(self._queue)), None)
                for waiter in [*self._queue] if self._nested else ():
                    lender = self._lender(waiter.admission)
                    if lender is not None:
                        self._let_in(waiter, lender)
            finally:
                self._lock.release()
