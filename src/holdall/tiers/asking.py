"""Three answers, never two: an object is here, is not there, or the location could not be asked."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Generic, TypeVar

from holdall.errors import (
    CircuitOpenError,
    ClosedError,
    ConfigError,
    ForkedProcessError,
    HoldallError,
    IntegrityError,
    InvalidKeyError,
    NotFoundError,
    NotModifiedError,
    NotSupportedError,
    PermissionDeniedError,
    PreconditionError,
    RangeNotSatisfiableError,
    UnavailableError,
)
from holdall.store import Store
from holdall.tiers.errors import LocationsDeniedError, LocationsUnavailableError
from holdall.tiers.locations import Location

__all__ = ["NO_FAILURES", "Answer", "Ask", "AsyncAsk", "all_open", "longest_wait", "settled", "unasked"]

T = TypeVar("T")

Ask = Callable[[Location, Store], T]
"""A question to one location."""
AsyncAsk = Callable[[Location, Store], Awaitable[T]]

_ANSWERS = (
    NotFoundError,
    PreconditionError,
    NotModifiedError,
    RangeNotSatisfiableError,
    InvalidKeyError,
    NotSupportedError,
    ClosedError,
    ForkedProcessError,
    ConfigError,
)


NO_FAILURES: Mapping[Location, HoldallError] = MappingProxyType({})


@dataclass(slots=True)
class Answer(Generic[T]):
    """What a location answered.

    Attributes:
        value: The answer.
        location: Whose.
        failures: Earlier locations that could not be asked.
    """

    value: T
    location: Location
    failures: Mapping[Location, HoldallError]

    @property
    def degraded(self) -> bool:
        """Whether what is served may be older than what an earlier location has."""
        return bool(self.failures)


def unasked(error: HoldallError) -> bool:
    """Tell whether an error says that a location could not be asked, rather than what it answered."""
    return not isinstance(error, _ANSWERS)


def all_open(failures: Mapping[Location, HoldallError], chosen: Sequence[Location]) -> bool:
    """Tell whether every location is left alone for now: then one has to be asked all the same."""
    return len(failures) == len(chosen) and all(isinstance(e, CircuitOpenError) for e in failures.values())


def settled(
    name: str, missing: Mapping[Location, NotFoundError], failures: Mapping[Location, HoldallError], shown: object
) -> HoldallError:
    """Return the error of a question that no location answered with an object.

    Args:
        name: What was asked for.
        missing: Locations that said "not there".
        failures: Locations that could not be asked.
        shown: The store, for the error.
    """
    if not failures:
        error = next(iter(missing.values()))
        if len(missing) == 1 and error.key == name:
            return error
        raised = NotFoundError(f"nothing at {name!r}", key=name, store=shown)
        raised.__cause__ = error
        return raised
    first = next(iter(failures.values()))
    if all(isinstance(e, IntegrityError) for e in failures.values()):
        return first
    kind = (
        LocationsDeniedError
        if all(isinstance(e, PermissionDeniedError) for e in failures.values())
        else LocationsUnavailableError
    )
    told = "; ".join(f"{location.name}: {error}" for location, error in failures.items())
    report = {location.name: None for location in missing} | {location.name: e for location, e in failures.items()}
    raised_all = kind(f"{name!r}: could not be asked: {told}", key=name, store=shown, report=report)
    if isinstance(raised_all, LocationsUnavailableError):
        raised_all.retry_after = longest_wait(failures.values())
    raised_all.__cause__ = first
    return raised_all


def longest_wait(failures: Iterable[HoldallError]) -> float | None:
    """Return the longest time that a service asked to wait (``Retry-After``); ``None`` if none said so."""
    told = [error.retry_after for error in failures if isinstance(error, UnavailableError)]
    return max((seconds for seconds in told if seconds is not None), default=None)
