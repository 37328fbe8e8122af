"""Carries out the items of a transfer by an executor of the caller's: a pool of processes, or a cluster."""

from __future__ import annotations

from concurrent.futures import Executor

from holdall.core.plans import Route
from holdall.engine.copying_async import Copier
from holdall.engine.jobs import Arrived, Job
from holdall.engine.places import Side
from holdall.engine.progress import TransferItem, TransferOptions
from holdall.engine.renaming_async import Renamer
from holdall.engine.workers import waited_async, work_of

__all__ = ["Spread"]


class Spread(Copier):
    """A copier that hands each file to an executor; renames and empty directories, which move no bytes, it does itself."""

    def __init__(
        self,
        source: Side,
        target: Side,
        options: TransferOptions,
        route: Route,
        *,
        executor: Executor,
        moving: bool = False,
        renamer: Renamer | None = None,
    ) -> None:
        """Take the sides as any copier does.

        Raises:
            NotSupportedError: The executor's workers cannot get at them.
        """
        super().__init__(source, target, options, route, moving=moving, renamer=renamer)
        self._executor = executor
        self._work = work_of(executor, source, target, options, route, moving=moving, carrier=self.carrier)

    async def run_async(self, job: Job) -> TransferItem:
        """Carry out one item. See `Copier.run_async`."""
        item = job.item
        if item.action == "directory" or (item.method == "rename" and self.renamer is not None):
            return await super().run_async(job)
        future = self._executor.submit(self._work, item, job.units)
        done, unread = await waited_async(future, self.crew.checkpoint)
        self.carrier.pass_over(unread)
        if self.options.on_progress is not None and done.action == "copied":
            self.crew.post(Arrived(self.source.key(item.path), done.bytes, done.bytes))
        report: TransferItem = done
        return report
