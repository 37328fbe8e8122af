# Generated from _resilient_async.py by tools/twins.py: change that file, not this one.
"""The verbs of `ResilientStore`."""

from __future__ import annotations

import builtins
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import TypeVar

from holdall._concurrency import Calling, sleep
from holdall.core.meta import ListPage, ObjectMeta, ObjectVersion
from holdall.core.options import CopyMode, CopyOptions, GetOptions, PutMode, PutOptions, SignOptions
from holdall.core.ranges import ByteRange, Coalesce
from holdall.errors import IntegrityError, NotFoundError, PreconditionError, RangeNotSatisfiableError
from holdall.results import DeleteResult, GetResult, PutResult, Upload
from holdall.sources import BytesLike, SizedChunks, Source, replayable
from holdall.store import PartWriter, Store
from holdall.wrappers._resilience import Reading, ResilientBase, ResilientWriterBase, Trial

__all__ = ["Verbs", "WriterVerbs"]

T = TypeVar("T")


class Verbs(ResilientBase):
    """Every verb; those that may be repeated are."""

    def get(self, key: str, options: GetOptions | None = None) -> GetResult:
        trial = self._trial()
        result = _tried(trial, lambda: self._inner.get(key, options))
        capabilities = self._inner.capabilities
        if result.buffered or capabilities.local or capabilities.temporary:
            return result
        reading = Reading(result)
        trial = Trial(self._line, patient=True, sole=True)
        return GetResult(
            result.meta,
            self._continued(key, options, reading, trial),
            range=result.range,
            close=reading.close,
            tags=result.tags,
        )

    def _continued(self, key: str, options: GetOptions | None, reading: Reading, trial: Trial) -> Iterator[bytes]:
        """Yield a body; where it breaks, go on with the rest of the same version."""
        position, end = reading.result.range
        etag = reading.result.meta.etag
        goes_on = etag is not None and self._inner.capabilities.ranges
        try:
            while True:
                try:
                    for chunk in reading.result:
                        position += len(chunk)
                        trial.progress()
                        yield chunk
                    return
                except Exception as error:
                    pause = trial.failed(error, again=goes_on and position < end)
                    if pause is None:
                        raise
                sleep(pause)
                condition = etag if self._inner.capabilities.conditional_read else None
                rest = replace(options or GetOptions(), range=ByteRange(position, end), if_match=condition)
                reading.result = self._rest(key, rest, trial, etag)
        finally:
            reading.close()

    def _rest(self, key: str, options: GetOptions, trial: Trial, etag: str | None) -> GetResult:
        """Open the rest of the same version: by a condition, or by looking at what came where conditions are refused."""
        cause: Exception | None = None
        try:
            result = _tried(trial, lambda: self._inner.get(key, options))
            if result.meta.etag == etag:
                return result
            result.close()
        except (PreconditionError, NotFoundError, RangeNotSatisfiableError) as error:
            cause = error
        raise IntegrityError(f"{key!r} changed while it was being read", key=key, store=self) from cause

    def get_ranges(
        self, key: str, ranges: Sequence[tuple[int, int]], *, if_match: str | None = None, coalesce: Coalesce | None = None
    ) -> builtins.list[bytes]:
        return self._again(lambda: self._inner.get_ranges(key, ranges, if_match=if_match, coalesce=coalesce))

    def put(self, key: str, source: Source, options: PutOptions | None = None) -> PutResult:
        # A conditional write whose answer got lost would meet its own success.
        again = replayable(source) and (options is None or options.mode == "overwrite")
        return self._again(lambda: self._inner.put(key, source, options), again=again)

    def head(self, key: str, *, version: str | None = None) -> ObjectMeta:
        return self._again(lambda: self._inner.head(key, version=version))

    def list(self, prefix: str = "", *, delimiter: str | None = None, start_after: str | None = None) -> Iterator[ListPage]:
        pages = self._inner.list(prefix, delimiter=delimiter, start_after=start_after)
        return self._pages(pages, prefix, delimiter, start_after)

    def _pages(self, pages: Iterator[ListPage], prefix: str, delimiter: str | None, last: str | None) -> Iterator[ListPage]:
        """Yield pages; where a listing in order breaks, go on after the last key."""
        trial = self._trial()
        begun = False
        while True:
            trial.begin()
            try:
                for page in pages:
                    trial.ended()
                    trial.progress()
                    begun = True
                    last = max([last or "", *(meta.key for meta in page.objects[-1:]), *page.prefixes[-1:]])
                    yield page
                return
            except Exception as error:
                pause = trial.failed(error, again=not begun or self._inner.capabilities.ordered)
                if pause is None:
                    raise
            sleep(pause)
            pages = self._inner.list(prefix, delimiter=delimiter, start_after=last or None)

    def delete(self, keys: str | Iterable[str], *, if_match: str | None = None) -> builtins.list[DeleteResult]:
        keys = keys if isinstance(keys, str) else builtins.list(keys)
        return self._again(lambda: self._inner.delete(keys, if_match=if_match), again=if_match is None)

    def copy(self, src: str, dst: str, options: CopyOptions | None = None, *, source: Store | None = None) -> PutResult:
        again = options is None or options.mode == "overwrite"
        return self._again(lambda: self._inner.copy(src, dst, options, source=source), again=again)

    def rename(self, src: str, dst: str, *, mode: CopyMode = "overwrite") -> None:
        self._again(lambda: self._inner.rename(src, dst, mode=mode), again=False)

    def sign(self, key: str, options: SignOptions | None = None) -> str:
        return self._inner.sign(key, options)

    def versions(self, key: str) -> builtins.list[ObjectVersion]:
        return self._again(lambda: self._inner.versions(key))

    def delete_version(self, key: str, version: str) -> None:
        self._again(lambda: self._inner.delete_version(key, version))

    def restore(self, key: str, version: str) -> PutResult:
        return self._again(lambda: self._inner.restore(key, version), again=False)

    def tags(self, key: str, *, version: str | None = None) -> dict[str, str]:
        return self._again(lambda: self._inner.tags(key, version=version))

    def set_tags(self, key: str, tags: Mapping[str, str]) -> None:
        self._again(lambda: self._inner.set_tags(key, tags))

    def set_metadata(self, key: str, metadata: Mapping[str, str], *, if_match: str | None = None) -> PutResult:
        return self._again(lambda: self._inner.set_metadata(key, metadata, if_match=if_match), again=if_match is None)

    def set_modified(self, key: str, modified: datetime) -> None:
        self._again(lambda: self._inner.set_modified(key, modified))

    def set_storage_class(self, key: str, storage_class: str) -> PutResult:
        return self._again(lambda: self._inner.set_storage_class(key, storage_class))

    def parts(self, key: str, options: PutOptions | None = None, *, upload_id: str | None = None) -> PartWriter:
        writer = self._again(lambda: self._inner.parts(key, options, upload_id=upload_id), again=upload_id is not None)
        return self._resilient_writer(writer)

    def uploads(self, prefix: str = "") -> builtins.list[Upload]:
        return self._again(lambda: self._inner.uploads(prefix))

    def _again(self, call: Calling[T], *, again: bool = True) -> T:
        """Make a call, and repeat it if it may be."""
        return _tried(self._trial(), call, again=again)


