"""A bucket that is made when a first request finds that there is none: nothing is asked before that, and nothing where it is there."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Coroutine, Generator
from contextlib import aclosing, closing
from functools import partial
from typing import TYPE_CHECKING, Any

from holdall._concurrency import run_async
from holdall.core.meta import ListPage
from holdall.core.options import PutOptions
from holdall.errors import MissingPlaceError
from holdall.results import PutResult
from holdall.sources import AsyncSource, Source

if TYPE_CHECKING:
    from holdall.drivers.s3 import S3Store

__all__ = ["MissedBucket"]

_PLAIN = (
    *("get", "head", "delete", "copy", "tags", "set_tags", "set_metadata", "set_storage_class"),
    *("versions", "delete_version", "restore", "parts", "uploads", "probe"),
)


class MissedBucket:
    """Verbs of a store that make its bucket where they miss it, and do then what they were asked for again.

    They stand before those of the class until one of them has met the bucket: from then on nothing is between these and a caller. What
    can be read only once cannot be sent again: such a source asks for the bucket first.

    Args:
        store: Whose verbs are to do so.
    """

    def __init__(self, store: S3Store) -> None:
        self._store = store
        self._put, self._put_async = store.put, store.put_async
        self._list, self._list_async = store.list, store.list_async
        verbs = {name: partial(self._asked, getattr(store, name)) for name in _PLAIN}
        verbs_async = {f"{name}_async": partial(self._asked_async, getattr(store, f"{name}_async")) for name in _PLAIN}
        ours = {"put": self.put, "put_async": self.put_async, "list": self.list, "list_async": self.list_async}
        self._verbs = {**verbs, **verbs_async, **ours}
        vars(store).update(self._verbs)

    def _met(self) -> None:
        for name in self._verbs:
            vars(self._store).pop(name, None)

    def _asked(self, verb: Callable[..., Any], *given: Any, **named: Any) -> Any:
        try:
            answer = verb(*given, **named)
            _check(answer)
        except MissingPlaceError:
            self._store.make_bucket()
            answer = verb(*given, **named)
        self._met()
        return answer

    async def _asked_async(self, verb: Callable[..., Coroutine[Any, Any, Any]], *given: Any, **named: Any) -> Any:
        try:
            answer = await verb(*given, **named)
            _check(answer)
        except MissingPlaceError:
            await run_async(self._store.make_bucket)
            answer = await verb(*given, **named)
        self._met()
        return answer

    def put(self, key: str, source: Source, options: PutOptions | None = None) -> PutResult:
        """Write an object. See `Store.put`."""
        if not isinstance(source, (bytes, bytearray, memoryview)):
            self._store.make_bucket()
        answer: PutResult = self._asked(self._put, key, source, options)
        return answer

    async def put_async(self, key: str, source: AsyncSource, options: PutOptions | None = None) -> PutResult:
        """Write an object. See `Store.put`."""
        if not isinstance(source, (bytes, bytearray, memoryview)):
            await run_async(self._store.make_bucket)
        answer: PutResult = await self._asked_async(self._put_async, key, source, options)
        return answer

    def list(self, prefix: str = "", **named: Any) -> Generator[ListPage, None, None]:
        """List lazily, page by page. See `Store.list`."""
        pages: Any = self._list(prefix, **named)
        try:
            first = next(pages, None)
        except MissingPlaceError:
            self._store.make_bucket()
            pages, first = self._list(prefix, **named), None
        self._met()
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
        self._met()
        async with aclosing(pages):
            if first is not None:
                yield first
            async for page in pages:
                yield page


def _check(answer: Any) -> None:
    """Raise where a deletion of many keys, which raises nothing, has missed the bucket."""
    if isinstance(answer, list):
        for result in answer:
            if isinstance(getattr(result, "error", None), MissingPlaceError):
                raise result.error
