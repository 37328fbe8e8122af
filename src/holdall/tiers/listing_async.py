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
from holdall.tiers.hedging import AsyncAhead
from holdall.tiers.layout import FLAT, prefixes_of
from holdall.tiers.locations import Location
from holdall.tiers.settings import Tiers
from holdall.tiers.sorting import Listed, Sorter

__all__ = ["Lister"]

RUN = 1000
"""Entries that are handed on at once where they had to be sorted."""


@dataclass(slots=True, eq=False)
class _Head:
    """The next entry of one location, and what came with it."""

    location: Location
    runs: AsyncIterator[Sequence[Listed]]
    run: Sequence[Listed] = ()
    at: int = 0

    async def fill_async(self) -> None:
        """Go to the next run that holds something; there is none at the end."""
        self.at, self.run = 0, ()
        while not self.run:
            run = await anext(self.runs, None)
            if run is None:
                return
            self.run = run


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
        heads = [_Head(loc, self._runs_async(loc, prefix, delimiter, start_after)) for loc in self.chosen]
        try:
            await gather_async([head.fill_async for head in heads], limit=self.tiers.limit(self.chosen))
            if len(heads) == 1:
                only, place = heads[0], (heads[0].location,)
                while only.run:
                    for entry in only.run:
                        yield entry, place
                    await only.fill_async()
                return
            live = [head for head in heads if head.run]
            everywhere = tuple(head.location for head in live)
            while live:
                names = [head.run[head.at].name for head in live]
                name = min(names)
                if names.count(name) == len(names):
                    having, places = live, everywhere
                else:
                    having = [head for head, other in zip(live, names, strict=True) if other == name]
                    places = tuple([head.location for head in having])
                yield having[0].run[having[0].at], places
                for head in having:
                    head.at += 1
                    if head.at == len(head.run):
                        await head.fill_async()
                        live = [head for head in heads if head.run]
                        everywhere = tuple(head.location for head in live)
        finally:
            for head in heads:
                await head.runs.aclose()  # type: ignore[attr-defined]  # a generator

    async def _runs_async(
        self, location: Location, prefix: str, delimiter: str | None, start_after: str | None
    ) -> AsyncIterator[Sequence[Listed]]:
        """Yield the entries of one location in order of their names, in runs."""
        try:
            if location.layout is FLAT and location.bare.capabilities.ordered:
                async for page in self._raw_async(location, prefix, prefix, delimiter, start_after):
                    yield page
                return
            sorter = Sorter()
            try:
                for below in prefixes_of(location.layout, prefix):
                    async for page in self._raw_async(location, below, prefix, None, None):
                        sorter.add(page)
                run: list[Listed] = []
                last = start_after or ""
                for entry in sorter.sorted():
                    grouped = entry if delimiter is None else _grouped(entry, prefix, delimiter)
                    if grouped.name > last:
                        last = grouped.name
                        run.append(grouped)
                        if len(run) == RUN:
                            yield run
                            run = []
                yield run
            finally:
                sorter.close()
        except HoldallError as error:
            if not unasked(error):
                raise
            raise settled(prefix, {}, {location: error}, self.tiers) from error

    async def _raw_async(
        self, location: Location, below: str, prefix: str, delimiter: str | None, start_after: str | None
    ) -> AsyncIterator[list[Listed]]:
        """Yield the pages of one location in its own order, as names; what is ours stays hidden."""
        hidden = not isinstance(prefix, ReservedKey)
        store = location.store if len(self.chosen) == 1 else location.among
        to_name = location.layout.to_name
        async with closed_async(store.list_async(below, delimiter=delimiter, start_after=start_after)) as pages:
            async for page in pages if location.quick else _ahead_async(pages):
                entries = [Listed(text) for text in page.prefixes] if delimiter else []
                for meta in page.objects:
                    name = to_name(meta.key)
                    if name is not None and name.startswith(prefix) and not (hidden and is_reserved(name)):
                        entries.append(Listed(name, meta.size, meta))
                if page.prefixes:
                    entries.sort(key=lambda entry: entry.name)
                yield entries


async def _ahead_async(pages: AsyncIterator[ListPage]) -> AsyncIterator[ListPage]:
    """Yield pages; while one is looked at, the next one is on its way."""
    ahead: AsyncAhead[ListPage] = AsyncAhead(lambda: anext(pages, None))
    try:
        while (page := await ahead.take_async()) is not None:
            yield page
    finally:
        await ahead.end_async()


def _grouped(entry: Listed, prefix: str, delimiter: str) -> Listed:
    """Return the "directory" of an entry that lies deeper than a delimiter."""
    at = entry.name.find(delimiter, len(prefix))
    return entry if at < 0 else Listed(entry.name[: at + len(delimiter)])
