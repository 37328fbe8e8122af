# Generated from copying_async.py by tools/twins.py: change that file, not this one.
"""Copies one object from one store to another: by the server, whole, as one stream, or by parallel ranges; then verifies it.

Memory stays below parts in flight times part size: nothing here holds more than the parts it was given room for.
"""

from __future__ import annotations

import contextlib
import logging
import threading
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

from holdall.core.choices import digest_reason
from holdall.core.meta import ObjectMeta
from holdall.core.options import CopyOptions, GetOptions, PutOptions
from holdall.core.plans import PlanItem, Route, part_size_for
from holdall.engine.apart import apart
from holdall.engine.carrying import Carried, Carrier
from holdall.engine.colours import closed, finish
from holdall.engine.crew import Crew
from holdall.engine.jobs import Arrived, Job
from holdall.engine.links import Links
from holdall.engine.places import Side, look_alike
from holdall.engine.progress import Outcome, TransferItem, TransferOptions
from holdall.engine.ranging import Ranges, update
from holdall.engine.renaming import Renamer
from holdall.engine.verifying import Verifier
from holdall.errors import NotSupportedError, PreconditionError, RangeNotSatisfiableError
from holdall.results import GetResult, PutResult
from holdall.sources import SizedChunks

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

    crew: Crew[Job]

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

    def run(self, job: Job) -> TransferItem:
        """Carry out one item.

        Raises:
            HoldallError: It failed; the target is as it was, the source is kept.
        """
        item = job.item
        source, target = self.source.key(item.path), self.target.key(item.path)
        if item.action == "compare":
            equal = self.verifier.equal(source, target)
            if equal is not None:
                return TransferItem(source=source, target=target, action="skipped", reason=digest_reason(*equal))
        if self.options.dry_run:
            action: Outcome = "directory" if item.action == "directory" else "copied"
            return TransferItem(source=source, target=target, action=action, reason=item.reason, bytes=item.size or 0)
        if item.action == "directory":
            key = target if target.endswith("/") else f"{target}/"
            self.target.store.put(key, b"")
            return TransferItem(source=source, target=target, action="directory")
        linked = self.links is not None and self.links.above(source) is not None  # not the tree's own: copied, not taken
        if item.method == "rename" and self.renamer is not None and not linked:
            try:
                self.renamer.rename(item.path, overwrite=self.options.overwrite)
                if self._tells and item.size is not None:
                    self.crew.post(Arrived(source, item.size, item.size))
                return TransferItem(source=source, target=target, action="copied", reason=item.reason, bytes=item.size or 0)
            except NotSupportedError as error:
                log.debug("no rename: %s", error)
                self.renamer = None
        done = self._copy(job, source, target)
        if self.moving and not linked:
            self._check_apart(source, target)
            self._remove_source(source, done.meta)
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

    def _copy(self, job: Job, source: str, target: str) -> _Done:
        """Copy by the method of the plan, or by the next best if the store declines it."""
        item, size = job.item, job.item.size
        if item.method in {"server", "rename"} and self.route.server:
            try:
                return self._server(item, source, target)
            except NotSupportedError as error:
                # Same service, but not for these two: another region, account or kind of driver.
                log.debug("no copy on the server's side: %s", error)
                self.route = replace(self.route, server=False)
        if self.route.ranges and (size is None or size > self.route.part_size):
            try:
                return self._ranges(job, source, target)
            except RangeNotSatisfiableError:
                if size is not None:
                    raise
        with self.source.store.get(source, self._reading(item.etag)) as result:
            if result.size <= self.route.part_size:
                return self._whole(result, source, target)
            return self._stream(job, result, source, target)

    def _server(self, item: PlanItem, source: str, target: str) -> _Done:
        """Let the target's service copy."""
        other = None if self.source.store is self.target.store else self.source.store
        modified = item.last_modified if self.route.modified else None
        options = CopyOptions(
            mode="overwrite" if self.options.overwrite else "create",
            if_match=item.etag,
            version=self.options.version,
            modified=modified,
        )
        put = self.target.store.copy(source, target, options, source=other)
        meta = ObjectMeta(
            key=source, size=put.size if item.size is None else item.size, last_modified=item.last_modified, etag=item.etag
        )
        if self._tells:  # no byte passes by here: it is told once, when it is there
            self.crew.post(Arrived(source, meta.size, meta.size))
        digest = self.verifier.server(source, target, meta, put, pinned=item.etag is not None)
        done = _Done(put, meta, digest)
        return done if modified is not None else self._finish(done, target)

    def _whole(self, result: GetResult, source: str, target: str) -> _Done:
        """Copy through memory: one read, one write."""
        meta = result.meta
        data = result.bytes()
        carried = self._carried(result, source)
        digest = self.verifier.digest()
        if digest is not None:
            digest.update(data)
            self.verifier.check_source(meta, digest)
        put = self.target.store.put(target, data, carried.options)
        if self._tells:
            self.crew.post(Arrived(source, len(data), len(data)))
        return self._verified(put, meta, digest, carried, source, target)

    def _stream(self, job: Job, result: GetResult, source: str, target: str) -> _Done:
        """Copy as one stream: the target draws chunks, and sends parts at once if it can."""
        # One part is being filled while the others are on their way.
        carried = self._carried(result, source, parts=max(1, self._slots(job) - 1))
        digest = self.verifier.digest()
        put = self._put(iter(result), result.meta, digest, carried, target)
        return self._verified(put, result.meta, digest, carried, source, target)

    def _ranges(self, job: Job, source: str, target: str) -> _Done:
        """Copy by parallel ranged reads of one and the same version; what fits in the first range is copied whole."""
        slots, etag = self._slots(job), job.item.etag
        part = part_size_for(job.item.size, self.route.part_size)
        with self.source.store.get(source, self._reading(etag, (0, part))) as first:
            meta = first.meta
            if first.size == meta.size:
                return self._whole(first, source, target)
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
                    carried = self._carried(first, source)
                    put = self._scattered(ranges, target, carried, digest, slots)
                else:
                    # Half of the room holds ranges that were read ahead, the other half parts on their way to the target.
                    ahead = max(1, slots // 2)
                    carried = self._carried(first, source, parts=max(1, slots - ahead))
                    put = self._put(ranges.in_order(ahead), meta, digest, carried, target)
                return self._verified(put, meta, digest, carried, source, target)
        # Nothing to pin the other ranges to.
        with self.source.store.get(source, self._reading(None)) as result:
            return self._stream(job, result, source, target)

    def _put(self, chunks: Iterator[bytes], meta: ObjectMeta, digest: Any, carried: Carried, target: str) -> PutResult:
        """Let the target draw chunks."""
        failed: list[Exception] = []
        try:
            with closed(self._watched(chunks, meta, digest, failed)) as watched:
                return self.target.store.put(target, SizedChunks(watched, meta.size), carried.options)
        except Exception:
            if failed:
                raise failed[0] from failed[0].__cause__  # what the source said, not what the target made of it
            raise

    def _scattered(self, ranges: Ranges, target: str, carried: Carried, digest: Any, slots: int) -> PutResult:
        """Write ranges to their places as they come."""
        meta, got, lock = ranges.first.meta, 0, threading.Lock()
        options = replace(carried.options or PutOptions(), part_size=ranges.part)

        def arrived(size: int) -> None:
            nonlocal got
            with lock:  # in the order of their sums
                got += size
                self.crew.post(Arrived(meta.key, got, meta.size))

        ranges.arrived = arrived if self._tells else None
        writer = self.target.store.parts(target, options)
        try:
            if digest is None:
                ranges.scatter(writer, slots)
            else:
                ranges.in_order_to(writer, slots, digest)
            self.verifier.check_source(meta, digest)
            return writer.complete()
        finally:
            finish(writer.abort)

    def _watched(self, chunks: Iterator[bytes], meta: ObjectMeta, digest: Any, failed: list[Exception]) -> Iterator[bytes]:
        """Pass chunks on, and note what goes wrong on the source's side."""
        try:
            with closed(self._checked(chunks, meta, digest)) as checked:
                yield from checked
        except Exception as error:
            failed.append(error)
            raise

    def _checked(self, chunks: Iterator[bytes], meta: ObjectMeta, digest: Any) -> Iterator[bytes]:
        """Pass chunks on; raise at the end, before the target publishes, if the source was not what it said."""
        got = 0
        with closed(chunks) as source:
            for chunk in source:
                self.crew.checkpoint()
                if digest is not None:
                    update(digest, chunk)
                got += len(chunk)
                if self._tells:
                    self.crew.post(Arrived(meta.key, got, meta.size))
                yield chunk
        self.verifier.check_source(meta, digest)
        # A local file can be written to while it is read: no request is atomic there.
        local = self.source.store.capabilities.local
        if local and meta.etag is not None and (self.source.store.head(meta.key)).etag != meta.etag:
            raise PreconditionError(f"{meta.key!r} changed while it was copied", key=meta.key, store=self.source.store)

    def _carried(self, result: GetResult, source: str, *, parts: int = 0) -> Carried:
        """Return how to write, with the source's headers, metadata and tags."""
        tags = result.tags
        if tags is None and self.carrier.tags:
            if self.carrier.asks:
                tags = self.source.store.tags(source, version=self.options.version)
            else:
                self.carrier.pass_over()
        carried = self.carrier.carry(result.meta, tags)
        if parts:
            part_size = part_size_for(result.meta.size, self.route.part_size)
            options = replace(carried.options or PutOptions(), part_size=part_size, concurrency=parts)
            return replace(carried, options=options)
        return carried

    def _verified(self, put: PutResult, meta: ObjectMeta, digest: Any, carried: Carried, source: str, target: str) -> _Done:
        shown = self.verifier.check(source, target, meta, put, digest)
        return self._finish(_Done(put, meta, shown, carried.lost), target)

    def _finish(self, done: _Done, target: str) -> _Done:
        """Carry the time of modification over, where both sides can."""
        if self.route.modified and done.meta.last_modified is not None:
            self.target.store.set_modified(target, done.meta.last_modified)
            if self.target.store.capabilities.local:
                done.put = replace(done.put, etag=None)  # it tells the time, which has just changed
        return done

    def _check_apart(self, source: str, target: str) -> None:
        """Make sure that what was copied is not what is about to be deleted.

        Raises:
            PreconditionError: Source and target are one, by two addresses; nothing is deleted.
        """
        if self._doubt and not apart(self.source.store, source, self.target.store, target):
            raise PreconditionError(
                f"{source!r} is kept: source and target are one, by two addresses", key=source, store=self.source.store
            )
        self._doubt = False

    def _remove_source(self, source: str, copied: ObjectMeta) -> None:
        """Delete what was copied, and only that.

        Raises:
            PreconditionError: The source was changed after it was copied; it is kept.
        """
        store = self.source.store
        if copied.etag is not None and store.capabilities.conditional_delete:
            with contextlib.suppress(NotSupportedError):  # some services only say so when they are asked
                store.delete(source, if_match=copied.etag)
                return
        now = store.head(source)
        if copied.etag is not None or now.etag is not None:
            same = now.etag == copied.etag
        else:
            same = (now.size, now.last_modified) == (copied.size, copied.last_modified)
        if not same:
            raise PreconditionError(f"{source!r} was changed after it was copied: it is kept", key=source, store=store)
        store.delete(source)

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
