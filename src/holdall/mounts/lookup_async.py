"""What is at a key: file, directory, both or nothing, with the fewest requests.

A file is an object at the key. A directory is a real one, a marker, or whatever lies below ``key/``. "Could not be asked"
is never read as "nothing": only `NotFoundError` is.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from holdall._concurrency import run_async
from holdall._lazy import lazy
from holdall.core.meta import ObjectMeta
from holdall.core.options import GetOptions
from holdall.engine.colours import closed_async
from holdall.errors import HoldallError, IsDirectoryError, NotDirectoryError, NotFoundError, NotSupportedError
from holdall.store import Store

if TYPE_CHECKING:
    import hashlib
else:
    hashlib = lazy("hashlib")

__all__ = [
    "absence_async",
    "describe_async",
    "digest_async",
    "directory_async",
    "file_async",
    "has_children_async",
    "no_children_async",
]


async def file_async(store: Store, key: str, version: str | None = None) -> ObjectMeta | None:
    """Return the description of the file at a key, ``None`` if there is none."""
    if not key:
        return None
    try:
        meta = await store.head_async(key, version=version)
    except NotFoundError:
        return None
    return meta if meta.kind == "file" else None


async def has_children_async(store: Store, prefix: str) -> bool:
    """Tell whether anything lies below a prefix (a marker at the prefix itself counts); one request."""
    async with closed_async(store.list_async(prefix, delimiter="/")) as pages:
        async for page in pages:
            if page.objects or page.prefixes:
                return True
    return False


async def directory_async(store: Store, key: str) -> ObjectMeta | None:
    """Return the description of the directory at a key, ``None`` if there is none; one request.

    The root of a mount is a directory if it can be listed; a store that cannot list knows none.
    """
    capabilities = store.capabilities
    if key and capabilities.directories == "real":
        try:
            return await store.head_async(f"{key}/")
        except NotFoundError:
            return None
    if not capabilities.list:
        return None
    prefix = f"{key}/" if key else ""
    try:
        found = await has_children_async(store, prefix)
    except NotFoundError:
        return None  # no bucket, no root
    except NotSupportedError:  # the root of a switched mount: it is there, and cannot be listed
        if key:
            raise
        found = False
    return ObjectMeta(key=prefix, size=0, kind="directory") if found or not key else None


async def describe_async(store: Store, key: str, version: str | None = None) -> ObjectMeta | None:
    """Return the description of what is at a key, the file if there are both; at most two requests."""
    if key:
        try:
            return await store.head_async(key, version=version)
        except NotFoundError:
            if version is not None:
                return None
    return await directory_async(store, key)


async def absence_async(store: Store, key: str, error: NotFoundError, message: str = "") -> HoldallError:
    """Return the error that a missing file deserves: `IsDirectoryError` where a directory is, else the store's own."""
    found = await directory_async(store, key)
    if found is None:
        return error
    return IsDirectoryError(message or f"{key!r} is a directory", key=key, store=error.store)


async def no_children_async(store: Store, key: str) -> HoldallError | None:
    """Return the error that an empty listing of a directory deserves; ``None`` if the directory is there."""
    if not key:
        return None
    if store.capabilities.directories == "real" and await directory_async(store, key) is not None:
        return None
    if await file_async(store, key) is not None:
        return NotDirectoryError(f"{key!r} is a file", key=key, store=store)
    return NotFoundError(f"no directory at {key!r}", key=key, store=store)


async def digest_async(store: Store, key: str, algorithm: str, version: str | None = None) -> str:
    """Return the digest of a file in lower-case hex: the store's own if it vouches for one, else streamed."""
    hasher = hashlib.new(algorithm)
    if algorithm in store.capabilities.digests:
        known = (await store.head_async(key, version=version)).digests.get(algorithm)
        if known is not None:
            return known
    async with await store.get_async(key, GetOptions(version=version) if version else None) as result:
        async for chunk in result:
            if len(chunk) > 65536:
                await run_async(partial(hasher.update, chunk))
            else:
                hasher.update(chunk)
    return hasher.hexdigest()
