# Generated from moving_async.py by tools/twins.py: change that file, not this one.
"""Renaming within one store, by pathlib's rules, on the engine's move."""

from __future__ import annotations

from holdall.engine.progress import TransferOptions
from holdall.engine.transfer import move
from holdall.errors import AlreadyExistsError, IsDirectoryError, NotDirectoryError, NotEmptyError, NotFoundError
from holdall.mounts.lookup import describe
from holdall.mounts.permits import check_may_delete
from holdall.mounts.tree import entries
from holdall.store import Store

__all__ = ["rename"]


def rename(store: Store, source: str, target: str, *, replacing: bool) -> None:
    """Rename a file or directory within a store.

    Args:
        store: The store.
        source: Key of a file or directory.
        target: New key.
        replacing: Take the place of a file, or of an empty directory.

    Raises:
        NotFoundError: Nothing at the source.
        AlreadyExistsError: Something at the target, and not ``replacing``.
        IsDirectoryError, NotDirectoryError: A file would replace a directory, or a directory a file.
        NotEmptyError: A directory with something in it would be replaced.
    """
    if not source or not target:
        raise IsDirectoryError("the root of a mount cannot be renamed or replaced", store=store)
    check_may_delete(store, source)
    ours = describe(store, source)
    if ours is None:
        raise NotFoundError(f"nothing at {source!r}", key=source, store=store)
    if source == target:
        return
    there = describe(store, target)
    if there is not None and not replacing:
        raise AlreadyExistsError(f"{target!r} already exists", key=target, store=store)
    if there is not None and there.kind != ours.kind:
        if there.kind == "directory":
            raise IsDirectoryError(f"{target!r} is a directory", key=target, store=store)
        raise NotDirectoryError(f"{target!r} is a file", key=target, store=store)
    if there is not None and there.kind == "directory":
        for _ in entries(store, target):
            raise NotEmptyError(f"the directory {target!r} is not empty", key=target, store=store)
        store.delete(f"{target}/")
    tail = "/" if ours.kind == "directory" else ""
    move((store, source + tail), (store, target + tail), TransferOptions(overwrite=replacing))
