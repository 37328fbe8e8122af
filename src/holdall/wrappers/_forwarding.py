# Generated from _forwarding_async.py by tools/twins.py: change that file, not this one.
"""The verbs of `ForwardingStore` and `ForwardingWriter`."""

from __future__ import annotations

import builtins
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime

from holdall.core.meta import ListPage, ObjectMeta, ObjectVersion
from holdall.core.options import CopyMode, CopyOptions, GetOptions, PutMode, PutOptions, SignOptions
from holdall.core.ranges import Coalesce
from holdall.results import DeleteResult, GetResult, PutResult, Upload
from holdall.sources import BytesLike, SizedChunks, Source
from holdall.store import PartWriter, Store
from holdall.wrappers._wrapper import Wrapper, WriterWrapper

__all__ = ["Verbs", "WriterVerbs"]


class Verbs(Wrapper):
    """Every verb, handed on."""

    def get(self, key: str, options: GetOptions | None = None) -> GetResult:
        return self._inner.get(key, options)

    def get_ranges(
        self, key: str, ranges: Sequence[tuple[int, int]], *, if_match: str | None = None, coalesce: Coalesce | None = None
    ) -> builtins.list[bytes]:
        return self._inner.get_ranges(key, ranges, if_match=if_match, coalesce=coalesce)

    def put(self, key: str, source: Source, options: PutOptions | None = None) -> PutResult:
        return self._inner.put(key, source, options)

    def head(self, key: str, *, version: str | None = None) -> ObjectMeta:
        return self._inner.head(key, version=version)

    def list(self, prefix: str = "", *, delimiter: str | None = None, start_after: str | None = None) -> Iterator[ListPage]:
        return self._inner.list(prefix, delimiter=delimiter, start_after=start_after)

    def delete(self, keys: str | Iterable[str], *, if_match: str | None = None) -> builtins.list[DeleteResult]:
        return self._inner.delete(keys, if_match=if_match)

    def copy(self, src: str, dst: str, options: CopyOptions | None = None, *, source: Store | None = None) -> PutResult:
        return self._inner.copy(src, dst, options, source=source)

    def rename(self, src: str, dst: str, *, mode: CopyMode = "overwrite") -> None:
        self._inner.rename(src, dst, mode=mode)

    def sign(self, key: str, options: SignOptions | None = None) -> str:
        return self._inner.sign(key, options)

    def versions(self, key: str) -> builtins.list[ObjectVersion]:
        return self._inner.versions(key)

    def delete_version(self, key: str, version: str) -> None:
        self._inner.delete_version(key, version)

    def restore(self, key: str, version: str) -> PutResult:
        return self._inner.restore(key, version)

    def tags(self, key: str, *, version: str | None = None) -> dict[str, str]:
        return self._inner.tags(key, version=version)

    def set_tags(self, key: str, tags: Mapping[str, str]) -> None:
        self._inner.set_tags(key, tags)

    def set_metadata(self, key: str, metadata: Mapping[str, str], *, if_match: str | None = None) -> PutResult:
        return self._inner.set_metadata(key, metadata, if_match=if_match)

    def set_modified(self, key: str, modified: datetime) -> None:
        self._inner.set_modified(key, modified)

    def set_storage_class(self, key: str, storage_class: str) -> PutResult:
        return self._inner.set_storage_class(key, storage_class)

    def parts(self, key: str, options: PutOptions | None = None, *, upload_id: str | None = None) -> PartWriter:
        return self._inner.parts(key, options, upload_id=upload_id)

    def uploads(self, prefix: str = "") -> builtins.list[Upload]:
        return self._inner.uploads(prefix)

    def close(self) -> None:
        self._inner.close()


class WriterVerbs(WriterWrapper):
    """Every verb of a part writer, handed on."""

    def put_part(self, number: int, data: BytesLike) -> None:
        self._inner.put_part(number, data)

    def pour_part(self, number: int, chunks: SizedChunks) -> None:
        self._inner.pour_part(number, chunks)

    def copy_part(
        self, number: int, src: str, range: tuple[int, int], *, if_match: str | None = None, source: Store | None = None
    ) -> None:
        self._inner.copy_part(number, src, range, if_match=if_match, source=source)

    def sent(self) -> dict[int, int]:
        return self._inner.sent()

    def complete(self, *, mode: PutMode | None = None, if_match: str | None = None) -> PutResult:
        return self._inner.complete(mode=mode, if_match=if_match)

    def abort(self) -> None:
        self._inner.abort()
