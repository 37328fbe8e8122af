"""Copies, moves and syncs files and trees between any two stores.

A plan is made from listings (`holdall.engine.planning`), and carried out as it comes by a crew of workers within a budget of parts in
flight (`holdall.engine.copying`); the caller's thread or task plans, counts and calls back. Both sides are ``(store, key)``; a key that is
``""`` or ends with ``/`` is a tree, any other a file or, if there is no such file, a tree.

Example:
    >>> from holdall.drivers.memory import MemoryStore
    >>> here, there = MemoryStore(), MemoryStore()
    >>> _ = here.put("a/b.txt", b"hello")
    >>> copy((here, "a"), (there, "z")).copied
    1
    >>> there.get("z/b.txt").bytes()
    b'hello'
"""

from __future__ import annotations

import os
import time
from collections.abc import AsyncIterator
from dataclasses import replace

from holdall.core.choices import displaced
from holdall.core.plans import PlanItem, Route
from holdall.engine.colours import closed_async, told_async
from holdall.engine.copying_async import Copier
from holdall.engine.crew import AsyncCrew, Ended, StoppedError
from holdall.engine.jobs import Arrived, Budget, Job, quick
from holdall.engine.lanes import lane_of  # async only
from holdall.engine.links import Links
from holdall.engine.places import Side, relation
from holdall.engine.planning_async import Planner
from holdall.engine.progress import ProgressEvent, TransferItem, TransferOptions, TransferReport
from holdall.engine.renaming_async import Renamer, renamer, tidy_async
from holdall.engine.walking_async import walk_async
from holdall.errors import (
    HoldallError,
    IsDirectoryError,
    NotDirectoryError,
    NotFoundError,
    PermissionDeniedError,
    TransferError,
)
from holdall.store import Store

__all__ = ["Address", "copy_async", "move_async", "plan_async", "sync_async"]

Address = tuple[Store, str]
"""A store and a key in it."""
BATCH = 1000


async def copy_async(source: Address, target: Address, options: TransferOptions | None = None) -> TransferReport:
    """Copy a file to exactly the target, or the contents of a tree directly into the target, merged with what is there.

    Args:
        source: Where from.
        target: Where to.
        options: What to take, how, and whom to tell.

    Raises:
        NotFoundError: The source is missing.
        ValueError: One tree lies inside the other.
        IsDirectoryError: A file was to replace a directory.
        TransferError: With ``errors="collect"``, some items failed; `TransferError.report` has them.
    """
    return await _Transfer(source, target, options).run_async()


async def move_async(source: Address, target: Address, options: TransferOptions | None = None) -> TransferReport:
    """Move a file or tree: by rename where possible, else copy, verify, and delete what was copied, file by file.

    An interrupted move leaves every file at one or both places; moving again finishes it. What is skipped stays.

    Raises:
        PermissionDeniedError: The source may not be deleted; nothing was copied.
        HoldallError: See `copy_async`.
    """
    return await _Transfer(source, target, options, moving=True).run_async()


async def sync_async(source: Address, target: Address, options: TransferOptions | None = None) -> TransferReport:
    """Copy what is new or different (`TransferRules.compare`); with ``delete`` also remove what the source lacks, last.

    Raises:
        TransferError: Deletions were refused (``max_delete``, ``allow_empty``), or items failed.
        HoldallError: See `copy_async`.
    """
    options = options or TransferOptions()
    return await _Transfer(source, target, replace(options, compare=options.compare or "auto")).run_async()


async def plan_async(
    source: Address, target: Address, options: TransferOptions | None = None, *, moving: bool = False
) -> AsyncIterator[PlanItem]:
    """Yield what a copy would do, item by item; nothing is written.

    Raises:
        HoldallError: See `copy_async`.
    """
    transfer = _Transfer(source, target, options, moving=moving)
    async with closed_async(transfer.plan_async()) as items:
        async for item in items:
            yield item


