"""The verbs of a store whose keys are elsewhere: keys go down, results and errors come up."""

from __future__ import annotations

import builtins
import itertools
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from datetime import datetime

from holdall.core.meta import ListPage, ObjectMeta, ObjectVersion
from holdall.core.options import CopyMode, CopyOptions, GetOptions, PutMode, PutOptions, SignOptions
from holdall.core.ranges import Coalesce
from holdall.results import DeleteResult, GetResult, PutResult, Upload
from holdall.sources import AsyncSizedChunks, AsyncSource, BytesLike
from holdall.store import PartWriter, Store
from holdall.wrappers._operation import Operation, PlacedBase, PlacedWriterBase
from holdall.wrappers._place import Renamed

__all__ = ["Verbs", "WriterVerbs"]

BATCH = 1000
"""Keys deleted in one call below, where each key must be looked up first."""


class Verbs(PlacedBase):
    """Every verb, with keys mapped in both directions."""

    async def get_async(self, key: str, options: GetOptions | None = None) -> GetResult:
        place = await self._operation().place_async(key)
        inner, errors = place.down(key), place.errors()
        with errors:
            result = await place.store.get_async(inner, options)
        meta = place.meta(result.meta, key)
        if result.buffered:
            result.meta = meta
            return result
        return GetResult(meta, _chunks_async(result, errors), range=result.range, close=result.close_async, tags=result.tags)

    async def get_ranges_async(
        self, key: str, ranges: Sequence[tuple[int, int]], *, if_match: str | None = None, coalesce: Coalesce | None = None
    ) -> builtins.list[bytes]:
        place = await self._operation().place_async(key)
        inner = place.down(key)
        with place.errors():
            return await place.store.get_ranges_async(inner, ranges, if_match=if_match, coalesce=coalesce)

    async def put_async(self, key: str, source: AsyncSource, options: PutOptions | None = None) -> PutResult:
        place = await self._operation().place_async(key, "write")
        inner = place.down(key)
        with place.errors():
            return place.put(await place.store.put_async(inner, source, options), key)

    async def head_async(self, key: str, *, version: str | None = None) -> ObjectMeta:
        place = await self._operation().place_async(key)
        inner = place.down(key)
        with place.errors():
            return place.meta(await place.store.head_async(inner, version=version), key)

    def list_async(
        self, prefix: str = "", *, delimiter: str | None = None, start_after: str | None = None
    ) -> AsyncIterator[ListPage]:
        operation = self._operation()
        operation.begin(prefix)
        return _pages_async(operation, prefix, delimiter, start_after)

    async def delete_async(self, keys: str | Iterable[str], *, if_match: str | None = None) -> builtins.list[DeleteResult]:
        operation = self._operation()
        if isinstance(keys, str):
            place = await operation.place_async(keys, "write")
            inner = place.down(keys)
            with place.errors():
                return [*place.deleted(await place.store.delete_async(inner, if_match=if_match))]
        results: builtins.list[DeleteResult] = []
        if operation.single:
            place = await operation.place_async("", "write")
            with place.errors():
                return [*place.deleted(await place.store.delete_async(map(place.down, keys), if_match=if_match))]
        keys = iter(keys)
        while batch := [*itertools.islice(keys, BATCH)]:
            places = [await operation.place_async(key, "write") for key in batch]
            below = [place.down(key) for place, key in zip(places, batch, strict=True)]
            for _, group in itertools.groupby(range(len(batch)), key=lambda i: id(places[i].store)):
                members = [*group]
                store = places[members[0]].store
                with Renamed({below[i]: batch[i] for i in members}.get, self):
                    answers = await store.delete_async([below[i] for i in members], if_match=if_match)
                for i, answer in zip(members, answers, strict=True):
                    results += places[i].deleted([answer])
        return results

    async def copy_async(
        self, src: str, dst: str, options: CopyOptions | None = None, *, source: Store | None = None
    ) -> PutResult:
        operation = self._operation()
        target = await operation.place_async(dst, "write")
        down = target.down(dst)
        names = {down: dst}
        inner = src
        if source is None:
            origin = await operation.place_async(src)
            inner = origin.down(src)
            names[inner] = src
            source = None if origin.store is target.store else origin.store
        with Renamed(names.get, self):
            return target.put(await target.store.copy_async(inner, down, options, source=source), dst)

    async def rename_async(self, src: str, dst: str, *, mode: CopyMode = "overwrite") -> None:
        operation = self._operation()
        origin = await operation.place_async(src, "write")
        target = await operation.place_async(dst, "write")
        names = {origin.down(src): src, target.down(dst): dst}
        if origin.store is not target.store:
            raise self._refusal("rename", "the two keys are in different stores")
        with Renamed(names.get, self):
            await origin.store.rename_async(origin.down(src), target.down(dst), mode=mode)

    async def sign_async(self, key: str, options: SignOptions | None = None) -> str:
        place = await self._operation().place_async(key)
        inner = place.down(key)
        with place.errors():
            return await place.store.sign_async(inner, options)

    async def versions_async(self, key: str) -> builtins.list[ObjectVersion]:
        place = await self._operation().place_async(key)
        inner = place.down(key)
        with place.errors():
            return place.versions(await place.store.versions_async(inner), key)

    async def delete_version_async(self, key: str, version: str) -> None:
        place = await self._operation().place_async(key, "write")
        inner = place.down(key)
        with place.errors():
            await place.store.delete_version_async(inner, version)

    async def restore_async(self, key: str, version: str) -> PutResult:
        place = await self._operation().place_async(key, "write")
        inner = place.down(key)
        with place.errors():
            return place.put(await place.store.restore_async(inner, version), key)

    async def tags_async(self, key: str, *, version: str | None = None) -> dict[str, str]:
        place = await self._operation().place_async(key)
        inner = place.down(key)
        with place.errors():
            return await place.store.tags_async(inner, version=version)

    async def set_tags_async(self, key: str, tags: Mapping[str, str]) -> None:
        place = await self._operation().place_async(key, "write")
        inner = place.down(key)
        with place.errors():
            await place.store.set_tags_async(inner, tags)

    async def set_metadata_async(self, key: str, metadata: Mapping[str, str], *, if_match: str | None = None) -> PutResult:
        place = await self._operation().place_async(key, "write")
        inner = place.down(key)
        with place.errors():
            return place.put(await place.store.set_metadata_async(inner, metadata, if_match=if_match), key)

    async def set_modified_async(self, key: str, modified: datetime) -> None:
        place = await self._operation().place_async(key, "write")
        inner = place.down(key)
        with place.errors():
            await place.store.set_modified_async(inner, modified)

    async def set_storage_class_async(self, key: str, storage_class: str) -> PutResult:
        place = await self._operation().place_async(key, "write")
        inner = place.down(key)
        with place.errors():
            return place.put(await place.store.set_storage_class_async(inner, storage_class), key)

    async def parts_async(self, key: str, options: PutOptions | None = None, *, upload_id: str | None = None) -> PartWriter:
        operation = self._operation()
        place = await operation.place_async(key, "write")
        inner = place.down(key)
        with place.errors():
            return self._placed_writer(await place.store.parts_async(inner, options, upload_id=upload_id), place, operation)

    async def uploads_async(self, prefix: str = "") -> builtins.list[Upload]:
        place = await self._operation().place_async(prefix, "list")
        inner = place.down_prefix(prefix)
        with place.errors():
            return place.uploads(await place.store.uploads_async(inner))


