"""Reading from object stores: `get` and `head`, by obstore where it can, by the side channel where it cannot."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from time import monotonic
from typing import TYPE_CHECKING, Any

import obstore

from holdall._concurrency import run_async
from holdall.core.meta import ObjectMeta
from holdall.core.options import GetOptions
from holdall.core.preconditions import check_get, missing
from holdall.core.ranges import ByteRange
from holdall.drivers.objects_errors import FAILURES, Facts, facts_of, failure, masked
from holdall.drivers.objects_result import SMALL, ObjectResult, StreamedResult, cut_async
from holdall.drivers.objects_values import head_meta, is_odd, meta_of, native_options
from holdall.errors import HoldallError
from holdall.results import GetResult

if TYPE_CHECKING:
    from holdall.drivers.objects_store import ObstoreStore

__all__ = ["failed_async", "get_async", "head_async", "timed_async"]

_HEAD: Any = {"head": True}


async def get_async(store: ObstoreStore, key: str, options: GetOptions | None = None) -> GetResult:
    """Open an object for reading. See `Store.get`."""
    if options is not None:
        store.check_version(options.version)
    path = store.likely(key)
    if path is None:
        path = store.at(key)
        if store.unready:
            await run_async(store.make_ready)
        if is_odd(path):
            return await run_async(partial(_get_aside, store, key, path, options))
    try:
        native = await obstore.get_async(store.native, path, options=None if options is None else native_options(options))
        start, end = within = native.range
        data = await native.bytes_async() if end - start <= SMALL else None
    except FAILURES as error:
        return await _get_otherwise_async(store, key, path, options, error)
    store.answered = monotonic()
    if data is None:
        result: ObjectResult = StreamedResult(key, native, within, store)
    else:
        result = ObjectResult(key, native, data.to_bytes(), within)
    if options is not None and options.conditional:
        try:  # services decide by their own rules: "*" and times to come, for two
            check_get(options, key=key, etag=result.meta.etag, last_modified=result.meta.last_modified, store=store)
        except HoldallError:
            await result.close_async()
            raise
    return result


def _get_aside(store: ObstoreStore, key: str, path: str, options: GetOptions | None) -> GetResult:
    return store.side(f"read {key!r}", key).get(key, path, options)


def _head_aside(store: ObstoreStore, key: str, path: str, version: str | None) -> ObjectMeta:
    return store.side(f"describe {key!r}", key).head(key, path, version)


async def _get_otherwise_async(
    store: ObstoreStore, key: str, path: str, options: GetOptions | None, error: Exception
) -> GetResult:
    """Find another way to an object that obstore could not open, or raise."""
    if is_odd(store.at(key)):
        return await run_async(partial(_get_aside, store, key, path, options))
    facts = facts_of(error)
    wanted = None if options is None else options.byte_range
    if options is not None and wanted is not None and facts.unsuffixed:
        meta = await head_async(store, key, options.version)
        begin = ByteRange(max(0, meta.size + wanted.start)) if meta.size else None
        pinned = replace(options, range=begin, if_match=options.if_match or meta.etag)
        result = await get_async(store, key, pinned)
        return result if begin is not None else await cut_async(result, wanted, store=store)
    if options is not None and wanted is not None and (facts.unranged or (facts.status == 416 and wanted.start < 0)):
        # a server without ranges sends the whole; one with them may refuse "the last n bytes" of an empty object
        return await cut_async(await get_async(store, key, replace(options, range=None)), wanted, store=store)
    if facts.undecodable and store.has_side:
        return await run_async(partial(_get_aside, store, key, path, options))
    version = None if options is None else options.version
    raise await failed_async(store, facts, "read", key, path, version=version) from masked(error)


async def head_async(store: ObstoreStore, key: str, version: str | None) -> ObjectMeta:
    """Describe an object. See `Store.head`."""
    path, odd = store.likely(key), False
    if path is None:
        path = store.at(key)
        if store.unready:
            await run_async(store.make_ready)
        odd = is_odd(path)
        if odd and not store.has_side and path[-1] == "/" and not is_odd(path[:-1]):
            return await _head_marker_async(store, key, path)
    if odd or store.full_heads:
        return await run_async(partial(_head_aside, store, key, path, version))
    try:
        native = await obstore.get_async(
            store.native, path, options=_HEAD if version is None else {"head": True, "version": version}
        )
    except FAILURES as error:
        facts = facts_of(error)
        if is_odd(store.at(key)) or (facts.undecodable and store.has_side):
            return await run_async(partial(_head_aside, store, key, path, version))
        raise await failed_async(store, facts, "describe", key, path, version=version) from masked(error)
    store.answered = monotonic()
    return head_meta(key, native)


async def _head_marker_async(store: ObstoreStore, key: str, path: str) -> ObjectMeta:
    """Describe a ``d/`` marker by a listing: obstore cannot name it, but lists it, without its slash, below itself."""
    if not store.flat:
        raise missing(key, store=store)
    try:
        async for chunk in obstore.list(store.native, prefix=path[:-1], chunk_size=1):
            if chunk and chunk[0]["path"] == path[:-1]:
                return meta_of(key, chunk[0])
            break
    except FAILURES as error:
        raise await failed_async(store, facts_of(error), "describe", key, path[:-1]) from masked(error)
    raise missing(key, store=store)


async def failed_async(
    store: ObstoreStore, facts: Facts, verb: str, key: str, path: str, *, version: str | None = None
) -> HoldallError:
    """Return the error for a failure; a miss of which the service does not say what is missing is looked into first.

    The answer to HEAD has no body: a missing bucket looks like a missing object. One listing tells, once a minute.
    """
    facts = await timed_async(store, store.adjusted(facts, verb), path)
    if facts.answer == "denied" and store.asks_directories and await run_async(lambda: store.is_directory(path)):
        facts = Facts(answer="not_found", status=404)
    if facts.answer == "not_found" and facts.code is None and store.in_doubt():
        try:
            async for _ in obstore.list(store.native, prefix=path, chunk_size=1):
                break
        except FAILURES as error:
            other = facts_of(error)
            if other.no_bucket or other.status == 404:
                return failure(Facts(code="NoSuchBucket"), verb=verb, key=key, store=store, place=store.place)
        store.answered = monotonic()
    return failure(facts, verb=verb, key=key, store=store, place=store.place, version=version)


async def timed_async(store: ObstoreStore, facts: Facts, path: str) -> Facts:
    """Return a failure, if the service throttles with the time that it wants to be left alone."""
    return await run_async(lambda: store.timed(facts, path)) if store.throttled(facts) else facts