class WriterVerbs(ResilientWriterBase):
    """Every verb of a part writer; those that may be repeated are."""

    def put_part(self, number: int, data: BytesLike) -> None:
        _tried(self._store._trial(), lambda: self._inner.put_part(number, data))

    def pour_part(self, number: int, chunks: SizedChunks) -> None:
        # chunks come once
        _tried(self._store._trial(), lambda: self._inner.pour_part(number, chunks), again=False)

    def copy_part(
        self, number: int, src: str, range: tuple[int, int], *, if_match: str | None = None, source: Store | None = None
    ) -> None:
        _tried(self._store._trial(), lambda: self._inner.copy_part(number, src, range, if_match=if_match, source=source))

    def sent(self) -> dict[int, int]:
        return _tried(self._store._trial(), self._inner.sent)

    def complete(self, *, mode: PutMode | None = None, if_match: str | None = None) -> PutResult:
        return _tried(self._store._trial(), lambda: self._inner.complete(mode=mode, if_match=if_match), again=False)

    def abort(self) -> None:
        _tried(self._store._trial(), self._inner.abort)


def _tried(trial: Trial, call: Calling[T], *, again: bool = True) -> T:
    """Make a call as often as the trial says."""
    while True:
        trial.begin()
        try:
            answer = call()
        except Exception as error:
            pause = trial.failed(error, again=again)
            if pause is None:
                raise
        else:
            trial.ended()
            return answer
        sleep(pause)
