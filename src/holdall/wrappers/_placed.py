# Generated from _placed_async.py by tools/twins.py: change that file, not this one.
"""The verbs of a store whose keys are elsewhere: keys go down, results and errors come up."""

from __future__ import annotations

import builtins
import itertools
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime

from holdall.core.meta import ListPage, ObjectMeta, ObjectVersion
from holdall.core.options import CopyMode, CopyOptions, GetOptions, PutMode, PutOptions, SignOptions
from holdall.core.ranges import Coalesce
from holdall.results import DeleteResult, GetResult, PutResult, Upload
from holdall.sources import BytesLike, SizedChunks, Source
from holdall.store import PartWriter, Store
from holdall.wrappers._operation import Operation, PlacedBase, PlacedWriterBase
from holdall.wrappers._place import Renamed

__all__ = ["Verbs", "WriterVerbs"]

BATCH = 1000
"""Keys deleted in one call below, where each key must be looked up first."""


class Verbs(PlacedBase):
    """Every verb, with keys mapped in both directions."""

    def get(self, key: str, options: GetOptions | None = None) -> GetResult:
        place = self._operation().place(key)
        inner, errors = place.down(key), place.errors()
        with errors:
            result = place.store.get(inner, options)
        meta = place.meta(result.meta, key)
        if result.buffered:
            result.meta = meta
            return result
        return GetResult(meta, _chunks(result, errors), range=result.range, close=result.close, tags=result.tags)

    def get_ranges(
        self, key: str, ranges: Sequence[tuple[int, int]], *, if_match: str | None = None, coalesce: Coalesce | None = None
    ) -> builtins.list[bytes]:
        place = self._operation().place(key)
        inner = place.down(key)
        with place.errors():
            return place.store.get_ranges(inner, ranges, if_match=if_match, coalesce=coalesce)

    def put(self, key: str, source: Source, options: PutOptions | None = None) -> PutResult:
        place = self._operation().place(key, "write")
        inner = place.down(key)
        with place.errors():
            return place.put(place.store.put(inner, source, options), key)

    def head(self, key: str, *, version: str | None = None) -> ObjectMeta:
        place = self._operation().place(key)
        inner = place.down(key)
        with place.errors():
            return place.meta(place.store.head(inner, version=version), key)

    def list(self, prefix: str = "", *, delimiter: str | None = None, start_after: str | None = None) -> Iterator[ListPage]:
        operation = self._operation()
        operation.begin(prefix)
        return _pages(operation, prefix, delimiter, start_after)

    def delete(self, keys: str | Iterable[str], *, if_match: str | None = None) -> builtins.list[DeleteResult]:
        operation = self._operation()
        if isinstance(keys, str):
            place = operation.place(keys, "write")
            inner = place.down(keys)
            with place.errors():
                return [*place.deleted(place.store.delete(inner, if_match=if_match))]
        results: builtins.list[DeleteResult] = []
        if operation.single:
            place = operation.place("", "write")
            with place.errors():
                return [*place.deleted(place.store.delete(map(place.down, keys), if_match=if_match))]
        keys = iter(keys)
        while batch := [*itertools.islice(keys, BATCH)]:
            places = [operation.place(key, "write") for key in batch]
            below = [place.down(key) for place, key in zip(places, batch, strict=True)]
            for _, group in itertools.groupby(range(len(batch)), key=lambda i: id(places[i].store)):
                members = [*group]
                store = places[members[0]].store
                with Renamed({below[i]: batch[i] for i in members}.get, self):
                    answers = store.delete([below[i] for i in members], if_match=if_match)
                for i, answer in zip(members, answers, strict=True):
                    results += places[i].deleted([answer])
        return results

    def copy(self, src: str, dst: str, options: CopyOptions | None = None, *, source: Store | None = None) -> PutResult:
        operation = self._operation()
        target = operation.place(dst, "write")
        down = target.down(dst)
        names = {down: dst}
        inner = src
        if source is None:
            origin = operation.place(src)
            inner = origin.down(src)
            names[inner] = src
            source = None if origin.store is target.store else origin.store
        with Renamed(names.get, self):
            return target.put(target.store.copy(inner, down, options, source=source), dst)

    def rename(self, src: str, dst: str, *, mode: CopyMode = "overwrite") -> None:
        operation = self._operation()
        origin = operation.place(src, "write")
        target = operation.place(dst, "write")
        names = {origin.down(src): src, target.down(dst): dst}
        if origin.store is not target.store:
            raise self._refusal("rename", "the two keys are in different stores")
        with Renamed(names.get, self):
            origin.store.rename(origin.down(src), target.down(dst), mode=mode)

    def sign(self, key: str, options: SignOptions | None = None) -> str:
        place = self._operation().place(key)
        inner = place.down(key)
        with place.errors():
            return place.store.sign(inner, options)

    def versions(self, key: str) -> builtins.list[ObjectVersion]:
        place = self._operation().place(key)
        inner = place.down(key)
        with place.errors():
            return place.versions(place.store.versions(inner), key)

    def delete_version(self, key: str, version: str) -> None:
        place = self._operation().place(key, "write")
        inner = place.down(key)
        with place.errors():
            place.store.delete_version(inner, version)

    def restore(self, key: str, version: str) -> PutResult:
        place = self._operation().place(key, "write")
        inner = place.down(key)
        with place.errors():
            return place.put(place.store.restore(inner, version), key)

    def tags(self, key: str, *, version: str | None = None) -> dict[str, str]:
        place = self._operation().place(key)
        inner = place.down(key)
        with place.errors():
            return place.store.tags(inner, version=version)

    def set_tags(self, key: str, tags: Mapping[str, str]) -> None:
        place = self._operation().place(key, "write")
        inner = place.down(key)
        with place.errors():
            place.store.set_tags(inner, tags)

    def set_metadata(self, key: str, metadata: Mapping[str, str], *, if_match: str | None = None) -> PutResult:
        place = self._operation().place(key, "write")
        inner = place.down(key)
        with place.errors():
            return place.put(place.store.set_metadata(inner, metadata, if_match=if_match), key)

    def set_modified(self, key: str, modified: datetime) -> None:
        place = self._operation().place(key, "write")
        inner = place.down(key)
        with place.errors():
            place.store.set_modified(inner, modified)

    def set_storage_class(self, key: str, storage_class: str) -> PutResult:
        place = self._operation().place(key, "write")
        inner = place.down(key)
        with place.errors():
            return place.put(place.store.set_storage_class(inner, storage_class), key)

    def parts(self, key: str, options: PutOptions | None = None, *, upload_id: str | None = None) -> PartWriter:
        operation = self._operation()
        place = operation.place(key, "write")
        inner = place.down(key)
        with place.errors():
            return self._placed_writer(place.store.parts(inner, options, upload_id=upload_id), place, operation)

    def uploads(self, prefix: str = "") -> builtins.list[Upload]:
        place = self._operation().place(prefix, "list")
        inner = place.down_prefix(prefix)
        with place.errors():
            return place.uploads(place.store.uploads(inner))


