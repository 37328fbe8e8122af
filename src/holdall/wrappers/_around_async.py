"""The verbs of a store that does something around each of them."""

from __future__ import annotations

import builtins
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from datetime import datetime
from functools import partial

from holdall.core.meta import ListPage, ObjectMeta, ObjectVersion
from holdall.core.options import CopyMode, CopyOptions, GetOptions, PutMode, PutOptions, SignOptions
from holdall.core.ranges import Coalesce
from holdall.results import DeleteResult, GetResult, PutResult, Upload
from holdall.sources import AsyncSizedChunks, AsyncSource, BytesLike
from holdall.store import PartWriter, Store
from holdall.wrappers._call import AroundBase, AroundWriterBase, Call

__all__ = ["Verbs", "WriterVerbs"]


class Verbs(AroundBase):
    """Every verb, inside a call."""

    async def get_async(self, key: str, options: GetOptions | None = None) -> GetResult:
        async with self._call("get", key) as call:
            result = await self._inner.get_async(key, options)
            if result.buffered:
                call.read(result.size)
                return result
            call.expect_bytes()
        return GetResult(
            result.meta,
            _chunks_async(result, call),
            range=result.range,
            close=partial(_close_async, result, call),
            tags=result.tags,
        )

    async def get_ranges_async(
        self, key: str, ranges: Sequence[tuple[int, int]], *, if_match: str | None = None, coalesce: Coalesce | None = None
    ) -> builtins.list[bytes]:
        async with self._call("get_ranges", key) as call:
            blocks = await self._inner.get_ranges_async(key, ranges, if_match=if_match, coalesce=coalesce)
            call.read(sum(map(len, blocks)))
            return blocks

    async def put_async(self, key: str, source: AsyncSource, options: PutOptions | None = None) -> PutResult:
        async with self._call("put", key) as call:
            result = await self._inner.put_async(key, source, options)
            call.wrote(result.size)
            return result

    async def head_async(self, key: str, *, version: str | None = None) -> ObjectMeta:
        async with self._call("head", key):
            return await self._inner.head_async(key, version=version)

    def list_async(
        self, prefix: str = "", *, delimiter: str | None = None, start_after: str | None = None
    ) -> AsyncIterator[ListPage]:
        call = self._call("list", prefix)
        call.expect_pages()
        try:
            pages = self._inner.list_async(prefix, delimiter=delimiter, start_after=start_after)
        except BaseException as error:
            call.end(error)
            raise
        return _pages_async(pages, call)

    async def delete_async(self, keys: str | Iterable[str], *, if_match: str | None = None) -> builtins.list[DeleteResult]:
        async with self._call("delete", keys if isinstance(keys, str) else None):
            return await self._inner.delete_async(keys, if_match=if_match)

    async def copy_async(
        self, src: str, dst: str, options: CopyOptions | None = None, *, source: Store | None = None
    ) -> PutResult:
        async with self._call("copy", dst):
            return await self._inner.copy_async(src, dst, options, source=source)

    async def rename_async(self, src: str, dst: str, *, mode: CopyMode = "overwrite") -> None:
        async with self._call("rename", src):
            await self._inner.rename_async(src, dst, mode=mode)

    async def sign_async(self, key: str, options: SignOptions | None = None) -> str:
        async with self._call("sign", key):
            return await self._inner.sign_async(key, options)

    async def versions_async(self, key: str) -> builtins.list[ObjectVersion]:
        async with self._call("versions", key):
            return await self._inner.versions_async(key)

    async def delete_version_async(self, key: str, version: str) -> None:
        async with self._call("delete_version", key):
            await self._inner.delete_version_async(key, version)

    async def restore_async(self, key: str, version: str) -> PutResult:
        async with self._call("restore", key):
            return await self._inner.restore_async(key, version)

    async def tags_async(self, key: str, *, version: str | None = None) -> dict[str, str]:
        async with self._call("tags", key):
            return await self._inner.tags_async(key, version=version)

    async def set_tags_async(self, key: str, tags: Mapping[str, str]) -> None:
        async with self._call("set_tags", key):
            await self._inner.set_tags_async(key, tags)

    async def set_metadata_async(self, key: str, metadata: Mapping[str, str], *, if_match: str | None = None) -> PutResult:
        async with self._call("set_metadata", key):
            return await self._inner.set_metadata_async(key, metadata, if_match=if_match)

    async def set_modified_async(self, key: str, modified: datetime) -> None:
        async with self._call("set_modified", key):
            await self._inner.set_modified_async(key, modified)

    async def set_storage_class_async(self, key: str, storage_class: str) -> PutResult:
        async with self._call("set_storage_class", key):
            return await self._inner.set_storage_class_async(key, storage_class)

    async def parts_async(self, key: str, options: PutOptions | None = None, *, upload_id: str | None = None) -> PartWriter:
        async with self._call("parts", key):
            return self._around_writer(await self._inner.parts_async(key, options, upload_id=upload_id))

    async def uploads_async(self, prefix: str = "") -> builtins.list[Upload]:
        async with self._call("uploads", prefix):
            return await self._inner.uploads_async(prefix)


class WriterVerbs(AroundWriterBase):
    """Every verb of a part writer, inside a call."""

    async def put_part_async(self, number: int, data: BytesLike) -> None:
        async with self._call("put_part") as call:
            await self._inner.put_part_async(number, data)
            call.wrote(memoryview(data).nbytes)

    async def pour_part_async(self, number: int, chunks: AsyncSizedChunks) -> None:
        async with self._call("put_part") as call:
            await self._inner.pour_part_async(number, chunks)
            call.wrote(chunks.size)

    async def copy_part_async(
        self, number: int, src: str, range: tuple[int, int], *, if_match: str | None = None, source: Store | None = None
    ) -> None:
        async with self._call("copy_part"):
            await self._inner.copy_part_async(number, src, range, if_match=if_match, source=source)

    async def sent_async(self) -> dict[int, int]:
        async with self._call("sent"):
            return await self._inner.sent_async()

    async def complete_async(self, *, mode: PutMode | None = None, if_match: str | None = None) -> PutResult:
        async with self._call("complete"):
            return await self._inner.complete_async(mode=mode, if_match=if_match)

    async def abort_async(self) -> None:
        async with self._call("abort"):
            await self._inner.abort_async()


async def _chunks_async(result: GetResult, call: Call) -> AsyncIterator[bytes]:
    chunks = aiter(result)
    try:
        while True:
            async with call:
                chunk = await anext(chunks, None)
            if chunk is None:
                break
            call.read(len(chunk))
            yield chunk
    finally:
        call.end()
        await result.close_async()


async def _pages_async(pages: AsyncIterator[ListPage], call: Call) -> AsyncIterator[ListPage]:
    try:
        while True:
            async with call:
                page = await anext(pages, None)
            if page is None:
                break
            yield page
    finally:
        call.end()
        close = getattr(pages, "aclose", None)
        if close is not None:
            await close()


async def _close_async(result: GetResult, call: Call) -> None:
    call.end()
    await result.close_async()
