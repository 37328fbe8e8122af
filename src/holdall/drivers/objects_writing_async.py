"""Writing to object stores: `put` in one request or many, under conditions, and `delete`, `copy`.

A conditional write carries a mark (user metadata of 96 random bits, hidden from reads) and is sent without obstore's own
retries: only so can it be told, after an answer got lost, whether the object that is now in the way is our own.
"""

from __future__ import annotations

import random
import time
from collections.abc import AsyncIterator, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import obstore

from holdall._concurrency import gather_async, run_async, sleep_async
from holdall._turns import mapped_async, turn_async
from holdall.core.keys import RESERVED, ReservedKey
from holdall.core.meta import ObjectMeta
from holdall.core.options import CopyOptions, GetOptions, PutOptions
from holdall.core.preconditions import check_put, missing
from holdall.drivers.objects_errors import FAILURES, facts_of, failure, masked
from holdall.drivers.objects_parts import SINGLE, check_memory, part_plan, single_limit
from holdall.drivers.objects_reading_async import failed_async, get_async, head_async, timed_async
from holdall.drivers.objects_upload import admit_async, upload_async
from holdall.drivers.objects_values import MARK, is_odd, meta_of, native_attributes, new_mark, result_of
from holdall.errors import HoldallError, InvalidKeyError, NotFoundError
from holdall.results import CHUNK, DeleteResult, PutResult
from holdall.sources import AsyncSource, iter_chunks_async, source_size

if TYPE_CHECKING:
    from holdall.drivers.objects_store import ObstoreStore

__all__ = ["copy_async", "copy_through_async", "delete_async", "prove_async", "put_async", "put_bytes_async"]

BATCH = 1000
"""Keys per bulk delete, the most that S3 takes."""

BOGUS = "00000000000000000000000000000000"

_NO_SUCH = frozenset({400, 405, 501})
"""How services say that they know no conditions."""
_POLL = 0.005
"""Seconds between two looks whether somebody else has found out what a service honours."""
_TRIES: Sequence[tuple[Any, bool]] = (({"e_tag": BOGUS}, False), ("create", True), ("create", False))


async def put_async(store: ObstoreStore, key: str, source: AsyncSource, options: PutOptions | None = None) -> PutResult:
    """Write an object. See `Store.put`."""
    path = store.likely(key)
    if path is not None and options is None and store.plain_puts and type(source) is bytes and len(source) <= SINGLE:
        try:  # as `_send` does; its call is a tenth of what is added here (design record 0030)
            native = await obstore.put_async(store.writer, path, source, use_multipart=False)
        except FAILURES as error:
            if not is_odd(store.at(key)):
                raise await failed_async(store, facts_of(error), "write", key, path) from masked(error)
        else:
            store.answered = time.monotonic()
            result = result_of(key, len(source), native)
            return result if native["e_tag"] else await _asked_async(store, result)
    path = store.at(key)
    if type(source) is not bytes:
        admit_async(source)
    if store.unready:
        await run_async(store.make_ready)
    options = store.put_options(options or PutOptions())
    single = single_limit(options)
    if type(source) is bytes and len(source) <= single:
        return await put_bytes_async(store, key, path, source, options)
    if isinstance(source, (bytes, bytearray, memoryview)):
        view = memoryview(source)
        if view.nbytes <= single:
            return await put_bytes_async(store, key, path, view.tobytes(), options)
    size = source_size(source)
    chunks = iter_chunks_async(source)
    if type(source) is bytes:
        return await _put_large_async(store, key, path, chunks, size, options, whole=source)
    try:
        first: list[bytes] = []
        held = 0
        async for chunk in chunks:
            first.append(chunk)
            held += len(chunk)
            if held > single:
                return await _put_large_async(store, key, path, _rejoined_async(first, chunks), size, options)
        return await put_bytes_async(store, key, path, b"".join(first), options)
    finally:
        close = getattr(chunks, "aclose", None)
        if close is not None:
            await close()


