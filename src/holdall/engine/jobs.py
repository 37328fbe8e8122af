"""What the owner of a transfer and its workers hand each other, in both colours."""

from __future__ import annotations

from dataclasses import dataclass

from holdall.core.plans import SMALL, PlanItem, Route

__all__ = ["Arrived", "Budget", "Job", "quick"]

_WHOLE = frozenset({"server", "rename"})


@dataclass(slots=True)
class Job:
    """One plan item with the room it got."""

    item: PlanItem
    units: int


def quick(job: Job) -> bool:
    """Tell whether a job is done in one go: small, or the work of a service."""
    item = job.item
    return job.units == 1 and (item.method in _WHOLE or (item.size is not None and item.size <= SMALL))


@dataclass(slots=True)
class Arrived:
    """Bytes of one object so far; posted to the owner of the crew."""

    path: str
    bytes: int
    size: int | None


class Budget:
    """Room for parts in flight: a small file takes one unit, a part several.

    Args:
        route: Says how many units there are.
        ahead: So many small jobs may queue up, so that workers need not wait for their owner.
    """

    def __init__(self, route: Route, *, ahead: int) -> None:
        self._units = route.units
        self._used = 0
        self._big = 0
        self._ahead = ahead

    def admit(self, wanted: int) -> int:
        """Return how many units an item gets, 0 if it has to wait."""
        if wanted == 1:
            room = self._units + (0 if self._big else self._ahead)
            granted = 1 if self._used < room else 0
        else:
            # A big file takes what is free, once that is half of what it could use.
            free = self._units - self._used
            granted = min(wanted, free) if free >= min(wanted, max(1, self._units // 2)) else 0
            self._big += granted > 1
        self._used += granted
        return granted

    def free(self, units: int) -> None:
        """Give room back."""
        self._used -= units
        self._big -= units > 1
