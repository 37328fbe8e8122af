"""The verbs of `CachedStore`: content from the shelf when the store says that it is current, in one request."""

from __future__ import annotations

import builtins
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from functools import partial
from typing import TypeVar

from holdall._concurrency import run_async
from holdall.core.keys import check_key
from holdall.core.meta import ObjectMeta
from holdall.core.options import CopyMode, CopyOptions, GetOptions, PutMode, PutOptions
from holdall.core.preconditions import strip_etag
from holdall.core.ranges import Coalesce
from holdall.core.ranges import coalesce as merge
from holdall.errors import NotFoundError, NotModifiedError, PreconditionError
from holdall.results import CHUNK, DeleteResult, GetResult, PutResult
from holdall.sources import AsyncSource
from holdall.store import PartWriter, Store, _scatter
from holdall.wrappers._caching import SMALL, CachedBase, CachedWriterBase, logger
from holdall.wrappers._flights import Flight
from holdall.wrappers._shelf import DamagedError, Entry, ShelfError

__all__ = ["Verbs", "WriterVerbs"]

T = TypeVar("T")
ROUNDS = 4
"""How often a read looks at the shelf again because others changed it meanwhile, before it goes around it."""


class Verbs(CachedBase):
    """Reading through the shelf; whatever writes drops what is kept."""

    # -- reading ------------------------------------------------------------------------------------------------------

    async def get_async(self, key: str, options: GetOptions | None = None) -> GetResult:
        wanted = options or GetOptions()
        if self._caches(check_key(key), wanted):
            with self._flights.joined(key) as flight:
                for _ in range(ROUNDS):
                    noted = flight.drops
                    entry = await self._find_async(key)
                    if entry is not None:
                        result = await self._current_async(key, entry, wanted, flight, noted)
                    elif wanted.range is None:
                        result = await self._missing_async(key, wanted, flight)
                    else:
                        break
                    if result is not None:
                        return result
        return await self._inner.get_async(key, options)

    async def get_ranges_async(
        self, key: str, ranges: Sequence[tuple[int, int]], *, if_match: str | None = None, coalesce: Coalesce | None = None
    ) -> builtins.list[bytes]:
        plan = merge(ranges, coalesce)
        wanted = GetOptions(if_match=if_match)
        entry = await self._find_async(key) if plan and self._caches(check_key(key), wanted) else None
        if entry is not None:
            try:
                etag = entry.meta.etag
                if if_match is None or strip_etag(if_match) == etag:
                    meta = await self._inner.head_async(key)
                    if meta.etag == etag:
                        blocks = await self._run_async(lambda: [entry.read(part.start, part.end) for part in plan])
                        return _scatter(key, ranges, plan, blocks)
            except NotFoundError:
                await self._drop_async(key)
                raise
            except DamagedError as error:
                await self._damaged_async(key, error)
            finally:
                entry.close()
        return await self._inner.get_ranges_async(key, ranges, if_match=if_match, coalesce=coalesce)

    async def _missing_async(self, key: str, wanted: GetOptions, flight: Flight) -> GetResult | None:
        """Fetch a whole content that is not kept; ``None`` if another one fetched it while this one waited."""
        failures = flight.failures
        admission = await flight.gate.enter_async()
        try:
            if flight.failures == failures:
                noted = flight.drops
                entry = await self._find_async(key)
                if entry is not None:
                    entry.close()
                    return None
                try:
                    return await self._fill_async(key, await self._inner.get_async(key, wanted), wanted, flight, noted)
                except Exception:
                    flight.failures += 1
                    raise
        finally:
            admission.leave()
        # The one who was ahead failed: those who waited ask for themselves, all at once, not one timeout after the other.
        return await self._inner.get_async(key, wanted)

    async def _current_async(
        self, key: str, entry: Entry, wanted: GetOptions, flight: Flight, noted: int
    ) -> GetResult | None:
        """Serve a content that is kept if it is current, else what is; ``None`` if another one is fetching that now."""
        served = False
        try:
            if wanted.if_match is not None and strip_etag(wanted.if_match) != entry.meta.etag:
                return await self._inner.get_async(key, wanted)
            meta, result = await self._checked_async(key, entry.meta, wanted)
            if result is None:
                served = True
                return await self._serve_async(key, entry, meta, wanted)
        except NotFoundError:
            await self._drop_async(key)
            raise
        finally:
            if not served:
                entry.close()
        if wanted.if_match is not None:
            await result.close_async()
            raise PreconditionError(f"{key!r} is not the version asked for (if_match)", key=key, store=self)
        if wanted.range is not None:
            return result
        admission = flight.gate.try_enter()
        if admission is None:
            await result.close_async()
            (await flight.gate.enter_async()).leave()
            return None
        try:
            return await self._fill_async(key, result, wanted, flight, noted)
        finally:
            admission.leave()

    async def _checked_async(self, key: str, kept: ObjectMeta, wanted: GetOptions) -> tuple[ObjectMeta, GetResult | None]:
        """Ask the store, in one request, whether a content is current; give the answer opened if it is not."""
        if self.capabilities.conditional_read:
            try:
                result = await self._inner.get_async(key, replace(wanted, if_match=None, if_none_match=kept.etag))
            except NotModifiedError:
                return kept, None
            return result.meta, result
        meta = await self._inner.head_async(key)
        if meta.etag == kept.etag:
            return meta, None
        return meta, await self._inner.get_async(key, wanted)

    async def _fill_async(self, key: str, result: GetResult, wanted: GetOptions, flight: Flight, noted: int) -> GetResult:
        """Keep an opened whole content, then serve it; a shelf that fails changes nothing but that it is not kept."""
        meta = result.meta
        if not self._fits(meta):
            return result
        if result.buffered or meta.size <= SMALL:
            async with result:
                data = await result.bytes_async()
            if await self._shelve_async(partial(self._shelf.keep, key, meta, data)) is not None:
                await self._kept_async(key, flight, noted)
            return GetResult(meta, data)
        entry = await self._pour_async(key, result)
        if entry is None:
            return await self._inner.get_async(key, wanted)
        await self._kept_async(key, flight, noted)
        return await self._serve_async(key, entry, meta, wanted)

    async def _pour_async(self, key: str, result: GetResult) -> Entry | None:
        """Stream an opened content to the shelf; ``None`` if the shelf fails. Errors of the store are the verb's."""
        async with result:
            begun = await self._shelve_async(partial(self._shelf.begin, key, result.meta))
            if begun is None:
                return None
            (filling,) = begun
            try:
                async for chunk in result.chunks_async(CHUNK):
                    if await self._shelve_async(partial(filling.write, chunk)) is None:
                        return None
                published = await self._shelve_async(filling.publish)
                return None if published is None else published[0]
            finally:
                filling.discard()

    async def _kept_async(self, key: str, flight: Flight, noted: int) -> None:
        """Note that something was kept, and drop it again if the key was written through this store meanwhile."""
        self._worked()
        if flight.drops != noted:
            await self._drop_async(key)

    async def _serve_async(self, key: str, entry: Entry, meta: ObjectMeta, wanted: GetOptions) -> GetResult:
        """Serve a content that is current, or a range of it, and close the entry at the end."""
        streams = False
        try:
            part = wanted.byte_range
            span = (0, meta.size) if part is None else part.resolve(meta.size, key=key, store=self)
            start, end = span
            if self._shelf.quick or end - start <= SMALL:
                return GetResult(meta, await self._read_async(key, entry, start, end), range=span)
            streams = True
            return GetResult(meta, self._blocks_async(key, entry, start, end), range=span, close=entry.close)
        finally:
            if not streams:
                entry.close()

    async def _blocks_async(self, key: str, entry: Entry, start: int, end: int) -> AsyncIterator[bytes]:
        try:
            for low in range(start, end, CHUNK):
                yield await self._read_async(key, entry, low, min(low + CHUNK, end))
        finally:
            entry.close()

    async def _read_async(self, key: str, entry: Entry, start: int, end: int) -> bytes:
        """Read a part of what is kept; where that is damaged, fetch the part anew, of the same version only."""
        if start == end:
            return b""
        try:
            return await self._run_async(partial(entry.read, start, end))
        except DamagedError as error:
            await self._damaged_async(key, error)
        etag = entry.meta.etag
        match = etag if self.capabilities.conditional_read else None
        async with await self._inner.get_async(key, GetOptions(range=(start, end), if_match=match)) as result:
            if result.meta.etag != etag:
                raise PreconditionError(f"{key!r} changed while it was read", key=key, store=self)
            return await result.bytes_async()

    # -- writing: whatever happens, what was kept is dropped -----------------------------------------------------------

    async def put_async(self, key: str, source: AsyncSource, options: PutOptions | None = None) -> PutResult:
        try:
            return await self._inner.put_async(key, source, options)
        finally:
            await self._drop_async(key)

    async def delete_async(self, keys: str | Iterable[str], *, if_match: str | None = None) -> builtins.list[DeleteResult]:
        seen: builtins.list[str] = [keys] if isinstance(keys, str) else []
        try:
            if isinstance(keys, str):
                return await self._inner.delete_async(keys, if_match=if_match)
            return await self._inner.delete_async(_noting(keys, seen), if_match=if_match)
        finally:
            await self._drop_async(*seen)

    async def copy_async(
        self, src: str, dst: str, options: CopyOptions | None = None, *, source: Store | None = None
    ) -> PutResult:
        try:
            return await self._inner.copy_async(src, dst, options, source=source)
        finally:
            await self._drop_async(dst)

    async def rename_async(self, src: str, dst: str, *, mode: CopyMode = "overwrite") -> None:
        try:
            await self._inner.rename_async(src, dst, mode=mode)
        finally:
            await self._drop_async(src, dst)

    async def delete_version_async(self, key: str, version: str) -> None:
        try:
            await self._inner.delete_version_async(key, version)
        finally:
            await self._drop_async(key)

    async def restore_async(self, key: str, version: str) -> PutResult:
        try:
            return await self._inner.restore_async(key, version)
        finally:
            await self._drop_async(key)

    async def set_metadata_async(self, key: str, metadata: Mapping[str, str], *, if_match: str | None = None) -> PutResult:
        try:
            return await self._inner.set_metadata_async(key, metadata, if_match=if_match)
        finally:
            await self._drop_async(key)

    async def set_modified_async(self, key: str, modified: datetime) -> None:
        try:
            await self._inner.set_modified_async(key, modified)
        finally:
            await self._drop_async(key)

    async def set_storage_class_async(self, key: str, storage_class: str) -> PutResult:
        try:
            return await self._inner.set_storage_class_async(key, storage_class)
        finally:
            await self._drop_async(key)

    async def parts_async(self, key: str, options: PutOptions | None = None, *, upload_id: str | None = None) -> PartWriter:
        return self._cached_writer(await self._inner.parts_async(key, options, upload_id=upload_id))

    async def close_async(self) -> None:
        self._shelf.close()
        await self._inner.close_async()

    # -- the shelf ----------------------------------------------------------------------------------------------------

    async def _run_async(self, act: Callable[[], T]) -> T:
        """Do something with the shelf where it may wait for a disk."""
        if self._shelf.quick:
            return act()
        return await run_async(act)

    async def _shelve_async(self, act: Callable[[], T]) -> tuple[T] | None:
        """Do something with the shelf; ``None`` if it fails, which is told once and never fails a verb."""
        try:
            return (await self._run_async(act),)
        except ShelfError as error:
            self._failed(error)
            return None

    async def _find_async(self, key: str) -> Entry | None:
        found = await self._shelve_async(partial(self._shelf.find, key))
        return None if found is None else found[0]

    async def _drop_async(self, *keys: str) -> None:
        for key in keys:
            self._flights.drop(key)
        await self._shelve_async(lambda: [self._shelf.drop(key) for key in keys])

    async def _damaged_async(self, key: str, error: DamagedError) -> None:
        logger.warning("cache %r of %r: %r is damaged (%s) and fetched anew", self._shelf, self._inner, key, error)
        await self._drop_async(key)


class WriterVerbs(CachedWriterBase):
    """Completing an upload writes the key."""

    async def complete_async(self, *, mode: PutMode | None = None, if_match: str | None = None) -> PutResult:
        try:
            return await self._inner.complete_async(mode=mode, if_match=if_match)
        finally:
            await self._store._drop_async(self.key)


def _noting(keys: Iterable[str], seen: builtins.list[str]) -> Iterator[str]:
    """Hand on keys, and remember them."""
    for key in keys:
        seen.append(key)
        yield key
