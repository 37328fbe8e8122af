"""Copies one object from one store to another: by the server, whole, as one stream, or by parallel ranges; then verifies it.

Memory stays below parts in flight times part size: nothing here holds more than the parts it was given room for.
"""

from __future__ import annotations

import contextlib
import logging
import threading
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from typing import Any

from holdall.core.choices import digest_reason
from holdall.core.meta import ObjectMeta
from holdall.core.options import CopyOptions, GetOptions, PutOptions
from holdall.core.plans import PlanItem, Route, part_size_for
from holdall.engine.apart_async import apart_async
from holdall.engine.carrying import Carried, Carrier
from holdall.engine.colours import closed_async, finish_async
from holdall.engine.crew import AsyncCrew
from holdall.engine.jobs import Arrived, Job
from holdall.engine.links import Links
from holdall.engine.places import Side, look_alike
from holdall.engine.progress import Outcome, TransferItem, TransferOptions
from holdall.engine.ranging_async import Ranges, update_async
from holdall.engine.renaming_async import Renamer
from holdall.engine.verifying_async import Verifier
from holdall.errors import NotSupportedError, PreconditionError, RangeNotSatisfiableError
from holdall.results import GetResult, PutResult
from holdall.sources import AsyncSizedChunks

__all__ = ["Copier"]

log = logging.getLogger("holdall.transfer")


