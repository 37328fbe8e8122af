"""A bucket that is made when a first request finds that there is none: nothing is asked before that, and nothing where it is there."""

from __future__ import annotations

import builtins
from collections.abc import AsyncGenerator, Callable, Coroutine, Generator, Iterable
from contextlib import aclosing, closing
from functools import partial
from typing import TYPE_CHECKING, Any

from holdall._concurrency import run_async
from holdall.core.meta import ListPage
from holdall.core.options import PutOptions
from holdall.errors import MissingPlaceError
from holdall.results import DeleteResult, PutResult
from holdall.sources import AsyncSource, Source

if TYPE_CHECKING:
    from holdall.drivers.s3 import S3Store

__all__ = ["MissedBucket"]

_TELLING = (
    *("get", "head", "copy", "tags", "set_tags", "set_metadata", "set_storage_class"),
    *("versions", "delete_version", "restore", "uploads"),
)
"""Verbs that have met the bucket when they return."""
_SILENT = ("parts", "probe")
"""Verbs that may return without a request."""


class MissedBucket:
    """Verbs of a store that make its bucket where they miss it, and do then what they were asked for again.

    They stand before those of the class until one of them has met the bucket: from then on nothing is between these and a caller. What
    can be read only once cannot be sent again: such a source has the bucket made first.

    Args:
        store: Whose verbs are to do so.
    """

    def __init__(self, store: S3Store) -> None:
        self._store = store
        self._put, self._put_async = store.put, store.put_async
        self._list, self._list_async = store.list, store.list_async
        self._delete, self._delete_async = store.delete, store.delete_async
        verbs: dict[str, Any] = {}
        for names, asked, asked_async in ((_TELLING, self._met, self._met_async), (_SILENT, self._asked, self._asked_async)):
            verbs |= {name: partial(asked, getattr(store, name)) for name in names}
            verbs |= {f"{name}_async": partial(asked_async, getattr(store, f"{name}_async")) for name in names}
        for name in ("put", "list", "delete"):
            verbs |= {name: getattr(self, name), f"{name}_async": getattr(self, f"{name}_async")}
        self._verbs = verbs
        vars(store).update(verbs)

    def _step_aside(self) -> None:
        """Give the verbs of the class way: the bucket is there."""
        held = vars(self._store)
        for name, verb in self._verbs.items():
            if held.get(name) is verb:
                held.pop(name, None)

    def _asked(self, verb: Callable[..., Any], *given: Any, **named: Any) -> Any:
        try:
            answer = verb(*given, **named)
            _check(answer)
        except MissingPlaceError:
            self._store.make_bucket()
            answer = verb(*given, **named)
        return answer

    async def _asked_async(self, verb: Callable[..., Coroutine[Any, Any, Any]], *given: Any, **named: Any) -> Any:
        try:
            answer = await verb(*given, **named)
            _check(answer)
        except MissingPlaceError:
            await run_async(self._store.make_bucket)
            answer = await verb(*given, **named)
        return answer

    def _met(self, verb: Callable[..., Any], *given: Any, **named: Any) -> Any:
        answer = self._asked(verb, *given, **named)
        self._step_aside()
        return answer

    async def _met_async(self, verb: Callable[..., Coroutine[Any, Any, Any]], *given: Any, **named: Any) -> Any:
        answer = await self._asked_async(verb, *given, **named)
        self._step_aside()
        return answer

    def delete(self, keys: str | Iterable[str], *, if_match: str | None = None) -> builtins.list[DeleteResult]:
        """Delete one key or many. See `Store.delete`."""
        keys = keys if isinstance(keys, str) else builtins.list(keys)
        answer: builtins.list[DeleteResult] = self._asked(self._delete, keys, if_match=if_match)
        if any(result.error is None for result in answer):
            self._step_aside()
        return answer

    async def delete_async(self, keys: str | Iterable[str], *, if_match: str | None = None) -> builtins.list[DeleteResult]:
        """Delete one key or many. See `Store.delete`."""
        keys = keys if isinstance(keys, str) else builtins.list(keys)
        answer: builtins.list[DeleteResult] = await self._asked_async(self._delete_async, keys, if_match=if_match)
        if any(result.error is None for result in answer):
            self._step_aside()
        return answer

    def put(self, key: str, source: Source, options: PutOptions | None = None) -> PutResult:
        """Write an object. See `Store.put`."""
        if not isinstance(source, (bytes, bytearray, memoryview)):
            self._store.make_bucket()
        answer: PutResult = self._met(self._put, key, source, options)
        return answer

    async def put_async(self, key: str, source: AsyncSource, options: PutOptions | None = None) -> PutResult:
        """Write an object. See `Store.put`."""
        if not isinstance(source, (bytes, bytearray, memoryview)):
            await run_async(self._store.make_bucket)
        answer: PutResult = await self._met_async(self._put_async, key, source, options)
        return answer

    def list(self, prefix: str = "", **named: Any) -> Generator[ListPage, None, None]:
        """List lazily, page by page. See `Store.list`."""
        pages: Any = self._list(prefix, **named)
        try:
            first = next(pages, None)
        except MissingPlaceError:
            self._store.make_bucket()
            pages, first = self._list(prefix, **named), None
        self._step_aside()
        with closing(pages):
            if first is not None:
                yield first
            yield from pages

    async def list_async(self, prefix: str = "", **named: Any) -> AsyncGenerator[ListPage, None]:
        """List lazily, page by page. See `Store.list`."""
        pages: Any = self._list_async(prefix, **named)
        try:
            first = await anext(pages, None)
        except MissingPlaceError:
            await run_async(self._store.make_bucket)
            pages, first = self._list_async(prefix, **named), None
        self._step_aside()
        async with aclosing(pages):
            if first is not None:
                yield first
            async for page in pages:
                yield page


def _check(answer: Any) -> None:
    """Raise where a deletion of many keys, which raises nothing, has missed the bucket."""
    if isinstance(answer, list):
        for result in answer:
            error = getattr(result, "error", None)
            if isinstance(error, MissingPlaceError):
                raise error
