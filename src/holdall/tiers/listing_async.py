"""One listing of several locations: each name once, in order, in bounded memory; an outage raises, never a shorter list."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass

from holdall._concurrency import gather_async
from holdall.core.keys import ReservedKey, check_prefix, is_reserved
from holdall.core.meta import ListPage
from holdall.engine.colours import closed_async
from holdall.errors import HoldallError, NotSupportedError
from holdall.tiers.asking import settled, unasked
from holdall.tiers.hedging import AsyncBegun
from holdall.tiers.layout import FLAT, prefixes_of
from holdall.tiers.locations import Location
from holdall.tiers.settings import Tiers
from holdall.tiers.sorting import Listed, Sorter

__all__ = ["Lister"]


@dataclass(slots=True)
class _Head:
    """The next entry of one location."""

    location: Location
    entries: AsyncIterator[Listed]
    entry: Listed | None = None

    async def step_async(self) -> None:
        """Go to the next entry."""
        self.entry = await anext(self.entries, None)


class Lister:
    """Lists locations as one.

    Args:
        tiers: The rules.
        chosen: The locations.

    Raises:
        NotSupportedError: One of them cannot list; nothing was asked.
    """

    def __init__(self, tiers: Tiers, chosen: Sequence[Location]) -> None:
        self.tiers = tiers
        self.chosen = chosen
        for location in chosen:
            if not location.bare.capabilities.list:
                raise NotSupportedError(f"location {location.name!r} cannot list", store=tiers)

    async def merged_async(
        self, prefix: str = "", *, delimiter: str | None = None, start_after: str | None = None
    ) -> AsyncIterator[tuple[Listed, tuple[Location, ...]]]:
        """Yield each name with the first location's description and all the locations that have it."""
        check_prefix(prefix)
        heads = [_Head(loc, self._entries_async(loc, prefix, delimiter, start_after)) for loc in self.chosen]
        try:
            await gather_async([head.step_async for head in heads], limit=self.tiers.limit(self.chosen))
            while waiting := [head.entry for head in heads if head.entry is not None]:
                name = min(entry.name for entry in waiting)
                having = [head for head in heads if head.entry is not None and head.entry.name == name]
                first = having[0].entry
                assert first is not None  # it has the name
                yield first, tuple(head.location for head in having)
                for head in having:
                    await head.step_async()
        finally:
            for head in heads:
                await head.entries.aclose()  # type: ignore[attr-defined]  # a generator

    async def _entries_async(
        self, location: Location, prefix: str, delimiter: str | None, start_after: str | None
    ) -> AsyncIterator[Listed]:
        """Yield the entries of one location in order of their names."""
        try:
            if location.layout is FLAT and location.bare.capabilities.ordered:
                async for entry in self._raw_async(location, prefix, prefix, delimiter, start_after):
                    yield entry
                return
            sorter = Sorter()
            try:
                for below in prefixes_of(location.layout, prefix):
                    async for entry in self._raw_async(location, below, prefix, None, None):
                        sorter.add(entry)
                last = None
                for entry in sorter.sorted():
                    grouped = _grouped(entry, prefix, delimiter)
                    if grouped.name != last and (start_after is None or grouped.name > start_after):
                        last = grouped.name
                        yield grouped
            finally:
                sorter.close()
        except HoldallError as error:
            if not unasked(error):
                raise
            raise settled(prefix, {}, {location: error}, self.tiers) from error

    async def _raw_async(
        self, location: Location, below: str, prefix: str, delimiter: str | None, start_after: str | None
    ) -> AsyncIterator[Listed]:
        """Yield the entries of one location in its own order, as names; what is ours stays hidden."""
        hidden = not isinstance(prefix, ReservedKey)
        store = location.store if len(self.chosen) == 1 else location.among
        async with closed_async(store.list_async(below, delimiter=delimiter, start_after=start_after)) as pages:
            async for page in pages if location.quick else _ahead_async(pages):
                entries = [Listed(text) for text in page.prefixes] if delimiter else []
                for meta in page.objects:
                    name = location.layout.to_name(meta.key)
                    if name is not None and name.startswith(prefix) and not (hidden and is_reserved(name)):
                        entries.append(Listed(name, meta.size, meta.last_modified, meta.etag))
                if page.prefixes:
                    entries.sort(key=lambda entry: entry.name)
                for entry in entries:
                    yield entry


async def _ahead_async(pages: AsyncIterator[ListPage]) -> AsyncIterator[ListPage]:
    """Yield pages; while one is looked at, the next one is on its way."""
    begun: AsyncBegun[ListPage | None] = AsyncBegun(lambda: anext(pages, None))
    try:
        while (page := await begun.result_async()) is not None:
            begun = AsyncBegun(lambda: anext(pages, None))
            yield page
    finally:
        await begun.end_async()


def _grouped(entry: Listed, prefix: str, delimiter: str | None) -> Listed:
    """Return the "directory" of an entry that lies deeper than a delimiter."""
    if delimiter is None:
        return entry
    at = entry.name.find(delimiter, len(prefix))
    return entry if at < 0 else Listed(entry.name[: at + len(delimiter)])
