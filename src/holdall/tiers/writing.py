# Generated from writing_async.py by tools/twins.py: change that file, not this one.
"""Writing to every location, with an outcome for each (rules W1 to W6, C1, C2), and deleting from every one (D1)."""

from __future__ import annotations

import builtins
import random
import time
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from holdall._concurrency import gather, run, sleep
from holdall.core.meta import ObjectMeta
from holdall.core.options import PutOptions
from holdall.core.retry import could_not_be_asked
from holdall.errors import (
    AlreadyExistsError,
    HoldallError,
    InvalidKeyError,
    NotFoundError,
    NotSupportedError,
    PreconditionError,
    UnavailableError,
)
from holdall.results import DeleteResult, PutResult
from holdall.store import Store
from holdall.tiers.asking import settled, unasked
from holdall.tiers.content import DIGEST_KEY, Content, hasher
from holdall.tiers.errors import PartialDeleteError, PartialWriteError
from holdall.tiers.locations import Location
from holdall.tiers.reading import Reader
from holdall.tiers.reports import DeleteReport, LocationOutcome, WriteReport
from holdall.tiers.settings import Existing, Tiers, digest_of, parse_etag, same_attributes
from holdall.tiers.spooling import content_of_result

__all__ = ["Remover", "Writer", "digest"]

FIRST = 64 * 1024
"""Content up to this size is sent before it is known whether the key is new: one request if it is."""
ROUNDS = 1000
"""How often a writer looks whether all locations agree before it gives up."""
TOKEN = DIGEST_KEY.format("write")
"""User metadata by which a writer knows its own create again when the answer got lost."""


