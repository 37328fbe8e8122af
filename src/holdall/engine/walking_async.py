"""Listings as one sorted stream of files and empty directories, and two of them side by side.

A listing is drawn page by page and never held, unless the store cannot list in order: then it is collected and sorted.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence

from holdall.core.meta import ListPage, ObjectMeta
from holdall.engine.colours import closed_async
from holdall.store import Store

__all__ = ["Batch", "Pair", "pairs_async", "walk_async"]

Batch = Sequence[ObjectMeta]
Pair = tuple[ObjectMeta | None, ObjectMeta | None]


def merged(page: ListPage, prefix: str) -> list[ObjectMeta]:
    """Return a page's objects with its empty directories among them; the prefix itself is left out."""
    found = list(page.objects)
    if page.prefixes:
        found += [ObjectMeta(key=name, size=0, kind="directory") for name in page.prefixes]
        found.sort(key=_key)
    return [meta for meta in found if meta.key != prefix] if any(meta.key == prefix for meta in found[:1]) else found


def _key(meta: ObjectMeta) -> str:
    return meta.key


async def walk_async(store: Store, prefix: str) -> AsyncIterator[Batch]:
    """Yield what lies below a prefix in key order, in batches: files, and empty directories as keys ending with ``/``."""
    async with closed_async(store.list_async(prefix)) as pages:
        if store.capabilities.ordered:
            async for page in pages:
                yield merged(page, prefix)
        else:
            found = [meta async for page in pages for meta in merged(page, prefix)]
            yield sorted(found, key=_key)


async def pairs_async(
    source: AsyncIterator[Batch], start: int, target: AsyncIterator[Batch], skip: int
) -> AsyncIterator[Pair]:
    """Merge two walks by relative path. An empty directory of the target that the source fills is passed over.

    Args:
        source: One walk.
        start: Length of its prefix.
        target: The other walk.
        skip: Length of its prefix.
    """
    others = _singly_async(target)
    other = await anext(others, None)
    async for batch in source:
        for meta in batch:
            path = meta.key[start:]
            while other is not None and other.key[skip:] < path:
                if not (other.kind == "directory" and path.startswith(other.key[skip:])):
                    yield None, other
                other = await anext(others, None)
            if other is not None and other.key[skip:] == path:
                yield meta, other
                other = await anext(others, None)
            else:
                yield meta, None
    while other is not None:
        yield None, other
        other = await anext(others, None)


async def _singly_async(batches: AsyncIterator[Batch]) -> AsyncIterator[ObjectMeta]:
    async for batch in batches:
        for meta in batch:
            yield meta
