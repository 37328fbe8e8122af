"""The methods of `FileStore` that ask locations."""

from __future__ import annotations

import builtins
import contextlib
import os
from collections.abc import AsyncIterator, Iterable, Sequence
from pathlib import Path
from typing import Any

from holdall._concurrency import map_bounded_async, run_async
from holdall.core.meta import ObjectMeta
from holdall.core.options import GetOptions, PutOptions
from holdall.core.ranges import ByteRange
from holdall.engine.colours import finish_async
from holdall.errors import HoldallError, IntegrityError, NotFoundError, PreconditionError, RangeNotSatisfiableError
from holdall.results import GetResult
from holdall.sources import AsyncSource, check_source
from holdall.store import Store
from holdall.tiers.agreeing_async import digest_async
from holdall.tiers.asking import settled
from holdall.tiers.checking_async import Mender, Verifier
from holdall.tiers.content import hasher
from holdall.tiers.downloading import Draft
from holdall.tiers.filestore_base import FileStoreBase
from holdall.tiers.listing_async import Lister
from holdall.tiers.locations import Location, Where
from holdall.tiers.moving_async import Promoter
from holdall.tiers.reading_async import Reader, corrupt
from holdall.tiers.removing_async import Remover
from holdall.tiers.reports import (
    BatchOutcome,
    BatchReport,
    DeleteReport,
    Finding,
    MoveReport,
    Presence,
    ReadReport,
    RepairReport,
    StoreStatus,
    TierEntry,
    TierStat,
    WriteReport,
)
from holdall.tiers.settings import digest_of
from holdall.tiers.spooling_async import content_of_async
from holdall.tiers.tiered_base import BATCH
from holdall.tiers.writing_async import Writer

__all__ = ["Calls"]

Text = str


