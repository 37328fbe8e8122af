"""Work that nobody waits for: probes of locations that were left alone, and promotions. A pool of threads, made on first need."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from typing import Any

from holdall.core.keys import ReservedKey
from holdall.core.retry import could_not_be_asked
from holdall.errors import HoldallError, StoreTimeoutError
from holdall.tiers.locations import Location
from holdall.wrappers._gate import PerProcess

__all__ = ["PROBE", "Background", "probe"]

log = logging.getLogger("holdall.tiers")

PROBE = ReservedKey(".holdall/probe")
"""A key that nobody has: any answer about it shows that a location answers."""
WORKERS = 4


class _Pool:
    """The threads of one process, and what they have to do."""

    def __init__(self) -> None:
        self.threads: ThreadPoolExecutor | None = None
        self.under_way: set[Future[Any]] = set()

    def submit(self, task: Callable[[], Any]) -> Future[Any]:
        """Give a task to a thread."""
        if self.threads is None:
            self.threads = ThreadPoolExecutor(WORKERS, thread_name_prefix="holdall-tiers")
        future = self.threads.submit(task)
        self.under_way.add(future)
        future.add_done_callback(self.under_way.discard)
        return future


class Background:
    """Tasks in threads; a forked child begins with none."""

    def __init__(self) -> None:
        self._pool: PerProcess[_Pool] = PerProcess(_Pool)
        self._closed = False

    def submit(self, task: Callable[[], Any]) -> None:
        """Begin a task; its error is logged."""
        if not self._closed:
            self._pool.get().submit(lambda: _logged(task))

    def probe(self, location: Location) -> None:
        """Look whether a location answers again, if it is time for that."""
        if location.line.breaker.due(time.monotonic()):
            self.submit(lambda: probe(location))

    def pending(self) -> int:
        """Return how many tasks are not done."""
        return len(self._pool.get().under_way)

    def flush(self, timeout: float | None = None) -> bool:
        """Wait for all tasks; return whether they are done."""
        return not wait([*self._pool.get().under_way], timeout).not_done

    def health(self, locations: Sequence[Location], timeout: float) -> dict[Location, HoldallError | None]:
        """Probe locations at once; one that does not answer in time is reported as such."""
        threads = ThreadPoolExecutor(max(1, len(locations)), thread_name_prefix="holdall-health")
        futures = {location: threads.submit(probe, location) for location in locations}
        wait(futures.values(), timeout)
        threads.shutdown(wait=False, cancel_futures=True)
        found: dict[Location, HoldallError | None] = {}
        for location, future in futures.items():
            late = StoreTimeoutError(f"no answer in {timeout:g} s", store=location)
            found[location] = future.result() if future.done() else late
        return found

    def close(self, drain: float) -> None:
        """Wait a while for what is under way, and take nothing more."""
        self._closed = True
        pool = self._pool.get()
        if pool.threads is not None:
            self.flush(drain)
            pool.threads.shutdown(wait=False, cancel_futures=True)


def probe(location: Location) -> HoldallError | None:
    """Ask a location for a key that nobody has; return the error if it could not be asked."""
    started = time.monotonic()
    try:
        location.bare.head(PROBE)
    except HoldallError as error:
        if could_not_be_asked(error):
            location.line.failed(error)
            return error
    location.line.answered(time.monotonic() - started)
    return None


def _logged(task: Callable[[], Any]) -> None:
    try:
        task()
    except Exception as error:  # noqa: BLE001  # nobody waits for it
        log.warning("in the background: %s", error if isinstance(error, HoldallError) else type(error).__name__)
