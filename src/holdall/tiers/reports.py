"""What the methods of a `FileStore` answer. Those that older callers compare with lists are lists."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal, NamedTuple

from holdall.errors import HoldallError
from holdall.tiers.locations import Location

__all__ = [
    "BatchOutcome",
    "BatchReport",
    "DeleteReport",
    "Finding",
    "LocationOutcome",
    "LocationStatus",
    "MoveReport",
    "Presence",
    "ReadReport",
    "RepairReport",
    "StoreStatus",
    "TierEntry",
    "TierStat",
    "WriteReport",
]

Status = Literal["written", "already", "superseded", "deleted", "read_only", "failed"]
Problem = Literal["missing", "differs", "corrupt", "temporary", "unreachable"]


@dataclass(frozen=True, slots=True, kw_only=True)
class LocationOutcome:
    """What happened in one location.

    Attributes:
        location: Which.
        status: ``written``; ``already`` (it had this content); ``superseded`` (another writer was later, its content is there);
            ``deleted``; ``read_only``; ``failed``.
        size: Bytes.
        etag: Of what is there now, as that location says it.
        seconds: How long it took.
        error: Why it failed.
    """

    location: Location
    status: Status
    size: int = 0
    etag: str | None = None
    seconds: float = 0.0
    error: Exception | None = None


class Presence(list[Location]):
    """The locations that have an object; true if there is one.

    Attributes:
        unreachable: Location name to error, for those that could not be asked.
    """

    def __init__(self, found: Iterable[Location] = (), unreachable: Mapping[str, HoldallError] | None = None) -> None:
        super().__init__(found)
        self.unreachable = dict(unreachable or {})


class ReadReport(list[Location]):
    """The location that a download came from, as a list of one.

    Attributes:
        size: Bytes.
        digest: As kept beside the object; ``None`` if none is.
        degraded: Whether an earlier location could not be asked: what came may be older than what it has.
    """

    def __init__(self, location: Location, *, size: int, digest: str | None, degraded: bool) -> None:
        super().__init__([location])
        self.size = size
        self.digest = digest
        self.degraded = degraded


class WriteReport(list[Location]):
    """The locations that were written now; empty if each had the content already.

    Attributes:
        outcomes: One `LocationOutcome` for each selected location.
    """

    def __init__(self, outcomes: Sequence[LocationOutcome]) -> None:
        super().__init__([o.location for o in outcomes if o.status == "written"])
        self.outcomes = tuple(outcomes)


class DeleteReport(list[Location]):
    """The locations that do not have the object any more.

    Attributes:
        outcomes: One `LocationOutcome` for each selected location.
    """

    def __init__(self, outcomes: Sequence[LocationOutcome]) -> None:
        super().__init__([o.location for o in outcomes if o.status == "deleted"])
        self.outcomes = tuple(outcomes)


@dataclass(frozen=True, slots=True, kw_only=True)
class BatchOutcome:
    """What happened to one item of a batch."""

    src: Any
    dest: Any
    bytes: int = 0
    report: Any = None
    error: Exception | None = None


class BatchReport(list[tuple[Any, Any, Exception]]):
    """The items of a batch that failed, each ``(src, dest, error)``; empty is success.

    Attributes:
        done: Items that succeeded.
        bytes: Their size.
        outcomes: The last thousand `BatchOutcome`, failures included.
    """

    KEPT = 1000

    def __init__(self) -> None:
        super().__init__()
        self.done = 0
        self.bytes = 0
        self.outcomes: list[BatchOutcome] = []

    def add(self, outcome: BatchOutcome) -> None:
        """Note one item."""
        if outcome.error is None:
            self.done += 1
            self.bytes += outcome.bytes
        else:
            self.append((outcome.src, outcome.dest, outcome.error))
        if len(self.outcomes) < self.KEPT or outcome.error is not None:
            self.outcomes.append(outcome)


@dataclass(frozen=True, slots=True, kw_only=True)
class TierStat:
    """An object, as the location that serves it describes it.

    Attributes:
        size: Bytes.
        last_modified: Aware; ``None`` where the location does not know.
        etag: As the location says it.
        digest: As kept beside the object; ``None`` if none is.
        location: Which.
        degraded: Whether an earlier location could not be asked.
    """

    size: int
    last_modified: datetime | None
    etag: str | None
    digest: str | None
    location: Location
    degraded: bool = False


class TierEntry(NamedTuple):
    """One name of a listing; size and time are those of the first location that has it.

    Attributes:
        path: The name.
        size: Bytes.
        last_modified: Aware; ``None`` where the location does not know.
        locations: All selected locations that have it.
    """

    path: str
    size: int
    last_modified: datetime | None
    locations: tuple[Location, ...]


class MoveReport(list[str]):
    """The names that were copied.

    Attributes:
        failures: Name to error.
        skipped: Names that the target had already.
    """

    def __init__(self) -> None:
        super().__init__()
        self.failures: dict[str, Exception] = {}
        self.skipped: list[str] = []


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """Something that is not as it should be.

    Attributes:
        path: The name; ``""`` for a location as a whole.
        problem: ``missing``, ``differs``, ``corrupt``, ``temporary`` or ``unreachable``.
        locations: Where.
        detail: One sentence.
    """

    path: str
    problem: Problem
    locations: tuple[Location, ...]
    detail: str = ""


@dataclass(slots=True, kw_only=True)
class RepairReport:
    """What a repair did.

    Attributes:
        repaired: ``(name, location name)`` of each copy that was made.
        removed: Keys of temporaries that were removed.
        swept: Temporaries that a local disk removed by itself, which no listing shows.
        unresolved: Findings that need a decision: two sound, different copies.
        failures: ``(name, location name)`` to error.
    """

    repaired: list[tuple[str, str]] = field(default_factory=list[tuple[str, str]])
    removed: list[str] = field(default_factory=list[str])
    swept: int = 0
    unresolved: list[Finding] = field(default_factory=list[Finding])
    failures: dict[tuple[str, str], Exception] = field(default_factory=dict[tuple[str, str], Exception])

    @property
    def ok(self) -> bool:
        """Whether nothing is left to do."""
        return not self.unresolved and not self.failures


@dataclass(frozen=True, slots=True, kw_only=True)
class LocationStatus:
    """How one location fares.

    Attributes:
        name: Which.
        url: Where, secrets masked.
        read_only: Never written to.
        state: ``closed`` (asked as usual) or ``open`` (left alone for a while).
        failures: In a row.
        last_error: Text of the last one; no secret.
        p50, p95: Seconds that half, and 95 of 100, of the latest calls did not exceed.
    """

    name: str
    url: str | None
    read_only: bool
    state: Literal["closed", "open"]
    failures: int
    last_error: str | None
    p50: float | None
    p95: float | None

    @property
    def ok(self) -> bool:
        """Whether the last call was answered."""
        return self.failures == 0


@dataclass(frozen=True, slots=True, kw_only=True)
class StoreStatus:
    """How all locations fare.

    Attributes:
        locations: Name to `LocationStatus`.
        pending: Copies in the background that are not done.
    """

    locations: Mapping[str, LocationStatus]
    pending: int = 0

    @property
    def ok(self) -> bool:
        """Whether every location answered its last call."""
        return all(status.ok for status in self.locations.values())
