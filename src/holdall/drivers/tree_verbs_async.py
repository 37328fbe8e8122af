"""The verbs of the contract over the primitives of a `Tree`: what to ask, in which order, and what to undo."""

from __future__ import annotations

import time
from collections.abc import AsyncGenerator, AsyncIterator, Iterable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from holdall._concurrency import gather_async
from holdall.core.keys import ReservedKey, check_prefix, is_reserved
from holdall.core.meta import ListPage, ObjectMeta, ObjectVersion
from holdall.core.options import CopyOptions, GetOptions, PutOptions
from holdall.core.preconditions import check_get, missing
from holdall.core.ranges import Coalesce, Merged, coalesce
from holdall.drivers.tree import Entry, Reader, Tree
from holdall.drivers.tree_rules import (
    PAGE,
    SMALL,
    check_copy,
    check_delete,
    check_name,
    check_options,
    check_read,
    checked_keys,
    mapped,
    meta_of,
    result_of,
    sorted_entries,
)
from holdall.errors import HoldallError, MissingPlaceError, NotFoundError, RangeNotSatisfiableError
from holdall.results import DeleteResult, GetResult, PutResult
from holdall.sources import AsyncSource, iter_chunks_async, source_size

if TYPE_CHECKING:
    from holdall.drivers.tree_store import TreeStore

ROOT_SEEN = 60.0
"""Seconds for which a root that was there is believed to be there."""


async def get_async(store: TreeStore, key: str, options: GetOptions | None) -> GetResult:
    """Open an object for reading. See `Store.get`."""
    options = options or GetOptions()
    path = check_read(store, key, options)
    tree = await store.tree_async()
    try:
        with mapped(store, key):
            reader = await tree.open_async(path, options.version, whole=options.range is None)
    except NotFoundError:
        await confirm_root_async(store, tree)
        raise
    try:
        with mapped(store, key):
            meta = meta_of(key, reader.entry)
            check_get(options, key=key, etag=meta.etag, last_modified=meta.last_modified, store=store)
            wanted = options.byte_range
            start, end = (0, meta.size) if wanted is None else wanted.resolve(meta.size)
            small = end - start <= SMALL
            body = await reader.read_async(start, end if small else start)
    except BaseException:
        await reader.close_async()
        raise
    if small:
        await reader.close_async()
        return GetResult(meta, body, range=(start, end))
    pieces = _pieces_async(store, key, reader, start, end)

    async def close_async() -> None:
        await pieces.aclose()
        await reader.close_async()

    return GetResult(meta, pieces, range=(start, end), close=close_async)


async def _pieces_async(store: TreeStore, key: str, reader: Reader, start: int, end: int) -> AsyncGenerator[bytes]:
    chunks = reader.chunks_async(start, end)
    try:
        with mapped(store, key):
            async for chunk in chunks:
                yield chunk
    finally:
        await chunks.aclose()


async def get_ranges_async(
    store: TreeStore, key: str, ranges: Sequence[tuple[int, int]], *, if_match: str | None, rule: Coalesce | None
) -> list[bytes]:
    """Read many ranges of one opened file, so that all are of one version. See `Store.get_ranges`."""
    options = GetOptions(if_match=if_match)
    path = check_read(store, key, options)
    plan = coalesce(ranges, rule)
    tree = await store.tree_async()
    with mapped(store, key):
        reader = await tree.open_async(path)
    try:
        with mapped(store, key):
            size = reader.entry.size
            check_get(options, key=key, etag=reader.entry.etag, last_modified=reader.entry.modified, store=store)
            for start, end in ranges:
                if start >= size and end > start:
                    raise RangeNotSatisfiableError(f"range starts at byte {start} of an object of {size} bytes")

            async def fetch_async(part: Merged) -> bytes:
                return await reader.read_async(part.start, min(part.end, size))

            blocks = await gather_async([lambda p=part: fetch_async(p) for part in plan], limit=reader.parallel)  # type: ignore[misc]
    finally:
        await reader.close_async()
    parts = [b""] * len(ranges)
    for merged, block in zip(plan, blocks, strict=True):
        for i in merged.members:
            parts[i] = block[ranges[i][0] - merged.start : ranges[i][1] - merged.start]
    return parts


