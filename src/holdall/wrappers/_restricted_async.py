"""The verbs of `RestrictedStore` that need a permission; the others are handed on."""

from __future__ import annotations

import builtins
from collections.abc import Iterable, Mapping
from datetime import datetime

from holdall.core.options import CopyMode, CopyOptions, PutOptions, SignOptions
from holdall.results import DeleteResult, PutResult, Upload
from holdall.sources import AsyncSource
from holdall.store import PartWriter, Store
from holdall.wrappers._permissions import RestrictedBase

__all__ = ["Verbs"]


class Verbs(RestrictedBase):
    """Writing and deleting, after a look at the permission."""

    async def put_async(self, key: str, source: AsyncSource, options: PutOptions | None = None) -> PutResult:
        self._check_source_async(source)
        self._check("write", key)
        return await self._inner.put_async(key, source, options)

    async def delete_async(self, keys: str | Iterable[str], *, if_match: str | None = None) -> builtins.list[DeleteResult]:
        self._check("delete", *((keys,) if isinstance(keys, str) else keys if isinstance(keys, (list, tuple)) else ()))
        return await self._inner.delete_async(keys, if_match=if_match)

    async def copy_async(
        self, src: str, dst: str, options: CopyOptions | None = None, *, source: Store | None = None
    ) -> PutResult:
        self._check("write", dst, src)
        return await self._inner.copy_async(src, dst, options, source=source)

    async def rename_async(self, src: str, dst: str, *, mode: CopyMode = "overwrite") -> None:
        self._check("delete", src, dst)
        await self._inner.rename_async(src, dst, mode=mode)

    async def sign_async(self, key: str, options: SignOptions | None = None) -> str:
        if options is not None and options.method != "GET":
            self._check("write", key)
        return await self._inner.sign_async(key, options)

    async def delete_version_async(self, key: str, version: str) -> None:
        self._check("delete", key)
        await self._inner.delete_version_async(key, version)

    async def restore_async(self, key: str, version: str) -> PutResult:
        self._check("write", key)
        return await self._inner.restore_async(key, version)

    async def set_tags_async(self, key: str, tags: Mapping[str, str]) -> None:
        self._check("write", key)
        await self._inner.set_tags_async(key, tags)

    async def set_metadata_async(self, key: str, metadata: Mapping[str, str], *, if_match: str | None = None) -> PutResult:
        self._check("write", key)
        return await self._inner.set_metadata_async(key, metadata, if_match=if_match)

    async def set_modified_async(self, key: str, modified: datetime) -> None:
        self._check("write", key)
        await self._inner.set_modified_async(key, modified)

    async def set_storage_class_async(self, key: str, storage_class: str) -> PutResult:
        self._check("write", key)
        return await self._inner.set_storage_class_async(key, storage_class)

    async def parts_async(self, key: str, options: PutOptions | None = None, *, upload_id: str | None = None) -> PartWriter:
        self._check("write", key)
        return await self._inner.parts_async(key, options, upload_id=upload_id)

    async def uploads_async(self, prefix: str = "") -> builtins.list[Upload]:
        self._check("write")
        return await self._inner.uploads_async(prefix)
