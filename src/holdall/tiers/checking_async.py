"""`verify` and `repair`: what differs between locations, and copies from one that agrees with its digest."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from holdall.core.keys import RESERVED, ReservedKey, is_reserved
from holdall.core.meta import ObjectMeta
from holdall.drivers.local import LocalStore
from holdall.errors import (
    ConfigError,
    HoldallError,
    NotFoundError,
    NotSupportedError,
    PermissionDeniedError,
    UnavailableError,
)
from holdall.results import Upload
from holdall.tiers.asking import unasked
from holdall.tiers.content import hasher
from holdall.tiers.layout import prefixes_of
from holdall.tiers.listing_async import Lister
from holdall.tiers.locations import Location, choose
from holdall.tiers.moving_async import Promoter
from holdall.tiers.reading_async import Reader
from holdall.tiers.reports import Finding, RepairReport
from holdall.tiers.settings import Tiers, digest_of
from holdall.tiers.writing_async import Writer

__all__ = ["Mender", "Verifier"]

log = logging.getLogger("holdall.tiers")

OLD = timedelta(hours=24)
"""Temporaries older than this belong to nobody any more."""


@dataclass(frozen=True, slots=True)
class _Copy:
    """One copy of an object, as far as it was read.

    Attributes:
        meta: As its location describes it.
        digest: Kept beside it, or computed.
        sound: ``False`` if the two do not agree.
    """

    meta: ObjectMeta
    digest: str | None
    sound: bool = True


class Verifier:
    """Compares locations.

    Args:
        tiers: The rules.
        chosen: The locations.
        expect: ``all`` or ``somewhere``.
        deep: Read every byte.

    A location that cannot list (HTTP) takes part with what it has of the others' names: what it should have, nobody can tell.

    Raises:
        ConfigError: Something else is expected.
        NotSupportedError: None of them can list.
    """

    def __init__(self, tiers: Tiers, chosen: Sequence[Location], *, expect: str, deep: bool) -> None:
        if expect not in {"all", "somewhere"}:
            raise ConfigError(f"expect is 'all' or 'somewhere', not {expect!r}")
        self.listing = [location for location in chosen if location.bare.capabilities.list]
        if not self.listing:
            names = ", ".join(location.name for location in chosen)
            raise NotSupportedError(f"no location can list: {names}", store=tiers)
        self.tiers = tiers
        self.chosen = chosen
        self.expect = expect
        self.deep = deep

    async def findings_async(self, prefix: str) -> AsyncIterator[Finding]:
        """Yield what is not as it should be: locations that cannot be asked first, then by name, temporaries last."""
        reached: list[Location] = []
        for location in self.listing:
            try:
                await anext(Lister(self.tiers, (location,)).merged_async(prefix), None)
                reached.append(location)
            except HoldallError as error:
                if not unasked(error):
                    raise
                yield Finding(path="", problem="unreachable", locations=(location,), detail=str(error))
        if not reached:
            return
        mute = [location for location in self.chosen if location not in self.listing]
        async for entry, having in Lister(self.tiers, reached).merged_async(prefix):
            missing = tuple(location for location in reached if location not in having)
            if missing and self.expect == "all":
                yield Finding(path=entry.name, problem="missing", locations=missing)
            also: list[Location] = []
            for location in [*mute]:
                try:
                    await Reader(self.tiers, (location,)).head_async(entry.name)
                    also.append(location)
                except NotFoundError:
                    continue  # what it should have, nobody can tell
                except HoldallError as error:
                    if not unasked(error):
                        raise
                    mute.remove(location)
                    yield Finding(path="", problem="unreachable", locations=(location,), detail=str(error))
            async for finding in self._compared_async(entry.name, (*having, *also)):
                yield finding
        for location in reached:
            async for key in self._temporaries_async(location, prefix):
                yield Finding(path=key, problem="temporary", locations=(location,), detail="left by a writer that was ended")
            for name in sorted({name for name, _ in await uploads_async(location, prefix)}):
                yield Finding(
                    path=name, problem="temporary", locations=(location,), detail="an upload that was not completed"
                )

    async def _compared_async(self, name: str, having: Sequence[Location]) -> AsyncIterator[Finding]:
        """Yield what is wrong with the copies of one name."""
        copies: dict[Location, _Copy] = {}
        for location in having:
            try:
                copies[location] = await examined_async(self.tiers, location, name, deep=self.deep)
            except NotFoundError:
                continue  # deleted since it was listed
            except HoldallError as error:
                if not unasked(error):
                    raise
                yield Finding(path=name, problem="unreachable", locations=(location,), detail=str(error))
        corrupt = tuple(location for location, copy in copies.items() if not copy.sound)
        if corrupt:
            yield Finding(path=name, problem="corrupt", locations=corrupt, detail="does not agree with its digest")
        sound = {location: copy for location, copy in copies.items() if copy.sound}
        if differ(sound.values()):
            yield Finding(path=name, problem="differs", locations=tuple(sound), detail="the copies are not the same")

    async def _temporaries_async(self, location: Location, prefix: str) -> AsyncIterator[str]:
        """Yield the keys of temporaries: reserved names outside the directory that holds what is ours on purpose."""
        async for page in location.store.list_async(ReservedKey(prefix)):
            for meta in page.objects:
                if is_reserved(meta.key) and f"{RESERVED}/" not in meta.key:
                    yield meta.key


class Mender:
    """Makes locations agree.

    Args:
        tiers: The rules.
        chosen: The locations.
        prefer: Which of several sound copies is right.
        dry_run: Change nothing.

    Raises:
        ConfigError: No such preference.
    """

    def __init__(self, tiers: Tiers, chosen: Sequence[Location], *, prefer: str | None, dry_run: bool) -> None:
        self.tiers = tiers
        self.chosen = chosen
        self.prefer = prefer
        self.dry_run = dry_run
        self.report = RepairReport()
        self._seen: set[str] = set()
        if prefer is not None and prefer != "newest":
            choose(tiers.locations, prefer)

    async def mend_async(self, finding: Finding) -> None:
        """Mend one finding; what cannot be mended goes to the report."""
        if finding.problem == "unreachable":
            error = UnavailableError(finding.detail or "could not be asked")
            self.report.failures[(finding.path, finding.locations[0].name)] = error
        elif finding.problem == "temporary":
            await self._remove_async(finding)
        elif finding.path not in self._seen:
            self._seen.add(finding.path)
            await self._object_async(finding)

    async def sweep_async(self) -> None:
        """Let local disks remove what writers that were ended left behind: their listings do not show it."""
        for location in self.chosen:
            driver, _ = location.bare.locate("a")
            if isinstance(driver, LocalStore) and not location.read_only and not self.dry_run:
                self.report.swept += await driver.sweep_async(older_than=OLD.total_seconds())

    async def _remove_async(self, finding: Finding) -> None:
        for location in finding.locations:
            if not is_reserved(finding.path):
                await self._abort_async(finding.path, location)
                continue
            key = ReservedKey(finding.path)
            try:
                modified = (await location.store.head_async(key)).last_modified
                if modified is None or datetime.now(UTC) - modified < OLD or location.read_only:
                    continue
                if not self.dry_run:
                    await location.store.delete_async(key)
            except NotFoundError:
                continue
            except HoldallError as error:
                self.report.failures[(finding.path, location.name)] = error
            else:
                self.report.removed.append(finding.path)

    async def _abort_async(self, name: str, location: Location) -> None:
        """Abort the uploads of one object that nobody goes on with."""
        try:
            for found, upload in await uploads_async(location, name):
                if found != name or upload.started is None or datetime.now(UTC) - upload.started < OLD:
                    continue
                if not self.dry_run:
                    writer = await location.store.parts_async(upload.key, upload_id=upload.upload_id)
                    await writer.abort_async()
                self.report.removed.append(name)
        except NotFoundError:
            return  # completed or aborted meanwhile
        except HoldallError as error:
            self.report.failures[(name, location.name)] = error

    async def _object_async(self, finding: Finding) -> None:
        name = finding.path
        copies: dict[Location, _Copy] = {}
        wanting: list[Location] = []
        for location in self.chosen:
            try:
                copy = await examined_async(self.tiers, location, name, deep=True)
            except NotFoundError:
                wanting.append(location)
                continue
            except HoldallError as error:
                self.report.failures[(name, location.name)] = error
                continue
            if copy.sound:
                copies[location] = copy
            else:
                wanting.append(location)
        source = self._source(copies)
        if not copies:
            for location in wanting:
                self.report.failures[(name, location.name)] = NotFoundError(f"no sound copy of {name!r}", key=name)
        elif source is None:
            self.report.unresolved.append(finding)
        else:
            right = copies[source].digest
            others = [location for location, copy in copies.items() if copy.digest != right]
            for location in [*wanting, *others]:
                if not location.read_only and location in {*finding.locations, *others}:
                    await self._copied_async(name, source, location)

    def _source(self, copies: dict[Location, _Copy]) -> Location | None:
        """Return the location to copy from, ``None`` if that is for people to decide."""
        if not copies:
            return None
        if not differ(copies.values()):
            return next(iter(copies))
        if self.prefer is None:
            return None
        if self.prefer == "newest":
            dated = {location: copy.meta.last_modified for location, copy in copies.items()}
            known = {location: moment for location, moment in dated.items() if moment is not None}
            return max(known, key=lambda location: known[location]) if len(known) == len(dated) else None
        preferred = choose(self.tiers.locations, self.prefer)[0]
        return preferred if preferred in copies else None

    async def _copied_async(self, name: str, source: Location, target: Location) -> None:
        if self.dry_run:
            self.report.repaired.append((name, target.name))
            return
        try:
            await Promoter(self.tiers, (source,)).copy_async(name, name, Writer(self.tiers, (target,), "replace"))
        except HoldallError as error:
            self.report.failures[(name, target.name)] = error
        else:
            self.report.repaired.append((name, target.name))


async def examined_async(tiers: Tiers, location: Location, name: str, *, deep: bool) -> _Copy:
    """Return what a copy is, read whole if ``deep``."""
    algorithm = tiers.rules.digest or "sha256"
    if not deep:
        meta = (await Reader(tiers, (location,)).head_async(name)).value
        return _Copy(meta, digest_of(meta, algorithm))
    computed = hasher(algorithm)
    async with await location.store.get_async(location.key(name)) as result:
        async for chunk in result:
            computed.update(chunk)
    known, found = digest_of(result.meta, algorithm), computed.hexdigest()
    return _Copy(result.meta, found, sound=known is None or known == found)


async def uploads_async(location: Location, prefix: str) -> list[tuple[str, Upload]]:
    """Return name and upload of what was begun by parts and is neither completed nor aborted, where a location tells."""
    rules = location.bare.capabilities.parts
    if rules is None or not rules.resumable or location.read_only:
        return []
    found: list[tuple[str, Upload]] = []
    try:
        for below in prefixes_of(location.layout, prefix):
            for upload in await location.store.uploads_async(below):
                name = None if is_reserved(upload.key) else location.layout.to_name(upload.key)
                if name is not None and name.startswith(prefix):
                    found.append((name, upload))
    except PermissionDeniedError as error:
        log.warning("%s: unfinished uploads cannot be listed: %s", location.name, error)
    return found


def differ(copies: Iterable[_Copy]) -> bool:
    """Tell whether copies are known not to be the same."""
    found = list(copies)
    sizes = {copy.meta.size for copy in found}
    digests = {copy.digest for copy in found if copy.digest is not None}
    return len(sizes) > 1 or len(digests) > 1
