"""The verbs of `ForwardingStore` and `ForwardingWriter`."""

from __future__ import annotations

import builtins
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from datetime import datetime

from holdall.core.meta import ListPage, ObjectMeta, ObjectVersion
from holdall.core.options import CopyMode, CopyOptions, GetOptions, PutMode, PutOptions, SignOptions
from holdall.core.ranges import Coalesce
from holdall.results import DeleteResult, GetResult, PutResult, Upload
from holdall.sources import AsyncSizedChunks, AsyncSource, BytesLike
from holdall.store import PartWriter, Store
from holdall.wrappers._wrapper import Wrapper, WriterWrapper

__all__ = ["Verbs", "WriterVerbs"]


class Verbs(Wrapper):
    """Every verb, handed on."""

    async def get_async(self, key: str, options: GetOptions | None = None) -> GetResult:
        return await self._inner.get_async(key, options)

    async def get_ranges_async(
        self, key: str, ranges: Sequence[tuple[int, int]], *, if_match: str | None = None, coalesce: Coalesce | None = None
    ) -> builtins.list[bytes]:
        return await self._inner.get_ranges_async(key, ranges, if_match=if_match, coalesce=coalesce)

    async def put_async(self, key: str, source: AsyncSource, options: PutOptions | None = None) -> PutResult:
        return await self._inner.put_async(key, source, options)

    async def head_async(self, key: str, *, version: str | None = None) -> ObjectMeta:
        return await self._inner.head_async(key, version=version)

    def list_async(
        self, prefix: str = "", *, delimiter: str | None = None, start_after: str | None = None
    ) -> AsyncIterator[ListPage]:
        return self._inner.list_async(prefix, delimiter=delimiter, start_after=start_after)

    async def delete_async(self, keys: str | Iterable[str], *, if_match: str | None = None) -> builtins.list[DeleteResult]:
        return await self._inner.delete_async(keys, if_match=if_match)

    async def copy_async(
        self, src: str, dst: str, options: CopyOptions | None = None, *, source: Store | None = None
    ) -> PutResult:
        return await self._inner.copy_async(src, dst, options, source=source)

    async def rename_async(self, src: str, dst: str, *, mode: CopyMode = "overwrite") -> None:
        await self._inner.rename_async(src, dst, mode=mode)

    async def sign_async(self, key: str, options: SignOptions | None = None) -> str:
        return await self._inner.sign_async(key, options)

    async def versions_async(self, key: str) -> builtins.list[ObjectVersion]:
        return await self._inner.versions_async(key)

    async def delete_version_async(self, key: str, version: str) -> None:
        await self._inner.delete_version_async(key, version)

    async def restore_async(self, key: str, version: str) -> PutResult:
        return await self._inner.restore_async(key, version)

    async def tags_async(self, key: str, *, version: str | None = None) -> dict[str, str]:
        return await self._inner.tags_async(key, version=version)

    async def set_tags_async(self, key: str, tags: Mapping[str, str]) -> None:
        await self._inner.set_tags_async(key, tags)

    async def set_metadata_async(self, key: str, metadata: Mapping[str, str], *, if_match: str | None = None) -> PutResult:
        return await self._inner.set_metadata_async(key, metadata, if_match=if_match)

    async def set_modified_async(self, key: str, modified: datetime) -> None:
        await self._inner.set_modified_async(key, modified)

    async def set_storage_class_async(self, key: str, storage_class: str) -> PutResult:
        return await self._inner.set_storage_class_async(key, storage_class)

    async def parts_async(self, key: str, options: PutOptions | None = None, *, upload_id: str | None = None) -> PartWriter:
        return await self._inner.parts_async(key, options, upload_id=upload_id)

    async def uploads_async(self, prefix: str = "") -> builtins.list[Upload]:
        return await self._inner.uploads_async(prefix)

    async def close_async(self) -> None:
        await self._inner.close_async()


class WriterVerbs(WriterWrapper):
    """Every verb of a part writer, handed on."""

    async def put_part_async(self, number: int, data: BytesLike) -> None:
        await self._inner.put_part_async(number, data)

    async def pour_part_async(self, number: int, chunks: AsyncSizedChunks) -> None:
        await self._inner.pour_part_async(number, chunks)

    async def copy_part_async(
        self, number: int, src: str, range: tuple[int, int], *, if_match: str | None = None, source: Store | None = None
    ) -> None:
        await self._inner.copy_part_async(number, src, range, if_match=if_match, source=source)

    async def sent_async(self) -> dict[int, int]:
        return await self._inner.sent_async()

    async def complete_async(self, *, mode: PutMode | None = None, if_match: str | None = None) -> PutResult:
        return await self._inner.complete_async(mode=mode, if_match=if_match)

    async def abort_async(self) -> None:
        await self._inner.abort_async()
