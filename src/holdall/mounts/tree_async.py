"""What lies below a node: listing, globbing, walking, deleting. Lazy: a directory is never held in memory as a whole.

Everything works on ``(store, key)`` and yields `ObjectMeta`; a directory is one whose ``kind`` says so and whose key has no
trailing ``/``. `holdall.mounts.node_tree` makes nodes of them.
"""

from __future__ import annotations

from collections.abc import AsyncIterator

from holdall.core.meta import ObjectMeta
from holdall.core.options import PutOptions
from holdall.engine.colours import closed_async
from holdall.engine.links import Links, is_link
from holdall.errors import AlreadyExistsError, HoldallError, InvalidKeyError, IsDirectoryError, NotEmptyError, NotFoundError
from holdall.mounts.entries import folder, in_order, invalid, parents
from holdall.mounts.globs import Glob, literal_start, segment_regex
from holdall.mounts.lookup_async import describe_async, directory_async, file_async, no_children_async
from holdall.mounts.permits import check_may_delete, check_may_write
from holdall.results import DeleteResult
from holdall.store import Store

__all__ = [
    "delete_tree_async",
    "entries_async",
    "globbed_async",
    "make_directory_async",
    "remove_empty_async",
    "remove_file_async",
]

BATCH = 1000
"""Keys per bulk delete; the most that S3 takes."""


async def entries_async(store: Store, key: str) -> AsyncIterator[ObjectMeta]:
    """Yield what stands directly in a directory.

    Raises:
        NotFoundError: Nothing there.
        NotDirectoryError: A file is there.
    """
    below = f"{key}/" if key else ""
    seen = False
    async with closed_async(store.list_async(below, delimiter="/")) as pages:
        async for page in pages:
            for meta in in_order(page, below):
                seen = True
                yield meta
            seen = seen or bool(page.objects)
    if not seen and (error := await no_children_async(store, key)) is not None:
        raise error


async def globbed_async(store: Store, key: str, pattern: Glob) -> AsyncIterator[ObjectMeta]:
    """Yield what matches a pattern below a directory, each once; a missing directory has no matches.

    Without ``**`` the segments are followed level by level; with it one recursive listing is matched.
    """
    start = f"{key}/{pattern.head}" if key and pattern.head else key or pattern.head
    if not pattern.tail:
        found = await describe_async(store, start)
        if found is not None and (found.kind == "directory" or not pattern.only_dirs):
            yield found if found.kind == "file" else folder(start)
        return
    matches = _deep_async(store, key, start, pattern) if pattern.deep else _level_async(store, start, pattern.tail)
    async with closed_async(matches) as found_ones:
        async for meta in found_ones:
            if meta.kind == "directory" or not pattern.only_dirs:
                yield meta


async def _level_async(store: Store, start: str, tail: tuple[str, ...]) -> AsyncIterator[ObjectMeta]:
    """Follow the first segment of the tail in one listing, then the others below each directory that matches."""
    below = f"{start}/" if start else ""
    first, rest = tail[0], tail[1:]
    wanted = segment_regex(first)
    async with closed_async(store.list_async(below + literal_start(first), delimiter="/")) as pages:
        async for page in pages:
            for meta in in_order(page, below):
                if not wanted.fullmatch(meta.key[len(below) :]):
                    continue
                if not rest:
                    yield meta
                elif meta.kind == "directory":
                    async with closed_async(_level_async(store, meta.key, rest)) as deeper_ones:
                        async for deeper in deeper_ones:
                            yield deeper


async def _deep_async(store: Store, key: str, start: str, pattern: Glob) -> AsyncIterator[ObjectMeta]:
    """Match everything below one directory; directories are known by what lies in them, each is named once."""
    below = f"{start}/" if start else ""
    cut = len(key) + 1 if key else 0
    known: set[str] = {start}
    itself = start[cut:]
    if (itself or set(pattern.tail) == {"**"}) and pattern.matches(itself) and await directory_async(store, start):
        yield folder(start)
    async with closed_async(store.list_async(below)) as pages:
        async for page in pages:
            for meta in in_order(page, below):
                whole = f"{meta.key}/" if meta.kind == "directory" and not meta.key.endswith("/") else meta.key
                for parent in parents(whole, len(below)):
                    if parent not in known:
                        known.add(parent)
                        if pattern.matches(parent[cut:]):
                            yield folder(parent)
                if meta.kind == "file" and pattern.matches(meta.key[cut:]):
                    yield meta