class WriterVerbs(PlacedWriterBase):
    """Every verb of a part writer, with keys mapped in both directions."""

    async def put_part_async(self, number: int, data: BytesLike) -> None:
        with self._errors:
            await self._inner.put_part_async(number, data)

    async def pour_part_async(self, number: int, chunks: AsyncSizedChunks) -> None:
        with self._errors:
            await self._inner.pour_part_async(number, chunks)

    async def copy_part_async(
        self, number: int, src: str, range: tuple[int, int], *, if_match: str | None = None, source: Store | None = None
    ) -> None:
        names = {self._inner.key: self.key}
        inner = src
        if source is None:
            origin = await self._operation.place_async(src)
            inner = origin.down(src)
            names[inner] = src
            source = None if origin.store is self._place.store else origin.store
        with Renamed(names.get, self._place.shown):
            await self._inner.copy_part_async(number, inner, range, if_match=if_match, source=source)

    async def sent_async(self) -> dict[int, int]:
        with self._errors:
            return await self._inner.sent_async()

    async def complete_async(self, *, mode: PutMode | None = None, if_match: str | None = None) -> PutResult:
        with self._errors:
            return self._place.put(await self._inner.complete_async(mode=mode, if_match=if_match), self.key)

    async def abort_async(self) -> None:
        with self._errors:
            await self._inner.abort_async()


async def _chunks_async(result: GetResult, errors: Renamed) -> AsyncIterator[bytes]:
    """Hand on a body; what goes wrong on the way speaks of the outer key."""
    with errors:
        async for chunk in result:
            yield chunk


async def _pages_async(
    operation: Operation, prefix: str, delimiter: str | None, start_after: str | None
) -> AsyncIterator[ListPage]:
    place = await operation.place_async(prefix, "list")
    inner = place.down_prefix(prefix)
    if place.behind(start_after):
        return
    with place.errors():
        async for page in place.store.list_async(inner, delimiter=delimiter, start_after=place.down_mark(start_after)):
            mapped = place.page(page)
            if mapped.objects or mapped.prefixes:
                yield mapped
