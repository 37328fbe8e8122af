"""What the two halves of `FileStore` share: its locations, its rules, its ways to say things."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import cast

from holdall.core.meta import ObjectMeta
from holdall.core.options import PutMode, PutOptions
from holdall.errors import HoldallError, PreconditionError
from holdall.tiers.locations import Location, Where, choose
from holdall.tiers.reports import LocationStatus, StoreStatus, TierStat
from holdall.tiers.settings import Tiers, digest_of
from holdall.tiers.store import TieredStore

__all__ = ["FileStoreBase"]


class FileStoreBase:
    """Locations by name, and what is known of them."""

    _tiers: Tiers
    _view: tuple[Location, ...]
    store: TieredStore

    @property
    def locations(self) -> tuple[Location, ...]:
        """The locations, in the order in which they are asked."""
        return self._view

    def _choose(self, where: Where) -> tuple[Location, ...]:
        self._tiers.check_open()
        return choose(self._view, where)

    @staticmethod
    def _options(mode: str, if_match: str | None, options: PutOptions | None) -> PutOptions | None:
        """Return the options of a write, with its condition.

        Raises:
            PreconditionError: An empty etag.
        """
        if if_match == "":
            raise PreconditionError("an empty etag matches nothing")
        if mode == "overwrite" and if_match is None:
            return options
        chosen = "update" if if_match is not None else cast("PutMode", mode)
        return replace(options or PutOptions(), mode=chosen, if_match=if_match)

    def _stat(self, meta: ObjectMeta, location: Location, *, degraded: bool = False) -> TierStat:
        return TierStat(
            size=meta.size,
            last_modified=meta.last_modified,
            etag=meta.etag,
            digest=digest_of(meta, self._tiers.rules.digest),
            location=location,
            degraded=degraded,
        )

    def _hit(self, path: str, location: Location, chosen: Sequence[Location]) -> None:
        """Copy what came from further back to the nearest location, if that is wanted."""
        near = chosen[0]
        if self._tiers.rules.promote_on_read and location is not near and not near.read_only:
            self._promote(path, near, location)

    @abstractmethod
    def _promote(self, path: str, near: Location, source: Location) -> None:
        """Begin to copy an object to the nearest location."""

    def _status(self, found: Mapping[Location, HoldallError | None] | None = None) -> StoreStatus:
        """Return how the locations fare; with what a probe found, if there was one."""
        states: dict[str, LocationStatus] = {}
        for location in self._view:
            line = location.line
            error = line.last_error if found is None else found.get(location)
            failures = line.breaker.failures if found is None else int(error is not None)
            states[location.name] = LocationStatus(
                name=location.name,
                url=location.url,
                read_only=location.read_only,
                state="open" if line.breaker.open else "closed",
                failures=failures,
                last_error=None if error is None else str(error),
                p50=line.latencies.quantile(0.5),
                p95=line.latencies.quantile(0.95),
            )
        return StoreStatus(locations=states, pending=self._tiers.background.pending())
