# Generated from walking_async.py by tools/twins.py: change that file, not this one.
"""Listings as one sorted stream of files and empty directories, and two of them side by side.

A listing is drawn page by page and never held, unless the store cannot list in order: then it is collected and sorted.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from holdall.core.meta import ListPage, ObjectMeta
from holdall.engine.colours import closed
from holdall.store import Store

__all__ = ["Batch", "Pair", "pairs", "walk"]

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


def walk(store: Store, prefix: str) -> Iterator[Batch]:
    """Yield what lies below a prefix in key order, in batches: files, and empty directories as keys ending with ``/``."""
    with closed(store.list(prefix)) as pages:
        if store.capabilities.ordered:
            for page in pages:
                yield merged(page, prefix)
        else:
            found = [meta for page in pages for meta in merged(page, prefix)]
            yield sorted(found, key=_key)


def pairs(source: Iterator[Batch], start: int, target: Iterator[Batch], skip: int) -> Iterator[Pair]:
    """Merge two walks by relative path. An empty directory of the target that the source fills is passed over.

    Args:
        source: One walk.
        start: Length of its prefix.
        target: The other walk.
        skip: Length of its prefix.
    """
    others = _singly(target)
    other = next(others, None)
    for batch in source:
        for meta in batch:
            path = meta.key[start:]
            while other is not None and other.key[skip:] < path:
                if not (other.kind == "directory" and path.startswith(other.key[skip:])):
                    yield None, other
                other = next(others, None)
            if other is not None and other.key[skip:] == path:
                yield meta, other
                other = next(others, None)
            else:
                yield meta, None
    while other is not None:
        yield None, other
        other = next(others, None)


def _singly(batches: Iterator[Batch]) -> Iterator[ObjectMeta]:
    for batch in batches:
        yield from batch
