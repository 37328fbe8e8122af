"""Ranges that somebody is fetching already, and waiting for one of them, in both colours."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Sequence
from concurrent.futures import Future

from holdall.containers.cache import Span

__all__ = ["Flights", "landed", "landed_async"]


class Flights:
    """Ranges that are being fetched, so that nobody else fetches them too."""

    def __init__(self) -> None:
        self._under_way: dict[Span, Future[bytes | None]] = {}
        self._lock = threading.Lock()

    def claim(self, spans: Sequence[Span]) -> tuple[list[Span], dict[Span, Future[bytes | None]]]:
        """Return the ranges that the caller has to fetch, and those that others are fetching."""
        with self._lock:
            others = {span: self._under_way[span] for span in spans if span in self._under_way}
            mine = [span for span in spans if span not in others]
            self._under_way |= {span: Future() for span in mine}
        return mine, others

    def land(self, spans: Sequence[Span], found: Sequence[bytes] | None) -> None:
        """Hand fetched ranges to those who wait; ``None`` tells them to fetch for themselves."""
        with self._lock:
            ended = [self._under_way.pop(span) for span in spans]
        for i, future in enumerate(ended):
            future.set_result(None if found is None else found[i])


def landed(flight: Future[bytes | None]) -> bytes | None:
    """Return what was fetched, ``None`` if whoever fetched it gave up."""
    return flight.result()


async def landed_async(flight: Future[bytes | None]) -> bytes | None:
    """Return what was fetched. See `landed`. Cancelling one who waits cancels nothing else."""
    return await asyncio.shield(asyncio.wrap_future(flight))
