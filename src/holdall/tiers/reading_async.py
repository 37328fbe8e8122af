"""Reading from the first location that has it (rules R1 to R6)."""

from __future__ import annotations

import random
import time
from collections.abc import AsyncIterator, Sequence
from dataclasses import replace
from typing import Generic, TypeVar

from holdall._concurrency import gather_async, run_async, sleep_async
from holdall.core.meta import ObjectMeta
from holdall.core.options import GetOptions
from holdall.core.ranges import ByteRange
from holdall.core.retry import could_not_be_asked
from holdall.errors import CircuitOpenError, HoldallError, IntegrityError, NotFoundError, StoreTimeoutError
from holdall.results import GetResult
from holdall.store import Store
from holdall.tiers.asking import NO_FAILURES, Answer, AsyncAsk, all_open, longest_wait, settled, unasked
from holdall.tiers.content import hasher
from holdall.tiers.hedging import AsyncBegun
from holdall.tiers.locations import Location
from holdall.tiers.settings import Tiers, digest_of, shown_meta

__all__ = ["Reader"]

T = TypeVar("T")


class _Asked(Generic[T]):
    """One question, and what locations said to it so far.

    Attributes:
        missing, failures: Those that said "not there", and those that could not be asked.
        late: Those that were not waited for, while others were asked.
    """

    __slots__ = ("ask", "failures", "late", "missing")

    def __init__(self, ask: AsyncAsk[T]) -> None:
        self.ask = ask
        self.missing: dict[Location, NotFoundError] = {}
        self.failures: dict[Location, HoldallError] = {}
        self.late: dict[Location, AsyncBegun[T]] = {}

    async def of_async(self, location: Location, store: Store, patience: float | None) -> tuple[T] | None:
        """Return a location's answer; if it has none, note why. One that is slower than our patience is late."""
        try:
            begun = self.late.pop(location, None)
            if begun is None and patience is None:
                value = await self.ask(location, store)
            elif begun is not None:
                value = await begun.result_async()
            else:
                value = await self._soon_async(location, store, patience or 0.0)
        except HoldallError as error:
            self.note(location, error)
            return None
        self.failures.pop(location, None)
        return (value,)

    def note(self, location: Location, error: HoldallError) -> None:
        """Note that a location said "not there", or could not be asked; raise what is another answer."""
        if isinstance(error, NotFoundError):
            self.missing[location] = error
            self.failures.pop(location, None)
        elif unasked(error):
            self.failures[location] = error
        else:
            raise error

    async def _soon_async(self, location: Location, store: Store, patience: float) -> T:
        begun = AsyncBegun(lambda: self.ask(location, store))
        if await begun.ends_async(patience):
            return await begun.result_async()
        self.late[location] = begun
        raise StoreTimeoutError(f"no answer from {location.name} in {patience:g} s", store=location)