async def head_async(store: TreeStore, key: str, version: str | None) -> ObjectMeta:
    """Describe an object or directory. See `Store.head`."""
    path = check_read(store, key, GetOptions(version=version))
    tree = await store.tree_async()
    try:
        with mapped(store, key):
            entry = await tree.stat_async(path, version)
            wanted = "directory" if key.endswith("/") and not store.markers else "file"
            if entry.kind != wanted or (wanted == "directory" and store.capabilities.directories != "real"):
                raise missing(key, store=store)
            return meta_of(key, entry)
    except NotFoundError:
        await confirm_root_async(store, tree)
        raise


async def put_async(store: TreeStore, key: str, source: AsyncSource, options: PutOptions | None) -> PutResult:
    """Write an object: everything under another name first, then at once. See `Store.put`."""
    options = options or PutOptions()
    path = check_name(store, key)
    check_options(store, key, source, options)
    size = source_size(source)
    tree = await store.tree_async()
    if key.endswith("/") and not store.markers:
        with mapped(store, key):
            await tree.make_directory_async(path)
        return PutResult(key=str(key), size=0)
    with mapped(store, key):
        writer = await tree.create_async(path, size, options)
    try:
        async for chunk in iter_chunks_async(source):
            if chunk:
                with mapped(store, key):
                    await writer.write_async(chunk)
        with mapped(store, key):
            entry = await writer.publish_async(options.mode, options.if_match)
    except BaseException:
        await writer.abort_async()
        raise
    return result_of(key, entry)


async def delete_async(store: TreeStore, keys: str | Iterable[str], if_match: str | None) -> list[DeleteResult]:
    """Delete one key or many. See `Store.delete`."""
    check_delete(store, keys, if_match)
    if isinstance(keys, str):
        path = check_name(store, keys)
        return [await _delete_one_async(store, await store.tree_async(), keys, path, if_match)]
    plan = checked_keys(store, keys)
    tree = await store.tree_async()

    async def attempt_async(key: str, path: str) -> DeleteResult:
        try:
            return await _delete_one_async(store, tree, key, path, None)
        except HoldallError as error:
            return DeleteResult(key=str(key), error=error)

    first = dict(plan)
    done = await gather_async([lambda k=k, p=p: attempt_async(k, p) for k, p in first.items()], limit=tree.workers)  # type: ignore[misc]
    by_key = {result.key: result for result in done}
    return [by_key[str(key)] for key, _ in plan]


async def _delete_one_async(store: TreeStore, tree: Tree, key: str, path: str, if_match: str | None) -> DeleteResult:
    try:
        with mapped(store, key):
            directory = key.endswith("/") and not store.markers
            remove_async = tree.remove_directory_async if directory else tree.remove_async
            existed = await remove_async(path, if_match)
    except NotFoundError:
        existed = False
        await confirm_root_async(store, tree)
    return DeleteResult(key=str(key), existed=existed)


async def copy_async(store: TreeStore, src: str, dst: str, options: CopyOptions | None, source: object) -> PutResult:
    """Copy on the server's side. See `Store.copy`."""
    options = options or CopyOptions()
    src_path, dst_path = check_copy(store, src, dst, options, source)
    tree = await store.tree_async()
    with mapped(store, src, to=dst):
        if options.if_match is not None:
            entry = await tree.stat_async(src_path)
            check_get(GetOptions(if_match=options.if_match), key=src, etag=entry.etag, last_modified=None, store=store)
        entry = await tree.copy_async(src_path, dst_path, options.mode)
        if options.modified is not None:
            await tree.set_modified_async(dst_path, options.modified)
            entry = await tree.stat_async(dst_path)
        return result_of(dst, entry)


