"""Bytes of files on their way to another store: digested as they go, held against their rows, not sent again if they are there."""

from __future__ import annotations

import hashlib
from collections.abc import AsyncIterator, Callable, Sequence
from typing import Any

from holdall._concurrency import gather_async
from holdall.columns.file import FileObject
from holdall.columns.puts import Errand, kept_options
from holdall.errors import AlreadyExistsError, HoldallError, IntegrityError, NotFoundError
from holdall.results import GetResult
from holdall.sources import AsyncSizedChunks
from holdall.store import Store

__all__ = ["carry_all_async"]

MARK = "holdall-sha256"
"""Metadata by which a copy is known again without being read."""


async def carry_all_async(errands: Sequence[Errand], source: Store, target: Store, *, read_back: bool, limit: int) -> None:
    """Copy files to the same keys of another store, several at once; what came of each stands in it."""

    async def carry_async(errand: Errand) -> None:
        try:
            if not await _is_there_async(errand, target):
                errand.copied = await _copied_async(errand, source, target)
                if read_back and errand.digest not in {None, await _digest_async(target, errand.file.path)}:
                    raise IntegrityError("what was written reads differently", key=errand.file.path, store=target)
        except HoldallError as error:
            errand.error = error

    thunks: list[Callable[[], Any]] = [lambda e=errand: carry_async(e) for errand in errands]  # type: ignore[misc]
    await gather_async(thunks, limit=limit)


async def _is_there_async(errand: Errand, target: Store) -> bool:
    """Tell whether the target has the file already.

    Raises:
        AlreadyExistsError: It has something else there, that no earlier run can have written.
    """
    key = errand.file.path
    try:
        meta = await target.head_async(key)
    except NotFoundError:
        return False
    if errand.digest is not None and meta.size == errand.file.size:
        marked = meta.metadata.get(MARK)
        if errand.digest == (marked or await _digest_async(target, key)):
            return True
    if target.capabilities.metadata and MARK not in meta.metadata:
        raise AlreadyExistsError(f"something else is at {key!r}", key=key, store=target)
    return False


async def _copied_async(errand: Errand, source: Store, target: Store) -> int:
    key = errand.file.path
    kept = dict(errand.metadata) if errand.digest is None else {**errand.metadata, MARK: errand.digest}
    options = kept_options(target, errand.file.content_type, kept)
    async with await _opened_async(errand.file, source) as result:
        put = await target.put_async(key, AsyncSizedChunks(_verified_async(result, errand), result.meta.size), options)
    return put.size


async def _opened_async(file: FileObject, source: Store) -> GetResult:
    if file.staged is not None:
        try:
            return await source.get_async(file.staged)
        except NotFoundError:
            pass  # it was moved to its place
    return await source.get_async(file.path)


async def _verified_async(chunks: GetResult, errand: Errand) -> AsyncIterator[bytes]:
    """Yield content; if it is not what the row says, nothing of it is stored."""
    whole = hashlib.sha256()
    async for chunk in chunks:
        whole.update(chunk)
        yield chunk
    if errand.digest not in {None, whole.hexdigest()}:
        raise IntegrityError(f"the bytes of {errand.file.path!r} are not those that the row names", key=errand.file.path)


async def _digest_async(store: Store, key: str) -> str:
    whole = hashlib.sha256()
    async with await store.get_async(key) as result:
        async for chunk in result:
            whole.update(chunk)
    return whole.hexdigest()
