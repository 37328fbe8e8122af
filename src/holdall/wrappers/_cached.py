# Generated from _cached_async.py by tools/twins.py: change that file, not this one.
"""The verbs of `CachedStore`: content from the shelf when the store says that it is current, in one request."""

from __future__ import annotations

import builtins
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from functools import partial
from typing import TypeVar

from holdall._concurrency import run
from holdall.core.keys import check_key
from holdall.core.meta import ObjectMeta
from holdall.core.options import CopyMode, CopyOptions, GetOptions, PutMode, PutOptions
from holdall.core.preconditions import strip_etag
from holdall.core.ranges import Coalesce
from holdall.core.ranges import coalesce as merge
from holdall.errors import NotFoundError, NotModifiedError, PreconditionError
from holdall.results import CHUNK, DeleteResult, GetResult, PutResult
from holdall.sources import Source
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

    def get(self, key: str, options: GetOptions | None = None) -> GetResult:
        wanted = options or GetOptions()
        if self._caches(check_key(key), wanted):
            with self._flights.joined(key) as flight:
                for _ in range(ROUNDS):
                    noted = flight.drops
                    entry = self._find(key)
                    if entry is not None:
                        result = self._current(key, entry, wanted, flight, noted)
                    elif wanted.range is None:
                        result = self._missing(key, wanted, flight)
                    else:
                        break
                    if result is not None:
                        return result
        return self._inner.get(key, options)

    def get_ranges(
        self, key: str, ranges: Sequence[tuple[int, int]], *, if_match: str | None = None, coalesce: Coalesce | None = None
    ) -> builtins.list[bytes]:
        plan = merge(ranges, coalesce)
        wanted = GetOptions(if_match=if_match)
        entry = self._find(key) if plan and self._caches(check_key(key), wanted) else None
        if entry is not None:
            try:
                etag = entry.meta.etag
                if if_match is None or strip_etag(if_match) == etag:
                    meta = self._inner.head(key)
                    if meta.etag == etag:
                        blocks = self._run(lambda: [entry.read(part.start, part.end) for part in plan])
                        return _scatter(key, ranges, plan, blocks)
            except NotFoundError:
                self._drop(key)
                raise
            except DamagedError as error:
                self._damaged(key, error)
            finally:
                entry.close()
        return self._inner.get_ranges(key, ranges, if_match=if_match, coalesce=coalesce)

    def _missing(self, key: str, wanted: GetOptions, flight: Flight) -> GetResult | None:
        """Fetch a whole content that is not kept; ``None`` if another one fetched it while this one waited."""
        failures = flight.failures
        admission = flight.gate.enter()
        try:
            if flight.failures == failures:
                noted = flight.drops
                entry = self._find(key)
                if entry is not None:
                    entry.close()
                    return None
                try:
                    return self._fill(key, self._inner.get(key, wanted), wanted, flight, noted)
                except Exception:
                    flight.failures += 1
                    raise
        finally:
            admission.leave()
        # The one who was ahead failed: those who waited ask for themselves, all at once, not one timeout after the other.
        return self._inner.get(key, wanted)

    def _current(self, key: str, entry: Entry, wanted: GetOptions, flight: Flight, noted: int) -> GetResult | None:
        """Serve a content that is kept if it is current, else what is; ``None`` if another one is fetching that now."""
        served = False
        try:
            if wanted.if_match is not None and strip_etag(wanted.if_match) != entry.meta.etag:
                return self._inner.get(key, wanted)
            meta, result = self._checked(key, entry.meta, wanted)
            if result is None:
                served = True
                return self._serve(key, entry, meta, wanted)
        except NotFoundError:
            self._drop(key)
            raise
        finally:
            if not served:
                entry.close()
        if wanted.if_match is not None:
            result.close()
            raise PreconditionError(f"{key!r} is not the version asked for (if_match)", key=key, store=self)
        if wanted.range is not None:
            return result
        admission = flight.gate.try_enter()
        if admission is None:
            result.close()
            (flight.gate.enter()).leave()
            return None
        try:
            return self._fill(key, result, wanted, flight, noted)
        finally:
            admission.leave()

    def _checked(self, key: str, kept: ObjectMeta, wanted: GetOptions) -> tuple[ObjectMeta, GetResult | None]:
        """Ask the store, in one request, whether a content is current; give the answer opened if it is not."""
        if self.capabilities.conditional_read:
            try:
                result = self._inner.get(key, replace(wanted, if_match=None, if_none_match=kept.etag))
            except NotModifiedError:
                return kept, None
            return result.meta, result
        meta = self._inner.head(key)
        if meta.etag == kept.etag:
            return meta, None
        return meta, self._inner.get(key, wanted)

    def _fill(self, key: str, result: GetResult, wanted: GetOptions, flight: Flight, noted: int) -> GetResult:
        """Keep an opened whole content, then serve it; a shelf that fails changes nothing but that it is not kept."""
        meta = result.meta
        if not self._fits(meta):
            return result
        if result.buffered or meta.size <= SMALL:
            with result:
                data = result.bytes()
            if self._shelve(partial(self._shelf.keep, key, meta, data)) is not None:
                self._kept(key, flight, noted)
            return GetResult(meta, data)
        entry = self._pour(key, result)
        if entry is None:
            return self._inner.get(key, wanted)
        self._kept(key, flight, noted)
        return self._serve(key, entry, meta, wanted)

    def _pour(self, key: str, result: GetResult) -> Entry | None:
        """Stream an opened content to the shelf; ``None`` if the shelf fails. Errors of the store are the verb's."""
        with result:
            begun = self._shelve(partial(self._shelf.begin, key, result.meta))
            if begun is None:
                return None
            (filling,) = begun
            try:
                for chunk in result.chunks(CHUNK):
                    if self._shelve(partial(filling.write, chunk)) is None:
                        return None
                published = self._shelve(filling.publish)
                return None if published is None else published[0]
            finally:
                filling.discard()

    def _kept(self, key: str, flight: Flight, noted: int) -> None:
        """Note that something was kept, and drop it again if the key was written through this store meanwhile."""
        self._worked()
        if flight.drops != noted:
            self._drop(key)

    def _serve(self, key: str, entry: Entry, meta: ObjectMeta, wanted: GetOptions) -> GetResult:
        """Serve a content that is current, or a range of it, and close the entry at the end."""
        streams = False
        try:
            part = wanted.byte_range
            span = (0, meta.size) if part is None else part.resolve(meta.size, key=key, store=self)
            start, end = span
            if self._shelf.quick or end - start <= SMALL:
                return GetResult(meta, self._read(key, entry, start, end), range=span)
            streams = True
            return GetResult(meta, self._blocks(key, entry, start, end), range=span, close=entry.close)
        finally:
            if not streams:
                entry.close()

    def _blocks(self, key: str, entry: Entry, start: int, end: int) -> Iterator[bytes]:
        try:
            for low in range(start, end, CHUNK):
                yield self._read(key, entry, low, min(low + CHUNK, end))
        finally:
            entry.close()

    def _read(self, key: str, entry: Entry, start: int, end: int) -> bytes:
        """Read a part of what is kept; where that is damaged, fetch the part anew, of the same version only."""
        if start == end:
            return b""
        try:
            return self._run(partial(entry.read, start, end))
        except DamagedError as error:
            self._damaged(key, error)
        etag = entry.meta.etag
        match = etag if self.capabilities.conditional_read else None
        with self._inner.get(key, GetOptions(range=(start, end), if_match=match)) as result:
            if result.meta.etag != etag:
                raise PreconditionError(f"{key!r} changed while it was read", key=key, store=self)
            return result.bytes()

    # -- writing: whatever happens, what was kept is dropped -----------------------------------------------------------

    def put(self, key: str, source: Source, options: PutOptions | None = None) -> PutResult:
        try:
            return self._inner.put(key, source, options)
        finally:
            self._drop(key)

    def delete(self, keys: str | Iterable[str], *, if_match: str | None = None) -> builtins.list[DeleteResult]:
        seen: builtins.list[str] = [keys] if isinstance(keys, str) else []
        try:
            if isinstance(keys, str):
                return self._inner.delete(keys, if_match=if_match)
            return self._inner.delete(_noting(keys, seen), if_match=if_match)
        finally:
            self._drop(*seen)

    def copy(self, src: str, dst: str, options: CopyOptions | None = None, *, source: Store | None = None) -> PutResult:
        try:
            return self._inner.copy(src, dst, options, source=source)
        finally:
            self._drop(dst)

    def rename(self, src: str, dst: str, *, mode: CopyMode = "overwrite") -> None:
        try:
            self._inner.rename(src, dst, mode=mode)
        finally:
            self._drop(src, dst)

    def delete_version(self, key: str, version: str) -> None:
        try:
            self._inner.delete_version(key, version)
        finally:
            self._drop(key)

    def restore(self, key: str, version: str) -> PutResult:
        try:
            return self._inner.restore(key, version)
        finally:
            self._drop(key)

    def set_metadata(self, key: str, metadata: Mapping[str, str], *, if_match: str | None = None) -> PutResult:
        try:
            return self._inner.set_metadata(key, metadata, if_match=if_match)
        finally:
            self._drop(key)

    def set_modified(self, key: str, modified: datetime) -> None:
        try:
            self._inner.set_modified(key, modified)
        finally:
            self._drop(key)

    def set_storage_class(self, key: str, storage_class: str) -> PutResult:
        try:
            return self._inner.set_storage_class(key, storage_class)
        finally:
            self._drop(key)

    def parts(self, key: str, options: PutOptions | None = None, *, upload_id: str | None = None) -> PartWriter:
        return self._cached_writer(self._inner.parts(key, options, upload_id=upload_id))

    def close(self) -> None:
        self._shelf.close()
        self._inner.close()

    # -- the shelf ----------------------------------------------------------------------------------------------------

    def _run(self, act: Callable[[], T]) -> T:
        """Do something with the shelf where it may wait for a disk."""
        if self._shelf.quick:
            return act()
        return run(act)

    def _shelve(self, act: Callable[[], T]) -> tuple[T] | None:
        """Do something with the shelf; ``None`` if it fails, which is told once and never fails a verb."""
        try:
            return (self._run(act),)
        except ShelfError as error:
            self._failed(error)
            return None

    def _find(self, key: str) -> Entry | None:
        found = self._shelve(partial(self._shelf.find, key))
        return None if found is None else found[0]

    def _drop(self, *keys: str) -> None:
        for key in keys:
            self._flights.drop(key)
        self._shelve(lambda: [self._shelf.drop(key) for key in keys])

    def _damaged(self, key: str, error: DamagedError) -> None:
        logger.warning("cache %r of %r: %r is damaged (%s) and fetched anew", self._shelf, self._inner, key, error)
        self._drop(key)


class WriterVerbs(CachedWriterBase):
    """Completing an upload writes the key."""

    def complete(self, *, mode: PutMode | None = None, if_match: str | None = None) -> PutResult:
        try:
            return self._inner.complete(mode=mode, if_match=if_match)
        finally:
            self._store._drop(self.key)


def _noting(keys: Iterable[str], seen: builtins.list[str]) -> Iterator[str]:
    """Hand on keys, and remember them."""
    for key in keys:
        seen.append(key)
        yield key
