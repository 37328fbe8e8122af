"""Whole contents: read, write, write only what changed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from holdall.core.meta import ObjectMeta
from holdall.core.options import GetOptions, PutOptions
from holdall.errors import AlreadyExistsError, IsDirectoryError, NotFoundError, NotSupportedError, PreconditionError
from holdall.mounts.lookup_async import absence_async, file_async
from holdall.mounts.permits import check_may_write
from holdall.results import GetResult, PutResult
from holdall.sources import AsyncSource
from holdall.store import Store

__all__ = [
    "create_async",
    "opened_async",
    "read_async",
    "same_bytes_async",
    "set_metadata_async",
    "write_async",
    "write_changed_async",
]


async def read_async(store: Store, key: str, version: str | None) -> bytes:
    """Return all bytes of a file.

    Raises:
        NotFoundError: Nothing there.
        IsDirectoryError: A directory.
    """
    try:
        if not key:
            raise NotFoundError("the root of a mount is no file", store=store)
        result = await store.get_async(key, None if version is None else GetOptions(version=version))
        return await result.bytes_async()
    except NotFoundError as error:
        if version is not None:
            raise
        raise await absence_async(store, key, error) from error


async def opened_async(store: Store, key: str, options: GetOptions) -> GetResult:
    """Open a file as a stream. Raises as `read_async`."""
    try:
        if not key:
            raise NotFoundError("the root of a mount is no file", store=store)
        return await store.get_async(key, options)
    except NotFoundError as error:
        if options.version is not None:
            raise
        raise await absence_async(store, key, error) from error


async def create_async(store: Store, key: str) -> None:
    """Make an empty file.

    Raises:
        AlreadyExistsError: Something is there.
    """
    check_may_write(store, key)
    if not store.capabilities.create and await file_async(store, key) is not None:
        raise AlreadyExistsError(f"{key!r} already exists", key=key, store=store)
    await write_async(store, key, b"", PutOptions(mode="create") if store.capabilities.create else None)


async def set_metadata_async(store: Store, key: str, metadata: Mapping[str, str], *, merge: bool) -> None:
    """Replace or merge the user metadata; a merge is tied to what was read by the etag.

    Raises:
        NotSupportedError: This store keeps no metadata, or cannot change it.
    """
    check_may_write(store, key)
    if not store.capabilities.set_metadata:
        raise NotSupportedError(f"this mount does not support metadata (asked for {key!r})", key=key, store=store)
    if not merge:
        await store.set_metadata_async(key, metadata)
        return
    found = await store.head_async(key)
    merged = {**found.metadata, **{k.lower(): v for k, v in metadata.items()}}
    await store.set_metadata_async(key, merged, if_match=found.etag)


async def write_async(store: Store, key: str, source: AsyncSource, options: PutOptions | None) -> PutResult:
    """Publish a whole file.

    Raises:
        IsDirectoryError: The root of a mount.
    """
    if not key:
        raise IsDirectoryError("the root of a mount is no file", store=store)
    return await store.put_async(key, source, options)


async def write_changed_async(store: Store, key: str, data: bytes, options: PutOptions | None) -> bool:
    """Publish bytes unless the file holds them already; what is replaced is what was compared.

    Returns:
        Whether anything was written.

    Raises:
        PreconditionError: Somebody wrote between the comparison and the write; nothing of theirs is lost.
    """
    if not key:
        raise IsDirectoryError("the root of a mount is no file", store=store)
    check_may_write(store, key)
    options = options or PutOptions()
    found = await file_async(store, key)
    if found is not None and await same_bytes_async(store, found, data):
        return False
    capabilities = store.capabilities
    if options.mode == "overwrite":
        if found is None and capabilities.create:
            options = replace(options, mode="create")
        elif found is not None and found.etag is not None and capabilities.update:
            options = replace(options, mode="update", if_match=found.etag)
    try:
        await store.put_async(key, data, options)
    except FileExistsError as error:
        if found is not None:
            raise
        raise PreconditionError(f"{key!r} appeared while it was compared", key=key, store=store) from error
    return True


async def same_bytes_async(store: Store, found: ObjectMeta, data: bytes) -> bool:
    """Tell whether a described file holds these bytes: size first, then a digest the store vouches for, else its content."""
    if found.size != len(data):
        return False
    for algorithm, digest in found.digests.items():
        if algorithm in {"md5", "sha1", "sha256", "sha512"}:
            return _digest(algorithm, data) == digest
    try:
        result = await store.get_async(found.key, GetOptions(if_match=found.etag) if _pins(store, found) else None)
        return await result.bytes_async() == data
    except NotFoundError:
        return False


def _pins(store: Store, found: ObjectMeta) -> bool:
    return found.etag is not None and store.capabilities.conditional_read


def _digest(algorithm: str, data: bytes) -> str:
    import hashlib  # noqa: PLC0415  # most writes never compare

    return hashlib.new(algorithm, data, usedforsecurity=False).hexdigest()
