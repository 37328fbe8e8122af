# Generated from objects_listing_async.py by tools/twins.py: change that file, not this one.
"""Listing object stores: literal prefixes pushed to the service, lazily, page by page.

Obstore lists by whole segments, takes a ``d/`` marker for an object ``d``, and fails on a page with an odd key in it. Where a
side channel is at hand, the listing goes there. Else: a literal prefix becomes the segment above it and an offset just
below it, and what may be a marker (an empty object) is asked for by its name.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import obstore

from holdall._concurrency import gather, run
from holdall.core.keys import RESERVED, ReservedKey, is_reserved
from holdall.core.meta import ListPage, ObjectMeta
from holdall.drivers.objects_errors import FAILURES, facts_of, failure, masked
from holdall.drivers.objects_offsets import offset_of
from holdall.drivers.objects_reading import timed
from holdall.drivers.objects_values import meta_of
from holdall.errors import HoldallError, NotSupportedError

if TYPE_CHECKING:
    from holdall.drivers.objects_store import ObstoreStore

__all__ = ["pages"]

PAGE = 1000


def pages(store: ObstoreStore, prefix: str, *, delimiter: str | None, start_after: str | None) -> Iterator[ListPage]:
    """List page by page. See `Store.list`."""
    full = store.below(prefix)
    if store.unready:
        run(store.make_ready)
    if delimiter not in {None, "/"}:
        raise ValueError(f"only '/' groups, not {delimiter!r}")
    after = store.prefix + start_after if start_after else None
    if store.lists_aside:
        pages = _aside(store, full, delimiter, after)
    elif delimiter is None:
        pages = _flat(store, full, after)
    else:
        pages = _grouped(store, full)
    hidden = not isinstance(prefix, ReservedKey)
    for page in pages:
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


def _aside(store: ObstoreStore, full: str, delimiter: str | None, after: str | None) -> Iterator[ListPage]:
    side, cut = store.side("list"), len(store.prefix)
    mark: str | None = None
    while True:
        page, mark = run(lambda mark=mark: side.page(full, delimiter, after, mark, cut))  # type: ignore[misc]
        yield page
        if mark is None:
            return
        store.check_open()


def _flat(store: ObstoreStore, full: str, after: str | None) -> Iterator[ListPage]:
    parent = full.rpartition("/")[0]
    ordered = store.capabilities.ordered
    try:
        stream = obstore.list(store.native, prefix=parent or None, offset=offset_of(full, after), chunk_size=PAGE)
        for chunk in stream:
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
                yield ListPage(_described(store, found, full))
            if passed:
                return
    except FAILURES as error:
        raise _list_failed(store, full, error) from masked(error)


def _grouped(store: ObstoreStore, full: str) -> Iterator[ListPage]:
    parent, cut = full.rpartition("/")[0], len(store.prefix)
    try:
        native = obstore.list_with_delimiter(store.native, prefix=parent or None)
    except FAILURES as error:
        raise _list_failed(store, full, error) from masked(error)
    prefixes = [f"{path}/"[cut:] for path in native["common_prefixes"] if f"{path}/".startswith(full)]
    found = [m for m in native["objects"] if m["path"].startswith(full) or (store.flat and f"{m['path']}/" == full)]
    for start in range(0, max(len(found), len(prefixes)), PAGE):
        objects = _described(store, found[start : start + PAGE], full)
        yield ListPage(objects, prefixes[start : start + PAGE])


def _described(store: ObstoreStore, found: list[Any], full: str) -> list[ObjectMeta]:
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
        exist = gather([lambda i=i: _exists(store, found[i]["path"]) for i in doubtful])  # type: ignore[misc]
        for i, there in zip(doubtful, exist, strict=True):
            if not there:
                metas[i] = meta_of(f"{metas[i].key}/", found[i])
    return [meta for meta in metas if meta.key != "/"]


def _exists(store: ObstoreStore, path: str) -> bool:
    try:
        obstore.head(store.native, path)
    except FAILURES as error:
        if facts_of(error).answer == "not_found":
            return False
        raise
    return True


def _list_failed(store: ObstoreStore, full: str, error: Exception) -> HoldallError:
    facts = facts_of(error)
    if facts.answer == "path":
        return NotSupportedError(
            f"cannot list: there is a key among these that obstore cannot read ('//' or a control character){store.remedy}",
            store=store,
        )
    facts = timed(store, facts, full.rstrip("/") or RESERVED)
    return failure(facts, verb="list", store=store, place=store.place)