class Calls(FileStoreBase):
    """What a file store does, in one colour."""

    # -- reading ------------------------------------------------------------------------------------------------------

    async def get_async(self, path: str, location: Where = "any") -> bytes | None:
        """Return all bytes of an object, or ``None`` if no selected location has it.

        Args:
            path: Its name.
            location: Which locations to ask, in their order.

        Raises:
            UnavailableError: None of those that answered has it, and one could not be asked.

        Example:
            >>> from holdall.drivers.memory import MemoryStore
            >>> from holdall.tiers import FileStore
            >>> with FileStore(MemoryStore(), MemoryStore()) as fs:
            ...     _ = fs.put("a", b"hello", "far")
            ...     fs.get("a"), fs.get("a", "near")
            (b'hello', None)
        """
        chosen = self._choose(location)
        answer = await Reader(self._tiers, chosen).whole_async(path)
        if answer is None:
            return None
        self._hit(path, answer.location, chosen)
        return answer.value

    async def exists_async(self, path: str, location: Where = "any") -> Presence:
        """Return the locations that have an object; true if there is one.

        ``any`` stops at the first that has it; every other choice asks each location.

        Raises:
            UnavailableError: None has it, and one could not be asked.
        """
        chosen = self._choose(location)
        reader = Reader(self._tiers, chosen)
        if isinstance(location, Text) and location.lower() == "any":
            if chosen[0].local:
                key = chosen[0].key(path)
                if await run_async(lambda: chosen[0].glance(key)):
                    return Presence(chosen[:1])
            try:
                answer = await reader.head_async(path)
            except NotFoundError:
                return Presence()
            return Presence([answer.location], {other.name: error for other, error in answer.failures.items()})
        found = await reader.heads_async(path)
        failures = {loc: answer for loc, answer in found.items() if isinstance(answer, HoldallError)}
        here = [loc for loc, answer in found.items() if isinstance(answer, ObjectMeta)]
        if failures and (not here or self._tiers.rules.degraded == "raise"):
            raise settled(path, {}, failures, self._tiers)
        return Presence(here, {loc.name: error for loc, error in failures.items()})

    async def stat_async(self, path: str, location: Where = "any") -> TierStat:
        """Describe an object, as the location that serves it does.

        Raises:
            NotFoundError: No selected location has it.
            UnavailableError: None of those that answered has it, and one could not be asked.
        """
        answer = await Reader(self._tiers, self._choose(location)).head_async(path)
        return self._stat(answer.value, answer.location, degraded=answer.degraded)

    async def locate_async(self, path: str) -> dict[str, TierStat | HoldallError | None]:
        """Ask every location: location name to a description, ``None`` where the object is not there, or the error."""
        found = await Reader(self._tiers, self._choose("all")).heads_async(path)
        return {loc.name: self._stat(a, loc) if isinstance(a, ObjectMeta) else a for loc, a in found.items()}

    async def list_async(
        self, prefix: str = "", location: Where = "any", *, start_after: str | None = None
    ) -> AsyncIterator[TierEntry]:
        """Iterate over the names of all selected locations, each once, in order, in bounded memory.

        Raises:
            UnavailableError: A location could not be asked: never a shorter list.
            NotSupportedError: A selected location cannot list.
        """
        lister = Lister(self._tiers, self._choose(location))
        async for entry, having in lister.merged_async(prefix, start_after=start_after):
            yield TierEntry(entry.name, entry.size, entry.last_modified, having)

    async def download_async(
        self, src: str, dest: str | os.PathLike[str], location: Where = "any", *, resume: bool = False
    ) -> ReadReport:
        """Write an object to a local file, which appears whole or not at all.

        Args:
            src: Its name.
            dest: The file; directories above it are made.
            location: Which locations to ask, in their order.
            resume: Keep what came if it fails, and begin there the next time, if the object is still the same.

        Raises:
            NotFoundError: No selected location has it. An old file stays as it was, as with every error.
        """
        chosen = self._choose(location)
        draft = Draft(dest, resume=resume)

        async def ask(place: Location, store: Store) -> ObjectMeta:
            return await self._fetch_async(draft, place, store, src)

        try:
            answer = await Reader(self._tiers, chosen).first_async(src, ask)
            await run_async(draft.publish)
        except BaseException:
            draft.discard()
            raise
        self._hit(src, answer.location, chosen)
        digest = digest_of(answer.value, self._tiers.rules.digest)
        return ReadReport(answer.location, size=answer.value.size, digest=digest, degraded=answer.degraded)

    async def _fetch_async(self, draft: Draft, place: Location, store: Store, name: str) -> ObjectMeta:
        """Write one location's copy into a draft."""
        result = await self._begin_async(draft, place, store, name)
        algorithm = self._tiers.rules.digest
        known = digest_of(result.meta, algorithm) if self._tiers.rules.verify_reads else None
        computed = hasher(algorithm) if known is not None and algorithm is not None else None
        async with result:
            if computed is not None:
                await run_async(lambda: draft.hash_into(computed))
            elif place.local and not result.buffered and await self._copied_async(draft, place, result, name):
                return result.meta
            async for chunk in result:
                if computed is not None:
                    computed.update(chunk)
                await run_async(lambda chunk=chunk: draft.write(chunk))  # type: ignore[misc]
        if computed is not None and computed.hexdigest() != known:
            draft.restart(None, None)
            raise corrupt(place, name, str(algorithm))
        return result.meta

    @staticmethod
    async def _copied_async(draft: Draft, place: Location, result: GetResult, name: str) -> bool:
        """Let the kernel copy a local file, as long as it is the version that was opened."""
        path, etag, (start, end) = place.bare.local_path(place.key(name)), result.meta.etag, result.range
        if path is None or etag is None or start:
            return False
        at = 0
        while at < end:
            count = await run_async(lambda at=at: draft.fill(path, etag, at))  # type: ignore[misc]
            if not count:
                draft.empty()
                return False
            at += count
        return True

    async def _begin_async(self, draft: Draft, place: Location, store: Store, name: str) -> GetResult:
        """Open a copy, behind what an earlier attempt left of the same version if there is any."""
        key = place.key(name)
        left = draft.left(place.name)
        if left is not None:
            etag, size = left
            condition = etag if place.bare.capabilities.conditional_read else None
            with contextlib.suppress(PreconditionError, RangeNotSatisfiableError, NotFoundError):
                result = await store.get_async(key, GetOptions(range=ByteRange(size, None), if_match=condition))
                if result.meta.etag == etag:
                    draft.go_on()
                    return result
                await result.close_async()
        result = await store.get_async(key)
        draft.restart(place.name, result.meta.etag)
        return result

    async def download_batch_async(
        self, tuples: Iterable[tuple[str, Any]], location: Where = "any", *, concurrency: int | None = None
    ) -> BatchReport:
        """Download many objects; returns the failures, so an empty list is success.

        Args:
            tuples: ``(src, dest)`` pairs; may be lazy.
            location: Which locations to ask.
            concurrency: At once.
        """
        self._choose(location)

        async def one(pair: tuple[str, Any]) -> BatchOutcome:
            src, dest = pair
            try:
                report = await self.download_async(src, dest, location)
            except Exception as error:  # noqa: BLE001  # one failure stops nothing
                return BatchOutcome(src=src, dest=dest, error=error)
            return BatchOutcome(src=src, dest=dest, bytes=report.size, report=report)

        return await self._batch_async(one, tuples, concurrency)

    # -- writing ------------------------------------------------------------------------------------------------------

    async def put_async(
        self,
        path: str,
        content: AsyncSource | str,
        location: Where = "all",
        *,
        force: bool = False,
        mode: str = "overwrite",
        if_match: str | None = None,
        options: PutOptions | None = None,
    ) -> WriteReport:
        """Write an object to the selected locations; one that has the same content already is not written to.

        Args:
            path: Its name.
            content: Bytes, text (UTF-8), a `pathlib.Path`, a binary file, or an iterable of bytes.
            location: Where to.
            force: Write even where the same content is there already.
            mode: ``overwrite``, ``create`` (exactly one of many writers wins) or ``update``.
            if_match: The etag, as ``fs.store.head(path).etag`` gives it, that the object must have.
            options: Headers, metadata and more.

        Returns:
            The locations written now, as a list; ``outcomes`` has all of them.

        Raises:
            PartialWriteError: Some locations failed; it says which hold the object. Writing again fills the gaps.
            AlreadyExistsError: ``mode="create"`` and the object exists.
            PreconditionError: ``if_match`` does not hold.
            NotSupportedError: No writable location was selected; nothing was asked.
            TypeError: Content of another kind; nothing was asked.
        """
        if isinstance(content, str):
            content = content.encode()
        check_source(content, blocking=False)
        writer = self._writing_async(location, force=force)
        chosen = self._options(mode, if_match, options)
        return await self._put_async(writer, path, content, chosen)

    def _writing_async(self, where: Where, *, force: bool) -> Writer:
        return Writer(self._tiers, self._choose(where), "replace" if force else None)

    async def _put_async(self, writer: Writer, path: str, source: AsyncSource, options: PutOptions | None) -> WriteReport:
        writer.check(path, options)
        if options is None:
            if isinstance(source, os.PathLike):
                os.stat(source)  # an error of the source is one, whatever the locations have
            report = await writer.kept_async(path)
            if report is not None:
                return report
        content = await content_of_async(source, self._tiers.rules.digest)
        try:
            return await writer.put_async(path, content, options)
        finally:
            content.close()

    async def upload_async(
        self,
        src: str | os.PathLike[str],
        dest: str,
        location: Where = "all",
        *,
        force: bool = False,
        verify: bool = False,
        mode: str = "overwrite",
    ) -> WriteReport:
        """Write a local file to the selected locations.

        Args:
            src: The file.
            dest: The object's name.
            location: Where to.
            force: Write even where the same content is there already.
            verify: Read back what was written, and compare.
            mode: As for `put`.

        Raises:
            FileNotFoundError: No such file; no location was asked.
            PartialWriteError: Some locations failed.
            IntegrityError: What was read back is something else.
        """
        source = Path(src)
        source.stat()
        report = await self._put_async(
            self._writing_async(location, force=force), dest, source, self._options(mode, None, None)
        )
        if verify:
            await self._read_back_async(source, dest, report)
        return report

    async def _read_back_async(self, source: Path, name: str, report: WriteReport) -> None:
        content = await content_of_async(source, None)
        wanted = await run_async(lambda: content.digest("sha256"))
        for place in report:
            if await digest_async(place.store, place.key(name), "sha256") != wanted:
                raise IntegrityError(f"{name!r} in {place.name} is not what was uploaded", key=name, store=place)

    async def upload_batch_async(
        self,
        tuples: Iterable[tuple[Any, str]],
        location: Where = "all",
        *,
        force: bool = False,
        concurrency: int | None = None,
    ) -> BatchReport:
        """Upload many files; returns the failures, so an empty list is success.

        Args:
            tuples: ``(src, dest)`` pairs; may be lazy.
            location: Where to.
            force: Write even where the same content is there already.
            concurrency: At once.

        Examples:
            >>> from holdall.drivers.memory import MemoryStore
            >>> from holdall.tiers import FileStore
            >>> FileStore(MemoryStore()).upload_batch([("no such file", "a")])[0][:2]
            ('no such file', 'a')
        """
        self._choose(location)

        async def one(pair: tuple[Any, str]) -> BatchOutcome:
            src, dest = pair
            try:
                report = await self.upload_async(src, dest, location, force=force)
            except Exception as error:  # noqa: BLE001  # one failure stops nothing
                return BatchOutcome(src=src, dest=dest, error=error)
            return BatchOutcome(src=src, dest=dest, bytes=max(o.size for o in report.outcomes), report=report)

        return await self._batch_async(one, tuples, concurrency)

    async def _batch_async(self, one: Any, pairs: Iterable[Any], concurrency: int | None) -> BatchReport:
        batch = BatchReport()
        async for outcome in map_bounded_async(one, pairs, limit=concurrency or self._tiers.rules.concurrency):
            batch.add(outcome)
        return batch

    async def copy_async(
        self, path: str, to: Where, source: Where = "any", *, dest: str | None = None, force: bool = False
    ) -> WriteReport:
        """Copy an object from where it is to other locations.

        Args:
            path: Its name.
            to: Where to.
            source: Where from.
            dest: Its name there, if another one.
            force: Write even where the same content is there already.

        Raises:
            NotFoundError: No source has it.
            PartialWriteError: Some locations failed.
        """
        writer = self._writing_async(to, force=force)
        return await Promoter(self._tiers, self._choose(source)).copy_async(path, dest or path, writer)

    async def promote_async(self, *paths: str, to: Where = "near", source: Where = "any") -> MoveReport:
        """Copy objects to a nearer location that does not have them; the source is kept.

        Args:
            paths: Their names.
            to: Where to.
            source: Where from.

        Returns:
            The names that were copied; ``failures`` and ``skipped`` have the others.
        """
        promoter = Promoter(self._tiers, self._choose(source))
        targets = self._tiers.writable(self._choose(to))
        report = MoveReport()
        for path in paths:
            try:
                copied = [await promoter.promote_async(path, target) for target in targets]
            except HoldallError as error:
                report.failures[path] = error
                continue
            (report if any(copied) else report.skipped).append(path)
        return report

    # -- deleting -----------------------------------------------------------------------------------------------------

    async def delete_async(self, path: str, location: Where = "all") -> DeleteReport:
        """Delete an object from the selected locations; what is not there counts as deleted.

        Raises:
            PartialDeleteError: A location failed; all were tried.
            NotSupportedError: No writable location was selected.
        """
        return await Remover(self._tiers, self._choose(location)).delete_async(path)

    async def delete_batch_async(self, paths: Iterable[str], location: Where = "all") -> BatchReport:
        """Delete many objects, by bulk calls where a location has them; returns the failures.

        Args:
            paths: Their names; may be lazy.
            location: Where from. Each location is visited whatever another one did.
        """
        remover = Remover(self._tiers, self._choose(location))
        batch = BatchReport()
        names: builtins.list[str] = []
        for path in paths:
            try:
                for place in remover.chosen:
                    place.key(path)
            except (HoldallError, TypeError) as error:
                batch.add(BatchOutcome(src=path, dest=None, error=error))
                continue
            names.append(path)
            if len(names) == BATCH:
                await self._delete_some_async(remover, names, batch)
                names = []
        if names:
            await self._delete_some_async(remover, names, batch)
        return batch

    @staticmethod
    async def _delete_some_async(remover: Remover, names: builtins.list[str], batch: BatchReport) -> None:
        for name, report in zip(names, await remover.many_async(names), strict=True):
            batch.add(BatchOutcome(src=name, dest=None, report=report, error=remover.failure(name, report)))

    # -- keeping it sound ---------------------------------------------------------------------------------------------

    async def verify_async(
        self, prefix: str = "", location: Where = "all", *, expect: str = "all", deep: bool = False
    ) -> AsyncIterator[Finding]:
        """Iterate over what is not as it should be.

        Args:
            prefix: Of the names.
            location: Which locations to compare.
            expect: ``all``: every location has every object. ``somewhere``: one is enough.
            deep: Read every byte and compare digests.

        Raises:
            NotSupportedError: No selected location can list.
        """
        verifier = Verifier(self._tiers, self._choose(location), expect=expect, deep=deep)
        async for finding in verifier.findings_async(prefix):
            yield finding

    async def repair_async(
        self, findings_or_prefix: str | Iterable[Finding] = "", *, prefer: str | None = None, dry_run: bool = False
    ) -> RepairReport:
        """Mend what `verify` found, from a copy that agrees with its digest.

        Args:
            findings_or_prefix: Findings, or the prefix of the names to verify (deeply) first.
            prefer: ``near``, ``far``, ``newest`` or a location's name: which of two sound, different copies is right. Without it they
                stay as they are, and are reported as unresolved.
            dry_run: Only say what would be done.
        """
        mender = Mender(self._tiers, self._choose("all"), prefer=prefer, dry_run=dry_run)
        found: Sequence[Finding]
        if isinstance(findings_or_prefix, str):
            await mender.sweep_async()
            found = [finding async for finding in self.verify_async(findings_or_prefix, deep=True)]
        else:
            found = builtins.list(findings_or_prefix)
        for finding in found:
            await mender.mend_async(finding)
        return mender.report

    async def health_async(self, timeout: float = 5.0) -> StoreStatus:
        """Ask every location whether it answers, all at once; nothing is created.

        Args:
            timeout: Seconds after which a location counts as not answering.
        """
        self._tiers.check_open()
        found = await run_async(lambda: self._tiers.background.health(self._tiers.locations, timeout))
        return self._status(found)

    async def flush_async(self, timeout: float | None = None) -> bool:
        """Wait for the copies in the background; return whether they are done.

        Args:
            timeout: Seconds to wait at most.
        """
        return await run_async(lambda: self._tiers.background.flush(timeout))

    async def close_async(self, drain: float = 10.0) -> None:
        """Let go of all connections; idempotent.

        Args:
            drain: Seconds to wait at most for copies in the background.
        """
        if self._tiers.closed:
            return
        await run_async(lambda: self._tiers.background.close(drain))
        await finish_async(self.store.close_async)
