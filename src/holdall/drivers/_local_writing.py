"""How bytes get from a source into a draft, in either colour, and how a cancelled writer ends."""

from __future__ import annotations

import contextvars
import os
from collections.abc import AsyncIterable, Callable
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, TypeVar

from holdall._lazy import lazy
from holdall.core.options import CopyOptions, PutOptions
from holdall.drivers._local_attributes import NOTHING, Kept, Shelf
from holdall.drivers._local_draft import Draft, StoppedError, check_match
from holdall.drivers._local_meta import nanoseconds
from holdall.drivers._local_object import find
from holdall.drivers._local_root import Root
from holdall.errors import IntegrityError
from holdall.results import CHUNK, PutResult
from holdall.sources import Source, as_bytes, iter_chunks

if TYPE_CHECKING:
    import asyncio
else:
    asyncio = lazy("asyncio")

__all__ = ["Act", "settled", "write", "write_async", "write_copy"]

T = TypeVar("T")
GRACE = 5.0
"""Seconds that a cancelled put waits for its thread, so that nothing of it is left when the caller goes on."""


def write(draft: Draft, source: Source, options: PutOptions | None) -> PutResult:
    """Write a source and publish it; whatever goes wrong, nothing is left of it."""
    try:
        if isinstance(source, (bytes, bytearray, memoryview)):
            view = memoryview(source)
            data = source if type(source) is bytes else view.cast("B") if view.c_contiguous else memoryview(as_bytes(source))
            return draft.in_turn(len(data), lambda: _write_whole(draft, data, options))
        _pour(draft, source)
        return draft.publish(options, _kept(options))
    except BaseException:
        draft.discard()
        raise


def _write_whole(draft: Draft, data: bytes | memoryview, options: PutOptions | None) -> PutResult:
    draft.open(long=len(data) > CHUNK)
    draft.write(data)
    return draft.publish(options, _kept(options))


async def write_async(draft: Draft, source: AsyncIterable[bytes], options: PutOptions | None) -> PutResult:
    """Write an async iterable and publish it; cancelled or failed, nothing is left of it."""
    pending = bytearray()
    try:
        async for chunk in source:
            pending += as_bytes(chunk)
            if len(pending) >= CHUNK:
                await settled(partial(_spill, draft, pending), draft)

        def finish() -> PutResult:
            if pending or draft.fd < 0:
                _spill(draft, pending)
            return draft.publish(options, _kept(options))

        return await settled(finish, draft)
    finally:
        draft.abandoned = True  # first: a thread that is still at it (the disk hangs) looks there when it ends
        if not draft.busy:
            draft.discard()


def write_copy(draft: Draft, source: tuple[Root, Shelf, str], options: CopyOptions | None) -> PutResult:
    """Copy a file of a local store, with what is kept beside it, and publish it."""
    root, shelf, key = source
    options = options or CopyOptions()
    fd, stat, raw = find(root, shelf, key)
    try:
        kept = Kept.decode(raw)
        check_match(root, key, stat, options.if_match, "copied")
        if options.metadata is not None:
            kept = replace(kept, attributes=replace(kept.attributes, metadata=options.metadata))

        def fill() -> PutResult:
            draft.open(long=stat.st_size > CHUNK)
            if draft.fill(fd, stat.st_size) != stat.st_size:
                raise IntegrityError(f"{key!r} was cut short while it was copied", key=key, store=root.display)
            modified = None if options.modified is None else nanoseconds(options.modified)
            return draft.publish(options, None if kept is NOTHING else kept, modified)

        return draft.in_turn(stat.st_size, fill)
    finally:
        os.close(fd)
        draft.discard()


def _pour(draft: Draft, source: Source) -> None:
    """Write an iterable, file or path; what fits one chunk is collected before the disk is touched."""
    if isinstance(source, os.PathLike) and draft.fill_from(source):
        return
    pending = bytearray()
    for chunk in iter_chunks(source):
        if draft.stopped:
            raise StoppedError
        if len(chunk) >= CHUNK and not pending:
            _spill(draft, chunk)
            continue
        pending += chunk
        if len(pending) >= CHUNK:
            _spill(draft, pending)
    if pending or draft.fd < 0:
        _spill(draft, pending)


def _kept(options: PutOptions | None) -> Kept | None:
    if options is None or not (options.annotated or options.tags):
        return None
    return Kept(options.attributes, options.tags)


def _spill(draft: Draft, data: bytes | bytearray) -> None:
    """Write a chunk, or what is collected, which is emptied."""
    if draft.fd < 0:
        draft.open()
    with memoryview(data) as view:
        draft.write(view)
    if isinstance(data, bytearray):
        data.clear()


class Act:
    """What is done in a worker thread and has no draft; it may look whether it should stop."""

    def __init__(self) -> None:
        self.stopped = self.busy = self.abandoned = False

    def discard(self) -> None:
        """Do nothing: there is nothing to remove."""


async def settled(function: Callable[[], T], draft: Draft | Act) -> T:
    """Run in a worker thread; if cancelled, keep the draft from being published and wait, a while, for the thread to end."""

    def work() -> T:
        try:
            if draft.stopped:
                raise StoppedError
            return function()
        finally:
            draft.busy = False
            if draft.abandoned:
                draft.discard()

    draft.busy = True
    try:
        future = asyncio.get_running_loop().run_in_executor(None, contextvars.copy_context().run, work)
    except RuntimeError:  # the loop shuts down: no thread will be at work
        draft.busy = False
        raise
    try:
        return await asyncio.shield(future)
    except asyncio.CancelledError:
        draft.stopped = True
        future.add_done_callback(lambda done: done.cancelled() or done.exception())
        await asyncio.wait({future}, timeout=GRACE)
        raise