async def rename_async(store: TreeStore, src: str, dst: str, mode: str) -> None:
    """Rename a file or directory. See `Store.rename`."""
    options = CopyOptions(mode=mode)  # type: ignore[arg-type]  # it checks
    if not store.capabilities.rename:
        raise store._refusal("rename", "not atomically")
    if options.mode == "create" and not store.capabilities.create:
        raise store._refusal("rename without races")
    src_path, dst_path = check_name(store, src), check_name(store, dst)
    if src.endswith("/") != dst.endswith("/") and not store.markers:
        raise ValueError("a directory is renamed to a directory, a file to a file: both keys end with '/' or none does")
    tree = await store.tree_async()
    with mapped(store, src, to=dst):
        entry = await tree.stat_async(src_path)
        if entry.kind != ("directory" if src.endswith("/") and not store.markers else "file"):
            raise missing(src, store=store)
        if src_path != dst_path:
            await tree.move_async(src_path, dst_path, options.mode)


async def versions_async(store: TreeStore, key: str) -> list[ObjectVersion]:
    """Return the versions of one key. See `Store.versions`."""
    if not store.capabilities.versions:
        raise store._refusal("list versions")
    path = check_name(store, key)
    tree = await store.tree_async()
    with mapped(store, key):
        return await tree.versions_async(path)


@dataclass(slots=True)
class _Page:
    """What has been found and not yet handed out."""

    objects: list[ObjectMeta] = field(default_factory=list)
    prefixes: list[str] = field(default_factory=list)

    def full(self) -> bool:
        return len(self.objects) + len(self.prefixes) >= PAGE

    def take(self) -> ListPage:
        page = ListPage(self.objects, self.prefixes)
        self.objects, self.prefixes = [], []
        return page


async def pages_async(
    store: TreeStore, prefix: str, delimiter: str | None, start_after: str | None
) -> AsyncIterator[ListPage]:
    """List directory by directory, in key order; one directory of each level is in memory. See `Store.list`."""
    check_prefix(prefix)
    hidden = not isinstance(prefix, ReservedKey)
    tree = await store.tree_async()
    folder, _, stem = prefix.rpartition("/")
    base = folder + "/" if folder else ""
    if (folder and store.refuses(folder)) or (hidden and is_reserved(folder)):
        return
    after = start_after or ""
    entries = await _scan_async(store, tree, folder)
    if entries is None:
        await confirm_root_async(store, tree)
        return
    real = store.capabilities.directories == "real"
    page = _Page()
    levels = [(base, iter(sorted_entries(base, entries, stem, hidden=hidden)))]
    while levels:
        base, rest = levels[-1]
        entry = next(rest, None)
        if entry is None:
            levels.pop()
            continue
        key = base + entry.name
        if entry.kind == "file":
            if key > after:
                page.objects.append(meta_of(key, entry))
        elif delimiter:
            if key + "/" > after:
                page.prefixes.append(key + "/")
        elif key + "/" > after or after.startswith(key + "/"):
            entries = await _scan_async(store, tree, key)
            if entries is None:
                continue
            below = sorted_entries(key + "/", entries, "", hidden=hidden)
            if below:
                levels.append((key + "/", iter(below)))
            elif real and key + "/" > after:
                page.prefixes.append(key + "/")
        if page.full():
            yield page.take()
    if page.objects or page.prefixes:
        yield page.take()


async def _scan_async(store: TreeStore, tree: Tree, folder: str) -> Sequence[Entry] | None:
    """Return what a directory holds, ``None`` if it is not there (any more)."""
    try:
        with mapped(store, folder):
            return await tree.scan_async(folder)
    except (NotFoundError, NotADirectoryError):
        return None


async def confirm_root_async(store: TreeStore, tree: Tree) -> None:
    """Make sure that a miss is a miss: where the whole root is gone, nothing can be said of what it held.

    Raises:
        MissingPlaceError: The root is not there.
    """
    if tree.prepared or time.monotonic() - store.root_seen < ROOT_SEEN:
        return
    try:
        with mapped(store, ""):
            await tree.stat_async("")
    except NotFoundError as error:
        raise MissingPlaceError("the base directory is not there", store=store) from error
    store.root_seen = time.monotonic()
