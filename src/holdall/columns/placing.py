# Generated from placing_async.py by tools/twins.py: change that file, not this one.
"""The work on stores that a journal asks for: placing files, undoing, finishing. Decisions are made elsewhere."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

from holdall._concurrency import gather, run
from holdall.columns.backends import store_named
from holdall.columns.journal import Blob, Drop, Finish, Swap, Undo
from holdall.columns.locks import key_lock
from holdall.columns.puts import ROOM, Put, in_parts, kept_options
from holdall.columns.sending import send
from holdall.core.options import CopyOptions, PutMode, PutOptions
from holdall.engine.colours import finish
from holdall.engine.transfer import copy
from holdall.errors import AlreadyExistsError, HoldallError, NotFoundError, PreconditionError
from holdall.sources import SizedChunks
from holdall.store import Store

__all__ = ["copy_file", "finish_plan", "head_all", "moved", "place_all", "undo_plan"]

log = logging.getLogger("holdall.columns")
SMALL = 8 * 1024 * 1024
"""Bytes that any store can write under a condition, in one request."""
IN_FLIGHT = 64 * 1024 * 1024
"""Bytes in parts on their way, of all files of a flush."""
PATIENCE = 10.0
"""Seconds that a cancelled upload of so few bytes is waited for."""


def place_all(puts: Sequence[Put], limit: int) -> None:
    """Store files, several at once; the first error stops the others."""
    inline = all(put.store.capabilities.local or put.store.capabilities.temporary for put in puts)
    room = min(ROOM, IN_FLIGHT // max(1, min(limit, len(puts))))
    thunks: list[Callable[[], Any]] = [lambda p=put: _place(p, room) for put in puts]  # type: ignore[misc]
    gather(thunks, limit=1 if inline else limit)


def _place(put: Put, room: int) -> None:
    keeps = put.store.capabilities
    mode: PutMode = "overwrite"
    if not put.fresh:
        bound = keeps.create and (keeps.large_conditional or (put.size is not None and put.size <= SMALL))
        if (not bound or not put.file.pending.replayable) and _taken(put):
            return
        mode = "create" if bound else mode
    options = kept_options(put.store, put.file.content_type, put.metadata, mode)
    put.begun = put.fresh
    source = put.file.pending.take()
    if not (keeps.local or keeps.temporary):
        options = in_parts(options, source, put.size, room=room)

    def store() -> None:
        put.sent = send(put.store, put.key, source, options, rules=put.rules, file=put.file, size=put.size)

    # one request that is under way is waited for, if the caller is cancelled: only so it is known what is there
    whole = isinstance(source, bytes) and len(source) <= SMALL and not (keeps.local or keeps.temporary)
    try:
        (finish(store, PATIENCE) if whole else store())
    except AlreadyExistsError:
        if options.mode != "create" or not put.file.pending.replayable:
            raise
        put.taken = True


def _taken(put: Put) -> bool:
    try:
        put.store.head(put.key)
    except NotFoundError:
        return False
    put.taken = True
    return True


def head_all(places: Sequence[tuple[Store, str]], limit: int) -> list[Any]:
    """Return what stores say of keys, ``None`` for what is not there."""

    def ask(store: Store, key: str) -> Any:
        try:
            return store.head(key)
        except NotFoundError:
            return None

    thunks: list[Callable[[], Any]] = [lambda s=store, k=key: ask(s, k) for store, key in places]  # type: ignore[misc]
    return gather(thunks, limit=limit)


def copy_file(source: tuple[Store, str], target: tuple[Store, str]) -> Any:
    """Copy one object to a key of its own, and return what the store says of it."""
    copy(source, target)
    return target[0].head(target[1])


def undo_plan(plan: Undo) -> list[HoldallError]:
    """Delete what was stored and give the file objects their old state back; return what went wrong."""
    for upload in plan.uploads:
        if upload.before is not None:
            upload.file._restore(upload.before)
    return _delete([upload.blob for upload in plan.uploads])


def finish_plan(plan: Finish) -> list[HoldallError]:
    """Move staged content to its place and delete what no row holds; return what went wrong."""
    failures = _delete(plan.superseded)
    for swap in plan.swaps:
        try:
            _swap(swap)
        except HoldallError as error:
            failures.append(_about(error, *swap.target))
    return failures + _drop(plan.drops)


def _drop(drops: Sequence[Drop]) -> list[HoldallError]:
    """Delete what rows let go of; where keys are shared, only what is still the row's own content."""
    keys: list[Blob] = []
    failures: list[HoldallError] = []
    for drop in drops:
        if drop.etag is None:
            keys.append(drop.blob)
            continue
        try:
            store = store_named(drop.blob[0])
            meta = store.head(drop.blob[1])
            if meta.etag == drop.etag:
                keys.append(drop.blob)
        except NotFoundError:
            continue
        except HoldallError as error:
            failures.append(error)
    return failures + _delete(keys)


def _delete(blobs: Sequence[Blob]) -> list[HoldallError]:
    """Delete many, one batch for each store."""
    failures: list[HoldallError] = []
    batches: dict[str, list[str]] = {}
    for backend, key in blobs:
        batches.setdefault(backend, []).append(key)
    for backend, keys in batches.items():
        try:
            store = store_named(backend)
            results = store.delete(keys)
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


def _swap(swap: Swap) -> None:
    """Put staged content in its place, on condition that nobody else did meanwhile."""
    store = store_named(swap.target[0])
    staged, key = swap.staged[1], swap.target[1]
    lock = key_lock(*swap.target)
    run(lock.acquire)
    try:
        etag = moved(store, staged, key, swap.etag)
    except NotFoundError:  # a later transaction superseded it
        return
    except (PreconditionError, AlreadyExistsError):
        log.info("somebody else wrote %s:%s first: its row reads the staged object, sweep() settles it", *swap.target)
        return
    finally:
        lock.release()
    store.delete(staged)
    if swap.file is not None and swap.file.staged == staged:
        swap.file.staged, swap.file.etag = None, etag


def moved(store: Store, staged: str, key: str, etag: str | None) -> str | None:
    """Copy staged content to a key whose etag is ``etag`` (``None``: nothing is there; ``""``: something that has none)."""
    keeps = store.capabilities
    with store.get(staged) as result:
        bound = (keeps.create if etag is None else keeps.update) and (keeps.large_conditional or result.meta.size <= SMALL)
        if bound and etag != "" and (result.meta.size <= SMALL or not keeps.copy):
            mode = PutOptions(mode="create") if etag is None else PutOptions(if_match=etag)
            named = PutOptions.from_attributes(result.attributes) if keeps.attributes else PutOptions()
            options = replace(named, mode=mode.mode, if_match=mode.if_match)
            return (store.put(key, SizedChunks(result, result.meta.size), options)).etag
    found = head_all([(store, key)], 1)
    if (None if found[0] is None else found[0].etag or "") != etag:
        raise PreconditionError(f"{key!r} was written by somebody else", key=key, store=store)
    if keeps.copy:
        return (store.copy(staged, key, CopyOptions())).etag
    with store.get(staged) as result:
        return (store.put(key, SizedChunks(result, result.meta.size))).etag
