"""The verbs of `ResilientStore`."""

from __future__ import annotations

import builtins
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import TypeVar

from holdall._concurrency import AsyncCalling, sleep_async
from holdall.core.meta import ListPage, ObjectMeta, ObjectVersion
from holdall.core.options import CopyMode, CopyOptions, GetOptions, PutMode, PutOptions, SignOptions
from holdall.core.ranges import ByteRange, Coalesce
from holdall.errors import IntegrityError, NotFoundError, PreconditionError, RangeNotSatisfiableError
from holdall.results import DeleteResult, GetResult, PutResult, Upload
from holdall.sources import AsyncSizedChunks, AsyncSource, BytesLike, replayable
from holdall.store import PartWriter, Store
from holdall.wrappers._resilience import Reading, ResilientBase, ResilientWriterBase, Trial

__all__ = ["Verbs", "WriterVerbs"]

T = TypeVar("T")


class Verbs(ResilientBase):
    """Every verb; those that may be repeated are."""

    async def get_async(self, key: str, options: GetOptions | None = None) -> GetResult:
        trial = self._trial()
        result = await _tried_async(trial, lambda: self._inner.get_async(key, options))
        capabilities = self._inner.capabilities
        if result.buffered or capabilities.local or capabilities.temporary:
            return result
        reading = Reading(result)
        trial = Trial(self._line, patient=True, sole=True)
        return GetResult(
            result.meta,
            self._continued_async(key, options, reading, trial),
            range=result.range,
            close=reading.close_async,
            tags=result.tags,
        )

    async def _continued_async(
        self, key: str, options: GetOptions | None, reading: Reading, trial: Trial
    ) -> AsyncIterator[bytes]:
        """Yield a body; where it breaks, go on with the rest of the same version."""
        position, end = reading.result.range
        etag = reading.result.meta.etag
        goes_on = etag is not None and self._inner.capabilities.ranges
        try:
            while True:
                try:
                    async for chunk in reading.result:
                        position += len(chunk)
                        trial.progress()
                        yield chunk
                    return
                except Exception as error:
                    pause = trial.failed(error, again=goes_on and position < end)
                    if pause is None:
                        raise
                await sleep_async(pause)
                condition = etag if self._inner.capabilities.conditional_read else None
                rest = replace(options or GetOptions(), range=ByteRange(position, end), if_match=condition)
                reading.result = await self._rest_async(key, rest, trial, etag)
        finally:
            await reading.close_async()

    async def _rest_async(self, key: str, options: GetOptions, trial: Trial, etag: str | None) -> GetResult:
        """Open the rest of the same version: by a condition, or by looking at what came where conditions are refused."""
        cause: Exception | None = None
        try:
            result = await _tried_async(trial, lambda: self._inner.get_async(key, options))
            if result.meta.etag == etag:
                return result
            await result.close_async()
        except (PreconditionError, NotFoundError, RangeNotSatisfiableError) as error:
            cause = error
        raise IntegrityError(f"{key!r} changed while it was being read", key=key, store=self) from cause

    async def get_ranges_async(
        self, key: str, ranges: Sequence[tuple[int, int]], *, if_match: str | None = None, coalesce: Coalesce | None = None
    ) -> builtins.list[bytes]:
        return await self._again_async(
            lambda: self._inner.get_ranges_async(key, ranges, if_match=if_match, coalesce=coalesce)
        )

    async def put_async(self, key: str, source: AsyncSource, options: PutOptions | None = None) -> PutResult:
        # A conditional write whose answer got lost would meet its own success.
        again = replayable(source) and (options is None or options.mode == "overwrite")
        return await self._again_async(lambda: self._inner.put_async(key, source, options), again=again)

    async def head_async(self, key: str, *, version: str | None = None) -> ObjectMeta:
        return await self._again_async(lambda: self._inner.head_async(key, version=version))

    def list_async(
        self, prefix: str = "", *, delimiter: str | None = None, start_after: str | None = None
    ) -> AsyncIterator[ListPage]:
        pages = self._inner.list_async(prefix, delimiter=delimiter, start_after=start_after)
        return self._pages_async(pages, prefix, delimiter, start_after)

    async def _pages_async(
        self, pages: AsyncIterator[ListPage], prefix: str, delimiter: str | None, last: str | None
    ) -> AsyncIterator[ListPage]:
        """Yield pages; where a listing in order breaks, go on after the last key."""
        trial = self._trial()
        begun = False
        while True:
            trial.begin()
            try:
                async for page in pages:
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
            await sleep_async(pause)
            pages = self._inner.list_async(prefix, delimiter=delimiter, start_after=last or None)

    async def delete_async(self, keys: str | Iterable[str], *, if_match: str | None = None) -> builtins.list[DeleteResult]:
        keys = keys if isinstance(keys, str) else builtins.list(keys)
        return await self._again_async(lambda: self._inner.delete_async(keys, if_match=if_match), again=if_match is None)

    async def copy_async(
        self, src: str, dst: str, options: CopyOptions | None = None, *, source: Store | None = None
    ) -> PutResult:
        again = options is None or options.mode == "overwrite"
        return await self._again_async(lambda: self._inner.copy_async(src, dst, options, source=source), again=again)

    async def rename_async(self, src: str, dst: str, *, mode: CopyMode = "overwrite") -> None:
        await self._again_async(lambda: self._inner.rename_async(src, dst, mode=mode), again=False)

    async def sign_async(self, key: str, options: SignOptions | None = None) -> str:
        return await self._inner.sign_async(key, options)

    async def versions_async(self, key: str) -> builtins.list[ObjectVersion]:
        return await self._again_async(lambda: self._inner.versions_async(key))

    async def delete_version_async(self, key: str, version: str) -> None:
        await self._again_async(lambda: self._inner.delete_version_async(key, version))

    async def restore_async(self, key: str, version: str) -> PutResult:
        return await self._again_async(lambda: self._inner.restore_async(key, version), again=False)

    async def tags_async(self, key: str, *, version: str | None = None) -> dict[str, str]:
        return await self._again_async(lambda: self._inner.tags_async(key, version=version))

    async def set_tags_async(self, key: str, tags: Mapping[str, str]) -> None:
        await self._again_async(lambda: self._inner.set_tags_async(key, tags))

    async def set_metadata_async(self, key: str, metadata: Mapping[str, str], *, if_match: str | None = None) -> PutResult:
        return await self._again_async(
            lambda: self._inner.set_metadata_async(key, metadata, if_match=if_match), again=if_match is None
        )

    async def set_modified_async(self, key: str, modified: datetime) -> None:
        await self._again_async(lambda: self._inner.set_modified_async(key, modified))

    async def set_storage_class_async(self, key: str, storage_class: str) -> PutResult:
        return await self._again_async(lambda: self._inner.set_storage_class_async(key, storage_class))

    async def parts_async(self, key: str, options: PutOptions | None = None, *, upload_id: str | None = None) -> PartWriter:
        writer = await self._again_async(
            lambda: self._inner.parts_async(key, options, upload_id=upload_id), again=upload_id is not None
        )
        return self._resilient_writer(writer)

    async def uploads_async(self, prefix: str = "") -> builtins.list[Upload]:
        return await self._again_async(lambda: self._inner.uploads_async(prefix))

    async def _again_async(self, call: AsyncCalling[T], *, again: bool = True) -> T:
        """Make a call, and repeat it if it may be."""
        return await _tried_async(self._trial(), call, again=again)