@dataclass(slots=True)
class _Copy:
    """The copy in one location, as this writer left it.

    Attributes:
        etag: Of what this writer wrote or found.
        created: It was made by a race-free create.
    """

    etag: str | None
    created: bool = False


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

    def _store(self, location: Location) -> Store:
        return location.store if len(self.targets) == 1 else location.among

    def put(self, name: str, content: Content, options: PutOptions | None = None) -> WriteReport:
        """Write, and return what happened where.

        Raises:
            PartialWriteError: At least one location failed; the others hold it.
            AlreadyExistsError: ``mode="create"`` and something is there.
            PreconditionError: ``mode="update"`` and something else is there.
        """
        self.tiers.check_options(self.targets, options)
        if name.endswith("/"):
            raise InvalidKeyError(f"{name!r} names a directory: locations have files only", key=name, store=self.tiers)
        for location in self.chosen:
            location.key(name)
        algorithm = self.tiers.rules.digest
        if algorithm is not None and not content.known(algorithm):
            run(lambda: content.digest(algorithm))
        mode = "overwrite" if options is None else options.mode
        copies: dict[Location, _Copy] = {}
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
            copies[judge] = _Copy(put.etag, created=mode == "create")
            outcomes[judge] = self._written(judge, content, put.etag, started)
            rest = tuple(location for location in self.targets if location is not judge)
        thunks = [lambda location=location: self._one(location, name, content, options, copies) for location in rest]
        for outcome in gather(thunks, limit=self.tiers.limit(rest, content.size)):
            outcomes[outcome.location] = outcome
        if self._disputable(outcomes, copies):
            _Agreement(self, name, content, options, outcomes, copies).reach()
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
    def _written(location: Location, content: Content, etag: str | None, started: float) -> LocationOutcome:
        return LocationOutcome(
            location=location, status="written", size=content.size, etag=etag, seconds=time.monotonic() - started
        )

    # -- one location -------------------------------------------------------------------------------------------------

    def _one(
        self, location: Location, name: str, content: Content, options: PutOptions | None, copies: dict[Location, _Copy]
    ) -> LocationOutcome:
        """Write to one location; an error is its outcome and stops nobody else."""
        started = time.monotonic()
        try:
            done, already = self._compared(location, name, content, options)
        except Exception as error:  # noqa: BLE001  # W3: one failure never stops the others
            return LocationOutcome(location=location, status="failed", seconds=time.monotonic() - started, error=error)
        copies[location] = done
        outcome = self._written(location, content, done.etag, started)
        return replace(outcome, status="already") if already else outcome

    def _compared(self, location: Location, name: str, content: Content, options: PutOptions | None) -> tuple[_Copy, bool]:
        """Write unless the same is there already; return the copy, and whether it was."""
        store, key = self._store(location), location.key(name)
        if self.existing == "replace":
            return _Copy((self.send(location, name, content, options)).etag), False
        can = location.bare.capabilities
        create = can.create and (content.size <= FIRST or can.large_conditional)
        found: ObjectMeta | None = None
        lost = False
        if create and content.size <= FIRST:
            try:
                put = self.send(location, name, content, options, create=True)
                return _Copy(put.etag, created=True), False
            except AlreadyExistsError:
                pass
            except UnavailableError:
                lost = True  # whether it was written has to be looked up
        try:
            found = store.head(key)
        except NotFoundError:
            found = None
        if found is not None and (self.existing == "keep" or self._equal(found, content, options)):
            return _Copy(found.etag), not lost
        if found is None and create:
            try:
                put = self.send(location, name, content, options, create=True)
                return _Copy(put.etag, created=True), False
            except AlreadyExistsError:
                pass
        return _Copy((self.send(location, name, content, options)).etag), False

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
        chosen = self.tiers.options(location, options, None if algorithm is None else content.digest(algorithm))
        if create:
            chosen = replace(chosen or PutOptions(), mode="create")
        return self._store(location).put(location.key(name), content.source, chosen)

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
                judge.key(name), content.source, replace(plain or PutOptions(), mode="update", if_match=etag)
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
        """Create at the arbiter; a winner whose answer got lost knows its own write by a token."""
        algorithm, token = self.tiers.rules.digest, uuid.uuid4().hex
        plain = self.tiers.options(judge, options, None if algorithm is None else content.digest(algorithm)) or PutOptions()
        marked = judge.bare.capabilities.metadata
        metadata = {**plain.metadata, TOKEN: token} if marked else plain.metadata
        plain = replace(plain, mode="create", if_match=None, metadata=metadata)
        failures = 0
        while True:
            try:
                return judge.store.put(judge.key(name), content.source, plain)
            except AlreadyExistsError:
                mine = self._mine(judge, name, token) if failures else None
                if mine is None:
                    raise
                return mine
            except HoldallError as error:
                failures += 1
                if not marked or not could_not_be_asked(error) or failures >= self.tiers.rules.retry.attempts:
                    raise
                mine = self._mine(judge, name, token)
                if mine is not None:
                    return mine

    @staticmethod
    def _mine(judge: Location, name: str, token: str) -> PutResult | None:
        try:
            found = judge.store.head(judge.key(name))
        except NotFoundError:
            return None
        if found.metadata.get(TOKEN) != token:
            return None
        return PutResult(key=name, size=found.size, etag=found.etag)

    # -- agreement (C2) -----------------------------------------------------------------------------------------------

    def _disputable(self, outcomes: Mapping[Location, LocationOutcome], copies: Mapping[Location, _Copy]) -> bool:
        """Tell whether another writer could have come between: not if every copy was made by a create, or none by us."""
        rules = self.tiers.rules
        if not rules.confirm or rules.immutable or self.existing == "keep" or len(copies) < 2:
            return False
        written = [location for location in copies if outcomes[location].status == "written"]
        return bool(written) and not all(copies[location].created for location in copies)


