# Generated from _restricted_async.py by tools/twins.py: change that file, not this one.
"""The verbs of `RestrictedStore` that need a permission; the others are handed on."""

from __future__ import annotations

import builtins
from collections.abc import Iterable, Mapping
from datetime import datetime

from holdall.core.options import CopyMode, CopyOptions, PutOptions, SignOptions
from holdall.results import DeleteResult, PutResult, Upload
from holdall.sources import Source
from holdall.store import PartWriter, Store
from holdall.wrappers._permissions import RestrictedBase

__all__ = ["Verbs"]


class Verbs(RestrictedBase):
    """Writing and deleting, after a look at the permission."""

    def put(self, key: str, source: Source, options: PutOptions | None = None) -> PutResult:
        self._check_source(source)
        self._check("write", key)
        return self._inner.put(key, source, options)

    def delete(self, keys: str | Iterable[str], *, if_match: str | None = None) -> builtins.list[DeleteResult]:
        self._check("delete", *((keys,) if isinstance(keys, str) else keys if isinstance(keys, (list, tuple)) else ()))
        return self._inner.delete(keys, if_match=if_match)

    def copy(self, src: str, dst: str, options: CopyOptions | None = None, *, source: Store | None = None) -> PutResult:
        self._check("write", dst, src)
        return self._inner.copy(src, dst, options, source=source)

    def rename(self, src: str, dst: str, *, mode: CopyMode = "overwrite") -> None:
        self._check("delete", src, dst)
        self._inner.rename(src, dst, mode=mode)

    def sign(self, key: str, options: SignOptions | None = None) -> str:
        if options is not None and options.method != "GET":
            self._check("write", key)
        return self._inner.sign(key, options)

    def delete_version(self, key: str, version: str) -> None:
        self._check("delete", key)
        self._inner.delete_version(key, version)

    def restore(self, key: str, version: str) -> PutResult:
        self._check("write", key)
        return self._inner.restore(key, version)

    def set_tags(self, key: str, tags: Mapping[str, str]) -> None:
        self._check("write", key)
        self._inner.set_tags(key, tags)

    def set_metadata(self, key: str, metadata: Mapping[str, str], *, if_match: str | None = None) -> PutResult:
        self._check("write", key)
        return self._inner.set_metadata(key, metadata, if_match=if_match)

    def set_modified(self, key: str, modified: datetime) -> None:
        self._check("write", key)
        self._inner.set_modified(key, modified)

    def set_storage_class(self, key: str, storage_class: str) -> PutResult:
        self._check("write", key)
        return self._inner.set_storage_class(key, storage_class)

    def parts(self, key: str, options: PutOptions | None = None, *, upload_id: str | None = None) -> PartWriter:
        self._check("write", key)
        return self._inner.parts(key, options, upload_id=upload_id)

    def uploads(self, prefix: str = "") -> builtins.list[Upload]:
        self._check("write")
        return self._inner.uploads(prefix)
