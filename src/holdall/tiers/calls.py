# Generated from calls_async.py by tools/twins.py: change that file, not this one.
"""The methods of `FileStore` that ask locations."""

from __future__ import annotations

import builtins
import contextlib
import os
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

from holdall._concurrency import map_bounded, run
from holdall.core.meta import ObjectMeta
from holdall.core.options import GetOptions, PutOptions
from holdall.core.ranges import ByteRange
from holdall.engine.colours import finish
from holdall.errors import HoldallError, IntegrityError, NotFoundError, PreconditionError, RangeNotSatisfiableError
from holdall.results import GetResult
from holdall.sources import Source, check_source
from holdall.store import Store
from holdall.tiers.agreeing import digest
from holdall.tiers.asking import settled
from holdall.tiers.checking import Mender, Verifier
from holdall.tiers.content import hasher
from holdall.tiers.downloading import Draft
from holdall.tiers.filestore_base import FileStoreBase
from holdall.tiers.listing import Lister
from holdall.tiers.locations import Location, Where
from holdall.tiers.moving import Promoter
from holdall.tiers.reading import Reader, corrupt
from holdall.tiers.removing import Remover
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
from holdall.tiers.spooling import content_of
from holdall.tiers.tiered_base import BATCH
from holdall.tiers.writing import Writer

__all__ = ["Calls"]

Text = str


