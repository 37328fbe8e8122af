# Generated from writing_async.py by tools/twins.py: change that file, not this one.
"""Writing to every location, with an outcome for each (rules W1 to W6, C1)."""

from __future__ import annotations

import os
import time
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import replace

from holdall._concurrency import gather, run
from holdall.core.meta import ObjectMeta
from holdall.core.options import PutOptions
from holdall.core.retry import could_not_be_asked
from holdall.drivers._local_meta import etag_of
from holdall.errors import (
    AlreadyExistsError,
    HoldallError,
    InvalidKeyError,
    NotFoundError,
    NotSupportedError,
    PreconditionError,
    UnavailableError,
)
from holdall.results import PutResult
from holdall.store import Store
from holdall.tiers.agreeing import Agreement, Copy, digest
from holdall.tiers.asking import settled, unasked
from holdall.tiers.content import DIGEST_KEY, Content
from holdall.tiers.errors import PartialWriteError
from holdall.tiers.locations import Location
from holdall.tiers.reading import Reader
from holdall.tiers.reports import LocationOutcome, Status, WriteReport
from holdall.tiers.settings import Existing, Tiers, digest_of, parse_etag, same_attributes

__all__ = ["Writer"]

FIRST = 64 * 1024
"""Content up to this size is sent before it is known whether the key is new, where looking costs a request: one if it is."""
TOKEN = DIGEST_KEY.format("write")
"""User metadata by which a writer knows its own create again when the answer got lost."""


