"""Wait for a range that somebody else is fetching, in both colours."""

from __future__ import annotations

import asyncio
from concurrent.futures import Future

__all__ = ["landed", "landed_async"]


def landed(flight: Future[bytes | None]) -> bytes | None:
    """Return what was fetched, ``None`` if whoever fetched it gave up."""
    return flight.result()


async def landed_async(flight: Future[bytes | None]) -> bytes | None:
    """Return what was fetched. See `landed`. Cancelling one who waits cancels nothing else."""
    return await asyncio.shield(asyncio.wrap_future(flight))
