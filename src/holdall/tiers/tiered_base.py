"""What the two halves of `TieredStore` share: what it is, and where a condition leads."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from holdall.core.capabilities import Capabilities, Identity
from holdall.core.keys import MAX_KEY_BYTES
from holdall.core.meta import ListPage, ObjectMeta
from holdall.core.options import GetOptions, PutOptions
from holdall.errors import NotSupportedError, PreconditionError
from holdall.store import Store
from holdall.tiers.locations import Location
from holdall.tiers.settings import Tiers, parse_etag
from holdall.tiers.sorting import Listed

__all__ = ["BATCH", "PAGE", "TieredBase", "combined", "page_of"]

PAGE = 1000
BATCH = 1000
"""Keys per bulk delete."""


class TieredBase(Store):
    """Locations as one store.

    Args:
        tiers: The locations and the rules.
        chosen: Those that this store shows.
    """

    def __init__(self, tiers: Tiers, chosen: Sequence[Location] | None = None) -> None:
        self.tiers = tiers
        self.chosen = tiers.locations if chosen is None else tuple(chosen)
        self._known: Capabilities | None = None

    @property
    def capabilities(self) -> Capabilities:
        """What works: for writing what every writable location can, for reading what any can."""
        if self._known is None:
            self._known = combined(self.chosen)
        return self._known

    @property
    def identity(self) -> Identity:
        """The places of all locations."""
        return Identity(service="tiers", place=" ".join(str(location.bare.identity) for location in self.chosen))

    def __repr__(self) -> str:
        return f"TieredStore({', '.join(f'{loc.name}={loc.url or loc.bare!r}' for loc in self.chosen)})"

    def _read_from(self, key: str, options: GetOptions | None) -> tuple[tuple[Location, ...], GetOptions | None]:
        """Return the locations that may serve a read, and the options as they understand them."""
        if options is None:
            return self.chosen, None
        if options.version is not None:
            raise NotSupportedError("no versions across locations", key=key, store=self)
        if options.conditional and not self.capabilities.conditional_read:
            raise self._refusal("read under conditions", "not every location can")
        if options.if_match is None or options.if_match == "*":
            return self.chosen, options
        named = parse_etag(options.if_match, self.chosen)
        if named is None:
            return self.chosen, options  # no location has such an etag: they say so, or that there is nothing
        return (named[0],), replace(options, if_match=named[1])

    def _check_conditional(self, options: PutOptions | None) -> None:
        mode = "overwrite" if options is None else options.mode
        if mode != "overwrite" and not getattr(self.capabilities, mode):
            raise NotSupportedError(f"no location can decide mode {mode!r}", store=self)
        if mode == "update" and options is not None and not options.if_match:
            raise PreconditionError("an empty etag matches nothing", store=self)


def combined(locations: Sequence[Location]) -> Capabilities:
    """Return what several locations can do as one."""
    every = [location.bare.capabilities for location in locations]
    written = [location.bare.capabilities for location in locations if not location.read_only]
    create = any(can.create for can in written)
    return Capabilities(
        read=True,
        write=bool(written),
        delete=bool(written) and all(can.delete for can in written),
        list=all(can.list for can in every),
        ordered=True,
        ranges=all(can.ranges for can in every),
        suffix_ranges=all(can.suffix_ranges for can in every),
        create=create,
        update=create and all(can.update for can in written),
        large_conditional=create and all(can.large_conditional for can in written),
        conditional_read=all(can.conditional_read for can in every),
        metadata=bool(written) and all(can.metadata for can in written),
        attributes=bool(written) and all(can.attributes for can in written),
        storage_class=bool(written) and all(can.storage_class for can in written),
        sign=frozenset().union(*(can.sign for can in every)) if len(every) > 1 else every[0].sign,
        etag=all(can.etag for can in every),
        strong_etag=all(can.strong_etag for can in every),
        max_key_bytes=min([MAX_KEY_BYTES, *(can.max_key_bytes for can in every)]),
        temporary=all(can.temporary for can in every),
    )


def page_of(entries: Sequence[tuple[Listed, Location]]) -> ListPage:
    """Return a page of a listing, with etags that name the location."""
    objects = [
        ObjectMeta(
            key=entry.name,
            size=entry.size,
            last_modified=entry.last_modified,
            etag=None if entry.etag is None else f"{location.name}:{entry.etag}",
        )
        for entry, location in entries
        if entry.size >= 0
    ]
    return ListPage(objects, [entry.name for entry, _ in entries if entry.size < 0])