class Writer:
    """Writes one object to the chosen locations.

    Args:
        tiers: The rules.
        chosen: The locations, read-only ones included.
        existing: What to do where the key is there already; as the rules say if ``None``.
    """

    def __init__(self, tiers: Tiers, chosen: Sequence[Location], existing: Existing | None = None) -> None:
        self.tiers = tiers
        self.chosen = chosen
        self.existing: Existing = existing or tiers.rules.existing
        self.targets = tiers.writable(chosen)
        self._keys: dict[tuple[Location, str], str] = {}
        self._unseen: tuple[Location, ...] = ()
        """Local disks that did not show the name just now."""

    def _store(self, location: Location) -> Store:
        return location.store if len(self.targets) == 1 else location.among

    def _key(self, location: Location, name: str) -> str:
        """Return the key of a name, worked out once."""
        key = self._keys.get((location, name))
        if key is None:
            key = self._keys[location, name] = location.key(name)
        return key

    def check(self, name: str, options: PutOptions | None = None) -> None:
        """Refuse a name, or options, that a location could not take; nothing was asked, and no source was read.

        Raises:
            InvalidKeyError: No location, or not each of them, could hold it.
            NotSupportedError: A location could not keep what is asked for.
        """
        self.tiers.check_options(self.targets, options)
        for location in self.chosen:
            self._key(location, name)
        if name[-1] == "/":
            raise InvalidKeyError(f"{name!r} names a directory: locations have files only", key=name, store=self.tiers)
        if "//" in name and any(location.bare.capabilities.directories == "real" for location in self.targets):
            raise InvalidKeyError(
                f"{name!r} has an empty segment, which no file system can hold", key=name, store=self.tiers
            )

    def kept(self, name: str) -> WriteReport | None:
        """Return the report of a write that need not begin: names are kept, and local disks show this one at a glance."""
        if self.existing != "keep" or not all(location.local for location in self.targets):
            return None
        started = time.monotonic()
        found = run(lambda: {location: location.glance(self._key(location, name)) for location in self.targets})
        if not all(found.values()):
            self._unseen = tuple(location for location, seen in found.items() if seen is False)
            return None
        seconds = time.monotonic() - started
        return WriteReport([_seen(location, found.get(location), seconds) for location in self.chosen])

    def put(self, name: str, content: Content, options: PutOptions | None = None) -> WriteReport:
        """Write what `check` found nothing against, and return what happened where.

        Raises:
            PartialWriteError: At least one location failed; the others hold it.
            AlreadyExistsError: ``mode="create"`` and something is there.
            PreconditionError: ``mode="update"`` and something else is there.
        """
        algorithm = self.tiers.rules.digest
        if algorithm is not None and not content.known(algorithm):
            run(lambda: content.digest(algorithm))
        mode = "overwrite" if options is None else options.mode
        copies: dict[Location, Copy] = {}
        outcomes: dict[Location, LocationOutcome] = {
            location: LocationOutcome(location=location, status="read_only")
            for location in self.chosen
            if location not in self.targets
        }
        rest = self.targets
        if mode != "overwrite" and options is not None:
            judge = self.tiers.judge(self.targets)
            if judge is None:
                raise NotSupportedError("no selected location can decide a conditional write", key=name, store=self.tiers)
            started = time.monotonic()
            put = self._decided(judge, name, content, options)
            copies[judge] = Copy(put.etag, created=mode == "create")
            outcomes[judge] = self._written(judge, content, put.etag, started)
            rest = tuple(location for location in self.targets if location is not judge)
        thunks = [lambda location=location: self._one(location, name, content, options, copies) for location in rest]
        for outcome in gather(thunks, limit=self.tiers.limit(rest, content.size)):
            outcomes[outcome.location] = outcome
        if self._disputable(outcomes, copies):
            Agreement(self, name, content, options, outcomes, copies).reach()
        report = WriteReport([outcomes[location] for location in self.chosen])
        self._judge_report(name, report)
        return report

    def _judge_report(self, name: str, report: WriteReport) -> None:
        failed = [outcome for outcome in report.outcomes if outcome.status == "failed"]
        if not failed:
            return
        first = failed[0].error
        assert first is not None  # it failed
        if len(self.targets) == 1 or not isinstance(first, HoldallError) or not unasked(first):
            raise first
        held = tuple(o.location for o in report.outcomes if o.status in {"written", "already", "superseded"})
        told = "; ".join(f"{o.location.name}: {o.error}" for o in failed)
        where = ", ".join(location.name for location in held) or "no location"
        raise PartialWriteError(
            f"{name!r} is held by {where}; failed: {told}",
            key=name,
            store=self.tiers,
            written=held,
            failed=tuple(o.location for o in failed),
            report=report,
        ) from first

    @staticmethod
    def _written(
        location: Location, content: Content, etag: str | None, started: float, status: Status = "written"
    ) -> LocationOutcome:
        return LocationOutcome(
            location=location, status=status, size=content.size, etag=etag, seconds=time.monotonic() - started
        )

    # -- one location -------------------------------------------------------------------------------------------------

    def _one(
        self, location: Location, name: str, content: Content, options: PutOptions | None, copies: dict[Location, Copy]
    ) -> LocationOutcome:
        """Write to one location; an error is its outcome and stops nobody else."""
        started = time.monotonic()
        try:
            done, already = self._compared(location, name, content, options)
        except Exception as error:  # noqa: BLE001  # W3: one failure never stops the others
            return LocationOutcome(location=location, status="failed", seconds=time.monotonic() - started, error=error)
        copies[location] = done
        return self._written(location, content, done.etag, started, "already" if already else "written")

    def _compared(self, location: Location, name: str, content: Content, options: PutOptions | None) -> tuple[Copy, bool]:
        """Write unless the same is there already; return the copy, and whether it was."""
        store, key = self._store(location), self._key(location, name)
        can = location.bare.capabilities
        tells = (
            can.create or can.metadata or self.tiers.rules.immutable
        )  # else a look shows a size, which proves nothing (W4)
        if self.existing == "replace" or (self.existing == "compare" and not tells):
            return Copy((self.send(location, name, content, options)).etag), False
        create = can.create and (content.size <= FIRST or can.large_conditional)
        blind = create and content.size <= FIRST and not location.quick
        absent = blind or location in self._unseen
        if not absent and location.local:
            absent = run(lambda: location.glance(key)) is False
        found = None if absent else self._seen(store, key)
        if found is None and create:
            lost = False
            try:
                put = self.send(location, name, content, options, create=True)
                return Copy(put.etag, created=True), False
            except AlreadyExistsError:
                pass
            except UnavailableError:
                lost = True  # whether it was written has to be looked up
            found = self._seen(store, key)
            if lost and found is not None and self._equal(found, content, options):
                return Copy(found.etag), False
        if found is not None and (self.existing == "keep" or self._equal(found, content, options)):
            return Copy(found.etag), True
        return Copy((self.send(location, name, content, options)).etag), False

    @staticmethod
    def _seen(store: Store, key: str) -> ObjectMeta | None:
        try:
            return store.head(key)
        except NotFoundError:
            return None

    def _equal(self, found: ObjectMeta, content: Content, options: PutOptions | None) -> bool:
        """Tell whether a location has this content: the size alone says so only where names never change content."""
        if found.size != content.size or not same_attributes(found, options):
            return False
        for algorithm in dict.fromkeys([self.tiers.rules.digest, *found.digests]):
            known = digest_of(found, algorithm)
            if known is not None and algorithm is not None:
                if content.known(algorithm):
                    return content.digest(algorithm) == known
                return run(lambda a=algorithm: content.digest(a)) == known  # type: ignore[misc]
        return self.tiers.rules.immutable

    def send(
        self, location: Location, name: str, content: Content, options: PutOptions | None, *, create: bool = False
    ) -> PutResult:
        """Write to one location, with the digest beside it where it can be kept."""
        algorithm = self.tiers.rules.digest
        digest = None if algorithm is None else content.digest(algorithm)
        chosen = self.tiers.options(location, options, digest, create=create)
        return self._store(location).put(self._key(location, name), content.source, chosen)

    # -- conditional writes (C1) --------------------------------------------------------------------------------------

    def _decided(self, judge: Location, name: str, content: Content, options: PutOptions) -> PutResult:
        """Let the arbiter decide a conditional write."""
        if options.mode == "create":
            self._absent(name, self.chosen)
            return self._claim(judge, name, content, options)
        assert options.if_match is not None  # it goes with the mode
        named = parse_etag(options.if_match, self.tiers.locations)
        if named is None:
            raise PreconditionError(f"{name!r} is not the object of that etag", key=name, store=self.tiers)
        location, etag = named
        if location is judge:
            algorithm = self.tiers.rules.digest
            plain = self.tiers.options(judge, options, None if algorithm is None else content.digest(algorithm))
            return judge.store.put(
                self._key(judge, name), content.source, replace(plain or PutOptions(), mode="update", if_match=etag)
            )
        # The object was read further back than the arbiter, which therefore did not have it.
        found = Reader(self.tiers, (location,)).head(name)
        if found.value.etag != etag:
            raise PreconditionError(f"{name!r} is not the object of that etag", key=name, store=self.tiers)
        try:
            return self._claim(judge, name, content, options)
        except AlreadyExistsError as error:
            raise PreconditionError(f"{name!r} is not the object of that etag", key=name, store=self.tiers) from error

    def _absent(self, name: str, chosen: Sequence[Location]) -> None:
        """Establish that no location has the object; one that could not be asked is an error."""
        found = Reader(self.tiers, chosen).heads(name)
        for location, answer in found.items():
            if isinstance(answer, ObjectMeta):
                raise AlreadyExistsError(f"{name!r} exists in {location.name}", key=name, store=self.tiers)
        failures = {location: answer for location, answer in found.items() if isinstance(answer, HoldallError)}
        if failures:
            raise settled(name, {}, failures, self.tiers)

    def _claim(self, judge: Location, name: str, content: Content, options: PutOptions) -> PutResult:
        """Create at the arbiter; a winner whose answer got lost knows its own write by a token, where metadata can hold one.

        Raises:
            AlreadyExistsError: Somebody else was first.
            UnavailableError: No answer came. If the object may be there all the same, and may be ours, the text says so.
        """
        algorithm, token = self.tiers.rules.digest, uuid.uuid4().hex if judge.bare.capabilities.metadata else None
        plain = self.tiers.options(judge, options, None if algorithm is None else content.digest(algorithm)) or PutOptions()
        metadata = plain.metadata if token is None else {**plain.metadata, TOKEN: token}
        plain = replace(plain, mode="create", if_match=None, metadata=metadata)
        failures = 0
        while True:
            try:
                return judge.store.put(self._key(judge, name), content.source, plain)
            except AlreadyExistsError:
                mine = self._mine(judge, name, content, token) if failures else None
                if mine is None:
                    raise
                return mine
            except HoldallError as error:
                if not could_not_be_asked(error):
                    raise
                failures += 1
                mine = self._mine(judge, name, content, token)
                if mine is not None:
                    return mine
                if failures >= self.tiers.rules.retry.attempts:
                    raise

    def _mine(self, judge: Location, name: str, content: Content, token: str | None) -> PutResult | None:
        """Return what this writer created, ``None`` if that is not there."""
        key, algorithm = self._key(judge, name), self.tiers.rules.digest or "sha256"
        unknown, same = f"whether {name!r} was created by this call is not known: {judge.name}", False
        try:
            found = judge.store.head(key)
            if token is None and found.size == content.size:
                wanted = run(lambda: content.digest(algorithm))
                same = digest(judge.store, key, algorithm) == wanted
        except NotFoundError:
            return None
        except HoldallError as error:
            if not unasked(error):
                raise
            raise UnavailableError(f"{unknown} could not be asked", key=name, store=self.tiers) from error
        if same:
            raise UnavailableError(f"{unknown} has just this content, and keeps no mark", key=name, store=self.tiers)
        if token is None or found.metadata.get(TOKEN) != token:
            return None
        return PutResult(key=name, size=found.size, etag=found.etag)

    # -- agreement (C2) -----------------------------------------------------------------------------------------------

    def _disputable(self, outcomes: Mapping[Location, LocationOutcome], copies: Mapping[Location, Copy]) -> bool:
        """Tell whether another writer could have come between: not if every copy was made by a create, or none by us."""
        rules = self.tiers.rules
        if not rules.confirm or rules.immutable or self.existing == "keep" or len(copies) < 2:
            return False
        written = [location for location in copies if outcomes[location].status == "written"]
        return bool(written) and not all(copies[location].created for location in copies)


def _seen(location: Location, stat: os.stat_result | bool | None, seconds: float) -> LocationOutcome:
    """Return the outcome of a location that has a name already, or is read-only."""
    if not isinstance(stat, os.stat_result):
        return LocationOutcome(location=location, status="read_only")
    return LocationOutcome(location=location, status="already", size=stat.st_size, etag=etag_of(stat), seconds=seconds)
