"""Deleting from every location, with an outcome for each (rule D1)."""

from __future__ import annotations

import builtins
import time
from collections.abc import Sequence

from holdall._concurrency import gather_async
from holdall.errors import HoldallError
from holdall.results import DeleteResult
from holdall.tiers.errors import PartialDeleteError
from holdall.tiers.locations import Location
from holdall.tiers.reports import DeleteReport, LocationOutcome
from holdall.tiers.settings import Tiers

__all__ = ["Remover"]


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

    async def delete_async(self, name: str) -> DeleteReport:
        """Delete one object everywhere.

        Raises:
            PartialDeleteError: At least one location failed; all were tried.
        """
        if len(self.chosen) == 1:
            report = DeleteReport(await self._one_async(self.chosen[0], [self.chosen[0].key(name)]))
        else:
            outcomes = await self._everywhere_async([name])
            report = DeleteReport([outcomes[location][0] for location in self.chosen])
        error = self.failure(name, report)
        if error is not None:
            raise error
        return report

    async def many_async(self, names: builtins.list[str]) -> builtins.list[DeleteReport]:
        """Delete many objects everywhere, by bulk calls where a location has them; a report for each, errors in it."""
        outcomes = await self._everywhere_async(names)
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

    async def _everywhere_async(self, names: builtins.list[str]) -> dict[Location, builtins.list[LocationOutcome]]:
        keys = {location: [location.key(name) for name in names] for location in self.chosen}
        thunks = [lambda location=location: self._one_async(location, keys[location]) for location in self.targets]
        done = await gather_async(thunks, limit=self.tiers.limit(self.targets))
        found = dict(zip(self.targets, done, strict=True))
        for location in self.chosen:
            if location not in found:
                found[location] = [LocationOutcome(location=location, status="read_only")] * len(names)
        return found

    async def _one_async(self, location: Location, keys: builtins.list[str]) -> builtins.list[LocationOutcome]:
        started = time.monotonic()
        store = location.store if len(self.targets) == 1 else location.among
        try:
            results = await store.delete_async(keys[0] if len(keys) == 1 else keys)
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