class _Transfer:
    """One copy, move or sync."""

    def __init__(self, source: Address, target: Address, options: TransferOptions | None, *, moving: bool = False) -> None:
        self.source = Side(*source)
        self.target = Side(*target)
        self.options = options or TransferOptions()
        self.moving = moving
        self.report = TransferReport(dry_run=self.options.dry_run)
        self.total: int | None = None
        self._bytes = 0
        self._behind: set[str] = set()
        self._gone: set[str] = set()
        self._arrived: dict[str, int] = {}
        self._blocked: dict[str, tuple[PlanItem, Exception]] | None = {} if self.options.delete else None
        self._started = time.perf_counter()
        self._check()

    def _check(self) -> None:
        """Refuse what cannot work, before any I/O."""
        ours, theirs = self.source.store.capabilities, self.target.store.capabilities
        if not theirs.write and not self.options.dry_run:
            raise PermissionDeniedError("the target is read-only", key=self.target.prefix, store=self.target.store)
        if self.moving and not ours.delete:
            raise PermissionDeniedError(
                "the source does not have delete permission", key=self.source.prefix, store=self.source.store
            )
        if self.options.delete and not theirs.delete:
            raise PermissionDeniedError(
                "the target does not have delete permission", key=self.target.prefix, store=self.target.store
            )
        if self.options.delete and self.options.compare is None:
            raise ValueError("delete=True goes with sync")
        if self.moving and self.options.version is not None:
            raise ValueError("an old version can be copied, not moved")
        if self.source.tree and self.options.version is not None:
            raise ValueError(f"a version is that of one file: {self.source} is a tree")

    # -- file or tree -------------------------------------------------------------------------------------------------

    async def run_async(self) -> TransferReport:
        """Do it all and return the report."""
        if self.source.tree:
            await self._tree_async()
        else:
            await self._single_async()
        report = self.report
        report.seconds = time.perf_counter() - self._started
        if report.failed and self.options.errors == "collect":
            raise TransferError(f"{report.failed} of {report.done} items failed", report=report)
        return report

    async def plan_async(self) -> AsyncIterator[PlanItem]:
        """Yield the items that `run_async` would carry out."""
        if not self.source.tree:
            planner = self._planner()
            planner.options = replace(planner.options, dry_run=True)  # look, so that the plan tells sizes
            try:
                item = await planner.single_async()
            except NotFoundError as error:
                await self._turn_async(error)
            else:
                self._check_target()
                yield item
                return
        self._check_trees()
        async with closed_async(self._planner().tree_async()) as items:
            async for item in items:
                yield item

    async def _single_async(self) -> None:
        """Copy one file, or go over to a tree if there is no such file."""
        planner = self._planner()
        if planner.same and self.moving:
            await self._present_async()
            return
        copier = self._copier(planner)
        source, target = self.source.prefix, self.target.prefix
        done: TransferItem
        try:
            if self._onto_directory():
                await self.source.store.head_async(source)
                self._check_target()
            item = await planner.single_async()
            done = self._skipped(item)
            if item.action != "skip":
                done = await self._alone_async(copier, Job(item, planner.route.units))
        except Exception as error:
            if isinstance(error, NotFoundError) and await self._missing_async(error):
                await self._turn_async(error)
                await self._tree_async()
                return
            if self.options.errors == "raise" or isinstance(error, IsDirectoryError):
                raise
            done = TransferItem(source=source, target=target, action="failed", error=error)
        self.total = 1
        await self._settle_async(done)

    async def _missing_async(self, error: NotFoundError) -> bool:
        """Tell whether it is the source that was not found (and not the target's bucket, say)."""
        if error.key == self.source.prefix:
            return True
        try:
            await self.source.store.head_async(self.source.prefix)
        except NotFoundError:
            return True
        return False

    async def _alone_async(self, copier: Copier, job: Job) -> TransferItem:
        """Carry out one item with all the room there is; by a crew only if somebody wants to hear of bytes."""
        async with AsyncCrew(copier.run_async, 1) as crew:
            copier.crew = crew
            if self.options.on_progress is None:
                return await copier.run_async(job)
            crew.start(job)
            while True:
                event = await crew.next_async()
                if isinstance(event, Arrived):
                    await self._progress_async(event)
                    continue
                if event.error is not None:
                    raise event.error
                done: TransferItem = event.result
                return done

    async def _turn_async(self, error: NotFoundError) -> None:
        """Take the source for a tree, if there is one of that name.

        Raises:
            NotFoundError: There is neither a file nor a tree; or no file of the version to be copied.
        """
        if self.options.version is not None:
            raise error
        tree = self.source.as_tree()
        async with closed_async(walk_async(tree.store, tree.prefix)) as batches:
            async for batch in batches:
                if batch:
                    self.source = tree
                    return
        if tree.store.capabilities.directories != "implied":
            try:
                await tree.store.head_async(tree.prefix)
                self.source = tree
                return
            except NotFoundError:
                pass
        name = self.source.prefix
        raise NotFoundError(f"Source not found: {name!r}", key=name, store=self.source.store) from error

    async def _present_async(self) -> None:
        """Make sure that what is moved onto itself is there.

        Raises:
            NotFoundError: There is neither a file nor a tree.
        """
        if not self.source.prefix:
            return
        try:
            await self.source.store.head_async(self.source.prefix)
        except NotFoundError as error:
            await self._turn_async(error)

    def _onto_directory(self) -> bool:
        """Tell whether the target is a directory for all that is known without a request."""
        target = self.target
        if target.tree:
            return True
        real = target.store.local_path(target.prefix)
        return real is not None and os.path.isdir(real)

    def _check_target(self) -> None:
        """Refuse to put a file where a directory is."""
        if self._onto_directory():
            name = self.target.prefix
            raise IsDirectoryError(
                f"{name or 'the root'!r} is a directory: copy_into copies into it", key=name, store=self.target.store
            )

    def _check_trees(self) -> None:
        self.target = self.target.as_tree()
        if relation(self.source, self.target) == "inside":
            raise ValueError(f"one tree lies inside the other: {self.source} and {self.target}")

    def _planner(self) -> Planner:
        source, target = self.source, self.target
        route = Route.between(
            source.store.capabilities,
            source.store.identity,
            target.store.capabilities,
            target.store.identity,
            self.options,
            spread=self.options.executor is not None,
        )
        return Planner(
            source,
            target,
            self.options,
            route,
            same=relation(source, target) == "same",
            moving=self.moving,
            renaming=self._renamer() is not None,
        )

    def _renamer(self) -> Renamer | None:
        return renamer(self.source, self.target) if self.moving else None

    def _copier(self, planner: Planner) -> Copier:
        options, executor, way = self.options, self.options.executor, self._renamer()
        if executor is None or options.dry_run:
            return Copier(self.source, self.target, options, planner.route, moving=self.moving, renamer=way)
        from holdall.engine.spreading_async import Spread  # noqa: PLC0415  # few callers bring an executor

        return Spread(self.source, self.target, options, planner.route, executor=executor, moving=self.moving, renamer=way)

    # -- trees --------------------------------------------------------------------------------------------------------

    async def _tree_async(self) -> None:
        self._check_trees()
        planner = self._planner()
        if planner.same and self.moving:
            await self._present_async()
            return
        if await self._renamed_async(planner):
            return
        copier = self._copier(planner)
        if self.options.progress is None:
            async with closed_async(planner.tree_async()) as items:
                await self._carry_out_async(copier, planner, items)
        else:
            planned: list[PlanItem] = []
            self.total = 0
            async for item in planner.tree_async():
                planned.append(item)
                self.total += item.action in {"copy", "compare", "skip"}
            await self._carry_out_async(copier, planner, _each_async(planned))
        if copier.carrier.unread:
            self.report.lost["tags (not read)"] = copier.carrier.unread
        if self.moving and self._behind and not self.options.dry_run:
            await self._leave_async(copier.links)
        if planner.refusal is not None and not self.report.failed:
            self.report.seconds = time.perf_counter() - self._started
            raise TransferError(planner.refusal, report=self.report, key=self.target.prefix, store=self.target.store)
        if self._gone and not self.options.dry_run:
            await tidy_async(self.target.store, self._gone - planner.directories)

    async def _leave_async(self, links: Links | None) -> None:
        """Remove the directories that were emptied by a move, and links to others, if all that lies behind them was copied."""
        through = {name: None if links is None else links.above(name) for name in self._behind}
        linked = {link for link in through.values() if link is not None}
        if linked and not (self.report.failed or self.report.skipped):
            for result in await self.source.store.delete_async(sorted(linked)):
                if result.error is not None:
                    raise result.error
        await tidy_async(self.source.store, [name for name, link in through.items() if link is None])

    async def _renamed_async(self, planner: Planner) -> bool:
        """Move a whole directory by one rename, if nothing speaks against it."""
        options, way = self.options, self._renamer()
        choosy = options.include or options.exclude or options.filter or options.skip != "never" or options.dry_run
        if way is None or choosy or not way.directories or not self.source.prefix or not self.target.prefix:
            return False
        try:
            await way.rename_async("", overwrite=False)
        except NotFoundError:
            raise NotFoundError(
                f"Source not found: {self.source.prefix!r}", key=self.source.prefix, store=self.source.store
            ) from None
        except HoldallError:
            return False  # something is there, or another filesystem: file by file
        self.total = 1
        await self._settle_async(TransferItem(source=self.source.prefix, target=self.target.prefix, action="renamed"))
        return True

    async def _carry_out_async(self, copier: Copier, planner: Planner, items: AsyncIterator[PlanItem]) -> None:
        """Draw items as there is room for them, and deal with what comes back; what others' names are in the way of comes last."""
        route = planner.route
        doomed: list[PlanItem] = []
        waiting: PlanItem | None = None
        exhausted = False
        crew = AsyncCrew(
            copier.run_async,
            route.units,
            quick=quick,
            worker=None if self.options.executor else lane_of(copier),  # async only
        )
        async with crew:
            copier.crew = crew
            budget = Budget(route, ahead=crew.ahead)
            while True:
                while not exhausted:
                    if waiting is None:
                        waiting = await anext(items, None)
                        if waiting is None:
                            exhausted = True
                            break
                        if waiting.action in {"skip", "delete"}:
                            if waiting.action == "delete":
                                doomed.append(waiting)
                            else:
                                await self._settle_async(self._skipped(waiting))
                            waiting = None
                            continue
                    units = budget.admit(route.cost(waiting.method, waiting.size))
                    if not units:
                        break
                    crew.start(Job(waiting, units))
                    waiting = None
                    if crew.ready():
                        break
                if not crew.busy:
                    break
                await self._hear_async(await crew.next_async(), budget)
        again = await self._clear_async(doomed)
        if again:
            await tidy_async(self.target.store, self._gone - planner.directories)
            await self._carry_out_async(copier, planner, _each_async(again))

    async def _clear_async(self, doomed: list[PlanItem]) -> list[PlanItem]:
        """Delete what the source lacks, if nothing failed, and return what has room only now."""
        blocked, self._blocked = self._blocked, None  # the next failure is one
        waiting = blocked or {}
        room = displaced(waiting, (item.path for item in doomed)) if waiting and not self.report.failed else set[str]()
        for path in waiting:
            if path not in room:
                await self._fail_async(*waiting[path])
        if doomed and not self.report.failed:
            await self._delete_async(doomed)
        again = [waiting[path] for path in waiting if path in room]
        if not self.report.failed:
            return [item for item, _ in again]
        for item, error in again:
            await self._fail_async(item, error)
        return []

    async def _hear_async(self, event: Arrived | Ended[Job], budget: Budget) -> None:
        """Deal with what a worker posted."""
        if isinstance(event, Arrived):
            await self._progress_async(event)
            return
        job = event.job
        budget.free(job.units)
        error = event.error
        if error is None:
            await self._settle_async(event.result)
            return
        if not isinstance(error, Exception) or isinstance(error, StoppedError):
            raise error
        if self._blocked is not None and isinstance(error, (IsDirectoryError, NotDirectoryError)):
            self._blocked[job.item.path] = job.item, error
        else:
            await self._fail_async(job.item, error)

    async def _fail_async(self, item: PlanItem, error: Exception) -> None:
        """Note that an item failed, or raise its error."""
        if self.options.errors == "raise":
            raise error
        source, target = self.source.key(item.path), self.target.key(item.path)
        await self._settle_async(TransferItem(source=source, target=target, action="failed", error=error))

    def _skipped(self, item: PlanItem) -> TransferItem:
        return TransferItem(
            source=self.source.key(item.path), target=self.target.key(item.path), action="skipped", reason=item.reason
        )

    # -- telling ------------------------------------------------------------------------------------------------------

    async def _settle_async(self, item: TransferItem) -> None:
        """Count an item and tell the caller."""
        options = self.options
        self.report.add(item, None if options.dry_run else options.keep_items)
        if item.source is not None:
            self._arrived.pop(item.source, None)
        if item.action == "copied":
            if self.moving and item.source is not None and self.source.store.capabilities.directories == "real":
                self._behind.update(_ancestors(item.source, self.source.prefix))
            if options.on_file is not None and not options.dry_run:
                await told_async(options.on_file, item)
        elif item.action == "directory":
            if self.moving and item.source is not None:
                self._behind.update(_ancestors(item.source, self.source.prefix))
            return
        elif item.action == "skipped":
            if options.on_skip is not None:
                await told_async(options.on_skip, item, item.reason or "")
        elif item.action == "failed" and options.on_error is not None and item.error is not None:
            await told_async(options.on_error, item, item.error)
        if options.progress is not None and self.total is not None and item.source is not None:
            await told_async(options.progress, self.report.done, self.total)

    async def _progress_async(self, event: Arrived) -> None:
        self._bytes += event.bytes - self._arrived.get(event.path, 0)
        self._arrived[event.path] = event.bytes
        if self.options.on_progress is not None:
            await told_async(self.options.on_progress, ProgressEvent(event.path, event.bytes, event.size, self._bytes))

    # -- deleting -----------------------------------------------------------------------------------------------------

    async def _delete_async(self, doomed: list[PlanItem]) -> None:
        """Delete from the target what the source lacks, in batches."""
        real = self.target.store.capabilities.directories == "real"
        for start in range(0, len(doomed), BATCH):
            batch = doomed[start : start + BATCH]
            keys = [self.target.key(item.path) for item in batch]
            results = [] if self.options.dry_run else await self.target.store.delete_async(keys)
            errors = {result.key: result.error for result in results if result.error is not None}
            for item, key in zip(batch, keys, strict=True):
                error = errors.get(key)
                if error is not None and self.options.errors == "raise":
                    raise error
                if error is not None:
                    await self._settle_async(TransferItem(source=None, target=key, action="failed", error=error))
                    continue
                if real:
                    self._gone.update(name for name in _ancestors(key, self.target.prefix) if name != self.target.prefix)
                await self._settle_async(TransferItem(source=None, target=key, action="deleted", reason=item.reason))


async def _each_async(items: list[PlanItem]) -> AsyncIterator[PlanItem]:
    for item in items:
        yield item


def _ancestors(key: str, prefix: str) -> list[str]:
    """Return the directories above a key, down from the prefix (included, unless it is the root).

    Example:
        >>> _ancestors("p/a/b/c", "p/")
        ['p/a/b/', 'p/a/', 'p/']
    """
    found: list[str] = [key] if key.endswith("/") else []
    while (at := key.rstrip("/").rfind("/") + 1) > 0 and at >= len(prefix):
        key = key[:at]
        found.append(key)
    return found