class WriterVerbs(PlacedWriterBase):
    """Every verb of a part writer, with keys mapped in both directions."""

    def put_part(self, number: int, data: BytesLike) -> None:
        with self._errors:
            self._inner.put_part(number, data)

    def pour_part(self, number: int, chunks: SizedChunks) -> None:
        with self._errors:
            self._inner.pour_part(number, chunks)

    def copy_part(
        self, number: int, src: str, range: tuple[int, int], *, if_match: str | None = None, source: Store | None = None
    ) -> None:
        names = {self._inner.key: self.key}
        inner = src
        if source is None:
            origin = self._operation.place(src)
            inner = origin.down(src)
            names[inner] = src
            source = None if origin.store is self._place.store else origin.store
        with Renamed(names.get, self._place.shown):
            self._inner.copy_part(number, inner, range, if_match=if_match, source=source)

    def sent(self) -> dict[int, int]:
        with self._errors:
            return self._inner.sent()

    def complete(self, *, mode: PutMode | None = None, if_match: str | None = None) -> PutResult:
        with self._errors:
            return self._place.put(self._inner.complete(mode=mode, if_match=if_match), self.key)

    def abort(self) -> None:
        with self._errors:
            self._inner.abort()


def _chunks(result: GetResult, errors: Renamed) -> Iterator[bytes]:
    """Hand on a body; what goes wrong on the way speaks of the outer key."""
    with errors:
        yield from result


def _pages(operation: Operation, prefix: str, delimiter: str | None, start_after: str | None) -> Iterator[ListPage]:
    place = operation.place(prefix, "list")
    inner = place.down_prefix(prefix)
    if place.behind(start_after):
        return
    with place.errors():
        for page in place.store.list(inner, delimiter=delimiter, start_after=place.down_mark(start_after)):
            mapped = place.page(page)
            if mapped.objects or mapped.prefixes:
                yield mapped