async def delete_tree_async(store: Store, key: str) -> None:
    """Delete a file, and a directory with everything below it; what is absent counts as deleted.

    A link to a directory is deleted itself: what it leads to stays. All items are tried; the first failure is raised afterwards. A key
    with a slash at its end means the directory alone: a file of the name without it stays.
    """
    check_may_delete(store, key)
    failed: HoldallError | None = None
    folders: set[str] = set()
    alone = key.endswith("/")
    below = key if alone or not key else f"{key}/"
    key = key.removesuffix("/")
    real = store.capabilities.directories == "real"
    if key and not alone and (not real or is_link(store, key) or await directory_async(store, key) is None):
        await store.delete_async(key)
        if real:
            return
    links, linked = Links(store, below), set[str]()
    if store.capabilities.list:
        async with closed_async(store.list_async(below)) as pages:
            async for page in pages:
                paths = [*(meta.key for meta in page.objects), *page.prefixes]
                linked.update(link for path in paths if (link := links.above(path)) is not None)
                keys = [meta.key for meta in page.objects if links.above(meta.key) is None]
                for at in range(0, len(keys), BATCH):
                    for result in await _delete_batch_async(store, keys[at : at + BATCH]):
                        failed = failed or result.error
                if real:
                    for path in paths:
                        folders.update(parents(links.above(path) or path, len(below)))
    if key and real:
        folders.add(key)
    for path in folders:
        linked.update(links.within(path))
    if linked:
        for result in await store.delete_async(sorted(linked)):
            failed = failed or result.error
    if real:
        levels: dict[int, list[str]] = {}
        for path in folders:
            levels.setdefault(path.count("/"), []).append(f"{path}/")
        for depth in sorted(levels, reverse=True):  # one call for each: keys of one call may be deleted in any order
            for result in await store.delete_async(sorted(levels[depth])):
                failed = failed or result.error
    if failed is not None:
        raise failed


async def _delete_batch_async(store: Store, keys: list[str]) -> list[DeleteResult]:
    """Delete keys; those that others made and no verb takes (``a/../b`` on an object store) fail by themselves."""
    try:
        return await store.delete_async(keys)
    except InvalidKeyError:
        bad = [DeleteResult(key=key, error=error) for key in keys if (error := invalid(key)) is not None]
        if not bad:
            raise
        odd = {result.key for result in bad}
        return [*bad, *await store.delete_async([key for key in keys if key not in odd])]


async def make_directory_async(store: Store, key: str, *, parents: bool, exist_ok: bool) -> None:
    """Make a directory: a real one, a marker, or nothing where directories exist only by what is in them.

    Raises:
        AlreadyExistsError: Something is there (a directory too, unless ``exist_ok``).
        NotFoundError: The parent is missing, where directories are real and ``parents`` is false.
    """
    check_may_write(store, key)
    found = await describe_async(store, key)
    if found is not None:
        if found.kind == "directory" and exist_ok:
            return
        raise AlreadyExistsError(f"{key!r} already exists", key=key, store=store)
    capabilities = store.capabilities
    if capabilities.directories == "real" and not parents:
        parent = key.rpartition("/")[0]
        if parent and await directory_async(store, parent) is None:
            raise NotFoundError(f"no directory at {parent!r} to make {key!r} in", key=key, store=store)
    if capabilities.directories != "implied":
        try:
            await store.put_async(f"{key}/", b"", PutOptions(mode="create") if capabilities.create else None)
        except AlreadyExistsError:  # another one made it in between
            if not exist_ok:
                raise


async def remove_empty_async(store: Store, key: str) -> None:
    """Delete an empty directory.

    Raises:
        NotFoundError: No directory there.
        OSError: It is not empty.
    """
    check_may_delete(store, key)
    async with closed_async(entries_async(store, key)) as found:
        async for _ in found:
            raise NotEmptyError(f"the directory {key!r} is not empty", key=key, store=store)
    if not key:
        raise IsDirectoryError("the root of a mount stays", store=store)
    await store.delete_async(f"{key}/")


async def remove_file_async(store: Store, key: str, *, missing_ok: bool) -> None:
    """Delete a file.

    Raises:
        NotFoundError: Nothing there, and ``missing_ok`` is false.
        IsDirectoryError: A directory.
    """
    check_may_delete(store, key)
    if await file_async(store, key) is None:
        if await directory_async(store, key) is not None:
            raise IsDirectoryError(f"{key!r} is a directory", key=key, store=store)
        if missing_ok:
            return
        raise NotFoundError(f"nothing at {key!r}", key=key, store=store)
    await store.delete_async(key)
