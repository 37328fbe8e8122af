"""Listing object stores: literal prefixes pushed to the service, lazily, page by page.

Obstore lists by whole segments, takes a ``d/`` marker for an object ``d``, and fails on a page with an odd key in it. Where a
side channel is at hand, the listing goes there. Else: a literal prefix becomes the segment above it and an offset just
below it, and what may be a marker (an empty object) is asked for by its name.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import TYPE_CHECKING, Any

import obstore

from holdall._concurrency import gather_async, run_async
from holdall.core.keys import RESERVED, ReservedKey, is_reserved
from holdall.core.meta import ListPage, ObjectMeta
from holdall.drivers.objects_errors import FAILURES, facts_of, failure, masked
from holdall.drivers.objects_offsets import offset_of
from holdall.drivers.objects_reading_async import timed_async
from holdall.drivers.objects_values import meta_of
from holdall.errors import HoldallError, NotSupportedError

if TYPE_CHECKING:
    from holdall.drivers.objects_store import ObstoreStore

__all__ = ["pages_async"]

PAGE = 1000


async def pages_async(
    store: ObstoreStore, prefix: str, *, delimiter: str | None, start_after: str | None
) -> AsyncIterator[ListPage]:
    """List page by page. See `Store.list`."""
    full = store.below(prefix)
    if store.unready:
        await run_async(store.make_ready)
    if delimiter not in {None, "/"}:
        raise ValueError(f"only '/' groups, not {delimiter!r}")
    after = store.prefix + start_after if start_after else None
    if store.lists_aside:
        pages = _aside_async(store, full, delimiter, after)
    elif delimiter is None:
        pages = _flat_async(store, full, after)
    else:
        pages = _grouped_async(store, full)
    hidden = not isinstance(prefix, ReservedKey)
    async for page in pages:
        objects = [
            meta
            for meta in page.objects
            if meta.key and not (start_after and meta.key <= start_after) and not (hidden and is_reserved(meta.key))
        ]
        prefixes = [
            text
            for text in page.prefixes
            if not (start_after and text <= start_after) and not (hidden and is_reserved(text))
        ]
        if objects or prefixes:
            yield ListPage(objects, prefixes)


async def _aside_async(store: ObstoreStore, full: str, delimiter: str | None, after: str | None) -> AsyncIterator[ListPage]:
    side, cut = store.side("list"), len(store.prefix)
    mark: str | None = None
    while True:
        page, mark = await run_async(lambda mark=mark: side.page(full, delimiter, after, mark, cut))  # type: ignore[misc]
        yield page
        if mark is None:
            return
        store.check_open()


async def _flat_async(store: ObstoreStore, full: str, after: str | None) -> AsyncIterator[ListPage]:
    parent = full.rpartition("/")[0]
    ordered = store.capabilities.ordered
    try:
        stream = obstore.list(store.native, prefix=parent or None, offset=offset_of(full, after), chunk_size=PAGE)
        async for chunk in stream:
            found: list[Any] = []
            passed = False
            for item in chunk:
                path = item["path"]
                if path.startswith(full) or (store.flat and f"{path}/" == full):
                    found.append(item)
                elif ordered and path > full:
                    passed = True
                    break
            if found:
                yield ListPage(await _described_async(store, found, full))
            if passed:
                return
    except FAILURES as error:
        raise await _list_failed_async(store, full, error) from masked(error)


async def _grouped_async(store: ObstoreStore, full: str) -> AsyncIterator[ListPage]:
    parent, cut = full.rpartition("/")[0], len(store.prefix)
    try:
        native = await obstore.list_with_delimiter_async(store.native, prefix=parent or None)
    except FAILURES as error:
        raise await _list_failed_async(store, full, error) from masked(error)
    prefixes = [f"{path}/"[cut:] for path in native["common_prefixes"] if f"{path}/".startswith(full)]
    found = [m for m in native["objects"] if m["path"].startswith(full) or (store.flat and f"{m['path']}/" == full)]
    for start in range(0, max(len(found), len(prefixes)), PAGE):
        objects = await _described_async(store, found[start : start + PAGE], full)
        yield ListPage(objects, prefixes[start : start + PAGE])


async def _described_async(store: ObstoreStore, found: list[Any], full: str) -> list[ObjectMeta]:
    """Return descriptions with true keys: which of the empty objects are markers is asked, as obstore cut their slash."""
    cut = len(store.prefix)
    doubtful: list[int] = []
    metas: list[ObjectMeta] = []
    seen: set[str] = set()
    for item in found:
        path = item["path"]
        if store.flat and (f"{path}/" == full or path in seen):
            metas.append(meta_of(f"{path}/"[cut:] or "/", item))
            continue
        seen.add(path)
        if store.flat and item["size"] == 0:
            doubtful.append(len(metas))
        metas.append(meta_of(path[cut:], item))
    if doubtful:
        exist = await gather_async([lambda i=i: _exists_async(store, found[i]["path"]) for i in doubtful])  # type: ignore[misc]
        for i, there in zip(doubtful, exist, strict=True):
            if not there:
                metas[i] = meta_of(f"{metas[i].key}/", found[i])
    return [meta for meta in metas if meta.key != "/"]


async def _exists_async(store: ObstoreStore, path: str) -> bool:
    try:
        await obstore.head_async(store.native, path)
    except FAILURES as error:
        if facts_of(error).answer == "not_found":
            return False
        raise
    return True


async def _list_failed_async(store: ObstoreStore, full: str, error: Exception) -> HoldallError:
    facts = facts_of(error)
    if facts.answer == "path":
        return NotSupportedError(
            f"cannot list: there is a key among these that obstore cannot read ('//' or a control character){store.remedy}",
            store=store,
        )
    facts = await timed_async(store, facts, full.rstrip("/") or RESERVED)
    return failure(facts, verb="list", store=store, place=store.place)
