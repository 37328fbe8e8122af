"""The work on stores that a journal asks for: placing files, undoing, finishing. Decisions are made elsewhere."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

from holdall._concurrency import gather_async, run_async
from holdall.columns.backends import store_named
from holdall.columns.journal import Blob, Drop, Finish, Swap, Undo
from holdall.columns.locks import key_lock
from holdall.columns.puts import ROOM, Put, in_parts, kept_options
from holdall.columns.sending_async import send_async
from holdall.core.options import CopyOptions, PutMode, PutOptions
from holdall.engine.colours import finish_async
from holdall.engine.transfer_async import copy_async
from holdall.errors import AlreadyExistsError, HoldallError, NotFoundError, PreconditionError
from holdall.sources import AsyncSizedChunks
from holdall.store import Store

__all__ = ["copy_file_async", "finish_plan_async", "head_all_async", "moved_async", "place_all_async", "undo_plan_async"]

log = logging.getLogger("holdall.columns")
SMALL = 8 * 1024 * 1024
"""Bytes that any store can write under a condition, in one request."""
IN_FLIGHT = 64 * 1024 * 1024
"""Bytes in parts on their way, of all files of a flush."""
PATIENCE = 10.0
"""Seconds that a cancelled upload of so few bytes is waited for."""


async def place_all_async(puts: Sequence[Put], limit: int) -> None:
    """Store files, several at once; the first error stops the others."""
    inline = all(put.store.capabilities.local or put.store.capabilities.temporary for put in puts)
    room = min(ROOM, IN_FLIGHT // max(1, min(limit, len(puts))))
    thunks: list[Callable[[], Any]] = [lambda p=put: _place_async(p, room) for put in puts]  # type: ignore[misc]
    await gather_async(thunks, limit=1 if inline else limit)


async def _place_async(put: Put, room: int) -> None:
    keeps = put.store.capabilities
    mode: PutMode = "overwrite"
    if not put.fresh:
        bound = keeps.create and (keeps.large_conditional or (put.size is not None and put.size <= SMALL))
        if (not bound or not put.file.pending.replayable) and await _taken_async(put):
            return
        mode = "create" if bound else mode
    options = kept_options(put.store, put.file.content_type, put.metadata, mode)
    put.begun = put.fresh
    source = put.file.pending.take()
    if not (keeps.local or keeps.temporary):
        options = in_parts(options, source, put.size, room=room)

    async def store_async() -> None:
        put.sent = await send_async(put.store, put.key, source, options, rules=put.rules, file=put.file, size=put.size)

    # one request that is under way is waited for, if the caller is cancelled: only so it is known what is there
    whole = isinstance(source, bytes) and len(source) <= SMALL and not (keeps.local or keeps.temporary)
    try:
        await (finish_async(store_async, PATIENCE) if whole else store_async())
    except AlreadyExistsError:
        if options.mode != "create" or not put.file.pending.replayable:
            raise
        put.taken = True


async def _taken_async(put: Put) -> bool:
    try:
        await put.store.head_async(put.key)
    except NotFoundError:
        return False
    put.taken = True
    return True


async def head_all_async(places: Sequence[tuple[Store, str]], limit: int) -> list[Any]:
    """Return what stores say of keys, ``None`` for what is not there."""

    async def ask_async(store: Store, key: str) -> Any:
        try:
            return await store.head_async(key)
        except NotFoundError:
            return None

    thunks: list[Callable[[], Any]] = [lambda s=store, k=key: ask_async(s, k) for store, key in places]  # type: ignore[misc]
    return await gather_async(thunks, limit=limit)


async def copy_file_async(source: tuple[Store, str], target: tuple[Store, str]) -> Any:
    """Copy one object to a key of its own, and return what the store says of it."""
    await copy_async(source, target)
    return await target[0].head_async(target[1])


async def undo_plan_async(plan: Undo) -> list[HoldallError]:
    """Delete what was stored and give the file objects their old state back; return what went wrong."""
    for upload in plan.uploads:
        if upload.before is not None:
            upload.file._restore(upload.before)
    return await _delete_async([upload.blob for upload in plan.uploads])


async def finish_plan_async(plan: Finish) -> list[HoldallError]:
    """Move staged content to its place and delete what no row holds; return what went wrong."""
    failures = await _delete_async(plan.superseded)
    for swap in plan.swaps:
        try:
            await _swap_async(swap)
        except HoldallError as error:
            failures.append(_about(error, *swap.target))
    return failures + await _drop_async(plan.drops)


async def _drop_async(drops: Sequence[Drop]) -> list[HoldallError]:
    """Delete what rows let go of; where keys are shared, only what is still the row's own content."""
    keys: list[Blob] = []
    failures: list[HoldallError] = []
    for drop in drops:
        if drop.etag is None:
            keys.append(drop.blob)
            continue
        try:
            store = store_named(drop.blob[0])
            meta = await store.head_async(drop.blob[1])
            if meta.etag == drop.etag:
                keys.append(drop.blob)
        except NotFoundError:
            continue
        except HoldallError as error:
            failures.append(error)
    return failures + await _delete_async(keys)


