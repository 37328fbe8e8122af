# Generated from carrying_async.py by tools/twins.py: change that file, not this one.
"""Bytes of files on their way to another store: digested as they go, held against their rows, not sent again if they are there."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from holdall._concurrency import gather
from holdall.columns.file import FileObject
from holdall.columns.puts import Errand, kept_options
from holdall.errors import AlreadyExistsError, HoldallError, IntegrityError, NotFoundError
from holdall.results import GetResult
from holdall.sources import SizedChunks
from holdall.store import Store

__all__ = ["carry_all"]

MARK = "holdall-sha256"
"""Metadata by which a copy is known again without being read."""


def carry_all(errands: Sequence[Errand], source: Store, target: Store, *, read_back: bool, limit: int) -> None:
    """Copy files to the same keys of another store, several at once; what came of each stands in it."""

    def carry(errand: Errand) -> None:
        try:
            if not _is_there(errand, target):
                errand.copied = _copied(errand, source, target)
                if read_back and errand.digest not in {None, _digest(target, errand.file.path)}:
                    raise IntegrityError("what was written reads differently", key=errand.file.path, store=target)
        except HoldallError as error:
            errand.error = error

    thunks: list[Callable[[], Any]] = [lambda e=errand: carry(e) for errand in errands]  # type: ignore[misc]
    gather(thunks, limit=limit)


def _is_there(errand: Errand, target: Store) -> bool:
    """Tell whether the target has the file already.

    Raises:
        AlreadyExistsError: It has something else there, that no earlier run can have written.
    """
    key = errand.file.path
    try:
        meta = target.head(key)
    except NotFoundError:
        return False
    if errand.digest is not None and meta.size == errand.file.size:
        marked = meta.metadata.get(MARK)
        if errand.digest == (marked or _digest(target, key)):
            return True
    if target.capabilities.metadata and MARK not in meta.metadata:
        raise AlreadyExistsError(f"something else is at {key!r}", key=key, store=target)
    return False


def _copied(errand: Errand, source: Store, target: Store) -> int:
    key = errand.file.path
    kept = dict(errand.metadata) if errand.digest is None else {**errand.metadata, MARK: errand.digest}
    options = kept_options(target, errand.file.content_type, kept)
    with _opened(errand.file, source) as result:
        put = target.put(key, SizedChunks(_verified(result, errand), result.meta.size), options)
    return put.size


def _opened(file: FileObject, source: Store) -> GetResult:
    if file.staged is not None:
        try:
            return source.get(file.staged)
        except NotFoundError:
            pass  # it was moved to its place
    return source.get(file.path)


def _verified(chunks: GetResult, errand: Errand) -> Iterator[bytes]:
    """Yield content; if it is not what the row says, nothing of it is stored."""
    whole = hashlib.sha256()
    for chunk in chunks:
        whole.update(chunk)
        yield chunk
    if errand.digest not in {None, whole.hexdigest()}:
        raise IntegrityError(f"the bytes of {errand.file.path!r} are not those that the row names", key=errand.file.path)


def _digest(store: Store, key: str) -> str:
    whole = hashlib.sha256()
    with store.get(key) as result:
        for chunk in result:
            whole.update(chunk)
    return whole.hexdigest()
