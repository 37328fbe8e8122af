"""Turns listings into the items of a plan, one after the other; decides nothing itself but asks `holdall.core.choices`."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator

from holdall.core.choices import hidden, judge
from holdall.core.meta import ObjectMeta
from holdall.core.plans import PlanItem, Route, SkipStrategy
from holdall.engine.colours import closed_async, told_async
from holdall.engine.links import Links
from holdall.engine.places import Side
from holdall.engine.progress import TransferOptions
from holdall.engine.walking_async import Pair, pairs_async, walk_async
from holdall.errors import NotFoundError

__all__ = ["Planner"]

log = logging.getLogger("holdall.transfer")


class Planner:
    """Makes the plan of one transfer.

    Args:
        source: Where from.
        target: Where to.
        options: What to take.
        route: What is possible between the two.
        same: Both sides are one and the same.
        moving: Sources will be deleted: items carry what deletions are pinned to.
        renaming: A move of one file is a rename.

    Attributes:
        directories: Keys of the empty directories that the plan makes, in a sync that deletes.
        refusal: Why nothing will be deleted although `TransferRules.delete` asks for it; known after the last item.
    """

    def __init__(
        self,
        source: Side,
        target: Side,
        options: TransferOptions,
        route: Route,
        *,
        same: bool = False,
        moving: bool = False,
        renaming: bool = False,
    ) -> None:
        self.source = source
        self.target = target
        self.options = options
        self.route = route
        self.same = same
        self.moving = moving
        self.renaming = renaming
        self.directories: set[str] = set()
        self.refusal: str | None = None
        self._doomed: list[PlanItem] = []
        self._links = Links(target.store, target.prefix) if options.delete and target.tree else None
        self._held: set[str] = set()

    async def single_async(self) -> PlanItem:
        """Plan one file, with as few requests as the options allow.

        Raises:
            NotFoundError: The source is missing and the plan had to look.
        """
        options = self.options
        name = self.source.prefix.rsplit("/", 1)[-1]
        compares = options.compare is not None or options.skip is not SkipStrategy.NEVER
        looks = options.dry_run or options.filter or hidden(name, options) or self.same or self.route.modified
        if not (self.moving or compares or looks):
            return PlanItem("", "copy", self.route.method(None, None))
        meta = await self.source.store.head_async(self.source.prefix, version=options.version)
        target: ObjectMeta | None = None
        if compares and not self.same:
            try:
                target = await self.target.store.head_async(self.target.prefix)
            except NotFoundError:
                target = None
        return await self._file_async("", name, meta, target)

    async def tree_async(self) -> AsyncIterator[PlanItem]:
        """Plan what lies below the source's prefix, in order; deletions come last.

        Raises:
            NotFoundError: There is nothing below the prefix, and no directory either.
        """
        source, start = self.source, len(self.source.prefix)
        files = seen = 0
        async with closed_async(self._pairs_async()) as found:
            async for meta, other in found:
                if meta is None:
                    if other is not None and self.options.delete:
                        await self._doom_async(other)
                    continue
                seen += 1
                path = meta.key[start:]
                self._hold(path)
                if meta.kind == "directory" and meta.size == 0:
                    item = await self._directory_async(path, meta, other)
                    if item is not None:
                        yield item
                    continue
                files += 1
                yield await self._file_async(path, path, meta, other)
        if not seen:
            item = await self._empty_async(source)
            if item is not None:
                yield item
        if self.options.delete:
            most = self.options.max_delete
            self._spare()
            if not files and self._doomed and not self.options.allow_empty:
                self.refusal = "the source is empty: nothing was deleted (allow_empty=True, on the command line --allow-empty, would allow it)"
            elif most is not None and len(self._doomed) > most:
                self.refusal = f"{len(self._doomed)} deletions are more than max_delete={most}: nothing was deleted"
            else:
                for item in self._doomed:
                    yield item

    async def _pairs_async(self) -> AsyncIterator[Pair]:
        """Yield the source's entries, beside the target's where the target matters."""
        options, source, target = self.options, self.source, self.target
        async with closed_async(walk_async(source.store, source.prefix)) as found:
            if (options.compare is None and options.skip is SkipStrategy.NEVER) or self.same:
                async for batch in found:
                    for meta in batch:
                        yield meta, None
                return
            async with closed_async(walk_async(target.store, target.prefix)) as others:
                async for pair in pairs_async(found, len(source.prefix), others, len(target.prefix)):
                    yield pair

    async def _file_async(self, path: str, name: str, meta: ObjectMeta, other: ObjectMeta | None) -> PlanItem:
        """Decide about one file; ``name`` is what patterns look at."""
        reason = "same object" if self.same else await self._hidden_async(name, meta)
        if reason is not None:
            return PlanItem(path, "skip", size=meta.size, reason=reason)
        note: str | None = None
        compare = False
        if other is not None:
            if self.options.skip is SkipStrategy.CUSTOM:
                skip, note = await self._custom_async(path, meta, other)
                if skip:
                    return PlanItem(path, "skip", size=meta.size, reason=note)
            else:
                verdict, reason = judge(meta, other, self.options)
                if verdict == "skip":
                    return PlanItem(path, "skip", size=meta.size, reason=reason)
                compare = verdict == "compare"
        # A small file is copied whole, whatever its etag, which some stores have to work out.
        etag = meta.etag if meta.size > self.route.part_size else None
        method = "rename" if self.renaming else self.route.method(meta.size, etag)
        return PlanItem(
            path,
            "compare" if compare else "copy",
            method,
            meta.size,
            meta.etag if self.moving or method == "ranges" else None,
            meta.last_modified if self.route.modified or (self.moving and meta.etag is None) else None,
            note,
        )

    async def _directory_async(self, path: str, meta: ObjectMeta, other: ObjectMeta | None) -> PlanItem | None:
        """Decide about an empty directory or a marker; filters hide those in silence, as they are no files."""
        kinds = self.target.store.capabilities.directories
        if not self.options.empty_dirs or kinds == "implied" or other is not None or self.same:
            return None
        if kinds == "marker" and self.source.store.capabilities.directories == "real":
            return None
        if await self._hidden_async(path, meta) is not None:
            return None
        if self.options.delete:
            self.directories.add(self.target.key(path))
        return PlanItem(path, "directory")

    async def _hidden_async(self, name: str, meta: ObjectMeta) -> str | None:
        """Return why a file is left out."""
        reason = hidden(name, self.options)
        if reason is None and self.options.filter is not None:
            try:
                if not await told_async(self.options.filter, meta, name):
                    reason = "filtered out"
            except Exception as error:  # noqa: BLE001  # the caller's function; the contract is to note it
                log.warning("filter raised for %r: %r", name, error)
                reason = f"filter error: {error!r}"
        return reason

    async def _custom_async(self, path: str, meta: ObjectMeta, other: ObjectMeta) -> tuple[bool, str | None]:
        """Ask the caller's skip function; its error means copy."""
        assert self.options.skip_fn is not None  # an invariant of TransferOptions
        try:
            if await told_async(self.options.skip_fn, meta, other):
                return True, "custom function returned True"
        except Exception as error:  # noqa: BLE001  # the caller's function; the contract is to note it
            log.warning("skip_fn raised for %r: %r", path, error)
            return False, f"skip_fn error: {error!r}"
        return False, None

    async def _doom_async(self, other: ObjectMeta) -> None:
        """Note a deletion, unless the filters hide what would go."""
        path = other.key[len(self.target.prefix) :]
        if await self._hidden_async(path, other) is None:
            self._doomed.append(PlanItem(path, "delete", size=other.size, reason="not in the source"))

    def _hold(self, path: str) -> None:
        """Note the link that a file of the source is reached through in the target."""
        link = None if self._links is None else self._links.above(self.target.key(path))
        if link is not None:
            self._held.add(link)

    def _spare(self) -> None:
        """Take back deletions of what is only reached through a link; the link goes, if nothing of the source lies behind it."""
        if self._links is None:
            return
        doomed, gone = self._doomed, set[str]()
        self._doomed = []
        for item in doomed:
            link = self._links.above(self.target.key(item.path))
            if link is None:
                self._doomed.append(item)
            elif link not in self._held and link not in gone:
                gone.add(link)
                path = link[len(self.target.prefix) :]
                self._doomed.append(PlanItem(path, "delete", reason="a link to what is not in the source"))

    async def _empty_async(self, source: Side) -> PlanItem | None:
        """Decide about a source without anything below it: an empty directory, or nothing at all."""
        if not source.prefix:
            return None
        if source.store.capabilities.directories == "implied":
            known = False
        else:
            try:
                await source.store.head_async(source.prefix)
                known = True
            except NotFoundError:
                known = False
        if not known and not (self.options.compare is not None and self.options.allow_empty):
            raise NotFoundError(f"Source not found: {source.prefix!r}", key=source.prefix, store=source.store)
        real = self.target.store.capabilities.directories == "real"
        if known and real and self.target.prefix and self.options.empty_dirs and not self.same:
            return PlanItem("", "directory")
        return None