async def _delete_async(blobs: Sequence[Blob]) -> list[HoldallError]:
    """Delete many, one batch for each store."""
    failures: list[HoldallError] = []
    batches: dict[str, list[str]] = {}
    for backend, key in blobs:
        batches.setdefault(backend, []).append(key)
    for backend, keys in batches.items():
        try:
            store = store_named(backend)
            results = await store.delete_async(keys)
        except HoldallError as error:
            failures += [_about(error, backend, key) for key in keys]
            continue
        failures += [_about(result.error, backend, result.key) for result in results if result.error is not None]
    return failures


def _about(error: HoldallError, backend: str, key: str) -> HoldallError:
    """Return an error that names a key, and the backend that it is in."""
    about = HoldallError(f"{backend}: {error.message}", key=key, store=error.store, kind=error.kind)
    about.__cause__ = error
    return about


async def _swap_async(swap: Swap) -> None:
    """Put staged content in its place, on condition that nobody else did meanwhile."""
    store = store_named(swap.target[0])
    staged, key = swap.staged[1], swap.target[1]
    lock = key_lock(*swap.target)
    await run_async(lock.acquire)
    try:
        etag = await moved_async(store, staged, key, swap.etag)
    except NotFoundError:  # a later transaction superseded it
        return
    except (PreconditionError, AlreadyExistsError):
        log.info("somebody else wrote %s:%s first: its row reads the staged object, sweep() settles it", *swap.target)
        return
    finally:
        lock.release()
    await store.delete_async(staged)
    if swap.file is not None and swap.file.staged == staged:
        swap.file.staged, swap.file.etag = None, etag


async def moved_async(store: Store, staged: str, key: str, etag: str | None) -> str | None:
    """Copy staged content to a key whose etag is ``etag`` (``None``: nothing is there; ``""``: something that has none)."""
    keeps = store.capabilities
    async with await store.get_async(staged) as result:
        bound = (keeps.create if etag is None else keeps.update) and (keeps.large_conditional or result.meta.size <= SMALL)
        if bound and etag != "" and (result.meta.size <= SMALL or not keeps.copy):
            mode = PutOptions(mode="create") if etag is None else PutOptions(if_match=etag)
            named = PutOptions.from_attributes(result.attributes) if keeps.attributes else PutOptions()
            options = replace(named, mode=mode.mode, if_match=mode.if_match)
            return (await store.put_async(key, AsyncSizedChunks(result, result.meta.size), options)).etag
    found = await head_all_async([(store, key)], 1)
    if (None if found[0] is None else found[0].etag or "") != etag:
        raise PreconditionError(f"{key!r} was written by somebody else", key=key, store=store)
    if keeps.copy:
        return (await store.copy_async(staged, key, CopyOptions())).etag
    async with await store.get_async(staged) as result:
        return (await store.put_async(key, AsyncSizedChunks(result, result.meta.size))).etag
