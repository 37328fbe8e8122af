"""Bringing all locations to what the arbiter took last, after an overwrite (rule C2)."""

from __future__ import annotations

import random
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from holdall._concurrency import run_async, sleep_async
from holdall.core.meta import ObjectMeta
from holdall.core.options import PutOptions
from holdall.errors import AlreadyExistsError, HoldallError, NotFoundError, UnavailableError
from holdall.store import Store
from holdall.tiers.content import Content, hasher
from holdall.tiers.locations import Location
from holdall.tiers.reading_async import Reader
from holdall.tiers.reports import LocationOutcome
from holdall.tiers.settings import digest_of
from holdall.tiers.spooling_async import content_of_result_async

if TYPE_CHECKING:
    from holdall.tiers.writing_async import Writer

__all__ = ["Agreement", "Copy", "digest_async"]

ROUNDS = 1000
"""How often a writer looks whether all locations agree before it gives up."""


@dataclass(slots=True)
class Copy:
    """The copy in one location, as this writer left it.

    Attributes:
        etag: Of what this writer wrote or found.
        created: It was made by a race-free create.
    """

    etag: str | None
    created: bool = False


class Agreement:
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
        copies: dict[Location, Copy],
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

    async def reach_async(self) -> None:
        """Go on until all locations agree, or fail."""
        lead = self.tiers.judge(tuple(self.copies)) or next(iter(self.copies))
        try:
            for turn in range(ROUNDS):
                if await self._turn_async(lead):
                    return
                if turn > 1:
                    await sleep_async(random.random() * min(0.05, 0.002 * turn))  # noqa: S311
            raise UnavailableError(
                f"{self.name!r}: other writers did not let the locations agree", key=self.name, store=self.tiers
            )
        except HoldallError as error:
            if lead in self.copies:
                self._failed(lead, error)
        finally:
            self._drop()

    async def _turn_async(self, lead: Location) -> bool:
        """Look at all locations and mend what differs; return whether there was nothing to mend."""
        heads = await Reader(self.tiers, tuple(self.copies)).heads_async(self.name)
        for location, head in heads.items():
            if isinstance(head, HoldallError):
                self._failed(location, head)
        if lead not in self.copies:
            return True
        head = heads[lead]
        assert not isinstance(head, HoldallError)  # it is still among the copies
        if head is not None and not await self._same_async(head, lead):
            await self._adopt_async(lead)
            head = None if self.own is None else head
        strays = [loc for loc in self.copies if loc is not lead and not await self._agrees_async(heads[loc], loc)]
        if head is None:
            strays.insert(0, lead)
        for location in strays:
            await self._mend_async(location, create=location is lead)
        return not strays

    async def _agrees_async(self, head: ObjectMeta | HoldallError | None, location: Location) -> bool:
        return isinstance(head, ObjectMeta) and await self._same_async(head, location)

    async def _same_async(self, head: ObjectMeta, location: Location) -> bool:
        """Tell whether a location has what this writer left there, or the same content by another's hand.

        A location that keeps no digest is read: writers who took each other's copies for strays would never end.
        """
        if head.etag is not None and head.etag == self.copies[location].etag:
            return True
        if head.size != self.content.size:
            return False
        algorithm = self.tiers.rules.digest or "sha256"
        wanted = await run_async(lambda: self.content.digest(algorithm))
        known = digest_of(head, algorithm)
        if known is None:
            try:
                known = await digest_async(location.store, location.key(self.name), algorithm)
            except NotFoundError:
                return False
        return known == wanted

    async def _adopt_async(self, lead: Location) -> None:
        """Take the arbiter's content for what has to be everywhere: another writer was later."""
        try:
            result = await lead.store.get_async(lead.key(self.name))
            meta = result.meta
            content = await content_of_result_async(result, self.tiers.rules.digest)
        except NotFoundError:
            self._drop()  # deleted meanwhile: what this writer wrote comes after that
            self.content, self.options = self.first
            self.copies = {location: Copy(None) for location in self.copies}
            for location in self.copies:
                self.outcomes[location] = replace(self.outcomes[location], status="written", size=self.content.size)
            return
        self._drop()
        self.content = self.own = content
        algorithm = self.tiers.rules.digest
        if algorithm is not None and not content.known(algorithm):
            await run_async(lambda: content.digest(algorithm))
        kept = {key: value for key, value in meta.metadata.items() if not key.startswith("holdall-")}
        attributes = replace(meta.attributes, metadata=kept)
        self.options = PutOptions.from_attributes(attributes)
        self.copies = {location: Copy(None) for location in self.copies}
        self.copies[lead] = Copy(meta.etag)
        for location in self.copies:
            self.outcomes[location] = replace(
                self.outcomes[location], status="superseded", size=content.size, etag=meta.etag if location is lead else None
            )

    async def _mend_async(self, location: Location, *, create: bool) -> None:
        try:
            put = await self.writer.send_async(location, self.name, self.content, self._kept(location), create=create)
        except AlreadyExistsError:
            return  # another writer was quicker: the next turn sees it
        except HoldallError as error:
            self._failed(location, error)
        else:
            self.copies[location] = Copy(put.etag)
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


async def digest_async(store: Store, key: str, algorithm: str) -> str:
    """Return the digest of an object, read whole."""
    computed = hasher(algorithm)
    async with await store.get_async(key) as result:
        async for chunk in result:
            computed.update(chunk)
    return computed.hexdigest()
