# Generated from _around_async.py by tools/twins.py: change that file, not this one.
"""The verbs of a store that does something around each of them."""

from __future__ import annotations

import builtins
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from functools import partial

from holdall.core.meta import ListPage, ObjectMeta, ObjectVersion
from holdall.core.options import CopyMode, CopyOptions, GetOptions, PutMode, PutOptions, SignOptions
from holdall.core.ranges import Coalesce
from holdall.results import DeleteResult, GetResult, PutResult, Upload
from holdall.sources import BytesLike, SizedChunks, Source
from holdall.store import PartWriter, Store
from holdall.wrappers._call import AroundBase, AroundWriterBase, Call

__all__ = ["Verbs", "WriterVerbs"]


class Verbs(AroundBase):
    """Every verb, inside a call."""

    def get(self, key: str, options: GetOptions | None = None) -> GetResult:
        with self._call("get", key) as call:
            result = self._inner.get(key, options)
            if result.buffered:
                call.read(result.size)
                return result
            call.expect_bytes()
        return GetResult(
            result.meta,
            _chunks(result, call),
            range=result.range,
            close=partial(_close, result, call),
            tags=result.tags,
        )

    def get_ranges(
        self, key: str, ranges: Sequence[tuple[int, int]], *, if_match: str | None = None, coalesce: Coalesce | None = None
    ) -> builtins.list[bytes]:
        with self._call("get_ranges", key) as call:
            blocks = self._inner.get_ranges(key, ranges, if_match=if_match, coalesce=coalesce)
            call.read(sum(map(len, blocks)))
            return blocks

    def put(self, key: str, source: Source, options: PutOptions | None = None) -> PutResult:
        with self._call("put", key) as call:
            result = self._inner.put(key, source, options)
            call.wrote(result.size)
            return result

    def head(self, key: str, *, version: str | None = None) -> ObjectMeta:
        with self._call("head", key):
            return self._inner.head(key, version=version)

    def list(self, prefix: str = "", *, delimiter: str | None = None, start_after: str | None = None) -> Iterator[ListPage]:
        call = self._call("list", prefix)
        call.expect_pages()
        try:
            pages = self._inner.list(prefix, delimiter=delimiter, start_after=start_after)
        except BaseException as error:
            call.end(error)
            raise
        return _pages(pages, call)

    def delete(self, keys: str | Iterable[str], *, if_match: str | None = None) -> builtins.list[DeleteResult]:
        with self._call("delete", keys if isinstance(keys, str) else None):
            return self._inner.delete(keys, if_match=if_match)

    def copy(self, src: str, dst: str, options: CopyOptions | None = None, *, source: Store | None = None) -> PutResult:
        with self._call("copy", dst):
            return self._inner.copy(src, dst, options, source=source)

    def rename(self, src: str, dst: str, *, mode: CopyMode = "overwrite") -> None:
        with self._call("rename", src):
            self._inner.rename(src, dst, mode=mode)

    def sign(self, key: str, options: SignOptions | None = None) -> str:
        with self._call("sign", key):
            return self._inner.sign(key, options)

    def versions(self, key: str) -> builtins.list[ObjectVersion]:
        with self._call("versions", key):
            return self._inner.versions(key)

    def delete_version(self, key: str, version: str) -> None:
        with self._call("delete_version", key):
            self._inner.delete_version(key, version)

    def restore(self, key: str, version: str) -> PutResult:
        with self._call("restore", key):
            return self._inner.restore(key, version)

    def tags(self, key: str, *, version: str | None = None) -> dict[str, str]:
        with self._call("tags", key):
            return self._inner.tags(key, version=version)

    def set_tags(self, key: str, tags: Mapping[str, str]) -> None:
        with self._call("set_tags", key):
            self._inner.set_tags(key, tags)

    def set_metadata(self, key: str, metadata: Mapping[str, str], *, if_match: str | None = None) -> PutResult:
        with self._call("set_metadata", key):
            return self._inner.set_metadata(key, metadata, if_match=if_match)

    def set_modified(self, key: str, modified: datetime) -> None:
        with self._call("set_modified", key):
            self._inner.set_modified(key, modified)

    def set_storage_class(self, key: str, storage_class: str) -> PutResult:
        with self._call("set_storage_class", key):
            return self._inner.set_storage_class(key, storage_class)

    def parts(self, key: str, options: PutOptions | None = None, *, upload_id: str | None = None) -> PartWriter:
        with self._call("parts", key):
            return self._around_writer(self._inner.parts(key, options, upload_id=upload_id))

    def uploads(self, prefix: str = "") -> builtins.list[Upload]:
        with self._call("uploads", prefix):
            return self._inner.uploads(prefix)


class WriterVerbs(AroundWriterBase):
    """Every verb of a part writer, inside a call."""

    def put_part(self, number: int, data: BytesLike) -> None:
        with self._call("put_part") as call:
            self._inner.put_part(number, data)
            call.wrote(memoryview(data).nbytes)

    def pour_part(self, number: int, chunks: SizedChunks) -> None:
        with self._call("put_part") as call:
            self._inner.pour_part(number, chunks)
            call.wrote(chunks.size)

    def copy_part(
        self, number: int, src: str, range: tuple[int, int], *, if_match: str | None = None, source: Store | None = None
    ) -> None:
        with self._call("copy_part"):
            self._inner.copy_part(number, src, range, if_match=if_match, source=source)

    def sent(self) -> dict[int, int]:
        with self._call("sent"):
            return self._inner.sent()

    def complete(self, *, mode: PutMode | None = None, if_match: str | None = None) -> PutResult:
        with self._call("complete"):
            return self._inner.complete(mode=mode, if_match=if_match)

    def abort(self) -> None:
        with self._call("abort"):
            self._inner.abort()


def _chunks(result: GetResult, call: Call) -> Iterator[bytes]:
    chunks = iter(result)
    try:
        while True:
            with call:
                chunk = next(chunks, None)
            if chunk is None:
                break
            call.read(len(chunk))
            yield chunk
    finally:
        call.end()
        result.close()


def _pages(pages: Iterator[ListPage], call: Call) -> Iterator[ListPage]:
    try:
        while True:
            with call:
                page = next(pages, None)
            if page is None:
                break
            yield page
    finally:
        call.end()
        close = getattr(pages, "close", None)
        if close is not None:
            close()


def _close(result: GetResult, call: Call) -> None:
    call.end()
    result.close()