async def _rejoined_async(first: list[bytes], rest: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    """Yield what was read already, letting go of it, then the rest."""
    first.reverse()
    while first:
        yield first.pop()
    async for chunk in rest:
        yield chunk


async def _views_async(data: bytes) -> AsyncIterator[bytes]:
    """Yield pieces of what nobody changes, without copying it."""
    view = memoryview(data)
    for start in range(0, len(data), CHUNK):
        yield view[start : start + CHUNK]  # type: ignore[misc]  # obstore takes any buffer


async def put_bytes_async(store: ObstoreStore, key: str, path: str, data: bytes, options: PutOptions) -> PutResult:
    """Write an object in one request."""
    if is_odd(path) or store.puts_aside(options):
        if data and path[-1] == "/":
            raise InvalidKeyError(f"a directory marker holds no bytes: {key!r}", key=key, store=store)
        return await run_async(lambda: store.side(f"write {key!r}", key).put(key, path, data, options))
    if options.mode != "overwrite":
        return await _put_if_async(store, key, path, data, options)
    return await _send_async(store, key, path, data, native_attributes(options, store=store), dict(options.tags) or None)


async def _send_async(store: ObstoreStore, key: str, path: str, data: bytes, attributes: Any, tags: Any) -> PutResult:
    """Send an object in one request, on no condition."""
    try:
        native = await obstore.put_async(store.writer, path, data, attributes=attributes, tags=tags, use_multipart=False)
    except FAILURES as error:
        raise await failed_async(store, facts_of(error), "write", key, path) from masked(error)
    store.answered = time.monotonic()
    return await _published_async(store, key, len(data), native)


async def _put_if_async(store: ObstoreStore, key: str, path: str, data: bytes, options: PutOptions) -> PutResult:
    """Write an object under a condition, knowing our own success again when its answer got lost."""
    if store.unproven:
        await prove_async(store)
        store.put_options(options)
    mark = new_mark() if store.marks else None
    attributes = native_attributes(options, mark=mark, store=store)
    modes = await _modes_async(store, key, options)
    unsure, tries, deadline = store.retries_hidden, 0, time.monotonic() + store.patience
    while True:
        try:
            native = await obstore.put_async(
                store.strict,
                path,
                data,
                attributes=attributes,
                tags=dict(options.tags) or None,
                mode=modes[0],
                use_multipart=False,
            )
        except FAILURES as error:
            facts, cause = facts_of(error), masked(error)
        else:
            store.answered = time.monotonic()
            store.settle(modes[0])
            return await _published_async(store, key, len(data), native)
        if facts.conflict and not facts.busy:
            if unsure and mark is not None:
                found = await _own_async(store, key, mark)
                if found is not None:
                    return PutResult(key=key, size=found.size, etag=found.etag, version=found.version)
            if len(modes) > 1:  # some services want etags quoted, some bare
                modes = modes[1:]
                continue
        if not facts.transient or tries >= store.retries or time.monotonic() > deadline:
            raise await failed_async(store, facts, "write", key, path) from cause
        unsure = unsure or not (facts.unsent or facts.busy)
        tries += 1
        await sleep_async(min(5.0, 0.1 * 2**tries) * random.uniform(0.5, 1.0))  # noqa: S311  # jitter


async def _modes_async(store: ObstoreStore, key: str, options: PutOptions) -> Sequence[Any]:
    """Return obstore's forms of the condition; a service that compares generations is asked for the present one."""
    if options.mode == "create" or store.update != "generation":
        return store.modes(options)
    try:
        meta = await head_async(store, key, None)
    except NotFoundError:
        check_put(options, key=key, exists=False, etag=None, store=store)
        raise
    check_put(options, key=key, exists=True, etag=meta.etag, store=store)
    return [{"e_tag": meta.etag, "version": meta.version}]


async def prove_async(store: ObstoreStore) -> None:
    """Find out whether the service honours conditions of writes, once: whoever comes meanwhile waits, and asks if that was in vain."""
    ours = store.proving.acquire(blocking=False)
    try:
        while not ours and store.unproven and store.proving.locked():
            await sleep_async(_POLL)
        await turn_async()  # many may have waited
        if store.unproven:
            await _prove_async(store)
    finally:
        if ours:
            store.proving.release()


async def _prove_async(store: ObstoreStore) -> None:
    """Find it out by writes that must fail; nothing stays.

    Ceph's gateway ignores ``If-None-Match`` in versioned buckets, in silence: every writer would win.
    """
    path = store.at(ReservedKey(f"{RESERVED}/probe/{new_mark()}"))
    written: list[str | None] = []
    honoured = True
    try:
        for mode, succeeds in _TRIES:
            try:
                native = await obstore.put_async(store.strict, path, b"", mode=mode, use_multipart=False)
                written.append(native["version"])
                honoured = honoured and succeeds
            except FAILURES as error:
                facts = facts_of(error)
                if facts.answer == "denied":
                    break  # it may be allowed elsewhere: nothing is known, so the service is trusted
                if facts.transient or not (facts.conflict or facts.answer == "unsupported" or facts.status in _NO_SUCH):
                    facts = await timed_async(store, facts, path)
                    raise failure(facts, verb="write", store=store, place=store.place) from masked(error)
                honoured = honoured and not succeeds and facts.conflict
            if not honoured:
                break
    finally:
        if written:
            await run_async(lambda: store.forget(path, written))
    store.proven(honoured)


async def _own_async(store: ObstoreStore, key: str, mark: str) -> ObjectMeta | None:
    """Return the object at a key if it is the one that was written with this mark."""
    path = store.at(key)
    try:
        native = await obstore.get_async(store.native, path, options={"head": True})
        if native.attributes.get(MARK) == mark:
            return meta_of(key, native.meta, native.attributes)
    except FAILURES:
        return None
    return None


async def _published_async(store: ObstoreStore, key: str, size: int, native: Any) -> PutResult:
    """Return the result of a write."""
    return await _asked_async(store, result_of(key, size, native))


async def _asked_async(store: ObstoreStore, result: PutResult) -> PutResult:
    """Return a result whose etag the service is asked for, if it has not told it."""
    if result.etag is not None or not store.capabilities.etag:
        return result
    meta = await head_async(store, result.key, None)
    return (
        replace(result, etag=meta.etag) if meta.size == result.size else result
    )  # else somebody else has written meanwhile


async def _put_large_async(
    store: ObstoreStore,
    key: str,
    path: str,
    chunks: AsyncIterator[bytes],
    size: int | None,
    options: PutOptions,
    *,
    whole: bytes | None = None,
) -> PutResult:
    """Write an object that is too large for one request; ``whole`` is its content where that is in memory anyway."""
    body = chunks if whole is None else _views_async(whole)
    if store.sends_aside(size, options) or (store.has_side and is_odd(path)):
        if path[-1] == "/":
            raise InvalidKeyError(f"a directory marker holds no bytes: {key!r}", key=key, store=store)
        return await store.side(f"write {key!r}", key).send_async(key, path, body, size, options)
    if options.mode != "overwrite" or is_odd(path):
        if whole is not None:
            check_memory([whole], store)
            return await put_bytes_async(store, key, path, whole, options)
        data = [b""]
        async for chunk in chunks:
            data.append(chunk)
            check_memory(data, store)
        return await put_bytes_async(store, key, path, b"".join(data), options)
    plan = part_plan(size, options, most=store.most_parts, concurrency=store.concurrency)
    attributes = native_attributes(options, store=store)
    try:
        written, native = await upload_async(
            store.writer, path, body, plan, attributes=attributes, tags=dict(options.tags) or None
        )
    except FAILURES as error:
        raise await failed_async(store, facts_of(error), "write", key, path) from masked(error)
    store.answered = time.monotonic()
    return await _published_async(store, key, written, native)


# -- delete and copy --------------------------------------------------------------------------------------------------


async def delete_async(store: ObstoreStore, keys: Sequence[str]) -> list[DeleteResult]:
    """Delete keys; a result for each.

    Raises:
        InvalidKeyError: One of them is no key; then none is deleted.
    """

    def placed(key: str) -> tuple[str, bool]:
        path = store.plain(key)
        if path is not None:
            return path, False
        path = store.at(key)
        return path, is_odd(path)

    places = await mapped_async(placed, keys)
    paths = [path for path, _ in places]
    if store.unready:
        await run_async(store.make_ready)
    aside = store.deletes_aside and store.has_side and len(paths) > 1
    plain = [] if aside else [i for i, (_, odd) in enumerate(places) if not odd]
    errors: dict[int, HoldallError | None] = {}
    batches = [plain[i : i + BATCH] for i in range(0, len(plain), BATCH)]

    async def batch(indexes: list[int]) -> None:
        try:
            await obstore.delete_async(store.writer, [paths[i] for i in indexes])
            store.answered = time.monotonic()
        except FAILURES as error:  # of which key it does not say
            found = await _delete_again_async(store, indexes, keys, paths, error)
            errors.update(zip(indexes, found, strict=True))

    await gather_async([lambda indexes=indexes: batch(indexes) for indexes in batches], limit=4)  # type: ignore[misc]
    if len(plain) < len(paths):
        odd = sorted(set(range(len(paths))) - set(plain))
        side = store.side(f"delete {keys[odd[0]]!r}", keys[odd[0]])
        errors.update(zip(odd, await run_async(lambda: side.delete([(keys[i], paths[i]) for i in odd])), strict=True))
    return await mapped_async(lambda i: DeleteResult(key=keys[i], error=errors.get(i)), range(len(keys)))


async def _delete_again_async(
    store: ObstoreStore, indexes: Sequence[int], keys: Sequence[str], paths: Sequence[str], error: Exception
) -> list[HoldallError | None]:
    """Delete what a bulk request failed at; an error or ``None`` for each. A service in trouble is not asked once per key."""
    facts, pairs = facts_of(error), [(keys[i], paths[i]) for i in indexes]
    if store.has_side and (store.deletes_aside or not facts.transient):
        side = store.side("delete")
        return list(await run_async(lambda: side.delete(pairs)))
    if facts.transient or facts.no_bucket:
        facts = await timed_async(store, facts, pairs[0][1])
        found = failure(facts, verb="delete", key=pairs[0][0], store=store, place=store.place)
        found.__cause__ = masked(error)
        return [found] * len(pairs)
    thunks = [lambda pair=pair: _delete_one_async(store, *pair) for pair in pairs]
    return await gather_async(thunks)


async def _delete_one_async(store: ObstoreStore, key: str, path: str) -> HoldallError | None:
    try:
        await obstore.delete_async(store.writer, path)
    except FAILURES as error:
        found = await failed_async(store, facts_of(error), "delete", key, path)
        if isinstance(found, NotFoundError):
            return None
        found.__cause__ = masked(error)
        return found
    return None


async def copy_through_async(store: ObstoreStore, src: str, dst: str, options: CopyOptions) -> PutResult:
    """Copy by reading and writing, where both cost no network."""
    async with await get_async(store, src, GetOptions(if_match=options.if_match)) as result:
        data = await result.bytes_async()
    put = PutOptions.from_attributes(result.attributes, mode=options.mode)
    if options.metadata is not None:
        put = replace(put, metadata=dict(options.metadata))
    return await put_bytes_async(store, dst, store.at(dst), data, store.put_options(put))


async def copy_async(store: ObstoreStore, src: str, dst: str, options: CopyOptions) -> PutResult:
    """Copy within one place, as the service copies by itself: bytes, headers, metadata and tags."""
    origin, target = store.at(src), store.at(dst)
    if store.unready:
        await run_async(store.make_ready)
    if src == dst:
        meta = await head_async(store, src, None)
        return PutResult(key=dst, size=meta.size, etag=meta.etag, version=meta.version)
    try:
        await obstore.copy_async(store.writer, origin, target, overwrite=options.mode == "overwrite")
    except FAILURES as error:
        facts = facts_of(error)
        if facts.answer == "not_found" and not facts.no_bucket:
            raise missing(src, store=store) from masked(error)
        key = dst if facts.conflict else src
        facts = await timed_async(store, facts, origin)
        raise failure(facts, verb="copy", key=key, store=store, place=store.place) from masked(error)
    meta = await head_async(store, dst, None)
    return PutResult(key=dst, size=meta.size, etag=meta.etag, version=meta.version)