class Reader:
    """Asks locations in order.

    Args:
        tiers: The rules.
        chosen: The locations that may serve.
    """

    def __init__(self, tiers: Tiers, chosen: Sequence[Location]) -> None:
        self.tiers = tiers
        self.chosen = chosen

    async def first_async(self, name: str, ask: AsyncAsk[T], *, hedged: bool = False) -> Answer[T]:
        """Return the first answer; a location that fails is passed over at once, and asked again only if no other serves.

        Args:
            name: What is asked for.
            ask: The question.
            hedged: It may be asked of the next location while one is slow, if the rules say after how long.

        Raises:
            NotFoundError: Every location said so.
            UnavailableError: None has it, and one could not be asked.
        """
        answer = await self._asked_async(name, ask, hedged=hedged)
        if isinstance(answer, dict):
            raise settled(name, answer, {}, self.tiers)
        return answer

    async def _asked_async(self, name: str, ask: AsyncAsk[T], *, hedged: bool) -> Answer[T] | dict[Location, NotFoundError]:
        """Return the first answer, or what each location said if that was "not there". See `first_async`."""
        started = time.monotonic()
        first, *others = self.chosen
        patience = self.tiers.rules.hedge_after if hedged and others else None
        if patience is not None and not first.quick:
            return await self._round_async(name, _Asked(ask), self.chosen, started, patience)
        try:
            return Answer(await ask(first, first.once if others else first.store), first, NO_FAILURES)
        except HoldallError as error:
            asked = _Asked(ask)
            asked.note(first, error)
            if isinstance(error, CircuitOpenError):
                self.tiers.background.probe(first)
            if not others and first.local and isinstance(error, IntegrityError):
                others = [first]  # a disk that gave less than the file has: nothing below here has read it again
        return await self._round_async(name, asked, others, started, patience)

    async def _round_async(
        self, name: str, asked: _Asked[T], pending: Sequence[Location], started: float, patience: float | None
    ) -> Answer[T] | dict[Location, NotFoundError]:
        """Ask the locations that were not asked yet, and then those that failed once more, by the policy."""
        failures = asked.failures
        rounds, insist = 0, len(self.chosen) == 1
        try:
            while True:
                for location in pending:
                    if rounds and time.monotonic() - started >= self.tiers.rules.retry.deadline:
                        break
                    wait = None if location.quick or location is self.chosen[-1] else patience
                    found = await asked.of_async(location, location.store if insist else location.once, wait)
                    if found is not None:
                        return self._served(name, found[0], location, asked.missing, failures)
                    if isinstance(failures.get(location), CircuitOpenError):
                        self.tiers.background.probe(location)
                if asked.late:
                    pending, patience = [*asked.late], None
                    continue
                if insist or not failures:
                    break
                insist = all_open(failures, self.chosen)
                if insist:
                    continue
                pending = [location for location, error in failures.items() if could_not_be_asked(error)]
                rounds += 1
                pause = self.tiers.rules.retry.next(
                    rounds,
                    elapsed=time.monotonic() - started,
                    chance=random.random(),  # noqa: S311  # spreads load, hides nothing
                    asked=longest_wait(failures[location] for location in pending),
                )
                if not pending or pause is None:
                    break
                await sleep_async(pause)
        finally:
            for begun in asked.late.values():
                await begun.drop_async()
        if failures:
            raise settled(name, asked.missing, failures, self.tiers)
        return asked.missing

    def _served(
        self,
        name: str,
        value: T,
        location: Location,
        missing: dict[Location, NotFoundError],
        failures: dict[Location, HoldallError],
    ) -> Answer[T]:
        earlier = {other: error for other, error in failures.items() if other.index < location.index}
        if earlier and self.tiers.rules.degraded == "raise":
            raise settled(name, missing, earlier, self.tiers)
        return Answer(value, location, earlier)

    async def whole_async(self, name: str) -> Answer[bytes] | None:
        """Return all bytes of an object, ``None`` if no location has it.

        A location whose body breaks or does not agree with its digest is passed over.
        """

        async def ask(location: Location, store: Store) -> bytes:
            async with await store.get_async(location.key(name)) as result:
                data = await result.bytes_async()
            await self._verify_async(result.meta, data, location, name)
            return data

        answer = await self._asked_async(name, ask, hedged=True)
        return None if isinstance(answer, dict) else answer

    async def _verify_async(self, meta: ObjectMeta, data: bytes, location: Location, name: str) -> None:
        """Check whole content against its digest, where that is asked for and known."""
        algorithm = self.tiers.rules.digest
        known = digest_of(meta, algorithm) if self.tiers.rules.verify_reads else None
        if known is None or algorithm is None:
            return

        def digest() -> str:
            computed = hasher(algorithm)
            computed.update(data)
            return computed.hexdigest()

        if (digest() if len(data) <= 1 << 16 else await run_async(digest)) != known:
            raise corrupt(location, name, algorithm)

    async def head_async(self, name: str) -> Answer[ObjectMeta]:
        """Describe an object, as its location does."""

        async def ask(location: Location, store: Store) -> ObjectMeta:
            return await described_async(location, store, name)

        return await self.first_async(name, ask, hedged=True)

    async def heads_async(self, name: str) -> dict[Location, ObjectMeta | HoldallError | None]:
        """Ask every location: a description, ``None`` where the object is not there, or the error."""

        async def one(location: Location) -> ObjectMeta | HoldallError | None:
            store = location.store if len(self.chosen) == 1 else location.among
            try:
                return await described_async(location, store, name)
            except NotFoundError:
                return None
            except HoldallError as error:
                if not unasked(error):
                    raise
                return error

        thunks = [lambda location=location: one(location) for location in self.chosen]
        found = await gather_async(thunks, limit=self.tiers.limit(self.chosen))
        return dict(zip(self.chosen, found, strict=True))

    async def open_async(self, name: str, options: GetOptions | None = None) -> Answer[GetResult]:
        """Open an object; its body goes on where it breaks, but never with the bytes of another version."""

        async def ask(location: Location, store: Store) -> GetResult:
            return await store.get_async(location.key(name), options)

        answer = await self.first_async(name, ask)
        result = answer.value
        meta = shown_meta(result.meta, answer.location, name)
        if result.buffered:
            return replace(answer, value=GetResult(meta, await result.bytes_async(), range=result.range, tags=result.tags))
        body = self._body_async(name, answer.location, result)
        return replace(answer, value=GetResult(meta, body, range=result.range, close=result.close_async, tags=result.tags))

    async def _body_async(self, name: str, location: Location, result: GetResult) -> AsyncIterator[bytes]:
        """Yield a body; if its location fails for good, go on with another one that has the same digest."""
        position, end = result.range
        algorithm = self.tiers.rules.digest
        known = digest_of(result.meta, algorithm)
        whole = (position, end) == (0, result.meta.size)
        computed = hasher(algorithm) if self.tiers.rules.verify_reads and whole and known and algorithm else None
        failed = {location}
        try:
            while True:
                try:
                    async for chunk in result:
                        position += len(chunk)
                        if computed is not None:
                            computed.update(chunk)
                        yield chunk
                    break
                except HoldallError as error:
                    failed.add(location)
                    others = [other for other in self.chosen if other not in failed]
                    if known is None or not others or not could_not_be_asked(error) or position >= end:
                        raise
                    location, result = await self._other_async(name, others, known, (position, end), error)
        finally:
            await result.close_async()
        if computed is not None and computed.hexdigest() != known:
            raise corrupt(location, name, str(algorithm))

    async def _other_async(
        self, name: str, others: Sequence[Location], known: str, rest: tuple[int, int], error: HoldallError
    ) -> tuple[Location, GetResult]:
        """Open the rest in another location that has the same content; raise the error if none has."""
        for location in others:
            try:
                result = await location.once.get_async(location.key(name), GetOptions(range=ByteRange(*rest)))
            except HoldallError:
                continue
            if digest_of(result.meta, self.tiers.rules.digest) == known:
                return location, result
            await result.close_async()
        raise error


async def described_async(location: Location, store: Store, name: str) -> ObjectMeta:
    """Describe an object; a directory of a file system is none."""
    key = location.key(name)
    if name.endswith("/") and location.bare.capabilities.directories == "real":
        raise NotFoundError(f"nothing at {name!r}", key=name, store=location)
    return await store.head_async(key)


def corrupt(location: Location, name: str, algorithm: str) -> IntegrityError:
    """Return the error of content that does not agree with its digest."""
    return IntegrityError(
        f"{name!r} in {location.name} does not agree with its {algorithm}", key=name, store=location, kind="corrupt"
    )