class _Agreement:
    """Brings all locations to what the arbiter took last, after an overwrite.

    Whoever writes anything looks at the arbiter afterwards, and goes on until what it wrote last is what the arbiter has. So the last
    write to any location is by somebody who then saw the same at the arbiter.
    """

    def __init__(
        self,
        writer: Writer,
        name: str,
        content: Content,
        options: PutOptions | None,
        outcomes: dict[Location, LocationOutcome],
        copies: dict[Location, _Copy],
    ) -> None:
        self.writer = writer
        self.tiers = writer.tiers
        self.name = name
        self.content = content
        self.options = options
        self.outcomes = outcomes
        self.copies = copies
        self.first = (content, options)
        self.own: Content | None = None
        """What was copied from the arbiter, instead of what this writer wrote."""

    def reach(self) -> None:
        """Go on until all locations agree, or fail."""
        lead = self.tiers.judge(tuple(self.copies)) or next(iter(self.copies))
        try:
            for turn in range(ROUNDS):
                if self._turn(lead):
                    return
                if turn > 1:
                    sleep(random.random() * min(0.05, 0.002 * turn))  # noqa: S311
            raise UnavailableError(
                f"{self.name!r}: other writers did not let the locations agree", key=self.name, store=self.tiers
            )
        except HoldallError as error:
            if lead in self.copies:
                self._failed(lead, error)
        finally:
            self._drop()

    def _turn(self, lead: Location) -> bool:
        """Look at all locations and mend what differs; return whether there was nothing to mend."""
        heads = Reader(self.tiers, tuple(self.copies)).heads(self.name)
        for location, head in heads.items():
            if isinstance(head, HoldallError):
                self._failed(location, head)
        if lead not in self.copies:
            return True
        head = heads[lead]
        assert not isinstance(head, HoldallError)  # it is still among the copies
        if head is not None and not self._same(head, lead):
            self._adopt(lead)
            head = None if self.own is None else head
        strays = [loc for loc in self.copies if loc is not lead and not self._agrees(heads[loc], loc)]
        if head is None:
            strays.insert(0, lead)
        for location in strays:
            self._mend(location, create=location is lead)
        return not strays

    def _agrees(self, head: ObjectMeta | HoldallError | None, location: Location) -> bool:
        return isinstance(head, ObjectMeta) and self._same(head, location)

    def _same(self, head: ObjectMeta, location: Location) -> bool:
        """Tell whether a location has what this writer left there, or the same content by another's hand.

        A location that keeps no digest is read: writers who took each other's copies for strays would never end.
        """
        if head.etag is not None and head.etag == self.copies[location].etag:
            return True
        if head.size != self.content.size:
            return False
        algorithm = self.tiers.rules.digest or "sha256"
        wanted = run(lambda: self.content.digest(algorithm))
        known = digest_of(head, algorithm)
        if known is None:
            try:
                known = digest(location.store, location.key(self.name), algorithm)
            except NotFoundError:
                return False
        return known == wanted

    def _adopt(self, lead: Location) -> None:
        """Take the arbiter's content for what has to be everywhere: another writer was later."""
        try:
            result = lead.store.get(lead.key(self.name))
            meta = result.meta
            content = content_of_result(result, self.tiers.rules.digest)
        except NotFoundError:
            self._drop()  # deleted meanwhile: what this writer wrote comes after that
            self.content, self.options = self.first
            self.copies = {location: _Copy(None) for location in self.copies}
            for location in self.copies:
                self.outcomes[location] = replace(self.outcomes[location], status="written", size=self.content.size)
            return
        self._drop()
        self.content = self.own = content
        algorithm = self.tiers.rules.digest
        if algorithm is not None and not content.known(algorithm):
            run(lambda: content.digest(algorithm))
        kept = {key: value for key, value in meta.metadata.items() if not key.startswith("holdall-")}
        attributes = replace(meta.attributes, metadata=kept)
        self.options = PutOptions.from_attributes(attributes)
        self.copies = {location: _Copy(None) for location in self.copies}
        self.copies[lead] = _Copy(meta.etag)
        for location in self.copies:
            self.outcomes[location] = replace(
                self.outcomes[location], status="superseded", size=content.size, etag=meta.etag if location is lead else None
            )

    def _mend(self, location: Location, *, create: bool) -> None:
        try:
            put = self.writer.send(location, self.name, self.content, self._kept(location), create=create)
        except AlreadyExistsError:
            return  # another writer was quicker: the next turn sees it
        except HoldallError as error:
            self._failed(location, error)
        else:
            self.copies[location] = _Copy(put.etag)
            self.outcomes[location] = replace(self.outcomes[location], etag=put.etag)

    def _kept(self, location: Location) -> PutOptions | None:
        """Return the options as far as a location can keep them; another location's headers may be more than it has."""
        if self.own is None or self.options is None:
            return self.options
        can = location.bare.capabilities
        if can.attributes and can.metadata:
            return self.options
        return PutOptions(metadata=self.options.metadata) if can.metadata else None

    def _failed(self, location: Location, error: HoldallError) -> None:
        self.copies.pop(location, None)
        self.outcomes[location] = replace(self.outcomes[location], status="failed", error=error)

    def _drop(self) -> None:
        if self.own is not None:
            self.own.close()
            self.own = None