class WriterVerbs(ResilientWriterBase):
    """Every verb of a part writer; those that may be repeated are."""

    async def put_part_async(self, number: int, data: BytesLike) -> None:
        await _tried_async(self._store._trial(), lambda: self._inner.put_part_async(number, data))

    async def pour_part_async(self, number: int, chunks: AsyncSizedChunks) -> None:
        # chunks come once
        await _tried_async(self._store._trial(), lambda: self._inner.pour_part_async(number, chunks), again=False)

    async def copy_part_async(
        self, number: int, src: str, range: tuple[int, int], *, if_match: str | None = None, source: Store | None = None
    ) -> None:
        await _tried_async(
            self._store._trial(), lambda: self._inner.copy_part_async(number, src, range, if_match=if_match, source=source)
        )

    async def sent_async(self) -> dict[int, int]:
        return await _tried_async(self._store._trial(), self._inner.sent_async)

    async def complete_async(self, *, mode: PutMode | None = None, if_match: str | None = None) -> PutResult:
        return await _tried_async(
            self._store._trial(), lambda: self._inner.complete_async(mode=mode, if_match=if_match), again=False
        )

    async def abort_async(self) -> None:
        await _tried_async(self._store._trial(), self._inner.abort_async)


async def _tried_async(trial: Trial, call: AsyncCalling[T], *, again: bool = True) -> T:
    """Make a call as often as the trial says."""
    while True:
        trial.begin()
        try:
            answer = await call()
        except Exception as error:
            pause = trial.failed(error, again=again)
            if pause is None:
                raise
        else:
            trial.ended()
            return answer
        await sleep_async(pause)
