"""Small jobs of an async transfer in threads, where one side is a local disk.

A local driver blocks, so every verb of it costs the async colour a thread; a small file would need three such trips. Here one thread
does all of it, by the blocking twin. What is big, and what goes between two far stores, stays with tasks, which can be cancelled at once.
"""

from __future__ import annotations

from collections.abc import Callable

from holdall.engine import copying, renaming
from holdall.engine.copying_async import Copier
from holdall.engine.crew import Crew
from holdall.engine.jobs import Job
from holdall.engine.progress import TransferItem

__all__ = ["lane_of"]


def lane_of(copier: Copier) -> Callable[[Crew[Job]], Callable[[Job], TransferItem]] | None:
    """Return what makes the blocking work for a copier's quick jobs, ``None`` if neither side is local."""
    if not (copier.source.store.capabilities.local or copier.target.store.capabilities.local):
        return None

    def worker(crew: Crew[Job]) -> Callable[[Job], TransferItem]:
        way = copier.renamer
        blocking = copying.Copier(
            copier.source,
            copier.target,
            copier.options,
            copier.route,
            moving=copier.moving,
            renamer=None if way is None else renaming.Renamer(way.store, way.source, way.target, way.sides),
        )
        blocking.crew = crew
        blocking.carrier = copier.carrier
        return blocking.run

    return worker