class Copier:
    """Carries out plan items.

    Args:
        source: Where from.
        target: Where to.
        options: How.
        route: What is possible between the two.
        moving: Delete each source after its copy was verified.
        renamer: The store that can rename a source to its target, with the two prefixes as that store knows them.
    """

    crew: AsyncCrew[Job]

    def __init__(
        self,
        source: Side,
        target: Side,
        options: TransferOptions,
        route: Route,
        *,
        moving: bool = False,
        renamer: Renamer | None = None,
    ) -> None:
        self.source = source
        self.target = target
        self.options = options
        self.route = route
        self.moving = moving
        self.renamer = renamer
        self.carrier = Carrier(source, target, options)
        self.verifier = Verifier(source.store, target.store, options.verify or ("checksum" if moving else "size"))
        self.links = Links(source.store, source.prefix, itself=True) if moving and source.tree else None
        self._tells = options.on_progress is not None
        self._doubt = moving and look_alike(source, target)

    async def run_async(self, job: Job) -> TransferItem:
        """Carry out one item.

        Raises:
            HoldallError: It failed; the target is as it was, the source is kept.
        """
        item = job.item
        source, target = self.source.key(item.path), self.target.key(item.path)
        if item.action == "compare":
            equal = await self.verifier.equal_async(source, target)
            if equal is not None:
                return TransferItem(source=source, target=target, action="skipped", reason=digest_reason(*equal))
        if self.options.dry_run:
            action: Outcome = "directory" if item.action == "directory" else "copied"
            return TransferItem(source=source, target=target, action=action, reason=item.reason, bytes=item.size or 0)
        if item.action == "directory":
            key = target if target.endswith("/") else f"{target}/"
            await self.target.store.put_async(key, b"")
            return TransferItem(source=source, target=target, action="directory")
        linked = self.links is not None and self.links.above(source) is not None  # not the tree's own: copied, not taken
        if item.method == "rename" and self.renamer is not None and not linked:
            try:
                await self.renamer.rename_async(item.path, overwrite=self.options.overwrite)
                if self._tells and item.size is not None:
                    self.crew.post(Arrived(source, item.size, item.size))
                return TransferItem(source=source, target=target, action="copied", reason=item.reason, bytes=item.size or 0)
            except NotSupportedError as error:
                log.debug("no rename: %s", error)
                self.renamer = None
        done = await self._copy_async(job, source, target)
        if self.moving and not linked:
            await self._check_apart_async(source, target)
            await self._remove_source_async(source, done.meta)
        return TransferItem(
            source=source,
            target=target,
            action="copied",
            reason=item.reason,
            bytes=done.put.size,
            digest=done.digest,
            version=done.put.version,
            etag=done.put.etag,
            lost=done.lost,
        )

    async def _copy_async(self, job: Job, source: str, target: str) -> _Done:
        """Copy by the method of the plan, or by the next best if the store declines it."""
        item, size = job.item, job.item.size
        if item.method in {"server", "rename"} and self.route.server:
            try:
                return await self._server_async(item, source, target)
            except NotSupportedError as error:
                # Same service, but not for these two: another region, account or kind of driver.
                log.debug("no copy on the server's side: %s", error)
                self.route = replace(self.route, server=False)
        if self.route.ranges and (size is None or size > self.route.part_size):
            try:
                return await self._ranges_async(job, source, target)
            except RangeNotSatisfiableError:
                if size is not None:
                    raise
        async with await self.source.store.get_async(source, self._reading(item.etag)) as result:
            if result.size <= self.route.part_size:
                return await self._whole_async(result, source, target)
            return await self._stream_async(job, result, source, target)

    async def _server_async(self, item: PlanItem, source: str, target: str) -> _Done:
        """Let the target's service copy."""
        other = None if self.source.store is self.target.store else self.source.store
        modified = item.last_modified if self.route.modified else None
        options = CopyOptions(
            mode="overwrite" if self.options.overwrite else "create",
            if_match=item.etag,
            version=self.options.version,
            modified=modified,
        )
        put = await self.target.store.copy_async(source, target, options, source=other)
        meta = ObjectMeta(
            key=source, size=put.size if item.size is None else item.size, last_modified=item.last_modified, etag=item.etag
        )
        if self._tells:  # no byte passes by here: it is told once, when it is there
            self.crew.post(Arrived(source, meta.size, meta.size))
        digest = await self.verifier.server_async(source, target, meta, put, pinned=item.etag is not None)
        done = _Done(put, meta, digest)
        return done if modified is not None else await self._finish_async(done, target)

    async def _whole_async(self, result: GetResult, source: str, target: str) -> _Done:
        """Copy through memory: one read, one write."""
        meta = result.meta
        data = await result.bytes_async()
        carried = await self._carried_async(result, source)
        digest = self.verifier.digest()
        if digest is not None:
            digest.update(data)
            self.verifier.check_source(meta, digest)
        put = await self.target.store.put_async(target, data, carried.options)
        if self._tells:
            self.crew.post(Arrived(source, len(data), len(data)))
        return await self._verified_async(put, meta, digest, carried, source, target)

    async def _stream_async(self, job: Job, result: GetResult, source: str, target: str) -> _Done:
        """Copy as one stream: the target draws chunks, and sends parts at once if it can."""
        # One part is being filled while the others are on their way.
        carried = await self._carried_async(result, source, parts=max(1, self._slots(job) - 1))
        digest = self.verifier.digest()
        put = await self._put_async(aiter(result), result.meta, digest, carried, target)
        return await self._verified_async(put, result.meta, digest, carried, source, target)

    async def _ranges_async(self, job: Job, source: str, target: str) -> _Done:
        """Copy by parallel ranged reads of one and the same version; what fits in the first range is copied whole."""
        slots, etag = self._slots(job), job.item.etag
        part = part_size_for(job.item.size, self.route.part_size)
        async with await self.source.store.get_async(source, self._reading(etag, (0, part))) as first:
            meta = first.meta
            if first.size == meta.size:
                return await self._whole_async(first, source, target)
            if meta.etag is not None:
                ranges = Ranges(
                    self.source.store,
                    source,
                    first,
                    part,
                    lambda place: self._reading(meta.etag, place),
                    self.crew.checkpoint,
                )
                digest = self.verifier.digest()
                if self.route.ranged_parts:
                    if digest is None:  # else what comes is held until its turn comes
                        ranges.step = self.route.range_for(meta.size, part, slots)
                    carried = await self._carried_async(first, source)
                    put = await self._scattered_async(ranges, target, carried, digest, slots)
                else:
                    # Half of the room holds ranges that were read ahead, the other half parts on their way to the target.
                    ahead = max(1, slots // 2)
                    carried = await self._carried_async(first, source, parts=max(1, slots - ahead))
                    put = await self._put_async(ranges.in_order_async(ahead), meta, digest, carried, target)
                return await self._verified_async(put, meta, digest, carried, source, target)
        # Nothing to pin the other ranges to.
        async with await self.source.store.get_async(source, self._reading(None)) as result:
            return await self._stream_async(job, result, source, target)

    async def _put_async(
        self, chunks: AsyncIterator[bytes], meta: ObjectMeta, digest: Any, carried: Carried, target: str
    ) -> PutResult:
        """Let the target draw chunks."""
        failed: list[Exception] = []
        try:
            async with closed_async(self._watched_async(chunks, meta, digest, failed)) as watched:
                return await self.target.store.put_async(target, AsyncSizedChunks(watched, meta.size), carried.options)
        except Exception:
            if failed:
                raise failed[0] from failed[0].__cause__  # what the source said, not what the target made of it
            raise

    async def _scattered_async(self, ranges: Ranges, target: str, carried: Carried, digest: Any, slots: int) -> PutResult:
        """Write ranges to their places as they come."""
        meta, got, lock = ranges.first.meta, 0, threading.Lock()
        options = replace(carried.options or PutOptions(), part_size=ranges.part)

        def arrived(size: int) -> None:
            nonlocal got
            with lock:  # in the order of their sums
                got += size
                self.crew.post(Arrived(meta.key, got, meta.size))

        ranges.arrived = arrived if self._tells else None
        writer = await self.target.store.parts_async(target, options)
        try:
            if digest is None:
                await ranges.scatter_async(writer, slots)
            else:
                await ranges.in_order_to_async(writer, slots, digest)
            self.verifier.check_source(meta, digest)
            return await writer.complete_async()
        finally:
            await finish_async(writer.abort_async)

    async def _watched_async(
        self, chunks: AsyncIterator[bytes], meta: ObjectMeta, digest: Any, failed: list[Exception]
    ) -> AsyncIterator[bytes]:
        """Pass chunks on, and note what goes wrong on the source's side."""
        try:
            async with closed_async(self._checked_async(chunks, meta, digest)) as checked:
                async for chunk in checked:
                    yield chunk
        except Exception as error:
            failed.append(error)
            raise

    async def _checked_async(self, chunks: AsyncIterator[bytes], meta: ObjectMeta, digest: Any) -> AsyncIterator[bytes]:
        """Pass chunks on; raise at the end, before the target publishes, if the source was not what it said."""
        got = 0
        async with closed_async(chunks) as source:
            async for chunk in source:
                self.crew.checkpoint()
                if digest is not None:
                    await update_async(digest, chunk)
                got += len(chunk)
                if self._tells:
                    self.crew.post(Arrived(meta.key, got, meta.size))
                yield chunk
        self.verifier.check_source(meta, digest)
        # A local file can be written to while it is read: no request is atomic there.
        local = self.source.store.capabilities.local
        if local and meta.etag is not None and (await self.source.store.head_async(meta.key)).etag != meta.etag:
            raise PreconditionError(f"{meta.key!r} changed while it was copied", key=meta.key, store=self.source.store)

    async def _carried_async(self, result: GetResult, source: str, *, parts: int = 0) -> Carried:
        """Return how to write, with the source's headers, metadata and tags."""
        tags = result.tags
        if tags is None and self.carrier.tags:
            if self.carrier.asks:
                tags = await self.source.store.tags_async(source, version=self.options.version)
            else:
                self.carrier.pass_over()
        carried = self.carrier.carry(result.meta, tags)
        if parts:
            part_size = part_size_for(result.meta.size, self.route.part_size)
            options = replace(carried.options or PutOptions(), part_size=part_size, concurrency=parts)
            return replace(carried, options=options)
        return carried

    async def _verified_async(
        self, put: PutResult, meta: ObjectMeta, digest: Any, carried: Carried, source: str, target: str
    ) -> _Done:
        shown = await self.verifier.check_async(source, target, meta, put, digest)
        return await self._finish_async(_Done(put, meta, shown, carried.lost), target)

    async def _finish_async(self, done: _Done, target: str) -> _Done:
        """Carry the time of modification over, where both sides can."""
        if self.route.modified and done.meta.last_modified is not None:
            await self.target.store.set_modified_async(target, done.meta.last_modified)
            if self.target.store.capabilities.local:
                done.put = replace(done.put, etag=None)  # it tells the time, which has just changed
        return done

    async def _check_apart_async(self, source: str, target: str) -> None:
        """Make sure that what was copied is not what is about to be deleted.

        Raises:
            PreconditionError: Source and target are one, by two addresses; nothing is deleted.
        """
        if self._doubt and not await apart_async(self.source.store, source, self.target.store, target):
            raise PreconditionError(
                f"{source!r} is kept: source and target are one, by two addresses", key=source, store=self.source.store
            )
        self._doubt = False

    async def _remove_source_async(self, source: str, copied: ObjectMeta) -> None:
        """Delete what was copied, and only that.

        Raises:
            PreconditionError: The source was changed after it was copied; it is kept.
        """
        store = self.source.store
        if copied.etag is not None and store.capabilities.conditional_delete:
            with contextlib.suppress(NotSupportedError):  # some services only say so when they are asked
                await store.delete_async(source, if_match=copied.etag)
                return
        now = await store.head_async(source)
        if copied.etag is not None or now.etag is not None:
            same = now.etag == copied.etag
        else:
            same = (now.size, now.last_modified) == (copied.size, copied.last_modified)
        if not same:
            raise PreconditionError(f"{source!r} was changed after it was copied: it is kept", key=source, store=store)
        await store.delete_async(source)

    def _reading(self, etag: str | None, range: tuple[int, int] | None = None) -> GetOptions | None:
        """Return options of a read, pinned where the source can."""
        version = self.options.version
        if etag is not None and not self.source.store.capabilities.conditional_read:
            etag = None
        if etag is None and range is None and version is None:
            return None
        return GetOptions(range=range, if_match=etag, version=version)

    def _slots(self, job: Job) -> int:
        return max(1, job.units // self.route.part_units)


@dataclass(slots=True)
class _Done:
    """A copy that was published and verified."""

    put: PutResult
    meta: ObjectMeta
    digest: str | None = None
    lost: tuple[str, ...] = ()
