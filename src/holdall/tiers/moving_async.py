"""Copies between locations: `copy`, and promotion, which never overwrites and never brings a deleted object back (C3, D2).

Where both ends share a service, it copies by itself; otherwise the bytes go through this machine.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import replace

from holdall._concurrency import run_async
from holdall.core.meta import ObjectMeta
from holdall.core.options import CopyMode, CopyOptions, PutOptions
from holdall.errors import AlreadyExistsError, NotFoundError, NotSupportedError, PermissionDeniedError, PreconditionError
from holdall.results import PutResult
from holdall.store import Store
from holdall.tiers.asking import Answer
from holdall.tiers.content import Content
from holdall.tiers.locations import Location
from holdall.tiers.reading_async import Reader
from holdall.tiers.reports import LocationOutcome, WriteReport
from holdall.tiers.settings import Tiers, digest_of
from holdall.tiers.spooling_async import content_of_result_async
from holdall.tiers.writing_async import Writer

__all__ = ["Promoter", "kept_options"]


class Promoter:
    """Copies objects from some locations to others.

    Args:
        tiers: The rules.
        sources: Where from.
    """

    def __init__(self, tiers: Tiers, sources: Sequence[Location]) -> None:
        self.tiers = tiers
        self.sources = sources

    async def fetch_async(self, name: str) -> Answer[tuple[ObjectMeta, Content]]:
        """Return a whole copy, from the first source that has one."""

        async def ask(location: Location, store: Store) -> tuple[ObjectMeta, Content]:
            result = await store.get_async(location.key(name))
            return result.meta, await content_of_result_async(result, self.tiers.rules.digest)

        return await Reader(self.tiers, self.sources).first_async(name, ask)

    async def copy_async(self, name: str, dest: str, writer: Writer) -> WriteReport:
        """Copy one object."""
        writer.check(dest)
        report = await self._by_service_async(name, dest, writer)
        if report is not None:
            return report
        answer = await self.fetch_async(name)
        meta, content = answer.value
        try:
            return await writer.put_async(dest, content, kept_options(meta, writer.targets))
        finally:
            content.close()

    async def _by_service_async(self, name: str, dest: str, writer: Writer) -> WriteReport | None:
        """Let the service of both ends copy, if they share one; ``None`` if the bytes have to go through here."""
        target, *more = writer.targets
        if more or not any(_shared(source, target) for source in self.sources):
            return None
        started = time.monotonic()
        key = target.key(dest)
        answer = await Reader(self.tiers, self.sources).head_async(name)
        meta, there = answer.value, None
        if writer.existing != "replace":
            try:
                there = await target.store.head_async(key)
            except NotFoundError:
                there = None
        etag, already = None if there is None else there.etag, there is not None
        if there is None or (writer.existing == "compare" and not self._same(meta, there)):
            put = await self._served_async(answer.location, name, meta, target, dest)
            if put is None:
                return None
            etag, already = put.etag, False
        done = LocationOutcome(
            location=target,
            status="already" if already else "written",
            size=meta.size,
            etag=etag,
            seconds=time.monotonic() - started,
        )
        others = [LocationOutcome(location=other, status="read_only") for other in writer.chosen if other is not target]
        outcomes = {outcome.location: outcome for outcome in (done, *others)}
        return WriteReport([outcomes[location] for location in writer.chosen])

    async def _served_async(
        self, source: Location, name: str, meta: ObjectMeta, target: Location, dest: str, mode: CopyMode = "overwrite"
    ) -> PutResult | None:
        """Let the service copy exactly this object; ``None`` if it does not."""
        if not _shared(source, target) or dest.endswith("/") or (source is target and name == dest):
            return None
        options = CopyOptions(mode=mode, if_match=meta.etag)
        try:
            return await target.store.copy_async(source.key(name), target.key(dest), options, source=source.bare)
        except (NotSupportedError, PermissionDeniedError, PreconditionError):
            return None  # not for these two, or another object by now: what is read and written tells

    def _same(self, one: ObjectMeta, other: ObjectMeta) -> bool:
        """Tell whether two copies are known to be equal (W4)."""
        known = digest_of(one, self.tiers.rules.digest)
        equal = self.tiers.rules.immutable if known is None else known == digest_of(other, self.tiers.rules.digest)
        return one.size == other.size and equal

    async def promote_async(self, name: str, target: Location) -> bool:
        """Create a copy in one location; return whether there was none, and its source still is what was copied.

        Raises:
            NotSupportedError: The location cannot create race-free.
        """
        target.key(name)
        if not target.bare.capabilities.create:
            raise NotSupportedError(f"location {target.name!r} cannot create race-free", key=name, store=self.tiers)
        others = tuple(location for location in self.sources if location is not target)
        if not others:
            return False
        try:
            await target.store.head_async(target.key(name))
        except NotFoundError:
            pass
        else:
            return False
        answer = await Reader(self.tiers, others).head_async(name)
        source, meta = answer.location, answer.value
        try:
            put = await self._served_async(source, name, meta, target, name, "create")
            if put is None:
                source, meta, put = await self._carried_async(name, others, target)
        except AlreadyExistsError:
            return False
        return await self._still_async(name, source, meta, target, put)

    async def _carried_async(
        self, name: str, others: Sequence[Location], target: Location
    ) -> tuple[Location, ObjectMeta, PutResult]:
        """Create a copy whose bytes go through here."""
        answer = await Promoter(self.tiers, others).fetch_async(name)
        meta, content = answer.value
        try:
            writer = Writer(self.tiers, (target,))
            algorithm = self.tiers.rules.digest
            if algorithm is not None and not content.known(algorithm):
                await run_async(lambda: content.digest(algorithm))
            put = await writer.send_async(target, name, content, kept_options(meta, (target,)), create=True)
        finally:
            content.close()
        return answer.location, meta, put

    async def _still_async(self, name: str, source: Location, meta: ObjectMeta, target: Location, put: PutResult) -> bool:
        """Keep the copy only if its source is still there, and the same."""
        try:
            now = await source.store.head_async(source.key(name))
        except NotFoundError:
            now = None
        if now is not None and (now.etag == meta.etag if meta.etag is not None else now.size == meta.size):
            return True
        await remove_own_async(target, name, put.etag)
        return False


def _shared(source: Location, target: Location) -> bool:
    """Tell whether one service has both ends, so that it may copy by itself."""
    return target.bare.capabilities.copy and source.bare.identity.service == target.bare.identity.service


async def remove_own_async(location: Location, name: str, etag: str | None) -> None:
    """Delete a copy if it is still the one that was made here."""
    key = location.key(name)
    try:
        if location.bare.capabilities.conditional_delete and etag is not None:
            await location.store.delete_async(key, if_match=etag)
        elif (await location.store.head_async(key)).etag == etag:
            await location.store.delete_async(key)
    except (NotFoundError, PreconditionError):
        return


def kept_options(meta: ObjectMeta, targets: Sequence[Location]) -> PutOptions | None:
    """Return what is kept of headers and metadata by a copy: as much as every target can."""
    can = [location.bare.capabilities for location in targets]
    metadata = {key: value for key, value in meta.metadata.items() if not key.startswith("holdall-")}
    options = PutOptions.from_attributes(replace(meta.attributes, metadata=metadata))
    if not all(c.metadata for c in can):
        options = replace(options, metadata={})
    if not all(c.attributes for c in can):
        options = PutOptions(metadata=options.metadata)
    return options if options.annotated else None