class Remover:
    """Deletes from all chosen locations.

    Args:
        tiers: The rules.
        chosen: The locations, read-only ones included.
    """

    def __init__(self, tiers: Tiers, chosen: Sequence[Location]) -> None:
        self.tiers = tiers
        self.chosen = chosen
        self.targets = tiers.writable(chosen)

    def delete(self, name: str) -> DeleteReport:
        """Delete one object everywhere.

        Raises:
            PartialDeleteError: At least one location failed; all were tried.
        """
        for location in self.chosen:
            location.key(name)
        outcomes = self._everywhere([name])
        report = DeleteReport([outcomes[location][0] for location in self.chosen])
        error = self.failure(name, report)
        if error is not None:
            raise error
        return report

    def many(self, names: builtins.list[str]) -> builtins.list[DeleteReport]:
        """Delete many objects everywhere, by bulk calls where a location has them; a report for each, errors in it."""
        for location in self.chosen:
            for name in names:
                location.key(name)
        outcomes = self._everywhere(names)
        return [DeleteReport([outcomes[location][i] for location in self.chosen]) for i in range(len(names))]

    def failure(self, name: str, report: DeleteReport) -> HoldallError | None:
        """Return the error of a report in which a location failed."""
        failed = [outcome for outcome in report.outcomes if outcome.status == "failed"]
        if not failed:
            return None
        first = failed[0].error
        if len(self.targets) == 1 and isinstance(first, HoldallError):
            return first
        told = "; ".join(f"{o.location.name}: {o.error}" for o in failed)
        error = PartialDeleteError(
            f"{name!r} could not be deleted everywhere: {told}",
            key=name,
            store=self.tiers,
            written=tuple(report),
            failed=tuple(o.location for o in failed),
            report=report,
        )
        error.__cause__ = first
        return error

    def _everywhere(self, names: builtins.list[str]) -> dict[Location, builtins.list[LocationOutcome]]:
        thunks = [lambda location=location: self._one(location, names) for location in self.targets]
        done = gather(thunks, limit=self.tiers.limit(self.targets))
        found = dict(zip(self.targets, done, strict=True))
        for location in self.chosen:
            if location not in found:
                found[location] = [LocationOutcome(location=location, status="read_only")] * len(names)
        return found

    def _one(self, location: Location, names: builtins.list[str]) -> builtins.list[LocationOutcome]:
        started = time.monotonic()
        store = location.store if len(self.targets) == 1 else location.among
        keys = [location.key(name) for name in names]
        try:
            results = store.delete(keys[0] if len(keys) == 1 else keys)
        except HoldallError as error:
            results = [DeleteResult(key=key, error=error) for key in keys]
        seconds = time.monotonic() - started
        return [
            LocationOutcome(
                location=location,
                status="deleted" if result.error is None else "failed",
                seconds=seconds,
                error=result.error,
            )
            for result in results
        ]


def digest(store: Store, key: str, algorithm: str) -> str:
    """Return the digest of an object, read whole."""
    computed = hasher(algorithm)
    with store.get(key) as result:
        for chunk in result:
            computed.update(chunk)
    return computed.hexdigest()