class Calls(FileStoreBase):
    """What a file store does, in one colour."""

    # -- reading ------------------------------------------------------------------------------------------------------

    def get(self, path: str, location: Where = "any") -> bytes | None:
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
        answer = Reader(self._tiers, chosen).whole(path)
        if answer is None:
            return None
        self._hit(path, answer.location, chosen)
        return answer.value

    def exists(self, path: str, location: Where = "any") -> Presence:
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
                if run(lambda: chosen[0].glance(key)):
                    return Presence(chosen[:1])
            try:
                answer = reader.head(path)
            except NotFoundError:
                return Presence()
            return Presence([answer.location], {other.name: error for other, error in answer.failures.items()})
        found = reader.heads(path)
        failures = {loc: answer for loc, answer in found.items() if isinstance(answer, HoldallError)}
        here = [loc for loc, answer in found.items() if isinstance(answer, ObjectMeta)]
        if failures and (not here or self._tiers.rules.degraded == "raise"):
            raise settled(path, {}, failures, self._tiers)
        return Presence(here, {loc.name: error for loc, error in failures.items()})

    def stat(self, path: str, location: Where = "any") -> TierStat:
        """Describe an object, as the location that serves it does.

        Raises:
            NotFoundError: No selected location has it.
            UnavailableError: None of those that answered has it, and one could not be asked.
        """
        answer = Reader(self._tiers, self._choose(location)).head(path)
        return self._stat(answer.value, answer.location, degraded=answer.degraded)

    def locate(self, path: str) -> dict[str, TierStat | HoldallError | None]:
        """Ask every location: location name to a description, ``None`` where the object is not there, or the error."""
        found = Reader(self._tiers, self._choose("all")).heads(path)
        return {loc.name: self._stat(a, loc) if isinstance(a, ObjectMeta) else a for loc, a in found.items()}

    def list(self, prefix: str = "", location: Where = "any", *, start_after: str | None = None) -> Iterator[TierEntry]:
        """Iterate over the names of all selected locations, each once, in order, in bounded memory.

        Raises:
            UnavailableError: A location could not be asked: never a shorter list.
            NotSupportedError: A selected location cannot list.
        """
        lister = Lister(self._tiers, self._choose(location))
        for entry, having in lister.merged(prefix, start_after=start_after):
            yield TierEntry(entry.name, entry.size, entry.last_modified, having)

    def download(
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

        def ask(place: Location, store: Store) -> ObjectMeta:
            return self._fetch(draft, place, store, src)

        try:
            answer = Reader(self._tiers, chosen).first(src, ask)
            run(draft.publish)
        except BaseException:
            draft.discard()
            raise
        self._hit(src, answer.location, chosen)
        digest = digest_of(answer.value, self._tiers.rules.digest)
        return ReadReport(answer.location, size=answer.value.size, digest=digest, degraded=answer.degraded)

    def _fetch(self, draft: Draft, place: Location, store: Store, name: str) -> ObjectMeta:
        """Write one location's copy into a draft."""
        result = self._begin(draft, place, store, name)
        algorithm = self._tiers.rules.digest
        known = digest_of(result.meta, algorithm) if self._tiers.rules.verify_reads else None
        computed = hasher(algorithm) if known is not None and algorithm is not None else None
        with result:
            if computed is not None:
                run(lambda: draft.hash_into(computed))
            elif place.local and not result.buffered and self._copied(draft, place, result, name):
                return result.meta
            for chunk in result:
                if computed is not None:
                    computed.update(chunk)
                run(lambda chunk=chunk: draft.write(chunk))  # type: ignore[misc]
        if computed is not None and computed.hexdigest() != known:
            draft.restart(None, None)
            raise corrupt(place, name, str(algorithm))
        return result.meta

    @staticmethod
    def _copied(draft: Draft, place: Location, result: GetResult, name: str) -> bool:
        """Let the kernel copy a local file, as long as it is the version that was opened."""
        path, etag, (start, end) = place.bare.local_path(place.key(name)), result.meta.etag, result.range
        if path is None or etag is None or start:
            return False
        at = 0
        while at < end:
            count = run(lambda at=at: draft.fill(path, etag, at))  # type: ignore[misc]
            if not count:
                draft.empty()
                return False
            at += count
        return True

    def _begin(self, draft: Draft, place: Location, store: Store, name: str) -> GetResult:
        """Open a copy, behind what an earlier attempt left of the same version if there is any."""
        key = place.key(name)
        left = draft.left(place.name)
        if left is not None:
            etag, size = left
            condition = etag if place.bare.capabilities.conditional_read else None
            with contextlib.suppress(PreconditionError, RangeNotSatisfiableError, NotFoundError):
                result = store.get(key, GetOptions(range=ByteRange(size, None), if_match=condition))
                if result.meta.etag == etag:
                    draft.go_on()
                    return result
                result.close()
        result = store.get(key)
        draft.restart(place.name, result.meta.etag)
        return result

    def download_batch(
        self, tuples: Iterable[tuple[str, Any]], location: Where = "any", *, concurrency: int | None = None
    ) -> BatchReport:
        """Download many objects; returns the failures, so an empty list is success.

        Args:
            tuples: ``(src, dest)`` pairs; may be lazy.
            location: Which locations to ask.
            concurrency: At once.
        """
        self._choose(location)

        def one(pair: tuple[str, Any]) -> BatchOutcome:
            src, dest = pair
            try:
                report = self.download(src, dest, location)
            except Exception as error:  # noqa: BLE001  # one failure stops nothing
                return BatchOutcome(src=src, dest=dest, error=error)
            return BatchOutcome(src=src, dest=dest, bytes=report.size, report=report)

        return self._batch(one, tuples, concurrency)

    # -- writing ------------------------------------------------------------------------------------------------------

    def put(
        self,
        path: str,
        content: Source | str,
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
        writer = self._writing(location, force=force)
        chosen = self._options(mode, if_match, options)
        return self._put(writer, path, content, chosen)

    def _writing(self, where: Where, *, force: bool) -> Writer:
        return Writer(self._tiers, self._choose(where), "replace" if force else None)

    def _put(self, writer: Writer, path: str, source: Source, options: PutOptions | None) -> WriteReport:
        writer.check(path, options)
        if options is None:
            if isinstance(source, os.PathLike):
                os.stat(source)  # an error of the source is one, whatever the locations have
            report = writer.kept(path)
            if report is not None:
                return report
        content = content_of(source, self._tiers.rules.digest)
        try:
            return writer.put(path, content, options)
        finally:
            content.close()

    def upload(
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
        report = self._put(self._writing(location, force=force), dest, source, self._options(mode, None, None))
        if verify:
            self._read_back(source, dest, report)
        return report

    def _read_back(self, source: Path, name: str, report: WriteReport) -> None:
        content = content_of(source, None)
        wanted = run(lambda: content.digest("sha256"))
        for place in report:
            if digest(place.store, place.key(name), "sha256") != wanted:
                raise IntegrityError(f"{name!r} in {place.name} is not what was uploaded", key=name, store=place)

    def upload_batch(
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

        def one(pair: tuple[Any, str]) -> BatchOutcome:
            src, dest = pair
            try:
                report = self.upload(src, dest, location, force=force)
            except Exception as error:  # noqa: BLE001  # one failure stops nothing
                return BatchOutcome(src=src, dest=dest, error=error)
            return BatchOutcome(src=src, dest=dest, bytes=max(o.size for o in report.outcomes), report=report)

        return self._batch(one, tuples, concurrency)

    def _batch(self, one: Any, pairs: Iterable[Any], concurrency: int | None) -> BatchReport:
        batch = BatchReport()
        for outcome in map_bounded(one, pairs, limit=concurrency or self._tiers.rules.concurrency):
            batch.add(outcome)
        return batch

    def copy(
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
        writer = self._writing(to, force=force)
        return Promoter(self._tiers, self._choose(source)).copy(path, dest or path, writer)

    def promote(self, *paths: str, to: Where = "near", source: Where = "any") -> MoveReport:
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
                copied = [promoter.promote(path, target) for target in targets]
            except HoldallError as error:
                report.failures[path] = error
                continue
            (report if any(copied) else report.skipped).append(path)
        return report

    # -- deleting -----------------------------------------------------------------------------------------------------

    def delete(self, path: str, location: Where = "all") -> DeleteReport:
        """Delete an object from the selected locations; what is not there counts as deleted.

        Raises:
            PartialDeleteError: A location failed; all were tried.
            NotSupportedError: No writable location was selected.
        """
        return Remover(self._tiers, self._choose(location)).delete(path)

    def delete_batch(self, paths: Iterable[str], location: Where = "all") -> BatchReport:
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
                self._delete_some(remover, names, batch)
                names = []
        if names:
            self._delete_some(remover, names, batch)
        return batch

    @staticmethod
    def _delete_some(remover: Remover, names: builtins.list[str], batch: BatchReport) -> None:
        for name, report in zip(names, remover.many(names), strict=True):
            batch.add(BatchOutcome(src=name, dest=None, report=report, error=remover.failure(name, report)))

    # -- keeping it sound ---------------------------------------------------------------------------------------------

    def verify(
        self, prefix: str = "", location: Where = "all", *, expect: str = "all", deep: bool = False
    ) -> Iterator[Finding]:
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
        yield from verifier.findings(prefix)

    def repair(
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
            mender.sweep()
            found = [finding for finding in self.verify(findings_or_prefix, deep=True)]
        else:
            found = builtins.list(findings_or_prefix)
        for finding in found:
            mender.mend(finding)
        return mender.report

    def health(self, timeout: float = 5.0) -> StoreStatus:
        """Ask every location whether it answers, all at once; nothing is created.

        Args:
            timeout: Seconds after which a location counts as not answering.
        """
        self._tiers.check_open()
        found = run(lambda: self._tiers.background.health(self._tiers.locations, timeout))
        return self._status(found)

    def flush(self, timeout: float | None = None) -> bool:
        """Wait for the copies in the background; return whether they are done.

        Args:
            timeout: Seconds to wait at most.
        """
        return run(lambda: self._tiers.background.flush(timeout))

    def close(self, drain: float = 10.0) -> None:
        """Let go of all connections; idempotent.

        Args:
            drain: Seconds to wait at most for copies in the background.
        """
        if self._tiers.closed:
            return
        run(lambda: self._tiers.background.close(drain))
        finish(self.store.close)
