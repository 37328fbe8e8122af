"""What a transfer is going to do, as records: the rules asked for, the route between two stores, the items of a plan.

Pure and serialisable: `TransferRules` and `PlanItem` turn into JSON and back, so that a plan can be kept, shown or carried out by
another process. Which items are copied is decided in `holdall.core.choices`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import MISSING, dataclass, fields
from datetime import datetime
from enum import StrEnum
from typing import Any, Literal, Self, get_args

from holdall.core.capabilities import Capabilities, Identity, PartRules

__all__ = [
    "MIB",
    "Action",
    "Compare",
    "Method",
    "PlanItem",
    "Route",
    "SkipStrategy",
    "TransferRules",
    "Verify",
    "part_size_for",
]

MIB = 1024 * 1024
PART = 8 * MIB
"""Bytes per part unless asked otherwise."""
PARTS = 8
"""Parts in flight unless asked otherwise."""
RANGE = 64 * MIB
"""Most bytes of a range that is written as it comes, unless asked otherwise."""
FEW = 4
"""Ranges for each slot, where they are many."""
SMALL = MIB
"""Files up to this count a quarter of a part unless ``concurrency`` is given: 32 of them in flight, not 8."""
MOST_PARTS = 10_000

Action = Literal["copy", "compare", "skip", "directory", "delete"]
Method = Literal["rename", "server", "whole", "stream", "ranges"]
Verify = Literal["none", "size", "checksum", "read"]
Compare = Literal["auto", "size", "mtime", "hash"]
Preserve = Literal["all", "strict"]


class SkipStrategy(StrEnum):
    """When an existing target is left as it is."""

    NEVER = "never"
    EXISTS = "exists"
    SIZE = "size"
    HASH = "hash"
    CUSTOM = "custom"


@dataclass(frozen=True, kw_only=True)
class TransferRules:
    """How to copy, move or sync; everything that can be written down.

    Attributes:
        include: Patterns (`fnmatch`, on the whole relative path); if any, only what matches one is taken.
        exclude: Patterns of what is left out.
        skip: When an existing target is left alone.
        compare: How `sync` tells that a target is current; ``None`` outside `sync`.
        overwrite: ``False`` makes every write a race-free create.
        verify: ``none``; ``size``; ``checksum``: a digest taken while reading is compared with what the target vouches for, else with a
            read-back; ``read``: always read back. Default: ``size``, for moves ``checksum``.
        preserve: Carry headers, metadata, tags and times as far as the target keeps them. Tags that cost one more request per object
            (trees on object stores, not copied by the server) need ``"all"``; ``"strict"`` is ``"all"`` and fails on any loss.
        empty_dirs: Make empty directories where directories are real.
        errors: ``raise`` stops at the first failure; ``collect`` goes on and raises `TransferError` at the end.
        concurrency: Parts in flight over all files; default 8 parts, or 32 files of at most 1 MiB; from local disk to local disk one
            file after the other (give 8 for disks of a network, say).
        part_size: Bytes per part (default 8 MiB, grown where an object would need more than 10,000 parts).
        delete: `sync` removes from the target what the source lacks.
        max_delete: `sync` deletes nothing if more than so many would go.
        allow_empty: `sync` may delete although the source is empty.
        dry_run: Report what would be done, write nothing.
        version: Version of a single source object.
        keep_items: Most items kept in the report besides failures, so that memory is bounded.
    """

    include: tuple[str, ...] = ()
    exclude: tuple[str, ...] = ()
    skip: SkipStrategy = SkipStrategy.NEVER
    compare: Compare | None = None
    overwrite: bool = True
    verify: Verify | None = None
    preserve: bool | Preserve = True
    empty_dirs: bool = True
    errors: Literal["raise", "collect"] = "raise"
    concurrency: int | None = None
    part_size: int | None = None
    delete: bool = False
    max_delete: int | None = None
    allow_empty: bool = False
    dry_run: bool = False
    version: str | None = None
    keep_items: int = 10_000

    def __post_init__(self) -> None:
        object.__setattr__(self, "include", _patterns("include", self.include))
        object.__setattr__(self, "exclude", _patterns("exclude", self.exclude))
        try:
            object.__setattr__(self, "skip", SkipStrategy(self.skip))
        except ValueError:
            raise ValueError(f"Unknown skip strategy {self.skip!r}: {', '.join(SkipStrategy)}") from None
        for name, allowed in (
            ("compare", (None, *get_args(Compare))),
            ("verify", (None, *get_args(Verify))),
            ("preserve", (True, False, *get_args(Preserve))),
            ("errors", ("raise", "collect")),
        ):
            if getattr(self, name) not in allowed:
                raise ValueError(f"{name} is one of {', '.join(map(repr, allowed))}, not {getattr(self, name)!r}")
        for name, least in (("concurrency", 1), ("part_size", 1), ("max_delete", 0), ("keep_items", 0)):
            value = getattr(self, name)
            if value is not None and (isinstance(value, bool) or not isinstance(value, int) or value < least):
                raise ValueError(f"{name} is a whole number of at least {least}, not {value!r}")

    def to_dict(self) -> dict[str, Any]:
        """Return the rules as JSON can hold them, defaults left out.

        Example:
            >>> TransferRules(skip="size", include="*.txt").to_dict()
            {'include': ['*.txt'], 'skip': 'size'}
        """
        values: dict[str, Any] = {}
        for field in fields(TransferRules):
            value = getattr(self, field.name)
            if value != field.default:
                values[field.name] = (
                    list(value) if isinstance(value, tuple) else str(value) if field.name == "skip" else value
                )
        return values

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Self:
        """Return the rules that `to_dict` described."""
        return cls(**values)


@dataclass(frozen=True, slots=True)
class PlanItem:
    """One thing to do.

    Attributes:
        path: Relative to the source's and the target's prefix; ``""`` for a single file; ends with ``/`` for a directory.
        action: ``copy``; ``compare`` (digests decide whether to copy); ``skip``; ``directory`` (make it); ``delete`` (from the target).
        method: How to copy: by ``rename`` (a move), on the ``server``, ``whole`` in memory, as one ``stream``, or by parallel ``ranges``.
        size: Bytes of the source, if known.
        etag: Of the source, where the copy or the deletion after it is pinned to it.
        last_modified: Of the source, where it is carried over.
        reason: Why it is skipped or deleted.

    Example:
        >>> PlanItem("a.txt", "copy", "whole", size=5).to_dict()
        {'path': 'a.txt', 'action': 'copy', 'method': 'whole', 'size': 5}
    """

    path: str
    action: Action
    method: Method | None = None
    size: int | None = None
    etag: str | None = None
    last_modified: datetime | None = None
    reason: str | None = None

    def to_dict(self) -> dict[str, Any]:
        """Return the item as JSON can hold it, defaults left out."""
        values = {
            f.name: getattr(self, f.name) for f in fields(self) if f.default is MISSING or getattr(self, f.name) != f.default
        }
        if self.last_modified is not None:
            values["last_modified"] = self.last_modified.isoformat()
        return values

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> PlanItem:
        """Return the item that `to_dict` described."""
        when = values.get("last_modified")
        known: dict[str, Any] = {**values, "last_modified": None if when is None else datetime.fromisoformat(when)}
        return cls(**known)


@dataclass(frozen=True, slots=True, kw_only=True)
class Route:
    """What is possible between two stores; made once per transfer.

    Attributes:
        server: The target may be able to copy from the source by itself.
        ranges: Big sources are read by parallel ranges, each pinned to one etag.
        modified: Both sides can set times of modification.
        ranged_parts: The target takes parts in any order cheaply (local disk), so ranges are written as they come.
        part_size: Bytes per part.
        range_size: Most bytes of a range that is written as it comes.
        concurrency: Parts in flight.
        units: Budget: a part costs ``part_units`` of it, a small file one.
        part_units: See ``units``.
    """

    server: bool
    ranges: bool
    modified: bool
    ranged_parts: bool
    part_size: int
    range_size: int
    concurrency: int
    units: int
    part_units: int

    @classmethod
    def between(
        cls,
        source: Capabilities,
        source_at: Identity,
        target: Capabilities,
        target_at: Identity,
        rules: TransferRules,
        *,
        spread: bool = False,
    ) -> Route:
        """Look at what both sides can do. ``spread`` says that others do the work: an executor.

        Example:
            >>> here = Identity(service="memory", place="1")
            >>> Route.between(Capabilities(), here, Capabilities(copy=True), here, TransferRules()).server
            True
        """
        # From disk to disk the kernel copies, and threads would only take turns at asking it.
        alone = source.local and target.local and not spread
        concurrency = rules.concurrency or (1 if alone else PARTS)
        part_units = 1 if rules.concurrency or alone else 4
        in_process = source.local or source.temporary
        return cls(
            server=target.copy and (source_at.service, source_at.principal) == (target_at.service, target_at.principal),
            ranges=source.ranges and source.conditional_read and source.etag and not in_process,
            modified=bool(rules.preserve) and source.set_modified and target.set_modified,
            ranged_parts=target.local and target.parts is not None and target.parts.any_order,
            part_size=rules.part_size or PART,
            range_size=rules.part_size or RANGE,
            concurrency=concurrency,
            units=concurrency * part_units,
            part_units=part_units,
        )

    def method(self, size: int | None, etag: str | None) -> Method:
        """Choose how to copy an object of this size.

        Example:
            >>> here, there = Identity(service="memory", place="1"), Identity(service="s3", place="2")
            >>> route = Route.between(Capabilities(), here, Capabilities(), there, TransferRules())
            >>> [route.method(size, "etag") for size in (5, None, 2**30)]
            ['whole', 'whole', 'stream']
        """
        if self.server:
            return "server"
        if size is None or size <= self.part_size:
            return "whole"  # of unknown size: opened first, streamed if it turns out to be big
        return "ranges" if self.ranges and etag is not None else "stream"

    def range_for(self, size: int, part: int, slots: int) -> int:
        """Return the bytes of one of several ranges that are written as they come, in whole parts: each has its price.

        Example:
            >>> here, there = Identity(service="memory", place="1"), Identity(service="s3", place="2")
            >>> route = Route.between(Capabilities(), here, Capabilities(), there, TransferRules())
            >>> [route.range_for(mib * MIB, 8 * MIB, slots=8) // MIB for mib in (100, 1000, 10_000)]
            [8, 24, 64]
        """
        return max(part, min(self.range_size, size // (FEW * slots)) // part * part)

    def cost(self, method: Method | None, size: int | None) -> int:
        """Return how many units of the budget an item would like to have."""
        if method == "server" or (size is not None and size <= SMALL):
            return 1
        if size is None or method == "whole":
            return self.part_units
        return min(self.units, -(-size // self.part_size) * self.part_units)


def part_size_for(size: int | None, wanted: int, rules: PartRules | None = None) -> int:
    """Return the bytes per part so that an object of ``size`` fits in the number of parts that services take.

    Example:
        >>> part_size_for(10**12, 8 * MIB) // MIB
        96
    """
    smallest, largest, most = (
        (1, 5 * 1024 * MIB, MOST_PARTS) if rules is None else (rules.smallest, rules.largest, rules.most)
    )
    needed = 0 if size is None else -(-size // most)
    if needed > wanted:
        wanted = -(-needed // MIB) * MIB
    return min(max(wanted, smallest), largest)


def _patterns(name: str, value: str | Iterable[str] | None) -> tuple[str, ...]:
    patterns = () if value is None else (value,) if isinstance(value, str) else tuple(value)
    for pattern in patterns:
        if not isinstance(pattern, str):
            raise TypeError(f"{name} is a pattern or several, not {type(pattern).__name__}")
    return patterns
